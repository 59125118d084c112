"""From a changed price to a phone and back: an alert on Discord and Telegram at once, answered, and over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from alerts import alerting, gathering, outbox
from alerts.routes import Channels, routes
from alerts.rules import RULES
from bot.bulkheads import Bulkheads
from bot.command import Room
from bot.deliver import Postman
from bot.people import People, Role, User
from bot.platforms.base import Front
from bot.platforms.discord_app import DiscordApp
from bot.platforms.telegram_app import TelegramApp
from bot.settings import DiscordSettings, TelegramSettings
from tests.desk import World
from tests.engine.exit_cases import holding, quote
from tests.journeys.chats import Chats, chats
from tests.standins.telegram_server import TOKEN

PATIENCE = 20.0
NO_NOTIFICATION = 1 << 12
"""Discord's flag SUPPRESS_NOTIFICATIONS of a message, https://discord.com/developers/docs/resources/message."""
STOP_NEAR = tuple(rule for rule in RULES if rule.name == "stop_near")


@dataclass
class Watched:
    """A desk with four calls in both chats, and what moves it."""

    world: World
    here: Chats
    postman: Postman

    async def price(self, bid: str, ask: str, minutes: float = 1) -> None:
        """Some minutes later the calls are quoted so: the rules look, and what they say is delivered."""
        self.world.clock.advance(timedelta(minutes=minutes).total_seconds())
        quote(self.world, bid, ask)
        await asyncio.to_thread(lambda: alerting.look(self.world.desk, STOP_NEAR, gathering.gather(self.world.desk)))
        await self.deliver()

    async def deliver(self) -> None:
        channels = Channels((f"discord:{self.here.channel.id}", f"telegram:{self.here.group.id}"), {})
        desk = self.world.desk
        await outbox.pump(desk.store, desk.now, lambda event: routes(event, channels), self.postman, self.postman.lost)

    async def until(self, what: str, claim: Callable[[], Any]) -> Any:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not (found := await asyncio.to_thread(claim)):
            assert asyncio.get_running_loop().time() < deadline, what
            await asyncio.sleep(0.02)
        return found

    def on_discord(self, words: str) -> list[Any]:
        return self.here.on_discord(words)

    def on_telegram(self, words: str) -> list[Any]:
        return [message for message in self.here.group.sent if words in message.text]


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[Watched]:
    world = holding()
    pools = Bulkheads(trading=1, looking=1, protecting=1)
    with chats(folder) as here:
        ann = User("ann", Role.ADMIN, (f"discord:{here.ann.id}", f"telegram:{here.ann_there.id}"))
        room = Room(world.desk, People((ann,)), pools.run, lambda: "PAPER")
        guild = str(here.discord.world.guild_id)
        there = DiscordSettings(guild=guild, api_url=here.discord.api_url, gateway_url=here.discord.gateway_url)
        fronts: tuple[Front, ...] = (
            DiscordApp(room, there, here.discord.token),
            TelegramApp(room, TelegramSettings(chat=str(here.group.id), api_url=here.telegram.url), TOKEN),
        )
        running = [asyncio.create_task(front.run()) for front in fronts]
        made = Watched(world, here, Postman(room, {front.name: front for front in fronts}))
        try:
            await made.until("both are connected", lambda: all(front.state.is_well for front in fronts))
            yield made
        finally:
            await _ended(running)
            pools.close()
        here.assert_valid()


async def _ended(running: list[asyncio.Task[None]]) -> None:
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_price_near_its_stop_is_heard_on_both_answered_on_one_and_over_on_both(tmp_path: Path) -> None:
    async with watched(tmp_path) as desk:
        await desk.price("2.20", "2.30")
        assert desk.on_discord("Stop near") == []

        await desk.price("1.60", "1.70")
        (card,) = desk.on_discord("Stop near: XYZ")
        (message,) = desk.on_telegram("Stop near: XYZ")
        assert "stop at 1.58" in message.text
        assert not card.row["flags"] & NO_NOTIFICATION
        (sent,) = desk.here.telegram.sent("sendMessage")
        assert sent.parameters.get("disable_notification", "false").lower() == "false"

        pressed = desk.here.discord.press(desk.here.ann, card, "Seen")
        await asyncio.to_thread(pressed.result)
        await desk.deliver()
        await desk.until("seen on Telegram", lambda: desk.on_telegram("Seen by"))
        assert "ann" in desk.on_discord("Seen by")[0].text

        await desk.price("2.20", "2.30", minutes=12)
        await desk.until(
            "over on both", lambda: desk.on_discord("Over: Stop near") and desk.on_telegram("Over: Stop near")
        )
        assert desk.on_discord("Stop near") == [card]
        assert len(desk.here.telegram.sent("sendMessage")) == 1
