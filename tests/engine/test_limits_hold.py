"""Whatever people and the market do in whatever order: what is held and what is reserved never passes a limit.

Random sequences of proposals, taps, partial fills, cancels, rejections and closes in several names and kinds of trade,
at prices that do not move: every order that was accepted is then inside every limit, and so are all of them together.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine import approvals, exits, locks, orders, standing
from engine.approvals import Outcome
from engine.errors import DeskError
from engine.model.instruments import Option, Right, Stock
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import Limits
from engine.model.locks import LockStatus
from engine.model.orders import Purpose, Ticket
from engine.model.trade import RiskLevel, Strategy, TradePlan
from strategies import CATALOGUE
from tests import make
from tests.desk import make_world

D = Decimal
NAMES = ("AAA", "BBB", "CCC", "SPY", "QQQ")
LIMITS = Limits(
    max_total_risk=D("0.03"),
    leaps_total=D("0.004"),
    index_spreads=D("0.013"),
    one_expiry=D("0.01"),
    put_collateral_total=D("0.20"),
    one_underlying=D("0.10"),
    high_risk_strategy=D("0.003"),
)
"""So tight that a few trades reach them."""
COUNTED = {"wheel": D(457), "spx_credit_spreads": D(418), "wsb_dip": D(103), "leaps": D(103), "lotto": D(103)}
"""Dollars one unit counts, worked out by hand: 44 - 0.8 x 48 - 1.03 for the put, the maximum loss for the others."""
QUIET = ExitPlan(stop=D("-99"), words=("Never, in this test.",))


def short_put(name: str) -> dict[str, Any]:
    """Collateral 4,400, 457 counted."""
    legs = (Leg(make.put(44, underlying=name), -1),)
    return {
        "strategy": "wheel",
        "structure": Structure.SHORT_PUT,
        "legs": legs,
        "limit": D("-1.03"),
        "natural": D("-0.98"),
        "outlook": make.outlook(),
    }


def long_call(name: str, strategy: str) -> dict[str, Any]:
    """One option at 1.03: 103 dollars."""
    return {
        "strategy": strategy,
        "structure": Structure.LONG_CALL,
        "legs": (Leg(make.call(50, underlying=name), 1),),
        "limit": D("1.03"),
        "natural": D("1.08"),
        "outlook": make.outlook(max_loss=D(103), max_gain=None, collateral=D(0)),
    }


def spread(name: str) -> dict[str, Any]:
    """A put spread 5 wide for a credit of 0.82: 418 dollars."""
    legs = (
        Leg(Option(name, make.TODAY + timedelta(days=35), Right.PUT, D(44)), -1),
        Leg(Option(name, make.TODAY + timedelta(days=35), Right.PUT, D(39)), 1),
    )
    return {
        "strategy": "spx_credit_spreads",
        "structure": Structure.CREDIT_SPREAD,
        "legs": legs,
        "limit": D("-0.82"),
        "natural": D("-0.76"),
        "outlook": make.outlook(max_loss=D(418), max_gain=D(82), collateral=D(0)),
    }


KINDS = {
    "put": short_put,
    "dip": lambda name: long_call(name, "wsb_dip"),
    "leaps": lambda name: long_call(name, "leaps"),
    "lotto": lambda name: long_call(name, "lotto"),
    "spread": spread,
}


def _catalogue() -> dict[str, Strategy]:
    """The ones that are built, and stand-ins of the same shape for the others."""
    wheel = replace(CATALOGUE["wheel"], exits=None)
    others = {"wsb_dip": RiskLevel.HIGH, "lotto": RiskLevel.HIGH, "leaps": RiskLevel.MEDIUM}
    made = {name: replace(wheel, name=name, risk_level=level) for name, level in others.items()}
    return {"wheel": wheel, **made, "spx_credit_spreads": replace(wheel, name="spx_credit_spreads")}


class Trading(RuleBasedStateMachine):
    """A desk with several people and a broker that fills as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.world = make_world(strategies=_catalogue(), limits=LIMITS)
        self.desk = self.world.desk
        self.number = 0
        for name in NAMES:
            self.quote(name)

    def quote(self, name: str) -> None:
        market = self.world.market
        market.set_quote(Stock(name), "47.99", "48.01")
        market.set_quote(make.put(44, underlying=name), "0.98", "1.08")
        market.set_quote(make.call(50, underlying=name), "0.98", "1.08")
        market.set_quote(make.put(39, underlying=name), "0.20", "0.22")

    @rule(kind=st.sampled_from(sorted(KINDS)), name=st.sampled_from(NAMES), units=st.integers(1, 6))
    def propose(self, kind: str, name: str, units: int) -> None:
        """Proposed earlier, by a scan that knew less: nothing here was checked against a limit."""
        self.number += 1
        chosen = KINDS[kind](name)
        signal = make.signal(ticker=name, exits=QUIET, **chosen)
        counted = D(457) if kind == "put" else chosen["outlook"].max_loss
        plan: TradePlan = make.plan(signal, units, counted_risk=counted * units)
        until = self.world.clock() + timedelta(hours=1)
        approval = make.approval(plan, id=f"A{self.number:05d}", created_at=self.world.clock(), expires_at=until)
        with self.world.store.begin() as work:
            work.add_approval(approval)

    def pending(self) -> list[str]:
        with self.world.store.read() as work:
            return [approval.key for approval in work.pending_approvals()]

    def working(self, purpose: Purpose | None = None) -> list[Ticket]:
        with self.world.store.read() as work:
            return [ticket for ticket in work.open_tickets() if purpose in (None, ticket.purpose)]

    @precondition(lambda self: self.pending())
    @rule(data=st.data())
    def approve(self, data: st.DataObject) -> None:
        self.tap(data.draw(st.sampled_from(self.pending())))

    def tap(self, key: str) -> None:
        """A smaller size than was proposed is asked about and approved again at once."""
        id, _, version = key.partition(".")
        standing.refresh_account(self.desk)
        for name in NAMES:
            self.quote(name)
        try:
            decision = approvals.approve(self.desk, id, int(version), "tom")
            if decision.outcome is Outcome.MOVED:
                approvals.approve(self.desk, id, decision.approval.version, "tom")
        except DeskError:
            return

    @precondition(lambda self: self.pending())
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        id, _, version = data.draw(st.sampled_from(self.pending())).partition(".")
        approvals.reject(self.desk, id, int(version), "tom")

    @precondition(lambda self: self.world.broker.open_orders())
    @rule(data=st.data(), units=st.integers(1, 5))
    def fill(self, data: st.DataObject, units: int) -> None:
        broker = self.world.broker
        key = data.draw(st.sampled_from(sorted(broker.open_orders())))
        left = broker.sent[key].quantity - broker.sent[key].filled
        broker.fill(key, min(units, left))
        orders.reconcile(self.desk)

    @precondition(lambda self: self.working())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(sorted(ticket.id for ticket in self.working())))
        orders.cancel(self.desk, ticket, "tom")
        orders.work(self.desk)

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        with self.world.store.read() as work:
            held = sorted(position.id for position in work.open_positions())
        if not held:
            return
        try:
            exits.close(self.desk, data.draw(st.sampled_from(held)), "tom")
        except DeskError:
            return

    @rule(what=st.sampled_from(("desk", "wheel", "AAA")))
    def lock_for_a_while(self, what: str) -> None:
        lock = locks.lock_by_hand(self.desk, what, "ann", "a test", None)
        assert locks.lift(self.desk, lock.id, "ann").status is LockStatus.LIFTED

    @rule(kind=st.sampled_from(sorted(KINDS)), name=st.sampled_from(NAMES), units=st.integers(1, 6))
    def trade(self, kind: str, name: str, units: int) -> None:
        """Proposed and tapped at once."""
        self.propose(kind, name, units)
        self.tap(f"A{self.number:05d}.1")

    def in_use(self) -> list[tuple[str, str, int]]:
        """(strategy, name, units) of all that is held or may still fill, read off the rows and nothing else."""
        with self.world.store.read() as work:
            found = [(p.strategy, p.ticker, p.units) for p in work.open_positions()]
        return [*found, *((t.strategy, t.ticker, t.left) for t in self.working(Purpose.ENTRY))]

    @invariant()
    def every_sum_is_inside_its_limit(self) -> None:
        rows = self.in_use()
        index = {"SPY", "QQQ"}

        def counted(*strategies: str) -> Decimal:
            return sum((COUNTED[s] * units for s, _, units in rows if s in strategies), D(0))

        weight: dict[str, Decimal] = {}
        for strategy, name, units in rows:
            one = "INDEX" if name in index else name
            each = D(4400) if strategy == "wheel" else COUNTED[strategy]
            weight[one] = weight.get(one, D(0)) + each * units
        assert counted(*COUNTED) <= 3_000
        assert max(weight.values(), default=D(0)) <= 10_000
        assert len(weight) <= 3  # nothing is known of their correlations
        assert sum(units for strategy, _, units in rows if strategy == "wheel") * 4_400 <= 20_000
        assert counted("leaps") <= 400
        assert counted("wsb_dip") <= 300
        assert counted("lotto") <= 300
        assert counted("spx_credit_spreads") <= 1_000  # all of one expiry

    @invariant()
    def every_order_is_inside_the_cap_of_its_kind(self) -> None:
        for ticket in self.working(Purpose.ENTRY):
            assert COUNTED[ticket.strategy] * ticket.quantity <= 2_000
            assert ticket.strategy != "lotto" or ticket.quantity * 103 <= 500


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
