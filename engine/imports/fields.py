"""Reading one field of an old portfolio: any of its names, but a value that is what it claims to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from engine.errors import BadRequest
from engine.model.instruments import Stock, stock
from engine.sessions import NEW_YORK

Names = tuple[str, ...]
MISSING = (None, "")


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a list in the file, and where it stands ("wheel.json: positions[3]")."""

    place: str
    values: Mapping[str, object]

    def key(self, names: Names) -> str | None:
        """The first of `names` that the row has a value for."""
        return next((name for name in names if self.values.get(name) not in MISSING), None)

    def error(self, names: Names, problem: str) -> BadRequest:
        """The complaint about a field, with file, row and key."""
        return BadRequest(f"{self.place}.{self.key(names) or names[0]}: {problem}. Nothing was imported.")

    def required(self, names: Names) -> object:
        """The value under one of `names`.

        Raises:
            BadRequest: none of them is there.
        """
        key = self.key(names)
        if key is None:
            others = f" (or {', '.join(names[1:])})" if len(names) > 1 else ""
            raise self.error(names, f"is missing{others}")
        return self.values[key]

    def text(self, names: Names, default: str = "") -> str:
        """Trimmed text, or `default` when the row has none.

        Raises:
            BadRequest: something else than text.
        """
        if self.key(names) is None:
            return default
        value = self.required(names)
        if not isinstance(value, str):
            raise self.error(names, f"“{value}” is not text")
        return value.strip()

    def ticker(self, names: Names) -> Stock:
        """The underlying.

        Raises:
            BadRequest: missing, or not a ticker.
        """
        value = self.required(names)
        try:
            return stock(str(value))
        except BadRequest as error:
            raise self.error(names, f"“{value}” is not a ticker") from error

    def number(self, names: Names) -> Decimal:
        """An exact number, as it is written in the file.

        Raises:
            BadRequest: missing, or not a finite number.
        """
        value = self.required(names)
        if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
            raise self.error(names, f"“{value}” is not a number")
        try:
            number = Decimal(value.strip() if isinstance(value, str) else value)
        except InvalidOperation as error:
            raise self.error(names, f"“{value}” is not a number") from error
        if not number.is_finite() or abs(number) >= 10**12:
            raise self.error(names, f"“{value}” is not a number the desk can hold")
        return number

    def price(self, names: Names) -> Decimal:
        """A price per share: zero or more.

        Raises:
            BadRequest: missing, not a number, negative.
        """
        value = self.number(names)
        if value < 0:
            raise self.error(names, f"{value} is not a price: it is negative")
        return value

    def count(self, names: Names) -> int:
        """A whole number of contracts or shares, signed.

        Raises:
            BadRequest: missing, not a number, not whole.
        """
        value = self.number(names)
        if value != int(value):
            raise self.error(names, f"{value} is not a whole number")
        return int(value)

    def moment(self, names: Names) -> datetime:
        """An instant (UTC); a day alone is its midnight in New York, as is the clock of a time without a zone.

        Raises:
            BadRequest: missing, or not an ISO 8601 date.
        """
        value = self.required(names)
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError as error:
            raise self.error(names, f"“{value}” is not a date: expected one such as 2024-03-15") from error
        return (found if found.tzinfo else found.replace(tzinfo=NEW_YORK)).astimezone(UTC)

    def day(self, names: Names) -> date:
        """A calendar day.

        Raises:
            BadRequest: missing, or not an ISO 8601 date.
        """
        return self.moment(names).astimezone(NEW_YORK).date()
