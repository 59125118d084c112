"""American options against a binomial lattice of our own, and the bounds no American price may break."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from engine import pricing

Dividends = tuple[tuple[float, float], ...]

QUARTERLY = tuple((0.2 + 0.25 * n, 0.8) for n in range(8))

CASES = [
    # spot, strike, years, rate, volatility, is_call, yield, dividends
    (100, 100, 0.5, 0.05, 0.30, False, 0.0, ()),
    (100, 110, 1.0, 0.08, 0.20, False, 0.0, ()),
    (100, 130, 0.3, 0.05, 0.25, False, 0.0, ()),
    (50, 50, 1 / 365, 0.04, 0.50, False, 0.0, ()),
    (5, 5, 30 / 365, 0.05, 3.00, False, 0.0, ()),
    (100, 100, 0.5, 0.05, 0.30, True, 0.06, ()),
    (450, 430, 38 / 365, 0.04, 0.17, False, 0.012, ()),
    (100, 90, 0.1, 0.04, 0.25, True, 0.0, ((0.05, 1.0),)),
    (100, 60, 0.3, 0.01, 0.30, True, 0.0, ((0.25, 2.0),)),
    (44, 42, 45 / 365, 0.04, 0.35, False, 0.0, ((20 / 365, 0.36),)),
    (100, 100, 2.0, 0.04, 0.40, True, 0.0, QUARTERLY),
    (100, 100, 2.0, 0.04, 0.40, False, 0.0, QUARTERLY),
]


def lattice(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    iv: float,
    is_call: bool,
    dividend_yield: float,
    dividends: Dividends,
    steps: int = 2000,
) -> tuple[float, float]:
    """Value and delta on a Cox-Ross-Rubinstein lattice of the spot less the dividends still to come."""
    dt = years / steps
    up = math.exp(iv * math.sqrt(dt))
    chance = (math.exp((rate - dividend_yield) * dt) - 1 / up) / (up - 1 / up)
    sign = 1.0 if is_call else -1.0

    def to_come(now: float) -> float:
        return sum(paid * math.exp(-rate * (when - now)) for when, paid in dividends if now < when <= years)

    bare = spot - to_come(0.0)
    values = np.maximum(sign * (bare * up ** np.arange(-steps, steps + 1, 2.0) - strike), 0.0)
    second = values
    for step in range(steps - 1, -1, -1):
        held = math.exp(-rate * dt) * (chance * values[1:] + (1 - chance) * values[:-1])
        spots = bare * up ** np.arange(-step, step + 1, 2.0)
        values = np.maximum(held, sign * (spots + to_come(step * dt) - strike))
        second = values if step == 1 else second
    return float(values[0]), float((second[1] - second[0]) / (bare * (up - 1 / up)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_and_delta_match_a_lattice_of_2000_steps(
    case: tuple[float, float, float, float, float, bool, float, Dividends],
) -> None:
    value, delta = lattice(*case)
    assert pricing.american(*case) == pytest.approx(value, rel=5e-4)
    assert pricing.american_greeks(*case).delta == pytest.approx(delta, abs=1e-3)


@pytest.mark.parametrize("case", [CASES[0], CASES[1], CASES[9], CASES[10]], ids=str)
def test_the_other_greeks_match_differences_of_the_lattice(
    case: tuple[float, float, float, float, float, bool, float, Dividends],
) -> None:
    spot, strike, years, rate, iv, is_call, dividend_yield, dividends = case

    def at(years: float, rate: float, iv: float, passed: float = 0.0) -> float:
        left = tuple((when - passed, paid) for when, paid in dividends)
        return lattice(spot, strike, years, rate, iv, is_call, dividend_yield, left)[0]

    found = pricing.american_greeks(*case)
    assert found.vega == pytest.approx((at(years, rate, iv + 0.005) - at(years, rate, iv - 0.005)), abs=1e-3)
    assert found.rho == pytest.approx((at(years, rate + 0.005, iv) - at(years, rate - 0.005, iv)), abs=3e-3)
    day = 1 / 365
    assert found.theta == pytest.approx(at(years - day, rate, iv, day) - at(years, rate, iv), abs=2e-3)


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("strike", [60.0, 90.0, 100.0, 110.0, 160.0])
def test_never_below_exercise_nor_below_the_european_on_the_escrowed_spot(strike: float, is_call: bool) -> None:
    dividends = ((0.1, 1.0), (0.35, 1.0))
    value = pricing.american(100, strike, 0.5, 0.05, 0.3, is_call, dividends=dividends)
    escrowed = 100 - sum(paid * math.exp(-0.05 * when) for when, paid in dividends)
    assert value >= max(100 - strike if is_call else strike - 100, 0)
    assert value >= pricing.value(escrowed, strike, 0.5, 0.05, 0.3, is_call)[0] - 2e-3


def test_a_call_without_dividends_is_the_european_one_to_the_bit() -> None:
    terms = (100, 105, 0.5, 0.05, 0.3, True)
    assert pricing.american(*terms) == pricing.value(*terms)[0]
    greeks = pricing.american_greeks(*terms)
    assert greeks.delta == pricing.greeks(*terms).delta[0]
    assert greeks.rho == pricing.greeks(*terms).rho[0]


def test_dividends_of_the_past_and_after_expiry_change_nothing() -> None:
    terms = (100.0, 100.0, 0.25, 0.05, 0.3, False, 0.0)
    assert pricing.american(*terms, ((-0.1, 5.0), (0.0, 5.0), (0.26, 5.0))) == pricing.american(*terms)


def test_a_deep_call_just_before_a_dividend_larger_than_its_time_value_is_worth_its_exercise() -> None:
    assert pricing.american(100, 60, 20 / 365, 0.01, 0.2, True, dividends=((1 / 365, 2.0),)) == pytest.approx(
        40, abs=0.01
    )


@pytest.mark.parametrize(
    "bad",
    [
        *({name: math.nan} for name in ("spot", "strike", "years", "rate", "iv", "dividend_yield")),
        *({name: bad} for name in ("spot", "strike", "years", "iv") for bad in (0.0, -1.0, math.inf)),
        {"dividends": ((0.1, math.nan),)},
        {"dividends": ((math.nan, 1.0),)},
        {"dividends": ((0.1, 101.0),)},
    ],
    ids=str,
)
def test_what_is_missing_or_not_positive_has_no_american_value(bad: dict[str, object]) -> None:
    terms: dict[str, object] = {"spot": 100, "strike": 100, "years": 0.25, "rate": 0.04, "iv": 0.3, "is_call": False}
    assert math.isnan(pricing.american(**(terms | bad)))  # type: ignore[arg-type]
    found = pricing.american_greeks(**(terms | bad))  # type: ignore[arg-type]
    assert all(map(math.isnan, (found.delta, found.gamma, found.theta, found.vega, found.rho)))


def test_quantlib_is_not_loaded_until_an_american_option_asks_for_it() -> None:
    program = "import sys; from engine import pricing; print('QuantLib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
