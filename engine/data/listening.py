"""What orders and stops keep asking quotes of is listened to: the newest quote a stream told saves the question."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from engine.data.budget import Urgency, urgency
from engine.model.instruments import Instrument
from engine.model.market import Quote
from engine.streams import StreamState

I = TypeVar("I", bound=Instrument)  # noqa: E741 - the one letter stands for an instrument

FRESH = timedelta(seconds=3)
"""An older quote of the stream is asked for: the stream may have died without a word."""
AHEAD = timedelta(seconds=1)
"""A quote dated later than this from now has a wrong clock and is asked for."""
WANTED_FOR = 120.0
"""Seconds after its last question by an order or a stop that something is listened to."""


class Streaming(Protocol):
    """Something that listens on a thread of its own."""

    @property
    def title(self) -> str:
        """What it is, for people."""

    @property
    def state(self) -> StreamState:
        """How it is doing now."""

    def start(self) -> None:
        """Begin to listen."""

    def stop(self, seconds: float = 2.0) -> bool:
        """End; whether it has within so many seconds."""


class Ticks(Protocol):
    """What a stream of quotes is asked."""

    @property
    def state(self) -> StreamState:
        """How it is doing now."""

    def subscribe(self, instruments: Sequence[Instrument]) -> None:
        """Listen to these and nothing else, the most wanted first."""

    def latest(self, instrument: Instrument) -> Quote | None:
        """The newest two-sided quote that was told."""


class Listening:
    """One stream, listening to what was asked for with the urgency of an order. Safe to share between threads.

    `clock` tells aware UTC, `tick` gives seconds that only rise.
    """

    def __init__(self, ticks: Ticks, clock: Callable[[], datetime], tick: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._clock = clock
        self._tick = tick
        self._asked: dict[Instrument, float] = {}
        self._subscribed: tuple[Instrument, ...] = ()
        self._lock = threading.Lock()

    def heard(self, instruments: Iterable[I]) -> Mapping[I, Quote]:
        """The quotes told within the last seconds; the others have to be asked for."""
        wanted = tuple(instruments)
        if urgency() is Urgency.ORDER:
            self._want(wanted)
        if not self._ticks.state.is_listening:
            return {}
        now = self._clock()
        told = ((each, self._ticks.latest(each)) for each in wanted)
        return {each: quote for each, quote in told if quote is not None and -AHEAD <= now - quote.at <= FRESH}

    def _want(self, instruments: tuple[Instrument, ...]) -> None:
        """Listen to these too, and no more to what nobody has asked for in a while."""
        now = self._tick()
        with self._lock:
            self._asked.update(dict.fromkeys(instruments, now))
            self._asked = {each: at for each, at in self._asked.items() if now - at < WANTED_FOR}
            # In a fixed order: the same wishes must not subscribe anew every second.
            wanted = tuple(sorted(self._asked, key=lambda each: each.symbol))
            if wanted != self._subscribed:
                self._subscribed = wanted
                self._ticks.subscribe(wanted)
