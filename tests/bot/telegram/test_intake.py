"""How old an update can be, at most: what stood still between a question and its answer makes nothing fresh."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bot.platforms.base import State
from bot.platforms.telegram_intake import Calm
from bot.platforms.telegram_listen import Polling
from engine.model.elapsed import elapsed
from tests.bot.rooms import visit


class Ended(Exception):
    """There is nothing more to hear."""


class Line:
    """A wire on which nothing is heard at first, and a tap after that; the machine stands still before the answer."""

    name = "desk"

    def __init__(self, stands_still: float) -> None:
        self.now = 1000.0
        self.stands_still = stands_still
        self.answers: list[list[dict[str, Any]]] = [[], [{"update_id": 1}]]

    def clock(self) -> float:
        return self.now

    async def updates(self, offset: int, seconds: int) -> list[dict[str, Any]]:
        del offset, seconds
        if not self.answers:
            raise Ended
        self.now += self.stands_still if len(self.answers) == 2 else 1.0
        return self.answers.pop(0)


class Heard:
    """Keeps how old what was heard may be."""

    def __init__(self) -> None:
        self.gaps: list[float] = []

    def take(self, raws: list[dict[str, Any]], gap: float) -> None:
        if raws:
            self.gaps.append(gap)


@pytest.mark.parametrize(("seconds", "age"), [(3600.0, 3601.0), (10.0, 11.0)])
async def test_what_was_tapped_while_the_process_stood_still_is_as_old_as_that(seconds: float, age: float) -> None:
    line, heard = Line(seconds), Heard()
    told: list[State] = []
    polling: Any = Polling
    with pytest.raises(Ended):
        await polling(visit().room, line, heard, Calm(line.clock), told.append, line.clock).run()

    assert heard.gaps == [age]


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system has no clock that runs in its sleep")
def test_the_clock_of_ages_goes_on_while_the_machine_sleeps() -> None:
    slept = time.clock_gettime(time.CLOCK_BOOTTIME)

    assert slept <= elapsed() <= slept + 1.0
