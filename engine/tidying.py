"""What the desk stops remembering, so that a database of years stays small: once a day, a little at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from engine.desk import Desk
from engine.store import UnitOfWork

RUNS = timedelta(days=50)
"""Longer than the 30 sessions of which /health counts how many runs failed: with three holidays they are 46 days."""
STEPS = timedelta(days=7)
"""How long the steps of every name are kept: /whynot and /funnel read a strategy's latest scan, which keeps its own."""
SCANS = timedelta(days=60)
UPDATES = timedelta(days=30)
BUTTONS = timedelta(days=30)
ALERTS = timedelta(days=365)

SHORTENED = "tidy:scans"
"""Setting: up to when scans have been shortened."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Tidied:
    """How many rows went, by what they were; `shortened` scans lost their steps."""

    gone: dict[str, int]
    shortened: int

    @property
    def words(self) -> str:
        """`120 runs, 4 scans removed; 300 scans shortened`."""
        removed = ", ".join(f"{number} {name}" for name, number in self.gone.items() if number)
        words = f"{removed} removed" if removed else "nothing to remove"
        return f"{words}; {self.shortened} scans shortened" if self.shortened else words


def tidy(desk: Desk) -> Tidied:
    """Remove what is of no use any more, each few rows in a transaction of their own."""
    now = desk.now()
    shortened = _shorten(desk, now - STEPS)
    gone = {
        "scans": _all(desk, lambda work: work.forget_scans(now - SCANS)),
        "runs": _all(desk, lambda work: work.forget_runs(now - RUNS)),
        "chat messages": _all(desk, lambda work: work.forget_updates(now - UPDATES)),
        "buttons": _all(desk, lambda work: work.forget_buttons(now - BUTTONS)),
        "alerts": _all(desk, lambda work: work.forget_alerts(now - ALERTS)),
    }
    desk.store.optimise()
    return Tidied(gone, shortened)


def _all(desk: Desk, forget: Callable[[UnitOfWork], int]) -> int:
    total = 0
    while True:
        with desk.store.begin() as work:
            taken = forget(work)
        if not taken:
            return total
        total += taken


def _shorten(desk: Desk, before: datetime) -> int:
    """Take the steps out of scans that were not looked at yet; how many that were."""
    total = 0
    while True:
        with desk.store.begin() as work:
            text = work.setting(SHORTENED)
            last, taken = work.shorten_scans(datetime.fromisoformat(text) if text else BEGINNING, before)
            if last is None:
                return total
            work.set_setting(SHORTENED, last.isoformat(), "desk", desk.now())
        total += taken
