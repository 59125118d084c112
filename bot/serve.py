"""A live desk as one process: loops, chat platforms and outbox, from the first look to a clean end.

Nothing here chooses adapters (that is `bot.app`): it starts what it is given, in an order in which exits come first,
and stops it so that nothing is lost.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from alerts import outbox
from alerts.routes import Channels, routes
from bot.command import Room
from bot.deliver import Postman
from bot.platforms.base import Platform
from bot.runtime import Runtime
from engine import activities, audit, gateway
from engine.desk import Desk
from engine.errors import BrokerUnavailable, ConfigError
from engine.model.book import Account
from engine.model.events import Event
from engine.model.records import Delivery, Lease

log = structlog.get_logger()

LEASE = "desk"
LEASE_FOR = timedelta(seconds=15)
ACCOUNT_WITHIN = 4.0
"""Seconds the broker has to name its account before the loops start without it."""
PUMP_EVERY = 0.2
WATCH_EVERY = 5.0


class Feed(Protocol):
    """Something that listens on a thread of its own and wakes the loops."""

    def start(self) -> None:
        """Begin to listen."""

    def stop(self, seconds: float = 2.0) -> bool:
        """End; whether it has within so many seconds."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Everything one live process runs.

    Its lease is renewed every `renew_every` seconds; a platform has `patience` seconds to take a message.
    """

    room: Room
    runtime: Runtime
    platforms: Mapping[str, Platform]
    channels: Channels
    renew_every: float = 4.0
    patience: float = 20.0
    feeds: tuple[Feed, ...] = ()


def holder() -> str:
    """This process, as the lease names it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def take_lease(desk: Desk, name: str) -> Lease:
    """The right to run this desk: one process has it at a time.

    The lease of a process of this machine that is gone is taken over at once.

    Raises:
        ConfigError: another process runs the desk.
    """
    now = desk.now()
    with desk.store.begin() as work:
        held = work.lease(LEASE)
        if held is not None and held.holder != name and _is_gone(held.holder):
            work.renew_lease(LEASE, held.holder, held.epoch, now)
        taken = work.take_lease(LEASE, name, now, now + LEASE_FOR)
    if taken is None:
        other = held.holder if held is not None else "another process"
        raise ConfigError(
            f"This desk is run by {other} already: stop that one first, or give this one its own database."
        )
    return taken


def _is_gone(name: str) -> bool:
    """Whether a holder of this machine has no process any more."""
    host, _, pid = name.rpartition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


async def serve(serving: Serving) -> None:
    """Run until SIGTERM, SIGINT or the loss of the lease; then end in order.

    Raises:
        ConfigError: another process runs this desk or has taken it over, or the keys open another account.
    """
    desk = serving.room.desk
    account = await _check_account(desk)
    lease = take_lease(desk, holder())
    await _open_books(desk, account)
    _end_on_signals()
    serving.runtime.start()
    for feed in serving.feeds:
        feed.start()
    tasks = [
        asyncio.create_task(_renewed(desk, lease, serving.renew_every)),
        asyncio.create_task(_pumped(serving)),
        asyncio.create_task(_watched(serving.runtime)),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    except asyncio.CancelledError:
        log.info("serve.ending")
    finally:
        await _ended(serving, lease, tasks)


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


def _end_on_signals() -> None:
    task = asyncio.current_task()
    if task is None or sys.platform == "win32":
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _ended(serving: Serving, lease: Lease, tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for feed in serving.feeds:
        await asyncio.to_thread(feed.stop)
    late = await asyncio.to_thread(serving.runtime.stop)
    if late:
        log.warning("serve.loops_still_busy", loops=late)
    desk = serving.room.desk
    audit.seal(desk.store)
    with desk.store.begin() as work:
        work.renew_lease(LEASE, lease.holder, lease.epoch, desk.now())


async def _renewed(desk: Desk, lease: Lease, every: float) -> None:
    """Keep the lease.

    Raises:
        ConfigError: somebody else has it now, or it has run out; nothing more may be traded here.
    """
    renewed = time.monotonic()
    while True:
        await asyncio.sleep(every)
        try:
            is_ours = await asyncio.to_thread(_renew, desk, lease)
        except Exception as problem:  # a database that is away for a moment must not end the exits for good
            log.error("serve.lease_not_renewed", exc_info=problem)
            if time.monotonic() - renewed < LEASE_FOR.total_seconds():
                continue
            raise ConfigError("This desk's database has not answered for too long: this process ends.") from problem
        if not is_ours:
            raise ConfigError("Another process has taken this desk over: this one ends.")
        renewed = time.monotonic()


def _renew(desk: Desk, lease: Lease) -> bool:
    with desk.store.begin() as work:
        return work.renew_lease(LEASE, lease.holder, lease.epoch, desk.now() + LEASE_FOR)


async def _pumped(serving: Serving) -> None:
    """Deliver every event that waits; a platform that fails or hangs holds up no other and never ends it."""
    desk = serving.room.desk
    postman = Postman(serving.room, serving.platforms)

    async def deliver(event: Event, delivery: Delivery) -> str:
        return await asyncio.wait_for(postman(event, delivery), serving.patience)

    while True:
        try:
            await outbox.pump(desk.store, desk.now, lambda event: routes(event, serving.channels), deliver)
        except Exception as problem:
            log.error("serve.pump_failed", exc_info=problem)
        await asyncio.sleep(PUMP_EVERY)


async def _watched(runtime: Runtime) -> None:
    """Tell people of loops that stall."""
    while True:
        await asyncio.sleep(WATCH_EVERY)
        await asyncio.to_thread(runtime.watch)
