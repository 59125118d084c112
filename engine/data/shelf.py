"""Answers kept on disk over restarts: whole or not at all, with the time they were asked, never more than fits.

A file is a line with a digest of all that follows, a line of JSON that says what it is, and the content. It is written
beside its place and moved there in one step, so that several processes may share a folder: whoever reads finds the old
content or the new one. What does not match its digest is passed over with a word in the log and asked for again.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import structlog

log = structlog.get_logger()

FORMAT = "wsb shelf 1"
"""A file of another format is not read; change it with the shape of what is kept."""
SUFFIX = ".kept"
UNFINISHED = ".part"
MOST = 1 << 30
"""Bytes kept on disk. The chains and histories of 500 names take about 60 million."""
OLDEST = timedelta(days=8)
"""A universe is of use over a week without a session, everything else for shorter."""
ABANDONED = timedelta(hours=1)
"""After which a file that was not finished never will be."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was put: when it was asked for, a text that describes it, and its content."""

    at: datetime
    head: str
    body: bytes


class Shelf:
    """Entries by kind and key in a folder. Safe to share between threads and processes.

    `now` tells aware UTC. A disk that is full or read-only costs what would have been kept, and nothing else.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime], most: int = MOST) -> None:
        self._folder = folder
        self._now = now
        self._most = most

    def put(self, kind: str, key: str, at: datetime, head: str, body: bytes = b"") -> None:
        """Keep what was asked for at `at` in place of what was kept under this kind and key."""
        title = {"format": FORMAT, "kind": kind, "key": key, "at": at.isoformat(), "head": head}
        rest = json.dumps(title).encode() + b"\n" + body
        path = self._path(kind, key)
        beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(_digest(rest) + b"\n" + rest)
            os.replace(beside, path)
        except OSError as error:
            log.warning("shelf.not_kept", kind=kind, key=key, reason=str(error))
            with suppress(OSError):
                beside.unlink(missing_ok=True)

    def get(self, kind: str, key: str) -> Entry | None:
        """What is kept, None where nothing is that can be read."""
        path = self._path(kind, key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("shelf.unreadable", file=path.name, kind=kind, reason=str(error))
            return None
        entry = _entry(content, kind, key)
        if entry is None:
            log.warning("shelf.corrupt", file=path.name, kind=kind)
        return entry

    def tidy(self) -> None:
        """Remove what is too old, what was never finished, and the oldest where there is too much."""
        now = self._now().timestamp()
        files = sorted(self._files(), key=lambda each: each[1], reverse=True)
        size = removed = 0
        for path, changed, length in files:
            is_part = path.suffix == UNFINISHED
            oldest = ABANDONED if is_part else OLDEST
            size += length
            if now - changed > oldest.total_seconds() or (size > self._most and not is_part):
                size -= length
                removed += 1
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        log.info("shelf.tidied", removed=removed, bytes=size)

    def _files(self) -> Iterator[tuple[Path, float, int]]:
        """Our files with the time of their last change and their length."""
        for path in self._folder.glob("*/*"):
            if path.suffix in (SUFFIX, UNFINISHED):
                with suppress(OSError):
                    found = path.stat()
                    yield path, found.st_mtime, found.st_size

    def _path(self, kind: str, key: str) -> Path:
        return self._folder / kind / f"{quote(key, safe='')}{SUFFIX}"


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).hexdigest().encode()


def _entry(content: bytes, kind: str, key: str) -> Entry | None:
    """What a file says; None where it is not what was once written under this kind and key."""
    digest, _, rest = content.partition(b"\n")
    if digest != _digest(rest):
        return None
    line, _, body = rest.partition(b"\n")
    title = json.loads(line)
    if (title["format"], title["kind"], title["key"]) != (FORMAT, kind, key):
        return None
    return Entry(datetime.fromisoformat(title["at"]), title["head"], body)
