"""Every limit of the rules at its edge: exactly there it holds, a cent beyond it does not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from engine import risk
from engine.correlation import Correlations
from engine.exposures import Exposure
from engine.model.legs import Leg, Structure
from engine.model.limits import DayTradeRule, Limits
from engine.model.market import Greeks
from engine.model.trade import RiskLevel, TradePlan, Unknown
from engine.risk import Check, DayTrades, Margin, RiskState
from tests import make

D = Decimal
LIMITS = Limits()
EQUITY = D(100_000)


def state(**more: Any) -> RiskState:
    return RiskState(**({"equity": EQUITY, "buying_power": EQUITY} | more))


def held(ticker: str = "AAA", counted: str = "0", **more: Any) -> Exposure:
    defaults: dict[str, Any] = {
        "strategy": "other",
        "ticker": ticker,
        "structure": Structure.LONG_CALL,
        "counted": D(counted),
        "collateral": D(0),
        "max_loss": D(counted),
    }
    return Exposure(**(defaults | more))


def trade(structure: Structure, loss: str, strategy: str = "other", ticker: str = "XYZ", **more: Any) -> TradePlan:
    """One unit that may lose `loss` dollars and ties up no cash."""
    signal = make.signal(
        strategy=strategy,
        ticker=ticker,
        structure=structure,
        legs=more.pop("legs", (Leg(make.call(105), 1),)),
        limit=D(loss) / 100,
        outlook=make.outlook(max_loss=D(loss), max_gain=None, collateral=D(0)),
        **more,
    )
    return make.plan(signal, 1, counted_risk=D(loss))


def one(name: str, plan: TradePlan, now: RiskState | None = None, limits: Limits = LIMITS) -> Check:
    found = [check for check in risk.check(plan, now or state(), limits) if check.name == name]
    assert len(found) == 1, [check.name for check in risk.check(plan, now or state(), limits)]
    return found[0]


@pytest.mark.parametrize(
    ("name", "structure", "strategy", "edge"),
    [
        ("defined risk of this trade", Structure.DEBIT_SPREAD, "debit_spreads", "2000.00"),
        ("defined risk of this trade", Structure.CREDIT_SPREAD, "spx_credit_spreads", "2000.00"),
        ("defined risk of this trade", Structure.IRON_CONDOR, "spx_credit_spreads", "2000.00"),
        ("long premium of this trade", Structure.LONG_CALL, "swing", "1000.00"),
        ("long premium of this trade", Structure.LONG_PUT, "earnings_protection", "1000.00"),
        ("lotto of this trade", Structure.LONG_CALL, "lotto", "500.00"),
        ("LEAPS of this trade", Structure.LONG_CALL, "leaps", "6000.00"),
    ],
)
def test_one_trade_may_lose_what_its_kind_may(name: str, structure: Structure, strategy: str, edge: str) -> None:
    assert one(name, trade(structure, edge, strategy)).holds
    assert not one(name, trade(structure, str(D(edge) + D("0.01")), strategy)).holds


def test_a_strategy_with_a_fraction_of_its_own_is_held_to_that() -> None:
    """The Kelly fraction takes the place of the cap on long premium, up and down."""
    assert one("at risk of this trade", trade(Structure.LONG_CALL, "2000", "wsb_dip", at_risk=0.02)).holds
    assert not one("at risk of this trade", trade(Structure.LONG_CALL, "2000.01", "wsb_dip", at_risk=0.02)).holds
    assert not one("at risk of this trade", trade(Structure.LONG_CALL, "501", "wsb_dip", at_risk=0.005)).holds


@pytest.mark.parametrize(("equity", "holds"), [("88000", True), ("87999.99", False)])
def test_one_put_ties_up_a_tenth(equity: str, holds: bool) -> None:
    now = state(equity=D(equity))

    assert one("put collateral", make.plan(), now).holds is holds  # 8,800 of collateral
    assert one("risk of this trade", make.plan(), now).holds is holds


@pytest.mark.parametrize(("counted", "holds"), [("14000.00", True), ("14000.01", False)])
def test_all_leaps_together_lose_a_fifth(counted: str, holds: bool) -> None:
    now = state(held=(held("AAA", counted, strategy="leaps"),))

    assert one("all LEAPS", trade(Structure.LONG_CALL, "6000", "leaps"), now).holds is holds


def index_spread(loss: str, ticker: str, strategy: str = "spx_credit_spreads") -> TradePlan:
    legs = make.vertical(underlying=ticker, dte=35)
    return trade(Structure.CREDIT_SPREAD, loss, strategy, ticker, legs=legs)


EXPIRY = make.TODAY + timedelta(days=35)


@pytest.mark.parametrize(("counted", "holds"), [("5600.00", True), ("5600.01", False)])
def test_index_spreads_of_all_indices_are_summed(counted: str, holds: bool) -> None:
    """Another index, another expiry and another strategy: one bet all the same."""
    other = held("QQQ", counted, strategy="by hand", structure=Structure.IRON_CONDOR, expiry=make.TODAY)

    check = one("index credit spreads", index_spread("400", "SPY"), state(held=(other,)))

    assert check.holds is holds


@pytest.mark.parametrize(("counted", "holds"), [("3600.00", True), ("3600.01", False)])
def test_index_spreads_of_one_expiry_are_summed(counted: str, holds: bool) -> None:
    other = held("IWM", counted, structure=Structure.CREDIT_SPREAD, expiry=EXPIRY)

    check = one(f"index spreads of {EXPIRY:%d %b}", index_spread("400", "SPY"), state(held=(other,)))

    assert check.holds is holds


@pytest.mark.parametrize(("size", "holds"), [("19600.00", True), ("19600.01", False)])
def test_the_broad_indices_are_one_underlying(size: str, holds: bool) -> None:
    other = held("QQQ", "100", collateral=D(size), structure=Structure.SHARES)

    assert one("risk in INDEX", index_spread("400", "SPY"), state(held=(other,))).holds is holds


def with_delta(delta: float) -> TradePlan:
    plan = trade(Structure.LONG_CALL, "400", spot=D(100))
    outlook = make.outlook(max_loss=D(400), max_gain=None, collateral=D(0), greeks=Greeks(delta, 0.0, 0.0, 0.0))
    return make.plan(replace(plan.signal, outlook=outlook), 1, counted_risk=D(400))


@pytest.mark.parametrize(("other", "holds"), [("15000.00", True), ("15000.01", False)])
def test_one_underlying_weighs_its_delta_where_that_is_more_than_its_cash(other: str, holds: bool) -> None:
    now = state(held=(held("XYZ", "400", delta=D(other)),))

    assert one("risk in XYZ", with_delta(0.5), now).holds is holds  # 0.5 x 100 x 100 = 5,000


def test_a_short_delta_weighs_as_much_as_a_long_one() -> None:
    assert held("XYZ", "400", delta=D(-15_001)).size == D(15_001)


def test_a_spread_weighs_its_maximum_loss_whatever_its_delta() -> None:
    assert held("XYZ", "400", structure=Structure.DEBIT_SPREAD, delta=D(30_000)).size == D(400)


def test_a_call_on_held_shares_adds_nothing_to_its_name() -> None:
    """Its delta takes some off the shares: added up, shares at the limit could never be written on."""
    shares = held("XYZ", "4000", structure=Structure.SHARES, collateral=D(20_000), delta=D(20_000))
    signal = make.signal(
        structure=Structure.COVERED_CALL,
        legs=(Leg(make.call(52), -1),),
        outlook=make.outlook(collateral=D(0), greeks=Greeks(-0.3, 0.0, 0.0, 0.0)),
    )

    checks = risk.check(make.plan(signal, 4, collateral=D(0), counted_risk=D(0)), state(held=(shares,)), LIMITS)

    assert risk.breaches(checks) == ()


def test_a_call_on_shares_stays_possible_while_a_sum_is_passed() -> None:
    """Falling prices took the total over its limit: what adds nothing to it is not what is wrong."""
    shares = held("XYZ", "31000", structure=Structure.SHARES, collateral=D(15_000))
    signal = make.signal(structure=Structure.COVERED_CALL, legs=(Leg(make.call(52), -1),))
    call = make.plan(signal, 1, collateral=D(0), counted_risk=D(0))

    assert one("total risk", call, state(held=(shares,))).holds
    assert not one("total risk", make.plan(), state(held=(shares,))).holds


@pytest.mark.parametrize(("counted", "holds"), [("9600.00", True), ("9600.01", False)])
def test_a_high_risk_strategy_has_a_tenth(counted: str, holds: bool) -> None:
    now = state(held=(held("AAA", counted, strategy="wsb_dip"),), levels={"wsb_dip": RiskLevel.HIGH})

    assert one("wsb_dip risk", trade(Structure.LONG_CALL, "400", "wsb_dip"), now).holds is holds


def test_the_new_half_of_a_roll_is_checked_without_the_old_one() -> None:
    old = held("XYZ", "400", collateral=D(8_800), structure=Structure.SHORT_PUT, source="P00007")
    full = state(held=(old, held("AAA", "1", collateral=D(41_200), structure=Structure.SHORT_PUT)))

    assert not one("puts and assigned shares", make.plan(), full).holds
    assert one("puts and assigned shares", make.plan(), full.without("P00007")).holds


# Correlation: XYZ moves with AAA, BBB and CCC; DDD is a stranger.

BASE = np.random.default_rng(1).normal(0, 0.02, 60)
NOISE = np.random.default_rng(2).normal(0, 0.02, 60)


def moving(**shares: float) -> Correlations:
    """Names that share so much of one move with XYZ; the rest is another's."""
    rows = {name: share * BASE + (1 - share) * NOISE for name, share in shares.items()}
    return Correlations({"XYZ": BASE, **rows})


ALIKE = moving(AAA=0.95, BBB=0.9, CCC=0.85, DDD=0.0)


@pytest.mark.parametrize(("names", "size", "holds"), [("AAA BBB", 3, True), ("AAA BBB CCC", 4, False)])
def test_three_names_may_move_as_one(names: str, size: int, holds: bool) -> None:
    now = state(held=tuple(held(name, "100") for name in (*names.split(), "DDD")), correlations=ALIKE)

    check = one("correlated names", trade(Structure.LONG_CALL, "100"), now)

    assert (check.after, check.holds) == (D(size), holds)


def test_a_working_order_is_one_of_the_names() -> None:
    two, waiting = tuple(held(name, "100") for name in ("AAA", "BBB")), (held("CCC", "100"),)
    now = state(held=two, reserved=waiting, correlations=ALIKE)

    assert not one("correlated names", trade(Structure.LONG_CALL, "100"), now).holds


def test_more_of_a_name_that_is_held_is_no_further_name() -> None:
    now = state(held=tuple(held(name, "100") for name in ("AAA", "BBB", "XYZ")), correlations=ALIKE)

    assert one("correlated names", trade(Structure.LONG_CALL, "100"), now).holds


def test_a_name_may_not_make_the_bet_of_another_too_large() -> None:
    """DDD is alike to AAA alone, but AAA is one of three already."""
    wave = np.sin(np.arange(60.0))
    other = np.cos(np.arange(60.0))
    rows = {"AAA": wave, "BBB": wave + 0.7 * other, "CCC": wave + 0.7 * other, "XYZ": wave - 0.7 * other}
    known = Correlations(rows)
    now = state(held=tuple(held(name, "100") for name in ("AAA", "BBB", "CCC")), correlations=known)

    check = one("correlated names", trade(Structure.LONG_CALL, "100"), now)

    assert known.between("XYZ", "BBB") < 0.5 < 0.8 < known.between("XYZ", "AAA")  # type: ignore[operator]
    assert (check.before, check.after, check.holds) == (D(3), D(4), False)


def test_an_unknown_correlation_is_a_risk_and_in_replay_not_checked() -> None:
    now = state(held=tuple(held(name, "100") for name in ("AAA", "BBB", "CCC")))
    plan = trade(Structure.LONG_CALL, "100")

    assert not one("correlated names", plan, now).holds
    skipping = one("correlated names", plan, replace(now, unknown=Unknown.SKIP))
    assert (skipping.holds, skipping.is_checked) == (True, False)


def test_exactly_the_threshold_is_not_above_it() -> None:
    pairs: Mapping[Any, float | None] = {("AAA", "XYZ"): 0.80, ("BBB", "XYZ"): 0.80, ("CCC", "XYZ"): 0.80}
    strangers = {("AAA", "BBB"): 0.0, ("AAA", "CCC"): 0.0, ("BBB", "CCC"): 0.0}
    known = Correlations(dict.fromkeys(("AAA", "BBB", "CCC", "XYZ"), BASE), {**pairs, **strangers})
    now = state(held=tuple(held(name, "100") for name in ("AAA", "BBB", "CCC")), correlations=known)

    assert one("correlated names", trade(Structure.LONG_CALL, "100"), now).after == D(1)
    tighter = replace(LIMITS, correlation=D("0.79"))
    assert one("correlated names", trade(Structure.LONG_CALL, "100"), now, tighter).after == D(4)


# Day trades and margin.


@pytest.mark.parametrize(("used", "opened", "holds"), [(2, 0, True), (3, 0, False), (1, 1, True), (1, 2, False)])
def test_a_fourth_day_trade_is_never_forced(used: int, opened: int, holds: bool) -> None:
    """What was opened today may be stopped out today: it counts before it happens."""
    now = state(equity=D(24_999), day_trade_rule=DayTradeRule.PDT, day_trades=DayTrades(used, opened))

    assert one("day trades in 5 sessions", make.plan(), now).holds is holds


def test_day_trades_are_free_from_25000_on() -> None:
    now = state(equity=D(25_000), day_trade_rule=DayTradeRule.PDT, day_trades=DayTrades(3))

    assert all(check.name != "day trades in 5 sessions" for check in risk.check(make.plan(), now, LIMITS))


def margin(equity: str, cash: str, power: str, maintenance: str | None) -> RiskState:
    said = Margin(D(cash), D(power), None if maintenance is None else D(maintenance))
    return state(equity=D(equity), day_trade_rule=DayTradeRule.INTRADAY_MARGIN, margin=said)


@pytest.mark.parametrize(
    ("equity", "cash", "power", "maintenance", "holds"),
    [
        ("100000", "0", "8802", None, True),  # 8,800 of collateral and 2 of fees
        ("100000", "0", "8801.99", None, False),
        ("100000", "0", "400000", "91198", True),
        ("100000", "0", "400000", "91198.01", False),  # equity less maintenance would be a cent short
        ("100000", "0", "-1", None, False),  # a deficit already
    ],
)
def test_no_entry_leaves_an_intraday_deficit(
    equity: str, cash: str, power: str, maintenance: str | None, holds: bool
) -> None:
    assert one("intraday margin", make.plan(), margin(equity, cash, power, maintenance)).holds is holds


@pytest.mark.parametrize(
    ("equity", "cash", "holds"), [("2000", "0", True), ("1999.99", "401", True), ("1999.99", "400.99", False)]
)
def test_below_2000_only_cash_counts(equity: str, cash: str, holds: bool) -> None:
    plan = trade(Structure.LONG_CALL, "400")  # 400 of premium and 1 of fees

    assert one("intraday margin", plan, margin(equity, cash, "8000", None)).holds is holds


def test_margin_promised_to_working_orders_is_not_free() -> None:
    now = replace(margin("100000", "0", "17000", None), reserved=(held("AAA", "1", collateral=D(8_800)),))

    assert not one("intraday margin", make.plan(), now).holds


def test_the_check_of_a_full_book_is_a_matter_of_a_millisecond() -> None:
    names = [f"N{row}" for row in range(10)]
    rng = np.random.default_rng(3)
    known = Correlations({name: rng.normal(0, 0.02, 60) for name in (*names, "XYZ")})
    now = state(held=tuple(held(name, "100") for name in names), correlations=known)
    plan = trade(Structure.LONG_CALL, "100")
    risk.check(plan, now, LIMITS)

    took = []
    for _ in range(20):
        began = time.perf_counter()
        risk.check(plan, now, LIMITS)
        took.append(time.perf_counter() - began)

    assert min(took) < 0.001


@pytest.mark.parametrize("seed", range(5))
def test_what_is_used_is_what_each_rule_adds_up_over_the_whole_book(seed: int) -> None:
    dice = np.random.default_rng(seed)
    strategies, levels = ("other", "leaps", "wheel"), {"wheel": RiskLevel.HIGH}
    book = tuple(
        held(
            ("AAA", "BBB", "SPX", "SPY")[dice.integers(4)],
            str(dice.integers(1, 900)),
            strategy=strategies[dice.integers(3)],
            structure=tuple(Structure)[dice.integers(len(Structure))],
            collateral=D(int(dice.integers(0, 500))),
        )
        for _ in range(30)
    )
    now = state(held=book[:20], reserved=book[20:], levels=levels)

    used = {(use.key, use.name): use.used for use in risk.uses(now, LIMITS)}

    rules = {rule.name: rule for exposure in book for rule in risk.rules_for(exposure, levels)}
    assert used == {(rule.key, rule.usage): now.share(rule.used(now)) for rule in (risk.PUTS, *rules.values())}
    assert len({key for key, _ in used}) >= 4


# Limits that sums reach: four indices as one, the wall for what ties up no cash, and losses to the cent.


@pytest.mark.parametrize(("counted", "holds"), [("1600.00", True), ("1600.01", False)])
def test_spreads_on_spy_qqq_iwm_and_spx_are_one_limit(counted: str, holds: bool) -> None:
    """2,000 on each of two, a bit on the third, 400 more: 6 % of equity."""
    spread: dict[str, Any] = {"structure": Structure.CREDIT_SPREAD, "strategy": "spx_credit_spreads"}
    three = (
        held("QQQ", "2000", expiry=make.TODAY, **spread),
        held("IWM", "2000", expiry=make.TODAY + timedelta(days=7), **spread),
        held("SPX", counted, expiry=make.TODAY + timedelta(days=14), **spread),
    )

    assert one("index credit spreads", index_spread("400", "SPY"), state(held=three)).holds is holds


@pytest.mark.parametrize(("counted", "holds"), [("2000.00", True), ("2000.01", False)])
def test_one_expiry_holds_four_percent_over_every_index(counted: str, holds: bool) -> None:
    two = (
        held("QQQ", "1600", structure=Structure.IRON_CONDOR, expiry=EXPIRY),
        held("SPX", counted, structure=Structure.CREDIT_SPREAD, expiry=EXPIRY),
    )

    assert one(f"index spreads of {EXPIRY:%d %b}", index_spread("400", "IWM"), state(held=two)).holds is holds


@pytest.mark.parametrize("structure", [Structure.DEBIT_SPREAD, Structure.LONG_CALL, Structure.CREDIT_SPREAD])
@pytest.mark.parametrize(("loss", "holds"), [("10000.00", True), ("10000.01", False)])
def test_the_wall_holds_whatever_a_kind_is_allowed(structure: Structure, loss: str, holds: bool) -> None:
    wide = replace(LIMITS, defined_risk=D(1), long_premium=D(1))

    assert one("risk of this trade", trade(structure, loss), state(), wide).holds is holds


@pytest.mark.parametrize(
    ("name", "field", "edge"),
    [("day's P&L", "day_pnl", "-2000"), ("week's P&L", "week_pnl", "-5000")],
)
def test_a_loss_stops_entries_at_its_limit_to_the_cent(name: str, field: str, edge: str) -> None:
    """Reached is stopped: the cent before it is not."""
    plan = trade(Structure.LONG_CALL, "100")

    assert not one(name, plan, state(**{field: D(edge)})).holds
    assert one(name, plan, state(**{field: D(edge) + D("0.01")})).holds


@pytest.mark.parametrize(("drawdown", "holds"), [("0.0999999", True), ("0.10", False)])
def test_a_drawdown_of_a_tenth_stops_entries(drawdown: str, holds: bool) -> None:
    assert one("drawdown", trade(Structure.LONG_CALL, "100"), state(drawdown=D(drawdown))).holds is holds


@pytest.mark.parametrize(("power", "holds"), [("401.00", True), ("400.99", False)])
def test_a_debit_and_its_fee_need_their_buying_power_to_the_cent(power: str, holds: bool) -> None:
    plan = trade(Structure.LONG_CALL, "400")

    assert one("options buying power", plan, state(buying_power=D(power))).holds is holds


@pytest.mark.parametrize(("held_collateral", "holds"), [("11200.00", True), ("11200.01", False)])
def test_puts_on_one_name_tie_up_a_fifth(held_collateral: str, holds: bool) -> None:
    other = held("XYZ", "1", collateral=D(held_collateral), structure=Structure.SHORT_PUT)

    assert one("risk in XYZ", make.plan(), state(held=(other,))).holds is holds


@pytest.mark.parametrize(("collateral", "holds"), [("41200.00", True), ("41200.01", False)])
def test_puts_and_assigned_shares_tie_up_half_to_the_cent(collateral: str, holds: bool) -> None:
    shares = held("AAA", "1", collateral=D(collateral), structure=Structure.SHARES)

    assert one("puts and assigned shares", make.plan(), state(held=(shares,))).holds is holds
