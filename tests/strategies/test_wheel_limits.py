"""The numbers of the wheel, each exactly at its limit and a hair beyond, by the name of the rule that says so."""

from typing import Any

import numpy as np
import pytest

from engine.model.market import Bars, Chain, Fundamentals
from strategies import wheel
from tests import make
from tests.make import D
from tests.strategies import cases

PARAMS = wheel.Params()
SHARES = make.context(held=(cases.assigned_shares(),))


def put_step(rule: str, **more: Any) -> tuple[str, bool]:
    """(value, whether it holds) of one rule on the name of the worked example."""
    found = wheel.find(cases.wheel_name(**more), make.context(), PARAMS)
    return cases.asked(found, rule)


def call_step(rule: str, chain: Chain, **more: Any) -> tuple[str, bool]:
    """The same of the call on 200 assigned shares."""
    name = make.snapshot(**({"spot": "42.50", "chain": chain, "dividends": cases.quarterly()} | more))
    return cases.asked(wheel.find(name, SHARES, PARAMS), rule)


def traded(*latest: float) -> Bars:
    """The example's bars with these volumes at the end, 1,000,000 in the thirty sessions, none before."""
    volume = np.concatenate((np.zeros(30), np.full(30, 1_000_000.0)))
    if latest:
        volume[-len(latest) :] = latest
    return cases.with_volume(make.bars(cases.swinging()), volume)


def test_the_average_volume_is_that_of_thirty_completed_sessions() -> None:
    assert put_step("average volume", bars=traded()) == ("1,000,000", True)
    oldest_is_thin = traded(999_970.0, *[1_000_000.0] * 29)
    assert put_step("average volume", bars=oldest_is_thin) == ("999,999", False)


def after(*closes: float) -> Bars:
    """Swinging closes that end with these."""
    return make.bars([*cases.swinging(count=60 - len(closes)), *closes])


def test_the_fall_is_measured_from_the_close_five_sessions_ago() -> None:
    assert put_step("recent fall", bars=after(60, 48, 48, 48, 48, 48)) == ("0.00 %", True)
    assert put_step("recent fall", bars=after(60, 60, 48, 48, 48, 48)) == ("-20.00 %", False)


def test_a_fall_of_ten_percent_is_still_none() -> None:
    closes = after(50, 50, 50, 50, 50)
    assert put_step("recent fall", bars=closes, spot=45) == ("-10.00 %", True)
    assert put_step("recent fall", bars=closes, spot="44.99") == ("-10.02 %", False)


def test_a_billion_is_enough() -> None:
    assert put_step("market cap", fundamentals=Fundamentals(D(10**9), "Energy")) == ("1.000 B", True)


@pytest.mark.parametrize(
    ("amount", "value", "holds"),
    [("0.24", "2.00 %", True), ("0.2399", "2.00 %", False), ("0.96", "8.00 %", True), ("0.9612", "8.01 %", False)],
)
def test_a_dividend_yields_two_to_eight_percent(amount: str, value: str, holds: bool) -> None:
    assert put_step("dividend yield", dividends=cases.quarterly(amount)) == (value, holds)


def test_an_ex_date_a_hundred_days_ago_is_recent() -> None:
    assert put_step("last ex-date", dividends=cases.quarterly(days_ago=100)) == ("100 days ago", True)


@pytest.mark.parametrize(
    ("listed", "taken"),
    [((33, 40), "40 days"), ((34, 41), "34 days"), ((29, 30), "30 days"), ((45, 46), "45 days")],
)
def test_put_and_call_aim_at_37_days(listed: tuple[int, int], taken: str) -> None:
    assert put_step("expiry", chain=make.join(*map(cases.put_chain, listed))) == (taken, True)
    assert call_step("expiry", make.join(*map(cases.call_chain, listed))) == (taken, True)


@pytest.mark.parametrize("days", [29, 46])
def test_no_put_is_shorter_than_30_or_longer_than_45_days(days: int) -> None:
    assert put_step("expiry", chain=cases.put_chain(days)) == (f"{days} days", False)


@pytest.mark.parametrize(("days", "holds"), [(27, False), (28, True), (45, True), (46, False)])
def test_calls_run_from_28_to_45_days(days: int, holds: bool) -> None:
    assert call_step("expiry", cases.call_chain(days)) == (f"{days} days", holds)


@pytest.mark.parametrize(("delta", "holds"), [(0.1499, False), (0.15, True), (0.30, True), (0.3001, False)])
def test_puts_have_a_delta_of_15_to_30(delta: float, holds: bool) -> None:
    chain = cases.changed(cases.put_chain(), 44, delta=-delta)
    assert put_step("|delta|", chain=chain) == (f"{delta:.4f}", holds)


@pytest.mark.parametrize(("delta", "holds"), [(0.1999, False), (0.20, True), (0.30, True), (0.3001, False)])
def test_calls_have_a_delta_of_20_to_30(delta: float, holds: bool) -> None:
    chain = cases.changed(cases.call_chain(), 48, delta=delta)
    assert call_step("|delta|", chain) == (f"{delta:.4f}", holds)


@pytest.mark.parametrize(("near", "far", "taken"), [(0.22, 0.27, 0.27), (0.24, 0.28, 0.24)])
def test_of_two_calls_the_one_nearest_25_is_sold(near: float, far: float, taken: float) -> None:
    chain = cases.changed(cases.changed(cases.call_chain(), 48, delta=near), 52, delta=far)
    assert call_step("|delta|", chain) == (f"{taken:.4f}", True)


@pytest.mark.parametrize(("near", "far", "taken"), [(0.19, 0.24, 0.24), (0.21, 0.25, 0.21)])
def test_of_two_puts_the_one_nearest_22_is_sold(near: float, far: float, taken: float) -> None:
    chain = cases.changed(cases.changed(cases.put_chain(), 44, delta=-near), 40, delta=-far)
    assert put_step("|delta|", chain=chain) == (f"{taken:.4f}", True)


@pytest.mark.parametrize(
    ("interest", "volume", "holds"), [(100, 0, True), (0, 10, True), (99, 9, False), (99, 10, True), (100, 9, True)]
)
def test_a_call_needs_100_open_or_10_traded(interest: int, volume: int, holds: bool) -> None:
    chain = cases.changed(cases.call_chain(), 48, open_interest=interest, volume=volume)
    assert call_step("open interest or volume", chain) == (f"{interest}, {volume} traded", holds)


@pytest.mark.parametrize(("bid", "ask", "holds"), [(0.05, 0.054, False), (0.06, 0.065, True)])
def test_a_bid_has_to_be_above_five_cents(bid: float, ask: float, holds: bool) -> None:
    put = cases.changed(cases.put_chain(), 44, bid=bid, ask=ask)
    call = cases.changed(cases.call_chain(), 48, bid=bid, ask=ask)
    assert put_step("bid", chain=put)[1] == call_step("bid", call)[1] == holds


def test_a_call_may_have_a_spread_of_ten_percent() -> None:
    edge = cases.changed(cases.call_chain(), 48, bid=0.95, ask=1.05)
    assert call_step("spread", edge) == ("10.00 % of mid", True)


@pytest.mark.parametrize(
    ("amount", "value", "holds"),
    [("0.32", "0.32 about 26 Jun, 49 %", True), ("0.33", "0.33 about 26 Jun, 51 %", False)],
)
def test_a_dividend_of_half_the_time_value_left_on_its_day_is_borne(amount: str, value: str, holds: bool) -> None:
    """On 26 June the 48 call has 19 days left and, at 42.50 and 60 %, 0.6498 of time value."""
    declared = (*cases.quarterly(days_ago=80), make.dividend(11, amount))
    assert call_step("dividend before expiry", cases.call_chain(), dividends=declared) == (value, holds)
