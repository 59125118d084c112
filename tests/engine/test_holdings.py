"""The broker's holdings and ours: a difference is told once, an order under way is none."""

from dataclasses import dataclass, replace

from engine import approvals, holdings, orders
from engine.model.book import Holding
from engine.model.events import EventKind
from tests import make
from tests.desk import FakeBroker, World, make_world, propose

PUT, SHARE = make.put(), make.share()


@dataclass
class Custodian(FakeBroker):
    """A broker that says what it is told to hold."""

    held: tuple[Holding, ...] = ()

    def holdings(self) -> tuple[Holding, ...]:
        return self.held


def world_holding(*held: Holding) -> tuple[World, Custodian]:
    """A desk that sold two puts, at a broker that holds `held`."""
    world = make_world()
    broker = Custodian(**vars(world.broker))
    world = replace(world, broker=broker, desk=replace(world.desk, broker=broker))
    propose(world)
    approvals.approve(world.desk, "A00001", 1, "ann")
    broker.fill("A00001.1.1")
    broker.held = held
    return world, broker


def told(world: World) -> int:
    with world.store.read() as work:
        return sum(event.kind is EventKind.POSITION_MISMATCH for event in work.events())


def test_what_agrees_is_not_told() -> None:
    world, _ = world_holding(Holding(PUT, -2, make.D("1.03")))
    orders.reconcile(world.desk)

    assert (holdings.compare(world.desk), told(world)) == ({}, 0)


def test_an_execution_that_is_not_booked_yet_is_no_difference() -> None:
    world, _ = world_holding(Holding(PUT, -2, make.D("1.03")))

    assert holdings.compare(world.desk) == {}


def test_shares_that_came_from_nowhere_are_told_once() -> None:
    world, _ = world_holding(Holding(SHARE, 200, make.D(44)))
    orders.reconcile(world.desk)

    found = [holdings.compare(world.desk) for _ in range(3)]

    assert found[0] == {SHARE: (200, 0), PUT: (0, -2)}
    assert told(world) == 1


def test_a_difference_that_comes_back_is_told_again() -> None:
    world, broker = world_holding()
    orders.reconcile(world.desk)
    for held in ((), (Holding(PUT, -2, make.D("1.03")),), ()):
        broker.held = held
        holdings.compare(world.desk)

    assert told(world) == 2
