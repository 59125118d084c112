"""Alpaca's market data on this machine: a small made world that a test can move, served on the documented paths.

Every question and every answer is held against Alpaca's own OpenAPI documents where they are there; what breaks them
is in `AlpacaDataServer.wrong`. Prices here are made up. The answers recorded from the real service are served by
`recorded`.

Source: market data OpenAPI 1.1, trading OpenAPI 2.0.1 (assets, clock, calendar).
"""

from __future__ import annotations

import base64
import json
import math
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

from engine.sessions import NEW_YORK, Sessions
from tests.shared import SHARED
from tests.standins.openapi import OpenApi
from tests.standins.provider_server import Answer, ProviderServer, Query, Route

SIP_REFUSED = {"code": 42210000, "message": "subscription does not permit querying recent SIP data"}
SYMBOL = re.compile(r"[A-Z][A-Z0-9]*(\.[A-Z]+)?")
RECENT = timedelta(minutes=15)
TRADING = re.compile(r"/v2/(assets|clock|calendar|options/contracts)\b")
SAMPLES = SHARED / "data" / "api_samples" / "alpaca"


def stamp(at: datetime) -> str:
    """An instant as Alpaca writes it: UTC, nine digits after the second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}789Z"


def midnight(day: date) -> str:
    """The time of a daily bar: midnight in New York (05:00Z in winter, 04:00Z in summer)."""
    return f"{datetime.combine(day, time(), NEW_YORK).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Share:
    """One listed name. Every price in dollars; `bars` by session, split-adjusted."""

    ticker: str
    bid: float
    ask: float
    quoted_at: datetime
    bars: dict[date, tuple[float, float, float, float, int]]
    trade: tuple[float, datetime, tuple[str, ...]] | None = None
    name: str = ""
    attributes: tuple[str, ...] = ("has_options",)
    is_tradable: bool = True
    quiet: frozenset[datetime] = frozenset()

    @property
    def last(self) -> float:
        return self.bars[max(self.bars)][3]


@dataclass
class AlpacaWorld:
    """What the stand-in knows: time, names, levels, news, corporate actions and what the keys may read.

    `feeds` are those of latest prices that the keys are entitled to; `page` cuts pages shorter than asked for.
    """

    now: datetime
    shares: dict[str, Share] = field(default_factory=dict)
    levels: dict[str, tuple[float, datetime]] = field(default_factory=dict)
    articles: list[dict[str, Any]] = field(default_factory=list)
    actions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    feeds: set[str] = field(default_factory=lambda: {"sip", "iex", "delayed_sip"})
    page: int = 10_000

    @property
    def today(self) -> date:
        return self.now.astimezone(NEW_YORK).date()

    def list(self, ticker: str, price: float = 100.0, sessions: int = 300, volume: int = 5_000_000) -> Share:
        """A name with so many sessions of gentle waves before today that end at `price`, and a quote around it."""
        calendar = Sessions()
        last = calendar.previous(self.today)
        days = calendar.between(calendar.previous(last, sessions - 1), last) if sessions > 1 else (last,)
        bars = {}
        for place, day in enumerate(reversed(days)):
            close = round(price * (1 + 0.05 * math.sin(place / 7)), 2)
            bars[day] = (round(close * 0.995, 4), round(close * 1.01, 4), round(close * 0.99, 4), close, volume)
        share = Share(ticker, round(price - 0.01, 2), round(price + 0.01, 2), self.now, bars, name=f"{ticker} Inc.")
        self.shares[ticker] = share
        return share

    def move(self, ticker: str, price: float, volume: int = 1_000_000) -> None:
        """The name trades at `price` now: quote, latest trade and today's bar follow."""
        share = self.shares[ticker]
        opened, high, low, _, _ = share.bars.get(self.today, (price, price, price, price, 0))
        share.bars[self.today] = (opened, max(high, price), min(low, price), price, volume)
        share.bid, share.ask, share.quoted_at = round(price - 0.01, 2), round(price + 0.01, 2), self.now
        share.trade = (price, self.now, ("@",))

    def write(self, headline: str, *symbols: str, at: datetime, updated: datetime | None = None) -> None:
        """An article of the made world."""
        self.articles.append(
            {
                "id": 40_000_000 + len(self.articles), "headline": headline, "author": "A. Writer",
                "created_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "updated_at": f"{updated or at:%Y-%m-%dT%H:%M:%SZ}",
                "summary": f"{headline}.", "content": "<p>Made up.</p>", "images": [], "symbols": list(symbols),
                "source": "benzinga", "url": f"https://example.com/{len(self.articles)}",
            }
        )  # fmt: skip

    def act(self, kind: str, ex_date: date, processed: date, **fields: Any) -> None:
        """A corporate action of the made world, by the plural name of its kind."""
        row = {"id": str(uuid.UUID(int=len(self.actions.get(kind, [])) + 1)), "cusip": "000000000"}
        row |= {"ex_date": str(ex_date), "process_date": str(processed)}
        self.actions.setdefault(kind, []).append(row | fields)


class AlpacaDataServer(ProviderServer):
    """The world over HTTP. `more` are further routes (options)."""

    def __init__(self, world: AlpacaWorld, more: Mapping[str, Route] | None = None) -> None:
        super().__init__(
            {
                "/v2/stocks/quotes/latest": self._quotes,
                "/v2/stocks/snapshots": self._snapshots,
                "/v2/stocks/bars": self._bars,
                "/v1beta1/indices/latest/values": self._levels,
                "/v1beta1/news": self._news,
                "/v1/corporate-actions": self._actions,
                "/v1beta1/screener/stocks/most-actives": self._most_actives,
                "/v2/assets": self._assets,
                "/v2/clock": self._clock,
                "/v2/calendar": self._calendar,
                **(more or {}),
            }
        )
        self.world = world
        self.wrong: list[str] = []

    def answer(self, path: str, query: Query) -> Answer:
        """The answer; what is wrong with it or with the question goes to `wrong`."""
        document = specification("trading-api.json" if TRADING.match(path) else "market-data-api.json")
        if document is not None:
            self.wrong += document.request("GET", path, query, None)
        refusal = self._refusal(path, query)
        if refusal is not None:
            return refusal
        status, body = super().answer(path, query)
        if document is not None and status == 200:
            self.wrong += document.answer("GET", path, status, body)
        return status, body

    def _refusal(self, path: str, query: Query) -> Answer | None:
        """What Alpaca says in place of an answer: a symbol that is none, a feed that is not paid for."""
        for symbol in asked_symbols(query) if path.startswith("/v2/stocks") else ():
            if not SYMBOL.fullmatch(symbol):
                return 400, {"message": f"invalid symbol: {symbol}"}
        feed = query.get("feed", "")
        if not path.startswith("/v2/stocks") or not feed or feed in self.world.feeds:
            return None
        is_old = "end" in query and datetime.fromisoformat(query["end"]) <= self.world.now - RECENT
        return None if is_old else (403, SIP_REFUSED)

    def _named(self, query: Query) -> dict[str, Share]:
        return {name: self.world.shares[name] for name in asked_symbols(query) if name in self.world.shares}

    def _quotes(self, query: Query) -> Answer:
        return 200, {"quotes": {name: self._quote(share, query) for name, share in self._named(query).items()}}

    def _quote(self, share: Share, query: Query) -> dict[str, Any]:
        late = RECENT if query.get("feed") == "delayed_sip" else timedelta()
        return {
            "t": stamp(share.quoted_at - late), "bx": "Q", "bp": share.bid, "bs": 200 if share.bid else 0,
            "ax": "P", "ap": share.ask, "as": 300 if share.ask else 0, "c": ["R"], "z": "C",
        }  # fmt: skip

    def _snapshots(self, query: Query) -> Answer:
        found = {}
        for name, share in self._named(query).items():
            snapshot: dict[str, Any] = {"latestQuote": self._quote(share, query)}
            for key, day in zip(("dailyBar", "prevDailyBar"), sorted(share.bars, reverse=True), strict=False):
                snapshot[key] = row(day, share.bars[day])
            if share.trade is not None:
                price, at, conditions = share.trade
                snapshot["latestTrade"] = {
                    "t": stamp(at), "x": "Q", "p": price, "s": 100, "c": list(conditions), "i": 1, "z": "C",
                }  # fmt: skip
            found[name] = snapshot
        return 200, found

    def _bars(self, query: Query) -> Answer:
        start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        rows = daily if query["timeframe"] == "1Day" else quarters
        points = [
            (name, written)
            for name, share in sorted(self._named(query).items())
            for at, written in rows(share, query["feed"])
            if start <= at <= min(end, self.world.now)
        ]
        found, token = self._page(points, query, 1000)
        bars: dict[str, list[dict[str, Any]]] = {}
        for name, bar in found:
            bars.setdefault(name, []).append(bar)
        return 200, {"bars": bars, "next_page_token": token}

    def _page(self, points: Sequence[Any], query: Query, default: int) -> tuple[Sequence[Any], str | None]:
        start = int(base64.b64decode(query.get("page_token", "")) or b"0")
        end = start + min(int(query.get("limit", default)), self.world.page)
        return points[start:end], base64.b64encode(str(end).encode()).decode() if end < len(points) else None

    def _levels(self, query: Query) -> Answer:
        known = {name: self.world.levels[name] for name in asked_symbols(query) if name in self.world.levels}
        return 200, {"values": {name: {"v": value, "t": stamp(at)} for name, (value, at) in known.items()}}

    def _news(self, query: Query) -> Answer:
        """By the last update, newest first, as documented."""
        wanted = set(asked_symbols(query))
        found = [each for each in self.world.articles if wanted & set(each["symbols"])]
        found = [each for each in found if each["updated_at"] >= query["start"]]
        found.sort(key=lambda each: each["updated_at"], reverse=query.get("sort", "desc") == "desc")
        page, token = self._page(found, query, 10)
        return 200, {"news": page, "next_page_token": token}

    def _actions(self, query: Query) -> Answer:
        """By the day they are processed, as documented."""
        wanted, kinds = set(asked_symbols(query)), {f"{kind}s" for kind in query["types"].split(",")}
        found = sorted(
            (each["process_date"], each["id"], kind, each)
            for kind in kinds
            for each in self.world.actions.get(kind, ())
            if each.get("symbol") in wanted and query["start"] <= each["process_date"] <= query["end"]
        )
        page, token = self._page(found, query, 100)
        actions: dict[str, list[dict[str, Any]]] = {}
        for _, _, kind, each in page:
            actions.setdefault(kind, []).append(each)
        return 200, {"corporate_actions": actions, "next_page_token": token}

    def _most_actives(self, query: Query) -> Answer:
        ranked = sorted(self.world.shares.values(), key=lambda share: -share.bars[max(share.bars)][4])
        rows = [
            {"symbol": share.ticker, "trade_count": 1000, "volume": share.bars[max(share.bars)][4]}
            for share in ranked[: int(query.get("top", "10"))]
        ]
        return 200, {"most_actives": rows, "last_updated": stamp(self.world.now)}

    def _assets(self, query: Query) -> Answer:
        return 200, [asset(share) for share in self.world.shares.values()]

    def _clock(self, query: Query) -> Answer:
        calendar, now = Sessions(), self.world.now
        ahead = calendar.upcoming(self.world.today, 3)
        return 200, {
            "timestamp": now.astimezone(NEW_YORK).isoformat(timespec="microseconds"),
            "is_open": calendar.is_open(now),
            "next_open": next(at for day in ahead if (at := calendar.open(day)) > now).isoformat(),
            "next_close": next(at for day in ahead if (at := calendar.close(day)) > now).isoformat(),
        }

    def _calendar(self, query: Query) -> Answer:
        calendar = Sessions()
        first, last = (date.fromisoformat(query[name][:10]) for name in ("start", "end"))
        return 200, [
            {
                "date": str(day),
                "open": f"{calendar.open(day).astimezone(NEW_YORK):%H:%M}",
                "close": f"{calendar.close(day).astimezone(NEW_YORK):%H:%M}",
                "session_open": "0400",
                "session_close": "1700" if calendar.is_early(day) else "2000",
                "settlement_date": str(calendar.next(day)),
            }
            for day in calendar.between(first, last)
        ]


def asked_symbols(query: Query) -> list[str]:
    """The symbols of a question, in their order."""
    return [name for name in query.get("symbols", "").split(",") if name]


def row(day: date, bar: tuple[float, float, float, float, int]) -> dict[str, Any]:
    """A daily bar as Alpaca writes it."""
    opened, high, low, close, volume = bar
    return {"t": midnight(day), "o": opened, "h": high, "l": low, "c": close, "v": volume, "n": 100, "vw": close}


def daily(share: Share, feed: str) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """The daily bars of a name with their times."""
    for day in sorted(share.bars):
        yield datetime.combine(day, time(), NEW_YORK), row(day, share.bars[day])


def quarters(share: Share, feed: str) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Bars of 15 minutes from 08:00 to 18:00 of every day, half-days too, at the close of the day.

    The volume of SIP is the minute of the day times a hundred, that of IEX the minute itself. `quiet` ones are missing.
    """
    for day in sorted(share.bars):
        close = share.bars[day][3]
        for minute in range(480, 1080, 15):
            at = datetime.combine(day, time(minute // 60, minute % 60), NEW_YORK)
            if at in share.quiet:
                continue
            volume = minute if feed == "iex" else minute * 100
            made = {"o": close, "h": close + 0.5, "l": close - 0.5, "c": close, "v": volume, "n": 9, "vw": close}
            yield at, {"t": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", **made}


def asset(share: Share) -> dict[str, Any]:
    """A listed name as Alpaca writes it."""
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, share.ticker)), "class": "us_equity", "exchange": "NASDAQ",
        "symbol": share.ticker, "name": share.name, "status": "active", "tradable": share.is_tradable,
        "marginable": True, "shortable": True, "easy_to_borrow": True, "fractionable": True,
        "attributes": list(share.attributes),
    }  # fmt: skip


@cache
def specification(name: str) -> OpenApi | None:
    """One of Alpaca's documents, None where it is not there."""
    path = SHARED / "specs" / name
    return OpenApi(path) if path.is_file() else None


def sample(name: str) -> Any:
    """The body of an answer recorded from the real service."""
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))["body"]


def recorded(*names: str, path: str, listed: Sequence[str] = ()) -> ProviderServer:
    """A server that answers `path` with the recorded bodies one after the other, the last one again and again.

    `listed` are the names that its made list of assets has.
    """
    bodies = [sample(name) for name in names]
    world = AlpacaWorld(datetime(2026, 11, 30, 16, tzinfo=UTC))
    assets = [asset(world.list(ticker, sessions=1)) for ticker in listed]

    def answer(query: Query) -> Answer:
        return 200, bodies.pop(0) if len(bodies) > 1 else bodies[0]

    return ProviderServer({path: answer, "/v2/assets.*": lambda query: (200, assets)})
