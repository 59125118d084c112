"""Parameters of strategies: one frozen dataclass each, every field with its range and meaning, checked when it is made.

    @dataclass(frozen=True, slots=True)
    class Params:
        ordered: ClassVar = (("low", "high"),)
        low: float = number(0.15, 0.01, 0.99, "smallest |delta|")
        high: float = number(0.30, 0.01, 0.99, "largest |delta|")

        def __post_init__(self) -> None:
            check(self)

An instance with a value out of range cannot exist. `configure` makes one from the keys of `[strategies.NAME]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from math import isfinite
from typing import Any, TypeVar

from engine.errors import ConfigError

Params = TypeVar("Params")
Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Range:
    """The values a parameter may take, both ends included."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{_shown(self.low)} to {_shown(self.high)}"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1000 else f"{value:g}"


def number(default: Number, low: float, high: float, words: str) -> Number:
    """A dataclass field of a number from `low` to `high`; `words` say what it is. Its type is that of `default`."""
    made: Number = field(default=default, metadata={"range": Range(low, high), "words": words})
    return made


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter as documentation and help show it."""

    name: str
    default: int | float
    range: Range
    words: str

    @property
    def is_whole(self) -> bool:
        return isinstance(self.default, int)

    @property
    def shown_default(self) -> str:
        """`1,000,000`, `0.25`."""
        return _shown(self.default)

    @property
    def expected(self) -> str:
        """`a whole number from 1 to 10`."""
        return f"{'a whole number' if self.is_whole else 'a number'} from {self.range}"

    def accepts(self, value: object) -> bool:
        """Whether `value` is a finite number of the right kind inside the range."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            return False
        return (not self.is_whole or isinstance(value, int)) and self.range.low <= value <= self.range.high


def described(params: type[Any]) -> tuple[Parameter, ...]:
    """Every parameter of a class, in the order of its fields."""
    return tuple(
        Parameter(each.name, each.default, each.metadata["range"], each.metadata["words"])  # type: ignore[arg-type]
        for each in fields(params)
    )


def check(made: Any) -> None:
    """Refuse an instance with a value out of its range, or with bounds the wrong way round (`ordered`).

    Raises:
        ConfigError: the message names the key, the value and what it should be.
    """
    for parameter in described(type(made)):
        value = getattr(made, parameter.name)
        if not parameter.accepts(value):
            raise ConfigError(f"{parameter.name} = {value}: expected {parameter.expected}.")
    for keys in getattr(type(made), "ordered", ()):
        values = [getattr(made, key) for key in keys]
        if values != sorted(values):
            found = ", ".join(f"{key} = {value}" for key, value in zip(keys, values, strict=True))
            raise ConfigError(f"expected {' ≤ '.join(keys)}, found {found}.")


def configure(params: type[Params], name: str, given: Mapping[str, object]) -> Params:
    """The parameters of strategy `name` with the `given` keys in place of their defaults.

    Numbers may come as TOML or the environment give them (int, float, Decimal or their text).

    Raises:
        ConfigError: an unknown key (the nearest is named), a wrong type, a value out of range.
    """
    known = {each.name: each for each in described(params)}
    try:
        return params(**{key: _number(known, key, value) for key, value in given.items()})
    except ConfigError as problem:
        raise ConfigError(f"[strategies.{name}] {problem}") from problem


def _number(known: Mapping[str, Parameter], key: str, value: object) -> int | float:
    """The value as the parameter's type; refused when it is no such number."""
    if key not in known:
        raise ConfigError(f"has no key “{key}”.{suggestion(key, known)}")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise ConfigError(f"{key} = {value}: expected {known[key].expected}.")
    try:
        exact = Decimal(str(value))
    except InvalidOperation as error:
        raise ConfigError(f"{key} = {value}: expected {known[key].expected}.") from error
    is_integral = exact.is_finite() and exact == exact.to_integral_value()
    return int(exact) if known[key].is_whole and is_integral else float(exact)


def suggestion(word: str, known: Iterable[str]) -> str:
    """` Did you mean “delta”?` for the nearest known word, empty when none is near.

    >>> suggestion("detla", ["delta"])
    ' Did you mean “delta”?'
    """
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean “{near[0]}”?" if near else ""
