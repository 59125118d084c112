"""The fields of Yahoo's answers: numbers that are numbers, times that are times, tickers spelled both ways.

Yahoo publishes no description of its answers; what is read here is what recorded ones hold. A field that is absent,
null, {} or not a finite number is missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from math import inf
from zoneinfo import ZoneInfo

from engine.data.providers.fields import Fields, Row
from engine.data.providers.reader import invalid
from engine.data.providers.yahoo_client import NAME
from engine.model.instruments import INDEX_ROOTS
from engine.model.market import Kind, Source
from engine.sessions import NEW_YORK

FIELDS = Fields(NAME)

DELAYED = Source(NAME, Kind.DELAYED)
"""Every price of Yahoo is, whatever it says of itself: no order is priced by it."""
FACT = Source(NAME, Kind.REAL)
INDICES = frozenset(INDEX_ROOTS.values()) | {"VIX3M"}
LEVELS = {"SPX": "^GSPC"}
"""Where the symbol of a level is not a caret and our name; the options of SPX are under ^SPX all the same."""
_CLASS = re.compile(r"([A-Z]{1,5})-([A-Z])")
_SHARE = re.compile(r"[A-Z]{1,5}")


def given(row: Row, field: str) -> object:
    """What is there; of `{"raw": 1.5, "fmt": "1.50"}` the 1.5, of {} and of an infinite number nothing."""
    value = row.get(field)
    if isinstance(value, dict):
        value = value.get("raw")
    return None if value in ("Infinity", "NaN", inf, -inf) else value


def number(row: Row, field: str) -> float | None:
    """A finite number, None where there is none.

    Raises:
        DataInvalid: something else is there.
    """
    return FIELDS.number(field, given(row, field))


def price(row: Row, field: str) -> Decimal | None:
    """Dollars above 0, to the hundredth of a cent; 0 is Yahoo's way to have none."""
    value = number(row, field)
    return None if value is None or value <= 0 else Decimal(str(round(value, 4)))


def count(row: Row, field: str) -> int:
    """A number of things, 0 where it is not given."""
    value = number(row, field)
    return 0 if value is None else max(0, int(value))


def text(row: Row, field: str) -> str:
    value = row.get(field)
    return value.strip() if isinstance(value, str) else ""


def part(row: Row, field: str) -> Row:
    """An object inside an object; empty where it is missing."""
    value = row.get(field)
    return value if isinstance(value, dict) else {}


def parts(row: Row, field: str) -> list[Row]:
    """The objects of a list inside an object."""
    value = row.get(field)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def moment(row: Row, field: str) -> datetime | None:
    """Aware UTC, of seconds since 1970."""
    return FIELDS.seconds(field, given(row, field))


def trailing_yield(row: Row, close: str, books: str) -> float | None:
    """Dividends of twelve months over the previous `close`, decimal; `books`: the currency the company reports in.

    Of dollars and a price: Yahoo has sent yields as decimals and in percent under one name (0.0041 and 0.41 of Apple in
    recorded answers). Its rate is in the currency of the books (1.267 reais over 1.53 dollars), and 0 beside a rate of
    the coming year where it does not know: both are unknown.
    """
    if books not in ("", "USD"):
        return None
    rate, before = number(row, "trailingAnnualDividendRate"), number(row, close)
    if rate == 0 and (number(row, "dividendRate") or 0) > 0:
        return None
    return None if rate is None or before is None or before <= 0 else rate / before


def zone(row: Row) -> ZoneInfo:
    """The exchange's time zone, New York's where it is not given."""
    name = text(row, "exchangeTimezoneName")
    try:
        return ZoneInfo(name) if name else NEW_YORK
    except (KeyError, ValueError, OSError):
        raise invalid(NAME, "exchangeTimezoneName", name) from None


def symbol(ticker: str) -> str:
    """Our ticker as Yahoo spells it.

    >>> symbol("BRK.B"), symbol("SPX"), symbol("AAPL")
    ('BRK-B', '^SPX', 'AAPL')
    """
    return f"^{ticker}" if ticker in INDICES else ticker.replace(".", "-")


def ticker(spelled: str) -> str | None:
    """Yahoo's symbol as we spell it; None where it is no US share (an index, a currency, another exchange).

    >>> ticker("BRK-B"), ticker("AAPL"), ticker("^GSPC"), ticker("BTC-USD"), ticker("BMW.DE")
    ('BRK.B', 'AAPL', None, None, None)
    """
    if match := _CLASS.fullmatch(spelled):
        return f"{match[1]}.{match[2]}"
    return spelled if _SHARE.fullmatch(spelled) else None


def day_of(at: datetime, tz: ZoneInfo) -> date:
    return at.astimezone(tz).date()


def batches(tickers: Sequence[str], size: int) -> list[Sequence[str]]:
    return [tickers[start : start + size] for start in range(0, len(tickers), size)]
