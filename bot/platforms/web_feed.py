"""The messages of the page: who sees which, what replaces what, and the pictures they carry."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from bot.command import Place, Reply
from bot.message import Card, Picture, Tone
from bot.platforms import web_frames

DESK = "desk"
"""The chat everybody sees; every other chat is named after the only person who sees it."""
KEPT = 100
"""Messages kept of each chat."""


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a chat: what a person `said`, or a card. `rev` grows with every change of anything."""

    id: str
    chat: str
    order: int
    rev: int
    card: Card | None = None
    said: str = ""

    @property
    def key(self) -> str:
        return self.card.key if self.card else ""

    @property
    def is_question(self) -> bool:
        """Whether it still waits for somebody's answer."""
        return self.card is not None and self.card.tone is Tone.ASK

    def expires_after(self, now: datetime) -> bool:
        """Whether its time is not up yet; what has no time has none left either."""
        ends = self.card.expires_at if self.card else ""
        return bool(ends) and datetime.fromisoformat(ends) > now

    @property
    def picture_ids(self) -> tuple[str, ...]:
        pictures = self.card.pictures if self.card else ()
        return tuple(f"{self.id}-{self.rev}-{number}" for number in range(len(pictures)))

    def visible_to(self, name: str) -> bool:
        return self.chat in (DESK, name)

    def as_json(self) -> web_frames.Frame:
        """The message as the page gets it."""
        common = {"id": self.id, "rev": self.rev, "order": self.order}
        if self.card is None:
            return common | {"said": self.said}
        return common | {"card": web_frames.card_json(self.card, self.picture_ids)}


class Feed:
    """The latest messages of every chat. `tell` hears of each one that is new or changed.

    A card for everybody brings every copy of it up to date, whoever has one. A card for one person is drawn as that
    person wants it, in their time zone: it changes their own copies alone.
    """

    def __init__(self, tell: Callable[[Message], None]) -> None:
        self._tell = tell
        self._messages: dict[str, Message] = {}
        self._run = secrets.token_hex(3)  # a message of an earlier run, still named in the store, is none of ours
        self._orders = count(1)
        self._revs = count(1)

    def recent(self, name: str) -> tuple[Message, ...]:
        """What `name` sees, oldest first."""
        seen = (message for message in self._messages.values() if message.visible_to(name))
        return tuple(sorted(seen, key=lambda message: message.order))

    def is_shared(self, message_id: str) -> bool:
        """Whether everybody sees this message."""
        known = self._messages.get(message_id)
        return known is not None and known.chat == DESK

    def is_asking(self, now: datetime) -> bool:
        """Whether a question of anybody's counts down still."""
        return any(message.is_question and message.expires_after(now) for message in self._messages.values())

    def say(self, name: str, text: str) -> Message:
        """Keep what a person typed."""
        return self._add(name, said=text)

    def post(self, chat: str, card: Card) -> Message:
        """A new message; older cards of the same key change with it."""
        self._redraw(chat, card)
        return self._add(chat, card=card)

    def edit(self, message_id: str, chat: str, card: Card) -> Message:
        """Draw a message again unless a newer card is already there; one that is not known here any more comes new."""
        known = self._messages.get(message_id)
        self._redraw(known.chat if known else chat, card)
        if known is None:
            return self._add(chat, card=card, message_id=message_id)
        if known.key != card.key or not card.key:
            return self._change(known, card)
        return self._messages[message_id]

    def answer(self, name: str, reply: Reply, tapped: str = "") -> str:
        """Show a reply to `name`; returns the id of the message that holds its last card, "" when there is none."""
        shown = [self._answer(name, card, reply.place, tapped) for card in reply.cards]
        return shown[-1].id if shown else ""

    def _answer(self, name: str, card: Card, place: Place, tapped: str) -> Message:
        known = self._messages.get(tapped)
        if place is Place.NEW or known is None or not known.visible_to(name) or known.key != card.key:
            return self.post(name, card)
        if card.key or known.chat == name:
            return self.edit(known.id, known.chat, card)
        return self.post(name, card)  # a card without a key on the desk's chat is nobody's to change

    def picture(self, name: str, picture_id: str) -> Picture | None:
        """The picture `name` may see under this id."""
        message = self._messages.get(picture_id.partition("-")[0])
        if message is None or message.card is None or not message.visible_to(name):
            return None
        return dict(zip(message.picture_ids, message.card.pictures, strict=True)).get(picture_id)

    def _redraw(self, chat: str, card: Card) -> None:
        """Bring the messages with the card's key to it, newer versions excepted: all of them from everybody's chat."""
        if not card.key:
            return
        reached = [message for message in self._messages.values() if chat in (DESK, message.chat)]
        same = [message for message in reached if message.key == card.key]
        for message in same:
            if message.card is not None and message.card.version <= card.version:
                self._change(message, card)

    def _change(self, message: Message, card: Card) -> Message:
        return self._keep(replace(message, card=card, rev=next(self._revs)))

    def _add(self, chat: str, card: Card | None = None, said: str = "", message_id: str = "") -> Message:
        order = next(self._orders)
        message = Message(message_id or f"m{self._run}x{order}", chat, order, next(self._revs), card, said)
        kept = self._keep(message)
        self._forget(chat)
        return kept

    def _keep(self, message: Message) -> Message:
        self._messages[message.id] = message
        self._tell(message)
        return message

    def _forget(self, chat: str) -> None:
        """Drop the oldest message over the limit, one that waits for an answer only when all do."""
        own = [message for message in self._messages.values() if message.chat == chat]
        if len(own) > KEPT:
            oldest = next((message for message in own if not message.is_question), own[0])
            del self._messages[oldest.id]
