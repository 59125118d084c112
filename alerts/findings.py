"""What risk alerts are made of: a rule reads facts and finds values; beyond a bound a value is an alert."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from engine.model.events import Severity

Facts = TypeVar("Facts")

REDRAWS = timedelta(minutes=5)
"""A value that changes redraws its card no more often."""
ALL = "*"
"""The subject of a finding about every subject of its rule at once. Without a value it says that nobody knows now which
subjects there are: whatever alerts of the rule are running go on, though none of them is found.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule reads of one subject at one look.

    Attributes:
        subject: what it is about: a limit's name, a position's id, a job; "" is the desk.
        value: to be held against the rule's bounds, the higher the worse; None where nobody knows now: whatever the
            alert is in, it stays in.
        words: the state in one sentence with its numbers, for the card.
        advice: what one can do about it, one sentence; "" where there is nothing.
        ticker: the name it is about, "" where it is about none.
        figure: the number that matters, at most nine signs for a row among others: `12 % left`; "" where there is none.
    """

    subject: str
    value: float | None
    words: str
    advice: str = ""
    ticker: str = ""
    figure: str = ""


@dataclass(frozen=True, slots=True)
class Rule(Generic[Facts]):
    """One kind of alert. Pure: the same facts give the same findings.

    Attributes:
        name: stable, for channels, metrics and runbooks: `limit_near`. title: for people: `Limit near`.
        fires: the value at or beyond which it fires. clears: the value at or below which it is over; between the two
            it stays as it is (hysteresis). A subject that is not found any more is over too.
        holds: how long the value must stay beyond `fires` before people are told.
        escalates: how long nobody may answer before it is told again one severity higher; None never.
        again: how long until a running alert is told once more, whether somebody has seen it or not; None never.
        redraws: how long after its card was drawn a changed value may draw it again.
        worse: the name of the rule whose alert about the same subject takes this one's place while it is told; "" none.
    """

    name: str
    title: str
    severity: Severity
    read: Callable[[Facts], Iterable[Finding]]
    fires: float = 1.0
    clears: float = 0.0
    holds: timedelta = timedelta(0)
    escalates: timedelta | None = None
    again: timedelta | None = None
    redraws: timedelta = REDRAWS
    worse: str = ""
