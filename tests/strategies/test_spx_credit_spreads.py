"""Index credit spreads: the worked example, every near miss by the rule it names, the exits on each side."""

from datetime import timedelta
from typing import Any

import pytest

from engine import sizing
from engine.model.legs import Structure
from engine.model.limits import Costs, Limits
from engine.model.market import MarketSnapshot
from engine.model.trade import Context, Found, Signal
from engine.risk import RiskState
from strategies import spx_credit_spreads
from tests import make
from tests.make import TODAY, D
from tests.strategies import verticals

PARAMS = spx_credit_spreads.Params()


def find(snapshot: MarketSnapshot, given: Context | None = None, params: Any = PARAMS) -> Found:
    return spx_credit_spreads.find(snapshot, given or verticals.index_context(), params)


def signal_of(found: Found) -> Signal:
    assert [step for step in found.steps if not step.passed] == []
    (signal,) = found.signals
    return signal


def test_the_worked_example_sells_the_580_put_and_buys_the_575_put() -> None:
    signal = signal_of(find(verticals.index()))
    assert signal.legs == make.vertical(580, 575)
    assert (signal.limit, signal.natural, signal.spot) == (D("-1.00"), D("-0.90"), D(600))
    assert signal.structure is Structure.CREDIT_SPREAD
    unit = signal.outlook
    assert (unit.max_loss, unit.max_gain, unit.breakevens) == (D(400), D(100), (D(579),))
    assert unit.pop == pytest.approx(0.7446, abs=0.0001)
    assert unit.greeks is not None
    greeks = (unit.greeks.delta, unit.greeks.gamma, unit.greeks.theta, unit.greeks.vega)
    assert greeks == pytest.approx((0.0417, -0.0011, 0.0093, -0.0608), abs=0.0001)


@pytest.mark.parametrize(("cap", "units"), [("0.10", 25), ("0.02", 5)])
def test_its_size_follows_the_cap_on_defined_risk(cap: str, units: int) -> None:
    limits = Limits(defined_risk=D(cap))
    plan = sizing.size(signal_of(find(verticals.index())), RiskState(D(100_000), D(100_000)), limits, Costs())
    assert (plan.quantity, plan.fees) == (units, D(2 * units))


def test_the_example_is_armed_with_target_stop_and_last_day() -> None:
    exits = signal_of(find(verticals.index())).exits
    assert (exits.target, exits.stop, exits.before_close) == (D("-0.50"), D("-3.00"), None)
    assert exits.close_on == TODAY + timedelta(days=17)
