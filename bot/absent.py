"""The market when no source of data is configured: it knows nothing and says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from engine.errors import DataUnavailable
from engine.model.instruments import Instrument
from engine.model.market import Bars, Chain, Level, MarketSnapshot, Quote
from engine.model.news import News
from engine.model.status import Opinion, TradingStatus
from engine.ports import SourceState

WORDS = (
    'No market data source is configured: set [data] source = "live", or name a folder of recorded days with '
    "[data] folder or --data."
)


class AbsentMarket:
    """A `MarketData` without numbers: no names, no quotes, and one sentence for every question."""

    @property
    def name(self) -> str:
        return "none"

    @property
    def is_bounded(self) -> bool:
        return True

    def universe(self) -> tuple[str, ...]:
        return ()

    def snapshot(self, ticker: str) -> MarketSnapshot:
        raise DataUnavailable(WORDS)

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        return {}

    def chain(self, ticker: str) -> Chain | None:
        raise DataUnavailable(WORDS)

    def bars(self, ticker: str, start: date, end: date) -> Bars:
        raise DataUnavailable(WORDS)

    def panel(self) -> Mapping[str, Bars]:
        return {}

    def statuses(self, tickers: Iterable[str]) -> Mapping[str, TradingStatus]:
        return {}

    def news(self, ticker: str) -> News | None:
        return None

    def levels(self, *symbols: str) -> Mapping[str, Level]:
        return {}

    def second_opinion(self, instruments: Iterable[Instrument]) -> Opinion:
        raise DataUnavailable(WORDS)

    def sources(self) -> tuple[SourceState, ...]:
        return ()
