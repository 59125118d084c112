"""The jobs of a live desk: what each does, when it is due, and what its note says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from alerts.jobs import Job, Lane
from alerts.planner import due_times
from alerts.runner import Runner
from bot.jobs import EXITS_WITHIN, Heart, ScanTimes, desk_jobs, in_turn, store_jobs
from bot.loops import Desks, works
from bot.runtime import Beat, Runtime, Troubles
from engine import daily_stress
from engine.errors import DataUnavailable
from engine.model.backups import BackupRules
from engine.model.events import EventKind, Severity
from engine.model.market import MarketSnapshot
from engine.model.records import Run, RunState
from engine.model.trade import Context, Found, Needs, RiskLevel, Strategy
from engine.sessions import NEW_YORK, Sessions
from engine.store import Store
from strategies import CATALOGUE
from tests import make
from tests.desk import World, make_world
from tests.jobs import jobs_of

SESSIONS = Sessions()
MONDAY, EARLY, HOLIDAY = date(2026, 6, 15), date(2026, 11, 27), date(2026, 11, 26)
SPRING, AUTUMN = date(2026, 3, 9), date(2026, 11, 2)
"""The first sessions after the clock was changed."""


@dataclass
class Rule:
    """A strategy that notes when it looks."""

    looks: list[str] = field(default_factory=list)
    problem: Exception | None = None

    def find(self, snapshot: MarketSnapshot, context: Context, params: object) -> Found:
        if self.problem is not None:
            raise self.problem
        self.looks.append(snapshot.ticker)
        return Found((make.signal(strategy="test"),), ())


def desk_with(rule: Rule, *times: str) -> World:
    strategy = Strategy("test", "Test", RiskLevel.LOW, None, Needs(times=times), rule.find, lambda *_: ())
    world = make_world({"test": strategy}, universe=("XYZ",))
    world.market.set_snapshot(make.snapshot())
    return world


def at(world: World, clock: str) -> None:
    world.clock.set(SESSIONS.at(world.desk.today, clock))


def all_jobs(world: World) -> dict[str, Job]:
    return {job.name: job for job in desk_jobs(Desks(*[world.desk] * 5))}


def catalogue() -> dict[str, Job]:
    return all_jobs(make_world(CATALOGUE))


def clocks(job: Job, day: date) -> list[str]:
    """The due times of a day in New York, with their date where it is another."""
    times = due_times(job.schedule, SESSIONS, SESSIONS.at(day, "00:00"), SESSIONS.at(day + timedelta(days=1), "00:00"))
    return [f"{each.astimezone(NEW_YORK):%H:%M}" for each in times]


def test_a_scan_whose_time_has_come_makes_its_proposal_once() -> None:
    rule = Rule()
    world = desk_with(rule, "10:10", "15:30")
    runner = Runner(world.desk, all_jobs(world).values())
    runner.tick()
    at(world, "10:11")

    for _ in range(3):
        runner.tick()
        world.clock.advance(5)

    with world.store.read() as work:
        made = [(run.state, run.note) for run in work.runs("scan test")]
    assert rule.looks == ["XYZ"]
    assert made == [(RunState.DONE, "1 signal fit")]
    assert len(world.events(EventKind.APPROVAL_REQUESTED)) == 1


def test_a_scan_that_fails_is_told_and_holds_up_no_other_job() -> None:
    world = desk_with(Rule(problem=DataUnavailable("no prices")), "10:10")
    troubles = Troubles(world.desk)
    runner = Runner(world.desk, all_jobs(world).values(), troubles.tell)
    runner.tick()
    at(world, "10:11")

    made = {run.job: run.state for run in runner.tick()}

    assert (made["scan test"], made["risk"]) == (RunState.FAILED, RunState.DONE)
    assert [event.data["problem"] for event in world.events(EventKind.ERROR)] == ["no prices"]


@pytest.mark.parametrize("day", [MONDAY, SPRING, AUTUMN], ids=["summer", "after spring", "after autumn"])
def test_jobs_keep_their_distance_to_the_bells_when_the_clock_is_changed(day: date) -> None:
    found = catalogue()

    times = {name: clocks(found[name], day) for name in ("scan wheel", "reconcile", "day end", "stress", "earnings")}

    assert times == {
        "scan wheel": ["10:00"],
        "reconcile": ["09:00", "16:15"],
        "day end": ["16:15", "17:15"],
        "stress": ["15:30"],
        "earnings": ["08:30"],
    }
    assert (len(clocks(found["risk"], day)), clocks(found["risk"], day)[0]) == (390, "09:30")


def test_on_the_day_after_thanksgiving_everything_is_three_hours_earlier() -> None:
    found = catalogue()

    assert clocks(found["day end"], EARLY) == ["13:15", "14:15"]
    assert clocks(found["stress"], EARLY) == ["12:30"]
    assert clocks(found["iv history"], EARLY) == ["13:05"]
    assert clocks(found["reconcile"], EARLY) == ["09:00", "13:15"]
    assert clocks(found["risk"], EARLY)[-1] == "12:59"
    assert clocks(found["scan lotto"], EARLY) == []
    assert max(max(clocks(job, EARLY), default="") for name, job in found.items() if name[:4] == "scan") < "11:30"


def test_on_a_holiday_only_the_audit_head_is_due() -> None:
    assert [name for name, job in catalogue().items() if clocks(job, HOLIDAY)] == ["audit head"]


def test_every_strategy_has_its_job_at_its_own_cadence() -> None:
    found = catalogue()

    assert [name for name in found if name.startswith("scan ")] == [f"scan {name}" for name in CATALOGUE]
    assert {name: found[f"scan {name}"].schedule.words for name in ("wheel", "lotto", "momentum_weeklies")} == {
        "wheel": "at 10:00",
        "lotto": "at 15:05, 15:20 and 15:35",
        "momentum_weeklies": "every 5 min from 09:45 on",
    }
    assert {job.lane for name, job in found.items() if name.startswith("scan ")} == {Lane.SCANS}


def test_a_strategy_s_hours_bound_its_scans() -> None:
    strategy = replace(CATALOGUE["swing"], entry_hours=("10:00", "10:30"))

    times = ScanTimes(strategy).times(SESSIONS, MONDAY)

    assert [f"{each.astimezone(NEW_YORK):%H:%M}" for each in (times[0], times[-1])] == ["10:00", "10:30"]
    assert ScanTimes(strategy).words == "every 5 min from 10:00 to 10:30"


def test_what_fails_in_the_look_at_risk_keeps_no_other_step_from_its_turn() -> None:
    taken: list[str] = []

    def fail() -> None:
        raise DataUnavailable("no quotes")

    with pytest.raises(DataUnavailable):
        in_turn((("first", fail), ("second", lambda: taken.append("second"))))

    assert taken == ["second"]


def test_the_day_ends_once_and_not_before_the_books_have_begun() -> None:
    world = make_world(deposit=None)
    at(world, "16:20")
    run = all_jobs(world)["day end"].run

    before = run()
    with world.store.begin() as work:
        work.add_postings((make.deposit(),))
    after = [run(), run()]

    assert before == "the books have no opening balance yet"
    assert after == ["told", "nothing to tell, or told already"]
    assert len(world.events(EventKind.DIGEST_READY)) == 1


def test_the_stress_of_an_empty_desk_is_nothing() -> None:
    world = make_world()

    assert all_jobs(world)["stress"].run() == "nothing is held"
    with world.store.read() as work:
        assert daily_stress.kept(work) is None


def test_iv_history_and_earnings_name_what_is_not_known() -> None:
    world = make_world(universe=("AAA", "XYZ"))
    world.market.set_snapshot(make.snapshot())
    at(world, "16:06")
    found = all_jobs(world)

    assert found["earnings"].run() == "1 of 2 names, not known: AAA"
    assert found["iv history"].run() == "0 of 2 names, not known: AAA, XYZ"


def test_a_live_desk_has_no_loop_that_scans_and_collars_go_with_the_entries() -> None:
    loops = {work.name: [name for name, _ in work.steps] for work in works(Desks(*[make_world().desk] * 5))}

    assert "scans" not in loops
    assert "collars" in loops["entries"]


class Stalled(Runtime):
    """A runtime whose exits have looked so many seconds ago."""

    age = 0.0

    @property
    def beats(self) -> tuple[Beat, ...]:
        return (Beat("exits", self.age, 0.01, False, 7), Beat("books", 900.0, 0.01, True, 7))


def test_exits_that_have_not_looked_for_too_long_are_urgent() -> None:
    world = make_world()
    runtime = Stalled(world.desk, ())
    heart = Heart(runtime, Troubles(world.desk))

    heart()
    calm = world.events(EventKind.ERROR)
    runtime.age = EXITS_WITHIN + 1
    heart()
    heart()

    (event,) = world.events(EventKind.ERROR)
    assert calm == []
    assert (event.severity, event.data["problem"]) == (
        Severity.URGENT,
        "Stops and targets have not been looked at for 21 s.",
    )


def test_every_day_the_database_is_backed_up_and_then_tidied(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    world = make_world(store=Store.create(url))
    backs_up, tidies = store_jobs(world.desk, url, BackupRules())
    for day in (MONDAY, HOLIDAY, SPRING, AUTUMN):
        (first,), (then,) = backs_up.schedule.times(SESSIONS, day), tidies.schedule.times(SESSIONS, day)
        assert first == SESSIONS.at(day, "17:00") < then
    assert backs_up.catches_up
    assert backs_up.run().startswith("desk-20260615T140000Z-")
    assert len(list((tmp_path / "backups").iterdir())) == 1
    assert tidies.run() == "nothing to remove"


THANKSGIVING = """
Wed 25 08:30 earnings | Wed 25 09:00 reconcile | Wed 25 10:00 scan wheel | Wed 25 15:30 stress | Wed 25 16:05 iv history
Wed 25 16:15 day end | Wed 25 16:15 reconcile | Wed 25 17:00 backup | Wed 25 17:15 day end | Wed 25 17:30 tidy
Thu 26 17:00 backup | Thu 26 17:30 tidy
Fri 27 08:30 earnings | Fri 27 09:00 reconcile | Fri 27 10:00 scan wheel | Fri 27 12:30 stress | Fri 27 13:05 iv history
Fri 27 13:15 day end | Fri 27 13:15 reconcile | Fri 27 13:20 weekly report | Fri 27 14:15 day end
Fri 27 14:20 weekly report | Fri 27 17:00 backup | Fri 27 17:30 tidy
Sat 28 17:00 backup | Sat 28 17:30 tidy
Sun 29 17:00 backup | Sun 29 17:30 tidy
Mon 30 08:30 earnings | Mon 30 09:00 reconcile | Mon 30 10:00 scan wheel | Mon 30 15:30 stress | Mon 30 16:05 iv history
Mon 30 16:15 day end | Mon 30 16:15 reconcile | Mon 30 16:20 monthly report
Mon 30 17:00 backup | Mon 30 17:15 day end | Mon 30 17:20 monthly report | Mon 30 17:30 tidy
"""
"""What is due once or twice a day, 25 to 30 November 2026 in New York: a holiday, an early close, a month's end."""


def test_over_thanksgiving_each_job_runs_at_these_times_and_no_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    world = make_world({"wheel": CATALOGUE["wheel"]}, store=Store.create(url), universe=("XYZ",))
    runner = jobs_of(world.desk, store_jobs(world.desk, url, BackupRules())).runner
    now, over = SESSIONS.at(date(2026, 11, 25), "00:00"), SESSIONS.at(date(2026, 12, 1), "00:00")

    ran: list[Run] = []
    while now < over:
        world.clock.set(now)
        ran += runner.tick()
        now += timedelta(minutes=5)

    often = ("risk", "audit head")
    times = [
        f"{run.due_at.astimezone(NEW_YORK):%a %d %H:%M} {run.job}" for run in _in_order(ran) if run.job not in often
    ]
    assert times == [each.strip() for line in THANKSGIVING.strip().splitlines() for each in line.split("|")]
    assert {run.state for run in ran} == {RunState.DONE}
    assert {run.due_at.astimezone(NEW_YORK).day for run in ran if run.job == "risk"} == {25, 27, 30}
    assert [event.subject for event in world.events(EventKind.DIGEST_READY)] == [
        "2026-11-25",
        "2026-11-27",
        "2026-11-30",
    ]
    assert len(world.events(EventKind.REPORT_READY)) == 2
    with world.store.read() as work:
        missed = {run.job for run in work.runs(limit=10_000) if run.state is RunState.MISSED}
    assert missed == {"risk"}  # which is due every minute, and is looked at here every five


def _in_order(runs: list[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: (run.due_at, run.job))
