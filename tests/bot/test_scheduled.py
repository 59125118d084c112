"""Scans when their time has come: once each, after a restart too, and never long after it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.loops import Desks, works
from bot.scheduled import ScheduledScan
from engine.errors import DataUnavailable
from engine.model.events import EventKind
from engine.model.market import MarketSnapshot
from engine.model.records import Run, RunState
from engine.model.trade import Context, Found, Needs, RiskLevel, Strategy
from engine.store import Store
from tests import make
from tests.desk import World, make_world


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


@dataclass
class Scene:
    world: World
    rule: Rule

    def scan(self, holder: str = "H1") -> ScheduledScan:
        return ScheduledScan(self.world.desk, "test", holder)

    def at(self, clock: str) -> None:
        """Let time pass until then."""
        desk = self.world.desk
        self.world.clock.advance((desk.sessions.at(desk.today, clock) - desk.now()).total_seconds())

    @property
    def runs(self) -> list[tuple[str, RunState]]:
        with self.world.store.read() as work:
            found = work.runs("scan test")
        return [(f"{self.world.desk.sessions.today(run.due_at)} {run.due_at:%H:%M}", run.state) for run in found]


def scene(times: tuple[str, ...] = ("10:10", "15:30"), store: Store | None = None, **needs: int) -> Scene:
    rule = Rule()
    strategy = Strategy("test", "Test", RiskLevel.LOW, None, Needs(times=times, **needs), rule.find, lambda *_: ())
    world = make_world({"test": strategy}, store=store, universe=("XYZ",))
    world.market.set_snapshot(make.snapshot())
    return Scene(world, rule)


def test_nothing_is_scanned_before_its_time() -> None:
    here = scene()

    here.scan()()

    assert (here.rule.looks, here.runs) == ([], [])


def test_a_scan_whose_time_has_come_makes_its_proposal_once() -> None:
    here = scene()
    scan = here.scan()
    here.at("10:11")

    for _ in range(3):
        scan()
        here.world.clock.advance(5)

    assert here.rule.looks == ["XYZ"]
    assert here.runs == [("2026-06-15 14:10", RunState.DONE)]
    assert len(here.world.events(EventKind.APPROVAL_REQUESTED)) == 1


def test_a_restart_does_not_scan_again(tmp_path: Path) -> None:
    here = scene()
    here.at("10:11")
    here.scan("H1")()

    here.scan("H2")()

    assert here.rule.looks == ["XYZ"]


def test_what_was_due_long_ago_is_missed_and_never_made_up_for() -> None:
    here = scene()
    here.at("10:16")

    here.scan()()
    here.scan("H2")()

    assert here.rule.looks == []
    assert here.runs == [("2026-06-15 14:10", RunState.MISSED)]


def test_of_several_times_that_came_together_only_the_latest_is_scanned() -> None:
    here = scene(times=("10:08", "10:09", "10:10"))
    here.at("10:11")

    here.scan()()

    assert here.runs == [("2026-06-15 14:10", RunState.DONE)]


def test_every_time_of_the_day_has_its_turn() -> None:
    here = scene()
    scan = here.scan()
    for clock in ("10:10", "15:30"):
        here.at(clock)
        scan()

    assert [state for _, state in here.runs] == [RunState.DONE, RunState.DONE]
    assert len(here.rule.looks) == 2


def left_unfinished(here: Scene) -> None:
    desk = here.world.desk
    due = desk.sessions.at(desk.today, "10:10")
    with here.world.store.begin() as work:
        work.add_run(Run("R0", "scan test", due, due, "a killed process"))


def test_what_a_killed_process_left_unfinished_is_done_again() -> None:
    here = scene()
    left_unfinished(here)
    here.at("10:12")

    here.scan()()

    assert here.rule.looks == ["XYZ"]
    assert here.runs == [("2026-06-15 14:10", RunState.DONE)]


def test_what_was_left_unfinished_long_ago_has_failed() -> None:
    here = scene()
    left_unfinished(here)
    here.at("11:00")

    here.scan()()

    assert here.rule.looks == []
    assert here.runs == [("2026-06-15 14:10", RunState.FAILED)]


def test_a_scan_that_breaks_has_failed_and_is_not_repeated() -> None:
    here = scene()
    here.rule.problem = DataUnavailable("no prices")
    scan = here.scan()
    here.at("10:11")

    with pytest.raises(DataUnavailable):
        scan()
    scan()

    assert here.runs == [("2026-06-15 14:10", RunState.FAILED)]


def test_nothing_is_scanned_on_a_day_without_a_session() -> None:
    here = scene()
    here.world.clock.advance(timedelta(days=5).total_seconds())

    here.scan()()

    assert here.runs == []


def test_a_live_desk_scans_in_a_loop_of_its_own() -> None:
    here = scene()
    desk = replace(here.world.desk)
    (loop,) = (work for work in works(Desks(*[desk] * 5)) if work.name == "scans")

    assert [name for name, _ in loop.steps] == ["test", "collars"]
