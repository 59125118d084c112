"""Troubles that are told already: by the desk's own watches the moment they find them, or by the alert of their cause.

Their alert opens without a second sound. It is there to be answered, put to sleep and resolved, and it is heard when
nobody does so in time. What fails of itself while the broker or the prices are away is recorded in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.errors import BrokerUnavailable, DataUnavailable
from engine.model.alerts import RANKS, Alert
from engine.model.events import Event, EventKind
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


def _of_position(event: Event, subject: str) -> bool:
    return event.subject == subject.split(" ")[0]


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
    "exit_failed": Watch(EventKind.EXIT_FAILED, _of_position),
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
    "broker_rejects": ("exit_failed",),
    "error_rate": ("broker_down", "data_stale", "provider_down"),
}
"""By the name of a rule, the alerts it follows from. Of a failed job its error tells the kind."""

_CAUSING = frozenset(rule for rules in (*CAUSES.values(), *COVERS.values()) for rule in rules)

FOLLOWING = ("provider_down", "broker_rejects", "job_failed", "error_rate")
"""Rules whose alerts may follow from others', in the order in which they are to be read after all others."""


def turn(rule: str) -> int:
    """Where in a look the rule of this name has its turn: after those that its alerts may follow from."""
    return FOLLOWING.index(rule) + 1 if rule in FOLLOWING else 0


def is_covered(work: UnitOfWork, kind: str) -> bool:
    """Whether an open alert tells what an error of this kind comes from."""
    rules = COVERS.get(kind, ())
    return any(alert.rule in rules for alert in work.open_alerts())


def attributed(work: UnitOfWork, fresh: Sequence[Alert], known: Iterable[Alert]) -> tuple[Alert, ...]:
    """Alerts of one rule that begin now, some of them again, each with what told its trouble already, if anything.

    That is the id of an event that made a sound, or the card of an open one of the alerts `known`.
    """
    rule, since = fresh[0].rule, min(alert.since for alert in fresh) - BEFORE
    watch = WATCHES.get(rule)
    events = () if watch is None else _recent(work, watch.kind, since)
    causes = {each.rule: each.card for each in reversed(tuple(known)) if each.rule in _CAUSING and each.is_open}
    tellers = ((alert, _told_by(alert, events, causes)) for alert in fresh)
    return tuple(replace(alert, told_by=teller) if teller else alert for alert, teller in tellers)


def _told_by(alert: Alert, events: Sequence[Event], causes: Mapping[str, str]) -> str:
    """`events`: those of the watch of the alert's rule, newest first. `causes`: cards by rule.

    An event that is less severe than the alert did not reach everybody whom the alert has to reach.
    """
    about = [e for e in events if e.at >= alert.since - BEFORE and WATCHES[alert.rule].is_about(e, alert.subject)]
    loud = next((event.id for event in about if RANKS[event.severity] >= max(alert.rank, 1)), "")
    return loud or next((causes[rule] for rule in _causes(alert, about) if rule in causes), "")


def _causes(alert: Alert, about: Sequence[Event]) -> tuple[str, ...]:
    """The rules whose alerts this one may follow from; of a failed job its latest error tells them."""
    if alert.rule != "job_failed":
        return CAUSES.get(alert.rule, ())
    return COVERS.get(str(about[0].data.get("kind", "")), ()) if about else ()


def _recent(work: UnitOfWork, kind: EventKind, since: datetime) -> tuple[Event, ...]:
    """What happened of a kind since then, newest first."""
    return tuple(event for event in work.newest_events([kind], RECENT) if event.at >= since)
