"""Time that passes, whatever anybody sets a clock to."""

from __future__ import annotations

import sys
import time

_SLEEPLESS = getattr(time, "CLOCK_MONOTONIC" if sys.platform == "darwin" else "CLOCK_BOOTTIME", None)
"""A clock that goes on while the machine sleeps, as Python's monotonic one does not on Linux and macOS: man 2
clock_gettime of Linux (CLOCK_BOOTTIME), man 3 clock_gettime of macOS (CLOCK_MONOTONIC)."""


def elapsed() -> float:
    """Seconds on a clock that only runs forward, and also while the machine sleeps where its system has such a one."""
    return time.monotonic() if _SLEEPLESS is None else time.clock_gettime(_SLEEPLESS)
