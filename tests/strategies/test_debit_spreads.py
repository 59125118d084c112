"""Bull call spreads: the worked example, every near miss by the rule it names, the exits on each side."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import pricing, sizing
from engine.model.legs import Leg, Structure
from engine.model.limits import Costs, Limits
from engine.model.market import Dividend, Kind, MarketSnapshot, Source
from engine.model.trade import Context, Exit, Found, Working
from engine.risk import RiskState
from strategies import debit_spreads
from strategies.debit_spreads import SCREENED
from tests import make
from tests.make import TODAY, D
from tests.shared import needs_shared
from tests.strategies import cases, recorded, verticals
from tests.strategies.binomial import american_call
from tests.strategies.cases import signal_of
from tests.strategies.verticals import bull, bull_chain, rising

PARAMS = debit_spreads.Params()


def context(**more: Any) -> Context:
    return make.context(**({"next_sessions": verticals.SESSIONS} | more))


def find(snapshot: MarketSnapshot, given: Context | None = None, params: Any = PARAMS) -> Found:
    return debit_spreads.find(snapshot, given or context(), params)


def test_the_worked_example_buys_the_98_call_and_sells_the_105_call() -> None:
    signal = signal_of(find(bull()))
    assert signal.legs == (Leg(make.call(98, dte=38), 1), Leg(make.call(105, dte=38), -1))
    assert (signal.limit, signal.natural, signal.worst) == (D("3.17"), D("3.27"), D("3.1818"))
    assert (signal.structure, signal.working) == (Structure.DEBIT_SPREAD, Working.LADDER)
    assert signal.rank == pytest.approx(1.2082, abs=0.0001)
    unit = signal.outlook
    assert (unit.max_loss, unit.max_gain, unit.breakevens) == (D(317), D(383), (D("101.17"),))
    assert unit.pop == pytest.approx(0.4475, abs=0.0001)
    assert unit.greeks is not None
    greeks = (unit.greeks.delta, unit.greeks.gamma, unit.greeks.theta, unit.greeks.vega)
    assert greeks == pytest.approx((0.3279, 0.0014, -0.0082, 0.0092), abs=0.0001)


@pytest.mark.parametrize(("cap", "units", "loss"), [("0.10", 31, "9827"), ("0.02", 6, "1902")])
def test_its_size_follows_the_cap_on_defined_risk(cap: str, units: int, loss: str) -> None:
    limits = Limits(defined_risk=D(cap))
    plan = sizing.size(signal_of(find(bull())), RiskState(D(100_000), D(100_000)), limits, Costs())
    assert (plan.quantity, plan.max_loss, plan.fees) == (units, D(loss), D(2 * units))


def test_the_example_is_armed_with_target_stop_and_last_day() -> None:
    exits = signal_of(find(bull())).exits
    assert (exits.target, exits.stop) == (D("5.0850"), D("1.5850"))
    assert exits.close_on == TODAY + timedelta(days=31)


def test_the_last_day_is_a_session_with_at_least_seven_days_left() -> None:
    holiday = tuple(day for day in verticals.SESSIONS if day != TODAY + timedelta(days=31))
    assert signal_of(find(bull(), context(next_sessions=holiday))).exits.close_on == TODAY + timedelta(days=30)


def test_a_moved_limit_moves_target_and_stop_and_keeps_the_last_day() -> None:
    signal = signal_of(find(bull()))
    exits = debit_spreads.exits(replace(signal, limit=D("3.10")), PARAMS)
    assert (exits.target, exits.stop, exits.close_on) == (D("5.05"), D("1.55"), signal.exits.close_on)


def test_at_the_natural_price_it_is_still_a_signal_and_the_card_says_what_that_pays() -> None:
    assert "bought at once at 3.27 the reward is 1.14 x the risk" in signal_of(find(bull())).against


def test_every_rule_is_listed_in_order() -> None:
    assert [step.rule for step in find(bull()).steps] == [
        "history", "trend", "momentum", "quote of the shares", "one position a name", "options", "IV rank", "expiry",
        "long |delta|", "long bid", "long spread", "long open interest or volume",
        "short |delta|", "short bid", "short spread", "short open interest or volume",
        "package spread", "reward / risk",
    ]  # fmt: skip


NAME_MISSES: dict[str, tuple[dict[str, Any], str]] = {
    "history": ({"bars": make.bars(rising()[-49:])}, "49"),
    "trend": ({"bars": make.bars(rising(fast=93.0))}, "100.00, 93.00, 94.00"),
    "momentum": ({"bars": make.bars(rising(momentum=-0.001))}, "-0.10 %"),
    "quote of the shares": ({"halted": True}, "halted"),
}


@pytest.mark.parametrize("rule", NAME_MISSES)
def test_a_near_miss_is_removed_by_its_rule_before_the_chain_is_asked_for(rule: str) -> None:
    changes, value = NAME_MISSES[rule]
    assert cases.failed_at(find(bull(load_chain=cases.forbidden, **changes))) == (rule, value)


def test_fifty_sessions_are_enough() -> None:
    signal_of(find(bull(bars=make.bars(rising()[-50:]))))


@pytest.mark.parametrize(("strike", "delta", "rule"), [(98, 0.5490, "long |delta|"), (105, 0.2490, "short |delta|")])
def test_a_delta_below_its_range_is_refused_too(strike: float, delta: float, rule: str) -> None:
    assert cases.failed_at(find(bull(chain=at(strike, delta=delta)))) == (rule, f"{delta:.4f}")


def test_a_call_bought_may_be_quoted_fifteen_percent_wide_where_the_package_allows_it() -> None:
    loose = replace(PARAMS, max_package_spread=0.12)
    signal_of(find(bull(chain=at(98, bid=4.31, ask=4.99)), params=loose))


def test_a_call_sold_may_be_quoted_ten_percent_wide() -> None:
    signal_of(find(bull(chain=at(105, bid=1.41, ask=1.55))))


def test_a_price_at_or_below_its_average_is_no_trend() -> None:
    for last, passes in ((96.99, False), (97.01, True)):
        name = bull(spot=last, bars=make.bars(rising(fast=97.0, momentum=0.0, last=96.0)))
        step = next(step for step in find(name).steps if step.rule == "trend")
        assert step.passed == passes
    silent = bull(spot=None, session=None)
    assert cases.failed_at(find(silent)) == ("trend", "no price today")


def test_a_name_that_is_held_is_not_bought_again() -> None:
    found = find(bull(load_chain=cases.forbidden), context(held=(verticals.bull_spread(),)))
    assert cases.failed_at(found) == ("one position a name", "held")


def at(strike: float, **columns: float) -> Any:
    return cases.changed(bull_chain(), strike, **columns)


CHAIN_MISSES: dict[str, tuple[Any, str]] = {
    "options": (None, "none"),
    "expiry": (make.join(bull_chain(29), bull_chain(46)), "none"),
    "long |delta|": (at(98, delta=0.6510), "0.6510"),
    "long bid": (at(98, bid=0.05, ask=0.05), "0.05/0.05"),
    "long spread": (at(98, bid=4.29, ask=5.00), "15.29 % of mid"),
    "long open interest or volume": (at(98, open_interest=99, volume=9), "99, 9 traded"),
    "short |delta|": (at(105, delta=0.3510), "0.3510"),
    "short bid": (at(105, bid=0.05, ask=0.05), "0.05/0.05"),
    "short spread": (at(105, bid=1.40, ask=1.55), "10.17 % of mid"),
    "short open interest or volume": (at(105, open_interest=99, volume=9), "99, 9 traded"),
    "package spread": (at(98, bid=4.41, ask=4.89), "8.29 %"),
    "reward / risk": (at(98, bid=4.62, ask=4.72), "1.1944"),
}


@pytest.mark.parametrize("rule", CHAIN_MISSES)
def test_a_near_miss_in_the_chain_is_removed_by_its_rule(rule: str) -> None:
    chain, value = CHAIN_MISSES[rule]
    history = verticals.ranked(45.0, bull_chain() if chain is None else chain)
    assert cases.failed_at(find(bull(chain=chain, iv_history=history))) == (rule, value)


def test_the_edges_belong_to_the_windows() -> None:
    for chain in (
        bull_chain(30), bull_chain(45), at(98, delta=0.65), at(98, delta=0.55), at(105, delta=0.35),
        at(105, delta=0.25), at(98, open_interest=100, volume=0), at(105, open_interest=0, volume=10),
        at(98, bid=4.42, ask=4.88), at(105, bid=0.06, ask=0.06), at(98, bid=4.61, ask=4.71),
    ):  # fmt: skip
        loose = replace(PARAMS, min_reward=0.1) if chain.bid[2] < 1 else PARAMS
        signal_of(find(bull(chain=chain, iv_history=verticals.ranked(45.0, chain)), params=loose))


@pytest.mark.parametrize(("rank", "passes"), [(50.0, True), (51.0, False)])
def test_dear_options_are_not_bought(rank: float, passes: bool) -> None:
    found = find(bull(iv_history=verticals.ranked(rank, bull_chain())))
    assert bool(found.signals) == passes
    if not passes:
        assert cases.failed_at(found) == ("IV rank", "51.0")


def with_realised(share: float) -> MarketSnapshot:
    """The example with a realised volatility this share of the implied one, too young for an IV rank."""
    chain = bull_chain()
    wanted = verticals.iv_of(chain) * share
    return bull(bars=make.bars(verticals.shaken(rising(), wanted)), iv_history=make.iv_days((0.3,) * 59))


@pytest.mark.parametrize(("ratio", "passes"), [(1.29, True), (1.31, False)])
def test_with_too_few_days_the_realised_volatility_takes_the_place_of_the_rank(ratio: float, passes: bool) -> None:
    found = find(with_realised(1 / ratio))
    step = next(step for step in found.steps if step.rule == "IV rank")
    assert step.value == f"IV/HV20 {ratio:.2f} (IV rank insufficient: 59 of 60 sessions)"
    assert step.passed == passes


def test_a_modelled_chain_has_no_iv_rank_and_marks_the_signal() -> None:
    modelled = bull(chain=replace(bull_chain(), source=Source("model", Kind.MODELLED)))
    assert cases.failed_at(find(modelled)) == ("IV rank", "unknown")
    found = find(modelled, context(**cases.SKIP))
    assert cases.not_checked(found) == ["IV rank"]
    assert signal_of(found).modelled


def test_in_replay_an_unknown_open_interest_is_listed_as_not_checked() -> None:
    bare = cases.changed(at(98, open_interest=np.nan, volume=np.nan), 105, open_interest=np.nan, volume=np.nan)
    rules = ["long open interest or volume", "short open interest or volume"]
    assert cases.not_checked(find(bull(chain=bare), context(**cases.SKIP))) == rules
    assert cases.failed_at(find(bull(chain=bare))) == (rules[0], "unknown")


def test_of_all_pairs_of_one_expiry_the_highest_reward_is_taken() -> None:
    later = cases.changed(bull_chain(44), 98, bid=4.50, ask=4.60)
    both = make.join(bull_chain(31), later)
    signal = signal_of(find(bull(chain=both, iv_history=verticals.ranked(45.0, both))))
    assert {option.expiry for option in signal.options} == {TODAY + timedelta(days=44)}
    assert signal.limit == D("3.07")


def test_prices_that_pay_to_take_a_call_spread_are_no_reward() -> None:
    wrong = at(98, bid=1.40, ask=1.45)
    assert cases.failed_at(find(bull(chain=wrong))) == ("reward / risk", "-1.0000")


def test_the_next_report_and_the_ex_date_speak_against_it() -> None:
    name = bull(earnings=(make.earnings(20),), dividends=(make.dividend(10, "0.50"),))
    against = signal_of(find(name)).against
    assert "goes ex-dividend on 25 Jun: the sold call may be assigned the day before" in against
    assert "reports on 05 Jul 2026, before expiry" in against
    assert "American, settled in shares: the sold leg can be assigned on any day" in against


STEPS = 2_000
EX_DAYS, DIVIDEND = 20, 0.80


def paying() -> Any:
    """The example's chain with a dividend before expiry, quoted around American prices of the independent tree."""
    chain = replace(bull_chain(), dividends=((TODAY + timedelta(days=EX_DAYS), DIVIDEND),))
    for strike, iv in ((98, 0.26), (105, 0.248)):
        price = american_call(100, strike, 38 / 365, 0.04, iv, ((EX_DAYS / 365, DIVIDEND),), STEPS).value
        chain = cases.changed(chain, strike, bid=price - 0.05, ask=price + 0.05)
    unknown = {name: np.full(len(chain), np.nan) for name in ("iv", "delta", "gamma", "theta", "vega", "rho")}
    return pricing.complete(replace(chain, **unknown))


def test_the_greeks_of_the_card_are_american_and_agree_with_an_independent_tree() -> None:
    chain = paying()
    signal = replace(signal_of(find(bull())), limit=D("3.00"))
    card = debit_spreads.STRATEGY.detail
    assert card is not None

    told = card(signal, bull(chain=chain))

    due = ((EX_DAYS / 365, DIVIDEND),)
    bought, sold = (american_call(100, k, 38 / 365, 0.04, iv, due, STEPS) for k, iv in ((98, 0.26), (105, 0.248)))
    assert told.outlook.greeks is not None
    assert told.outlook.greeks.delta == pytest.approx(bought.delta - sold.delta, abs=1e-3)
    for option, tree in zip(told.options, (bought, sold), strict=True):
        row = chain.find(option)
        assert row is not None
        american = pricing.exercisable(chain, row)
        assert american.delta == pytest.approx(tree.delta, abs=1e-3)
        assert abs((row.delta or 0) - tree.delta) > 1e-3
    assert told.reasons[:2] == signal.reasons
    shown = [float(line.split("delta ")[1].split(",")[0]) for line in told.reasons[2:]]
    assert shown == pytest.approx([bought.delta, sold.delta], abs=2e-3)


def test_without_a_dividend_the_card_shows_each_leg_of_the_example() -> None:
    card = debit_spreads.STRATEGY.detail
    assert card is not None
    told = card(signal_of(find(bull())), bull())
    assert told.reasons[2:] == (
        "buy 98 call: delta 0.630, gamma 0.0450, theta -0.048, vega 0.122 a share, IV 26.0 %",
        "sell 105 call: delta 0.302, gamma 0.0436, theta -0.040, vega 0.113 a share, IV 24.8 %",
    )
    assert told.outlook == signal_of(find(bull())).outlook


def test_without_its_rows_the_card_keeps_what_the_scan_said() -> None:
    signal = signal_of(find(bull()))
    card = debit_spreads.STRATEGY.detail
    assert card is not None
    assert card(signal, bull(chain=None)) == signal


FRIDAY, MONDAY = date(2026, 6, 19), date(2026, 6, 22)


def manage(amount: str, mid: str = "3.18", spot: str = "108", ex_date: date = MONDAY, **more: Any) -> tuple[Exit, ...]:
    """What the strategy wants on Friday with the spread of the example held, the sold call and the shares quoted so."""
    position = verticals.bull_spread()
    sold = position.unit[1].instrument
    quotes = {
        sold: make.quote(sold, D(mid) - D("0.05"), D(mid) + D("0.05")),
        make.share(): make.stock_quote(spot),
    }
    snapshot = bull(dividends=(Dividend(ex_date, Decimal(amount)),))
    snapshot = replace(snapshot, **({"today": FRIDAY, "next_session": MONDAY} | more))
    return debit_spreads.manage(position, snapshot, quotes, PARAMS)


@pytest.mark.parametrize(("amount", "leaves"), [("0.25", True), ("0.15", False), ("0.18", False)])
def test_a_dividend_of_the_next_session_above_the_time_value_ends_it(amount: str, leaves: bool) -> None:
    wishes = manage(amount)
    assert [(wish.reason, wish.units, wish.ask) for wish in wishes] == [("ex-dividend", None, False)] * leaves


def test_only_the_session_before_the_ex_date_counts_and_only_in_the_money() -> None:
    assert manage("0.25")
    assert manage("0.25", ex_date=date(2026, 6, 23)) == ()
    assert manage("0.25", ex_date=FRIDAY) == ()
    assert manage("9.00", spot="105", mid="3.00") == ()
    assert manage("9.00", spot="105.01", mid="3.00")


def test_without_a_calendar_a_price_or_a_dividend_nothing_is_claimed() -> None:
    position = verticals.bull_spread()
    assert manage("0.25", next_session=None) == ()
    assert manage("0.25", dividends=None) == ()
    snapshot = replace(bull(dividends=(Dividend(MONDAY, D(9)),)), today=FRIDAY, next_session=MONDAY)
    assert debit_spreads.manage(position, replace(snapshot, spot=None), {}, PARAMS) == ()
    assert debit_spreads.manage(position, snapshot, {make.share(): make.stock_quote(108)}, PARAMS) == ()


@pytest.mark.parametrize(("amount", "exercised"), [(0.80, True), (0.01, False)])
def test_where_the_tree_exercises_on_the_day_before_the_exit_fires_and_else_it_does_not(
    amount: float, exercised: bool
) -> None:
    days_left = (TODAY + timedelta(days=38) - FRIDAY).days
    ahead = (((MONDAY - FRIDAY).days / 365, amount),)
    tree = american_call(108, 105, days_left / 365, 0.04, 0.05, ahead, STEPS)
    assert tree.is_exercised == exercised
    wishes = manage(str(amount), mid=f"{tree.value:.4f}")
    assert bool(wishes) == exercised


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_the_screen_hits_exactly_where_no_price_rule_of_find_fails(seed: int) -> None:
    panel = cases.random_panel(seed)
    cases.agreement(
        panel, debit_spreads.screen, debit_spreads.find, PARAMS, SCREENED, lambda bars: list(range(40, len(bars)))
    )


@needs_shared
def test_the_screen_agrees_with_find_over_the_whole_folder_and_both_answers_occur() -> None:
    panel = recorded.panel(recorded.tickers(), date(2005, 1, 1), date(2024, 12, 31))
    hits, seen = cases.agreement(
        panel,
        debit_spreads.screen,
        debit_spreads.find,
        PARAMS,
        SCREENED,
        lambda bars: list(range(0, len(bars), 97)),
    )
    assert 0 < hits < seen
