"""The desk's jobs: up to when each is settled, and every run of theirs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, select, update

from engine.model.records import Run, RunState
from engine.redaction import clean
from engine.schema.tables import jobs, runs
from engine.store.work import Fields, Queries

_RUN_COLUMNS = (
    "id", "job", "due_at", "started_at", "holder", "epoch", "state", "finished_at", "note", "since",
)  # fmt: skip
_RUNS = (
    select(*(runs.c[name] for name in _RUN_COLUMNS))
    .order_by(runs.c.started_at.desc(), runs.c.due_at.desc(), runs.c.id.desc())
    .limit(bindparam("limit_"))
)
_OF_JOB = _RUNS.where(runs.c.job == bindparam("job_"))
_UNFINISHED = _OF_JOB.where(runs.c.state == RunState.RUNNING.value)
_END = (
    update(runs)
    .where(runs.c.id == bindparam("id_"))
    .where(runs.c.state == RunState.RUNNING.value)
    .where(runs.c.holder == bindparam("holder_"))
    .where(runs.c.epoch == bindparam("epoch_"))
    .values(state=bindparam("state_"), finished_at=bindparam("at_"), note=bindparam("note_"))
)
_RETAKE = (
    update(runs)
    .where(runs.c.id == bindparam("id_"))
    .where(runs.c.state == RunState.RUNNING.value)
    .values(
        holder=bindparam("holder_"), epoch=bindparam("epoch_"), started_at=bindparam("at_"), note=bindparam("note_")
    )
)
_SETTLED = select(jobs.c.settled_at).where(jobs.c.name == bindparam("name_"))


class Runs(Queries):
    """What ran when, and what came of it."""

    __slots__ = ()

    def settle_job(self, name: str, schedule: str, at: datetime) -> None:
        """Remember that every due time of a job up to `at` was run or is down as missed; `schedule` is for people."""
        self._upsert(jobs, {"name": name, "schedule": schedule, "enabled": True, "settled_at": at})

    def settled(self, name: str) -> datetime | None:
        """Up to when a job is settled; None before the desk first looked at it."""
        row = self._row(_SETTLED, {"name_": name})
        return None if row is None else row[0]

    def add_run(self, run: Run) -> bool:
        """Write down a run; False when its job has one for this `due_at` already (nothing is written)."""
        self._insert_new(jobs, {"name": run.job, "schedule": "", "enabled": True, "settled_at": None})
        row = {name: getattr(run, name) for name in _RUN_COLUMNS} | {"state": run.state.value}
        return self._insert_new(runs, row)

    def take_up_run(self, run: Run) -> bool:
        """Begin a run again that another holder left: it has the holder, epoch, start and note of `run` from now on."""
        params = {"id_": run.id, "holder_": run.holder, "epoch_": run.epoch, "at_": run.started_at, "note_": run.note}
        return self._write(_RETAKE, params) == 1

    def end_run(self, run: Run, state: RunState, at: datetime, note: str = "") -> bool:
        """End a run; False when it is over already or somebody else has taken it up (nothing is written)."""
        params = {"id_": run.id, "holder_": run.holder, "epoch_": run.epoch}
        return self._write(_END, {**params, "state_": state.value, "at_": at, "note_": clean(note)}) == 1

    def unfinished_runs(self, job: str) -> tuple[Run, ...]:
        """Runs of a job that were begun and not ended, newest first."""
        return tuple(_run(row) for row in self._rows(_UNFINISHED, {"limit_": 50, "job_": job}))

    def runs(self, job: str | None = None, limit: int = 50) -> tuple[Run, ...]:
        """Runs (of one job), newest first."""
        params = {"limit_": limit} if job is None else {"limit_": limit, "job_": job}
        return tuple(_run(row) for row in self._rows(_RUNS if job is None else _OF_JOB, params))


def _run(row: Fields) -> Run:
    id, job, due_at, started_at, holder, epoch, state, finished_at, note, since = row
    return Run(id, job, due_at, started_at, holder, epoch, RunState(state), finished_at, note, since)
