"""`wsb demo`: the main job on embedded real prices, with the local page or headless."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from alerts.routes import Channels
from bot import app
from bot.command import Pool
from bot.console.output import note
from bot.console.replay import ReplayOptions, load_config, make_journey, run_days, tell
from bot.day_jobs import LEFT_OUT, day_jobs, heard
from bot.pace import Pace, Reading
from bot.people import owner
from bot.platforms.replay_chat import DESTINATION, IDENTITY, Answer
from bot.platforms.web_app import WebApp
from bot.platforms.web_front import open_page
from bot.replay import Journey
from bot.serve import end_on_signals
from bot.settings import Config
from bot.summary import summary
from engine.store import Store

FIRST_DAY = date(2009, 2, 3)
"""A session on which the wheel finds puts to sell half an hour after the open: a visitor sees a card within seconds."""
LABEL = "DEMO"
NAME = "you"
WEB = "web:desk"


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


async def _show(config: Config, replayed: ReplayOptions, options: DemoOptions, as_json: bool) -> None:
    """The page and the day loop side by side, until somebody stops them."""
    end_on_signals()
    pace = Pace(options.speed)
    people = owner([f"web:{NAME}", IDENTITY])
    journey = make_journey(config, replayed, Store.memory())
    room = replace(journey.room, people=people, run=pace.run)
    jobs = day_jobs(room.desk, config.alerts.thresholds, options.speed)
    room = replace(room, jobs=jobs, left_out=LEFT_OUT)
    page = await open_page(room, config.web.port, note)
    journey = _on_the_page(replace(journey, room=room, pace=pace, jobs=jobs), page)
    desk = journey.made.desk

    reading = Reading()

    async def waiting() -> bool:
        if options.approve != "ask":
            return False
        is_read = reading(await room.run(Pool.LOOK, lambda: heard(desk.store)))
        return is_read or bool(journey.chat.waiting()) or page.is_asking(desk.now())

    pace.waiting = waiting
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


def _on_the_page(journey: Journey, page: WebApp) -> Journey:
    """The journey with its cards on the page as well."""
    platforms = {**journey.platforms, page.name: page}
    return replace(journey, platforms=platforms, channels=Channels((DESTINATION, WEB), {}))
