"""Cboe's delayed quotes: option chains (SPX, SPXW and XSP too), index levels and the day so far. Unproven: no recorded
answer was at hand. Off unless turned on; for analysis only, never for the price of an order.

The service behind the pages cboe.com/delayed_quotes is not documented: the addresses and fields are those that
OpenBB's cboe provider reads (openbb_platform/providers/cboe, with a chain of CLX as its test data).

- Indices have an underscore before their name in the address (_SPX); classes of shares keep their dot (BRK.B).
- `timestamp` is when the file was made, in UTC; `last_trade_time` is New York time, about 15 minutes before it.
  No quote says when it was made: an option's `quoted_at` is not given, and quotes of shares are not offered.
- 0 stands for "none": of an ask, a last price, a volatility. A bid of 0 is one: nobody bids.
- The store behind it is seen to answer 403 for what it does not have: one such answer closes the name, not the rest.
- theta and vega of that chain are near Black-Scholes' of a calendar day and of a vol point, as ours are.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from engine.data.budget import Allowance, Budget
from engine.data.providers.entitlements import Entitlements
from engine.data.providers.fields import Fields, Row
from engine.data.providers.option_rows import OptionRow, raw_chain
from engine.data.providers.port import Offer, Provider, RawChain
from engine.data.providers.reader import TIMEOUTS, Reader, invalid
from engine.errors import NotFound
from engine.model.instruments import INDEX_ROOTS, OCC, Style
from engine.model.market import Bar, Kind, Level, Source
from engine.sessions import NEW_YORK
from engine.transport import Timeouts

NAME = "cboe"
URL = "https://cdn.cboe.com/api/global/delayed_quotes"
ALLOWANCES = (Allowance(30, 60.0),)
"""Of our own: Cboe names none."""
INDICES = frozenset(INDEX_ROOTS.values())
BLOCKED = 20
"""Names denied in a row after which it is us who are not welcome."""
KINDS = {Offer.CHAIN: Kind.DELAYED, Offer.LEVELS: Kind.DELAYED, Offer.SESSIONS: Kind.DELAYED}
SOURCE = Source(NAME, Kind.DELAYED)
FIELDS = Fields(NAME)


class Cboe(Provider):
    """See the module. `clock` tells aware UTC; `tick` monotonic seconds."""

    name = NAME
    allowances = ALLOWANCES
    is_proven = False

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        url: str = "",
        timeouts: Timeouts = TIMEOUTS,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = Budget(NAME, *ALLOWANCES, tick=tick)
        self._reader = Reader(NAME, url or URL, self.budget, clock, timeouts=timeouts)
        self._granted = Entitlements(NAME, KINDS, tick, enough=BLOCKED)

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return self._granted.offers

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return (self.budget,)

    def close(self) -> None:
        self._reader.close()

    def chain(self, ticker: str) -> RawChain:
        """All listed options of one name; of an index its AM- and PM-settled classes side by side, by root."""
        with self._granted.using(Offer.CHAIN, ticker):
            data = self._data("options", _file(ticker))
        rows = FIELDS.rows("options", data.get("options"))
        if not rows:
            raise NotFound(f"Cboe lists no options on {ticker}.")
        return raw_chain(
            ticker,
            FIELDS.each("options", rows, _option),
            SOURCE,
            spot=FIELDS.positive("current_price", data.get("current_price")),
            spot_at=_traded_at(data),
            style=Style.EUROPEAN if ticker in INDICES else Style.AMERICAN,
        )

    def levels(self, symbols: Sequence[str]) -> Mapping[str, Level]:
        """The last values of indices and when they were made; one request each."""
        answers = self._granted.each(Offer.LEVELS, symbols, lambda symbol: self._data("quotes", f"_{symbol}"))
        found: dict[str, Level] = {}
        for symbol, data in answers.items():
            value, at = FIELDS.positive("current_price", data.get("current_price")), _traded_at(data)
            if value is not None and at is not None:
                found[symbol] = Level(symbol, value, at, SOURCE)
        return found

    def sessions(self, tickers: Sequence[str]) -> Mapping[str, Bar]:
        """The day so far, of the day of its last trade; one request a ticker."""
        answers = self._granted.each(Offer.SESSIONS, tickers, lambda ticker: self._data("quotes", _file(ticker)))
        bars = {ticker: _session(data) for ticker, data in answers.items()}
        return {ticker: bar for ticker, bar in bars.items() if bar is not None}

    def _data(self, kind: str, file: str) -> Row:
        answer = FIELDS.mapping(kind, self._reader.json(f"/{kind}/{quote(file, safe='')}.json"))
        return FIELDS.mapping("data", answer.get("data"))


def _file(ticker: str) -> str:
    return f"_{ticker}" if ticker in INDICES else ticker


def _traded_at(data: Row) -> datetime | None:
    """`last_trade_time`, which has no zone: New York's, with a T or a blank between day and time."""
    given = FIELDS.text("last_trade_time", data.get("last_trade_time"))
    if not given:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise invalid(NAME, "last_trade_time", given) from None
    return found.replace(tzinfo=found.tzinfo or NEW_YORK).astimezone(UTC)


def _session(data: Row) -> Bar | None:
    """None before the first trade of the day: its prices are 0 then."""
    return FIELDS.session(data, ("open", "high", "low", "current_price"), _traded_at(data), "volume")


def _option(row: Row) -> OptionRow:
    found = OCC.fullmatch(FIELDS.text("option", row.get("option")))
    expiry = None if found is None else FIELDS.day("option", "20{}-{}-{}".format(*re.findall("..", found["day"])))
    if found is None or expiry is None:
        raise invalid(NAME, "option", row.get("option"))
    return OptionRow(
        root=found["root"],
        expiry=expiry,
        strike=int(found["strike"]) / 1000,
        is_call=found["right"] == "C",
        bid=_count(row, "bid"),
        ask=FIELDS.positive("ask", row.get("ask")),
        bid_size=_count(row, "bid_size"),
        ask_size=_count(row, "ask_size"),
        last=FIELDS.positive("last_trade_price", row.get("last_trade_price")),
        volume=_count(row, "volume"),
        open_interest=_count(row, "open_interest"),
        iv=FIELDS.positive("iv", row.get("iv")),
        delta=FIELDS.number("delta", row.get("delta")),
        gamma=FIELDS.number("gamma", row.get("gamma")),
        theta=FIELDS.number("theta", row.get("theta")),
        vega=FIELDS.number("vega", row.get("vega")),
        rho=FIELDS.number("rho", row.get("rho")),
    )


def _count(row: Row, name: str) -> float | None:
    """A number that may be 0 and never less."""
    number = FIELDS.number(name, row.get(name))
    if number is not None and number < 0:
        raise invalid(NAME, name, number)
    return number
