"""Where blocking work runs: inline (replay, tests), on one thread (demo), or in separate pools (the bot)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from bot.command import Pool

T = TypeVar("T")

READING = frozenset({Pool.LOOK, Pool.DRAW})
"""The pools whose work changes nothing."""


async def inline(pool: Pool, work: Callable[[], T]) -> T:
    """Runs at once, in the caller's thread; `pool` makes no difference."""
    del pool
    return work()


def finish(coroutine: Coroutine[object, object, T]) -> T:
    """The result of a coroutine that never waits (everything inside runs inline), without an event loop.

    >>> finish(inline(Pool.LOOK, lambda: 7))
    7
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("The coroutine waited for something: it needs an event loop.")


class Bulkheads:
    """Thread pools by kind of work: look-ups never hold up a trade, trades never hold up what protects.

    `Bulkheads(1)` shares one thread between all of them: everything that touches the desk happens in order. Pictures
    have one thread of their own in any case, one picture at a time: Matplotlib is not thread-safe (its FAQ, "Work with
    threads") and draws one figure after the other anyhow (`Figure._render_lock` in its figure.py).
    """

    def __init__(self, trading: int, looking: int = 0, protecting: int = 0) -> None:
        trade = ThreadPoolExecutor(trading, thread_name_prefix="trade")
        look = ThreadPoolExecutor(looking, thread_name_prefix="look") if looking else trade
        protect = ThreadPoolExecutor(protecting, thread_name_prefix="protect") if protecting else trade
        draw = ThreadPoolExecutor(1, thread_name_prefix="draw")
        self._pools = {Pool.TRADE: trade, Pool.LOOK: look, Pool.PROTECT: protect, Pool.DRAW: draw}
        self._acting: set[Future[Any]] = set()
        """The work under way that may change something."""

    async def run(self, pool: Pool, work: Callable[[], T]) -> T:
        """Run `work` in its pool and wait without blocking the event loop."""
        future = self._pools[pool].submit(work)
        if pool not in READING:
            self._acting.add(future)
            future.add_done_callback(self._acting.discard)
        return await asyncio.wrap_future(future)

    async def quiet(self, seconds: float) -> bool:
        """Whether nothing that may change something is under way any more, within so many seconds."""
        acting = [asyncio.wrap_future(future) for future in tuple(self._acting)]
        if acting:
            await asyncio.wait(acting, timeout=seconds)
        return not self._acting

    def close(self) -> None:
        """Let running work end and stop the threads."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
