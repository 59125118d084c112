"""The picked row of a chain under American exercise: another number only where exercise is worth something."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from engine import pricing
from engine.model.instruments import Right, Style
from engine.model.market import Chain, Contract
from tests import make

SPOT, IV, RATE, DTE = 100.0, 0.30, 0.05, 182
EXPIRY = make.TODAY + timedelta(days=DTE)
EX_DATE = make.TODAY + timedelta(days=60)


def picked(
    strike: int, right: Right, dividends: tuple[tuple[date, float], ...] = (), style: Style = Style.AMERICAN
) -> tuple[Chain, Contract]:
    """A chain with one row, quoted a cent around its American price, and that row with the chain's own numbers."""
    is_call = right is Right.CALL
    ahead = [((day - make.TODAY).days / 365, amount) for day, amount in dividends]
    price = pricing.american(SPOT, strike, DTE / 365, RATE, IV, is_call, 0.0, ahead)
    row = make.Row(float(strike), price, price - 0.01, price + 0.01, 0.5, IV)
    rows = {"calls" if is_call else "puts": [row]}
    unknown = dict.fromkeys(("iv", "delta", "gamma", "theta", "vega", "rho"), np.array([np.nan]))
    chain = make.chain(spot=SPOT, dte=DTE, rate=RATE, dividends=dividends, style=style, **rows)  # type: ignore[arg-type]
    chain = pricing.complete(replace(chain, **unknown))  # type: ignore[arg-type]
    return chain, chain.row(0)


@pytest.mark.parametrize(
    ("strike", "right", "dividends"),
    [
        (130, Right.PUT, ()),
        (110, Right.PUT, ((EX_DATE, 1.0),)),
        (80, Right.CALL, ((EX_DATE, 3.0),)),
        (110, Right.CALL, ((EXPIRY - timedelta(days=5), 3.0),)),
    ],
)
def test_where_exercise_matters_the_volatility_is_that_of_an_american_option(
    strike: int, right: Right, dividends: tuple[tuple[date, float], ...]
):
    chain, contract = picked(strike, right, dividends)
    found = pricing.exercisable(chain, contract)
    assert found.iv == pytest.approx(IV, abs=2e-3)
    assert contract.iv is None or abs(contract.iv - IV) > 5e-3
    ahead = [((day - make.TODAY).days / 365, amount) for day, amount in dividends]
    wanted = pricing.american_greeks(SPOT, strike, DTE / 365, RATE, IV, right is Right.CALL, 0.0, ahead)
    assert found.delta == pytest.approx(wanted.delta, abs=2e-3)
    assert (found.option, found.bid, found.ask) == (contract.option, contract.bid, contract.ask)


@pytest.mark.parametrize(
    ("strike", "right", "dividends", "style"),
    [
        (90, Right.PUT, (), Style.AMERICAN),
        (110, Right.CALL, (), Style.AMERICAN),
        (80, Right.CALL, (), Style.AMERICAN),
        (80, Right.CALL, ((EXPIRY + timedelta(days=1), 3.0),), Style.AMERICAN),
        (80, Right.CALL, ((make.TODAY, 3.0),), Style.AMERICAN),
        (130, Right.PUT, (), Style.EUROPEAN),
    ],
)
def test_where_exercise_is_worth_nothing_the_row_stays(
    strike: int, right: Right, dividends: tuple[tuple[date, float], ...], style: Style
):
    chain, contract = picked(strike, right, dividends, style)
    assert pricing.exercisable(chain, contract) is contract


def test_a_price_at_the_value_of_exercise_tells_no_volatility():
    chain, contract = picked(130, Right.PUT)
    worth = replace(contract, bid=Decimal("29.99"), ask=Decimal("30.01"))
    assert pricing.exercisable(chain, worth) is worth


def test_a_one_sided_quote_stays_as_it_is():
    chain, contract = picked(130, Right.PUT)
    no_bid = replace(contract, bid=Decimal(0))
    assert pricing.exercisable(chain, no_bid) is no_bid


@pytest.mark.parametrize("iv", [0.05, 0.12, 0.30, 0.80, 2.5])
@pytest.mark.parametrize("strike", [85.0, 100.0, 112.0])
def test_the_american_volatility_is_found_again(strike: float, iv: float):
    price = pricing.american(100.0, strike, 0.5, 0.05, iv, False)
    found = pricing.american_implied_volatility(price, 100.0, strike, 0.5, 0.05, False)
    if price - max(strike - 100.0, 0.0) < 0.01:
        assert np.isnan(found) or pricing.american(100.0, strike, 0.5, 0.05, found, False) == pytest.approx(
            price, abs=1e-3
        )
    else:
        assert found == pytest.approx(iv, abs=1e-3)


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), 30.0, 200.0])
def test_an_impossible_price_has_no_american_volatility(price: float):
    assert np.isnan(pricing.american_implied_volatility(price, 100.0, 130.0, 0.5, 0.05, False))
