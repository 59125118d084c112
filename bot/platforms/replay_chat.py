"""A chat platform inside the process: the replay posts its cards here and a simulated person taps their buttons."""

from __future__ import annotations

from itertools import count
from typing import Literal

import numpy as np

from bot.command import Room
from bot.dispatch import dispatch
from bot.message import PLAIN, Card, Manner, MessageRef, Request

IDENTITY = "replay:1"
CHAT = "desk"
DESTINATION = f"replay:{CHAT}"

Answer = Literal["all", "none", "ask"]


class ReplayChat:
    """A `Platform` that keeps every message's latest card."""

    def __init__(self) -> None:
        self.messages: dict[str, Card] = {}
        """By message id, in the order of posting."""
        self._numbers = count(1)

    @property
    def name(self) -> str:
        return "replay"

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        del manner
        message = str(next(self._numbers))
        self.messages[message] = card
        return MessageRef(self.name, chat, message)

    async def edit(self, ref: MessageRef, card: Card, manner: Manner = PLAIN) -> None:
        del manner
        self.messages[ref.message] = card

    def waiting(self) -> tuple[Card, ...]:
        """The cards that can be approved now, oldest first."""
        return tuple(card for card in self.messages.values() if _tap(card, "approve"))

    def forget_answered(self) -> None:
        """Drop the cards without buttons to answer: a long replay keeps no pile of them."""
        self.messages = {message: card for message, card in self.messages.items() if _tap(card, "approve")}


def _tap(card: Card, verb: str) -> str:
    """The action of the card's button with this verb, "" when it has none."""
    actions = (button.action for row in card.buttons for button in row)
    return next((action for action in actions if action.startswith(f"{verb}:")), "")


class Person:
    """Somebody who answers cards: approves all, or (none) rejects some by a seeded coin and lets the others expire."""

    def __init__(self, chat: ReplayChat, answer: Answer, seed: int) -> None:
        self._chat = chat
        self._answer = answer
        self._coin = np.random.default_rng(seed)
        self._ignored: set[str] = set()

    def unanswered(self) -> tuple[Card, ...]:
        """The cards this person will still do something about."""
        if self._answer == "ask":
            return ()
        return tuple(card for card in self._chat.waiting() if _tap(card, "approve") not in self._ignored)

    async def answer(self, room: Room) -> int:
        """Tap one button on every unanswered card; returns how many taps were made."""
        taps = [action for card in self.unanswered() if (action := self._choice(card))]
        for action in taps:
            source = f"replay:{room.desk.new_id('U')}"
            await dispatch(room, Request(IDENTITY, action=action, source=source, chat=CHAT))
            self._ignored.add(action)
        return len(taps)

    def _choice(self, card: Card) -> str:
        approve = _tap(card, "approve")
        if self._answer == "all":
            return approve
        self._ignored.add(approve)
        return _tap(card, "reject") if self._coin.random() < 0.5 else ""
