"""Index credit spreads: the worked example, every near miss by the rule it names, the exits on each side."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import nextafter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import sizing
from engine.model.economy import Economy
from engine.model.instruments import Right, Style
from engine.model.legs import Structure
from engine.model.limits import Costs, Limits
from engine.model.market import Dividend, Kind, MarketSnapshot, Source
from engine.model.trade import Context, Found, Signal, Step
from engine.risk import RiskState
from strategies import spx_credit_spreads
from strategies.funnel import Case
from strategies.spx_credit_spreads.exits import win_rates
from strategies.spx_credit_spreads.rules import SCREENED, adx
from tests import make
from tests.make import TODAY, D
from tests.shared import needs_shared
from tests.strategies import cases, recorded, verticals
from tests.strategies.cases import signal_of
from tests.strategies.verticals import HALF_PAST_TEN, index, index_chain, index_context, waves

PARAMS = spx_credit_spreads.Params()
INTRADAY = replace(PARAMS, intraday=1)
NONE_TODAY = Economy((TODAY + timedelta(days=2),), (TODAY + timedelta(days=9),), (TODAY + timedelta(days=18),))


def find(snapshot: MarketSnapshot, given: Context | None = None, params: Any = PARAMS) -> Found:
    return spx_credit_spreads.find(snapshot, given or index_context(), params)


def step_of(found: Found, rule: str) -> Step:
    return next(step for step in found.steps if step.rule == rule)


def test_the_worked_example_sells_the_580_put_and_buys_the_575_put() -> None:
    signal = signal_of(find(index()))
    assert signal.legs == make.vertical(580, 575)
    assert (signal.limit, signal.natural, signal.spot) == (D("-1.00"), D("-0.90"), D(600))
    assert signal.structure is Structure.CREDIT_SPREAD
    unit = signal.outlook
    assert (unit.max_loss, unit.max_gain, unit.breakevens) == (D(400), D(100), (D(579),))
    assert unit.pop == pytest.approx(0.7446, abs=0.0001)
    assert unit.greeks is not None
    greeks = (unit.greeks.delta, unit.greeks.gamma, unit.greeks.theta, unit.greeks.vega)
    assert greeks == pytest.approx((0.0417, -0.0011, 0.0093, -0.0608), abs=0.0001)
    assert step_of(find(index()), "credit").value == "1.00, 20.00 %"
    assert step_of(find(index()), "ADX").value == "28.00"


@pytest.mark.parametrize(("cap", "units"), [("0.10", 25), ("0.02", 5)])
def test_its_size_follows_the_cap_on_defined_risk(cap: str, units: int) -> None:
    limits = Limits(defined_risk=D(cap))
    plan = sizing.size(signal_of(find(index())), RiskState(D(100_000), D(100_000)), limits, Costs())
    assert (plan.quantity, plan.max_loss, plan.fees) == (units, D(400 * units), D(2 * units))


def test_the_example_is_armed_with_target_stop_and_last_day() -> None:
    exits = signal_of(find(index())).exits
    assert (exits.target, exits.stop, exits.before_close) == (D("-0.50"), D("-3.00"), None)
    assert exits.close_on == TODAY + timedelta(days=17)


def test_the_card_says_how_often_it_must_be_won() -> None:
    signal = signal_of(find(index()))
    assert win_rates(signal) == pytest.approx((0.8, 0.8))
    assert "must be won 80 % of the time if every loss were full, 80 % if the exits hold" in signal.against
    assert "4.00 a share can be lost for 1.00" in signal.against


def test_the_ladder_never_takes_a_credit_the_rules_would_refuse() -> None:
    assert signal_of(find(index())).worst == D("-0.7500")
    narrow = signal_of(find(index(), params=replace(PARAMS, min_credit_share=0.01)))
    assert narrow.worst == D("-0.1900")


def only(*strikes: int) -> Any:
    chain = index_chain()
    return chain.take(np.isin(chain.strike, strikes))


def test_of_the_three_spreads_of_the_example_the_other_two_are_refused_by_their_rules() -> None:
    near, far = only(592, 587), index_chain()
    for strike in (592, 587, 580, 575):
        far = cases.changed(far, strike, delta=-0.5)
    assert cases.failed_at(find(index(chain=near))) == ("put |delta|", "0.3139")
    assert cases.failed_at(find(index(chain=far))) == ("credit", "0.46, 9.20 %")


def test_every_rule_is_listed_in_order() -> None:
    assert [step.rule for step in find(index()).steps] == [
        "history", "ADX", "side", "entry hours", "quote of the shares", "one position a name", "VIX",
        "VIX term structure", "width aimed at", "options", "IV rank", "expiry",
        "put |delta|", "put bid", "put spread", "put open interest or volume",
        "put wing bid", "put wing spread", "put wing open interest or volume", "put width",
        "credit", "credit less fees",
    ]  # fmt: skip


def gap(bars: Any) -> Any:
    return replace(bars, high=np.where(np.arange(len(bars)) == len(bars) - 3, np.nan, bars.high))


NAME_MISSES: dict[str, tuple[dict[str, Any], str]] = {
    "history": ({"bars": waves()[-49:]}, "49"),
    "ADX": ({"bars": gap(waves())}, "no value"),
    "side": ({"spot": None, "session": None}, "no price today"),
    "quote of the shares": ({"halted": True}, "halted"),
}


@pytest.mark.parametrize("rule", NAME_MISSES)
def test_a_near_miss_is_removed_by_its_rule_before_the_chain_is_asked_for(rule: str) -> None:
    changes, value = NAME_MISSES[rule]
    assert cases.failed_at(find(index(load_chain=cases.forbidden, **changes))) == (rule, value)


CONTEXT_MISSES: dict[str, tuple[dict[str, Any], str]] = {
    "VIX": ({"levels": verticals.levels(30.1, 35.0)}, "30.10"),
    "VIX term structure": ({"levels": verticals.levels(19.1, 19.0)}, "19.10, 19.00"),
    "one position a name": ({"held": (make.position(ticker="SPY"),)}, "held"),
}


@pytest.mark.parametrize("rule", CONTEXT_MISSES)
def test_the_market_and_the_desk_remove_by_their_rule(rule: str) -> None:
    changes, value = CONTEXT_MISSES[rule]
    assert cases.failed_at(find(index(load_chain=cases.forbidden), index_context(**changes))) == (rule, value)


def test_vix_at_its_bound_and_level_with_its_three_months_is_sold() -> None:
    signal_of(find(index(), index_context(levels=verticals.levels(30.0, 30.0))))


def test_an_unknown_level_rejects_live_and_is_listed_in_replay() -> None:
    for levels, rule in (
        ({}, "VIX"),
        (verticals.levels(float("nan"), 19.0), "VIX"),
        (verticals.levels(at=HALF_PAST_TEN - timedelta(minutes=21)), "VIX"),
        (verticals.levels(longer=None), "VIX term structure"),
    ):
        assert cases.failed_at(find(index(), index_context(levels=levels))) == (rule, "unknown")
        assert rule in cases.not_checked(find(index(), index_context(levels=levels, **cases.SKIP)))
    signal_of(find(index(), index_context(levels=verticals.levels(at=HALF_PAST_TEN - timedelta(minutes=20)))))


def test_a_recorded_level_is_of_its_day_and_not_of_its_minute() -> None:
    recorded_levels = {
        name: replace(level, source=make.SOURCE)
        for name, level in verticals.levels(at=HALF_PAST_TEN - timedelta(hours=18)).items()
    }
    signal_of(find(index(), index_context(levels=recorded_levels)))


def at(strike: float, **columns: float) -> Any:
    return cases.changed(index_chain(), strike, **columns)


CHAIN_MISSES: dict[str, tuple[Any, str]] = {
    "options": (None, "none"),
    "expiry": (index_chain(27), "27 days"),
    "put |delta|": (cases.changed(only(580, 575), 580, delta=-0.3010).take(np.array([True, False])), "0.3010"),
    "put bid": (cases.changed(only(580), 580, bid=0.05, ask=0.05), "0.05/0.05"),
    "put spread": (cases.changed(only(580), 580, bid=4.80, ask=5.31), "10.09 % of mid"),
    "put open interest or volume": (cases.changed(only(580), 580, open_interest=99, volume=9), "99, 9 traded"),
    "put width": (only(580, 587), "no pair of strikes"),
    "credit": (cases.changed(only(580, 575), 575, bid=4.26, ask=4.36), "0.74, 14.80 %"),
}


@pytest.mark.parametrize("rule", CHAIN_MISSES)
def test_a_near_miss_in_the_chain_is_removed_by_its_rule(rule: str) -> None:
    chain, value = CHAIN_MISSES[rule]
    assert cases.failed_at(find(index(chain=chain))) == (rule, value)


@pytest.mark.parametrize(
    ("columns", "rule", "value"),
    [
        ({"bid": 0.05, "ask": 0.05}, "put wing bid", "0.05/0.05"),
        ({"bid": 3.70, "ask": 4.31}, "put wing spread", "15.23 % of mid"),
        ({"open_interest": 99, "volume": 9}, "put wing open interest or volume", "99, 9 traded"),
    ],
)
def test_a_wing_that_cannot_be_traded_is_not_bought(columns: dict[str, float], rule: str, value: str) -> None:
    chain = cases.changed(only(580, 575), 575, **columns)
    assert cases.failed_at(find(index(chain=chain))) == (rule, value)


def test_the_edges_belong_to_the_windows() -> None:
    for chain in (
        index_chain(28), index_chain(45), at(580, delta=-0.30), cases.changed(only(580, 575), 580, delta=-0.10),
        cases.changed(only(580, 575), 575, bid=4.25, ask=4.35), at(580, open_interest=100, volume=0),
        at(580, open_interest=0, volume=10), cases.changed(only(580, 575), 580, bid=4.80, ask=5.30),
        cases.changed(only(580, 575), 575, bid=3.80, ask=4.40), cases.changed(only(580, 575), 575, bid=0.06, ask=0.06),
    ):  # fmt: skip
        signal_of(find(index(chain=chain)))


def test_the_credit_must_also_be_worth_its_fees() -> None:
    thin = cases.changed(only(580, 575), 575, bid=4.82, ask=4.92)
    loose = replace(PARAMS, min_credit_share=0.01)
    assert cases.failed_at(find(index(chain=thin), params=loose)) == ("credit less fees", "0.14")
    found = find(index(chain=thin), index_context(option_fee=D("0.75")), loose)
    assert signal_of(found).limit == D("-0.18")


@pytest.mark.parametrize(("rank", "passes"), [(30.0, True), (29.0, False)])
def test_cheap_options_are_not_sold(rank: float, passes: bool) -> None:
    found = find(index(iv_history=verticals.ranked(rank, index_chain())))
    assert bool(found.signals) == passes
    if not passes:
        assert cases.failed_at(found) == ("IV rank", "29.0")


@pytest.mark.parametrize(("ratio", "passes"), [(1.11, True), (1.09, False)])
def test_with_too_few_days_the_realised_volatility_takes_the_place_of_the_rank(ratio: float, passes: bool) -> None:
    bars = waves()
    shaken = verticals.shaken([588.0] * 80, verticals.iv_of(index_chain()) / ratio)
    flat = replace(bars, close=np.array(shaken))
    found = find(index(bars=flat, iv_history=make.iv_days((0.2,) * 59)))
    step = step_of(found, "IV rank")
    assert step.value == f"IV/HV20 {ratio:.2f} (IV rank insufficient: 59 of 60 sessions)"
    assert step.passed == passes


def test_on_a_modelled_chain_the_rank_is_not_checked_in_replay() -> None:
    modelled = index(chain=replace(index_chain(), source=Source("model", Kind.MODELLED)))
    assert cases.failed_at(find(modelled)) == ("IV rank", "unknown")
    found = find(modelled, index_context(**cases.SKIP))
    assert cases.not_checked(found) == ["IV rank"]
    assert signal_of(found).modelled


@pytest.mark.parametrize(("adx", "puts_only"), [(21.0, True), (19.0, False)])
def test_below_an_adx_of_twenty_only_a_condor_is_sold(adx: float, puts_only: bool) -> None:
    found = find(index(bars=waves(adx)))
    assert step_of(found, "side").value == ("puts: 600.00, 588.00" if puts_only else "condor: 600.00, 588.00")
    assert bool(found.signals) == puts_only
    if not puts_only:
        assert cases.failed_at(found) == ("calls", "none")


def test_an_adx_of_exactly_the_bound_is_a_trend() -> None:
    value = adx(Case(index(), index_context(), PARAMS))
    exact = find(index(), params=replace(PARAMS, trend_adx=value))
    assert signal_of(exact).structure is Structure.CREDIT_SPREAD
    above = find(index(), params=replace(PARAMS, trend_adx=nextafter(value, 100)))
    assert step_of(above, "side").value.startswith("condor")


def test_below_its_average_puts_are_off_and_calls_are_sold() -> None:
    below = index(spot=587)
    assert cases.failed_at(find(below)) == ("calls", "none")
    with_calls = index(spot=587, chain=index_chain(calls=True))
    signal = signal_of(find(with_calls))
    assert {option.right for option in signal.options} == {Right.CALL}
    assert signal.legs == make.vertical(618, 623, Right.CALL)
    assert signal.limit == D("-1.36")


def test_on_its_average_there_is_no_side() -> None:
    assert cases.failed_at(find(index(spot=588, bars=level_bars()))) == ("side", "none: 588.00, 588.00")


def level_bars() -> Any:
    """The example's bars with closes of exactly 588 and the highs and lows that gave its ADX."""
    bars = waves()
    return replace(bars, close=np.full(len(bars), 588.0))


CONDORS = index_chain(calls=True)


def condor(**changes: Any) -> Signal:
    """What a market without a trend makes of the example, with shorts up to 0.30 delta."""
    loose = replace(PARAMS, condor_delta=0.30, **changes)
    return signal_of(find(index(bars=waves(15), chain=CONDORS), params=loose))


def test_the_arithmetic_of_a_condor() -> None:
    signal = condor()
    assert signal.structure is Structure.IRON_CONDOR
    assert signal.legs == (*make.vertical(580, 575), *make.vertical(618, 623, Right.CALL))
    assert signal.limit == D("-2.36")
    unit = signal.outlook
    assert (unit.max_loss, unit.max_gain) == (D(264), D(236))
    assert unit.breakevens == (D("577.64"), D("620.36"))
    assert unit.pop == pytest.approx(0.5187, abs=0.0001)
    assert signal.exits.stop == D("-4.00")
    assert signal.exits.target == D("-1.18")


def test_the_condor_of_the_example_is_itself_rejected_for_its_deltas() -> None:
    found = find(index(bars=waves(15), chain=CONDORS))
    assert cases.failed_at(found) == ("call |delta|", "0.2189")
    far = cases.changed(CONDORS.take(np.isin(CONDORS.strike, (562, 557, 618, 623))), 618, delta=0.2010)
    assert cases.failed_at(find(index(bars=waves(15), chain=far))) == ("call |delta|", "0.2010")
    near = cases.changed(CONDORS.take(np.isin(CONDORS.strike, (562, 557, 618, 623))), 618, delta=0.20)
    signal = signal_of(find(index(bars=waves(15), chain=near)))
    assert (signal.limit, signal.delta_range) == (D("-1.82"), (0.10, 0.20))


def test_a_condor_pays_the_fees_of_four_legs() -> None:
    loose = replace(PARAMS, condor_delta=0.30, min_credit=2.28)
    assert find(index(bars=waves(15), chain=CONDORS), params=loose).signals
    tight = replace(loose, min_credit=2.29)
    found = find(index(bars=waves(15), chain=CONDORS), params=tight)
    assert cases.failed_at(found) == ("credit less fees", "2.28")


def test_a_condor_risks_its_wider_wing() -> None:
    wide = cases.changed(CONDORS, 623, strike=624.0)
    loose = replace(PARAMS, condor_delta=0.30)
    signal = signal_of(find(index(bars=waves(15), chain=wide), params=loose))
    assert signal.outlook.max_loss == D(600) - D(236)
    assert signal.exits.stop == D("-4.80")


def on(clock: str, **more: Any) -> Any:
    """The example at a New York time, with puts that expire in `dte` days."""
    hour, minute, second = (int(part) for part in clock.split(":"))
    asof = datetime(2026, 6, 15, hour + 4, minute, second, tzinfo=UTC)
    dte = more.pop("dte", 1)
    return index(asof=asof, chain=index_chain(dte, asof=asof), iv_history=None, **more)


def intraday(snapshot: MarketSnapshot, params: Any = INTRADAY, **more: Any) -> Found:
    levels = verticals.levels(at=snapshot.asof)
    given = index_context(**({"levels": levels, "economy": NONE_TODAY, **cases.SKIP} | more))
    return find(replace(snapshot), given, replace(params, min_iv_ratio=0.0))


@pytest.mark.parametrize(
    ("clock", "passes"),
    [("10:00:00", True), ("13:00:00", True), ("09:59:59", False), ("13:00:01", False), ("15:00:00", False)],
)
def test_intraday_spreads_are_sold_from_ten_to_one(clock: str, passes: bool) -> None:
    found = intraday(on(clock))
    assert step_of(found, "entry hours").passed == passes
    if not passes:
        assert cases.failed_at(found) == ("entry hours", clock)
    signal_of(find(index()))


def test_the_tap_keeps_the_same_hours_and_a_monthly_spread_has_the_session() -> None:
    assert replace(spx_credit_spreads.STRATEGY, params=INTRADAY).hours == ("10:00", "13:00")
    half = replace(INTRADAY, intraday_from=10.5)
    assert replace(spx_credit_spreads.STRATEGY, params=half).hours == ("10:30", "13:00")
    assert spx_credit_spreads.STRATEGY.hours is None


@pytest.mark.parametrize(("dte", "passes"), [(0, True), (3, True), (4, False)])
def test_intraday_spreads_expire_within_three_days(dte: int, passes: bool) -> None:
    step = step_of(intraday(on("10:30:00", dte=dte)), "expiry")
    assert (step.passed, step.value) == (passes, f"{dte} days")


def test_an_intraday_spread_is_closed_seventy_five_minutes_before_the_close_of_its_day() -> None:
    signal = signal_of(intraday(on("10:30:00")))
    assert (signal.exits.close_on, signal.exits.before_close) == (TODAY, 75)
    assert (signal.exits.target, signal.exits.stop) == (D("-0.75"), D("-3.00"))


@pytest.mark.parametrize("kind", ["fomc", "cpi", "payrolls"])
def test_nothing_is_sold_that_expires_on_the_day_of_a_release(kind: str) -> None:
    told = replace(NONE_TODAY, **{kind: (TODAY, *getattr(NONE_TODAY, kind))})
    found = intraday(on("10:30:00", dte=0), economy=told)
    assert step_of(found, "economic releases").value.endswith(": from tomorrow on")
    assert cases.failed_at(found) == ("expiry", "0 days")
    both = make.join(index_chain(0), index_chain(1))
    signal = signal_of(intraday(replace(on("10:30:00"), load_chain=lambda: both), economy=told))
    assert signal.options[0].expiry == TODAY + timedelta(days=1)
    signal_of(intraday(on("10:30:00", dte=1), economy=told))


def test_a_day_nobody_listed_rejects_live_and_is_told_in_replay() -> None:
    both = make.join(index_chain(0), index_chain(38))
    today = index(chain=both)
    live = find(today, index_context(levels=verticals.levels(at=today.asof)), INTRADAY)
    assert cases.failed_at(live) == ("economic releases", "unknown")
    replayed = find(today, index_context(levels=verticals.levels(at=today.asof), **cases.SKIP), INTRADAY)
    assert "economic releases" in cases.not_checked(replayed)


def test_the_expiry_nearest_the_aim_is_taken() -> None:
    for listed, taken in (((30, 36, 39), 36), ((35, 38), 38)):
        several = make.join(*(index_chain(days) for days in listed))
        assert signal_of(find(index(chain=several))).options[0].dte(TODAY) == taken


def test_the_last_day_of_the_window_is_the_forty_fifth() -> None:
    assert cases.failed_at(find(index(chain=index_chain(46)))) == ("expiry", "46 days")


@pytest.mark.parametrize(("ticker", "price", "wanted"), [("SPY", 300.0, "5.00"), ("QQQ", 480.0, "4.00")])
def test_the_width_is_five_on_spy_and_scaled_to_price_elsewhere(ticker: str, price: float, wanted: str) -> None:
    found = find(index(ticker, spot=price, bars=waves(average=price - 12)), index_context(market=index(spot=600)))
    assert step_of(found, "width aimed at").value == wanted


def test_without_the_price_of_spy_no_width_is_made_up() -> None:
    name = index("QQQ", spot=480, load_chain=cases.forbidden)
    assert cases.failed_at(find(name)) == ("width aimed at", "no price of SPY")


@pytest.mark.parametrize(("wing", "passes"), [(573.3, True), (573.2, False), (576.7, True), (576.8, False)])
def test_a_wing_may_miss_the_width_by_a_third_and_a_little(wing: float, passes: bool) -> None:
    chain = cases.changed(only(580, 575), 575, strike=wing)
    found = find(index(chain=chain))
    assert step_of(found, "put width").passed == passes


def test_of_two_wings_as_far_from_the_width_the_narrower_is_bought() -> None:
    chain = make.join(cases.changed(only(580, 575), 575, strike=574.0), cases.changed(only(575), 575, strike=576.0))
    assert signal_of(find(index(chain=chain))).options[1].strike == 576


def test_the_broad_market_is_scanned_whatever_the_desk_looks_at() -> None:
    assert spx_credit_spreads.select(("KO",), (), PARAMS) == ("IWM", "QQQ", "SPX", "SPY", "XSP")
    assert spx_credit_spreads.STRATEGY.needs.every == 60


def index_options(morning: bool = False) -> Any:
    """The example as options on XSP, a tenth of the index: no shares, European."""
    chain = replace(index_chain(underlying="XSP"), style=Style.EUROPEAN)
    return replace(chain, underlying="SPX", root=np.full(len(chain), "SPX", dtype=object)) if morning else chain


def test_options_on_an_index_are_analysed_and_never_ordered_unless_the_broker_lists_them() -> None:
    name = index("XSP", chain=index_options(), spot=None, session=index().session)
    market = {"market": index()}
    looked = find(name, index_context(**market))
    assert cases.failed_at(looked) == ("orders in index options", "not listed: analysis only")
    assert step_of(looked, "credit").value == "1.00, 20.00 %"
    listed = signal_of(find(name, index_context(lists_indices=True, **market)))
    assert "European, settled in cash: nothing is assigned before expiry" in listed.against
    assert "American, settled in shares: the sold leg can be assigned on any day" in signal_of(find(index())).against


def test_of_two_settlements_on_one_day_the_one_at_the_close_is_traded() -> None:
    morning = index_options(morning=True)
    evening = replace(morning, root=np.full(len(morning), "SPXW", dtype=object))
    columns = {name: np.concatenate([getattr(morning, name), getattr(evening, name)]) for name in morning.COLUMNS}
    both = replace(morning, root=np.concatenate([morning.root, evening.root]), **columns)
    name = index("SPX", chain=both, spot=None, session=index().session)
    given = index_context(market=index(), lists_indices=True)
    assert {option.root for option in signal_of(find(name, given)).options} == {"SPXW"}


def test_a_sold_call_is_closed_before_the_dividend_it_would_be_assigned_for() -> None:
    sold, bought = make.vertical(618, 623, Right.CALL)
    spread = make.position(ticker="SPY", structure=Structure.CREDIT_SPREAD, legs=(sold, bought))
    quotes = {
        sold.instrument: make.quote(sold.instrument, "2.10", "2.20"),
        make.share("SPY"): make.stock_quote(620, "SPY"),
    }
    tomorrow = TODAY + timedelta(days=1)
    for amount, leaves in (("1.70", True), ("0.15", False)):
        name = replace(index(dividends=(Dividend(tomorrow, D(amount)),)), next_session=tomorrow)
        wishes = spx_credit_spreads.manage(spread, name, quotes, PARAMS)
        assert [wish.reason for wish in wishes] == ["ex-dividend"] * leaves


def test_a_moved_limit_moves_target_and_stop_and_keeps_the_last_day() -> None:
    signal = signal_of(find(index()))
    exits = spx_credit_spreads.exits(replace(signal, limit=D("-0.90")), PARAMS)
    assert (exits.target, exits.stop, exits.close_on) == (D("-0.45"), D("-2.70"), signal.exits.close_on)
    rich = spx_credit_spreads.exits(replace(signal, limit=D("-1.50")), PARAMS)
    assert rich.stop == D("-4.00")


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_the_screen_hits_exactly_where_no_price_rule_of_find_fails(seed: int) -> None:
    panel = cases.random_panel(seed)
    cases.agreement(
        panel,
        spx_credit_spreads.screen,
        spx_credit_spreads.find,
        PARAMS,
        SCREENED,
        lambda bars: list(range(40, len(bars))),
    )


@needs_shared
def test_the_screen_agrees_with_find_over_the_whole_folder_and_both_answers_occur() -> None:
    panel = recorded.panel(recorded.tickers(), date(2005, 1, 1), date(2024, 12, 31))
    hits, seen = cases.agreement(
        panel,
        spx_credit_spreads.screen,
        spx_credit_spreads.find,
        PARAMS,
        SCREENED,
        lambda bars: list(range(0, len(bars), 97)),
    )
    assert 0 < hits < seen
