"""The menu behind the “/” of each listed person's private chat: what their role may do, written when it changed."""

from __future__ import annotations

import hashlib

import structlog
from telegram import BotCommand, BotCommandScopeChat, BotCommandScopeDefault

from alerts.outbox import Undeliverable
from bot.catalogue import COMMANDS
from bot.command import Pool, Room
from bot.people import User
from bot.platforms.telegram_queue import Flooded
from bot.platforms.telegram_text import clipped
from bot.platforms.telegram_wire import Trouble, Wire

log = structlog.get_logger()

MENU = "telegram:menu:"
"""The setting that keeps what the menu of a chat was last set to."""
EVERYBODY = "everybody"
MOST_COMMANDS = 100
LONGEST_SUMMARY = 256

Menu = tuple[tuple[str, str], ...]


def menu_of(user: User) -> Menu:
    """Name and summary of every command this person may type."""
    fits = (each for each in COMMANDS.values() if not each.is_button and user.role.covers(each.role))
    return tuple((each.name, clipped(each.summary, LONGEST_SUMMARY)) for each in fits)[:MOST_COMMANDS]


def menu_for_strangers() -> Menu:
    """What everybody else sees: enough to learn their number."""
    return tuple((name, COMMANDS[name].summary) for name in ("help", "whoami"))


class Menus:
    """Keeps the menus at Telegram as they should be."""

    def __init__(self, room: Room, wire: Wire) -> None:
        self._room = room
        self._wire = wire

    async def write(self) -> None:
        """Set every menu that is not as it should be; who never wrote to the bot gets theirs with the first word."""
        await self._write(EVERYBODY, menu_for_strangers())
        for identity in self._room.people.by_identity:
            await self.write_for(identity)

    async def write_for(self, identity: str) -> None:
        """Set the menu of one person's private chat, where it has changed."""
        platform, _, id = identity.partition(":")
        user = self._room.people.by_identity.get(identity)
        if platform == "telegram" and id.isdecimal() and user is not None:
            await self._write(id, menu_of(user))

    async def _write(self, chat: str, menu: Menu) -> None:
        stamp = hashlib.sha256(repr((self._wire.id, menu)).encode()).hexdigest()[:16]
        if await self._room.run(Pool.LOOK, lambda: self._kept(chat)) == stamp:
            return
        commands = [BotCommand(name, summary) for name, summary in menu]
        scope = BotCommandScopeDefault() if chat == EVERYBODY else BotCommandScopeChat(int(chat))
        try:
            await self._wire.do(lambda: self._wire.bot.set_my_commands(commands, scope), chat)
        except (Trouble, Undeliverable, Flooded) as problem:
            log.info("telegram.menu_not_set", chat=chat, problem=str(problem))
            return
        await self._room.run(Pool.LOOK, lambda: self._keep(chat, stamp))

    def _kept(self, chat: str) -> str | None:
        with self._room.desk.store.read() as work:
            return work.setting(MENU + chat)

    def _keep(self, chat: str, stamp: str) -> None:
        desk = self._room.desk
        with desk.store.begin() as work:
            work.set_setting(MENU + chat, stamp, "desk", desk.now())
