"""A made market on the wires of its providers: Alpaca's prices, Yahoo's opinion of them, reports from two, rates.

One name, XYZ at 48, in which the wheel finds a put to sell; a test moves its price, and every provider shows it as of
the moment it is asked. `lies` are factors by which one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from engine import pricing
from engine.model.instruments import Option, Right
from engine.sessions import Sessions
from tests.journeys.chat_desk import FileClock
from tests.standins.alpaca_data import AlpacaDataServer, AlpacaWorld
from tests.standins.alpaca_option_data import RATE, OptionWorld, contract, snapshot
from tests.standins.alpaca_server import Answer as Reply
from tests.standins.alpaca_server import Query as Question
from tests.standins.alpaca_server import Routes
from tests.standins.finnhub import FinnhubServer
from tests.standins.provider_server import Answer, ProviderServer, Query, serving
from tests.standins.treasury_server import row, treasury
from tests.standins.yahoo_server import SUMMARY, YahooServer, expiry_stamp, option_row, quote_row
from tests.strategies.cases import swinging

TICKER = "XYZ"
EXPIRIES = (date(2026, 6, 26), date(2026, 7, 17), date(2026, 8, 21))
STRIKES = tuple(range(30, 67, 2))
IV = 0.45
HALF = 0.02
INTEREST = 1500
REPORT = date(2026, 8, 27)
BEFORE_REPORT = date(2026, 5, 21)
SECTOR = "Utilities"


@dataclass
class Lies:
    """By how much what is said differs from the truth: prices are multiplied."""

    shares: float = 1.0
    options: float = 1.0
    chain: float = 1.0
    bars: float = 1.0
    session: float = 1.0
    yahoo: float = 1.0


@dataclass
class Wires:
    """Every provider with the world behind it. Quotes are of the moment they are asked for, unless they are `still`."""

    clock: Callable[[], datetime]
    shares: AlpacaWorld
    options: OptionWorld
    lies: Lies = field(default_factory=Lies)
    spot: float = 48.0
    still: datetime | None = None
    delay: timedelta = timedelta(minutes=15)
    """How late Yahoo is."""
    alpaca: AlpacaDataServer = field(init=False)
    yahoo: YahooServer = field(init=False)
    finnhub: FinnhubServer = field(init=False)
    rates: ProviderServer = field(init=False)

    def move(self, spot: float) -> None:
        """XYZ trades at `spot` from now on, its options with it."""
        self.spot = spot

    def price(self, option: Option) -> float:
        """What a contract is worth at the spot of now, in cents."""
        return _worth(option, self.spot, self.shares.today)

    def sides(self, option: Option) -> tuple[Decimal, Decimal]:
        """Bid and ask of a contract."""
        price = self.price(option)
        return Decimal(f"{price - HALF:.2f}"), Decimal(f"{price + HALF:.2f}")

    def refresh(self) -> None:
        """Set everything to what it is now."""
        now = self.clock()
        quoted = self.still or now
        self.shares.now = self.options.now = now
        self.shares.move(TICKER, self.spot)
        share = self.shares.shares[TICKER]
        share.quoted_at = quoted
        share.bid, share.ask = (round(side * self.lies.shares, 2) for side in (share.bid, share.ask))
        for name, known in self.options.contracts.items():
            self.options.snapshots[name] = self._contract(_option(known), quoted, self.lies.chain)

    def _contract(self, option: Option, now: datetime, factor: float) -> dict[str, Any]:
        shown = snapshot(self.price(option) * factor, HALF * factor, IV, {}, now, now.date())
        quote = shown["latestQuote"]
        quote |= {"bp": round(quote["bp"], 2), "ap": round(quote["ap"], 2)}
        shown.pop("greeks")
        return shown

    def option_quotes(self, query: Query) -> Answer:
        """/v1beta1/options/quotes/latest."""
        status, body = self.options.routes()["/v1beta1/options/quotes/latest"](query)
        for quote in body.get("quotes", {}).values() if self.lies.options != 1 else ():
            quote |= {side: round(quote[side] * self.lies.options, 2) for side in ("bp", "ap")}
        return status, body


@cache
def _worth(option: Option, spot: float, today: date) -> float:
    """Never less than what leaves a bid of nothing."""
    years, is_call = (option.expiry - today).days / 365, option.right is Right.CALL
    return max(round(float(pricing.value(spot, float(option.strike), years, RATE, IV, is_call)[0]), 2), HALF)


def _option(known: Mapping[str, Any]) -> Option:
    right = Right.CALL if known["type"] == "call" else Right.PUT
    expiry = date.fromisoformat(known["expiration_date"])
    return Option(TICKER, expiry, right, Decimal(known["strike_price"]))


class Alpaca(AlpacaDataServer):
    """Its data host."""

    def __init__(self, wires: Wires) -> None:
        routes = wires.options.routes() | {"/v1beta1/options/quotes/latest": wires.option_quotes}
        super().__init__(wires.shares, routes)
        self._wires = wires

    def answer(self, path: str, query: Query) -> Answer:
        self._wires.refresh()
        return super().answer(path, query)

    def _snapshots(self, query: Query) -> Answer:
        status, found = super()._snapshots(query)
        for shown in found.values() if self._wires.lies.session != 1 else ():
            _times(shown["dailyBar"], self._wires.lies.session)
            shown.get("latestTrade", {})["p"] = shown["dailyBar"]["c"]
        return status, found

    def _bars(self, query: Query) -> Answer:
        status, body = super()._bars(query)
        for rows in body["bars"].values() if self._wires.lies.bars != 1 else ():
            for each in rows:
                _times(each, self._wires.lies.bars)
        return status, body


def _times(bar: dict[str, Any], factor: float) -> None:
    bar |= {name: round(bar[name] * factor, 4) for name in ("o", "h", "l", "c", "vw")}


class Yahoo(YahooServer):
    """A quarter of an hour late."""

    def __init__(self, wires: Wires) -> None:
        super().__init__()
        self._wires = wires

    def _row(self) -> dict[str, Any]:
        seen = int((self._wires.clock() - self._wires.delay).timestamp())
        price = round(self._wires.spot * self._wires.lies.yahoo, 2)
        near = {"regularMarketDayHigh": price * 1.01, "regularMarketDayLow": price * 0.99, "regularMarketOpen": price}
        return quote_row(
            TICKER, "EQUITY", regularMarketTime=seen, regularMarketPrice=price, bid=price - 0.02, ask=price + 0.02,
            regularMarketPreviousClose=48.0, marketCap=5_000_000_000, **near,
            earningsTimestamp=_at(BEFORE_REPORT, 16), earningsTimestampStart=_at(REPORT, 16),
            earningsTimestampEnd=_at(REPORT, 16), isEarningsDateEstimate=False,
        )  # fmt: skip

    def _quote(self, query: Query) -> Answer:
        rows = [self._row()] if TICKER in query["symbols"].split(",") else []
        return 200, {"quoteResponse": {"result": rows, "error": None}}

    def _options(self, query: Query, symbol: str) -> Answer:
        if symbol != TICKER:
            return 200, {"optionChain": {"result": [], "error": None}}
        asked = int(query.get("date", expiry_stamp(EXPIRIES[0])))
        day = next(each for each in EXPIRIES if expiry_stamp(each) == asked)
        block: dict[str, Any] = {"expirationDate": asked, "calls": [], "puts": []}
        for strike in STRIKES:
            for right, side in ((Right.CALL, "calls"), (Right.PUT, "puts")):
                bid, ask = self._wires.sides(Option(TICKER, day, right, Decimal(strike)))
                letter = "C" if right is Right.CALL else "P"
                seen = int((self._wires.clock() - self._wires.delay).timestamp())
                made = option_row(TICKER, day, strike, letter, bid=float(bid), ask=float(ask), lastTradeDate=seen)
                block[side].append(made | {"openInterest": INTEREST})
        listed = [expiry_stamp(each) for each in EXPIRIES]
        found = {"underlyingSymbol": TICKER, "expirationDates": listed, "quote": self._row(), "options": [block]}
        return 200, {"optionChain": {"result": [found], "error": None}}

    def _chart(self, query: Query, symbol: str) -> Answer:
        if symbol != TICKER:
            error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            return 404, {"chart": {"result": None, "error": error}}
        first, after = int(query["period1"]), int(query["period2"])
        bars = {day: bar for day, bar in self._wires.shares.shares[TICKER].bars.items() if first <= _at(day) < after}
        days = sorted(bars)
        columns = {
            name: [bars[day][place] for day in days]
            for place, name in enumerate(("open", "high", "low", "close", "volume"))
        }
        dividends = {str(_at(day)): {"amount": 0.36, "date": _at(day)} for day in ex_dates() if first <= _at(day)}
        meta = {
            "currency": "USD", "symbol": symbol, "instrumentType": "EQUITY",
            "exchangeTimezoneName": "America/New_York",
            "regularMarketTime": int((self._wires.clock() - self._wires.delay).timestamp()), "dataGranularity": "1d",
        }  # fmt: skip
        made = {
            "meta": meta, "timestamp": [_at(day) for day in days], "events": {"dividends": dividends},
            "indicators": {"quote": [columns], "adjclose": [{"adjclose": columns["close"]}]},
        }  # fmt: skip
        return 200, {"chart": {"result": [made], "error": None}}

    def _summary(self, query: Query, symbol: str) -> Answer:
        if symbol != TICKER:
            return super()._summary(query, "ZZZ")
        detail = SUMMARY["summaryDetail"] | {"marketCap": 5_000_000_000}
        found = SUMMARY | {"assetProfile": {"sector": SECTOR}, "summaryDetail": detail}
        return 200, {"quoteSummary": {"result": [found], "error": None}}


def _at(day: date, hour: int = 10) -> int:
    return int(Sessions().at(day, f"{hour:02d}:00").timestamp())


def ex_dates() -> tuple[date, ...]:
    """Five quarterly ones, the last one twenty days before 15 June 2026."""
    return tuple(date(2026, 6, 15) - timedelta(days=20 + 91 * quarter) for quarter in reversed(range(5)))


class Listed(Routes):
    """The broker's host: what is listed comes from the same world as the prices."""

    def __init__(self, exchange: Any, wires: Wires) -> None:
        super().__init__(exchange)
        self._wires = wires

    def answer(self, method: str, path: str, query: Question, body: Any) -> Reply:
        if method == "GET" and path in ("/v2/assets", "/v2/options/contracts"):
            status, found = self._wires.alpaca.answer(path, query)[:2]
            return Reply(status, found)
        return super().answer(method, path, query, body)


def made_world(now: datetime) -> tuple[AlpacaWorld, OptionWorld]:
    """XYZ with three hundred swinging sessions, a dividend of 3 % and three expiries; Alpaca's Basic plan."""
    shares, options = AlpacaWorld(now), OptionWorld(now)
    share = shares.list(TICKER, 48.0)
    closes = swinging(48.0, 0.40, len(share.bars))
    share.bars = {
        day: (round(close, 4), round(close * 1.01, 4), round(close * 0.99, 4), round(close, 4), 5_000_000)
        for day, close in zip(sorted(share.bars), closes, strict=True)
    }
    for day in ex_dates():
        shares.act("cash_dividends", day, day + timedelta(days=15), symbol=TICKER, rate=0.36, special=False,
                   foreign=False)  # fmt: skip
    for expiry in EXPIRIES:
        for strike in STRIKES:
            for right in (Right.CALL, Right.PUT):
                made = Option(TICKER, expiry, right, Decimal(strike))
                options.contracts[made.symbol] = contract(made, INTEREST, options.today - timedelta(days=3))
    shares.feeds, options.feeds = {"iex", "delayed_sip"}, {"indicative"}
    return shares, options


def calendar_row(day: date) -> dict[str, Any]:
    """A report as Finnhub's calendar has it."""
    return {
        "date": str(day), "epsActual": None, "epsEstimate": 1.1, "hour": "amc", "quarter": 3, "revenueActual": None,
        "revenueEstimate": None, "symbol": TICKER, "year": 2026,
    }  # fmt: skip


@contextmanager
def wires(clock: FileClock | Callable[[], datetime]) -> Iterator[Wires]:
    """Every provider, serving."""
    made = Wires(clock, *made_world(clock()))
    with ExitStack() as stack:
        made.alpaca, made.yahoo, made.finnhub = Alpaca(made), Yahoo(made), FinnhubServer()
        made.finnhub.calendar = [calendar_row(REPORT), calendar_row(BEFORE_REPORT)]
        made.rates = treasury({f"{clock():%Y%m}": [row(clock().date() - timedelta(days=3))]})
        made.refresh()
        for server in (made.alpaca, made.yahoo, made.finnhub, made.rates):
            stack.enter_context(serving(server))
        yield made
