"""Who acts for a desk: taking, keeping, giving back and taking over the lease, on every database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from engine import leadership
from engine.errors import ConfigError, LeaseLost
from engine.leadership import Standby, holder
from engine.model.leadership import LEASE_FOR
from engine.model.records import Lease
from engine.store import Store
from engine.store.operations import LEASE
from tests.fakes import FakeClock

ELSEWHERE = "elsewhere:1:0"
OTHER = "other:2:0"
LONG = LEASE_FOR.total_seconds()


class Process:
    """One process on the database, with a wall clock of its own; time passes for all of them together."""

    def __init__(self, url: str, name: str, passed: FakeClock, wrong_by: timedelta = timedelta(0)) -> None:
        self.name = name
        self.store = Store.open(url)
        self.store.term.clock = self.seconds = lambda: passed().timestamp()
        self.now = lambda: passed() + wrong_by
        self.standby = Standby(self.store, self.now, name, self.seconds)

    def take(self) -> None:
        leadership.take(self.store, self.now(), self.name)

    def renew(self) -> None:
        leadership.renew(self.store, self.now())

    def write(self) -> None:
        with self.store.begin() as work:
            work.set_setting("written", self.name, "desk", self.now())

    def lease(self) -> Lease:
        with self.store.read() as work:
            found = work.lease(LEASE)
        assert found is not None
        return found


class Processes:
    """Processes on one database."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url = url
        self.passed = FakeClock()
        self._stack = stack

    def start(self, name: str, wrong_by: timedelta = timedelta(0)) -> Process:
        made = Process(self.url, name, self.passed, wrong_by)
        self._stack.enter_context(made.store)
        return made

    def waited(self, standby: Process, seconds: float, leader: Process | None = None) -> float | None:
        """The seconds after which a process that stands by leads; None if it does not. `leader` renews meanwhile."""
        for second in range(int(seconds) + 1):
            if standby.standby():
                return second
            self.passed.advance(1)
            if leader is not None and second % 2:
                leader.renew()
        return None


@pytest.fixture
def processes(durable_url: str) -> Iterator[Processes]:
    with ExitStack() as stack:
        yield Processes(durable_url, stack)


def test_a_desk_that_another_process_runs_is_refused_by_name(processes: Processes):
    processes.start(ELSEWHERE).take()

    with pytest.raises(ConfigError, match="run by elsewhere:1 already"):
        processes.start(OTHER).take()


def test_the_lease_of_another_machine_is_free_when_it_was_not_renewed(processes: Processes):
    processes.start(ELSEWHERE).take()
    processes.passed.advance(LONG)
    second = processes.start(OTHER)

    second.take()

    assert (second.lease().holder, second.lease().epoch) == (OTHER, 2)


def test_the_lease_of_a_killed_process_of_this_machine_is_taken_over_at_once(processes: Processes):
    words = "from engine.leadership import holder; print(holder())"
    gone = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout.strip()
    processes.start(gone).take()

    assert processes.start(holder()).standby()


def test_a_process_of_another_container_with_the_same_number_is_not_taken_for_a_dead_one():
    host, _, place = holder().split(":")

    assert not leadership.is_gone(f"{host}:999999999:{place}x")
    assert not leadership.is_gone(f"{host}:999999999")
    assert leadership.is_gone(f"{host}:999999999:{place}")


def test_a_lease_that_was_given_back_is_taken_at_the_first_look(processes: Processes):
    first, second = processes.start(ELSEWHERE), processes.start(OTHER)
    first.take()
    assert not second.standby()

    leadership.give_back(first.store, first.now())

    assert second.standby()
    with pytest.raises(LeaseLost):
        first.write()


def test_a_standby_waits_for_as_long_as_the_lease_is_renewed(processes: Processes):
    first, second = processes.start(ELSEWHERE), processes.start(OTHER)
    first.take()

    assert processes.waited(second, 60, first) is None
    assert processes.waited(second, 60) is not None


@pytest.mark.parametrize("wrong_by", [timedelta(hours=-3), timedelta(0), timedelta(hours=3)])
def test_a_wrong_clock_makes_a_takeover_neither_earlier_nor_later(processes: Processes, wrong_by: timedelta):
    first, second = processes.start(ELSEWHERE), processes.start(OTHER, wrong_by)
    first.take()
    assert processes.waited(second, 30, first) is None
    first.renew()

    seconds = processes.waited(second, 30)

    assert seconds is not None
    assert LONG <= seconds <= LONG + 2


def test_the_old_leaders_own_count_is_over_before_anybody_else_begins(processes: Processes):
    first, second = processes.start(ELSEWHERE), processes.start(OTHER)
    first.take()

    assert processes.waited(second, 30) is not None

    assert not first.store.term.may_act


def test_who_stood_by_too_late_leaves_the_lease_to_the_quicker_one(processes: Processes):
    first, second, third = (processes.start(name) for name in (ELSEWHERE, OTHER, "third:3:0"))
    first.take()
    assert processes.waited(second, LONG - 1) is None
    assert not third.standby()

    assert processes.waited(second, 2) is not None

    assert not third.standby()
    assert processes.waited(third, LONG - 2) is None


def test_a_renewal_between_the_look_and_the_taking_is_seen(processes: Processes):
    first, second = processes.start(ELSEWHERE), processes.start(OTHER)
    first.take()
    stale = first.lease()
    processes.passed.advance(LONG)
    first.renew()

    assert not second.standby._taken(stale)

    first.write()


def test_a_process_that_was_stopped_for_long_acts_again_when_nobody_took_its_place(processes: Processes):
    first = processes.start(ELSEWHERE)
    first.take()
    processes.passed.advance(7200)
    with pytest.raises(LeaseLost, match="has run out"):
        first.store.term.check()

    first.renew()

    first.store.term.check()
    first.write()
    assert first.lease().epoch == 1


def test_a_leader_whose_place_was_taken_writes_nothing_more_and_knows_it(processes: Processes):
    first, second = processes.start(ELSEWHERE), processes.start(OTHER)
    first.take()
    processes.waited(second, 30)
    second.write()

    for act in (first.write, first.renew, first.store.term.check):
        with pytest.raises(LeaseLost):
            act()
    leadership.give_back(first.store, first.now())

    assert (second.lease().holder, second.lease().epoch) == (OTHER, 2)
    second.renew()


def test_what_was_begun_before_the_takeover_is_not_committed_after_it(processes: Processes):
    """Each half a transaction of its own: nothing of the second is written."""
    first, second = processes.start(ELSEWHERE), processes.start(OTHER)
    first.take()
    first.write()
    processes.waited(second, 30)

    with pytest.raises(LeaseLost), first.store.begin() as work:
        work.set_setting("second half", "done", "desk", first.now())

    with second.store.read() as work:
        assert work.setting("second half") is None


def test_whoever_leads_knows_of_a_standby_while_it_is_there(processes: Processes):
    first, second = processes.start(ELSEWHERE), processes.start(OTHER)
    first.take()
    second.standby.tell()
    with first.store.read() as work:
        assert leadership.standing_by(work, first.now()) == OTHER

    processes.passed.advance(30)

    with first.store.read() as work:
        assert leadership.standing_by(work, first.now()) == ""


def test_a_standby_that_leads_stands_by_no_more(processes: Processes):
    first, second = processes.start(ELSEWHERE), processes.start(OTHER)
    first.take()
    second.standby.tell()
    processes.waited(second, 30)
    second.standby.tell()

    with second.store.read() as work:
        assert leadership.standing_by(work, second.now()) == ""


def test_a_process_that_leads_already_takes_no_second_lease(processes: Processes):
    first = processes.start(ELSEWHERE)
    first.take()

    first.take()

    assert first.lease().epoch == 1


def test_a_process_that_gave_the_lease_back_may_take_it_again(processes: Processes):
    first = processes.start(ELSEWHERE)
    first.take()
    leadership.give_back(first.store, first.now())

    first.take()

    first.write()
    assert first.lease().epoch == 2
