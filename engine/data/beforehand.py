"""What the watch over exits needs besides quotes, asked for beforehand: no stop waits for a history or a calendar."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import structlog

from engine.data.budget import Urgency, asking
from engine.errors import DataError, DataUnavailable, NotFound
from engine.model.instruments import Instrument
from engine.model.market import Bars, Chain, Level, MarketSnapshot, Quote
from engine.model.news import News
from engine.model.status import Opinion, TradingStatus
from engine.ports import MarketData, SourceState

log = structlog.get_logger()

FRESH = 10.0
"""Seconds after which a snapshot is asked for again: what a strategy closes by moves with the day, not the second."""
OLDEST = 120.0
"""Seconds after which an old one is none."""


@dataclass(frozen=True, slots=True)
class _Kept:
    snapshot: MarketSnapshot
    at: float


class Beforehand:
    """A `MarketData` whose snapshots are those of a moment ago, and which never waits for one.

    Quotes are asked for as ever: `inner` answers them in time or not at all. `tick` gives seconds that only rise.
    """

    def __init__(self, inner: MarketData, tick: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._tick = tick
        self._kept: dict[str, _Kept] = {}
        self._asked: dict[str, float] = {}
        self._wanted: dict[str, None] = {}
        self._is_loading = False
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def is_bounded(self) -> bool:
        return self._inner.is_bounded

    def universe(self) -> tuple[str, ...]:
        return self._inner.universe()

    def snapshot(self, ticker: str) -> MarketSnapshot:
        """The latest one there is; a newer one is on its way when it is not of this moment.

        Raises:
            DataUnavailable: there is none young enough yet.
        """
        with self._lock:
            kept, now = self._kept.get(ticker), self._tick()
            if now - self._asked.get(ticker, float("-inf")) >= FRESH:
                self._asked[ticker] = now
                self._want(ticker)
        if kept is None or now - kept.at >= OLDEST:
            raise DataUnavailable(f"What is known of {ticker} is being asked for.")
        return kept.snapshot

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        return self._inner.quotes(instruments)

    def chain(self, ticker: str) -> Chain | None:
        return self._inner.chain(ticker)

    def bars(self, ticker: str, start: date, end: date) -> Bars:
        return self._inner.bars(ticker, start, end)

    def panel(self) -> Mapping[str, Bars]:
        return self._inner.panel()

    def statuses(self, tickers: Iterable[str]) -> Mapping[str, TradingStatus]:
        return self._inner.statuses(tickers)

    def news(self, ticker: str) -> News | None:
        return self._inner.news(ticker)

    def levels(self, *symbols: str) -> Mapping[str, Level]:
        return self._inner.levels(*symbols)

    def second_opinion(self, instruments: Iterable[Instrument]) -> Opinion:
        return self._inner.second_opinion(instruments)

    def sources(self) -> tuple[SourceState, ...]:
        return self._inner.sources()

    def _want(self, ticker: str) -> None:
        self._wanted[ticker] = None
        if not self._is_loading:
            self._is_loading = True
            threading.Thread(target=self._load, name="beforehand", daemon=True).start()

    def _load(self) -> None:
        """Ask for one after the other, until nothing is wanted."""
        while (ticker := self._next()) is not None:
            try:
                with asking(Urgency.SCAN):
                    found = self._inner.snapshot(ticker)
            except (DataError, NotFound) as problem:
                log.debug("beforehand.none", ticker=ticker, problem=str(problem))
                continue
            except Exception as bug:
                log.error("beforehand.broken", ticker=ticker, exc_info=bug)
                continue
            with self._lock:
                self._kept[ticker] = _Kept(found, self._tick())

    def _next(self) -> str | None:
        with self._lock:
            ticker = next(iter(self._wanted), None)
            if ticker is None:
                self._is_loading = False
                return None
            del self._wanted[ticker]
            return ticker
