"""A card's pieces as calls of the Bot API: what sends each of them, and what edits it where it stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

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

from bot.platforms.telegram_buttons import Keys
from bot.platforms.telegram_chats import Address
from bot.platforms.telegram_queue import Urgency
from bot.platforms.telegram_render import Album, Drawn, Photo, Piece, Sheet, Text

NO_PREVIEW = LinkPreviewOptions(is_disabled=True)

Markup = InlineKeyboardMarkup | ForceReply | None
Send = Callable[[Bot, Address], Awaitable[Iterable[Message]]]
Edit = Callable[[Bot, Address], Awaitable[object]]


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


def sending(piece: Piece, way: Way, markup: Markup) -> Send:
    """What sends a piece; `markup` is its keyboard, or the wish for an answer."""
    match piece:
        case Text(html):
            return lambda bot, to: _send_text(bot, to, html, way, markup)
        case Photo():
            return lambda bot, to: _send_photo(bot, to, piece, way, markup)
        case Album(pictures):
            return lambda bot, to: _send_album(bot, to, pictures, way)


async def _send_text(bot: Bot, to: Address, html: str, way: Way, markup: Markup) -> tuple[Message, ...]:
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


async def _send_photo(bot: Bot, to: Address, photo: Photo, way: Way, markup: Markup) -> tuple[Message, ...]:
    message = await bot.send_photo(
        int(to.chat),
        photo.picture.png,
        caption=photo.html or None,
        parse_mode=ParseMode.HTML,
        message_thread_id=to.topic,
        disable_notification=way.silent,
        reply_parameters=way.reply,
        reply_markup=markup,
        filename=f"{photo.picture.name}.png",
    )
    return (message,)


async def _send_album(bot: Bot, to: Address, pictures: tuple[Drawn, ...], way: Way) -> tuple[Message, ...]:
    return await bot.send_media_group(
        int(to.chat),
        [_media(each, "") for each in pictures],
        message_thread_id=to.topic,
        disable_notification=way.silent,
        reply_parameters=way.reply,
    )


def editing(sheet: Sheet, ids: Iterable[str], markup: InlineKeyboardMarkup | None) -> Iterator[tuple[int, Edit]]:
    """Each message of a sheet, by the numbers they have, with what edits it; the last one gets the keyboard."""
    numbers = map(int, ids)
    for place, piece in enumerate(sheet.pieces, start=1):
        keyboard = markup if place == len(sheet.pieces) else None
        match piece:
            case Text(html):
                number = next(numbers)
                yield number, _edits_text(number, html, keyboard)
            case Photo(picture, html):
                number = next(numbers)
                yield number, _edits_photo(number, picture, html, keyboard)
            case Album(pictures):
                for picture in pictures:
                    number = next(numbers)
                    yield number, _edits_photo(number, picture, "", None)


def _edits_text(number: int, html: str, keyboard: InlineKeyboardMarkup | None) -> Edit:
    return lambda bot, to: bot.edit_message_text(
        html,
        int(to.chat),
        number,
        parse_mode=ParseMode.HTML,
        reply_markup=keyboard,
        link_preview_options=NO_PREVIEW,
    )


def _edits_photo(number: int, picture: Drawn, html: str, keyboard: InlineKeyboardMarkup | None) -> Edit:
    media = _media(picture, html)
    return lambda bot, to: bot.edit_message_media(media, int(to.chat), number, reply_markup=keyboard)


def _media(picture: Drawn, html: str) -> InputMediaPhoto:
    return InputMediaPhoto(picture.png, caption=html or None, parse_mode=ParseMode.HTML, filename=f"{picture.name}.png")


def keyboard_of(keys: Keys) -> InlineKeyboardMarkup | None:
    """The keyboard of these buttons, None for none."""
    if not keys:
        return None
    return InlineKeyboardMarkup(
        [
            [InlineKeyboardButton(label, callback_data=token, style=style or None) for label, token, style in row]
            for row in keys
        ]
    )
