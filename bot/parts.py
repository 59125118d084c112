"""What /health says of a running process beside the desk itself: loops, streams, platforms, messages."""

from __future__ import annotations

from collections.abc import Callable

from bot.runtime import Runtime
from bot.serve import Feed
from bot.words import count
from engine.desk import Desk

Part = tuple[str, tuple[bool, str]]
Source = Callable[[], tuple[Part, ...]]

BACKLOG = 50
"""Messages that wait from which something is wrong with their way."""


class Parts:
    """The parts of one process; sources are added as it is put together."""

    def __init__(self, *sources: Source) -> None:
        self._sources = list(sources)

    def add(self, source: Source) -> None:
        """Ask `source` too from now on."""
        self._sources.append(source)

    def __call__(self) -> tuple[Part, ...]:
        return tuple(part for source in self._sources for part in source())


def loops(runtime: Runtime) -> tuple[Part, ...]:
    """Every loop of a live desk."""
    return tuple((f"Loop {beat.name}", (not beat.is_stalled, beat.words)) for beat in runtime.beats)


def streams(feeds: tuple[Feed, ...]) -> tuple[Part, ...]:
    """The broker's stream: without it fills are found by asking, a little later."""
    return tuple(("Trade stream", (feed.state.is_listening, feed.state.words)) for feed in feeds)


def messages(desk: Desk) -> tuple[Part, ...]:
    """What waits in the outbox."""
    with desk.store.read() as work:
        waiting = work.outbox_waiting()
    return (("Outbox", (waiting <= BACKLOG, f"{count(waiting, 'message')} waiting" if waiting else "nothing waits")),)
