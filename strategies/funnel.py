"""Rules in order, each with its number: what one name is asked until a rule removes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Generic, TypeVar

from engine.model.market import Chain, Contract, Kind, MarketSnapshot, Quote
from engine.model.trade import Campaign, Context, Step, Unknown, Verdict
from engine.percent import as_percent
from engine.sessions import NEW_YORK

P = TypeVar("P")

QUOTE_AGE = timedelta(seconds=60)
"""A scan does not act on older live quotes."""
TIMELESS = frozenset({Kind.RECORDED, Kind.MODELLED, Kind.RECONSTRUCTED})
"""Kinds of number that are labelled instead of timed: their clock is the replay's."""


@dataclass(frozen=True, slots=True)
class Case(Generic[P]):
    """One name before a strategy: what the market says, what the desk knows, the parameters."""

    snapshot: MarketSnapshot
    context: Context
    params: P

    @property
    def last(self) -> float | None:
        """The last price, dollars: today's bar so far, else the middle of a two-sided quote; None when neither is."""
        session, spot = self.snapshot.session, self.snapshot.spot
        if session is not None:
            return session.close
        return float(spot.mid) if spot is not None and spot.is_two_sided else None


Rule = Callable[[Case[P]], Step]


def walk(case: Case[P], rules: Iterable[Rule[P]]) -> tuple[Step, ...]:
    """The steps of `rules` in order, up to and including the first that fails."""
    steps: list[Step] = []
    for rule in rules:
        steps.append(rule(case))
        if not steps[-1].passed:
            break
    return tuple(steps)


def all_passed(steps: tuple[Step, ...]) -> bool:
    """Whether the last step did not fail."""
    return not steps or steps[-1].passed


def step(rule: str, limit: str, value: str, passed: bool) -> Step:
    """A rule with its number and verdict."""
    return Step(rule, limit, value, Verdict.PASSED if passed else Verdict.FAILED)


def unknown(rule: str, limit: str, context: Context) -> Step:
    """A rule whose input is missing: it rejects live, and is listed as not checked in replay."""
    if context.unknown is Unknown.SKIP:
        return Step(rule, limit, "not covered", Verdict.NOT_CHECKED)
    return Step(rule, limit, "unknown")


def missing(rule: str, limit: str, context: Context) -> tuple[Step, ...]:
    """The end of a name for want of an input that nothing stands in for (a bar, a report, a fact).

    Live it rejects as unknown; in replay the rule is listed as not checked, and the name ends all the same.
    """
    told = unknown(rule, limit, context)
    return (told, Step("needed input", "covered", f"{rule}: not covered")) if told.passed else (told,)


def percent(value: float) -> str:
    """`12.35 %`.

    >>> percent(0.12345)
    '12.35 %'
    """
    return f"{value * 100:.2f} %"


def history(case: Case[P], sessions: int) -> Step:
    """Enough completed sessions for the rules that follow."""
    return step("history", f"≥ {sessions} sessions", str(len(case.snapshot.bars)), len(case.snapshot.bars) >= sessions)


def entry_hours(case: Case[P], hours: tuple[str, str] | None) -> Step:
    """Between the first and the last entry of a strategy, New York and both included; None is the session's own."""
    rule, now = "entry hours", f"{case.snapshot.asof.astimezone(NEW_YORK):%H:%M:%S}"
    if hours is None:
        return Step(rule, "the session's own", now, Verdict.PASSED)
    first, last = hours
    return step(rule, f"{first} to {last}", now, f"{first}:00" <= now <= f"{last}:00")


def not_held(case: Case[P]) -> Step:
    """One position a name."""
    held = any(position.ticker == case.snapshot.ticker for position in case.context.held)
    return step("one position a name", "not held", "held" if held else "not held", not held)


def open_positions(case: Case[P], most: int) -> Step:
    """Fewer than `most` positions of the strategy are open, those that wait for an answer or a fill counted."""
    count = case.context.places
    return step("open positions", f"< {most}", str(count), count < most)


def closed_today(context: Context) -> tuple[Campaign, ...]:
    """The strategy's own campaigns that have ended on this trading date."""
    return tuple(each for each in context.campaigns if each.closed.astimezone(NEW_YORK).date() == context.today)


def share_quote(case: Case[P]) -> Step:
    """Trading, with a two-sided quote of the shares that is not older than a minute."""
    rule, limit = "quote of the shares", "trading, two-sided, ≤ 60 s old"
    snapshot = case.snapshot
    if snapshot.halted:
        return Step(rule, limit, "halted")
    if snapshot.spot is None or not snapshot.spot.is_two_sided:
        return Step(rule, limit, "none" if snapshot.spot is None else _sides(snapshot.spot))
    if snapshot.spot.source.kind in TIMELESS:
        return Step(rule, limit, str(snapshot.spot.source), Verdict.PASSED)
    age = snapshot.spot.age(snapshot.asof)
    return step(rule, limit, f"{age.total_seconds():.0f} s", age <= QUOTE_AGE)


def _sides(quote: Quote) -> str:
    return f"{quote.bid:f}/{quote.ask:f}"


def options(case: Case[P], chain: Chain | None) -> Step:
    """Listed options, quoted not longer than a minute ago."""
    rule, limit = "options", "listed, quotes ≤ 60 s old"
    if chain is None or not len(chain):
        return Step(rule, limit, "none")
    if chain.source.kind in TIMELESS:
        return Step(rule, limit, str(chain.source), Verdict.PASSED)
    age = case.snapshot.asof - chain.asof
    return step(rule, limit, f"{age.total_seconds():.0f} s", age <= QUOTE_AGE)


def spot_price(case: Case[P]) -> Decimal:
    """The middle of the quote of the shares, dollars (`share_quote` has passed)."""
    quote = case.snapshot.spot
    if quote is None:
        raise ValueError(f"{case.snapshot.ticker} has no quote: the rule on it comes first")
    return quote.mid


def data_words(case: Case[P], chain: Chain) -> str:
    """Where the numbers came from and how old they were: `replay (modelled), 0 s`."""
    age = max((case.snapshot.asof - chain.asof).total_seconds(), 0)
    return f"{chain.source}, {age:.0f} s"


def contract_words(contract: Contract) -> str:
    """`-0.24 delta, 46 % implied volatility`."""
    parts = []
    if contract.delta is not None:
        parts.append(f"{contract.delta:+.2f} delta")
    if contract.iv is not None:
        parts.append(f"{as_percent(contract.iv)} implied volatility")
    return ", ".join(parts)
