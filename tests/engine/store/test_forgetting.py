"""What the desk stops remembering, on every database, and what it never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts import levels
from engine import audit, tidying
from engine.desk import Desk
from engine.errors import NotFound
from engine.model.alerts import Alert, AlertState
from engine.model.events import Severity
from engine.model.records import KeptButton, Run, RunState
from engine.sessions import Sessions
from engine.store import Store
from tests import make
from tests.desk import make_world
from tests.engine.store import writer
from tests.engine.store.test_operations import scan

NOW = make.NOW


def ago(**span: int) -> datetime:
    return NOW - timedelta(**span)


def desk_on(store: Store) -> Desk:
    return make_world(store=store).desk


def test_old_scans_lose_their_steps_and_older_ones_go_but_the_latest_of_a_strategy_keeps_all(store: Store) -> None:
    desk = desk_on(store)
    kept = {
        "old": scan(id="old", asof=ago(days=61)),
        "week": scan(id="week", asof=ago(days=8)),
        "fresh": scan(id="fresh", asof=ago(days=1)),
        "quiet": scan(id="quiet", strategy="leaps", asof=ago(days=80)),
    }
    with store.begin() as work:
        for each in kept.values():
            work.add_scan(each)

    done = tidying.tidy(desk)

    assert (done.gone["scans"], done.shortened) == (1, 2)
    with store.read() as work:
        assert work.last_scan(kept["fresh"].strategy) == kept["fresh"]
        assert work.last_scan("leaps") == kept["quiet"]
        outcomes = work.scan_outcomes(ago(days=90), NOW)
    assert len(outcomes) == 3
    assert tidying.tidy(desk).shortened == 0


def test_many_scans_of_one_instant_are_all_shortened_once(store: Store) -> None:
    desk = desk_on(store)
    with store.begin() as work:
        for number in range(70):
            work.add_scan(scan(id=f"S{number:03}", asof=ago(days=8 + number // 50)))
        work.add_scan(scan(id="T", asof=ago(days=1)))
    assert tidying.tidy(desk).shortened == 70


def run(id: str, started: datetime, job: str = "backup", state: RunState = RunState.DONE) -> Run:
    return Run(id, job, started, started, "me", 1, state, started)


def test_runs_are_kept_for_as_long_as_the_service_levels_count_them() -> None:
    sessions = Sessions()
    now = datetime(2021, 1, 1, 23, tzinfo=UTC)
    for day in range(3650):
        at = now + timedelta(days=day)
        assert at - levels.span(sessions, at) < tidying.RUNS


def test_runs_of_long_ago_go_but_the_newest_of_each_job_and_outcome_stays(store: Store) -> None:
    desk = desk_on(store)
    with store.begin() as work:
        for days in range(45, 1000):
            work.add_run(run(f"R{days}", ago(days=days)))
        work.add_run(run("quarter", ago(days=90), "rebalance"))
        work.add_run(run("failed", ago(days=70, hours=1), state=RunState.FAILED))
    assert tidying.tidy(desk).gone["runs"] == 949
    with store.read() as work:
        assert [each.id for each in work.runs(limit=1000)] == [
            "R45", "R46", "R47", "R48", "R49", "R50", "failed", "quarter",
        ]  # fmt: skip


def test_chat_messages_buttons_and_alerts_go_when_nobody_can_ask_for_them_any_more(store: Store) -> None:
    desk = desk_on(store)
    with store.begin() as work:
        for source, at in (("telegram:1", ago(days=31)), ("telegram:2", ago(days=29))):
            work.first_time(source, at)
        work.add_buttons(
            KeptButton(token, "telegram", "1", "2", "approve:A1:1", at, None)
            for token, at in (("old", ago(days=31)), ("new", ago(days=1)))
        )
        over = Alert("N1", "disk", "", Severity.WARNING, AlertState.RESOLVED, ago(days=400), ago(days=400))
        work.save_alerts((replace(over, resolved_at=ago(days=366)), replace(over, id="N2", resolved_at=ago(days=364))))
    done = tidying.tidy(desk)
    assert done.words == "1 chat messages, 1 buttons, 1 alerts removed"
    with store.begin() as work:
        assert work.first_time("telegram:1", NOW)
        assert not work.first_time("telegram:2", NOW)
        assert work.button("new") is not None
        assert work.alert("N2").id == "N2"
        with pytest.raises(NotFound):
            work.alert("N1")


def test_what_happened_is_never_forgotten(store: Store) -> None:
    world = make_world(store=store)
    for number in range(3):
        writer.write(store, number)
    audit.seal(store)
    with store.read() as work:
        before = work.fills(), work.events(), work.open_positions(), work.approvals()
    world.clock.advance(days=4000)
    assert tidying.tidy(world.desk).words == "nothing to remove"
    with store.read() as work:
        assert (work.fills(), work.events(), work.open_positions(), work.approvals()) == before
    assert audit.verify(store).ok
