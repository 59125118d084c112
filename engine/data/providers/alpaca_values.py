"""Fields of Alpaca's JSON that have to be there, and answers that are keyed by symbol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from engine.data.providers.alpaca_client import NAME, READ, Payload
from engine.data.providers.reader import invalid

Value = TypeVar("Value")


def needed(row: Payload, field: str, read: Callable[[str, object], Value | None]) -> Value:
    """What `read` (a method of `READ`) makes of a field that has to be there.

    Raises:
        DataInvalid: it is missing, or makes no sense.
    """
    value = read(field, row.get(field))
    if value is None:
        raise invalid(NAME, field, row.get(field))
    return value


def by_symbol(
    answer: Mapping[str, object], asked: Iterable[str], read: Callable[[str, Payload], Value | None]
) -> dict[str, Value]:
    """What `read` makes of the entry of each symbol; those without one, or with null, are left out.

    One senseless entry must not hide two hundred good ones: it is logged and left out, too.

    Raises:
        DataInvalid: there are entries, and none of them makes sense.
    """

    def named(pair: Payload) -> tuple[str, Value] | None:
        symbol = pair["symbol"]
        value = read(symbol, READ.mapping(symbol, pair["entry"]))
        return None if value is None else (symbol, value)

    pairs = [{"symbol": symbol, "entry": answer[symbol]} for symbol in asked if answer.get(symbol) is not None]
    return dict(READ.each("symbol", pairs, named))
