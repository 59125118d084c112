"""What `wsb run` runs, put together: a desk on a source of prices, or a practice, with its people and platforms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from alerts import levels
from alerts.jobs import Job
from alerts.metrics import Vitals
from bot import app, checkup, data_check, logs, parts, practice
from bot.alert_jobs import alert_jobs
from bot.bulkheads import Bulkheads
from bot.channels import channels_of
from bot.clocks import ClockWatch
from bot.command import Pool, Room
from bot.condition import Condition
from bot.day_jobs import LEFT_OUT, day_jobs, heard
from bot.fronts import Fronts
from bot.jobs import store_jobs
from bot.monitor import Pulse, Watched
from bot.pace import Pace, Reading
from bot.parts import Parts
from bot.platforms.base import Front
from bot.platforms.replay_chat import Person, ReplayChat
from bot.replay import Journey, posted_elsewhere
from bot.runtime import Runtime
from bot.serve import Serving
from bot.settings import Config
from bot.upkeep import LiveData
from engine.desk import Desk
from engine.ports import MarketData, PastTrades, SourceState
from engine.store import Store, folder_of

LONGEST_LOOK = 1.0
"""Real seconds between two looks of a practice: its clock is read by people."""


@dataclass(frozen=True, slots=True)
class Service:
    """A serving process that is not started yet, and how to let go of its threads when it has ended."""

    serving: Serving
    close: Callable[[], None]
    watched: Watched


def live(
    config: Config,
    store: Store,
    market: MarketData,
    say: Callable[[str], None],
    clock: Callable[[], datetime] = app.system_clock,
    past: PastTrades | None = None,
    kept: LiveData | None = None,
) -> Service:
    """The desk of the configuration on the prices of `market`.

    `past` knows what options traded at before; `kept` keeps the data of `market`. `say` tells whoever starts it how
    people get in.

    Raises:
        ConfigError: the database holds a practice, or an address belongs to the other kind of account.
    """
    practice.check_mark(config, store)
    logs.follow(store)
    pools = Bulkheads(trading=4, looking=4, protecting=4)
    desks = app.sessions_of(config, app.build_desk(config, store, market, clock))
    recorder = app.build_recorder(config)
    if recorder is not None:
        desks = app.recorded(desks, recorder)
    runtime = app.build_runtime(desks, past, () if kept is None else kept.upkeep(desks.books))
    feeds = (*app.build_feeds(config, runtime, desks), *app.market_feeds(market))
    said = Parts(lambda: parts.leader(desks.books), lambda: parts.loops(runtime), lambda: parts.streams(feeds))
    said.add(lambda: parts.messages(desks.books))
    if kept is not None:
        said.add(kept.parts)
    if recorder is not None:
        said.add(lambda: parts.recording(recorder.written, recorder.lost))
    room = replace(app.build_live_room(config, desks, runtime, pools.run), parts=said)
    platforms = Parts()
    kept_well = store_jobs(desks.books, config.database.url, config.backup)
    watched = watching(config, desks.books, runtime, platforms, clock)
    scheduler = app.build_scheduler(desks, runtime, (*watched, *kept_well))
    said.add(lambda: parts.jobs(scheduler.hanging()))
    room = replace(room, doctor=lambda: checkup.findings(config), jobs=scheduler)
    fronts = app.build_fronts(config, room, say)
    shown = Fronts(room, fronts)
    platforms.add(lambda: shown.parts)
    said.add(platforms)
    serving = Serving(
        room,
        runtime,
        _by_name(fronts),
        channels_of(config),
        feeds=feeds,
        fronts=shown,
        scheduler=scheduler,
        quiet=pools.quiet,
    )

    def close() -> None:
        pools.close()
        if recorder is not None:
            recorder.close()

    return _watched(config, serving, close, app.sources_of(market))


def watching(
    config: Config, desk: Desk, runtime: Runtime, platforms: Parts, clock: Callable[[], datetime]
) -> tuple[Job, ...]:
    """The jobs of the alert rules; `platforms` are added to it when they are there."""
    has_clock = config.desk.broker == "alpaca" or data_check.has_alpaca(config)
    theirs = ClockWatch(clock, lambda: app.alpaca_clock(config)) if has_clock else None
    condition = Condition(
        desk,
        clock(),
        beats=lambda: runtime.beats,
        fronts=platforms,
        url=config.database.url,
        backups=config.backup,
        clock=theirs,
    )
    return alert_jobs(desk, config.alerts.thresholds, condition, theirs)


def _watched(
    config: Config,
    serving: Serving,
    close: Callable[[], None],
    sources: Callable[[], tuple[SourceState, ...]] = tuple,
) -> Service:
    """The service with what tells programs how it does."""

    def platforms() -> tuple[tuple[str, bool], ...]:
        found = () if serving.fronts is None else serving.fronts.parts
        return tuple((name.lower(), is_well) for name, (is_well, _) in found)

    runtime = serving.runtime
    vitals = Vitals(
        acts=lambda: runtime.is_running,
        loops=lambda: runtime.beats,
        platforms=platforms,
        sources=sources,
        folder=folder_of(config.database.url),
        levels=lambda work: levels.as_metrics(levels.measure(serving.desk, work)),
    )
    return Service(serving, close, Watched(serving.desk, runtime, Pulse(), platforms, sources, vitals))


def rehearsal(config: Config, store: Store, say: Callable[[str], None]) -> Service:
    """A practice: the paper exchange on recorded prices, for the configured people on the configured platforms.

    Raises:
        ConfigError: it cannot be practised as configured, or the database holds a real desk.
    """
    days = practice.days_of(config, store)
    made = app.build_practice_desk(config, days.folder, days.start, store)
    pace = Pace(config.data.speed, LONGEST_LOOK)
    said = Parts(lambda: parts.messages(made.desk))
    banner = app.replay_banner(made.desk, practice.LABEL)
    room = Room(made.desk, config.people, pace.run, banner, parts=said, doctor=lambda: checkup.findings(config))
    jobs = day_jobs(made.desk, config.alerts.thresholds, config.data.speed)
    room = replace(room, max_age=float(config.telegram.max_age), jobs=jobs, left_out=LEFT_OUT)
    reading = Reading()
    pace.waiting = lambda: room.run(Pool.LOOK, lambda: reading(heard(store)) or _is_asking(store))
    fronts = app.build_fronts(config, room, say)
    kept = Fronts(room, fronts)
    said.add(lambda: kept.parts)
    chat = ReplayChat()
    person = Person(chat, "ask", 1)
    channels, ticks = channels_of(config), config.schedule.tick_minutes
    journey = Journey(made, room, _by_name(fronts), channels, chat, person, ticks, pace, posted_elsewhere, jobs)
    serving = Serving(
        room,
        Runtime(made.desk, ()),
        _by_name(fronts),
        channels,
        fronts=kept,
        day=lambda: _lived(journey, days, say),
        clock=app.system_clock,
        quiet=pace.quiet,
    )
    return _watched(config, serving, pace.close)


async def _lived(journey: Journey, days: practice.Days, say: Callable[[str], None]) -> None:
    """Every recorded day that is left; people can look at what came of them as long as they like."""
    await journey.run(days.sessions)
    say("The recorded days are over; the desk stays until it is ended.")


def _is_asking(store: Store) -> bool:
    """Whether a proposal waits for somebody."""
    with store.read() as work:
        return bool(work.pending_approvals())


def _by_name(fronts: tuple[Front, ...]) -> dict[str, Front]:
    return {front.name: front for front in fronts}
