"""What the books hold and the broker does not: no exit may sell it, for that would open a position the other way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from engine.model.book import Position
from engine.model.orders import Purpose, Ticket
from engine.store import UnitOfWork

SETTING = "holdings:missing"
"""Setting: symbol -> contracts or shares that are really there to close, where they are fewer than in the books."""


def shortages(work: UnitOfWork) -> Mapping[str, int]:
    """Symbol -> how many are at the broker, for what it holds less of than the books say."""
    found: Mapping[str, int] = json.loads(work.setting(SETTING) or "{}")
    return found


def keep(work: UnitOfWork, found: Mapping[str, int], now: datetime) -> None:
    """Remember what the broker last said is missing; nothing is, when `found` is empty."""
    text = json.dumps(dict(found), sort_keys=True)
    if text != (work.setting(SETTING) or "{}"):
        work.set_setting(SETTING, text, "desk", now)


def units(work: UnitOfWork, position: Position) -> int:
    """Whole units of the position that can be closed: those in the books, and no more than the broker really holds.

    What another position's exit is selling of the same contract is not there twice.
    """
    short = shortages(work)
    if not any(leg.instrument.symbol in short for leg in position.unit):
        return position.units
    others = [t for t in work.open_tickets() if t.purpose is Purpose.EXIT and t.position_id != position.id]
    there = [
        max(0, short[leg.instrument.symbol] - sum(working(ticket, leg.instrument.symbol) for ticket in others))
        // abs(leg.ratio)
        for leg in position.unit
        if leg.instrument.symbol in short
    ]
    return min(position.units, *there)


def working(ticket: Ticket, symbol: str) -> int:
    """Contracts or shares of `symbol` that the ticket may still trade."""
    return sum(abs(leg.ratio) * ticket.left for leg in ticket.legs if leg.instrument.symbol == symbol)
