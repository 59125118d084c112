"""Packages that expire on two days: what the model says of them, and that a short leg is never left alone."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from engine import calendars, exposures, payoff, pricing, risk, sizing, variants
from engine.errors import BadRequest
from engine.model.instruments import Right, Style
from engine.model.legs import Leg, Structure
from engine.model.limits import ApprovalRules, Costs, Limits
from engine.model.market import Chain
from engine.model.trade import Outlook
from engine.protection import band, width
from tests import make
from tests.make import TODAY, D

FRONT = make.chain(
    puts=make.rows("86: 2.1/2.05/2.15/-0.2; 95: 4.5805/4.53/4.63/-0.35", {86: 1.16, 95: 1.12}),
    calls=make.rows("100: 6.9284/6.88/6.98/0.5367", {100: 1.10}),
    spot=100,
    dte=9,
)
LATER = make.chain(
    puts=make.rows("95: 5.2562/5.21/5.31/-0.3523; 100: 7.5/7.45/7.55/-0.45", {95: 0.62, 100: 0.61}),
    calls=make.rows("100: 7.8/7.75/7.85/0.55", {100: 0.60}),
    spot=100,
    dte=37,
)
CHAIN = make.join(FRONT, LATER)
NEAR, FAR = make.put(95, dte=9), make.put(95, dte=37)
CALENDAR = (Leg(NEAR, -1), Leg(FAR, 1))
DIAGONAL = (Leg(make.put(100, dte=37), 1), Leg(make.put(86, dte=9), -1))
BACKWARDS = (Leg(NEAR, 1), Leg(FAR, -1))


def outlook(legs: tuple[Leg, ...], limit: str, chain: Chain = CHAIN) -> Outlook:
    rows = [chain.find(leg.instrument) for leg in legs]  # type: ignore[arg-type]
    return payoff.outlook(legs, D(limit), rows, chain, chain.spot, chain.rate, chain.today)


def at_front(spot: float) -> float:
    """Dollars per unit of the calendar at the front expiry, written out: the later put has 28 days at 62 %."""
    later = float(pricing.value(spot, 95, 28 / 365, 0.04, 0.62, False)[0])
    return (max(later, 95 - spot) - max(95 - spot, 0) - 0.68) * 100


def test_a_calendar_loses_its_debit_at_most_and_makes_most_at_its_strike() -> None:
    result = outlook(CALENDAR, "0.68")
    assert (result.max_loss, result.collateral) == (D("68.00"), D(0))
    assert float(result.max_gain or 0) == pytest.approx(at_front(95), abs=0.01)
    assert result.modelled == "modelled on 24 Jun 26, each leg's volatility kept"


def test_its_breakevens_are_where_the_model_makes_nothing() -> None:
    low, high = outlook(CALENDAR, "0.68").breakevens
    assert low < 95 < high
    assert [at_front(float(level)) for level in (low, high)] == pytest.approx([0, 0], abs=0.3)


def test_its_probability_is_that_between_the_modelled_breakevens_and_says_so() -> None:
    result = outlook(CALENDAR, "0.68")
    low, high = (float(level) for level in result.breakevens)
    above_low = payoff.probability_above(low, 1.12 + (95 - low) * 0.04 / 9 if low > 86 else 1.16, 100, 0.04, 9 / 365)
    above_high = payoff.probability_above(high, 1.12, 100, 0.04, 9 / 365)
    assert result.pop == pytest.approx(above_low - above_high, abs=1e-6)
    assert result.pop_method.endswith("(modelled)")


def test_a_put_diagonal_whose_long_leg_is_higher_and_later_loses_its_debit_at_most() -> None:
    result = outlook(DIAGONAL, "5.40")
    assert (result.max_loss, result.collateral) == (D("540.00"), D(0))
    last = float(result.breakevens[-1])
    later = float(pricing.value(last, 100, 28 / 365, 0.04, 0.61, False)[0])
    assert later == pytest.approx(5.40, abs=0.005)


def test_a_long_leg_at_a_worse_strike_adds_the_distance_to_the_loss() -> None:
    worse = (Leg(make.put(95, dte=37), 1), Leg(make.put(86, dte=9), -1))
    swapped = (Leg(make.put(95, dte=9), -1), Leg(make.put(86, dte=37), 1))
    assert payoff.max_loss(worse, D("3.16")) == D("316.00")
    assert payoff.max_loss(swapped, D("-1.00")) == D(800)
    assert payoff.collateral(swapped) == D(900)


def test_european_puts_are_worth_less_than_intrinsic_and_the_loss_knows_it() -> None:
    european = replace(CHAIN, style=Style.EUROPEAN)
    rows = [european.find(leg.instrument) for leg in CALENDAR]  # type: ignore[arg-type]
    legs = tuple(Leg(row.option, leg.ratio) for row, leg in zip(rows, CALENDAR, strict=True) if row is not None)
    result = payoff.outlook(legs, D("0.68"), rows, european, 100, 0.04, TODAY)
    discount = 95 * (1 - np.exp(-0.04 * 28 / 365))
    assert float(result.max_loss or 0) == pytest.approx(68 + 100 * discount, abs=1)


def test_a_short_option_that_outlives_its_cover_is_refused_everywhere() -> None:
    with pytest.raises(BadRequest, match="ends before the one sold"):
        outlook(BACKWARDS, "-0.68")
    calls = (Leg(make.call(100, dte=9), 1), Leg(make.call(100, dte=37), -1))
    assert payoff.max_loss(calls, D("-0.9")) is None
    with pytest.raises(BadRequest, match="uncovered short call"):
        payoff.collateral(calls)
    assert payoff.max_loss(BACKWARDS, D("-0.68")) == D(9432)
    signal = make.signal(structure=Structure.CALENDAR, legs=BACKWARDS, limit=D("-0.68"), outlook=made_outlook())
    plan = sizing.size(signal, risk.RiskState(D(100_000), D(100_000)), Limits(), Costs())
    assert (plan.quantity, plan.sizing[0].value) == (0, "an option bought ends before the one sold")


def made_outlook(loss: str = "68") -> Outlook:
    return make.outlook(max_loss=D(loss), collateral=D(0))


def test_without_a_volatility_of_the_later_leg_nothing_is_modelled() -> None:
    blind = replace(CHAIN, iv=np.where(CHAIN.expiry == CHAIN.expiry.max(), np.nan, CHAIN.iv))
    with pytest.raises(BadRequest, match="no implied volatility"):
        outlook(CALENDAR, "0.68", blind)


def test_two_expiries_have_no_one_line_for_a_chart() -> None:
    with pytest.raises(BadRequest, match="no one picture"):
        payoff.expiry_profile(CALENDAR, D("0.68"), np.array([90.0, 100.0]))


def test_with_shares_two_expiries_are_not_reckoned() -> None:
    with pytest.raises(BadRequest, match="together with shares"):
        payoff.outlook(CALENDAR, D("0.68"), [None, None], CHAIN, 100, 0.04, TODAY, 0.0, D(100))


def test_a_dearer_calendar_loses_more_gains_less_and_says_which_numbers_are_old() -> None:
    first = outlook(CALENDAR, "0.68")
    dearer = payoff.moved(first, CALENDAR, D("0.80"))
    assert dearer.max_loss == D("80.00")
    assert dearer.max_gain == (first.max_gain or D(0)) - 12
    assert dearer.modelled.endswith("breakevens at the earlier price")
    assert payoff.moved(dearer, CALENDAR, D("0.81")).modelled == dearer.modelled


def test_calendars_and_diagonals_count_their_debit_and_are_defined_risk() -> None:
    signal = make.signal(structure=Structure.CALENDAR, legs=CALENDAR, limit=D("0.68"), outlook=made_outlook())
    state = risk.RiskState(D(100_000), D(100_000))
    plan = sizing.size(signal, state, Limits(), Costs())
    assert (plan.quantity, plan.counted_risk) == (29, D("1972.00"))
    added = exposures.plan_exposure(plan)
    assert (added.size, added.loss) == (D("1972"), D("1972"))
    assert risk.kind_cap("any", Structure.DIAGONAL, Limits()) == ("defined risk", Limits().defined_risk)


@pytest.mark.parametrize("structure", [Structure.LONG_PUT, Structure.COLLAR, Structure.DIAGONAL])
def test_protection_adds_its_cost_to_the_total_and_nothing_to_its_name(structure: Structure) -> None:
    """20 % of equity in the shares already: a put under them takes risk off, and must not be refused for it."""
    signal = protection(structure)
    shares = exposures.Exposure("wheel", "XYZ", Structure.SHARES, D(4000), D(20_000), D(20_000), delta=D(20_000))
    state = risk.RiskState(D(100_000), D(100_000), held=(shares,))
    plan = sizing.size(signal, state, Limits(), Costs())
    checks = {check.name: check for check in risk.check(plan, state, Limits())}
    assert (plan.quantity, plan.counted_risk) == (2, D("916.00"))
    assert (checks["risk in XYZ"].after, checks["risk in XYZ"].holds) == (D("0.2"), True)
    assert checks["total risk"].after == D("0.04916")
    assert "correlated names" not in checks


def test_a_put_of_another_strategy_weighs_in_its_name_as_before() -> None:
    plan = sizing.size(
        replace(protection(Structure.LONG_PUT), strategy="swing"),
        risk.RiskState(D(100_000), D(100_000)),
        Limits(),
        Costs(),
    )
    assert exposures.plan_exposure(plan).size == D("916.00")


def protection(structure: Structure) -> Any:
    return make.signal(
        strategy="earnings_protection",
        structure=structure,
        legs=(Leg(NEAR, 1),),
        limit=D("4.58"),
        outlook=made_outlook("458"),
        at_most=2,
    )


@pytest.mark.parametrize(("debit", "reach"), [("0.68", "0.03"), ("5.40", "0.1620")])
def test_the_band_of_a_calendar_is_that_of_a_spread_without_a_width(debit: str, reach: str) -> None:
    signal = make.signal(structure=Structure.CALENDAR, legs=CALENDAR, limit=D(debit))
    assert width(CALENDAR) is None
    assert band(signal, ApprovalRules()) == D(reach)


def test_the_expiries_of_two_legs_are_not_moved_onto_one_another() -> None:
    signal = make.signal(structure=Structure.CALENDAR, legs=CALENDAR, limit=D("0.68"))
    with pytest.raises(BadRequest, match="different days"):
        variants.at_expiry(CHAIN, signal, 1)


def test_an_option_is_worth_intrinsic_on_its_last_day_and_model_before() -> None:
    spots = np.array([90.0, 100.0])
    last = calendars.option_value(NEAR, 1.12, CHAIN, NEAR.expiry, spots)
    before = calendars.option_value(NEAR, 0.45, CHAIN, TODAY + timedelta(days=4), spots)
    assert last.tolist() == [5.0, 0.0]
    assert before[1] == pytest.approx(float(pricing.value(100, 95, 5 / 365, 0.04, 0.45, False)[0]))
    assert NEAR.right is Right.PUT
    assert Decimal("0.44") == Decimal(f"{before[1]:.2f}")
