"""The scenario grid against arithmetic written out here: vollib cell by cell, intrinsic values, QuantLib for early
exercise; and its signs, which decide whether a loss looks like a gain."""

from __future__ import annotations

from datetime import timedelta
from math import exp
from typing import Any

import numpy as np
import pytest
from vollib.black_scholes_merton import black_scholes_merton

from engine import pricing, stress
from engine.model.instruments import Instrument, Option, Right, Style
from engine.stress import Holdings, Leg, Underlying
from tests import make

RATE = 0.04
PLAIN = Underlying(48.0, RATE)
DIVIDEND = (make.TODAY + timedelta(days=5), 0.60)
PAYING = Underlying(48.0, RATE, 0.0, (DIVIDEND,))


def held(*legs: Leg, **names: Underlying) -> Holdings:
    return stress.holdings(legs, names or {"XYZ": PLAIN}, make.TODAY, make.NOW)


def leg(instrument: Instrument, quantity: int, mark: float, position: str = "P00001") -> Leg:
    return Leg(position, instrument, quantity, mark)


def vollib(option: Option, spot: float, iv: float, days: float, ahead: float = 0.0) -> float:
    """Dollars a share by vollib, `days` before expiry, with so many dollars of dividends still to come."""
    flag = "c" if option.right is Right.CALL else "p"
    inside = max((spot - float(option.strike)) * (1 if flag == "c" else -1), 0.0)
    if days <= 0:
        return inside
    european = black_scholes_merton(flag, spot - ahead, float(option.strike), days / 365, RATE, iv, 0.0)
    return max(float(european), inside)


PUT, CALL = make.put(44), make.call(52, dte=30)
NEAR = make.call(48, dte=5)
PUT_MARK = vollib(PUT, 48, 0.46, 35)
CALL_MARK = vollib(CALL, 48, 0.40, 30)
NEAR_MARK = vollib(NEAR, 48, 0.50, 5)


def test_every_cell_is_what_vollib_says_of_every_leg() -> None:
    """Two short puts, three long calls, 100 shares, and one long call that has expired a week from now."""
    rows = held(leg(PUT, -2, PUT_MARK), leg(CALL, 3, CALL_MARK), leg(make.share(), 100, 48.0), leg(NEAR, 1, NEAR_MARK))

    found = stress.grid(rows)

    for i, move in enumerate(stress.SPOTS):
        for j, vol in enumerate(stress.VOLS):
            for k, days in enumerate(stress.DAYS):
                spot, factor = 48 * (1 + move), 1 + vol
                expected = (
                    -200 * (vollib(PUT, spot, 0.46 * factor, 35 - days) - PUT_MARK)
                    + 300 * (vollib(CALL, spot, 0.40 * factor, 30 - days) - CALL_MARK)
                    + 100 * (spot - 48)
                    + 100 * (vollib(NEAR, spot, 0.50 * factor, 5 - days) - NEAR_MARK)
                )
                assert found.pnl[i, j, k] == pytest.approx(expected, abs=0.01), (move, vol, days)


def test_the_grid_has_the_99_cells_of_the_rules_and_nothing_moves_in_its_middle() -> None:
    found = stress.grid(held(leg(PUT, -2, PUT_MARK)))

    assert found.spots.tolist() == [-0.2, -0.1, -0.05, -0.03, -0.01, 0, 0.01, 0.03, 0.05, 0.1, 0.2]
    assert (found.vols.tolist(), found.days.tolist()) == ([-0.25, 0.0, 0.5], [0, 1, 7])
    assert found.pnl.shape == (11, 3, 3)
    assert found.at(0, 0, 0) == 0.0
    assert len(found.worst) == 99


@pytest.mark.parametrize(
    ("instrument", "mark", "fall", "panic", "a_week"),
    [(PUT, PUT_MARK, 1, 1, -1), (CALL, CALL_MARK, -1, 1, -1)],
    ids=["put", "call"],
)
def test_what_is_sold_makes_what_the_same_bought_loses(
    instrument: Option, mark: float, fall: int, panic: int, a_week: int
) -> None:
    bought = stress.grid(held(leg(instrument, 2, mark)))
    sold = stress.grid(held(leg(instrument, -2, mark)))

    assert np.allclose(sold.pnl, -bought.pnl)
    assert np.sign(bought.at(-0.2, 0, 0)) == fall
    assert np.sign(bought.at(0, 0.5, 0)) == panic
    assert np.sign(bought.at(0, 0, 7)) == a_week


def test_the_worst_cell_of_a_short_put_is_the_deepest_fall_in_a_panic() -> None:
    worst = stress.grid(held(leg(PUT, -2, PUT_MARK))).worst[0]

    assert (worst.spot, worst.vol, worst.days) == (-0.2, 0.5, 0)
    assert worst.pnl == pytest.approx(-200 * (vollib(PUT, 38.4, 0.69, 35) - PUT_MARK), abs=0.01)


def test_a_spread_never_loses_more_than_its_width() -> None:
    legs = (leg(make.put(44), -5, PUT_MARK), leg(make.put(40), 5, vollib(make.put(40), 48, 0.48, 35)))

    found = stress.grid(held(*legs))

    entered = 500 * (legs[0].mark - legs[1].mark)
    assert found.worst[0].pnl >= entered - 500 * 4 - 0.01
    assert found.worst[0].pnl < 0


def test_an_ex_date_in_between_takes_the_dividend_off_the_price_and_shares_are_paid_it() -> None:
    """Bought calls, so that no early exercise is in the numbers."""
    ahead = DIVIDEND[1] * exp(-RATE * 5 / 365)
    mark = vollib(CALL, 48, 0.40, 30, ahead)
    rows = held(leg(CALL, 1, mark), leg(make.share(), 100, 48.0), XYZ=PAYING)

    found = stress.grid(rows)

    before = 100 * (vollib(CALL, 48 * 1.1, 0.40, 29, DIVIDEND[1] * exp(-RATE * 4 / 365)) - mark)
    after = 100 * (vollib(CALL, 48 * 1.1 - DIVIDEND[1], 0.40, 23) - mark)
    assert found.at(0.1, 0, 1) == pytest.approx(before + 100 * 4.8, abs=0.01)
    assert found.at(0.1, 0, 7) == pytest.approx(after + 100 * 4.8, abs=0.01)


def american_case(option: Option, mark_iv: float, name: Underlying) -> tuple[Holdings, list[tuple[float, float]]]:
    dividends = [((day - make.TODAY).days / 365, amount) for day, amount in name.dividends]
    is_call = option.right is Right.CALL
    mark = pricing.american(
        name.spot, float(option.strike), option.dte(make.TODAY) / 365, RATE, mark_iv, is_call, 0.0, dividends
    )
    return held(leg(option, -1, mark), XYZ=name), dividends


@pytest.mark.parametrize(
    ("option", "iv", "name"),
    [(make.put(55, dte=60), 0.35, PLAIN), (make.call(45, dte=30), 0.30, PAYING), (make.call(50, dte=30), 0.3, PAYING)],
    ids=["put in the money", "call over an ex-date", "call out of the money over an ex-date"],
)
def test_short_legs_that_may_be_exercised_early_are_priced_with_that(
    option: Option, iv: float, name: Underlying
) -> None:
    rows, dividends = american_case(option, iv, name)

    found = stress.grid(rows)

    strike, is_call, dte = float(option.strike), option.right is Right.CALL, option.dte(make.TODAY)
    assert rows.is_american.tolist() == [True]
    assert rows.iv[0] == pytest.approx(iv, abs=0.002)
    for move, vol, days in ((-0.2, 0.5, 0), (-0.05, 0.0, 1), (0.05, -0.25, 1), (0.1, 0.0, 0), (-0.1, 0.5, 7)):
        passed = sum(amount for when, amount in dividends if when <= days / 365)
        left = [(when - days / 365, amount) for when, amount in dividends]
        spot = name.spot * (1 + move) - passed
        worth = pricing.american(spot, strike, (dte - days) / 365, RATE, iv * (1 + vol), is_call, 0.0, left)
        expected = -100 * (worth - rows.legs[0].mark)
        assert found.at(move, vol, days) == pytest.approx(expected, abs=1.5), (move, vol, days)


def test_early_exercise_matters_where_it_is_asked_for() -> None:
    """The European value alone would understate what buying a put in the money back costs."""
    rows, _ = american_case(make.put(55, dte=60), 0.35, PLAIN)
    strike, years = 55.0, 60 / 365

    european = black_scholes_merton("p", 38.4, strike, years, RATE, 0.35, 0.0)

    assert stress.values(rows, np.array([[38.4]]), np.array([[0.35]]))[0, 0] > european + 0.2


@pytest.mark.parametrize(
    ("option", "quantity", "is_american"),
    [
        (make.put(55), -1, True),
        (make.put(55), 1, False),
        (make.put(44), -1, False),
        (make.call(44), -1, True),
        (make.call(60), -1, True),
        (make.call(60), 1, False),
        (make.call(60, dte=4), -1, False),
        (make.option(55, Right.PUT, style=Style.EUROPEAN), -1, False),
    ],
)
def test_only_short_legs_in_the_money_or_over_an_ex_date_are_american(
    option: Option, quantity: int, is_american: bool
) -> None:
    """The 60 call is out of the money; a dividend falls on the fifth day."""
    inside = max(48 - float(option.strike) if option.right is Right.CALL else float(option.strike) - 48, 0.0)

    assert held(leg(option, quantity, inside + 0.5), XYZ=PAYING).is_american.tolist() == [is_american]


def test_an_option_at_its_exercise_value_is_held_to_it_and_named() -> None:
    rows = held(leg(make.put(60), -1, 11.95))

    assert [each.instrument for each in rows.at_exercise_value] == [make.put(60)]
    assert stress.grid(rows).at(-0.1, 0.5, 0) == pytest.approx(-100 * 4.8, abs=0.01)


@pytest.mark.parametrize("mark", [0.0, float("nan"), -1.0])
def test_an_option_whose_mark_tells_no_volatility_is_left_out_and_named(mark: float) -> None:
    rows = held(leg(PUT, -2, mark), leg(CALL, 1, CALL_MARK))

    assert [each.instrument for each in rows.legs] == [CALL]
    assert [each.instrument for each in rows.unpriced] == [PUT]


def test_a_leg_without_a_price_of_its_underlying_is_left_out_and_named() -> None:
    other = make.option(20, underlying="ABC")

    rows = held(leg(other, -1, 0.5), leg(PUT, -2, PUT_MARK))

    assert [each.instrument for each in rows.unpriced] == [other]


def test_an_option_that_is_over_counts_for_nothing_and_is_not_missing() -> None:
    over = stress.holdings(
        [leg(make.put(44, dte=0), -1, 0.0)], {"XYZ": PLAIN}, make.TODAY, make.NOW + timedelta(hours=7)
    )

    assert (len(over), over.unpriced) == (1, ())
    assert stress.grid(over).at(-0.05, 0, 0) == 0.0


def test_nothing_held_is_a_grid_of_nothing() -> None:
    assert np.array_equal(stress.grid(held()).pnl, np.zeros((11, 3, 3)))


def test_a_fall_of_the_market_moves_each_name_by_its_beta() -> None:
    other = Underlying(100.0, RATE)
    rows = held(leg(PUT, -2, PUT_MARK), leg(make.share("ABC"), 10, 100.0), XYZ=PLAIN, ABC=other)

    found = stress.market_fall(rows, {"XYZ": 1.6, "ABC": 0.5}, -0.05)

    assert found.tolist() == pytest.approx([-200 * (vollib(PUT, 48 * 0.92, 0.46, 35) - PUT_MARK), -25.0], abs=0.01)


def test_a_name_without_a_beta_is_unknown_not_zero() -> None:
    rows = held(leg(PUT, -2, PUT_MARK))

    assert np.isnan(stress.market_fall(rows, {}, -0.05)).all()


def test_no_share_falls_below_nothing() -> None:
    rows = held(leg(make.share(), 100, 48.0))

    assert stress.market_fall(rows, {"XYZ": 40.0}, -0.05)[0] == pytest.approx(-4800 * 0.99)


CASES: list[dict[str, Any]] = [
    {"strike": 110, "years": 30 / 365, "iv": 0.3, "is_call": False},
    {"strike": 105, "years": 200 / 365, "iv": 0.3, "is_call": False},
    {"strike": 90, "years": 60 / 365, "iv": 0.3, "is_call": True, "dividends": [(10 / 365, 0.5)]},
    {"strike": 95, "years": 10 / 365, "iv": 0.3, "is_call": True, "dividends": [(1 / 365, 0.5)]},
    {"strike": 95, "years": 400 / 365, "iv": 0.3, "is_call": True, "dividends": [(d / 365, 0.5) for d in (30, 120)]},
]


@pytest.mark.parametrize("case", CASES)
def test_the_lattice_agrees_with_the_finite_differences_to_about_a_cent(case: dict[str, Any]) -> None:
    given: dict[str, Any] = {"dividends": (), "rate": RATE} | case
    spots = 100 * np.linspace(0.8, 1.2, 9)

    found = pricing.american_values(spots, given["strike"], given["years"], RATE, np.full(9, given["iv"]),
                                    given["is_call"], 0.0, given["dividends"])  # fmt: skip

    expected = [pricing.american(float(spot), **given) for spot in spots]
    assert np.abs(found - expected).max() < 0.013


def test_the_lattice_has_no_value_for_what_is_none() -> None:
    found = pricing.american_values(np.array([100.0, np.nan]), 100, 0.1, RATE, np.array([np.nan, 0.2]), False)

    assert np.isnan(found).all()


def test_the_lattice_finds_no_volatility_in_a_price_at_the_exercise_value() -> None:
    assert np.isnan(pricing.lattice_volatility(10.0, 100.0, 110.0, 0.1, RATE, False))
    assert pricing.lattice_volatility(11.0, 100.0, 110.0, 0.1, RATE, False) > 0.1
