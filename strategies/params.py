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

import re
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


Groups = Mapping[str, tuple[str, ...]]
TICKER = re.compile(r"[A-Z][A-Z0-9]*([.-][A-Z]+)?")


def groups(default: Groups, words: str) -> Groups:
    """A dataclass field of tickers by the name of their group, each in one group; `words` say what it is.

    In the configuration it is a section of its own; a group given there stands in the place of the default one, an
    empty list leaves it out.
    """
    made: Groups = field(default_factory=lambda: dict(default), metadata={"groups": default, "words": words})
    return made


def grouped(params: type[Any]) -> Mapping[str, Groups]:
    """The defaults of every parameter made of groups."""
    return {each.name: each.metadata["groups"] for each in fields(params) if "groups" in each.metadata}


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
    """Every number of a class, in the order of its fields."""
    return tuple(
        Parameter(each.name, each.default, each.metadata["range"], each.metadata["words"])  # type: ignore[arg-type]
        for each in fields(params)
        if "range" in each.metadata
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
    for name in grouped(type(made)):
        _check_groups(name, getattr(made, name))
    for keys in getattr(type(made), "ordered", ()):
        values = [getattr(made, key) for key in keys]
        if values != sorted(values):
            found = ", ".join(f"{key} = {value}" for key, value in zip(keys, values, strict=True))
            raise ConfigError(f"expected {' ≤ '.join(keys)}, found {found}.")


def _check_groups(name: str, value: Groups) -> None:
    seen: dict[str, str] = {}
    for group, tickers in value.items():
        for ticker in tickers:
            if not TICKER.fullmatch(ticker):
                raise ConfigError(f"{name}.{group} = {ticker}: expected tickers such as NVDA.")
            if ticker in seen:
                raise ConfigError(f"{name}.{group}: {ticker} is in {seen[ticker]} already; a name is in one group.")
            seen[ticker] = group
    if not seen:
        raise ConfigError(f"{name}: expected at least one ticker.")


def configure(params: type[Params], name: str, given: Mapping[str, object]) -> Params:
    """The parameters of strategy `name` with the `given` keys in place of their defaults.

    Numbers may come as TOML or the environment give them (int, float, Decimal or their text).

    Raises:
        ConfigError: an unknown key (the nearest is named), a wrong type, a value out of range.
    """
    known, made_of_groups = {each.name: each for each in described(params)}, grouped(params)
    try:
        values: dict[str, Any] = {
            key: _groups(key, value, made_of_groups[key]) if key in made_of_groups else _number(known, key, value)
            for key, value in given.items()
        }
        return params(**values)
    except ConfigError as problem:
        raise ConfigError(f"[strategies.{name}] {problem}") from problem


def _groups(key: str, value: object, default: Groups) -> Groups:
    """The default groups with those given in their place; tickers as a list, or with commas between them."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key} = {value}: expected a section [{key}] of lists of tickers.")
    given = {str(group): _tickers(f"{key}.{group}", tickers) for group, tickers in value.items()}
    return {group: tickers for group, tickers in {**default, **given}.items() if tickers}


def _tickers(key: str, value: object) -> tuple[str, ...]:
    found = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(isinstance(each, str) for each in found):
        raise ConfigError(f'{key} = {value}: expected a list of tickers such as ["NVDA", "AMD"].')
    return tuple(ticker for each in found if (ticker := each.strip().upper()))


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
