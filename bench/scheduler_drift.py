"""How late a job begins that is due every second, while scans over 500 names run beside it, one after the other.

Measured: from the due time to the first line of the job, through the real scheduler (APScheduler, lanes of threads) and
the claim of the run in the database, on SQLite in a file with durable commits; alone, then beside scans in their own
lane without a pause. A scan reads the history and a chain of 960 contracts of every name from the disk, nothing of it
kept in memory from the one before, and looks at every name with the rules of the wheel, which turn these names away
before their chains. Beside it, at the same seconds in the same event loop: a bare timer of asyncio that does nothing.
What it is late is the machine's and the interpreter's (the scans are Python in the same process); what the job is later
is the scheduler's.

We hold ourselves to 250 ms for the 99th percentile beside the scans. `python -m bench.scheduler_drift [SECONDS]`
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import floor
from pathlib import Path

import numpy as np
import structlog

from alerts.jobs import Job, Lane
from alerts.runner import Runner
from alerts.scheduler import Scheduler
from alerts.schedules import Always
from bench.universe import Quoter, fill, names, read
from bot.app import system_clock
from engine import scanning
from engine.data.live import LiveMarket
from engine.data.panel import Panel
from engine.data.shelf import Shelf
from engine.data.shelved import Shelved
from engine.desk import Desk
from engine.model.records import Run, RunState
from engine.sessions import Sessions
from engine.store import Store
from strategies import CATALOGUE
from tests.chains import NOW
from tests.desk import FakeBroker
from tests.fakes import FakeClock, ids

SECONDS = 30
NAMES = 500
SECOND = timedelta(seconds=1)
MINUTES = timedelta(minutes=10)
AIM = 250.0


@dataclass
class Measured:
    """When the job and the bare timer began, by the clock of the wall; and how long each scan took."""

    began: list[float] = field(default_factory=list)
    timer: list[float] = field(default_factory=list)
    scans: list[float] = field(default_factory=list)


def wall() -> float:
    """Seconds of the clock that due times are told in."""
    return system_clock().timestamp()


def desk_on(store: Store, shelf: Path, universe: tuple[str, ...]) -> tuple[Desk, LiveMarket]:
    """A desk whose market reads what is on the shelf, at the time it was put there."""
    panel = Panel([Quoter()], lambda: NOW, rng=np.random.default_rng(1))
    shelved = Shelved(Shelf(shelf, lambda: NOW), lambda: NOW, Sessions())
    market = LiveMarket(panel, lambda: NOW, Sessions(), lambda: universe, lambda ticker, day: None, shelf=shelved)
    clock = FakeClock(NOW)
    desk = Desk(
        store=store, market=market, broker=FakeBroker(clock), now=clock, new_id=ids(), sessions=Sessions(),
        strategies=dict(CATALOGUE), universe=universe,
    )  # fmt: skip
    return desk, market


def scanned(desk: Desk, shelf: Path, seen: Measured) -> str:
    """One whole scan, its time noted: every snapshot and chain from the disk, then the rules and the store."""
    began = time.monotonic()
    read(shelf, desk.universe)
    scan = scanning.run(desk, "wheel")
    if scan is None or scan.universe != NAMES:
        raise SystemExit("The scan did not see every name: there is nothing to measure.")
    seen.scans.append(time.monotonic() - began)
    return ""


def tick(loop: asyncio.AbstractEventLoop, seen: list[float], until: float) -> None:
    """A bare timer at every whole second."""
    began = wall()
    due = floor(began) + 1

    def fire(due: float) -> None:
        now = wall()
        seen.append(now - due)
        if now < until:
            ahead = max(due, floor(now)) + 1
            loop.call_at(loop.time() + ahead - wall(), fire, ahead)

    loop.call_at(loop.time() + due - began, fire, due)


async def served(runner: Runner, seen: Measured, seconds: int) -> None:
    """The scheduler and the bare timer on one event loop for so long."""
    scheduler = Scheduler(runner)
    tick(asyncio.get_running_loop(), seen.timer, wall() + seconds)
    scheduler.start()
    await asyncio.sleep(seconds + 0.9)
    if left := await asyncio.to_thread(scheduler.stop, 60.0):
        raise SystemExit(f"These lanes did not end: {', '.join(left)}.")


def lateness(runs: Sequence[Run], seen: Measured) -> list[float]:
    """Seconds from each due time that was run to the first line of its run."""
    done = sorted((run for run in runs if run.state is RunState.DONE), key=lambda run: run.started_at)
    if len(done) != len(seen.began):
        raise SystemExit(f"{len(seen.began)} runs began and {len(done)} are written down: there is nothing to measure.")
    return [began - run.due_at.timestamp() for run, began in zip(done, seen.began, strict=True)][1:]


def measure(folder: Path, title: str, seconds: int, scan: Callable[[Store, Measured], Job] | None = None) -> None:
    """Print what the job and the timer were late, and what was missed."""
    seen = Measured()

    def look() -> str:
        seen.began.append(wall())
        return ""

    with Store.create(f"sqlite:///{folder / 'desk.db'}") as store:
        watch = Job("watch", Always(SECOND), look, grace=MINUTES, lane=Lane.WATCH)
        more = () if scan is None else (scan(store, seen),)
        clock = FakeClock(NOW)
        desk = Desk(
            store=store, market=None, broker=FakeBroker(clock), now=system_clock, new_id=ids(), sessions=Sessions(),
            strategies={}, universe=(),
        )  # fmt: skip
        asyncio.run(served(Runner(desk, (watch, *more)), seen, seconds))
        with store.read() as work:
            runs = work.runs("watch", limit=10_000)
    missed = sum(run.state is RunState.MISSED for run in runs)
    job, timer = said(lateness(runs, seen)), said(seen.timer[1:])
    print(f"{title}: {len(seen.began)} runs, {missed} rows of missed due times; late by (ms)")
    ratios = tuple(ours / bare for ours, bare in zip(job, timer, strict=True))
    for name, (half, most, worst) in (("the job", job), ("a bare timer", timer), ("ratio", ratios)):
        print(f"  {name:13} p50 {half:7.1f}  p99 {most:7.1f}  at most {worst:7.1f}")
    if seen.scans:
        print(f"  {len(seen.scans)} scans of {NAMES} names, {np.median(seen.scans):.1f} s each; we aim at {AIM:.0f} ms")


def said(late: Sequence[float]) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum in milliseconds."""
    half, most = np.quantile(late, (0.5, 0.99))
    return float(half) * 1e3, float(most) * 1e3, max(late) * 1e3


def main(seconds: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    universe = names(NAMES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "shelf").mkdir()
        (folder / "alone").mkdir()
        fill(folder / "shelf", NAMES)
        opened: list[LiveMarket] = []

        def scan(store: Store, seen: Measured) -> Job:
            desk, market = desk_on(store, folder / "shelf", universe)
            opened.append(market)
            return Job(
                "scan wheel",
                Always(SECOND),
                lambda: scanned(desk, folder / "shelf", seen),
                grace=MINUTES,
                lane=Lane.SCANS,
            )

        measure(folder / "alone", "alone", seconds)
        measure(folder, "beside the scans", seconds, scan)
        for market in opened:
            market.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
