"""Column types that read the same from SQLite and PostgreSQL: money and instants."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from sqlalchemy import BigInteger, DateTime, Dialect, Numeric, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from engine.errors import DataInvalid

PLACES = 6
STEP = Decimal(1).scaleb(-PLACES)
LARGEST = Decimal(10) ** 12


def quantise(value: Decimal) -> Decimal:
    """`value` in millionths of a dollar, half to even: what NUMERIC(18,6) holds.

    >>> quantise(Decimal("1.0000005")), quantise(Decimal("1.0000015"))
    (Decimal('1.000000'), Decimal('1.000002'))

    Raises:
        DataInvalid: not a finite number, or a trillion dollars and more.
    """
    if not value.is_finite() or abs(value) >= LARGEST:
        raise DataInvalid(f"{value} is not an amount of money the database can hold.")
    return value.quantize(STEP, rounding=ROUND_HALF_EVEN)


class Money(TypeDecorator[Decimal]):
    """Dollars, or dollars per share: NUMERIC(18,6) on PostgreSQL, whole millionths on SQLite; never a float."""

    impl = Numeric(18, PLACES)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Decimal] | TypeEngine[int]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(Numeric(18, PLACES))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | int | None:
        if value is None:
            return None
        exact = quantise(value)
        return int(exact.scaleb(PLACES)) if dialect.name == "sqlite" else exact

    def process_result_value(self, value: Decimal | int | None, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        return Decimal(value).scaleb(-PLACES) if dialect.name == "sqlite" else Decimal(value)


class Instant(TypeDecorator[datetime]):
    """An aware moment, kept and given back in UTC: timestamptz on PostgreSQL, sortable ISO text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime] | TypeEngine[str]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise DataInvalid(f"{value.isoformat()} has no time zone: the desk keeps aware times only.")
        moment = value.astimezone(UTC)
        return moment.isoformat(timespec="microseconds") if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
