"""What systemd hears over its socket: a real datagram socket stands in for it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.routes import Channels
from bot.bulkheads import inline
from bot.command import Room
from bot.monitor import Watched
from bot.notify import Supervisor
from bot.people import owner
from bot.runtime import Runtime, Work
from bot.serve import Serving
from bot.service import Service
from bot.settings import MetricsSettings
from bot.signs import Signs
from bot.standby import Waiting
from tests.desk import make_world
from tests.systemd import Systemd
from tests.waiting import until

PATIENCE = "3000000"
NOWHERE = MetricsSettings(enabled=False)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[tuple[Systemd, Supervisor]]:
    address = str(tmp_path / "notify")
    made = Systemd(address)
    yield made, Supervisor.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": PATIENCE, "WATCHDOG_PID": str(os.getpid())})
    made.close()


def service() -> Service:
    """A desk with a loop of exits that is not started yet."""
    world = make_world()
    room = Room(world.desk, owner(["test:1"]), inline, lambda: "PAPER")
    runtime = Runtime(world.desk, (Work("exits", 0.05, (("exits", lambda: None),)),))
    serving = Serving(room, runtime, {}, Channels((), {}))
    return Service(serving, lambda: None, Watched(world.desk, runtime))


def test_a_desk_is_ready_when_it_acts_and_says_when_it_ends(systemd: tuple[Systemd, Supervisor]) -> None:
    listening, supervisor = systemd
    made = service()
    began = time.monotonic()
    signs = Signs(NOWHERE, supervisor)

    signs.give(made.watched, began)
    assert listening.heard() == ["WATCHDOG=1"]
    made.serving.runtime.start()
    signs.give(made.watched, began + 0.5)
    assert listening.heard() == ["READY=1", "STATUS=Acts for the desk."]
    made.serving.runtime.stop()
    signs.give(made.watched, began + 1.0)
    signs.give(made.watched, began + 1.1)
    assert listening.heard() == ["STOPPING=1", "STATUS=Ends.", "WATCHDOG=1"]


def test_a_process_that_stands_by_is_ready_for_that_and_once_when_it_leads(
    systemd: tuple[Systemd, Supervisor],
) -> None:
    listening, supervisor = systemd
    made, began = service(), time.monotonic()
    waiting = Waiting(made.serving.desk.store, made.serving.desk.now)
    signs = Signs(NOWHERE, supervisor)
    signs.give(waiting, began)
    signs.give(waiting, began + 1.0)
    assert listening.heard() == ["READY=1", "STATUS=Stands by.", "WATCHDOG=1", "WATCHDOG=1"]

    signs.give(made.watched, began + 1.1)
    made.serving.runtime.start()
    signs.give(made.watched, began + 1.2)
    made.serving.runtime.stop()

    assert listening.heard() == ["STATUS=Acts for the desk."]


def test_the_watchdog_hears_nothing_of_a_standby_whose_look_at_the_lease_hangs(
    systemd: tuple[Systemd, Supervisor],
) -> None:
    listening, supervisor = systemd
    world = make_world()
    waiting = Waiting(world.store, world.clock)
    waiting.looked.beat -= 46
    Signs(NOWHERE, supervisor).give(waiting, time.monotonic())

    assert listening.heard() == ["READY=1", "STATUS=Stands by."]
    assert waiting.alive.words.startswith("not alive: looks: the lease was looked at 46.")


def test_the_watchdog_hears_nothing_while_the_exits_hang(systemd: tuple[Systemd, Supervisor]) -> None:
    listening, supervisor = systemd
    made = service()
    made.serving.runtime.is_running = True
    made.serving.runtime._loops["exits"]._beat -= 46
    Signs(NOWHERE, supervisor).give(made.watched, time.monotonic())

    assert listening.heard() == ["READY=1", "STATUS=Acts for the desk."]


async def test_signs_come_from_the_event_loop(systemd: tuple[Systemd, Supervisor]) -> None:
    listening, supervisor = systemd
    made = service()
    made.serving.runtime.start()
    made.watched.pulse.beat = 0.0
    heard: list[str] = []

    def has_heard() -> bool:
        heard.extend(listening.heard())
        return "WATCHDOG=1" in heard

    async with Signs(NOWHERE, supervisor).given(made.watched):
        assert await asyncio.to_thread(until, has_heard)
    made.serving.runtime.stop()

    assert heard[:3] == ["READY=1", "STATUS=Acts for the desk.", "WATCHDOG=1"]
    assert made.watched.pulse.age < 10


def test_an_abstract_address_begins_with_an_at_sign() -> None:
    name = f"wsb-test-{os.getpid()}"
    listening = Systemd(f"\0{name}")
    Supervisor(f"@{name}").tell(READY="1")

    assert listening.heard() == ["READY=1"]
    listening.close()


def test_without_systemd_and_with_one_that_is_gone_nothing_happens(tmp_path: Path) -> None:
    Supervisor.of({}).tell(READY="1")
    Supervisor(str(tmp_path / "gone")).tell(READY="1")


def test_the_watchdog_of_another_process_is_not_ours_to_feed() -> None:
    assert Supervisor.of({"WATCHDOG_USEC": PATIENCE, "WATCHDOG_PID": "1"}).patience is None
    assert Supervisor.of({"WATCHDOG_USEC": PATIENCE}).patience == 3.0
