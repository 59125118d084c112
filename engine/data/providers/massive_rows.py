"""Rows of Massive as values of ours. Fields and units: https://massive.com/docs, REST.

Times are nanoseconds since 1970 in snapshots, milliseconds in bars. IV is an annualised decimal, and the greeks are in
our units: of a recorded call vega is 0.638 (a vol point; 0.63 by Black-Scholes), theta -0.028 a calendar day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from engine.data.intraday_rows import DELAY, LATE, Timed, session_bars, timed
from engine.data.providers.fields import Row, is_ticker, last_and_year_before
from engine.data.providers.massive_client import FIELDS, NAME
from engine.data.providers.option_rows import NAN, OptionRow, raw_chain
from engine.data.providers.port import Listings, RawChain
from engine.data.providers.reader import invalid
from engine.data.providers.trouble import NotEntitled
from engine.errors import NotFound
from engine.model.instruments import INDEX_ROOTS, OCC, Instrument, Option, Right, Stock, Style
from engine.model.market import (
    Bar,
    Bars,
    Dividend,
    Floats,
    Fundamentals,
    IntradayBars,
    Kind,
    Level,
    Quote,
    Source,
    Split,
)
from engine.model.news import Headline
from engine.sessions import NEW_YORK, Sessions

NANOS = 1_000_000_000
MILLIS = 1_000
USUAL = 100
"""Shares behind a contract, and dollars for one of premium."""
KINDS = {"REAL-TIME": Kind.REAL, "DELAYED": Kind.DELAYED}
INDICES = frozenset(INDEX_ROOTS.values())


def kind_of(timeframe: object) -> Kind:
    """What a snapshot says about its own numbers; what says nothing may be late."""
    return KINDS.get(str(timeframe), Kind.DELAYED)


def answered(rows: Iterable[object]) -> list[Row]:
    """The rows of a snapshot that have an answer; it refuses single tickers inside of it.

    Raises:
        NotEntitled, NotFound: there is none, and this is why.
    """
    each = [FIELDS.mapping("results", row) for row in rows]
    found = [row for row in each if not row.get("error")]
    refusals = {row.get("error") for row in each} - {None}
    if not found and "NOT_ENTITLED" in refusals:
        raise NotEntitled("massive does not give these tickers under this key.")
    if not found and len(each) == 1:
        raise NotFound(f"massive does not know {each[0].get('ticker')}.")
    return found


def quote(instrument: Instrument, row: Row) -> Quote | None:
    """The bid and ask of a snapshot, None where it has none or does not say of when.

    Sizes of shares are left out: they were round lots, whose size is not told, and are shares since November 2025.
    """
    last = FIELDS.mapping("last_quote", row.get("last_quote") or {})
    at = FIELDS.ticks("last_quote.last_updated", last.get("last_updated"), NANOS)
    ask, bid = FIELDS.money("ask", last.get("ask")), FIELDS.from_zero("bid", last.get("bid"))
    if at is None or ask is None or bid is None:
        return None
    sizes = (0, 0) if isinstance(instrument, Stock) else (_size(last, "bid_size"), _size(last, "ask_size"))
    source = Source(NAME, kind_of(last.get("timeframe")))
    return Quote(instrument, FIELDS.money("bid", last.get("bid")) or Decimal(0), ask, at, source, *sizes)


def _size(last: Row, name: str) -> int:
    return int(FIELDS.positive(name, last.get(name)) or 0)


def session(row: Row) -> Bar | None:
    """The day so far; None before its first trade, when all numbers are 0."""
    day = FIELDS.mapping("day", row.get("day") or {})
    at = FIELDS.ticks("updated", row.get("updated"), NANOS)
    prices = [FIELDS.positive(name, day.get(name)) for name in ("o", "h", "l", "c")]
    if at is None or None in prices:
        return None
    first, high, low, last = (price for price in prices if price is not None)
    return Bar(at.astimezone(NEW_YORK).date(), first, high, low, last, FIELDS.from_zero("v", day.get("v")))


def bars(symbol: str, answer: Row, is_adjusted: bool, end: date) -> Bars | None:
    """Daily bars, which begin at midnight in New York, up to `end`; None where there is none."""
    rows = _aggregates(symbol, answer, is_adjusted)
    found = sorted((each for each in map(_bar, rows) if each.day <= end), key=lambda each: each.day)
    if not found:
        return None
    days = [each.day for each in found]
    if len(set(days)) < len(days):
        raise invalid(NAME, f"bars of {symbol}", "one day twice")
    return Bars(
        symbol,
        np.array(days, dtype="datetime64[D]"),
        _column(found, lambda each: each.open),
        _column(found, lambda each: each.high),
        _column(found, lambda each: each.low),
        _column(found, lambda each: each.close),
        _column(found, lambda each: each.volume),
        Source(NAME, Kind.REAL),
    )


def intraday(symbol: str, minutes: int, answer: Row, now: datetime, sessions: Sessions) -> IntradayBars | None:
    """Bars of regular sessions that are over, late by a quarter of an hour where the answer says DELAYED.

    An answer of several pages is refused: its newest bars would be missing.
    """
    if answer.get("next_url"):
        raise invalid(NAME, f"bars of {symbol}", "more than one page")
    is_late = answer.get("status") != "OK"
    rows = [_timed(row) for row in _aggregates(symbol, answer, is_adjusted=True)]
    source = Source(NAME, Kind.DELAYED if is_late else Kind.REAL)
    return session_bars(symbol, minutes, filter(None, rows), source, now - (DELAY if is_late else LATE), sessions)


def _timed(row: Row) -> Timed | None:
    made = _bar(row)
    at = FIELDS.ticks("t", row.get("t"), MILLIS)
    return None if at is None else timed(at, made)


def _aggregates(symbol: str, answer: Row, is_adjusted: bool) -> list[Row]:
    """The rows of an answer that is about what was asked."""
    rows = [FIELDS.mapping("results", row) for row in FIELDS.rows("results", answer.get("results") or [])]
    if not rows and answer.get("status") not in ("OK", "DELAYED"):
        raise invalid(NAME, "status", answer.get("status"))
    if rows and answer.get("adjusted") is not is_adjusted:
        raise invalid(NAME, "adjusted", answer.get("adjusted"))
    if rows and str(answer.get("ticker")).removeprefix("O:") != symbol:
        raise invalid(NAME, f"bars of {symbol}, ticker", answer.get("ticker"))
    return rows


def _bar(row: Row) -> Bar:
    at = FIELDS.ticks("t", row.get("t"), MILLIS)
    prices = [FIELDS.positive(name, row.get(name)) for name in ("o", "h", "l", "c")]
    if at is None or None in prices:
        raise invalid(NAME, "a bar", dict(row))
    first, high, low, last = (price for price in prices if price is not None)
    return Bar(at.astimezone(NEW_YORK).date(), first, high, low, last, FIELDS.from_zero("v", row.get("v")))


def _column(found: Sequence[Bar], value: Callable[[Bar], float | None]) -> Floats:
    return np.array([NAN if value(each) is None else value(each) for each in found], dtype=np.float64)


def chain(underlying: str, rows: Sequence[Row], today: date) -> RawChain:
    """The options of a snapshot; one delayed quote makes all of them delayed."""
    options = FIELDS.each("results", rows, lambda row: _option(row, today))
    if not options:
        raise NotFound(f"massive knows no options of {underlying}.")
    kinds = {kind_of(_part(row, "last_quote").get("timeframe")) for row in rows if _part(row, "last_quote")}
    spots = [(at, spot) for at, spot in map(_spot, rows) if at is not None and spot is not None]
    at, spot = max(spots) if spots else (None, None)
    styles = {_part(row, "details").get("exercise_style") for row in rows}
    return raw_chain(
        underlying,
        options,
        Source(NAME, Kind.REAL if kinds == {Kind.REAL} else Kind.DELAYED),
        spot=spot,
        spot_at=at,
        style=_style(styles.pop()) if len(styles) == 1 else None,
    )


def _part(row: Row, name: str) -> Row:
    return FIELDS.mapping(name, row.get(name) or {})


def _spot(row: Row) -> tuple[datetime | None, float | None]:
    """Shares have a price, indices a value."""
    asset = _part(row, "underlying_asset")
    at = FIELDS.ticks("underlying_asset.last_updated", asset.get("last_updated"), NANOS)
    return at, FIELDS.positive("underlying_asset.price", asset.get("price") or asset.get("value"))


def _option(row: Row, today: date) -> OptionRow:
    root, expiry, strike, is_call = _contract(_part(row, "details"))
    last, day, greeks = _part(row, "last_quote"), _part(row, "day"), _part(row, "greeks")
    ask, bid = FIELDS.positive("ask", last.get("ask")), FIELDS.from_zero("bid", last.get("bid"))
    traded_on = FIELDS.ticks("day.last_updated", day.get("last_updated"), NANOS)
    is_of_today = traded_on is not None and traded_on.astimezone(NEW_YORK).date() == today
    return OptionRow(
        root,
        expiry,
        strike,
        is_call,
        bid=None if ask is None and not bid else bid,
        ask=ask,
        bid_size=FIELDS.positive("bid_size", last.get("bid_size")),
        ask_size=FIELDS.positive("ask_size", last.get("ask_size")),
        quoted_at=FIELDS.ticks("last_quote.last_updated", last.get("last_updated"), NANOS),
        last=FIELDS.positive("last_trade.price", _part(row, "last_trade").get("price")),
        volume=FIELDS.from_zero("day.volume", day.get("volume")) if is_of_today else None,
        open_interest=FIELDS.from_zero("open_interest", row.get("open_interest")),
        iv=FIELDS.positive("implied_volatility", row.get("implied_volatility")),
        delta=FIELDS.number("delta", greeks.get("delta")),
        gamma=FIELDS.number("gamma", greeks.get("gamma")),
        theta=FIELDS.number("theta", greeks.get("theta")),
        vega=FIELDS.number("vega", greeks.get("vega")),
    )


def _contract(details: Row) -> tuple[str, date, float, bool]:
    """Root, expiry, strike and whether it is a call; the root is told by the symbol only."""
    symbol = FIELDS.text("ticker", details.get("ticker"))
    found, right = OCC.fullmatch(symbol.removeprefix("O:")), details.get("contract_type")
    expiry = FIELDS.day("expiration_date", details.get("expiration_date"))
    strike = FIELDS.positive("strike_price", details.get("strike_price"))
    if found is None or expiry is None or strike is None or right not in ("call", "put"):
        raise invalid(NAME, "a contract", symbol or dict(details))
    return found["root"], expiry, strike, right == "call"


def _style(text: object) -> Style:
    try:
        return Style(str(text))
    except ValueError as error:
        raise invalid(NAME, "exercise_style", text) from error


@dataclass(frozen=True, slots=True)
class Listed:
    """A contract as it is listed."""

    root: str
    expiry: date
    strike: float
    is_call: bool
    style: Style
    is_adjusted: bool


def listings(underlying: str, rows: Sequence[object]) -> Listings:
    """The listed contracts. Open interest and price increments are not told here."""
    found = FIELDS.each("results", rows, _listed)
    if not found:
        raise NotFound(f"massive knows no options of {underlying}.")
    is_adjusted = np.array([each.is_adjusted for each in found], dtype=bool)
    return Listings(
        underlying,
        root=np.array([each.root for each in found], dtype=object),
        expiry=np.array([each.expiry for each in found], dtype="datetime64[D]"),
        strike=np.array([each.strike for each in found], dtype=np.float64),
        is_call=np.array([each.is_call for each in found], dtype=bool),
        style=np.array([each.style for each in found], dtype=object),
        open_interest=np.full(len(found), NAN),
        counted_on=np.full(len(found), "NaT", dtype="datetime64[D]"),
        multiplier=np.where(is_adjusted, NAN, float(USUAL)),
        is_adjusted=is_adjusted,
        is_penny=np.full(len(found), NAN),
        source=Source(NAME, Kind.REAL),
    )


def options(underlying: str, rows: Sequence[object]) -> tuple[Option, ...]:
    """The contracts that are not adjusted, each once."""
    found = [
        Option(
            underlying,
            each.expiry,
            Right.CALL if each.is_call else Right.PUT,
            Decimal(str(each.strike)),
            each.root,
            each.style,
        )
        for each in FIELDS.each("results", rows, _listed)
        if not each.is_adjusted
    ]
    return tuple(dict.fromkeys(found))


def _listed(row: Row) -> Listed:
    root, expiry, strike, is_call = _contract(row)
    shares = FIELDS.number("shares_per_contract", row.get("shares_per_contract"))
    is_adjusted = root[-1].isdigit() or bool(row.get("additional_underlyings")) or shares != USUAL
    return Listed(root, expiry, strike, is_call, _style(row.get("exercise_style")), is_adjusted)


def level(row: Row) -> Level | None:
    """The value of an index, None where it does not say of when."""
    at = FIELDS.ticks("last_updated", row.get("last_updated"), NANOS)
    value = FIELDS.positive("value", row.get("value"))
    if at is None or value is None:
        return None
    symbol = FIELDS.text("ticker", row.get("ticker")).removeprefix("I:")
    return Level(symbol, value, at, Source(NAME, kind_of(row.get("timeframe"))))


def dividend(row: Row) -> Dividend | None:
    """As paid: they "are not adjusted for splits" (its knowledge base). One in another currency is left out."""
    day = FIELDS.day("ex_dividend_date", row.get("ex_dividend_date"))
    amount = FIELDS.money("cash_amount", row.get("cash_amount"))
    if day is None or amount is None or row.get("currency", "USD") not in ("USD", None):
        return None
    return Dividend(day, amount)


def split(row: Row) -> Split:
    day = FIELDS.day("execution_date", row.get("execution_date"))
    new, old = (FIELDS.money(name, row.get(name)) for name in ("split_to", "split_from"))
    if day is None or new is None or old is None:
        raise invalid(NAME, "a split", dict(row))
    return Split(day, new / old)


def ticker_of(row: Row) -> str:
    return FIELDS.text("ticker", row.get("ticker"))


def headline(row: Row) -> Headline | None:
    at = FIELDS.instant("published_utc", row.get("published_utc"))
    article, title = FIELDS.text("id", row.get("id")), FIELDS.text("title", row.get("title"))
    if at is None or not article or not title:
        return None
    tickers = [each for each in FIELDS.rows("tickers", row.get("tickers") or []) if isinstance(each, str)]
    return Headline(
        id=article,
        at=at,
        title=title,
        summary=FIELDS.text("description", row.get("description")),
        tickers=tuple(dict.fromkeys(each for each in tickers if is_ticker(each))),
        source=NAME,
        publisher=FIELDS.text("publisher.name", _part(row, "publisher").get("name")),
        url=FIELDS.text("article_url", row.get("article_url")),
    )


def facts(company: Row, quarters: Sequence[object], years: Sequence[object]) -> Fundamentals:
    """Market value, growth of the latest quarter against the one a year before, margins of the last two years.

    Its only classification is the SIC code, which is no sector.
    """
    margin, margin_before = last_and_year_before(FIELDS.each("annual", years, _margin))
    is_dollars = company.get("currency_name") == "usd"
    return Fundamentals(
        market_cap=FIELDS.money("market_cap", company.get("market_cap")) if is_dollars else None,
        revenue_growth=_growth(quarters, "revenues"),
        earnings_growth=_growth(quarters, "diluted_earnings_per_share"),
        margin=margin,
        margin_before=margin_before,
        margin_change=None if margin is None or margin_before is None else margin - margin_before,
        sources=(NAME,),
    )


def _growth(quarters: Sequence[object], item: str) -> float | None:
    """A growth from nothing, or from a loss, means nothing."""

    def point(row: Row) -> tuple[date, float | None] | None:
        period = FIELDS.day("end_date", row.get("end_date"))
        return None if period is None else (period, _item(row, item))

    now, before = last_and_year_before(FIELDS.each("quarterly", quarters, point))
    return None if now is None or before is None or before <= 0 else now / before - 1


def _margin(row: Row) -> tuple[date, float | None] | None:
    period = FIELDS.day("end_date", row.get("end_date"))
    revenue, income = _item(row, "revenues"), _item(row, "net_income_loss")
    if period is None:
        return None
    return period, None if income is None or revenue is None or revenue <= 0 else income / revenue


def _item(row: Row, name: str) -> float | None:
    statement = FIELDS.mapping("income_statement", _part(row, "financials").get("income_statement") or {})
    return FIELDS.number(name, FIELDS.mapping(name, statement.get(name) or {}).get("value"))


def asked(ticker: str) -> str:
    """The underlying as the chain's address has it: indices have a prefix.

    >>> asked("AAPL"), asked("SPX")
    ('AAPL', 'I:SPX')
    """
    return f"I:{ticker}" if ticker in INDICES else ticker
