"""A monotonic clock that moves when told."""

from __future__ import annotations


class Ticks:
    """Seconds that only rise."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
