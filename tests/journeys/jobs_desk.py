"""A desk that serves jobs alone, as a process of its own: it leads as soon as nobody else does.

`python -m tests.journeys.jobs_desk DATABASE CLOCK FOLDER`. Its jobs: `tick`, due every second, which writes a line into
FOLDER; `once`, due five minutes after the close, which says that it has begun and ends when FOLDER lets it; `day end`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path

from alerts.jobs import Job, Lane
from alerts.routes import Channels
from alerts.runner import Runner
from alerts.scheduler import Scheduler
from alerts.schedules import AfterClose
from bot.bulkheads import inline
from bot.command import Room
from bot.jobs import told
from bot.notify import Supervisor
from bot.people import owner
from bot.runtime import Runtime
from bot.serve import Serving, serve
from bot.settings import MetricsSettings
from bot.signs import Signs
from bot.standby import stand_by
from engine import digests
from engine.desk import Desk
from engine.errors import DeskError
from engine.reckoning import AFTER_CLOSE
from engine.sessions import Sessions
from engine.store import Store
from tests.desk import FakeBroker
from tests.fakes import FakeClock, FakeMarket
from tests.journeys.chat_desk import FileClock

ONCE_AFTER = timedelta(minutes=5)
AWHILE = threading.Event()
"""Never set: to wait on."""
SECOND = timedelta(seconds=1)
LONGEST = 60.0
"""Seconds that `once` waits for the test at most."""


class EverySecond:
    """Due every second of the afternoon."""

    words = "every second"

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        noon = sessions.at(day, "16:00")
        return tuple(noon + number * SECOND for number in range(1_800))


@dataclass(frozen=True, slots=True)
class Diary:
    """What the runs of every process have written down, one line each: job, begun or ended, process."""

    folder: Path

    def add(self, job: str, what: str) -> None:
        with (self.folder / "diary").open("a", encoding="utf-8") as file:
            file.write(f"{job} {what} {os.getpid()}\n")

    def lines(self, job: str) -> list[tuple[str, int]]:
        """What it did, and in which process."""
        file = self.folder / "diary"
        rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
        return [(what, int(process)) for name, what, process in rows if name == job]

    def let_go(self) -> None:
        """What waits may end."""
        (self.folder / "go").touch()

    def wait(self) -> None:
        """Until it may."""
        until = time.monotonic() + LONGEST
        while not (self.folder / "go").exists() and time.monotonic() < until:
            AWHILE.wait(0.02)


def jobs(desk: Desk, diary: Diary) -> tuple[Job, ...]:
    """The jobs of this desk."""

    def tick() -> str:
        diary.add("tick", "began")
        return ""

    def once() -> str:
        diary.add("once", "began")
        diary.wait()
        diary.add("once", "ended")
        return "written"

    return (
        Job("tick", EverySecond(), tick, grace=2 * SECOND, lane=Lane.WATCH),
        Job("once", AfterClose(ONCE_AFTER), once, lane=Lane.BACKGROUND),
        told("day end", AfterClose(AFTER_CLOSE), desk, digests.end_day_once),
    )


async def lead(store: Store, now: FileClock, diary: Diary) -> None:
    """Stand by until nobody else leads, then serve."""
    await stand_by(store, now, Signs(MetricsSettings(enabled=False), Supervisor()), lambda: None)
    clock: FakeClock = now  # type: ignore[assignment]  # called for the time, as that one
    numbers = count(1)
    desk = Desk(
        store=store,
        market=FakeMarket(now),
        broker=FakeBroker(clock),
        now=now,
        new_id=lambda prefix: f"{prefix}{os.getpid()}.{next(numbers)}",
        sessions=Sessions(),
        strategies={},
    )
    room = Room(desk, owner(["test:1"]), inline, lambda: "PAPER")
    scheduler = Scheduler(Runner(desk, jobs(desk, diary)))
    await serve(Serving(room, Runtime(desk, ()), {}, Channels((), {}), scheduler=scheduler))


def main() -> int:
    """Serve until the process is ended; the exit code."""
    database, clock, folder = sys.argv[1:]
    with Store.open(database) as store:
        try:
            asyncio.run(lead(store, FileClock(Path(clock)), Diary(Path(folder))))
        except DeskError as problem:
            sys.stderr.write(f"{problem}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
