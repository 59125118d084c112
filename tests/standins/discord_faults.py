"""What goes wrong between the bot and Discord, and how fast the bot may be.

Rate limits: https://docs.discord.com/developers/topics/rate-limits.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from zlib import crc32

from tests.standins.discord_rules import Refusal

FAULTS = {
    "429": "refused for its rate (of this route), nothing done; try again after `seconds`",
    "429-global": "refused for the rate of all requests, nothing done; try again after `seconds`",
    "500": "internal error, nothing done",
    "502": "bad gateway with a page of HTML, nothing done",
    "503": "unavailable, nothing done",
    "504": "gateway time-out, nothing done",
    "cut": "connection reset, nothing done",
    "silence": "never answered: after `seconds` the connection ends, nothing done",
    "slow": "waits `seconds`, then done and answered",
    "done-cut": "done, then the connection is reset without an answer",
    "done-500": "done, then answered with an internal error",
}
"""What can go wrong with one request -> what it means."""


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next `left` requests of a method to a path (a beginning, or a route's own pattern)."""

    kind: str
    left: int
    method: str | None = None
    path: str = ""
    seconds: float = 0.0
    refusal: Refusal | None = None

    def concerns(self, method: str, path: str, route: str) -> bool:
        """Whether a request goes wrong."""
        return self.method in (None, method) and (path.startswith(self.path) or route == self.path)


@dataclass(slots=True)
class Faults:
    """Those ordered and not yet used up, oldest first."""

    waiting: list[Fault] = field(default_factory=list)

    def take(self, method: str, path: str, route: str) -> Fault | None:
        """The fault of this request, None for none."""
        for fault in self.waiting:
            if fault.concerns(method, path, route):
                fault.left -= 1
                if not fault.left:
                    self.waiting.remove(fault)
                return fault
        return None


@dataclass(slots=True)
class Limit:
    """At most `count` requests in `seconds`."""

    count: int
    seconds: float


@dataclass(slots=True)
class Verdict:
    """Whether a request is within the limits, and the headers of its answer."""

    headers: dict[str, str]
    retry_after: float = 0.0
    scope: str = ""


class Rates:
    """Limits that really hold. Until set, none does and no header is sent."""

    def __init__(self, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._clock = clock
        self.routes: dict[tuple[str, str], Limit] = {}
        """Method and route -> its limit, counted for each channel or webhook by itself."""
        self.overall: Limit | None = None
        self.refused = 0
        """How many requests were answered with 429."""
        self._windows: dict[str, deque[float]] = defaultdict(deque)

    def judge(self, method: str, route: str, major: str) -> Verdict:
        """Count one request and say whether it may go on. Interactions are not counted overall."""
        if self.overall is not None and not route.startswith(("/interactions", "/webhooks")):
            wait = self._wait("overall", self.overall)
            if wait > 0:
                return self._refused(wait, "global", {})
        limit = self.routes.get((method, route))
        verdict = Verdict({})
        if limit is not None:
            verdict = self._bucket(f"{method} {route}:{major}", f"{crc32(f'{method} {route}'.encode()):08x}", limit)
        if not verdict.scope and self.overall is not None:
            self._windows["overall"].append(self._clock())
        return verdict

    def _bucket(self, key: str, name: str, limit: Limit) -> Verdict:
        wait = self._wait(key, limit)
        window = self._windows[key]
        if wait <= 0:
            window.append(self._clock())
        reset = window[0] + limit.seconds - self._clock()
        headers = {
            "X-RateLimit-Limit": str(limit.count),
            "X-RateLimit-Remaining": str(limit.count - len(window)),
            "X-RateLimit-Reset-After": f"{reset:.3f}",
            "X-RateLimit-Reset": f"{self._now().timestamp() + reset:.3f}",
            "X-RateLimit-Bucket": name,
        }
        return self._refused(wait, "user", headers) if wait > 0 else Verdict(headers)

    def _refused(self, wait: float, scope: str, headers: dict[str, str]) -> Verdict:
        self.refused += 1
        return Verdict(headers, round(wait + 0.001, 3), scope)

    def _wait(self, key: str, limit: Limit) -> float:
        window = self._windows[key]
        while window and window[0] + limit.seconds <= self._clock():
            window.popleft()
        return window[0] + limit.seconds - self._clock() if len(window) >= limit.count else 0.0
