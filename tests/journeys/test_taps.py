"""Many different taps at once, on a real database and real threads: one decision, and one update acts once."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from bot.bulkheads import Bulkheads
from bot.command import Reply, Room
from bot.dispatch import dispatch
from bot.message import Request
from bot.people import People, Role, User
from engine.model.events import EventKind
from engine.model.trade import ApprovalStatus
from engine.store import Store
from strategies import CATALOGUE
from tests.desk import World, make_world, propose

TAPS = 100
WHO = ("web:ann", "web:bob", "second:7")
PEOPLE = People(
    (User("ann", Role.TRADER, ("web:ann", "second:7")), User("bob", Role.TRADER, ("web:bob",))),
)


def on_a_file(tmp_path: Path) -> World:
    world = make_world(strategies=dict(CATALOGUE), store=Store.create(f"sqlite:///{tmp_path / 'desk.db'}"))
    propose(world)
    return world


def at_once(world: World, requests: list[Request]) -> list[Reply]:
    """The replies to all requests, sent in the same instant to eight threads of each kind."""
    pools = Bulkheads(trading=8, looking=8)
    room = Room(world.desk, PEOPLE, pools.run, lambda: "PAPER")

    async def dispatched() -> list[Reply]:
        return await asyncio.gather(*(dispatch(room, request) for request in requests))

    try:
        return asyncio.run(dispatched())
    finally:
        pools.close()


def test_a_hundred_different_answers_leave_one_decision(tmp_path: Path) -> None:
    world = on_a_file(tmp_path)
    verbs = ("approve", "reject", "half")

    replies = at_once(
        world, [Request(WHO[n % 2], action=f"{verbs[n % 3]}:A00001.1", source=f"t:{n}") for n in range(TAPS)]
    )

    assert Counter(reply.error for reply in replies) == {"": 1, "already decided": TAPS - 1}
    with world.store.read() as work:
        approval = work.approval("A00001")
    assert len(world.broker.posts) == (approval.status is ApprovalStatus.APPROVED)
    assert approval.version == (2 if approval.is_pending else 1)


def test_one_update_delivered_a_hundred_times_acts_once(tmp_path: Path) -> None:
    world = on_a_file(tmp_path)

    replies = at_once(world, [Request("web:ann", action="reject:A00001.1", source="web:update:1")] * TAPS)

    assert all(reply.is_ok for reply in replies)
    assert sum(bool(reply.cards) for reply in replies) == 1
    with world.store.read() as work:
        assert len(work.events(kinds=[EventKind.COMMAND])) == 1
