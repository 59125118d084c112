"""The volatility of every underlying, once a session and for the year before: one name at a look, whenever there is
nothing more urgent. It may be called at any time, and goes on where it was after a restart. How the session went is in
the run of the job "iv history", which asks for what is still missing after the close.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import structlog

from engine import histories
from engine.desk import Desk
from engine.errors import DataError, NotFound
from engine.ports import PastTrades

log = structlog.get_logger()

AGAIN = timedelta(minutes=10)
"""After which a name that gave no volatility is asked again."""
TRIES = 5
"""A name that gave none so often in a session has none today."""


@dataclass(slots=True)
class Turns:
    """Whose turn it is: names that failed come again later, and not for ever."""

    tries: int
    failed: dict[str, list[datetime]] = field(default_factory=dict)

    def next(self, names: tuple[str, ...], now: datetime) -> str | None:
        """The first name that may be asked now."""
        return next((name for name in names if self._may(name, now)), None)

    def take(self, name: str, now: datetime, step: Callable[[], object]) -> None:
        """One name's turn: what cannot be known of it is no trouble of the desk's."""
        try:
            step()
        except (DataError, NotFound) as problem:
            self.failed.setdefault(name, []).append(now)
            log.info("volatility.none", ticker=name, problem=str(problem))

    def _may(self, name: str, now: datetime) -> bool:
        failed = self.failed.get(name, [])
        return len(failed) < self.tries and (not failed or abs(now - failed[-1]) >= AGAIN)


@dataclass(slots=True)
class DailyVolatility:
    """Today's volatility of every underlying from a quarter of an hour before the close on."""

    desk: Desk
    due: datetime | None = None
    turns: Turns = field(default_factory=lambda: Turns(TRIES))

    def __call__(self) -> None:
        due = histories.due(self.desk)
        if due is None:
            return
        if due != self.due:
            self.due, self.turns = due, Turns(TRIES)
        now = self.desk.now()
        name = self.turns.next(histories.unseen(self.desk), now)
        if name is not None:
            self.turns.take(name, now, lambda: histories.keep(self.desk, name))


@dataclass(slots=True)
class PastVolatility:
    """The year before, for names the desk did not watch through it: computed from past trades, and again each week."""

    desk: Desk
    past: PastTrades
    turns: Turns = field(default_factory=lambda: Turns(TRIES))
    day: date = date.min

    def __call__(self) -> None:
        now = self.desk.now()
        if self.day != self.desk.today:
            self.day, self.turns = self.desk.today, Turns(TRIES)
        name = self.turns.next(histories.unfilled(self.desk), now)
        if name is not None:
            self.turns.take(name, now, lambda: histories.fill(self.desk, self.past, name))
