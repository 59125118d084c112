"""What happens to names at Alpaca: news, dividends, splits, the most active, and the levels of indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import TypeVar

from engine.data.providers.alpaca_client import NAME, READ, AlpacaClient, Payload
from engine.data.providers.alpaca_values import by_symbol, needed
from engine.data.providers.port import ScreenRow
from engine.data.providers.reader import invalid
from engine.model.market import Dividend, Level, Source, Split
from engine.model.news import Headline

Dated = TypeVar("Dated", Dividend, Split)

SOURCE = Source(NAME)
ARTICLES = "50"
PAGES_OF_NEWS = 40
"""Two thousand articles: more than a day brings about all names together."""
ACTIONS = "1000"
MOST = "100"
BEFORE = timedelta(days=10)
AFTER = timedelta(days=185)
"""Corporate actions are found by the day they are processed (openapi `cas_start`): a dividend's is its payment, weeks
after its ex-date, or just before it where due bills are used."""
DOLLARS = frozenset({"", "USD"})


class AlpacaCompany:
    """Questions about companies and indices."""

    def __init__(self, client: AlpacaClient) -> None:
        self._client = client

    def news(self, tickers: Sequence[str], since: datetime) -> tuple[Headline, ...]:
        """Headlines published at or after `since`, newest first.

        Alpaca sorts and cuts by the last update, so that an old article that was touched comes along: it is dropped.
        """
        start = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        question = {"start": start, "sort": "desc", "limit": ARTICLES, "include_content": "false"}
        found: dict[str, Headline] = {}
        pages = self._client.about("/v1beta1/news", tickers, question, most_pages=PAGES_OF_NEWS)
        for page in pages:
            read = READ.each("news", READ.rows("news", page.get("news") or []), headline)
            found |= {each.id: each for each in read if each.at >= since}
        return tuple(sorted(found.values(), key=lambda each: (each.at, each.id), reverse=True))

    def dividends(self, tickers: Sequence[str], start: date, end: date) -> dict[str, tuple[Dividend, ...]]:
        """Cash dividends in dollars by ex-date; a name without one is left out."""
        return self._actions(tickers, start, end, "cash_dividend", ("cash_dividends",), dividend)

    def splits(self, tickers: Sequence[str], start: date, end: date) -> dict[str, tuple[Split, ...]]:
        """Forward and reverse splits by ex-date; a name without one is left out.

        Spin-offs, stock dividends and unit splits are no splits: they are not asked for, and not read.
        """
        kinds = ("forward_splits", "reverse_splits")
        return self._actions(tickers, start, end, "forward_split,reverse_split", kinds, split)

    def levels(self, symbols: Sequence[str]) -> dict[str, Level]:
        """The latest values of indices."""
        found: dict[str, Level] = {}
        for page in self._client.about("/v1beta1/indices/latest/values", symbols, {}):
            found |= by_symbol(READ.mapping("values", page.get("values")), symbols, level)
        return found

    def most_active(self) -> tuple[ScreenRow, ...]:
        """The hundred names with the largest volume of the day."""
        answer = self._client.data("/v1beta1/screener/stocks/most-actives", {"by": "volume", "top": MOST})
        return tuple(READ.each("most_actives", READ.rows("most_actives", answer.get("most_actives")), _active))

    def _actions(
        self,
        tickers: Sequence[str],
        start: date,
        end: date,
        types: str,
        kinds: Sequence[str],
        read: Callable[[Payload], Dated | None],
    ) -> dict[str, tuple[Dated, ...]]:
        question = {"types": types, "limit": ACTIONS, "start": str(start - BEFORE), "end": str(end + AFTER)}
        found: dict[str, dict[str, Dated]] = {ticker: {} for ticker in tickers}
        for page in self._client.about("/v1/corporate-actions", tickers, question):
            actions = READ.mapping("corporate_actions", page.get("corporate_actions"))
            for kind in kinds:
                rows = READ.rows(kind, actions.get(kind) or [])
                for name, key, action in READ.each(kind, rows, lambda row: _named(row, read)):
                    if name in found and start <= action.ex_date <= end:
                        found[name][key] = action
        return {name: tuple(sorted(of.values(), key=lambda each: each.ex_date)) for name, of in found.items() if of}


def headline(row: Payload) -> Headline:
    """An article. Its text comes with HTML entities.

    Raises:
        DataInvalid: it has no id, no title or no time.
    """
    title, symbols = (
        unescape(READ.text("headline", row.get("headline"))),
        READ.rows("symbols", row.get("symbols") or []),
    )
    if isinstance(row.get("id"), bool) or not isinstance(row.get("id"), int | str) or not title:
        raise invalid(NAME, "news", row)
    return Headline(
        id=str(row["id"]),
        at=needed(row, "created_at", READ.instant),
        title=title,
        summary=unescape(READ.text("summary", row.get("summary"))),
        tickers=tuple(dict.fromkeys(each.upper() for each in symbols if isinstance(each, str))),
        source=NAME,
        publisher=READ.text("source", row.get("source")).capitalize(),
        url=READ.text("url", row.get("url")),
    )


def dividend(row: Payload) -> Dividend | None:
    """A cash dividend, None where it is not paid in dollars.

    Raises:
        DataInvalid: no amount above zero, no day.
    """
    amount, ex_date = needed(row, "rate", READ.money), needed(row, "ex_date", READ.day)
    return Dividend(ex_date, amount) if READ.text("currency", row.get("currency")) in DOLLARS else None


def split(row: Payload) -> Split:
    """A split: new shares for old ones.

    Raises:
        DataInvalid: one of the two numbers is not above zero, no day.
    """
    new, old = (needed(row, field, READ.money) for field in ("new_rate", "old_rate"))
    return Split(needed(row, "ex_date", READ.day), new / old)


def level(symbol: str, row: Payload) -> Level:
    """The value of an index.

    Raises:
        DataInvalid: it is not above zero, or has no time.
    """
    return Level(symbol, needed(row, "v", READ.positive), needed(row, "t", READ.instant), SOURCE)


def _named(row: Payload, read: Callable[[Payload], Dated | None]) -> tuple[str, str, Dated] | None:
    """An action with its symbol and what tells it from another one: its id, or all of it."""
    action = read(row)
    if action is None:
        return None
    symbol, key = needed(row, "symbol", READ.text), READ.text("id", row.get("id"))
    return symbol, key or repr(sorted(row.items())), action


def _active(row: Payload) -> ScreenRow:
    return ScreenRow(needed(row, "symbol", READ.text), volume=READ.number("volume", row.get("volume")))
