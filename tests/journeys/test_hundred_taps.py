"""Approve tapped a hundred times at once, from two logins of the page and a second platform: one order.

Eight threads work on one database file, so the taps really meet.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from bot.dispatch import dispatch
from bot.message import Request
from bot.platforms.replay_chat import ReplayChat
from engine.model.trade import ApprovalStatus
from engine.store import Store
from tests.desk import make_world
from tests.page import PageSocket, PageWorld, open_page

EACH = 34


async def tap_on_page(socket: PageSocket, message: str, action: str) -> list[str]:
    """How every one of EACH taps, sent without waiting, ended."""
    for number in range(EACH):
        await socket.send(type="tap", id=f"t{number}", message=message, action=action)
    return [(await socket.next("done", "error")).get("error", "refused") for _ in range(EACH)]


async def tap_on_chat(page: PageWorld, action: str) -> list[str]:
    """The same on a platform inside this process, by a person the page knows too."""
    taps = (
        dispatch(page.room, Request("test:ben", action=action, source=f"test:{number}", chat="desk"))
        for number in range(EACH - 2)
    )
    return [reply.error for reply in await asyncio.gather(*taps)]


async def test_a_hundred_taps_at_once_place_one_order(tmp_path: Path):
    store = Store.create(f"sqlite:///{tmp_path}/desk.db")
    async with open_page(make_world(store=store), threads=8) as page, AsyncExitStack() as pages:
        chat = ReplayChat()
        page.platforms[chat.name] = chat
        approval = await page.propose()
        action = f"approve:{approval.key}"
        sockets = [await pages.enter_async_context(page.socket(name)) for name in ("ann", "ben")]
        messages = [(await socket.next("feed"))["messages"][0]["id"] for socket in sockets]

        ends = await asyncio.gather(
            *(tap_on_page(socket, message, action) for socket, message in zip(sockets, messages, strict=True)),
            tap_on_chat(page, action),
        )
        await page.pump()

        outcomes = sorted(outcome for platform in ends for outcome in platform)
        assert outcomes == ["", *["already decided"] * 99]
        page.world.clock.advance(seconds=30)
        await page.fill()
        assert page.world.broker.posts == ["A00001.1.1"]
        assert len(page.world.broker.executions) == 1
        with page.world.store.read() as work:
            assert work.approval(approval.id).status is ApprovalStatus.APPROVED
            assert len(work.recent_orders(10)) == 1
        assert [card.title for card in chat.messages.values()] == ["wheel: sell 2 × XYZ 44 put (filled)"]
    store.close()
