"""What people do in the pretended Telegram, and how a test waits for what the bot makes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Generic, TypeVar

from tests.standins.telegram_html import utf16
from tests.standins.telegram_methods import standing
from tests.standins.telegram_updates import Updates
from tests.standins.telegram_world import (
    ANONYMOUS,
    BOT,
    IN_THE_NAME_OF_A_CHANNEL,
    CallbackAnswer,
    Chat,
    Json,
    Look,
    Message,
    Person,
    Query,
    Topic,
    World,
)

T = TypeVar("T")
WITHIN = 10.0
"""Seconds a test waits for something unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Soon(Generic[T]):
    """Something that will be there: `.get()` waits for it in a thread, `await` on an event loop."""

    world: World
    look: Callable[[], T | None]
    what: str
    within: float = WITHIN

    def get(self) -> T:
        """The thing itself.

        Raises:
            AssertionError: it was not there in time.
        """
        deadline = time.monotonic() + self.within
        with self.world.lock:
            while (found := self.look()) is None:
                left = deadline - time.monotonic()
                assert left > 0, f"{self.within} s have gone by: {self.what}"
                self.world.changed.wait(min(left, 0.02))
            return found

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.to_thread(self.get).__await__()


@dataclass(frozen=True, slots=True)
class Act:
    """Something a person did, and what the bot does after it."""

    world: World
    updates: Updates
    update: Json
    chat: Chat
    order: int
    message: Message | None = None
    """What the person said."""
    query: Query | None = None

    def answers(self, number: int = 1, within: float = WITHIN) -> Soon[list[Message]]:
        """The first `number` messages the bot sends into this chat from now on."""

        def look() -> list[Message] | None:
            found = [message for message in self.chat.sent if message.order > self.order]
            return found[:number] if len(found) >= number else None

        return Soon(self.world, look, f"no {number} answers to {self._words}", within)

    def answer(self, within: float = WITHIN) -> Soon[Message]:
        """The first message the bot sends into this chat from now on."""
        return Soon(self.world, self._first, f"no answer to {self._words}", within)

    def _first(self) -> Message | None:
        return next((message for message in self.chat.sent if message.order > self.order), None)

    def change(self, within: float = WITHIN) -> Soon[Message]:
        """The first message of the bot in this chat that is edited from now on."""

        def look() -> Message | None:
            found = (each for each in self.chat.sent if each.edits and each.changed > self.order)
            return next(found, None)

        return Soon(self.world, look, f"nothing was edited after {self._words}", within)

    def shows(self, words: str, within: float = WITHIN) -> Soon[Message]:
        """A message of the bot in this chat, new or edited from now on, in which these words stand."""

        def look() -> Message | None:
            found = (each for each in self.chat.sent if each.changed > self.order and words in each.text)
            return next(found, None)

        return Soon(self.world, look, f"{words!r} was not shown after {self._words}", within)

    def answered(self, within: float = WITHIN) -> Soon[CallbackAnswer]:
        """The answer to the press: what the little notice says."""
        query = self.query
        assert query is not None, "only a press is answered"
        return Soon(self.world, lambda: next(iter(query.answers), None), f"no answer to {self._words}", within)

    def taken(self, within: float = WITHIN) -> Soon[bool]:
        """That the bot has had the update and confirmed it (acting on it may go on)."""
        number = self.update["update_id"]

        def look() -> bool | None:
            return True if number in self.updates.taken else None

        return Soon(self.world, look, f"nobody took {self._words}", within)

    @property
    def _words(self) -> str:
        return f"update {self.update['update_id']} ({self.message.text if self.message else 'a press'!r:.60})"


class Driver:
    """People, groups and what happens in them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.world = World(now)
        self.updates = Updates(self.world)
        self.has_privacy = True
        """Whether the bot hears only commands, answers and mentions in groups, as BotFather sets it at first."""
        self._people = count(1001)
        self._groups = count(4001)

    def person(self, name: str, number: int | None = None, standing: str = "member") -> Person:
        """Somebody who has started a chat with the bot (with standing "left": who has not)."""
        with self.world.lock:
            found = Person(next(self._people) if number is None else number, name)
            self.world.people[found.id] = found
            chat = Chat(found.id, "private", person=found, bot=standing, numbers=self.world.shared_numbers)
            self.world.chats[found.id] = chat
            return found

    def group(self, title: str, *members: Person, number: int | None = None) -> Chat:
        """A basic group with the bot in it; its number is negative."""
        found = -next(self._groups) if number is None else number
        return self._add(Chat(found, "group", title, numbers=self.world.shared_numbers), members)

    def supergroup(self, title: str, *members: Person, number: int | None = None, topics: tuple[str, ...] = ()) -> Chat:
        """A supergroup, a forum where it has topics; the numbers of those are the keys of `chat.topics`."""
        found = -1_000_000_000_000 - next(self._groups) if number is None else number
        chat = self._add(Chat(found, "supergroup", title), members)
        for name in topics:
            self.open_topic(chat, name)
        return chat

    def open_topic(self, chat: Chat, name: str) -> Topic:
        """A topic in a supergroup, which is a forum from then on."""
        with self.world.lock:
            chat.is_forum = True
            topic = Topic(next(chat.numbers) + 1, name)
            next(chat.numbers)
            chat.topics[topic.id] = topic
            return topic

    def channel(self, title: str) -> Chat:
        """A channel in which the bot is an administrator."""
        number = -1_000_000_000_000 - next(self._groups)
        return self._add(Chat(number, "channel", title, bot="administrator"), ())

    def _add(self, chat: Chat, members: tuple[Person, ...]) -> Chat:
        with self.world.lock:
            chat.members = {person.id: "member" for person in members}
            self.world.chats[chat.id] = chat
            return chat

    def chat(self, where: int | Person | Chat) -> Chat:
        """A chat by its number; a person's is the private one."""
        if isinstance(where, Chat):
            return where
        return self.world.chats[where.id if isinstance(where, Person) else where]

    def say(
        self,
        who: Person,
        text: str,
        chat: Chat | int | None = None,
        reply_to: Message | None = None,
        topic: int | None = None,
        at: float | None = None,
        **extra: Any,
    ) -> Act:
        """Somebody writes, in the private chat unless one is given; `at` is the Unix time it was written.

        `extra` are further fields of the message in JSON, for what is not text.
        """
        where = self.chat(who if chat is None else chat)
        return self._said(where, who.json, text, reply_to=reply_to, thread=topic, date=at, extra=extra)

    def say_anonymously(self, text: str, chat: Chat, **more: Any) -> Act:
        """An administrator who hides behind the group writes."""
        return self._said(chat, ANONYMOUS, text, sender_chat=chat, **more)

    def say_as_channel(self, text: str, chat: Chat, channel: Chat, **more: Any) -> Act:
        """Somebody writes into a group in the name of a channel."""
        return self._said(chat, IN_THE_NAME_OF_A_CHANNEL, text, sender_chat=channel, **more)

    def post(self, text: str, channel: Chat) -> Act:
        """A channel's own message: nobody stands behind it."""
        return self._said(channel, None, text, "channel_post", sender_chat=channel)

    def _said(self, chat: Chat, sender: Json | None, text: str, kind: str = "message", **more: Any) -> Act:
        extra = more.pop("extra", {})
        with self.world.lock:
            message = self.world.add(chat, sender, Look(text, tuple(commands_in(text)), raw=text), **more)
            if extra:
                message.extra = {"text": text, "entities": list(message.look.entities), **extra}
            return self._act(kind, message.json, message, is_heard=self._is_heard(message))

    def _act(
        self, kind: str, content: Json, message: Message | None, query: Query | None = None, *, is_heard: bool = True
    ) -> Act:
        chat = self.world.chats[(message.json if message else content)["chat"]["id"]]
        order = next(self.world.events)
        update = self.updates.add(kind, content) if is_heard else self.updates.numbered(kind, content)
        return Act(self.world, self.updates, update, chat, order, message, query)

    def _is_heard(self, message: Message) -> bool:
        """Whether the bot gets to know a message of a group: https://core.telegram.org/bots/features#privacy-mode"""
        chat = message.chat
        if chat.bot in ("left", "kicked"):
            return False
        if chat.type in ("private", "channel") or chat.bot == "administrator" or not self.has_privacy:
            return True
        if message.text.startswith("/"):
            address = message.text.split()[0].partition("@")[2]
            return address in ("", BOT["username"])
        is_answer = message.reply_to is not None and message.reply_to.is_from_bot
        return is_answer or f"@{BOT['username']}" in message.text

    def edit(self, who: Person, message: Message, text: str) -> Act:
        """Somebody edits what he wrote."""
        with self.world.lock:
            assert message.sender == who.json, "people edit their own messages"
            self.world.change(message, Look(text, tuple(commands_in(text)), raw=text))
            return self._act("edited_message", message.json, message)

    def press(self, who: Person, message: Message, button: str | tuple[int, int]) -> Act:
        """Somebody presses the button with this label, or at this (row, column)."""
        return self.press_data(who, message, message.data(button))

    def press_data(self, who: Person, message: Message, data: str) -> Act:
        """Somebody's application sends a press with any data it likes."""
        with self.world.lock:
            query = Query(f"query-{next(self.world.ids)}", self.world.now())
            self.world.queries[query.id] = query
            gone: Json = {"chat": message.chat.json, "message_id": message.id, "date": 0}
            content: Json = {
                "id": query.id,
                "from": who.json,
                "message": gone if message.is_deleted else message.json,
                "chat_instance": str(message.chat.id),
                "data": data,
            }
            return self._act("callback_query", content, message, query)

    def replay(self, act: Act) -> Act:
        """The very same update comes once more."""
        with self.world.lock:
            self.updates.taken.discard(act.update["update_id"])
            self.updates.repeat(act.update)
            return replace(act, order=next(self.world.events))

    def push(self, update: Any) -> None:
        """An update as it is, well formed or not, whatever the bot asked for."""
        self.updates.push(update)

    def delete(self, message: Message) -> None:
        """Somebody deletes a message; bots are not told."""
        with self.world.lock:
            message.is_deleted = True
            self.world.tell()

    def block(self, who: Person) -> Act:
        """Somebody blocks the bot."""
        return self._move_bot(self.chat(who), who, "kicked")

    def unblock(self, who: Person) -> Act:
        """Somebody starts the bot again."""
        return self._move_bot(self.chat(who), who, "member")

    def kick(self, chat: Chat, by: Person) -> Act:
        """The bot is put out of a group."""
        return self._move_bot(chat, by, "kicked")

    def promote(self, chat: Chat, by: Person) -> Act:
        """The bot becomes an administrator of a group."""
        return self._move_bot(chat, by, "administrator")

    def _move_bot(self, chat: Chat, by: Person, status: str) -> Act:
        with self.world.lock:
            before, chat.bot = chat.bot, status
            content: Json = {
                "chat": chat.json,
                "from": by.json,
                "date": int(self.world.now()),
                "old_chat_member": standing(BOT, before),
                "new_chat_member": standing(BOT, status),
            }
            return self._act("my_chat_member", content, None)

    def migrate(self, chat: Chat) -> Chat:
        """A group becomes a supergroup, which has another number; what was said stays behind."""
        with self.world.lock:
            people = [self.world.people[number] for number in chat.members]
            moved = self.supergroup(chat.title, *people)
            moved.bot, chat.moved_to = chat.bot, moved.id
            left = self.world.add(chat, ANONYMOUS, Look(), extra={"migrate_to_chat_id": moved.id})
            came = self.world.add(moved, ANONYMOUS, Look(), extra={"migrate_from_chat_id": chat.id})
            for message in (left, came):
                self.updates.add("message", message.json)
            return moved

    def until(
        self, is_so: Callable[[], bool], what: str = "it did not come true", within: float = WITHIN
    ) -> Soon[bool]:
        """That something comes true."""
        return Soon(self.world, lambda: True if is_so() else None, what, within)


def commands_in(text: str) -> list[Json]:
    """The entity of a command at the beginning of a text."""
    if not text.startswith("/") or len(text) < 2:
        return []
    return [{"type": "bot_command", "offset": 0, "length": utf16(text.split()[0])}]
