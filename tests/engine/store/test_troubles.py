"""What the alert rules ask the database: latest runs, and messages that wait."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.model.events import EventKind
from engine.model.records import LatestRun, Queue, Run, RunState
from engine.store import Store
from tests import make


def ago(minutes: float) -> datetime:
    return make.NOW - timedelta(minutes=minutes)


def runs(store: Store, *rows: tuple[str, str, float, RunState]) -> None:
    """Runs by id, job, minutes since they were due, and state."""
    with store.begin() as work:
        for id, job, minutes, state in rows:
            work.add_run(Run(id, job, ago(minutes), ago(minutes), state=state, note=id))


def test_of_every_job_the_latest_run_that_is_over_counts(store: Store):
    runs(
        store,
        ("R1", "backup", 30, RunState.DONE),
        ("R2", "backup", 20, RunState.MISSED),
        ("R3", "backup", 10, RunState.RUNNING),
        ("R4", "scan wheel", 5, RunState.FAILED),
        ("R5", "scan wheel", 6, RunState.DONE),
        ("R6", "begun", 1, RunState.RUNNING),
    )

    with store.read() as work:
        assert work.latest_runs(ago(60)) == (
            LatestRun("backup", ago(20), RunState.MISSED, "R2"),
            LatestRun("scan wheel", ago(5), RunState.FAILED, "R4"),
        )


def test_a_job_that_has_not_been_due_for_long_is_left_out(store: Store):
    runs(store, ("R1", "backup", 61, RunState.FAILED))

    with store.read() as work:
        assert work.latest_runs(ago(60)) == ()


def test_what_waits_is_told_by_destination_with_its_oldest(store: Store):
    with store.begin() as work:
        for number, minutes in enumerate((9, 30, 5)):
            event = make.event(EventKind.NOTE, id=f"E0000{number}", at=ago(minutes))
            work.add_event(event)
            work.enqueue(event.id, "telegram:5", 0, f"event:{number}")
        work.enqueue("E00002", "discord:7", 0, "event:2")
        work.mark_sent(["E00001:telegram:5:0"], "1", make.NOW)
        work.enqueue("E00001", "web:ann", 0, "event:1")
        work.give_up(["E00001:web:ann:0"], "gone", make.NOW)

    with store.read() as work:
        assert work.queues() == (Queue("discord:7", 1, ago(5)), Queue("telegram:5", 2, ago(9)))
