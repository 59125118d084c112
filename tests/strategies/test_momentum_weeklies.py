"""The reversal within the day: the worked example, every near miss by the rule it names, the exits on each side."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import risk, sizing
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import Costs, Limits
from engine.model.market import Earnings, IntradayBars, Kind, MarketSnapshot, ReportTime, Source
from engine.model.trade import Campaign, Context, Found, Working
from engine.risk import RiskState
from engine.sessions import Sessions
from strategies import momentum_weeklies
from strategies.momentum_weeklies import SCREENED
from tests import make
from tests.make import NOW, TODAY, D
from tests.shared import needs_shared
from tests.strategies import cases, days, recorded
from tests.strategies.cases import signal_of, value_of

PARAMS = momentum_weeklies.Params()
NEXT_SESSIONS = tuple(
    day.astype(object) for day in np.busday_offset(np.datetime64(TODAY, "D"), np.arange(30), roll="forward")
)
FRIDAY = TODAY + timedelta(days=4)


def context(**more: Any) -> Context:
    return make.context(**({"next_sessions": NEXT_SESSIONS} | more))


def find(snapshot: MarketSnapshot, given: Context | None = None, **params: Any) -> Found:
    return momentum_weeklies.find(snapshot, given or context(), replace(PARAMS, **params))


def test_the_worked_example_buys_nine_of_the_50_50_call() -> None:
    signal = signal_of(find(days.momentum_name()))
    plan = sizing.size(signal, RiskState(D(100_000), D(100_000)), Limits(), Costs())
    assert signal.legs == (Leg(make.call(50.5, dte=4), 1),)
    assert (signal.structure, signal.working) == (Structure.LONG_CALL, Working.LADDER)
    assert (signal.limit, signal.natural, signal.spot) == (D("1.03"), D("1.08"), D(50))
    assert (plan.quantity, plan.max_loss, plan.fees) == (9, D("927.00"), D("9.00"))
    unit = signal.outlook
    assert (unit.max_gain, unit.breakevens) == (None, (D("51.53"),))
    assert unit.pop == pytest.approx(0.3052, abs=0.0001)
    assert unit.greeks is not None
    greeks = (unit.greeks.delta, unit.greeks.gamma, unit.greeks.theta, unit.greeks.vega)
    assert greeks == pytest.approx((0.4522, 0.1261, -0.1579, 0.0207), abs=0.0001)


def test_nine_of_them_would_move_more_than_a_fifth_of_the_account_so_that_eight_are_proposed() -> None:
    state = RiskState(D(100_000), D(100_000))
    plan = sizing.size(signal_of(find(days.momentum_name())), state, Limits(), Costs())
    fitting = sizing.within(plan, state, Limits(), Costs())
    assert [check.name for check in risk.breaches(risk.check(plan, state, Limits()))] == ["risk in XYZ"]
    assert (fitting.quantity, fitting.max_loss, fitting.fees) == (8, D("824.00"), D("8.00"))
    assert risk.breaches(risk.check(fitting, state, Limits())) == ()
    assert (fitting.sizing[-1].rule, fitting.sizing[-1].value) == ("risk in XYZ", "8 of 9")


def test_the_example_is_armed_with_target_stop_hours_and_last_day() -> None:
    exits = signal_of(find(days.momentum_name())).exits
    assert (exits.target, exits.stop) == (D("1.5450"), D("0.5150"))
    assert (exits.trading_hours, exits.close_on, exits.before_close) == (4.0, TODAY + timedelta(days=3), None)
    assert "RSI is above 70" in exits.words[-1]


def test_the_card_names_the_lows_the_volume_with_its_feed_and_the_news() -> None:
    signal = signal_of(find(days.momentum_name()))
    assert signal.reasons[:3] == (
        "lows of 49.80 Fri 14:15, then 49.70 Mon 10:45, the second with a higher MACD; RSI 27.4 at the first",
        "volume 3.2143 x (450,000 against 140,000, Mon 11:15) of test (recorded)",
        "2 articles in 24 hours, 75 % positive",
    )
    assert "half of the spread and the commission are 5.8 % of the premium, each way" in signal.against
    assert signal.rank == pytest.approx(3.2143, abs=0.0001)


def test_delta_and_spread_have_to_hold_at_the_tap_too() -> None:
    signal = signal_of(find(days.momentum_name()))
    assert signal.delta_range == (0.40, 0.50)
    assert signal.max_spread == pytest.approx(2 * (0.06 - 0.01 / 1.03))


def test_a_moved_limit_moves_target_and_stop_and_keeps_hours_and_last_day() -> None:
    signal = signal_of(find(days.momentum_name()))
    moved = momentum_weeklies.exits(replace(signal, limit=D("1.20")), PARAMS)
    assert (moved.target, moved.stop) == (D("1.80"), D("0.60"))
    assert (moved.trading_hours, moved.close_on) == (4.0, signal.exits.close_on)


def test_every_rule_is_listed_in_order() -> None:
    assert [step.rule for step in find(days.momentum_name()).steps] == [
        "history", "average volume", "losses today", "15-minute bars", "reversal", "RSI at the first low", "bar volume",
        "earnings", "news", "positive news", "quote of the shares", "options", "expiry", "|delta|", "bid", "premium",
        "package cost", "open interest or volume",
    ]  # fmt: skip


def volume_of(last: float) -> dict[str, Any]:
    return {"bars": make.bars([51.0] * 60, volume=last)}


def test_the_average_volume_is_asked_before_the_bars() -> None:
    quiet = days.momentum_name(load_intraday=days.untouched, **volume_of(999_999))
    assert cases.failed_at(find(quiet)) == ("average volume", "999,999")
    signal_of(find(days.momentum_name(**volume_of(1_000_000))))


@pytest.mark.parametrize(("sessions", "passes"), [(19, False), (20, True)])
def test_twenty_sessions_of_volume_are_needed(sessions: int, passes: bool) -> None:
    found = find(days.momentum_name(bars=make.bars([51.0] * sessions, volume=2_000_000)))
    assert bool(found.signals) is passes
    if not passes:
        assert cases.failed_at(found) == ("history", "19")


NAME_MISSES: dict[str, tuple[dict[str, Any], str]] = {
    "reversal": ({"quarters": days.reversal_bars(days.reversal(second=-0.10))}, "none confirmed"),
    "RSI at the first low": ({"quarters": days.reversal_bars(days.reversal(days.BARELY))}, "30.00"),
    "bar volume": ({"quarters": days.reversal_bars(last=419_000)}, "2.9929 x (419,000 against 140,000, Mon 11:15)"),
    "news": ({"articles": days.news(days.article())}, "1"),
    "positive news": ({"articles": days.news(days.article(0.70), days.article(0.70, 2))}, "0.7000"),
    "quote of the shares": ({"halted": True}, "halted"),
}


@pytest.mark.parametrize("rule", NAME_MISSES)
def test_a_near_miss_is_removed_by_its_rule_before_the_chain_is_asked_for(rule: str) -> None:
    changes, value = NAME_MISSES[rule]
    assert cases.failed_at(find(days.momentum_name(load_chain=cases.forbidden, **changes))) == (rule, value)


def test_an_rsi_of_exactly_its_bound_is_not_below_it() -> None:
    steps = find(days.momentum_name()).steps
    assert next(step.value for step in steps if step.rule == "RSI at the first low") == "27.40"
    bars = days.reversal_bars()
    found = momentum_weeklies.reversal(bars, PARAMS)
    assert found is not None
    assert cases.failed_at(find(days.momentum_name(bars), max_rsi=found.rsi)) == ("RSI at the first low", "27.40")


def test_three_times_the_usual_volume_is_enough() -> None:
    signal_of(find(days.momentum_name(days.reversal_bars(last=420_000))))


@pytest.mark.parametrize("row", [15, 3, 1])
def test_the_volume_may_be_that_of_either_low_or_of_the_confirming_bar(row: int) -> None:
    signal_of(find(days.momentum_name(days.reversal_bars(**{f"row_{row}": 450_000}))))


@pytest.mark.parametrize("row", [16, 14, 4, 2])
def test_the_volume_of_a_bar_beside_them_does_not_count(row: int) -> None:
    found = find(days.momentum_name(days.reversal_bars(**{f"row_{row}": 900_000})))
    assert cases.failed_at(found)[0] == "bar volume"


@pytest.mark.parametrize(("sessions", "fires"), [(19, False), (20, False), (21, True)])
def test_the_usual_volume_is_that_of_twenty_sessions(sessions: int, fires: bool) -> None:
    bars = days.reversal_bars()
    loud = days.louder(bars, len(bars) - 1 - make.BARS_A_SESSION * sessions, 1_000_000)
    assert bool(find(days.momentum_name(loud)).signals) is fires


def test_only_the_last_bar_that_is_over_confirms_a_reversal() -> None:
    bars = days.reversal_bars(np.concatenate((days.reversal()[1:], [50.2])), 8)
    found = find(days.momentum_name(bars, now=days.quarter(8)))
    assert cases.failed_at(found) == ("reversal", "none confirmed")


def test_a_reversal_is_not_seen_before_it_is_confirmed() -> None:
    early = days.later(days.reversal_bars(), 1)
    found = find(days.momentum_name(early, now=days.quarter(6)))
    assert cases.failed_at(found) == ("reversal", "none confirmed")


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(-1, "to 15 Jun 11:15, test (recorded)"), (15, "to 15 Jun 11:15, test (recorded)")],
)
def test_bars_that_are_not_over_or_have_stopped_are_no_bars(minutes: int, words: str) -> None:
    now = days.quarter(7) + timedelta(minutes=minutes)
    assert cases.failed_at(find(days.momentum_name(now=now))) == ("15-minute bars", words)


def test_up_to_the_end_of_the_next_bar_the_last_one_counts() -> None:
    signal_of(find(days.momentum_name(now=days.quarter(7) + timedelta(minutes=14, seconds=59))))


@pytest.mark.parametrize(("within", "fires"), [(13, False), (14, True)])
def test_both_lows_lie_within_so_many_bars_of_the_one_that_confirms(within: int, fires: bool) -> None:
    assert bool(find(days.momentum_name(), within_bars=within).signals) is fires


def stretched(bars_between: int) -> IntradayBars:
    """The reversal with its first low `bars_between` bars before the confirming one."""
    closes = days.reversal()
    rally = closes[-9] + 0.01 * np.arange(1, bars_between - 14 + 1)
    back = np.linspace(rally[-1], closes[-9], 3)[1:-1] if len(rally) else np.array([])
    longer = np.concatenate((closes[:-9], [closes[-9]], rally[: max(len(rally) - len(back), 0)], back, closes[-8:]))
    return days.reversal_bars(longer[-len(closes) :])


@pytest.mark.parametrize(("bars", "fires"), [(33, True), (40, True), (41, False)])
def test_forty_bars_are_the_most(bars: int, fires: bool) -> None:
    found = find(days.momentum_name(stretched(bars)))
    assert ("reversal" in [step.rule for step in found.steps if step.passed]) is fires


def no_bars() -> IntradayBars | None:
    return None


def test_live_a_name_without_bars_is_unknown_and_in_replay_it_is_listed_as_not_checked() -> None:
    bare = days.momentum_name(load_intraday=no_bars, load_chain=cases.forbidden, load_news=days.untouched)
    assert cases.failed_at(find(bare)) == ("15-minute bars", "unknown")
    replayed = find(bare, context(**cases.SKIP))
    assert cases.not_checked(replayed) == ["15-minute bars"]
    assert cases.failed_at(replayed)[0] == "needed input"


def closed(pnl: int, at: datetime = NOW) -> Campaign:
    return Campaign("momentum_weeklies", "ABC", at, D(pnl), -0.5)


@pytest.mark.parametrize(
    ("campaigns", "passes"),
    [
        ((closed(-100), closed(-1)), False),
        ((closed(-100), closed(0), closed(50)), True),
        ((closed(-100), closed(-100, NOW - timedelta(days=3))), True),
    ],
)
def test_two_losses_are_enough_for_the_day(campaigns: tuple[Campaign, ...], passes: bool) -> None:
    found = find(days.momentum_name(), context(campaigns=campaigns))
    assert bool(found.signals) is passes
    if not passes:
        assert cases.failed_at(found) == ("losses today", "2")


def test_a_loss_late_in_the_evening_of_utc_counts_on_the_day_of_new_york() -> None:
    late = datetime(2026, 6, 15, 23, 59, tzinfo=NOW.tzinfo) + timedelta(hours=3)
    found = find(days.momentum_name(), context(campaigns=(closed(-1, late), closed(-1, late))))
    assert cases.failed_at(found) == ("losses today", "2")


@pytest.mark.parametrize(
    ("report", "passes"),
    [
        (Earnings(TODAY - timedelta(days=5), ReportTime.AFTER_CLOSE), True),
        (Earnings(TODAY - timedelta(days=4), ReportTime.AFTER_CLOSE), False),
        (Earnings(TODAY, ReportTime.BEFORE_OPEN), False),
        (Earnings(TODAY, ReportTime.AFTER_CLOSE), False),
        (Earnings(TODAY + timedelta(days=2)), False),
        (Earnings(TODAY + timedelta(days=3)), True),
    ],
)
def test_two_sessions_either_side_of_a_report_are_avoided(report: Earnings, passes: bool) -> None:
    reports = (report, make.earnings(60)) if report.day <= TODAY else (report,)
    steps = find(days.momentum_name(earnings=reports)).steps
    assert next(step for step in steps if step.rule == "earnings").passed is passes


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"earnings": None}, "earnings"),
        ({"earnings": ()}, "earnings"),
        ({"load_news": lambda: None}, "news"),
        ({"articles": days.news(sources=())}, "news"),
        ({"quarters": replace(days.reversal_bars(), volume=np.full(579, np.nan))}, "bar volume"),
    ],
)
def test_live_an_unknown_input_rejects(change: dict[str, Any], rule: str) -> None:
    assert cases.failed_at(find(days.momentum_name(load_chain=cases.forbidden, **change))) == (rule, "unknown")


def test_no_news_is_no_signal() -> None:
    assert cases.failed_at(find(days.momentum_name(articles=days.news()))) == ("news", "0")


@pytest.mark.parametrize(("hours", "fires"), [(24, True), (24.1, False)])
def test_news_of_24_hours_counts(hours: float, fires: bool) -> None:
    now = days.quarter(7)
    read = days.news(days.article(now=now), days.article(hours_ago=hours, now=now), asof=now)
    assert bool(find(days.momentum_name(articles=read)).signals) is fires


CHAIN_MISSES: dict[str, tuple[Any, str]] = {
    "options": (None, "none"),
    "expiry": (
        make.join(days.weekly_chain(1), days.weekly_chain(5), days.weekly_chain(18)),
        "none on 19 Jun and 26 Jun",
    ),
    "|delta|": (cases.changed(days.weekly_chain(), 50.5, delta=0.5010), "0.5010"),
    "bid": (cases.changed(days.weekly_chain(), 50.5, bid=0.05, ask=0.06), "0.05/0.06"),
    "premium": (cases.changed(days.weekly_chain(), 50.5, bid=0.48, ask=0.50), "0.49"),
    "package cost": (cases.changed(days.weekly_chain(), 50.5, bid=0.97, ask=1.08), "6.34 %"),
    "open interest or volume": (cases.changed(days.weekly_chain(), 50.5, open_interest=99, volume=9), "99, 9 traded"),
}


@pytest.mark.parametrize("rule", CHAIN_MISSES)
def test_a_near_miss_in_the_chain_is_removed_by_its_rule(rule: str) -> None:
    chain, value = CHAIN_MISSES[rule]
    fresh = None if chain is None else replace(chain, asof=days.quarter(7))
    assert cases.failed_at(find(days.momentum_name(chain=fresh))) == (rule, value)


@pytest.mark.parametrize(
    "columns",
    [
        {"delta": 0.4},
        {"delta": 0.5},
        {"bid": 0.49, "ask": 0.51},
        {"bid": 0.06, "ask": 0.07},
        {"open_interest": 100, "volume": 0},
        {"open_interest": 0, "volume": 10},
    ],
)
def test_the_edges_of_the_chain_belong_to_the_windows(columns: dict[str, float]) -> None:
    chain = cases.changed(days.weekly_chain(asof=days.quarter(7)), 50.5, **columns)
    changes = {"min_premium": 0.05, "max_cost": 0.5} if columns.get("bid") == 0.06 else {}
    signal_of(find(days.momentum_name(chain=chain), **changes))


def test_the_cost_is_half_of_the_spread_and_one_commission() -> None:
    found = find(days.momentum_name())
    assert value_of(found, "package cost") == "5.83 %"
    edge = cases.changed(days.weekly_chain(asof=days.quarter(7)), 50.5, bid=0.95, ask=1.05)
    assert value_of(find(days.momentum_name(chain=edge)), "package cost") == "6.00 %"


def test_the_commission_is_the_one_the_desk_pays() -> None:
    dear = find(days.momentum_name(), context(option_fee=D("1.25")))
    assert cases.failed_at(dear) == ("package cost", "6.07 %")
    cheap = signal_of(find(days.momentum_name(), context(option_fee=D("0.50"))))
    assert cheap.max_spread == pytest.approx(2 * (0.06 - 0.005 / 1.03))


def test_of_two_calls_the_one_nearest_to_the_delta_aimed_at_is_bought() -> None:
    chain = cases.changed(days.weekly_chain(asof=days.quarter(7)), 52, delta=0.445, bid=1.0, ask=1.04)
    chain = cases.changed(chain, 50.5, delta=0.461)
    assert signal_of(find(days.momentum_name(chain=chain))).legs[0].instrument == make.call(52, dte=4)
    chain = cases.changed(chain, 50.5, delta=0.454)
    assert signal_of(find(days.momentum_name(chain=chain))).legs[0].instrument == make.call(50.5, dte=4)


def on(today: date, sessions: tuple[date, ...], *expiries: date) -> Found:
    """The example on another day, with these expiries listed."""
    chain = make.join(*(days.weekly_chain((expiry - today).days, today=today) for expiry in expiries))
    shift = np.timedelta64((today - TODAY).days, "D")
    now = Sessions().at(today, "11:15")
    bars = days.reversal_bars()
    name = days.momentum_name(
        replace(bars, day=bars.day + shift),
        days.news(days.article(now=now), days.article(hours_ago=2, now=now), asof=now),
        now,
        today=today,
        chain=replace(chain, asof=now),
        earnings=(Earnings(today + timedelta(days=40)),),
    )
    return find(name, context(today=today, next_sessions=sessions))


def expiry_and_last_day(found: Found) -> tuple[date, date | None]:
    signal = signal_of(found)
    return signal.options[0].expiry, signal.exits.close_on


@pytest.mark.parametrize(
    ("day", "expiry", "last"),
    [
        (date(2026, 6, 8), date(2026, 6, 12), date(2026, 6, 11)),
        (date(2026, 6, 10), date(2026, 6, 12), date(2026, 6, 11)),
        (date(2026, 6, 11), date(2026, 6, 18), date(2026, 6, 17)),  # one day left; the 19th is a holiday
        (date(2026, 6, 15), date(2026, 6, 18), date(2026, 6, 17)),
        (date(2026, 6, 16), date(2026, 6, 18), date(2026, 6, 17)),
        (date(2026, 6, 17), date(2026, 6, 26), date(2026, 6, 25)),
        (date(2026, 11, 25), date(2026, 12, 4), date(2026, 12, 3)),  # none before the Friday after a holiday
    ],
)
def test_the_weekly_is_the_last_session_of_this_or_next_week_with_a_session_before_it(
    day: date, expiry: date, last: date
) -> None:
    sessions = Sessions().upcoming(day, 30)
    fridays = [each for each in Sessions().between(day, day + timedelta(days=25)) if is_last_of_week(each)]
    assert expiry_and_last_day(on(day, sessions, *fridays)) == (expiry, last)


def is_last_of_week(day: date) -> bool:
    return Sessions().next(day).isocalendar()[1] != day.isocalendar()[1]


def test_where_this_week_has_no_weekly_the_next_one_is_taken() -> None:
    later = date(2026, 6, 26)
    assert expiry_and_last_day(on(TODAY, NEXT_SESSIONS, later))[0] == later


def test_a_week_whose_end_is_not_known_is_not_used() -> None:
    known = momentum_weeklies.week_ends(context(next_sessions=NEXT_SESSIONS[:8]))
    assert known == (FRIDAY,)
    assert momentum_weeklies.week_ends(context(next_sessions=NEXT_SESSIONS[:10])) == (FRIDAY, FRIDAY + timedelta(7))


def test_a_modelled_chain_marks_the_signal() -> None:
    chain = replace(days.weekly_chain(), source=Source("replay", Kind.MODELLED))
    assert signal_of(find(days.momentum_name(chain=chain))).modelled


def strength(rsi: float) -> IntradayBars:
    """Bars of today whose last RSI is this, near enough: flat, then one rise."""
    closes = 50 + 0.1 * (-1.0) ** np.arange(days.SESSIONS * make.BARS_A_SESSION + 7)
    closes[-1] = closes[-2] + rsi
    return days.reversal_bars(closes)


def manage(bars: IntradayBars | None, now: datetime | None = None) -> tuple[str, ...]:
    position = days.held("momentum_weeklies", 50.5, 4, "1.03", ExitPlan(), 9)
    snapshot = days.momentum_name(load_intraday=lambda: bars, asof=now or days.quarter(7))
    return tuple(exit.words for exit in momentum_weeklies.manage(position, snapshot, {}, PARAMS))


def test_an_rsi_above_70_is_sold() -> None:
    assert manage(strength(1.89)) == ()
    assert manage(strength(1.95)) == ("RSI 70.4 on Mon 11:15, above 70",)


def test_bars_that_stopped_or_are_missing_claim_nothing() -> None:
    assert manage(strength(2.0), days.quarter(8)) == ()
    assert manage(None) == ()


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_the_screen_hits_exactly_where_no_volume_rule_of_find_fails(seed: int) -> None:
    panel = cases.random_panel(seed)
    cases.agreement(
        panel, momentum_weeklies.screen, momentum_weeklies.find, PARAMS, SCREENED, lambda bars: list(range(len(bars)))
    )


@needs_shared
def test_the_screen_agrees_with_find_over_every_recorded_name_and_both_answers_occur() -> None:
    panel = recorded.everything()
    hits, seen = cases.agreement(
        panel, momentum_weeklies.screen, momentum_weeklies.find, PARAMS, SCREENED, recorded.sampled
    )
    assert len(panel) > 150
    assert 0 < hits < seen
