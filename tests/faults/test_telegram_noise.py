"""Thousands of updates nobody should send: nothing changes, and what is answered keeps to the rules."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest
import structlog

from engine.model.events import EventKind
from tests.faults.telegram_desk import TelegramDesk, telegram_desk
from tests.faults.telegram_noise import MARK, Noise

AT_ONCE = 100
BROKEN = {"telegram.update_broken", "command.broken", "telegram.aside_failed"}
TURNED_AWAY = {EventKind.DENIED, EventKind.REFUSED}


def happened(world: TelegramDesk) -> Counter[EventKind]:
    """What the desk wrote down, but for those it turned away."""
    with world.desk.store.read() as work:
        return Counter(event.kind for event in work.events() if event.kind not in TURNED_AWAY)


def shown(world: TelegramDesk) -> list[str]:
    """Everything the desk ever showed in a chat, as it was sent."""
    chats = world.server.world.chats.values()
    return [
        look.raw for chat in chats for message in chat.all_messages if message.is_from_bot for look in message.looks
    ]


async def weather(number: int, seed: int) -> None:
    """Let so much noise come over a desk with a proposal in its group."""
    with structlog.testing.capture_logs() as logs:
        async with telegram_desk(pace=100_000.0) as world:
            card = await world.proposal(world.group)
            before, standing = happened(world), card.data("Approve")
            dice = np.random.default_rng(seed)
            noise = Noise(dice, world.group.id, card.id, standing, lambda: world.desk.clock().timestamp())
            updates = noise.updates(number, world.server.updates.numbers)
            while batch := list(islice(updates, AT_ONCE)):
                for update in batch:
                    world.server.push(update)
                await world.until(lambda: not world.server.updates.waiting and not world.app.is_busy)
            await world.server.say(world.ann, "/whoami").shows("ann")

            assert not world.has_ended
            assert (world.orders, happened(world)) == ([], before)
            assert world.server.sent("sendMessage")
            assert not [html for html in shown(world) if f"<b>{MARK}" in html]
            world.server.press_data(world.ann, card, standing)
            await world.until(lambda: bool(world.orders), "a stranger used the button up")
    assert {each["event"] for each in logs} & BROKEN == set()


async def test_two_thousand_updates_of_noise_change_nothing() -> None:
    await weather(2_000, seed=15)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5))
async def test_fifty_thousand_updates_of_noise_change_nothing(seed: int) -> None:
    await weather(10_000, seed)
