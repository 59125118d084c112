"""The wheel: the worked example, every near miss by the rule it names, the exits on each side."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import sizing
from engine.model.instruments import Stock
from engine.model.legs import Leg, Structure
from engine.model.limits import Costs, Limits
from engine.model.market import Bar, Dividend, Earnings, Fundamentals, Kind, MarketSnapshot, ReportTime, Source
from engine.model.trade import Context, Exit, Found, Signal, Step, Unknown, Working
from engine.risk import RiskState
from strategies import wheel
from strategies.wheel.calls import net_basis
from strategies.wheel.rules import SCREENED
from tests import make
from tests.make import TODAY, D
from tests.shared import needs_shared
from tests.strategies import cases, recorded
from tests.strategies.cases import signal_of

PARAMS = wheel.Params()
EXPIRY = make.put().expiry


def find(snapshot: MarketSnapshot, context: Context | None = None) -> Found:
    return wheel.find(snapshot, context or make.context(), PARAMS)


def test_the_worked_example_sells_two_puts_and_shows_every_number() -> None:
    signal = signal_of(find(cases.wheel_name()))
    assert signal.legs == (Leg(make.put(44), -1),)
    assert (signal.limit, signal.natural, signal.spot) == (D("-1.03"), D("-0.98"), D(48))
    assert (signal.structure, signal.working) == (Structure.SHORT_PUT, Working.REST)
    unit = signal.outlook
    assert unit.breakevens == (D("42.97"),)
    assert unit.pop == pytest.approx(0.7652, abs=0.0001)
    assert unit.greeks is not None
    greeks = (unit.greeks.delta, unit.greeks.gamma, unit.greeks.theta, unit.greeks.vega)
    assert greeks == pytest.approx((0.2392, -0.0454, 0.0289, -0.0461), abs=0.0001)
    assert signal.rank == pytest.approx(0.2323 * (1 - 0.2392), abs=0.0001)
    plan = sizing.size(signal, RiskState(D(100_000), D(100_000)), Limits(), Costs())
    assert (plan.quantity, plan.net_cash, plan.fees) == (2, D("206.00"), D("2.00"))
    assert (plan.max_gain, plan.max_loss) == (D("206.00"), D("8594.00"))
    assert (plan.collateral, plan.counted_risk) == (D("8800.00"), D("914.00"))


def test_the_example_is_bought_back_at_half_and_stopped_a_quarter_under_the_net_basis() -> None:
    exits = signal_of(find(cases.wheel_name())).exits
    assert exits.target == D("-0.5150")
    assert exits.stop_spot == D("32.2275")
    assert exits.has_stop
    assert "32.23" in " ".join(exits.words)


def test_every_rule_is_listed_in_order_with_its_number() -> None:
    steps = find(cases.wheel_name()).steps
    assert [step.rule for step in steps] == [
        "one campaign a name", "history", "average volume", "volatility", "recent fall", "quote of the shares",
        "market cap", "sector", "dividend yield", "last ex-date", "dividend cut", "options", "expiry", "earnings",
        "|delta|", "bid", "spread", "open interest",
    ]  # fmt: skip
    assert (steps[3].value, steps[3].limit) == ("40.00 %", "≥ 25.00 %")
    assert (steps[12].value, steps[14].value) == ("35 days", "0.2392")


PRICE_MISSES: dict[str, tuple[dict[str, Any], str]] = {
    "history": ({"bars": make.bars(cases.swinging(count=30))}, "30"),
    "average volume": ({"bars": make.bars(cases.swinging(), volume=999_999.0)}, "999,999"),
    "volatility": ({"bars": make.bars(cases.swinging(volatility=0.2499))}, "24.99 %"),
    "recent fall": (
        {"bars": make.bars([*cases.swinging(last=53.4, count=55), 53.4, 53.4, 52.0, 50.0, 49.0])},
        "-10.11 %",
    ),
    "quote of the shares": ({"halted": True}, "halted"),
    "market cap": ({"fundamentals": Fundamentals(D("999000000"), "Technology")}, "0.999 B"),
    "sector": ({"fundamentals": Fundamentals(D(2_000_000_000), None)}, "unknown"),
    "dividend yield": ({"dividends": cases.quarterly("0.2388")}, "1.99 %"),
    "last ex-date": ({"dividends": cases.quarterly(days_ago=101)}, "101 days ago"),
    "dividend cut": ({"dividends": (*cases.quarterly()[:-1], make.dividend(-20, "0.30"))}, "last 0.30"),
}


@pytest.mark.parametrize("rule", PRICE_MISSES)
def test_a_near_miss_is_removed_by_its_rule_before_the_chain_is_asked_for(rule: str) -> None:
    changes, value = PRICE_MISSES[rule]
    found = find(cases.wheel_name(load_chain=cases.forbidden, **changes))
    assert cases.failed_at(found) == (rule, value)


CHAIN_MISSES = {
    "options": (None, "none"),
    "expiry": (cases.put_chain(29), "29 days"),
    "|delta|": (cases.changed(cases.put_chain(), 44, delta=-0.3010), "0.3010"),
    "bid": (cases.changed(cases.put_chain(), 44, bid=0.05, ask=0.06), "0.05/0.06"),
    "spread": (cases.changed(cases.put_chain(), 44, bid=0.94, ask=1.04), "10.10 % of mid"),
    "open interest": (cases.changed(cases.put_chain(), 44, open_interest=499), "499"),
}


@pytest.mark.parametrize("rule", CHAIN_MISSES)
def test_a_near_miss_in_the_chain_is_removed_by_its_rule(rule: str) -> None:
    chain, value = CHAIN_MISSES[rule]
    assert cases.failed_at(find(cases.wheel_name(chain=chain))) == (rule, value)


@pytest.mark.parametrize(
    "chain",
    [
        cases.put_chain(30),
        cases.put_chain(45),
        cases.changed(cases.put_chain(), 44, delta=-0.30),
        cases.changed(cases.put_chain(), 44, delta=-0.15),
        cases.changed(cases.put_chain(), 44, bid=0.95, ask=1.05),
        cases.changed(cases.put_chain(), 44, open_interest=500),
    ],
)
def test_the_edges_of_the_windows_belong_to_them(chain: Any) -> None:
    signal_of(find(cases.wheel_name(chain=chain)))


def test_crossed_and_missing_numbers_are_no_contract() -> None:
    crossed = cases.changed(cases.put_chain(), 44, bid=1.10, ask=1.05)
    assert cases.failed_at(find(cases.wheel_name(chain=crossed)))[0] == "bid"
    blind = cases.changed(cases.put_chain(), 44, delta=np.nan)
    assert cases.failed_at(find(cases.wheel_name(chain=blind)))[0] == "|delta|"
    unquoted = cases.changed(cases.put_chain(), 44, bid=np.nan)
    assert cases.failed_at(find(cases.wheel_name(chain=unquoted)))[0] == "bid"


LATE = make.NOW + timedelta(seconds=61)


def test_a_live_chain_older_than_a_minute_is_refused() -> None:
    live = cases.wheel_name(chain=replace(cases.wheel_chain(), source=Source("alpaca")))
    found = find(replace(live, asof=LATE, spot=make.stock_quote(48, at=LATE)))
    assert cases.failed_at(found) == ("options", "61 s")


def test_a_live_share_quote_older_than_a_minute_is_refused() -> None:
    old = replace(make.stock_quote(48), source=Source("alpaca"))
    found = find(replace(cases.wheel_name(), asof=LATE, spot=old))
    assert cases.failed_at(found) == ("quote of the shares", "61 s")


def test_recorded_numbers_are_labelled_with_their_age() -> None:
    name = cases.wheel_name()
    assert name.spot is not None
    signal = signal_of(find(replace(name, asof=LATE, spot=replace(name.spot, source=make.SOURCE))))
    assert signal.data == "test (recorded), 61 s"


@pytest.mark.parametrize(
    ("report", "passes"),
    [
        (Earnings(EXPIRY - timedelta(days=1), confirmed=True), False),
        (Earnings(EXPIRY, ReportTime.BEFORE_OPEN), False),
        (Earnings(EXPIRY, ReportTime.UNKNOWN), False),
        (Earnings(EXPIRY, ReportTime.AFTER_CLOSE), True),
        (Earnings(EXPIRY + timedelta(days=1)), True),
        (Earnings(TODAY, ReportTime.AFTER_CLOSE), False),
    ],
)
def test_no_put_is_sold_over_a_report(report: Earnings, passes: bool) -> None:
    found = find(cases.wheel_name(earnings=(make.earnings(-30), report)))
    assert bool(found.signals) == passes
    if not passes:
        assert cases.failed_at(found)[0] == "earnings"


def test_a_report_that_is_out_does_not_count() -> None:
    out = (Earnings(TODAY, ReportTime.BEFORE_OPEN), make.earnings(91))
    signal_of(find(cases.wheel_name(earnings=out)))


UNCOVERED: dict[str, Any] = {"dividends": None, "earnings": None, "fundamentals": None}


def test_in_replay_uncovered_inputs_are_listed_as_not_checked() -> None:
    chain = cases.changed(cases.put_chain(), 44, open_interest=np.nan)
    found = find(cases.wheel_name(chain=chain, **UNCOVERED), make.context(**cases.SKIP))
    signal_of(found)
    assert cases.not_checked(found) == [
        "market cap", "sector", "dividend yield", "last ex-date", "dividend cut", "earnings", "open interest",
    ]  # fmt: skip


@pytest.mark.parametrize("missing", UNCOVERED)
def test_live_an_uncovered_input_rejects(missing: str) -> None:
    rule, value = cases.failed_at(find(cases.wheel_name(**{missing: None})))
    assert value == "unknown"
    assert rule in {"market cap", "dividend yield", "earnings"}


def test_live_unknown_open_interest_rejects_and_a_known_one_is_taken_instead() -> None:
    blind = cases.changed(cases.put_chain(), 44, open_interest=np.nan)
    assert cases.failed_at(find(cases.wheel_name(chain=blind))) == ("open interest", "unknown")


def test_no_report_date_ahead_is_unknown() -> None:
    assert cases.failed_at(find(cases.wheel_name(earnings=()))) == ("earnings", "unknown")


def test_the_expiry_nearest_37_days_is_taken_and_of_equals_the_sooner() -> None:
    both = make.join(cases.put_chain(34), cases.put_chain(40), cases.put_chain(45))
    assert signal_of(find(cases.wheel_name(chain=both))).options[0].dte(TODAY) == 34


def test_the_delta_nearest_22_is_taken_among_liquid_ones() -> None:
    two = cases.changed(cases.put_chain(), 40, delta=-0.21, bid=0.33, ask=0.35)
    assert signal_of(find(cases.wheel_name(chain=two))).options[0].strike == 40
    thin = cases.changed(two, 40, open_interest=10)
    assert signal_of(find(cases.wheel_name(chain=thin))).options[0].strike == 44


def test_a_name_in_the_book_gets_no_second_put() -> None:
    held = make.context(held=(cases.short(make.put(40)),))
    found = find(cases.wheel_name(load_chain=cases.forbidden), held)
    assert cases.failed_at(found) == ("one campaign a name", "held (cash-secured put)")


def test_a_modelled_chain_marks_the_signal() -> None:
    chain = replace(cases.wheel_chain(), source=Source("replay", Kind.MODELLED))
    signal = signal_of(find(cases.wheel_name(chain=chain)))
    assert signal.modelled
    assert signal.data == "replay (modelled), 0 s"


@pytest.mark.parametrize(
    ("gap", "amount"),
    [(30, "0.12"), (91, "0.36"), (182, "0.72")],
)
def test_the_yield_follows_the_rhythm_of_payment(gap: int, amount: str) -> None:
    paid = tuple(make.dividend(-20 - gap * row, amount) for row in reversed(range(4)))
    found = find(cases.wheel_name(dividends=paid))
    assert next(step.value for step in found.steps if step.rule == "dividend yield") == "3.00 %"


def test_one_special_dividend_is_no_cut() -> None:
    regular = cases.quarterly()
    special = (*regular[:-2], Dividend(TODAY - timedelta(days=60), D("5.00")), *regular[-2:])
    found = find(cases.wheel_name(dividends=tuple(sorted(special, key=lambda each: each.ex_date))))
    assert next(step for step in found.steps if step.rule == "dividend cut").passed


@pytest.mark.parametrize("paid", [(), cases.quarterly()[:1]])
def test_without_a_rhythm_there_is_no_yield(paid: tuple[Dividend, ...]) -> None:
    assert cases.failed_at(find(cases.wheel_name(dividends=paid))) == ("dividend yield", "no regular dividend")


def test_a_dividend_before_expiry_is_a_reason_against() -> None:
    soon = cases.quarterly(days_ago=80)
    assert any("dividend of 0.36" in words for words in signal_of(find(cases.wheel_name(dividends=soon))).against)


def holding(**more: Any) -> Context:
    return make.context(held=(cases.assigned_shares(**more),))


def share_name(**more: Any) -> MarketSnapshot:
    defaults: dict[str, Any] = {"spot": "42.50", "chain": cases.call_chain(), "dividends": cases.quarterly()}
    return make.snapshot(**(defaults | more))


def test_after_assignment_two_calls_are_sold_on_the_shares() -> None:
    signal = signal_of(find(share_name(), holding()))
    assert signal.legs == (Leg(make.call(48), -1),)
    assert (signal.limit, signal.structure) == (D("-1.13"), Structure.COVERED_CALL)
    assert (signal.campaign, signal.covers, signal.at_most) == ("C00001", "P00002", 2)
    assert signal.outlook.breakevens == (D("41.84"),)
    assert signal.exits.target == D("-0.565")
    plan = sizing.size(signal, RiskState(D(100_000), D(91_200)), Limits(), Costs())
    assert (plan.quantity, plan.max_gain, plan.fees) == (2, D("1232.00"), D("2.00"))


def test_shares_with_a_call_open_or_less_than_a_hundred_get_none() -> None:
    call = cases.short(make.call(52), quantity=1, id="P00003")
    both = make.context(held=(cases.assigned_shares(), call))
    assert cases.failed_at(find(share_name(load_chain=cases.forbidden), both)) == ("free shares", "1 calls open")
    few = holding(quantity=99)
    assert cases.failed_at(find(share_name(load_chain=cases.forbidden), few)) == ("free shares", "99 shares")


def test_odd_shares_are_left_out() -> None:
    assert signal_of(find(share_name(), holding(quantity=250))).at_most == 2


def test_a_strike_below_the_net_basis_is_refused() -> None:
    low = cases.changed(cases.call_chain(), 48, strike=42.50)
    low = low.take(low.strike == 42.50)
    assert cases.failed_at(find(share_name(chain=low), holding())) == ("strike", "42.50")


def test_earlier_premiums_lower_the_net_basis() -> None:
    shares = cases.assigned_shares()
    earned = make.context(held=(shares,), premiums={"C00001": D("226.00")})
    assert net_basis(shares, earned) == D("41.84")
    low = cases.changed(cases.call_chain(), 48, strike=42.50)
    assert signal_of(find(share_name(chain=low), earned)).options[0].strike == D("42.50")


CALL_MISSES = {
    "expiry": (cases.call_chain(27), "27 days"),
    "|delta|": (cases.changed(cases.call_chain(), 48, delta=0.1990), "0.1990"),
    "bid": (cases.changed(cases.call_chain(), 48, bid=0.05), "0.05/1.18"),
    "spread": (cases.changed(cases.call_chain(), 48, bid=0.94, ask=1.04), "10.10 % of mid"),
    "open interest or volume": (
        cases.changed(cases.call_chain(), 48, open_interest=99, volume=9),
        "99, 9 traded",
    ),
}


@pytest.mark.parametrize("rule", CALL_MISSES)
def test_a_near_miss_of_the_call_is_removed_by_its_rule(rule: str) -> None:
    chain, value = CALL_MISSES[rule]
    assert cases.failed_at(find(share_name(chain=chain), holding())) == (rule, value)


def test_a_dividend_worth_more_than_half_the_time_value_left_is_refused() -> None:
    declared = (*cases.quarterly(days_ago=80), make.dividend(11, "0.60"))
    rule, value = cases.failed_at(find(share_name(dividends=declared), holding()))
    assert rule == "dividend before expiry"
    assert value.startswith("0.60 about 26 Jun")
    small = (*cases.quarterly(days_ago=80), make.dividend(11, "0.20"))
    signal_of(find(share_name(dividends=small), holding()))


def test_a_dividend_its_rhythm_leads_to_counts_like_a_declared_one() -> None:
    due = cases.quarterly("0.70", days_ago=80)
    assert cases.failed_at(find(share_name(dividends=due), holding()))[0] == "dividend before expiry"


def test_a_name_held_from_assignment_needs_no_screen() -> None:
    quiet = share_name(bars=make.bars([48.0] * 5, volume=10.0), fundamentals=None)
    signal_of(find(quiet, holding()))


def test_a_name_held_from_assignment_is_asked_though_it_left_the_universe() -> None:
    owned = (cases.assigned_shares(ticker="GONE"), cases.assigned_shares(ticker="KO"), cases.short(make.put(44)))
    assert wheel.STRATEGY.select is wheel.select
    assert wheel.select(("KO", "PFE"), owned, PARAMS) == ("KO", "PFE", "GONE")


def test_shares_of_another_strategy_and_puts_bring_no_name_back() -> None:
    owned = (cases.assigned_shares(ticker="AAA", strategy="manual"), cases.short(make.put(44), ticker="BBB"))
    assert wheel.select(("KO",), owned, PARAMS) == ("KO",)


def manage(position: Any, price: make.Money | None, dte: int, spot: make.Money = 48) -> tuple[Exit, ...]:
    """What the wheel wants with its option at `price` (None: one-sided) and so many days left."""
    option = position.unit[0].instrument
    shares = make.stock_quote(spot)
    quotes = {shares.instrument: shares}
    if isinstance(option, Stock):
        day = TODAY
    else:
        day = cases.days_left(dte, option.expiry)
        bid, ask = (0, 1) if price is None else (D(price) - D("0.02"), D(price) + D("0.02"))
        quotes[option] = make.quote(option, bid, ask)
    return wheel.manage(position, cases.on(make.snapshot(), day), quotes, PARAMS)


def test_a_winner_is_closed_from_21_days_on_and_not_before() -> None:
    put = cases.short(make.put(44))
    assert manage(put, "0.80", 22) == ()
    (wish,) = manage(put, "0.80", 21)
    assert (wish.reason, wish.ask, wish.units) == ("21 DTE winner", False, None)
    assert manage(put, "0.80", 3)[0].reason == "21 DTE winner"


def test_a_gain_eaten_by_fees_is_no_winner() -> None:
    put = cases.short(make.put(44))
    assert manage(put, "1.01", 21)[0].ask
    assert not manage(put, "1.00", 21)[0].ask


def test_a_loser_is_asked_about_between_21_and_7_days() -> None:
    put = cases.short(make.put(44))
    (wish,) = manage(put, "1.60", 21)
    assert wish.ask
    assert "for a net credit only. Unanswered, it is held" in wish.words
    assert manage(put, "1.60", 8)[0].ask
    assert manage(put, "1.60", 22) == ()


def test_from_7_days_a_secured_put_waits_for_assignment_and_an_unsecured_one_is_closed() -> None:
    assert manage(cases.short(make.put(44)), "1.60", 7) == ()
    bare = cases.short(make.put(44), collateral=D("8799.99"))
    (wish,) = manage(bare, "1.60", 7)
    assert (wish.reason, wish.ask) == ("7 DTE", False)


def test_half_of_a_put_position_needs_no_more_than_its_own_cash() -> None:
    half = cases.short(make.put(44), quantity=1, opened_units=2, collateral=D(8800))
    assert manage(half, "1.60", 7) == ()


def test_without_a_two_sided_quote_no_put_is_called_a_winner() -> None:
    assert manage(cases.short(make.put(44)), None, 21)[0].ask


def test_a_covered_call_is_closed_as_a_winner_asked_about_or_called_away() -> None:
    call = cases.short(make.call(48), price="1.13")
    assert manage(call, "0.70", 21)[0].reason == "21 DTE winner"
    assert "out and up" in manage(call, "2.00", 14)[0].words
    assert manage(call, "2.00", 7) == ()


@pytest.mark.parametrize(("spot", "asked"), [("36.53", False), ("36.52", True), ("30.00", True)])
def test_shares_are_asked_about_fifteen_percent_under_their_basis(spot: str, asked: bool) -> None:
    wishes = manage(cases.assigned_shares(), None, 0, spot)
    assert bool(wishes) == asked
    assert all(wish.ask for wish in wishes)


def test_assigned_shares_are_armed_with_a_stop_a_quarter_under_their_basis() -> None:
    exits = wheel.exits_for_shares(D("42.97"), PARAMS)
    assert (exits.stop_spot, exits.has_stop) == (D("32.2275"), True)
    assert wheel.STRATEGY.shares_exits is wheel.exits_for_shares


def test_a_moved_limit_moves_the_target_and_the_stop() -> None:
    signal = replace(signal_of(find(cases.wheel_name())), limit=D("-0.98"))
    exits = wheel.exits(signal, PARAMS)
    assert (exits.target, exits.stop_spot) == (D("-0.49"), D("32.2650"))


def proposal(ticker: str, rank: float, sector: str | None = "Energy", covers: str | None = None) -> Signal:
    return make.signal(ticker=ticker, rank=rank, sector=sector, covers=covers)


def choose(signals: tuple[Signal, ...], **more: Any) -> tuple[list[str], dict[str, Step]]:
    kept, dropped = wheel.choose(signals, make.context(**more), PARAMS)
    return [signal.ticker for signal in kept], dict(dropped)


def test_the_two_best_of_a_sector_are_kept_best_first() -> None:
    signals = (proposal("AAA", 0.1), proposal("BBB", 0.3), proposal("CCC", 0.2), proposal("DDD", 0.05, "Utilities"))
    kept, dropped = choose(signals)
    assert kept == ["BBB", "CCC", "DDD"]
    assert dropped["AAA"] == Step("names in the sector", "≤ 2 names", "2 in Energy already")


def test_held_names_count_in_their_sector() -> None:
    held = (make.position(ticker="HELD"), make.position(ticker="HELD", id="P00009"))
    signals = (proposal("AAA", 0.1), proposal("BBB", 0.3))
    assert choose(signals, held=held, sectors={"HELD": "Energy"})[0] == ["BBB"]
    assert choose(signals, held=held, sectors={"HELD": "Utilities"})[0] == ["BBB", "AAA"]


def test_a_held_name_of_unknown_sector_counts_everywhere_live_and_nowhere_in_replay() -> None:
    held = (make.position(ticker="HELD"),)
    signals = (proposal("AAA", 0.1), proposal("BBB", 0.3))
    assert choose(signals, held=held)[0] == ["BBB"]
    assert choose(signals, held=held, unknown=Unknown.SKIP)[0] == ["BBB", "AAA"]


def test_a_call_on_held_shares_is_never_dropped() -> None:
    signals = (proposal("AAA", 0.3), proposal("BBB", 0.2), proposal("CCC", 0.1, covers="P00002"))
    assert choose(signals)[0] == ["AAA", "BBB", "CCC"]


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_the_screen_hits_exactly_where_no_price_rule_of_find_fails(seed: int) -> None:
    panel = cases.random_panel(seed)
    cases.agreement(panel, wheel.screen, wheel.find, PARAMS, SCREENED, lambda bars: list(range(20, len(bars))))


@needs_shared
def test_the_screen_agrees_with_find_on_recorded_prices_and_both_answers_occur() -> None:
    panel = recorded.panel(("AAPL", "BAC", "F", "INTC", "T", "XOM"), date(2018, 6, 1), date(2019, 6, 28))
    hits, seen = cases.agreement(
        panel, wheel.screen, wheel.find, PARAMS, SCREENED, lambda bars: list(range(31, len(bars), 3))
    )
    assert 0 < hits < seen


def test_the_screen_of_no_bars_is_empty() -> None:
    assert len(wheel.screen({"XYZ": make.bars([48.0])[:0]}, PARAMS)["XYZ"]) == 0


def test_a_price_is_needed_today() -> None:
    silent = cases.wheel_name(spot=None, session=None)
    assert cases.failed_at(find(silent)) == ("recent fall", "no price today")
    unquoted = cases.wheel_name(spot=None, session=Bar(TODAY, 48, 48, 48, 48))
    assert cases.failed_at(find(unquoted)) == ("quote of the shares", "none")
