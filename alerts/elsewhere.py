"""Troubles that the desk's own watches tell the moment they find them: their alert opens without a second sound.

It is there to be answered, put to sleep and resolved, and it is heard when nobody does so in time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from engine.model.alerts import Alert
from engine.model.events import Event, EventKind, Severity
from engine.model.locks import LockKind
from engine.store import UnitOfWork

BEFORE = timedelta(minutes=5)
"""How long before a rule's first reading the same trouble may have been told."""
RECENT = 50
"""Events of a kind that are looked at: more than there can be in a few minutes."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The event that tells a trouble, and whether one is about an alert's subject."""

    kind: EventKind
    is_about: Callable[[Event, str], bool]


def _any(event: Event, subject: str) -> bool:
    del event, subject
    return True


def _same(event: Event, subject: str) -> bool:
    return event.subject == subject


def _named(event: Event, subject: str) -> bool:
    """The words name it, in small letters or capitals."""
    return subject.lower() in str(event.data.get("words", "")).lower()


def _either_side(event: Event, subject: str) -> bool:
    return subject in f"{event.data.get('broker')} {event.data.get('desk')}"


def _is_drawdown(event: Event, subject: str) -> bool:
    del subject
    return event.data.get("rule") == LockKind.DRAWDOWN.value


WATCHES: Mapping[str, Watch] = {
    "limit_crossed": Watch(EventKind.RISK_BREACHED, _named),
    "drawdown": Watch(EventKind.RISK_BREACHED, _is_drawdown),
    "position_mismatch": Watch(EventKind.POSITION_MISMATCH, _either_side),
    "data_stale": Watch(EventKind.DATA_STALE, _any),
    "exits_stalled": Watch(EventKind.ERROR, _same),
    "platform_down": Watch(EventKind.PLATFORM_DOWN, _same),
    "undelivered": Watch(EventKind.UNDELIVERED, _same),
}
"""By the name of the rule."""


def told(work: UnitOfWork, alert: Alert) -> str:
    """The id of the event that told this trouble with a sound already, "" where the alert is the first to tell it."""
    watch = WATCHES.get(alert.rule)
    if watch is None:
        return ""
    since = alert.opened_at - BEFORE
    loud = (e for e in work.newest_events([watch.kind], RECENT) if e.severity is not Severity.INFO and e.at >= since)
    return next((event.id for event in loud if watch.is_about(event, alert.subject)), "")
