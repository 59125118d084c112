"""Jobs of real processes that are stopped and killed: every due time is one row, nothing runs twice."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from subprocess import Popen

import pytest

from engine.model.events import EventKind
from engine.model.records import Lease, Run, RunState
from engine.sessions import Sessions
from engine.store import Store
from engine.store.operations import LEASE
from tests.journeys.chat_desk import FileClock
from tests.journeys.jobs_desk import AWHILE, SECOND, Diary
from tests.journeys.program import environment

SOON = 40.0
TAKES_OVER = 15.0
"""Seconds within which a standby leads."""
MONDAY = date(2026, 6, 15)
SESSIONS = Sessions()
NOBODYS = Lease(LEASE, "", 0, SESSIONS.at(MONDAY, "00:00"))


def at(clock: str) -> datetime:
    return SESSIONS.at(MONDAY, clock)


@dataclass
class Scene:
    """A database, a clock that every process reads, and the processes."""

    folder: Path
    url: str
    store: Store
    clock: FileClock
    diary: Diary
    processes: list[Popen[bytes]] = field(default_factory=list)

    def start(self) -> Popen[bytes]:
        command = [sys.executable, "-m", "tests.journeys.jobs_desk", self.url, self.clock.file, self.folder]
        with (self.folder / f"log{len(self.processes)}").open("wb") as log:
            process = Popen(list(map(str, command)), env=environment(), stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def leader(self) -> Popen[bytes]:
        process = self.start()
        self.until("it leads", lambda: self.leads(process))
        self.until("it ticks", lambda: self.ticks(process) >= 2)
        return process

    def lease(self) -> Lease:
        with self.store.read() as work:
            return work.lease(LEASE) or NOBODYS

    def leads(self, process: Popen[bytes]) -> bool:
        return f":{process.pid}:" in self.lease().holder

    def ticks(self, process: Popen[bytes]) -> int:
        return self.diary.lines("tick").count(("began", process.pid))

    def runs(self, job: str) -> list[Run]:
        with self.store.read() as work:
            return sorted(work.runs(job, limit=1_000), key=lambda run: run.due_at)

    def done(self, job: str) -> list[Run]:
        return [run for run in self.runs(job) if run.state is RunState.DONE]

    def digests(self) -> int:
        with self.store.read() as work:
            return [event.kind for event in work.events_about(MONDAY.isoformat())].count(EventKind.DIGEST_READY)

    def until(self, what: str, claim: Callable[[], object], seconds: float = SOON) -> None:
        deadline = time.monotonic() + seconds
        while not claim():
            if time.monotonic() > deadline:
                logs = [(self.folder / f"log{n}").read_text()[-3000:] for n in range(len(self.processes))]
                raise AssertionError(f"{what}: not within {seconds} s. The processes wrote:\n" + "\n---\n".join(logs))
            AWHILE.wait(0.02)

    def until_after_a_tick(self, process: Popen[bytes]) -> None:
        """Until a run has just ended: most of a second is left before the next."""
        seen = len(self.done("tick"))
        self.until("a tick", lambda: len(self.done("tick")) > seen)
        assert self.leads(process)

    def stopped(self, process: Popen[bytes], seconds: float) -> tuple[datetime, datetime]:
        """Stop a process for so long; from when to when."""
        self.until_after_a_tick(process)
        began, until = self.clock(), time.monotonic() + seconds
        process.send_signal(signal.SIGSTOP)
        self.until("the time is over", lambda: time.monotonic() >= until, seconds + 1)
        ended = self.clock()
        process.send_signal(signal.SIGCONT)
        return began, ended

    def end(self, process: Popen[bytes]) -> int:
        process.send_signal(signal.SIGTERM)
        return process.wait(20)

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def assert_every_second_is_in_one_row(self) -> None:
        """Over everything that happened: none left out, none twice, each run begun once."""
        runs = self.runs("tick")
        seconds = [due for run in runs for due in _dues(run)]
        first, last = seconds[0], seconds[-1]
        assert seconds == [first + n * SECOND for n in range(int((last - first) / SECOND) + 1)]
        begun = [run for run in runs if run.state is not RunState.MISSED]
        again = sum("begun again" in run.note for run in begun)
        assert len(begun) <= len(self.diary.lines("tick")) <= len(begun) + again


def _dues(run: Run) -> list[datetime]:
    first = run.since or run.due_at
    return [first + n * SECOND for n in range(int((run.due_at - first) / SECOND) + 1)]


@contextmanager
def scene(folder: Path, url: str, clock: str) -> Iterator[Scene]:
    now = FileClock(folder / "clock.json")
    now.set(at(clock))
    Store.create(url).close()
    with Store.open(url) as store:
        here = Scene(folder, url, store, now, Diary(folder))
        try:
            yield here
        finally:
            here.close()


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'desk.db'}"


@pytest.mark.parametrize("seconds", [12, *(pytest.param(other, marks=pytest.mark.soak) for other in (5, 90))])
def test_a_process_that_was_stopped_goes_on_by_itself_and_what_came_meanwhile_is_one_missed_row(
    tmp_path: Path, seconds: int
) -> None:
    """Beyond 10 s its lease has run out: nobody took it, so it is renewed under the same epoch and the desk goes on."""
    with scene(tmp_path, sqlite(tmp_path), "16:10") as here:
        process = here.leader()
        before = here.lease()
        here.clock.set(at("16:14:56"))
        here.until("it ticks there", lambda: here.done("tick")[-1].due_at >= at("16:14:57"))

        began, ended = here.stopped(process, seconds)
        here.until("it goes on", lambda: here.done("tick")[-1].due_at > ended + 4 * SECOND)
        here.until("the day's end", lambda: here.done("day end"))

        after = here.lease()
        missed = [run for run in here.runs("tick") if run.state is RunState.MISSED and run.due_at > began]
        assert (before.holder, before.epoch) == (after.holder, after.epoch)
        assert len(missed) == 1
        assert (missed[0].since or missed[0].due_at) <= began + 2 * SECOND
        assert "left to the one due on" in missed[0].note
        assert len(_dues(missed[0])) >= seconds - 2
        on_time = [run for run in here.done("tick") if run.due_at > ended + 3 * SECOND]
        assert max(run.started_at - run.due_at for run in on_time) < SECOND
        here.assert_every_second_is_in_one_row()
        assert [run.due_at for run in here.runs("day end")] == [at("16:15")]
        assert here.digests() == 1
        assert here.end(process) == 0


def test_a_run_that_was_killed_is_begun_again_once_by_the_next_process(tmp_path: Path) -> None:
    with scene(tmp_path, sqlite(tmp_path), "16:05") as here:
        first = here.leader()
        here.until("it is in the run", lambda: here.diary.lines("once"))
        first.kill()
        first.wait()

        second = here.leader()
        here.until("it was begun again", lambda: len(here.diary.lines("once")) == 2)
        here.diary.let_go()
        here.until("it is done", lambda: here.done("once"))

        (run,) = here.runs("once")
        assert here.diary.lines("once") == [("began", first.pid), ("began", second.pid), ("ended", second.pid)]
        assert run.note == "begun again: the process that had begun it ended: written"
        here.assert_every_second_is_in_one_row()
        assert here.end(second) == 0


def test_a_run_that_was_killed_twice_has_failed_and_is_not_begun_a_third_time(tmp_path: Path) -> None:
    with scene(tmp_path, sqlite(tmp_path), "16:05") as here:
        for life in (1, 2):
            process = here.leader()
            here.until("it is in the run", lambda life=life: len(here.diary.lines("once")) == life)  # type: ignore[misc]
            process.kill()
            process.wait()

        third = here.leader()
        here.until("it has failed", lambda: here.runs("once")[0].state is RunState.FAILED)
        here.until("a while", lambda: here.ticks(third) >= 4)

        (run,) = here.runs("once")
        assert run.note == "Left unfinished by a process that ended."
        assert [what for what, _ in here.diary.lines("once")] == ["began", "began"]
        assert here.end(third) == 0


@pytest.mark.postgres
@pytest.mark.parametrize("how", [pytest.param(signal.SIGKILL, marks=pytest.mark.soak), signal.SIGSTOP])
def test_over_a_takeover_every_due_time_has_one_row_and_the_day_one_digest(
    tmp_path: Path, postgres_url: str, how: signal.Signals
) -> None:
    with scene(tmp_path, postgres_url, "16:10") as here:
        first = here.leader()
        second = here.start()
        here.clock.set(at("16:14:56"))
        here.until("it ticks there", lambda: here.done("tick")[-1].due_at >= at("16:14:57"))

        first.send_signal(how)  # and left unreaped: as on another machine, nobody sees that it is gone
        here.until("the standby leads", lambda: here.leads(second), TAKES_OVER)
        here.until("it ticks", lambda: here.ticks(second) >= 4)
        here.until("the day's end", lambda: here.done("day end"))
        if how is signal.SIGSTOP:
            first.send_signal(signal.SIGCONT)
            assert first.wait(20) == 1
            here.until("it goes on", lambda: here.ticks(second) >= 8)

        here.assert_every_second_is_in_one_row()
        (end,) = here.runs("day end")
        assert (end.due_at, end.state) == (at("16:15"), RunState.DONE)
        assert here.digests() == 1
        assert [
            key for key, times in Counter((run.job, run.due_at) for run in here.runs("tick")).items() if times > 1
        ] == []
        assert {run.epoch for run in here.done("tick")} == {1, 2}
        assert here.end(second) == 0
