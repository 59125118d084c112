"""What Telegram says happened, read into values: nothing in an update is trusted to be there or of its type.

https://core.telegram.org/bots/api#update. Messages only: an edited message is a new text under an old act.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MOST_ID = 2**63
LONGEST = 4096
SKEW = 5.0
"""Seconds by which this machine's clock may be behind Telegram's and still be believed."""
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""What JSON may carry and no database keeps: halves of characters, and NUL."""
A_DAY = 86_400.0
"""Seconds Telegram keeps an update that nobody has asked for: https://core.telegram.org/bots/api#getting-updates."""

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Where:
    """The place something happened in: a chat, a topic of it, and whether only one person reads there."""

    chat: str
    is_private: bool
    topic: int | None = None


@dataclass(frozen=True, slots=True)
class Who:
    """The person: the number counts, the name is for showing only. `is_hidden`: somebody writes as a group."""

    id: str
    name: str = ""
    is_bot: bool = False
    is_hidden: bool = False

    @property
    def identity(self) -> str:
        return f"telegram:{self.id}" if not self.is_hidden else f"telegram-chat:{self.id}"


@dataclass(frozen=True, slots=True)
class Said:
    """A text somebody wrote.

    Attributes:
        reply_to: the message it answers, "" for none. is_passed_on: forwarded, or written by another bot's help.
    """

    update: int
    where: Where
    who: Who
    message: str
    text: str
    at: datetime
    reply_to: str = ""
    is_passed_on: bool = False


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button somebody pressed under one of our messages."""

    update: int
    where: Where
    who: Who
    message: str
    query: str
    data: str
    keyboard: tuple[tuple[tuple[str, str, str], ...], ...] = ()
    """Rows of (label, data, style), as the person saw them."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """A group became a supergroup."""

    update: int
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Membership:
    """We were let into a chat, put out of it, blocked or unblocked."""

    update: int
    where: Where
    who: Who
    status: str


Update = Said | Pressed | Migrated | Membership


def number_of(raw: Raw) -> int | None:
    """The update's number, None where it has none."""
    return _whole(raw, "update_id")


def read(raw: Raw) -> Update | None:
    """The update, None where it is nothing the desk listens to or cannot be read."""
    update = number_of(raw)
    if update is None:
        return None
    if (message := _object(raw, "message")) is not None:
        return _message(update, message)
    if (query := _object(raw, "callback_query")) is not None:
        return _pressed(update, query)
    if (member := _object(raw, "my_chat_member")) is not None:
        return _membership(update, member)
    return None


def _message(update: int, message: Raw) -> Said | Migrated | None:
    where, number, date = _where(message), _whole(message, "message_id"), _whole(message, "date")
    if where is None or number is None or date is None or not 0 <= date < 2**33:
        return None
    new = _whole(message, "migrate_to_chat_id")
    if new is not None:
        return Migrated(update, where.chat, str(new))
    text, who = _text(message, "text"), _writer(message)
    if text is None or who is None:
        return None
    reply = _object(message, "reply_to_message")
    to = _whole(reply, "message_id") if reply is not None else None
    if to == where.topic:  # whatever is written in a topic "answers" the message that opened it
        to = None
    passed_on = any(message.get(key) is not None for key in ("forward_origin", "forward_date", "via_bot"))
    at = datetime.fromtimestamp(date, UTC)
    return Said(update, where, who, str(number), text, at, "" if to is None else str(to), passed_on)


def _writer(message: Raw) -> Who | None:
    """Who wrote it; an anonymous admin or a channel writes as a chat, and the person named is not one."""
    hidden = _object(message, "sender_chat")
    if hidden is not None:
        number = _whole(hidden, "id")
        return None if number is None else Who(str(number), is_hidden=True)
    return _who(message)


def _pressed(update: int, query: Raw) -> Pressed | None:
    message, who = _object(query, "message"), _who(query)
    id, data = _text(query, "id"), _text(query, "data")
    if message is None or who is None or id is None or data is None:
        return None
    where, number = _where(message), _whole(message, "message_id")
    if where is None or number is None:
        return None
    return Pressed(update, where, who, str(number), id, data, _keyboard(message))


def _keyboard(message: Raw) -> tuple[tuple[tuple[str, str, str], ...], ...]:
    markup = _object(message, "reply_markup") or {}
    rows = markup.get("inline_keyboard")
    return tuple(tuple(_buttons(row)) for row in (rows if isinstance(rows, list) else ()) if isinstance(row, list))


def _buttons(row: list[Any]) -> Iterator[tuple[str, str, str]]:
    for each in row:
        told = each if isinstance(each, dict) else {}
        label, data = _text(told, "text"), _text(told, "callback_data")
        if label is not None and data is not None:
            yield label, data, _text(told, "style") or ""


def _membership(update: int, member: Raw) -> Membership | None:
    where, who, new = _where(member), _who(member), _object(member, "new_chat_member")
    status = None if new is None else _text(new, "status")
    if where is None or who is None or status is None:
        return None
    return Membership(update, where, who, status)


def _who(source: Raw) -> Who | None:
    person = _object(source, "from")
    number = None if person is None else _whole(person, "id")
    if person is None or number is None or number <= 0:
        return None
    return Who(str(number), _text(person, "first_name") or "", person.get("is_bot") is True)


def _where(source: Raw) -> Where | None:
    chat = _object(source, "chat")
    number = None if chat is None else _whole(chat, "id")
    if chat is None or number is None:
        return None
    topic = _whole(source, "message_thread_id") if source.get("is_topic_message") is True else None
    return Where(str(number), chat.get("type") == "private", topic)


def _object(source: Raw, key: str) -> Raw | None:
    value = source.get(key)
    return value if isinstance(value, dict) else None


def _whole(source: Raw, key: str) -> int | None:
    value = source.get(key)
    is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < MOST_ID
    return value if is_number else None


def _text(source: Raw, key: str) -> str | None:
    value = source.get(key)
    return (
        UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) and len(value) <= LONGEST else None
    )


def age_of(gap: float, sent: datetime | None, now: datetime, trusted: float) -> float:
    """Seconds since the person did it, at most.

    `gap` is how long ago Telegram last had nothing for us: what came since cannot be older, whatever any clock says.
    Where that is longer than `trusted` (the desk or the network was down) a message's own time may say that it is
    fresher, unless this machine's clock is plainly behind; a press carries no time.

    >>> from datetime import timedelta
    >>> noon = datetime(2026, 6, 15, 12, tzinfo=UTC)
    >>> age_of(8.0, noon - timedelta(hours=1), noon, 60.0)
    8.0
    >>> age_of(900.0, noon - timedelta(seconds=3), noon, 60.0), age_of(900.0, None, noon, 60.0)
    (3.0, 900.0)
    >>> age_of(900.0, noon + timedelta(minutes=5), noon, 60.0)
    900.0
    """
    if gap <= trusted or sent is None:
        return gap
    told = (now - sent).total_seconds()
    return gap if told < -SKEW else max(0.0, min(told, gap))
