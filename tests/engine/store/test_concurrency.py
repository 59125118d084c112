"""Many at once: one decision wins, nobody meets a locked database, a kill leaves whole transactions."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import AlreadyDecided
from engine.model.book import Totals
from engine.model.trade import ApprovalStatus
from engine.store import Store
from tests import make

CROWD = 16
ROOT = Path(__file__).parents[3]


def at_once(act: Callable[[int], str]) -> Counter[str]:
    """What `act` said to each of 16 threads that started together."""
    gate = threading.Barrier(CROWD)

    def run(number: int) -> str:
        gate.wait()
        return act(number)

    with ThreadPoolExecutor(CROWD) as pool:
        return Counter(pool.map(run, range(CROWD)))


def approve(store: Store, number: int) -> str:
    try:
        with store.begin() as work:
            work.decide("A00001", 1, ApprovalStatus.APPROVED, f"user{number}", make.NOW)
            work.add_ticket(make.ticket())
    except AlreadyDecided:
        return "too late"
    return "approved"


def test_sixteen_taps_at_once_make_one_decision(store: Store):
    with store.begin() as work:
        work.add_approval(make.approval())
    assert at_once(lambda number: approve(store, number)) == {"approved": 1, "too late": 15}
    with store.read() as work:
        assert len(work.open_tickets()) == 1


def test_sixteen_programs_at_once_make_one_decision(durable_url: str):
    stores = [Store.open(durable_url) for _ in range(CROWD)]
    with stores[0].begin() as work:
        work.add_approval(make.approval())
    answers = at_once(lambda number: approve(stores[number], number))
    for store in stores:
        store.close()
    assert answers == {"approved": 1, "too late": 15}


def test_what_a_writer_has_read_holds_until_it_commits(durable_url: str):
    """Sixteen read-then-write increments of one setting lose none."""
    stores = [Store.open(durable_url) for _ in range(CROWD)]

    def increment(number: int) -> str:
        with stores[number].begin() as work:
            value = int(work.setting("count") or 0)
            work.set_setting("count", str(value + 1), "test", make.NOW)
        return "done"

    at_once(increment)
    with stores[0].read() as work:
        assert work.setting("count") == "16"
    for store in stores:
        store.close()


def test_one_posting_from_sixteen_threads_is_booked_once(store: Store):
    def post(_: int) -> str:
        with store.begin() as work:
            return str(work.add_postings((make.deposit(),)))

    assert at_once(post) == {"1": 1, "0": 15}
    with store.read() as work:
        assert work.totals().cash == make.D(100_000)


def test_readers_go_on_while_somebody_writes(durable_url: str):
    with Store.open(durable_url) as store, ThreadPoolExecutor(1) as pool:
        with store.begin() as work:
            work.set_setting("mood", "bad", "test", make.NOW)
            seen = pool.submit(lambda: _setting(store, "mood")).result(timeout=10)
        assert (seen, _setting(store, "mood")) == (None, "bad")


def _setting(store: Store, name: str) -> str | None:
    with store.read() as work:
        return work.setting(name)


@pytest.mark.parametrize("commits", [1, 7, 40])
def test_a_kill_leaves_whole_transactions_and_every_one_that_was_reported(durable_url: str, commits: int):
    command = [sys.executable, "-m", "tests.engine.store.writer", durable_url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        reported = [int(program.stdout.readline()) for _ in range(commits)]
        program.kill()
    with Store.open(durable_url) as store, store.read() as work:
        ids = {x.id for x in work.open_positions()}
        sums = Totals()
        for posting in work.postings():
            sums = sums.post(posting)
        assert {f"P{number}" for number in reported} <= ids
        assert len(work.fills()) == len(work.events(limit=10**6)) == len(work.approvals(limit=10**6)) == len(ids)
        assert work.totals() == sums
        assert sums.cash == make.D("204.70") * len(ids)
