"""Where the answer to a request goes: into the tapped card, under the question, or to the person alone."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from alerts.outbox import Undeliverable
from bot.carry import line_of
from bot.catalogue import COMMANDS
from bot.command import Command, Place, Pool, Reply, Room
from bot.deliver import draw, remember
from bot.message import Card, MessageRef, Request, Tone
from bot.parse import command_of, split_request
from bot.platforms import telegram_buttons as buttons
from bot.platforms.base import MessageGone
from bot.platforms.telegram_calls import Way
from bot.platforms.telegram_chats import Chats
from bot.platforms.telegram_render import Sheet, page_of, sheet_of
from bot.platforms.telegram_sender import Sender
from bot.platforms.telegram_updates import Where, Who
from bot.replies import proposal_in
from engine.errors import BadRequest

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a request came from.

    Attributes:
        message: what the answer is written under. card: the message of the card that was tapped or answered.
        bar: the message that showed how far the work has come. is_written: a text was written, no button was tapped.
    """

    where: Where
    who: Who
    message: str
    card: str = ""
    bar: str = ""
    is_written: bool = False


def command_in(request: Request) -> Command | None:
    """The command a request asks for, None where it is none."""
    try:
        return command_of(split_request(request.text, request.action)[0], COMMANDS)
    except BadRequest:
        return None


def asked_again(request: Request) -> str:
    """What asks for the same look again: a command line, or the action of a button; "" for what acts."""
    command = command_in(request)
    if command is None or command.acts:
        return ""
    if command.name == "refresh":
        return request.action.partition(":")[2]
    if command.is_button:
        return request.action
    return line_of(command, split_request(request.text, request.action)[1], request.options)


class Answers:
    """Gives the cards of a reply to whoever asked."""

    def __init__(self, room: Room, chats: Chats, sender: Sender, name: str) -> None:
        self._room = room
        self._chats = chats
        self._sender = sender
        self._name = name

    async def give(self, asked: Asked, request: Request, reply: Reply) -> None:
        """Show the reply. A card that stands where the person tapped is drawn there."""
        command = command_in(request)
        if command is not None and command.is_private and reply.is_ok and not asked.where.is_private:
            await self._privately(asked, request, reply)
            return
        chat = self.place(asked.where)
        way = Way(under="" if asked.where.is_private else asked.message)
        again = asked_again(request) if reply.is_ok else ""
        bar = asked.bar
        for number, card in enumerate(reply.cards):
            is_in_place = number == 0 and reply.place is Place.SAME and reply.is_ok
            is_in_place = is_in_place or _is_about(card, request, command)
            spot = asked.card if is_in_place else await self._standing(card, chat, asked.card)
            if not spot:
                spot, bar = bar, ""
            await self._show(chat, spot, await self._sheet(card, again), card, way)
            if asked.is_written and spot and spot == asked.card:
                await self._point_to(card, chat, spot)
        if bar:
            await self._sender.remove(chat, bar)

    async def _point_to(self, card: Card, chat: str, spot: str) -> None:
        """Say where the answer to a written text is: the card that changed may have scrolled out of sight."""
        told = Card(card.title, card.tone, ("The card this answers is up to date.",))
        await self._sender.post(chat, told, Way(under=spot.split(",")[-1]))

    async def turn(self, asked: Asked, reply: Reply, page: int, again: str) -> None:
        """Show another page of the answer in its place."""
        chat = self.place(asked.where)
        card = reply.cards[0]
        await self._show(chat, asked.card, _paged(card, page, again), card, Way())

    def place(self, where: Where) -> str:
        """The destination that this place is."""
        return self._chats.destination(where.chat, where.topic)

    async def redraw(self, asked: Asked, card: Card) -> None:
        """Draw the card that was tapped as it stands."""
        chat = self.place(asked.where)
        await self._show(chat, asked.card, sheet_of(card, await self._sender.drawn(card)), card, Way())

    async def tell(self, where: Where, card: Card, under: str = "") -> None:
        """Put a card into the place."""
        chat = self.place(where)
        await self._sender.post(chat, card, Way(under="" if where.is_private else under))

    async def _privately(self, asked: Asked, request: Request, reply: Reply) -> None:
        """What is for the person alone goes into their own chat, and the group hears that it did."""
        again = asked_again(request)
        try:
            for card in reply.cards:
                await self._sender.put(asked.who.id, await self._sheet(card, again), card=card)
        except Undeliverable:
            told = Card(
                "Open a private chat with me first",
                Tone.WARNING,
                (f"This answer is for you alone, and I may not write to you yet: open @{self._name}, press Start, "
                 "and ask again.",),
            )  # fmt: skip
        else:
            told = Card("Sent to you in private", lines=(f"It is in your chat with @{self._name}.",))
        await self.tell(asked.where, told, asked.message)
        if asked.bar:
            await self._sender.remove(self.place(asked.where), asked.bar)

    async def _sheet(self, card: Card, again: str) -> Sheet:
        if again and not card.pictures:
            return _paged(card, 1, again)
        return sheet_of(card, await self._sender.drawn(card))

    async def _show(self, chat: str, spot: str, sheet: Sheet, card: Card, way: Way) -> None:
        if spot:
            ref = MessageRef(buttons.PLATFORM, chat, spot)
            try:
                await draw(self._room, ref, card, lambda each: self._sender.change(chat, spot, sheet, card=each))
            except MessageGone as gone:
                log.info("telegram.answered_anew", chat=chat, message=spot, why=str(gone))
            else:
                return
        await remember(self._room, card, await self._sender.put(chat, sheet, way, card))

    async def _standing(self, card: Card, chat: str, message: str) -> str:
        """`message` if it is where this very card stands, else ""."""
        if not message or not card.key:
            return ""
        return await self._room.run(Pool.PROTECT, lambda: message if self._stands(card.key, chat, message) else "")

    def _stands(self, key: str, chat: str, message: str) -> bool:
        with self._room.desk.store.read() as work:
            refs = work.refs(key)
        return any((ref.platform, ref.chat, ref.message) == (buttons.PLATFORM, chat, message) for ref in refs)


def _is_about(card: Card, request: Request, command: Command | None) -> bool:
    """Whether a card is that of the proposal somebody acts on: then it takes the place of what was tapped."""
    proposal = proposal_in((request.action,)).partition(".")[0]
    return command is not None and command.acts and bool(proposal) and card.key == f"approval:{proposal}"


def _paged(card: Card, page: int, again: str) -> Sheet:
    return page_of(card, page, lambda number: f"{buttons.PAGE}{number} {again}")
