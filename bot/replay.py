"""The day loop over recorded sessions: `wsb replay` as fast as it goes, `wsb demo` at a pace people can follow.

At every moment, in this order: the clock, the exchange, orders, exits, scans, expiries, the outbox, the audit seal;
then the simulated person answers the cards. Everything is ordered by time and catalogue, so the same inputs give the
same bytes. Where people look on, the jobs of a live desk take the place of the scans and of the day's end, the alert
rules among them (`bot.day_jobs`); a fast replay does without.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog

from alerts import outbox
from alerts.routes import Channels, routes
from bot.app import ReplayDesk
from bot.command import Pool, Room
from bot.day_jobs import DayJobs
from bot.deliver import Postman
from bot.jobs import REPORTS_AFTER_CLOSE
from bot.platforms.base import Platform
from bot.platforms.replay_chat import Person, ReplayChat
from bot.timetable import Moment, timetable
from engine import (
    activities,
    agenda,
    approvals,
    audit,
    collars,
    digests,
    envelopes,
    exits,
    holdings,
    orders,
    rolls,
    scanning,
    triggers,
    watch,
)
from engine.errors import DeskError
from engine.model.events import EventKind, Severity
from engine.model.trade import Working

log = structlog.get_logger()

LADDER_STEP = timedelta(seconds=15)
PERSON_TAKES = timedelta(seconds=20)
"""How long the simulated person looks at a card before tapping."""
MOST_EXTRA = 60
"""Extra looks between two of the timetable, so that an order without a quote cannot hold up the day."""

Pace = Callable[[datetime, datetime], Awaitable[datetime]]
"""(now, next) -> when the next look really is: the demo waits here, and may look earlier than planned."""


Post = Callable[["Journey"], Awaitable[object]]
"""Brings people what waits for them."""


async def post_here(journey: Journey) -> None:
    """The replay's post: delivered before anything else happens."""
    desk = journey.made.desk
    postman = Postman(journey.room, journey.platforms)
    await outbox.pump(desk.store, desk.now, lambda event: routes(event, journey.channels), postman)


async def posted_elsewhere(journey: Journey) -> None:
    """A task of its own delivers: a slow chat holds up no exit."""
    del journey


async def no_pause(now: datetime, planned: datetime) -> datetime:
    """The replay's pace: at once."""
    del now
    return planned


@dataclass(frozen=True, slots=True)
class Journey:
    """A replay desk with its people: everything one run of the day loop needs. `jobs`: where people look on."""

    made: ReplayDesk
    room: Room
    platforms: Mapping[str, Platform]
    channels: Channels
    chat: ReplayChat
    person: Person
    tick_minutes: int = 30
    pace: Pace = no_pause
    post: Post = post_here
    jobs: DayJobs | None = None

    async def run(self, days: tuple[date, ...]) -> None:
        """Live through `days`, one session after the other; what an earlier run left unfinished is taken up first."""
        await self.room.run(Pool.TRADE, lambda: orders.resume(self.made.desk))
        for day in days:
            await self.session(day)

    async def session(self, day: date) -> None:
        """One session from the opening bell, or from where the clock stands in it, to the digest."""
        desk = self.made.desk
        moments = timetable(desk.sessions, day, desk.strategies, self.tick_minutes)
        if self.jobs is not None:
            moments = (*moments, Moment(desk.sessions.close(day) + REPORTS_AFTER_CLOSE))
        agenda = [moment for moment in moments if moment.at >= desk.now()]
        extra = 0
        while agenda:
            planned = await self._next_look(agenda[0], extra)
            at = await self.pace(desk.now(), planned.at)
            if at < planned.at or planned is not agenda[0]:
                extra += at >= planned.at
                await self.look(Moment(at))
                continue
            extra = 0
            await self.look(agenda.pop(0))
        self.chat.forget_answered()

    async def _next_look(self, planned: Moment, extra: int) -> Moment:
        """The next moment of the timetable, or an earlier one that working orders or waiting cards ask for."""
        wishes = await self.room.run(Pool.TRADE, self._wishes) if extra < MOST_EXTRA else []
        soonest = min(wishes, default=planned.at)
        return Moment(soonest) if soonest < planned.at else planned

    def _wishes(self) -> list[datetime]:
        desk = self.made.desk
        now = desk.now()
        wishes = []
        with desk.store.read() as work:
            ladders = any(ticket.working is Working.LADDER for ticket in work.open_tickets())
            expiries = [approval.expires_at for approval in work.pending_approvals()]
        if ladders or triggers.breach_is_running(desk):
            wishes.append(now + LADDER_STEP)
        if self.person.unanswered():
            wishes.append(now + PERSON_TAKES)
        return [*wishes, *(max(at, now + timedelta(seconds=1)) for at in expiries)]

    async def look(self, moment: Moment) -> None:
        """Everything that is due at one moment."""
        answering = bool(self.person.unanswered())
        await self.room.run(Pool.TRADE, lambda: work_at(self.made, moment, self.jobs))
        await self.post(self)
        if answering:
            await self._answer()
        await self.room.run(Pool.TRADE, lambda: audit.seal(self.made.desk.store))

    async def _answer(self) -> None:
        """The person taps; a card that moved asks again at once and is answered again, a few times."""
        for _ in range(3):
            if not await self.person.answer(self.room):
                return
            await self.post(self)


def work_at(made: ReplayDesk, moment: Moment, jobs: DayJobs | None = None) -> None:
    """The desk's own work at one moment, without its people; `jobs` do what is due at a time, where there are any."""
    desk = made.desk
    made.clock.set(moment.at)
    made.broker.advance()
    steps: list[tuple[str, Callable[[], object]]] = []
    if jobs is not None:
        steps.append(("account", jobs.account))  # before orders are sent: it is told without those of this moment
    if moment.settles:
        steps.append(("settle", lambda: activities.settle(desk)))
    steps += [
        ("reconcile", lambda: orders.reconcile(desk)),
        ("orders", lambda: orders.work(desk)),
        ("rolls", lambda: rolls.advance(desk)),
        ("exits", lambda: exits.supervise(desk)),
        ("agenda", lambda: agenda.run(desk)),
    ]
    if jobs is None:
        steps.append(("limits", lambda: watch.look(desk)))
        steps += [(f"scan {name}", lambda name=name: scanning.run(desk, name)) for name in moment.scans]  # type: ignore[misc]
    else:
        steps.append(("jobs", jobs.runner.tick))
    steps.append(("collars", lambda: collars.advance(desk)))
    steps.append(("wake", lambda: approvals.wake_due(desk)))
    steps.append(("envelopes", lambda: envelopes.apply(desk)))
    steps.append(("expire", lambda: approvals.expire_due(desk)))
    if moment.ends and jobs is None:
        steps.append(("holdings", lambda: holdings.reconcile(desk)))
        steps.append(("digest", lambda: digests.end_once(desk)))
    for name, step in steps:
        _guarded(made, name, step)


def _guarded(made: ReplayDesk, name: str, step: Callable[[], object]) -> None:
    """Run one step; what the desk can put in words is recorded and the day goes on, a bug ends the run."""
    desk = made.desk
    try:
        step()
    except DeskError as problem:
        log.warning("loop.failed", step=name, problem=str(problem))
        data = {"step": name, "problem": str(problem), "kind": type(problem).__name__}
        with desk.store.begin() as work:
            work.add_event(desk.event(EventKind.ERROR, name, data, Severity.WARNING))
