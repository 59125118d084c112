"""The shares of a live market: quotes, the day so far, history and corporate actions, merged from every provider.

Names of the universe that are due are asked for together, so that a scan of hundreds of them costs a few requests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TypeVar

import structlog

from engine.data.batches import Batched, Lately
from engine.data.best import NOTHING, SHARES, Best, best_quote
from engine.data.budget import Urgency, urgency
from engine.data.cache import Below
from engine.data.panel import Answers, Panel
from engine.data.peers import session_trouble
from engine.data.providers.port import Offer, Provider
from engine.errors import DataUnavailable, NotFound
from engine.model.market import Bar, Bars, Dividend, Kind, Quote, Source, Split
from engine.model.status import TradingStatus
from engine.sessions import Sessions

log = structlog.get_logger()
T = TypeVar("T")

TOGETHER = 100
"""Names in one request: as many as keep its address short enough for every server on the way."""
BARS_TOGETHER = 50
QUOTE_LIFE = 1.5
"""Seconds a quote is used again. Exits are judged every second and a stop wants two quotes ten seconds apart: asking at
every other look leaves more than half of a free allowance of 200 a minute to everybody else."""
ALONG_FOR = 10.0
"""Seconds for which what was asked for an order is asked along with others: loops that look at different names share
their requests."""
HELD_FOR = timedelta(minutes=15)
"""How long the last quote an order could be priced on is held against the next ones of the same name."""
PEERS_AGAIN = 15.0
"""Seconds until those who tell delayed quotes are asked again after they did not answer an order."""
PEER_LIFE = 60.0
"""Seconds for delayed quotes, which only tell whether a price can be true at all."""
SESSION_LIFE = 5.0
STATUS_LIFE = 15.0
ACTIONS_LIFE = 6 * 3600.0
HISTORY = timedelta(days=830)
"""Calendar days of history kept ready: the 560 sessions of a snapshot."""
ACTIONS_BACK, ACTIONS_AHEAD = HISTORY, timedelta(days=120)
ORDER_GRADE = frozenset({Kind.REAL, Kind.INDICATIVE})
"""Kinds of quotes that an order may be priced on; what else there is can only contradict them."""
FEW = 5
"""Names without bars at the best provider that the others are asked about: they may have allowances of a few a day."""
DAY = 86_400.0
QUICK = 2.0
"""Seconds a quote is waited for where a stop may be waiting."""


class LiveShares:
    """Shares of a panel of providers. Safe to share between threads.

    `universe` tells the names that are asked for along with others; on the `shelf` is the history asked for before.
    """

    def __init__(
        self,
        panel: Panel,
        now: Callable[[], datetime],
        sessions: Sessions,
        universe: Callable[[], tuple[str, ...]],
        tick: Callable[[], float] = time.monotonic,
        shelf: Below | None = None,
    ) -> None:
        self._panel = panel
        self._shelf = shelf
        self._now = now
        self._sessions = sessions
        self._universe = universe
        self._tick = tick
        self._orders: Batched[str, Best] = Batched(self._load_order_quotes, QUOTE_LIFE, TOGETHER, tick)
        self._quotes: Batched[str, Best] = Batched(self._load_quotes, SESSION_LIFE, TOGETHER, tick)
        self._peers: Batched[str, tuple[Quote, ...]] = Batched(self._load_peers, PEER_LIFE, TOGETHER, tick)
        self._sessions_so_far: Batched[str, Bar] = Batched(self._load_sessions, SESSION_LIFE, TOGETHER, tick)
        self._statuses: Batched[str, TradingStatus] = Batched(self._load_statuses, STATUS_LIFE, TOGETHER, tick)
        self._history: tuple[date, Batched[str, Bars]] | None = None
        self._turning = threading.Lock()
        self._last: dict[str, Quote] = {}
        self._wanted: Lately[str] = Lately(ALONG_FOR, tick)
        self._peers_failed = float("-inf")
        self._dividends: Batched[str, tuple[Dividend, ...]] = Batched(
            self._load_dividends, ACTIONS_LIFE, TOGETHER, tick
        )
        self._splits: Batched[str, tuple[Split, ...]] = Batched(self._load_splits, ACTIONS_LIFE, TOGETHER, tick)

    def order_quotes(self, tickers: Collection[str]) -> dict[str, Quote]:
        """Quotes an order may be priced on, by ticker; one that contradicts the others is left out."""
        if not tickers:
            return {}
        found = self._orders.get(tickers, self._wanted.add(tickers))
        return {ticker: each.quote for ticker, each in found.items() if each.quote is not None}

    def known(self, ticker: str) -> float | None:
        """The last price an order could be priced on, None where there was none lately; nobody is asked."""
        last = self._last.get(ticker)
        return None if last is None or self._now() - last.at > HELD_FOR else float(last.mid)

    def spot(self, ticker: str) -> Best:
        """The best quote there is, delayed ones included, and why there is none."""
        return self._quotes.get([ticker], self._along()).get(ticker, NOTHING)

    def session(self, ticker: str) -> Bar | None:
        """The day so far; None before the first trade of it, or where nobody tells."""
        today = self._today
        found = self._sessions_so_far.get([ticker], self._along()).get(ticker)
        return found if found is not None and found.day == today else None

    def bars(self, ticker: str) -> Bars | None:
        """Completed sessions before today, as traded today; None where nobody has any."""
        found = self._bars_of_today().get([ticker], self._along()).get(ticker)
        return None if found is None else found.before(self._today)

    def panel(self, tickers: Sequence[str]) -> dict[str, Bars]:
        """The same of many names; those nobody has bars of are left out."""
        today = self._today
        return {ticker: bars.before(today) for ticker, bars in self._bars_of_today().get(tickers).items()}

    def older_bars(self, ticker: str, start: date, end: date) -> Bars | None:
        """Bars from before the history that is kept ready; None where nobody has any."""
        answer = self._panel.first(Offer.BARS, lambda each: each.bars([ticker], start, end), urgency())
        return answer.value.get(ticker)

    def dividends(self, ticker: str) -> tuple[Dividend, ...] | None:
        """Ex-dates known today on both sides of it, as paid, oldest first; None where nobody covers them."""
        return self._told(Offer.DIVIDENDS, self._dividends, ticker)

    def splits(self, ticker: str) -> tuple[Split, ...] | None:
        """Splits known today on both sides of it, oldest first; None where nobody covers them."""
        return self._told(Offer.SPLITS, self._splits, ticker)

    def dividends_for_sure(self, ticker: str) -> tuple[Dividend, ...] | None:
        """The same as `dividends`, for whoever must not take silence for none.

        Raises:
            DataUnavailable: somebody covers them and nobody answers.
        """
        return self._asked(Offer.DIVIDENDS, self._dividends, ticker)

    def splits_for_sure(self, ticker: str) -> tuple[Split, ...] | None:
        """The same as `splits`, for whoever must not take silence for none.

        Raises:
            DataUnavailable: somebody covers them and nobody answers.
        """
        return self._asked(Offer.SPLITS, self._splits, ticker)

    def statuses(self, tickers: Collection[str]) -> dict[str, TradingStatus]:
        """Halts and resumptions; empty where nobody tells them."""
        if not tickers or not self._panel.offers(Offer.STATUSES):
            return {}
        try:
            return self._statuses.get(tickers)
        except (DataUnavailable, NotFound) as trouble:
            log.warning("live.no_statuses", trouble=str(trouble))
            return {}

    @property
    def _today(self) -> date:
        return self._sessions.today(self._now())

    def _along(self) -> tuple[str, ...]:
        """The names that are asked for along with others: what orders are about first, and so what is held."""
        return (*self._wanted.add(()), *self._universe())

    def _told(self, offer: Offer, told: Batched[str, tuple[T, ...]], ticker: str) -> tuple[T, ...] | None:
        try:
            return self._asked(offer, told, ticker)
        except DataUnavailable as trouble:
            log.warning("live.not_told", offer=offer.value, ticker=ticker, trouble=str(trouble))
            return None

    def _asked(self, offer: Offer, told: Batched[str, tuple[T, ...]], ticker: str) -> tuple[T, ...] | None:
        return told.get([ticker], self._along()).get(ticker) if self._panel.offers(offer) else None

    def _bars_of_today(self) -> Batched[str, Bars]:
        """History that ends yesterday: made anew with every day."""
        today = self._today
        with self._turning:
            if self._history is None or self._history[0] != today:
                self._history = (today, Batched(self._load_bars, DAY, BARS_TOGETHER, self._tick))
            return self._history[1]

    def _load_order_quotes(self, tickers: tuple[str, ...]) -> Mapping[str, Best]:
        """What orders may be priced on, held against what else is known and against what was taken before."""
        fit = self._panel.named(Offer.QUOTES, ORDER_GRADE)
        if not fit:
            return {}
        slow = self._due_peers(tickers)
        answers = self._panel.ask(Offer.QUOTES, _quotes(tickers), Urgency.ORDER, deadline=QUICK, among=fit | slow)
        if slow:
            self._keep_peers(tickers, answers)
        known = self._peers.peek(tickers)
        now = self._now()
        against = {ticker: (*known.get(ticker, ()), *held(self._last.get(ticker), now)) for ticker in tickers}
        of_now = replace(answers, given=tuple(each for each in answers.given if each.kind in ORDER_GRADE))
        found = self._merged(tickers, of_now, against, for_orders=True)
        self._last |= {ticker: best.quote for ticker, best in found.items() if best.quote is not None}
        return found

    def _due_peers(self, tickers: tuple[str, ...]) -> frozenset[str]:
        """Who tells delayed quotes, where nobody has asked them about these names lately."""
        if not self._peers.is_due(tickers) or self._tick() - self._peers_failed < PEERS_AGAIN:
            return frozenset()
        return self._panel.named(Offer.QUOTES, frozenset(Kind) - ORDER_GRADE)

    def _keep_peers(self, tickers: tuple[str, ...], answers: Answers[Mapping[str, Quote]]) -> None:
        delayed = tuple(each for each in answers.given if each.kind not in ORDER_GRADE)
        if delayed:
            told = replace(answers, given=delayed)
            self._peers.put({ticker: _of(told, ticker) for ticker in tickers}, tickers)
        else:
            self._peers_failed = self._tick()

    def _load_quotes(self, tickers: tuple[str, ...]) -> Mapping[str, Best]:
        answers = self._panel.ask(
            Offer.QUOTES, _quotes(tickers), urgency(), among=self._panel.named(Offer.QUOTES, ORDER_GRADE)
        )
        return self._merged(tickers, answers, self._peers.get(tickers), for_orders=False)

    def _load_peers(self, tickers: tuple[str, ...]) -> Mapping[str, tuple[Quote, ...]]:
        slow = self._panel.named(Offer.QUOTES, frozenset(Kind) - ORDER_GRADE)
        if not slow:
            return {}
        answers = self._panel.ask(Offer.QUOTES, _quotes(tickers), Urgency.BACKGROUND, among=slow)
        return {ticker: _of(answers, ticker) for ticker in tickers}

    def _merged(
        self,
        tickers: Sequence[str],
        answers: Answers[Mapping[str, Quote]],
        peers: Mapping[str, tuple[Quote, ...]],
        *,
        for_orders: bool,
    ) -> dict[str, Best]:
        if not answers.given and answers.troubles and (for_orders or not any(peers.values())):
            raise DataUnavailable(" ".join(answers.troubles))
        found = {}
        for ticker in tickers:
            quotes = (*_of(answers, ticker), *peers.get(ticker, ()))
            if not quotes:
                continue
            found[ticker] = best_quote(quotes, self._now(), SHARES, for_orders=for_orders)
            for dropped in found[ticker].dropped:
                self._panel.drop(dropped.source.name, 1, found[ticker].words)
        return found

    def _load_sessions(self, tickers: tuple[str, ...]) -> Mapping[str, Bar]:
        try:
            answer = self._panel.first(Offer.SESSIONS, lambda each: each.sessions(tickers), urgency())
        except NotFound:
            return {}
        quotes = self._quotes.peek(tickers)
        found = {}
        for ticker, session in answer.value.items():
            words = session_trouble(session, quotes.get(ticker, NOTHING).quote)
            if words:
                self._panel.drop(answer.provider, 1, f"{ticker}: {words}")
            else:
                found[ticker] = session
        return found

    def _load_bars(self, tickers: tuple[str, ...]) -> Mapping[str, Bars]:
        """History from the shelf, and of those that are not there from the providers."""
        if self._shelf is None:
            return self._ask_bars(tickers)
        kept = {ticker: found[0] for ticker in tickers if (found := self._shelf.get(Offer.BARS, ticker)) is not None}
        rest = tuple(ticker for ticker in tickers if ticker not in kept)
        asked = self._ask_bars(rest) if rest else {}
        for ticker, bars in asked.items():
            self._shelf.put(Offer.BARS, ticker, bars, 0.0)
        return {**kept, **asked}

    def _ask_bars(self, tickers: tuple[str, ...]) -> Mapping[str, Bars]:
        today = self._today
        start, end = today - HISTORY, today - timedelta(days=1)
        found = dict(self._known(Offer.BARS, lambda each: each.bars(tickers, start, end)))
        missing = [ticker for ticker in tickers if ticker not in found]
        if 0 < len(missing) <= FEW:
            others = self._panel.ask(Offer.BARS, lambda each: each.bars(missing, start, end), urgency())
            for answer in reversed(others.given):
                found |= answer.value
        return found

    def _load_dividends(self, tickers: tuple[str, ...]) -> Mapping[str, tuple[Dividend, ...]]:
        start, end = self._today - ACTIONS_BACK, self._today + ACTIONS_AHEAD
        return self._known(Offer.DIVIDENDS, lambda each: each.dividends(tickers, start, end))

    def _load_splits(self, tickers: tuple[str, ...]) -> Mapping[str, tuple[Split, ...]]:
        start, end = self._today - ACTIONS_BACK, self._today + ACTIONS_AHEAD
        return self._known(Offer.SPLITS, lambda each: each.splits(tickers, start, end))

    def _known(self, offer: Offer, call: Callable[[Provider], Mapping[str, T]]) -> Mapping[str, T]:
        """What the best provider says; nothing where it knows none of the names and no other one does."""
        try:
            return self._panel.first(offer, call, urgency()).value
        except NotFound:
            return {}

    def _load_statuses(self, tickers: tuple[str, ...]) -> Mapping[str, TradingStatus]:
        return self._panel.first(
            Offer.STATUSES, lambda each: each.statuses(tickers), Urgency.ORDER, deadline=QUICK
        ).value


def held(last: Quote | None, now: datetime) -> tuple[Quote, ...]:
    """The quote taken before, as one that may contradict the next and is taken by nobody."""
    if last is None or now - last.at > HELD_FOR:
        return ()
    return (replace(last, source=Source(f"last {last.source.name}", Kind.DELAYED)),)


def _quotes(tickers: Sequence[str]) -> Callable[[Provider], Mapping[str, Quote]]:
    return lambda provider: provider.quotes(tickers)


def _of(answers: Answers[Mapping[str, Quote]], ticker: str) -> tuple[Quote, ...]:
    return tuple(answer.value[ticker] for answer in answers.given if ticker in answer.value)
