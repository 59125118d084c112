from dataclasses import replace

import numpy as np
import pytest

from engine.model.market import Chain
from engine.volatility import atm_iv, constant_maturity_iv
from tests import make


def expiry(dte: int, call_iv: float, put_iv: float, strikes: tuple[float, float] = (95, 105)) -> Chain:
    """Two strikes around 100, each right at one volatility."""
    calls = tuple(make.Row(strike, 1, 0.95, 1.05, 0.5, call_iv) for strike in strikes)
    puts = tuple(make.Row(strike, 1, 0.95, 1.05, -0.5, put_iv) for strike in strikes)
    return make.chain(puts, calls, spot=100, dte=dte)


def test_at_the_money_is_linear_in_strike_and_the_mean_of_both_rights() -> None:
    rows = (make.Row(95, 1, 0.95, 1.05, 0.6, 0.30), make.Row(115, 1, 0.95, 1.05, 0.3, 0.20))
    both = make.join(make.chain(calls=rows, spot=100), expiry(35, 0.5, 0.4).where(right=make.Right.PUT))
    assert atm_iv(both, make.put(dte=35).expiry) == pytest.approx((0.275 + 0.4) / 2)


def test_between_expiries_total_variance_is_linear() -> None:
    chain = make.join(expiry(20, 0.4, 0.4), expiry(50, 0.3, 0.3))
    assert constant_maturity_iv(chain) == pytest.approx(((0.16 * 20 * 2 / 3 + 0.09 * 50 / 3) / 30) ** 0.5)


def test_an_expiry_at_thirty_days_speaks_for_itself() -> None:
    chain = make.join(expiry(20, 0.4, 0.4), expiry(30, 0.33, 0.33), expiry(50, 0.3, 0.3))
    assert constant_maturity_iv(chain) == pytest.approx(0.33)


def test_an_only_neighbour_speaks_when_it_is_near_enough() -> None:
    assert constant_maturity_iv(expiry(60, 0.4, 0.4)) == pytest.approx(0.4)
    assert constant_maturity_iv(expiry(61, 0.4, 0.4)) is None


def test_no_volatility_at_the_money_is_no_value() -> None:
    chain = expiry(30, 0.4, 0.4)
    assert constant_maturity_iv(replace(chain, iv=np.full(4, np.nan))) is None
    assert constant_maturity_iv(expiry(30, 0.4, 0.4, strikes=(105.01, 110))) is None


def test_a_strike_within_five_percent_speaks_for_the_spot() -> None:
    assert constant_maturity_iv(expiry(30, 0.4, 0.4, strikes=(105, 110))) == pytest.approx(0.4)
