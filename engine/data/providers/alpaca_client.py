"""Alpaca's two hosts as a reader of market data asks them: alpaca-py's client with limits and troubles of our own.

alpaca-py 0.44 sends without any time-out and sleeps in a loop after a 429 (`alpaca.common.rest`). Here every request
has a time-out, a read is repeated once, a 429 pauses the budget, and whatever goes wrong is one of the troubles.
Market data and trading have an allowance each, which is theirs alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import requests
import stamina
import structlog
from alpaca.common.enums import BaseURL
from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient

from engine.data.budget import FOR_STOPS, Allowance, Budget
from engine.data.providers.fields import Fields, Row
from engine.data.providers.reader import TIMEOUTS, invalid, trouble_of
from engine.data.providers.trouble import NotEntitled, Refused, Throttled, Unreachable
from engine.errors import ConfigError
from engine.redaction import clean
from engine.transport import Timeouts, prepare

log = structlog.get_logger()

Payload = Row
Params = Mapping[str, str]

NAME = "alpaca"
READ = Fields(NAME)
"""How fields of Alpaca's JSON become values."""
DATA = Allowance(200, 60.0)
"""Market data, Basic plan (docs.alpaca.markets/docs/about-market-data-api)."""
TRADING = Allowance(100, 60.0)
"""Half of the 200 a minute of the trading API: the desk's own orders on the same account are counted there, too."""
OURS = {DATA: 1.0, TRADING: 0.5}
"""The share of what the server allows that is used here. Its answers say how much that is (X-RateLimit-Limit)."""
SYMBOLS = 200
"""Tickers in one question; no limit is documented, and an address of more than a few thousand characters is risky."""
SUBSCRIPTION = re.compile(r"subscription|not entitled|agreement", re.IGNORECASE)
"""Words of a refusal that is about what was paid for or signed, whatever its status (403 and 422 are both seen)."""
INVALID_SYMBOL = re.compile(r"invalid symbol:? *(?P<symbol>\S+)", re.IGNORECASE)
"""A refusal of the whole question for one symbol in it (400)."""


class InvalidSymbol(Refused):
    """Alpaca does not take `symbol` for a symbol."""

    def __init__(self, message: str, symbol: str) -> None:
        super().__init__(message)
        self.symbol = symbol


class AlpacaClient:
    """GET on the data host and on the trading host. Safe to share between threads.

    Paths carry their version (`/v2/stocks/bars`). Empty addresses are Alpaca's own; `trading_url` is without `/v2`.
    `clock` tells aware UTC. Keys travel in headers and are never logged.

    Raises (every question):
        NotFound, Unauthorised, NotEntitled, Throttled, Refused, Unreachable: see there.
        DataInvalid: an answer that is not of the documented shape.
        ConfigError: (when made) a key is missing.
    """

    def __init__(
        self,
        key: str,
        secret: str,
        clock: Callable[[], datetime],
        *,
        paper: bool = True,
        data_url: str = "",
        trading_url: str = "",
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        if not key or not secret:
            raise ConfigError("Alpaca needs ALPACA_API_KEY and ALPACA_SECRET_KEY.")
        own = BaseURL.TRADING_PAPER if paper else BaseURL.TRADING_LIVE
        trading = (trading_url or own.value).rstrip("/").removesuffix("/v2")
        data = (data_url or BaseURL.DATA.value).rstrip("/")
        self._data = _Host("data", key, secret, data, DATA, clock, timeouts)
        self._trading = _Host("trading", key, secret, trading, TRADING, clock, timeouts)

    def data(self, path: str, params: Params | None = None) -> Payload:
        """The JSON object with which the data host answers."""
        return READ.mapping(path, self._data.get(path, params or {}))

    def trading(self, path: str, params: Params | None = None) -> Any:
        """The JSON with which the trading host answers."""
        return self._trading.get(path, params or {})

    def data_pages(self, path: str, params: Params) -> Iterator[Payload]:
        """The answers of the data host, page after page."""
        return _pages(self.data, path, params)

    def about(
        self, path: str, symbols: Iterable[str], params: Params, *, size: int = SYMBOLS, most_pages: int = 1000
    ) -> Iterator[Payload]:
        """The answers of the data host about symbols, in batches of `size`, at most so many pages of each batch.

        A symbol that Alpaca does not take for one is left out, so that it does not hide the others.
        """
        for batch in joined(symbols, size):
            yield from self._about(path, batch.split(","), params, most_pages)

    def _about(self, path: str, symbols: list[str], params: Params, most_pages: int) -> list[Payload]:
        while symbols:
            try:
                return list(islice(self.data_pages(path, {**params, "symbols": ",".join(symbols)}), most_pages))
            except InvalidSymbol as refusal:
                if refusal.symbol not in symbols:
                    raise
                symbols.remove(refusal.symbol)
        return []

    def trading_pages(self, path: str, params: Params) -> Iterator[Payload]:
        """The answers of the trading host, page after page."""
        return _pages(lambda path, params: READ.mapping(path, self.trading(path, params)), path, params)

    @property
    def budgets(self) -> tuple[Budget, Budget]:
        """What may be asked of the data host and of the trading host."""
        return self._data.budget, self._trading.budget

    def close(self) -> None:
        """Drop the kept-alive connections."""
        self._data.close()
        self._trading.close()


def joined(symbols: Iterable[str], size: int = SYMBOLS) -> Iterator[str]:
    """The symbols as lists with commas of at most `size`, each symbol once, in their order.

    >>> list(joined(["AAPL", "BRK.B", "AAPL", "F"], 2))
    ['AAPL,BRK.B', 'F']
    """
    each = list(dict.fromkeys(symbols))
    return (",".join(each[start : start + size]) for start in range(0, len(each), size))


def _pages(ask: Callable[[str, Params], Payload], path: str, params: Params) -> Iterator[Payload]:
    """Page after page; a token that comes back would go round for ever.

    Source: market data OpenAPI 1.1, `next_page_token`: a page may be short or empty and still have a next one.
    """
    seen: set[str] = set()
    more: Params = {}
    while True:
        answer = ask(path, {**params, **more})
        yield answer
        token = answer.get("next_page_token")
        if not token:
            return
        if not isinstance(token, str) or token in seen:
            raise invalid(NAME, "next_page_token", token)
        seen.add(token)
        more = {"page_token": token}


class _Host:
    """GET on one host under its budget."""

    def __init__(
        self,
        name: str,
        key: str,
        secret: str,
        url: str,
        allowance: Allowance,
        clock: Callable[[], datetime],
        timeouts: Timeouts,
    ) -> None:
        self.budget = Budget(f"{NAME} {name}", allowance, kept=FOR_STOPS)
        self._share = OURS[allowance]
        self._clock = clock
        self._client = RESTClient(url, key, secret, raw_data=True)
        self._client._retry = 0  # there is no public switch for "none"
        prepare(self._client._session, url + "/", timeouts)
        self._client._session.hooks["response"].append(self._counted)
        self._retrying = stamina.RetryingCaller(
            attempts=2, timeout=timeouts.retrying, wait_initial=0.2, wait_max=1.0, wait_jitter=0.2
        ).on(Unreachable)

    def get(self, path: str, params: Params) -> Any:
        """The parsed answer to a read, asked for once more while the trouble looks temporary."""
        return self._retrying(self._answer, path, params)

    def close(self) -> None:
        self._client._session.close()

    def _answer(self, path: str, params: Params) -> Any:
        version, _, rest = path.lstrip("/").partition("/")
        self.budget.take()
        try:
            answer = self._client.get(f"/{rest}", dict(params), api_version=version)
        except APIError as error:
            raise self._trouble(path, error) from error
        except (requests.RequestException, RecursionError) as error:
            reason = type(error).__name__
            log.warning("provider.no_answer", provider=NAME, path=path, reason=reason)
            raise Unreachable(f"{NAME} did not answer, or not in JSON ({path}: {reason}).") from error
        if answer is None:
            raise Unreachable(f"{NAME} sent an empty answer ({path}).")
        return answer

    def _counted(self, response: requests.Response, **_: object) -> None:
        """Learn from an answer what this subscription allows in a minute: ten thousand where it is paid for."""
        limit = response.headers.get("X-RateLimit-Limit", "")
        if limit.isdecimal() and int(limit) > 1:
            self.budget.allow(Allowance(int(int(limit) * self._share), 60.0))

    def _trouble(self, path: str, error: APIError) -> Exception:
        """What a refusal means, with Alpaca's own words where it gives some."""
        status, words = error.status_code or 0, _words(str(error))
        log.warning("provider.trouble", provider=NAME, path=path, status=status, words=words)
        if 400 <= status < 500 and SUBSCRIPTION.search(words):
            return NotEntitled(f"{NAME} does not give this under these keys ({status}, {path}): {words}")
        if 400 <= status < 500 and (symbol := INVALID_SYMBOL.search(words)):
            return InvalidSymbol(f"{NAME} refused the question ({status}, {path}): {words}", symbol["symbol"])
        now = self._clock()
        headers = error.response.headers if error.response is not None else {}
        trouble = trouble_of(NAME, path, status, _with_pause(headers, now), now)
        if isinstance(trouble, Throttled):
            self.budget.pause(trouble.after)
        return type(trouble)(f"{trouble} {words}") if words and type(trouble) in (Refused, NotEntitled) else trouble


def _with_pause(headers: Mapping[str, str], now: datetime) -> Mapping[str, str]:
    """The headers with a Retry-After, where only X-RateLimit-Reset tells (market data OpenAPI 1.1: UNIX time)."""
    reset = headers.get("X-RateLimit-Reset", "")
    if "Retry-After" in headers or not reset.isdecimal():
        return headers
    return {"Retry-After": str(max(1, math.ceil(int(reset) - now.timestamp())))}


def _words(body: str) -> str:
    """The message of an error body, in one line of at most 200 characters; "" for a page of HTML.

    It is told and kept with what was looked for: a server or a proxy that echoes the request has the keys in it.
    """
    try:
        parsed = json.loads(body)
    except ValueError:
        return ""
    message = parsed.get("message") if isinstance(parsed, dict) else None
    return clean(" ".join(str(message or "").split()))[:200]
