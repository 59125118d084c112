"""Who waits for whom: a picture that takes its time holds up neither the event loop nor anybody's work."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bot.bulkheads import Bulkheads
from bot.command import Pool
from bot.message import Card, Picture
from bot.platforms.discord_draw import drawn
from tests.bot.rooms import visit
from tests.drawn import PLAIN

SOON = 20.0


@pytest.mark.parametrize("pools", [(1,), (1, 1, 1)], ids=["one thread", "bulkheads"])
async def test_a_picture_that_takes_its_time_holds_up_nothing(pools: tuple[int, ...]):
    bulkheads, begun, go_on = Bulkheads(*pools), threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go_on.wait(SOON)
        return "drawn"

    drawing = asyncio.ensure_future(bulkheads.run(Pool.DRAW, slow))
    async with asyncio.timeout(SOON):
        while not begun.is_set():
            await asyncio.sleep(0)
        done = [await bulkheads.run(pool, lambda: "done") for pool in (Pool.LOOK, Pool.TRADE, Pool.PROTECT)]
        is_quiet = await bulkheads.quiet(0.0)
        was_drawing = not drawing.done()
        go_on.set()
        assert await drawing == "drawn"
    bulkheads.close()

    assert done == ["done"] * 3
    assert was_drawing
    assert is_quiet, "drawing changes nothing: the end of the process does not wait for it"


async def test_the_loop_turns_while_a_chart_is_drawn():
    """Other tasks get their turn many times during one chart; drawn on the loop they would get none."""
    room, bulkheads = visit().room, Bulkheads(1, 1, 1)
    object.__setattr__(room, "run", bulkheads.run)
    card = Card("Payoff", pictures=(Picture("payoff", "profit", PLAIN["payoff"]),))
    drawing = asyncio.ensure_future(drawn(room, card))
    turns = 0
    while not drawing.done():
        await asyncio.sleep(0)
        turns += 1
    shown = await drawing
    bulkheads.close()

    assert shown.has_pictures
    assert turns > 20


async def test_pictures_are_drawn_one_at_a_time():
    bulkheads, lock, most, now = Bulkheads(2, 2, 2), threading.Lock(), [], []

    def draw() -> bytes:
        with lock:
            now.append(1)
            most.append(len(now))
        png = PLAIN["limits"](False)
        with lock:
            now.pop()
        return png

    pictures = await asyncio.gather(*(bulkheads.run(Pool.DRAW, draw) for _ in range(4)))
    bulkheads.close()

    assert most == [1, 1, 1, 1]
    assert len(set(pictures)) == 1
