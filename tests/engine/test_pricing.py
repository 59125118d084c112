"""European values, Greeks and volatilities: textbook and worked numbers, two makes against each other, every edge."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import pricing
from engine.model.market import Chain, Floats, Kind, Source
from engine.pricing import PYVOLR, VOLLIB, Kernel

RATE = 0.04

WORKED = [
    # spot, days, dividend yield, right, {strike: (volatility, price, delta)}
    (48, 35, 0, "P", {40: (0.48, 0.3266, -0.0923), 44: (0.46, 1.0345, -0.2392), 48: (0.45, 2.5703, -0.4613)}),
    (42.5, 30, 0, "C", {44: (0.62, 2.4274, 0.4650), 48: (0.60, 1.1279, 0.2735), 52: (0.60, 0.4964, 0.1428)}),
    (100, 38, 0, "C", {94: (0.275, 7.5273, 0.7848), 98: (0.26, 4.6475, 0.6302), 105: (0.248, 1.4770, 0.3023)}),
    (100, 38, 0, "C", {110: (0.244, 0.5036, 0.1317)}),
    (600, 38, 0.012, "P", {592: (0.1665, 8.4666, -0.3699), 587: (0.1685, 6.8060, -0.3139)}),
    (600, 38, 0.012, "P", {580: (0.1735, 5.0514, -0.2462), 575: (0.177, 4.0471, -0.2045)}),
    (600, 38, 0.012, "P", {562: (0.186, 2.2071, -0.1211), 557: (0.19, 1.7483, -0.0982)}),
    (600, 38, 0.012, "C", {618: (0.138, 4.5725, 0.2819), 623: (0.135, 3.2111, 0.2189)}),
    (50, 4, 0, "C", {49: (0.62, 1.8562, 0.6370), 50.5: (0.6, 1.0341, 0.4522), 52: (0.59, 0.5073, 0.2752)}),
    (200, 468, 0, "C", {150: (0.42, 68.5464, 0.8291), 170: (0.40, 55.0991, 0.7576), 200: (0.38, 38.4489, 0.6309)}),
    (100, 9, 0, "P", {95: (1.12, 4.5805, -0.3500), 100: (1.10, 6.8298, -0.4633)}),
    (100, 9, 0, "C", {100: (1.10, 6.9284, 0.5367), 110: (1.06, 3.1001, 0.3144)}),
    (100, 37, 0, "P", {95: (0.62, 5.2562, -0.3523), 115: (0.58, 17.1888, -0.7397)}),
    (80, 14, 0, "C", {77: (0.36, 4.1064, 0.7255), 80: (0.35, 2.2475, 0.5226), 83: (0.345, 1.0508, 0.3126)}),
    (108, 30, 0, "C", {110: (0.51, 5.5559, 0.4881), 113: (0.5, 4.2563, 0.4125), 115: (0.495, 3.5299, 0.3638)}),
    (60, 2, 0, "C", {60: (1.8, 3.1932, 0.5272), 66: (1.77, 1.1260, 0.2545), 67: (1.765, 0.9213, 0.2184)}),
    (60, 2, 0, "P", {52: (1.86, 0.5914, -0.1335), 53: (1.85, 0.7638, -0.1645), 54: (1.84, 0.9720, -0.1995)}),
]

WORKED_GREEKS = [
    # one unit of a worked example: spot, days, (strike, volatility, right, ratio)..., delta, gamma, theta, vega
    (48, 35, [(44, 0.46, "P", -1)], (0.2392, -0.0454, 0.0289, -0.0461)),
    (100, 38, [(98, 0.26, "C", 1), (105, 0.248, "C", -1)], (0.3279, 0.0014, -0.0082, 0.0092)),
    (50, 4, [(50.5, 0.6, "C", 1)], (0.4522, 0.1261, -0.1579, 0.0207)),
    (200, 468, [(170, 0.40, "C", 1)], (0.7576, 0.0035, -0.0408, 0.7079)),
    (80, 14, [(80, 0.35, "C", 1)], (0.5226, 0.0726, -0.0823, 0.0624)),
    (108, 30, [(113, 0.50, "C", 1)], (0.4125, 0.0251, -0.1049, 0.1205)),
    (60, 2, [(67, 1.765, "C", 1)], (0.2184, 0.0376, -0.5792, 0.0131)),
]

KERNELS = [pytest.param(kernel, id=kernel.name) for kernel in (PYVOLR, VOLLIB)]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("spot", "days", "dividend_yield", "right", "rows"), WORKED)
def test_worked_prices_and_deltas_to_four_decimals(
    kernel: Kernel,
    spot: float,
    days: int,
    dividend_yield: float,
    right: str,
    rows: dict[float, tuple[float, float, float]],
) -> None:
    strike = list(rows)
    iv, price, delta = (list(column) for column in zip(*rows.values(), strict=True))
    terms = (spot, strike, pricing.year_fraction(days), RATE, iv, right == "C", dividend_yield)
    assert pricing.value(*terms, kernel=kernel) == pytest.approx(price, abs=5.01e-5)
    assert pricing.greeks(*terms, kernel=kernel).delta == pytest.approx(delta, abs=5.01e-5)


def test_worked_marks_on_later_days() -> None:
    marks = pricing.value(
        [60.6, 115.4963, 123.2003, 161.0918, 81.0454, 78.6175],
        [67, 113, 113, 170, 80, 80],
        pricing.year_fraction([1, 25, 25, 438, 13.75, 13.75]),
        RATE,
        [0.60, 0.50, 0.50, 0.40, 0.35, 0.35],
        True,
    )
    assert marks == pytest.approx([0.0004, 7.4592, 12.78, 27.55, 2.8125, 1.575], abs=1.01e-4)


@pytest.mark.parametrize(("spot", "days", "legs", "expected"), WORKED_GREEKS)
def test_worked_greeks_of_a_unit_in_the_units_of_the_desk(
    spot: float, days: int, legs: list[tuple[float, float, str, int]], expected: tuple[float, ...]
) -> None:
    strike, iv, right, ratio = (list(column) for column in zip(*legs, strict=True))
    is_call = [letter == "C" for letter in right]
    found = pricing.greeks(spot, strike, pricing.year_fraction(days), RATE, iv, is_call)
    assert [float(column @ np.array(ratio)) for column in found[:4]] == pytest.approx(expected, abs=5.01e-5)


def test_rho_is_the_change_for_one_percent_of_rate() -> None:
    above, below = (pricing.value(100, 100, 0.5, RATE + bump, 0.3, True) for bump in (0.0001, -0.0001))
    rho = pricing.greeks(100, 100, 0.5, RATE, 0.3, True).rho
    assert rho == pytest.approx((above - below) / 0.0002 * 0.01, rel=1e-6)


def grid(seed: int, n: int) -> tuple[Floats, ...]:
    """Spot, strike, years, rate, volatility, right and yield far beyond what is listed."""
    rng = np.random.default_rng(seed)
    spot = np.exp(rng.uniform(np.log(0.5), np.log(6000), n))
    strike = spot * np.exp(rng.normal(0, 0.5, n))
    years = np.exp(rng.uniform(np.log(1e-4), np.log(3), n))
    iv = np.exp(rng.uniform(np.log(0.02), np.log(4), n))
    return spot, strike, years, rng.uniform(-0.02, 0.12, n), iv, rng.random(n) < 0.5, rng.uniform(0, 0.08, n)


def test_both_kernels_give_the_same_values_and_greeks_on_a_seeded_grid() -> None:
    terms = grid(seed=7, n=4000)
    for ours, reference in zip(
        (pricing.value(*terms, kernel=PYVOLR), *pricing.greeks(*terms, kernel=PYVOLR)),
        (pricing.value(*terms, kernel=VOLLIB), *pricing.greeks(*terms, kernel=VOLLIB)),
        strict=True,
    ):
        assert not np.isnan(reference).any()
        assert ours == pytest.approx(reference, rel=1e-10, abs=1e-10)


def test_both_kernels_find_the_same_volatility_to_1e_7_wherever_both_answer() -> None:
    spot, strike, years, rate, iv, is_call, dividend_yield = grid(seed=11, n=6000)
    price = pricing.value(spot, strike, years, rate, iv, is_call, dividend_yield)
    fast, reference = (
        pricing.implied_volatility(price, spot, strike, years, rate, is_call, dividend_yield, kernel=kernel)
        for kernel in (PYVOLR, VOLLIB)
    )
    both = ~np.isnan(fast) & ~np.isnan(reference)
    assert both.sum() > 3000
    assert np.array_equal(np.isnan(fast), np.isnan(reference))
    assert np.abs(fast - reference)[both].max() < 1e-7


ANY = st.floats(allow_nan=True, allow_infinity=True)
LIKELY = st.floats(min_value=1e-3, max_value=1e4)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            *[st.one_of(LIKELY, ANY)] * 3, st.one_of(st.floats(-0.1, 0.3), ANY), st.one_of(LIKELY, ANY), st.booleans()
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_numbers_at_all_give_a_number_within_bounds_or_nan_and_never_a_warning(
    rows: list[tuple[float, float, float, float, float, bool]],
) -> None:
    spot, strike, years, rate, last, is_call = (np.array(column) for column in zip(*rows, strict=True))
    for kernel in (PYVOLR, VOLLIB):
        price = pricing.value(spot, strike, years, rate, last, is_call, kernel=kernel)
        known = ~np.isnan(price)
        assert (price[known] >= 0).all()
        assert np.isfinite(price[known]).all()
        found = pricing.greeks(spot, strike, years, rate, last, is_call, kernel=kernel)
        assert all(np.array_equal(np.isnan(column), np.isnan(found.delta)) for column in found)
        assert (np.abs(found.delta[~np.isnan(found.delta)]) <= 1 + 1e-12).all()
        iv = pricing.implied_volatility(last, spot, strike, years, rate, is_call, kernel=kernel)
        assert (iv[~np.isnan(iv)] > 0).all()


@settings(max_examples=200)
@given(
    st.floats(1, 5000),
    st.floats(0.6, 1.6),
    st.floats(0.003, 2.5),
    st.floats(0, 0.1),
    st.floats(0.05, 2.5),
    st.booleans(),
    st.floats(0, 0.05),
)
def test_both_kernels_agree_on_whatever_hypothesis_thinks_of(
    spot: float, moneyness: float, years: float, rate: float, iv: float, is_call: bool, dividend_yield: float
) -> None:
    strike = spot * moneyness
    price = pricing.value(spot, strike, years, rate, iv, is_call, dividend_yield)
    fast, reference = (
        pricing.implied_volatility(price, spot, strike, years, rate, is_call, dividend_yield, kernel=kernel)
        for kernel in (PYVOLR, VOLLIB)
    )
    assert fast == pytest.approx(reference, abs=1e-7, nan_ok=True)


GOOD = {"spot": 100.0, "strike": 100.0, "years": 0.25, "rate": 0.04, "dividend_yield": 0.0}
NOTHING = [
    *({name: bad} for name in GOOD for bad in (math.nan, math.inf, -math.inf)),
    *({name: bad} for name in ("spot", "strike", "years") for bad in (0.0, -1.0)),
]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bad", NOTHING, ids=str)
def test_an_input_that_is_missing_or_not_positive_has_no_value_greeks_or_volatility(
    kernel: Kernel, bad: dict[str, float]
) -> None:
    terms = GOOD | bad
    assert np.isnan(pricing.value(**terms, iv=0.3, is_call=True, kernel=kernel)).all()
    assert np.isnan(pricing.greeks(**terms, iv=0.3, is_call=False, kernel=kernel)).all()
    assert np.isnan(pricing.implied_volatility(5.0, **terms, is_call=True, kernel=kernel)).all()
    assert np.isnan(pricing.analyse(4.9, 5.1, **terms, is_call=True, kernel=kernel)).all()


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("iv", [0.0, -0.2, math.nan, math.inf])
def test_a_volatility_that_is_none_prices_nothing(kernel: Kernel, iv: float) -> None:
    assert np.isnan(pricing.value(**GOOD, iv=iv, is_call=True, kernel=kernel)).all()
    assert np.isnan(pricing.greeks(**GOOD, iv=iv, is_call=True, kernel=kernel)).all()


def bounds(strike: float, is_call: bool) -> tuple[float, float]:
    """The discounted intrinsic value and the most a European option can cost, on GOOD terms."""
    spot, paid = GOOD["spot"], strike * math.exp(-GOOD["rate"] * GOOD["years"])
    return (max(spot - paid, 0.0), spot) if is_call else (max(paid - spot, 0.0), paid)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("strike", [60.0, 100.0, 160.0])
def test_prices_at_or_outside_the_no_arbitrage_bounds_have_no_volatility(
    kernel: Kernel, is_call: bool, strike: float
) -> None:
    low, high = bounds(strike, is_call)
    outside = [low, low - 1e-9, low - 1.0, low + 1e-12, high, high - 1e-12, high + 1.0, 0.0, -1.0, math.nan, math.inf]
    found = pricing.implied_volatility(outside, **(GOOD | {"strike": strike}), is_call=is_call, kernel=kernel)
    cheap = low == 0.0
    assert np.isnan(found).tolist() == [True] * 3 + [not cheap] + [True] * 7


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_price_a_hundredth_of_a_cent_inside_the_bounds_has_a_volatility_that_prices_back(kernel: Kernel) -> None:
    low, high = bounds(60.0, is_call=True)
    price = np.array([low + 1e-4, high - 1e-4])
    terms = GOOD | {"strike": 60.0, "is_call": True}
    iv = pricing.implied_volatility(price, **terms, kernel=kernel)
    assert pricing.value(**terms, iv=iv, kernel=kernel) == pytest.approx(price, abs=1e-9)


@pytest.mark.parametrize(
    ("bid", "ask"),
    [(0.0, 0.05), (-0.1, 0.3), (5.1, 5.0), (math.nan, 5.0), (5.0, math.nan), (0.0, 0.0), (5.0, math.inf)],
)
def test_a_quote_that_is_not_two_sided_says_nothing(bid: float, ask: float) -> None:
    assert np.isnan(pricing.analyse(bid, ask, 100, 100, 0.25, 0.04, True)).all()


def test_a_locked_quote_is_two_sided() -> None:
    assert pricing.analyse(5.0, 5.0, 100, 100, 0.25, 0.04, True).iv == pytest.approx(
        pricing.implied_volatility(5.0, 100, 100, 0.25, 0.04, True)
    )


def test_one_bad_row_leaves_the_others_as_they_were() -> None:
    alone = pricing.analyse(4.9, 5.1, 100, 100, 0.25, 0.04, True)
    beside = pricing.analyse([4.9, 5.2, 0.0], [5.1, 5.1, 1.0], 100, [100, 100, math.nan], 0.25, 0.04, True)
    for one, three in zip(alone, beside, strict=True):
        assert three[0] == one[0]
        assert np.isnan(three[1:]).all()


def test_no_rows_give_no_rows() -> None:
    empty = np.empty(0)
    assert len(pricing.value(empty, empty, empty, 0.04, empty, empty.astype(bool))) == 0
    assert all(len(column) == 0 for column in pricing.analyse(empty, empty, 100.0, empty, empty, 0.04, True))


def test_one_option_and_a_column_of_it_price_to_the_same_bits() -> None:
    terms = grid(seed=3, n=500)
    column = pricing.value(*terms)
    single = [pricing.value(*(x[row] for x in terms))[0] for row in range(500)]
    assert column.tolist() == single


def test_vollib_takes_over_where_pyvolr_cannot_be_imported() -> None:
    program = (
        "import sys; sys.modules['pyvolr'] = None\n"
        "from engine import pricing\n"
        "print(pricing.preferred_kernel().name, pricing.value(42, 40, 0.5, 0.10, 0.20, True)[0].round(4))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "vollib 4.7594"


def test_pyvolr_is_preferred_where_it_is_there() -> None:
    assert pricing.preferred_kernel() is PYVOLR


def make_chain(**changed: object) -> Chain:
    """Three December calls on 100 dollars seen on 20 November 2026: priced at 30 %, without a bid, and crossed."""
    n = 3
    years = pricing.year_fraction(28)
    price = float(pricing.value(100, 100, years, 0.04, 0.30, True)[0])
    unknown = np.full(n, np.nan)
    columns: dict[str, object] = dict.fromkeys(Chain.COLUMNS, unknown) | {
        "expiry": np.array(["2026-12-18"] * n, dtype="datetime64[D]"),
        "strike": np.full(n, 100.0),
        "is_call": np.ones(n, dtype=bool),
        "bid": np.array([price - 0.05, 0.0, price + 0.1]),
        "ask": np.array([price + 0.05, 0.1, price - 0.1]),
    }
    header: dict[str, object] = {
        "underlying": "XYZ",
        "asof": datetime(2026, 11, 20, 15, tzinfo=UTC),
        "today": date(2026, 11, 20),
        "spot": 100.0,
        "source": Source("test", Kind.REAL),
        "rate": 0.04,
    }
    return Chain(**(header | columns | changed))  # type: ignore[arg-type]


def test_completing_a_chain_finds_the_volatility_behind_its_two_sided_quotes_only() -> None:
    done = pricing.complete(make_chain())
    assert done.iv == pytest.approx([0.30, math.nan, math.nan], nan_ok=True)
    expected = pricing.greeks(100, 100, pricing.year_fraction(28), 0.04, 0.30, True)
    for name, column in expected._asdict().items():
        assert getattr(done, name) == pytest.approx([column[0], math.nan, math.nan], nan_ok=True)


def test_completing_keeps_what_the_source_gave_and_takes_greeks_at_its_volatility() -> None:
    given_iv, given_delta = np.array([0.5, 0.4, math.nan]), np.array([math.nan, 0.9, math.nan])
    done = pricing.complete(make_chain(iv=given_iv, delta=given_delta))
    assert done.iv == pytest.approx(given_iv, nan_ok=True)
    expected = pricing.greeks(100, 100, pricing.year_fraction(28), 0.04, [0.5, 0.4], True)
    assert done.delta == pytest.approx([expected.delta[0], 0.9, math.nan], nan_ok=True)
    assert done.vega == pytest.approx([*expected.vega, math.nan], nan_ok=True)


def test_completing_takes_dividends_before_expiry_out_of_the_spot() -> None:
    inside, outside, past = (date(2026, 12, 1), 1.5), (date(2026, 12, 19), 9.0), (date(2026, 11, 20), 9.0)
    done = pricing.complete(make_chain(dividends=(past, inside, outside)))
    spot = 100.0 - 1.5 * math.exp(-0.04 * 11 / 365)
    mid = float(make_chain().mid[0])
    assert done.iv[0] == pytest.approx(
        pricing.implied_volatility(mid, spot, 100, pricing.year_fraction(28), 0.04, True)
    )


def test_on_the_last_day_seconds_count_and_after_the_close_nothing_has_value() -> None:
    expiry = np.array(["2026-11-20", "2026-11-19"], dtype="datetime64[D]")
    day = date(2026, 11, 20)
    noon, evening = datetime(2026, 11, 20, 17, tzinfo=UTC), datetime(2026, 11, 20, 21, tzinfo=UTC)
    assert pricing.years_left(expiry, day, noon) * 365 * 24 == pytest.approx([4.0, math.nan], nan_ok=True)
    assert np.isnan(pricing.years_left(expiry, day, evening)).all()
    early = datetime(2026, 11, 20, 18, tzinfo=UTC)
    assert pricing.years_left(expiry, day, noon, early)[0] * 365 * 24 == pytest.approx(1.0)
