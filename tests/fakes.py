"""Fakes at the ports: a market set by hand, a clock that moves when told, ids that count."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count

from engine.errors import DataUnavailable, NotFound
from engine.model.instruments import Instrument
from engine.model.market import Bars, Chain, Level, MarketSnapshot, Quote
from engine.model.news import News
from engine.model.status import Opinion, TradingStatus
from engine.ports import SourceState
from tests import make


class FakeClock:
    """Aware UTC that stands still until `advance` or `set`; call it for the time."""

    def __init__(self, now: datetime = make.NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float = 0, **more: float) -> datetime:
        """Move on by seconds, or `minutes=`, `hours=`, `days=`."""
        self.now += timedelta(seconds=seconds, **more)
        return self.now

    def set(self, now: datetime) -> datetime:
        self.now = now
        return self.now


def ids() -> Callable[[str], str]:
    """An id maker: `A00001`, `A00002`, `P00003` ... one counter over all prefixes."""
    numbers = count(1)
    return lambda prefix: f"{prefix}{next(numbers):05d}"


class FakeMarket:
    """A `MarketData` that says what it was told. Quotes are stamped with the clock when they are set."""

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        self._clock = clock or FakeClock()
        self._quotes: dict[Instrument, Quote] = {}
        self._snapshots: dict[str, MarketSnapshot] = {}
        self._bars: dict[str, Bars] = {}
        self._statuses: dict[str, TradingStatus] = {}
        self._levels: dict[str, Level] = {}
        self.states: tuple[SourceState, ...] = ()
        self.opinions: dict[str, Opinion] = {}
        """What other sources say, by ticker; nothing where it is not told."""
        self.asked: list[tuple[Instrument, ...]] = []
        """The instruments of every `quotes` call, in order."""

    @property
    def name(self) -> str:
        return "fake"

    def set_quote(
        self, instrument: Instrument, bid: make.Money, ask: make.Money, size: int = 0, ask_size: int | None = None
    ) -> Quote:
        """A fresh quote, with `size` on both sides unless `ask_size` says otherwise."""
        quote = make.quote(instrument, bid, ask, self._clock(), size, size if ask_size is None else ask_size)
        self._quotes[instrument] = quote
        return quote

    def put_quote(self, quote: Quote) -> None:
        """A quote as it is, with a time of its own."""
        self._quotes[quote.instrument] = quote

    def drop_quote(self, instrument: Instrument) -> None:
        self._quotes.pop(instrument, None)

    def set_snapshot(self, snapshot: MarketSnapshot) -> None:
        """The snapshot of its ticker, its spot and its chain's contracts as quotes, and its bars."""
        self._snapshots[snapshot.ticker] = snapshot
        self._bars[snapshot.ticker] = snapshot.bars
        if snapshot.spot is not None:
            self.put_quote(snapshot.spot)
        chain = snapshot.chain
        for row in chain.contracts() if chain is not None else ():
            self.put_quote(make.quote(row.option, row.bid, row.ask, snapshot.asof, row.bid_size, row.ask_size))

    def set_bars(self, bars: Bars) -> None:
        self._bars[bars.ticker] = bars

    @property
    def is_bounded(self) -> bool:
        return True

    def universe(self) -> tuple[str, ...]:
        return tuple(sorted(self._snapshots))

    def snapshot(self, ticker: str) -> MarketSnapshot:
        if ticker not in self._snapshots:
            raise NotFound(f"{ticker} is not known here.")
        return self._snapshots[ticker]

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        wanted = tuple(instruments)
        self.asked.append(wanted)
        return {instrument: self._quotes[instrument] for instrument in wanted if instrument in self._quotes}

    def chain(self, ticker: str) -> Chain | None:
        return self.snapshot(ticker).chain

    def bars(self, ticker: str, start: date, end: date) -> Bars:
        if ticker not in self._bars:
            raise DataUnavailable(f"No bars of {ticker} here.")
        return self._bars[ticker].before(end + timedelta(days=1))[_first(self._bars[ticker], start) :]

    def panel(self) -> Mapping[str, Bars]:
        return dict(self._bars)

    def set_status(self, status: TradingStatus) -> None:
        """Halt or resume a name; without this its status is not known."""
        self._statuses[status.ticker] = status

    def statuses(self, tickers: Iterable[str]) -> Mapping[str, TradingStatus]:
        return {ticker: self._statuses[ticker] for ticker in tickers if ticker in self._statuses}

    def news(self, ticker: str) -> News | None:
        return self.snapshot(ticker).news

    def set_level(self, symbol: str, value: float) -> None:
        """An index at `value` now; without this its level is not known."""
        self._levels[symbol] = Level(symbol, value, self._clock(), make.QUOTED)

    def levels(self, *symbols: str) -> Mapping[str, Level]:
        return {symbol: self._levels[symbol] for symbol in symbols if symbol in self._levels}

    def second_opinion(self, instruments: Iterable[Instrument]) -> Opinion:
        return self.opinions.get(next(iter(instruments)).underlying, Opinion())

    def sources(self) -> tuple[SourceState, ...]:
        return self.states


def _first(bars: Bars, start: date) -> int:
    return len(bars.before(start))


class FakeActions:
    """Official closes, dividends and splits, told by hand."""

    def __init__(self) -> None:
        self.closes: dict[tuple[str, date], Decimal] = {}
        self.dividends: dict[date, dict[str, Decimal]] = {}
        self.splits: dict[date, dict[str, Decimal]] = {}
        self.trouble: DataUnavailable | None = None
        self.asked: list[tuple[str, ...]] = []
        """The names of every question about dividends."""

    def official_close(self, ticker: str, day: date) -> Decimal | None:
        return self.closes.get((ticker, day))

    def dividends_on(self, day: date, tickers: Collection[str]) -> Mapping[str, Decimal]:
        self.asked.append(tuple(tickers))
        if self.trouble is not None:
            raise self.trouble
        return self.dividends.get(day, {})

    def splits_on(self, day: date, tickers: Collection[str]) -> Mapping[str, Decimal]:
        del tickers
        return self.splits.get(day, {})


class MemoryJournal:
    """A journal that outlives the exchange that wrote it, as a table would. Rows are replaced by kind and key."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], str] = {}

    def read(self) -> Iterable[tuple[str, str, str]]:
        return [(kind, key, body) for (kind, key), body in self.rows.items()]

    def write(self, kind: str, key: str, body: str) -> None:
        self.write_many([(kind, key, body)])

    def write_many(self, rows: Iterable[tuple[str, str, str]]) -> None:
        self.rows.update({(kind, key): body for kind, key, body in rows})
