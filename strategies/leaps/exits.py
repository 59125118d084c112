"""When a LEAPS call is sold, in part or whole, and when a person is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from engine.model.book import Position
from engine.model.instruments import Instrument, Option
from engine.model.legs import ExitPlan
from engine.model.market import MarketSnapshot, Quote
from engine.model.trade import Context, Exit, RollRules, Signal
from engine.percent import as_percent
from strategies.leaps.params import Params
from strategies.leaps.scores import scores

QUARTER_STARTS = (1, 4, 7, 10)


def is_rebalance(today: date, params: Params) -> bool:
    """Whether the day is one of the first of a quarter."""
    return today.month in QUARTER_STARTS and today.day <= params.rebalance_days


def exits(signal: Signal, params: Params) -> ExitPlan:
    """The exit plan of a call bought at the signal's limit; its gains are taken by `manage`, not by a target."""
    stop = signal.limit * (1 - Decimal(str(params.stop_share)))
    last = signal.options[0].expiry - timedelta(days=params.exit_dte)
    first, second = (signal.limit * (1 + Decimal(str(gain))) for gain in (params.take_gain, params.take_again))
    return replace(
        signal.exits,
        stop=stop,
        stop_before_close=params.stop_minutes,
        close_on=last,
        words=(
            f"At {first:.2f} and again at {second:.2f}: a third of three or more is sold, one of two; "
            "about a single one you are asked.",
            f"Stop: sold at {stop:.2f} or less in the last {params.stop_minutes} minutes of a session "
            f"({as_percent(params.stop_share)} of the premium lost at a close).",
            f"You are asked about a roll from {params.roll_dte} days before expiry, and at a rebalance with a score "
            f"below {params.sell_score:g}.",
            f"Sold {params.exit_dte} days before expiry, on {last:%d %b %Y}.",
        ),
    )


def manage(
    position: Position, snapshot: MarketSnapshot, quotes: Mapping[Instrument, Quote], params: Params
) -> tuple[Exit, ...]:
    """A part sold at each gain, a question about a single one, and near its end about a roll."""
    option = position.unit[0].instrument
    if not isinstance(option, Option):
        return ()
    days = option.dte(snapshot.today)
    if days <= params.roll_dte:
        words = f"{days} days left: roll it, or close it; unanswered, it is sold {params.exit_dte} days before expiry"
        return (Exit("roll", words, ask=True),)
    quote = quotes.get(option)
    if quote is None or position.entry is None or position.entry <= 0 or not _is_good(quote, params):
        return ()
    return _taken(position, quote.mid / position.entry - 1, params)


def _is_good(quote: Quote, params: Params) -> bool:
    return quote.is_two_sided and quote.spread_ratio <= params.max_spread


def _taken(position: Position, gain: Decimal, params: Params) -> tuple[Exit, ...]:
    """What a gain asks for: as many sales of a part as gains have been reached, each once."""
    reached = [level for level in (params.take_gain, params.take_again) if gain >= Decimal(str(level))]
    if not reached:
        return ()
    before = left = position.opened_units
    for _ in reached:
        before, left = left, left - part_of(left)
    words = f"worth {as_percent(gain, '+.0')} of what it cost"
    if position.units > left:
        count = position.units - left
        return (Exit("gain", f"{words}: {count} of {position.units} are sold", count),)
    if before == 1:
        asked = f"{words}: roll it up to delta {params.delta:g}, or close it; unanswered, it is held"
        return (Exit(f"gain {as_percent(reached[-1])}", asked, ask=True),)
    return ()


def part_of(units: int) -> int:
    """How many are sold at a gain: a third of three or more, one of two, none of one."""
    return 0 if units < 2 else max(1, units // 3)


def rolls(position: Position, params: Params) -> RollRules:
    """A later call of the delta aimed at; a debit is allowed."""
    del position
    return RollRules(dte=params.dte, credit_only=False, delta=params.delta)


def review(context: Context, params: Params) -> Mapping[str, Exit]:
    """At a rebalance, a question about each held name whose score is too low; one without a score is not judged."""
    if not is_rebalance(context.today, params):
        return {}
    found = scores(context.facts, params)
    quarter = f"{context.today:%Y} Q{(context.today.month + 2) // 3}"
    return {
        position.id: Exit(
            f"rebalance {quarter}",
            f"score {found[position.ticker]:.2f}, below {params.sell_score:g}: sell it at this rebalance? "
            "Unanswered, it is held",
            ask=True,
        )
        for position in context.held
        if position.ticker in found and found[position.ticker] < params.sell_score
    }
