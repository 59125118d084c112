"""For every alert rule: the desk just beyond its bound, just short of it, back where it is over, and unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from alerts.facts import (
    Broker,
    Facts,
    Failing,
    Front,
    Loop,
    Money,
    Process,
    Reporting,
    Sold,
    Watched,
)
from engine.alarms import Trouble
from engine.drift import Moved
from engine.model.market import ReportTime
from engine.model.records import LatestRun, Queue, RunState
from engine.ports import SourceState
from engine.risk import LimitUse

D = Decimal
NOW = datetime(2026, 6, 15, 18, 0, tzinfo=UTC)
"""Monday, 14:00 in New York."""
TODAY = date(2026, 6, 15)


def facts(**more: Any) -> Facts:
    """An open market on Monday 15 June 2026, 14:00 in New York, and a desk that holds nothing."""
    defaults: dict[str, Any] = {
        "now": NOW,
        "today": TODAY,
        "is_open": True,
        "opened": NOW - timedelta(hours=4, minutes=30),
        "uses": (),
        "drawdown": LimitUse("drawdown", D(0), D("0.10"), "drawdown_halt"),
    }
    return Facts(**(defaults | more))


def ago(seconds: float = 0, **more: float) -> datetime:
    return NOW - timedelta(seconds=seconds, **more)


@dataclass(frozen=True, slots=True)
class Case:
    """The same subject in four states; `between` is beyond what clears and short of what fires.

    Attributes:
        subject: what the finding is about. said: what its words have to name, beyond the bound.
        unknown: facts that do not tell; None where the trouble is a row of ours that is there or not.
    """

    subject: str
    beyond: Facts
    short: Facts
    over: Facts
    said: tuple[str, ...]
    between: Facts | None = None
    unknown: Facts | None = None


def used(share: str) -> Facts:
    """Total risk at so much of its limit of 30 %."""
    return facts(uses=(LimitUse("total risk", D("0.30") * D(share), D("0.30"), "max_total_risk"),))


def fallen(share: str) -> Facts:
    return facts(drawdown=LimitUse("drawdown", D(share), D("0.10"), "drawdown_halt"))


def margin(maintenance: int | None) -> Facts:
    wanted = None if maintenance is None else D(maintenance)
    return facts(money=Money(D(100_000), D(50_000), D(0), D(100_000), wanted, D(50_000)))


def drifted(delta: int | None = 0, vega: int | None = 0) -> Facts:
    def moved(dollars: int | None) -> Decimal | None:
        return None if dollars is None else D(dollars)

    return facts(money=Money(D(100_000)), drift=Moved(D(25_000), moved(delta), D(300), moved(vega)))


PUT = Watched("P00001", "XYZ", "2 × XYZ 20 Jul 26 44 put sold", entry=D("-1.03"), stop=D("-2.06"), target=D("-0.515"))


def marked(value: str | None) -> Facts:
    """Two puts sold at 1.03, stop at 2.06 and target at 0.515, worth so much now."""
    return facts(positions=(replace(PUT, value=None if value is None else D(value)),))


def ending(minutes: float) -> Facts:
    """A position that had to be closed so many minutes ago."""
    return facts(positions=(replace(PUT, last_session=TODAY, cutoff=ago(minutes=minutes)),))


CALL = Sold("P00002", "XYZ", "XYZ 17 Jul 26 45 call", is_call=True, dollars=D(4_500), inside=D("3.00"))


def short_call(time_value: str | None, **more: Any) -> Facts:
    return facts(sold=(replace(CALL, time_value=None if time_value is None else D(time_value), **more),))


def ex_dividend(time_value: str | None, sessions: int = 5) -> Facts:
    """30 cents go ex in so many sessions."""
    return short_call(time_value, dividend=D("0.30"), ex_date=date(2026, 6, 23), sessions=sessions)


def reporting(now: datetime, day: date | None = date(2026, 6, 16)) -> Facts:
    """XYZ reports on Tuesday after the close: told from Monday's close on, acted on by 15:30 on Tuesday."""
    tuesday = datetime(2026, 6, 16, 20, 0, tzinfo=UTC)
    one = Reporting(
        "XYZ",
        day,
        ReportTime.AFTER_CLOSE,
        confirmed=True,
        tells_from=datetime(2026, 6, 15, 20, 0, tzinfo=UTC),
        acts_from=tuesday - timedelta(minutes=30),
        ends=tuesday,
    )
    return replace(facts(reports=(one,)), now=now)


def quoted(old: int, names: int = 10, **more: Any) -> Facts:
    """So many of ten held names with a quote 61 s old, the others with one of exactly a minute."""
    ages = [61 if number < old else 60 for number in range(names)]
    return facts(quotes=tuple((f"T{number}", ago(age)) for number, age in enumerate(ages)), **more)


def provider(is_up: bool, answered: datetime | None = None, trouble: str = "") -> Facts:
    return facts(sources=(SourceState("yahoo", (), is_up, trouble, answered, since=ago(minutes=9)),))


def silent(seconds: float) -> Facts:
    return facts(broker=Broker(answered=ago(seconds)))


def refused(count: int) -> Facts:
    return facts(broker=Broker(answered=NOW, refused=("insufficient buying power",) * count))


def differing(*rows: tuple[str, str, str]) -> Facts:
    return facts(broker=Broker(answered=NOW, differing=rows))


def stalled(seconds: float) -> Facts:
    return facts(process=Process(loops=(Loop("exits", seconds), Loop("exit orders", 0.2))))


def ran(state: RunState, note: str = "") -> Facts:
    return facts(jobs=(LatestRun("digest", ago(minutes=30), state, note),))


def process(**more: Any) -> Facts:
    return facts(process=Process(**more))


def skewed(seconds: float, measured: datetime | None = NOW) -> Facts:
    return process(skew=seconds, skew_at=measured)


def waiting(minutes: float) -> Facts:
    return facts(waiting=(Queue("telegram:5", 12, ago(minutes=minutes)),))


def reached(is_up: bool) -> Facts:
    return process(fronts=(Front("discord", is_up, "no gateway"),))


CASES: Mapping[str, Case] = {
    "limit_near": Case(
        "total risk",
        used("0.90"),
        used("0.899"),
        used("0.85"),
        ("Total risk is 27.0 %", "90 % of its limit of 30.0 %"),
        used("0.86"),
        facts(uses=None),
    ),
    "limit_crossed": Case(
        "total risk",
        used("1.01"),
        used("0.999"),
        used("0.95"),
        ("Total risk is 30.3 %", "101 % of its limit of 30.0 %"),
        used("0.96"),
        facts(uses=None),
    ),
    "drawdown": Case(
        "",
        fallen("0.075"),
        fallen("0.0749"),
        fallen("0.065"),
        ("7.5 % below its peak", "At 10.0 %"),
        fallen("0.07"),
        facts(drawdown=None),
    ),
    "margin": Case(
        "maintenance",
        margin(85_000),
        margin(84_900),
        margin(80_000),
        ("85,000.00", "100,000.00", "85.0 %"),
        margin(82_000),
        margin(None),
    ),
    "delta_drift": Case(
        "",
        drifted(delta=-10_000),
        drifted(delta=9_990),
        drifted(delta=6_990),
        ("-10,000 dollars", "-10.0 % of equity", "+25,000 now"),
        drifted(delta=-8_000),
        drifted(delta=None),
    ),
    "vega_drift": Case(
        "",
        drifted(vega=200),
        drifted(vega=-199),
        drifted(vega=139),
        ("+200 dollars", "+0.20 % of equity", "+300 now"),
        drifted(vega=150),
        drifted(vega=None),
    ),
    "stop_near": Case(
        "P00001",
        marked("-1.91"),
        marked("-1.90"),
        marked("-1.80"),
        ("2 × XYZ 20 Jul 26 44 put sold", "worth -1.91", "stop at -2.06", "15 % of the way"),
        marked("-1.85"),
        marked(None),
    ),
    "exit_failed": Case(
        "P00001",
        facts(failing=(Failing("P00001", "XYZ", Trouble.EXIT, 3, "order P00001.stop.3: no buying power."),)),
        facts(),
        facts(),
        ("An exit of XYZ (P00001) has failed 3 times: order P00001.stop.3: no buying power.",),
    ),
    "target_near": Case(
        "P00001",
        marked("-0.56"),
        marked("-0.57"),
        marked("-0.62"),
        ("worth -0.56", "target at -0.52", "91 % of the way"),
        marked("-0.60"),
        marked(None),
    ),
    "expiry": Case(
        "P00001",
        ending(2),
        ending(1.9),
        ending(0),
        ("2 × XYZ 20 Jul 26 44 put sold", "from 13:58 ET on", "2 min later"),
        ending(1),
    ),
    "assignment": Case(
        "P00002 XYZ 17 Jul 26 45 call",
        short_call("0.05"),
        short_call("0.06"),
        short_call("0.10"),
        ("3.00 in the money", "0.05 a share of time value", "4,500.00"),
        short_call("0.08"),
        short_call(None),
    ),
    "ex_dividend": Case(
        "P00002 XYZ 17 Jul 26 45 call",
        ex_dividend("0.29"),
        ex_dividend("0.30"),
        ex_dividend("0.35"),
        ("0.30 a share goes ex on 23 Jun", "0.29 of time value"),
        ex_dividend("0.32"),
        ex_dividend(None),
    ),
    "earnings": Case(
        "XYZ",
        reporting(datetime(2026, 6, 15, 20, 0, tzinfo=UTC)),
        reporting(datetime(2026, 6, 15, 19, 59, tzinfo=UTC)),
        reporting(datetime(2026, 6, 16, 20, 0, tzinfo=UTC)),
        ("XYZ reports on Tue 16 Jun, after close", "1 position is held"),
        unknown=reporting(NOW, None),
    ),
    "data_stale": Case(
        "",
        quoted(5),
        quoted(4),
        quoted(2),
        ("5 of 10 held names (50 %)", "60 s", "T0 (61 s)"),
        quoted(3),
        quoted(10, is_open=False),
    ),
    "provider_down": Case(
        "yahoo",
        provider(False, NOW, "HTTP 429"),
        provider(True, NOW),
        provider(True, NOW),
        ("yahoo is down for 9 min", "HTTP 429"),
        unknown=provider(True),
    ),
    "broker_down": Case("", silent(120), silent(119), silent(48), ("2 min",), silent(60), facts()),
    "broker_rejects": Case(
        "", refused(3), refused(2), refused(0), ("3 orders", "insufficient buying power"), refused(1)
    ),
    "position_mismatch": Case(
        "",
        differing(("XYZ", "100 × XYZ", "0 × XYZ")),
        differing(),
        differing(),
        ("the broker has 100 × XYZ", "the books have 0 × XYZ"),
    ),
    "exits_stalled": Case("exits", stalled(30), stalled(29), stalled(5), ("“exits”", "30 s"), stalled(6), process()),
    "job_missed": Case(
        "digest",
        ran(RunState.MISSED, "the desk was down"),
        ran(RunState.FAILED, "broke"),
        ran(RunState.DONE),
        ("digest", "13:30 ET", "missed: the desk was down"),
    ),
    "job_failed": Case(
        "digest",
        ran(RunState.FAILED, "no price"),
        ran(RunState.MISSED),
        ran(RunState.DONE),
        ("digest", "13:30 ET", "failed: no price"),
    ),
    "disk": Case(
        "",
        process(disk_free=1_000_000_000),
        process(disk_free=1_010_000_000),
        process(disk_free=1_250_000_000),
        ("1.00 GB are free", "1 GB should be"),
        process(disk_free=1_200_000_000),
        process(),
    ),
    "clock_skew": Case(
        "",
        skewed(-1.0),
        skewed(0.99),
        skewed(0.5),
        ("1.0 s behind",),
        skewed(0.7),
        skewed(9.0, ago(minutes=31)),
    ),
    "error_rate": Case(
        "",
        facts(errors=10, acts=1_000),
        facts(errors=9, acts=1_000),
        facts(errors=1, acts=1_000),
        ("10 errors in 1,000 acts", "1.00 %"),
        facts(errors=3, acts=1_000),
    ),
    "undelivered": Case(
        "telegram:5", waiting(10), waiting(9.9), waiting(1), ("12 messages wait for telegram:5", "10 min"), waiting(5)
    ),
    "platform_down": Case(
        "discord", reached(False), reached(True), reached(True), ("Discord is not reached: no gateway",)
    ),
    "backup_old": Case(
        "",
        process(backup=ago(hours=36)),
        process(backup=ago(hours=35.9)),
        process(backup=ago(hours=25)),
        ("The last backup is old: 36 h",),
        process(backup=ago(hours=30)),
        facts(),
    ),
    "database_slow": Case(
        "",
        process(commit_seconds=1.0),
        process(commit_seconds=0.99),
        process(commit_seconds=0.25),
        ("1.00 s",),
        process(commit_seconds=0.5),
        process(),
    ),
}
