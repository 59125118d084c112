"""How far prices alone have moved the account's delta and vega since the first look of the session at each position.

What is opened later begins where it was opened, what is closed is out of it: a trade was decided, drift was not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.desk import Desk
from engine.model.book import ZERO, Position
from engine.store import UnitOfWork

SETTING = "drift"
"""Setting: the session, when Greeks were computed last, and by position those of a unit then and at its first look."""
OLD = timedelta(minutes=30)
"""Greeks older than that say nothing about now; the watch computes them every ten minutes."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Of everything held now: delta dollars and dollars a point of volatility, and by how much prices moved them.

    None while a Greek of something held is not known.
    """

    delta: Decimal | None = None
    delta_moved: Decimal | None = None
    vega: Decimal | None = None
    vega_moved: Decimal | None = None


Units = Mapping[str, Decimal]
"""Dollars of one unit, by position."""


def note(desk: Desk, work: UnitOfWork, deltas: Units, vegas: Units) -> None:
    """Remember the Greeks of a unit of every position as they are now, and where each was first seen today."""
    before = _stored(work)
    is_today = before.get("day") == desk.today.isoformat()
    first = before["first"] if is_today else {}
    now = {id: [str(deltas[id]), str(vegas[id])] for id in sorted(deltas.keys() & vegas.keys())}
    body = {
        "day": desk.today.isoformat(),
        "at": desk.now().isoformat(),
        "first": {id: first.get(id, greeks) for id, greeks in now.items()},
        "now": now,
    }
    work.set_setting(SETTING, json.dumps(body, sort_keys=True), "desk", desk.now())


def moved(desk: Desk, work: UnitOfWork, positions: Iterable[Position]) -> Moved:
    """How far it is now; unknown before the first look of the session, and when the last one is too old."""
    body = _stored(work)
    if body.get("day") != desk.today.isoformat() or desk.now() - datetime.fromisoformat(body["at"]) > OLD:
        return Moved()
    sums = [ZERO] * 4
    for position in positions:
        if position.id not in body["now"]:
            return Moved()
        now, first = body["now"][position.id], body["first"][position.id]
        for row in (0, 1):
            sums[row] += position.units * Decimal(now[row])
            sums[row + 2] += position.units * (Decimal(now[row]) - Decimal(first[row]))
    delta, vega, delta_moved, vega_moved = sums
    return Moved(delta, delta_moved, vega, vega_moved)


def _stored(work: UnitOfWork) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(work.setting(SETTING) or "{}")
    return found
