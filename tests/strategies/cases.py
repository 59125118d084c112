"""Names, chains and positions of the worked examples, for the tests of the strategies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from math import exp, sqrt
from typing import Any

import numpy as np

from engine.model.instruments import Option, Right, Stock
from engine.model.legs import Leg, Structure
from engine.model.market import (
    Bars,
    Chain,
    Contract,
    Dividend,
    Earnings,
    Floats,
    Fundamentals,
    MarketSnapshot,
    ReportTime,
)
from engine.model.trade import Found, Signal, Step, Unknown, Verdict
from tests import make
from tests.make import D

WHEEL_PUTS = make.rows(
    "40: 0.3266/0.28/0.38/-0.0923; 44: 1.0345/0.98/1.08/-0.2392; 48: 2.5703/2.52/2.62/-0.4613",
    {40: 0.48, 44: 0.46, 48: 0.45},
)
WHEEL_CALLS = make.rows(
    "44: 2.4274/2.38/2.48/0.4650; 48: 1.1279/1.08/1.18/0.2735; 52: 0.4964/0.45/0.55/0.1428",
    {44: 0.62, 48: 0.6, 52: 0.6},
)
DIP_CALLS = make.rows(
    "110: 5.5559/5.51/5.61/0.4881; 113: 4.2563/4.21/4.31/0.4125; 115: 3.5299/3.48/3.58/0.3638",
    {110: 0.51, 113: 0.5, 115: 0.495},
)


def put_chain(dte: int = 35, **more: Any) -> Chain:
    return make.chain(puts=WHEEL_PUTS, spot=48, dte=dte, **more)


def wheel_chain() -> Chain:
    """The three listed expiries of the wheel example: 18, 35 and 60 days."""
    return make.join(put_chain(18), put_chain(35), put_chain(60))


def call_chain(dte: int = 30, **more: Any) -> Chain:
    return make.chain(calls=WHEEL_CALLS, spot=42.5, dte=dte, **more)


def dip_chain(dte: int = 30, **more: Any) -> Chain:
    return make.chain(calls=DIP_CALLS, spot=108, dte=dte, **more)


def dip_chains() -> Chain:
    """The three listed expiries of the dip example: 23, 30 and 44 days."""
    return make.join(dip_chain(23), dip_chain(30), dip_chain(44))


def changed(chain: Chain, at: float, /, **columns: float) -> Chain:
    """The chain with these columns of the rows at one strike replaced."""
    row = chain.strike == at
    new: Any = {name: np.where(row, value, getattr(chain, name)) for name, value in columns.items()}
    return replace(chain, **new)


def swinging(last: float = 48.0, volatility: float = 0.40, count: int = 60) -> list[float]:
    """`count` closes that end at `last` and move up and down by the same step: 30 returns have this volatility."""
    step = volatility / sqrt(252) / sqrt(30 / 29)
    return [last * exp(step * ((count - 1 - row) % 2)) for row in range(count)]


def quarterly(amount: str = "0.36", days_ago: int = 20) -> tuple[Dividend, ...]:
    """Five quarterly dividends, the last one `days_ago`; 0.36 on 48 is 3 %."""
    return tuple(make.dividend(-days_ago - 91 * quarter, amount) for quarter in reversed(range(5)))


def forbidden() -> Chain | None:
    """A chain nobody may ask for: the rules before it have to remove the name."""
    raise AssertionError("the chain was asked for although a cheaper rule had failed")


def wheel_name(**more: Any) -> MarketSnapshot:
    """The name of the wheel example; pass what should differ."""
    defaults: dict[str, Any] = {
        "spot": 48,
        "bars": make.bars(swinging()),
        "dividends": quarterly(),
        "earnings": (make.earnings(60),),
        "chain": wheel_chain(),
    }
    return make.snapshot(**(defaults | more))


def dip_name(**more: Any) -> MarketSnapshot:
    """The name of the dip example: a run from 100 to 112 in ten sessions, now 108."""
    defaults: dict[str, Any] = {
        "spot": 108,
        "bars": make.bars(ran()),
        "fundamentals": Fundamentals(market_cap=D(50_000_000_000), sector="Technology"),
        "earnings": (make.earnings(28),),
        "iv_history": make.iv_days((0.5,) * 20),
        "chain": dip_chains(),
    }
    return make.snapshot(**(defaults | more))


def ran(run: float = 0.12, volatility: float = 0.50) -> list[float]:
    """50 quiet closes, 100 eleven sessions ago and ten even steps to 100 x (1 + run) yesterday."""
    quiet = swinging(100.0, volatility, 51)
    return [*quiet, *(100 * (1 + run) ** (step / 10) for step in range(1, 11))]


def spy(change: float = 0.0) -> MarketSnapshot:
    """SPY at 600 yesterday, moved by `change` today."""
    return make.snapshot("SPY", spot=round(600 * (1 + change), 2), bars=make.bars([600.0] * 60, ticker="SPY"))


def reported(moves: Sequence[float], spot: float = 60.0) -> tuple[Bars, tuple[Earnings, ...]]:
    """Bars that end at `spot` and stand still but for the move after each report, after a close, every 60 sessions."""
    factors = np.ones(60 * len(moves) + 5)
    places = [60 * number + 30 for number in range(len(moves))]
    factors[places] = 1 + np.array(moves)
    closes = np.cumprod(factors)
    bars = make.bars(closes / closes[-1] * spot)
    days = [bars.day[place - 1].astype(object) for place in places]
    return bars, tuple(Earnings(day, ReportTime.AFTER_CLOSE, confirmed=True) for day in days)


def signal_of(found: Found) -> Signal:
    """The one signal of a name that no rule has removed."""
    assert [step for step in found.steps if not step.passed] == []
    (signal,) = found.signals
    return signal


def value_of(found: Found, rule: str) -> str:
    """What a rule found."""
    return next(step.value for step in found.steps if step.rule == rule)


def last_step(found: Found) -> Step:
    return found.steps[-1]


def failed_at(found: Found) -> tuple[str, str]:
    """(rule, value) of the rule that removed the name; it has to be the last one asked."""
    assert not found.signals
    assert [step.rule for step in found.steps if not step.passed] == [found.steps[-1].rule]
    return found.steps[-1].rule, found.steps[-1].value


def asked(found: Found, rule: str) -> tuple[str, bool]:
    """(value, whether it holds) of one rule that the name was asked."""
    (step,) = (each for each in found.steps if each.rule == rule)
    return step.value, step.passed


def with_volume(bars: Bars, volume: Floats) -> Bars:
    """The bars with these volumes."""
    return replace(bars, volume=volume)


def not_checked(found: Found) -> list[str]:
    return [step.rule for step in found.steps if step.verdict is Verdict.NOT_CHECKED]


SKIP = {"unknown": Unknown.SKIP}


def assigned_shares(quantity: int = 200, basis: str = "42.97", **more: Any) -> Any:
    """Shares of XYZ that came by assignment."""
    defaults: dict[str, Any] = {
        "id": "P00002",
        "structure": Structure.SHARES,
        "legs": (Leg(Stock(make.TICKER), 1),),
        "lots": (make.held(Stock(make.TICKER), quantity, basis),),
        "entry": D(basis),
        "opened_units": quantity,
    }
    return make.position(**(defaults | more))


def short(option: Option, quantity: int = 2, price: str = "1.03", **more: Any) -> Any:
    """A short option of the wheel, `quantity` contracts sold at `price`."""
    is_put = option.right is Right.PUT
    defaults: dict[str, Any] = {
        "structure": Structure.SHORT_PUT if is_put else Structure.COVERED_CALL,
        "legs": (Leg(option, -1),),
        "lots": (make.held(option, -quantity, price),),
        "entry": -D(price),
        "opened_units": quantity,
        "fees": D(quantity),
        "collateral": option.strike * 100 * quantity if is_put else D(0),
    }
    return make.position(**(defaults | more))


def long_call(quantity: int, opened: int | None = None, price: str = "4.26", **more: Any) -> Any:
    """A call of the dip example, bought at `price`."""
    option = make.call(113, dte=30)
    defaults: dict[str, Any] = {
        "strategy": "wsb_dip",
        "structure": Structure.LONG_CALL,
        "legs": (Leg(option, 1),),
        "lots": (make.held(option, quantity, price),),
        "entry": D(price),
        "opened_units": opened or quantity,
    }
    return make.position(**(defaults | more))


def on(snapshot: MarketSnapshot, today: date) -> MarketSnapshot:
    """The same name on another day."""
    return replace(snapshot, today=today)


def days_left(dte: int, expiry: date) -> date:
    return expiry - timedelta(days=dte)


def contract(chain: Chain, strike: float, right: Right) -> Contract:
    row = chain.find(make.option(strike, right, expiry=chain.expiries[0]))
    assert row is not None
    return row


def agreement(
    panel: Mapping[str, Bars],
    screen: Callable[..., Mapping[str, Any]],
    find: Callable[..., Found],
    params: Any,
    screened: tuple[str, ...],
    rows: Callable[[Bars], list[int]],
) -> tuple[int, int]:
    """(hits, sessions) compared: `screen` says yes exactly where no screened rule of `find` fails.

    Each session is seen at its close, with the sessions before it completed.
    """
    masks = screen(panel, params)
    hits = seen = 0
    for ticker, bars in panel.items():
        for row in rows(bars):
            bar = bars.bar(row)
            snapshot = make.snapshot(
                ticker, spot=None, bars=bars[:row], today=bar.day, session=bar, load_chain=forbidden
            )
            steps = find(snapshot, make.context(today=bar.day), params).steps
            passes = not any(step.rule in screened and not step.passed for step in steps)
            assert bool(masks[ticker][row]) == passes, (ticker, bar.day, steps)
            hits += passes
            seen += 1
    return hits, seen


def random_panel(seed: int, count: int = 90) -> dict[str, Bars]:
    """Three names with random prices and volumes near the thresholds."""
    rng = np.random.default_rng(seed)
    panel = {}
    for ticker in ("AAA", "BBB", "CCC"):
        returns = rng.normal(0.002, rng.uniform(0.01, 0.05), count)
        bars = make.bars(50 * np.exp(np.cumsum(returns)), ticker=ticker)
        panel[ticker] = replace(bars, volume=rng.normal(1_000_000, 50_000, count))
    return panel
