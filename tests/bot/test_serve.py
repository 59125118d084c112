"""One process runs a desk at a time; it ends in order, and what it left is taken up at once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from alerts.routes import Channels
from bot.app import build_feeds
from bot.bulkheads import inline
from bot.command import Room
from bot.config import load
from bot.loops import Desks
from bot.people import owner
from bot.platforms.replay_chat import DESTINATION, ReplayChat
from bot.runtime import Runtime, Work
from bot.serve import LEASE, Serving, holder, serve, take_lease
from engine import orders
from engine.brokers.alpaca_stream import TradeStream
from engine.errors import ConfigError
from engine.model.events import Event, EventKind
from tests.desk import World, make_world
from tests.standins.alpaca import KEY, SECRET
from tests.standins.alpaca_stream import AlpacaStream
from tests.wire import wire_world


def serving(world: World, *works: Work) -> tuple[Serving, ReplayChat]:
    chat = ReplayChat()
    room = Room(world.desk, owner(["test:1"]), inline, lambda: "PAPER")
    return Serving(room, Runtime(world.desk, works), {chat.name: chat}, Channels((DESTINATION,), {})), chat


def alike(world: World) -> Desks:
    """One desk for every kind of work."""
    return Desks(*[world.desk] * 5)


def test_a_desk_that_another_process_runs_is_refused_by_name() -> None:
    world = make_world()
    take_lease(world.desk, "elsewhere:1")

    with pytest.raises(ConfigError, match="elsewhere:1"):
        take_lease(world.desk, holder())


def test_the_lease_of_another_machine_is_free_when_it_was_not_renewed() -> None:
    world = make_world()
    take_lease(world.desk, "elsewhere:1")
    world.clock.advance(16)

    assert take_lease(world.desk, holder()).holder == holder()


def test_the_lease_of_a_killed_process_of_this_machine_is_taken_over_at_once() -> None:
    world = make_world()
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    host, _, _ = holder().rpartition(":")
    first = take_lease(world.desk, f"{host}:{gone.stdout.strip()}")

    taken = take_lease(world.desk, holder())

    assert (taken.holder, taken.epoch) == (holder(), first.epoch + 1)


async def test_a_desk_before_the_wrong_account_does_not_start() -> None:
    world = make_world(account="PA-MINE")
    looks: list[int] = []
    desk, _ = serving(world, Work("exits", 0.05, (("look", lambda: looks.append(1)),)))

    with pytest.raises(ConfigError, match="account is PA-TEST, the pinned one is PA-MINE"):
        await serve(desk)

    assert looks == []
    with world.store.read() as work:
        assert work.lease(LEASE) is None


async def test_an_account_that_cannot_be_asked_keeps_no_exit_from_starting() -> None:
    world = make_world(account="PA-TEST")
    world.broker.is_mute = True
    looking = asyncio.Event()
    loop = asyncio.get_running_loop()
    desk, _ = serving(world, Work("exits", 0.05, (("look", lambda: loop.call_soon_threadsafe(looking.set)),)))
    running = asyncio.create_task(serve(desk))

    await asyncio.wait_for(looking.wait(), 10)

    running.cancel()
    await running
    assert world.desk.verified == set()


async def test_a_served_desk_tells_what_happens_and_ends_on_a_signal() -> None:
    world = make_world()
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()
    served, chat = serving(world, Work("exits", 0.01, (("look", lambda: loop.call_soon_threadsafe(looked.set)),)))
    with world.store.begin() as work:
        work.add_event(Event("E9", EventKind.HALTED, world.clock(), "desk", {"by": "ann"}))
    task = asyncio.create_task(serve(served))
    await asyncio.wait_for(looked.wait(), 5)
    while not chat.messages:
        await asyncio.sleep(0.01)

    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 5)

    assert [card.title for card in chat.messages.values()] == ["Entries halted"]
    with world.store.read() as work:
        lease = work.lease(LEASE)
    assert lease is not None
    assert lease.expires <= world.clock()


async def test_a_process_that_lost_the_desk_ends_and_says_so() -> None:
    world = make_world()
    served, _ = serving(world)
    task = asyncio.create_task(serve(replace(served, renew_every=0.01)))
    while True:
        with world.store.read() as work:
            if work.lease(LEASE) is not None:
                break
        await asyncio.sleep(0.01)
    with world.store.begin() as work:
        work.take_lease(
            LEASE, "elsewhere:1", world.clock() + timedelta(minutes=1), world.clock() + timedelta(minutes=2)
        )

    with pytest.raises(ConfigError, match="taken this desk over"):
        await asyncio.wait_for(task, 5)


async def test_an_update_of_the_stream_is_booked_long_before_the_next_look() -> None:
    with wire_world() as world, AlpacaStream(world.exchange, KEY, SECRET) as server:
        runtime = Runtime(world.desk, [Work("fills", 600, (("fills", lambda: orders.reconcile(world.desk)),))])
        stream = TradeStream(KEY, SECRET, runtime.wake, np.random.default_rng(7), url_override=server.url)
        room = Room(world.desk, owner(["test:1"]), inline, lambda: "PAPER")
        served = Serving(room, runtime, {}, Channels((DESTINATION,), {}), feeds=(stream,))
        task = asyncio.create_task(serve(served))
        world.approve()
        assert await _within(lambda: server.listening == 1 and runtime.beats[0].looks >= 2)

        world.exchange.fill("A00001.1.1", 2)

        assert await _within(lambda: world.ticket().filled == 2)
        task.cancel()
        await task
        assert not stream.state.is_listening


async def _within(claim: Callable[[], bool], seconds: float = 10.0) -> bool:
    for _ in range(int(seconds / 0.02)):
        if claim():
            return True
        await asyncio.sleep(0.02)
    return False


def test_a_desk_on_the_exchange_inside_this_program_listens_to_nobody() -> None:
    assert build_feeds(load(None, {}), Runtime(make_world().desk, ()), alike(make_world())) == ()


def test_a_desk_at_alpaca_listens_where_the_environment_says() -> None:
    config = load(None, {"ALPACA_API_KEY": "PK1", "ALPACA_SECRET_KEY": "secret"})
    config = replace(config, desk=replace(config.desk, broker="alpaca"))
    wrong = replace(config, alpaca=replace(config.alpaca, stream_url="wss://api.alpaca.markets/stream"))

    assert len(build_feeds(config, Runtime(make_world().desk, ()), alike(make_world()))) == 1
    with pytest.raises(ConfigError, match="ALPACA_STREAM_URL"):
        build_feeds(wrong, Runtime(make_world().desk, ()), alike(make_world()))
