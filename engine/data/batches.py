"""Answers by key that are asked for together: the names of a universe share a request, and callers share an answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from engine.errors import DataError

K = TypeVar("K")
T = TypeVar("T")

FORGOTTEN = 10.0
"""Times an answer's life after which it is dropped: long after it was last given to anybody."""
SHARED_FAILURE = 1.0
"""Seconds for which those who ask next are told of the same failure: a scan must not wait for each of its names."""


class Lately(Generic[K]):
    """What was asked for within the last `seconds`. Safe to share between threads."""

    def __init__(self, seconds: float, tick: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._tick = tick
        self._asked: dict[K, float] = {}
        self._lock = threading.Lock()

    def add(self, keys: Iterable[K]) -> tuple[K, ...]:
        """All of it, with these from now on."""
        with self._lock:
            now = self._tick()
            self._asked |= dict.fromkeys(keys, now)
            self._asked = {key: at for key, at in self._asked.items() if now - at < self._seconds}
            return tuple(self._asked)


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    value: T | None
    at: float


class Batched(Generic[K, T]):
    """What `load` found for each key, kept for `ttl` seconds. Safe to share between threads.

    `load` is given at most `size` keys and leaves out those it finds nothing for; that is remembered as long. One load
    runs at a time: whoever comes meanwhile waits for it and finds the answer.
    """

    def __init__(
        self,
        load: Callable[[tuple[K, ...]], Mapping[K, T]],
        ttl: float,
        size: int,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._ttl = ttl
        self._size = size
        self._tick = tick
        self._kept: dict[K, _Kept[T]] = {}
        self._failed: tuple[float, DataError] | None = None
        self._loading = threading.Lock()
        self._keeping = threading.Lock()
        self._tidied = tick()

    def get(self, keys: Collection[K], along: Iterable[K] = ()) -> dict[K, T]:
        """The answers for `keys`, in their order, without those there are none for.

        What has to be asked for is asked together with those of `along` that are past half of their time, as far as
        there is room: who looks at different keys shall not take turns at asking.

        Raises:
            DataError: what `load` raised.
        """
        if self._due(keys):
            with self._loading:
                if due := self._due(keys):
                    self._refresh(due, along)
        return self._known(keys)

    def peek(self, keys: Collection[K]) -> dict[K, T]:
        """What is known and not older than `ttl`; nobody is asked."""
        now = self._tick()
        return {
            key: kept.value
            for key in keys
            if (kept := self._kept.get(key)) is not None and kept.value is not None and now - kept.at < self._ttl
        }

    def put(self, found: Mapping[K, T], keys: Iterable[K]) -> None:
        """Keep what was found for these keys elsewhere; those that are not in `found` have none."""
        now = self._tick()
        with self._keeping:
            for key in keys:
                self._kept[key] = _Kept(found.get(key), now)
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Drop, now and then, what nobody asks for any more: contracts end, and a process runs for months."""
        if now - self._tidied < FORGOTTEN * self._ttl:
            return
        self._tidied = now
        for key in [key for key, kept in self._kept.items() if now - kept.at >= FORGOTTEN * self._ttl]:
            del self._kept[key]

    def is_due(self, keys: Iterable[K]) -> bool:
        """Whether one of them has not been asked about for `ttl` seconds."""
        return bool(self._due(keys))

    def _due(self, keys: Iterable[K], part: float = 1.0) -> list[K]:
        """Those not asked about for `part` of the time that answers are kept."""
        since = self._tick() - part * self._ttl
        return [key for key in dict.fromkeys(keys) if (kept := self._kept.get(key)) is None or kept.at <= since]

    def _refresh(self, due: list[K], along: Iterable[K]) -> None:
        if self._failed is not None and self._tick() - self._failed[0] < SHARED_FAILURE:
            raise self._failed[1]
        try:
            for start in range(0, len(due), self._size):
                part = due[start : start + self._size]
                self._take(part if len(part) == self._size else [*part, *self._others(part, along)])
        except DataError as error:
            self._failed = (self._tick(), error)
            raise
        self._failed = None

    def _others(self, part: list[K], along: Iterable[K]) -> list[K]:
        room, mine = self._size - len(part), set(part)
        return [key for key in self._due(along, 0.5) if key not in mine][:room]

    def _take(self, keys: list[K]) -> None:
        self.put(self._load(tuple(keys)), keys)

    def _known(self, keys: Iterable[K]) -> dict[K, T]:
        found = ((key, self._kept.get(key)) for key in dict.fromkeys(keys))
        return {key: kept.value for key, kept in found if kept is not None and kept.value is not None}
