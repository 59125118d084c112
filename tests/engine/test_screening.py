"""Screening: every rule has its number, the unknown is out, and the columns say what the rules say of each name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.indicators import realised_volatility
from engine.model.market import Bars
from engine.screening import SESSIONS, UNKNOWN, Facts, Filters, Screened, measure, screen
from tests import make

LAST = make.weekdays(1)[0]
NOTHING = Filters(volume=0, least_price=0, optionable=False)
LISTED = Facts(is_optionable=True)


def screened(bars: Bars, facts: Facts = LISTED, filters: Filters = NOTHING, last: date = LAST) -> Screened:
    return screen(measure({"XYZ": bars}, last), {"XYZ": facts}, filters)


def verdict(bars: Bars, facts: Facts = LISTED, filters: Filters = NOTHING) -> tuple[str, str, str, bool]:
    (step,) = screened(bars, facts, filters).steps["XYZ"]
    return step.rule, step.limit, step.value, step.passed


@pytest.mark.parametrize(
    ("filters", "facts", "expected"),
    [
        (Filters(5e6, 0, optionable=False), LISTED, ("median volume", "≥ 5,000,000", "5,000,000", True)),
        (Filters(5_000_001, 0, optionable=False), LISTED, ("median volume", "≥ 5,000,001", "5,000,000", False)),
        (replace(NOTHING, least_price=48), LISTED, ("price", "≥ $48.00", "$48.00", True)),
        (replace(NOTHING, most_price=47.5), LISTED, ("price", "≤ $47.50", "$48.00", False)),
        (replace(NOTHING, least_price=10, most_price=100), LISTED, ("price", "$10.00 to $100.00", "$48.00", True)),
        (replace(NOTHING, least_volatility=0.25), LISTED, ("30-day volatility", "≥ 25.00 %", "0.00 %", False)),
        (replace(NOTHING, most_volatility=0.25), LISTED, ("30-day volatility", "≤ 25.00 %", "0.00 %", True)),
        (replace(NOTHING, optionable=True), LISTED, ("options", "listed", "listed", True)),
        (replace(NOTHING, optionable=True), Facts(is_optionable=False), ("options", "listed", "none", False)),
        (replace(NOTHING, optionable=True), Facts(), ("options", "listed", UNKNOWN, False)),
        (replace(NOTHING, market_cap=1e9), Facts(2.5e9), ("market cap", "≥ $1,000 M", "$2,500 M", True)),
        (replace(NOTHING, market_cap=1e9), Facts(), ("market cap", "≥ $1,000 M", UNKNOWN, False)),
        (
            replace(NOTHING, least_yield=0.02, most_yield=0.08),
            Facts(dividend_yield=0.09),
            ("dividend yield", "2.00 % to 8.00 %", "9.00 %", False),
        ),
        (replace(NOTHING, most_yield=0.08), Facts(dividend_yield=0.0), ("dividend yield", "≤ 8.00 %", "0.00 %", True)),
        (replace(NOTHING, most_yield=0.08), Facts(), ("dividend yield", "≤ 8.00 %", UNKNOWN, False)),
    ],
)
def test_each_rule_says_its_limit_and_the_number_it_found(
    filters: Filters, facts: Facts, expected: tuple[str, str, str, bool]
):
    assert verdict(make.bars(), facts, filters) == expected


def test_without_rules_everything_passes():
    found = screened(make.bars())
    assert found.steps == {"XYZ": ()}
    assert found.passed == ("XYZ",)


def test_no_names_are_no_trouble():
    assert screen(measure({}, LAST), {}, Filters()).passed == ()


def test_a_name_that_has_not_traded_in_the_last_session_is_unknown():
    stale = make.bars()[:-1]
    found = screened(stale, filters=Filters())
    assert [step.value for step in found.steps["XYZ"][:2]] == [UNKNOWN, UNKNOWN]
    assert found.passed == ()


def test_bars_of_a_session_that_is_not_asked_for_do_not_count():
    bars = make.bars([48.0] * 40 + [1.0])
    found = screened(bars, filters=replace(NOTHING, least_price=40), last=make.weekdays(2)[0])
    assert found.passed == ("XYZ",)


def test_one_session_without_a_known_volume_makes_the_median_unknown():
    bars = make.bars()
    bars.volume[-20] = np.nan
    assert verdict(bars, filters=replace(NOTHING, volume=1))[2] == UNKNOWN
    bars.volume[-20], bars.volume[-21] = 1.0, np.nan
    assert verdict(bars, filters=replace(NOTHING, volume=1))[2] == "5,000,000"


def test_a_single_enormous_session_does_not_make_a_name_liquid():
    bars = make.bars(volume=1_000.0)
    bars.volume[-1] = 1e12
    assert screened(bars, filters=replace(NOTHING, volume=1e6)).passed == ()


def test_thirty_returns_are_needed_for_the_volatility():
    filters = replace(NOTHING, most_volatility=1.0)
    assert verdict(make.bars([48.0] * SESSIONS), filters=filters)[2] == "0.00 %"
    assert verdict(make.bars([48.0] * (SESSIONS - 1)), filters=filters)[2] == UNKNOWN


def test_the_most_traded_in_dollars_stand_first():
    panel = {
        "CHEAP": make.bars([2.0] * 40, "CHEAP", volume=20e6),
        "DEAR": make.bars([200.0] * 40, "DEAR", volume=1e6),
        "NONE": make.bars([9.0] * 40, "NONE", volume=1e6),
    }
    assert screen(measure(panel, LAST), {}, NOTHING).passed == ("DEAR", "CHEAP", "NONE")


# The columns against the rules of one name, written out

numbers = st.one_of(st.floats(0.5, 500), st.sampled_from([5.0, np.nan, np.inf, 0.0, -1.0]))
volumes = st.one_of(st.floats(0, 5e6), st.sampled_from([1e6, np.nan, -1.0]))
maybe = st.one_of(st.none(), st.floats(0, 1), st.just(float("nan")))
facts_of = st.builds(Facts, st.one_of(st.none(), st.floats(0, 4e9)), maybe, st.sampled_from([None, True, False]))
bound = st.sampled_from([0.0, 0.02, 0.3, 1.0])
filters_of = st.builds(
    Filters,
    st.sampled_from([0, 1e6]),
    st.sampled_from([0, 5.0]),
    st.sampled_from([0, 200.0]),
    bound,
    bound,
    st.sampled_from([0, 1e9]),
    bound,
    bound,
    st.booleans(),
)


@st.composite
def bars_of(draw: st.DrawFn) -> Bars:
    length = draw(st.integers(1, 45))
    base = draw(st.sampled_from([3.0, 5.0, 50.0]))
    closes = np.array([base + move for move in draw(st.lists(st.floats(-0.5, 0.5), min_size=length, max_size=length))])
    found = make.bars(closes, before=draw(st.sampled_from([make.TODAY, LAST])))
    for row in draw(st.lists(st.integers(0, length - 1), max_size=2)):
        found.close[row] = draw(numbers)
    found.volume[:] = draw(st.floats(0, 3e6))
    for row in draw(st.lists(st.integers(0, length - 1), max_size=3)):
        found.volume[row] = draw(volumes)
    return found


def expected(bars: Bars, facts: Facts, filters: Filters) -> list[bool]:
    """The rules in the words of the configuration, one name at a time; None is unknown, and unknown is out."""
    traded = len(bars) > 0 and bars.day[-1] == np.datetime64(LAST, "D")
    closes = [float(c) if 0 < c < np.inf else np.nan for c in bars.close] if traded else []
    shares = [float(v) if 0 <= v < np.inf else np.nan for v in bars.volume][-20:] if traded else []
    price = closes[-1] if closes else np.nan
    volume = median(shares) if len(shares) == 20 and not np.isnan(shares).any() else np.nan
    volatility = realised_volatility(np.array(closes[-31:]), 30)[-1] if len(closes) >= 31 else np.nan
    ranges: list[tuple[float | None, float, float]] = [
        (price, filters.least_price, filters.most_price),
        (volume, filters.volume, 0),
        (float(volatility), filters.least_volatility, filters.most_volatility),
        (facts.is_optionable, float(filters.optionable), 0),
        (facts.market_cap, filters.market_cap, 0),
        (facts.dividend_yield, filters.least_yield, filters.most_yield),
    ]
    asked = [each for each in ranges if each[1] > 0 or each[2] > 0]
    return [value is not None and value >= low and (high == 0 or value <= high) for value, low, high in asked]


@given(st.lists(st.tuples(bars_of(), facts_of), max_size=6), filters_of)
def test_the_columns_say_what_the_rules_say_of_each_name(names: list[tuple[Bars, Facts]], filters: Filters):
    panel: Mapping[str, Bars] = {f"N{place}": bars for place, (bars, _) in enumerate(names)}
    facts = {f"N{place}": each for place, (_, each) in enumerate(names)}
    found = screen(measure(panel, LAST), facts, filters)
    by_hand = {ticker: expected(panel[ticker], facts[ticker], filters) for ticker in panel}
    assert {ticker: [step.passed for step in steps] for ticker, steps in found.steps.items()} == by_hand
    assert set(found.passed) == {ticker for ticker, each in by_hand.items() if all(each)}
