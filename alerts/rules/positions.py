"""Stops and targets that are near, and exits that do not get done.

That a stop or target was reached and what is done about it is told by the exit itself, and so is the first failure: the
alert opens beside it without a second sound, to be answered, and is heard when nobody does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from alerts.facts import Facts, Failing, Watched
from alerts.findings import ALL, Finding, Rule
from alerts.rules.thresholds import Thresholds, back
from engine.alarms import Trouble
from engine.model.events import Severity
from engine.percent import as_percent

BACK = 0.10
"""How much further from the stop or the target a position has to be before that is over, of the way from entry."""


def rules(bounds: Thresholds) -> tuple[Rule[Facts], ...]:
    """Those about one position each."""
    stop, target = 1.0 - bounds.stop_near, 1.0 - bounds.target_near
    return (
        # The desk closes it by itself; who wants something else (roll, hedge) has to act before.
        Rule("stop_near", "Stop near", Severity.WARNING, _stops, stop, back(stop, BACK), worse=EXIT_FAILED.name),
        # Good news that needs nobody.
        Rule("target_near", "Target near", Severity.INFO, _targets, target, back(target, BACK), worse=EXIT_FAILED.name),
        EXIT_FAILED,
    )


def _stops(facts: Facts) -> Iterator[Finding]:
    if not facts.is_open:
        yield Finding(ALL, None, "No price is judged while the market is closed.")
        return
    for position in facts.positions:
        if position.has_stop and not position.is_closing:
            yield _stop(position)


def _stop(position: Watched) -> Finding:
    gone = position.to_stop
    if gone is None:
        return Finding(
            position.id, None, f"How far {position.id} is from its stop is not known.", ticker=position.ticker
        )
    left = "the stop is reached" if gone >= 1 else f"{as_percent(1 - gone)} of the way to the stop is left"
    words = f"{position.words}: {_where(position)}; {left}."
    advice = "The desk closes it at the stop. Close or roll it now if you want something else."
    figure = "reached" if gone >= 1 else f"{as_percent(1 - gone)} left"
    return Finding(position.id, float(gone), words, advice, position.ticker, figure)


def _where(position: Watched) -> str:
    """`worth -1.95 a share, stop at -2.06`, `XYZ at 61.20, stop at 60.00`."""
    spot = position.stop_spot if position.stop_spot is not None else position.stop_spot_above
    parts = []
    if position.stop is not None and position.value is not None:
        parts.append(f"worth {position.value:.2f} a share, stop at {position.stop:.2f}")
    if spot is not None and position.spot is not None:
        parts.append(f"{position.ticker} at {position.spot:.2f}, stop at {spot:.2f}")
    return "; ".join(parts)


def _targets(facts: Facts) -> Iterator[Finding]:
    if not facts.is_open:
        yield Finding(ALL, None, "No price is judged while the market is closed.")
        return
    for position in facts.positions:
        if position.target is not None and not position.is_closing:
            yield _target(position)


def _target(position: Watched) -> Finding:
    gone = position.to_target
    if gone is None:
        words = f"How far {position.id} is from its target is not known."
        return Finding(position.id, None, words, ticker=position.ticker)
    words = (
        f"{position.words}: worth {position.value:.2f} a share, target at {position.target:.2f}; "
        f"{as_percent(gone)} of the way is gone."
    )
    figure = "reached" if gone >= 1 else f"{as_percent(1 - gone)} left"
    return Finding(position.id, float(gone), words, "The desk takes the profit at the target.", position.ticker, figure)


def not_done(failing: Failing) -> Finding:
    """An exit or a net that fails, as a finding."""
    what = "An exit" if failing.trouble is Trouble.EXIT else "The net"
    often = "once" if failing.count == 1 else f"{failing.count} times"
    note = failing.note.rstrip(".")
    words = f"{what} of {failing.ticker} ({failing.position}) has failed {often}: {note}."
    advice = "The desk goes on trying. Close it by hand at the broker if that cannot wait."
    return Finding(failing.subject, 1.0, words, advice, failing.ticker, often)


def _failing(facts: Facts) -> Iterator[Finding]:
    for each in facts.failing:
        yield not_done(each)


EXIT_FAILED = Rule("exit_failed", "Exit not done", Severity.URGENT, _failing, escalates=timedelta(minutes=2))
"""Money is lost with every minute: nothing else makes somebody look as soon."""
