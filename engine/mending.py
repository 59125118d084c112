"""Positions that lost a leg by themselves: what is left is a package of its own, watched again and told.

One leg of a spread assigned, a long call exercised into shares, an execution more than was held: as long as the old
package is asked for, nothing of it can be priced, stopped or closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from math import gcd

from engine import fills, ledger, payoff
from engine.desk import Desk
from engine.model.book import ZERO, Position, PositionLeg
from engine.model.events import EventKind, Severity
from engine.model.instruments import Option, Right, Stock
from engine.model.legs import ExitPlan, Leg, Structure
from engine.store import UnitOfWork


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing a person can do about what is left of a broken package: close that position, for this reason."""

    position: Position
    words: str


def is_broken(position: Position) -> bool:
    """Whether what is held is not a whole number of the position's units: a leg, or part of one, is gone."""
    held = {leg.instrument: leg.quantity for leg in position.legs if leg.quantity}
    units = position.units
    return position.is_open and held != {leg.instrument: leg.ratio * units for leg in position.unit if units}


def mend(desk: Desk, position: Position) -> None:
    """Restate a position that lost a leg, or part of one, by itself, and propose how to put it right.

    Not while an order is working on it: executions of a package come one leg after the other.
    """
    with desk.store.begin() as work:
        if any(ticket.position_id == position.id and not ticket.is_net for ticket in work.open_tickets()):
            return
        left = mended(desk, work, work.position(position.id))
        if left is not None:
            tell(desk, work, left)


def mended(desk: Desk, work: UnitOfWork, position: Position) -> Position | None:
    """What is left of a broken package, as a position of its own; None when nothing was broken.

    Whole units stay where they are and keep their exits; without any the position itself is restated.
    """
    if not is_broken(position):
        return None
    broken = position
    if position.units:
        whole, broken = parted(position, fills.new_position_id(desk, work))
        work.save_position(whole)
    left = remainder(broken)
    if left.structure is Structure.SHARES:
        left = replace(left, exits=share_exits(desk, left))
    work.save_position(left)
    return left


def parted(position: Position, id: str) -> tuple[Position, Position]:
    """(the whole units, what is left over as position `id` of the same campaign); results so far stay with the first.

    The whole units keep the oldest lots.
    """
    units = position.units
    wanted = {leg.instrument: leg.ratio * units for leg in position.unit}
    kept, over = [], []
    for leg in position.legs:
        mine, rest = ledger.take_lots(leg.lots, wanted.get(leg.instrument, 0))
        kept += [PositionLeg(leg.instrument, mine)] if mine else []
        over += [PositionLeg(leg.instrument, rest)] if rest else []
    spare = replace(position, id=id, legs=tuple(over), realised=ZERO, fees=ZERO, dividends=ZERO)
    return replace(position, legs=tuple(kept)), spare


def repairs(held: Iterable[Position]) -> tuple[Repair, ...]:
    """What can be done about the positions of one campaign that have no stop, in the order it should be done.

    Shares go first: a long option left beside them limits what they can lose until they are gone.
    """
    loose = [position for position in held if position.is_open and not position.exits.has_stop]
    return tuple(Repair(each, _remedy(each)) for each in sorted(loose, key=_urgency))


def _urgency(position: Position) -> tuple[bool, bool, str]:
    is_short = position.unit[0].ratio < 0
    return (position.structure is not Structure.SHARES, not is_short, position.id)


def _remedy(position: Position) -> str:
    do = "buy back" if position.unit[0].ratio < 0 else "sell"
    what = ", ".join(f"{abs(leg.ratio) * position.units} × {leg.instrument}" for leg in position.unit)
    return f"{do} {what}" if len(position.unit) == 1 else f"close {what}"


def tell(desk: Desk, work: UnitOfWork, left: Position) -> None:
    """Say what is left of a broken package, and what can be done about it."""
    todo = "; then ".join(each.words for each in repairs(work.campaign(left.campaign)))
    rest = ", ".join(f"{leg.ratio * left.units:+d} × {leg.instrument}" for leg in left.unit)
    words = f"A leg went away by itself; left in {left.id}: {rest}."
    advice = f" It has no stop of its own. To put it right: {todo}." if todo else ""
    data = {"words": words + advice, "ticker": left.ticker, "strategy": left.strategy, "campaign": left.campaign}
    work.add_event(desk.event(EventKind.LEG_LOST, left.id, data, Severity.URGENT, left.story))


def remainder(position: Position) -> Position:
    """What is left of a broken package as one of its own, with the risk it has by itself and no price to stop at."""
    held = [(leg.instrument, leg.quantity) for leg in position.legs if leg.quantity]
    units = gcd(*(quantity for _, quantity in held))
    unit = tuple(Leg(instrument, quantity // units) for instrument, quantity in held)
    average = {leg.instrument: leg.average for leg in position.legs}
    entry = sum((average[leg.instrument] * leg.ratio for leg in unit), ZERO)
    loss = payoff.max_loss(unit, entry)
    risk = (_notional(unit) if loss is None else loss) * units
    return replace(
        position,
        unit=unit,
        structure=_structure(unit) or position.structure,
        opened_units=units,
        entry=entry,
        peak=None,
        risk=risk,
        max_loss=None if loss is None else risk,
        collateral=ZERO if loss is None else payoff.collateral(unit) * units,
        delta=None,
        exits=ExitPlan(words=("What is left after a leg went away: it has no stop of its own.",)),
    )


def _notional(unit: tuple[Leg, ...]) -> Decimal:
    options = (leg for leg in unit if isinstance(leg.instrument, Option))
    return max(
        (leg.instrument.strike * leg.instrument.multiplier * abs(leg.ratio) for leg in options),  # type: ignore[union-attr]
        default=ZERO,
    )


def _structure(unit: tuple[Leg, ...]) -> Structure | None:
    """What a single leg is called; None for what has no name here."""
    if len(unit) > 1:
        return None
    item, ratio = unit[0].instrument, unit[0].ratio
    if isinstance(item, Stock):
        return Structure.SHARES
    if ratio < 0:
        return Structure.SHORT_PUT if item.right is Right.PUT else None
    return Structure.LONG_CALL if item.right is Right.CALL else Structure.LONG_PUT


def share_exits(desk: Desk, shares: Position) -> ExitPlan:
    """The stop of shares that came without an order, from the strategy they belong to."""
    strategy = desk.strategies.get(shares.strategy)
    if strategy is None or strategy.shares_exits is None or shares.entry is None or shares.entry <= 0:
        return ExitPlan(words=("These shares came by assignment; no strategy arms a stop for them.",))
    return strategy.shares_exits(shares.entry, strategy.params)
