"""What Telegram refuses, in its own words, and the limits by which it does.

Limits: https://core.telegram.org/bots/api; words: https://github.com/tdlib/telegram-bot-api (Client.cpp) and
https://github.com/tdlib/td (MessagesManager.cpp, ReplyMarkup.cpp, FileManager.cpp).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.standins.telegram_html import Entity, Unparsable, parse_html, trimmed, utf16
from tests.standins.telegram_world import Chat

MAX_TEXT, MAX_CAPTION, MAX_DATA, MAX_ANSWER = 4096, 1024, 64, 200
MAX_PHOTO, MAX_SIDES, MAX_RATIO = 10 * 1024 * 1024, 10_000, 20
MAX_UPLOAD = 50 * 1024 * 1024
MAX_BUTTONS, MAX_ROW = 100, 8
MAX_ENTITIES = 100
DELETABLE_FOR = 48 * 3600
PNG = b"\x89PNG\r\n\x1a\n"

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current content "
    "and reply markup of the message"
)
TOO_OLD = "query is too old and response timeout expired or query ID is invalid"
TWO_POLLS = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
HAS_WEBHOOK = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)


@dataclass
class Refusal(Exception):
    """An answer that is not ok. `is_mistake`: a bot that keeps to the documentation does not get this one."""

    status: int
    description: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    is_mistake: bool = False


def bad(words: str) -> Refusal:
    """400, for what may happen to any bot."""
    return Refusal(400, f"Bad Request: {words}")


def mistake(words: str) -> Refusal:
    """400, for what a bot could have known."""
    return Refusal(400, f"Bad Request: {words}", is_mistake=True)


def forbidden(words: str) -> Refusal:
    return Refusal(403, f"Forbidden: {words}")


def formatted(raw: str, mode: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Text and entities of what was sent."""
    try:
        match mode.lower():
            case "":
                return trimmed(raw, entities)
            case "html":
                return parse_html(raw)
    except Unparsable as problem:
        raise mistake(f"can't parse entities: {problem}") from None
    raise mistake("unsupported parse_mode")


def check_text(text: str, entities: list[Entity]) -> None:
    """Refuse a text that is empty or too long."""
    if not text:
        raise mistake("message text is empty")
    if utf16(text) > MAX_TEXT:
        raise mistake("message is too long")
    _check_entities(entities)


def check_caption(text: str, entities: list[Entity]) -> None:
    """Refuse a caption that is too long."""
    if utf16(text) > MAX_CAPTION:
        raise mistake("message caption is too long")
    _check_entities(entities)


def _check_entities(entities: list[Entity]) -> None:
    """Telegram drops the formatting behind the hundredth entity without a word: that is a mistake here."""
    if len(entities) > MAX_ENTITIES:
        raise mistake(f"{len(entities)} entities, of which Telegram would show {MAX_ENTITIES}")


def check_markup(markup: Any) -> None:
    """Refuse a keyboard that Telegram refuses."""
    if not isinstance(markup, dict):
        raise mistake("object expected as reply markup")
    rows = markup.get("inline_keyboard")
    if rows is None:
        return
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise mistake("can't parse reply keyboard markup JSON object")
    buttons = [button for row in rows for button in row]
    for button in buttons:
        _check_button(button)
    if len(buttons) > MAX_BUTTONS or any(len(row) > MAX_ROW for row in rows):
        raise mistake("reply markup is too long")


def _check_button(button: Any) -> None:
    if not isinstance(button, dict):
        raise mistake("can't parse inline keyboard button: Object expected")
    if not button.get("text"):
        raise mistake('can\'t parse inline keyboard button: Field "text" must be non-empty')
    if "callback_data" not in button and "url" not in button and "copy_text" not in button:
        raise mistake("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    if "callback_data" in button and not 1 <= len(str(button["callback_data"]).encode()) <= MAX_DATA:
        raise mistake("BUTTON_DATA_INVALID")


def check_photo(content: bytes) -> tuple[int, int]:
    """Width and height of a picture that Telegram takes as a photo. Only PNG files are known here."""
    if len(content) > MAX_PHOTO:
        words = f"file of size {len(content)} bytes is too big for a photo; the maximum size is {MAX_PHOTO} bytes"
        raise mistake(words)
    if not content:
        raise mistake("file must be non-empty")
    if content[:8] != PNG or len(content) < 24:
        raise mistake("IMAGE_PROCESS_FAILED")
    width, height = struct.unpack(">II", content[16:24])
    if not width or not height or width + height > MAX_SIDES or max(width, height) > MAX_RATIO * min(width, height):
        raise mistake("PHOTO_INVALID_DIMENSIONS")
    return width, height


def check_reachable(chat: Chat) -> None:
    """Refuse what is asked of a chat that the bot is not in, or is not let into."""
    if chat.moved_to is not None:
        words = "Bad Request: group chat was upgraded to a supergroup chat"
        raise Refusal(400, words, {"migrate_to_chat_id": chat.moved_to})
    if chat.bot in ("member", "administrator", "restricted"):
        return
    if chat.type == "private":
        raise forbidden(
            "bot was blocked by the user" if chat.bot == "kicked" else "bot can't initiate conversation with a user"
        )
    raise forbidden(f"bot {'was kicked from' if chat.bot == 'kicked' else 'is not a member of'} the {chat.type} chat")


def check_rights(chat: Chat) -> None:
    """Refuse to write where the bot was restricted to reading."""
    if chat.bot == "restricted":
        raise bad("not enough rights to send text messages to the chat")


def check_thread(chat: Chat, thread: int | None) -> None:
    """Refuse a topic that is not there. The topic "General" has the number 1 and is written to without a number."""
    if thread is None:
        return
    topic = chat.topics.get(thread)
    if topic is None or topic.is_deleted:
        raise bad("message thread not found")
    if topic.is_closed and chat.bot != "administrator":
        raise bad("TOPIC_CLOSED")


def check_commands(commands: Any) -> None:
    """Refuse a command menu."""
    if not isinstance(commands, list):
        raise mistake("can't parse commands JSON object")
    if len(commands) > 100:
        raise mistake("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        if not re.fullmatch(r"[a-z0-9_]{1,32}", command.get("command", "")):
            raise mistake("BOT_COMMAND_INVALID")
        if not 1 <= utf16(command.get("description", "")) <= 256:
            raise mistake("BOT_COMMAND_DESCRIPTION_INVALID")


def check_webhook(url: str, secret: str) -> None:
    """Refuse an address that Telegram does not deliver to."""
    found = re.fullmatch(r"https://[^/:]+(?::(\d+))?(?:/.*)?", url)
    if not found:
        raise mistake("bad webhook: An HTTPS URL must be provided for webhook")
    if found[1] not in (None, "443", "80", "88", "8443"):
        raise mistake("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,256}", secret):
        raise mistake("secret token contains unallowed characters")
