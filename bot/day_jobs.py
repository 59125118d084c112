"""The jobs of a demo or a practice: those of a live desk, at the clock of the recorded days.

Its clock leaps from look to look. Due times that it passed over count as the latest of them, and nothing is missed; and
as people live by their own clock, what waits for them waits `speed` times as long.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import timedelta

from alerts.facts import Facts
from alerts.findings import Rule
from alerts.gathering import nothing_known
from alerts.rules import catalogue
from alerts.rules.thresholds import Thresholds
from alerts.runner import Runner, Standing
from bot.alert_jobs import look_job
from bot.jobs import background_jobs, book_jobs, risk_job, scan_jobs
from bot.loops import ACCOUNT_EVERY, Desks, Paced, account_step
from bot.runtime import Troubles
from engine.desk import Desk
from engine.model.alerts import Alert, AlertState
from engine.model.events import Severity
from engine.model.records import Run
from engine.store import Store

LEFT_OUT = (
    "On recorded days nobody watches this machine (disk, clock, database, chats, loops), no backup, tidy, audit head "
    "or iv history runs, and service levels are not measured."
)
"""What has no meaning where days are replayed: these machines' troubles would be told at the time of other years."""
NO_RULES = frozenset(
    {"exits_stalled", "undelivered", "platform_down", "disk", "clock_skew", "backup_old", "database_slow"}
)
NO_JOBS = frozenset({"audit head", "iv history"})
"""Heads in the log bound what could be rewritten of money. Modelled chains show the volatility that was put in."""
REDRAWN = timedelta(seconds=5)
"""Of people's time, between two drawings of the card of an alert that goes on."""


@dataclass(frozen=True, slots=True)
class DayJobs:
    """What /jobs and /runjob ask where a day loop runs the jobs: a run that is asked for is done at once.

    Attributes:
        account: asks the broker for its account, when it is time.
    """

    runner: Runner
    account: Paced

    def standings(self) -> tuple[Standing, ...]:
        """How every job stands."""
        return self.runner.standings()

    def run_now(self, name: str, by: str) -> Future[Run]:
        """The ended run.

        Raises:
            NotFound: there is no such job.
        """
        done: Future[Run] = Future()
        done.set_result(self.runner.run_now(name, by))
        return done


def day_jobs(desk: Desk, bounds: Thresholds, speed: float) -> DayJobs:
    """The jobs of a desk whose days pass `speed` times as fast as ours; a day loop lets them look."""
    desks = Desks(desk, desk, desk, desk, desk)
    jobs = (
        *scan_jobs(desk),
        risk_job(desk),
        *book_jobs(desks),
        *background_jobs(desk),
        look_job(desk, rules(bounds, speed), nothing_known),
    )
    kept = (replace(job, leaps=True) for job in jobs if job.name not in NO_JOBS)
    account = Paced(desk, ACCOUNT_EVERY, lambda: account_step(desk))
    return DayJobs(Runner(desk, kept, Troubles(desk).tell), account)


def rules(bounds: Thresholds, speed: float) -> tuple[Rule[Facts], ...]:
    """The rules about what is held and what is done with it, which give people as long to answer as a live desk."""
    return tuple(_patient(rule, max(speed, 1.0)) for rule in catalogue(bounds) if rule.name not in NO_RULES)


def _patient(rule: Rule[Facts], speed: float) -> Rule[Facts]:
    return replace(
        rule,
        escalates=rule.escalates and rule.escalates * speed,
        again=rule.again and rule.again * speed,
        redraws=max(rule.redraws, REDRAWN * speed),
    )


def heard(store: Store) -> tuple[str, ...]:
    """The alerts that made a sound and that nobody has answered."""
    with store.read() as work:
        found = work.open_alerts()
    return tuple(f"{each.card}.{each.sounded}" for each in found if _is_heard(each))


def _is_heard(alert: Alert) -> bool:
    is_open = alert.state is AlertState.FIRING and not alert.seen_by
    return is_open and alert.sounded > 0 and alert.severity is not Severity.INFO
