"""A process that is stopped inside a transaction while other threads of it wait for theirs: nobody waits for long."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.errors import LeaseLost
from engine.leadership import LOOK_EVERY, Standby
from engine.model.leadership import LEASE_FOR
from engine.store import Store
from engine.store.database import STOPPED_SECONDS
from tests import make

# A leader with one thread inside a transaction and three that wait to write; it tells when that is so.
LEADER = """
import sys, threading, time
from datetime import UTC, datetime
from engine import leadership
from engine.store import Store

store = Store.open(sys.argv[1])
leadership.take(store, datetime.now(UTC), "leader:1:0")
inside, resumed = threading.Event(), threading.Event()

def hold():
    with store.begin() as work:
        work.set_setting("half", "done", "desk", datetime.now(UTC))
        inside.set()
        resumed.wait()

def write(number):
    inside.wait()
    with store.begin() as work:
        work.set_setting(f"late {number}", "done", "desk", datetime.now(UTC))

def caught(step, *more):
    try:
        step(*more)
        print("written", flush=True)
    except Exception as problem:
        print(type(problem).__name__, flush=True)

threads = [threading.Thread(target=caught, args=(hold,))]
threads += [threading.Thread(target=caught, args=(write, number)) for number in range(3)]
for thread in threads:
    thread.start()
inside.wait()
print("inside", flush=True)
sys.stdin.readline()
resumed.set()
for thread in threads:
    thread.join()
"""


@contextmanager
def leader(url: str) -> Iterator[subprocess.Popen[str]]:
    """A leader that is stopped inside its transaction."""
    command = [sys.executable, "-c", LEADER, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "inside\n"
            process.send_signal(signal.SIGSTOP)
            yield process
        finally:
            process.kill()


def seconds_to_lead(standby: Standby, began: float) -> float:
    pause = threading.Event()
    while not standby():
        assert time.monotonic() - began < 30, "the standby waits for the stopped process"
        pause.wait(LOOK_EVERY)
    return time.monotonic() - began


@pytest.mark.postgres
def test_a_standby_takes_over_from_a_leader_that_is_stopped_inside_its_transaction(postgres_url: str):
    Store.create(postgres_url).close()
    with Store.open(postgres_url) as store, leader(postgres_url) as stopped:
        began = time.monotonic()
        seconds = seconds_to_lead(Standby(store, lambda: make.NOW), began)
        assert seconds < LEASE_FOR.total_seconds() + 2 * LOOK_EVERY + 1

        stopped.send_signal(signal.SIGCONT)
        answers, _ = stopped.communicate("go on\n", timeout=20)

        assert answers.split() == ["InternalError", *[LeaseLost.__name__] * 3], "the server has ended its session"
        with store.read() as work:
            written = {setting.name for setting in work.settings()}
        assert not any(name == "half" or name.startswith("late") for name in written)


@pytest.mark.postgres
def test_another_writer_waits_for_a_stopped_one_no_longer_than_the_server_allows(postgres_url: str):
    Store.create(postgres_url).close()
    with Store.open(postgres_url) as store, leader(postgres_url):
        began = time.monotonic()
        with store.begin():
            waited = time.monotonic() - began

    assert waited < STOPPED_SECONDS + 2


@pytest.mark.postgres
def test_a_sign_of_life_that_has_to_wait_holds_up_no_look(postgres_url: str):
    Store.create(postgres_url).close()
    with Store.open(postgres_url) as store, leader(postgres_url):
        standby = Standby(store, lambda: make.NOW)
        telling = threading.Thread(target=standby.tell)
        telling.start()
        began = time.monotonic()

        assert not standby()

        assert time.monotonic() - began < 1
        assert telling.is_alive(), "it waits for the stopped leader"
        telling.join()
