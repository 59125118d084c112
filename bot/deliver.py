"""The last step of the outbox: one event to one destination, posted new or edited where its card already stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.announce import card_for
from bot.command import Pool, Room
from bot.message import Card, MessageRef
from bot.platforms.base import Platform
from engine.errors import ConfigError
from engine.model import records
from engine.model.events import Event
from engine.model.records import Delivery


@dataclass(frozen=True, slots=True)
class Postman:
    """Delivers to the platforms it knows; call it as the outbox's `deliver`."""

    room: Room
    platforms: Mapping[str, Platform]

    async def __call__(self, event: Event, delivery: Delivery) -> str:
        """Post or edit the card of `event`; returns the message's name on its platform ("" when nothing is said).

        Raises:
            ConfigError: the destination names a platform that is not connected.
        """
        name, _, chat = delivery.destination.partition(":")
        if name not in self.platforms:
            raise ConfigError(f"{delivery.destination}: there is no platform “{name}”.")
        card, ref = await self.room.run(Pool.LOOK, lambda: self._drawn(event, delivery.key, name, chat))
        if card is None:
            return ""
        if ref is not None:
            return await self._edit(self.platforms[name], ref, card)
        return await self._post(self.platforms[name], chat, delivery.key, card)

    def _drawn(self, event: Event, key: str, platform: str, chat: str) -> tuple[Card | None, records.MessageRef | None]:
        """The card as it has to look now, and the message where an earlier version of it stands."""
        desk = self.room.desk
        card = card_for(desk, event, key, self.room.banner())
        with desk.store.read() as work:
            known = next((ref for ref in work.refs(key) if (ref.platform, ref.chat) == (platform, chat)), None)
        return card, known

    async def _edit(self, platform: Platform, ref: records.MessageRef, card: Card) -> str:
        if card.version > ref.version:
            await platform.edit(MessageRef(ref.platform, ref.chat, ref.message), card)
            await self._remember(ref.key, MessageRef(ref.platform, ref.chat, ref.message), card.version)
        return ref.message

    async def _post(self, platform: Platform, chat: str, key: str, card: Card) -> str:
        ref = await platform.post(chat, card)
        await self._remember(key, ref, card.version)
        return ref.message

    async def _remember(self, key: str, ref: MessageRef, version: int) -> None:
        await self.room.run(Pool.LOOK, lambda: self._save(key, ref, version))

    def _save(self, key: str, ref: MessageRef, version: int) -> None:
        with self.room.desk.store.begin() as work:
            work.save_ref(key, ref.platform, ref.chat, ref.message, version)
