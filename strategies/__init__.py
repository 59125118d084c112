"""The catalogue: every strategy and report that is built, and the names of those to come.

Adding one is a module with a `STRATEGY` (or a `REPORT`) and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from engine.errors import ConfigError, NotFound
from engine.model.reports import Report
from engine.model.trade import Strategy
from strategies import (
    debit_spreads,
    earnings_protection,
    index_baseline,
    leaps,
    lotto,
    momentum_weeklies,
    spx_credit_spreads,
    swing,
    wheel,
    wsb_dip,
)
from strategies.params import configure, suggestion

Row = TypeVar("Row", Strategy, Report)

CATALOGUE: Mapping[str, Strategy] = {
    each.name: each
    for each in (
        wheel.STRATEGY,
        debit_spreads.STRATEGY,
        spx_credit_spreads.STRATEGY,
        momentum_weeklies.STRATEGY,
        leaps.STRATEGY,
        earnings_protection.STRATEGY,
        swing.STRATEGY,
        wsb_dip.STRATEGY,
        lotto.STRATEGY,
    )
}
"""The built strategies by name, with default parameters."""

REPORTS: Mapping[str, Report] = {each.name: each for each in (index_baseline.REPORT,)}
"""The rows that look back instead of trading, by name, with default parameters."""


def strategy(name: str) -> Strategy:
    """The strategy called `name`, with default parameters.

    Raises:
        NotFound: not built yet, or unknown; the message tells which and suggests the nearest.
    """
    if name not in CATALOGUE:
        raise NotFound(_absence(name))
    return CATALOGUE[name]


def _absence(name: str) -> str:
    built = ", ".join(CATALOGUE)
    if name in REPORTS:
        return f"{REPORTS[name].words} Strategies: {built}."
    return f"There is no strategy “{name}”.{suggestion(name, (*CATALOGUE, *REPORTS))} There are {built}."


def configured(overrides: Mapping[str, Mapping[str, object]]) -> Mapping[str, Strategy]:
    """The catalogue with the keys of each `[strategies.NAME]` section applied.

    Raises:
        ConfigError: an unknown or planned strategy, an unknown key or a value out of range; the message names it.
    """
    for name in overrides:
        if name not in CATALOGUE and name not in REPORTS:
            raise ConfigError(f"[strategies.{name}]: {_absence(name)}")
    return _with(CATALOGUE, overrides)


def configured_reports(overrides: Mapping[str, Mapping[str, object]]) -> Mapping[str, Report]:
    """The reports with the keys of their `[strategies.NAME]` sections applied.

    Raises:
        ConfigError: an unknown key or a value out of range; the message names it.
    """
    return _with(REPORTS, overrides)


def _with(rows: Mapping[str, Row], overrides: Mapping[str, Mapping[str, object]]) -> dict[str, Row]:
    return {
        name: replace(each, params=configure(type(each.params), name, overrides.get(name, {})))
        for name, each in rows.items()
    }
