"""Market time beside ours: as fast as asked, as in life while a card waits, and at once over a night."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

from bot.command import Pool
from bot.pace import READING, Pace, Reading
from tests import make

NOW = make.NOW
HOUR = timedelta(hours=1)


async def test_time_runs_as_fast_as_asked() -> None:
    pace = Pace(speed=3600, longest=0.05)

    assert await pace(NOW, NOW + HOUR) == NOW + timedelta(minutes=3)
    assert await pace(NOW, NOW + timedelta(minutes=2)) == NOW + timedelta(minutes=2)
    pace.close()


async def test_a_night_is_not_waited_for() -> None:
    pace, began = Pace(speed=1, longest=0.05), time.monotonic()

    assert await pace(NOW, NOW + 17 * HOUR) == NOW + 17 * HOUR

    assert time.monotonic() - began < 1
    pace.close()


async def test_while_a_card_waits_time_runs_as_in_life() -> None:
    pace = Pace(speed=3600, longest=0.05)

    async def waiting() -> bool:
        return True

    pace.waiting = waiting
    began = time.monotonic()

    assert await pace(NOW, NOW + HOUR) == NOW + timedelta(seconds=1)

    assert time.monotonic() - began >= 0.9
    pace.close()


async def test_somebody_who_acts_is_looked_after_at_once_and_a_message_that_is_brought_hurries_nothing() -> None:
    pace = Pace(speed=1, longest=5)
    looking = asyncio.ensure_future(pace(NOW, NOW + HOUR))
    for pool in (Pool.LOOK, Pool.PROTECT):
        await pace.run(pool, lambda: None)
    hurried = (await asyncio.wait({looking}, timeout=0.2))[0]

    await pace.run(Pool.TRADE, lambda: None)

    assert hurried == set()
    assert await asyncio.wait_for(looking, 2) == NOW + timedelta(seconds=1)
    pace.close()


def test_what_was_heard_is_read_for_a_while_and_no_longer_once_it_is_answered() -> None:
    now = 100.0
    reading = Reading(lambda: now)

    heard = [reading(["N1.1"]), reading([]), reading(["N2.1"])]
    now += READING - 0.1
    still = reading(["N2.1"])
    now += 0.2
    louder = [reading(["N2.1"]), reading(["N2.2"])]

    assert (heard, still, louder) == ([True, False, True], True, [False, True])
