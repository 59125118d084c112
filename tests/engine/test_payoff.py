"""Payoff: the worked examples, and the piecewise line against brute force."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from engine import payoff
from engine.errors import BadRequest
from engine.model.instruments import Option, Right, Stock
from engine.model.legs import Leg, Structure
from engine.model.market import Chain
from engine.model.trade import Outlook
from tests import make
from tests.make import D

TOLERANCE = 0.0001


@dataclass(frozen=True)
class Case:
    """One package of the worked examples with the numbers printed there."""

    chain: Chain
    legs: tuple[Leg, ...]
    limit: str
    max_loss: str
    max_gain: str | None
    breakevens: tuple[str, ...]
    pop: float
    greeks: tuple[float, float, float, float]


def one(chain: Chain, right: Right, strike: float, ratio: int) -> Leg:
    row = next(c for c in chain.contracts() if c.option.right is right and float(c.option.strike) == strike)
    return Leg(row.option, ratio)


def package(chain: Chain, right: Right, *parts: tuple[float, int]) -> tuple[Leg, ...]:
    return tuple(one(chain, right, strike, ratio) for strike, ratio in parts)


def outlook_of(case: Case) -> Outlook:
    return outlook(case.chain, case.legs, case.limit)


def outlook(chain: Chain, legs: Sequence[Leg], limit: str, shares_at: str | None = None) -> Outlook:
    contracts = [chain.find(leg.instrument) if isinstance(leg.instrument, Option) else None for leg in legs]
    return payoff.outlook(
        legs,
        D(limit),
        contracts,
        chain,
        chain.spot,
        chain.rate,
        chain.today,
        chain.dividend_yield,
        None if shares_at is None else D(shares_at),
    )


WHEEL = make.chain(
    puts=make.rows(
        "40: 0.3266/0.28/0.38/-0.0923; 44: 1.0345/0.98/1.08/-0.2392; 48: 2.5703/2.52/2.62/-0.4613",
        {40: 0.48, 44: 0.46, 48: 0.45},
    ),
    spot=48,
    dte=35,
)
CALLS = make.chain(
    calls=make.rows(
        "44: 2.4274/2.38/2.48/0.4650; 48: 1.1279/1.08/1.18/0.2735; 52: 0.4964/0.45/0.55/0.1428",
        {44: 0.62, 48: 0.6, 52: 0.6},
    ),
    spot=42.5,
    dte=30,
)
DEBIT = make.chain(
    calls=make.rows(
        "94: 7.5273/7.48/7.58/0.7848; 98: 4.6475/4.60/4.70/0.6302; "
        "105: 1.4770/1.43/1.53/0.3023; 110: 0.5036/0.45/0.55/0.1317",
        {94: 0.275, 98: 0.26, 105: 0.248, 110: 0.244},
    ),
    spot=100,
    dte=38,
)
INDEX = make.chain(
    puts=make.rows(
        "592: 8.4666/8.42/8.52/-0.3699; 587: 6.8060/6.76/6.86/-0.3139; 580: 5.0514/5.00/5.10/-0.2462; "
        "575: 4.0471/4.00/4.10/-0.2045; 562: 2.2071/2.16/2.26/-0.1211; 557: 1.7483/1.70/1.80/-0.0982",
        {592: 0.1665, 587: 0.1685, 580: 0.1735, 575: 0.177, 562: 0.186, 557: 0.19},
    ),
    calls=make.rows(
        "615: 5.7/5.65/5.75/0.33; 618: 4.5725/4.52/4.62/0.2819; 623: 3.2111/3.16/3.26/0.2189; 630: 1.8/1.75/1.85/0.14",
        {615: 0.14, 618: 0.138, 623: 0.135, 630: 0.132},
    ),
    spot=600,
    dte=38,
    dividend_yield=0.012,
    underlying="SPY",
)
WEEKLY = make.chain(
    calls=make.rows(
        "49: 1.8562/1.81/1.91/0.6370; 50.5: 1.0341/0.98/1.08/0.4522; 52: 0.5073/0.46/0.56/0.2752",
        {49: 0.62, 50.5: 0.6, 52: 0.59},
    ),
    spot=50,
    dte=4,
)
LEAPS = make.chain(
    calls=make.rows(
        "150: 68.5464/68.50/68.60/0.8291; 170: 55.0991/55.05/55.15/0.7576; 200: 38.4489/38.40/38.50/0.6309",
        {150: 0.42, 170: 0.4, 200: 0.38},
    ),
    spot=200,
    dte=468,
)
SWING = make.chain(
    calls=make.rows(
        "77: 4.1064/4.06/4.16/0.7255; 80: 2.2475/2.20/2.30/0.5226; 83: 1.0508/1.00/1.10/0.3126",
        {77: 0.36, 80: 0.35, 83: 0.345},
    ),
    spot=80,
    dte=14,
)
DIP = make.chain(
    calls=make.rows(
        "110: 5.5559/5.51/5.61/0.4881; 113: 4.2563/4.21/4.31/0.4125; 115: 3.5299/3.48/3.58/0.3638",
        {110: 0.51, 113: 0.5, 115: 0.495},
    ),
    spot=108,
    dte=30,
)
LOTTO = make.chain(
    calls=make.rows(
        "60: 3.1932/3.14/3.24/0.5272; 66: 1.1260/1.08/1.18/0.2545; "
        "67: 0.9213/0.87/0.97/0.2184; 68: 0.7480/0.70/0.80/0.1857",
        {60: 1.8, 66: 1.77, 67: 1.765, 68: 1.76},
    ),
    spot=60,
    dte=2,
)
C, P = Right.CALL, Right.PUT
CONDOR = (*package(INDEX, P, (580, -1), (575, 1)), *package(INDEX, C, (618, -1), (623, 1)))

EXAMPLES = {
    "1 wheel": Case(
        WHEEL, package(WHEEL, P, (44, -1)), "-1.03",
        "4297", "103", ("42.97",), 0.7652, (0.2392, -0.0454, 0.0289, -0.0461),
    ),
    "2 debit spread": Case(
        DEBIT, package(DEBIT, C, (98, 1), (105, -1)), "3.17",
        "317", "383", ("101.17",), 0.4475, (0.3279, 0.0014, -0.0082, 0.0092),
    ),
    "3 credit spread": Case(
        INDEX, package(INDEX, P, (580, -1), (575, 1)), "-1.00",
        "400", "100", ("579",), 0.7446, (0.0417, -0.0011, 0.0093, -0.0608),
    ),
    "5 momentum weekly": Case(
        WEEKLY, package(WEEKLY, C, (50.5, 1)), "1.03",
        "103", None, ("51.53",), 0.3052, (0.4522, 0.1261, -0.1579, 0.0207),
    ),
    "6 leaps": Case(
        LEAPS, package(LEAPS, C, (170, 1)), "55.10",
        "5510", None, ("225.10",), 0.3554, (0.7576, 0.0035, -0.0408, 0.7079),
    ),
    "8 swing": Case(
        SWING, package(SWING, C, (80, 1)), "2.25",
        "225", None, ("82.25",), 0.3371, (0.5226, 0.0726, -0.0823, 0.0624),
    ),
    "9 wsb_dip": Case(
        DIP, package(DIP, C, (113, 1)), "4.26",
        "426", None, ("117.26",), 0.2652, (0.4125, 0.0251, -0.1049, 0.1205),
    ),
    "10 lotto": Case(
        LOTTO, package(LOTTO, C, (67, 1)), "0.92",
        "92", None, ("67.92",), 0.1551, (0.2184, 0.0376, -0.5792, 0.0131),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_a_worked_example_has_its_printed_outlook(case: Case) -> None:
    result = outlook_of(case)
    assert result.max_loss == D(case.max_loss)
    assert result.max_gain == (None if case.max_gain is None else D(case.max_gain))
    assert result.breakevens == tuple(D(price) for price in case.breakevens)
    assert result.pop == pytest.approx(case.pop, abs=TOLERANCE)
    assert result.greeks is not None
    found = (result.greeks.delta, result.greeks.gamma, result.greeks.theta, result.greeks.vega)
    assert found == pytest.approx(case.greeks, abs=TOLERANCE)


def test_a_condor_risks_one_wing_and_has_two_breakevens_each_at_its_own_smile() -> None:
    result = outlook(INDEX, CONDOR, "-2.36")
    assert (result.max_loss, result.max_gain) == (D(264), D(236))
    assert result.breakevens == (D("577.64"), D("620.36"))
    assert result.pop == pytest.approx(0.5187, abs=TOLERANCE)
    assert result.collateral == D(500)


def test_a_covered_call_is_reckoned_with_its_shares_but_its_greeks_are_its_own() -> None:
    legs = package(CALLS, C, (48, -1))
    result = outlook(CALLS, legs, "-1.13", shares_at="42.97")
    assert (result.max_loss, result.max_gain) == (D("4184"), D("616"))
    assert result.breakevens == (D("41.84"),)
    assert result.collateral == 0
    assert result.greeks is not None
    assert result.greeks.delta == pytest.approx(-0.2735, abs=TOLERANCE)


def test_an_uncovered_short_call_is_refused() -> None:
    with pytest.raises(BadRequest, match="uncovered short call"):
        outlook(CALLS, package(CALLS, C, (48, -1)), "-1.13")


def test_without_an_implied_volatility_there_is_no_probability_and_the_reason_is_given() -> None:
    blind = replace(WHEEL, iv=np.full(len(WHEEL), np.nan))
    result = outlook(blind, package(WHEEL, P, (44, -1)), "-1.03")
    assert result.pop is None
    assert "no implied volatility" in result.pop_method
    assert result.max_loss == D(4297)


def test_a_missing_greek_makes_the_net_greeks_unknown() -> None:
    blind = replace(DEBIT, vega=np.where(DEBIT.strike == 105, np.nan, DEBIT.vega))
    assert outlook(blind, package(DEBIT, C, (98, 1), (105, -1)), "3.17").greeks is None


def test_on_the_day_of_expiry_there_is_no_probability() -> None:
    late = replace(WHEEL, today=WHEEL.today + timedelta(days=35))
    assert outlook(late, package(WHEEL, P, (44, -1)), "-1.03").pop is None


def test_dividends_before_expiry_lower_the_probability_of_a_short_put_and_later_ones_do_not() -> None:
    due = replace(WHEEL, dividends=((make.TODAY + timedelta(days=20), 0.5),))
    later = replace(WHEEL, dividends=((make.TODAY + timedelta(days=36), 0.5),))
    legs = package(WHEEL, P, (44, -1))
    plain = outlook(WHEEL, legs, "-1.03").pop
    assert plain is not None
    assert (outlook(due, legs, "-1.03").pop or 1) < plain - 0.01
    assert outlook(later, legs, "-1.03").pop == plain


def test_the_stress_of_the_wheel_example_counts_914_dollars_on_two_puts() -> None:
    legs = package(WHEEL, P, (44, -1))
    counted = payoff.counted_risk(Structure.SHORT_PUT, legs, D("-1.03"), D(48), D("0.20"))
    assert counted * 2 == D("914.00")


def test_defined_risk_and_long_premium_count_their_maximum_loss() -> None:
    spread = EXAMPLES["2 debit spread"]
    assert payoff.counted_risk(Structure.DEBIT_SPREAD, spread.legs, D("3.17"), D(100), D("0.20")) == D(317)


def test_shares_count_what_a_fall_takes_and_never_less_than_nothing() -> None:
    shares = (Leg(Stock("XYZ"), 1),)
    assert payoff.counted_risk(Structure.SHARES, shares, D("42.97"), D("42.50"), D("0.20")) == D("8.970")
    assert payoff.counted_risk(Structure.SHARES, shares, D("30"), D("42.50"), D("0.20")) == 0


def test_the_profile_for_a_chart_passes_through_the_same_dollars() -> None:
    legs = package(DEBIT, C, (98, 1), (105, -1))
    spots = np.array([90.0, 98.0, 101.17, 105.0, 120.0])
    assert payoff.expiry_profile(legs, D("3.17"), spots) == pytest.approx([-317, -317, 0, 383, 383])


def test_the_volatility_is_linear_between_strikes_and_flat_outside() -> None:
    put = WHEEL.row(0).option
    assert payoff.smile_iv(WHEEL, put, 42.97) == pytest.approx(0.46515)
    assert payoff.smile_iv(WHEEL, put, 10) == 0.48
    assert payoff.smile_iv(WHEEL, put, 100) == 0.45
    assert payoff.smile_iv(WHEEL, replace(put, right=C), 44) is None


def test_a_moved_outlook_keeps_the_probability_and_says_it_is_the_earlier_one() -> None:
    first = outlook(WHEEL, package(WHEEL, P, (44, -1)), "-1.03")
    again = payoff.moved(payoff.moved(first, package(WHEEL, P, (44, -1)), D("-0.98")), EXAMPLES["1 wheel"].legs, D(-1))
    assert (again.max_loss, again.breakevens) == (D(4300), (D(43),))
    assert again.pop == first.pop
    assert again.pop_method.count("earlier price") == 1


STRIKES = st.integers(1, 200).map(Decimal)
LEGS = st.lists(
    st.builds(
        lambda right, strike, ratio: Leg(make.option(strike, right, 30), ratio),
        st.sampled_from(Right),
        STRIKES,
        st.sampled_from((-2, -1, 1, 2)),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda leg: leg.instrument,
).map(tuple)
LIMITS = st.integers(-5000, 5000).map(lambda cents: Decimal(cents) / 100)
GRID = [Decimal(half) / 2 for half in range(502)] + [Decimal(10) ** 6]


@given(LEGS, LIMITS)
@settings(max_examples=150, deadline=None)
def test_loss_and_gain_equal_the_extremes_of_a_fine_grid(legs: tuple[Leg, ...], limit: Decimal) -> None:
    values = [payoff.profit(legs, limit, price) for price in GRID]
    loss, gain = payoff.max_loss(legs, limit), payoff.max_gain(legs, limit)
    falls = values[-1] < values[-2]
    rises = values[-1] > values[-2]
    assert loss == (None if falls else max(Decimal(0), -min(values)))
    assert gain == (None if rises else max(Decimal(0), max(values)))


@given(LEGS, LIMITS)
@settings(max_examples=150, deadline=None)
def test_breakevens_are_exactly_where_profit_begins_or_ends(legs: tuple[Leg, ...], limit: Decimal) -> None:
    found = payoff.breakevens(legs, limit)
    edges = [
        (left, right)
        for left, right in pairwise(GRID)
        if (payoff.profit(legs, limit, left) > 0) != (payoff.profit(legs, limit, right) > 0)
    ]
    assert len(found) >= len(edges)
    assert all(any(left <= price <= right for price in found) for left, right in edges)
    assert all(abs(payoff.profit(legs, limit, price)) < Decimal("0.1") for price in found)


@given(LEGS, LIMITS, st.floats(20, 180), st.floats(0.1, 1.5))
@settings(max_examples=60, deadline=None)
def test_under_one_volatility_the_probability_is_that_of_the_lognormal_law(
    legs: tuple[Leg, ...], limit: Decimal, spot: float, iv: float
) -> None:
    if payoff.max_loss(legs, limit) is None:
        return
    smile = replace(WHEEL, expiry=np.full(3, np.datetime64(make.put(dte=30).expiry)), iv=np.full(3, iv))
    both = make.join(smile, replace(smile, is_call=np.ones(3, dtype=bool)))
    contracts = [None] * len(legs)
    result = payoff.outlook(legs, limit, contracts, both, spot, 0.04, make.TODAY)
    edges = np.linspace(0.001, 400.001, 200_001)
    years = 30 / 365
    drift = (0.04 - iv * iv / 2) * years
    below = norm.cdf((np.log(edges / spot) - drift) / (iv * sqrt(years)))
    middle = (edges[1:] + edges[:-1]) / 2
    wins = payoff.expiry_profile(legs, limit, middle) > 0
    outside = (payoff.profit(legs, limit, D(500)) > 0) * (1 - below[-1])
    assert result.pop == pytest.approx(float(np.diff(below)[wins].sum() + outside + below[0] * wins[0]), abs=2e-3)


def test_probability_is_d2_of_the_printed_example() -> None:
    d2 = (log(48 / 42.97) + (0.04 - 0.46515**2 / 2) * 35 / 365) / (0.46515 * sqrt(35 / 365))
    assert d2 == pytest.approx(0.7231, abs=TOLERANCE)
    assert payoff.probability_above(42.97, 0.46515, 48, 0.04, 35 / 365) == pytest.approx(norm.cdf(d2))
