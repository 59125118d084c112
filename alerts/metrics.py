"""What Prometheus is told: the desk's numbers, read from its database when it asks, and how this process does.

What the database knows is counted there at every scrape, in one short transaction that only reads: so counters go on
over restarts and count nothing twice. It is shown by the process that acts for the desk alone, for two processes on
one database would tell everything twice. What only happens in a process is counted in `engine.meters`.

Text format and names: https://prometheus.io/docs/instrumenting/exposition_formats/,
https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from prometheus_client.core import Metric

from engine import bounds, meters, risk, standing
from engine.desk import Desk
from engine.errors import DataUnavailable
from engine.model.book import ZERO
from engine.model.leadership import Term
from engine.ports import SourceState
from engine.store import UnitOfWork
from engine.store.monitoring import EndedRun, Results

BACKUP = "backup"
"""The job whose last success is the age of the newest backup."""
RESULTS = (-5000, -2000, -1000, -500, -200, -100, 0, 100, 200, 500, 1000, 2000, 5000)
"""Upper bounds of what a trade makes, dollars."""
KEPT = 3.0
"""Seconds the numbers of the database are shown again before it is asked anew."""

LOOKS_BACK = timedelta(hours=6)
"""How long ago a run may have begun that ends now."""

Labels = tuple[str, ...]
Values = Iterable[tuple[Labels, float]]
"""What the labels are, in their order, and the number."""


class Type(StrEnum):
    """The kinds of metrics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Described:
    """One metric: its name as it is shown, what it means, the names of its labels. `is_money`: in dollars."""

    name: str
    type: Type
    words: str
    labels: tuple[str, ...] = ()
    is_money: bool = False

    def family(self, values: Values) -> Metric:
        """The metric with its values."""
        made = Metric(self.name.removesuffix("_total"), self.words, self.type.value)
        for labels, value in values:
            made.add_sample(self.name, dict(zip(self.labels, labels, strict=True)), value)
        return made


def _gauge(name: str, words: str, *labels: str) -> Described:
    return Described(name, Type.GAUGE, words, labels)


def _counter(name: str, words: str, *labels: str) -> Described:
    return Described(name, Type.COUNTER, words, labels)


EXECUTED = _counter("trades_executed_total", "Positions opened on a proposal and filled", "strategy", "ticker")
PNL = Described(
    "trade_pnl",
    Type.HISTOGRAM,
    "What closed trades made, dollars after fees with dividends",
    ("strategy",),
    is_money=True,
)
POSITION_RISK = _gauge(
    "position_risk_percentage", "Dollars at risk in what is open, percent of equity", "ticker", "strategy"
)
ORDERS = _counter("wsb_orders_total", "Decisions to trade, by what became of them", "state")
PROPOSALS = _counter("wsb_proposals_total", "Proposals, by what became of them", "state")
WAITING = _gauge("wsb_outbox_waiting", "Messages that wait to be sent, by platform", "destination")
DEAD = _gauge("wsb_outbox_dead_letters", "Messages that were given up")
FIRING = _gauge("wsb_alerts_firing", "Alerts that are not over", "rule", "severity")
LIMIT = _gauge("wsb_limit_used_ratio", "Share of a limit that is used, 1 at the limit; of several the highest", "limit")
EQUITY = Described("wsb_equity_dollars", Type.GAUGE, "The account's equity, as the broker last said", is_money=True)
DAY_PNL = Described(
    "wsb_day_pnl_dollars", Type.GAUGE, "Made since the last close, deposits and withdrawals taken out", is_money=True
)
DRAWDOWN = _gauge("wsb_drawdown_ratio", "Fall of the equity from its peak, as a fraction of the peak")
UNSEALED = _gauge("wsb_unsealed_events", "Events that have no place in the audit chain yet")
HEARTBEAT = _gauge("wsb_heartbeat_timestamp_seconds", "The desk's newest sign of life, Unix time")
RUNS = _counter("wsb_job_runs_total", "Runs of jobs that ended while this process watched", "job", "state")
JOB_DONE = _gauge("wsb_job_last_done_timestamp_seconds", "When a job last succeeded, Unix time", "job")
JOB_TOOK = _gauge("wsb_job_duration_seconds", "How long the last run of a job took", "job")
JOB_LATE = _gauge("wsb_job_late_seconds", "How long after its time the last run of a job began", "job")
BACKED_UP = _gauge("wsb_backup_last_done_timestamp_seconds", "When the database was last backed up, Unix time")
UPTIME = _gauge("wsb_uptime_ratio", "Share of the market hours in which the desk was alive")
ERROR_RATIO = _gauge("wsb_error_ratio", "Share of what was asked of the desk that went wrong")
RECOVERY = _gauge("wsb_recovery_seconds", "How long the longest outage lasted until the desk was back")
LEADER = _gauge("wsb_is_leader", "Whether this process acts for the desk (1) or stands by (0)")
EPOCH = _gauge("wsb_lease_epoch", "The number of the lease this process holds, 0 without one")
LOOP_AGE = _gauge("wsb_loop_age_seconds", "Since a loop last finished a look", "loop")
LOOP_STALLED = _gauge("wsb_loop_stalled", "Whether a loop is overdue", "loop")
EXITS_AGE = _gauge("wsb_exits_age_seconds", "Since the exits were last looked at")
BROKER_UP = _gauge("wsb_broker_up", "Whether the broker answered the last request")
PLATFORM_UP = _gauge("wsb_platform_up", "Whether a chat platform is connected", "platform")
DATA_AGE = _gauge("wsb_data_age_seconds", "Since a provider of data last answered", "provider")
SKEW = _gauge("wsb_clock_skew_seconds", "How far this machine's clock is ahead of the broker's")
DISK = _gauge("wsb_disk_free_bytes", "Free space where the database is")
SCRAPE_ERROR = _gauge("wsb_scrape_error", "Whether a part of these numbers could not be read in time", "part")

OF_THE_DESK = (
    EXECUTED, PNL, POSITION_RISK, ORDERS, PROPOSALS, WAITING, DEAD, FIRING, LIMIT, EQUITY, DAY_PNL, DRAWDOWN, UNSEALED,
    HEARTBEAT, RUNS, JOB_DONE, JOB_TOOK, JOB_LATE, BACKED_UP, UPTIME, ERROR_RATIO, RECOVERY,
)  # fmt: skip
OF_THE_PROCESS = (
    LEADER, EPOCH, LOOP_AGE, LOOP_STALLED, EXITS_AGE, BROKER_UP, PLATFORM_UP, DATA_AGE, SKEW, DISK, SCRAPE_ERROR
)  # fmt: skip


class Beat(Protocol):
    """How a loop does."""

    @property
    def name(self) -> str:
        """The loop's name."""

    @property
    def age(self) -> float:
        """Seconds since its last finished look."""

    @property
    def is_stalled(self) -> bool:
        """Whether it is overdue."""


EXITS = "exits"
"""The loop that looks at stops and targets."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """Where to look for how this process does; nothing here waits for anything.

    `platforms` gives (name, whether it is connected); `folder` is where the database is, None on a server. `levels`
    are the service levels by the names of their metrics, asked in the transaction that reads the rest.
    """

    acts: Callable[[], bool] = lambda: True
    """Whether this process acts for the desk."""
    loops: Callable[[], Iterable[Beat]] = tuple
    platforms: Callable[[], Iterable[tuple[str, bool]]] = tuple
    sources: Callable[[], Iterable[SourceState]] = tuple
    folder: Path | None = None
    levels: Callable[[UnitOfWork], Mapping[str, float | None]] = lambda work: {}


def process_metrics(term: Term, now: datetime, vitals: Vitals, failed: Sequence[str] = ()) -> tuple[Metric, ...]:
    """How this process does. `failed` names the parts of the answer that could not be read."""
    loops = tuple(vitals.loops())
    answered = [(state.name, state.answered_at) for state in vitals.sources()]
    ages = [((name,), (now - at).total_seconds()) for name, at in answered if at is not None]
    return (
        LEADER.family(_alone(float(vitals.acts()))),
        EPOCH.family(_alone(float(term.epoch))),
        LOOP_AGE.family(((beat.name,), beat.age) for beat in loops),
        LOOP_STALLED.family(((beat.name,), float(beat.is_stalled)) for beat in loops),
        EXITS_AGE.family(((), beat.age) for beat in loops if beat.name == EXITS),
        BROKER_UP.family(_alone(meters.BROKER.is_up)),
        PLATFORM_UP.family(((name,), float(is_up)) for name, is_up in vitals.platforms()),
        DATA_AGE.family(ages),
        SKEW.family(_alone(meters.SKEW.value)),
        DISK.family(_alone(_free(vitals.folder))),
        SCRAPE_ERROR.family(((part,), float(part in failed)) for part in ("database",)),
    )


def _alone(value: float | None) -> Values:
    """A metric without labels; none where nobody knows."""
    return () if value is None else (((), float(value)),)


def _free(folder: Path | None) -> float | None:
    """Bytes that are free there."""
    if folder is None:
        return None
    try:
        return float(shutil.disk_usage(folder).free)
    except OSError:
        return None


@dataclass(slots=True)
class Runs:
    """The runs of jobs that ended while this process watched.

    Old rows are deleted one day, and a counter must not fall: so what was seen is counted here. A run that took
    hours is not seen.
    """

    since: datetime
    seen: set[str] = field(default_factory=set)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    last: dict[str, EndedRun] = field(default_factory=dict)

    def look(self, work: UnitOfWork, now: datetime) -> None:
        """Count what has ended since the last look."""
        begin = max(self.since, now - LOOKS_BACK)
        found = work.ended_runs(begin)
        for run in found:
            if run.id not in self.seen:
                self.counts[run.job, run.state] += 1
                self.last[run.job] = run
        self.seen = {run.id for run in found}

    def metrics(self) -> tuple[Metric, ...]:
        """How often each job ended how, and how its last run went."""
        last = sorted(self.last.items())
        took = [(job, run.finished_at - run.started_at) for job, run in last if run.finished_at is not None]
        return (
            RUNS.family(sorted(self.counts.items())),
            JOB_TOOK.family(((job,), span.total_seconds()) for job, span in took),
            JOB_LATE.family(((job,), (run.started_at - run.due_at).total_seconds()) for job, run in last),
        )


class DeskMetrics:
    """The desk's numbers as its database has them. One thread may ask at a time; the others get its answer."""

    def __init__(self, desk: Desk, vitals: Vitals, *, money: bool) -> None:
        self._desk = desk
        self._vitals = vitals
        self._money = money
        self._runs = Runs(desk.now())
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._read: tuple[Metric, ...] = ()

    def read(self) -> tuple[Metric, ...]:
        """The metrics, at most a few seconds old; none while another process acts for the desk."""
        with self._lock:
            if self._read_at is None or time.monotonic() - self._read_at >= KEPT:
                self._read = self._fresh() if self._vitals.acts() else ()
                self._read_at = time.monotonic()
            return self._read

    def _fresh(self) -> tuple[Metric, ...]:
        with self._desk.store.read() as work:
            self._runs.look(work, self._desk.now())
            found = (
                *_traded(work),
                *_told(work),
                *_standing(self._desk, work),
                *_running(work),
                *self._runs.metrics(),
                *_levels(self._vitals.levels(work)),
            )
        hidden = {each.name for each in OF_THE_DESK if each.is_money and not self._money}
        return tuple(metric for metric in found if metric.name not in hidden)


def _traded(work: UnitOfWork) -> tuple[Metric, ...]:
    return (
        EXECUTED.family(((strategy, ticker), count) for strategy, ticker, count in work.executed_trades()),
        _results(work.trade_results(RESULTS)),
        ORDERS.family(((state,), count) for state, count in work.orders_by_state().items()),
        PROPOSALS.family(((state,), count) for state, count in work.proposals_by_state().items()),
    )


def _results(found: Iterable[Results]) -> Metric:
    """The histogram of what trades made. Its sum may fall: trades lose, too."""
    made = PNL.family(())
    for each in found:
        labels = {"strategy": each.strategy}
        for bound, count in zip(RESULTS, each.at_most, strict=True):
            made.add_sample(f"{PNL.name}_bucket", labels | {"le": str(float(bound))}, count)
        made.add_sample(f"{PNL.name}_bucket", labels | {"le": "+Inf"}, each.count)
        made.add_sample(f"{PNL.name}_count", labels, each.count)
        made.add_sample(f"{PNL.name}_sum", labels, float(each.total))
    return made


def _told(work: UnitOfWork) -> tuple[Metric, ...]:
    platforms: Counter[str] = Counter()
    for destination, count in work.waiting_by_destination().items():
        platforms[destination.partition(":")[0]] += count
    return (
        WAITING.family(((platform,), count) for platform, count in sorted(platforms.items())),
        DEAD.family(_alone(work.dead_letters())),
        FIRING.family(((rule, severity), count) for rule, severity, count in work.firing_alerts()),
        UNSEALED.family(_alone(work.count_unsealed())),
    )


def _running(work: UnitOfWork) -> tuple[Metric, ...]:
    done = work.jobs_done()
    beat, backup = work.last_beat(), done.get(BACKUP)
    return (
        HEARTBEAT.family(_alone(None if beat is None else beat.timestamp())),
        JOB_DONE.family(((job,), at.timestamp()) for job, at in done.items()),
        BACKED_UP.family(_alone(None if backup is None else backup.timestamp())),
    )


def _standing(desk: Desk, work: UnitOfWork) -> tuple[Metric, ...]:
    """Where the account stands; nothing while the broker has not told it within a minute."""
    try:
        state = standing.risk_state(desk, work, work.open_tickets())
    except DataUnavailable:
        return ()
    shares: dict[Labels, Decimal] = {}
    for held in state.held:
        key = (held.ticker, held.strategy)
        shares[key] = shares.get(key, ZERO) + state.share(held.counted) * 100
    used: dict[str, Decimal] = {}
    for use in risk.usage(state, bounds.limits_in_force(desk, work)):
        if use.limit > 0:
            used[use.key] = max(used.get(use.key, ZERO), use.used / use.limit)
    return (
        POSITION_RISK.family((labels, float(share)) for labels, share in sorted(shares.items())),
        LIMIT.family(((key,), float(ratio)) for key, ratio in sorted(used.items())),
        EQUITY.family(_alone(float(state.equity))),
        DAY_PNL.family(_alone(float(state.day_pnl))),
        DRAWDOWN.family(_alone(float(state.drawdown))),
    )


def _levels(found: Mapping[str, float | None]) -> tuple[Metric, ...]:
    return tuple(each.family(_alone(found.get(each.name))) for each in (UPTIME, ERROR_RATIO, RECOVERY))
