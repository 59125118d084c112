"""Limits: each one passes at its edge, fails just beyond it, and counts what is held and what is being worked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from engine import risk
from engine.exposures import Exposure, position_exposure
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import Limits
from engine.model.market import Greeks
from engine.model.trade import RiskLevel, TradePlan
from engine.risk import Check, RiskState
from tests import make

D = Decimal
LIMITS = Limits()
EQUITY = D(100_000)


def state(**more: object) -> RiskState:
    defaults: dict[str, object] = {"equity": EQUITY, "buying_power": EQUITY}
    return RiskState(**(defaults | more))  # type: ignore[arg-type]


def exposure(**more: object) -> Exposure:
    defaults: dict[str, object] = {
        "strategy": "wheel",
        "ticker": "AAA",
        "structure": Structure.SHORT_PUT,
        "counted": D(1000),
        "collateral": D(10_000),
        "max_loss": D(9_800),
    }
    return Exposure(**(defaults | more))  # type: ignore[arg-type]


def one(name: str, plan: TradePlan, now: RiskState) -> Check:
    return next(check for check in risk.check(plan, now, LIMITS) if check.name == name)


def long_call(delta: float, spot: int = 100, quantity: int = 1) -> TradePlan:
    signal = make.signal(
        strategy="wsb_dip",
        structure=Structure.LONG_CALL,
        legs=(Leg(make.call(105), 1),),
        limit=D(4),
        spot=D(spot),
        outlook=make.outlook(max_loss=D(400), max_gain=None, collateral=D(0), greeks=Greeks(delta, 0.0, 0.0, 0.0)),
    )
    return make.plan(signal, quantity, counted_risk=D(400) * quantity)


def test_nothing_is_broken_by_the_first_modest_trade() -> None:
    assert risk.breaches(risk.check(make.plan(), state(), LIMITS)) == ()


@pytest.mark.parametrize(("counted", "holds"), [("29086.00", True), ("29086.01", False)])
def test_total_risk_holds_to_thirty_percent(counted: str, holds: bool) -> None:
    now = state(held=(exposure(counted=D(counted), collateral=D(0), max_loss=D(0)),))

    assert one("total risk", make.plan(), now).holds is holds  # the plan adds 914.00


def test_a_working_order_counts_like_a_position() -> None:
    waiting = exposure(counted=D(29_500))

    assert not one("total risk", make.plan(), state(reserved=(waiting,))).holds
    assert not one("total risk", make.plan(), state(held=(waiting,))).holds


@pytest.mark.parametrize(("quantity", "holds"), [(2, True), (3, False)])
def test_one_trade_may_tie_up_ten_percent(quantity: int, holds: bool) -> None:
    assert one("risk of this trade", make.plan(quantity=quantity), state()).holds is holds


def test_an_unlimited_loss_is_never_allowed() -> None:
    plan = make.plan(make.signal(outlook=make.outlook(max_loss=None, collateral=D(0))), counted_risk=D(0))

    assert not one("risk of this trade", plan, state()).holds


@pytest.mark.parametrize(("held", "holds"), [("41200", True), ("41201", False)])
def test_puts_and_assigned_shares_together_tie_up_at_most_half(held: str, holds: bool) -> None:
    now = state(held=(exposure(collateral=D(held), structure=Structure.SHARES),))

    assert one("puts and assigned shares", make.plan(), now).holds is holds


@pytest.mark.parametrize(("held", "holds"), [("11200", True), ("11201", False)])
def test_one_name_holds_at_most_a_fifth(held: str, holds: bool) -> None:
    now = state(held=(exposure(ticker="XYZ", collateral=D(held)), exposure(ticker="OTHER")))

    assert one("risk in XYZ", make.plan(), now).holds is holds


def test_the_delta_of_a_long_call_weighs_in_its_name() -> None:
    # 0.5 x 300 x 100 = 15,000 of delta on 400 of premium, beside 8,800 of collateral
    before = exposure(ticker="XYZ", collateral=D(8_800))

    check = one("risk in XYZ", long_call(0.5, spot=300), state(held=(before,)))

    assert (check.before, check.after, check.holds) == (D("0.088"), D("0.238"), False)


def test_a_held_call_keeps_the_delta_it_was_bought_with() -> None:
    held = make.position(
        structure=Structure.LONG_CALL,
        unit=(Leg(make.call(105), 1),),
        lots=(make.held(make.call(105), 1, 4),),
        opened_units=2,
        delta=D(30_000),
        risk=D(800),
        max_loss=D(800),
    )

    assert position_exposure(held).size == D(15_000)


def test_shares_count_a_fifth_of_their_cost_and_tie_up_all_of_it() -> None:
    shares = make.position(
        structure=Structure.SHARES, unit=(Leg(make.share(), 1),), lots=(make.held(make.share(), 200, "42.97"),)
    )

    counted = position_exposure(shares)

    assert (counted.counted, counted.collateral) == (D("1718.800"), D("8594.00"))


@pytest.mark.parametrize(("power", "holds"), [("8802", True), ("8801.99", False)])
def test_buying_power_must_cover_collateral_and_fees(power: str, holds: bool) -> None:
    check = one("options buying power", make.plan(), state(buying_power=D(power)))

    assert check.holds is holds


def test_buying_power_already_promised_is_not_free() -> None:
    now = state(buying_power=D(18_000), reserved=(exposure(collateral=D(9_200)),))

    assert not one("options buying power", make.plan(), now).holds


@pytest.mark.parametrize(
    ("name", "field", "edge", "beyond"),
    [
        ("day's P&L", "day_pnl", "-1999.99", "-2000"),
        ("week's P&L", "week_pnl", "-4999.99", "-5000"),
        ("drawdown", "drawdown", "0.0999", "0.10"),
    ],
)
def test_losses_stop_entries_at_their_limit(name: str, field: str, edge: str, beyond: str) -> None:
    assert one(name, make.plan(), state(**{field: D(edge)})).holds
    assert not one(name, make.plan(), state(**{field: D(beyond)})).holds


def test_a_high_risk_strategy_has_a_tenth_of_the_account() -> None:
    now = state(
        held=(exposure(strategy="wsb_dip", counted=D(9_700), ticker="BBB"),), levels={"wsb_dip": RiskLevel.HIGH}
    )

    assert not one("wsb_dip risk", long_call(0.4), now).holds
    assert one("wsb_dip risk", long_call(0.4), replace(now, held=(exposure(strategy="wsb_dip"),))).holds


def test_index_spreads_of_one_expiry_stay_below_four_percent() -> None:
    legs = make.vertical(dte=35)
    expiry = make.TODAY + timedelta(days=35)
    signal = make.signal(
        strategy="spx_credit_spreads",
        structure=Structure.CREDIT_SPREAD,
        legs=legs,
        outlook=make.outlook(max_loss=D(400), collateral=D(0)),
        exits=ExitPlan(stop=D(-3)),
    )
    plan = make.plan(signal, 1, counted_risk=D(400))
    other = exposure(strategy="spx_credit_spreads", structure=Structure.CREDIT_SPREAD, counted=D(3_700), expiry=expiry)

    broken = {check.name for check in risk.breaches(risk.check(plan, state(held=(other,)), LIMITS))}

    assert broken == {f"index spreads of {expiry:%d %b}"}


def test_without_equity_nothing_fits() -> None:
    assert len(risk.breaches(risk.check(make.plan(), state(equity=D(0), buying_power=D(0)), LIMITS))) >= 3


def test_usage_names_the_heaviest_name() -> None:
    now = state(held=(exposure(ticker="AAA"), exposure(ticker="BBB", collateral=D(15_000))))

    uses = {use.name: use.used for use in risk.usage(now, LIMITS)}

    assert (uses["size in BBB"], uses["total risk"], uses["puts and shares"]) == (D("0.15"), D("0.02"), D("0.25"))
