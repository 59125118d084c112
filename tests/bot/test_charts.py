"""Charts: real PNGs of a phone's size, the same bytes for the same curve, no warning on odd curves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from struct import unpack

import numpy as np
import pytest

from bot.charts import equity_png, payoff_png, price_png
from bot.curves import EquityCurve, PayoffCurve, PriceCurve

SPOTS = np.linspace(30.0, 60.0, 241)
DAYS = np.arange("2018-12-20", "2019-01-20", dtype="datetime64[D]")


def payoff(profits: np.ndarray, *breakevens: float, spot: float = 48.0) -> Callable[[bool], bytes]:
    return partial(payoff_png, PayoffCurve("wheel: sell 2 × XYZ 44 put", SPOTS, profits, breakevens, spot))


def equity(values: np.ndarray) -> Callable[[bool], bytes]:
    return partial(equity_png, EquityCurve("Equity at the close", DAYS[: len(values)], values))


CURVES = {
    "short put": payoff(200 * (1.03 - np.maximum(44 - SPOTS, 0)), 42.97),
    "straddle": payoff(100 * (np.abs(SPOTS - 45) - 2), 43.0, 47.0),
    "never profitable": payoff(np.full(241, -50.0)),
    "breakeven and spot out of sight": payoff(SPOTS * 10, 10.0, spot=90.0),
    "a very long title": partial(payoff_png, PayoffCurve("word " * 30, SPOTS, SPOTS - 45, (45.0,), 45.0)),
    "equity up and down": equity(100_000 + 500 * np.sin(np.arange(31.0))),
    "two days": equity(np.array([100_000.0, 99_000.0])),
    "equity that never moves": equity(np.full(5, 100_000.0)),
    "prices": partial(price_png, PriceCurve("XYZ, daily close", DAYS, 48 + np.sin(np.arange(31.0)))),
    "one price": partial(price_png, PriceCurve("XYZ, daily close", DAYS[:1], np.array([1.25]))),
}


@pytest.mark.parametrize("name", CURVES)
def test_chart_is_a_png_of_a_phones_size(name: str):
    png = CURVES[name](False)

    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert unpack(">II", png[16:24]) == (800, 560)


def test_same_curve_gives_the_same_bytes():
    assert CURVES["short put"](True) == CURVES["short put"](True)


def test_dark_is_not_light():
    assert CURVES["short put"](True) != CURVES["short put"](False)


def test_another_curve_gives_another_picture():
    assert CURVES["two days"](False) != CURVES["equity that never moves"](False)
