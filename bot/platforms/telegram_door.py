"""Who is let in, and where: listed people in their private chats and in the configured groups, nobody else."""

from __future__ import annotations

from collections.abc import Callable

from bot.command import Pool, Room
from bot.gate import turned_away
from bot.message import Card, Request, Tone
from bot.platforms.telegram_chats import Chats
from bot.platforms.telegram_updates import Where, Who
from engine.errors import Denied

TOLD_AGAIN = 3600.0
"""Seconds after which somebody who may not come in is told so once more in the same chat."""
MOST_TOLD = 2_000
HIDDEN = "Messages in the name of a group or a channel are not taken: write as yourself."
FOREIGN = "This group is not one of the desk's: telegram.groups."


class Door:
    """Turns away who may not come in: counted by the gate, told once an hour, and never in a group of strangers."""

    def __init__(self, room: Room, chats: Chats, clock: Callable[[], float]) -> None:
        self._room = room
        self._chats = chats
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}

    def objection(self, who: Who, where: Where) -> str:
        """Why this person is not answered here; "" for one who is."""
        if who.is_hidden:
            return HIDDEN
        try:
            self._room.people.who(who.identity)
        except Denied as denied:
            return str(denied)
        return "" if self._is_known(where) else FOREIGN

    def _is_known(self, where: Where) -> bool:
        return where.is_private or self._chats.is_ours(where.chat)

    async def turn_away(self, who: Who, where: Where, what: str, why: str) -> Card | None:
        """Count it; the card to tell it with, where it is to be told at all.

        It is written down through the quickest bulkhead: a stranger's noise holds up nobody in the same chat.
        """
        request = Request(who.identity, what, chat=where.chat)
        await self._room.run(Pool.PROTECT, lambda: turned_away(self._room, request, "", why))
        if not self._is_known(where) or not self._is_due(who.id, where.chat):
            return None
        return Card("Not allowed", Tone.BAD, (why,))

    def _is_due(self, person: str, chat: str) -> bool:
        now = self._clock()
        self._told = {key: at for key, at in self._told.items() if now - at < TOLD_AGAIN}
        if (person, chat) in self._told or len(self._told) >= MOST_TOLD:
            return False
        self._told[person, chat] = now
        return True
