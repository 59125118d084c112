"""The running process itself: exits, jobs, messages, platforms, disk, clock, database, backups, errors.

A loop that stalls, a platform that is lost and a message that is given up are told at once (`error`, `platform_down`,
`undelivered`): the alerts about them open without a second sound, and are heard when nobody answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from alerts.facts import Facts
from alerts.findings import Finding, Rule
from alerts.routes import platform_of
from alerts.rules.thresholds import Thresholds
from engine.ages import age
from engine.model.events import Severity
from engine.model.records import LatestRun, RunState
from engine.percent import as_percent
from engine.sessions import NEW_YORK

PROTECTING = ("exits", "exit orders")
"""The loops without which no stop is carried out."""
GIGABYTE = 1e9
OLD_SKEW = timedelta(minutes=30)
"""Since the clock was measured; what is older says nothing about now."""
STALLED = "Stops and targets wait for it: close at the broker's own page what cannot wait, and start the desk again."
SERVICE_LEVEL = 0.001
"""Errors over acts that are within the service level: an error rate is over when it is there again."""
LASTS = timedelta(minutes=2)


def rules(bounds: Thresholds) -> tuple[Rule[Facts], ...]:
    """Those about the process."""
    return (*_work(bounds), *_machine(bounds))


def _work(bounds: Thresholds) -> tuple[Rule[Facts], ...]:
    """What it does: exits, jobs, messages."""
    minutes = float(bounds.undelivered_minutes)
    return (
        # Nothing is protected while it lasts.
        Rule(
            "exits_stalled",
            "Stops not watched",
            Severity.URGENT,
            _exits,
            float(bounds.exits_seconds),
            bounds.exits_seconds / 6,
            escalates=timedelta(minutes=2),
            again=timedelta(minutes=30),
        ),
        # The next due time makes up for most of them.
        Rule("job_missed", "Job missed", Severity.WARNING, _missed, 1.0, 0.0, holds=LASTS),
        Rule("job_failed", "Job failed", Severity.WARNING, _failed, 1.0, 0.0, holds=LASTS),
        Rule(
            "error_rate",
            "Error rate",
            Severity.WARNING,
            lambda facts: _errors(facts, bounds),
            bounds.error_rate,
            min(SERVICE_LEVEL, bounds.error_rate / 2),
            escalates=timedelta(hours=1),
        ),
        # The desk works on, but somebody is not told.
        Rule(
            "undelivered",
            "Undelivered",
            Severity.WARNING,
            _waiting,
            minutes,
            minutes / 10,
            escalates=timedelta(minutes=30),
        ),
        Rule(
            "platform_down",
            "Platform down",
            Severity.WARNING,
            _fronts,
            1.0,
            0.0,
            holds=timedelta(minutes=1),
            escalates=timedelta(minutes=30),
        ),
    )


def _machine(bounds: Thresholds) -> tuple[Rule[Facts], ...]:
    """What it stands on: disk, clock, backups, database."""
    return (
        # A full disk ends the desk, but not within minutes.
        Rule(
            "disk",
            "Disk nearly full",
            Severity.WARNING,
            lambda f: _disk(f, bounds),
            1.0,
            0.8,
            escalates=timedelta(hours=1),
        ),
        # Ages of quotes and lives of cards are measured with it; nothing is lost at once.
        Rule(
            "clock_skew",
            "Clock skew",
            Severity.WARNING,
            _skew,
            bounds.skew_seconds,
            bounds.skew_seconds / 2,
            escalates=timedelta(hours=1),
        ),
        # It matters on the day it is needed.
        Rule(
            "backup_old", "Backup old", Severity.WARNING, _backup, float(bounds.backup_hours), bounds.backup_hours * 0.7
        ),
        # Orders wait for the database before they are sent.
        Rule(
            "database_slow",
            "Database slow",
            Severity.WARNING,
            _commit,
            bounds.commit_seconds,
            bounds.commit_seconds / 4,
            holds=LASTS,
        ),
    )


def _exits(facts: Facts) -> Iterator[Finding]:
    for loop in PROTECTING:
        seconds = facts.process.age(loop)
        if seconds is None:
            yield Finding(loop, None, f"Whether the loop “{loop}” runs is not known.")
            continue
        words = f"The loop “{loop}” finished its last look {age(seconds)} ago."
        yield Finding(loop, seconds, words, STALLED, figure=age(seconds))


def _missed(facts: Facts) -> Iterator[Finding]:
    for run in facts.jobs:
        advice = f"/runjob {run.job} does it now where that makes sense."
        yield Finding(run.job, float(run.state is RunState.MISSED), _run_words(run), advice, figure=_due(run))


def _failed(facts: Facts) -> Iterator[Finding]:
    for run in facts.jobs:
        advice = f"/jobs shows its runs; /runjob {run.job} tries it again."
        yield Finding(run.job, float(run.state is RunState.FAILED), _run_words(run), advice, figure=_due(run))


def _due(run: LatestRun) -> str:
    return f"{run.due_at.astimezone(NEW_YORK):%a %H:%M}"


def _run_words(run: LatestRun) -> str:
    outcome = {RunState.MISSED: "was missed", RunState.FAILED: "failed"}.get(run.state, "is done")
    said = f": {run.note}" if run.note else "."
    return f"{run.job}, due {run.due_at.astimezone(NEW_YORK):%a %d %b %H:%M} ET, {outcome}{said}"


def _disk(facts: Facts, bounds: Thresholds) -> Iterator[Finding]:
    free = facts.process.disk_free
    if free is None:
        yield Finding("", None, "How much disk is free is not known.")
        return
    wanted = bounds.disk_gb * GIGABYTE
    words = f"{free / GIGABYTE:,.2f} GB are free where the database is; {bounds.disk_gb:g} GB should be."
    advice = "Delete recordings, old backups or logs, or give it more room."
    yield Finding("", wanted / free if free > 0 else float("inf"), words, advice)


def _skew(facts: Facts) -> Iterator[Finding]:
    process, measured = facts.process, facts.since(facts.process.skew_at)
    if process.skew is None or measured is None or measured > OLD_SKEW:
        yield Finding("", None, "How right this machine's clock is is not known.")
        return
    side = "ahead of" if process.skew > 0 else "behind"
    words = f"This machine's clock is {abs(process.skew):.1f} s {side} the broker's."
    yield Finding("", abs(process.skew), words, "Let it set its clock by a time server (chrony, systemd-timesyncd).")


def _errors(facts: Facts, bounds: Thresholds) -> Iterator[Finding]:
    """Of the last hour, as the service level counts them; a few errors in a quiet night are no rate."""
    acts = max(facts.acts, facts.errors, 1)
    share = facts.errors / acts if facts.errors >= bounds.errors else 0.0
    words = f"{facts.errors} errors in {acts:,} acts of the last hour, {as_percent(facts.errors / acts, '.2')}."
    yield Finding("", share, words, "/audit and the log tell what breaks; /halt stops entries meanwhile.")


def _waiting(facts: Facts) -> Iterator[Finding]:
    away = {front.name for front in facts.process.fronts if not front.is_up}
    for each in facts.waiting:
        if platform_of(each.destination) in away:
            yield Finding(each.destination, None, "Its platform is not reached: that is told by itself.")
            continue
        waited = (facts.since(each.since) or timedelta(0)).total_seconds()
        count = "1 message waits" if each.count == 1 else f"{each.count} messages wait"
        words = f"{count} for {each.destination}, the oldest for {age(waited)}."
        advice = "/health shows how that platform does; nothing is lost."
        yield Finding(each.destination, waited / 60, words, advice, figure=age(waited))


def _fronts(facts: Facts) -> Iterator[Finding]:
    for front in facts.process.fronts:
        state = "reached" if front.is_up else "not reached"
        words = f"{front.name.capitalize()} is {state}{f': {front.words}' if front.words else '.'}"
        advice = "What is to be said there waits and follows in order."
        yield Finding(front.name, 0.0 if front.is_up else 1.0, words, advice)


def _backup(facts: Facts) -> Iterator[Finding]:
    """Hours since the last one; where none is known, since the process began."""
    old = facts.since(facts.process.backup or facts.process.since)
    if old is None:
        yield Finding("", None, "When the last backup was made is not known.")
        return
    hours = old.total_seconds() / 3600
    never = "No backup is known of" if facts.process.backup is None else "The last backup is old"
    yield Finding("", hours, f"{never}: {hours:.0f} h.", "/runjob backup makes one now; then see why the job does not.")


def _commit(facts: Facts) -> Iterator[Finding]:
    seconds = facts.process.commit_seconds
    if seconds is None:
        yield Finding("", None, "How long a transaction takes is not known.")
        return
    words = f"A small transaction took {seconds:.2f} s."
    yield Finding("", seconds, words, "Look at the disk's and the database's load: every order waits for one.")
