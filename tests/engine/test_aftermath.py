"""What a card says of the account after its trade: buying power, short puts, a fall of SPY, each before and after."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import exp
from typing import Any

import numpy as np
import pytest
from vollib.black_scholes_merton import black_scholes_merton

from engine import aftermath, approvals, payoff, scanning, sizing, standing, watch
from engine.approvals import Outcome
from engine.exposures import Exposure, plan_exposure
from engine.model.legs import Leg, Structure
from engine.model.limits import Costs
from engine.model.market import Floats
from engine.model.trade import Priced, Signal, TradePlan
from engine.reservations import ticket_exposure
from engine.risk import RiskState
from strategies import CATALOGUE
from tests import make
from tests.desk import World, make_world, propose, quote_all, tap
from tests.strategies import cases

D = Decimal
RATE = 0.04
PUT = Priced((0.46,), (0.0,), RATE)


def put_signal(**more: Any) -> Signal:
    """The worked example: the 44 put at 48, 35 days, volatility 0.46."""
    return make.signal(outlook=replace(make.outlook(), priced=PUT), **more)


def state(**more: Any) -> RiskState:
    return RiskState(**({"equity": D(100_000), "buying_power": D(100_000)} | more))


def exposure(**more: Any) -> Exposure:
    defaults: dict[str, Any] = {
        "strategy": "wheel",
        "ticker": "AAA",
        "structure": Structure.SHORT_PUT,
        "counted": D(1000),
        "collateral": D(10_000),
        "max_loss": D(9_800),
    }
    return Exposure(**(defaults | more))


def put_worth(spot: float) -> float:
    return float(black_scholes_merton("p", spot, 44, 35 / 365, RATE, 0.46, 0.0))


def test_a_short_put_loses_what_its_revaluation_says_at_beta_times_five_percent() -> None:
    plan = aftermath.stressed(make.plan(put_signal()), 1.6)

    assert plan.market_fall == pytest.approx(D(-200 * (put_worth(48 * 0.92) - put_worth(48))), abs=D("0.01"))
    assert plan.market_fall is not None
    assert plan.market_fall < 0


def test_a_spread_loses_its_legs_together_and_shares_their_move() -> None:
    legs = (make.leg(make.put(44), -1), make.leg(make.put(40), 1))
    both = replace(make.outlook(), priced=Priced((0.46, 0.48), (0.0, 0.0), RATE))
    long = [float(black_scholes_merton("p", spot, 40, 35 / 365, RATE, 0.48, 0.0)) for spot in (48, 45.6)]

    spread = aftermath.unit_pnl(make.signal(legs=legs, outlook=both), -0.05)
    shares = aftermath.unit_pnl(make.signal(legs=(Leg(make.share(), 1),)), -0.05)

    assert spread == pytest.approx(100 * (long[1] - long[0] - put_worth(45.6) + put_worth(48)), abs=0.01)
    assert shares == pytest.approx(-2.4)


def test_an_american_option_is_never_below_its_exercise_value() -> None:
    signal = put_signal(legs=(make.leg(make.put(80), 1),))

    assert aftermath.unit_pnl(signal, -0.05) == pytest.approx(240, abs=0.5)


@pytest.mark.parametrize(
    ("beta", "priced"), [(None, PUT), (1.0, None), (1.0, Priced((None,), (0.0,)))], ids=["beta", "none", "no iv"]
)
def test_what_is_not_known_is_not_made_up(beta: float | None, priced: Priced | None) -> None:
    plan = make.plan(make.signal(outlook=replace(make.outlook(), priced=priced)))

    assert aftermath.stressed(plan, beta).market_fall is None
    assert "SPY -5 % not known for this trade" in aftermath.words(plan, state())


def test_the_line_of_the_card_has_each_number_before_and_after() -> None:
    """12,000 held and 8,800 more with 2 of fees, of 100,000; two short puts and two more."""
    held = exposure(collateral=D(12_000), short_puts=2, market_fall=D("-900"))
    plan = replace(make.plan(put_signal()), market_fall=D("-939.60"))

    told = aftermath.words(plan, state(buying_power=D(88_000), held=(held,)))

    assert told == "21 % of buying power (12 % now), 4 short puts (2 now), SPY -5 % = -1,840 (-900 now)"


def test_working_orders_count_before_the_trade_and_are_taken_off_what_is_free() -> None:
    working = exposure(collateral=D(10_000), short_puts=1, market_fall=D("-100"))
    plan = replace(make.plan(put_signal()), market_fall=D("-200"))

    told = aftermath.words(plan, state(reserved=(working,)))

    assert told == "19 % of buying power (10 % now), 3 short puts (1 now), SPY -5 % = -300 (-100 now)"


def test_held_names_whose_part_is_not_known_are_told() -> None:
    known, unknown = exposure(market_fall=D("-900")), exposure(ticker="NEW")
    plan = replace(make.plan(put_signal()), market_fall=D("-100"))

    assert aftermath.words(plan, state(held=(known, unknown))).endswith("SPY -5 % = -1,000 (-900 now, without NEW)")


def test_the_put_of_a_spread_is_no_short_put() -> None:
    legs = (make.leg(make.put(46)), make.leg(make.put(44), 1))
    plan = make.plan(make.signal(legs=legs, structure=Structure.CREDIT_SPREAD))

    assert plan_exposure(plan).short_puts == 0
    assert plan_exposure(make.plan()).short_puts == 2


def test_half_a_plan_falls_half_as_far_and_half_an_order_too() -> None:
    plan = replace(make.plan(put_signal()), market_fall=D("-200"))

    assert sizing.resize(plan, 1, Costs()).market_fall == D("-100")
    left = ticket_exposure(make.ticket(filled=1), plan)
    assert (left.market_fall, left.short_puts) == (D("-100"), 1)


def test_an_outlook_keeps_what_its_legs_were_priced_with() -> None:
    """A dividend before the expiry is off the spot of the model."""
    day = make.TODAY + timedelta(days=10)
    chain = make.chain(puts=make.rows("44: 1.0345 / 0.98 / 1.08 / -0.2392", {44: 0.46}), dividends=((day, 0.5),))
    contract, legs = chain.find(make.put(44)), (make.leg(),)

    found = payoff.outlook(legs, D("-1.03"), (contract,), chain, 48.0, RATE, make.TODAY)

    assert found.priced is not None
    assert (found.priced.ivs, found.priced.rate) == ((0.46,), RATE)
    assert found.priced.escrowed[0] == pytest.approx(0.5 * exp(-RATE * 10 / 365))
    assert payoff.moved(found, legs, D("-1.00")).priced == found.priced


# On a desk.


def walks() -> tuple[Floats, Floats]:
    """260 closes of SPY and of a name that moves 1.6 times as much, to the day before TODAY."""
    steps = np.random.default_rng(4).normal(0, 0.012, 260)
    market, name = np.exp(np.cumsum(steps)), np.exp(np.cumsum(1.6 * steps))
    return 500 * market / market[-1], 48 * name / name[-1]


def told_desk(**more: Any) -> World:
    world = make_world(strategies=dict(CATALOGUE), **more)
    market, name = walks()
    world.market.set_bars(make.bars(market, "SPY"))
    world.market.set_bars(make.bars(name))
    return world


def test_a_tap_writes_the_line_and_never_asks_the_market_for_it() -> None:
    world = told_desk()
    propose(world, plan=make.plan(put_signal()))
    standing.ensure_returns(world.desk, ["XYZ"])

    plan = reviewed(world)

    assert tap(world).outcome is Outcome.SENT
    assert plan.after.startswith("9 % of buying power (0 % now), 2 short puts (0 now), SPY -5 % = -")
    expected = -200 * (put_worth(48 * (1 - 0.05 * 1.6)) - put_worth(48))
    assert plan.market_fall == pytest.approx(D(expected), abs=D(2))


def reviewed(world: World) -> TradePlan:
    """The proposal as the tap sees it, inside its transaction."""
    with world.store.read() as work:
        return approvals.review(world.desk, work, work.approval("A00001").plan).plan


def test_the_book_of_the_next_card_is_what_the_watch_computed_last() -> None:
    world = told_desk()
    put = make.put()
    with world.store.begin() as work:
        position = make.position((make.leg(),), (make.held(put, -2, "1.03"),), opened_units=2, approval_id=None)
        work.save_position(position)
    world.market.set_snapshot(make.snapshot(bars=make.bars(walks()[1])))
    quote_all(world, "1.0295", "1.0395")

    watch.look(world.desk)

    with world.store.read() as work:
        (held,) = standing.risk_state(world.desk, work, ()).held
    expected = -200 * (put_worth(48 * 0.92) - put_worth(48))
    assert held.market_fall == pytest.approx(D(expected), abs=D(4))
    assert held.short_puts == 2


def test_a_position_opened_since_is_computed_at_the_next_look_not_ten_minutes_later() -> None:
    world = told_desk()
    world.market.set_snapshot(make.snapshot(bars=make.bars(walks()[1])))
    quote_all(world)
    watch.look(world.desk)
    with world.store.begin() as work:
        work.save_position(
            make.position((make.leg(),), (make.held(make.put(), -1, "1.03"),), opened_units=1, approval_id=None)
        )
    world.clock.advance(seconds=60)
    quote_all(world)

    watch.look(world.desk)

    with world.store.read() as work:
        (held,) = standing.risk_state(world.desk, work, ()).held
    assert held.market_fall is not None


def test_a_scan_writes_the_line_on_every_plan() -> None:

    world = make_world(strategies=dict(CATALOGUE))
    market, name = walks()
    world.market.set_bars(make.bars(market, "SPY"))
    world.market.set_snapshot(replace(cases.wheel_name(), bars=make.bars(name)))

    (plan,) = scanning.preview(world.desk, "wheel", ["XYZ"]).plans

    assert plan.after.startswith("9 % of buying power (0 % now), 2 short puts (0 now), SPY -5 % = -")
