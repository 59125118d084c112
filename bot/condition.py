"""What the running process knows of itself, for the alert rules: loops, platforms, disk, clock, database, backups."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alerts.facts import Front, Loop, Process
from bot.clocks import ClockWatch
from bot.parts import Source
from bot.runtime import Beat
from engine import backup
from engine.desk import Desk
from engine.model.backups import BackupRules

LOOKED = "alerts:looked"
"""Setting: when the alert rules were read last. Writing it is the small transaction whose time is taken."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Reads the process; waits for its own database alone.

    Attributes:
        since: when the process began. beats: of its loops. fronts: its chat platforms, as /health has them.
        url, backups: where the database is, and its backups. clock: None where there is no clock to hold ours against.
    """

    desk: Desk
    since: datetime
    beats: Callable[[], tuple[Beat, ...]]
    fronts: Source
    url: str
    backups: BackupRules
    clock: ClockWatch | None = None

    def __call__(self) -> Process:
        """Everything as it is now."""
        skew = None if self.clock is None else self.clock.last
        return Process(
            since=self.since,
            loops=tuple(Loop(beat.name, beat.age) for beat in self.beats()),
            fronts=tuple(Front(name.lower(), is_up, words) for name, (is_up, words) in self.fronts()),
            disk_free=self._disk_free(),
            commit_seconds=self._commit_seconds(),
            skew=None if skew is None else skew.sure,
            skew_at=None if skew is None else skew.at,
            backup=self._newest_backup(),
        )

    def _disk_free(self) -> int | None:
        """Bytes where the backups are made: beside the database, or where those of a server's go."""
        folder = backup.folder_of(self.url, self.backups).absolute()
        there = next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
        try:
            return shutil.disk_usage(there).free
        except OSError:
            return None

    def _commit_seconds(self) -> float:
        now = self.desk.now()
        began = time.monotonic()
        with self.desk.store.begin() as work:
            work.set_setting(LOOKED, now.isoformat(), "desk", now)
        return time.monotonic() - began

    def _newest_backup(self) -> datetime | None:
        try:
            found = backup.listed(self.url, self.backups)
        except OSError:
            return None
        # One stamped by a clock that ran ahead would hide for years that nothing is backed up.
        return next((each.at for each in found if each.at <= self.desk.now()), None)
