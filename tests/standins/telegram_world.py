"""What there is in the pretended Telegram: people, chats, messages; and how they look in JSON."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from bot.app import system_clock

Json = dict[str, Any]

BOT: Json = {
    "id": 123456,
    "is_bot": True,
    "first_name": "Desk",
    "username": "desk_bot",
    "can_join_groups": True,
    "can_read_all_group_messages": False,
    "supports_inline_queries": False,
}
ANONYMOUS: Json = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
IN_THE_NAME_OF_A_CHANNEL: Json = {"id": 136817688, "is_bot": True, "first_name": "Channel", "username": "Channel_Bot"}
TOPIC_COLOR = 7322096


def unix_now() -> float:
    """Seconds since 1970, as the machine's clock has them."""
    return system_clock().timestamp()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a Telegram account; the private chat with the bot has the same number."""

    id: int
    name: str

    @property
    def json(self) -> Json:
        return {"id": self.id, "is_bot": False, "first_name": self.name.title(), "username": self.name}


@dataclass(frozen=True, slots=True)
class Image:
    """A picture or file as it was uploaded; width and height are 0 for files."""

    content: bytes = field(repr=False)
    name: str = ""
    width: int = 0
    height: int = 0
    id: str = ""

    @property
    def photo(self) -> list[Json]:
        size = {"width": self.width, "height": self.height, "file_size": len(self.content)}
        return [{"file_id": self.id, "file_unique_id": f"u{self.id}", **size}]

    @property
    def document(self) -> Json:
        return {
            "file_id": self.id,
            "file_unique_id": f"u{self.id}",
            "file_name": self.name,
            "file_size": len(self.content),
        }


@dataclass(frozen=True, slots=True)
class Look:
    """What a message shows at one time: text, or a caption under a photo or document; the raw text as it was sent."""

    text: str = ""
    entities: tuple[Mapping[str, Any], ...] = ()
    markup: Mapping[str, Any] = field(default_factory=dict)
    photo: Image | None = None
    document: Image | None = None
    raw: str = field(default="", compare=False)

    @property
    def is_media(self) -> bool:
        return self.photo is not None or self.document is not None

    @property
    def buttons(self) -> list[list[Json]]:
        """The rows of the inline keyboard."""
        return self.markup.get("inline_keyboard") or []

    @property
    def json(self) -> Json:
        words, marks = ("caption", "caption_entities") if self.is_media else ("text", "entities")
        found: Json = {words: self.text} if self.text or not self.is_media else {}
        if self.entities:
            found[marks] = list(self.entities)
        if self.photo:
            found["photo"] = self.photo.photo
        if self.document:
            found["document"] = self.document.document
        if self.buttons:
            found["reply_markup"] = {"inline_keyboard": self.buttons}
        return found


@dataclass(eq=False, slots=True)
class Message:
    """One message. It changes while the bot edits it: `look` is what it shows now, `looks` all it ever showed."""

    id: int
    chat: Chat
    sender: Json | None
    date: int
    looks: list[Look]
    thread: int | None = None
    reply_to: Message | None = None
    is_silent: bool = False
    is_deleted: bool = False
    album: str = ""
    sender_chat: Chat | None = None
    edited_at: int | None = None
    extra: Json = field(default_factory=dict)
    """Service fields."""
    order: int = 0
    """The how-manieth event of the world it is."""
    changed: int = 0
    """The event that changed it last."""

    @property
    def look(self) -> Look:
        return self.looks[-1]

    @property
    def text(self) -> str:
        """The words people read now: text or caption, without tags."""
        return self.look.text

    @property
    def raw(self) -> str:
        """Text or caption as the bot sent it, with tags."""
        return self.look.raw

    @property
    def photo(self) -> Image | None:
        return self.look.photo

    @property
    def labels(self) -> list[list[str]]:
        """What stands on the buttons, row by row."""
        return [[button["text"] for button in row] for row in self.look.buttons]

    @property
    def edits(self) -> list[Look]:
        """What it was edited to, in order."""
        return self.looks[1:]

    @property
    def is_from_bot(self) -> bool:
        return self.sender is not None and self.sender["id"] == BOT["id"]

    def data(self, wanted: str | tuple[int, int]) -> str:
        """The callback data of the button with this label (or at this row and column)."""
        if isinstance(wanted, tuple):
            return str(self.look.buttons[wanted[0]][wanted[1]]["callback_data"])
        for button in (button for row in self.look.buttons for button in row):
            if button["text"] == wanted:
                return str(button["callback_data"])
        raise LookupError(f"no button {wanted!r} under message {self.id}, only {self.labels}")

    @property
    def json(self) -> Json:
        """The message as the API shows it, with the one it answers."""
        return self.alone | ({"reply_to_message": self.reply_to.alone} if self.reply_to else self._root())

    @property
    def alone(self) -> Json:
        """The message without the one it answers."""
        found: Json = {"message_id": self.id, "date": self.date, "chat": self.chat.json}
        if self.sender is not None:
            found["from"] = self.sender
        if self.sender_chat is not None:
            found["sender_chat"] = self.sender_chat.json
        if self.thread is not None:
            found |= {"message_thread_id": self.thread, "is_topic_message": True}
        if self.album:
            found["media_group_id"] = self.album
        if self.edited_at is not None:
            found["edit_date"] = self.edited_at
        return found | (self.extra or self.look.json)

    def _root(self) -> Json:
        """In a topic, what answers nothing comes as an answer to the message that opened the topic."""
        if self.thread is None:
            return {}
        topic = self.chat.topics[self.thread]
        opened: Json = {"name": topic.name, "icon_color": TOPIC_COLOR}
        where = {"message_thread_id": self.thread, "is_topic_message": True}
        return {
            "reply_to_message": {
                "message_id": self.thread,
                "date": self.date,
                "chat": self.chat.json,
                "forum_topic_created": opened,
                **where,
            }
        }


@dataclass(slots=True)
class Topic:
    """A topic of a forum."""

    id: int
    name: str
    is_closed: bool = False
    is_deleted: bool = False


@dataclass(eq=False, slots=True)
class Chat:
    """A private chat, group, supergroup or channel.

    Attributes:
        bot: the bot's standing there: member, administrator, left, kicked (in a private chat: blocked).
        moved_to: the supergroup this group became.
    """

    id: int
    type: str
    title: str = ""
    person: Person | None = None
    bot: str = "member"
    members: dict[int, str] = field(default_factory=dict)
    topics: dict[int, Topic] = field(default_factory=dict)
    is_forum: bool = False
    moved_to: int | None = None
    all_messages: list[Message] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    """What sendChatAction told here ("typing")."""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def json(self) -> Json:
        found: Json = {"id": self.id, "type": self.type}
        if self.person is not None:
            return found | {"first_name": self.person.name.title(), "username": self.person.name}
        return found | {"title": self.title} | ({"is_forum": True} if self.is_forum else {})

    @property
    def messages(self) -> list[Message]:
        """What people see in the chat now, oldest first."""
        return [message for message in self.all_messages if not message.is_deleted]

    @property
    def sent(self) -> list[Message]:
        """What the bot sent and people still see."""
        return [message for message in self.messages if message.is_from_bot]

    def message(self, number: int) -> Message | None:
        """The message with this number, None where there is none (any more)."""
        return next((message for message in self.messages if message.id == number), None)


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """What the bot answered a press with."""

    text: str
    is_alert: bool


@dataclass(eq=False, slots=True)
class Query:
    """A press. `answers` holds what Telegram accepted: one at most."""

    id: str
    at: float
    answers: list[CallbackAnswer] = field(default_factory=list)


class World:
    """All chats and people. Everybody who reads or changes it holds `lock`; `changed` tells those who wait."""

    def __init__(self, now: Callable[[], float] = unix_now) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.people: dict[int, Person] = {}
        self.chats: dict[int, Chat] = {}
        self.queries: dict[str, Query] = {}
        self.files: dict[str, Image] = {}
        self.events = count(1)
        self.shared_numbers: Iterator[int] = count(101)
        """Private chats and basic groups share one row of message numbers; the others have one each."""
        self.ids = count(1)

    def tell(self) -> None:
        """Wake up those who wait for something."""
        with self.lock:
            self.changed.notify_all()

    def keep(self, content: bytes, name: str, width: int = 0, height: int = 0) -> Image:
        """An uploaded file, known by its id from now on."""
        image = Image(content, name, width, height, f"file-{next(self.ids)}")
        self.files[image.id] = image
        return image

    def add(self, chat: Chat, sender: Json | None, look: Look, **more: Any) -> Message:
        """A new message in a chat."""
        with self.lock:
            date = int(more.pop("date", None) or self.now())
            number, order = next(chat.numbers), next(self.events)
            message = Message(number, chat, sender, date, [look], order=order, changed=order, **more)
            chat.all_messages.append(message)
            self.changed.notify_all()
            return message

    def change(self, message: Message, look: Look) -> None:
        """A message shows something else from now on."""
        with self.lock:
            message.looks.append(look)
            message.edited_at = int(self.now())
            message.changed = next(self.events)
            self.changed.notify_all()
