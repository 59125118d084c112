"""Closing everything at an admin's word: who asked, how far it has come, what is not touched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

ANSWERED_WITHIN = timedelta(seconds=60)
"""How long the second tap may be given."""


@dataclass(frozen=True, slots=True)
class Line:
    """One open position on the way out: what it is and what is being done about it, in words."""

    position_id: str
    what: str
    state: str
    is_given_up: bool = False
    """A person is asked: nothing more is tried until somebody says so."""


@dataclass(frozen=True, slots=True)
class Flatten:
    """One flattening of the book, from the question to its end; kept as a setting, so that a restart goes on with it.

    Attributes:
        id: `F...`. tried_at: orders that failed before this are tried again. total: positions when it began.
        lines: what is still open, in the order of closing. untouched: what the broker shows and the books do not hold.
        ended_at: nothing was left to close, or somebody resumed. is_suspended: the broker takes no order at all.
        version: grows with every change that is shown.
    """

    id: str
    by: str
    asked_at: datetime
    confirmed_at: datetime | None = None
    tried_at: datetime | None = None
    total: int = 0
    lines: tuple[Line, ...] = ()
    untouched: tuple[str, ...] = ()
    ended_at: datetime | None = None
    is_suspended: bool = False
    note: str = ""
    version: int = 0

    @property
    def is_running(self) -> bool:
        """Whether it closes positions now, or waits to."""
        return self.confirmed_at is not None and self.ended_at is None

    @property
    def is_waiting(self) -> bool:
        """Whether everything that is left waits for a person."""
        return bool(self.lines) and all(line.is_given_up for line in self.lines)
