"""A package at other prices, now and later: against the formula, at its edges, and the move that is likely."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from math import exp, sqrt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from engine import pricing, projection
from engine.model.instruments import Right, Stock, Style
from engine.model.legs import Leg
from engine.model.market import Chain
from tests import make

SPOTS = np.array([30.0, 44.0, 48.0, 70.0])
PUT = make.put(44)
LATER = make.put(44, dte=63)
CALL = make.option(50, Right.CALL)


def chain(iv: float = 0.4, **more: object) -> Chain:
    """Puts and calls of two expiries at one volatility."""
    rows = make.rows("44: 1.03 / 0.98 / 1.08 / -0.24; 50: 1.50 / 1.45 / 1.55 / -0.4", {44: iv, 50: iv})
    near = make.chain(puts=rows, calls=rows)
    far = make.chain(puts=rows, calls=rows, dte=63)
    columns = {name: np.concatenate((getattr(near, name), getattr(far, name))) for name in Chain.COLUMNS}
    return replace(near, **columns, **more)  # type: ignore[arg-type]


def profile(*legs: Leg, limit: float = 0.0, days: int = 0, known: Chain | None = None) -> np.ndarray:
    world = known or chain()
    model = projection.model(legs, world)
    assert model is not None
    return projection.profile(legs, limit, SPOTS, model, make.TODAY + timedelta(days=days))


def test_today_is_the_formula_at_the_volatility_of_each_leg():
    found = profile(Leg(CALL, 1), limit=1.5)

    expected = (pricing.value(SPOTS, 50.0, 35 / 365, make.RATE, 0.4, True) - 1.5) * 100
    assert found == pytest.approx(expected, abs=1e-9)


def test_at_its_expiry_it_is_what_exercising_is_worth():
    assert profile(Leg(PUT, -1), limit=-1.03, days=35).tolist() == pytest.approx([-1297.0, 103.0, 103.0, 103.0])


def test_an_american_put_deep_in_the_money_is_worth_no_less_than_exercise_and_a_european_one_is():
    american, european = Leg(PUT, 1), Leg(replace(PUT, style=Style.EUROPEAN), 1)
    world = chain(0.05)
    model = projection.Model(world, {american.instrument: 0.05, european.instrument: 0.05})  # type: ignore[dict-item]

    floor, below = (projection.profile((leg,), 0.0, SPOTS, model, world.today)[0] for leg in (american, european))

    assert floor == pytest.approx(1400.0)
    assert below < 1390.0


def test_a_calendar_is_worth_most_at_its_strike_when_the_first_one_ends():
    found = profile(Leg(PUT, -1), Leg(LATER, 1), limit=0.8, days=35)

    back = pricing.value(44.0, 44.0, 28 / 365, make.RATE, 0.4, False)[0]
    assert found[1] == pytest.approx((back - 0.8) * 100)
    assert found.argmax() == 1
    assert found[3] == pytest.approx(-80.0, abs=1.0)


def test_a_dividend_before_expiry_makes_a_put_dearer_and_one_after_it_does_not():
    dates = make.TODAY + timedelta(days=10), make.TODAY + timedelta(days=40)
    before, after = (profile(Leg(PUT, 1), known=chain(dividends=((day, 2.0),)))[2] for day in dates)

    assert before > after + 30
    assert after == profile(Leg(PUT, 1))[2]


def test_on_its_last_day_the_hours_that_are_left_count():
    new_york = ZoneInfo("America/New_York")
    last = make.TODAY + timedelta(days=35)
    known = replace(chain(), today=last)
    noon, late = (
        profile(Leg(PUT, 1), days=35, known=replace(known, asof=datetime(2026, 7, 20, hour, tzinfo=new_york)))[1]
        for hour in (12, 17)
    )

    assert noon > 10
    assert late == 0.0


def test_shares_under_a_call_move_with_the_spot():
    found = profile(Leg(CALL, -1), Leg(Stock("XYZ"), 1), limit=46.5, days=35)

    assert found.tolist() == pytest.approx([-1650.0, -250.0, 150.0, 350.0])


def test_a_leg_without_a_volatility_of_its_own_takes_that_of_its_expirys_smile():
    model = projection.model((Leg(make.put(47), -1),), chain(0.37))

    assert model is not None
    assert model.volatility == {make.put(47): pytest.approx(0.37)}


def test_there_is_no_model_without_options_or_where_one_has_no_volatility():
    assert projection.model((Leg(Stock("XYZ"), 1),), chain()) is None
    assert projection.model((Leg(PUT, -1),), None) is None
    assert projection.model((Leg(PUT, -1), Leg(make.put(44, dte=91), 1)), chain()) is None


def test_one_sigma_is_the_volatility_at_the_money_over_the_time_to_the_first_expiry():
    move = projection.one_sigma((Leg(PUT, -1), Leg(LATER, 1)), chain(0.4), 48.0)

    assert move is not None
    factor = exp(0.4 * sqrt(35 / 365))
    assert (move.low, move.high) == pytest.approx((48 / factor, 48 * factor))
    assert move.day == PUT.expiry


def test_there_is_no_likely_move_without_options_time_or_volatility():
    nothing = replace(chain(), iv=np.full(len(chain()), np.nan))
    over = replace(chain(), today=PUT.expiry, asof=make.NOW + timedelta(days=36))

    assert projection.one_sigma((Leg(Stock("XYZ"), 1),), chain(), 48.0) is None
    assert projection.one_sigma((Leg(PUT, -1),), nothing, 48.0) is None
    assert projection.one_sigma((Leg(PUT, -1),), over, 48.0) is None
