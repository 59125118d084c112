"""Which of Alpaca's feeds these keys may read: the best that is not refused, remembered for an hour."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from engine.data.providers.entitlements import CLOSED_FOR
from engine.data.providers.trouble import NotEntitled

log = structlog.get_logger()

Answer = TypeVar("Answer")


class Feed:
    """The feed of one kind of question. Safe to share between threads.

    `best_first` are the feeds that may be tried; a `wanted` one is the only one. `tick` gives seconds that only rise.
    """

    def __init__(self, wanted: str, best_first: Sequence[str], tick: Callable[[], float] = time.monotonic) -> None:
        self._choices = (wanted,) if wanted else tuple(best_first)
        self._tick = tick
        self._found: tuple[str, float] | None = None

    @property
    def name(self) -> str:
        """The feed that is asked first now: the one remembered, or else the best."""
        return self._first()

    def ask(self, question: Callable[[str], Answer]) -> Answer:
        """The answer of the best feed that gives one.

        Raises:
            NotEntitled: none of them may be read. Whatever else `question` raises, at once.
        """
        choices = self._choices[self._choices.index(self._first()) :]
        for place, feed in enumerate(choices):
            try:
                answer = question(feed)
            except NotEntitled:
                if place == len(choices) - 1:
                    self._found = None
                    raise
                log.info("alpaca.feed_not_entitled", feed=feed)
            else:
                if place:
                    self._found = (feed, self._tick() + CLOSED_FOR)
                return answer
        raise AssertionError("a feed has at least one choice")

    def _first(self) -> str:
        found = self._found
        return found[0] if found is not None and self._tick() < found[1] else self._choices[0]
