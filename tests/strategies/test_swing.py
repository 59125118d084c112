"""The breakout within the day: the worked example, every near miss by the rule it names, the exits on each side."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from math import exp, log, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import sizing
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import Costs, Limits
from engine.model.market import IntradayBars, Kind, MarketSnapshot, Source
from engine.model.trade import Context, Found, Working
from engine.risk import RiskState
from engine.sessions import Sessions
from strategies import swing
from strategies.swing import SCREENED
from tests import make
from tests.make import TODAY, D
from tests.shared import needs_shared
from tests.strategies import cases, days, recorded
from tests.strategies.cases import signal_of, value_of

PARAMS = swing.Params()


def context(**more: Any) -> Context:
    return make.context(**({"market": days.market()} | more))


def find(snapshot: MarketSnapshot, given: Context | None = None, **params: Any) -> Found:
    return swing.find(snapshot, given or context(), replace(PARAMS, **params))


def test_the_worked_example_buys_four_of_the_80_call() -> None:
    signal = signal_of(find(days.swing_name()))
    plan = sizing.size(signal, RiskState(D(100_000), D(100_000)), Limits(), Costs())
    assert signal.legs == (Leg(make.call(80, dte=14), 1),)
    assert (signal.structure, signal.working) == (Structure.LONG_CALL, Working.LADDER)
    assert (signal.limit, signal.natural, signal.spot) == (D("2.25"), D("2.30"), D(80))
    assert (plan.quantity, plan.max_loss) == (4, D("900.00"))
    unit = signal.outlook
    assert (unit.max_gain, unit.breakevens) == (None, (D("82.25"),))
    assert unit.pop == pytest.approx(0.3371, abs=0.0001)
    assert unit.greeks is not None
    greeks = (unit.greeks.delta, unit.greeks.gamma, unit.greeks.theta, unit.greeks.vega)
    assert greeks == pytest.approx((0.5226, 0.0726, -0.0823, 0.0624), abs=0.0001)


def test_the_example_is_armed_with_target_stop_and_the_evening_of_its_day() -> None:
    exits = signal_of(find(days.swing_name())).exits
    assert (exits.target, exits.stop) == (D("2.8125"), D("1.5750"))
    assert (exits.close_on, exits.before_close, exits.trading_hours) == (TODAY, 15, None)
    assert exits.words[0] == "Sold today, 15 minutes before the close; what is left, from 09:35 next session."


@pytest.mark.parametrize(("spot", "mark"), [(81.0454, 2.8125), (78.6175, 1.5750)])
def test_target_and_stop_lie_where_the_example_says(spot: float, mark: float) -> None:
    years = 13.75 / 365
    root = 0.35 * sqrt(years)
    d1 = (log(spot / 80) + (0.04 + 0.35**2 / 2) * years) / root
    value = spot * NormalDist().cdf(d1) - 80 * exp(-0.04 * years) * NormalDist().cdf(d1 - root)
    assert value == pytest.approx(mark, abs=0.0001)


def test_the_card_says_how_often_it_must_win() -> None:
    signal = signal_of(find(days.swing_name()))
    assert signal.against[-1] == (
        "it must win 0.6263 of the time with half of the spread paid each way, 0.5455 at the mid"
    )
    assert signal.reasons[:3] == (
        "closed 1.0025 x (80.00 over 79.80), the highest pivot of 20 sessions",
        "volume 2.3000 x (230,000 against 100,000, Mon 10:45) of test (recorded)",
        "RSI 63.00 of 15-minute bars",
    )
    assert signal.rank == pytest.approx(2.3)


def test_delta_and_spread_have_to_hold_at_the_tap_too() -> None:
    signal = signal_of(find(days.swing_name()))
    assert (signal.delta_range, signal.max_spread) == ((0.45, 0.55), 0.05)


def test_a_moved_limit_moves_target_and_stop_and_keeps_the_evening() -> None:
    moved = swing.exits(replace(signal_of(find(days.swing_name())), limit=D("2.40")), PARAMS)
    assert (moved.target, moved.stop) == (D("3.0000"), D("1.6800"))
    assert (moved.close_on, moved.before_close) == (TODAY, 15)


def test_every_rule_is_listed_in_order() -> None:
    assert [step.rule for step in find(days.swing_name()).steps] == [
        "entry hours", "history", "price", "ATR", "15-minute bars", "breakout", "bar volume", "RSI", "SPY",
        "quote of the shares", "options", "expiry", "|delta|", "bid", "spread", "open interest or volume",
    ]  # fmt: skip


def daily(**more: Any) -> dict[str, Any]:
    return {"bars": make.bars(**({"closes": [78.9] * 60, "swing": 0.0077} | more))}


DAILY_MISSES: dict[str, tuple[dict[str, Any], str]] = {
    "entry hours": ({"now": Sessions().at(TODAY, "14:30") + timedelta(seconds=1)}, "14:30:01"),
    "history": (daily(closes=[78.9] * 49), "49"),
    "price": (daily(closes=[80.1] * 60), "80.00"),
    "ATR": (daily(swing=0.0075), "1.48 %"),
}


@pytest.mark.parametrize("rule", DAILY_MISSES)
def test_a_daily_near_miss_is_removed_before_the_bars_of_the_day_are_asked_for(rule: str) -> None:
    changes, value = DAILY_MISSES[rule]
    assert cases.failed_at(find(days.swing_name(load_intraday=days.untouched, **changes))) == (rule, value)


def test_fifty_sessions_are_history_enough_and_half_past_two_is_early_enough() -> None:
    signal_of(find(days.swing_name(**daily(closes=[78.9] * 50))))
    last = Sessions().at(TODAY, "14:30")
    steps = find(days.swing_name(now=last)).steps
    assert next(step for step in steps if step.rule == "entry hours").passed
    assert swing.STRATEGY.entry_hours == ("09:45", "14:30")


def test_a_price_is_needed_today() -> None:
    assert cases.failed_at(find(days.swing_name(spot=None, session=None))) == ("price", "no price today")


def test_the_average_is_that_of_fifty_closes() -> None:
    closes = [99.0] + [78.9] * 50
    (limit,) = [step.limit for step in find(days.swing_name(**daily(closes=closes))).steps if step.rule == "price"]
    assert limit == "> SMA50 78.90"


def test_the_range_is_wilders_over_fourteen_sessions() -> None:
    bars = make.bars([78.9] * 60, swing=0.01)
    wide = replace(bars, high=np.append(bars.high[:-1], 90.0), low=np.append(bars.low[:-1], 70.0))
    expected = (13 * 2 * 0.789 + 20) / 14 / 80
    assert value_of(find(days.swing_name(bars=wide)), "ATR") == f"{expected * 100:.2f} %"


NAME_MISSES: dict[str, tuple[dict[str, Any], str]] = {
    "breakout": ({"quarters": days.breakout_bars(days.breakout(close=79.95))}, "1.0019 x (79.95 over 79.80)"),
    "bar volume": ({"quarters": days.breakout_bars(volume=199_000)}, "1.9900 x (199,000 against 100,000, Mon 10:45)"),
    "RSI": ({"quarters": days.breakout_bars(days.breakout(0.01842129328996833))}, "75.10"),
    "quote of the shares": ({"halted": True}, "halted"),
}


@pytest.mark.parametrize("rule", NAME_MISSES)
def test_a_near_miss_is_removed_by_its_rule_before_the_chain_is_asked_for(rule: str) -> None:
    changes, value = NAME_MISSES[rule]
    assert cases.failed_at(find(days.swing_name(load_chain=cases.forbidden, **changes))) == (rule, value)


def test_a_breakout_out_of_weakness_is_none() -> None:
    assert cases.failed_at(find(days.swing_name(days.breakout_bars(days.slump())))) == ("RSI", "45.69")


@pytest.mark.parametrize(("wobble", "shown"), [(0.018718818186179927, "74.90"), (0.16898470153811473, "55.00")])
def test_inside_its_range_any_rsi_will_do(wobble: float, shown: str) -> None:
    found = find(days.swing_name(days.breakout_bars(days.breakout(wobble))))
    signal_of(found)
    assert value_of(found, "RSI") == shown


def test_twice_the_usual_volume_and_a_fifth_of_a_percent_are_enough() -> None:
    closes = days.breakout(close=100.2)
    closes[-8 * make.BARS_A_SESSION] = 100.0
    found = find(days.swing_name(days.breakout_bars(closes, 200_000)), max_rsi=100.0)
    assert value_of(found, "breakout") == "1.0020 x (100.20 over 100.00)"
    signal_of(found)


@pytest.mark.parametrize(("sessions", "fires"), [(19, False), (20, False), (21, True)])
def test_the_usual_volume_is_that_of_twenty_sessions(sessions: int, fires: bool) -> None:
    bars = days.breakout_bars()
    loud = days.louder(bars, len(bars) - 1 - make.BARS_A_SESSION * sessions, 1_000_000)
    assert bool(find(days.swing_name(loud)).signals) is fires


@pytest.mark.parametrize(("sessions", "fires"), [(19, False), (20, False), (21, True)])
def test_the_pivots_are_those_of_twenty_sessions(sessions: int, fires: bool) -> None:
    closes = days.breakout()
    closes[-1 - make.BARS_A_SESSION * sessions] = 79.95
    assert bool(find(days.swing_name(days.breakout_bars(closes))).signals) is fires


@pytest.mark.parametrize(
    ("minutes", "passes"), [(-1, False), (0, True), (14, True), (15, False)], ids=["running", "over", "last", "stopped"]
)
def test_the_last_bar_has_to_be_the_last_that_can_be_over(minutes: int, passes: bool) -> None:
    found = find(days.swing_name(now=days.quarter(5) + timedelta(minutes=minutes)))
    assert next(step for step in found.steps if step.rule == "15-minute bars").passed is passes


def no_bars() -> IntradayBars | None:
    return None


def test_live_a_name_without_bars_is_unknown_and_in_replay_it_is_listed_as_not_checked() -> None:
    bare = days.swing_name(load_intraday=no_bars, load_chain=cases.forbidden)
    assert cases.failed_at(find(bare)) == ("15-minute bars", "unknown")
    replayed = find(bare, context(market=None, **cases.SKIP))
    assert cases.not_checked(replayed) == ["15-minute bars"]
    assert cases.failed_at(replayed)[0] == "needed input"


@pytest.mark.parametrize(
    ("market", "value"),
    [
        (None, "unknown"),
        (replace(days.market(), load_intraday=no_bars), "unknown"),
        (replace(days.market(), asof=days.quarter(6)), "unknown"),
        (days.market(last=600.0), "600.00 against 600.00"),
        (days.market(last=599.0), "599.00 against 599.80"),
    ],
    ids=["no SPY", "no bars", "stopped", "at it", "below"],
)
def test_spy_has_to_be_above_its_vwap(market: MarketSnapshot | None, value: str) -> None:
    assert cases.failed_at(find(days.swing_name(), context(market=market))) == ("SPY", value)


def test_with_too_few_sessions_of_bars_pivot_and_volume_are_unknown() -> None:
    bars = days.breakout_bars()
    short = bars.take(bars.day > np.unique(bars.day)[1])
    assert cases.failed_at(find(days.swing_name(short))) == ("breakout", "unknown")
    signal_of(find(days.swing_name(short), pivot_sessions=10))
    shorter = bars.take(bars.day > np.unique(bars.day)[3])
    assert cases.failed_at(find(days.swing_name(shorter), pivot_sessions=10)) == ("bar volume", "unknown")


CHAIN_MISSES: dict[str, tuple[Any, str]] = {
    "options": (None, "none"),
    "expiry": (make.join(days.swing_chain(6), days.swing_chain(22)), "6 days"),
    "|delta|": (cases.changed(days.swing_chain(), 80, delta=0.5510), "0.5510"),
    "bid": (cases.changed(days.swing_chain(), 80, bid=0.05, ask=0.051), "0.05/0.05"),
    "spread": (cases.changed(days.swing_chain(), 80, bid=2.19, ask=2.305), "5.12 % of mid"),
    "open interest or volume": (cases.changed(days.swing_chain(), 80, open_interest=99, volume=9), "99, 9 traded"),
}


@pytest.mark.parametrize("rule", CHAIN_MISSES)
def test_a_near_miss_in_the_chain_is_removed_by_its_rule(rule: str) -> None:
    chain, value = CHAIN_MISSES[rule]
    fresh = None if chain is None else replace(chain, asof=days.quarter(5))
    assert cases.failed_at(find(days.swing_name(chain=fresh))) == (rule, value)


def test_22_days_are_too_many() -> None:
    found = find(days.swing_name(chain=days.swing_chain(22, asof=days.quarter(5))))
    assert cases.failed_at(found) == ("expiry", "22 days")


@pytest.mark.parametrize("dte", [7, 21])
def test_a_week_and_three_weeks_belong_to_the_window(dte: int) -> None:
    signal = signal_of(find(days.swing_name(chain=days.swing_chain(dte, asof=days.quarter(5)))))
    assert signal.legs[0].instrument == make.call(80, dte=dte)


@pytest.mark.parametrize(("listed", "bought"), [((13, 16), 13), ((12, 16), 12), ((11, 15), 15)])
def test_of_several_expiries_the_one_nearest_two_weeks_is_bought(listed: tuple[int, ...], bought: int) -> None:
    chain = make.join(*(days.swing_chain(dte, asof=days.quarter(5)) for dte in listed))
    assert signal_of(find(days.swing_name(chain=chain))).legs[0].instrument == make.call(80, dte=bought)


@pytest.mark.parametrize(
    "columns",
    [
        {"delta": 0.45},
        {"delta": 0.55},
        {"bid": 1.95, "ask": 2.05},
        {"bid": 0.06, "ask": 0.062},
        {"open_interest": 100, "volume": 0},
        {"open_interest": 0, "volume": 10},
    ],
)
def test_the_edges_of_the_chain_belong_to_the_windows(columns: dict[str, float]) -> None:
    signal_of(find(days.swing_name(chain=cases.changed(days.swing_chain(asof=days.quarter(5)), 80, **columns))))


def test_of_two_calls_the_one_nearest_to_the_delta_aimed_at_is_bought() -> None:
    chain = cases.changed(days.swing_chain(asof=days.quarter(5)), 83, delta=0.490, bid=1.04, ask=1.06)
    assert signal_of(find(days.swing_name(chain=chain))).legs[0].instrument == make.call(83, dte=14)
    chain = cases.changed(chain, 80, delta=0.509)
    assert signal_of(find(days.swing_name(chain=chain))).legs[0].instrument == make.call(80, dte=14)


def test_a_modelled_chain_marks_the_signal() -> None:
    assert signal_of(
        find(days.swing_name(chain=replace(days.swing_chain(), source=Source("x", Kind.MODELLED))))
    ).modelled


def manage(bars: IntradayBars | None, now: datetime | None = None) -> tuple[str, ...]:
    position = days.held("swing", 80, 14, "2.25", ExitPlan())
    snapshot = days.swing_name(load_intraday=lambda: bars, asof=now or days.quarter(5))
    return tuple(exit.words for exit in swing.manage(position, snapshot, {}, PARAMS))


def fallen(steps: int, rise: float = 0.0) -> IntradayBars:
    """Flat at 80, the last bars of today lower by half a dollar each; the very last one higher by `rise`."""
    closes = np.full(20 * make.BARS_A_SESSION + 5, 80.0)
    closes[-1 - steps : -1] -= 0.5 * np.arange(1, steps + 1)
    closes[-1] = closes[-2] - 0.5 + rise
    return make.intraday(closes, 5)


def test_a_close_below_vwap_with_the_averages_crossed_is_sold() -> None:
    (words,) = manage(fallen(3))
    assert words.startswith("78.00 below VWAP 79.00, EMA9 ")
    assert words.endswith(" on Mon 10:45")


def test_each_half_of_the_trend_exit_alone_is_no_exit() -> None:
    assert manage(fallen(3, rise=1.9)) == ()  # back above VWAP
    risen = np.concatenate((np.linspace(70, 82, 20 * make.BARS_A_SESSION), [82.0, 82.5, 83.0, 82.6, 82.4]))
    assert manage(make.intraday(risen, 5)) == ()  # below VWAP, the averages still rising


def test_the_averages_are_those_of_9_and_21_bars() -> None:
    closes = fallen(3).close
    nine, twenty_one = (by_hand(closes, n) for n in (9, 21))
    (words,) = manage(fallen(3))
    assert f"EMA9 {nine:.2f} below EMA21 {twenty_one:.2f}" in words


def by_hand(closes: Any, n: int) -> float:
    """The exponential average begun from the mean of the first `n`, written out."""
    value = float(np.mean(closes[:n]))
    for close in closes[n:]:
        value += (float(close) - value) * 2 / (n + 1)
    return value


def test_bars_that_stopped_or_are_missing_claim_nothing() -> None:
    assert manage(fallen(3), days.quarter(6)) == ()
    assert manage(None) == ()


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_the_screen_hits_exactly_where_no_daily_rule_of_find_fails(seed: int) -> None:
    panel = cases.random_panel(seed)
    cases.agreement(panel, swing.screen, swing.find, PARAMS, SCREENED, lambda bars: list(range(len(bars))))


@needs_shared
def test_the_screen_agrees_with_find_over_every_recorded_name_and_both_answers_occur() -> None:
    hits, seen = cases.agreement(recorded.everything(), swing.screen, swing.find, PARAMS, SCREENED, recorded.sampled)
    assert 0 < hits < seen
