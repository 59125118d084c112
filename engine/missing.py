"""What the books hold and the broker does not: no exit may sell it, for that would open a position the other way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from engine.model.book import Position
from engine.model.orders import Purpose, Ticket
from engine.store import UnitOfWork

SETTING = "holdings:missing"
"""Setting: symbol -> by how many contracts or shares the broker holds less than the books."""


def gaps(work: UnitOfWork) -> Mapping[str, int]:
    """Symbol -> how many are missing at the broker, as it last said."""
    found: Mapping[str, int] = json.loads(work.setting(SETTING) or "{}")
    return found


def keep(work: UnitOfWork, found: Mapping[str, int], now: datetime) -> None:
    """Remember what the broker last said is missing; nothing is, when `found` is empty."""
    text = json.dumps(dict(found), sort_keys=True)
    if text != (work.setting(SETTING) or "{}"):
        work.set_setting(SETTING, text, "desk", now)


def there(work: UnitOfWork, symbol: str, gap: int) -> int:
    """Contracts or shares that can really be closed: those in the books now, less the gap.

    What an exit has closed since the broker was asked is off the books, so it is not counted twice.
    """
    held = sum(leg.quantity for p in work.open_positions() for leg in p.legs if leg.instrument.symbol == symbol)
    return max(0, abs(held) - gap)


def units(work: UnitOfWork, position: Position) -> int:
    """Whole units of the position that can be closed: those in the books, and no more than the broker really holds.

    What another position's exit is selling of the same contract is not there twice.
    """
    short = {
        symbol: gap for symbol, gap in gaps(work).items() if any(x.instrument.symbol == symbol for x in position.unit)
    }
    if not short:
        return position.units
    others = [t for t in work.open_tickets() if t.purpose is Purpose.EXIT and t.position_id != position.id]
    free = {
        symbol: there(work, symbol, gap) - sum(working(ticket, symbol) for ticket in others)
        for symbol, gap in short.items()
    }
    legs = [leg for leg in position.unit if leg.instrument.symbol in free]
    return min(position.units, *(max(0, free[leg.instrument.symbol]) // abs(leg.ratio) for leg in legs))


def working(ticket: Ticket, symbol: str) -> int:
    """Contracts or shares of `symbol` that the ticket may still trade."""
    return sum(abs(leg.ratio) * ticket.left for leg in ticket.legs if leg.instrument.symbol == symbol)
