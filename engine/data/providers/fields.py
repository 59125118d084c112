"""Fields of a provider's JSON as values of ours: missing is None, and what makes no sense is `DataInvalid`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import structlog

from engine.data.providers.reader import invalid
from engine.errors import DataInvalid
from engine.model.instruments import TICKER
from engine.model.market import Bar
from engine.sessions import NEW_YORK

log = structlog.get_logger()

Row = Mapping[str, Any]
T = TypeVar("T")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
OLDEST = datetime(1980, 1, 1, tzinfo=UTC)
"""No price here is older; seconds that are read as milliseconds are."""
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
SLACK = timedelta(days=21)
"""Fiscal years and quarters end on the same weekday, so a year between two is a few days more or less."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Reads the fields of one provider's answers; `name` is how a refusal calls the field.

    Null, an empty text and NaN are "not given" everywhere.

    Raises (every method):
        DataInvalid: the value cannot be what it should be.
    """

    provider: str

    def mapping(self, name: str, value: object) -> Row:
        if isinstance(value, Mapping):
            return value
        raise invalid(self.provider, name, value)

    def rows(self, name: str, value: object) -> list[Any]:
        if isinstance(value, list):
            return value
        raise invalid(self.provider, name, value)

    def number(self, name: str, value: object) -> float | None:
        """A finite number, also one written as a text."""
        if _is_missing(value):
            return None
        if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e18:
            raise invalid(self.provider, name, value)
        return float(value)

    def positive(self, name: str, value: object) -> float | None:
        """A number above zero; 0 is how providers write "none" for a price or a size, so it is not given."""
        number = self.number(name, value)
        if number is not None and number < 0:
            raise invalid(self.provider, name, value)
        return number or None

    def from_zero(self, name: str, value: object) -> float | None:
        """A number that is not below zero, where 0 says something: a bid of nothing, no open interest."""
        number = self.number(name, value)
        if number is not None and number < 0:
            raise invalid(self.provider, name, value)
        return number

    def money(self, name: str, value: object) -> Decimal | None:
        """Dollars as they are written, above zero."""
        number = self.positive(name, value)
        return None if number is None else Decimal(str(value).strip()).normalize() + Decimal(0)

    def text(self, name: str, value: object) -> str:
        """Text without blanks around it, "" when not given. It is never trusted."""
        if value is None:
            return ""
        if not isinstance(value, str):
            raise invalid(self.provider, name, value)
        return value.strip()

    def day(self, name: str, value: object) -> date | None:
        """A calendar day written as YYYY-MM-DD, whatever time of day may follow it."""
        if _is_missing(value):
            return None
        try:
            return date.fromisoformat(value[:10] if isinstance(value, str) else "")
        except ValueError:
            raise invalid(self.provider, name, value) from None

    def seconds(self, name: str, value: object) -> datetime | None:
        """An instant in seconds since 1970; 0 is not given. Milliseconds, found by their size, are refused."""
        number = self.positive(name, value)
        if number is None:
            return None
        if not EARLIEST.timestamp() <= number < LATEST.timestamp():
            raise invalid(self.provider, name, value)
        return EPOCH + timedelta(seconds=number)

    def ticks(self, name: str, value: object, per_second: int) -> datetime | None:
        """An instant in whole parts of a second since 1970 (1000: milliseconds), to the microsecond; 0 is not given.

        >>> Fields("acme").ticks("t", 1605192959994246100, 1_000_000_000).isoformat()
        '2020-11-12T14:55:59.994246+00:00'
        """
        if _is_missing(value) or value == 0:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid(self.provider, name, value)
        if not OLDEST.timestamp() <= value // per_second < LATEST.timestamp():
            raise invalid(self.provider, name, value)
        return EPOCH + timedelta(microseconds=value * 1_000_000 // per_second)

    def instant(self, name: str, value: object) -> datetime | None:
        """An instant in ISO 8601 with its zone, in UTC.

        >>> Fields("acme").instant("at", "2026-11-27T10:00:00-05:00").isoformat()
        '2026-11-27T15:00:00+00:00'
        """
        if _is_missing(value):
            return None
        try:
            found = datetime.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            raise invalid(self.provider, name, value) from None
        if found.tzinfo is None:
            raise invalid(self.provider, name, value)
        return found.astimezone(UTC)

    def session(self, row: Row, prices: tuple[str, str, str, str], at: datetime | None, volume: str = "") -> Bar | None:
        """The day so far: open, high, low and last by the names of their fields, on the New York day of `at`.

        None without a time or without a price above 0.
        """
        known = [price for price in (self.positive(name, row.get(name)) for name in prices) if price is not None]
        if at is None or len(known) < len(prices):
            return None
        first, high, low, last = known
        return Bar(at.astimezone(NEW_YORK).date(), first, high, low, last, self.positive(volume, row.get(volume)))

    def each(self, name: str, rows: Iterable[Any], read: Callable[[Row], T | None]) -> list[T]:
        """What `read` makes of every row, None left out.

        A row that makes no sense is left out with a warning: it should not cost the others. When no row at all
        makes sense the answer is refused.
        """
        found: list[T] = []
        trouble: DataInvalid | None = None
        is_read = False
        for row in rows:
            try:
                made = read(self.mapping(name, row))
            except DataInvalid as error:
                trouble = error
                log.warning("provider.bad_row", provider=self.provider, reason=str(error))
                continue
            is_read = True
            if made is not None:
                found.append(made)
        if trouble is not None and not is_read:
            raise trouble
        return found

    def of_tickers(
        self,
        name: str,
        rows: Iterable[Any],
        wanted: Container[str],
        ticker_of: Callable[[Row], str],
        read: Callable[[Row], T | None],
    ) -> dict[str, list[T]]:
        """What `read` makes of the rows of the wanted tickers, in their order, None left out.

        A ticker with a row that makes no sense is left out whole, with a warning: what is left of it would look
        like all there is. When that leaves nothing, or no row tells its ticker, the answer is refused.
        """
        found: dict[str, list[T]] = {}
        troubles: dict[str, DataInvalid] = {}
        is_told = False
        for row in rows:
            ticker = ""
            try:
                ticker = ticker_of(self.mapping(name, row))
                is_told = True
                made = read(row) if ticker in wanted else None
            except DataInvalid as error:
                log.warning("provider.bad_row", provider=self.provider, reason=str(error))
                troubles[ticker] = error
                continue
            if made is not None:
                found.setdefault(ticker, []).append(made)
        good = {ticker: each for ticker, each in found.items() if ticker not in troubles}
        unnamed = None if is_told else troubles.get("")
        trouble = next((error for ticker, error in troubles.items() if ticker), unnamed)
        if trouble is not None and not good:
            raise trouble
        return good


Point = tuple[date, float | None]
"""The end of a fiscal period and its figure."""


def last_and_year_before(points: Iterable[Point]) -> tuple[float | None, float | None]:
    """The figure of the latest period and of the one that ended a year earlier, None where there is none.

    >>> last_and_year_before([(date(2026, 9, 26), 1.85), (date(2026, 6, 27), 1.57), (date(2025, 9, 27), 0.97)])
    (1.85, 0.97)
    """
    ordered = sorted(points, key=lambda point: point[0])
    if not ordered:
        return None, None
    last, figure = ordered[-1]
    before = [each for period, each in ordered if abs(last - period - YEAR) <= SLACK]
    return figure, before[-1] if before else None


def within(
    found: Mapping[str, Iterable[T]], day_of: Callable[[T], date], start: date, end: date
) -> dict[str, tuple[T, ...]]:
    """What falls on a day from `start` to `end` inclusive, oldest first, each once; empty where nothing does."""
    return {
        ticker: tuple(sorted(dict.fromkeys(one for one in each if start <= day_of(one) <= end), key=day_of))
        for ticker, each in found.items()
    }


def is_ticker(text: str) -> bool:
    """Whether `text` is a ticker of a US listing as we spell it.

    >>> is_ticker("BRK.B"), is_ticker("0700.HK"), is_ticker("brk")
    (True, False, False)
    """
    return TICKER.fullmatch(text) is not None


def _is_missing(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
