"""Only what orders and stops ask for is listened to, and only what was told a moment ago is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from engine.data.budget import Urgency, asking
from engine.data.listening import WANTED_FOR, Listening
from engine.model.instruments import Instrument, Stock
from engine.model.market import Quote
from engine.streams import StreamState
from tests import make
from tests.ticks import Ticks

AAA, BBB = Stock("AAA"), Stock("BBB")


@dataclass
class Told:
    """A stream that has told what it was given."""

    quotes: dict[Instrument, Quote] = field(default_factory=dict)
    state: StreamState = field(default_factory=lambda: StreamState(is_listening=True))
    subscribed: list[tuple[Instrument, ...]] = field(default_factory=list)

    def subscribe(self, instruments: Sequence[Instrument]) -> None:
        self.subscribed.append(tuple(instruments))

    def latest(self, instrument: Instrument) -> Quote | None:
        return self.quotes.get(instrument)


def told(seconds_ago: float = 1.0) -> Told:
    return Told({AAA: make.quote(AAA, 10, 11, make.NOW - timedelta(seconds=seconds_ago))})


def test_looks_and_scans_subscribe_to_nothing() -> None:
    stream = told()
    with asking(Urgency.SCAN):
        assert set(Listening(stream, lambda: make.NOW, Ticks()).heard([AAA, BBB])) == {AAA}
    assert stream.subscribed == []


def test_the_same_wishes_subscribe_once_and_old_ones_end() -> None:
    stream, ticks = told(), Ticks()
    listening = Listening(stream, lambda: make.NOW, ticks)
    with asking(Urgency.ORDER):
        for _ in range(5):
            listening.heard([BBB, AAA])
            listening.heard([AAA])
            ticks.now += 1
        ticks.now += WANTED_FOR - 1
        listening.heard([AAA])
    assert stream.subscribed == [(AAA, BBB), (AAA,)]


@pytest.mark.parametrize(("age", "is_heard"), [(0, True), (3, True), (3.1, False), (-1, True), (-1.5, False)])
def test_only_a_quote_of_the_last_seconds_is_believed(age: float, is_heard: bool) -> None:
    assert bool(Listening(told(age), lambda: make.NOW, Ticks()).heard([AAA])) is is_heard


def test_a_stream_that_is_not_listening_is_not_believed() -> None:
    stream = told()
    stream.state = StreamState(problem="cut off")
    assert Listening(stream, lambda: make.NOW, Ticks()).heard([AAA]) == {}
