"""The limits in force: the configured ones under those that people set; a tighter one holds at once, a looser one
from the next session's opening bell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.desk import Desk
from engine.errors import BadRequest
from engine.model.events import Event, EventKind
from engine.model.limits import SETTABLE, WALLS, Limits
from engine.model.locks import LimitChange
from engine.sessions import NEW_YORK
from engine.store import UnitOfWork


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit: as configured, in force now, and the change that waits for the next session (None: none)."""

    name: str
    configured: Decimal
    value: Decimal
    pending: LimitChange | None


def limits_in_force(desk: Desk, work: UnitOfWork) -> Limits:
    """The limits that count now."""
    changes = work.limit_changes()
    return limits_at(desk.limits, changes, desk.now()) if changes else desk.limits


def limits_at(configured: Limits, changes: Iterable[LimitChange], now: datetime) -> Limits:
    """The configured limits under `changes` (oldest first): of those in effect the last one made counts.

    The outer walls never exceed the configuration, whatever was set when that was wider.
    """
    values: dict[str, Any] = {c.name: c.value for c in changes if c.effective_at <= now and c.name in SETTABLE}
    for wall in WALLS:
        values[wall] = min(getattr(configured, wall), values.get(wall, getattr(configured, wall)))
    return replace(configured, **values)


def bounds(desk: Desk, work: UnitOfWork) -> tuple[Bound, ...]:
    """Every limit that can be set, in the order of the configuration."""
    now, changes = desk.now(), work.limit_changes()
    values = limits_at(desk.limits, changes, now)
    latest = {change.name: change for change in changes}
    pending = {name: change for name, change in latest.items() if change.effective_at > now}
    return tuple(Bound(name, getattr(desk.limits, name), getattr(values, name), pending.get(name)) for name in SETTABLE)


def set_limit(desk: Desk, name: str, value: Decimal, by: str) -> LimitChange:
    """Set one limit, audited: at once when it is tighter than the one in force, else from the next session's open.

    A change that still waits for its session is replaced by this one.

    Raises:
        BadRequest: no fraction above 0 and up to 1, or an outer wall beyond its configured place.
    """
    if not 0 < value <= 1:
        raise BadRequest(f"{name}: {_percent(value)} is not a limit; give more than 0 and at most 100 %.")
    wall: Decimal = getattr(desk.limits, name)
    if name in WALLS and value > wall:
        raise BadRequest(
            f"{name} is an outer wall: {_percent(value)} is beyond the configured {_percent(wall)}. "
            "It can only be moved out in the configuration."
        )
    now = desk.now()
    with desk.store.begin() as work:
        before: Decimal = getattr(limits_in_force(desk, work), name)
        at = now if value <= before else next_open(desk)
        change = LimitChange(desk.new_id("M"), name, value, at, by, now)
        work.add_limit_change(change)
        work.add_event(_event(desk, change, before))
    return change


def next_open(desk: Desk) -> datetime:
    """The first opening bell after now."""
    today, now = desk.today, desk.now()
    if desk.sessions.is_session(today) and now < desk.sessions.open(today):
        return desk.sessions.open(today)
    return desk.sessions.open(desk.sessions.next(today))


def _event(desk: Desk, change: LimitChange, before: Decimal) -> Event:
    step = f"{_percent(before)} → {_percent(change.value)}"
    data = {
        "words": f"{change.name} {step}{_start(change)}, set by {change.set_by}.",
        "before": str(before),
        "value": str(change.value),
        "from": change.effective_at.isoformat(),
    }
    return Event(desk.new_id("E"), EventKind.LIMIT_CHANGED, change.created_at, change.name, data, actor=change.set_by)


def _start(change: LimitChange) -> str:
    """From when it holds, where that is later than now."""
    at = change.effective_at.astimezone(NEW_YORK)
    return "" if change.effective_at <= change.created_at else f" from {at:%Y-%m-%d %H:%M} ET on"


def _percent(fraction: Decimal) -> str:
    """`2 %`, `0.5 %`."""
    return f"{(fraction * 100).normalize():f} %"
