"""A live desk in a process of its own whose clock moves only when a test says so: weeks of it in minutes.

`python -m tests.journeys.fast_desk CONFIG START DATA`. Every line of JSON on standard input is an order, answered by
one line of JSON on standard output. The desk is put together as `wsb run` does it, on recorded prices, with the real
adapters of both chat platforms and of the broker; only its loops are not threads: at every `tick` each takes its
steps once and what is due runs, while the chat platforms are served all the time.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from alerts import levels
from alerts.outbox import Lanes, Outbox
from alerts.planner import due_times
from alerts.routes import routes
from alerts.scheduler import Scheduler
from bot import app
from bot.bulkheads import Bulkheads
from bot.cards.health import level_facts
from bot.channels import channels_of, chats_of
from bot.command import Pool, Room
from bot.console.replay import load_config
from bot.console.run import set_aside
from bot.deliver import Postman
from bot.dispatch import dispatch
from bot.fronts import Fronts
from bot.heartbeat import Heartbeat
from bot.jobs import store_jobs
from bot.message import Card, Request, as_text
from bot.parts import Parts
from bot.platforms.base import Front
from bot.platforms.discord_app import DiscordApp
from bot.platforms.telegram_app import TelegramApp
from bot.platforms.telegram_queue import Outgoing, woken
from bot.runtime import Runtime
from bot.service import watching
from bot.settings import Config
from engine import audit
from engine.data.folder import RecordedFolder
from engine.data.replay import ReplayMarket
from engine.desk import Mode
from engine.model.trade import Unknown
from engine.sessions import Sessions
from engine.store import Store

FACTOR = 400.0
"""How much faster than Telegram's own its limits are kept here: the clock of the desk is faster still."""
CONNECTED_WITHIN = 6.0
"""A platform that is down when a life begins is waited for no longer."""
DELIVERED_WITHIN = 3.0
LATER = ("QuantLib", "matplotlib.figure")
"""What a desk loads when it first needs it, whichever week that is (70 MB): no growth, so it is there at once."""
BEAT = timedelta(seconds=30)
"""The longest silence that is no down time."""


def fast() -> float:
    """Seconds of Telegram's limits."""
    return time.monotonic() * FACTOR


async def waited(wake: asyncio.Event, seconds: float) -> None:
    """A wait of the queue, in their time."""
    await woken(wake, seconds / FACTOR)


@dataclass(slots=True)
class Life:
    """One life of the desk."""

    clock: app.ReplayClock
    room: Room
    runtime: Runtime
    scheduler: Scheduler
    heartbeat: Heartbeat
    lanes: Lanes
    fronts: Fronts
    chats: tuple[Front, ...]
    pools: Bulkheads

    async def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carry out one order of the test."""
        if "report" in order:
            return await self._report(*map(datetime.fromisoformat, order["report"]))
        if "tick" in order:
            await asyncio.to_thread(self._work, datetime.fromisoformat(order["tick"]))
        if "wait" in order:
            self.clock.set(self.clock() + timedelta(seconds=order["wait"]))
        is_delivered = await self._delivered(float(order.get("deliver", DELIVERED_WITHIN)))
        waiting = await self.room.run(Pool.LOOK, self._waiting)
        if "collect" in order:
            gc.collect()  # what only waits for it is not held
        return {"delivered": is_delivered, "waiting": waiting, "rss": resident()}

    def _work(self, until: datetime) -> None:
        """One look of every loop and every job, and the signs of life of the time before it."""
        while until - self.clock() >= BEAT:
            self.clock.set(self.clock() + BEAT)
            self.heartbeat.beat()
        self.clock.set(until)
        self.runtime.look()
        self.scheduler.runner.tick()
        audit.seal(self.room.desk.store)

    async def _report(self, since: datetime, until: datetime) -> dict[str, Any]:
        """Every due time of every job in that time, and what the desk says of itself."""
        desk = self.room.desk
        due = {
            name: [at.isoformat(timespec="microseconds") for at in due_times(job.schedule, desk.sessions, since, until)]
            for name, job in self.scheduler.runner.jobs.items()
        }
        request = Request(next(iter(self.room.people.by_identity)), "/health", source=f"report:{desk.now()}")
        reply = await dispatch(self.room, request)
        with desk.store.read() as work:
            measured = levels.measure(desk, work)  # by its own clock: /health tells none of recorded days
        card = Card("Service levels", facts=level_facts(measured))
        told = "\n\n".join(map(as_text, (*reply.cards, card)))
        return {"due": due, "health": told, "missed": measured.missed}

    async def _delivered(self, seconds: float) -> bool:
        """Bring what gets through, and whether every lane came to its end within so many seconds."""
        until, before = time.monotonic() + seconds, -1
        while (waiting := await self.room.run(Pool.LOOK, self._waiting)) not in (0, before):
            before = waiting
            await self.lanes.look()
            try:
                await asyncio.wait_for(self.lanes.idle(), max(until - time.monotonic(), 0.01))
            except TimeoutError:
                return False
        return True

    def _waiting(self) -> int:
        with self.room.desk.store.read() as work:
            return len(work.unrouted_events(1)) + work.outbox_waiting()


def resident() -> int:
    """Bytes of memory this process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def born(config: Config, start: datetime, store: Store, folder: RecordedFolder) -> Life:
    """Everything put together; nothing is connected yet."""
    clock, sessions = app.ReplayClock(start), Sessions()
    market = ReplayMarket(folder, clock, sessions)
    built = app.build_desk(config, store, market, clock)
    # Recorded days do not hold every input of a rule and no live price: judged as in every replay.
    desk = replace(built, mode=Mode.REPLAY, unknown=Unknown.SKIP)
    desks = app.sessions_of(config, desk)
    pools = Bulkheads(trading=2, looking=2, protecting=2)
    runtime = app.build_runtime(desks)
    platforms = Parts()
    watched = watching(config, desks.books, runtime, platforms, clock)
    kept_well = store_jobs(desks.books, config.database.url, config.backup)
    scheduler = app.build_scheduler(desks, runtime, (*watched, *kept_well))
    room = replace(app.build_live_room(config, desks, runtime, pools.run), jobs=scheduler)
    fronts = connected(config, room)
    shown = Fronts(room, fronts)
    platforms.add(lambda: shown.parts)
    return Life(
        clock,
        room,
        runtime,
        scheduler,
        Heartbeat(desks.books, tuple),
        lanes_of(config, room, fronts),
        shown,
        fronts,
        pools,
    )


def connected(config: Config, room: Room) -> tuple[Front, ...]:
    """Both chat platforms; Telegram's limits are kept in a time of their own."""
    discord = DiscordApp(room, config.discord, secret(config, "DISCORD_TOKEN"), chats_of(config, "discord"))
    token = secret(config, "TELEGRAM_TOKEN")
    chats = chats_of(config, "telegram")
    return discord, TelegramApp(room, config.telegram, token, chats, outgoing=lambda: Outgoing(fast, waited))


def lanes_of(config: Config, room: Room, fronts: tuple[Front, ...]) -> Lanes:
    """The outbox, as the live desk's mail drives it, by the desk's clock."""
    desk, channels = room.desk, channels_of(config)
    postman = Postman(room, {front.name: front for front in fronts}, patience=5.0)
    return Lanes(
        Outbox(
            desk.store,
            desk.now,
            lambda event: routes(event, channels),
            postman,
            postman.lost,
            lambda work: room.run(Pool.LOOK, work),
        )
    )


def secret(config: Config, name: str) -> str:
    """A secret of the environment."""
    return config.secrets[name].get_secret_value()


async def live(config: Config, start: datetime, store: Store, folder: RecordedFolder, held: int) -> None:
    """Serve until standard input ends; `held` is what the recorded days take of the memory."""
    life = born(config, start, store, folder)
    set_aside()
    life.fronts.start()
    try:
        until = time.monotonic() + CONNECTED_WITHIN
        while not all(front.state.is_well for front in life.chats) and time.monotonic() < until:
            await asyncio.sleep(0.02)
        say({"recorded": held})
        while line := await asyncio.to_thread(sys.stdin.readline):
            say(await life.answer(json.loads(line)))
        await life.lanes.stop(5.0)
    finally:
        await life.fronts.stop(5.0)
        life.pools.close()
        audit.seal(store)


def say(body: dict[str, Any]) -> None:
    """One line for the test."""
    print(json.dumps(body), flush=True)


def main() -> None:
    """One life."""
    config = load_config(Path(sys.argv[1]), os.environ)
    for name in LATER:
        import_module(name)
    before = resident()
    folder = RecordedFolder.open(Path(sys.argv[3]))
    held = resident() - before
    with app.open_store(config.database.url) as store:
        asyncio.run(live(config, datetime.fromisoformat(sys.argv[2]), store, folder, held))


if __name__ == "__main__":
    main()
