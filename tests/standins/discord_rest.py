"""Discord's REST API, pretended: the routes a bot of ours uses, and 404 for everything else.

Every answer that has a body carries the content type `application/json` exactly, as discord.py compares it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.standins import discord_rules as rules
from tests.standins.discord_interactions import Interactions
from tests.standins.discord_messages import Post, Upload
from tests.standins.discord_world import DIRECT, PRIVATE_THREAD, PUBLIC_THREAD, Channel, Message, Row, World

BASE = "/api/v10"
Tell = Callable[[str, Row], Awaitable[int]]


@dataclass(slots=True)
class Request:
    """One request as received, and what it was answered."""

    method: str
    path: str
    """After /api/v10."""
    route: str
    """The pattern it fits, `/channels/{channel}/messages`; "" for none."""
    query: Mapping[str, str]
    body: Any
    uploads: Sequence[Upload] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    status: int = 0
    """0: it was never answered."""
    code: int = 0
    """Discord's own code of a refusal."""
    at: float = 0.0
    """Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body; None for no body."""

    status: int
    body: Any = None


Handler = Callable[[Request], Awaitable[Answer]]


def pattern(route: str) -> re.Pattern[str]:
    """What a path of this route looks like."""
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route))


class Rest:
    """The routes over a world."""

    def __init__(self, world: World, post: Post, interactions: Interactions, tell: Tell, gateway: str) -> None:
        self._world = world
        self._post = post
        self._interactions = interactions
        self._tell = tell
        self._gateway = gateway
        self.commands: dict[str, list[Row]] = {}
        """"" or the guild's id -> the registered commands."""
        self.registrations = 0
        """How often a whole list was put."""
        table: dict[tuple[str, str], Handler] = {
            ("GET", "/users/@me"): self._me,
            ("GET", "/users/{user}"): self._user,
            ("GET", "/oauth2/applications/@me"): self._application,
            ("GET", "/applications/@me"): self._application,
            ("GET", "/gateway"): self._gateway_address,
            ("GET", "/gateway/bot"): self._gateway_address,
            ("GET", "/applications/{application}/commands"): self._list_commands,
            ("PUT", "/applications/{application}/commands"): self._put_commands,
            ("POST", "/applications/{application}/commands"): self._add_command,
            ("GET", "/applications/{application}/guilds/{guild}/commands"): self._list_commands,
            ("PUT", "/applications/{application}/guilds/{guild}/commands"): self._put_commands,
            ("POST", "/applications/{application}/guilds/{guild}/commands"): self._add_command,
            ("GET", "/users/@me/guilds"): self._guilds,
            ("GET", "/guilds/{guild}"): self._guild,
            ("GET", "/guilds/{guild}/roles"): self._roles,
            ("GET", "/guilds/{guild}/channels"): self._channels,
            ("GET", "/guilds/{guild}/members/{user}"): self._member,
            ("POST", "/users/@me/channels"): self._open_direct,
            ("GET", "/channels/{channel}"): self._channel,
            ("PATCH", "/channels/{channel}"): self._change_channel,
            ("POST", "/channels/{channel}/typing"): self._typing,
            ("GET", "/channels/{channel}/messages"): self._read_all,
            ("POST", "/channels/{channel}/messages"): self._write,
            ("GET", "/channels/{channel}/messages/{message}"): self._read,
            ("PATCH", "/channels/{channel}/messages/{message}"): self._rewrite,
            ("DELETE", "/channels/{channel}/messages/{message}"): self._delete,
            ("POST", "/channels/{channel}/messages/{message}/threads"): self._thread_on,
            ("POST", "/channels/{channel}/threads"): self._thread,
            ("POST", "/interactions/{interaction}/{token}/callback"): self._callback,
            ("POST", "/webhooks/{application}/{token}"): self._follow_up,
            ("GET", "/webhooks/{application}/{token}/messages/{message}"): self._read_answer,
            ("PATCH", "/webhooks/{application}/{token}/messages/{message}"): self._change_answer,
            ("DELETE", "/webhooks/{application}/{token}/messages/{message}"): self._delete_answer,
        }
        self._table = [(method, pattern(route), route, handler) for (method, route), handler in table.items()]

    def find(self, method: str, path: str) -> tuple[str, Handler | None, dict[str, str]]:
        """The route of a request, what answers it, and the parts of its path."""
        for wanted, shape, route, handler in self._table:
            found = shape.fullmatch(path)
            if wanted == method and found:
                return route, handler, found.groupdict()
        return "", None, {}

    # who and where

    async def _me(self, request: Request) -> Answer:
        more = {"email": None, "verified": True, "mfa_enabled": True, "locale": "en-US", "premium_type": 0}
        return Answer(200, self._world.bot.user | more)

    async def _user(self, request: Request) -> Answer:
        member = self._world.members.get(int(request.parts["user"]))
        if member is None:
            raise rules.UNKNOWN_USER
        return Answer(200, member.user)

    async def _application(self, request: Request) -> Answer:
        bot = self._world.bot
        row = {
            "id": str(bot.id),
            "name": bot.name,
            "icon": None,
            "description": "",
            "type": None,
            "bot": bot.user,
            "bot_public": False,
            "bot_require_code_grant": False,
            "owner": self._world.owner.user,
            "team": None,
            "verify_key": "0" * 64,
            "flags": 0,
            "flags_new": "0",
            "explicit_content_filter": 0,
            "eligible_oauth2_scopes": [],
            "max_participants": None,
            "redirect_uris": [],
            "interactions_endpoint_url": None,
            "role_connections_verification_url": None,
            "approximate_guild_count": 1,
            "approximate_user_install_count": 0,
            "approximate_user_authorization_count": 0,
        }
        return Answer(200, row)

    async def _gateway_address(self, request: Request) -> Answer:
        start = {"total": 1000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1}
        more = {"shards": 1, "session_start_limit": start} if request.path.endswith("/bot") else {}
        return Answer(200, {"url": self._gateway} | more)

    async def _guilds(self, request: Request) -> Answer:
        row = {name: self._world.guild_row()[name] for name in ("id", "name", "icon", "banner", "features")}
        return Answer(200, [row | {"owner": False, "permissions": "0"}])

    async def _guild(self, request: Request) -> Answer:
        self._own_guild(request)
        return Answer(200, self._world.guild_row())

    async def _roles(self, request: Request) -> Answer:
        self._own_guild(request)
        return Answer(200, list(self._world.roles.values()))

    async def _channels(self, request: Request) -> Answer:
        self._own_guild(request)
        channels = [item for item in self._world.channels.values() if not item.is_thread and item.kind != DIRECT]
        return Answer(200, [self._world.channel_row(item) for item in channels])

    async def _member(self, request: Request) -> Answer:
        self._own_guild(request)
        name = request.parts["user"]
        member = self._world.bot if name == "@me" else self._world.members.get(int(name))
        if member is None:
            raise rules.UNKNOWN_MEMBER
        return Answer(200, self._world.member_row(member))

    def _own_guild(self, request: Request) -> None:
        if request.parts["guild"] != str(self._world.guild_id):
            raise rules.MISSING_ACCESS

    # commands

    async def _list_commands(self, request: Request) -> Answer:
        return Answer(200, self.commands.get(request.parts.get("guild", ""), []))

    async def _put_commands(self, request: Request) -> Answer:
        rules.held_to(rules.commands(request.body))
        self.registrations += 1
        place = request.parts.get("guild", "")
        if place:
            self._own_guild(request)
        self.commands[place] = [self._command(item, place) for item in request.body]
        return Answer(200, self.commands[place])

    async def _add_command(self, request: Request) -> Answer:
        rules.held_to(rules.commands([request.body]))
        place = request.parts.get("guild", "")
        kept = [item for item in self.commands.get(place, []) if item["name"] != request.body["name"]]
        row = self._command(request.body, place)
        self.commands[place] = [*kept, row]
        return Answer(201 if len(kept) + 1 > len(self.commands.get(place, [])) else 200, row)

    def _command(self, item: Row, place: str) -> Row:
        known = {command["name"]: command["id"] for command in self.commands.get(place, [])}
        return {
            "type": 1,
            "default_member_permissions": None,
            "description": "",
            "nsfw": False,
            **{name: value for name, value in item.items() if value is not None},
            "id": known.get(item["name"], str(self._world.new_id())),
            "application_id": str(self._world.bot.id),
            "version": str(self._world.new_id()),
            **({"guild_id": place} if place else {}),
        }

    # channels

    def _place(self, request: Request, *permissions: str) -> Channel:
        """The channel of a request.

        Raises:
            Refusal: 10003, 50001, 50013.
        """
        number = request.parts["channel"]
        channel = self._world.channels.get(int(number)) if number.isdigit() else None
        if channel is None:
            raise rules.UNKNOWN_CHANNEL
        self._world.require(channel, *permissions)
        return channel

    def _message(self, request: Request, channel: Channel) -> Message:
        number = request.parts["message"]
        for message in channel.written:
            if str(message.id) == number and not message.is_deleted and not message.is_ephemeral:
                return message
        raise rules.UNKNOWN_MESSAGE

    async def _open_direct(self, request: Request) -> Answer:
        partner = self._world.members.get(int(request.body["recipient_id"]))
        if partner is None:
            raise rules.UNKNOWN_USER
        return Answer(200, self._world.channel_row(self._world.direct(partner)))

    async def _channel(self, request: Request) -> Answer:
        return Answer(200, self._world.channel_row(self._place(request)))

    async def _change_channel(self, request: Request) -> Answer:
        channel = self._place(request, "MANAGE_CHANNELS")
        channel.name = request.body.get("name", channel.name)
        return Answer(200, self._world.channel_row(channel))

    async def _typing(self, request: Request) -> Answer:
        channel = self._place(request, "SEND_MESSAGES")
        channel.typed += 1
        return Answer(204)

    async def _read_all(self, request: Request) -> Answer:
        channel = self._place(request, "READ_MESSAGE_HISTORY")
        newest = list(reversed(channel.messages))
        if "before" in request.query:
            newest = [message for message in newest if message.id < int(request.query["before"])]
        return Answer(200, [message.row for message in newest[: int(request.query.get("limit", 50))]])

    async def _read(self, request: Request) -> Answer:
        channel = self._place(request, "READ_MESSAGE_HISTORY")
        return Answer(200, self._message(request, channel).row)

    async def _write(self, request: Request) -> Answer:
        channel = self._place(request)
        self._world.require(channel, "SEND_MESSAGES_IN_THREADS" if channel.is_thread else "SEND_MESSAGES")
        if request.uploads:
            self._world.require(channel, "ATTACH_FILES")
        if request.body.get("embeds"):
            self._world.require(channel, "EMBED_LINKS")
        if channel.partner is not None and not channel.partner.takes_direct:
            raise rules.CANNOT_MESSAGE_USER
        message = self._post.write(channel, self._world.bot, request.body, request.uploads)
        await self.told("MESSAGE_CREATE", message)
        return Answer(200, message.row)

    async def _rewrite(self, request: Request) -> Answer:
        channel = self._place(request)
        message = self._message(request, channel)
        if message.author is not self._world.bot:
            raise rules.CANNOT_EDIT_OTHERS
        if request.uploads:
            self._world.require(channel, "ATTACH_FILES")
        self._post.rewrite(message, request.body, request.uploads)
        self._interactions.touched(message)
        await self.told("MESSAGE_UPDATE", message)
        return Answer(200, message.row)

    async def _delete(self, request: Request) -> Answer:
        channel = self._place(request)
        message = self._message(request, channel)
        if message.author is not self._world.bot:
            self._world.require(channel, "MANAGE_MESSAGES")
        message.is_deleted = True
        await self.told("MESSAGE_DELETE", message)
        return Answer(204)

    async def told(self, event: str, message: Message) -> None:
        """Tell the gateway about a message everybody sees."""
        if message.is_ephemeral:
            return
        place = {} if message.channel.kind == DIRECT else {"guild_id": str(self._world.guild_id)}
        row = message.row if event != "MESSAGE_DELETE" else {name: message.row[name] for name in ("id", "channel_id")}
        await self._tell(event, row | place)

    # threads

    async def _thread_on(self, request: Request) -> Answer:
        parent = self._place(request, "CREATE_PUBLIC_THREADS")
        message = self._message(request, parent)
        if message.id in self._world.channels:
            raise rules.THREAD_EXISTS
        return await self._open(parent, request.body, PUBLIC_THREAD, message.id)

    async def _thread(self, request: Request) -> Answer:
        kind = request.body.get("type", PRIVATE_THREAD)
        wanted = "CREATE_PRIVATE_THREADS" if kind == PRIVATE_THREAD else "CREATE_PUBLIC_THREADS"
        return await self._open(self._place(request, wanted), request.body, kind, self._world.new_id())

    async def _open(self, parent: Channel, body: Row, kind: int, number: int) -> Answer:
        rules.held_to(rules.long(body.get("name") or "", 100, ("name",), least=1))
        thread = Channel(number, body["name"], kind, parent, self._world.bot.id)
        thread.archives_after = body.get("auto_archive_duration") or 1440
        self._world.keep(thread)
        row = self._world.channel_row(thread)
        await self._tell("THREAD_CREATE", row | {"newly_created": True})
        return Answer(201, row)

    # interactions

    async def _callback(self, request: Request) -> Answer:
        parts = request.parts
        interaction = self._interactions.answer(parts["interaction"], parts["token"], request.body, request.uploads)
        for message in interaction.messages:
            await self.told("MESSAGE_CREATE", message)
        if request.query.get("with_response") in ("1", "true"):
            return Answer(200, self._interactions.callback_row(interaction))
        return Answer(204)

    async def _follow_up(self, request: Request) -> Answer:
        message = self._interactions.follow_up(request.parts["token"], request.body, request.uploads)
        await self.told("MESSAGE_CREATE", message)
        return Answer(200, message.row) if request.query.get("wait") in ("1", "true") else Answer(204)

    async def _read_answer(self, request: Request) -> Answer:
        return Answer(200, self._interactions.find(request.parts["token"], request.parts["message"]).row)

    async def _change_answer(self, request: Request) -> Answer:
        parts = request.parts
        message = self._interactions.change(parts["token"], parts["message"], request.body, request.uploads)
        await self.told("MESSAGE_UPDATE", message)
        return Answer(200, message.row)

    async def _delete_answer(self, request: Request) -> Answer:
        message = self._interactions.find(request.parts["token"], request.parts["message"])
        message.is_deleted = True
        return Answer(204)


FILE_PART = re.compile(r"files\[(\d+)\]")


async def read_body(request: web.Request) -> tuple[Any, list[Upload]]:
    """The JSON of a request and its files.

    Raises:
        Refusal: 50109, it is no JSON.
    """
    if request.content_type != "multipart/form-data":
        text = await request.text()
        return _parsed(text) if text else {}, []
    body: Any = {}
    uploads: list[Upload] = []
    async for part in await request.multipart():
        name = getattr(part, "name", None) or ""
        if name == "payload_json":
            body = _parsed(await part.text())  # type: ignore[union-attr]
        elif found := FILE_PART.fullmatch(name):
            content = bytes(await part.read())  # type: ignore[union-attr]
            uploads.append(Upload(int(found[1]), part.filename or "file", content))  # type: ignore[union-attr]
    return body, uploads


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise rules.INVALID_JSON from None
