"""Two hundred taps at once, each of them fine alone: what is reserved and what is held never pass a limit together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from threading import Barrier, Event, Thread

import numpy as np
import pytest

from engine import approvals, standing
from engine.approvals import Outcome
from engine.errors import AlreadyDecided
from engine.model.book import Account
from engine.model.instruments import Right
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import Limits
from engine.model.orders import Ticket
from engine.model.trade import Approval, TradePlan
from engine.store import Store
from strategies import CATALOGUE
from tests import make
from tests.desk import FakeBroker, World, make_world, propose
from tests.fakes import FakeClock

D = Decimal
TAPS = 200
THREADS = 16
PUTS = tuple(f"P{chr(65 + n)}" for n in range(9))
CALLS = tuple(f"C{chr(65 + n)}" for n in range(9))
INDEX = ("SPY", "QQQ", "IWM")


def put(rng: np.random.Generator) -> TradePlan:
    """One or two cash-secured 44 puts: 4,400 of collateral each."""
    ticker = str(rng.choice(PUTS))
    legs = (Leg(make.put(44, underlying=ticker), -1),)
    return make.plan(make.signal(ticker=ticker, legs=legs), int(rng.integers(1, 3)))


def spread(rng: np.random.Generator) -> TradePlan:
    """One to five index put spreads: 400 of risk each, on one of two expiries."""
    ticker, dte = str(rng.choice(INDEX)), int(rng.choice((31, 38)))
    signal = make.signal(
        strategy="spx_credit_spreads",
        ticker=ticker,
        structure=Structure.CREDIT_SPREAD,
        legs=make.vertical(50, 45, Right.PUT, dte, ticker),
        limit=D("-1.00"),
        natural=D("-0.98"),
        outlook=make.outlook(max_loss=D(400), max_gain=D(100), collateral=D(500)),
    )
    quantity = int(rng.integers(1, 6))
    return make.plan(signal, quantity, counted_risk=D(400) * quantity)


def call(rng: np.random.Generator) -> TradePlan:
    """One to four bought calls of a high-risk strategy: 225 of premium each."""
    ticker = str(rng.choice(CALLS))
    signal = make.signal(
        strategy="wsb_dip",
        ticker=ticker,
        structure=Structure.LONG_CALL,
        legs=(Leg(make.call(50, underlying=ticker), 1),),
        limit=D("2.25"),
        natural=D("2.26"),
        at_risk=0.01,
        exits=ExitPlan(),
        outlook=make.outlook(max_loss=D(225), max_gain=None, collateral=D(0)),
    )
    quantity = int(rng.integers(1, 5))
    return make.plan(signal, quantity, counted_risk=D(225) * quantity)


KINDS: tuple[Callable[[np.random.Generator], TradePlan], ...] = (put, spread, call)
SIDES = {Structure.SHORT_PUT: ("1.02", "1.04"), Structure.LONG_CALL: ("2.24", "2.26")}


def quote(world: World, plan: TradePlan) -> None:
    """Fresh quotes at which the plan's price stands."""
    signal = plan.signal
    world.market.set_quote(make.share(signal.ticker), "47.99", "48.01")
    for leg, (bid, ask) in zip(signal.legs, (SIDES.get(signal.structure, ("1.99", "2.01")), ("0.99", "1.01"))):  # noqa: B905
        world.market.set_quote(leg.instrument, bid, ask)


def opened(url: str, seed: int) -> tuple[World, list[Approval]]:
    """A desk on this database with two hundred proposals; each was within the limits when it was made."""
    rng = np.random.default_rng(seed)
    world = make_world(strategies=dict(CATALOGUE), store=Store.open(url))
    for ticker in (*PUTS, *CALLS, *INDEX):  # every name goes its own way: no two are correlated
        world.market.set_bars(make.bars(48 * np.exp(np.cumsum(rng.normal(0, 0.02, 260))), ticker))
    waiting = []
    for number in range(TAPS):
        plan = KINDS[int(rng.integers(len(KINDS)))](rng)
        quote(world, plan)
        waiting.append(propose(world, plan=plan, id=f"A{number:05d}"))
    return world, waiting


def tap_all(world: World, waiting: list[Approval]) -> list[Outcome | None]:
    """How each tap ended, all of them from sixteen threads that start together; None: refused in words."""
    gate = Barrier(THREADS)
    groups = [waiting[start::THREADS] for start in range(THREADS)]

    def run(group: list[Approval]) -> list[Outcome | None]:
        gate.wait()
        return [tap(approval) for approval in group]

    def tap(approval: Approval) -> Outcome | None:
        try:
            return approvals.approve(world.desk, approval.id, 1, "ann").outcome
        except AlreadyDecided:
            return None

    with ThreadPoolExecutor(THREADS) as pool:
        return [outcome for ended in pool.map(run, groups) for outcome in ended]


def total(tickets: list[tuple[Ticket, TradePlan]], of: Callable[[TradePlan], Decimal | None]) -> Decimal:
    return sum((of(plan) or D(0) for _, plan in tickets), D(0))


def by(tickets: list[tuple[Ticket, TradePlan]], name: Callable[[TradePlan], object]) -> list[Decimal]:
    """Counted risk, or what the larger of it and the collateral is, summed by name."""
    sums: dict[object, Decimal] = defaultdict(Decimal)
    for _, plan in tickets:
        sums[name(plan)] += plan.counted_risk if plan.signal.structure is not Structure.SHORT_PUT else plan.collateral
    return list(sums.values())


@pytest.mark.parametrize("seed", [1, 2])
def test_two_hundred_taps_at_once_never_pass_a_limit_together(durable_url: str, seed: int) -> None:
    world, waiting = opened(durable_url, seed)
    world = replace(world, desk=replace(world.desk, limits=replace(world.desk.limits, high_risk_strategy=D("0.03"))))

    outcomes = tap_all(world, waiting)

    with world.store.read() as work:
        tickets = [(t, work.approval_version(t.id.split(".")[0], t.version).plan) for t in work.open_tickets()]
    equity, limits = D(100_000), world.desk.limits
    spreads = [row for row in tickets if row[1].signal.strategy == "spx_credit_spreads"]
    dips = [row for row in tickets if row[1].signal.strategy == "wsb_dip"]
    puts = [row for row in tickets if row[1].signal.structure is Structure.SHORT_PUT]
    paid = total(dips, lambda plan: -plan.net_cash)
    assert total(tickets, lambda plan: plan.counted_risk) <= limits.max_total_risk * equity
    assert total(puts, lambda plan: plan.collateral) <= limits.put_collateral_total * equity
    assert total(spreads, lambda plan: plan.counted_risk) <= limits.index_spreads * equity
    assert max(by(spreads, lambda plan: plan.signal.options[0].expiry)) <= limits.one_expiry * equity
    assert total(dips, lambda plan: plan.counted_risk) <= limits.high_risk_strategy * equity
    assert max(by(tickets, lambda plan: plan.signal.ticker)) <= limits.one_underlying * equity
    assert total(tickets, lambda plan: plan.collateral + plan.fees) + paid <= equity
    # each limit on several trades was reached: one more of its kind would not have fitted
    assert total(spreads, lambda plan: plan.counted_risk) > (limits.index_spreads - D("0.02")) * equity
    assert total(dips, lambda plan: plan.counted_risk) > (limits.high_risk_strategy - D("0.01")) * equity
    assert total(puts, lambda plan: plan.collateral) > (limits.put_collateral_total - D("0.10")) * equity
    assert outcomes.count(Outcome.SENT) == len(tickets) == len(world.broker.posts) == len(set(world.broker.posts))
    assert outcomes.count(Outcome.SENT) + outcomes.count(Outcome.BLOCKED) == TAPS


class MovingClock(FakeClock):
    """A microsecond passes with every look at it."""

    def __init__(self) -> None:
        super().__init__()
        self._ticks = count(1)

    def __call__(self) -> datetime:
        return self.now + timedelta(microseconds=next(self._ticks))


class HoldingBroker(FakeBroker):
    """A broker whose buying power is without what its open orders would take, from the moment it takes them."""

    def account(self) -> Account:
        held = sum((44 * 100 * order.quantity for order in tuple(self.sent.values())), 0)
        return replace(super().account(), options_buying_power=D(POWER - held))


POWER = 60_000
"""Less than the limits would allow, so that nothing but the broker's money stops the taps."""


def test_taps_spend_the_brokers_money_once_while_it_is_asked_all_the_time(durable_url: str) -> None:
    """Neither twice what is free, between an order and its answer, nor half of it, once the answer knows the order."""
    rng = np.random.default_rng(3)
    limits = Limits(put_collateral_total=D("0.95"), one_underlying=D("0.50"))
    world = make_world(strategies=dict(CATALOGUE), store=Store.open(durable_url), limits=limits)
    clock = MovingClock()
    world = replace(world, desk=replace(world.desk, broker=HoldingBroker(clock), now=clock))
    waiting = []
    for number, ticker in enumerate(PUTS * 4):
        world.market.set_bars(make.bars(48 * np.exp(np.cumsum(rng.normal(0, 0.02, 260))), ticker))
        legs = (Leg(make.put(44, underlying=ticker), -1),)
        plan = make.plan(make.signal(ticker=ticker, legs=legs), 1)
        quote(world, plan)
        waiting.append(propose(world, plan=plan, id=f"A{number:05d}"))
    ended = Event()

    def ask() -> None:
        while not ended.is_set():
            standing.refresh_account(world.desk)

    asking = Thread(target=ask, daemon=True)
    asking.start()
    tap_all(world, waiting[:8])
    standing.refresh_account(world.desk)
    tap_all(world, waiting[8:])
    ended.set()
    asking.join()

    with world.store.read() as work:
        spent = sum(4_400 * ticket.quantity for ticket in work.open_tickets())
    assert POWER - 4_400 < spent <= POWER
