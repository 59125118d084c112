"""Waiting for what another thread does, never longer than a test has patience."""

from __future__ import annotations

import threading
from collections.abc import Callable

PATIENCE = 10.0
"""Seconds."""


def until(claim: Callable[[], bool]) -> bool:
    """Whether it holds within the test's patience."""
    pause = threading.Event()
    return any(claim() or pause.wait(0.02) for _ in range(int(PATIENCE / 0.02)))
