"""Prices that are old and providers that do not answer.

A single stop that hears no usable quote for a minute is told by itself (`data_stale`, `engine.silence`). These rules
are about the market data as a whole: where such a stop was told a moment ago, the alert opens without a second sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from alerts.facts import Facts
from alerts.findings import Finding, Rule
from alerts.rules.thresholds import Thresholds
from engine.ages import age
from engine.model.events import Severity
from engine.percent import as_percent
from engine.ports import SourceState

OPENING = timedelta(seconds=30)
"""After the opening bell before anybody's quote may be missed."""
FEWER = 0.4
"""Share of its bound that the fraction of old names has to fall back to."""
SHOWN = 5


def rules(bounds: Thresholds) -> tuple[Rule[Facts], ...]:
    """Those about where prices come from."""
    return (
        # Without prices stops go by the model and targets do not fire at all.
        Rule(
            "data_stale",
            "Data stale",
            Severity.URGENT,
            lambda facts: _stale(facts, bounds),
            bounds.stale_names,
            bounds.stale_names * FEWER,
            holds=timedelta(minutes=1),
            escalates=timedelta(minutes=5),
        ),
        # Another provider stands in; whether that is enough `data_stale` tells.
        Rule(
            "provider_down",
            "Provider down",
            Severity.WARNING,
            _providers,
            1.0,
            0.0,
            holds=timedelta(minutes=2),
            again=timedelta(hours=12),
        ),
    )


def _stale(facts: Facts, bounds: Thresholds) -> Iterator[Finding]:
    if not facts.quotes:
        return
    limit = timedelta(seconds=bounds.stale_seconds)
    if not facts.is_open or facts.opened is None or facts.now - facts.opened < limit + OPENING:
        yield Finding("", None, "No price is expected now.")
        return
    old = [(ticker, at) for ticker, at in facts.quotes if at is None or facts.now - at > limit]
    share = len(old) / len(facts.quotes)
    names = ", ".join(_name(facts, ticker, at) for ticker, at in old[:SHOWN])
    more = f" and {len(old) - SHOWN} more" if len(old) > SHOWN else ""
    words = (
        f"{len(old)} of {len(facts.quotes)} held names ({as_percent(share)}) have no quote younger than "
        f"{bounds.stale_seconds} s{': ' if names else ''}{names}{more}."
    )
    yield Finding("", share, words, "/health shows which source does not answer; stops go by the model meanwhile.")


def _name(facts: Facts, ticker: str, at: datetime | None) -> str:
    return f"{ticker} (none)" if at is None else f"{ticker} ({age((facts.now - at).total_seconds())})"


def _providers(facts: Facts) -> Iterator[Finding]:
    for state in facts.sources:
        yield _provider(facts, state)


def _provider(facts: Facts, state: SourceState) -> Finding:
    if state.is_up and state.answered_at is None:
        return Finding(state.name, None, f"{state.name} was not asked yet.")
    since = facts.since(state.since)
    lasting = "" if since is None else f" for {age(since.total_seconds())}"
    trouble = f": {state.trouble}" if state.trouble and not state.is_up else "."
    words = f"{state.name} is {'up' if state.is_up else 'down'}{lasting}{trouble}"
    advice = "Others stand in where they can. Check its keys and its status page if it lasts."
    figure = "" if since is None else age(since.total_seconds())
    return Finding(state.name, 0.0 if state.is_up else 1.0, words, advice, figure=figure)
