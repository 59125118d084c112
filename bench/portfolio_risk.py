"""The risk of 500 option positions: volatilities from marks, 99 scenarios, Greeks, VaR and shortfall of 260 days.

Measured: what /stress and /greeks compute once prices are there. A tenth of the positions are sold in the money or over
an ex-date and priced with early exercise. Contained, in the same run: one call of the pricing library for as many
European values, and its volatilities of as many marks. We hold ourselves to 0.5 s for marks and grid together.
`python -m bench.portfolio_risk [ROUNDS]`
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from statistics import median
from time import perf_counter

import numpy as np

from engine import pricing, sensitivities, shortfall, stress
from engine.model.instruments import Option, Right
from engine.stress import Holdings, Leg, Underlying
from tests import make

POSITIONS, NAMES = 500, 50
EARLY = 10
"""One position in so many is sold in the money or over an ex-date."""
ROUNDS = 5
AIM = 0.5
RATE, IV, SPOT = 0.04, 0.35, 100.0
CELLS = len(stress.SPOTS) * len(stress.VOLS) * len(stress.DAYS)


def names() -> dict[str, Underlying]:
    """Every fifth name pays a dividend in ten days."""
    paid = ((make.TODAY + timedelta(days=10), 0.5),)
    return {f"N{number:02d}": Underlying(SPOT, RATE, 0.0, () if number % 5 else paid) for number in range(NAMES)}


def legs() -> list[Leg]:
    """One option each: bought or sold, out of the money; one in ten sold in the money."""
    dice = np.random.default_rng(1)
    found = []
    for number in range(POSITIONS):
        is_early, is_call = not number % EARLY, bool(number % 2)
        away = float(dice.integers(1, 5)) * (2.5 if is_call != is_early else -2.5)
        expiry = make.TODAY + timedelta(days=int(dice.integers(12, 120)))
        ticker = f"N{number % NAMES:02d}"
        option = Option(ticker, expiry, Right.CALL if is_call else Right.PUT, Decimal(str(SPOT + away)))
        years = option.dte(make.TODAY) / 365
        mark = pricing.american(SPOT, SPOT + away, years, RATE, IV, is_call)
        is_sold = is_early or not (is_call and not (number % NAMES) % 5)
        found.append(Leg(f"P{number:05d}", option, -1 if is_sold else 1, mark))
    return found


def raw(rows: Holdings) -> None:
    """The library alone: as many values as the grid has cells, and the volatilities of the marks."""
    spots = np.repeat(rows.spot, CELLS)
    columns = (rows.strike, rows.years, rows.rate, rows.iv, rows.is_call)
    pricing.value(spots, *(np.repeat(column, CELLS) for column in columns))
    pricing.implied_volatility(rows.base, rows.spot, rows.strike, rows.years, rows.rate, rows.is_call)


def seconds(work: Callable[[], object], rounds: int) -> float:
    """The median time; the first round warms up."""
    times = []
    for _ in range(rounds + 1):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return median(times[1:])


def main(rounds: int) -> None:
    """Measure and print."""
    held, known = legs(), names()

    def marked() -> Holdings:
        return stress.holdings(held, known, make.TODAY, make.NOW)

    rows = marked()
    dice = np.random.default_rng(2)
    days = shortfall.scenarios({name: dice.normal(0, 0.02, shortfall.SESSIONS) for name in known})
    base = seconds(lambda: raw(rows), rounds)
    times = {
        "marks to volatilities": seconds(marked, rounds),
        f"grid of {CELLS} cells": seconds(lambda: stress.grid(rows), rounds),
        "VaR, shortfall, grid and full": seconds(lambda: shortfall.shortfall(rows, days), rounds),
        "Greeks": seconds(lambda: sensitivities.by_position(rows, {}), rounds),
    }
    both = sum(list(times.values())[:2])
    print(f"{len(rows)} option positions, {int(rows.is_american.sum())} of them American")
    print(f"  {pricing.preferred_kernel().name} alone, {len(rows) * CELLS:,} values {base * 1e3:8.1f} ms")
    for name, took in times.items():
        print(f"  {name:<32} {took * 1e3:8.1f} ms  {took / base:6.1f} x the library alone")
    print(f"  marks and grid together          {both * 1e3:8.1f} ms  {both / base:6.1f} x (aim: {AIM * 1e3:.0f} ms)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
