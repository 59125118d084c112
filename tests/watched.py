"""A desk that has measured itself for two sessions: outages, entries, jobs and messages, good ones and bad ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from engine.model.events import Event, EventKind
from engine.model.leadership import Term
from engine.model.orders import OrderStatus, TicketStatus
from engine.model.records import Run, RunState
from engine.store import UnitOfWork
from tests import make
from tests.bot.rooms import Visit, visit

EVERY = timedelta(seconds=30)
GROUP = "telegram:-1001234567890"
TOOK = (31, 38, 41, 44, 52, 67, 142)
"""Milliseconds from the end of an undo window to the broker's yes."""


def watched() -> Visit:
    """Friday and half an hour of Monday 15 June 2026: 40 s down, a planned stop of 4 min 30 s, one slow entry, one
    failed run, two messages that a group does not take."""
    desk = visit()
    friday = make.NOW - timedelta(days=3, minutes=30)
    with desk.world.store.begin() as work:
        _alive(work, friday, friday + timedelta(hours=1), ends=True)
        _alive(work, friday + timedelta(hours=1, seconds=270), friday + timedelta(hours=3))
        _alive(work, friday + timedelta(hours=3, seconds=40), friday + timedelta(hours=7))
        _alive(work, make.NOW - timedelta(minutes=45), make.NOW)
        for number, took in enumerate(TOOK):
            _entry(work, number, took)
        for number in range(2_000):
            _run(work, number, RunState.FAILED if number == 77 else RunState.DONE)
        for number in range(90):
            _told(work, number)
    return desk


def _alive(work: UnitOfWork, begins: datetime, until: datetime, *, ends: bool = False) -> None:
    at = begins
    while at <= until:
        work.beat(at, Term("here:1:0", 1), is_last=ends and at == until)
        at += EVERY


def _entry(work: UnitOfWork, number: int, took: int) -> None:
    id, ends = f"A8{number:04d}.1", make.NOW - timedelta(hours=1)
    work.add_ticket(make.ticket(id=id, approval_id=None, created_at=ends, send_after=ends, status=TicketStatus.CLOSED))
    sent, accepted = (ends + timedelta(milliseconds=part) for part in (took // 3, took))
    order = make.order(client_order_id=f"{id}.1", ticket_id=id, status=OrderStatus.CANCELED)
    work.add_order(replace(order, sent_at=sent, accepted_at=accepted))


def _run(work: UnitOfWork, number: int, state: RunState) -> None:
    at = make.NOW - timedelta(minutes=number)
    work.add_run(Run(f"R{number:05d}", "risk", at, at, state=state, finished_at=at))


def _told(work: UnitOfWork, number: int) -> None:
    """A message to the page and one to a group, which takes the first two no more and the tenth late."""
    happened = make.NOW - timedelta(minutes=5 * number)
    event = Event(f"E8{number:04d}", EventKind.DIVIDEND, happened, f"P{number:05d}", {})
    page, group = (f"{event.id}:{place}:0" for place in ("web:desk", GROUP))
    work.add_event(event)
    work.mark_routed([event.id])
    work.enqueue(event.id, "web:desk", 0, f"event:{event.id}")
    work.enqueue(event.id, GROUP, 0, f"event:{event.id}")
    work.mark_sent([page], f"m{number}", happened + timedelta(seconds=0.2))
    if number < 2:
        work.give_up([group], "the bot was kicked out of the group", make.NOW)
        return
    if number == 9:
        work.mark_failed(group, "no answer in time", happened, unanswered=True)
    seconds = 21.0 if number == 9 else 0.4 + number / 60
    work.mark_sent([group], f"m{number}", happened + timedelta(seconds=seconds))
