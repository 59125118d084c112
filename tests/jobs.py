"""The jobs of a desk in a test: everything at once, in the caller's thread."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from alerts.jobs import Job
from alerts.runner import Runner, Standing
from bot.jobs import desk_jobs
from bot.loops import Desks
from engine.desk import Desk
from engine.model.records import Run


@dataclass
class JobsAtOnce:
    """What /jobs and /runjob ask, without a scheduler's threads."""

    runner: Runner

    def standings(self) -> tuple[Standing, ...]:
        return self.runner.standings()

    def run_now(self, name: str, by: str) -> Future[Run]:
        done: Future[Run] = Future()
        done.set_result(self.runner.run_now(name, by))
        return done


def jobs_of(desk: Desk, more: Iterable[Job] = ()) -> JobsAtOnce:
    """Every job of a live desk on one desk, none looked at yet."""
    return JobsAtOnce(Runner(desk, desk_jobs(Desks(*[desk] * 5), more=more)))
