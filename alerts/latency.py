"""How long messages take from what happened to where people read it, for each platform.

What came at its first try is told apart from what was held up: messages that failed before they arrived, and those
that waited behind one of these for the same destination. The first is how fast the desk is, the second how long a
platform was away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from alerts.levels import percentile
from alerts.routes import platform_of
from engine.model.records import Delivered


@dataclass(frozen=True, slots=True)
class Latency:
    """The messages one platform took, in seconds each. `unanswered` may have left a second copy there."""

    platform: str
    prompt: tuple[float, ...]
    held_up: tuple[float, ...]
    unanswered: int

    def at(self, rank: float) -> float | None:
        """Seconds that this share of those that came at once took at most; None where there were none."""
        return percentile(self.prompt, rank) if self.prompt else None


def latencies(done: Iterable[Delivered]) -> tuple[Latency, ...]:
    """How long what arrived took, by platform."""
    by_platform = sorted(done, key=lambda each: platform_of(each.destination))
    return tuple(
        _latency(platform, tuple(rows))
        for platform, rows in groupby(by_platform, key=lambda each: platform_of(each.destination))
    )


def _latency(platform: str, done: Sequence[Delivered]) -> Latency:
    failed = [each for each in done if each.attempts]
    held = [any(_waited_for(each, other) for other in failed) for each in done]
    return Latency(
        platform,
        tuple(each.took for each, is_held in zip(done, held, strict=True) if not is_held),
        tuple(each.took for each, is_held in zip(done, held, strict=True) if is_held),
        sum(each.unanswered for each in done),
    )


def _waited_for(one: Delivered, failed: Delivered) -> bool:
    """Whether a message stood behind one that failed before, or is that one itself."""
    is_same_lane = one.destination == failed.destination
    return is_same_lane and one.happened_at <= failed.sent_at <= one.sent_at
