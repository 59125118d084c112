"""Price protection as arithmetic: package prices, bands, ladders, valid quotes and the trigger of a stop.

All prices are net per share of one unit: positive is paid, negative is received; "adverse" is therefore upward for
whoever is about to trade. Numbers come from `ApprovalRules` (docs/proposals.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from engine.model.instruments import INDEX_ROOTS, Instrument, Option, Stock
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import ApprovalRules
from engine.model.market import CENT, Quote
from engine.model.orders import PANIC, Purpose, Ticket
from engine.model.trade import Signal

INDEX_LIKE = frozenset({"SPY", "QQQ", "IWM", "DIA", *INDEX_ROOTS.values()})
WEEKLY = frozenset({"momentum_weeklies", "lotto"})
BRIEF = WEEKLY | {"swing"}
"""Strategies whose reason is gone in minutes: their proposals are answered soon, however long their options run."""
LEAPS = "leaps"
SPREADS = frozenset(
    {
        Structure.DEBIT_SPREAD,
        Structure.CREDIT_SPREAD,
        Structure.IRON_CONDOR,
        Structure.CALENDAR,
        Structure.DIAGONAL,
    }
)
NOTHING = Decimal(0)
FLATTEN_REACH = (Decimal(0), Decimal("0.05"), Decimal("0.10"))
"""How far beyond natural each step of a flattening goes."""
WIDE_TICKS_FROM = Decimal(3)
"""Dollars from which the classes outside the penny program trade in dimes."""


@dataclass(frozen=True, slots=True)
class PackagePrice:
    """A package's prices now. `mid` and `natural` net per share of a unit, as somebody about to trade `legs` pays."""

    mid: Decimal
    natural: Decimal
    oldest: datetime
    is_two_sided: bool
    widest: float
    """The largest spread over mid among the legs."""
    is_shares: bool = False

    @property
    def half_spread(self) -> Decimal:
        return self.natural - self.mid


def package_price(legs: Iterable[Leg], quotes: Mapping[Instrument, Quote]) -> PackagePrice | None:
    """The price of trading `legs` once: buys at the ask, sells at the bid; None when a leg has no quote."""
    wanted = tuple(legs)
    if any(leg.instrument not in quotes for leg in wanted):
        return None
    pairs = [(leg, quotes[leg.instrument]) for leg in wanted]
    return PackagePrice(
        mid=sum((quote.mid * leg.ratio for leg, quote in pairs), NOTHING),
        natural=sum(((quote.ask if leg.ratio > 0 else quote.bid) * leg.ratio for leg, quote in pairs), NOTHING),
        oldest=min(quote.at for _, quote in pairs),
        is_two_sided=all(quote.is_two_sided for _, quote in pairs),
        widest=max(quote.spread_ratio for _, quote in pairs),
        is_shares=all(isinstance(leg.instrument, Stock) for leg in wanted),
    )


def width(legs: Iterable[Leg]) -> Decimal | None:
    """The widest strike distance within one right, dollars; None for a single leg, a calendar or shares."""
    strikes: dict[str, list[Decimal]] = {}
    for leg in legs:
        if isinstance(leg.instrument, Option):
            strikes.setdefault(leg.instrument.right, []).append(leg.instrument.strike)
    widths = [max(group) - min(group) for group in strikes.values() if len(group) > 1]
    return max(widths, default=None) or None


def nearest_dte(legs: Iterable[Leg], today: date) -> int | None:
    """Calendar days to the first option expiry, None for shares."""
    return min((leg.instrument.dte(today) for leg in legs if isinstance(leg.instrument, Option)), default=None)


def band(signal: Signal, rules: ApprovalRules) -> Decimal:
    """How far (dollars per share) the net price may move against the card before it is asked again.

    A credit of 1.00 on a spread of width 5 may slip 0.03:

    """
    price = abs(signal.limit)
    if all(isinstance(leg.instrument, Stock) for leg in signal.legs):
        return price * rules.band_shares
    if signal.structure in SPREADS:
        reach = max(rules.band_spread_floor, price * rules.band_spread)
        wide = width(signal.legs)
        return reach if wide is None else min(reach, wide * rules.band_spread_width)
    if signal.strategy == LEAPS:
        return max(rules.band_leaps_floor, price * rules.band_leaps)
    if signal.strategy in WEEKLY:
        return max(rules.band_weekly_floor, price * rules.band_weekly)
    if signal.is_credit:
        return max(rules.band_short_floor, price * rules.band_short)
    return max(rules.band_long_ticks, price * rules.band_long)


def spot_band(signal: Signal, today: date, rules: ApprovalRules) -> Decimal:
    """How far (decimal fraction) the underlying may move from the card before it is asked again."""
    if nearest_dte(signal.legs, today) == 0:
        return rules.spot_0dte
    return rules.spot_index if signal.ticker in INDEX_LIKE else rules.spot_single


class Move(StrEnum):
    """What the market did between the card and the tap."""

    NONE = "none"
    WORSE = "worse"
    BETTER = "better"
    SPOT = "spot"
    DATES = "dates"
    """A report or an ex-date is expected on another day."""


def moved(signal: Signal, mid: Decimal, spot: Decimal, today: date, rules: ApprovalRules) -> Move:
    """Whether the card's price still stands: a band worse, two bands better or the spot away asks again."""
    reach = band(signal, rules)
    change = mid - signal.limit
    if change > reach:
        return Move.WORSE
    if change <= -2 * reach:
        return Move.BETTER
    if signal.spot and abs(spot / signal.spot - 1) >= spot_band(signal, today, rules):
        return Move.SPOT
    return Move.NONE


def worst_price(signal: Signal, rules: ApprovalRules) -> Decimal:
    """The net price the order may never pass: the card's price plus its band, rounded down (toward the card).

    A bound of the strategy (`worst`) or of a person (`yours`) that is better stands in its place.
    """
    edge = signal.limit + band(signal, rules)
    bound = min(bound for bound in (edge, signal.worst, signal.yours) if bound is not None)
    return bound.quantize(CENT, rounding=ROUND_FLOOR)


def lifetime(signal: Signal, today: date, rules: ApprovalRules) -> timedelta:
    """How long a proposal may be answered."""
    dte = nearest_dte(signal.legs, today)
    if signal.strategy == LEAPS:
        return timedelta(seconds=rules.expire_leaps)
    if dte == 0:
        return timedelta(seconds=rules.expire_0dte)
    if signal.strategy in BRIEF or (dte is not None and dte < 8):
        return timedelta(seconds=rules.expire_weekly)
    return timedelta(seconds=rules.expire_standard)


def to_cent(price: Decimal) -> Decimal:
    return price.quantize(CENT, rounding=ROUND_HALF_EVEN)


def entry_price(price: PackagePrice, step: int, worst: Decimal, rules: ApprovalRules) -> Decimal:
    """Limit of ladder step `step` (0 first): from mid to 60 % of the half-spread, never past `worst`."""
    last = max(rules.ladder_steps - 1, 1)
    reach = rules.ladder_reach * min(step, last) / last
    return min(to_cent(price.mid + price.half_spread * reach), worst)


def exit_price(price: PackagePrice, step: int, rules: ApprovalRules) -> Decimal:
    """Limit of an exit's ladder step: mid to natural in `ladder_steps`, then 5 % or two ticks beyond.

    Selling 1.47/1.57 goes 1.52, 1.50, 1.49, 1.47, then 1.40 (net prices are negative for a sale). Shares leave at once:
    0.25 % beyond natural, then 0.25 % more at each step. Never less than a cent: what is sold is not paid for, and a
    limit of nothing is no limit.
    """
    last = max(rules.ladder_steps - 1, 1)
    if price.is_shares and step <= last:
        limit = price.natural + abs(price.natural) * rules.band_shares * (step + 1)
    elif step <= last:
        limit = price.mid + price.half_spread * step / last
    else:
        limit = price.natural + max(abs(price.natural) * Decimal("0.05"), 2 * CENT)
    return max(to_cent(limit), CENT) if price.mid > 0 else min(to_cent(limit), -CENT)


def closing_price(reason: str, legs: Iterable[Leg], price: PackagePrice, step: int, rules: ApprovalRules) -> Decimal:
    """Limit of step `step` of an exit: by its ladder, or faster and further when everything has to go."""
    return flatten_price(legs, price, step) if reason == PANIC else exit_price(price, step, rules)


def flatten_price(legs: Iterable[Leg], price: PackagePrice, step: int) -> Decimal:
    """Natural, then 5 % and 10 % beyond it and no further; a spread is never bought back for more than its width.

    Selling at a bid of 1.47 goes 1.47, 1.40, 1.32.
    """
    limit = price.natural + abs(price.natural) * FLATTEN_REACH[min(step, len(FLATTEN_REACH) - 1)]
    if price.mid <= 0:
        return min(to_cent(limit), -CENT)
    wide = width(legs)
    return max(to_cent(limit if wide is None else min(limit, wide)), CENT)


def step_time(ticket: Ticket, today: date, rules: ApprovalRules) -> timedelta:
    """How long one step of a ticket's ladder lasts: 15 s, for the exit of what expires today 5 s."""
    is_0dte = ticket.purpose is Purpose.EXIT and nearest_dte(ticket.legs, today) == 0
    return timedelta(seconds=rules.ladder_seconds_0dte if is_0dte else rules.ladder_seconds)


def net_price(plan: ExitPlan, item: Instrument, rules: ApprovalRules) -> Decimal | None:
    """Trigger of the stop order that rests at the broker under the plan's own stop, dollars per share; None for none.

    5 % below the stop of shares (60 -> 57.00), 25 % below that of a bought option, down to what its class may be
    priced at. A stop on the shares that an option stands on says nothing about the option's price, and one that is
    judged at the close is not to fire on a price within the day.
    """
    if plan.stop_before_close is not None:
        return None
    if isinstance(item, Stock):
        own = [level for level in (plan.stop, plan.stop_spot) if level is not None]
        return tick_below(max(own) * (1 - rules.net_shares), item) if own else None
    return None if plan.stop is None else tick_below(plan.stop * (1 - rules.net_options), item)


def tick_below(price: Decimal, item: Instrument) -> Decimal | None:
    """`price` down to a multiple that every class trades in: cents for shares, 0.05 (0.10 from 3.00) for options.

    >>> from engine.model.instruments import Right
    >>> tick_below(Decimal("1.1812"), Option("X", date(2026, 12, 18), Right.CALL, Decimal(80)))
    Decimal('1.15')
    """
    tick = CENT
    if isinstance(item, Option):
        tick = Decimal("0.10") if price >= WIDE_TICKS_FROM else Decimal("0.05")
    floor = price // tick * tick
    return floor if floor > 0 else None


def is_valid_for_stop(price: PackagePrice, quotes: Iterable[Quote], now: datetime, rules: ApprovalRules) -> bool:
    """Whether a stop may listen: two-sided, at most 10 s old, spread at most max(0.10, 15 % of mid) on every leg."""
    if not price.is_two_sided or now - price.oldest > timedelta(seconds=rules.stop_quote_age):
        return False
    return all(quote.spread <= max(rules.stop_spread_floor, quote.mid * rules.stop_spread) for quote in quotes)


def valid_spot(quote: Quote | None, now: datetime, rules: ApprovalRules) -> Decimal | None:
    """The price of the shares from a quote good enough to act on, by the rules of `is_valid_for_stop`; else None."""
    if quote is None:
        return None
    price = package_price((Leg(quote.instrument, 1),), {quote.instrument: quote})
    return quote.mid if price is not None and is_valid_for_stop(price, (quote,), now, rules) else None


def stop_is_breached(plan: ExitPlan, package: Decimal | None, spot: Decimal | None) -> bool:
    """Whether the package value (signed as held) or the spot is at or through the stop; None is not known."""
    if plan.stop is not None and package is not None and package <= plan.stop:
        return True
    if spot is None:
        return False
    below = plan.stop_spot is not None and spot <= plan.stop_spot
    above = plan.stop_spot_above is not None and spot >= plan.stop_spot_above
    return below or above


@dataclass(frozen=True, slots=True)
class Breach:
    """A running breach of a stop: the times of the first and the latest quote that showed it, and how many did."""

    since: datetime
    count: int
    latest: datetime
    is_modelled: bool = False
    """By the model, for want of quotes; one kind does not count for the other."""


def stop_fires(
    breached: bool,
    before: Breach | None,
    seen: datetime,
    needed: int,
    rules: ApprovalRules,
) -> tuple[bool, Breach | None]:
    """(fire, the breach to remember) after one valid quote of time `seen`.

    Fires on `needed` breaches in a row (2; 3 in the first five minutes) whose first and last are >= 10 s apart. A
    valid quote that is not a breach starts over; an invalid quote is not shown to this function, and one that was
    seen before counts once, however often it is looked at.
    """
    if not breached:
        return False, None
    if before is None:
        breach = Breach(seen, 1, seen)
    elif before.latest == seen:
        breach = before
    else:
        breach = Breach(before.since, before.count + 1, seen)
    apart = seen - breach.since >= timedelta(seconds=rules.stop_gap)
    return breach.count >= needed and apart, breach


def reversed_legs(legs: Iterable[Leg]) -> tuple[Leg, ...]:
    """The legs that close what `legs` opened."""
    return tuple(Leg(leg.instrument, -leg.ratio) for leg in legs)
