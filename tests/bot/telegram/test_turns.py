"""Who waits for whom inside one chat."""

from __future__ import annotations

import asyncio

import pytest

from bot.platforms.telegram_turns import Turns


async def test_turns_of_one_line_come_in_the_order_they_were_taken() -> None:
    turns, done = Turns(), []
    first, second, third = (turns.take("chat") for _ in range(3))

    async def use(turn: object, name: str) -> None:
        async with turn:  # type: ignore[attr-defined]
            await asyncio.sleep(0)
            done.append(name)

    await asyncio.gather(use(third, "third"), use(first, "first"), use(second, "second"))

    assert done == ["first", "second", "third"]


async def test_another_line_waits_for_nobody() -> None:
    turns = Turns()
    turns.take("chat")

    async with asyncio.timeout(1), turns.take("other"):
        pass


async def test_whoever_gives_up_waiting_holds_up_nobody() -> None:
    turns = Turns()
    first, second, third = (turns.take("chat") for _ in range(3))

    async def use_second() -> None:
        async with second:
            pass

    waiting = asyncio.create_task(use_second())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    async with asyncio.timeout(1):
        async with first:
            pass
        async with third:
            pass
