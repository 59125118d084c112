"""The live market: what every provider says, merged by written rules, each number with its source and age."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from functools import cache as once
from typing import TypeVar

import numpy as np
import structlog

from engine.data.best import best_level
from engine.data.budget import urgency
from engine.data.cache import Below, Cache
from engine.data.chain_build import Built, Market, spot_of
from engine.data.dividends import ahead
from engine.data.facts import merge_fundamentals, merge_reports
from engine.data.listening import Streaming
from engine.data.live_intraday import LiveIntraday
from engine.data.live_options import LiveOptions
from engine.data.live_shares import LiveShares
from engine.data.panel import Answers, Panel
from engine.data.past import PanelPast
from engine.data.peers import bars_trouble, intraday_trouble, price_trouble
from engine.data.providers.port import Curve, Offer
from engine.data.second import Ours, SecondSources
from engine.data.share_days import HORIZON, PANEL, WARM_UP
from engine.data.splits import on_basis_of
from engine.data.term_rates import TermRates, term_rates
from engine.errors import DataUnavailable, DeskError, NotFound
from engine.model.instruments import INDEX_ROOTS, Instrument, Option, Stock
from engine.model.market import (
    Bars,
    Chain,
    Dividend,
    Earnings,
    Fundamentals,
    IntradayBars,
    IvDay,
    Level,
    MarketSnapshot,
    Quote,
)
from engine.model.news import News
from engine.model.status import Opinion, TradingStatus
from engine.news import news_of
from engine.ports import SourceState
from engine.sessions import Sessions

log = structlog.get_logger()
T = TypeVar("T")

SHORT = 0.25
"""Years: the maturity of the one rate of a snapshot."""
REPORTS_BACK = timedelta(days=760)
"""Calendar days before today in which reports are asked for: more than eight quarters, whose moves are compared."""
REPORTS_AHEAD = timedelta(days=130)
"""The same after today: more than a quarter."""
SLOW = 8.0
"""Seconds for what is asked of one name at a time and kept for long."""
NEWS_BACK = timedelta(days=3)
INDICES = frozenset(INDEX_ROOTS.values())

History = Callable[[str, date], tuple[IvDay, ...] | None]
"""(ticker, today) -> stored volatilities of earlier sessions."""


class LiveMarket:
    """A `MarketData` over a panel of providers. Safe to share between threads.

    `universe` tells the names to scan where the desk names none; `history` what is stored of their volatility; the
    `shelf` has answers of the process before. The
    exchange inside this program reads its official closes, dividends and splits here too.
    """

    def __init__(
        self,
        panel: Panel,
        now: Callable[[], datetime],
        sessions: Sessions,
        universe: Callable[[], tuple[str, ...]],
        history: History,
        tick: Callable[[], float] = time.monotonic,
        streams: tuple[Streaming, ...] = (),
        shelf: Below | None = None,
    ) -> None:
        self.streams = streams
        """What listens for its providers; begun and ended by whoever runs the desk."""
        self._panel = panel
        self._now = now
        self._sessions = sessions
        self._universe = universe
        self._history = history
        self._cache = Cache(tick=tick, below=shelf)
        self._shares = LiveShares(panel, now, sessions, universe, tick, shelf)
        self._intraday = LiveIntraday(panel, now, sessions, universe, tick, shelf)
        self._second = SecondSources(panel, self._cache)
        self._options = LiveOptions(panel, self._cache, now, self._market_of, tick, self._shares.known)

    @property
    def name(self) -> str:
        return "live"

    @property
    def is_bounded(self) -> bool:
        return False

    def universe(self) -> tuple[str, ...]:
        """The names to scan, sorted."""
        return tuple(sorted(set(self._universe())))

    def snapshot(self, ticker: str) -> MarketSnapshot:
        """Everything known about one underlying now; chain, reports, facts and news are asked for when wanted.

        Raises:
            NotFound: no provider knows the ticker. DataUnavailable: nobody answers, or there is nothing of it now.
        """
        bars, spot = self._shares.bars(ticker), self._shares.spot(ticker)
        session = self._shares.session(ticker)
        if bars is None and spot.quote is None and session is None:
            if ticker in INDICES:
                raise DataUnavailable(f"{ticker} is an index: there are no shares to quote, only its options.")
            raise self._unknown(ticker)
        if bars is None:
            raise DataUnavailable(f"No source has the past sessions of {ticker}.")
        self._check_basis(bars, spot.quote)
        status = self._shares.statuses([ticker]).get(ticker)
        today = self._today
        return MarketSnapshot(
            ticker=ticker,
            asof=self._now(),
            today=today,
            bars=bars[-WARM_UP:],
            source=bars.source if spot.quote is None else spot.quote.source,
            spot=spot.quote,
            session=session,
            dividends=self._dividends(ticker),
            iv_history=self._history(ticker, today),
            rate=self._rate(),
            halted=status is not None and status.is_halted,
            load_chain=once(lambda: self.chain(ticker)),
            load_earnings=once(lambda: self.earnings(ticker)),
            load_fundamentals=once(lambda: self.fundamentals(ticker)),
            load_news=once(lambda: self.news(ticker)),
            load_intraday=once(lambda: self.intraday(ticker)),
            troubles=self._troubles(spot.words),
        )

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        """Quotes an order may be priced on; nothing delayed, and nothing its sources contradict each other about.

        Raises:
            DataUnavailable: nobody answers about any of them; what fails for shares does not hide options.
        """
        wanted = tuple(dict.fromkeys(instruments))
        shares = [each.ticker for each in wanted if isinstance(each, Stock)]
        options = [each for each in wanted if isinstance(each, Option)]
        found: dict[Instrument, Quote] = {}
        troubles: list[DataUnavailable] = []
        try:
            found |= {Stock(ticker): quote for ticker, quote in self._shares.order_quotes(shares).items()}
        except DataUnavailable as trouble:
            troubles.append(trouble)
        try:
            found.update(self._options.quotes(options).items())
        except DataUnavailable as trouble:
            troubles.append(trouble)
        if troubles and not found:
            raise troubles[0]
        return {each: found[each] for each in wanted if each in found}

    def chain(self, ticker: str) -> Chain | None:
        """All listed options of an underlying now, None when it has none.

        Raises:
            NotFound, DataUnavailable: as `snapshot`.
        """
        built = self.built(ticker)
        return None if built is None else built.chain

    def built(self, ticker: str) -> Built | None:
        """The chain with the count of what is not in it and the comparison with its provider's own numbers."""
        if ticker not in INDICES and self._shares.bars(ticker) is None and self._shares.spot(ticker).quote is None:
            raise self._unknown(ticker)
        return self._options.built(ticker)

    def bars(self, ticker: str, start: date, end: date) -> Bars:
        """Completed daily bars from `start` to `end` inclusive, split-adjusted to today, never later than yesterday."""
        whole = self._shares.bars(ticker)
        if whole is None:
            raise self._unknown(ticker)
        if len(whole) and np.datetime64(start, "D") < whole.day[0]:
            whole = self._shares.older_bars(ticker, start, self._today - timedelta(days=1)) or whole
        first, last = (np.datetime64(day, "D") for day in (start, min(end, self._today - timedelta(days=1))))
        return whole[int(np.searchsorted(whole.day, first)) : int(np.searchsorted(whole.day, last, side="right"))]

    def panel(self) -> Mapping[str, Bars]:
        """The last 400 completed daily bars of the whole universe."""
        return {ticker: bars[-PANEL:] for ticker, bars in self._shares.panel(self.universe()).items()}

    def statuses(self, tickers: Iterable[str]) -> Mapping[str, TradingStatus]:
        """Halts and resumptions; empty where no provider tells them."""
        return self._shares.statuses(tuple(tickers))

    def news(self, ticker: str) -> News | None:
        """Headlines of the last three days from every provider, each once, scored; None where nobody covers news."""
        return self._optional(Offer.NEWS, ticker, self._load_news)

    def earnings(self, ticker: str) -> tuple[Earnings, ...] | None:
        """Reports on both sides of today, held against each other; None where nobody covers them."""
        return self._optional(Offer.REPORTS, ticker, self._load_reports)

    def fundamentals(self, ticker: str) -> Fundamentals | None:
        """Company facts, each from the best provider that knows it; None where nobody does."""
        return self._optional(Offer.FUNDAMENTALS, ticker, self._load_fundamentals)

    def intraday(self, ticker: str) -> IntradayBars | None:
        """15-minute bars of the last 21 sessions and of today so far, of one feed; None where nobody has them now."""
        if not self._panel.offers(Offer.INTRADAY):
            return None
        try:
            found, bars = self._intraday.bars(ticker), self._shares.bars(ticker)
        except (DataUnavailable, NotFound) as trouble:
            log.warning("live.not_told", offer=Offer.INTRADAY.value, about=ticker, trouble=str(trouble))
            return None
        if found is None or bars is None:
            return None
        words = intraday_trouble(found, bars)
        if words:
            self._panel.drop(found.source.name, 1, words)
        return None if words else found

    def levels(self, *symbols: str) -> Mapping[str, Level]:
        """The latest values of indices (SPX, VIX); those nobody knows are left out."""
        if not self._panel.offers(Offer.LEVELS):
            return {}
        return self._cache.get(Offer.LEVELS, symbols, lambda: self._load_levels(symbols))

    def second_opinion(self, instruments: Iterable[Instrument]) -> Opinion:
        """What the other providers say of the history, the dividends and, where options are traded, of the chain."""
        wanted = tuple(instruments)
        ticker, is_on_options = wanted[0].underlying, any(isinstance(each, Option) for each in wanted)
        spot = self._shares.spot(ticker).quote
        return self._second.opinion(
            Ours(
                ticker,
                self._today,
                price=float("nan") if spot is None else float(spot.mid),
                bars=self._shares.bars(ticker),
                dividends=self._paid(ticker),
                chain=self._chain_now(ticker) if is_on_options else None,
            )
        )

    def sources(self) -> tuple[SourceState, ...]:
        """How every provider does, the most important first."""
        return self._panel.states()

    def official_close(self, ticker: str, day: date) -> Decimal | None:
        """The closing price of `day` as traded then; None before it is known, and while nobody tells it."""
        if day >= self._today:
            return None
        try:
            bars = self.bars(ticker, day, day)
        except (DataUnavailable, NotFound) as trouble:
            log.warning("live.no_close", ticker=ticker, day=str(day), trouble=str(trouble))
            return None
        if not len(bars):
            return None
        after = [
            float(split.ratio) for split in self._shares.splits(ticker) or () if day < split.ex_date <= self._today
        ]
        return Decimal(f"{float(bars.close[-1]) * float(np.prod(after)):.4f}")

    def dividends_on(self, day: date, tickers: Collection[str]) -> Mapping[str, Decimal]:
        """Dollars a share by ticker, as paid, for those of `tickers` that go ex on `day`.

        Raises:
            DataUnavailable: it cannot be said now.
        """
        told = ((ticker, self._shares.dividends_for_sure(ticker)) for ticker in tickers)
        return {ticker: each.amount for ticker, paid in told for each in paid or () if each.ex_date == day}

    def splits_on(self, day: date, tickers: Collection[str]) -> Mapping[str, Decimal]:
        """New shares for each old one by ticker, for those of `tickers` that split before the open of `day`.

        Raises:
            DataUnavailable: it cannot be said now.
        """
        told = ((ticker, self._shares.splits_for_sure(ticker)) for ticker in tickers)
        return {ticker: each.ratio for ticker, splits in told for each in splits or () if each.ex_date == day}

    def past(self) -> PanelPast | None:
        """What is known of past trades of options, asked for behind everybody else; None where nobody knows them."""
        knows = all(self._panel.offers(offer) for offer in (Offer.PAST_LISTINGS, Offer.OPTION_BARS))
        return PanelPast(self._panel) if knows else None

    def close(self) -> None:
        """Let go of every provider."""
        self._panel.close()

    @property
    def _today(self) -> date:
        return self._sessions.today(self._now())

    def _check_basis(self, bars: Bars, spot: Quote | None) -> None:
        """Refuse a history with a split in it: every rule would read it as a crash."""
        price = float("nan") if spot is None else float(spot.mid)
        words = bars_trouble(bars, self._shares.splits(bars.ticker) or (), self._today, price)
        if words:
            self._panel.drop(bars.source.name, 1, words)
        words = words or price_trouble(bars, price)
        if words:
            raise DataUnavailable(words)

    def _unknown(self, ticker: str) -> DeskError:
        """That nobody knows the name, or that nobody can say so while somebody who may know it does not answer."""
        troubles = self._panel.troubles(Offer.BARS)
        if troubles:
            return DataUnavailable(f"Whether there is a “{ticker}” cannot be said now. {' '.join(troubles)}")
        near = get_close_matches(ticker.upper(), self.universe(), n=1)
        return NotFound(f"“{ticker}” is not known to any source.{f' Did you mean {near[0]}?' if near else ''}")

    def _troubles(self, words: str) -> tuple[str, ...]:
        down = tuple(f"{state.name} is down: {state.trouble}" for state in self._panel.states() if not state.is_up)
        return (words, *down) if words else down

    def _market_of(self, ticker: str) -> Market:
        spot = self._level(ticker) if ticker in INDICES else self._shares.spot(ticker).quote
        dividends = self._dividends(ticker)
        last = self._today + HORIZON
        known = None if dividends is None else ahead(dividends, self._today, last)
        return Market(
            now=self._now(),
            sessions=self._sessions,
            spot=None if spot is None else spot_of(spot),
            rates=self._rates(),
            dividends=known,
        )

    def _level(self, ticker: str) -> Level | None:
        return self.levels(ticker).get(ticker)

    def _chain_now(self, ticker: str) -> Chain | None:
        """The chain, None too where there is no answer now: what is traded is quoted by itself."""
        try:
            return self.chain(ticker)
        except DataUnavailable as trouble:
            log.warning("live.no_chain", ticker=ticker, trouble=str(trouble))
            return None

    def _paid(self, ticker: str) -> tuple[Dividend, ...] | None:
        """Dividends as paid: by all sources where they have been asked, else by the first one."""
        return self._second.dividends(ticker, self._today) or self._shares.dividends(ticker)

    def _dividends(self, ticker: str) -> tuple[Dividend, ...] | None:
        paid = self._paid(ticker)
        return None if paid is None else on_basis_of(self._today, paid, self._shares.splits(ticker) or ())

    def _rate(self) -> float:
        rates = self._rates()
        return 0.0 if rates is None else rates.at(SHORT).value

    def _rates(self) -> TermRates | None:
        return term_rates(self._optional(Offer.CURVE, "", lambda _: self._curve()), self._today)

    def _curve(self) -> Curve:
        return self._panel.first(Offer.CURVE, lambda each: each.curve(), urgency()).value

    def _load_reports(self, ticker: str) -> tuple[Earnings, ...]:
        start, end = self._today - REPORTS_BACK, self._today + REPORTS_AHEAD
        answers = self._answered(
            self._panel.ask(Offer.REPORTS, lambda each: each.reports([ticker], start, end), urgency(), deadline=SLOW)
        )
        told = [answer.value[ticker] for answer in answers.given if ticker in answer.value]
        if not told:
            raise DataUnavailable(f"No source covers the reports of {ticker}.")
        return merge_reports(told, self._today)

    def _load_fundamentals(self, ticker: str) -> Fundamentals:
        answers = self._answered(
            self._panel.ask(Offer.FUNDAMENTALS, lambda each: each.fundamentals(ticker), urgency(), deadline=SLOW)
        )
        return merge_fundamentals([answer.value for answer in answers.given]).value

    def _load_levels(self, symbols: tuple[str, ...]) -> Mapping[str, Level]:
        answers = self._panel.ask(Offer.LEVELS, lambda each: each.levels(symbols), urgency())
        found = {}
        for symbol in symbols:
            given = [answer.value[symbol] for answer in answers.given if symbol in answer.value]
            best = best_level(given, self._now())
            for dropped in best.dropped:
                self._panel.drop(dropped.source.name, 1, best.words)
            if best.level is not None:
                found[symbol] = best.level
        return found

    def _load_news(self, ticker: str) -> News:
        since = self._now() - NEWS_BACK
        answers = self._answered(
            self._panel.ask(Offer.NEWS, lambda each: each.news([ticker], since), urgency(), deadline=SLOW)
        )
        return news_of(ticker, self._now(), {answer.provider: answer.value for answer in answers.given})

    @staticmethod
    def _answered(answers: Answers[T]) -> Answers[T]:
        """The answers, when there is one.

        Raises:
            NotFound: all who answered do not know the name. DataUnavailable: nobody answered.
        """
        if answers.given:
            return answers
        if answers.unknown:
            raise NotFound(f"{', '.join(answers.unknown)}: not known there.")
        raise DataUnavailable(" ".join(answers.troubles) or "Nobody answered.")

    def _optional(self, offer: Offer, key: str, load: Callable[[str], T]) -> T | None:
        """What is asked of one name at a time, kept for as long as its kind holds; None where nobody answers."""
        if not self._panel.offers(offer):
            return None
        try:
            return self._cache.get(offer, key, lambda: load(key))
        except (DataUnavailable, NotFound) as trouble:
            log.warning("live.not_told", offer=offer.value, about=key, trouble=str(trouble))
            return None
