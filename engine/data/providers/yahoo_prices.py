"""Yahoo's quotes, sessions, index levels, daily bars, dividends and splits, read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from math import prod

import numpy as np
from numpy.typing import NDArray

from engine.data.intraday_rows import DELAY, Timed, session_bars, timed
from engine.data.providers.fields import Row
from engine.data.providers.port import ScreenRow
from engine.data.providers.reader import invalid
from engine.data.providers.yahoo_client import NAME
from engine.data.providers.yahoo_fields import (
    DELAYED,
    count,
    day_of,
    moment,
    number,
    part,
    parts,
    price,
    text,
    ticker,
    trailing_yield,
    zone,
)
from engine.errors import DataInvalid
from engine.model.instruments import stock
from engine.model.market import Bar, Bars, Dividend, Floats, IntradayBars, Level, Quote, Split
from engine.sessions import Sessions

TIMES = ("regularMarketTime", "preMarketTime", "postMarketTime")
COLUMNS = ("open", "high", "low", "close", "volume")
PAID = Decimal("0.0001")
LAG = 0.01
"""How far outside of the day's range the last price may be (they are counted apart); beyond it one is wrong."""


def quote(name: str, row: Row) -> Quote | None:
    """The bid and ask where both are given, at the time of the latest trade: Yahoo gives the quote none of its own."""
    bid, ask = price(row, "bid"), price(row, "ask")
    times = [at for field in TIMES if (at := moment(row, field)) is not None]
    if bid is None or ask is None or not times:
        return None
    if ask < bid:
        raise DataInvalid(f"{NAME} sent a bid of {bid} above an ask of {ask} for {name}.")
    return Quote(stock(name), bid, ask, max(times), DELAYED, count(row, "bidSize"), count(row, "askSize"))


def session(name: str, row: Row) -> Bar | None:
    """The regular session of the day of its latest trade: before the open that is the session before."""
    at = moment(row, "regularMarketTime")
    fields = ("regularMarketOpen", "regularMarketDayHigh", "regularMarketDayLow", "regularMarketPrice")
    prices = [number(row, field) for field in fields]
    if at is None or any(value is None or value <= 0 for value in prices):
        return None
    opened, high, low, last = (value for value in prices if value is not None)
    if not low * (1 - LAG) <= last <= high * (1 + LAG):
        raise invalid(NAME, f"low, last and high of {name}", (low, last, high))
    return Bar(day_of(at, zone(row)), opened, high, low, last, number(row, "regularMarketVolume"))


def level(name: str, row: Row) -> Level | None:
    at, value = moment(row, "regularMarketTime"), number(row, "regularMarketPrice")
    return None if at is None or value is None or value <= 0 else Level(name, value, at, DELAYED)


def screened(row: Row) -> ScreenRow | None:
    """One row of a screen, of a US share."""
    name = ticker(text(row, "symbol"))
    if name is None:
        return None
    cap = number(row, "marketCap")
    return ScreenRow(
        name,
        price=price(row, "regularMarketPrice"),
        volume=number(row, "regularMarketVolume"),
        market_cap=None if cap is None or cap <= 0 else Decimal(int(cap)),
        dividend_yield=trailing_yield(row, "regularMarketPreviousClose", text(row, "financialCurrency")),
    )


def bars(name: str, chart: Row, start: date, end: date, today: date) -> Bars:
    """The completed daily bars from `start` to `end` of a chart; `close`, not `adjclose`: adjusted for splits only.

    The row of a session that is not over is left out, as are rows without a price. Yahoo may add the latest price as a
    row of its own: of two rows of a day the later one counts (yfinance 1.7, utils.py: "most data is simply duplicated",
    its volume the better one).
    """
    days = _days(chart)
    columns, priced = _columns(chart, len(days))
    last = _last_completed(part(chart, "meta"), today)
    rows = {day: row for row, day in enumerate(days) if priced[row] and start <= day <= min(end, last)}
    order = np.array([rows[day] for day in sorted(rows)], dtype=np.intp)
    return Bars(
        name,
        np.array(sorted(rows), dtype="datetime64[D]"),
        columns["open"][order],
        columns["high"][order],
        columns["low"][order],
        columns["close"][order],
        columns["volume"][order],
        DELAYED,
    )


def intraday(name: str, minutes: int, chart: Row, now: datetime, sessions: Sessions) -> IntradayBars | None:
    """The bars of regular sessions of a chart in minutes that are over; None where there is none.

    Yahoo may add the latest price as a row of its own, and its last bar is still going on (yfinance 1.7, utils.py,
    `fix_Yahoo_returning_live_separate`). One is over when a later trade is told, at the latest a quarter of an hour on.
    """
    times = _times(chart)
    columns, priced = _columns(chart, len(times))
    seen = moment(part(chart, "meta"), "regularMarketTime")
    rows = (
        _timed(at, {field: columns[field][row] for field in COLUMNS}) for row, at in enumerate(times) if priced[row]
    )
    until = now - DELAY if seen is None else max(now - DELAY, min(seen, now))
    return session_bars(name, minutes, filter(None, rows), DELAYED, until, sessions)


def _timed(at: datetime, values: Mapping[str, float]) -> Timed | None:
    return timed(at, Bar(at.date(), *(float(values[field]) for field in COLUMNS)))


def _columns(chart: Row, rows: int) -> tuple[dict[str, Floats], NDArray[np.bool_]]:
    """Prices and volumes, and which rows have every price."""
    given = parts(part(chart, "indicators"), "quote")
    columns = {field: _column(given[0] if given else {}, field, rows) for field in COLUMNS}
    return columns, np.all([np.isfinite(columns[field]) & (columns[field] > 0) for field in COLUMNS[:4]], axis=0)


def _days(chart: Row) -> list[date]:
    """The exchange's own day of each row; `gmtoffset` is today's, an hour off on the other side of a clock change."""
    tz = zone(part(chart, "meta"))
    return [day_of(at, tz) for at in _times(chart)]


def _times(chart: Row) -> list[datetime]:
    stamps = chart.get("timestamp") or []
    if not isinstance(stamps, list):
        raise invalid(NAME, "timestamp", stamps)
    times = [moment({"timestamp": stamp}, "timestamp") for stamp in stamps]
    if None in times:
        raise invalid(NAME, "timestamp", None)
    return [at for at in times if at is not None]


def _column(given: Row, field: str, rows: int) -> Floats:
    values = given.get(field, []) if rows else []
    try:
        column: NDArray[np.float64] = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise invalid(NAME, field, values) from None
    if column.shape != (rows,):
        raise invalid(NAME, f"{field} of {rows} days", values)
    return column


def _last_completed(meta: Row, today: date) -> date:
    """The last day whose session is over: by Yahoo's own clock (its delay is in it), else the day before today."""
    yesterday = date.fromordinal(today.toordinal() - 1)
    period = part(part(meta, "currentTradingPeriod"), "regular")
    ended, seen = moment(period, "end"), moment(meta, "regularMarketTime")
    if ended is None or seen is None or day_of(ended, zone(meta)) != today:
        return yesterday
    return today if seen >= ended else yesterday


def splits(chart: Row, start: date, end: date) -> tuple[Split, ...]:
    """Splits by ex-date, oldest first."""
    return tuple(split for split in _splits(chart) if start <= split.ex_date <= end)


def dividends(chart: Row, start: date, end: date) -> tuple[Dividend, ...]:
    """Dividends as paid, oldest first: Yahoo divides each by every later split, so the chart must reach to today."""
    later = _splits(chart)
    found = []
    for at, row in _events(chart, "dividends"):
        amount = price_as_given(row, "amount")
        if start <= at <= end and amount is not None:
            ratio = prod((split.ratio for split in later if split.ex_date > at), start=Decimal(1))
            found.append(Dividend(at, amount if ratio == 1 else (amount * ratio).quantize(PAID).normalize()))
    return tuple(found)


def price_as_given(row: Row, field: str) -> Decimal | None:
    """Dollars above 0 with all the decimals that were given (dividends of funds have six)."""
    value = number(row, field)
    return None if value is None or value <= 0 else Decimal(str(value))


def _splits(chart: Row) -> list[Split]:
    found = []
    for at, row in _events(chart, "splits"):
        new, old = number(row, "numerator"), number(row, "denominator")
        if new is None or old is None or new <= 0 or old <= 0:
            raise invalid(NAME, "splits", row)
        found.append(Split(at, Decimal(str(new)) / Decimal(str(old))))
    return found


def _events(chart: Row, kind: str) -> list[tuple[date, Row]]:
    """(ex-date, event), oldest first; the events are keyed by their time."""
    tz = zone(part(chart, "meta"))
    dated: list[tuple[datetime, Row]] = []
    for row in part(part(chart, "events"), kind).values():
        at = moment(row, "date") if isinstance(row, Mapping) else None
        if at is None:
            raise invalid(NAME, kind, row)
        dated.append((at, row))
    return [(day_of(at, tz), row) for at, row in sorted(dated, key=lambda pair: pair[0])]
