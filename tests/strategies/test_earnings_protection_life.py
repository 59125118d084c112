"""Earnings protection after the ranking: the crush scenario, the collar's second order, the exits on each side."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Kind, ReportTime, Source
from strategies import earnings_protection, wheel
from strategies.earnings_protection import Params
from strategies.earnings_protection.crush import forward_iv
from tests import make
from tests.make import D
from tests.strategies import cases
from tests.strategies.protection import (
    AFTER,
    AT_2,
    CHAIN,
    FRONT,
    LATER,
    SAID,
    bought,
    context,
    find,
    name,
    report,
    shares,
    signals,
    value,
)

# The crush


def test_the_volatility_after_the_report_is_the_one_between_the_expiries() -> None:
    """1.10 over 9 days and 0.61 over 37: total variance of the 28 days between them, without the report's."""
    assert forward_iv((9, 1.10), (37, 0.61)) == pytest.approx(((0.61**2 * 37 - 1.10**2 * 9) / 28) ** 0.5)
    assert "IV 32 % and 32 %, that between the two expiries" in value(find(params=Params()), "crush scenario")


def test_where_nothing_is_left_between_them_the_later_expiry_stands_in_and_that_is_said() -> None:
    assert forward_iv((9, 1.30), (37, 0.60)) is None
    wild = replace(FRONT, iv=np.full(len(FRONT), 1.40))
    told = value(find(name(chain=make.join(wild, LATER)), params=Params()), "crush scenario")
    assert told.endswith("IV 61 % and 61 %, that of the later expiry: too high")


def test_a_persons_own_volatilities_take_its_place_one_by_one() -> None:
    assert "IV 45 % and 38 %, as configured" in value(find(), "crush scenario")
    mixed = value(find(params=replace(SAID, later_iv_after=0.0)), "crush scenario")
    assert "IV 45 % and 32 %" in mixed


def test_modelled_chains_mark_the_signal() -> None:
    chain = replace(CHAIN, source=Source("replay", Kind.MODELLED))
    assert all(signal.modelled for signal in signals(find(name(chain=chain))))


# The second order of a collar


def test_a_put_that_is_held_alone_asks_for_the_call_on_free_shares() -> None:
    (call,) = signals(find(given=context(shares(), bought())))
    assert call.legs == (Leg(make.call(110, dte=9), -1),)
    assert (call.structure, call.limit, call.natural) == (Structure.COVERED_CALL, D("-3.10"), D("-3.05"))
    assert (call.campaign, call.covers, call.at_most) == ("P00009", "P00002", 2)
    assert call.exits.close_on == AFTER
    assert call.outlook.shares_at == D(90)
    assert call.outlook.pop_method.startswith("does not apply")
    assert "the put P00009 is held at 4.58, this call pays 3.10 of it" in call.reasons[0]


@pytest.mark.parametrize(("basis", "warned"), [("110", False), ("110.01", True)])
def test_a_call_below_what_the_shares_cost_says_so(basis: str, warned: bool) -> None:
    (call,) = signals(find(given=context(cases.assigned_shares(200, basis), bought())))
    assert any(f"the shares lose: they cost {basis}" in line for line in call.against) is warned


def test_the_call_covers_no_more_than_the_free_shares_of_one_position() -> None:
    other = shares(300, id="P00007", strategy="leaps", campaign="C00007")
    (call,) = signals(find(given=context(shares(100), other, bought())))
    assert (call.covers, call.at_most) == ("P00007", 2)
    (call,) = signals(find(given=context(shares(100), bought())))
    assert call.at_most == 1


def test_without_free_shares_there_is_no_call() -> None:
    written = cases.short(make.call(120, dte=30), 2, id="P00003")
    found = find(given=context(shares(), written, bought()))
    assert cases.failed_at(found) == ("free shares", "0 hundreds")


def test_a_collar_that_is_whole_or_whose_call_has_come_and_gone_is_left_alone() -> None:
    call = cases.short(make.call(110, dte=9), 2, id="P00010", campaign="P00009", strategy="earnings_protection")
    assert cases.failed_at(find(given=context(shares(), bought(), call)))[0] == "protection held"
    gone = context(shares(), bought(), premiums={"P00009": D("50.00")})
    assert cases.failed_at(find(given=gone))[0] == "protection held"


@pytest.mark.parametrize(
    ("snapshot", "desk", "rule"),
    [
        ({"earnings": (report(0, ReportTime.UNKNOWN),)}, {}, "time to act"),
        ({"earnings": (report(60),)}, {}, "report"),
        ({"earnings": None}, {}, "report"),
        ({"halted": True}, {}, "quote of the shares"),
        ({"chain": None}, {}, "options"),
        ({"chain": cases.changed(CHAIN, 110, bid=0.04)}, {}, "call of the collar"),
    ],
)
def test_the_call_has_its_rules_too(snapshot: dict[str, Any], desk: dict[str, Any], rule: str) -> None:
    found = find(name(**snapshot), context(shares(), bought(), **desk))
    assert cases.failed_at(found)[0] == rule


def test_a_protective_put_does_not_disturb_the_wheel_and_its_collars_call_does() -> None:
    """The wheel sells calls on its shares while only a put is under them, and none on shares a call is written on."""
    held = shares()
    wheels = cases.wheel_name(spot=42.5, chain=cases.call_chain(), bars=make.bars(cases.swinging(42.5)))
    put_only = make.context(held=(held,), owned=(held, bought()))
    sold = cases.assigned_shares(200, "42.97")
    (call,) = wheel.find(wheels, replace(put_only, held=(sold,), owned=(sold, bought())), wheel.Params()).signals
    assert call.structure is Structure.COVERED_CALL
    written = cases.short(make.call(110, dte=9), 2, id="P00010", campaign="P00009", strategy="earnings_protection")
    with_call = make.context(held=(sold,), owned=(sold, bought(), written))
    assert cases.failed_at(wheel.find(wheels, with_call, wheel.Params())) == ("free shares", "2 calls open")


# Exits


def test_what_is_bought_is_armed_with_target_stop_and_the_session_after_the_report() -> None:
    put = signals(find(params=AT_2))[0]
    assert (put.exits.target, put.exits.stop, put.exits.close_on) == (D("13.74"), D("0.458"), AFTER)
    assert put.exits.before_close is None
    assert "19 Jun, the session after the report" in put.exits.words[0]


def test_a_moved_limit_moves_target_and_stop_and_keeps_the_day() -> None:
    put = signals(find(params=AT_2))[0]
    plan = earnings_protection.exits(replace(put, limit=D("5.00")), AT_2)
    assert (plan.target, plan.stop, plan.close_on) == (D("15.0"), D("0.50"), AFTER)


def test_the_call_is_bought_back_at_a_tenth_or_at_three_times_its_premium() -> None:
    (call,) = signals(find(given=context(shares(), bought())))
    assert (call.exits.target, call.exits.stop) == (D("-0.31"), D("-9.3"))


def test_the_calendar_has_its_own_target_and_stop() -> None:
    calendar = signals(find())[-1]
    assert (calendar.exits.target, calendar.exits.stop, calendar.exits.close_on) == (D("1.02"), D("0.34"), AFTER)


def test_before_the_session_after_the_report_nothing_of_its_own_closes_it() -> None:
    assert earnings_protection.manage(bought(), name(), {}, SAID) == ()
    plain = replace(signals(find())[0], exits=ExitPlan())
    assert earnings_protection.exits(plain, SAID).words[0] == "Closed after the report."


def test_names_whose_shares_are_held_are_looked_at_and_no_others() -> None:
    held = (shares(ticker="KO"), bought(), shares(ticker="AAA", strategy="leaps"))
    assert earnings_protection.select(("SPY", "QQQ"), held, SAID) == ("AAA", "KO")


def test_it_acts_between_a_quarter_to_ten_and_half_past_three() -> None:
    assert earnings_protection.STRATEGY.entry_hours == ("09:45", "15:30")
