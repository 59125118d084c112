"""The look at the alert rules as a job: around the clock, with the bounds that were set, told in a few words."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from alerts.facts import Process
from alerts.rules.thresholds import Thresholds
from bot import service
from bot.alert_jobs import alert_jobs
from bot.clocks import ClockWatch
from bot.config import load
from engine.sessions import Sessions
from engine.store import Store
from tests import make
from tests.desk import make_world
from tests.fakes import FakeClock, FakeMarket

SUNDAY = date(2026, 6, 14)


def test_the_rules_are_read_every_minute_on_every_day() -> None:
    (looks,) = alert_jobs(make_world().desk, Thresholds(), Process, None)

    assert len(looks.schedule.times(Sessions(), SUNDAY)) == 24 * 60


def test_a_look_says_what_is_open_and_keeps_to_the_bounds_that_were_set() -> None:
    world = make_world()
    process = Process(disk_free=3_000_000_000, backup=make.NOW)

    (calm,) = alert_jobs(world.desk, Thresholds(), lambda: process, None)
    (strict,) = alert_jobs(world.desk, Thresholds(disk_gb=4), lambda: process, None)

    assert calm.run() == "no alert is open"
    assert strict.run() == "1 alert open: disk"


def test_a_clock_to_compare_with_is_asked_every_five_minutes() -> None:
    clock = FakeClock()
    _, asks = alert_jobs(make_world().desk, Thresholds(), Process, ClockWatch(clock, clock))

    assert asks.run() == "0.0 s behind"
    assert len(asks.schedule.times(Sessions(), SUNDAY)) == 24 * 12


@pytest.mark.parametrize("more", [{}, {"ALPACA_API_KEY": "k", "ALPACA_SECRET_KEY": "s"}])
def test_a_live_desk_watches_itself_and_its_clock_where_there_is_one(tmp_path: Path, more: dict[str, str]) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    config = load(None, {"DATABASE_URL": url, "WSB__ALERTS__THRESHOLDS__DISK_GB": "1000000000", **more})
    with Store.create(url) as store:
        made = service.live(config, store, FakeMarket(), lambda words: None)
        try:
            assert made.serving.scheduler is not None
            jobs = {each.job.name: each.job for each in made.serving.scheduler.standings()}
            said = jobs["alerts"].run()
        finally:
            made.close()

    assert ("clock" in jobs) == bool(more)
    assert "disk" in said
