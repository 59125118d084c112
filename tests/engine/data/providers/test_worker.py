"""A thread of its own for a library that may hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from engine.data.providers.trouble import Unreachable
from engine.data.providers.worker import MOST_LEFT_BEHIND, Silent, Worker
from engine.errors import NotFound

SOON = 0.05


@dataclass
class Library:
    """Something that remembers the threads it was used on, and hangs until it is let go."""

    freed: threading.Event = field(default_factory=threading.Event)
    made: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def make(self) -> Handle:
        self.made.append(threading.current_thread().name)
        return Handle(self)


@dataclass
class Handle:
    library: Library
    thread: threading.Thread = field(default_factory=threading.current_thread)

    def close(self) -> None:
        assert threading.current_thread() is self.thread
        self.library.closed.append(self.thread.name)

    def hang(self) -> None:
        self.library.freed.wait(30)


@pytest.fixture
def library() -> Iterator[Library]:
    made = Library()
    yield made
    made.freed.set()


@pytest.fixture
def worker(library: Library) -> Iterator[Worker[Handle]]:
    made = Worker("acme", library.make)
    yield made
    made.close()


def hang(worker: Worker[Handle]) -> None:
    worker.run(lambda handle: None, 5)
    with pytest.raises(Silent, match="acme has not come back"):
        worker.run(lambda handle: handle.hang(), SOON)


def test_every_call_runs_on_the_one_thread_that_made_what_it_uses(worker: Worker[Handle], library: Library):
    threads = {worker.run(lambda handle: (threading.current_thread(), handle.thread), 5) for _ in range(3)}

    [(ran_on, made_on)] = threads
    assert ran_on is made_on
    assert ran_on is not threading.current_thread()
    assert ran_on.daemon
    assert len(library.made) == 1


def test_what_the_call_raises_the_caller_gets(worker: Worker[Handle]):
    def missing(handle: Handle) -> None:
        raise NotFound("no such thing")

    with pytest.raises(NotFound, match="no such thing"):
        worker.run(missing, 5)
    assert worker.run(lambda handle: 7, 5) == 7


def test_a_time_out_that_the_call_raises_itself_is_not_a_call_that_hangs(worker: Worker[Handle], library: Library):
    def late(handle: Handle) -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        worker.run(late, 5)
    worker.run(lambda handle: None, 5)
    assert len(library.made) == 1


def test_a_call_that_hangs_is_left_behind_and_the_next_one_answered(worker: Worker[Handle], library: Library):
    hang(worker)

    assert worker.run(lambda handle: 7, 5) == 7
    assert len(library.made) == 2


def test_what_hung_is_closed_on_its_own_thread_once_it_comes_back(worker: Worker[Handle], library: Library):
    hang(worker)
    library.freed.set()

    deadline = time.monotonic() + 5
    while not library.closed and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert library.closed == library.made


def test_when_too_many_hang_nothing_more_is_asked_until_they_come_back(worker: Worker[Handle], library: Library):
    for _ in range(MOST_LEFT_BEHIND):
        hang(worker)
    before = threading.active_count()

    with pytest.raises(Unreachable, match="acme hangs: 3 calls"):
        worker.run(lambda handle: 7, 5)
    assert threading.active_count() == before

    library.freed.set()
    deadline = time.monotonic() + 5
    while len(library.closed) < MOST_LEFT_BEHIND and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert answer_by(worker, deadline) == 7


def answer_by(worker: Worker[Handle], deadline: float) -> int:
    """The threads close what they hold before they end: the first moments after it they still count."""
    while True:
        try:
            return worker.run(lambda handle: 7, 5)
        except Unreachable:
            if time.monotonic() > deadline:
                raise


def test_a_caller_waits_for_its_turn_no_longer_than_its_deadline(worker: Worker[Handle], library: Library):
    entered = threading.Event()

    def occupy(handle: Handle) -> None:
        entered.set()
        handle.hang()

    first = threading.Thread(target=lambda: worker.run(occupy, 10))
    first.start()
    assert entered.wait(5)

    with pytest.raises(Silent, match="acme is busy"):
        worker.run(lambda handle: 7, SOON)

    library.freed.set()
    first.join(5)
    assert worker.run(lambda handle: 7, 5) == 7


def test_close_ends_the_thread_and_closes_what_it_holds(worker: Worker[Handle], library: Library):
    thread = worker.run(lambda handle: handle.thread, 5)

    worker.close()

    assert not thread.is_alive()
    assert library.closed == library.made


def test_what_cannot_be_made_is_tried_again_by_the_next_call():
    tries: list[int] = []
    library = Library()

    def make() -> Handle:
        tries.append(1)
        if len(tries) == 1:
            raise Unreachable("not now")
        return library.make()

    worker = Worker("acme", make)
    with pytest.raises(Unreachable, match="not now"):
        worker.run(lambda handle: 7, 5)
    assert worker.run(lambda handle: 7, 5) == 7
    worker.close()
