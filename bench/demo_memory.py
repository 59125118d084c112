"""Resident memory of `wsb demo` with a card waiting and nobody at the page, after a minute.

Measured: VmRSS of the process as Linux says it, 60 seconds after the desk has opened. Floor, in the same run: the same
interpreter with numpy and aiohttp imported, which the demo cannot do without. We hold ourselves to 250 MB.
`python -m bench.demo_memory [SECONDS]`
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

IDLE = 60.0
"""Seconds."""
STARTING = 120.0
STOPPING = 20.0
OPENED = "The desk is open"
BARE = "import sys, aiohttp, numpy; print('ready', file=sys.stderr, flush=True); sys.stdin.read()"
KILOBYTES_A_MEGABYTE = 1000 / 1.024
"""VmRSS counts 1,024 bytes; a megabyte here is a million."""


@contextmanager
def started(command: tuple[str, ...], sign: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has written `sign` to its standard error; interrupted at the end."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        late = Timer(STARTING, process.kill)
        late.start()
        try:
            if process.stderr is None or not any(sign in line for line in process.stderr):
                raise RuntimeError(f"{' '.join(command)} ended, or took too long, before it was ready")
            late.cancel()
            yield process
        finally:
            late.cancel()
            process.send_signal(signal.SIGINT)
            _wait(process, STOPPING)
            process.kill()


def _wait(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether the process ends within so many seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def resident(pid: int) -> float:
    """Megabytes of memory that belong to a process now."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return kilobytes / KILOBYTES_A_MEGABYTE


def measured(command: tuple[str, ...], sign: str, idle: float) -> float:
    """Megabytes of a process that was ready and then left alone for `idle` seconds."""
    with started(command, sign) as process:
        if _wait(process, idle):
            raise RuntimeError(f"{' '.join(command)} ended by itself (exit code {process.returncode})")
        return resident(process.pid)


def main() -> None:
    """Measure and print."""
    if not Path("/proc/self/status").exists():
        print("not measured: the memory of a process is read from /proc, which this system does not have")
        return
    idle = float(sys.argv[1]) if len(sys.argv) > 1 else IDLE
    floor = measured((sys.executable, "-c", BARE), "ready", 1.0)
    demo = measured((sys.executable, "-m", "bot", "demo"), OPENED, idle)
    print(f"wsb demo, idle for {idle:.0f} s: {demo:.0f} MB")
    print(f"floor: python with numpy and aiohttp: {floor:.0f} MB")
    print(f"ratio: {demo / floor:.2f}")


if __name__ == "__main__":
    main()
