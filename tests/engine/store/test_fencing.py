"""Two processes on one database and one broker: whatever each does and whenever it is stopped, one of them acts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import pytest

from alerts.outbox import Outbox
from alerts.routes import Route
from engine import approvals, halts, holdings, leadership, orders, panic
from engine.desk import Desk, Mode
from engine.errors import DeskError, LeaseLost
from engine.leadership import Standby
from engine.model.book import Account
from engine.model.events import Event
from engine.model.leadership import LEASE_FOR
from engine.model.orders import Order
from engine.model.records import Delivery, Run
from engine.store import Store
from engine.store.operations import LEASE
from tests import make
from tests.desk import FakeBroker, World, make_world, propose, quote_all, tap
from tests.fakes import ids

STEPS = 300
CHAT = "test:desk"


@dataclass
class Wire:
    """The one broker, as one process reaches it: what comes of whom is written down."""

    broker: FakeBroker
    name: str
    acts: list[tuple[str, str]]
    before_account: list[Callable[[], object]] = field(default_factory=list)

    def __getattr__(self, name: str) -> object:
        return getattr(self.broker, name)

    def submit(self, order: Order) -> Order:
        self.acts.append((self.name, f"submit {order.client_order_id}"))
        return self.broker.submit(order)

    def cancel(self, order: Order) -> None:
        self.acts.append((self.name, f"cancel {order.client_order_id}"))
        self.broker.cancel(order)

    def suspend(self, suspended: bool) -> None:
        self.acts.append((self.name, "suspend"))
        self.broker.suspend(suspended)

    def account(self) -> Account:
        if self.before_account:
            self.before_account.pop()()
        return self.broker.account()


@dataclass
class Process:
    """One process of a desk: its own store, desk and way to the broker."""

    name: str
    desk: Desk
    wire: Wire
    standby: Standby
    delivered: list[tuple[str, str]]

    def renew(self) -> None:
        leadership.renew(self.desk.store, self.desk.now())

    def claim(self) -> None:
        """A run of a job that is due this minute."""
        due = self.desk.now().replace(second=0, microsecond=0)
        with self.desk.store.begin() as work:
            if not any(run.due_at == due for run in work.runs("test", 100)):
                work.add_run(Run(self.desk.new_id("R"), "test", due, due, self.name, self.desk.term.epoch))

    def deliver(self) -> None:
        async def post(event: Event, _: Delivery) -> str:
            self.delivered.append((self.name, event.id))
            return event.id

        def route(event: Event) -> tuple[Route, ...]:
            return (Route(CHAT, event.id),)

        desk = self.desk
        asyncio.run(Outbox(desk.store, desk.now, route, post, goes_on=lambda: desk.term.may_act).lane(CHAT))
        with desk.store.read() as work:
            is_new = bool(work.unrouted_events(1))
        if is_new:
            asyncio.run(Outbox(desk.store, desk.now, route, post, goes_on=lambda: desk.term.may_act).due())


class Pair:
    """A leader and its standby; `world` is the leader's to begin with."""

    def __init__(self, url: str, stack: ExitStack, mode: Mode = Mode.PAPER) -> None:
        self._url, self._stack = url, stack
        self.acts: list[tuple[str, str]] = []
        self.delivered: list[tuple[str, str]] = []
        self.world: World = make_world(store=self._open(), mode=mode)
        self.world.desk.store.term.clock = self.seconds
        self.leader = self._process(self.world.desk)
        self.waiting = self.start()
        leadership.take(self.world.store, self.world.clock(), self.leader.name)

    def seconds(self) -> float:
        return self.world.clock().timestamp()

    def _open(self) -> Store:
        return self._stack.enter_context(Store.open(self._url))

    def start(self) -> Process:
        """A process that stands by."""
        store, number = self._open(), len(self._names)
        store.term.clock = self.seconds
        made = ids()
        return self._process(replace(self.world.desk, store=store, new_id=lambda prefix: f"{made(prefix)}N{number}"))

    _names: tuple[str, ...] = ()

    def _process(self, desk: Desk) -> Process:
        name = f"machine{len(self._names)}:1:0"
        self._names = (*self._names, name)
        wire = Wire(self.world.broker, name, self.acts)
        standby = Standby(desk.store, desk.now, name, self.seconds)
        return Process(name, replace(desk, broker=wire), wire, standby, self.delivered)  # type: ignore[arg-type]

    def taken_over(self) -> Process:
        """The standby leads; the old leader, which was stopped meanwhile, is given back."""
        old, pause = self.leader, LEASE_FOR.total_seconds()
        assert not self.waiting.standby()
        self.world.clock.advance(pause)
        quote_all(self.world)
        assert self.waiting.standby()
        self.leader, self.waiting = self.waiting, self.start()
        return old

    def holder(self) -> str:
        with self.world.store.read() as work:
            lease = work.lease(LEASE)
        return "" if lease is None else lease.holder


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def pair(durable_url: str, stack: ExitStack) -> Pair:
    return Pair(durable_url, stack)


def ticket_ids(process: Process) -> list[str]:
    with process.desk.store.read() as work:
        return [ticket.id for ticket in work.open_tickets()]


def cancel_first(process: Process) -> None:
    for id in ticket_ids(process)[:1]:
        orders.cancel(process.desk, id, "ann")


ACTS: tuple[Callable[[Process], object], ...] = (
    lambda one: orders.send_due(one.desk),
    lambda one: orders.work(one.desk),
    lambda one: orders.reconcile(one.desk),
    lambda one: orders.resume(one.desk),
    lambda one: approvals.expire_due(one.desk),
    lambda one: holdings.reconcile(one.desk),
    lambda one: halts.halt(one.desk, "ann"),
    *[lambda one: halts.resume(one.desk, "ann")] * 3,
    cancel_first,
    Process.claim,
    Process.deliver,
)


@pytest.mark.parametrize("seed", range(4))
def test_only_the_holder_of_the_lease_acts_however_two_processes_interleave(pair: Pair, seed: int):
    """Stopped leaders go on with whatever they like, at any time; what reaches the broker or a chat is the holder's."""
    rng = np.random.default_rng(seed)
    gone: list[Process] = []
    done = 0
    for number in range(STEPS):
        pair.world.clock.advance(float(rng.integers(0, 8)))
        quote_all(pair.world)
        pair.leader.renew()
        if rng.random() < 0.1:
            gone.append(pair.taken_over())
        everyone = [pair.leader, pair.leader, pair.leader, *gone[-2:], pair.waiting]
        if rng.random() < 0.2:
            suggest(pair, number)
        one = everyone[rng.integers(len(everyone))]
        if one is pair.waiting:
            assert not one.standby()
            continue
        wire, chats = len(pair.acts), len(pair.delivered)
        with suppress(LeaseLost if one is not pair.leader else DeskError):
            ACTS[rng.integers(len(ACTS))](one)
        news = {name for name, _ in (*pair.acts[wire:], *pair.delivered[chats:])}
        assert news <= {pair.holder()}, f"step {number}: {one.name} acted under the lease of {pair.holder()}"
        done += len(news)
    assert gone
    assert done >= 5
    assert_nothing_twice(pair)


def suggest(pair: Pair, number: int) -> None:
    """A proposal that is approved in the process that leads."""
    desk = pair.leader.desk
    approval = make.approval(id=f"A{number:05d}", created_at=pair.world.clock())
    with desk.store.begin() as work:
        work.add_approval(approval)
    with suppress(DeskError):
        approvals.approve(desk, approval.id, 1, "ann")


def assert_nothing_twice(pair: Pair) -> None:
    submitted = [act for _, act in pair.acts if act.startswith("submit")]
    assert len(submitted) == len(set(submitted)) > 0
    events = [event for _, event in pair.delivered]
    assert len(events) == len(set(events))
    with pair.world.store.read() as work:
        due = [run.due_at for run in work.runs("test", STEPS)]
        assert len(due) == len(set(due))


def acts_of_an_order(process: Process) -> tuple[Callable[[], object], ...]:
    """Everything that could reach the broker with an order."""
    desk = process.desk
    return (
        lambda: orders.send_due(desk),
        lambda: orders.work(desk),
        lambda: orders.resume(desk),
        lambda: orders.cancel(desk, "A00001.1", "ann"),
        lambda: approvals.approve(desk, "A00002", 1, "ann"),
        lambda: panic.freeze(desk, "ann"),
    )


@pytest.mark.parametrize("number", range(6))
def test_an_old_leader_sends_and_cancels_nothing(pair: Pair, number: int):
    for id in ("A00001", "A00002"):
        propose(replace(pair.world, desk=pair.leader.desk), id=id)
    approvals.approve(pair.leader.desk, "A00001", 1, "ann")
    old = pair.taken_over()
    pair.world.clock.advance(60)
    quote_all(pair.world)
    before = list(pair.acts)

    with suppress(LeaseLost):
        acts_of_an_order(old)[number]()

    assert pair.acts == before
    with pair.world.store.read() as work:
        assert work.approval("A00002").decided_by is None


def test_an_order_whose_process_was_stopped_before_the_wire_is_sent_once_by_its_successor(
    durable_url: str, stack: ExitStack
):
    """Committed by the old leader, stopped while the gate asked for the account, resumed after the takeover."""
    pair = Pair(durable_url, stack, Mode.LIVE)
    stopped = pair.leader
    propose(replace(pair.world, desk=stopped.desk))
    tap(replace(pair.world, desk=stopped.desk))
    pair.world.clock.advance(stopped.desk.rules.undo_live)
    stopped.renew()
    stopped.wire.before_account = [pair.taken_over]

    with pytest.raises(LeaseLost):
        orders.send_due(stopped.desk)

    assert pair.acts == []
    pair.world.clock.advance(1)
    orders.resume(pair.leader.desk)
    assert pair.acts == [(pair.leader.name, "submit A00001.1.1")]
    with pair.world.store.read() as work:
        assert [order.client_order_id for order in work.orders("A00001.1")] == ["A00001.1.1"]


def test_a_cancel_whose_process_was_stopped_before_the_wire_does_not_go_out(pair: Pair):
    propose(replace(pair.world, desk=pair.leader.desk))
    approvals.approve(pair.leader.desk, "A00001", 1, "ann")
    with pair.world.store.read() as work:
        (order,) = work.open_orders()
    old = pair.taken_over()

    with pytest.raises(LeaseLost):
        orders.take_off(old.desk, order)

    assert [act for _, act in pair.acts] == ["submit A00001.1.1"]


def test_an_order_that_was_on_the_wire_when_its_process_was_stopped_is_found_by_its_successor(pair: Pair):
    """The broker has it, its answer was never written down: it is adopted and not sent again."""
    propose(replace(pair.world, desk=pair.leader.desk))
    stopped = pair.leader
    submit = stopped.wire.submit

    def stopped_after(order: Order) -> Order:
        answer = submit(order)
        pair.taken_over()
        return answer

    stopped.wire.submit = stopped_after  # type: ignore[method-assign]
    with pytest.raises(LeaseLost):
        approvals.approve(stopped.desk, "A00001", 1, "ann")

    pair.world.clock.advance(timedelta(seconds=20).total_seconds())
    orders.resume(pair.leader.desk)

    assert [act for _, act in pair.acts] == ["submit A00001.1.1"]
    with pair.world.store.read() as work:
        assert work.order("A00001.1.1").broker_id is not None


def test_a_leader_that_was_only_asleep_sends_nothing_before_it_has_renewed_its_lease(pair: Pair):
    propose(replace(pair.world, desk=pair.leader.desk))
    pair.world.clock.advance(LEASE_FOR.total_seconds())
    quote_all(pair.world)
    with pytest.raises(LeaseLost, match="has run out"):
        approvals.approve(pair.leader.desk, "A00001", 1, "ann")
    assert pair.acts == []

    pair.leader.renew()
    orders.resume(pair.leader.desk)

    assert pair.acts == [(pair.leader.name, "submit A00001.1.1")]
