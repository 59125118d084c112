"""Prices of shares at Alpaca: quotes, the day so far and daily bars, on the best feed that the keys may read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import numpy as np

from engine.data.intraday_rows import LATE, Timed, session_bars, timed
from engine.data.providers.alpaca_client import NAME, READ, AlpacaClient, Payload
from engine.data.providers.alpaca_feed import Feed
from engine.data.providers.alpaca_values import by_symbol, needed
from engine.data.providers.reader import invalid
from engine.model.instruments import Stock
from engine.model.market import Bar, Bars, IntradayBars, Kind, Quote, Source
from engine.sessions import NEW_YORK, Sessions

SOURCES = {
    "sip": Source(NAME),
    "iex": Source(f"{NAME} iex"),
    "delayed_sip": Source(NAME, Kind.DELAYED),
}
"""Feed -> source. IEX is real, but one exchange of many: two or three per cent of the volume."""
LATEST = ("sip", "iex")
DELAY = timedelta(minutes=16)
"""SIP data older than 15 minutes is everybody's (docs.alpaca.markets/docs/market-data-faq); a minute for the clocks."""
PAGE = "10000"
REGULAR = frozenset({"", " ", "@", "E", "F"})
"""Conditions of a trade that moves the last price: regular, automatic, intermarket sweep; odd lots (I) and trades
outside the session (T, U) do not (UTP and CTA specifications, sale condition matrix)."""


class AlpacaShares:
    """Questions about shares. `feed` is the configured feed of latest prices, empty for the best the keys give."""

    def __init__(
        self, client: AlpacaClient, clock: Callable[[], datetime], feed: str, tick: Callable[[], float]
    ) -> None:
        self._client = client
        self._clock = clock
        self._latest = Feed(feed, LATEST, tick)
        self._history = Feed("", LATEST, tick)
        self._sessions = Sessions()

    @property
    def feed(self) -> str:
        """The feed of the latest prices now."""
        return self._latest.name

    @property
    def kind(self) -> Kind:
        """What kind of number the latest prices are now."""
        return SOURCES[self._latest.name].kind

    def quotes(self, tickers: Sequence[str]) -> dict[str, Quote]:
        """The latest two-sided quotes; 0 at Alpaca means that nobody bids or offers."""
        return self._latest.ask(lambda feed: self._quotes(tickers, feed))

    def sessions(self, tickers: Sequence[str]) -> dict[str, Bar]:
        """Today's bar so far; a name that has not traded today has none."""
        return self._latest.ask(lambda feed: self._so_far(tickers, feed))

    def bars(self, tickers: Sequence[str], start: date, end: date) -> dict[str, Bars]:
        """Daily bars of sessions that are over, always of all exchanges where the keys allow it."""
        last = min(midnight(end + timedelta(days=1)) - timedelta(seconds=1), self._clock() - DELAY)
        if last < midnight(start):
            return {}
        return self._history.ask(lambda feed: self._bars(tickers, midnight(start), last, feed))

    def intraday(self, tickers: Sequence[str], start: date, minutes: int) -> dict[str, IntradayBars]:
        """Bars of regular sessions, past and of today, all on the feed of the latest prices.

        The past of all exchanges would be everybody's, too, but its volumes say nothing beside those of one exchange:
        free keys read IEX for both.
        """
        return self._latest.ask(lambda feed: self._intraday(tickers, start, minutes, feed))

    def _quotes(self, tickers: Sequence[str], feed: str) -> dict[str, Quote]:
        found: dict[str, Quote] = {}
        for page in self._client.about("/v2/stocks/quotes/latest", tickers, {"feed": feed}):
            entries = READ.mapping("quotes", page.get("quotes"))
            found |= by_symbol(entries, tickers, lambda name, row: quote(name, row, SOURCES[feed]))
        return found

    def _so_far(self, tickers: Sequence[str], feed: str) -> dict[str, Bar]:
        today = self._sessions.today(self._clock())
        found: dict[str, Bar] = {}
        for page in self._client.about("/v2/stocks/snapshots", tickers, {"feed": feed}):
            found |= by_symbol(page, tickers, lambda _, row: session(row, today, feed))
        return found

    def _bars(self, tickers: Sequence[str], start: datetime, end: datetime, feed: str) -> dict[str, Bars]:
        whole = self._rows(tickers, "1Day", start, end, feed)
        return by_symbol(whole, tickers, lambda name, entry: self._columns(name, entry["bars"], feed))

    def _intraday(self, tickers: Sequence[str], start: date, minutes: int, feed: str) -> dict[str, IntradayBars]:
        """`delayed_sip` is a feed of latest prices only; of the past it is SIP up to a quarter of an hour ago."""
        is_late = feed == "delayed_sip"
        now = self._clock()
        end, over = (now - DELAY, now - DELAY) if is_late else (now, now - LATE)
        begin = self._sessions.open(start) if self._sessions.is_session(start) else midnight(start)
        if over <= begin:
            return {}
        whole = self._rows(tickers, f"{minutes}Min", begin, end, "sip" if is_late else feed)

        def read(name: str, entry: Payload) -> IntradayBars | None:
            rows = READ.each("bars", entry["bars"], _timed)
            return session_bars(name, minutes, rows, SOURCES[feed], over, self._sessions)

        return by_symbol(whole, tickers, read)

    def _rows(
        self, tickers: Sequence[str], timeframe: str, start: datetime, end: datetime, feed: str
    ) -> dict[str, Payload]:
        """The rows of bars by symbol, of all pages."""
        question = {
            "timeframe": timeframe, "adjustment": "split", "feed": feed, "limit": PAGE,
            "start": written(start), "end": written(end),
        }  # fmt: skip
        rows: dict[str, list[object]] = {}
        for page in self._client.about("/v2/stocks/bars", tickers, question):
            for name, entries in READ.mapping("bars", page.get("bars") or {}).items():
                rows.setdefault(name, []).extend(READ.rows("bars", entries))
        return {name: {"bars": entries} for name, entries in rows.items()}

    def _columns(self, ticker: str, entries: list[object], feed: str) -> Bars | None:
        bars = READ.each("bars", entries, lambda row: bar(row, day_of(row), feed))
        return finished(ticker, bars, SOURCES[feed], self._clock() - DELAY, self._sessions)


def finished(ticker: str, bars: Iterable[Bar], source: Source, before: datetime, sessions: Sessions) -> Bars | None:
    """The bars of one symbol by day; a session that was not over at `before` is not among them."""
    today = sessions.today(before)
    is_over = sessions.is_session(today) and sessions.close(today) <= before
    by_day = {each.day: each for each in bars if each.day < today or (each.day == today and is_over)}
    rows = [by_day[day] for day in sorted(by_day)]
    if not rows:
        return None
    columns = {
        name: np.array([getattr(row, name) for row in rows], dtype=float)  # None becomes NaN
        for name in ("open", "high", "low", "close", "volume")
    }
    return Bars(ticker, np.array([row.day for row in rows], dtype="datetime64[D]"), **columns, source=source)


def quote(ticker: str, row: Payload, source: Source) -> Quote | None:
    """A latest quote, None when one side of it is empty."""
    bid, ask = (READ.money(field, row.get(field)) for field in ("bp", "ap"))
    if bid is None or ask is None:
        return None
    sizes = (int(READ.positive(field, row.get(field)) or 0) for field in ("bs", "as"))
    return Quote(Stock(ticker), bid, ask, needed(row, "t", READ.instant), source, *sizes)


def session(snapshot: Payload, today: date, feed: str) -> Bar | None:
    """Today's bar of a snapshot, with the price of the latest regular trade; None while there is none of today.

    After midnight and before the first trade `dailyBar` is still that of the session before.
    """
    row = snapshot.get("dailyBar")
    if row is None or day_of(READ.mapping("dailyBar", row)) != today:
        return None
    so_far = bar(row, today, feed)
    last = _last(snapshot, today)
    if last is None:
        return so_far
    return replace(so_far, high=max(so_far.high, last), low=min(so_far.low, last), close=last)


def bar(row: Payload, day: date, feed: str) -> Bar:
    """A bar. The volume of one exchange is not the day's: on `iex` it is not known.

    Raises:
        DataInvalid: a price is missing or not above zero, or the high is below another one.
    """
    opened, high, low, closed = prices = [needed(row, field, READ.number) for field in ("o", "h", "l", "c")]
    if low <= 0 or high < max(prices) or low > min(prices):
        raise invalid(NAME, f"bar of {day}", prices)
    return Bar(day, opened, high, low, closed, None if feed == "iex" else READ.number("v", row.get("v")))


def _timed(row: Payload) -> Timed | None:
    """An intraday bar. Its volume is that of its feed, of which all the others are, too."""
    at = needed(row, "t", READ.instant)
    return timed(at, bar(row, at.date(), "sip"))


def day_of(row: Payload) -> date:
    """The session of a daily bar, whose time is midnight in New York.

    Raises:
        DataInvalid: it is another time, so that nobody can tell which day is meant.
    """
    return _session_of(str(row.get("t")))


@lru_cache(maxsize=8192)
def _session_of(written: str) -> date:
    local = needed({"t": written}, "t", READ.instant).astimezone(NEW_YORK)
    if local.time() != time():
        raise invalid(NAME, "t of a daily bar", written)
    return local.date()


def _last(snapshot: Payload, today: date) -> float | None:
    """The price of the latest trade where it is of today's session and moves the last price."""
    row = snapshot.get("latestTrade")
    if row is None:
        return None
    trade = READ.mapping("latestTrade", row)
    is_regular = set(trade.get("c") or ()) <= REGULAR
    if not is_regular or needed(trade, "t", READ.instant).astimezone(NEW_YORK).date() != today:
        return None
    return READ.positive("p", trade.get("p"))


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), NEW_YORK)


def written(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
