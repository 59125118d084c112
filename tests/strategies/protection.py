"""The name of earnings protection's worked example, its chain, its shares and its put, for its tests."""

from datetime import timedelta
from typing import Any

import numpy as np

from engine.model.legs import Leg, Structure
from engine.model.market import Chain, Earnings, MarketSnapshot, ReportTime
from engine.model.trade import Context, Found, Signal
from engine.volatility import constant_maturity_iv
from strategies import earnings_protection
from strategies.earnings_protection import Params
from tests import make
from tests.make import TODAY, D
from tests.strategies import cases

FRONT = make.chain(
    puts=make.rows(
        "95: 4.5805/4.53/4.63/-0.3500; 100: 6.8298/6.78/6.88/-0.4633",
        {95: 1.12, 100: 1.10},
    ),
    calls=make.rows(
        "100: 6.9284/6.88/6.98/0.5367; 110: 3.1001/3.05/3.15/0.3144",
        {100: 1.10, 110: 1.06},
    ),
    spot=100,
    dte=9,
)
LATER = make.chain(
    puts=make.rows("95: 5.2562/5.21/5.31/-0.3523; 115: 17.1888/17.14/17.24/-0.7397", {95: 0.62, 115: 0.58}),
    spot=100,
    dte=37,
)
CHAIN = make.join(FRONT, LATER)
WITH_DIAGONAL = make.join(
    FRONT,
    make.chain(puts=make.rows("86: 1.9/1.88/1.92/-0.17", {86: 1.16}), spot=100, dte=9),
    LATER,
    make.chain(puts=make.rows("100: 7.37/7.32/7.42/-0.44", {100: 0.61}), spot=100, dte=37),
)
REPORT = Earnings(TODAY + timedelta(days=3), ReportTime.AFTER_CLOSE, True, ("one", "two"))
AFTER = TODAY + timedelta(days=4)
SAID = Params(front_iv_after=0.45, later_iv_after=0.38)
"""The volatilities after the report that the example names."""
AT_2 = Params(front_iv_after=0.45, later_iv_after=0.38, free_loss=0.02)
SESSIONS = tuple(day.astype(object) for day in np.busday_offset(np.datetime64(TODAY, "D"), np.arange(30)))


def ranked_days(rank: float) -> Any:
    """A year of IV in which today's (about 0.64 at 30 days) stands at `rank`."""
    iv = today_iv()
    low, high = iv - 0.5 * rank / 100, iv + 0.5 * (1 - rank / 100)
    return make.iv_days([low] * 59 + [high])


def today_iv() -> float:
    found = constant_maturity_iv(CHAIN)
    assert found is not None
    return found


def name(**more: Any) -> MarketSnapshot:
    defaults: dict[str, Any] = {
        "spot": 100,
        "chain": CHAIN,
        "earnings": (REPORT,),
        "iv_history": ranked_days(82),
        "bars": make.bars([100.0] * 260),
    }
    return make.snapshot(**(defaults | more))


def shares(quantity: int = 200, **more: Any) -> Any:
    return cases.assigned_shares(quantity, "90", **more)


def context(*owned: Any, **more: Any) -> Context:
    """The shares of the example are the wheel's; what else is owned by name of this strategy is its own."""
    held = owned or (shares(),)
    own = tuple(p for p in held if p.strategy == "earnings_protection")
    return make.context(**({"owned": held, "held": own, "next_sessions": SESSIONS} | more))


def find(snapshot: MarketSnapshot | None = None, given: Context | None = None, params: Params = SAID) -> Found:
    return earnings_protection.find(snapshot or name(), given or context(), params)


def signals(found: Found) -> tuple[Signal, ...]:
    assert [step for step in found.steps if not step.passed] == []
    return found.signals


def value(found: Found, rule: str) -> str:
    return next(step.value for step in found.steps if step.rule == rule)


def reasons(signal: Signal) -> str:
    return " | ".join(signal.reasons)


def report(days: int, when: ReportTime = ReportTime.AFTER_CLOSE, confirmed: bool = True) -> Earnings:
    return Earnings(TODAY + timedelta(days=days), when, confirmed, ("one", "two") if confirmed else ("one",))


def way(chain: Chain, which: str, **more: Any) -> str:
    """What the card says of a way that is not compared; "" when it is."""
    first = signals(find(name(chain=chain), **more))[0]
    return next((line for line in first.against if line.startswith(f"Not compared: {which}: ")), "")


def bought(structure: Structure = Structure.COLLAR, **more: Any) -> Any:
    """The put of the example, held by this strategy."""
    put = make.put(95, dte=9)
    defaults: dict[str, Any] = {
        "id": "P00009",
        "campaign": "P00009",
        "strategy": "earnings_protection",
        "structure": structure,
        "legs": (Leg(put, 1),),
        "lots": (make.held(put, 2, "4.58"),),
        "entry": D("4.58"),
        "opened_units": 2,
        "exits": make.exits(close_on=AFTER),
    }
    return make.position(**(defaults | more))
