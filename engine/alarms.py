"""Protective actions that did not get done: one urgent alarm for each trouble of a position, counted while it lasts.

Every failure of the same trouble is told on the same card, with its number; the end of the trouble is told there too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from engine import pauses
from engine.desk import Desk
from engine.model.book import Position
from engine.model.events import Event, EventKind, Severity
from engine.store import UnitOfWork

ALARM = "alarm:"
"""Setting of a position in trouble: the alarm that is running."""

WAITING = "waiting:"
"""Setting of a position whose exit waits for the end of another order: since when, and when that was last seen."""

PATIENCE = timedelta(seconds=10)
FIRST_PAUSE = timedelta(seconds=15)


class Trouble(StrEnum):
    """What does not get done."""

    EXIT = "exit"
    NET = "net"


@dataclass(frozen=True, slots=True)
class Alarm:
    """A trouble that is going on: the id of its first event, how often it was told, and when last."""

    id: str
    count: int
    told_at: datetime

    @property
    def pause(self) -> timedelta:
        """How long the same trouble is not told again when nothing new was tried: 15 s, then twice as long each."""
        return pauses.doubled(FIRST_PAUSE, self.count)


def running(work: UnitOfWork, position_id: str, trouble: Trouble) -> Alarm | None:
    """The alarm of this trouble, None while there is none."""
    text = work.setting(_name(position_id, trouble))
    if not text:
        return None
    id, count, told_at = json.loads(text)
    return Alarm(id, count, datetime.fromisoformat(told_at))


def going_on(work: UnitOfWork, positions: Iterable[Position]) -> tuple[Event, ...]:
    """The latest event of every alarm that is running about these positions (`exit_failed`)."""
    names = {_name(position.id, trouble): position.id for position in positions for trouble in Trouble}
    alarms = {name: json.loads(text)[0] for name, text in work.settings_named(names).items() if text}
    found = []
    for name, id in alarms.items():
        told = (e for e in reversed(work.events_about(names[name])) if e.kind is EventKind.EXIT_FAILED)
        found += [event for event in told if event.data.get("alarm") == id][:1]
    return tuple(found)


def tell(desk: Desk, work: UnitOfWork, position: Position, note: str, trouble: Trouble = Trouble.EXIT) -> None:
    """One more failed try, as an urgent event."""
    now, id = desk.now(), desk.new_id("E")
    before = running(work, position.id, trouble)
    alarm = Alarm(id, 1, now) if before is None else replace(before, count=before.count + 1, told_at=now)
    _keep(desk, work, position.id, trouble, alarm)
    data = _data(position, trouble, alarm) | {"note": note}
    work.add_event(Event(id, EventKind.EXIT_FAILED, now, position.id, data, Severity.URGENT, position.story))


def nudge(desk: Desk, work: UnitOfWork, position: Position, note: str, trouble: Trouble = Trouble.EXIT) -> None:
    """As `tell`, for what goes on and is looked at again and again: only when the last alarm is a while ago."""
    if not is_resting(desk, work, position.id, trouble):
        tell(desk, work, position, note, trouble)


def remind(desk: Desk, position: Position, note: str, trouble: Trouble = Trouble.EXIT) -> None:
    """`nudge` in a transaction of its own."""
    with desk.store.begin() as work:
        nudge(desk, work, position, note, trouble)


def waiting(desk: Desk, position: Position, note: str) -> None:
    """What an exit waits for that will probably end by itself: an alarm when it has gone on for ten seconds."""
    now, name = desk.now(), f"{WAITING}{position.id}"
    with desk.store.begin() as work:
        text = work.setting(name)
        since, latest = (datetime.fromisoformat(each) for each in json.loads(text)) if text else (now, now)
        if now - latest > FIRST_PAUSE:
            since = now
        work.set_setting(name, json.dumps([since.isoformat(), now.isoformat()]), "desk", now)
        if now - since >= PATIENCE:
            nudge(desk, work, position, note)


def is_resting(desk: Desk, work: UnitOfWork, position_id: str, trouble: Trouble) -> bool:
    """Whether the trouble was told a moment ago, so that nothing is tried again yet."""
    alarm = running(work, position_id, trouble)
    return alarm is not None and desk.now() - alarm.told_at < alarm.pause


def over(desk: Desk, work: UnitOfWork, position: Position, note: str, *troubles: Trouble) -> None:
    """The end of these troubles (all of them when none is named): told where there was an alarm."""
    for trouble in troubles or Trouble:
        alarm = running(work, position.id, trouble)
        if alarm is None:
            continue
        _keep(desk, work, position.id, trouble, None)
        data = _data(position, trouble, replace(alarm, count=alarm.count + 1)) | {"note": note}
        work.add_event(desk.event(EventKind.EXIT_RECOVERED, position.id, data, correlation=position.story))


def _name(position_id: str, trouble: Trouble) -> str:
    return f"{ALARM}{trouble}:{position_id}"


def _keep(desk: Desk, work: UnitOfWork, position_id: str, trouble: Trouble, alarm: Alarm | None) -> None:
    text = json.dumps([alarm.id, alarm.count, alarm.told_at.isoformat()]) if alarm else ""
    work.set_setting(_name(position_id, trouble), text, "desk", desk.now())


def _data(position: Position, trouble: Trouble, alarm: Alarm) -> dict[str, object]:
    return {
        "ticker": position.ticker,
        "strategy": position.strategy,
        "trouble": trouble.value,
        "count": alarm.count,
        "alarm": alarm.id,
    }
