"""A thousand alerts that waited, delivered in order to Discord and Telegram at once, at the rates both allow.

Measured: 1,000 queued notices for a channel of Discord and for a private chat of Telegram, from the outbox in a file
over both adapters to servers on loopback that enforce their limits: five messages in five seconds in a channel, one a
second in a private chat (with bursts of three). All times of these limits are divided by FACTOR, on both sides, or it
would take a quarter of an hour: what is shown is that nothing is refused (no 429), lost, doubled or out of order, and
what the way costs beside the limits. Floor, in the same run: Telegram's queue alone, with messages that cost nothing
(100 of them, scaled). `python -m bench.chat_alerts [ALERTS]`
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from alerts.outbox import Lanes, Outbox
from alerts.routes import Channels, routes
from bot.app import system_clock
from bot.bulkheads import Bulkheads
from bot.command import Pool, Room
from bot.deliver import Postman
from bot.platforms.base import Front
from bot.platforms.discord_app import DiscordApp
from bot.platforms.telegram_app import TelegramApp
from bot.platforms.telegram_queue import Outgoing, Urgency, woken
from bot.settings import DiscordSettings, TelegramSettings
from engine.desk import Desk
from engine.model.events import EventKind
from engine.store import Store
from tests.bot.rooms import PEOPLE
from tests.desk import make_world
from tests.journeys.chats import Chats, chats
from tests.standins.telegram_server import TOKEN

ALERTS = 1_000
FACTOR = 20.0
FEW = 100
LOOK = 0.02
NAME = re.compile(r"P(\d{5})")


def fast() -> float:
    """Seconds of the limits."""
    return time.monotonic() * FACTOR


async def waited(wake: asyncio.Event, seconds: float) -> None:
    """The queue's wait, in their time."""
    await woken(wake, seconds / FACTOR)


def outgoing() -> Outgoing:
    """Telegram's queue, in their time."""
    return Outgoing(fast, waited)


@dataclass(frozen=True, slots=True)
class FastClock:
    """The outbox's clock: what a platform says to wait is in the time of its limits."""

    start: datetime
    zero: float

    def __call__(self) -> datetime:
        return self.start + timedelta(seconds=fast() - self.zero)


async def floor(alerts: int) -> float:
    """Seconds the queue alone needs for so many messages."""
    queue = outgoing()

    async def nothing() -> None:
        return

    began = time.perf_counter()
    for _ in range(FEW):
        await queue.send("1", nothing, Urgency.CARD)
    await queue.close()
    return (time.perf_counter() - began) / FEW * alerts


def enforce(here: Chats) -> None:
    """Both servers hold the bot to their limits, in the time of this benchmark."""
    here.telegram.limits.clock = fast
    here.telegram.limits.is_on = True
    here.discord.limit("POST", "/channels/{channel}/messages", 5, 5.0 / FACTOR)


async def delivered(here: Chats, desk: Desk, pools: Bulkheads, alerts: int) -> float:
    """Seconds until every alert has arrived at both."""
    room = Room(desk, PEOPLE, pools.run, lambda: "PAPER")
    guild = str(here.discord.world.guild_id)
    there = DiscordSettings(guild=guild, api_url=here.discord.api_url, gateway_url=here.discord.gateway_url)
    fronts: tuple[Front, ...] = (
        DiscordApp(room, there, here.discord.token),
        TelegramApp(room, TelegramSettings(api_url=here.telegram.url), TOKEN, outgoing=outgoing),
    )
    running = [asyncio.create_task(front.run()) for front in fronts]
    try:
        while not all(front.state.is_well for front in fronts):
            await asyncio.sleep(LOOK)
        with desk.store.begin() as work:
            work.add_events(
                desk.event(EventKind.DIVIDEND, f"P{number:05d}", {"cash": "12.50"}) for number in range(alerts)
            )
        return await _brought(here, room, fronts)
    finally:
        for task in running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _brought(here: Chats, room: Room, fronts: Iterable[Front]) -> float:
    channels = Channels((f"discord:{here.channel.id}", f"telegram:{here.ann_there.id}"), {})
    postman = Postman(room, {front.name: front for front in fronts}, patience=20)
    clock = FastClock(system_clock(), fast())
    store = room.desk.store
    lanes = Lanes(
        Outbox(
            store,
            clock,
            lambda event: routes(event, channels),
            postman,
            postman.lost,
            lambda w: room.run(Pool.PROTECT, w),
        )
    )
    began = time.perf_counter()
    while True:
        await lanes.look()
        await asyncio.sleep(LOOK)
        if not await room.run(Pool.LOOK, lambda: _waiting(store)):
            return time.perf_counter() - began


def _waiting(store: Store) -> int:
    with store.read() as work:
        return len(work.unrouted_events()) + work.outbox_waiting()


def in_order(texts: Iterable[str], alerts: int) -> bool:
    """Whether every alert is there once, in its place."""
    found = [int(match[1]) for text in texts if (match := NAME.search(text))]
    return found == list(range(alerts))


def main(alerts: int) -> None:
    """Measure, hold it to what was promised, and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    bare = asyncio.run(floor(alerts))
    pools = Bulkheads(trading=1, looking=4, protecting=2)
    with tempfile.TemporaryDirectory() as folder, chats(Path(folder)) as here:
        enforce(here)
        with Store.create(f"sqlite:///{Path(folder) / 'desk.db'}") as store:
            took = asyncio.run(delivered(here, make_world(store=store).desk, pools, alerts))
        pools.close()
        texts = (
            [message.text for message in here.channel.messages],
            [message.text for message in here.telegram.chat(here.ann_there).sent],
        )
        if not all(in_order(each, alerts) for each in texts):
            raise SystemExit("The alerts did not arrive once each and in order.")
        refused = here.discord.rates.refused, here.telegram.limits.refused
    print(f"{alerts:,} alerts to Discord and Telegram, limits {FACTOR:.0f} times as fast: {took:.1f} s")
    print(f"answered with 429: {refused[0]} by Discord, {refused[1]} by Telegram; order kept, none twice, none lost")
    print(f"floor: Telegram's queue alone: {bare:.1f} s; ratio {took / bare:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ALERTS)
