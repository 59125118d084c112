"""The chats the desk is in: which of them are ours, which topic, and which number a group has by now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from bot.command import Pool, Room

log = structlog.get_logger()

MOVED = "telegram:moved:"
"""The setting that keeps the new number of a group that became a supergroup, by its old one."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes: the chat's number as Telegram knows it now, and the topic in it."""

    chat: str
    topic: int | None = None


def split(chat: str) -> Address:
    """The parts of a destination.

    >>> split("-100123/7")
    Address(chat='-100123', topic=7)
    """
    number, _, topic = chat.partition("/")
    return Address(number, int(topic) if topic else None)


class Chats:
    """The configured chats, and what became of them. A group that moved answers to its old number for ever."""

    def __init__(self, room: Room, configured: Iterable[str]) -> None:
        self._room = room
        self.configured = tuple(dict.fromkeys(chat for chat in configured if chat))
        self._moved: dict[str, str] = {}

    async def load(self) -> None:
        """Read which groups have moved before."""
        self._moved = await self._room.run(Pool.LOOK, self._known)

    def _known(self) -> dict[str, str]:
        with self._room.desk.store.read() as work:
            found = work.settings()
        return {each.name.removeprefix(MOVED): each.value for each in found if each.name.startswith(MOVED)}

    def address(self, chat: str) -> Address:
        """Where a message for the destination `chat` goes now."""
        parts = split(chat)
        return Address(self.number(parts.chat), parts.topic)

    def number(self, chat: str) -> str:
        """The number a chat has now."""
        seen = {chat}
        while (new := self._moved.get(chat)) is not None and new not in seen:
            chat = new
            seen.add(chat)
        return chat

    def is_ours(self, chat: str) -> bool:
        """Whether listed people are answered in this group."""
        return chat in {self.address(each).chat for each in self.configured}

    def destination(self, chat: str, topic: int | None) -> str:
        """The name of this place in the configuration; its own where it has none there."""
        here = Address(chat, topic)
        own = chat if topic is None else f"{chat}/{topic}"
        return next((each for each in self.configured if self.address(each) == here), own)

    @property
    def outdated(self) -> tuple[tuple[str, str], ...]:
        """Configured numbers that are not right any more, with the new ones."""
        pairs = ((split(each).chat, self.address(each).chat) for each in self.configured)
        return tuple(dict.fromkeys(pair for pair in pairs if pair[0] != pair[1]))

    async def move(self, old: str, new: str) -> bool:
        """Remember a group's new number for good; whether that is news."""
        if old == new or self._moved.get(old) == new:
            return False
        names = (old, *(each for each in self._moved if self.number(each) == old))
        self._moved[old] = new
        log.warning("telegram.group_moved", old=old, new=new)
        await self._room.run(Pool.LOOK, lambda: self._save(old, new, names))
        return True

    def _save(self, old: str, new: str, names: Iterable[str]) -> None:
        """Keep it, and forget where cards stood: messages are numbered anew there, so an old number is another's."""
        desk = self._room.desk
        with desk.store.begin() as work:
            for name in names:
                work.forget_refs("telegram", name)
            work.set_setting(MOVED + old, new, "desk", desk.now())
