"""What could go wrong with what is held beyond its prices: crowding, thin markets, assignment, what expires. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from engine.exposures import Exposure
from engine.model.book import ZERO, Position
from engine.model.instruments import Instrument, Option, Right, Style
from engine.model.market import Contract, Quote

AHEAD = timedelta(days=7)
"""How far ahead an expiry is told."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many dollars of exposure in one name, sector, expiry or strategy, and their fraction of equity."""

    name: str
    dollars: Decimal
    fraction: Decimal


def concentration(
    exposures: Iterable[Exposure], equity: Decimal, name_of: Callable[[Exposure], str]
) -> tuple[Share, ...]:
    """Dollars in each group, the heaviest first: what the limit on one underlying counts (`Exposure.size`)."""
    sums: dict[str, Decimal] = {}
    for exposure in exposures:
        name = name_of(exposure)
        sums[name] = sums.get(name, ZERO) + exposure.size
    rows = sorted(((dollars, name) for name, dollars in sums.items() if dollars), key=lambda row: (-row[0], row[1]))
    return tuple(Share(name, dollars, dollars / equity if equity > 0 else ZERO) for dollars, name in rows)


@dataclass(frozen=True, slots=True)
class Liquidity:
    """What closing one position would meet.

    Attributes:
        cost: dollars between its mid and the price it could be closed at now, None when a leg is not quoted.
        of_interest, of_volume: the largest share of a leg's contracts in its open interest and in today's volume;
            None when not known. unquoted: legs without a two-sided quote.
    """

    position: Position
    cost: Decimal | None
    of_interest: float | None
    of_volume: float | None
    unquoted: tuple[Instrument, ...]


def liquidity(
    position: Position, quotes: Mapping[Instrument, Quote], listed: Mapping[Instrument, Contract]
) -> Liquidity:
    """What closing a position would meet, from live quotes and the chain's rows of its options."""
    cost, unquoted = ZERO, []
    of_interest: list[float] = []
    of_volume: list[float] = []
    for leg in position.legs:
        quote, row, held = quotes.get(leg.instrument), listed.get(leg.instrument), abs(leg.quantity)
        if not held:
            continue
        if quote is None or not quote.is_two_sided:
            unquoted.append(leg.instrument)
        else:
            cost += quote.spread / 2 * held * leg.instrument.multiplier
        if row is not None and row.open_interest is not None:
            of_interest.append(held / row.open_interest if row.open_interest else float("inf"))
        if row is not None and row.volume is not None:
            of_volume.append(held / row.volume if row.volume else float("inf"))
    return Liquidity(
        position=position,
        cost=None if unquoted else cost,
        of_interest=max(of_interest, default=None),
        of_volume=max(of_volume, default=None),
        unquoted=tuple(unquoted),
    )


@dataclass(frozen=True, slots=True)
class Assignment:
    """A short option that may be exercised against us.

    `dollars`: paid for the shares of a put, received for those of a call. `why`: what makes it likely.
    """

    position: Position
    option: Option
    contracts: int
    dollars: Decimal
    why: str


def assignments(
    position: Position,
    spot: Decimal | None,
    quotes: Mapping[Instrument, Quote],
    dividends: Iterable[tuple[date, Decimal]],
    today: date,
) -> tuple[Assignment, ...]:
    """The short legs in the money, and short calls whose next dividend is more than their time value.

    Cash-settled options deliver no shares and are left out; without a price of the underlying nothing is known.
    """
    coming = sorted((day, amount) for day, amount in dividends if day > today)
    found = []
    for leg in position.legs:
        option = leg.instrument
        if spot is None or not isinstance(option, Option) or leg.quantity >= 0 or option.is_cash_settled:
            continue
        inside = spot - option.strike if option.right is Right.CALL else option.strike - spot
        reasons = [f"{inside:.2f} in the money"] if inside > 0 else []
        if option.right is Right.CALL and option.style is Style.AMERICAN:
            reasons += _ex_dividend(option, inside, quotes.get(option), coming)
        if reasons:
            dollars = option.strike * option.multiplier * -leg.quantity
            found.append(Assignment(position, option, -leg.quantity, dollars, "; ".join(reasons)))
    return tuple(found)


def _ex_dividend(option: Option, inside: Decimal, quote: Quote | None, coming: list[tuple[date, Decimal]]) -> list[str]:
    """Why a holder would exercise for the next dividend: it is more than what is left of time value."""
    due = next(((day, amount) for day, amount in coming if day <= option.expiry), None)
    if due is None or quote is None or not quote.is_two_sided or inside <= 0:
        return []
    day, amount = due
    time_value = max(quote.mid - inside, ZERO)
    if amount <= time_value:
        return []
    return [f"dividend {amount:.2f} on {day:%d %b}, time value {time_value:.2f}"]


@dataclass(frozen=True, slots=True)
class Expiring:
    """What ends on one day: positions, contracts sold, and the dollars of shares those would move if exercised."""

    day: date
    positions: tuple[Position, ...]
    sold: int
    dollars: Decimal


def expiring(positions: Iterable[Position], today: date) -> tuple[Expiring, ...]:
    """What expires within a week, soonest first."""
    by_day: dict[date, list[tuple[Position, Option, int]]] = {}
    for position in positions:
        for leg in position.legs:
            option = leg.instrument
            if isinstance(option, Option) and leg.quantity and option.expiry - today <= AHEAD:
                by_day.setdefault(option.expiry, []).append((position, option, leg.quantity))
    found = []
    for day, rows in sorted(by_day.items()):
        sold = [(option, -quantity) for _, option, quantity in rows if quantity < 0]
        dollars = sum((option.strike * option.multiplier * count for option, count in sold), ZERO)
        names = tuple({position.id: position for position, _, _ in rows}.values())
        found.append(Expiring(day, names, sum(count for _, count in sold), dollars))
    return tuple(found)
