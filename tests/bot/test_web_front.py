"""The page among the platforms of a desk: opened, told of, posted to, and closed with it."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

import aiohttp
import pytest

from alerts.outbox import Later
from bot.bulkheads import inline
from bot.command import Room
from bot.message import Card
from bot.platforms.web_front import WebFront
from tests.bot.rooms import PEOPLE
from tests.bot.test_fronts import until
from tests.desk import make_world
from tests.page import open_page


def room() -> Room:
    return Room(make_world().desk, PEOPLE, inline, lambda: "PAPER")


async def test_it_says_how_each_person_gets_in_and_takes_cards_until_it_is_ended() -> None:
    said: list[str] = []
    front = WebFront(room(), 0, said.append)
    with pytest.raises(Later):
        await front.post("desk", Card("Too soon"))
    running = asyncio.create_task(front.run())
    await until(lambda: front.state.is_well)

    ref = await front.post("desk", Card("Hello"))

    assert (ref.platform, ref.chat) == ("web", "desk")
    assert [line.partition(": ")[0] for line in said] == [f"The page for {name}" for name in ("ann", "tom", "vic")]
    url = re.search(r"http://127\.0\.0\.1:\d+", said[0])
    assert url is not None
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert not front.state.is_well
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get(url[0])


async def test_a_port_that_somebody_has_is_told_and_another_taken() -> None:
    said: list[str] = []
    async with open_page() as other:
        taken = int(other.web.url.rpartition(":")[2])
        front = WebFront(room(), taken, said.append)
        running = asyncio.create_task(front.run())
        await until(lambda: front.state.is_well)

        assert said[0].startswith(f"Port {taken} on 127.0.0.1 cannot be used")
        assert front.state.words != other.web.url
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_the_doctor_is_told_who_can_use_it() -> None:
    (finding,) = await WebFront(room(), 8484, print).check()

    assert (finding.state, finding.words) == ("ok", "on this machine, port 8484, for ann, tom, vic")
