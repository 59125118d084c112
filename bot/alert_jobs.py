"""The jobs by which a live desk watches itself: every alert rule each minute around the clock, and its clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from alerts import alerting, gathering
from alerts.facts import Facts, Look
from alerts.findings import Rule
from alerts.jobs import Job, Lane
from alerts.rules import catalogue
from alerts.rules.thresholds import Thresholds
from alerts.schedules import Always
from bot.clocks import ClockWatch
from bot.words import count
from engine.desk import Desk

EVERY = timedelta(minutes=1)
CLOCK_EVERY = timedelta(minutes=5)


def alert_jobs(desk: Desk, bounds: Thresholds, process: Look, clock: ClockWatch | None) -> tuple[Job, ...]:
    """The look at every rule, after the look at the limits that is due at the same minute; and the clock's, if any."""
    looks = look_job(desk, catalogue(bounds), process)
    if clock is None:
        return (looks,)
    return (looks, Job("clock", Always(CLOCK_EVERY), clock.measure, grace=CLOCK_EVERY, lane=Lane.BACKGROUND))


def look_job(desk: Desk, rules: Sequence[Rule[Facts]], process: Look) -> Job:
    """The look at these rules."""

    def look() -> str:
        found = alerting.look(desk, rules, gathering.gather(desk, process))
        names = ", ".join(sorted({alert.rule for alert in found}))
        return f"{count(len(found), 'alert')} open: {names}" if found else "no alert is open"

    return Job("alerts", Always(EVERY), look, grace=EVERY, patience=2 * EVERY, lane=Lane.WATCH)
