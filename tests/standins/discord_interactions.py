"""Interactions: what a person does with the bot, and the one answer and the follow-ups Discord lets the bot give.

https://docs.discord.com/developers/interactions/receiving-and-responding.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.standins import discord_rules as rules
from tests.standins.discord_messages import LOADING, Post, Upload
from tests.standins.discord_rules import Refusal
from tests.standins.discord_world import DIRECT, Channel, Member, Message, Row, World

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5

MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, SUGGESTIONS, FORM = 4, 5, 6, 7, 8, 9
ANSWERS = {
    MESSAGE: "message",
    DEFERRED: "deferred",
    DEFERRED_UPDATE: "deferred-update",
    UPDATE: "update",
    SUGGESTIONS: "suggestions",
    FORM: "modal",
}
"""Types of an answer -> what `Interaction.ack` calls them."""


@dataclass(slots=True, eq=False)
class Interaction:
    """One use of the bot by a person, and everything the bot answered so far."""

    id: int
    token: str
    kind: int
    row: Row
    member: Member
    channel: Channel
    source: Message | None
    """The message whose button was pressed."""
    sent_at: float
    cause: Interaction | None = None
    """The one that was answered with the modal this one submits."""
    acked_at: float | None = None
    type: int | None = None
    """The type of the bot's first answer."""
    original: Message | None = None
    follow_ups: list[Message] = field(default_factory=list)
    modal: Row | None = None
    choices: list[Row] | None = None
    refusals: list[int] = field(default_factory=list)
    """Codes the bot got for its answers: 10062 too late, 40060 twice, 50027 over."""
    sessions: int = 0
    """How many sessions it was told to, connected or to be resumed; 0: the bot was away and will never hear of it."""
    changes: int = 0
    """How often the message it stands on, or the answer, was written to afterwards."""

    @property
    def ack(self) -> str | None:
        """The kind of the first answer, one of `ANSWERS`; None: the person sees "did not respond"."""
        return ANSWERS[self.type] if self.type is not None else None

    @property
    def ack_seconds(self) -> float | None:
        """From sending to the first answer."""
        return None if self.acked_at is None else self.acked_at - self.sent_at

    @property
    def messages(self) -> list[Message]:
        """New messages the bot answered with, as they look now."""
        own = [] if self.original is None or self.original is self.source else [self.original]
        return own + self.follow_ups

    @property
    def message(self) -> Message | None:
        """The last of them."""
        return self.messages[-1] if self.messages else None

    @property
    def text(self) -> str:
        """What all of them say."""
        return "\n".join(message.text for message in self.messages)

    @property
    def is_ephemeral(self) -> bool:
        """Whether everything answered is seen by this person alone."""
        return bool(self.messages) and all(message.is_ephemeral for message in self.messages)

    @property
    def is_answered(self) -> bool:
        """Whether the person is not waiting any more: answered, or a deferred answer followed by one."""
        if self.type is None:
            return False
        return self.changes > 0 if self.type in (DEFERRED, DEFERRED_UPDATE) else True


class Interactions:
    """All of them, and the rules of their answers."""

    def __init__(self, world: World, post: Post, application: int) -> None:
        self._world = world
        self._post = post
        self._application = application
        self.all: list[Interaction] = []
        self.ack_seconds = 3.0
        """How long the bot has to answer first."""
        self.token_seconds = 900.0
        """How long an answered interaction may be followed up."""

    def begin(
        self,
        kind: int,
        member: Member,
        channel: Channel,
        data: Row,
        source: Message | None = None,
        cause: Interaction | None = None,
    ) -> Interaction:
        """Somebody does something; a message whose button is pressed is told as whoever pressed it saw it."""
        number = self._world.new_id()
        token = f"token{number}"
        row: Row = {
            "id": str(number),
            "application_id": str(self._application),
            "type": kind,
            "token": token,
            "version": 1,
            "data": data,
            "channel": self._world.channel_row(channel),
            "channel_id": str(channel.id),
            "locale": "en-US",
            "entitlements": [],
            "attachment_size_limit": rules.MAX_FILE,
            "app_permissions": str(self._world.permissions(self._world.bot, channel)),
            **self._who(member, channel),
        }
        if source is not None:
            row["message"] = _as_seen(source, data) if kind == COMPONENT else source.row
        interaction = Interaction(number, token, kind, row, member, channel, source, time.monotonic(), cause)
        self.all.append(interaction)
        return interaction

    def _who(self, member: Member, channel: Channel) -> Row:
        if channel.kind == DIRECT:
            owners = {"1": str(member.id)}
            return {"user": member.user, "context": 1, "authorizing_integration_owners": owners}
        allowed = str(self._world.permissions(member, channel))
        guild = str(self._world.guild_id)
        return {
            "member": self._world.member_row(member) | {"permissions": allowed},
            "guild_id": guild,
            "guild_locale": "en-US",
            "guild": {"id": guild, "locale": "en-US", "features": []},
            "context": 0,
            "authorizing_integration_owners": {"0": guild},
        }

    def touched(self, message: Message) -> None:
        """A message was written to in another way: whoever pressed on it sees that."""
        for interaction in self.all:
            if interaction.type is not None and message in (interaction.source, interaction.original):
                interaction.changes += 1

    # the first answer

    def answer(self, number: str, token: str, body: Row, uploads: Sequence[Upload]) -> Interaction:
        """The bot's first answer.

        Raises:
            Refusal: 10062 unknown or too late, 40060 answered before, 50035, 50006.
        """
        interaction = next((item for item in self.all if item.token == token and str(item.id) == number), None)
        if interaction is None:
            raise rules.UNKNOWN_INTERACTION
        try:
            self._answer(interaction, body, uploads)
        except Refusal as refusal:
            interaction.refusals.append(refusal.code)
            raise
        return interaction

    def _answer(self, interaction: Interaction, body: Row, uploads: Sequence[Upload]) -> None:
        now = time.monotonic()
        if interaction.type is not None:
            raise rules.ALREADY_ACKNOWLEDGED
        if now - interaction.sent_at > self.ack_seconds:
            raise rules.UNKNOWN_INTERACTION
        kind = body.get("type")
        if kind not in _allowed(interaction):
            words = f"Value must be one of {tuple(sorted(_allowed(interaction)))}."
            raise Refusal(400, 50035, "Invalid Form Body", ((("type",), "BASE_TYPE_CHOICES", words),))
        self._carry_out(interaction, kind, body.get("data") or {}, uploads)
        interaction.type, interaction.acked_at = kind, now

    def _carry_out(self, interaction: Interaction, kind: int, data: Row, uploads: Sequence[Upload]) -> None:
        match kind:
            case 4:
                interaction.original = self._new(interaction, data, uploads)
            case 5:
                interaction.original = self._new(interaction, {"flags": data.get("flags")}, (), LOADING)
            case 6:
                interaction.original = interaction.source
            case 7:
                interaction.original = interaction.source
                self._post.rewrite(_source(interaction), data, uploads)
            case 8:
                rules.held_to(rules.suggestions(data))
                interaction.choices = list(data.get("choices") or ())
            case 9:
                rules.held_to(rules.modal(data))
                interaction.modal = data

    def _new(self, interaction: Interaction, data: Row, uploads: Sequence[Upload], flags: int = 0) -> Message:
        message = self._post.write(interaction.channel, self._world.bot, data, uploads, flags)
        message.row["interaction_metadata"] = _metadata(interaction)
        message.row["webhook_id"] = message.row["application_id"] = str(self._application)
        message.seen_by = interaction.member.id if message.is_ephemeral else None
        return message

    def callback_row(self, interaction: Interaction) -> Row:
        """What `with_response` gives back."""
        message = interaction.original
        row: Row = {"id": str(interaction.id), "type": interaction.kind}
        if message is not None:
            row |= {
                "response_message_id": str(message.id),
                "response_message_loading": bool(message.row["flags"] & LOADING),
                "response_message_ephemeral": message.is_ephemeral,
            }
        row |= {key: interaction.row[key] for key in ("channel_id", "guild_id") if key in interaction.row}
        if interaction.type not in (MESSAGE, UPDATE) or message is None:
            return {"interaction": row}
        return {"interaction": row, "resource": {"type": interaction.type, "message": message.row}}

    # what may follow

    def known(self, token: str) -> Interaction:
        """The answered interaction of a token.

        Raises:
            Refusal: 10015 unknown or not answered yet, 50027 over.
        """
        interaction = next((item for item in self.all if item.token == token), None)
        if interaction is None or interaction.type is None:
            raise rules.UNKNOWN_WEBHOOK
        if time.monotonic() - interaction.sent_at > self.token_seconds:
            interaction.refusals.append(rules.INVALID_TOKEN.code)
            raise rules.INVALID_TOKEN
        return interaction

    def follow_up(self, token: str, body: Row, uploads: Sequence[Upload]) -> Message:
        """A further message; the first one after a deferred answer takes its place."""
        interaction = self.known(token)
        original = interaction.original
        if original is not None and original.row["flags"] & LOADING:
            self._post.rewrite(original, body, uploads)
            message = original
        else:
            message = self._new(interaction, body, uploads)
            interaction.follow_ups.append(message)
        interaction.changes += 1
        return message

    def find(self, token: str, message_id: str) -> Message:
        """A message of an interaction, `@original` or by id.

        Raises:
            Refusal: 10008 none.
        """
        interaction = self.known(token)
        if message_id == "@original":
            found = interaction.original
        else:
            candidates = [*interaction.messages, interaction.source]
            found = next((item for item in candidates if item is not None and str(item.id) == message_id), None)
        if found is None or found.is_deleted:
            raise rules.UNKNOWN_MESSAGE
        return found

    def change(self, token: str, message_id: str, body: Row, uploads: Sequence[Upload]) -> Message:
        """A message of an interaction looks different."""
        message = self.find(token, message_id)
        self._post.rewrite(message, body, uploads)
        self.known(token).changes += 1
        return message


def _as_seen(source: Message, data: Row) -> Row:
    """The message when it (last) had the button; one that it never had is put under it."""
    for row in (source.row, *reversed(source.history)):
        if any(item.get("custom_id") == data["custom_id"] for item in rules.walk(row["components"])):
            return row
    button = {"type": data["component_type"], "style": 1, "label": "?", "custom_id": data["custom_id"], "id": 99}
    return source.row | {"components": [*source.row["components"], {"type": rules.ROW, "components": [button]}]}


def _metadata(interaction: Interaction) -> Row:
    """Where a message came from, as it is written on it."""
    row: Row = {
        "id": str(interaction.id),
        "type": interaction.kind,
        "user": interaction.member.user,
        "authorizing_integration_owners": interaction.row["authorizing_integration_owners"],
    }
    if interaction.kind == COMMAND:
        row |= {"name": interaction.row["data"]["name"], "command_type": 1}
    if interaction.kind == COMPONENT and interaction.source is not None:
        row["interacted_message_id"] = str(interaction.source.id)
    if interaction.cause is not None:
        row["triggering_interaction_metadata"] = _metadata(interaction.cause)
    return row


def _source(interaction: Interaction) -> Message:
    if interaction.source is None or interaction.source.is_deleted:
        raise rules.UNKNOWN_MESSAGE
    return interaction.source


def _allowed(interaction: Interaction) -> set[int]:
    match interaction.kind:
        case 4:
            return {SUGGESTIONS}
        case 5:
            return {MESSAGE, DEFERRED} | ({DEFERRED_UPDATE, UPDATE} if interaction.source else set())
        case 3:
            return {MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, FORM}
        case _:
            return {MESSAGE, DEFERRED, FORM}


# what a person's application sends


OPTION_TYPES = {3: str, 4: int, 5: bool, 10: (int, float)}


def command_data(world: World, command: Row, path: Sequence[str], values: Mapping[str, Any], focused: str = "") -> Row:
    """The data of a slash command as an application sends it, held to what was registered.

    Raises:
        LookupError: no such subcommand or option.
        ValueError: a required option is missing, or the value is none of its choices.
    """
    resolved: Row = {}
    level, nested = command, list(path)
    for name in nested:
        level = _named(level.get("options") or (), name)
    options = [_option(world, level, name, value, resolved, focused) for name, value in values.items()]
    missing = [
        item["name"] for item in level.get("options") or () if item.get("required") and item["name"] not in values
    ]
    if missing and not focused:
        raise ValueError(f"the application does not send /{command['name']} without {', '.join(missing)}")
    for name in reversed(nested):
        kind = _named_kind(command, nested[: nested.index(name) + 1])
        options = [{"name": name, "type": kind, "options": options}]
    data: Row = {"id": command["id"], "name": command["name"], "type": 1, "options": options}
    if "guild_id" in command:
        data["guild_id"] = command["guild_id"]
    return data | ({"resolved": resolved} if resolved else {})


def _named(options: Sequence[Row], name: str) -> Row:
    for item in options:
        if item["name"] == name:
            return item
    raise LookupError(f"no option {name!r}; there are {[item['name'] for item in options]}")


def _named_kind(command: Row, path: Sequence[str]) -> int:
    level = command
    for name in path:
        level = _named(level.get("options") or (), name)
    return int(level["type"])


def _option(world: World, level: Row, name: str, value: Any, resolved: Row, focused: str) -> Row:
    rule = _named(level.get("options") or (), name)
    if name == focused:
        return {"name": name, "type": rule["type"], "value": str(value), "focused": True}
    if isinstance(value, Member):
        resolved.setdefault("users", {})[str(value.id)] = value.user
        row = {key: item for key, item in world.member_row(value).items() if key != "user"}
        resolved.setdefault("members", {})[str(value.id)] = row | {"permissions": "0"}
        value = str(value.id)
    if isinstance(value, Channel):
        resolved.setdefault("channels", {})[str(value.id)] = world.channel_row(value) | {"permissions": "0"}
        value = str(value.id)
    wanted = OPTION_TYPES.get(rule["type"], str)
    if not isinstance(value, wanted) or (rule["type"] in (4, 10) and isinstance(value, bool)):
        raise ValueError(f"{name}: the application sends a value of type {rule['type']}, not {value!r}")
    if rule.get("choices") and value not in [choice["value"] for choice in rule["choices"]]:
        raise ValueError(f"{name}: {value!r} is none of the choices {[c['value'] for c in rule['choices']]}")
    for bound, over in (("min_value", lambda least: value < least), ("max_value", lambda most: value > most)):
        if rule.get(bound) is not None and over(rule[bound]):
            raise ValueError(f"{name}: {value!r} is beyond {bound} {rule[bound]}")
    return {"name": name, "type": rule["type"], "value": value}


def modal_data(modal: Row, values: Mapping[str, Any]) -> Row:
    """The data of a filled-in modal; `values` by custom id or label, the rest as the bot filled it in.

    Raises:
        LookupError: no such field.
        ValueError: a required field is empty, or a text too long.
    """
    left = dict(values)
    rows = [_filled_row(row, left) for row in modal["components"]]
    if left:
        raise LookupError(f"no field {sorted(left)} in the modal {modal['title']!r}")
    return {"custom_id": modal["custom_id"], "components": [row for row in rows if row]}


def _filled_row(row: Row, left: dict[str, Any]) -> Row | None:
    if row["type"] == rules.LABEL:
        return {"type": rules.LABEL, "id": 1, "component": _filled(row["component"], row["label"], left)}
    if row["type"] == rules.ROW:
        fields = [_filled(item, item.get("label", ""), left) for item in row["components"]]
        return {"type": rules.ROW, "id": 1, "components": fields}
    return None


def _filled(item: Row, label: str, left: dict[str, Any]) -> Row:
    value = left.pop(item["custom_id"], left.pop(label, item.get("value")))
    base = {"type": item["type"], "id": 1, "custom_id": item["custom_id"]}
    if item.get("required", True) and value in (None, "", []):
        raise ValueError(f"the application does not send the modal without {label!r}")
    if item["type"] == rules.TEXT_INPUT:
        text = str(value or "")
        if len(text) > int(item.get("max_length") or 4000):
            raise ValueError(f"{label!r} takes {item['max_length']} characters")
        return base | {"value": text}
    return base | {"values": [value] if isinstance(value, str) else list(value or ())}
