"""The stream of order updates only wakes: whatever it says, repeats or omits, the books come from look-ups."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from engine import orders
from engine.brokers.alpaca_stream import TradeStream
from engine.errors import ConfigError
from engine.model.orders import OrderStatus
from engine.streams import Lost, Pauses, Stream, StreamState
from tests import make
from tests.standins.alpaca import KEY, SECRET
from tests.standins.alpaca_exchange import Exchange
from tests.standins.alpaca_stream import AlpacaStream
from tests.waiting import PATIENCE, until
from tests.wire import WireWorld, wire_world

QUICK = Pauses(first=0.02, longest=0.05, answer=5.0)
FIRST = "A00001.1.1"


@dataclass
class Waker:
    """Counts its calls, and lets a test wait for them."""

    calls: int = 0
    called: threading.Condition = field(default_factory=threading.Condition)
    does: Callable[[], None] = lambda: None

    def __call__(self) -> None:
        with self.called:
            self.calls += 1
            self.called.notify_all()
        self.does()

    def wait_for(self, calls: int) -> bool:
        with self.called:
            return self.called.wait_for(lambda: self.calls >= calls, PATIENCE)


@contextmanager
def listening(server: AlpacaStream, waker: Waker, key: str = KEY, pauses: Pauses = QUICK) -> Iterator[TradeStream]:
    stream = TradeStream(key, SECRET, waker, np.random.default_rng(7), url_override=server.url, pauses=pauses)
    stream.start()
    try:
        yield stream
    finally:
        assert stream.stop(PATIENCE)


@pytest.fixture
def world() -> Iterator[WireWorld]:
    with wire_world() as made:
        yield made


@pytest.fixture(params=["paper", "live"])
def server(request: pytest.FixtureRequest, world: WireWorld) -> Iterator[AlpacaStream]:
    """Binary frames as from paper accounts, text as from live ones."""
    with AlpacaStream(world.exchange, KEY, SECRET, binary=request.param == "paper") as made:
        yield made


@pytest.fixture
def alone() -> Iterator[AlpacaStream]:
    with AlpacaStream(Exchange(lambda: make.NOW), KEY, SECRET) as made:
        yield made


def test_it_says_who_listens_and_to_what(server: AlpacaStream) -> None:
    waker = Waker()
    with listening(server, waker) as stream:
        assert waker.wait_for(1)
        assert stream.state == StreamState(is_listening=True, connections=1)

    assert server.heard == [
        {"action": "authenticate", "data": {"key_id": KEY, "secret_key": SECRET}},
        {"action": "listen", "data": {"streams": ["trade_updates"]}},
    ]


def test_every_connection_wakes_because_nothing_is_repeated_after_a_cut(server: AlpacaStream, world: WireWorld) -> None:
    waker = Waker()
    world.approve()
    with listening(server, waker) as stream:
        assert waker.wait_for(1)
        server.cut_all()
        world.exchange.fill(FIRST, 2)
        assert waker.wait_for(2)
        assert until(lambda: stream.state.connections == 2)

    orders.reconcile(world.desk)
    assert world.ticket().filled == 2


def test_a_fill_wakes_and_is_booked_by_the_look_up_it_causes(server: AlpacaStream, world: WireWorld) -> None:
    booked = Waker(does=lambda: orders.reconcile(world.desk))
    world.approve()
    with listening(server, booked):
        assert booked.wait_for(1)
        world.exchange.fill(FIRST, 2)
        assert until(lambda: world.ticket().filled == 2)


def test_a_message_alone_books_nothing(server: AlpacaStream, world: WireWorld) -> None:
    """The naive listener applies what it is told: here a fill that the account does not have."""
    waker = Waker(does=lambda: orders.reconcile(world.desk))
    world.approve()
    order = {"client_order_id": FIRST, "status": "filled", "filled_qty": "2", "filled_avg_price": "1.03"}
    told = {"event": "fill", "execution_id": "x1", "price": "1.03", "qty": "2", "order": order}
    with listening(server, waker):
        assert waker.wait_for(1)
        for _ in range(2):
            server.push(json.dumps({"stream": "trade_updates", "data": told}))
        assert waker.wait_for(3)

    assert world.ticket().filled == 0
    with world.store.read() as work:
        assert work.fills() == ()
        assert work.order(FIRST).status is OrderStatus.ACCEPTED


STRANGE = [
    "",
    "not json",
    "[]",
    "[1, 2]",
    "null",
    "17",
    b"\xff\xfe\x00",
    '{"stream": "trade_updates"}',
    '{"stream": "trade_updates", "data": null}',
    '{"stream": "trade_updates", "data": {"event": "teleported", "order": {"asset_class": "us_index"}}}',
    '{"stream": "trade_updates", "data": {"event": "fill", "order": {}}}',
    '{"stream": "trade_updates", "data": {"event": "order_cancel_rejected"}}',
    '{"stream": "weather", "data": {"event": "rain"}}',
]


@pytest.mark.parametrize("frame", STRANGE)
def test_what_makes_no_sense_is_heard_and_harmless(alone: AlpacaStream, frame: str | bytes) -> None:
    waker = Waker()
    with listening(alone, waker) as stream:
        assert waker.wait_for(1)
        alone.push(frame)
        assert waker.wait_for(2)
        assert (stream.state.is_listening, stream.state.connections) == (True, 1)


def test_updates_out_of_order_and_twice_leave_the_books_as_the_account_is(
    server: AlpacaStream, world: WireWorld
) -> None:
    frames: list[str] = []
    world.exchange.listeners.append(
        lambda event, order, row: frames.append(json.dumps({"stream": "trade_updates", "data": {"event": event}}))
    )
    waker = Waker(does=lambda: orders.reconcile(world.desk))
    world.approve()
    with listening(server, waker):
        assert waker.wait_for(1)
        world.exchange.fill(FIRST, 1)
        world.exchange.fill(FIRST, 1)
        for frame in [*reversed(frames), *frames]:
            server.push(frame)
        assert until(lambda: world.ticket().filled == 2)

    with world.store.read() as work:
        assert [fill.quantity for fill in work.fills()] == [-1, -1]


def test_a_listener_in_trouble_does_not_end_the_listening(alone: AlpacaStream) -> None:
    def fail() -> None:
        raise RuntimeError("the database is away")

    waker = Waker(does=fail)
    with listening(alone, waker) as stream:
        assert waker.wait_for(1)
        alone.push("{}")
        assert waker.wait_for(2)
        assert stream.state.is_listening


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not accept the keys"),
        (403, "does not accept the keys"),
        (406, "another program"),
        (409, "another program"),
        (429, "asked too often"),
        (503, "no reason given"),
    ],
)
def test_a_refused_handshake_is_named_and_tried_again(alone: AlpacaStream, status: int, words: str) -> None:
    alone.refuse_next = [status, status]
    waker = Waker()
    with listening(alone, waker) as stream:
        assert until(lambda: alone.handshakes >= 1)
        assert until(lambda: words in stream.state.problem or stream.state.is_listening)
        assert waker.wait_for(1)

    assert alone.handshakes == 3


def test_keys_that_are_not_accepted_are_named_and_not_hammered(alone: AlpacaStream) -> None:
    waker = Waker()
    slow = Pauses(first=0.01, longest=30.0, answer=5.0)
    with listening(alone, waker, key="PKOTHER", pauses=slow) as stream:
        assert until(lambda: "does not accept the keys" in stream.state.problem)
        threading.Event().wait(0.3)

    assert (alone.handshakes, waker.calls) == (1, 0)


def test_an_error_message_while_listening_is_named_and_ends_the_connection(alone: AlpacaStream) -> None:
    waker = Waker()
    slow = Pauses(first=0.01, longest=30.0, answer=5.0)
    with listening(alone, waker, pauses=slow) as stream:
        assert waker.wait_for(1)
        alone.push('[{"T": "error", "code": 406, "msg": "connection limit exceeded"}]')
        assert until(lambda: "another program" in stream.state.problem)


def test_a_server_that_is_not_there_is_tried_again_until_it_is(alone: AlpacaStream) -> None:
    stream = TradeStream(
        KEY, SECRET, Waker(), np.random.default_rng(7), url_override="ws://127.0.0.1:9/stream", pauses=QUICK
    )
    stream.start()

    assert until(lambda: "cannot be reached" in stream.state.problem)
    assert stream.stop(PATIENCE)


def test_the_keys_are_never_logged_however_much_is(alone: AlpacaStream, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    waker = Waker()
    with listening(alone, waker):
        assert waker.wait_for(1)

    assert SECRET not in caplog.text


def test_pauses_grow_to_the_longest_and_are_never_twice_the_same() -> None:
    stream = Stream("a stream", lambda: "ws://127.0.0.1:9", lambda connection: None, np.random.default_rng(7))
    lost = Lost("cut")

    pauses = [stream.pause(failures, lost) for failures in range(1, 9)]

    assert all(0.5 * full <= pause <= full for pause, full in zip(pauses, (1, 2, 4, 8, 16, 32, 60, 60), strict=True))
    assert len(set(pauses)) == len(pauses)


@pytest.mark.parametrize(
    ("url", "paper"),
    [
        ("wss://api.alpaca.markets/stream", True),
        ("wss://paper-api.alpaca.markets/stream", False),
        ("https://paper-api.alpaca.markets/stream", True),
    ],
)
def test_an_address_of_the_other_kind_of_account_is_refused(url: str, paper: bool) -> None:
    with pytest.raises(ConfigError, match="ALPACA_STREAM_URL"):
        TradeStream(KEY, SECRET, Waker(), np.random.default_rng(7), paper=paper, url_override=url)
