"""`wsb` as a user runs it: a process of its own, in a folder and an environment of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.shared import SHARED

ROOT = Path(__file__).resolve().parents[2]
DATA = SHARED / "data"
HALF_YEAR = ("--from", "2019-01-02", "--to", "2019-06-28", "--strategies", "wheel,wsb_dip", "--seed", "7")
THREE_WEEKS = ("--from", "2019-01-02", "--to", "2019-01-23", "--strategies", "wheel,wsb_dip", "--seed", "7")
MEMORY = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""How the service and the image have glibc give freed memory back (`deploy`)."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one process did: its exit code, its two outputs and the most memory it held (bytes)."""

    code: int
    out: str
    err: str
    peak: int = 0

    @property
    def body(self) -> dict[str, Any]:
        """The one JSON object on standard output; anything else there is an error."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def problem(self) -> str:
        """Standard error of a command that failed in words: no traceback, one sentence (and perhaps its usage)."""
        assert "Traceback" not in self.err
        return self.err


def environment(**more: str) -> dict[str, str]:
    """Nothing that configures a desk, whatever the shell of the tests says."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **more}


def wsb(*words: str | Path, cwd: Path, **variables: str) -> Run:
    """Run `wsb` with these words in the folder `cwd`; `variables` go into its otherwise empty environment."""
    command = [sys.executable, "-m", "bot", *map(str, words)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        process = subprocess.Popen(command, cwd=cwd, env=environment(**variables), stdout=out, stderr=err)
        peak = Peak(process.pid)
        try:
            process.wait()
        finally:
            peak.end()
            if process.returncode is None:
                process.kill()
                process.wait()
        out.seek(0)
        err.seek(0)
        return Run(process.returncode, out.read(), err.read(), peak.bytes)


class Peak:
    """The most memory a process has held so far, looked at until `end` (Linux: VmHWM of proc(5)).

    What the kernel tells of an ended process will not do: its `ru_maxrss` begins with that of whoever started it.
    """

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._over = threading.Event()
        self.bytes = 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join(5)

    def _look(self) -> None:
        while not self._over.wait(0.05):
            with contextlib.suppress(OSError):
                found = re.search(r"VmHWM:\s+(\d+) kB", self._status.read_text(encoding="ascii"))
                self.bytes = max(self.bytes, int(found[1]) * 1024) if found else self.bytes


def replay(window: tuple[str, ...], *words: str | Path, cwd: Path, data: Path = DATA, **variables: str) -> Run:
    """`wsb replay --json` of a window of the recorded days; everything is approved unless `words` say otherwise."""
    approve = () if "--approve" in words else ("--approve", "all")
    return wsb("replay", "--data", data, *window, *approve, *words, "--json", cwd=cwd, **variables)
