"""The default desk on the loopback Discord: real requests, a real gateway, and what goes wrong with them.

ann is an admin, tom a trader, vic a viewer, eve a stranger.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from bot.message import MessageRef
from bot.people import People, Role, User
from bot.platforms.discord_app import DiscordApp
from bot.platforms.discord_wire import direct
from bot.proposal import Story, proposal_card
from bot.settings import DiscordSettings
from engine.model.trade import Approval
from tests.bot.rooms import Visit, visit
from tests.desk import propose, quote_all
from tests.standins.discord_server import DiscordServer
from tests.standins.discord_world import Channel, Member

DESK = 555


@dataclass
class Loopback:
    """The server, the people and the desk."""

    server: DiscordServer
    desk: Channel
    ann: Member
    tom: Member
    vic: Member
    eve: Member
    here: Visit
    app: DiscordApp

    @property
    def posts(self) -> list[str]:
        """What reached the broker."""
        return self.here.world.broker.posts

    @property
    def knows_its_channel(self) -> bool:
        """Whether the bot is on the gateway, has heard so itself, and was told of the server."""
        client = self.app._client
        return client is not None and client.down_since is None and client.get_channel(DESK) is not None

    async def asked(self) -> Approval:
        """A proposal whose card stands in the channel, as the outbox puts it there."""
        world = self.here.world
        quote_all(world)
        approval = propose(world)
        ref = await self.app.post(str(DESK), proposal_card(Story(approval), world.clock(), "PAPER"))
        self.remember(f"approval:{approval.id}", ref, approval.version)
        return approval

    def remember(self, key: str, ref: MessageRef, version: int) -> None:
        with self.here.world.store.begin() as work:
            work.save_ref(key, ref.platform, ref.chat, ref.message, version)


@asynccontextmanager
async def loopback(here: Visit | None = None, patience: float = 60.0, **settings: Any) -> AsyncIterator[Loopback]:
    """Everything but the connection."""
    with DiscordServer() as server:
        desk = server.add_channel("desk", DESK)
        members = {name: server.member(name) for name in ("ann", "tom", "vic", "eve")}
        roles = {"ann": Role.ADMIN, "tom": Role.TRADER, "vic": Role.VIEWER}
        users = tuple(User(name, role, (f"discord:{members[name].id}",)) for name, role in roles.items())
        here = here or visit()
        here.room = replace(here.room, people=People(users))
        given = {"guild": str(server.world.guild_id), "api_url": server.api_url, "gateway_url": server.gateway_url}
        app = DiscordApp(here.room, DiscordSettings(**{**given, **settings}), server.token, (str(DESK),), patience)
        try:
            yield Loopback(server, desk, here=here, app=app, **members)
        finally:
            direct(DiscordSettings())


@asynccontextmanager
async def connected(here: Visit | None = None, **settings: Any) -> AsyncIterator[Loopback]:
    """The same with the bot on the gateway."""
    async with loopback(here, **settings) as world:
        running = asyncio.create_task(world.app.run())
        try:
            await until(lambda: world.knows_its_channel)
            yield world
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    """Wait for something in this process.

    Raises:
        TimeoutError: it did not come true in time.
    """
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)
