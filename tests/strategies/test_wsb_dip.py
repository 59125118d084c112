"""The dip after a run: the worked example, every near miss by the rule it names, the exits on each side."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import pricing, sizing
from engine.model.legs import Leg, Structure
from engine.model.limits import Costs, Limits
from engine.model.market import Bar, Earnings, Fundamentals, Kind, MarketSnapshot, ReportTime, Source
from engine.model.trade import Context, Exit, Found, Signal, Step, Working
from engine.risk import RiskState
from strategies import wsb_dip
from strategies.wsb_dip import SCREENED
from tests import make
from tests.make import TODAY, D
from tests.shared import needs_shared
from tests.strategies import cases, recorded
from tests.strategies.cases import signal_of

PARAMS = wsb_dip.Params()
NEXT_SESSIONS = tuple(
    day.astype(object) for day in np.busday_offset(np.datetime64(TODAY, "D"), np.arange(30), roll="forward")
)


def context(**more: Any) -> Context:
    defaults: dict[str, Any] = {"market": cases.spy(), "firing": 0.01, "next_sessions": NEXT_SESSIONS}
    return make.context(**(defaults | more))


def find(snapshot: MarketSnapshot, given: Context | None = None) -> Found:
    return wsb_dip.find(snapshot, given or context(), PARAMS)


def test_the_worked_example_buys_the_113_call_in_thirty_days() -> None:
    signal = signal_of(find(cases.dip_name()))
    assert signal.legs == (Leg(make.call(113, dte=30), 1),)
    assert (signal.limit, signal.natural, signal.spot) == (D("4.26"), D("4.31"), D(108))
    assert (signal.structure, signal.working) == (Structure.LONG_CALL, Working.LADDER)
    unit = signal.outlook
    assert (unit.max_loss, unit.max_gain, unit.breakevens) == (D(426), None, (D("117.26"),))
    assert unit.pop == pytest.approx(0.2652, abs=0.0001)
    assert unit.greeks is not None
    greeks = (unit.greeks.delta, unit.greeks.gamma, unit.greeks.theta, unit.greeks.vega)
    assert greeks == pytest.approx((0.4125, 0.0251, -0.1049, 0.1205), abs=0.0001)
    assert signal.reasons[0] == "+12.0 % in 10 sessions, then -3.6 % today"


KELLY = {
    "A": (make.campaigns(18, 1.10, 22, 0.48), 0.0200, 4),
    "B": (make.campaigns(14, 1.05, 26, 0.50), 0.0101190, 2),
    "D": (make.campaigns(18, 1.10, 11, 0.48), 0.0050, 1),
}


@pytest.mark.parametrize("case", KELLY)
def test_its_size_follows_what_such_trades_have_made(case: str) -> None:
    closed, at_risk, units = KELLY[case]
    signal = signal_of(find(cases.dip_name(), context(campaigns=closed)))
    assert signal.at_risk == pytest.approx(at_risk, abs=1e-6)
    plan = sizing.size(signal, RiskState(D(100_000), D(100_000)), Limits(), Costs())
    assert (plan.quantity, plan.max_loss, plan.fees) == (units, D(426) * units, D(units))


@pytest.mark.parametrize("closed", [make.campaigns(12, 0.90, 28, 0.50), make.campaigns(20, 1.0, 20, 1.0)])
def test_without_an_edge_there_is_no_trade(closed: Any) -> None:
    rule, value = cases.failed_at(find(cases.dip_name(load_chain=cases.forbidden), context(campaigns=closed)))
    assert rule == "Kelly"
    assert "0.00 % of equity" in value


def test_a_wild_name_takes_a_smaller_fraction() -> None:
    wild = cases.dip_name(bars=make.bars(cases.ran(volatility=1.20)))
    closed = make.campaigns(14, 1.05, 26, 0.50)
    calm, shrunk = (signal_of(find(name, context(campaigns=closed))).at_risk or 0 for name in (cases.dip_name(), wild))
    assert shrunk < calm * 0.75


def test_the_outer_wall_bounds_kelly() -> None:
    closed = KELLY["A"][0]
    signal = signal_of(find(cases.dip_name(), context(campaigns=closed, max_position_risk=0.004)))
    assert signal.at_risk == pytest.approx(0.004)


def test_the_example_is_armed_with_target_stop_and_last_day() -> None:
    exits = signal_of(find(cases.dip_name())).exits
    assert (exits.target, exits.stop) == (D("12.78"), D("2.1300"))
    assert exits.close_on == TODAY + timedelta(days=23)


def test_the_last_day_is_a_session_with_at_least_seven_days_left() -> None:
    without = tuple(day for day in NEXT_SESSIONS if day != TODAY + timedelta(days=23))
    exits = signal_of(find(cases.dip_name(), context(next_sessions=without))).exits
    assert exits.close_on == TODAY + timedelta(days=22)


def test_a_moved_limit_moves_target_and_stop_and_keeps_the_last_day() -> None:
    signal = signal_of(find(cases.dip_name()))
    exits = wsb_dip.exits(replace(signal, limit=D("4.40")), PARAMS)
    assert (exits.target, exits.stop, exits.close_on) == (D("13.2"), D("2.2"), signal.exits.close_on)


def test_every_rule_is_listed_in_order() -> None:
    assert [step.rule for step in find(cases.dip_name()).steps] == [
        "history", "run", "dip", "quote of the shares", "SPY", "universe firing", "market cap", "earnings",
        "one position a name", "new today", "open positions", "Kelly", "options", "30-day IV", "expiry", "strike",
        "bid", "spread", "open interest or volume", "implied volatility",
    ]  # fmt: skip


NAME_MISSES: dict[str, tuple[dict[str, Any], str]] = {
    "history": ({"bars": make.bars(cases.ran()[-30:])}, "30"),
    "run": ({"bars": make.bars(cases.ran(0.0999))}, "9.99 %"),
    "dip": ({"spot": round(112 * (1 - 0.0299), 4)}, "-2.99 %"),
    "quote of the shares": ({"halted": True}, "halted"),
    "market cap": ({"fundamentals": Fundamentals(D(9_900_000_000), "Technology")}, "9.900 B"),
    "earnings": (
        {"earnings": (Earnings(TODAY + timedelta(days=2), ReportTime.AFTER_CLOSE, confirmed=True),)},
        "17 Jun 2026 after close",
    ),
}


@pytest.mark.parametrize("rule", NAME_MISSES)
def test_a_near_miss_is_removed_by_its_rule_before_the_chain_is_asked_for(rule: str) -> None:
    changes, value = NAME_MISSES[rule]
    assert cases.failed_at(find(cases.dip_name(load_chain=cases.forbidden, **changes))) == (rule, value)


CONTEXT_MISSES: dict[str, tuple[dict[str, Any], str]] = {
    "SPY": ({"market": cases.spy(-0.02)}, "-2.00 %"),
    "universe firing": ({"firing": 0.0501}, "5.01 %"),
    "one position a name": ({"held": (cases.long_call(1),)}, "held"),
    "new today": ({"opened_today": 1}, "1"),
    "open positions": (
        {"held": tuple(cases.long_call(1, ticker=f"T{row}", id=f"P0000{row}") for row in range(3))},
        "3",
    ),
}


@pytest.mark.parametrize("rule", CONTEXT_MISSES)
def test_the_market_and_the_desk_remove_by_their_rule(rule: str) -> None:
    changes, value = CONTEXT_MISSES[rule]
    found = find(cases.dip_name(load_chain=cases.forbidden), context(**changes))
    assert cases.failed_at(found) == (rule, value)


def test_the_edges_belong_to_the_windows() -> None:
    edge = cases.dip_name(
        bars=make.bars([*cases.swinging(100.0, 0.5, 51), *[105.0] * 9, 110.0]),
        spot="106.70",
        fundamentals=Fundamentals(D(10_000_000_000), "Technology"),
        earnings=(make.earnings(3),),
        chain=make.join(cases.dip_chain(21), cases.dip_chain(45)),
    )
    signal_of(find(edge, context(market=cases.spy(-0.0199), firing=0.05, held=(cases.long_call(1, ticker="T1"),))))


CHAIN_MISSES: dict[str, tuple[Any, str]] = {
    "options": (None, "none"),
    "expiry": (make.join(cases.dip_chain(20), cases.dip_chain(46)), "20 days"),
    "bid": (cases.changed(cases.dip_chain(), 113, bid=0.05, ask=0.06), "0.05/0.06"),
    "spread": (cases.changed(cases.dip_chain(), 113, bid=3.80, ask=4.42), "15.09 % of mid"),
    "open interest or volume": (
        cases.changed(cases.dip_chain(), 113, open_interest=99, volume=9),
        "99, 9 traded",
    ),
    "implied volatility": (cases.changed(cases.dip_chain(), 113, iv=np.nan), "no value"),
}


@pytest.mark.parametrize("rule", CHAIN_MISSES)
def test_a_near_miss_in_the_chain_is_removed_by_its_rule(rule: str) -> None:
    chain, value = CHAIN_MISSES[rule]
    assert cases.failed_at(find(cases.dip_name(chain=chain))) == (rule, value)


def test_an_illiquid_strike_is_not_replaced_by_a_farther_one() -> None:
    thin = cases.changed(cases.dip_chain(), 113, open_interest=0, volume=0)
    assert cases.failed_at(find(cases.dip_name(chain=thin)))[0] == "open interest or volume"


def test_implied_volatility_far_above_its_mean_is_refused() -> None:
    ratio = next(step for step in find(cases.dip_name(chain=level())).steps if step.rule == "30-day IV")
    assert (ratio.value, ratio.passed) == ("1.0000", True)
    rule, value = cases.failed_at(find(cases.dip_name(chain=level(), iv_history=make.iv_days((0.33,) * 20))))
    assert (rule, value) == ("30-day IV", "1.5152")
    signal_of(find(cases.dip_name(chain=level(), iv_history=make.iv_days((0.9,) * 10 + (0.334,) * 20))))


def level() -> Any:
    """The example's chain with strikes either side of the spot, all at 50 %."""
    return replace(cases.changed(cases.dip_chain(), 110, strike=106.0), iv=np.full(3, 0.5))


def test_too_short_a_history_of_volatility_is_unknown() -> None:
    short = cases.dip_name(chain=level(), iv_history=make.iv_days((0.5,) * 19))
    assert cases.failed_at(find(short)) == ("30-day IV", "unknown")


def test_in_replay_uncovered_inputs_are_listed_as_not_checked() -> None:
    bare = cases.dip_name(
        fundamentals=None,
        earnings=None,
        iv_history=None,
        chain=cases.changed(cases.dip_chain(), 113, open_interest=np.nan, volume=np.nan),
    )
    found = find(bare, context(market=None, firing=None, **cases.SKIP))
    signal_of(found)
    assert cases.not_checked(found) == [
        "SPY", "universe firing", "market cap", "earnings", "30-day IV", "open interest or volume",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "desk", "rule"),
    [
        ({}, {"market": None}, "SPY"),
        ({}, {"firing": None}, "universe firing"),
        ({"fundamentals": None}, {}, "market cap"),
        ({"earnings": None}, {}, "earnings"),
        ({"iv_history": None}, {}, "30-day IV"),
    ],
)
def test_live_an_unknown_input_rejects(name: dict[str, Any], desk: dict[str, Any], rule: str) -> None:
    assert cases.failed_at(find(cases.dip_name(**name), context(**desk))) == (rule, "unknown")


@pytest.mark.parametrize(
    ("report", "passes"),
    [
        (Earnings(TODAY, ReportTime.BEFORE_OPEN), None),
        (Earnings(TODAY, ReportTime.AFTER_CLOSE), False),
        (Earnings(TODAY + timedelta(days=1)), False),
        (Earnings(TODAY + timedelta(days=2)), False),
        (Earnings(TODAY + timedelta(days=3)), True),
    ],
)
def test_reports_within_two_sessions_are_avoided(report: Earnings, passes: bool | None) -> None:
    found = find(cases.dip_name(earnings=(report,)))
    step = next(step for step in found.steps if step.rule == "earnings")
    assert step.passed == bool(passes)
    assert (step.value == "unknown") == (passes is None)


def test_a_weekend_is_no_session() -> None:
    friday = date(2026, 6, 19)
    sessions = (friday, date(2026, 6, 22), date(2026, 6, 23), date(2026, 6, 24))
    for day, passes in ((date(2026, 6, 23), False), (date(2026, 6, 24), True)):
        name = replace(cases.dip_name(earnings=(Earnings(day),)), today=friday)
        steps = find(name, context(today=friday, next_sessions=sessions)).steps
        assert next(step for step in steps if step.rule == "earnings").passed == passes


def test_a_modelled_chain_marks_the_signal() -> None:
    chain = replace(cases.dip_chains(), source=Source("replay", Kind.MODELLED))
    assert signal_of(find(cases.dip_name(chain=chain))).modelled


def manage(position: Any, spot: float, days_on: int = 5, mark: float | None = None) -> tuple[Exit, ...]:
    """What the strategy wants `days_on` days later with the shares at `spot`, the call at its 50 % value or `mark`."""
    option = position.unit[0].instrument
    today = TODAY + timedelta(days=days_on)
    worth = mark or float(pricing.value(spot, 113, option.dte(today) / 365, 0.04, 0.5, True)[0])
    quotes = {
        option: make.quote(option, round(worth - 0.05, 4), round(worth + 0.05, 4)),
        make.share(): make.stock_quote(spot),
    }
    return wsb_dip.manage(position, replace(make.snapshot(), today=today), quotes, PARAMS)


@pytest.mark.parametrize(("spot", "fires"), [(115.47, False), (115.52, True)])
def test_at_delta_60_half_is_sold(spot: float, fires: bool) -> None:
    wishes = manage(cases.long_call(4), spot)
    assert bool(wishes) == fires
    assert [(wish.reason, wish.units, wish.stop) for wish in wishes] == [("delta", 2, None)] * fires


def test_the_larger_half_of_an_odd_number_is_sold_and_only_once() -> None:
    assert manage(cases.long_call(3), 118)[0].units == 2
    assert manage(cases.long_call(2, opened=4), 118) == ()


@pytest.mark.parametrize(("spot", "fires"), [(115.47, False), (115.52, True)])
def test_one_contract_gets_a_trailing_stop_instead(spot: float, fires: bool) -> None:
    single = cases.long_call(1, peak=D("8.00"), exits=make.exits(stop=D("2.13"), target=D("12.78")))
    wishes = manage(single, spot)
    assert [(wish.reason, wish.stop, wish.ask) for wish in wishes] == [("trail", D("5.6000"), False)] * fires


def test_the_trailing_stop_never_moves_down() -> None:
    armed = cases.long_call(1, peak=D("8.00"), exits=make.exits(stop=D("5.6000")))
    assert manage(armed, 116) == ()
    higher = replace(armed, peak=D("9.00"))
    assert manage(higher, 116)[0].stop == D("6.3000")


def test_without_a_quote_nothing_is_claimed() -> None:
    position = cases.long_call(4)
    option = position.unit[0].instrument
    snapshot = make.snapshot(spot=None, session=None)
    assert wsb_dip.manage(position, snapshot, {}, PARAMS) == ()
    one_sided = {option: make.quote(option, 0, 8)}
    assert wsb_dip.manage(position, snapshot, one_sided, PARAMS) == ()
    assert wsb_dip.manage(position, snapshot, {option: make.quote(option, 7.9, 8.1)}, PARAMS) == ()


def test_where_its_own_quote_gives_no_delta_the_chain_does() -> None:
    position = cases.long_call(4)
    option = position.unit[0].instrument
    below_intrinsic = {option: make.quote(option, 4.9, 5.0), make.share(): make.stock_quote(120)}
    chain = cases.changed(cases.dip_chain(), 113, delta=0.75)
    wishes = wsb_dip.manage(position, make.snapshot(spot=120, chain=chain), below_intrinsic, PARAMS)
    assert [wish.units for wish in wishes] == [2]


def proposal(ticker: str, rank: float) -> Signal:
    return make.signal(strategy="wsb_dip", ticker=ticker, rank=rank)


def test_the_best_of_the_day_is_kept_and_the_others_know_their_place() -> None:
    signals = (proposal("AAA", 1.0), proposal("BBB", 3.0), proposal("CCC", 2.0))
    kept, dropped = wsb_dip.choose(signals, context(), PARAMS)
    assert [signal.ticker for signal in kept] == ["BBB"]
    assert dropped == {
        "CCC": Step("rank of the day", "best 1", "2 of 3"),
        "AAA": Step("rank of the day", "best 1", "3 of 3"),
    }


def test_no_more_than_three_are_open_however_many_a_day_are_allowed() -> None:
    generous = replace(PARAMS, max_new=5)
    held = (cases.long_call(1, ticker="T1"), cases.long_call(1, ticker="T2"))
    kept, _ = wsb_dip.choose((proposal("AAA", 1.0), proposal("BBB", 3.0)), context(held=held), generous)
    assert [signal.ticker for signal in kept] == ["BBB"]


def test_the_rank_is_run_times_dollar_volume() -> None:
    quiet, busy = (
        signal_of(find(cases.dip_name(bars=make.bars(cases.ran(), volume=volume)))).rank for volume in (1e6, 3e6)
    )
    assert busy == pytest.approx(3 * quiet)
    assert quiet == pytest.approx(0.12 * 1e6 * np.mean(cases.ran()[-20:]))


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_the_screen_hits_exactly_where_no_price_rule_of_find_fails(seed: int) -> None:
    panel = cases.random_panel(seed)
    loose = replace(PARAMS, min_run=0.05, min_dip=0.01)
    cases.agreement(panel, wsb_dip.screen, wsb_dip.find, loose, SCREENED, lambda bars: list(range(20, len(bars))))


@needs_shared
def test_the_screen_agrees_with_find_on_recorded_prices_and_both_answers_occur() -> None:
    panel = recorded.panel(("AAPL", "AMD", "BAC", "F", "NVDA", "TSLA"), date(2018, 6, 1), date(2019, 6, 28))
    masks = wsb_dip.screen(panel, PARAMS)
    hits, seen = cases.agreement(
        panel,
        wsb_dip.screen,
        wsb_dip.find,
        PARAMS,
        SCREENED,
        lambda bars: sorted({*range(31, len(bars), 5), *(int(row) for row in np.flatnonzero(masks[bars.ticker]))}),
    )
    assert 0 < hits < seen


def test_a_price_is_needed_today() -> None:
    silent = cases.dip_name(spot=None, session=None)
    assert cases.failed_at(find(silent)) == ("dip", "no price today")
    unquoted = cases.dip_name(spot=None, session=Bar(TODAY, 108, 108, 108, 108))
    assert cases.failed_at(find(unquoted)) == ("quote of the shares", "none")
