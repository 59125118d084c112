"""Two people on two platforms and the exits thread reach for one position at the same moment: one closing order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from bot.bulkheads import inline
from bot.command import Room
from bot.dispatch import answer
from bot.message import Request
from bot.people import People, Role, User
from engine import exits, orders
from engine.desk import Desk
from engine.model.book import Position
from engine.model.legs import ExitPlan
from engine.model.limits import ApprovalRules
from engine.store import Store
from tests.desk import World, make_world
from tests.engine.exit_cases import SHARE, calls, quote, shares
from tests.wire import WireWorld, trading_world

D = Decimal
SEEDS = 40
PEOPLE = People((User("ann", Role.ADMIN, ("web:ann",)), User("tom", Role.TRADER, ("telegram:7",))))
SOURCES = count(1)


def at_once(seed: int, *acts: Callable[[], object]) -> list[object]:
    """What the acts gave, each on a thread of its own, let go together and then up to 3 ms apart."""
    delays = np.random.default_rng(seed).uniform(0, 0.003, len(acts))
    gate = threading.Barrier(len(acts))
    never = threading.Event()
    given: list[object] = [None] * len(acts)

    def run(place: int) -> None:
        gate.wait()
        never.wait(float(delays[place]))
        given[place] = acts[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given


def race(desk: Desk, position_id: str, seed: int) -> int:
    """How many of the two people and the exits thread were told that they closed it."""
    room = Room(desk, PEOPLE, inline, lambda: "PAPER")

    def tap(who: str) -> Callable[[], bool]:
        request = Request(who, f"/close {position_id}", source=f"race:{next(SOURCES)}")
        return lambda: answer(room, request).is_ok

    def look() -> bool:
        return bool(exits.supervise(desk))

    return sum(bool(won) for won in at_once(seed, tap("web:ann"), tap("telegram:7"), look, look))


def closers(posts: list[str], position_id: str) -> list[str]:
    return [id for id in posts if id.startswith(f"{position_id}.") and ".net." not in id]


def keep(world: World, position: Position) -> None:
    with world.store.begin() as work:
        work.save_position(position)


def on_a_file(tmp_path: Path) -> World:
    store = Store.create(f"sqlite:///{tmp_path / 'desk.db'}")
    return make_world(store=store, rules=ApprovalRules())


def test_one_closing_order_for_an_option_at_its_target_over_many_seeds(tmp_path: Path) -> None:
    world = on_a_file(tmp_path)
    for seed in range(SEEDS):
        position = calls(ExitPlan(target=D("2.00")), id=f"P{seed:05d}")
        keep(world, position)
        quote(world, "2.20", "2.30")

        assert race(world.desk, position.id, seed) == 1, seed
        (order,) = closers(world.broker.posts, position.id)
        assert order.endswith(".1")
        world.broker.fill(order)
        orders.reconcile(world.desk)


def test_one_closing_order_for_shares_whose_net_has_to_make_way_over_many_seeds(tmp_path: Path) -> None:
    world = on_a_file(tmp_path)
    for seed in range(SEEDS):
        position = shares(ExitPlan(target=D(85), stop_spot=D(60)), id=f"P{seed:05d}")
        keep(world, position)
        quote(world, "2.20", "2.30", spot=80)
        exits.supervise(world.desk)
        assert world.broker.open_orders() == (f"{position.id}.net.1.1",)
        quote(world, "2.20", "2.30", spot=90)

        assert race(world.desk, position.id, seed) <= 1, seed
        exits.supervise(world.desk)

        (order,) = closers(world.broker.posts, position.id)
        assert world.broker.open_orders() == (order,)
        world.broker.fill(order)
        orders.reconcile(world.desk)


@contextmanager
def wire_on_a_file(tmp_path: Path) -> Iterator[WireWorld]:
    store = Store.create(f"sqlite:///{tmp_path / 'desk.db'}")
    with trading_world(store=store, rules=ApprovalRules()) as wire:
        yield wire


def test_one_closing_order_on_the_wire_over_several_seeds(tmp_path: Path) -> None:
    with wire_on_a_file(tmp_path) as wire:
        for seed in range(12):
            position = shares(ExitPlan(target=D(85), stop_spot=D(60)), id=f"P{seed:05d}")
            wire.hold(position)
            wire.quote(SHARE, "79.99", "80.01")
            exits.supervise(wire.desk)
            wire.exchange.matching = False
            wire.quote(SHARE, "89.99", "90.01")

            assert race(wire.desk, position.id, seed) <= 1, seed
            orders.reconcile(wire.desk)
            orders.work(wire.desk)
            exits.supervise(wire.desk)

            posts = [body["client_order_id"] for body in wire.posted]
            assert len(closers(posts, position.id)) == 1, seed
            wire.clock.advance(1)
            wire.exchange.matching = True
            wire.quote(SHARE, "89.99", "90.01")
            orders.reconcile(wire.desk)
            assert wire.exchange.held("XYZ") == 0


@pytest.mark.postgres
def test_one_closing_order_on_postgres(postgres_url: str) -> None:
    world = make_world(store=Store.create(postgres_url))
    for seed in range(10):
        position = calls(ExitPlan(target=D("2.00")), id=f"P{seed:05d}")
        keep(world, position)
        quote(world, "2.20", "2.30")

        assert race(world.desk, position.id, seed) == 1, seed
        (order,) = closers(world.broker.posts, position.id)
        world.broker.fill(order)
        orders.reconcile(world.desk)
    world.store.close()
