"""`wsb demo`: the main job on embedded real prices, with the local page or headless."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TypeVar

from alerts.routes import Channels
from bot import app
from bot.bulkheads import Bulkheads
from bot.command import Pool, Room
from bot.console.output import note
from bot.console.replay import ReplayOptions, load_config, make_journey, run_days, tell
from bot.people import owner
from bot.platforms.replay_chat import DESTINATION, IDENTITY, Answer
from bot.platforms.web_app import WebApp, start_web
from bot.replay import Journey
from bot.settings import Config
from bot.summary import summary
from engine.errors import ConfigError
from engine.store import Store

T = TypeVar("T")

FIRST_DAY = date(2009, 2, 3)
"""A session on which the wheel finds puts to sell half an hour after the open: a visitor sees a card within seconds."""
LABEL = "DEMO"
NAME = "you"
WEB = "web:desk"
ONE_SECOND = timedelta(seconds=1)
LONGEST_PAUSE = 2.0
"""Real seconds: nights and weekends are not waited for."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line said. `speed`: market seconds in one real second while no card waits."""

    days: int = 60
    speed: float = 600.0
    seed: int = 1
    approve: Answer = "ask"
    headless: bool = False


def demo(options: DemoOptions, environment: Mapping[str, str], as_json: bool) -> int:
    """The command; returns the exit code."""
    config = load_config(None, environment)
    folder = app.demo_prices()
    days = [day for day in folder.sessions if day >= FIRST_DAY][: options.days]
    replayed = ReplayOptions(folder, days[0], days[-1], options.approve, options.seed, label=LABEL)
    if options.headless:
        result = run_days(config, replayed, Store.memory())
        tell(result, as_json)
        return 1 if result["errors"] else 0
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_show(config, replayed, options, as_json))
    return 0


class Pace:
    """Real time between two looks: market time runs `speed` times as fast, and as in life while a card waits.

    It runs the desk's work too, on one thread in order, and wakes up early when somebody has acted, so that an order
    placed by a tap is looked after at once.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._desk = Bulkheads(trading=1)
        self._acted = asyncio.Event()
        self.waiting: Callable[[], bool] = lambda: False
        """Whether a card waits for a person."""

    async def run(self, pool: Pool, work: Callable[[], T]) -> T:
        """A `Runner`: everything that touches the desk happens on one thread."""
        result = await self._desk.run(pool, work)
        if pool is not Pool.LOOK:
            self._acted.set()
        return result

    async def __call__(self, now: datetime, planned: datetime) -> datetime:
        """Wait until the next look is due, and say at which market time it is."""
        self._acted.clear()
        if self.waiting():
            await self._pause(1.0)
            return min(planned, now + ONE_SECOND)
        seconds = min((planned - now).total_seconds() / self._speed, LONGEST_PAUSE)
        woken = await self._pause(seconds)
        return min(planned, now + ONE_SECOND) if woken else planned

    async def _pause(self, seconds: float) -> bool:
        """Whether somebody acted before `seconds` were over.

        Not `asyncio.timeout`: entered by a task that has just been canceled, it takes the cancellation for its own when
        it expires in the same moment, and Ctrl-C would be lost.
        """
        acted = asyncio.ensure_future(self._acted.wait())
        try:
            done, _ = await asyncio.wait({acted}, timeout=seconds)
        finally:
            acted.cancel()
        return bool(done)

    def close(self) -> None:
        """Let the work under way end."""
        self._desk.close()


async def _show(config: Config, replayed: ReplayOptions, options: DemoOptions, as_json: bool) -> None:
    """The page and the day loop side by side, until somebody stops them."""
    _end_on_signals()
    pace = Pace(options.speed)
    people = owner([f"web:{NAME}", IDENTITY])
    journey = make_journey(config, replayed, Store.memory())
    room = replace(journey.room, people=people, run=pace.run)
    page = await _page(room, config.web.port)
    journey = _on_the_page(replace(journey, room=room, pace=pace), page)
    desk = journey.made.desk
    pace.waiting = lambda: options.approve == "ask" and (bool(journey.chat.waiting()) or page.is_asking(desk.now()))
    note(f"The desk is open: {page.login_url(NAME)}")
    note("Prices are real ones of 2009, option chains are modelled. Ctrl-C ends it.")
    try:
        await journey.run(journey.made.desk.sessions.between(replayed.start, replayed.end))
        tell(summary(journey.made.desk), as_json)
        note("The demo's days are over; the page stays until Ctrl-C.")
        await asyncio.Event().wait()
    finally:
        await page.stop()
        pace.close()


def _end_on_signals() -> None:
    """Ctrl-C and SIGTERM end the demo in order, also where a shell started it in the background with Ctrl-C ignored."""
    task = asyncio.current_task()
    if task is None or sys.platform == "win32":
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _page(room: Room, port: int) -> WebApp:
    """The page on `port`, or on a free one when somebody has it."""
    try:
        return await start_web(room, room.people, port)
    except ConfigError as taken:
        note(str(taken))
        return await start_web(room, room.people, 0)


def _on_the_page(journey: Journey, page: WebApp) -> Journey:
    """The journey with its cards on the page as well."""
    platforms = {**journey.platforms, page.name: page}
    return replace(journey, platforms=platforms, channels=Channels((DESTINATION, WEB), {}))
