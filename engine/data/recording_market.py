"""A market whose answers are written down for whoever wants to see later what a decision was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import TypeVar

from engine.data.recorder import Note, Recorder
from engine.data.recording import Part, Refusal, Reports
from engine.errors import DataError, NotFound
from engine.model.instruments import Instrument
from engine.model.market import Bars, Chain, Level, MarketSnapshot, Quote
from engine.model.news import News
from engine.model.status import Opinion, TradingStatus
from engine.ports import MarketData, SourceState

T = TypeVar("T")


class RecordingMarket:
    """A `MarketData` that answers as `inner` does and notes snapshots, chains, quotes, headlines, levels and halts.

    What a snapshot loads later is noted when it is asked for. Panels and plain bars are passed on as they are: the
    bars of every snapshot are noted with it.
    """

    def __init__(self, inner: MarketData, recorder: Recorder, now: Callable[[], datetime]) -> None:
        self._inner = inner
        self._recorder = recorder
        self._now = now

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def is_bounded(self) -> bool:
        return self._inner.is_bounded

    def universe(self) -> tuple[str, ...]:
        return self._inner.universe()

    def snapshot(self, ticker: str) -> MarketSnapshot:
        try:
            found = self._inner.snapshot(ticker)
        except (DataError, NotFound) as problem:
            self._note(ticker, self._now(), Part.REFUSAL, Refusal.of(problem))
            raise
        self._note(ticker, found.asof, Part.SNAPSHOT, found)
        return replace(
            found,
            load_chain=self._noting(found, Part.CHAIN, found.load_chain, _as_is),
            load_earnings=self._noting(found, Part.EARNINGS, found.load_earnings, Reports),
            load_fundamentals=self._noting(found, Part.FUNDAMENTALS, found.load_fundamentals, _as_is),
            load_news=self._noting(found, Part.NEWS, found.load_news, _as_is),
            load_intraday=self._noting(found, Part.INTRADAY, found.load_intraday, _as_is),
        )

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        found = self._inner.quotes(instruments)
        now = self._now()
        for instrument, quote in found.items():
            self._note(instrument.symbol, now, Part.QUOTE, quote)
        return found

    def chain(self, ticker: str) -> Chain | None:
        found = self._inner.chain(ticker)
        self._note(ticker, self._now(), Part.CHAIN, found)
        return found

    def bars(self, ticker: str, start: date, end: date) -> Bars:
        return self._inner.bars(ticker, start, end)

    def panel(self) -> Mapping[str, Bars]:
        return self._inner.panel()

    def statuses(self, tickers: Iterable[str]) -> Mapping[str, TradingStatus]:
        found = self._inner.statuses(tickers)
        now = self._now()
        for ticker, status in found.items():
            self._note(ticker, now, Part.STATUS, status)
        return found

    def news(self, ticker: str) -> News | None:
        found = self._inner.news(ticker)
        self._note(ticker, self._now(), Part.NEWS, found)
        return found

    def levels(self, *symbols: str) -> Mapping[str, Level]:
        found: Mapping[str, Level] = {}
        try:
            found = self._inner.levels(*symbols)
        finally:  # that there was no answer is what was known, too
            now = self._now()
            for symbol in symbols:
                self._note(symbol, now, Part.LEVEL, found.get(symbol))
        return found

    def second_opinion(self, instruments: Iterable[Instrument]) -> Opinion:
        return self._inner.second_opinion(instruments)

    def sources(self) -> tuple[SourceState, ...]:
        return self._inner.sources()

    def _note(self, ticker: str, at: datetime, part: Part, value: object | None) -> None:
        self._recorder.note(Note(ticker, at, part, value))

    def _noting(
        self, snapshot: MarketSnapshot, part: Part, load: Callable[[], T], shown: Callable[[T], object | None]
    ) -> Callable[[], T]:
        """The same question, its answer noted as part of the snapshot."""
        return partial(self._loaded, snapshot.ticker, snapshot.asof, part, load, shown)

    def _loaded(
        self, ticker: str, at: datetime, part: Part, load: Callable[[], T], shown: Callable[[T], object | None]
    ) -> T:
        found = load()
        self._note(ticker, at, part, shown(found))
        return found


def _as_is(value: object | None) -> object | None:
    return value
