"""Greeks of what is held against formulas written out in `tests.make`, with the signs of what is sold, and betas."""

from __future__ import annotations

from datetime import timedelta
from math import exp

import numpy as np
import pytest

from engine import pricing, sensitivities, stress
from engine.sensitivities import Beta
from engine.stress import Leg, Underlying
from tests import make

RATE = 0.04
PUT = make.put(44)
PUT_MARK = 1.0345
NAMES = {"XYZ": Underlying(48.0, RATE), "ABC": Underlying(100.0, RATE)}


def held(*legs: Leg, **names: Underlying) -> stress.Holdings:
    return stress.holdings(legs, NAMES | names, make.TODAY, make.NOW)


def test_two_short_puts_have_the_greeks_of_the_worked_example() -> None:
    """Short one unit: delta 0.2392, gamma -0.0454, theta 0.0289, vega -0.0461 a share."""
    (found,) = sensitivities.by_position(held(Leg("P00001", PUT, -2, PUT_MARK)), {"XYZ": Beta(1.5, 250)})

    assert found.delta == pytest.approx(200 * 0.2392, abs=0.02)
    assert found.delta_dollars == pytest.approx(200 * 0.2392 * 48, abs=1)
    assert found.gamma_dollars == pytest.approx(200 * -0.0454 * 48 * 48 / 100, abs=0.3)
    assert found.theta == pytest.approx(200 * 0.0289, abs=0.02)
    assert found.vega == pytest.approx(200 * -0.0461, abs=0.02)
    assert found.market_dollars == pytest.approx(1.5 * found.delta_dollars)


def test_gamma_dollars_are_what_a_rise_of_one_percent_does_to_delta_dollars_less_the_rise_itself() -> None:
    rows = held(Leg("P00001", PUT, -2, PUT_MARK))
    (found,) = sensitivities.by_position(rows, {})

    years, iv = 35 / 365, float(rows.iv[0])
    before = make.bsm_greeks(48.0, 44, years, RATE, iv, False)[0]
    after = make.bsm_greeks(48.48, 44, years, RATE, iv, False)[0]

    assert found.gamma_dollars == pytest.approx(-200 * (after - before) * 48, rel=0.04)


def test_a_position_of_several_legs_is_one_and_the_account_is_their_sum() -> None:
    short, long = make.put(44), make.put(40)
    wing = 0.3266
    rows = held(
        Leg("P00001", short, -5, PUT_MARK), Leg("P00001", long, 5, wing), Leg("P00002", make.share("ABC"), 10, 100.0)
    )

    spread, shares = sensitivities.by_position(rows, {"XYZ": Beta(1.0, 250), "ABC": Beta(0.5, 250)})
    whole = sensitivities.total((spread, shares))

    assert spread.delta == pytest.approx(500 * (0.2392 - 0.0923), abs=0.2)
    assert (shares.delta, shares.delta_dollars, shares.gamma_dollars, shares.theta) == (10, 1000, 0, 0)
    assert whole.delta_dollars == pytest.approx(spread.delta_dollars + 1000)
    assert whole.market_dollars == pytest.approx(spread.delta_dollars + 500)


def test_what_has_no_beta_is_unknown_and_left_out_of_the_sum() -> None:
    rows = held(Leg("P00001", PUT, -2, PUT_MARK), Leg("P00002", make.share("ABC"), 10, 100.0))

    put, shares = sensitivities.by_position(rows, {"ABC": Beta(0.5, 250)})

    assert put.market_dollars is None
    assert sensitivities.total((put, shares)).market_dollars == 500


def test_a_dividend_ahead_is_taken_off_the_spot() -> None:
    day = make.TODAY + timedelta(days=10)
    paying = Underlying(48.0, RATE, 0.0, ((day, 1.0),))
    mark = float(pricing.value(48 - exp(-RATE * 10 / 365), 44, 35 / 365, RATE, 0.46, False)[0])

    (found,) = sensitivities.by_position(held(Leg("P00001", PUT, -1, mark), XYZ=paying), {})

    expected = make.bsm_greeks(48 - exp(-RATE * 10 / 365), 44, 35 / 365, RATE, 0.46, False)[0]
    assert found.delta == pytest.approx(-100 * expected, abs=0.01)


def test_a_short_put_in_the_money_has_american_greeks() -> None:
    option = make.put(55, dte=60)
    mark = pricing.american(48.0, 55.0, 60 / 365, RATE, 0.25, False)

    (found,) = sensitivities.by_position(held(Leg("P00001", option, -1, mark)), {})

    exact = pricing.american_greeks(48.0, 55.0, 60 / 365, RATE, 0.25, False)
    european = make.bsm_greeks(48.0, 55, 60 / 365, RATE, 0.25, False)
    assert found.delta == pytest.approx(-100 * exact.delta, abs=0.5)
    assert abs(found.delta + 100 * european[0]) > 2


def test_what_trades_at_its_exercise_value_moves_with_the_shares() -> None:
    deep = make.put(60)

    (found,) = sensitivities.by_position(held(Leg("P00001", deep, -1, 11.9)), {})

    assert (found.delta, found.gamma_dollars, found.vega) == (100, 0, 0)


def returns(seed: int, days: int = 250) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = np.random.default_rng(seed).normal(0, 0.01, days)
    return found


def test_beta_is_the_slope_of_a_regression() -> None:
    market = returns(1)
    name = 1.4 * market + returns(2)

    found = sensitivities.beta(name, market)

    assert found is not None
    assert found.value == pytest.approx(np.polyfit(market, name, 1)[0])
    assert found.observations == 250


def test_beta_looks_at_the_last_250_sessions_that_both_have() -> None:
    market, name = returns(1, 260), 2 * returns(1, 260)
    name[:10] = 5.0

    found = sensitivities.beta(name, market)

    assert found is not None
    assert (round(found.value, 6), found.observations) == (2.0, 250)


@pytest.mark.parametrize(("missing", "is_known"), [(190, True), (191, False)])
def test_beta_needs_sixty_returns_in_common(missing: int, is_known: bool) -> None:
    market, name = returns(1), returns(2)
    name[:missing] = np.nan

    assert (sensitivities.beta(name, market) is not None) is is_known


def test_a_market_that_never_moved_tells_no_beta() -> None:
    assert sensitivities.beta(returns(1), np.zeros(250)) is None
