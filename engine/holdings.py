"""The broker's holdings beside our books: what differs is told, once, with both sides; nothing is changed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from engine.desk import Desk
from engine.model.events import Event, EventKind, Severity
from engine.model.instruments import Instrument
from engine.store import UnitOfWork

DIFFERENCES = "holdings:differences"
"""Setting: what was last told, so that the same difference is not told again."""

Counts = Mapping[Instrument, int]


def compare(desk: Desk) -> dict[Instrument, tuple[int, int]]:
    """Signed quantities (the broker's, ours) of every instrument on which the two disagree.

    What an order is working on is left out: its executions may be at the broker and not here yet. A difference that
    is new is an urgent event.

    Raises:
        BrokerUnavailable: the broker does not say.
    """
    with desk.store.read() as work:
        moving = {leg.instrument for ticket in work.open_tickets() if not ticket.is_net for leg in ticket.legs}
    theirs = {holding.instrument: holding.quantity for holding in desk.broker.holdings()}
    with desk.store.begin() as work:
        ours = _held(work)
        moving |= {leg.instrument for ticket in work.open_tickets() if not ticket.is_net for leg in ticket.legs}
        found = {
            item: (theirs.get(item, 0), ours.get(item, 0))
            for item in sorted({*theirs, *ours} - moving, key=lambda item: item.symbol)
            if theirs.get(item, 0) != ours.get(item, 0)
        }
        _tell(desk, work, found)
    return found


def _held(work: UnitOfWork) -> Counts:
    held: Counter[Instrument] = Counter()
    for position in work.open_positions():
        for leg in position.legs:
            held[leg.instrument] += leg.quantity
    return {instrument: quantity for instrument, quantity in held.items() if quantity}


def _tell(desk: Desk, work: UnitOfWork, found: Mapping[Instrument, tuple[int, int]]) -> None:
    text = json.dumps({item.symbol: both for item, both in found.items()})
    if text == (work.setting(DIFFERENCES) or "{}"):
        return
    work.set_setting(DIFFERENCES, text, "desk", desk.now())
    if found:
        data = {
            "broker": ", ".join(f"{theirs:+d} × {item}" for item, (theirs, _) in found.items()),
            "desk": ", ".join(f"{ours:+d} × {item}" for item, (_, ours) in found.items()),
        }
        event = Event(desk.new_id("E"), EventKind.POSITION_MISMATCH, desk.now(), "holdings", data, Severity.URGENT)
        work.add_event(event)
