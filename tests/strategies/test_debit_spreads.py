"""Bull call spreads: the worked example, every near miss by the rule it names, the exits on each side."""

from datetime import timedelta
from typing import Any

import pytest

from engine import sizing
from engine.model.legs import Leg, Structure
from engine.model.limits import Costs, Limits
from engine.model.market import MarketSnapshot
from engine.model.trade import Context, Found, Signal, Working
from engine.risk import RiskState
from strategies import debit_spreads
from tests import make
from tests.make import TODAY, D
from tests.strategies import verticals

PARAMS = debit_spreads.Params()


def context(**more: Any) -> Context:
    return make.context(**({"next_sessions": verticals.SESSIONS} | more))


def find(snapshot: MarketSnapshot, given: Context | None = None) -> Found:
    return debit_spreads.find(snapshot, given or context(), PARAMS)


def signal_of(found: Found) -> Signal:
    assert [step for step in found.steps if not step.passed] == []
    (signal,) = found.signals
    return signal


def test_the_worked_example_buys_the_98_call_and_sells_the_105_call() -> None:
    signal = signal_of(find(verticals.bull()))
    assert signal.legs == (Leg(make.call(98, dte=38), 1), Leg(make.call(105, dte=38), -1))
    assert (signal.limit, signal.natural, signal.worst) == (D("3.17"), D("3.27"), D("3.1818"))
    assert (signal.structure, signal.working) == (Structure.DEBIT_SPREAD, Working.LADDER)
    unit = signal.outlook
    assert (unit.max_loss, unit.max_gain, unit.breakevens) == (D(317), D(383), (D("101.17"),))
    assert unit.pop == pytest.approx(0.4475, abs=0.0001)
    assert unit.greeks is not None
    greeks = (unit.greeks.delta, unit.greeks.gamma, unit.greeks.theta, unit.greeks.vega)
    assert greeks == pytest.approx((0.3279, 0.0014, -0.0082, 0.0092), abs=0.0001)


@pytest.mark.parametrize(("cap", "units", "loss"), [("0.10", 31, "9827"), ("0.02", 6, "1902")])
def test_its_size_follows_the_cap_on_defined_risk(cap: str, units: int, loss: str) -> None:
    limits = Limits(defined_risk=D(cap))
    plan = sizing.size(signal_of(find(verticals.bull())), RiskState(D(100_000), D(100_000)), limits, Costs())
    assert (plan.quantity, plan.max_loss, plan.fees) == (units, D(loss), D(2 * units))


def test_the_example_is_armed_with_target_stop_and_last_day() -> None:
    exits = signal_of(find(verticals.bull())).exits
    assert (exits.target, exits.stop) == (D("5.0850"), D("1.5850"))
    assert exits.close_on == TODAY + timedelta(days=31)
