"""The desk's sign of life proves that it works, not that its process is there."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from bot.heartbeat import EVERY, SESSIONS_KEPT, VITAL, Heartbeat
from bot.loops import Desks, works
from bot.runtime import Beat, Work
from bot.serve import serve
from engine.errors import LeaseLost
from engine.model.leadership import Term
from tests.bot.test_serve import serving
from tests.desk import World, make_world


def looked(name: str, age: float = 0.5, looks: int = 7) -> Beat:
    return Beat(name, age, 0.01, False, looks)


def beats(world: World) -> datetime | None:
    with world.store.read() as work:
        return work.last_beat(world.clock())


@pytest.mark.parametrize("stuck", sorted(VITAL))
def test_a_desk_whose_vital_loop_hangs_gives_no_sign_of_life(stuck: str) -> None:
    world = make_world()
    others = [looked(name) for name in sorted(VITAL) if name != stuck]

    assert Heartbeat(world.desk, lambda: (*others, looked(stuck, EVERY + 0.1))).beat() is False
    assert Heartbeat(world.desk, lambda: (*others, looked(stuck, looks=0))).beat() is False
    assert beats(world) is None


def test_every_vital_loop_is_one_of_a_live_desk() -> None:
    desk = make_world().desk

    assert {work.name for work in works(Desks(*[desk] * 5))} >= VITAL


def test_a_scan_that_takes_long_leaves_the_desk_alive() -> None:
    world = make_world()

    assert Heartbeat(world.desk, lambda: (looked("exits"), looked("scans", 120.0))).beat() is True
    assert beats(world) == world.clock()


def test_a_process_that_acts_no_more_gives_no_sign_of_life() -> None:
    world = make_world()
    world.desk.term.holder, world.desk.term.epoch = "here:1", 1

    with pytest.raises(LeaseLost):
        Heartbeat(world.desk, tuple).beat()

    assert beats(world) is None


def test_signs_of_life_are_kept_for_forty_sessions() -> None:
    world = make_world()
    old = world.desk.sessions.open(world.desk.sessions.previous(world.desk.today, SESSIONS_KEPT))
    with world.store.begin() as work:
        work.beat(old - timedelta(seconds=1), Term())
        work.beat(old, Term())

    Heartbeat(world.desk, tuple).beat()

    with world.store.read() as work:
        assert work.first_beat() == old


async def test_a_desk_that_is_asked_to_end_says_so_with_its_last_sign_of_life() -> None:
    world = make_world()
    desk, _ = serving(world, Work("exits", 0.01, (("look", lambda: None),)))
    running = asyncio.create_task(serve(desk))
    async with asyncio.timeout(10):
        while beats(world) is None:
            await asyncio.sleep(0.01)

    running.cancel()
    await running

    world.clock.advance(60)
    with world.store.read() as work:
        (silence,) = work.silences(world.clock() - timedelta(hours=1), world.clock())
    assert (silence.until, silence.is_planned) == (None, True)
