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
from engine.model.events import Event, EventKind
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
        platform = self.platforms.get(name)
        if platform is None:
            raise ConfigError(f"{delivery.destination}: there is no platform “{name}”.")
        await self._redraw(platform, event, delivery.key, chat)
        card, ref = await self.room.run(Pool.LOOK, lambda: self._drawn(event, delivery.key, name, chat))
        if card is None:
            return ""
        if ref is not None:
            return await self._edit(platform, ref, card)
        return await self._post(platform, chat, delivery.key, card)

    async def _redraw(self, platform: Platform, event: Event, key: str, chat: str) -> None:
        """Draw the proposal a trade began with again, where it stands: its end is told there too."""
        proposal = f"approval:{event.correlation}"
        if event.kind is not EventKind.POSITION_CLOSED or key == proposal:
            return
        ref = await self.room.run(Pool.LOOK, lambda: self._known(proposal, platform.name, chat))
        if ref is None:
            return
        card, _ = await self.room.run(Pool.LOOK, lambda: self._drawn(event, proposal, platform.name, chat))
        if card is not None:
            await self._edit(platform, ref, card)

    def _known(self, key: str, platform: str, chat: str) -> records.MessageRef | None:
        """Where the card of `key` stands in this chat."""
        with self.room.desk.store.read() as work:
            return next((ref for ref in work.refs(key) if (ref.platform, ref.chat) == (platform, chat)), None)

    def _drawn(self, event: Event, key: str, platform: str, chat: str) -> tuple[Card | None, records.MessageRef | None]:
        """The card as it has to look now, and the message where an earlier version of it stands."""
        return card_for(self.room.desk, event, key, self.room.banner()), self._known(key, platform, chat)

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
