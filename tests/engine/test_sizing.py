"""Sizing: the caps of every structure with the numbers of the worked examples, and Kelly."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import risk, sizing
from engine.errors import BadRequest
from engine.exposures import Exposure
from engine.model.instruments import Right
from engine.model.legs import Leg, Structure
from engine.model.limits import Costs, Limits
from engine.model.trade import Outlook, RiskLevel, Signal, Step, TradePlan, Verdict
from engine.risk import RiskState
from tests import make
from tests.make import D

LIMITS = Limits()
COSTS = Costs()


def state(equity: make.Money = 100_000, buying_power: make.Money | None = None, **more: object) -> RiskState:
    return RiskState(D(equity), D(equity if buying_power is None else buying_power), **more)  # type: ignore[arg-type]


def loss_of(dollars: make.Money, collateral: make.Money = 0, gain: make.Money | None = None) -> Outlook:
    return make.outlook(max_loss=D(dollars), max_gain=None if gain is None else D(gain), collateral=D(collateral))


def short_put(strike: make.Money = 44, premium: make.Money = "1.03") -> Signal:
    worst = (D(strike) - D(premium)) * 100
    return make.signal(
        legs=(Leg(make.put(strike), -1),),
        limit=-D(premium),
        outlook=loss_of(worst, D(strike) * 100, D(premium) * 100),
        spot=D(48),
    )


def long_call(premium: make.Money, strategy: str = "swing", **more: object) -> Signal:
    return make.signal(
        strategy=strategy,
        structure=Structure.LONG_CALL,
        legs=(Leg(make.call(50), 1),),
        limit=D(premium),
        natural=D(premium),
        outlook=loss_of(D(premium) * 100),
        **more,
    )


def spread(structure: Structure, limit: make.Money, loss: make.Money, gain: make.Money) -> Signal:
    right = Right.CALL if structure is Structure.DEBIT_SPREAD else Right.PUT
    return make.signal(
        strategy="x",
        structure=structure,
        legs=make.vertical(580, 575, right),
        limit=D(limit),
        outlook=loss_of(loss, 500 if structure is Structure.CREDIT_SPREAD else 0, gain),
    )


def covered_call(contracts: int) -> Signal:
    return make.signal(
        structure=Structure.COVERED_CALL,
        legs=(Leg(make.call(48), -1),),
        limit=D("-1.13"),
        outlook=loss_of(4184, 0, 616),
        covers="P00002",
        at_most=contracts,
    )


def size(signal: Signal, state: RiskState, limits: Limits = LIMITS, at_most: int | None = None) -> TradePlan:
    return sizing.size(signal, state, limits, COSTS, at_most)


def step(plan: TradePlan, rule: str) -> Step:
    return next(step for step in plan.sizing if step.rule == rule)


def test_the_wheel_example_sells_two_puts() -> None:
    plan = size(short_put(), state())
    assert (plan.quantity, plan.fees, plan.collateral) == (2, D("2.00"), D(8800))
    assert (plan.max_gain, plan.max_loss, plan.counted_risk) == (D("206.00"), D("8594.00"), D("914.00"))
    assert plan.net_cash == D("206.00")
    assert step(plan, "max position risk").value == "10,000/4,400 = 2"
    assert all(each.passed for each in plan.sizing)


def test_a_strike_of_101_gives_no_contract_and_the_numbers_that_say_why() -> None:
    plan = size(short_put(101, "2.00"), state())
    assert plan.quantity == 0
    assert (plan.max_loss, plan.collateral, plan.fees, plan.counted_risk) == (D(0), D(0), D(0), D(0))
    assert step(plan, "max position risk") == Step(
        "max position risk", "10 % of equity", "10,000/10,100 = 0", Verdict.FAILED
    )
    assert step(plan, "all puts and shares").passed


@pytest.mark.parametrize(
    ("signal", "units"),
    [
        (spread(Structure.DEBIT_SPREAD, "3.17", 317, 383), 6),
        (spread(Structure.CREDIT_SPREAD, "-1.00", 400, 100), 5),
        (long_call("1.03"), 9),
        (long_call("2.25"), 4),
        (long_call("55.10", strategy="leaps"), 1),
        (long_call("60.01", strategy="leaps"), 0),
        (long_call("0.92", strategy="lotto"), 5),
        (long_call("5.01", strategy="lotto"), 0),
        (long_call("4.26", at_risk=0.02), 4),
        (long_call("4.26", at_risk=0.010119), 2),
        (long_call("4.26", at_risk=0.005), 1),
        (long_call("4.26", at_risk=0.0), 0),
    ],
)
def test_each_structure_has_its_own_cap(signal: Signal, units: int) -> None:
    plan = size(signal, state())
    assert plan.quantity == units
    assert any(not each.passed for each in plan.sizing) == (units == 0)


def test_the_outer_wall_of_ten_percent_holds_whatever_a_strategy_wants() -> None:
    limits = replace(LIMITS, max_position_risk=D("0.01"))
    assert size(long_call("4.26", at_risk=0.5), state(), limits).quantity == 2


def test_all_puts_and_assigned_shares_together_stay_within_half_the_account() -> None:
    put = Exposure("wheel", "AAA", Structure.SHORT_PUT, D(900), D(30_000), D(29_000))
    shares = Exposure("wheel", "BBB", Structure.SHARES, D(3000), D(15_000), D(15_000))
    plan = size(short_put(), state(buying_power=90_000, held=(put, shares)))
    assert plan.quantity == 1
    assert step(plan, "all puts and shares").limit == "50 % of equity, 45,000 used"
    assert size(short_put(), state(held=(put, put))).quantity == 0


def test_buying_power_is_what_working_orders_leave() -> None:
    working = Exposure("wheel", "AAA", Structure.SHORT_PUT, D(900), D(4000), D(4000), pays=D(10))
    assert size(short_put(), state(buying_power=9000)).quantity == 2
    plan = size(short_put(), state(buying_power=9000, reserved=(working,)))
    assert plan.quantity == 1
    assert step(plan, "buying power").limit == "free options buying power, 4,010 reserved"
    assert step(plan, "buying power").value == "4,990/4,401 = 1"


def test_a_spread_needs_its_width_in_buying_power_and_a_debit_its_price() -> None:
    assert size(spread(Structure.CREDIT_SPREAD, "-1.00", 400, 100), state(buying_power=1004)).quantity == 2
    assert size(spread(Structure.CREDIT_SPREAD, "-1.00", 400, 100), state(buying_power=1003)).quantity == 1
    assert size(long_call("2.25"), state(buying_power=451)).quantity == 1


def test_leaps_together_stay_within_twenty_percent() -> None:
    held = Exposure("leaps", "AAA", Structure.LONG_CALL, D(15_000), D(0), D(15_000))
    plan = size(long_call("55.10", strategy="leaps"), state(held=(held,)))
    assert plan.quantity == 0
    assert step(plan, "all LEAPS").value == "5,000/5,510 = 0"


def test_a_covered_call_is_bounded_by_its_shares_and_adds_no_counted_risk() -> None:
    plan = size(covered_call(2), state(equity=1000))
    assert (plan.quantity, plan.counted_risk, plan.collateral) == (2, D(0), D(0))
    assert step(plan, "free shares").value == "2 contracts"


def test_without_free_shares_there_is_no_covered_call() -> None:
    plan = size(covered_call(0), state())
    assert plan.quantity == 0
    assert not step(plan, "free shares").passed


def test_unlimited_or_impossible_losses_are_never_sized() -> None:
    unlimited = replace(short_put(), outlook=make.outlook(max_loss=None))
    free = spread(Structure.CREDIT_SPREAD, "-6.00", 0, 600)
    assert [size(each, state()).quantity for each in (unlimited, free)] == [0, 0]
    assert size(unlimited, state()).max_loss is None


def test_no_equity_gives_no_size() -> None:
    assert size(short_put(), state(equity=0)).quantity == 0
    assert size(long_call("1.00"), state(equity=-500, buying_power=1000)).quantity == 0


def test_a_size_set_by_a_person_is_not_exceeded() -> None:
    assert size(long_call("1.03"), state(), at_most=4).quantity == 4


SIGNALS = st.one_of(
    st.builds(short_put, st.integers(5, 300), st.just("0.50")),
    st.builds(lambda cents, risk: long_call(Decimal(cents) / 100, at_risk=risk), st.integers(6, 9000), st.none()),
    st.builds(
        lambda cents, risk: long_call(Decimal(cents) / 100, at_risk=risk), st.integers(6, 9000), st.floats(0, 0.2)
    ),
    st.builds(lambda loss: spread(Structure.CREDIT_SPREAD, "-1.00", loss, 100), st.integers(1, 400)),
    st.builds(lambda cents: long_call(Decimal(cents) / 100, strategy="leaps"), st.integers(6, 9000)),
    st.builds(lambda cents: long_call(Decimal(cents) / 100, strategy="lotto"), st.integers(6, 9000)),
)
CAPS = {"leaps": LIMITS.leaps_each, "lotto": LIMITS.lotto, "swing": LIMITS.long_premium, "x": LIMITS.defined_risk}


@given(SIGNALS, st.integers(0, 500_000), st.integers(0, 500_000), st.integers(0, 80_000))
def test_no_size_ever_exceeds_a_cap(signal: Signal, equity: int, buying_power: int, held: int) -> None:
    puts = Exposure("wheel", "AAA", Structure.SHORT_PUT, D(0), D(held), D(held))
    plan = size(signal, state(equity, buying_power, held=(puts,)))
    loss = plan.max_loss or Decimal(0)
    assert loss >= 0
    assert plan.quantity == 0 or loss > 0
    assert plan.collateral + max(-plan.net_cash, Decimal(0)) + plan.fees <= buying_power
    if signal.structure is Structure.SHORT_PUT:
        assert plan.collateral <= equity * LIMITS.put_collateral_each
        assert not plan.quantity or plan.collateral + held <= equity * LIMITS.put_collateral_total
        return
    cap = CAPS[signal.strategy] if signal.at_risk is None else Decimal(str(signal.at_risk))
    assert loss <= min(cap, LIMITS.max_position_risk) * equity


@given(SIGNALS, st.integers(10_000, 500_000))
def test_one_unit_more_would_exceed_some_cap(signal: Signal, equity: int) -> None:
    plan = size(signal, state(equity))
    rooms = [each.value.split(" = ")[1] for each in plan.sizing if " = " in each.value]
    assert plan.quantity == min(int(room) for room in rooms)


def test_half_a_plan_has_half_of_everything() -> None:
    half = sizing.resize(size(short_put(), state()), 1, COSTS)
    assert (half.quantity, half.fees, half.collateral) == (1, D("1.00"), D(4400))
    assert (half.max_gain, half.max_loss, half.counted_risk) == (D("103.00"), D("4297.00"), D("457.00"))


@pytest.mark.parametrize("quantity", [0, -1, 3])
def test_a_plan_is_not_resized_beyond_itself(quantity: int) -> None:
    with pytest.raises(BadRequest, match="not a size"):
        sizing.resize(size(short_put(), state()), quantity, COSTS)


def test_a_repriced_plan_has_the_numbers_of_the_new_limit_and_keeps_its_size() -> None:
    plan = sizing.reprice(size(short_put(), state()), D("-0.98"), D("-0.93"), D("48.20"))
    assert (plan.quantity, plan.max_loss, plan.max_gain) == (2, D("8604.00"), D("196.00"))
    assert plan.signal.outlook.breakevens == (D("43.02"),)
    assert (plan.signal.spot, plan.signal.natural, plan.net_cash) == (D("48.20"), D("-0.93"), D("196.00"))
    assert plan.counted_risk == (D(44) - D("48.20") * D("0.8") - D("0.98")) * 200


def test_repricing_keeps_the_exit_plan_unless_a_new_one_is_given() -> None:
    plan = size(short_put(), state())
    new = make.exits(target=D("-0.49"))
    assert sizing.reprice(plan, D("-0.98"), D("-0.93"), D(48)).signal.exits == plan.signal.exits
    assert sizing.reprice(plan, D("-0.98"), D("-0.93"), D(48), exits=new).signal.exits == new


def test_fees_are_per_contract_and_leg_for_options_and_per_order_for_shares() -> None:
    condor = (*make.vertical(580, 575), *make.vertical(618, 623, Right.CALL))
    assert sizing.fees(condor, 3, COSTS) == D(12)
    assert sizing.fees((Leg(make.share(), 1),), 200, COSTS) == D(1)
    assert sizing.fees(condor, 0, COSTS) == 0


@pytest.mark.parametrize(
    ("wins", "win", "losses", "loss", "full", "used"),
    [
        (18, 1.10, 22, 0.48, 0.2100, 0.0200),
        (14, 1.05, 26, 0.50, 0.0405, 0.0101),
        (12, 0.90, 28, 0.50, -0.0889, 0.0),
    ],
)
def test_kelly_on_forty_campaigns_is_the_worked_example(
    wins: int, win: float, losses: int, loss: float, full: float, used: float
) -> None:
    result = sizing.kelly(make.campaigns(wins, win, losses, loss))
    assert result.full == pytest.approx(full, abs=0.0001)
    assert result.used == pytest.approx(used, abs=0.0001)


def test_kelly_on_twenty_nine_campaigns_is_the_starting_fraction() -> None:
    result = sizing.kelly(make.campaigns(18, 1.10, 11, 0.48), scale=0.1)
    assert (result.full, result.used) == (None, 0.005)
    assert "too few" in result.words


def test_an_edge_of_exactly_nothing_is_no_trade() -> None:
    assert sizing.kelly(make.campaigns(20, 1.0, 20, 1.0)).used == 0
    assert sizing.kelly(make.campaigns(20, 1.0, 20, 1.0)).full == 0


def test_volatility_scales_kelly_before_the_cap() -> None:
    campaigns = make.campaigns(14, 1.05, 26, 0.50)
    assert sizing.kelly(campaigns, scale=0.5).used == pytest.approx(0.00506, abs=0.00001)
    assert sizing.kelly(make.campaigns(18, 1.10, 22, 0.48), scale=0.6).used == 0.02


def test_only_losses_are_no_trade_and_only_wins_are_capped() -> None:
    assert sizing.kelly(make.campaigns(0, 1, 40, 0.5)).used == 0
    assert sizing.kelly(make.campaigns(40, 0.5, 0, 1)).used == 0.02


def test_a_campaign_that_broke_even_is_not_a_win() -> None:
    even = replace(make.campaigns(1, 1.0, 0, 1)[0], r=0.0, closed=make.NOW + timedelta(days=1))
    result = sizing.kelly((*make.campaigns(20, 1.0, 19, 0.5), even))
    assert result.wins == 20
    assert result.average_loss == pytest.approx(9.5 / 20)


# Sums that leave less room than the trade's own cap: the size shrinks to what is left of them.


def proposed(signal: Signal, now: RiskState) -> int:
    """Units that would be proposed; 0 where not one keeps every limit."""
    plan = sizing.within(size(signal, now), now, LIMITS, COSTS)
    return 0 if risk.breaches(risk.check(plan, now, LIMITS)) else plan.quantity


def held_spread(ticker: str, counted: str, days: int, strategy: str = "spx_credit_spreads") -> Exposure:
    return Exposure(
        strategy=strategy,
        ticker=ticker,
        structure=Structure.CREDIT_SPREAD,
        counted=D(counted),
        collateral=D(counted),
        max_loss=D(counted),
        expiry=make.TODAY + timedelta(days=days),
    )


def index_spread(ticker: str = "SPY") -> Signal:
    """400 dollars of loss a unit, 35 days: five units fit two percent of the account."""
    return make.signal(
        strategy="spx_credit_spreads",
        ticker=ticker,
        structure=Structure.CREDIT_SPREAD,
        legs=make.vertical(underlying=ticker, dte=35),
        limit=D("-1.00"),
        outlook=loss_of(400, collateral=500, gain=100),
    )


@pytest.mark.parametrize(("used", "units"), [("4000", 5), ("4800.00", 3), ("4800.01", 2), ("5600.01", 0)])
def test_index_spreads_shrink_to_what_is_left_of_six_percent_over_all_indices(used: str, units: int) -> None:
    first, rest = D(used) / 2, D(used) - D(used) / 2
    now = state(held=(held_spread("QQQ", str(first), 7), held_spread("SPX", str(rest), 14)))

    assert proposed(index_spread(), now) == units


@pytest.mark.parametrize(("used", "units"), [("2000", 5), ("2800.00", 3), ("2800.01", 2)])
def test_index_spreads_shrink_to_what_is_left_of_four_percent_of_their_expiry(used: str, units: int) -> None:
    assert proposed(index_spread(), state(held=(held_spread("IWM", used, 35),))) == units


def test_spreads_on_a_share_do_not_count_against_the_indices() -> None:
    other = replace(held_spread("KO", "6000", 35), strategy="debit_spreads")

    assert proposed(index_spread(), state(held=(other,))) == 5


@pytest.mark.parametrize(("used", "units"), [("9000", 2), ("9147.99", 2), ("9148.01", 1), ("9600", 0)])
def test_a_high_risk_strategy_shrinks_to_what_is_left_of_its_tenth(used: str, units: int) -> None:
    """426 dollars a contract; at risk 1 % of the account: two of them."""
    other = replace(held_spread("AAA", used, 35), strategy="wsb_dip", structure=Structure.LONG_CALL)
    now = state(held=(other,), levels={"wsb_dip": RiskLevel.HIGH})

    assert proposed(long_call("4.26", "wsb_dip", at_risk=0.01), now) == units


def test_the_card_names_the_limit_that_binds_and_not_one_that_would_allow_more() -> None:
    held = (held_spread("SPY", "3200", 35), held_spread("QQQ", "1200", 60))
    now = state(held=held)
    plan = sizing.within(size(index_spread("IWM"), now), now, Limits(one_underlying=D(1)), COSTS)
    assert (plan.quantity, plan.sizing[-1].rule) == (2, "index spreads of 20 Jul")
