"""A market of recorded days: what could be known at an instant of the past, and nothing later.

Bars end yesterday. Today's prices follow recorded minutes, or a path bridged through the day's bar
(`engine.data.path`). Option chains are the recorded ones where the folder has them at or before the instant, else
modelled and labelled so. Prices are as traded on the day: splits that came later are taken out again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, partial

import numpy as np

from engine.data.folder import RecordedFolder
from engine.data.option_days import OptionDays
from engine.data.rates import Rate
from engine.data.recorded_quarters import RecordedQuarters
from engine.data.share_days import PANEL, ShareDay, ShareDays
from engine.errors import DataError, NotFound
from engine.model.instruments import Instrument, Option
from engine.model.market import Bars, Chain, Kind, Level, MarketSnapshot, Quote, Source
from engine.model.news import News
from engine.model.status import Opinion, TradingStatus
from engine.ports import SourceState
from engine.sessions import Sessions

RECORDED = Source("replay", Kind.RECORDED)


class ReplayMarket:
    """A `MarketData` over a recorded folder, as of `now()`.

    Shares are quoted at any time (before today's opening bell: the last close, with that age), options only from the
    bell on. A ticker without a bar today is not in the universe. The paper exchange reads its official closes,
    dividends and splits here too.
    """

    def __init__(
        self,
        folder: RecordedFolder,
        now: Callable[[], datetime],
        sessions: Sessions,
        universe: tuple[str, ...] = (),
    ) -> None:
        """A market of `universe`, or of everything tradable in the folder.

        Raises:
            NotFound: the universe names a ticker the folder does not have.
        """
        self._folder = folder
        self._now = now
        self._sessions = sessions
        self._shares = ShareDays(folder, sessions)
        self._options = OptionDays(folder.chains, sessions)
        self._quarters = RecordedQuarters(folder, sessions)
        self._recordings = folder.recordings
        every = (self._shares.series(ticker) for ticker in universe or folder.series if self._has_bars(ticker))
        self._tradable = tuple(sorted({series.ticker for series in every if not series.is_index}))
        self._wanted = frozenset(universe)
        self._listed: tuple[date, tuple[str, ...]] = (date.min, ())
        self._rates: tuple[date, float] = (date.min, 0.0)
        self._quoted: tuple[datetime | None, dict[Instrument, Quote | None]] = (None, {})
        self._seen: tuple[datetime | None, dict[str, MarketSnapshot]] = (None, {})

    @property
    def name(self) -> str:
        return "replay"

    @property
    def is_bounded(self) -> bool:
        return True

    def sessions_covered(self) -> tuple[date, ...]:
        """Every recorded trading day, oldest first."""
        return self._folder.sessions

    def universe(self) -> tuple[str, ...]:
        """The tickers with a bar on today's session, or on the last one where there is none today; sorted."""
        today = self._today
        if self._listed[0] != today:
            day = today if self._sessions.is_session(today) else self._sessions.previous(today)
            series = self._folder.series
            listed = {name for name in self._tradable if series[name].row(day) is not None}
            recorded = self._recordings.tickers(today)
            listed |= recorded & self._wanted if self._wanted else recorded
            self._listed = (today, tuple(sorted(listed)))
        return self._listed[1]

    def snapshot(self, ticker: str) -> MarketSnapshot:
        """Everything known about one underlying now, made once an instant; its chain is made when asked for.

        Raises:
            NotFound: the ticker is unknown here (the message suggests the nearest).
            DataUnavailable: it has no bar today, or is an index.
        """
        now = self._now()
        at, seen = self._seen
        if at != now:
            seen = {}
            self._seen = (now, seen)
        if ticker not in seen:
            seen[ticker] = self._snapshot(ticker, now)
        return seen[ticker]

    def _snapshot(self, ticker: str, now: datetime) -> MarketSnapshot:
        recorded = self._recordings.snapshot(ticker, now)
        if recorded is not None:
            return recorded
        day = self._shares.day(ticker, self._sessions.today(now))
        rate = self._rate(day.today)
        return MarketSnapshot(
            ticker=ticker,
            asof=now,
            today=day.today,
            bars=day.bars,
            source=RECORDED,
            spot=day.quote(now),
            session=day.session(now),
            dividends=day.dividends,
            load_earnings=lambda: day.earnings,
            rate=rate,
            load_chain=partial(self._options.chain, day, now, rate),
            load_intraday=partial(self._quarters.bars, ticker, day.today, now),
        )

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        """Quotes now; what has no bar today, has expired or quotes only from the opening bell on is left out."""
        now = self._now()
        at, known = self._quoted
        if at != now:
            known = {}
            self._quoted = (now, known)
        wanted = tuple(instruments)
        known.update(self._quotes([item for item in dict.fromkeys(wanted) if item not in known], now))
        return {item: quote for item in wanted if (quote := known[item]) is not None}

    def _quotes(self, instruments: Iterable[Instrument], now: datetime) -> dict[Instrument, Quote | None]:
        found: dict[Instrument, Quote | None] = {}
        unrecorded: dict[str, list[Option]] = {}
        for instrument in instruments:
            found[instrument] = self._own_quote(instrument, now)
            if found[instrument] is None and isinstance(instrument, Option):
                unrecorded.setdefault(instrument.underlying, []).append(instrument)
        for ticker, options in unrecorded.items():
            found.update({quote.instrument: quote for quote in self._modelled_quotes(ticker, options, now)})
        return found

    def chain(self, ticker: str) -> Chain | None:
        """All listed options of an underlying now, recorded or modelled; None where there is neither.

        A recorded chain is shown for a ticker without bars too.

        Raises:
            NotFound, DataUnavailable: as `snapshot`.
        """
        now = self._now()
        noted = self._recordings.chain(ticker, now)
        if noted is not None:
            return noted
        today = self._sessions.today(now)
        if ticker in self._folder.chains.underlyings and self._day(ticker, today) is None:
            recorded = self._options.recorded_chain(ticker, now, self._rate(today))
            if recorded is not None:
                return recorded
        return self.snapshot(ticker).chain

    def bars(self, ticker: str, start: date, end: date) -> Bars:
        """Completed daily bars from `start` to `end` inclusive in today's shares, never later than yesterday.

        Indices (^VIX) have bars too.

        Raises:
            NotFound: the ticker is unknown here.
        """
        today = self._today
        whole = self._shares.bars(ticker, today)
        first, last = (np.datetime64(day, "D") for day in (start, min(end, today - timedelta(days=1))))
        return whole[int(np.searchsorted(whole.day, first)) : int(np.searchsorted(whole.day, last, side="right"))]

    def panel(self) -> Mapping[str, Bars]:
        """The last 400 completed daily bars of the whole universe, in today's shares."""
        found = ((ticker, self._completed(ticker)) for ticker in self.universe())
        return {ticker: bars[-PANEL:] for ticker, bars in found if bars is not None}

    def statuses(self, tickers: Iterable[str]) -> Mapping[str, TradingStatus]:
        """Those recorded of live prices; other recorded days do not say which names were halted."""
        now = self._now()
        known = {ticker: self._recordings.status(ticker, now) for ticker in tickers}
        return {ticker: status for ticker, status in known.items() if status is not None}

    def news(self, ticker: str) -> News | None:
        """Those recorded of live prices; other recorded headlines say no instant at which they could be read."""
        return self._recordings.news(ticker, self._now())

    def levels(self, *symbols: str) -> Mapping[str, Level]:
        """What was recorded of live values today, else, of indices with bars of their own (^VIX), the close of the
        last session before today."""
        told = self._recordings.levels(symbols, self._now())
        found = ((symbol, told[symbol] if symbol in told else self._level(symbol)) for symbol in symbols)
        return {symbol: level for symbol, level in found if level is not None}

    def _level(self, symbol: str) -> Level | None:
        if f"^{symbol}" not in self._folder.series:
            return None
        bars = self._shares.bars(f"^{symbol}", self._today).before(self._today)
        if not len(bars):
            return None
        last = bars.bar(-1)
        return Level(symbol, last.close, self._sessions.close(last.day), RECORDED)

    def second_opinion(self, instruments: Iterable[Instrument]) -> Opinion:
        """None: recorded days are compared when they are recorded."""
        return Opinion()

    def sources(self) -> tuple[SourceState, ...]:
        """None: a folder is always there."""
        return ()

    def rate(self) -> Rate | None:
        """Today's short rate and who says so; None, and 0 in the snapshots, where nothing covers today."""
        return self._folder.rates.on(self._today)

    def dividend_source(self, ticker: str) -> Source | None:
        """Where the dividends of a ticker come from, None where nothing covers it."""
        known = self._folder.payouts.get(ticker)
        return None if known is None else known.source

    def official_close(self, ticker: str, day: date) -> Decimal | None:
        """The closing price of `day` as traded then; None before that close or without a bar."""
        series = self._folder.series.get(ticker)
        if series is None or not self._sessions.is_session(day) or self._now() < self._sessions.close(day):
            return None
        row = series.row(day)
        if row is None:
            return None
        return Decimal(f"{series.as_traded(self._folder.splits.get(ticker, ()), row):.4f}")

    def dividends_on(self, day: date, tickers: Collection[str] = ()) -> Mapping[str, Decimal]:
        """Dollars a share by ticker (all of them), as paid, for those that go ex on `day`; empty for days to come."""
        del tickers
        return self._dividends_by_day.get(day, {}) if day <= self._today else {}

    def splits_on(self, day: date, tickers: Collection[str] = ()) -> Mapping[str, Decimal]:
        """New shares for each old one by ticker (all), from the open of `day` on; empty for days to come."""
        del tickers
        return self._splits_by_day.get(day, {}) if day <= self._today else {}

    @property
    def _today(self) -> date:
        return self._sessions.today(self._now())

    def _rate(self, today: date) -> float:
        if self._rates[0] != today:
            known = self._folder.rates.on(today)
            self._rates = (today, 0.0 if known is None else known.value)
        return self._rates[1]

    def _day(self, ticker: str, today: date) -> ShareDay | None:
        """The ticker's day, None where a question about it has no answer."""
        try:
            return self._shares.day(ticker, today)
        except (DataError, NotFound):
            return None

    def _has_bars(self, ticker: str) -> bool:
        """Whether a name has bars; of one that was recorded without, only what was recorded is known."""
        return ticker in self._folder.series or ticker not in self._recordings.names

    def _own_quote(self, instrument: Instrument, now: datetime) -> Quote | None:
        noted = self._recorded_quote(instrument, now)
        if noted is not None:
            return noted
        if isinstance(instrument, Option):
            return self._options.recorded_quote(instrument, now)
        day = self._day(instrument.ticker, self._sessions.today(now))
        return None if day is None else day.quote(now)

    def _recorded_quote(self, instrument: Instrument, now: datetime) -> Quote | None:
        """The latest of what was recorded of live prices today: a quote of its own, else the one in a snapshot or chain
        of its name."""
        found = [self._recordings.quote(instrument, now)]
        if isinstance(instrument, Option):
            found.append(_in_chain(self._recordings.chain(instrument.underlying, now), instrument))
        else:
            found.append(self._recorded_spot(instrument.ticker, now))
        known = [quote for quote in found if quote is not None]
        return max(known, key=lambda quote: quote.at, default=None)

    def _recorded_spot(self, ticker: str, now: datetime) -> Quote | None:
        seen = self._recorded_snapshot(ticker, now)
        return None if seen is None else seen.spot

    def _recorded_snapshot(self, ticker: str, now: datetime) -> MarketSnapshot | None:
        """What was recorded of live prices, None too where the name had no answer then."""
        try:
            return self._recordings.snapshot(ticker, now)
        except (DataError, NotFound):
            return None

    def _completed(self, ticker: str) -> Bars | None:
        """The bars before today, None for a name that was recorded without an answer."""
        now = self._now()
        seen = self._recorded_snapshot(ticker, now)
        if seen is not None:
            return seen.bars
        day = self._day(ticker, self._sessions.today(now))
        return None if day is None else day.bars

    def _modelled_quotes(self, ticker: str, options: list[Option], now: datetime) -> tuple[Quote, ...]:
        today = self._sessions.today(now)
        day = self._day(ticker, today)
        return () if day is None else self._options.modelled_quotes(options, day, now, self._rate(today))

    @cached_property
    def _dividends_by_day(self) -> Mapping[date, Mapping[str, Decimal]]:
        found: dict[date, dict[str, Decimal]] = {}
        for ticker, known in self._folder.payouts.items():
            for dividend in known.dividends:
                found.setdefault(dividend.ex_date, {})[ticker] = dividend.amount
        return found

    @cached_property
    def _splits_by_day(self) -> Mapping[date, Mapping[str, Decimal]]:
        found: dict[date, dict[str, Decimal]] = {}
        for ticker in self._folder.series:
            for split in self._folder.splits.get(ticker, ()):
                found.setdefault(split.ex_date, {})[ticker] = split.ratio
        return found


def _in_chain(chain: Chain | None, option: Option) -> Quote | None:
    """The quote of one contract in a chain, at the chain's time."""
    contract = None if chain is None else chain.find(option)
    if chain is None or contract is None or contract.ask <= 0:
        return None
    sizes = contract.bid_size, contract.ask_size
    return Quote(option, contract.bid, contract.ask, chain.asof, chain.source, *sizes)
