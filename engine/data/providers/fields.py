"""Fields of a provider's JSON as values of ours: missing is None, and what makes no sense is `DataInvalid`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import structlog

from engine.data.providers.reader import invalid
from engine.errors import DataInvalid
from engine.model.instruments import TICKER

log = structlog.get_logger()

Row = Mapping[str, Any]
T = TypeVar("T")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def is_ticker(text: str) -> bool:
    """Whether `text` is a ticker of a US listing as we spell it.

    >>> is_ticker("BRK.B"), is_ticker("0700.HK"), is_ticker("brk")
    (True, False, False)
    """
    return TICKER.fullmatch(text) is not None


def _is_missing(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
