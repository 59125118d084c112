"""The durable halt: while it is set nothing new is opened; exits and look-ups go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.codec import load_frozen
from engine.desk import Desk
from engine.model.events import Event, EventKind, Severity
from engine.model.flatten import Flatten
from engine.store import UnitOfWork

SETTING = "halt"
FLATTEN = "panic"
"""Setting: the flattening of the book that is under way, or the last one."""
HEARD = "panic:heard"
"""Setting: when the flattening was at work last."""
SILENT = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Halt:
    """Who stopped the desk, when and why."""

    by: str
    at: datetime
    why: str

    @property
    def words(self) -> str:
        return f"Entries are halted by {self.by}" + (f": {self.why}" if self.why else "") + "."


def current(work: UnitOfWork) -> Halt | None:
    """The halt in force, None when entries are allowed."""
    text = work.setting(SETTING)
    if not text:
        return None
    at, by, why = text.split("|", 2)
    return Halt(by, datetime.fromisoformat(at), why)


def halt(desk: Desk, by: str, why: str = "") -> Halt:
    """Stop all entries until somebody resumes; halting twice keeps the first one's name. Survives a restart."""
    now = desk.now()
    with desk.store.begin() as work:
        standing = current(work)
        if standing is not None:
            return standing
        stop = Halt(by.replace("|", " "), now, why)
        work.set_setting(SETTING, f"{now.isoformat()}|{stop.by}|{why}", by, now)
        for ticket in work.open_tickets():
            if ticket.purpose == "entry":
                work.save_ticket(ticket.canceling("desk halted"))
        work.add_event(_event(desk, EventKind.HALTED, by, why))
    return stop


def resume(desk: Desk, by: str) -> bool:
    """Allow entries again; False when nothing was halted."""
    with desk.store.begin() as work:
        if current(work) is None:
            return False
        work.set_setting(SETTING, "", by, desk.now())
        work.add_event(_event(desk, EventKind.RESUMED, by, ""))
    return True


def flatten(work: UnitOfWork) -> Flatten | None:
    """The latest flattening that was confirmed, None when there never was one."""
    text = work.setting(FLATTEN)
    return load_frozen(Flatten, text) if text else None


def is_flattening(work: UnitOfWork, now: datetime) -> bool:
    """Whether every position is being closed by `panic` now, so that no other exit may start or rest.

    What it has given up is left to a person and to its own exits again, and so is everything when it has not been
    heard of for a minute: whatever keeps it from closing must not keep the stops from it too.
    """
    state = flatten(work)
    if state is None or not state.is_running or state.is_waiting or state.is_suspended:
        return False
    heard = work.setting(HEARD)
    return bool(heard) and now - datetime.fromisoformat(heard or "") <= SILENT


def heard(work: UnitOfWork, now: datetime) -> None:
    """The flattening is at work."""
    work.set_setting(HEARD, now.isoformat(), "desk", now)


def _event(desk: Desk, kind: EventKind, by: str, why: str) -> Event:
    return desk.event(kind, "desk", {"by": by, "why": why}, Severity.WARNING, actor=by)
