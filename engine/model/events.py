"""What happened, as rows: written in the transaction that made it happen, delivered by the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    SCAN_FINISHED = "scan_finished"
    APPROVAL_REQUESTED = "approval_requested"
    APPROVAL_CHANGED = "approval_changed"
    """A new version, a decision or an expiry: the card is drawn again from the store."""
    ORDER_SENT = "order_sent"
    ORDER_ENDED = "order_ended"
    FILLED = "filled"
    EXIT_STARTED = "exit_started"
    EXIT_OFFERED = "exit_offered"
    """A strategy would close or roll: a person is asked."""
    POSITION_CLOSED = "position_closed"
    ASSIGNED = "assigned"
    EXPIRED = "expired"
    CALLED_AWAY = "called_away"
    DIVIDEND = "dividend"
    SPLIT = "split"
    RISK_BREACHED = "risk_breached"
    POSITION_MISMATCH = "position_mismatch"
    RECONCILED = "reconciled"
    """The broker and the books agree again after a mismatch."""
    DATA_STALE = "data_stale"
    EXIT_FAILED = "exit_failed"
    """A protective action did not get done; later ones of the same trouble count on."""
    EXIT_RECOVERED = "exit_recovered"
    """What an alarm was about is done."""
    HALTED = "halted"
    RESUMED = "resumed"
    DIGEST_READY = "digest_ready"
    REPORT_READY = "report_ready"
    """The digest of a week or a month."""
    COMMAND = "command"
    """A command or tap that acted, with who and the raw text: the audit trail."""
    DENIED = "denied"
    """Somebody without the right asked for something."""
    REFUSED = "refused"
    """A command or tap that the desk did not carry out, and what the person was told: the audit trail."""
    IMPORTED = "imported"
    ERROR = "error"
    CHECKED = "checked"
    """The quotes seen and the verdict of every limit at a tap: the audit trail."""
    ATTEMPTED = "attempted"
    """One try to reach the broker with an order, and what came of it: the audit trail."""
    ENVELOPE_CHANGED = "envelope_changed"
    ENVELOPE_USED = "envelope_used"
    """A proposal was approved under an envelope, with what it counts: the audit trail."""
    LOCK_CHANGED = "lock_changed"
    LIMIT_CHANGED = "limit_changed"
    STRATEGY_CHANGED = "strategy_changed"
    """Enabled, disabled, paused or promoted."""
    PANIC = "panic"
    ADOPTION_ASKED = "adoption_asked"
    ADOPTION_DECIDED = "adoption_decided"
    ROLL_OFFERED = "roll_offered"
    ROLL_CHANGED = "roll_changed"
    EXPIRY_AGENDA = "expiry_agenda"
    EXPIRY_WARNING = "expiry_warning"
    """An ex-date, a pin or an exercise that needs somebody's attention before it happens."""
    LEG_LOST = "leg_lost"
    """A package lost a leg by itself (assignment, exercise): what is left, and how to put it right."""
    NOTE = "note"
    PLATFORM_DOWN = "platform_down"
    """A chat platform cannot be reached: told on the others."""
    PLATFORM_UP = "platform_up"
    UNDELIVERED = "undelivered"
    """A destination will not take messages: told on the other platforms."""
    TEST_CARD = "test_card"
    """Somebody wants to see that every channel is reached."""
    ALERT_RAISED = "alert_raised"
    """A rule found something wrong, or it is due to be told once more."""
    ALERT_ESCALATED = "alert_escalated"
    """Nobody has answered: told again, one severity higher."""
    ALERT_CHANGED = "alert_changed"
    """Somebody answered or put it to sleep, or it reads otherwise: its card is drawn again, without a sound."""
    ALERT_RESOLVED = "alert_resolved"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        id: sortable, unique. subject: the id of what it is about (approval, ticket, position, digest date).
        correlation: the approval id a trade started from, so that scan, tap, order and fill read as one story.
        data: JSON-able facts (strings for money). actor: user name or "desk".
    """

    id: str
    kind: EventKind
    at: datetime
    subject: str
    data: Mapping[str, object] = field(default_factory=dict)
    severity: Severity = Severity.INFO
    correlation: str = ""
    actor: str = "desk"


@dataclass(frozen=True, slots=True)
class SealedEvent:
    """An event with its place in the hash chain; `number`, `previous` and `hash` are None until it is sealed."""

    event: Event
    number: int | None
    previous: str | None
    hash: str | None
