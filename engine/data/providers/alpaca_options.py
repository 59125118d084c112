"""Options at Alpaca: listed contracts, whole chains, quotes and daily bars, on the best feed that the keys may read.

`opra` is the consolidated feed; `indicative` is free, its quotes are not the market's and its trades are late (market
data OpenAPI 1.1, `option_feed`). Which index options there are is asked, never assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.data.providers.alpaca_client import NAME, READ, AlpacaClient, Params, Payload
from engine.data.providers.alpaca_feed import Feed
from engine.data.providers.alpaca_option_columns import listings, past_listings, raw_chain
from engine.data.providers.alpaca_shares import DELAY, PAGE, bar, day_of, finished, midnight, written
from engine.data.providers.alpaca_values import by_symbol, needed
from engine.data.providers.port import Listings, RawChain
from engine.data.providers.reader import invalid
from engine.data.providers.trouble import NotOffered
from engine.model.instruments import INDEX_ROOTS, Option
from engine.model.market import Bars, Kind, Quote, Source
from engine.sessions import Sessions

SOURCES = {"opra": Source(NAME), "indicative": Source(NAME, Kind.INDICATIVE)}
FEEDS = ("opra", "indicative")
SYMBOLS = 100
"""Contracts in one question (market data OpenAPI 1.1, `symbols`)."""
SNAPSHOTS = "1000"
"""Snapshots in one answer, the most there can be."""
MOST_PAGES = 100
"""Four times the contracts of the largest class: an answer that goes on longer goes round."""
FARTHEST = timedelta(days=3653)
"""Contracts are asked for this far ahead. Without an end Alpaca lists those of the coming weekend alone."""


class AlpacaOptions:
    """Questions about options. `feed` is the configured one of latest prices, empty for the best the keys give."""

    def __init__(
        self, client: AlpacaClient, clock: Callable[[], datetime], feed: str, tick: Callable[[], float]
    ) -> None:
        self._client = client
        self._clock = clock
        self._feed = Feed(feed, FEEDS, tick)
        self._sessions = Sessions()

    @property
    def feed(self) -> str:
        """The feed of the latest prices now."""
        return self._feed.name

    @property
    def kind(self) -> Kind:
        """What kind of number the latest prices are now."""
        return SOURCES[self._feed.name].kind

    def chain(self, underlying: str) -> RawChain:
        """The snapshots of every option of one underlying; empty where it has none."""
        return self._feed.ask(lambda feed: self._chain(underlying, feed))

    def listings(self, underlying: str) -> Listings:
        """The contracts of one underlying that can be traded, whenever they expire; empty where there is none."""
        today = self._sessions.today(self._clock())
        rows = self._contracts(underlying, "active", (today, today + FARTHEST))
        _refuse_missing_index(underlying, rows)
        return listings(underlying, rows, Source(NAME))

    def past_listings(
        self, underlying: str, expiries: tuple[date, date], strikes: tuple[float, float]
    ) -> tuple[Option, ...]:
        """Contracts with expiry and strike inside the ranges, both ends included; those that expired are inactive."""
        between = {"strike_price_gte": str(strikes[0]), "strike_price_lte": str(strikes[1])}
        rows = [
            row for status in ("inactive", "active") for row in self._contracts(underlying, status, expiries, between)
        ]
        return past_listings(underlying, rows)

    def _contracts(
        self, underlying: str, status: str, expiries: tuple[date, date], more: Mapping[str, str] | None = None
    ) -> list[Payload]:
        question = {
            "underlying_symbols": underlying, "status": status, "limit": PAGE, "show_deliverables": "true",
            "expiration_date_gte": str(expiries[0]), "expiration_date_lte": str(expiries[1]), **(more or {}),
        }  # fmt: skip
        rows: list[Payload] = []
        for page in _bounded(self._client.trading_pages, "/v2/options/contracts", question):
            rows += [READ.mapping("option_contracts", row) for row in _rows(page, "option_contracts")]
        return rows

    def quotes(self, options: Sequence[Option]) -> dict[Option, Quote]:
        """The latest quotes; a bid of zero is one, an ask of zero is none."""
        return self._feed.ask(lambda feed: self._quotes(options, feed))

    def bars(self, options: Sequence[Option], start: date, end: date) -> dict[Option, Bars]:
        """Daily bars of sessions that are over, made of trades; a day without a trade has none."""
        before = self._clock() - DELAY
        last = min(midnight(end + timedelta(days=1)) - timedelta(seconds=1), before)
        if last < midnight(start):
            return {}
        question = {"timeframe": "1Day", "limit": PAGE, "start": written(midnight(start)), "end": written(last)}
        rows: dict[str, list[object]] = {}
        named = {each.symbol: each for each in options}
        for page in self._client.about("/v1beta1/options/bars", named, question, size=SYMBOLS):
            for symbol, entries in READ.mapping("bars", page.get("bars") or {}).items():
                rows.setdefault(symbol, []).extend(READ.rows("bars", entries))
        whole = {symbol: {"bars": entries} for symbol, entries in rows.items()}
        found = by_symbol(whole, named, lambda symbol, entry: self._columns(symbol, entry["bars"], before))
        return {named[symbol]: bars for symbol, bars in found.items()}

    def _chain(self, underlying: str, feed: str) -> RawChain:
        found: dict[str, Any] = {}
        question = {"feed": feed, "limit": SNAPSHOTS}
        for page in _bounded(self._client.data_pages, f"/v1beta1/options/snapshots/{underlying}", question):
            found |= READ.mapping("snapshots", page.get("snapshots"))
        _refuse_missing_index(underlying, found)
        return raw_chain(underlying, found, SOURCES[feed], self._clock())

    def _quotes(self, options: Sequence[Option], feed: str) -> dict[Option, Quote]:
        named = {each.symbol: each for each in options}
        found: dict[Option, Quote] = {}
        for page in self._client.about("/v1beta1/options/quotes/latest", named, {"feed": feed}, size=SYMBOLS):
            entries = READ.mapping("quotes", page.get("quotes"))
            rows = by_symbol(entries, named, lambda symbol, row: quote(named[symbol], row, SOURCES[feed]))
            found |= {each.instrument: each for each in rows.values() if isinstance(each.instrument, Option)}
        return found

    def _columns(self, symbol: str, entries: list[object], before: datetime) -> Bars | None:
        bars = READ.each("bars", entries, lambda row: bar(row, day_of(row), "opra"))
        return finished(symbol, bars, SOURCES["opra"], before, self._sessions)


def quote(option: Option, row: Payload, source: Source) -> Quote | None:
    """A latest quote of a contract, None where nobody offers it; a bid of zero means that nobody bids.

    Raises:
        DataInvalid: a side makes no sense or is missing.
    """
    ask = READ.money("ap", row.get("ap"))
    if row.get("bp") is None:
        raise invalid(NAME, "bp", row.get("bp"))
    bid = READ.money("bp", row.get("bp")) or Decimal(0)
    if ask is None:
        return None
    sizes = (int(READ.positive(field, row.get(field)) or 0) for field in ("bs", "as"))
    return Quote(option, bid, ask, needed(row, "t", READ.instant), source, *sizes)


def _bounded(pages: Callable[[str, Params], Any], path: str, question: Params) -> Any:
    """Page after page, but not for ever.

    Raises:
        DataInvalid: there are more pages than contracts could fill.
    """
    for number, page in enumerate(pages(path, question)):
        if number == MOST_PAGES:
            raise invalid(NAME, "next_page_token", f"page {number + 1} of {path}")
        yield page


def _rows(page: Payload, field: str) -> list[Any]:
    return READ.rows(field, page.get(field))


def _refuse_missing_index(underlying: str, found: Sequence[object] | dict[str, Any]) -> None:
    """Say so where Alpaca does not have the options of an index: that is no chain of none.

    Raises:
        NotOffered: it does not.
    """
    if not found and underlying in INDEX_ROOTS.values():
        raise NotOffered(f"{NAME} lists no options on {underlying} under these keys.")
