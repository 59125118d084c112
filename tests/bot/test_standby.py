"""`wsb run --standby`: a look at the lease now and then, and nothing else until it is free."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cli import parse
from bot.notify import Supervisor
from bot.standby import stand_by
from engine import leadership
from engine.store.operations import LEASE
from tests.desk import World, make_world

SOON = 5.0


def led_elsewhere() -> World:
    world = make_world()
    with world.store.begin() as work:
        work.take_lease(LEASE, "other:2:0", world.clock(), world.clock() + timedelta(hours=1))
    return world


async def test_a_desk_that_nobody_runs_is_led_at_the_first_look() -> None:
    world = make_world()

    await asyncio.wait_for(stand_by(world.store, world.clock, Supervisor()), SOON)

    assert (world.store.term.epoch, world.store.term.may_act) == (1, True)


async def test_a_desk_that_is_given_back_is_led_and_systemd_hears_of_the_wait(tmp_path: Path) -> None:
    world, heard = led_elsewhere(), tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.bind(str(heard))
        out.settimeout(SOON)
        waiting = asyncio.create_task(stand_by(world.store, world.clock, Supervisor(str(heard))))
        assert b"Stands by." in await asyncio.to_thread(out.recv, 100)
        assert await asyncio.to_thread(out.recv, 100) == b"WATCHDOG=1"
        with world.store.begin() as work:
            work.free_lease(LEASE, "other:2:0", 1, world.clock())

        await asyncio.wait_for(waiting, SOON)

    assert world.store.term.epoch == 2


async def test_a_signal_ends_the_wait_and_nothing_but_a_sign_of_life_was_written() -> None:
    world = led_elsewhere()
    with world.store.read() as work:
        before = {setting.name for setting in work.settings()}
    waiting = asyncio.create_task(stand_by(world.store, world.clock, Supervisor()))
    async with asyncio.timeout(SOON):
        while not _signs(world):
            await asyncio.sleep(0.01)

    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, SOON)

    with world.store.read() as work:
        assert {setting.name for setting in work.settings()} - before == {leadership.STANDBY}
    assert not world.store.term.is_fenced


def _signs(world: World) -> str:
    with world.store.read() as work:
        return leadership.standing_by(work, world.clock())


def test_standby_is_an_option_of_run() -> None:
    assert parse(["run", "--config", "x.toml", "--standby"]).standby
    assert not parse(["run", "--config", "x.toml"]).standby
