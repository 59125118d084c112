"""The last step of the outbox: one event to one destination, posted new or edited where its card already stands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar
from weakref import WeakValueDictionary

import structlog

from alerts.outbox import Later
from alerts.routes import topic_of
from bot.announce import card_for
from bot.command import Pool, Room
from bot.digest_times import is_held_back
from bot.message import PLAIN, Card, Manner, MessageRef
from bot.personal import personal, told_to
from bot.platforms.base import MessageGone, Platform
from bot.preferences import Preferences, preferences_of
from bot.told import is_answered_in
from engine.errors import ConfigError
from engine.model import records
from engine.model.events import Event, EventKind, Severity
from engine.model.records import Delivery
from engine.store import UnitOfWork

log = structlog.get_logger()

T = TypeVar("T")

OWN = "event:"
"""How the key of a card begins that tells of one event alone."""
TOLD_AGAIN = timedelta(hours=1)
"""How long it is not said again that a destination takes no messages."""
ANSWER_FIRST = 1.0
"""Seconds a notice waits at a time for the answer to whoever did it in the same chat."""

_DRAWING: WeakValueDictionary[MessageRef, asyncio.Lock] = WeakValueDictionary()
"""The messages that are being drawn now: one hand at a time."""


async def draw(room: Room, ref: MessageRef, card: Card, put: Callable[[Card], Awaitable[object]]) -> bool:
    """Draw `card` with `put` into the message at `ref` and note its version; False where a newer one stands there.

    An adapter answers a tap in place with it: its answer and the outbox never overtake each other.
    """
    async with _DRAWING.setdefault(ref, asyncio.Lock()):
        if await room.run(Pool.PROTECT, lambda: _is_older(room, card, ref)):
            return False
        await put(card)
        await remember(room, card, ref)
        return True


def _is_older(room: Room, card: Card, ref: MessageRef) -> bool:
    noted = _noted(room, card.key, ref.platform, ref.chat)
    return noted is not None and noted.message == ref.message and noted.version > card.version


async def remember(room: Room, card: Card, ref: MessageRef) -> bool:
    """Note that an adapter drew `card` at `ref`, so that it is not drawn there again; False where nothing is noted.

    That is so where a newer version stands, or where the card has its place in another message: an answer that shows a
    live card once more does not take that place. `ref.chat` is the chat as destinations name it.
    """
    if not card.key:
        return False
    return await room.run(Pool.PROTECT, lambda: _remembered(room, card, ref))


def _remembered(room: Room, card: Card, ref: MessageRef) -> bool:
    with room.desk.store.begin() as work:
        noted = _standing(work, card.key, ref.platform, ref.chat)
        is_its_place = card.key.startswith(OWN) if noted is None else noted.message == ref.message
        return is_its_place and work.save_ref(card.key, ref.platform, ref.chat, ref.message, card.version)


def _place_anew(room: Room, card: Card, ref: MessageRef) -> None:
    with room.desk.store.begin() as work:
        work.save_ref(card.key, ref.platform, ref.chat, ref.message, card.version)


def _noted(room: Room, key: str, platform: str, chat: str) -> records.MessageRef | None:
    with room.desk.store.read() as work:
        return _standing(work, key, platform, chat)


def _standing(work: UnitOfWork, key: str, platform: str, chat: str) -> records.MessageRef | None:
    """Where the card of `key` stands in a chat."""
    return next((ref for ref in work.refs(key) if (ref.platform, ref.chat) == (platform, chat)), None)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A card for one destination: as it looks there, where an earlier one of it stands, and how a new one comes."""

    card: Card | None
    standing: records.MessageRef | None = None
    manner: Manner = PLAIN

    @property
    def is_anew(self) -> bool:
        """Whether it has to be heard though an earlier one of it stands there: nobody hears that a card is redrawn."""
        sounded = 0 if self.card is None else self.card.sounded
        return self.standing is not None and bool(sounded) and self.standing.version < (sounded or 0)


@dataclass(frozen=True, slots=True)
class Postman:
    """Delivers to the platforms it knows; call it as the outbox's `deliver`.

    A platform has `patience` seconds to take a message; None waits for ever (in a replay nothing waits).
    """

    room: Room
    platforms: Mapping[str, Platform]
    patience: float | None = None

    async def __call__(self, event: Event, delivery: Delivery) -> str:
        """Post or edit the card of `event`; returns the message's name on its platform ("" when nothing was sent:
        nothing is said of it there, or it stands there already).

        Raises:
            ConfigError: the destination names a platform that is not connected.
            Later: whoever did it is being answered in the same chat.
        """
        name, _, chat = delivery.destination.partition(":")
        platform = self.platforms.get(name)
        if platform is None:
            raise ConfigError(f"{delivery.destination}: there is no platform “{name}”.")
        await self._redraw(platform, event, delivery)
        drawn = await self.room.run(_pool(delivery), lambda: self._drawn(event, delivery.key, delivery))
        if drawn.card is None:
            return ""
        return await self._show(platform, chat, drawn.card, drawn)

    async def _redraw(self, platform: Platform, event: Event, delivery: Delivery) -> None:
        """Draw the proposal a trade began with again, where it stands: its end is told there too."""
        proposal = _proposal(event)
        if event.kind is not EventKind.POSITION_CLOSED or delivery.key == proposal:
            return
        chat = delivery.destination.partition(":")[2]
        standing = await self.room.run(_pool(delivery), lambda: _noted(self.room, proposal, platform.name, chat))
        if standing is None:
            return
        drawn = await self.room.run(_pool(delivery), lambda: self._drawn(event, proposal, delivery))
        if drawn.card is not None:
            await self._show(platform, chat, drawn.card, drawn)

    def _drawn(self, event: Event, key: str, delivery: Delivery) -> Drawn:
        """The card as it has to look now where it goes: in one person's chat as that person wants it."""
        name, _, chat = delivery.destination.partition(":")
        now = self.room.desk.now()
        with self.room.desk.store.read() as work:
            standing = _standing(work, key, name, chat)
            if standing is None and is_answered_in(work, event, name, chat, now):
                raise Later(ANSWER_FIRST)
            under = None if key == _proposal(event) else _standing(work, _proposal(event), name, chat)
            person = self.room.people.by_identity.get(delivery.destination)
            wishes = Preferences() if person is None else preferences_of(work, person.name)
        if standing is None and topic_of(event) in wishes.muted and not delivery.urgent:
            return Drawn(None)
        if standing is None and is_held_back(self.room.desk.sessions, event, wishes, now):
            return Drawn(None)
        with told_to(wishes):
            card = card_for(self.room.desk, event, key, self.room.banner())
        if card is None or (standing is not None and card.version <= standing.version):
            return Drawn(None, standing)
        is_quiet = card.sounded == 0 or (wishes.is_quiet(now) and not delivery.urgent)
        is_heard = not is_quiet and event.severity is not Severity.INFO
        manner = Manner(is_quiet, is_heard, None if under is None else _place(under), delivery.urgent)
        return Drawn(referenced(replace(personal(card, wishes), key=key), event), standing, manner)

    async def _show(self, platform: Platform, chat: str, card: Card, drawn: Drawn) -> str:
        """Edit the message where the card stands; post it where there is none (any more) or it has to be heard.

        Raises:
            Later: this process may not act for the desk until its lease is renewed, if ever.
        """
        if not self.room.desk.term.may_act:
            raise Later(ANSWER_FIRST)
        if drawn.standing is not None and not drawn.is_anew:
            ref, manner = _place(drawn.standing), drawn.manner
            try:
                await draw(self.room, ref, card, lambda each: self._in_time(lambda: platform.edit(ref, each, manner)))
            except MessageGone:
                pass
            else:
                return ref.message
        posted = await self._in_time(lambda: platform.post(chat, card, drawn.manner))
        placed = MessageRef(platform.name, chat, posted.message)
        await self.room.run(Pool.PROTECT, lambda: _place_anew(self.room, card, placed))
        if drawn.standing is not None and drawn.is_anew:
            await self._point_on(platform, _place(drawn.standing), card, drawn.manner)
        return posted.message

    async def _point_on(self, platform: Platform, old: MessageRef, card: Card, manner: Manner) -> None:
        """Leave at the old place of a card that it goes on below, and nothing to tap."""
        left = Card(card.title, lines=("Told again below.",), footer=card.footer, banner=card.banner, key=card.key)
        try:
            await self._in_time(lambda: platform.edit(old, replace(left, version=card.version), manner))
        except MessageGone:
            log.info("deliver.old_card_gone", platform=old.platform, chat=old.chat, key=card.key)

    async def _in_time(self, send: Callable[[], Awaitable[T]]) -> T:
        """Do it within the platform's patience, while this process acts for the desk: it may have been stopped since.

        Raises:
            LeaseLost: it does not; nothing was sent.
        """
        self.room.desk.term.check()
        return await send() if self.patience is None else await asyncio.wait_for(send(), self.patience)

    def lost(self, work: UnitOfWork, delivery: Delivery, why: str) -> None:
        """Tell the other platforms that a destination takes no messages; once an hour for each."""
        desk, about = self.room.desk, delivery.destination
        told = work.newest_events((EventKind.UNDELIVERED,))
        if any(event.subject == about and desk.now() - event.at < TOLD_AGAIN for event in told):
            return
        words = f"A card could not be delivered to {about} and is not tried again there: {why}"
        work.add_event(desk.event(EventKind.UNDELIVERED, about, {"words": words}, Severity.URGENT))


def _pool(delivery: Delivery) -> Pool:
    """What is urgent waits for no look-up."""
    return Pool.PROTECT if delivery.urgent else Pool.LOOK


def _proposal(event: Event) -> str:
    """The key of the proposal that an event's trade began with."""
    return f"approval:{event.correlation}"


def _place(ref: records.MessageRef) -> MessageRef:
    return MessageRef(ref.platform, ref.chat, ref.message)


def referenced(card: Card, event: Event) -> Card:
    """The card with a short reference in its footer, the same however often it is sent.

    It is the id the card is about, or the event's where the card tells of that event alone.
    """
    reference = event.id if card.key.startswith(OWN) else card.key.partition(":")[2]
    if reference in card.footer:
        return card
    return replace(card, footer=f"{card.footer} · {reference}" if card.footer else reference)
