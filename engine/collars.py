"""The two orders of a collar: the put is held, the call is to come, on a card of its own.

The state between them is the position itself: of structure collar, with no call in its campaign. Nothing is lost when
the process ends there: the put protects and has its own exits, and the next look offers the call again until it has
been offered once. Whoever lets that offer pass keeps the put.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from engine import scanning
from engine.desk import Desk
from engine.exposures import is_call_to_come
from engine.model.book import Position
from engine.model.legs import Structure
from engine.store import UnitOfWork

OFFER = "collar:"
"""Setting of a half-done collar: when its call was looked for last, or that it has been offered."""
OFFERED = "offered"
AGAIN = timedelta(minutes=5)
"""Between two looks for a call that could not be offered (no usable quote, no room)."""


def half_done(work: UnitOfWork) -> tuple[Position, ...]:
    """The open puts of collars whose call has never been sold."""
    puts = (position for position in work.open_positions() if position.structure is Structure.COLLAR)
    return tuple(put for put in puts if is_call_to_come(put, work.campaign(put.campaign)))


def notes(work: UnitOfWork) -> dict[str, str]:
    """By position, that its call is to come, as a sentence."""
    return {
        put.id: f"Collar half done: put {put.id} held, call to come"
        + (", offered once." if work.setting(f"{OFFER}{put.id}") == OFFERED else ".")
        for put in half_done(work)
    }


def advance(desk: Desk) -> tuple[str, ...]:
    """Look for the call of every put that has just been filled and propose it; the ids of the puts looked at."""
    if not desk.sessions.is_open(desk.now()):
        return ()
    with desk.store.read() as work:
        due = [put for put in half_done(work) if put.strategy in desk.strategies and _is_due(desk, work, put)]
    for put in due:
        _note(desk, put, desk.now().isoformat())
        scanning.run(desk, put.strategy, (put.ticker,))
        with desk.store.read() as work:
            offered = any(each.plan.signal.campaign == put.campaign for each in work.pending_approvals())
        if offered:
            _note(desk, put, OFFERED)
    return tuple(put.id for put in due)


def _is_due(desk: Desk, work: UnitOfWork, put: Position) -> bool:
    """Its own order has ended, inside the strategy's hours, and the latest look was a while ago."""
    if any(ticket.is_open for ticket in work.tickets_of(put.id)):
        return False
    hours = desk.strategies[put.strategy].hours
    if hours is not None:
        first, last = (desk.sessions.at(desk.today, hour) for hour in hours)
        if not first <= desk.now() <= last:
            return False
    told = work.setting(f"{OFFER}{put.id}")
    if told == OFFERED:
        return False
    return not told or desk.now() - datetime.fromisoformat(told) >= AGAIN


def _note(desk: Desk, put: Position, words: str) -> None:
    with desk.store.begin() as work:
        work.set_setting(f"{OFFER}{put.id}", words, "desk", desk.now())
