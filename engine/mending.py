"""Positions that lost a leg by themselves: what is left is a package of its own, watched again and told.

One leg of a spread assigned, a long call exercised into shares, an execution more than was held: as long as the old
package is asked for, nothing of it can be priced, stopped or closed.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import gcd

from engine import payoff
from engine.desk import Desk
from engine.model.book import ZERO, Position
from engine.model.events import Event, EventKind, Severity
from engine.model.instruments import Option, Right, Stock
from engine.model.legs import ExitPlan, Leg, Structure


def mend(desk: Desk, position: Position) -> None:
    """Restate an open position of which no whole unit is left, and say so."""
    with desk.store.begin() as work:
        fresh = work.position(position.id)
        if fresh.units or not fresh.is_open:
            return
        left = remainder(fresh)
        if left.structure is Structure.SHARES:
            left = replace(left, exits=share_exits(desk, left))
        work.save_position(left)
        work.add_event(_event(desk, left))


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
    if strategy is None or strategy.shares_exits is None or shares.entry is None:
        return ExitPlan(words=("These shares came by assignment; no strategy arms a stop for them.",))
    return strategy.shares_exits(shares.entry, strategy.params)


def _event(desk: Desk, left: Position) -> Event:
    rest = ", ".join(f"{leg.ratio * left.opened_units:+d} × {leg.instrument}" for leg in left.unit)
    stop = "" if left.exits.has_stop else " It has no stop: close it or watch it."
    words = f"A leg of {left.id} went away by itself; left are {rest}.{stop}"
    data = {"words": words, "ticker": left.ticker, "strategy": left.strategy}
    correlation = left.approval_id or left.id
    return Event(desk.new_id("E"), EventKind.POSITION_MISMATCH, desk.now(), left.id, data, Severity.URGENT, correlation)
