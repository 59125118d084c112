"""What the process tells of itself, and this machine's clock beside another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from alerts.facts import Front, Loop
from bot.clocks import ClockWatch, Skew, measured
from bot.condition import Condition
from bot.runtime import Beat
from engine import backup
from engine.errors import BrokerUnavailable
from engine.model.backups import BackupRules, Occasion
from engine.store import Store
from tests import make
from tests.desk import make_world
from tests.fakes import FakeClock


def condition(folder: Path, clock: ClockWatch | None = None) -> Condition:
    """Those of a process with two loops and a platform that is not reached, on a database in `folder`."""
    url = f"sqlite:///{folder / 'desk.db'}"
    world = make_world(store=Store.create(url))
    beats = (Beat("exits", 0.4, 0.01, False, 9), Beat("exit orders", 33.0, 0.01, True, 9))
    fronts = (("Discord", (False, "no gateway")),)
    return Condition(world.desk, make.NOW, lambda: beats, lambda: fronts, url, BackupRules(), clock)


def test_a_process_tells_its_loops_platforms_disk_and_database(tmp_path: Path) -> None:
    it = condition(tmp_path)

    told = it()

    assert told.loops == (Loop("exits", 0.4), Loop("exit orders", 33.0))
    assert told.fronts == (Front("discord", False, "no gateway"),)
    assert told.disk_free is not None
    assert told.disk_free > 0
    assert told.commit_seconds is not None
    assert 0 < told.commit_seconds < 5
    assert (told.since, told.backup, told.skew) == (make.NOW, None, None)


def test_the_newest_backup_is_told_and_none_that_a_clock_ahead_has_stamped(tmp_path: Path) -> None:
    it = condition(tmp_path)
    for hours in (-9, -1, 9000):
        backup.make(it.url, it.backups, make.NOW + timedelta(hours=hours), Occasion.DAILY)

    assert it().backup == make.NOW - timedelta(hours=1)


def test_a_folder_that_is_not_there_yet_is_measured_where_it_will_be(tmp_path: Path) -> None:
    it = replace(condition(tmp_path), backups=BackupRules(folder=str(tmp_path / "not" / "yet")))

    assert it().disk_free is not None


def test_the_difference_of_two_clocks_is_taken_at_the_middle_of_the_question() -> None:
    ours = FakeClock()

    def theirs() -> datetime:
        ours.advance(seconds=2)
        return make.NOW - timedelta(seconds=3)

    assert measured(ours, theirs) == Skew(4.0, 3.0, make.NOW + timedelta(seconds=2))


def test_what_the_way_of_an_answer_explains_is_no_skew() -> None:
    ours = FakeClock()

    def theirs() -> datetime:
        ours.advance(seconds=4)
        return make.NOW + timedelta(seconds=3)

    skew = measured(ours, theirs)

    assert (skew.seconds, skew.sure) == (-1.0, 0.0)


def test_a_clock_that_does_not_answer_leaves_the_last_measurement(tmp_path: Path) -> None:
    ours, answers = FakeClock(), [make.NOW - timedelta(seconds=5)]

    def theirs() -> datetime:
        if not answers:
            raise BrokerUnavailable("no answer about the time")
        return answers.pop()

    watch = ClockWatch(ours, theirs)
    said = watch.measure()
    ours.advance(minutes=5)
    silent = watch.measure()
    told = condition(tmp_path, watch)()

    assert said == "5.0 s ahead"
    assert silent == "not measured: no answer about the time"
    assert (told.skew, told.skew_at) == (5.0, make.NOW)
