"""Alpaca's streams of market data: the newest quote of what is listened to, and the halts of all shares.

One connection for shares (JSON) and one for options (msgpack), each on a thread of its own. What the stream has not
told is not known: nothing here is asked for, and nothing is repeated after a reconnect.

Source: docs.alpaca.markets/docs/streaming-market-data (connection, errors, limits), .../real-time-stock-pricing-data,
.../real-time-option-data.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgpack
import numpy as np
import structlog
from alpaca.common.enums import BaseURL

from engine.data.alpaca_halts import Halts
from engine.data.providers.alpaca_client import NAME, READ, Payload
from engine.data.providers.alpaca_values import needed
from engine.errors import DataInvalid
from engine.model.instruments import Instrument
from engine.model.market import Kind, Quote, Source
from engine.model.status import TradingStatus
from engine.streams import Connection, Frame, Lost, Pauses, Stream, StreamState

log = structlog.get_logger()

SYMBOL_LIMIT = 405
NO_SUBSCRIPTION = 409
CUTS = frozenset({401, 402, 403, 404, 406, 407, 500})
"""Errors after which nothing more comes (streaming-market-data, "Errors")."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How one kind of stream speaks.

    Attributes:
        path: under the host, with the feed. feeds: the best first, with what their numbers are.
        most: instruments that a free subscription may listen to. channels: what is listened to of each of them.
        everywhere: channels that are listened to for all names at once.
    """

    title: str
    path: str
    feeds: Mapping[str, Source]
    most: int
    channels: tuple[str, ...]
    everywhere: tuple[str, ...]
    pack: Callable[[object], Frame]
    unpack: Callable[[Frame], object]


def _packed(message: object) -> bytes:
    return bytes(msgpack.packb(message))


def _unpacked(frame: Frame) -> object:
    return msgpack.unpackb(frame if isinstance(frame, bytes) else frame.encode(), timestamp=3)


SHARES = Wire(
    title="Alpaca's stream of shares",
    path="/v2/{feed}",
    feeds={"sip": Source(NAME), "iex": Source(f"{NAME} iex")},
    most=30,
    channels=("quotes", "bars"),
    everywhere=("statuses",),
    pack=json.dumps,
    unpack=json.loads,
)
OPTIONS = Wire(
    title="Alpaca's stream of options",
    path="/v1beta1/{feed}",
    feeds={"opra": Source(NAME), "indicative": Source(NAME, Kind.INDICATIVE)},
    most=200,
    channels=("quotes",),
    everywhere=(),
    pack=_packed,
    unpack=_unpacked,
)


class AlpacaTicks:
    """One stream for as long as the process runs. Safe to share between threads.

    `feed` is the configured one; empty tries the best and goes on to the next where the subscription does not cover it.
    `url` (ALPACA_DATA_STREAM_URL) is another host, without the path.
    """

    def __init__(
        self,
        wire: Wire,
        key: str,
        secret: str,
        jitter: np.random.Generator,
        *,
        feed: str = "",
        url: str = "",
        pauses: Pauses | None = None,
    ) -> None:
        self._wire = wire
        self._key, self._secret = key, secret
        self._host = (url or BaseURL.MARKET_DATA_STREAM.value).rstrip("/")
        self._feeds = [feed] if feed else list(wire.feeds)
        self._most = wire.most
        self._lock = threading.Lock()
        self._wanted: Mapping[str, Instrument] = {}
        self._newest: dict[str, tuple[datetime, Quote | None]] = {}
        self._halts = Halts()
        self._asked: frozenset[str] = frozenset()
        self._confirmed: Mapping[str, frozenset[str]] = {}
        self._stream = Stream(wire.title, self._address, self._converse, jitter, pauses)

    @property
    def title(self) -> str:
        """What it is, for people."""
        return self._wire.title.removeprefix("Alpaca's ").capitalize()

    @property
    def state(self) -> StreamState:
        """How it is doing now."""
        return self._stream.state

    @property
    def source(self) -> Source:
        """What the numbers of the feed that is listened to are."""
        return self._wire.feeds.get(self._feeds[0], Source(NAME, Kind.DELAYED))

    def start(self) -> None:
        """Connect, and connect again whenever the connection is lost."""
        self._stream.start()

    def stop(self, seconds: float = 2.0) -> bool:
        """End; whether the thread has ended within so many seconds."""
        return self._stream.stop(seconds)

    def subscribe(self, instruments: Sequence[Instrument]) -> None:
        """Listen to these from now on, and to nothing else; the first ones where the subscription covers fewer."""
        with self._lock:
            self._wanted = {each.symbol: each for each in instruments}
            self._newest = {symbol: told for symbol, told in self._newest.items() if symbol in self._wanted}

    def latest(self, instrument: Instrument) -> Quote | None:
        """The newest two-sided quote that was told, None where there is none; its age is for the reader to judge."""
        with self._lock:
            return self._newest.get(instrument.symbol, (None, None))[1]

    def statuses(self, tickers: Iterable[str]) -> Mapping[str, TradingStatus]:
        """The statuses that are known: of who is halted always, of who trades while halts are listened to."""
        known = self._halts.of(tickers)
        return known if self.tells_halts else {name: status for name, status in known.items() if status.is_halted}

    @property
    def tells_halts(self) -> bool:
        """Whether halts are being listened to."""
        return self.state.is_listening and bool(self._confirmed.get("statuses"))

    def _address(self) -> str:
        return self._host + self._wire.path.format(feed=self._feeds[0])

    def _converse(self, connection: Connection) -> None:
        """Log in, and take in what comes.

        Raises:
            Lost: the server does not want to go on.
        """
        self._asked, self._confirmed = frozenset(), {}
        self._halts.began()
        self._hear(connection, "connected")
        self._say(connection, {"action": "auth", "key": self._key, "secret": self._secret})
        self._hear(connection, "authenticated")
        self._stream.listening()
        for channel in self._wire.everywhere:
            self._say(connection, {"action": "subscribe", channel: ["*"]})
        try:
            for frame in self._stream.frames(connection):
                for message in self._messages(frame):
                    self._take(message)
                self._adjust(connection)
        finally:
            self._halts.began()

    def _say(self, connection: Connection, message: dict[str, Any]) -> None:
        connection.send(self._wire.pack(message))

    def _hear(self, connection: Connection, word: str) -> None:
        """Wait for one word of success.

        Raises:
            Lost: something else was said.
        """
        for message in self._messages(connection.recv(timeout=self._stream.pauses.answer)):
            self._check(message)
            if message.get("T") == "success" and message.get("msg") == word:
                return
        raise Lost(f"{self._wire.title} does not say “{word}”.")

    def _messages(self, frame: Frame | None) -> list[Payload]:
        """The messages of a frame; one that cannot be read has none."""
        if frame is None:
            return []
        try:
            parsed = self._wire.unpack(frame)
        except ValueError:
            log.warning("alpaca.ticks_unreadable", stream=self._wire.title)
            return []
        return [each for each in parsed if isinstance(each, dict)] if isinstance(parsed, list) else []

    def _take(self, message: Payload) -> None:
        """Take in one message; one that makes no sense changes nothing.

        Raises:
            Lost: it says that something is over.
        """
        self._check(message)
        try:
            match message.get("T"):
                case "q":
                    self._quoted(message)
                case "b":
                    self._halts.traded(needed(message, "S", READ.text), _moment(message))
                case "s":
                    told = [READ.text(field, message.get(field)) for field in ("S", "sc", "rc")]
                    self._halts.changed(told[0], told[1], told[2], _moment(message))
                case "subscription":
                    self._confirmed = {
                        name: frozenset(map(str, symbols))
                        for name, symbols in message.items()
                        if isinstance(symbols, list)
                    }
        except DataInvalid as error:
            log.warning("alpaca.tick_senseless", stream=self._wire.title, reason=str(error))

    def _quoted(self, message: Payload) -> None:
        """Keep a quote unless a newer one was told; one with an empty side takes the place of the last one, too."""
        symbol, at = needed(message, "S", READ.text), _moment(message)
        bid, ask = (READ.money(field, message.get(field)) for field in ("bp", "ap"))
        sizes = (int(READ.positive(field, message.get(field)) or 0) for field in ("bs", "as"))
        with self._lock:
            instrument, last = self._wanted.get(symbol), self._newest.get(symbol)
            if instrument is None or (last is not None and at <= last[0]):
                return
            self._newest[symbol] = (
                at,
                (None if bid is None or ask is None else Quote(instrument, bid, ask, at, self.source, *sizes)),
            )

    def _adjust(self, connection: Connection) -> None:
        """Ask for what is wanted and not listened to, after letting go of what is not wanted any more."""
        with self._lock:
            wanted = frozenset(list(self._wanted)[: self._most])
        if wanted == self._asked:
            return
        for action, symbols in (("unsubscribe", self._asked - wanted), ("subscribe", wanted - self._asked)):
            if symbols:
                self._say(connection, {"action": action, **dict.fromkeys(self._wire.channels, sorted(symbols))})
        self._asked = wanted

    def _check(self, message: Payload) -> None:
        """Nothing, unless the message is an error.

        Raises:
            Lost: one after which nothing more comes, or the feed is not covered.
        """
        if message.get("T") != "error":
            return
        code, words = message.get("code"), str(message.get("msg") or "")[:100]
        log.warning("alpaca.ticks_error", stream=self._wire.title, code=code, words=words)
        if code == NO_SUBSCRIPTION:
            raise self._uncovered(words)
        if code == SYMBOL_LIMIT:
            listened = self._confirmed.get("quotes", frozenset())
            self._most, self._asked = max(len(listened), self._most // 2), listened
        elif isinstance(code, int) and code in CUTS:
            raise self._stream.refused(code)

    def _uncovered(self, words: str) -> Lost:
        """The subscription does not cover this feed: the next one is tried soon, where there is one."""
        feed = self._feeds[0]
        problem = f"{self._wire.title} does not give {feed} under these keys: {words}."
        if len(self._feeds) == 1:
            return Lost(problem, NO_SUBSCRIPTION)
        del self._feeds[0]
        return Lost(problem)


def _moment(message: Payload) -> datetime:
    """The time of a message: written out in JSON, a timestamp of its own in msgpack."""
    value = message.get("t")
    return value.astimezone(UTC) if isinstance(value, datetime) else needed(message, "t", READ.instant)
