"""Troubles that are told already: by the desk's own watches the moment they find them, or by the alert of their cause.

Their alert opens without a second sound. It is there to be answered, put to sleep and resolved, and it is heard when
nobody does so in time. What fails of itself while the broker or the prices are away is recorded in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from engine.errors import BrokerUnavailable, DataUnavailable
from engine.model.alerts import Alert
from engine.model.events import Event, EventKind, Severity
from engine.model.locks import LockKind
from engine.store import UnitOfWork

BEFORE = timedelta(minutes=5)
"""How long before a rule's first reading the same trouble may have been told."""
JOB = "job "
"""What the subject of an error of a job begins with."""
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


def _of_job(event: Event, subject: str) -> bool:
    return event.subject == f"{JOB}{subject}"


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
    "job_failed": Watch(EventKind.ERROR, _of_job),
    "provider_down": Watch(EventKind.DATA_STALE, _any),
    "platform_down": Watch(EventKind.PLATFORM_DOWN, _same),
    "undelivered": Watch(EventKind.UNDELIVERED, _same),
}
"""By the name of the rule."""


COVERS: Mapping[str, tuple[str, ...]] = {
    BrokerUnavailable.__name__: ("broker_down",),
    DataUnavailable.__name__: ("data_stale", "provider_down"),
}
"""By the kind of an error that comes by itself while somebody outside is away, the alerts that tell of that."""

CAUSES: Mapping[str, tuple[str, ...]] = {
    "provider_down": ("data_stale",),
    "error_rate": ("broker_down", "data_stale", "provider_down"),
}
"""By the name of a rule, the alerts it follows from. Of a failed job its error tells the kind."""

FOLLOWING = ("provider_down", "job_failed", "error_rate")
"""Rules whose alerts may follow from others', in the order in which they are to be read after all others."""


def turn(rule: str) -> int:
    """Where in a look the rule of this name has its turn: after those that its alerts may follow from."""
    return FOLLOWING.index(rule) + 1 if rule in FOLLOWING else 0


def is_covered(work: UnitOfWork, kind: str) -> bool:
    """Whether an open alert tells what an error of this kind comes from."""
    return bool(_open(work.open_alerts(), COVERS.get(kind, ())))


def told(work: UnitOfWork, alert: Alert, known: Iterable[Alert]) -> str:
    """What told this trouble already, "" where the alert is the first to tell it.

    The id of an event that made a sound, or the card of an open one of the alerts `known`.
    """
    return _event(work, alert) or _open(known, _causes(work, alert))


def _open(alerts: Iterable[Alert], rules: Iterable[str]) -> str:
    """The card of an open alert of one of these rules."""
    return next((each.card for each in alerts if each.is_open and each.rule in rules), "")


def _causes(work: UnitOfWork, alert: Alert) -> tuple[str, ...]:
    if alert.rule != "job_failed":
        return CAUSES.get(alert.rule, ())
    last = next((e for e in _recent(work, alert, EventKind.ERROR) if _of_job(e, alert.subject)), None)
    return () if last is None else COVERS.get(str(last.data.get("kind", "")), ())


def _event(work: UnitOfWork, alert: Alert) -> str:
    watch = WATCHES.get(alert.rule)
    if watch is None:
        return ""
    loud = (event for event in _recent(work, alert, watch.kind) if event.severity is not Severity.INFO)
    return next((event.id for event in loud if watch.is_about(event, alert.subject)), "")


def _recent(work: UnitOfWork, alert: Alert, kind: EventKind) -> tuple[Event, ...]:
    """What happened of a kind since shortly before the alert's rule found it, newest first."""
    since = alert.opened_at - BEFORE
    return tuple(event for event in work.newest_events([kind], RECENT) if event.at >= since)
