"""Values to JSON text and back: every frozen dataclass of the model, whole.

Decimals travel as strings, so that no digit is lost; dates and times as ISO 8601; an instrument is told apart by
its own keys (`ticker` for shares, `underlying` and `strike` for an option).
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from engine.errors import DataInvalid

T = TypeVar("T")

_CONFIG = ConfigDict(ser_json_inf_nan="strings")
"""A float may be infinite (the spread of a quote without a bid); plain JSON would turn it into null."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """The one adapter of a type. `| None` lets the configuration reach a dataclass that carries none of its own."""
    return TypeAdapter(kind | None, config=_CONFIG)


def dump(value: object) -> str:
    """`value` as JSON text.

    Raises:
        DataInvalid: a field holds something its type does not say (an int where money belongs), or money that is
            not a number, so that it could not be read again.
    """
    kind: Any = type(value)
    try:
        text = _adapter(kind).dump_json(value, warnings="error").decode()
    except ValueError as error:
        raise DataInvalid(f"This {kind.__name__} cannot be stored: {error}") from error
    if '"NaN"' in text or 'Infinity"' in text:
        load(kind, text)
    return text


def load(kind: type[T], text: str) -> T:
    """The `kind` that `text` describes, equal to what was dumped.

    Raises:
        DataInvalid: the text does not describe one.
    """
    try:
        value = _adapter(cast("Any", kind)).validate_json(text)
    except ValidationError as error:
        raise DataInvalid(f"A stored {kind.__name__} cannot be read: {error}") from error
    if value is None:
        raise DataInvalid(f"A stored {kind.__name__} is empty.")
    return cast("T", value)


@lru_cache(maxsize=2048)
def _shared(kind: Any, text: str) -> Any:
    return load(kind, text)


def load_frozen(kind: type[T], text: str) -> T:
    """As `load`, for values frozen all the way down: the same text gives the same object, read once."""
    shared: Any = kind
    value: T = _shared(shared, text)
    return value
