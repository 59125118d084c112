"""Cards into Telegram's chats: drawn, sent in their turn, edited in place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

import structlog
from telegram import Bot, ForceReply

from alerts.outbox import Undeliverable
from bot.command import Pool, Room
from bot.message import Button, Card, MessageRef, Picture
from bot.platforms import telegram_buttons as buttons
from bot.platforms.base import MessageGone
from bot.platforms.telegram_calls import ANSWER, Edit, Markup, Way, editing, keyboard_of, sending
from bot.platforms.telegram_chats import Address, Chats
from bot.platforms.telegram_queue import Outgoing
from bot.platforms.telegram_render import Album, Drawn, Piece, Sheet, Text, may_be_sent, sheet_of
from bot.platforms.telegram_wire import BadPhoto, Moved, Trouble, Unchanged, Unsent, Wire
from engine.latest import Latest

log = structlog.get_logger()

T = TypeVar("T")
Spot = tuple[str, str]
"""A chat and the last message of a card in it."""
REMEMBERED = 5_000


class Sender:
    """Posts and edits what people see.

    What buttons mean is kept through the quickest bulkhead: a keyboard must not wait behind a scan or a slow broker.
    """

    def __init__(self, room: Room, wire: Wire, chats: Chats, queue: Outgoing) -> None:
        self._room = room
        self._wire = wire
        self._chats = chats
        self._queue = queue
        self._edits: Latest[Spot, int] = Latest(REMEMBERED)
        self._shown: Latest[Spot, tuple[str, int]] = Latest(REMEMBERED)
        """Key and version of the live card that was drawn there last."""

    async def post(self, chat: str, card: Card, way: Way = ANSWER) -> MessageRef:
        """Put all of a card into `chat`; the reference names every message of it."""
        self._queue.ask(self._chats.address(chat).chat, way.urgency, way.patience)
        return await self.put(chat, sheet_of(card, await self.drawn(card)), way, card)

    async def put(self, chat: str, sheet: Sheet, way: Way = ANSWER, card: Card | None = None) -> MessageRef:
        """Put a sheet into `chat`; where Telegram does not take its pictures, its `card` comes without them."""
        address = self._chats.address(chat)
        keys = await self._keys(address.chat, "", sheet.rows)
        try:
            ids = await self._pieces(chat, sheet.pieces, way, keyboard_of(keys))
        except BadPhoto as problem:
            if card is None:
                raise
            log.warning("telegram.photo_refused", chat=chat, problem=str(problem))
            return await self.put(chat, sheet_of(card), way)
        message = ",".join(ids)
        self._note((address.chat, ids[-1]), card)
        await self._room.run(Pool.PROTECT, lambda: buttons.place(self._room.desk, keys, message))
        return MessageRef(buttons.PLATFORM, chat, message)

    async def _pieces(self, chat: str, pieces: tuple[Piece, ...], way: Way, markup: Markup) -> list[str]:
        ids: list[str] = []
        for number, piece in enumerate(pieces, start=1):
            ends = markup if number == len(pieces) else None
            # What has begun is brought to its end: half a card is worse than a late one.
            turn = way if number == 1 else Way(way.urgency, None, way.silent)
            count = len(piece.pictures) if isinstance(piece, Album) else 1
            sent = await self._to(chat, sending(piece, turn, ends), turn, count)
            ids += [str(message.message_id) for message in sent]
        return ids

    async def edit(self, chat: str, message: str, card: Card, way: Way = ANSWER) -> None:
        """Draw a card again where it stands.

        Raises:
            MessageGone: it does not stand there any more, or has to become another kind of message: post it anew.
        """
        self._queue.ask(self._chats.address(chat).chat, way.urgency, way.patience)
        await self.change(chat, message, sheet_of(card, await self.drawn(card)), way, card)

    async def change(self, chat: str, message: str, sheet: Sheet, way: Way = ANSWER, card: Card | None = None) -> None:
        """Put a sheet in the place of what stands at `message`, unless a newer version of its `card` does by then.

        Raises:
            MessageGone: as `edit`.
        """
        ids = message.split(",")
        spot = self._spot(chat, message)
        self._edits[spot] = self._edits.get(spot, 0) + 1
        if len(ids) != sheet.messages:
            await self.remove(chat, message)
            raise MessageGone(f"The card at {message} has another number of parts now.")
        keys = await self._keys(spot[0], message, sheet.rows)
        try:
            for number, call in editing(sheet, ids, keyboard_of(keys)):
                await self._edited(chat, number, way, self._unless_newer(spot, card, call))
        except (MessageGone, BadPhoto) as problem:
            await self.remove(chat, message)
            raise MessageGone(f"The card at {message} cannot be drawn there again: {problem}") from None
        self._note(spot, card)

    def _unless_newer(self, spot: Spot, card: Card | None, call: Edit) -> Edit:
        """The call, asked once more when its turn comes: an answer may have passed it with a newer version."""

        async def guarded(bot: Bot, to: Address) -> object:
            key, version = self._shown.get(spot, ("", 0))
            if card is not None and card.key == key and card.version < version:
                raise Unchanged("a newer version stands there")
            self._note(spot, card)
            return await call(bot, to)

        return guarded

    def _note(self, spot: Spot, card: Card | None) -> None:
        if card is None:
            return
        key, version = self._shown.get(spot, ("", 0))
        self._shown[spot] = card.key, max(card.version, version if key == card.key else 0)

    def _spot(self, chat: str, message: str) -> Spot:
        return self._chats.address(chat).chat, message.split(",")[-1]

    async def _edited(self, chat: str, number: int, way: Way, call: Edit) -> None:
        """Make an edit; one that changes nothing is done already, and doing it twice is no harm."""
        try:
            await self._to(chat, call, way)
        except Unchanged as same:
            log.debug("telegram.unchanged", chat=chat, message=number, why=str(same))

    def edits(self, chat: str, message: str) -> int:
        """How often the message was drawn again since the desk is connected: to tell whether it was meanwhile."""
        return self._edits.get(self._spot(chat, message), 0)

    async def rekey(self, chat: str, message: str, rows: tuple[tuple[Button, ...], ...]) -> None:
        """Put fresh buttons under a message that stays as it is."""
        keyboard = keyboard_of(await self._keys(self._chats.address(chat).chat, message, rows))
        number = int(message.split(",")[-1])
        await self._edited(
            chat,
            number,
            ANSWER,
            lambda bot, to: bot.edit_message_reply_markup(int(to.chat), number, reply_markup=keyboard),
        )

    async def ask(self, chat: str, html: str, hint: str, action: str, under: str) -> None:
        """Ask for a value: whoever answers the message completes `action`."""
        way = Way(under=under)
        prompt = ForceReply(selective=True, input_field_placeholder=hint)
        (message,) = await self._to(chat, sending(Text(html), way, prompt), way)
        row = ((Button("", buttons.form_action(under, action)),),)
        await self._keys(self._chats.address(chat).chat, str(message.message_id), row)

    async def remove(self, chat: str, message: str) -> None:
        """Take the messages of a card away; what cannot be deleted loses its buttons."""
        for number in message.split(","):
            await self._remove(chat, int(number))

    async def _remove(self, chat: str, number: int) -> None:
        try:
            await self._to(chat, lambda bot, to: bot.delete_message(int(to.chat), number), ANSWER)
        except (Trouble, MessageGone, Undeliverable) as problem:
            log.info("telegram.not_deleted", chat=chat, message=number, problem=str(problem))
            await self._bare(chat, number)

    async def _bare(self, chat: str, number: int) -> None:
        try:
            await self._to(chat, lambda bot, to: bot.edit_message_reply_markup(int(to.chat), number), ANSWER)
        except (Trouble, MessageGone, Undeliverable) as problem:
            log.info("telegram.not_bared", chat=chat, message=number, problem=str(problem))

    async def drawn(self, card: Card) -> tuple[Drawn, ...]:
        """The card's pictures that can be drawn and sent; the others are told in words."""
        found = [await self._room.run(Pool.DRAW, partial(_draw, each)) for each in card.pictures]
        return tuple(each for each in found if each is not None)

    async def _keys(self, chat: str, message: str, rows: Iterable[Iterable[Button]]) -> buttons.Keys:
        return await self._room.run(Pool.PROTECT, lambda: buttons.keep(self._room.desk, chat, message, rows))

    async def _to(self, chat: str, call: Callable[[Bot, Address], Awaitable[T]], way: Way, messages: int = 1) -> T:
        """Do one call when it is the chat's turn; a group that has moved is followed."""

        def work() -> Awaitable[T]:
            return self._wire.do(lambda: call(self._wire.bot, self._chats.address(chat)), chat)

        async def queued() -> T:
            return await self._queue.send(self._chats.address(chat).chat, work, way.urgency, way.patience, messages)

        try:
            return await queued()
        except Moved as moved:
            await self._chats.move(self._chats.address(chat).chat, moved.chat)
            return await queued()
        except Unsent:
            if way.patience is not None:
                raise  # the outbox tries again by itself
            return await queued()


def _draw(picture: Picture) -> Drawn | None:
    try:
        png = picture.draw(False)
    except Exception as problem:  # noqa: BLE001 - a card without its picture is better than none
        log.warning("telegram.picture_failed", picture=picture.name, problem=repr(problem))
        return None
    if not may_be_sent(png):
        log.warning("telegram.picture_left_out", picture=picture.name, bytes=len(png))
        return None
    return Drawn(picture.name, picture.alt, png)
