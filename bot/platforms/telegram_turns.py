"""Who waits for whom: what acts keeps its order within a chat and a bulkhead, and nothing else waits for anything."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from types import TracebackType


class Turn:
    """A place in a line: `async with` it to wait for everybody before."""

    def __init__(self, before: asyncio.Event | None, over: asyncio.Event) -> None:
        self._before = before
        self._over = over

    async def __aenter__(self) -> None:
        try:
            if self._before is not None:
                await self._before.wait()
        except asyncio.CancelledError:
            self._over.set()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()


class Turns:
    """Lines by key. A turn that was taken has to be used, or the line stands still."""

    def __init__(self) -> None:
        self._last: dict[Hashable, asyncio.Event] = {}

    def take(self, key: Hashable) -> Turn:
        """The last place in the line of `key`."""
        self._last = {known: over for known, over in self._last.items() if not over.is_set()}
        over = asyncio.Event()
        turn = Turn(self._last.get(key), over)
        self._last[key] = over
        return turn


def free() -> Turn:
    """A turn that waits for nobody."""
    return Turn(None, asyncio.Event())
