"""Which of several sources' numbers is taken, by written rules; pure.

The best quote is the freshest two-sided one of the best entitled source, as long as nobody contradicts it. Two numbers
contradict each other when they are further apart than can be explained: by the spread and a moment's move where both
are of now, by what a price can do in a quarter of an hour where one of them is delayed. Of three and more, those that
most of the others contradict are left out as wrong; of two that contradict each other neither is taken.

A quote that is one-sided, too old or too wide is not taken and contradicts nobody. One that is crossed, of the future
or no number is wrong whatever the others say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import Generic, NamedTuple, TypeVar

from engine.ages import age
from engine.data.panel import ENTITLEMENT
from engine.model.instruments import Option
from engine.model.market import Kind, Level, Quote

FOR_ORDERS = frozenset({Kind.REAL, Kind.INDICATIVE})
"""Kinds of numbers that are of the moment they are stamped with. An order is priced on nothing else; everything else
may contradict them."""
ALL = frozenset(Kind)
RANK = {kind: place for place, kind in enumerate(ENTITLEMENT)}

SKEW = timedelta(seconds=2)
"""How far a provider's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How far apart numbers may be, how old and how wide.

    Attributes:
        near: how far two numbers of one moment may be apart, as a share of the lower, beside half the narrower spread.
        far: how many times the lower one the higher may be where one of them is delayed or older.
        near_strike, far_strike: the same for options as a share of the strike. An option moves by no more than its
            underlying does, so a move of the underlying may explain a difference however cheap the option is.
        cents: dollars of difference that never matter.
        together: up to how far apart two numbers are of one moment.
        oldest, oldest_delayed: what is older is not taken. A delayed number is a quarter of an hour old by its nature.
        widest, widest_cents: spread, as a share of the mid or in dollars, beyond which a quote says nothing.
    """

    near: float
    far: float
    near_strike: float = 0.0
    far_strike: float = 0.0
    cents: float = 0.02
    together: timedelta = timedelta(seconds=15)
    oldest: timedelta = timedelta(seconds=60)
    oldest_delayed: timedelta = timedelta(minutes=25)
    widest: float = 0.10
    widest_cents: float = 0.05


SHARES = Rules(near=0.02, far=1.8)
"""Two live sources are much closer than 2 % unless one is wrong. 1.8 times in a quarter of an hour is more than price
bands and their pauses let happen, and less than a split that one source has missed (2:1)."""
OPTIONS = Rules(near=0.15, far=3.0, near_strike=0.001, far_strike=0.01, cents=0.05, widest=1.0, widest_cents=0.50)
"""Options double and halve within minutes, far from the money within seconds. What may be traded is bound much closer
(`engine.checks`): `widest` only tells a quote from none."""
INDICES = Rules(near=0.01, far=1.5, oldest=timedelta(minutes=2))
"""VIX is published every 15 seconds, and has gone half as high again within the hour."""

N = TypeVar("N")


@dataclass(frozen=True, slots=True)
class Best:
    """The quote to take (None: there is none), those that were left out as wrong, and what was the matter.

    `poor` is what there is where nothing is wrong and no quote is a price by itself: nobody bids, or it is wide.
    """

    quote: Quote | None
    dropped: tuple[Quote, ...] = ()
    words: str = ""
    poor: Quote | None = None


NOTHING = Best(None)


@dataclass(frozen=True, slots=True)
class BestLevel:
    """The same of an index."""

    level: Level | None
    dropped: tuple[Level, ...] = ()
    words: str = ""


def best_quote(quotes: Iterable[Quote], now: datetime, rules: Rules, *, for_orders: bool) -> Best:
    """The quote to take among those of one instrument. `for_orders`: an order is going to be priced on it."""
    given = tuple(quotes)
    faults = {place: fault for place, quote in enumerate(given) if (fault := _fault(quote, now))}
    sound = (_seen(quote) for place, quote in enumerate(given) if place not in faults)
    seen = [one for one in sound if _says_something(one, now, rules)]
    found = _judged(seen, rules, FOR_ORDERS if for_orders else ALL)
    if found.taken is not None and not faults and not found.words:
        return Best(found.taken)
    about = str(given[0].instrument) if given else ""
    poor = None
    words = [f"{given[place].source.name} sent {fault} for {about}." for place, fault in faults.items()]
    words += [f"{about}: {found.words}"] if found.words else []
    if found.taken is None and given and not words:
        wanted = f"no fresh two-sided quote{' that an order may be priced on' if for_orders else ''}"
        words = [f"{about}: {wanted}; {_newest(given, now)}."]
        poor = None if found.dropped else _poor(given, now, rules)
    return Best(found.taken, (*(given[place] for place in faults), *found.dropped), " ".join(words), poor)


def _newest(quotes: Sequence[Quote], now: datetime) -> str:
    """What there is in place of a usable quote."""
    quote = max(quotes, key=lambda each: each.at)
    old = age(max(quote.age(now).total_seconds(), 0.0))
    return f"the newest is {quote.bid:,.2f} / {quote.ask:,.2f} of {quote.source}, {old} old"


def best_level(levels: Iterable[Level], now: datetime, rules: Rules = INDICES) -> BestLevel:
    """The value to take among those of one index."""
    given = tuple(levels)
    wrong = tuple(level for level in given if not isfinite(level.value) or level.value <= 0 or level.at - now > SKEW)
    seen = [
        _Seen(level, level.value, 0.0, level.at, level.source.kind, level.source.name, 0.0)
        for level in given
        if level not in wrong and _is_young(level.source.kind, level.at, now, rules)
    ]
    found = _judged(seen, rules, ALL)
    words = [f"{level.source.name} sent {level.value:g} of {level.at:%H:%M:%S} for {level.symbol}." for level in wrong]
    words += [f"{given[0].symbol}: {found.words}"] if found.words else []
    return BestLevel(found.taken, (*wrong, *found.dropped), " ".join(words))


class _Seen(NamedTuple, Generic[N]):
    """A number as it is compared: its middle and half its width in dollars, when, by whom; strike 0 for no option."""

    number: N
    value: float
    slack: float
    at: datetime
    kind: Kind
    name: str
    strike: float

    @property
    def preference(self) -> tuple[int, float, str, float, float]:
        """The lowest is taken: the best entitled, of those the freshest; the rest only makes the order a fixed one."""
        return RANK[self.kind], -self.at.timestamp(), self.name, self.value, self.slack

    def __str__(self) -> str:
        return f"{self.name} {self.value:,.2f}"


class _Judged(NamedTuple, Generic[N]):
    taken: N | None
    dropped: tuple[N, ...]
    words: str


def _judged(seen: Sequence[_Seen[N]], rules: Rules, kinds: frozenset[Kind]) -> _Judged[N]:
    """What is taken among numbers that each make sense, of these kinds only."""
    if _are_all_near(seen, rules):
        best = _best(seen, kinds)
        return _Judged(None if best is None else best.number, (), "")
    against = [[other for other in seen if _contradict(one, other, rules)] for one in seen]
    most = max(1.0, (len(seen) - 1) / 2)
    wrong = [one for one, others in zip(seen, against, strict=True) if len(others) > most]
    kept = [one for one in seen if one not in wrong]
    dropped = tuple(one.number for one in wrong)
    best = _best(kept, kinds)
    if best is not None and any(other in kept for other in against[seen.index(best)]):
        return _Judged(None, dropped, f"no price while sources contradict each other: {_listed(kept)}.")
    words = f"left out {_listed(wrong)}, far from {_listed(kept)}." if wrong else ""
    return _Judged(None if best is None else best.number, dropped, words)


def _best(seen: Iterable[_Seen[N]], kinds: frozenset[Kind]) -> _Seen[N] | None:
    return min((one for one in seen if one.kind in kinds), key=lambda one: one.preference, default=None)


def _listed(seen: Iterable[_Seen[N]]) -> str:
    return ", ".join(map(str, sorted(seen, key=lambda one: one.preference)))


def _are_all_near(seen: Sequence[_Seen[N]], rules: Rules) -> bool:
    """Whether no two of them can contradict each other, told at one glance."""
    if len(seen) < 2:
        return True
    values = [one.value for one in seen]
    low = min(values)
    return max(values) - low <= max(rules.near * low, rules.cents)


def _contradict(one: _Seen[N], other: _Seen[N], rules: Rules) -> bool:
    """Whether two numbers cannot both be true."""
    low, high = sorted((one.value, other.value))
    apart = high - low
    if {one.kind, other.kind} <= FOR_ORDERS and abs(one.at - other.at) <= rules.together:
        explained = max(rules.near * low, rules.near_strike * one.strike, rules.cents)
        return apart > explained + min(one.slack, other.slack)
    return high > rules.far * low and apart > max(rules.far_strike * one.strike, rules.cents)


def _fault(quote: Quote, now: datetime) -> str:
    """What makes a quote wrong whatever the others say, "" for nothing."""
    if not quote.bid.is_finite() or not quote.ask.is_finite() or quote.bid < 0 or quote.ask < 0:
        return f"{quote.bid} x {quote.ask}"
    if 0 < quote.ask < quote.bid:
        return f"a crossed quote ({quote.bid} x {quote.ask})"
    if quote.at - now > SKEW:
        return f"a quote of the future ({quote.at:%d %b %H:%M:%S} UTC)"
    return ""


def _seen(quote: Quote) -> _Seen[Quote]:
    bid, ask = float(quote.bid), float(quote.ask)
    item, source = quote.instrument, quote.source
    strike = float(item.strike) if isinstance(item, Option) else 0.0
    return _Seen(quote, (bid + ask) / 2, (ask - bid) / 2, quote.at, source.kind, source.name, strike)


def _poor(given: Sequence[Quote], now: datetime, rules: Rules) -> Quote | None:
    """The best entitled quote of now, where those before it do not contradict its middle."""
    seen = [_seen(quote) for quote in given if _is_young(quote.source.kind, quote.at, now, rules)]
    best = _best([one for one in seen if one.number.ask > 0], FOR_ORDERS)
    if best is None or any(_contradict(best, other, rules) for other in seen if other is not best):
        return None
    return best.number


def _says_something(one: _Seen[Quote], now: datetime, rules: Rules) -> bool:
    """Whether a quote is two-sided, young and narrow enough to be a price."""
    is_two_sided = one.value - one.slack > 0 and one.slack >= 0
    is_narrow = 2 * one.slack <= max(rules.widest * one.value, rules.widest_cents)
    return is_two_sided and is_narrow and _is_young(one.kind, one.at, now, rules)


def _is_young(kind: Kind, at: datetime, now: datetime, rules: Rules) -> bool:
    return now - at <= (rules.oldest if kind in FOR_ORDERS else rules.oldest_delayed)
