"""How a request becomes a message, new or changed: limits, attachments, flags."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.standins import discord_rules as rules
from tests.standins.discord_rules import EPHEMERAL, V2
from tests.standins.discord_world import Channel, File, Member, Message, Row, World

LOADING = 1 << 7
"""The flag of "wsb is thinking ..."."""

MAY_SET = EPHEMERAL | V2 | 1 << 2 | 1 << 12
"""Flags a bot may set: these, no embeds, no notification."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a request: `files[index]`."""

    index: int
    name: str
    content: bytes


class Post:
    """Writes messages into a world, every limit kept."""

    def __init__(self, world: World, address: str) -> None:
        self._world = world
        self._address = address

    def write(self, channel: Channel, author: Member, body: Row, uploads: Sequence[Upload], flags: int = 0) -> Message:
        """A new message.

        Raises:
            Refusal: 50035, 50006, 40005.
        """
        row: Row = {
            "id": str(self._world.new_id()),
            "channel_id": str(channel.id),
            "type": 0,
            "author": author.user,
            "timestamp": self._world.stamp,
            "edited_timestamp": None,
            "flags": (body.get("flags") or 0) & MAY_SET | flags,
            **{name: [] for name in ("embeds", "components", "mentions", "mention_roles", "attachments")},
            **dict.fromkeys(("tts", "mention_everyone", "pinned"), False),
            "content": "",
        }
        if body.get("message_reference"):
            reference = body["message_reference"]
            ids = {name: str(value) for name, value in reference.items() if name.endswith("_id")}
            row |= {"type": 19, "message_reference": {"type": 0, **ids}}
        message = Message(int(row["id"]), channel, author, row, mentions_allowed=body.get("allowed_mentions"))
        self._apply(message, body, uploads)
        if not flags & LOADING and _is_empty(message):
            raise rules.EMPTY_MESSAGE
        channel.written.append(message)
        return message

    def rewrite(self, message: Message, body: Row, uploads: Sequence[Upload]) -> None:
        """Change a message; what the body does not name stays.

        Raises:
            Refusal: as in `write`; nothing is changed.
        """
        before = deepcopy(message.row)
        after = Message(message.id, message.channel, message.author, deepcopy(before), list(message.files))
        after.row["flags"] = (before["flags"] | (body.get("flags") or 0) & (V2 | 1 << 2)) & ~LOADING
        self._apply(after, body, uploads)
        if _is_empty(after):
            raise rules.EMPTY_MESSAGE
        if not before["flags"] & LOADING:
            after.row["edited_timestamp"] = self._world.stamp
            message.history.append(before)
        message.row, message.files = after.row, after.files
        message.mentions_allowed = body.get("allowed_mentions", message.mentions_allowed)

    def _apply(self, message: Message, body: Row, uploads: Sequence[Upload]) -> None:
        if any(len(upload.content) > rules.MAX_FILE for upload in uploads):
            raise rules.FILE_TOO_LARGE
        row = message.row
        for name, empty in (("content", ""), ("embeds", []), ("components", [])):
            if name in body:
                row[name] = deepcopy(body[name]) or empty
        message.files = self._files(message.files, body, uploads)
        names = [file.name for file in message.files]
        rules.held_to(rules.message(row | {"attachments": body.get("attachments")}, names, row["flags"]))
        self._show(message)

    def _files(self, kept: list[File], body: Row, uploads: Sequence[Upload]) -> list[File]:
        listed = body.get("attachments")
        if listed is not None:
            ids = {str(item["id"]) for item in listed}
            kept = [file for file in kept if str(file.id) in ids]
        described = {str(item["id"]): item.get("description") for item in listed or ()}
        new = [
            File(self._world.new_id(), upload.name, upload.content, described.get(str(upload.index)))
            for upload in uploads
        ]
        return kept + new

    def _show(self, message: Message) -> None:
        """Attachments shown inside an embed or a component are not listed a second time."""
        row = message.row
        urls = {f"attachment://{file.name}": self._url(message, file) for file in message.files}
        shown: set[str] = set()
        for place in _media(row):
            if place.get("url") in urls:
                shown.add(urls[place["url"]])
                place["url"] = urls[place["url"]]
            elif place.get("url") in urls.values():
                shown.add(place["url"])
            place.setdefault("proxy_url", place.get("url"))
        row["attachments"] = [
            self._attachment(message, file) for file in message.files if self._url(message, file) not in shown
        ]
        _number(row["components"])

    def _url(self, message: Message, file: File) -> str:
        return f"{self._address}/attachments/{message.channel.id}/{file.id}/{file.name}"

    def _attachment(self, message: Message, file: File) -> Row:
        url = self._url(message, file)
        row = {"id": str(file.id), "filename": file.name, "size": len(file.content), "url": url, "proxy_url": url}
        return row | ({"description": file.description} if file.description else {})


def _media(row: Row) -> list[Row]:
    places = [embed[name] for embed in row["embeds"] for name in ("image", "thumbnail") if embed.get(name)]
    for item in rules.walk(row["components"]):
        places += [item[name] for name in ("media", "file") if isinstance(item.get(name), dict)]
        places += [picture["media"] for picture in item.get("items") or ()]
    return places


def _number(components: Sequence[Any]) -> None:
    for number, item in enumerate(rules.walk(components), start=1):
        if isinstance(item, dict):
            item.setdefault("id", number)
    for item in rules.walk(components):
        if item["type"] in (rules.BUTTON, *rules.SELECTS) and isinstance(item, dict):
            item.setdefault("disabled", False)


def _is_empty(message: Message) -> bool:
    row = message.row
    return not (row["content"] or row["embeds"] or row["components"] or message.files)
