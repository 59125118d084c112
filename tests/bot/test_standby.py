"""`wsb run --standby`: a look at the lease now and then, and nothing else until it is free."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from bot import app
from bot.cli import main, parse
from bot.notify import Supervisor
from bot.settings import MetricsSettings
from bot.signs import Signs
from bot.standby import stand_by
from engine import backup, leadership
from engine.errors import BackupFailed
from engine.model.backups import BackupRules
from engine.schema import HEAD
from engine.store import Store
from engine.store.operations import LEASE
from tests.desk import World, make_world
from tests.older import made_at

SOON = 5.0
NOWHERE = MetricsSettings(enabled=False)


def silent() -> Signs:
    """Signs that nobody sees."""
    return Signs(NOWHERE, Supervisor())


def led_elsewhere() -> World:
    world = make_world()
    with world.store.begin() as work:
        work.take_lease(LEASE, "other:2:0", world.clock(), world.clock() + timedelta(hours=1))
    return world


async def test_a_desk_that_nobody_runs_is_led_at_the_first_look() -> None:
    world = make_world()

    await asyncio.wait_for(stand_by(world.store, world.clock, silent(), world.store.revision), SOON)

    assert (world.store.term.epoch, world.store.term.may_act) == (1, True)


async def test_a_desk_that_is_given_back_is_led_and_systemd_hears_of_the_wait(tmp_path: Path) -> None:
    world, heard = led_elsewhere(), tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.bind(str(heard))
        out.settimeout(SOON)
        waiting = asyncio.create_task(
            stand_by(world.store, world.clock, Signs(NOWHERE, Supervisor(str(heard), 30.0)), world.store.revision)
        )
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
    waiting = asyncio.create_task(stand_by(world.store, world.clock, silent(), world.store.revision))
    async with asyncio.timeout(SOON):
        while not _signs(world.store, world):
            await asyncio.sleep(0.01)

    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, SOON)

    with world.store.read() as work:
        assert {setting.name for setting in work.settings()} - before == {leadership.STANDBY}
    assert not world.store.term.is_fenced


def _signs(store: Store, world: World) -> str:
    with store.read() as work:
        return leadership.standing_by(work, world.clock())


def test_an_older_desk_is_waited_for_then_backed_up_and_upgraded(tmp_path: Path) -> None:
    world, rules = make_world(), BackupRules(folder=str(tmp_path / "backups"))
    url = made_at("0005", tmp_path / "desk.db")
    seen: list[str | None] = []

    async def waited(store: Store) -> None:
        def upgrade() -> None:
            seen.append(Store.revision_at(url))
            backup.bring_up(url, rules, world.clock(), store.term.holder)

        waiting = asyncio.create_task(stand_by(store, world.clock, silent(), upgrade))
        async with asyncio.timeout(SOON):
            while not _signs(store, world):
                await asyncio.sleep(0.01)
        assert (seen, Store.revision_at(url)) == ([], "0005")
        with store.begin() as work:
            work.free_lease(LEASE, "other:2:0", 1, world.clock())
        await asyncio.wait_for(waiting, SOON)

    with app.waiting_store(url, rules) as store:
        with store.begin() as work:
            work.take_lease(LEASE, "other:2:0", world.clock(), world.clock() + timedelta(hours=1))
        asyncio.run(waited(store))

        assert (store.revision(), store.term.may_act) == (HEAD, True)
    assert [each.revision for each in backup.listed(url, rules)] == ["0005"]


async def test_a_desk_whose_upgrade_fails_is_given_back() -> None:
    world = make_world()

    def fails() -> None:
        raise BackupFailed("The disk is full.")

    with pytest.raises(BackupFailed):
        await asyncio.wait_for(stand_by(world.store, world.clock, silent(), fails), SOON)

    with world.store.read() as work:
        held = work.lease(LEASE)
    assert held is not None
    assert held.holder == leadership.NOBODY


def test_standby_is_an_option_of_run() -> None:
    assert parse(["run", "--config", "x.toml", "--standby"]).standby
    assert not parse(["run", "--config", "x.toml"]).standby


@pytest.mark.parametrize("words", [["db", "upgrade"], ["db", "upgrade", "--no-backup"]])
def test_an_upgrade_by_hand_beneath_a_running_desk_is_refused(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url, now = made_at("0005", tmp_path / "desk.db"), app.system_clock()
    with Store.as_it_is(url) as store, store.begin() as work:
        work.take_lease(LEASE, "other:2:0", now, now + timedelta(hours=1))
    monkeypatch.setenv("DATABASE_URL", url)

    with pytest.raises(SystemExit, match="2"):
        main(words)

    assert "other:2 runs this desk on it" in capsys.readouterr().err
    assert Store.revision_at(url) == "0005"
