"""Cards into Telegram's chats: drawn, sent in their turn, edited in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog
from telegram import (
    Bot,
    ForceReply,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    LinkPreviewOptions,
    Message,
    ReplyParameters,
)
from telegram.constants import ParseMode

from alerts.outbox import Undeliverable
from bot.command import Pool, Room
from bot.message import Button, Card, MessageRef, Picture
from bot.platforms import telegram_buttons as buttons
from bot.platforms.base import MessageGone
from bot.platforms.telegram_chats import Address, Chats
from bot.platforms.telegram_queue import Outgoing, Urgency
from bot.platforms.telegram_render import Album, Drawn, Photo, Piece, Sheet, Text, may_be_sent, sheet_of
from bot.platforms.telegram_wire import BadPhoto, Moved, Trouble, Unchanged, Unsent, Wire

log = structlog.get_logger()

T = TypeVar("T")
NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
Markup = InlineKeyboardMarkup | ForceReply | None


@dataclass(frozen=True, slots=True)
class Way:
    """How a message is sent.

    Attributes:
        under: the message it answers, "" for none. patience: seconds it may wait for its turn, None for any.
    """

    urgency: Urgency = Urgency.PERSON
    patience: float | None = None
    silent: bool = False
    under: str = ""

    @property
    def reply(self) -> ReplyParameters | None:
        if not self.under:
            return None
        return ReplyParameters(int(self.under), allow_sending_without_reply=True)


ANSWER = Way()


class Sender:
    """Posts and edits what people see.

    What buttons mean is kept through the quickest bulkhead: a keyboard must not wait behind a scan or a slow broker.
    """

    def __init__(self, room: Room, wire: Wire, chats: Chats, queue: Outgoing) -> None:
        self._room = room
        self._wire = wire
        self._chats = chats
        self._queue = queue
        self._edits: Counter[tuple[str, str]] = Counter()

    async def post(self, chat: str, card: Card, way: Way = ANSWER) -> MessageRef:
        """Put all of a card into `chat`; the reference names every message of it."""
        self._queue.ask(self._chats.address(chat).chat, way.urgency, way.patience)
        return await self.put(chat, sheet_of(card, await self.drawn(card)), way, lambda: sheet_of(card))

    async def put(
        self, chat: str, sheet: Sheet, way: Way = ANSWER, plain: Callable[[], Sheet] | None = None
    ) -> MessageRef:
        """Put a sheet into `chat`; `plain` is what is sent where Telegram does not take its pictures."""
        address = self._chats.address(chat)
        keys = await self._keys(address.chat, "", sheet.rows)
        try:
            ids = await self._pieces(chat, sheet.pieces, way, _markup(keys))
        except BadPhoto as problem:
            if plain is None:
                raise
            log.warning("telegram.photo_refused", chat=chat, problem=str(problem))
            return await self.put(chat, plain(), way)
        await self._room.run(Pool.PROTECT, lambda: buttons.place(self._room.desk, keys, ids[-1]))
        return MessageRef(buttons.PLATFORM, chat, ",".join(ids))

    async def _pieces(self, chat: str, pieces: tuple[Piece, ...], way: Way, markup: Markup) -> list[str]:
        ids: list[str] = []
        for number, piece in enumerate(pieces, start=1):
            ends = markup if number == len(pieces) else None
            # What has begun is brought to its end: half a card is worse than a late one.
            turn = way if number == 1 else Way(way.urgency, None, way.silent)
            sent = await self._to(chat, self._sending(piece, turn, ends), turn)
            ids += [str(message.message_id) for message in sent]
        return ids

    def _sending(
        self, piece: Piece, way: Way, markup: Markup
    ) -> Callable[[Bot, Address], Awaitable[Iterable[Message]]]:
        async def text(bot: Bot, to: Address, html: str) -> tuple[Message, ...]:
            message = await bot.send_message(
                int(to.chat),
                html,
                ParseMode.HTML,
                message_thread_id=to.topic,
                disable_notification=way.silent,
                reply_parameters=way.reply,
                reply_markup=markup,
                link_preview_options=NO_PREVIEW,
            )
            return (message,)

        async def photo(bot: Bot, to: Address, shown: Photo) -> tuple[Message, ...]:
            message = await bot.send_photo(
                int(to.chat),
                shown.picture.png,
                caption=shown.html or None,
                parse_mode=ParseMode.HTML,
                message_thread_id=to.topic,
                disable_notification=way.silent,
                reply_parameters=way.reply,
                reply_markup=markup,
                filename=f"{shown.picture.name}.png",
            )
            return (message,)

        async def album(bot: Bot, to: Address, shown: Album) -> tuple[Message, ...]:
            return await bot.send_media_group(
                int(to.chat),
                [InputMediaPhoto(each.png, filename=f"{each.name}.png") for each in shown.pictures],
                message_thread_id=to.topic,
                disable_notification=way.silent,
                reply_parameters=way.reply,
            )

        match piece:
            case Text():
                return lambda bot, to: text(bot, to, piece.html)
            case Photo():
                return lambda bot, to: photo(bot, to, piece)
            case Album():
                return lambda bot, to: album(bot, to, piece)

    async def edit(self, chat: str, message: str, card: Card, way: Way = ANSWER) -> None:
        """Draw a card again where it stands.

        Raises:
            MessageGone: it does not stand there any more, or has to become another kind of message: post it anew.
        """
        self._queue.ask(self._chats.address(chat).chat, way.urgency, way.patience)
        await self.change(chat, message, sheet_of(card, await self.drawn(card)), way)

    async def change(self, chat: str, message: str, sheet: Sheet, way: Way = ANSWER) -> None:
        """Put a sheet in the place of what stands at `message`.

        Raises:
            MessageGone: as `edit`.
        """
        ids = message.split(",")
        self._edits[self._chats.address(chat).chat, ids[-1]] += 1
        if len(ids) != sheet.messages:
            await self.remove(chat, message)
            raise MessageGone(f"The card at {message} has another number of parts now.")
        keys = await self._keys(self._chats.address(chat).chat, ids[-1], sheet.rows)
        left = iter(ids)
        try:
            for piece in sheet.pieces:
                is_last = piece is sheet.pieces[-1]
                await self._redraw(chat, piece, left, _markup(keys) if is_last else None, way)
        except (MessageGone, BadPhoto) as problem:
            await self.remove(chat, message)
            raise MessageGone(f"The card at {message} cannot be drawn there again: {problem}") from None

    async def _redraw(self, chat: str, piece: Piece, ids: Iterable[str], markup: Markup, way: Way) -> None:
        """Edit the messages of one piece; `ids` gives their numbers."""
        keyboard = markup if isinstance(markup, InlineKeyboardMarkup) else None
        if isinstance(piece, Text):
            number = int(next(iter(ids)))
            await self._edited(
                chat,
                number,
                way,
                lambda bot, to: bot.edit_message_text(
                    piece.html,
                    int(to.chat),
                    number,
                    parse_mode=ParseMode.HTML,
                    reply_markup=keyboard,
                    link_preview_options=NO_PREVIEW,
                ),
            )
            return
        for picture in piece.pictures if isinstance(piece, Album) else (piece.picture,):
            await self._redraw_photo(chat, picture, piece.html if isinstance(piece, Photo) else "", ids, keyboard, way)

    async def _redraw_photo(
        self, chat: str, picture: Drawn, html: str, ids: Iterable[str], keyboard: InlineKeyboardMarkup | None, way: Way
    ) -> None:
        number = int(next(iter(ids)))
        media = InputMediaPhoto(
            picture.png, caption=html or None, parse_mode=ParseMode.HTML, filename=f"{picture.name}.png"
        )
        await self._edited(
            chat,
            number,
            way,
            lambda bot, to: bot.edit_message_media(media, int(to.chat), number, reply_markup=keyboard),
        )

    async def _edited(
        self, chat: str, number: int, way: Way, call: Callable[[Bot, Address], Awaitable[object]]
    ) -> None:
        """Make an edit; one that changes nothing is done already, and doing it twice is no harm."""
        try:
            await self._to(chat, call, way)
        except Unchanged:
            log.debug("telegram.unchanged", chat=chat, message=number)

    def edits(self, chat: str, message: str) -> int:
        """How often the message was drawn again since the desk is connected: to tell whether it was meanwhile."""
        return self._edits[self._chats.address(chat).chat, message]

    async def rekey(self, chat: str, message: str, rows: tuple[tuple[Button, ...], ...]) -> None:
        """Put fresh buttons under a message that stays as it is."""
        keys = await self._keys(self._chats.address(chat).chat, message, rows)
        await self._edited(
            chat,
            int(message),
            ANSWER,
            lambda bot, to: bot.edit_message_reply_markup(int(to.chat), int(message), reply_markup=_keyboard(keys)),
        )

    async def ask(self, chat: str, html: str, hint: str, action: str, under: str) -> None:
        """Ask for a value: whoever answers the message completes `action`."""
        way = Way(under=under)
        prompt = ForceReply(selective=True, input_field_placeholder=hint)
        (message,) = await self._to(chat, self._sending(Text(html), way, prompt), way)
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
        found = [await self._room.run(Pool.LOOK, partial(_draw, each)) for each in card.pictures]
        return tuple(each for each in found if each is not None)

    async def _keys(self, chat: str, message: str, rows: Iterable[Iterable[Button]]) -> buttons.Keys:
        return await self._room.run(Pool.PROTECT, lambda: buttons.keep(self._room.desk, chat, message, rows))

    async def _to(self, chat: str, call: Callable[[Bot, Address], Awaitable[T]], way: Way) -> T:
        """Do one call when it is the chat's turn; a group that has moved is followed."""

        def work() -> Awaitable[T]:
            return self._wire.do(lambda: call(self._wire.bot, self._chats.address(chat)), chat)

        async def queued() -> T:
            return await self._queue.send(self._chats.address(chat).chat, work, way.urgency, way.patience)

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


def _markup(keys: buttons.Keys) -> InlineKeyboardMarkup | None:
    return _keyboard(keys) if keys else None


def _keyboard(keys: buttons.Keys) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(
        [
            [InlineKeyboardButton(label, callback_data=token, style=style or None) for label, token, style in row]
            for row in keys
        ]
    )
