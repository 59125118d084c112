"""How fast a bot may send. What is documented: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this

In one chat one message a second, where short bursts are let through; in a group 20 a minute; 30 a second altogether.
Edits are counted like messages. Whoever goes on while he was told to wait, waits longer.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.standins.telegram_rules import Refusal
from tests.standins.telegram_world import Chat

BURST = 3
"""Messages that one chat may take at once: "short bursts that go over this limit" (the number is ours)."""
PER_GROUP, GROUP_SPAN = 20, 60.0
OVERALL, OVERALL_SPAN = 30, 1.0


def too_many(seconds: float) -> Refusal:
    """429 with the whole seconds to wait."""
    wait = max(1, math.ceil(seconds))
    return Refusal(429, f"Too Many Requests: retry after {wait}", {"retry_after": wait})


@dataclass(slots=True)
class Limits:
    """Who sent how much; `refused` counts the 429s that had to be given. Times are seconds of `clock`."""

    clock: Callable[[], float] = time.monotonic
    is_on: bool = False
    refused: int = 0
    _chats: dict[int, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _overall: deque[float] = field(default_factory=deque)
    _until: dict[int, float] = field(default_factory=dict)

    def spend(self, chat: Chat, messages: int = 1) -> None:
        """Count what is about to be sent.

        Raises:
            Refusal: 429, nothing may be sent now.
        """
        if not self.is_on:
            return
        now = self.clock()
        wait = max(self._penalty(chat, now), self._wait(chat, now, messages))
        if wait > 0:
            self.refused += 1
            self._until[chat.id] = now + wait
            raise too_many(wait)
        self._chats[chat.id].extend([now] * messages)
        self._overall.extend([now] * messages)

    def _penalty(self, chat: Chat, now: float) -> float:
        return self._until.get(chat.id, now) - now

    def _wait(self, chat: Chat, now: float, messages: int) -> float:
        per_chat = (BURST, float(BURST)) if chat.id > 0 else (PER_GROUP, GROUP_SPAN)
        return max(
            _full_for(self._chats[chat.id], now, messages, *per_chat),
            _full_for(self._overall, now, messages, OVERALL, OVERALL_SPAN),
        )


def _full_for(times: deque[float], now: float, messages: int, most: int, span: float) -> float:
    """Seconds until `messages` more fit among `most` in `span`; where there is nothing yet, anything fits."""
    while times and times[0] <= now - span:
        times.popleft()
    excess = len(times) + messages - most
    if excess <= 0 or not times:
        return 0.0
    return times[min(excess, len(times)) - 1] + span - now
