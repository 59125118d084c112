"""Which events go where: pure rules from an event to destinations, and to the card it redraws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.model.events import Event, EventKind, Severity

SILENT = frozenset(
    {
        EventKind.SCAN_FINISHED,
        EventKind.COMMAND,
        EventKind.DENIED,
        EventKind.REFUSED,
        EventKind.IMPORTED,
        EventKind.CHECKED,
        EventKind.ATTEMPTED,
        EventKind.ENVELOPE_USED,
        EventKind.NOTE,
    }
)
"""Kept for the audit trail, not posted: a scan shows itself through its proposals."""


class Topic(StrEnum):
    """What an event is about, in the words people choose channels and mute by."""

    PROPOSALS = "proposals"
    TRADES = "trades"
    EXPIRIES = "expiries"
    RISK = "risk"
    BROKER = "broker"
    DIGEST = "digest"
    DESK = "desk"


TOPICS: Mapping[EventKind, Topic] = {
    **dict.fromkeys(
        (EventKind.APPROVAL_REQUESTED, EventKind.APPROVAL_CHANGED, EventKind.ENVELOPE_CHANGED, EventKind.ROLL_OFFERED),
        Topic.PROPOSALS,
    ),
    **dict.fromkeys(
        (
            EventKind.ORDER_SENT,
            EventKind.ORDER_ENDED,
            EventKind.FILLED,
            EventKind.EXIT_STARTED,
            EventKind.EXIT_OFFERED,
            EventKind.EXIT_FAILED,
            EventKind.EXIT_RECOVERED,
            EventKind.POSITION_CLOSED,
            EventKind.ROLL_CHANGED,
        ),
        Topic.TRADES,
    ),
    **dict.fromkeys(
        (
            EventKind.ASSIGNED,
            EventKind.EXPIRED,
            EventKind.CALLED_AWAY,
            EventKind.DIVIDEND,
            EventKind.SPLIT,
            EventKind.EXPIRY_AGENDA,
            EventKind.EXPIRY_WARNING,
            EventKind.LEG_LOST,
        ),
        Topic.EXPIRIES,
    ),
    **dict.fromkeys(
        (
            EventKind.RISK_BREACHED,
            EventKind.LIMIT_CHANGED,
            EventKind.LOCK_CHANGED,
            EventKind.ALERT_RAISED,
            EventKind.ALERT_ESCALATED,
            EventKind.ALERT_CHANGED,
            EventKind.ALERT_RESOLVED,
        ),
        Topic.RISK,
    ),
    **dict.fromkeys(
        (
            EventKind.POSITION_MISMATCH,
            EventKind.RECONCILED,
            EventKind.ADOPTION_ASKED,
            EventKind.ADOPTION_DECIDED,
        ),
        Topic.BROKER,
    ),
    **dict.fromkeys((EventKind.DIGEST_READY, EventKind.REPORT_READY), Topic.DIGEST),
    **dict.fromkeys(
        (
            EventKind.HALTED,
            EventKind.RESUMED,
            EventKind.PANIC,
            EventKind.STRATEGY_CHANGED,
            EventKind.DATA_STALE,
            EventKind.ERROR,
            EventKind.PLATFORM_DOWN,
            EventKind.PLATFORM_UP,
            EventKind.TEST_CARD,
            EventKind.UNDELIVERED,
        ),
        Topic.DESK,
    ),
}
"""The topic of every kind that is posted (a test says none is forgotten); an alert's own goes before it."""

OF_APPROVAL = frozenset({EventKind.APPROVAL_REQUESTED, EventKind.APPROVAL_CHANGED, EventKind.ORDER_ENDED})
OF_ADOPTION = frozenset({EventKind.ADOPTION_ASKED, EventKind.ADOPTION_DECIDED})

OF_DIGEST = frozenset({EventKind.DIGEST_READY, EventKind.REPORT_READY})

OF_ALARM = frozenset({EventKind.EXIT_FAILED, EventKind.EXIT_RECOVERED})
"""What one trouble of a position is told with: its failures and its end are one card."""

OF_PLATFORM = frozenset({EventKind.PLATFORM_DOWN, EventKind.PLATFORM_UP, EventKind.UNDELIVERED})
"""About a platform or a destination on it."""

OF_ROLL = frozenset({EventKind.ROLL_OFFERED, EventKind.ROLL_CHANGED})

OF_ALERT = frozenset(
    {EventKind.ALERT_RAISED, EventKind.ALERT_ESCALATED, EventKind.ALERT_CHANGED, EventKind.ALERT_RESOLVED}
)
"""What one alert, or a group of them, is told with: one card."""


@dataclass(frozen=True, slots=True)
class Route:
    """One destination (`platform:channel`) and the key of the card the event draws there."""

    destination: str
    key: str


@dataclass(frozen=True, slots=True)
class Channels:
    """Where what is posted: names of destinations. An event without its own list goes to `default`.

    What is urgent goes to `urgent` and `warning` in addition, a warning to `warning`. `by_topic` is for kinds whose
    topic is the event's own.
    """

    default: tuple[str, ...]
    by_kind: Mapping[EventKind, tuple[str, ...]]
    urgent: tuple[str, ...] = ()
    warning: tuple[str, ...] = ()
    by_topic: Mapping[Topic, tuple[str, ...]] = field(default_factory=dict)

    @property
    def everywhere(self) -> tuple[str, ...]:
        """Every destination that anything is posted to, once."""
        lists = (self.default, *self.by_kind.values(), *self.by_topic.values(), self.urgent, self.warning)
        return tuple(dict.fromkeys(name for names in lists for name in names))


def card_key(event: Event) -> str:
    """The key of the card an event draws: later events of one key edit the same message."""
    if event.kind in OF_APPROVAL and event.correlation and event.data.get("purpose") != "exit":
        return f"approval:{event.correlation}"
    is_entry = event.data.get("purpose") == "entry"
    if event.kind in {EventKind.ORDER_SENT, EventKind.FILLED} and is_entry and event.correlation:
        return f"approval:{event.correlation}"
    if event.kind is EventKind.PANIC and event.correlation:
        return f"panic:{event.correlation}"
    if event.kind in OF_ADOPTION:
        return f"adoption:{event.subject}"
    if event.kind in OF_ROLL:
        return f"roll:{event.subject}"
    if event.kind in OF_DIGEST:
        return f"digest:{event.subject}"
    if event.kind in OF_ALERT:
        return f"alert:{event.subject}"
    if event.kind in OF_ALARM and event.data.get("alarm"):
        return f"alarm:{event.data['alarm']}"
    return f"event:{event.id}"


def routes(event: Event, channels: Channels) -> tuple[Route, ...]:
    """Every destination of an event; none for what is only kept, such as the orders of an exit."""
    is_exit_order = event.kind is EventKind.ORDER_SENT and event.data.get("purpose") != "entry"
    is_told = event.kind is EventKind.ERROR and event.severity is Severity.INFO  # by an alert: `alerts.elsewhere`
    if event.kind in SILENT or is_exit_order or is_told:
        return ()
    key = card_key(event)
    names = _destinations(event, channels)
    reached = tuple(name for name in names if not _is_about(event, name))
    if _unreached(event) and not reached:  # the one platform there is: its other chats may be well
        reached = tuple(name for name in names if name != _unreached(event))
    return tuple(Route(name, key) for name in reached)


def topic_of(event: Event) -> Topic:
    """What an event is about: an alert says it itself, for some are about the desk and some about money."""
    return Topic(str(event.data["topic"])) if event.kind in OF_ALERT else TOPICS[event.kind]


def reach_of(event: Event) -> Severity:
    """How far an event is told. All of an alert or alarm is told where its loudest part was, also what is silent."""
    if event.kind is EventKind.EXIT_RECOVERED:
        return Severity.URGENT
    return Severity(str(event.data["reach"])) if event.kind in OF_ALERT else event.severity


def _destinations(event: Event, channels: Channels) -> tuple[str, ...]:
    """Where an event of this kind, topic and reach goes, each once."""
    if event.kind is EventKind.TEST_CARD:
        return channels.everywhere
    reach = reach_of(event)
    of_topic = channels.by_topic.get(topic_of(event), channels.default)
    names = channels.by_kind.get(event.kind, of_topic)
    if reach in {Severity.URGENT, Severity.WARNING}:
        names = (*names, *channels.warning)
    if reach is Severity.URGENT:
        names = (*names, *channels.urgent)
    return tuple(dict.fromkeys(names))


def _is_about(event: Event, destination: str) -> bool:
    """Whether an event says that this very platform is not reached: it is told elsewhere."""
    if event.kind in OF_ALERT:
        return platform_of(str(event.data.get("unreached", ""))) == platform_of(destination)
    about = platform_of(event.subject) if event.kind is EventKind.UNDELIVERED else event.subject
    return event.kind in OF_PLATFORM and about == platform_of(destination)


def _unreached(event: Event) -> str:
    """The one destination that an event says takes no messages; "" where it is about none."""
    if event.kind is EventKind.UNDELIVERED:
        return event.subject
    about = str(event.data.get("unreached", "")) if event.kind in OF_ALERT else ""
    return about if ":" in about else ""


def platform_of(destination: str) -> str:
    """`telegram` of `telegram:-100123/7`."""
    return destination.partition(":")[0]
