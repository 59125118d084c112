"""Names that are due share one request, callers share one answer, and a failure is shared for a moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from engine.data.batches import Batched
from engine.errors import DataUnavailable


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """Counts what is asked of it; knows every name but `ZZZ`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.is_down = False

    def load(self, keys: tuple[str, ...]) -> Mapping[str, int]:
        self.asked.append(keys)
        if self.is_down:
            raise DataUnavailable("down")
        return {key: len(self.asked) for key in keys if key != "ZZZ"}


NAMES = [f"N{number:02d}" for number in range(25)]


def test_a_universe_costs_one_request_for_each_batch() -> None:
    desk, ticks = Desk(), Ticks()
    batched: Batched[str, int] = Batched(desk.load, 5.0, 10, ticks)
    found = {name: batched.get([name], NAMES)[name] for name in NAMES}
    assert len(found) == 25
    assert [len(keys) for keys in desk.asked] == [10, 10, 5]
    assert sorted(key for keys in desk.asked for key in keys) == NAMES


def test_an_answer_is_kept_until_it_is_due() -> None:
    desk, ticks = Desk(), Ticks()
    batched: Batched[str, int] = Batched(desk.load, 5.0, 10, ticks)
    assert batched.get(["A"]) == {"A": 1}
    ticks.now = 4.9
    assert batched.get(["A", "A"]) == {"A": 1}
    ticks.now = 5.0
    assert batched.get(["A"]) == {"A": 2}


def test_what_nobody_knows_is_left_out_and_not_asked_again_at_once() -> None:
    desk, ticks = Desk(), Ticks()
    batched: Batched[str, int] = Batched(desk.load, 5.0, 10, ticks)
    assert batched.get(["ZZZ", "A"]) == {"A": 1}
    assert batched.get(["ZZZ"]) == {}
    assert len(desk.asked) == 1


def test_peeking_asks_nobody() -> None:
    desk, ticks = Desk(), Ticks()
    batched: Batched[str, int] = Batched(desk.load, 5.0, 10, ticks)
    assert batched.peek(["A"]) == {}
    batched.get(["A"])
    assert batched.peek(["A", "B"]) == {"A": 1}
    ticks.now = 6
    assert batched.peek(["A"]) == {}
    assert len(desk.asked) == 1


def test_a_failure_is_told_to_all_who_ask_within_a_second_and_then_tried_again() -> None:
    desk, ticks = Desk(), Ticks()
    desk.is_down = True
    batched: Batched[str, int] = Batched(desk.load, 5.0, 10, ticks)
    for name in NAMES:
        with pytest.raises(DataUnavailable, match="down"):
            batched.get([name], NAMES)
    assert len(desk.asked) == 1
    desk.is_down, ticks.now = False, 1.0
    assert batched.get(["N00"]) == {"N00": 2}


def test_twenty_callers_share_one_request() -> None:
    desk, gate = Desk(), threading.Event()

    def slow(keys: tuple[str, ...]) -> Mapping[str, int]:
        gate.wait(5)
        return desk.load(keys)

    batched: Batched[str, int] = Batched(slow, 60.0, 10)
    found: list[dict[str, int]] = []
    threads = [threading.Thread(target=lambda: found.append(batched.get(["A"]))) for _ in range(20)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(5)
    assert found == [{"A": 1}] * 20
    assert len(desk.asked) == 1
