"""Loose holdings of one underlying put together: what they are called, and the exits such a thing gets by default.

The desk did not choose these trades, so it knows no strategy's plan for them. Defaults, per share, measured from the
broker's average price:

| structure | target | stop | out |
|---|---|---|---|
| long call, long put | double | half | 7 days to expiry |
| calendar | half as much again | half | 7 days to the first expiry |
| debit spread | half of its maximum profit | half of the debit | 7 days |
| credit spread, condor | half of the credit | at 3 x the credit or 0.80 x width | 21 days, 7 when nearer |
| cash-secured put | half of the premium | spot 25 % under the net basis | held to expiry |
| covered call | half of the premium | the one of its shares | called away |
| shares | none | spot 25 % under the average | none |

A stop that is passed already would sell at once what a person has just decided to keep: it is set half-way between
today's price and the worst instead. A target that is reached already is left out, for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from math import gcd

from engine.model.book import ZERO, Holding
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.legs import ExitPlan, Leg, Structure
from engine.protection import to_cent, width

HALF = Decimal("0.5")
SHARE_STOP = Decimal("0.25")
WIDTH_STOP = Decimal("0.80")
CREDITS = frozenset({Structure.CREDIT_SPREAD, Structure.IRON_CONDOR})
LAST_DAYS = 7
LAST_DAYS_OF_CREDIT = 21


@dataclass(frozen=True, slots=True)
class Part:
    """What becomes one position: its name, the legs of a unit as held, units, and net entry per share of a unit."""

    structure: Structure
    unit: tuple[Leg, ...]
    units: int
    entry: Decimal


@dataclass(frozen=True, slots=True)
class Package:
    """Holdings that belong together. `parts` is empty for what the desk does not hold: short shares, a naked call."""

    held: tuple[Holding, ...]
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """`covered call`, `collar`, `credit spread`, ...; what it is when it has no name here."""
        options = [part for part in self.parts if part.structure is not Structure.SHARES]
        if len(self.parts) == 3:
            return Structure.COLLAR.value
        if options:
            return options[0].structure.value
        if self.parts:
            return Structure.SHARES.value
        return "short shares" if isinstance(self.held[0].instrument, Stock) else "uncovered short call"


class _Pile:
    """Holdings of one underlying, taken away as they find their package."""

    def __init__(self, held: Iterable[Holding]) -> None:
        self.left = {holding.instrument: holding for holding in held if holding.quantity}

    def options(self, sign: int, right: Right | None = None) -> list[Option]:
        """Those held long (+1) or short (-1), first expiry and lowest strike first."""
        found = (x for x, holding in self.left.items() if isinstance(x, Option) and holding.quantity * sign > 0)
        return sorted((x for x in found if right in (None, x.right)), key=lambda x: (x.expiry, x.strike))

    def quantity(self, item: Instrument) -> int:
        return self.left[item].quantity if item in self.left else 0

    def take(self, item: Instrument, quantity: int) -> Holding:
        """So many (signed) of `item`, taken off the pile."""
        holding = self.left[item]
        rest = holding.quantity - quantity
        if rest:
            self.left[item] = replace(holding, quantity=rest)
        else:
            del self.left[item]
        return replace(holding, quantity=quantity)


def packages(held: Sequence[Holding], free_shares: int = 0) -> tuple[Package, ...]:
    """Holdings of one underlying as packages: condors, verticals and calendars, covered calls and collars, single legs.

    `free_shares`: shares in the books that no call is written on; short calls may lean on them.
    """
    pile = _Pile(held)
    found = [*_condors(_pairs(pile)), *_over_shares(pile)]
    free = free_shares
    for item in list(pile.left):
        holding = pile.take(item, pile.quantity(item))
        covered = free // 100 if _is_short_call(holding) else 0
        taken = min(covered, -holding.quantity) if covered else 0
        free -= taken * 100
        if taken:
            found.append(_single(replace(holding, quantity=-taken), Structure.COVERED_CALL))
        rest = replace(holding, quantity=holding.quantity + taken)
        if rest.quantity:
            found.append(_single(rest, _name(rest)))
    return tuple(found)


def _pairs(pile: _Pile) -> list[Package]:
    """Every short option with a long one of the same right that lives at least as long."""
    found = []
    for short in pile.options(-1):
        while pile.quantity(short) < 0:
            longs = [x for x in pile.options(1, short.right) if x.expiry >= short.expiry]
            if not longs:
                break
            long = min(longs, key=lambda x: (x.expiry, abs(x.strike - short.strike)))
            units = min(-pile.quantity(short), pile.quantity(long))
            found.append(_spread(pile.take(short, -units), pile.take(long, units)))
    return found


def _spread(short: Holding, long: Holding) -> Package:
    return _package((short, long), _spread_name(short.instrument, long.instrument))


def _spread_name(sold: Instrument, bought: Instrument) -> Structure:
    """A debit spread has the better strike bought; different expiries make a calendar."""
    if not isinstance(sold, Option) or not isinstance(bought, Option) or sold.expiry != bought.expiry:
        return Structure.CALENDAR
    is_debit = (bought.strike < sold.strike) == (sold.right is Right.CALL)
    return Structure.DEBIT_SPREAD if is_debit else Structure.CREDIT_SPREAD


def _condors(pairs: list[Package]) -> list[Package]:
    """The same packages, with a put and a call credit spread of one expiry and size as one condor."""
    found: list[Package] = []
    for package in pairs:
        other = next((x for x in found if _is_other_wing(x, package)), None)
        if other is None:
            found.append(package)
        else:
            found[found.index(other)] = _package((*other.held, *package.held), Structure.IRON_CONDOR)
    return found


def _is_other_wing(one: Package, two: Package) -> bool:
    if any(x.parts[0].structure is not Structure.CREDIT_SPREAD for x in (one, two)):
        return False
    first, second = one.held[0].instrument, two.held[0].instrument
    same = isinstance(first, Option) and isinstance(second, Option) and first.expiry == second.expiry
    apart = isinstance(first, Option) and isinstance(second, Option) and first.right is not second.right
    return same and apart and one.held[0].quantity == two.held[0].quantity


def _over_shares(pile: _Pile) -> list[Package]:
    """Shares with calls written on them, and puts under them where there are as many."""
    found = []
    for short in pile.options(-1, Right.CALL):
        share = Stock(short.underlying)
        calls = min(-pile.quantity(short), max(pile.quantity(share), 0) // 100)
        if not calls:
            continue
        held = [pile.take(share, calls * 100), pile.take(short, -calls)]
        put = next((x for x in pile.options(1, Right.PUT) if pile.quantity(x) >= calls), None)
        if put is not None:
            held.append(pile.take(put, calls))
        parts = [part for holding in held for part in _single(holding, _name(holding) or Structure.COVERED_CALL).parts]
        found.append(Package(tuple(held), tuple(parts)))
    return found


def _is_short_call(holding: Holding) -> bool:
    item = holding.instrument
    return isinstance(item, Option) and item.right is Right.CALL and holding.quantity < 0


def _name(holding: Holding) -> Structure | None:
    """What a single leg is called; None for what the desk does not hold."""
    item = holding.instrument
    if isinstance(item, Stock):
        return Structure.SHARES if holding.quantity > 0 else None
    if holding.quantity < 0:
        return Structure.SHORT_PUT if item.right is Right.PUT else None
    return Structure.LONG_CALL if item.right is Right.CALL else Structure.LONG_PUT


def _single(holding: Holding, structure: Structure | None) -> Package:
    return Package((holding,), ()) if structure is None else _package((holding,), structure)


def _package(held: tuple[Holding, ...], structure: Structure) -> Package:
    units = gcd(*(holding.quantity for holding in held))
    unit = tuple(Leg(holding.instrument, holding.quantity // units) for holding in held)
    entry = sum((holding.average * leg.ratio for holding, leg in zip(held, unit, strict=True)), ZERO)
    return Package(held, (Part(structure, unit, units, entry),))


def default_exits(part: Part, today: date, value: Decimal | None = None, spot: Decimal | None = None) -> ExitPlan:
    """The exit plan of an adopted position; the table above has the numbers.

    `value` is what a unit is worth now, signed as held, `spot` the price of the shares; None where it is not known.
    """
    if part.structure is Structure.SHARES:
        return _of_shares(part, spot)
    if part.structure is Structure.SHORT_PUT:
        return _of_put(part, value, spot)
    if part.structure is Structure.COVERED_CALL:
        target = _unreached(to_cent(part.entry * HALF), value)
        words = ("Its stop is the one of its shares: the call is bought back before they are sold.",)
        return ExitPlan(target=target, words=(*_target_words(target), *words, "In the money it is called away."))
    return _of_package(part, today, value)


def _of_shares(part: Part, spot: Decimal | None) -> ExitPlan:
    stop = to_cent(part.entry * (1 - SHARE_STOP))
    note = f"25 % under the average of {part.entry:.2f}"
    if spot is not None and spot <= stop:
        stop, note = to_cent(spot * (1 - SHARE_STOP)), f"25 % under today's {spot:.2f}, for the usual stop is passed"
    return ExitPlan(stop_spot=stop, words=(f"Stop: sold at or below {stop:.2f}, {note}.",))


def _of_put(part: Part, value: Decimal | None, spot: Decimal | None) -> ExitPlan:
    option = part.unit[0].instrument
    strike = option.strike if isinstance(option, Option) else ZERO
    basis = strike + part.entry
    stop = to_cent(basis * (1 - SHARE_STOP))
    if spot is not None and spot <= stop:
        stop = to_cent(spot * (1 - SHARE_STOP))
    target = _unreached(to_cent(part.entry * HALF), value)
    words = (f"Stop: bought back when {option.underlying} is at or below {stop:.2f}.", "Held to expiry otherwise.")
    return ExitPlan(target=target, stop_spot=stop, words=(*_target_words(target), *words))


def _of_package(part: Part, today: date, value: Decimal | None) -> ExitPlan:
    """Long options, spreads, condors and calendars: levels of the package's value."""
    worst = -_width(part.unit) if part.structure in CREDITS else ZERO
    target, stop = _levels(part)
    note = ""
    if value is not None and value <= stop:
        stop, note = to_cent((max(value, worst) + worst) / 2), ": half-way from today's price to the worst"
    target = _unreached(target, value)
    days = LAST_DAYS_OF_CREDIT if part.structure in CREDITS else LAST_DAYS
    out, expiry = _out_on(part.unit, today, days)
    side = "costs" if stop < 0 else "is worth"
    bound = "or more" if stop < 0 else "or less"
    words = (
        *_target_words(target),
        f"Stop: closed when it {side} {abs(stop):.2f} {bound}{note}.",
        f"Out on {out}." if out else f"Closed by 15:00 New York on its last day, {expiry}.",
    )
    return ExitPlan(target=target, stop=stop, close_on=out, words=words)


def _levels(part: Part) -> tuple[Decimal | None, Decimal]:
    """(target, stop) of a package's value, signed as held; no target where the average makes no sense of one."""
    entry, wide = part.entry, _width(part.unit)
    if part.structure in CREDITS:
        if not 0 < -entry < wide:
            return None, to_cent(-wide * WIDTH_STOP)
        return to_cent(entry * HALF), to_cent(max(3 * entry, -wide * WIDTH_STOP))
    if part.structure is Structure.DEBIT_SPREAD:
        if not 0 < entry < wide:
            return None, to_cent(wide * (1 - WIDTH_STOP))
        return to_cent(entry + (wide - entry) * HALF), to_cent(entry * HALF)
    gain = HALF if part.structure is Structure.CALENDAR else Decimal(1)
    return to_cent(entry * (1 + gain)), to_cent(entry * HALF)


def _width(unit: Iterable[Leg]) -> Decimal:
    """The widest distance of strikes within one right, dollars; 0 for a single leg."""
    return width(unit) or ZERO


def _unreached(target: Decimal | None, value: Decimal | None) -> Decimal | None:
    return None if target is None or (value is not None and value >= target) else target


def _target_words(target: Decimal | None) -> tuple[str, ...]:
    if target is None:
        return ("No target: it is reached already, or its average price says nothing.",)
    verb = "Bought back at" if target < 0 else "Sold at"
    return (f"{verb} {abs(target):.2f}.",)


def _out_on(unit: Iterable[Leg], today: date, days: int) -> tuple[date | None, date]:
    """(day of the time exit, first expiry); the day is None when it is past: then only expiry day counts."""
    expiry = min(leg.instrument.expiry for leg in unit if isinstance(leg.instrument, Option))
    chosen = expiry - timedelta(days=days)
    if chosen <= today:
        chosen = expiry - timedelta(days=LAST_DAYS)
    return (chosen if chosen > today else None), expiry
