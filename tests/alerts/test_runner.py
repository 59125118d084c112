"""Jobs at their times: once each, after restarts and kills too, and down as missed where it was too late."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.jobs import Job, Lane
from alerts.planner import due_times
from alerts.runner import LEFT, TAKEN_UP, Runner
from alerts.schedules import AfterClose, AtClock, Every, Schedule
from engine.errors import BadRequest, DataUnavailable, LeaseLost, NotFound
from engine.model.events import Severity
from engine.model.records import Run, RunState
from engine.store.operations import LEASE
from tests.desk import World, make_world

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TWICE = AtClock(("10:10", "15:30"))
DONE, FAILED, MISSED, RUNNING = RunState.DONE, RunState.FAILED, RunState.MISSED, RunState.RUNNING


@dataclass
class Scene:
    """A desk at 9:00 of a Monday with one job that notes when it runs."""

    schedule: Schedule = TWICE
    catches_up: bool = False
    world: World = field(default_factory=make_world)
    ran: list[datetime] = field(default_factory=list)
    told: list[tuple[str, str, str, Severity]] = field(default_factory=list)
    work: Callable[[], str] = lambda: "fine"

    def __post_init__(self) -> None:
        self.at("09:00")

    def runner(self) -> Runner:
        """A process that looks at the jobs; a second one is a restart."""

        def run() -> str:
            self.ran.append(self.world.clock())
            return self.work()

        job = Job("test", self.schedule, run, catches_up=self.catches_up)
        return Runner(self.world.desk, (job,), lambda *words: self.told.append(words))

    def at(self, clock: str, day: date | None = None) -> None:
        sessions = self.world.desk.sessions
        self.world.clock.set(sessions.at(day or self.world.desk.today, clock))

    @property
    def runs(self) -> list[tuple[str, RunState]]:
        """The due time in New York and the state of every run, oldest first."""
        with self.world.store.read() as work:
            found = sorted(work.runs("test", limit=10_000), key=lambda run: run.due_at)
        return [(f"{self.clock_of(run.due_at)}", run.state) for run in found]

    def clock_of(self, at: datetime) -> str:
        return f"{at - timedelta(hours=4):%H:%M}"

    @property
    def notes(self) -> list[str]:
        with self.world.store.read() as work:
            return [run.note for run in sorted(work.runs("test"), key=lambda run: run.due_at)]


def started(**more: object) -> tuple[Scene, Runner]:
    """A desk whose jobs were looked at for the first time at nine."""
    here = Scene(**more)  # type: ignore[arg-type]
    runner = here.runner()
    runner.tick()
    return here, runner


def test_a_desk_that_never_ran_has_missed_nothing() -> None:
    here = Scene()
    here.at("16:00")

    here.runner().tick()

    assert (here.ran, here.runs) == ([], [])


def test_a_new_desk_does_what_is_still_in_time() -> None:
    here = Scene()
    here.at("15:34")

    here.runner().tick()

    assert here.runs == [("15:30", DONE)]


def test_a_new_desk_has_missed_nothing_of_a_job_of_every_minute() -> None:
    here = Scene(schedule=Every(MINUTE))
    here.at("15:30")

    here.runner().tick()

    assert here.runs == [("15:30", DONE)]


def test_a_job_whose_time_has_come_runs_once() -> None:
    here, runner = started()
    here.at("10:11")

    made = [runner.tick() for _ in range(3)]

    assert [len(each) for each in made] == [1, 0, 0]
    assert (here.runs, here.notes) == ([("10:10", DONE)], ["fine"])


def test_the_database_is_asked_nothing_between_two_due_times() -> None:
    here, runner = started()
    here.world.store.close()

    assert runner.tick() == ()


def test_a_restart_runs_nothing_again() -> None:
    here, runner = started()
    here.at("10:11")
    runner.tick()

    here.runner().tick()

    assert len(here.ran) == 1


def test_what_was_due_too_long_ago_is_missed_with_its_reason() -> None:
    here, _ = started()
    here.at("10:16")

    here.runner().tick()

    assert (here.ran, here.runs) == ([], [("10:10", MISSED)])
    assert here.notes == ["The desk was not running, asleep or held up."]


def test_two_hours_of_sleep_leave_one_run_and_one_row_for_the_others() -> None:
    here, runner = started(schedule=Every(MINUTE))
    here.at("10:00")
    runner.tick()
    here.at("12:00:20")

    runner.tick()

    assert here.runs == [("09:59", MISSED), ("10:00", DONE), ("11:59", MISSED), ("12:00", DONE)]
    assert here.notes[2] == "119 due times: left to the one due on 2026-06-15 at 16:00 UTC."
    with here.world.store.read() as work:
        row = next(run for run in work.runs("test") if run.state is MISSED)
    assert row.since == here.world.desk.sessions.at(here.world.desk.today, "10:01")


def test_a_digest_is_made_up_for_once_after_a_weekend() -> None:
    here, _ = started(schedule=AfterClose(15 * MINUTE), catches_up=True)
    friday = date(2026, 6, 19)  # a holiday: Juneteenth
    here.at("11:00", friday + timedelta(days=1))

    here.runner().tick()
    here.runner().tick()

    assert here.runs == [("16:15", MISSED), ("16:15", DONE)]
    assert here.notes[0].startswith("3 due times: left to the one due on 2026-06-18")


def test_a_clock_set_back_runs_nothing_twice() -> None:
    here, runner = started(schedule=Every(MINUTE))
    for clock in ("10:00", "10:01", "09:59", "10:00", "10:01", "10:02"):
        here.at(clock)
        runner.tick()
        here.runner().tick()

    assert [state for _, state in here.runs] == [MISSED, DONE, DONE, DONE]
    assert len(here.ran) == 3


@pytest.mark.parametrize("is_restarted", [True, False])
def test_a_clock_that_was_hours_ahead_stops_no_job_when_it_is_right_again(is_restarted: bool) -> None:
    """A machine whose clock was taken for local time at boot, until a time server was heard."""
    here, runner = started(schedule=Every(MINUTE))
    here.at("14:00")
    runner.tick()
    runner = here.runner() if is_restarted else runner
    for clock in ("09:45", "09:46", "09:47", "13:50", "14:00", "14:01"):
        here.at(clock)
        runner.tick()

    assert [f"{here.clock_of(at)}" for at in here.ran] == ["14:00", "09:46", "09:47", "13:50", "14:01"]


def test_a_clock_that_was_days_ahead_stops_no_job_when_it_is_right_again() -> None:
    here, runner = started(schedule=Every(MINUTE))
    here.at("10:00", date(2026, 9, 15))
    runner.tick()
    here.at("10:00", date(2026, 6, 16))
    here.runner().tick()
    here.at("10:01")

    here.runner().tick()

    assert here.ran[-1] == here.world.clock()


def test_a_job_that_fails_is_told_and_not_repeated() -> None:
    here, runner = started()

    def fail() -> str:
        raise DataUnavailable("no prices")

    here.work = fail
    here.at("10:11")
    runner.tick()
    runner.tick()

    assert (here.runs, here.notes) == ([("10:10", FAILED)], ["no prices"])
    assert here.told == [("job test", "DataUnavailable", "no prices", Severity.WARNING)]


def test_a_bug_in_a_job_is_urgent_and_ends_no_other() -> None:
    here, _ = started()

    def bug() -> str:
        raise ZeroDivisionError("1 / 0")

    here.work = bug
    schedule = AtClock(("10:10",))
    runner = Runner(
        here.world.desk,
        (Job("broken", schedule, bug), Job("sound", schedule, lambda: "fine")),
        lambda *words: here.told.append(words),
    )
    runner.tick()
    here.at("10:11")

    made = {run.job: run.state for run in runner.tick()}

    assert made == {"broken": FAILED, "sound": DONE}
    assert [severity for *_, severity in here.told] == [Severity.URGENT]


def left(here: Scene, clock: str = "10:10", note: str = "") -> None:
    """A run that a killed process left."""
    desk = here.world.desk
    due = desk.sessions.at(desk.today, clock)
    with here.world.store.begin() as work:
        work.add_run(Run("R0", "test", due, due, "a killed process", 3, note=note))
        work.settle_job("test", "", due)


def test_what_a_killed_process_left_is_done_again() -> None:
    here, _ = started()
    left(here)
    here.at("10:12")

    here.runner().tick()

    assert (here.runs, here.notes) == ([("10:10", DONE)], [f"{TAKEN_UP}: fine"])


def test_what_kills_the_process_is_begun_again_once_only() -> None:
    here, _ = started()
    left(here, note=TAKEN_UP)
    here.at("10:12")

    here.runner().tick()

    assert (here.ran, here.runs) == ([], [("10:10", FAILED)])


def test_what_was_left_long_ago_has_failed() -> None:
    here, _ = started()
    left(here)
    here.at("11:00")

    here.runner().tick()

    assert (here.ran, here.runs) == ([], [("10:10", FAILED)])
    assert here.notes == [f"{LEFT.capitalize()}."]


def test_what_was_left_gives_way_to_a_later_due_time() -> None:
    here, _ = started(schedule=Every(MINUTE))
    left(here)
    here.at("10:11")

    here.runner().tick()

    assert here.runs == [("10:10", FAILED), ("10:11", DONE)]


def test_who_has_lost_the_lease_begins_nothing() -> None:
    here, _ = started()
    with here.world.store.begin() as work:
        work.take_lease(LEASE, "new", here.world.clock(), here.world.clock() + 9 * HOUR)
    term = here.world.store.term
    term.begin("old", 1, term.clock())
    here.at("10:10")
    runner = here.runner()

    assert runner.tick() == ()
    with pytest.raises(LeaseLost):
        runner.run_now("test", "ann")
    assert (here.ran, here.runs) == ([], [])


def test_who_was_stopped_for_longer_than_the_lease_holds_asks_the_database_nothing() -> None:
    here, runner = started()
    here.world.store.term.begin("old", 1, here.world.store.term.clock() - 60)
    here.at("10:10")
    here.world.store.close()

    assert runner.due() == ()
    assert runner.tick() == ()


def test_the_end_that_an_old_leader_writes_changes_nothing_of_a_run_that_was_taken_up() -> None:
    """Stopped in the middle of a run, it goes on when another has done it again."""
    here, old = started()

    def paused() -> str:
        here.work = lambda: "done by the new one"
        here.runner().tick()
        return "done by the old one"

    here.work = paused
    here.at("10:10")

    old.tick()

    assert (here.runs, here.notes) == ([("10:10", DONE)], [f"{TAKEN_UP}: done by the new one"])


def test_a_run_asked_for_has_a_due_time_of_its_own_and_leaves_the_others_alone() -> None:
    here, runner = started()
    here.at("10:09:30")

    made = runner.run_now("test", "ann")
    here.at("10:10")
    runner.tick()

    assert (made.state, made.note) == (DONE, "asked for by ann: fine")
    assert here.runs == [("10:09", DONE), ("10:10", DONE)]


def test_a_run_asked_for_at_a_due_time_does_not_take_its_place() -> None:
    here, runner = started()
    here.at("10:10")

    runner.run_now("test", "ann")
    runner.run_now("test", "ann")
    runner.tick()

    assert len(here.ran) == 3


def test_a_job_that_is_being_run_is_not_begun_again() -> None:
    here, runner = started()
    inside, leave = threading.Event(), threading.Event()

    def slow() -> str:
        inside.set()
        leave.wait(10)
        return "slow"

    here.work = slow
    here.at("10:10")
    thread = threading.Thread(target=runner.tick)
    thread.start()
    assert inside.wait(10)
    here.at("15:30")

    with pytest.raises(BadRequest, match="is being run"):
        runner.run_now("test", "ann")
    looked = runner.tick()
    (standing,) = runner.standings()
    leave.set()
    thread.join()
    here.work = lambda: "after it"
    runner.tick()

    assert looked == ()
    assert standing.running_since is not None
    assert here.runs == [("10:10", DONE), ("15:30", DONE)]


def test_a_job_nobody_knows_is_not_found() -> None:
    _, runner = started()

    with pytest.raises(NotFound, match="digest"):
        runner.run_now("digest", "ann")


@pytest.mark.parametrize(
    ("lane", "severity"), [(Lane.WATCH, Severity.URGENT), (Lane.BACKGROUND, Severity.WARNING)], ids=["watch", "others"]
)
def test_a_run_that_hangs_is_told_once_and_louder_where_it_watches_over_risk(lane: Lane, severity: Severity) -> None:
    here, _ = started()
    inside, leave = threading.Event(), threading.Event()

    def hang() -> str:
        inside.set()
        leave.wait(10)
        return ""

    job = Job("test", here.schedule, hang, patience=timedelta(0), lane=lane)
    runner = Runner(here.world.desk, (job,), lambda *words: here.told.append(words))
    here.at("10:10")
    thread = threading.Thread(target=runner.tick)
    thread.start()
    assert inside.wait(10)

    runner.tell_hanging()
    runner.tell_hanging()
    leave.set()
    thread.join()

    assert [(step, kind, how) for step, kind, _, how in here.told] == [("job test", "hangs", severity)]
    assert here.told[0][2].endswith("If it does not end, start the desk again: until then this one is not run.")


def test_standings_say_when_a_job_is_due_next_and_how_it_went() -> None:
    here, runner = started()
    here.at("10:10")
    runner.tick()

    (standing,) = runner.standings()

    assert standing.next_due == here.world.desk.sessions.at(here.world.desk.today, "15:30")
    assert standing.last is not None
    assert standing.last.state is DONE
    assert standing.running_since is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40_000), st.booleans()), min_size=1, max_size=8), st.booleans())
def test_over_random_downtimes_and_restarts_every_due_time_is_in_exactly_one_row(
    gaps: list[tuple[int, bool]], catches_up: bool
) -> None:
    here, runner = started(schedule=Every(7 * MINUTE), catches_up=catches_up)
    began = here.world.clock()
    for seconds, is_restart in gaps:
        here.world.clock.advance(seconds)
        runner = here.runner() if is_restart else runner
        runner.tick()

    sessions = here.world.desk.sessions
    with here.world.store.read() as work:
        rows = work.runs("test", limit=10_000)
    spans = [(run.since or run.due_at, run.due_at) for run in rows]
    due = list(due_times(here.schedule, sessions, began, here.world.clock()))
    assert [sum(first <= at <= last for first, last in spans) for at in due] == [1] * len(due)
    assert all(run.note for run in rows if run.state is MISSED)
    assert sum(run.state is DONE for run in rows) == len(here.ran)


def test_what_is_logged_in_a_run_names_the_job_and_the_run_and_nothing_after_it_does() -> None:
    bound: list[dict[str, object]] = []

    def work() -> str:
        bound.append(structlog.contextvars.get_contextvars())
        raise DataUnavailable("no prices")

    at = Scene(work=work)
    at.at("10:10")
    run = at.runner().look("test")

    assert run is not None
    assert bound == [{"job": "test", "run": run.id}]
    assert structlog.contextvars.get_contextvars() == {}
