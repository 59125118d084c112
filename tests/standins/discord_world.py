"""What is on the pretended Discord: one server ("guild") with its people, roles, channels, threads and messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.standins.discord_rules import EPHEMERAL, MISSING_ACCESS, MISSING_PERMISSIONS, TEXT, V2, walk

Row = dict[str, Any]

DISCORD_EPOCH = 1_420_070_400_000
"""Milliseconds since 1970 of Discord's own first instant, 2015-01-01."""

PERMISSIONS = {
    "ADMINISTRATOR": 1 << 3,
    "MANAGE_CHANNELS": 1 << 4,
    "VIEW_CHANNEL": 1 << 10,
    "SEND_MESSAGES": 1 << 11,
    "MANAGE_MESSAGES": 1 << 13,
    "EMBED_LINKS": 1 << 14,
    "ATTACH_FILES": 1 << 15,
    "READ_MESSAGE_HISTORY": 1 << 16,
    "USE_EXTERNAL_EMOJIS": 1 << 18,
    "USE_APPLICATION_COMMANDS": 1 << 31,
    "MANAGE_THREADS": 1 << 34,
    "CREATE_PUBLIC_THREADS": 1 << 35,
    "CREATE_PRIVATE_THREADS": 1 << 36,
    "SEND_MESSAGES_IN_THREADS": 1 << 38,
}
EVERYTHING = (1 << 53) - 1
ORDINARY = sum(PERMISSIONS.values()) - sum(
    PERMISSIONS[name] for name in ("ADMINISTRATOR", "MANAGE_CHANNELS", "MANAGE_MESSAGES", "MANAGE_THREADS")
)

TEXT_CHANNEL, DIRECT, PUBLIC_THREAD, PRIVATE_THREAD = 0, 1, 11, 12
THREADS = (PUBLIC_THREAD, PRIVATE_THREAD)


@dataclass(slots=True)
class Snowflakes:
    """Ids as Discord makes them: the real time in milliseconds, then a counter."""

    now: Callable[[], datetime]
    _last: int = 0

    def __call__(self) -> int:
        milliseconds = int(self.now().timestamp() * 1000) - DISCORD_EPOCH
        self._last = max(milliseconds << 22, self._last + 1)
        return self._last


@dataclass(slots=True, eq=False)
class Member:
    """Somebody on the server, the bot too."""

    id: int
    name: str
    roles: list[int]
    is_bot: bool = False
    takes_direct: bool = True
    """Whether direct messages reach them; otherwise 50007."""

    @property
    def user(self) -> Row:
        """As Discord writes a user."""
        return {
            "id": str(self.id),
            "username": self.name,
            "discriminator": "0",
            "global_name": self.name,
            "avatar": None,
            "bot": self.is_bot,
            "system": False,
            "public_flags": 0,
            "flags": 0,
            "primary_guild": None,
        }


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file."""

    id: int
    name: str
    content: bytes
    description: str | None = None


@dataclass(slots=True, eq=False)
class Message:
    """A message as it looks now; `history` holds what it looked like before, oldest first."""

    id: int
    channel: Channel
    author: Member
    row: Row
    files: list[File] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    is_deleted: bool = False
    seen_by: int | None = None
    """The one person who sees it, when it is ephemeral."""
    mentions_allowed: Row | None = None
    """`allowed_mentions` of the request that wrote it; None: it had none, so anybody could have been pinged."""

    @property
    def content(self) -> str:
        return str(self.row["content"])

    @property
    def embeds(self) -> list[Row]:
        return list(self.row["embeds"])

    @property
    def components(self) -> list[Row]:
        return list(self.row["components"])

    @property
    def is_ephemeral(self) -> bool:
        return bool(self.row["flags"] & EPHEMERAL)

    @property
    def is_v2(self) -> bool:
        return bool(self.row["flags"] & V2)

    @property
    def text(self) -> str:
        """Everything it says, line by line: content, embeds, text displays."""
        return "\n".join(_lines(self.row))

    @property
    def buttons(self) -> list[Row]:
        """Its buttons and selects, as the bot described them."""
        return [dict(item) for item in walk(self.components) if item.get("type") in (2, 3, 5, 6, 7, 8)]

    @property
    def labels(self) -> list[str]:
        """What stands on its buttons."""
        return [item["label"] for item in self.buttons if item.get("label")]

    def button(self, name: str) -> Row:
        """The button or select with this custom id or label.

        Raises:
            LookupError: there is none.
        """
        for item in self.buttons:
            if name in (item.get("custom_id"), item.get("label")):
                return item
        raise LookupError(f"no button {name!r} on the message; there are {self.labels}")


def _lines(row: Mapping[str, Any]) -> Iterator[str]:
    if row["content"]:
        yield row["content"]
    for embed in row["embeds"]:
        yield from filter(None, ((embed.get("author") or {}).get("name"), embed.get("title"), embed.get("description")))
        for item in embed.get("fields") or ():
            yield f"{item['name']}: {item['value']}"
        if embed.get("footer"):
            yield embed["footer"]["text"]
    yield from (item["content"] for item in walk(row["components"]) if item.get("type") == TEXT)


@dataclass(slots=True, eq=False)
class Channel:
    """A text channel, a thread or a direct conversation."""

    id: int
    name: str
    kind: int = TEXT_CHANNEL
    parent: Channel | None = None
    owner: int | None = None
    partner: Member | None = None
    """Who is on the other side of a direct conversation."""
    overwrites: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """Role or member id -> (0 role, 1 member; allowed; denied)."""
    written: list[Message] = field(default_factory=list)
    """Every message ever, ephemeral and deleted ones too."""
    typed: int = 0
    archives_after: int = 1440

    @property
    def messages(self) -> list[Message]:
        """What everybody in it sees now, oldest first."""
        return [message for message in self.written if not message.is_deleted and not message.is_ephemeral]

    @property
    def is_thread(self) -> bool:
        return self.kind in THREADS


class World:
    """The server. One bot; every thread of the test may read, only the server's own loop writes."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.new_id = Snowflakes(now)
        self.guild_id = self.new_id()
        self.name = "Trading floor"
        self.roles: dict[int, Row] = {}
        self.members: dict[int, Member] = {}
        self.channels: dict[int, Channel] = {}
        self.add_role("@everyone", ORDINARY, self.guild_id)
        self.bot_role = self.add_role("wsb", ORDINARY | PERMISSIONS["MANAGE_MESSAGES"])
        self.owner = self.add_member("owner")
        self.bot = self.add_member("wsb", roles=(self.bot_role,), is_bot=True)

    @property
    def stamp(self) -> str:
        """The time now as Discord writes it."""
        return self.now().isoformat()

    def add_role(self, name: str, permissions: int = 0, role_id: int | None = None) -> int:
        """A new role; gives its id."""
        number = role_id or self.new_id()
        self.roles[number] = {
            "id": str(number),
            "name": name,
            "description": None,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "icon": None,
            "unicode_emoji": None,
            "position": len(self.roles),
            "permissions": str(permissions),
            "managed": False,
            "mentionable": False,
            "flags": 0,
        }
        return number

    def add_member(
        self, name: str, member_id: int | None = None, roles: Iterable[int] = (), is_bot: bool = False
    ) -> Member:
        """Somebody new."""
        member = Member(member_id or self.new_id(), name, list(roles), is_bot)
        self.members[member.id] = member
        return member

    def add_channel(self, name: str, channel_id: int | None = None) -> Channel:
        """A new text channel."""
        return self.keep(Channel(channel_id or self.new_id(), name))

    def keep(self, channel: Channel) -> Channel:
        """Put a channel, thread or direct conversation where it is found."""
        self.channels[channel.id] = channel
        return channel

    def direct(self, partner: Member) -> Channel:
        """The bot's conversation with somebody, opened when it is not yet."""
        for channel in self.channels.values():
            if channel.kind == DIRECT and channel.partner is partner:
                return channel
        return self.keep(Channel(self.new_id(), partner.name, DIRECT, partner=partner))

    # permissions

    def permissions(self, member: Member, channel: Channel) -> int:
        """What a member may do in a channel, by Discord's published algorithm: roles, then overwrites."""
        place = channel.parent or channel
        allowed = int(self.roles[self.guild_id]["permissions"])
        for role in member.roles:
            allowed |= int(self.roles[role]["permissions"])
        if allowed & PERMISSIONS["ADMINISTRATOR"] or member is self.owner:
            return EVERYTHING
        for ids in ((self.guild_id,), tuple(member.roles), (member.id,)):
            rules = [place.overwrites[number] for number in ids if number in place.overwrites]
            for _, _, denied in rules:
                allowed &= ~denied
            for _, granted, _ in rules:
                allowed |= granted
        return allowed

    def require(self, channel: Channel, *names: str) -> None:
        """Raises Refusal 50001 or 50013 when the bot may not do that there."""
        if channel.kind == DIRECT:
            return
        allowed = self.permissions(self.bot, channel)
        if not allowed & PERMISSIONS["VIEW_CHANNEL"]:
            raise MISSING_ACCESS
        if any(not allowed & PERMISSIONS[name] for name in names):
            raise MISSING_PERMISSIONS

    # as Discord writes them

    def member_row(self, member: Member) -> Row:
        """A member of the server."""
        return {
            "user": member.user,
            "nick": None,
            "avatar": None,
            "banner": None,
            "roles": [str(role) for role in member.roles],
            "joined_at": self.stamp,
            "premium_since": None,
            "deaf": False,
            "mute": False,
            "flags": 0,
            "pending": False,
            "communication_disabled_until": None,
        }

    def channel_row(self, channel: Channel) -> Row:
        """A channel, thread or direct conversation."""
        row: Row = {"id": str(channel.id), "type": channel.kind, "flags": 0, "last_message_id": None}
        if channel.partner is not None:
            return row | {"recipients": [channel.partner.user]}
        row |= {"guild_id": str(self.guild_id), "name": channel.name, "rate_limit_per_user": 0}
        if channel.parent is not None:
            return row | self._thread_row(channel, channel.parent)
        overwrites = [
            {"id": str(number), "type": kind, "allow": str(allowed), "deny": str(denied)}
            for number, (kind, allowed, denied) in channel.overwrites.items()
        ]
        more = {"position": 0, "nsfw": False, "topic": None, "parent_id": None, "permission_overwrites": overwrites}
        return row | more

    def _thread_row(self, channel: Channel, parent: Channel) -> Row:
        return {
            "parent_id": str(parent.id),
            "owner_id": str(channel.owner),
            "message_count": len(channel.messages),
            "member_count": 1,
            "total_message_sent": len(channel.written),
            "thread_metadata": {
                "archived": False,
                "locked": False,
                "auto_archive_duration": channel.archives_after,
                "archive_timestamp": self.stamp,
                "create_timestamp": self.stamp,
            },
        }

    def guild_row(self) -> Row:
        """The server without what only GUILD_CREATE tells."""
        return {
            **dict.fromkeys(
                ("icon", "splash", "discovery_splash", "description", "banner", "vanity_url_code", "home_header"), None
            ),
            **dict.fromkeys(("application_id", "rules_channel_id", "public_updates_channel_id"), None),
            **dict.fromkeys(("max_presences", "incidents_data"), None),
            **dict.fromkeys(("max_stage_video_channel_users", "max_video_channel_users"), 25),
            "max_members": 500_000,
            "region": "deprecated",
            **dict.fromkeys(
                ("afk_channel_id", "system_channel_id", "widget_channel_id", "safety_alerts_channel_id"), None
            ),
            **dict.fromkeys(("verification_level", "default_message_notifications", "explicit_content_filter"), 0),
            **dict.fromkeys(
                ("mfa_level", "premium_tier", "nsfw_level", "system_channel_flags", "premium_subscription_count"), 0
            ),
            **dict.fromkeys(("premium_progress_bar_enabled", "nsfw", "widget_enabled"), False),
            **{name: [] for name in ("emojis", "stickers", "features")},
            "id": str(self.guild_id),
            "name": self.name,
            "owner_id": str(self.owner.id),
            "afk_timeout": 300,
            "preferred_locale": "en-US",
            "roles": list(self.roles.values()),
        }

    def guild_create_row(self) -> Row:
        """The server as GUILD_CREATE tells it to a bot that asks for no members: itself is the only one listed."""
        visible = [
            channel
            for channel in self.channels.values()
            if channel.kind != DIRECT and self.permissions(self.bot, channel) & PERMISSIONS["VIEW_CHANNEL"]
        ]
        return {
            **self.guild_row(),
            **{name: [] for name in ("voice_states", "presences", "stage_instances", "guild_scheduled_events")},
            "soundboard_sounds": [],
            "joined_at": self.stamp,
            "large": False,
            "unavailable": False,
            "member_count": len(self.members),
            "members": [self.member_row(self.bot)],
            "channels": [self.channel_row(channel) for channel in visible if not channel.is_thread],
            "threads": [self.channel_row(channel) for channel in visible if channel.is_thread],
        }
