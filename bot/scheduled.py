"""Scans of a live desk when their time has come: each due time once, over restarts too, and never long after it.

What was due while the desk was down and is older than a few minutes is written down as missed: its market is gone. Of
several due times that came together only the latest is scanned. A scan that a killed process left unfinished is done
again: it proposes in one transaction with its result, and nothing twice that still waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.timetable import scan_times
from engine import scanning
from engine.desk import Desk
from engine.model.records import Run, RunState

log = structlog.get_logger()

GRACE = timedelta(minutes=5)
"""How late a scan may begin."""


@dataclass(slots=True)
class ScheduledScan:
    """The scans of one strategy, run by `holder`; call it as often as you like."""

    desk: Desk
    strategy: str
    holder: str
    settled: datetime | None = None
    """The latest due time that this process has nothing to do for any more."""

    def __call__(self) -> None:
        now = self.desk.now()
        due = self._due(now)
        if due is None or due == self.settled:
            return
        run = self._begun(due, now)
        self.settled = due
        if run is not None:
            self._scan(run)

    @property
    def _job(self) -> str:
        return f"scan {self.strategy}"

    def _due(self, now: datetime) -> datetime | None:
        """The latest time of today that has come."""
        sessions, day = self.desk.sessions, self.desk.today
        if not sessions.is_session(day):
            return None
        times = scan_times(sessions, day, self.desk.strategies[self.strategy])
        return max((at for at in times if at <= now), default=None)

    def _begun(self, due: datetime, now: datetime) -> Run | None:
        """The run to do now; None when it was done, or is too old to be done."""
        is_late = now - due > GRACE
        state = RunState.MISSED if is_late else RunState.RUNNING
        fresh = Run(self.desk.new_id("R"), self._job, due, now, self.holder, state=state)
        with self.desk.store.begin() as work:
            last = next(iter(work.runs(self._job, limit=1)), None)
            if last is None or last.due_at != due:
                is_new = work.add_run(fresh)
                if is_new and is_late:
                    log.warning("scan.missed", strategy=self.strategy, due=due.isoformat())
                return fresh if is_new and not is_late else None
            was_left = last.state is RunState.RUNNING and last.holder != self.holder
            if was_left and is_late:
                work.finish_run(last.id, RunState.FAILED, now, "left unfinished by a process that ended")
        return last if was_left and not is_late else None

    def _scan(self, run: Run) -> None:
        try:
            scan = scanning.run(self.desk, self.strategy)
        except Exception as problem:
            self._finish(run, RunState.FAILED, repr(problem)[:300])
            log.warning("scan.failed", strategy=self.strategy, due=run.due_at.isoformat())
            raise
        self._finish(run, RunState.DONE, "disabled" if scan is None else f"{len(scan.plans)} signals fit")

    def _finish(self, run: Run, state: RunState, note: str) -> None:
        with self.desk.store.begin() as work:
            work.finish_run(run.id, state, self.desk.now(), note)
