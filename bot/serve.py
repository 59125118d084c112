"""A live desk as one process: loops, chat platforms and outbox, from the first look to a clean end.

Nothing here chooses adapters (that is `bot.app`): it starts what it is given, in an order in which exits come first,
and stops it so that nothing is lost.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import structlog

from alerts import outbox
from alerts.routes import Channels, routes
from alerts.scheduler import Scheduler
from bot import digest_times
from bot.command import Pool, Room
from bot.deliver import Postman
from bot.fronts import Fronts
from bot.heartbeat import Heartbeat
from bot.platforms.base import Platform
from bot.runtime import Runtime
from engine import activities, audit, gateway, leadership, restore
from engine.desk import Desk
from engine.errors import BrokerUnavailable, ConfigError, LeaseLost
from engine.model.book import Account
from engine.model.leadership import LEASE_FOR

log = structlog.get_logger()

Task = asyncio.Task[None]

ACCOUNT_WITHIN = 4.0
"""Seconds the broker has to name its account before the loops start without it."""
PUMP_EVERY = 0.2
DIGESTS_EVERY = 30.0
"""Seconds between two looks at whose time for the digest has come."""
WATCH_EVERY = 5.0
LAST_WORDS = 1.5
"""Seconds that messages on their way have to arrive, when the desk ends."""
GOODBYE = 1.5
"""Seconds the platforms have to answer what people asked, and to close."""
LAST_ACTS = 0.5
"""Seconds more that a trade under way has, when its platform is gone already."""
LAST_JOBS = 0.5
"""Seconds for jobs to end: what is cut off is taken up by the next process."""
LAST_STEPS = 2.5
"""Seconds the loops have to finish their step, while the platforms close; the streams before them one."""


class FeedState(Protocol):
    """How a feed is doing."""

    @property
    def is_listening(self) -> bool:
        """Whether it hears what happens."""

    @property
    def words(self) -> str:
        """For /health."""


class Feed(Protocol):
    """Something that listens on a thread of its own."""

    @property
    def title(self) -> str:
        """What it is, for people."""

    @property
    def state(self) -> FeedState:
        """How it is doing now."""

    def start(self) -> None:
        """Begin to listen."""

    def stop(self, seconds: float = 2.0) -> bool:
        """End; whether it has within so many seconds."""


async def no_day() -> None:
    """A live desk's day needs no loop of its own: its work stands in the runtime."""


async def nothing_under_way(seconds: float) -> bool:
    """Where nobody counts the work of people, none is waited for."""
    del seconds
    return True


@dataclass(frozen=True, slots=True)
class Serving:
    """Everything one process runs.

    Its lease is renewed every `renew_every` seconds; a platform has `patience` seconds to take a message.

    Attributes:
        platforms: where cards go. fronts: those of them that are connected to; None where none is.
        scheduler: what runs jobs at their times; None where a day loop does.
        day: what runs beside it all and may end (the day loop of a practice).
        clock: the time people and processes live in, where the desk's own is another; None for the desk's.
        quiet: whether nothing that people began and that acts is under way any more, within so many seconds.
    """

    room: Room
    runtime: Runtime
    platforms: Mapping[str, Platform]
    channels: Channels
    renew_every: float = leadership.RENEW_EVERY
    patience: float = 20.0
    feeds: tuple[Feed, ...] = ()
    fronts: Fronts | None = None
    scheduler: Scheduler | None = None
    day: Callable[[], Awaitable[None]] = no_day
    clock: Callable[[], datetime] | None = None
    quiet: Callable[[float], Awaitable[bool]] = nothing_under_way

    @property
    def desk(self) -> Desk:
        """The desk by the clock of people and processes: for its lease and its deliveries."""
        return self.room.desk if self.clock is None else replace(self.room.desk, now=self.clock)


async def serve(serving: Serving) -> None:
    """Run until SIGTERM, SIGINT or the loss of the lease; then end in order.

    A process that stood by has its lease already.

    Raises:
        ConfigError: another process runs this desk, or the keys open another account.
        LeaseLost: another process has taken this desk over, or its database is away.
    """
    end_on_signals()
    desk = serving.desk
    try:
        account = await _check_account(desk)
    except ConfigError:
        leadership.give_back(desk.store, desk.now())
        raise
    leadership.take(desk.store, desk.now(), leadership.holder())
    await asyncio.to_thread(restore.tell, desk)
    await _open_books(desk, account)
    serving.runtime.start()
    for feed in serving.feeds:
        feed.start()
    if serving.scheduler is not None:
        serving.scheduler.start()
    if serving.fronts is not None:
        serving.fronts.start()
    mail = Mail(serving)
    heartbeat = Heartbeat(desk, lambda: serving.runtime.beats)
    day = asyncio.create_task(_lived(serving.day))
    tasks = (
        asyncio.create_task(_renewed(desk, serving.renew_every)),
        asyncio.create_task(mail.run()),
        asyncio.create_task(_watched(serving.runtime)),
        asyncio.create_task(heartbeat.run()),
        day,
    )
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    except asyncio.CancelledError:
        log.info("serve.ending")
        heartbeat.ends_in_order = True
    finally:
        await _ended(serving, mail, day, tasks)


async def _lived(day: Callable[[], Awaitable[None]]) -> None:
    await day()


async def _check_account(desk: Desk) -> Account | None:
    """The account, or the refusal of a desk before the wrong one. None when nobody can tell in time: that does not
    keep the exits from starting, the gate asks again before an order and the books when they look.

    Raises:
        ConfigError: it is another account, or paper and live are mixed up.
    """
    try:
        return await asyncio.wait_for(asyncio.to_thread(gateway.check_account, desk), ACCOUNT_WITHIN)
    except (BrokerUnavailable, TimeoutError) as problem:
        log.warning("serve.account_unknown", problem=repr(problem))
        return None


async def _open_books(desk: Desk, account: Account | None) -> None:
    """Begin the books of an account at a broker; where it does not answer now, the loop of the books does."""
    if account is None:
        return
    try:
        await asyncio.wait_for(asyncio.to_thread(activities.open_books, desk, account), ACCOUNT_WITHIN)
    except (BrokerUnavailable, TimeoutError) as problem:
        log.warning("serve.books_not_open", problem=repr(problem))


def end_on_signals() -> None:
    """Let SIGINT and SIGTERM cancel the task this is called in, once: what ends in order is not cut short by another.

    A shell may have started the process in the background with SIGINT ignored.
    """
    task = asyncio.current_task()
    if task is None or sys.platform == "win32":
        return
    asked: list[int] = []

    def end(number: int) -> None:
        if not asked:
            task.cancel()
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end, number)


async def _ended(serving: Serving, mail: Mail, day: Task, tasks: tuple[Task, ...]) -> None:
    """End within five seconds: what is on its way arrives, what people began is finished, the rest is in the store."""
    day.cancel()
    stopped = asyncio.create_task(asyncio.to_thread(_stop_loops, serving))
    await mail.stop(LAST_WORDS)
    for task in tasks:
        task.cancel()
    late = () if serving.fronts is None else await serving.fronts.stop(GOODBYE)
    if late:
        log.warning("serve.platforms_still_open", platforms=late)
    if not await serving.quiet(LAST_ACTS):
        log.warning("serve.acts_under_way")
    await asyncio.gather(stopped, *tasks, return_exceptions=True)
    desk = serving.desk
    try:
        audit.seal(desk.store)
        leadership.give_back(desk.store, desk.now())
    except Exception as problem:  # why it ends is the news; whoever leads next seals, and waits for the lease's end
        log.error("serve.not_given_back", exc_info=problem)


def _stop_loops(serving: Serving) -> None:
    if serving.scheduler is not None:
        busy = serving.scheduler.stop(LAST_JOBS)
        if busy:
            log.warning("serve.jobs_under_way", lanes=busy)
    for feed in serving.feeds:
        feed.stop(1.0)
    late = serving.runtime.stop(LAST_STEPS)
    if late:
        log.warning("serve.loops_still_busy", loops=late)


async def _renewed(desk: Desk, every: float) -> None:
    """Keep the lease.

    Raises:
        LeaseLost: somebody else has it now, or the database has been away for as long as it holds.
    """
    renewed = time.monotonic()
    thread = ThreadPoolExecutor(1, "lease")  # of its own: whatever hangs elsewhere must not cost the lease
    while True:
        await asyncio.sleep(every)
        try:
            await asyncio.get_running_loop().run_in_executor(thread, _renew, desk)
        except LeaseLost as lost:
            log.error("serve.lease_lost", epoch=desk.term.epoch)
            raise LeaseLost("Another process has taken this desk over: this one ends.") from lost
        except Exception as problem:  # a database that is away for a moment must not end the exits for good
            log.error("serve.lease_not_renewed", exc_info=problem)
            if time.monotonic() - renewed < LEASE_FOR.total_seconds():
                continue
            raise LeaseLost("This desk's database has not answered for too long: this process ends.") from problem
        renewed = time.monotonic()


def _renew(desk: Desk) -> None:
    leadership.renew(desk.store, desk.now())


class Mail:
    """Delivers every event that waits; a platform that fails or hangs holds up no other and never ends it."""

    def __init__(self, serving: Serving) -> None:
        room = serving.room
        postman = Postman(room, serving.platforms, serving.patience)
        self._is_ending = False
        self._serving = serving
        self._digests = 0.0
        """When (monotonic) people's own times for their digest are looked at next."""
        self._lanes = outbox.Lanes(
            outbox.Outbox(
                serving.desk.store,
                serving.desk.now,
                lambda event: routes(event, serving.channels),
                postman,
                postman.lost,
                lambda work: room.run(Pool.PROTECT, work),
                lambda: room.desk.term.may_act,
            )
        )

    async def run(self) -> None:
        """Look again and again until canceled, or until `stop`."""
        while not self._is_ending:
            try:
                await self._put_digests_on_their_way()
                await self._lanes.look()
            except Exception as problem:
                log.error("serve.pump_failed", exc_info=problem)
            await asyncio.sleep(PUMP_EVERY)

    async def _put_digests_on_their_way(self) -> None:
        if time.monotonic() < self._digests:
            return
        self._digests = time.monotonic() + DIGESTS_EVERY
        room, channels = self._serving.room, self._serving.channels
        await room.run(Pool.LOOK, lambda: digest_times.send_due(room.desk, room.people, channels))

    async def stop(self, seconds: float) -> None:
        """Begin no further message, and let those on their way arrive: one cut off would be sent twice."""
        self._is_ending = True
        await self._lanes.stop(seconds)


async def _watched(runtime: Runtime) -> None:
    """Tell people of loops that stall."""
    while True:
        await asyncio.sleep(WATCH_EVERY)
        await asyncio.to_thread(runtime.watch)
