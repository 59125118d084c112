"""Every job of a live desk: what it does, when it is due, and what becomes of a due time that was missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from alerts.jobs import Job, Lane
from alerts.schedules import (
    AfterClose,
    AfterMonth,
    AfterWeek,
    Always,
    AnyOf,
    AtClock,
    BeforeClose,
    Daily,
    Every,
    Schedule,
    listed,
)
from bot.loops import Desks, Quietly
from bot.runtime import Runtime, Step, Troubles
from bot.timetable import FIRST_SCAN, scan_times
from bot.words import count
from engine import activities, audit, backup, daily_stress, digests, histories, scanning, tidying, watch
from engine.desk import Desk
from engine.errors import DataError, NotFound
from engine.model.backups import BackupRules
from engine.model.events import Severity
from engine.model.trade import Strategy
from engine.percent import as_percent
from engine.reckoning import AFTER_CLOSE
from engine.sessions import Sessions

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RISK_EVERY = MINUTE
STRESS_BEFORE_CLOSE = timedelta(minutes=30)
COMPARE_BEFORE_OPEN = "09:00"
REPORTS_AFTER_CLOSE = AFTER_CLOSE + timedelta(minutes=5)
"""After the day's own, whose numbers they sum up. As the day's they get a second look: each is told once."""
IV_AFTER_CLOSE = timedelta(minutes=5)
EARNINGS_AT = "08:30"
BACKUP_AT, TIDY_AT = "17:00", "17:30"
"""Every day, the backup first."""
HEAD_EVERY = HOUR
"""What whoever changes the database can rewrite unnoticed is bounded by the heads in the log."""
EXITS_WITHIN = 20.0
"""Seconds without a finished look at the exits after which people are told, whatever the runtime thinks of itself."""
NAMED = 8
"""Names that a note lists before it counts."""


def _twice(report: type[AfterWeek] | type[AfterMonth]) -> AnyOf:
    return AnyOf((report(REPORTS_AFTER_CLOSE), report(REPORTS_AFTER_CLOSE + HOUR)))


@dataclass(frozen=True, slots=True)
class ScanTimes:
    """When a strategy is scanned: its own times, as far as entries are allowed then."""

    strategy: Strategy

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        """Those of one day in New York, oldest first."""
        return tuple(sorted(scan_times(sessions, day, self.strategy))) if sessions.is_session(day) else ()

    @property
    def words(self) -> str:
        """`at 10:00 and 15:30`, `every 5 min from 09:45`."""
        needs, hours = self.strategy.needs, self.strategy.hours
        fixed = f"at {listed(needs.times)}" if needs.times else ""
        if needs.every is None:
            return fixed or f"at {FIRST_SCAN}"
        between = f"from {FIRST_SCAN} on" if hours is None else f"from {hours[0]} to {hours[1]}"
        often = f"every {needs.every / 60:g} min {between}"
        return f"{fixed} and {often}" if fixed else often


def desk_jobs(
    desks: Desks,
    risk: tuple[Step, ...] = (),
    more: Iterable[Job] = (),
    quietly: Quietly = nullcontext,
) -> tuple[Job, ...]:
    """Every job of a live desk, the shortest and most urgent first.

    `risk` are further steps of the look at risk every minute; what nobody waits for asks `quietly`.
    """
    return (
        risk_job(desks.books, risk),
        *scan_jobs(desks.entries),
        *book_jobs(desks),
        *background_jobs(desks.books, quietly),
        *more,
    )


def risk_job(desk: Desk, steps: tuple[Step, ...] = ()) -> Job:
    """The look at risk: the limits, and whatever else is to be read every minute."""
    taken = (("limits", lambda: watch.look(desk)), *steps)
    return Job("risk", Every(RISK_EVERY), lambda: in_turn(taken), grace=MINUTE, patience=2 * MINUTE, lane=Lane.WATCH)


def scan_jobs(desk: Desk) -> tuple[Job, ...]:
    """The scans of every strategy. What is older than a few minutes is not made up for: its market is gone."""
    return tuple(
        Job(f"scan {name}", ScanTimes(strategy), lambda name=name: scan(desk, name), lane=Lane.SCANS)  # type: ignore[misc]
        for name, strategy in desk.strategies.items()
    )


def book_jobs(desks: Desks) -> tuple[Job, ...]:
    """The comparison with the broker, the session's numbers, the head of the audit chain."""
    desk = desks.books
    compare_at = AnyOf((AtClock((COMPARE_BEFORE_OPEN,)), AfterClose(AFTER_CLOSE)))
    return (
        Job("reconcile", compare_at, lambda: once_begun(desk, lambda: compare(desks)), grace=HOUR),
        told("day end", AnyOf((AfterClose(AFTER_CLOSE), AfterClose(AFTER_CLOSE + HOUR))), desk, digests.end_day_once),
        told("weekly report", _twice(AfterWeek), desk, digests.end_week_once),
        told("monthly report", _twice(AfterMonth), desk, digests.end_month_once),
        Job("audit head", Always(HEAD_EVERY), lambda: str(audit.publish(desk.store)), grace=HOUR),
    )


def background_jobs(desk: Desk, quietly: Quietly = nullcontext) -> tuple[Job, ...]:
    """What is computed or asked for while nobody waits."""
    return (
        Job("stress", BeforeClose(STRESS_BEFORE_CLOSE), lambda: stress(desk), grace=HOUR, lane=Lane.BACKGROUND),
        Job(
            "iv history",
            AfterClose(IV_AFTER_CLOSE),
            lambda: volatilities(desk, quietly),
            grace=6 * HOUR,
            patience=HOUR,
            lane=Lane.BACKGROUND,
        ),
        Job(
            "earnings",
            AtClock((EARNINGS_AT,)),
            lambda: earnings(desk, quietly),
            grace=2 * HOUR,
            patience=HOUR,
            lane=Lane.BACKGROUND,
        ),
    )


def store_jobs(desk: Desk, url: str, rules: BackupRules) -> tuple[Job, ...]:
    """The daily backup of the database at `url`, then the removal of rows that are of no use any more."""
    return (
        Job(
            "backup",
            Daily(BACKUP_AT),
            lambda: backup.daily(url, rules, desk.now()),
            grace=HOUR,
            catches_up=True,
            patience=HOUR,
            lane=Lane.BACKGROUND,
        ),
        Job(
            "tidy",
            Daily(TIDY_AT),
            lambda: tidying.tidy(desk).words,
            grace=HOUR,
            catches_up=True,
            patience=HOUR,
            lane=Lane.BACKGROUND,
        ),
    )


def in_turn(steps: tuple[Step, ...]) -> str:
    """Take every step, whatever becomes of the others.

    Raises:
        Exception: what the first that failed raised.
    """
    problems: list[Exception] = []
    for name, step in steps:
        try:
            step()
        except Exception as problem:  # noqa: BLE001 - raised when the others had their turn
            problem.add_note(f"in the step “{name}”")
            problems.append(problem)
    if problems:
        raise problems[0]
    return ", ".join(name for name, _ in steps)


def once_begun(desk: Desk, job: Callable[[], str]) -> str:
    """A job that has nothing to do until the books have their opening balance."""
    with desk.store.read() as work:
        has_begun = activities.have_begun(work)
    return job() if has_begun else "the books have no opening balance yet"


def scan(desk: Desk, name: str) -> str:
    """Scan a strategy: what passes is proposed."""
    found = scanning.run(desk, name)
    return "disabled" if found is None else f"{count(len(found.plans), 'signal')} fit"


def compare(desks: Desks) -> str:
    """The books beside what the broker holds."""
    found = desks.compare()
    if found.agrees:
        return "the books agree with the broker"
    return f"{count(len(found.lasting), 'difference')} told, {len(found.waiting)} looked at again"


def told(name: str, schedule: Schedule, desk: Desk, tell: Callable[[Desk], bool]) -> Job:
    """A job that tells the numbers of a time that is over, once; however late the desk is back."""

    def run() -> str:
        return "told" if tell(desk) else "nothing to tell, or told already"

    return Job(name, schedule, lambda: once_begun(desk, run), catches_up=True)


def stress(desk: Desk) -> str:
    """The scenarios of everything held; the result is kept."""
    kept = daily_stress.keep(desk)
    if kept is None:
        return "nothing is held"
    left_out = f", {count(kept.unpriced, 'leg')} without a price left out" if kept.unpriced else ""
    where = f"spot {as_percent(kept.spot, '+.0')}, volatility {as_percent(kept.vol, '+.0')}"
    return f"worst {kept.worst:,.0f} dollars at {where}{left_out}"


def volatilities(desk: Desk, quietly: Quietly = nullcontext) -> str:
    """Ask for the volatilities of today that are still missing."""
    for name in histories.unseen(desk):
        with quietly():
            _known(lambda name=name: histories.keep(desk, name))  # type: ignore[misc]
    names, missing = histories.underlyings(desk), histories.unseen(desk)
    return f"{len(names) - len(missing)} of {count(len(names), 'name')}{_named(missing)}"


def earnings(desk: Desk, quietly: Quietly = nullcontext) -> str:
    """Ask when everything held or scanned reports next: what is known is fresh before the open."""
    names, silent = histories.underlyings(desk), []
    for name in names:
        with quietly():
            if not _known(lambda name=name: desk.market.snapshot(name).earnings):  # type: ignore[misc]
                silent.append(name)
    return f"{len(names) - len(silent)} of {count(len(names), 'name')}{_named(silent)}"


def _known(ask: Callable[[], object]) -> bool:
    """Whether somebody has an answer: what cannot be known of one name is no trouble of the job's."""
    try:
        return ask() is not None
    except (DataError, NotFound):
        return False


def _named(missing: Iterable[str]) -> str:
    names = tuple(missing)
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f", not known: {', '.join(names[:NAMED])}{more}"


@dataclass(frozen=True, slots=True)
class Heart:
    """Looks from outside whether the loops of the desk still look, the exits before all."""

    runtime: Runtime
    troubles: Troubles

    def __call__(self) -> None:
        for beat in self.runtime.beats:
            if beat.name == "exits" and beat.age > EXITS_WITHIN:
                words = f"Stops and targets have not been looked at for {beat.age:.0f} s."
                self.troubles.tell("exits", "stalled", words, Severity.URGENT)
