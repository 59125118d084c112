"""One process runs a desk at a time; it ends in order, and what it left is taken up at once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from alerts.routes import Channels
from bot.app import build_desk, build_feeds
from bot.bulkheads import Bulkheads, inline
from bot.command import Pool, Room
from bot.config import load
from bot.loops import Desks, account_step
from bot.message import PLAIN, Card, Manner, MessageRef
from bot.people import owner
from bot.platforms.replay_chat import DESTINATION, ReplayChat
from bot.preferences import Preferences, save
from bot.runtime import Runtime, Work
from bot.serve import Serving, serve
from engine import activities, backup, digests, orders, restore
from engine.brokers.alpaca_stream import TradeStream
from engine.errors import ConfigError, LeaseLost
from engine.model.backups import BackupRules, Occasion
from engine.model.book import PostingKind
from engine.model.events import Event, EventKind
from engine.model.orders import Activity, ActivityKind
from engine.store import Store, UnitOfWork
from engine.store.operations import LEASE
from tests import make
from tests.desk import World, make_world
from tests.standins.alpaca import KEY, SECRET
from tests.standins.alpaca_stream import AlpacaStream
from tests.wire import wire_world


def serving(world: World, *works: Work) -> tuple[Serving, ReplayChat]:
    chat = ReplayChat()
    room = Room(world.desk, owner(["test:1"]), inline, lambda: "PAPER")
    return Serving(room, Runtime(world.desk, works), {chat.name: chat}, Channels((DESTINATION,), {})), chat


LOOKS = Work("exits", 0.01, (("look", lambda: None),))
"""A loop that looks and does nothing."""


def alike(world: World) -> Desks:
    """One desk for every kind of work."""
    return Desks(*[world.desk] * 5)


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


async def test_a_served_desk_brings_a_digest_at_a_person_s_own_time() -> None:
    """It was due at 10:00, when the desk was not running: it comes as soon as it runs."""
    world = make_world()
    served, chat = serving(world)
    room = replace(served.room, people=owner([DESTINATION]))
    with world.store.begin() as work:
        save(work, "you", Preferences(digest_at=time(10)), "you", world.clock())
    world.clock.set(world.desk.sessions.close(world.desk.today) + timedelta(minutes=15))
    digests.end_day_once(world.desk)
    task = asyncio.create_task(serve(replace(served, room=room)))
    with world.store.read() as work:
        (event,) = work.newest_events((EventKind.DIGEST_READY,))
    while not _is_routed(world, event):
        await asyncio.sleep(0.01)
    assert chat.messages == {}
    task.cancel()
    await task

    world.clock.set(world.desk.sessions.at(date(2026, 6, 16), "10:30"))
    task = asyncio.create_task(serve(replace(served, room=room)))
    while not chat.messages:
        await asyncio.sleep(0.01)
    task.cancel()
    await task

    assert [card.title for card in chat.messages.values()] == ["Digest Mon 15 Jun 26"]


async def test_a_digest_of_recorded_days_waits_for_the_person_s_time_on_their_clock() -> None:
    world = make_world()
    served, chat = serving(world)
    years_later = world.clock() + timedelta(days=6000)
    room = replace(served.room, people=owner([DESTINATION]))
    with world.store.begin() as work:
        save(work, "you", Preferences(digest_at=time(18)), "you", world.clock())
    world.clock.set(world.desk.sessions.close(world.desk.today) + timedelta(minutes=15))
    digests.end_day_once(world.desk)
    with world.store.read() as work:
        (event,) = work.newest_events((EventKind.DIGEST_READY,))
    task = asyncio.create_task(serve(replace(served, room=room, clock=lambda: years_later)))
    while not _is_routed(world, event):
        await asyncio.sleep(0.01)
    task.cancel()
    await task

    with world.store.read() as work:
        assert [each.version for each in work.deliveries(event.id)] == [0]
    assert chat.messages == {}


def _is_routed(world: World, event: Event) -> bool:
    with world.store.read() as work:
        return any(each.sent_at is not None for each in work.deliveries(event.id))


class HangingChat(ReplayChat):
    """A platform that takes a message and never says that it has."""

    @property
    def name(self) -> str:
        return "hung"

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        await asyncio.Event().wait()
        return MessageRef(self.name, chat, "")


async def test_a_desk_on_restored_books_says_so_before_anything_else(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    Store.create(url).close()
    kept = backup.make(url, BackupRules(), make.NOW, Occasion.HAND)
    restore.restore(url, kept.file, make.NOW)
    world = make_world(store=Store.open(url))
    made, chat = serving(world)

    serves = asyncio.create_task(serve(made))
    assert await _within(lambda: bool(chat.messages))
    os.kill(os.getpid(), signal.SIGTERM)
    await serves

    (card,) = chat.messages.values()
    assert card.title == "URGENT: Entries halted"
    assert "compare with the broker before /resume" in str(card)


async def test_a_chat_that_hangs_holds_up_neither_the_exits_nor_the_alerts_elsewhere() -> None:
    world, looks = make_world(), []
    served, chat = serving(world, Work("exits", 0.01, (("look", lambda: looks.append(1)),)))
    both = {"hung": HangingChat(), **served.platforms}
    channels = Channels(("hung:desk", DESTINATION), {})
    with world.store.begin() as work:
        work.add_event(Event("E9", EventKind.HALTED, world.clock(), "desk", {"by": "ann"}))
    task = asyncio.create_task(serve(replace(served, platforms=both, channels=channels, patience=0.1)))

    async with asyncio.timeout(5):
        while not chat.messages or len(looks) < 5:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait_for(task, 5)

    assert [card.title for card in chat.messages.values()] == ["Entries halted"]
    with world.store.read() as work:
        assert work.outbox_waiting() == 1


async def test_a_process_that_lost_the_desk_ends_and_says_so() -> None:
    world = make_world()
    served, _ = serving(world, LOOKS)
    task = asyncio.create_task(serve(replace(served, renew_every=0.01)))
    assert await _within(lambda: _has_started(served))
    with world.store.begin() as work:
        work.take_lease(
            LEASE, "elsewhere:1:0", world.clock() + timedelta(minutes=1), world.clock() + timedelta(minutes=2)
        )

    with pytest.raises(LeaseLost, match="taken this desk over"):
        await asyncio.wait_for(task, 5)


class AwayStore:
    """A store whose next transactions fail, as those of a database that is away for a moment."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failing = 0
        self.failed = 0

    def begin(self) -> AbstractContextManager[UnitOfWork]:
        if self.failing:
            self.failing -= 1
            self.failed += 1
            raise OSError("the database is away")
        return self._store.begin()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


async def test_a_database_that_is_away_for_a_moment_does_not_end_the_desk() -> None:
    world = make_world()
    store = AwayStore(world.store)
    world = replace(world, desk=replace(world.desk, store=store))  # type: ignore[arg-type]
    served, _ = serving(world, LOOKS)
    task = asyncio.create_task(serve(replace(served, renew_every=0.01)))
    assert await _within(lambda: _has_started(served))
    store.failing = 3

    assert await _within(lambda: store.failed == 3)

    await asyncio.sleep(0.05)
    assert not task.done()
    task.cancel()
    await task


def _has_started(served: Serving) -> bool:
    """Whether its start is over: its loops begin when the lease is taken and the books are open."""
    return served.runtime.beats[0].looks > 0


def _leased(world: World) -> bool:
    with world.store.read() as work:
        return work.lease(LEASE) is not None


async def test_the_books_of_an_account_at_a_broker_begin_with_its_own_cash() -> None:
    world = make_world(deposit=None)
    world.broker.cash = Decimal("12345.67")

    for _ in range(2):
        served, _ = serving(world, LOOKS)
        task = asyncio.create_task(serve(served))
        assert await _within(lambda served=served: _has_started(served))  # type: ignore[misc]
        task.cancel()
        await task
        world.broker.cash += 1000

    assert _start(world) == Decimal("12345.67")


async def test_what_the_broker_reported_before_the_books_began_is_not_booked_on_top() -> None:
    world = make_world(deposit=None)
    world.broker.cash = Decimal(10_000)
    before = Activity("a1", ActivityKind.DEPOSIT, world.clock() - timedelta(days=2), None, 0, Decimal(10_000))
    later = replace(before, id="a2", at=world.clock(), amount=Decimal(500))
    world.broker.happened = [before]
    account_step(world.desk)
    world.broker.happened.append(later)

    activities.settle(world.desk)

    with world.store.read() as work:
        totals = work.totals()
    assert (totals.start, totals.flows, totals.cash) == (Decimal(10_000), Decimal(500), Decimal(10_500))


async def test_books_that_could_not_be_opened_at_the_start_begin_with_the_first_answer() -> None:
    world = make_world(deposit=None)
    with world.store.begin() as work:
        work.add_postings((make.deposit(-100, PostingKind.TRADE, "fill"),))
    world.broker.cash = Decimal(5_000)

    account_step(world.desk)

    with world.store.read() as work:
        assert (work.totals().start, work.totals().cash) == (Decimal(5_100), Decimal(5_000))


def _start(world: World) -> Decimal:
    with world.store.read() as work:
        return work.totals().start


def test_a_desk_at_alpaca_is_not_opened_with_the_configured_account_size() -> None:
    config = load(None, {"ALPACA_API_KEY": "PK1", "ALPACA_SECRET_KEY": "secret"})
    store = Store.memory()

    build_desk(replace(config, desk=replace(config.desk, broker="alpaca")), store)

    with store.read() as work:
        assert work.totals().start == 0


async def test_an_update_of_the_stream_is_booked_long_before_the_next_look() -> None:
    looks: list[int] = []

    def look() -> None:
        listening = server.listening
        orders.reconcile(world.desk)
        looks.append(listening)

    with wire_world() as world, AlpacaStream(world.exchange, KEY, SECRET) as server:
        runtime = Runtime(world.desk, [Work("fills", 600, (("fills", look),))])
        stream = TradeStream(KEY, SECRET, runtime.wake, np.random.default_rng(7), url_override=server.url)
        room = Room(world.desk, owner(["test:1"]), inline, lambda: "PAPER")
        served = Serving(room, runtime, {}, Channels((DESTINATION,), {}), feeds=(stream,))
        task = asyncio.create_task(serve(served))
        world.approve()
        assert await _within(lambda: looks[-1:] == [1]), "no look that began when it listened"

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


class SlowChat(ReplayChat):
    """A platform that has a message taken when the desk is ending."""

    def __init__(self) -> None:
        super().__init__()
        self.taking, self.ending = asyncio.Event(), asyncio.Event()

    async def day(self) -> None:
        """Canceled when the desk begins to end."""
        try:
            await asyncio.Event().wait()
        finally:
            self.ending.set()

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        self.taking.set()
        await self.ending.wait()
        return await super().post(chat, card, manner)


async def test_a_message_on_its_way_arrives_before_the_desk_ends_and_no_further_one_begins() -> None:
    world, chat = make_world(), SlowChat()
    served, _ = serving(world)
    with world.store.begin() as work:
        for number in (1, 2):
            work.add_event(Event(f"E{number}", EventKind.HALTED, world.clock(), "desk", {"by": "ann"}))
    task = asyncio.create_task(serve(replace(served, platforms={chat.name: chat}, day=chat.day)))
    await asyncio.wait_for(chat.taking.wait(), 5)

    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 5)

    assert len(chat.messages) == 1
    with world.store.read() as work:
        assert work.outbox_waiting() == 1


async def test_a_trade_under_way_is_finished_before_the_desk_is_given_up() -> None:
    world, pools = make_world(), Bulkheads(trading=1)
    served, _ = serving(world)
    task = asyncio.create_task(serve(replace(served, quiet=pools.quiet)))
    await _within(lambda: _leased(world))
    begun, leases = threading.Event(), []

    def trade() -> None:
        begun.set()
        threading.Event().wait(0.4)
        with world.store.read() as work:
            leases.append(work.lease(LEASE))

    acting = asyncio.create_task(pools.run(Pool.TRADE, trade))
    await _within(begun.is_set)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 5)

    await acting
    pools.close()
    assert [lease.expires > world.clock() for lease in leases if lease is not None] == [True]


async def test_a_second_signal_does_not_cut_the_end_short() -> None:
    world = make_world()
    served, _ = serving(world)

    async def impatient(seconds: float) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.05)
        return True

    task = asyncio.create_task(serve(replace(served, quiet=impatient)))
    await _within(lambda: _leased(world))
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 5)

    with world.store.read() as work:
        lease = work.lease(LEASE)
    assert lease is not None
    assert lease.expires <= world.clock()
