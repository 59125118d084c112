"""The jobs by which a live desk watches itself: every alert rule each minute around the clock, and its clock."""

from __future__ import annotations

from datetime import timedelta

from alerts import alerting, gathering
from alerts.facts import Look
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
    rules = catalogue(bounds)

    def look() -> str:
        found = alerting.look(desk, rules, gathering.gather(desk, process))
        names = ", ".join(sorted({alert.rule for alert in found}))
        return f"{count(len(found), 'alert')} open: {names}" if found else "no alert is open"

    looks = Job("alerts", Always(EVERY), look, grace=EVERY, patience=2 * EVERY, lane=Lane.WATCH)
    if clock is None:
        return (looks,)
    return (looks, Job("clock", Always(CLOCK_EVERY), clock.measure, grace=CLOCK_EVERY, lane=Lane.BACKGROUND))
