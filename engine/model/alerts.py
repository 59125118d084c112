"""An alert: what a rule found wrong about one subject, from the first look that found it until it is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from engine.model.events import Severity

RANKS = {Severity.INFO: 0, Severity.WARNING: 1, Severity.URGENT: 2}
"""Severities in order: the higher the worse."""


class AlertState(StrEnum):
    WAITING = "waiting"
    """Beyond its bound for too short a time to be told."""
    FIRING = "firing"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """Table `alerts`. There is never more than one that is not resolved for a rule and a subject.

    Attributes:
        id: "" until it is stored. rule, title, subject, ticker: as the rule and its finding name them.
        severity: what it is told at; an escalation raises it, nothing lowers it.
        opened_at: when the bound was passed for the first time. since: when it was passed last.
        value, words, advice, figure: the latest known reading.
        count: how often it has fired, once more each time it comes back soon after it was over.
        told_at: when it last made a sound, or when that was left to `told_by`; None while nobody was told.
        redrawn_at, shown: when its card was drawn last, and the words it has.
        told_by: the event, or the card it shares, that told the same trouble before; "" where it made its own sound.
        seen_by, seen_at: who answered since the last sound. snoozed_by: who put it to sleep.
        escalated: how often it was told again because nobody had answered, since somebody did.
        card: the id of the alert on whose card it is told: its own, or the first one's of a group.
        version: of that card. sounded: the version from which on the card is a message of its own, with a sound.
    """

    id: str
    rule: str
    subject: str
    severity: Severity
    state: AlertState
    opened_at: datetime
    since: datetime
    title: str = ""
    ticker: str = ""
    value: float | None = None
    words: str = ""
    advice: str = ""
    figure: str = ""
    count: int = 1
    told_at: datetime | None = None
    told_by: str = ""
    redrawn_at: datetime | None = None
    shown: str = ""
    seen_by: str = ""
    seen_at: datetime | None = None
    snoozed_until: datetime | None = None
    snoozed_by: str = ""
    escalated: int = 0
    resolved_at: datetime | None = None
    card: str = ""
    version: int = 0
    sounded: int = 0
    taken_by: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it is told and not over."""
        return self.state in {AlertState.FIRING, AlertState.SNOOZED}

    @property
    def was_told(self) -> bool:
        return self.told_at is not None

    @property
    def rank(self) -> int:
        return RANKS[self.severity]

    @property
    def name(self) -> str:
        """`Stop near: XYZ`."""
        about = self.ticker or self.subject
        return f"{self.title or self.rule}: {about}" if about else self.title or self.rule


def raised(severity: Severity) -> Severity:
    """One higher, as far as there is a higher one.

    >>> raised(Severity.INFO), raised(Severity.URGENT)
    (<Severity.WARNING: 'warning'>, <Severity.URGENT: 'urgent'>)
    """
    return Severity.WARNING if severity is Severity.INFO else Severity.URGENT
