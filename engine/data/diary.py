"""When a provider was asked, written down: an allowance of 25 a day must not be forgotten by a restart.

A file a day (UTC), a line a request. Lines are added in one write each, so that several processes under the same keys
count together.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import structlog

log = structlog.get_logger()

KEPT = timedelta(days=2)
"""More than the longest allowance, which is of a day."""


class Diary:
    """The requests of one provider in the last two days. Safe to share between threads and processes.

    `now` tells aware UTC. What cannot be written is remembered by this process alone.
    """

    def __init__(self, folder: Path, provider: str, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._provider = provider
        self._now = now
        self._read: dict[Path, tuple[int, tuple[datetime, ...]]] = {}
        self._is_broken = False

    def note(self) -> None:
        """One more request, now."""
        now = self._now().astimezone(UTC)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            line = f"{now.isoformat()}\n".encode()
            file = os.open(self._path(now.date()), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(file, line)
            finally:
                os.close(file)
        except OSError as error:
            if not self._is_broken:
                log.warning("diary.not_written", provider=self._provider, reason=str(error))
            self._is_broken = True

    def ages(self) -> list[float]:
        """Seconds since each request, the oldest first; one of the future (the clock was set back) is of now."""
        now = self._now().astimezone(UTC)
        days = [now.date() + timedelta(days=ahead) for ahead in (-1, 0, 1)]
        paths = [self._path(day) for day in days]
        self._read = {path: read for path, read in tuple(self._read.items()) if path in paths}
        return sorted(
            (max(0.0, (now - at).total_seconds()) for path in paths for at in self._times(path)), reverse=True
        )

    def tidy(self) -> None:
        """Remove the days that count no more."""
        today = self._now().astimezone(UTC).date()
        for path in self._folder.glob(f"{self._provider} *.log"):
            with suppress(ValueError, OSError):
                if today - date.fromisoformat(path.stem.rpartition(" ")[2]) > KEPT:
                    path.unlink(missing_ok=True)

    def _times(self, path: Path) -> tuple[datetime, ...]:
        """The lines of a file; read again when it has grown."""
        try:
            size = path.stat().st_size
            read = self._read.get(path)
            if read is None or read[0] != size:
                read = self._read[path] = (size, tuple(_times(path.read_text(encoding="utf-8", errors="replace"))))
        except OSError:
            return ()
        return read[1]

    def _path(self, day: date) -> Path:
        return self._folder / f"{self._provider} {day}.log"


def _times(text: str) -> list[datetime]:
    """The times of the lines; one that is none counts for nothing."""
    found = []
    for line in text.splitlines():
        with suppress(ValueError):
            at = datetime.fromisoformat(line)
            if at.tzinfo is not None:
                found.append(at)
    return found
