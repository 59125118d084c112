"""A job as data: what runs, when it is due, and what becomes of a due time that was missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from alerts.schedules import Schedule


class Lane(StrEnum):
    """Which thread runs a job: those of one lane take turns; none waits for another lane, or for one that hangs."""

    WATCH = "watch"
    """What watches over risk: short, and never behind anything slow."""
    SCANS = "scans"
    BOOKS = "books"
    """The day's end, the comparison with the broker, reports: minutes at most."""
    BACKGROUND = "background"
    """What may take as long as it wants: it asks providers quietly, computes or copies."""


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of work that is due at certain times. Every due time is run once, or written down as missed.

    Attributes:
        name: for `/jobs` and `/runjob`: `scan wheel`, `backup`.
        run: does it, and returns in a few words what came of it. What it raises makes the run a failed one. A process
            that dies in it has it run again by the next one: done twice must be as good as done once.
        grace: how late it may begin. A due time older than that is missed; of several that came together, only the
            latest is run.
        catches_up: where it makes sense however late (a digest, a backup): the latest due time of the last days is
            run when the desk is back, instead of being missed.
        leaps: where a clock leaps over due times (recorded days), the latest counts for all of them and none is missed.
        patience: how long a run may take before people are told that it hangs and its lane goes on without it.
    """

    name: str
    schedule: Schedule
    run: Callable[[], str]
    grace: timedelta = timedelta(minutes=5)
    catches_up: bool = False
    leaps: bool = False
    patience: timedelta = timedelta(minutes=10)
    lane: Lane = Lane.BOOKS
