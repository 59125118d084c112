"""What Discord refuses, in its own words: error codes, and the limits of messages, components, modals and commands.

Codes: https://docs.discord.com/developers/topics/opcodes-and-status-codes#json. Limits:
.../developers/resources/message, .../components/reference and .../interactions/application-commands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Body = Mapping[str, Any]
Path = tuple[str | int, ...]
Flaw = tuple[Path, str, str]
"""Where in the form, Discord's code, its words."""

V2 = 1 << 15
EPHEMERAL = 1 << 6
MAX_FILE = 10 * 1024 * 1024

ROW, BUTTON, TEXT_INPUT, SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER, LABEL = (
    *(1, 2, 4),
    *(9, 10, 11, 12, 13, 14, 17, 18),
)
SELECTS = (3, 5, 6, 7, 8)
ONLY_V2 = (SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER)
LINK, PREMIUM = 5, 6


@dataclass(frozen=True)
class Refusal(Exception):
    """An answer that is an error."""

    status: int
    code: int
    words: str
    flaws: tuple[Flaw, ...] = ()

    @property
    def body(self) -> dict[str, Any]:
        """As Discord writes it."""
        body: dict[str, Any] = {"message": self.words, "code": self.code}
        return body | {"errors": _tree(self.flaws)} if self.flaws else body


UNAUTHORIZED = Refusal(401, 0, "401: Unauthorized")
UNKNOWN_ROUTE = Refusal(404, 0, "404: Not Found")
UNKNOWN_CHANNEL = Refusal(404, 10003, "Unknown Channel")
UNKNOWN_GUILD = Refusal(404, 10004, "Unknown Guild")
UNKNOWN_MEMBER = Refusal(404, 10007, "Unknown Member")
UNKNOWN_MESSAGE = Refusal(404, 10008, "Unknown Message")
UNKNOWN_USER = Refusal(404, 10013, "Unknown User")
UNKNOWN_WEBHOOK = Refusal(404, 10015, "Unknown Webhook")
UNKNOWN_INTERACTION = Refusal(404, 10062, "Unknown interaction")
FILE_TOO_LARGE = Refusal(413, 40005, "Request entity too large")
ALREADY_ACKNOWLEDGED = Refusal(400, 40060, "Interaction has already been acknowledged.")
MISSING_ACCESS = Refusal(403, 50001, "Missing Access")
CANNOT_EDIT_OTHERS = Refusal(403, 50005, "Cannot edit a message authored by another user")
EMPTY_MESSAGE = Refusal(400, 50006, "Cannot send an empty message")
CANNOT_MESSAGE_USER = Refusal(403, 50007, "Cannot send messages to this user")
MISSING_PERMISSIONS = Refusal(403, 50013, "Missing Permissions")
THREAD_ARCHIVED = Refusal(400, 50083, "Thread is archived")
INVALID_TOKEN = Refusal(401, 50027, "Invalid Webhook Token")
INVALID_JSON = Refusal(400, 50109, "The request body contains invalid JSON.")
THREAD_EXISTS = Refusal(400, 160004, "A thread has already been created for this message")


def _tree(flaws: Sequence[Flaw]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, code, words in flaws:
        node = tree
        for part in path:
            node = node.setdefault(str(part), {})
        node.setdefault("_errors", []).append({"code": code, "message": words})
    return tree


def held_to(flaws: Iterator[Flaw]) -> None:
    """Raises Refusal 50035 with the tree of errors when there are any."""
    found = tuple(flaws)
    if found:
        raise Refusal(400, 50035, "Invalid Form Body", found)


def long(value: object, most: int, path: Path, least: int = 0) -> Iterator[Flaw]:
    """A text over its limit, or under it."""
    if value is None:
        return
    if not isinstance(value, str):
        yield path, "STRING_TYPE_CONVERT", "Could not interpret as string."
    elif not least <= len(value) <= most:
        bounds = f"Must be between {least} and {most} in length." if least else f"Must be {most} or fewer in length."
        yield path, "BASE_TYPE_BAD_LENGTH" if least else "BASE_TYPE_MAX_LENGTH", bounds


def crowded(items: Sequence[object], most: int, path: Path, least: int = 0) -> Iterator[Flaw]:
    """A list over its limit, or under it."""
    if not least <= len(items) <= most:
        yield path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length."


# messages


def message(body: Body, files: Sequence[str], flags: int) -> Iterator[Flaw]:
    """What is wrong with a message as it would be after this request; `files` are the names sent or kept."""
    yield from long(body.get("content"), 2000, ("content",))
    embeds = body.get("embeds") or ()
    yield from crowded(embeds, 10, ("embeds",))
    for number, item in enumerate(embeds):
        yield from _embed(item, ("embeds", number))
    if sum(map(_embed_size, embeds)) > 6000:
        yield ("embeds",), "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000"
    yield from crowded(files, 10, ("attachments",))
    for number, attachment in enumerate(body.get("attachments") or ()):
        yield from long(attachment.get("description"), 1024, ("attachments", number, "description"))
    components = body.get("components") or ()
    if flags & V2:
        yield from _layout(body, components, files)
    else:
        yield from _rows(components)


def _embed(embed: Body, path: Path) -> Iterator[Flaw]:
    yield from long(embed.get("title"), 256, (*path, "title"))
    yield from long(embed.get("description"), 4096, (*path, "description"))
    yield from long((embed.get("footer") or {}).get("text"), 2048, (*path, "footer", "text"))
    yield from long((embed.get("author") or {}).get("name"), 256, (*path, "author", "name"))
    fields = embed.get("fields") or ()
    yield from crowded(fields, 25, (*path, "fields"))
    for number, field in enumerate(fields):
        for name, most in (("name", 256), ("value", 1024)):
            where = (*path, "fields", number, name)
            if not field.get(name):
                yield where, "BASE_TYPE_REQUIRED", "This field is required"
            yield from long(field.get(name), most, where)


def _embed_size(embed: Body) -> int:
    parts = [embed.get("title"), embed.get("description"), (embed.get("footer") or {}).get("text")]
    parts += [(embed.get("author") or {}).get("name")]
    parts += [field.get(name) for field in embed.get("fields") or () for name in ("name", "value")]
    return sum(len(part) for part in parts if part)


def _rows(components: Sequence[Body]) -> Iterator[Flaw]:
    yield from crowded(components, 5, ("components",))
    for number, row in enumerate(components):
        path = ("components", number)
        if row.get("type") in ONLY_V2:
            yield (*path, "type"), "UNION_TYPE_CHOICES", 'Value of field "type" must be one of (1,).'
        else:
            yield from _row(row, path)
    yield from _repeated(components)


def _layout(body: Body, components: Sequence[Body], files: Sequence[str]) -> Iterator[Flaw]:
    for name in ("content", "embeds", "poll"):
        if body.get(name):
            words = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
            yield (name,), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", words
    every = list(walk(components))
    if len(every) > 40:
        yield ("components",), "COMPONENT_LAYOUT_TOO_MANY", "The total number of components exceeds the maximum of 40"
    if sum(len(item.get("content", "")) for item in every if item["type"] == TEXT) > 4000:
        words = "The total displayable text exceeds the maximum of 4000"
        yield ("components",), "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", words
    for number, item in enumerate(components):
        yield from _layout_item(item, ("components", number), files)
    yield from _repeated(components)


def _layout_item(item: Body, path: Path, files: Sequence[str]) -> Iterator[Flaw]:
    kind = item["type"]
    if kind == ROW:
        yield from _row(item, path)
    if kind == TEXT:
        yield from long(item.get("content"), 4000, (*path, "content"), least=1)
    if kind == SECTION:
        yield from crowded(item.get("components") or (), 3, (*path, "components"), least=1)
        if not item.get("accessory"):
            yield (*path, "accessory"), "BASE_TYPE_REQUIRED", "This field is required"
        elif item["accessory"]["type"] == BUTTON:
            yield from _button(item["accessory"], (*path, "accessory"))
    if kind == GALLERY:
        yield from crowded(item.get("items") or (), 10, (*path, "items"), least=1)
        for number, picture in enumerate(item.get("items") or ()):
            yield from long(picture.get("description"), 1024, (*path, "items", number, "description"))
            yield from _medium(picture.get("media"), (*path, "items", number, "media"), files)
    if kind == FILE:
        yield from _medium(item.get("file"), (*path, "file"), files)
    for number, child in enumerate(item.get("components") or () if kind in (CONTAINER, SECTION) else ()):
        yield from _layout_item(child, (*path, "components", number), files)


def _medium(medium: Body | None, path: Path, files: Sequence[str]) -> Iterator[Flaw]:
    url = (medium or {}).get("url", "")
    if url.startswith("attachment://") and url.removeprefix("attachment://") not in files:
        yield (*path, "url"), "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND", "The attachment was not found"


def _row(row: Body, path: Path) -> Iterator[Flaw]:
    items = row.get("components") or ()
    has_select = any(item.get("type") in SELECTS for item in items)
    yield from crowded(items, 1 if has_select else 5, (*path, "components"), least=1)
    for number, item in enumerate(items):
        where = (*path, "components", number)
        if item.get("type") == BUTTON:
            yield from _button(item, where)
        elif item.get("type") in SELECTS:
            yield from _select(item, where)
        else:
            yield (*where, "type"), "UNION_TYPE_CHOICES", 'Value of field "type" must be one of (2, 3, 5, 6, 7, 8).'


def _button(item: Body, path: Path) -> Iterator[Flaw]:
    yield from long(item.get("label"), 80, (*path, "label"))
    if not item.get("label") and not item.get("emoji"):
        yield path, "BUTTON_COMPONENT_MUST_HAVE_LABEL_OR_EMOJI", "Button must have a label or an emoji"
    if item.get("style") == LINK:
        if not item.get("url"):
            yield (*path, "url"), "BUTTON_COMPONENT_URL_REQUIRED", "A url is required"
    elif item.get("style") != PREMIUM:
        yield from _custom_id(item, path)


def _select(item: Body, path: Path) -> Iterator[Flaw]:
    yield from _custom_id(item, path)
    yield from long(item.get("placeholder"), 150, (*path, "placeholder"))
    if item["type"] != 3:
        return
    options = item.get("options") or ()
    yield from crowded(options, 25, (*path, "options"), least=1)
    for number, option in enumerate(options):
        for name, least in (("label", 1), ("value", 1), ("description", 0)):
            yield from long(option.get(name), 100, (*path, "options", number, name), least)
    values = [option.get("value") for option in options]
    if len(set(values)) < len(values):
        yield (
            (*path, "options"),
            "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
            "The specified option value is already used",
        )


def _custom_id(item: Body, path: Path) -> Iterator[Flaw]:
    if not item.get("custom_id"):
        yield (*path, "custom_id"), "COMPONENT_CUSTOM_ID_REQUIRED", "A custom id is required"
    yield from long(item.get("custom_id"), 100, (*path, "custom_id"))


def _repeated(components: Sequence[Body]) -> Iterator[Flaw]:
    seen: set[str] = set()
    for item in walk(components):
        name = item.get("custom_id")
        if name in seen:
            yield ("components",), "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated"
        if name:
            seen.add(name)


def walk(components: Sequence[Body]) -> Iterator[Body]:
    """Every component, those inside others too."""
    for item in components:
        yield item
        inner = [item[name] for name in ("accessory", "component") if item.get(name)]
        yield from walk([*(item.get("components") or ()), *inner])


# modals, suggestions, commands


def modal(data: Body) -> Iterator[Flaw]:
    """What is wrong with a modal."""
    yield from long(data.get("title"), 45, ("data", "title"), least=1)
    yield from long(data.get("custom_id"), 100, ("data", "custom_id"), least=1)
    rows = data.get("components") or ()
    yield from crowded(rows, 5, ("data", "components"), least=1)
    for number, row in enumerate(rows):
        path = ("data", "components", number)
        if row["type"] == LABEL:
            yield from long(row.get("label"), 45, (*path, "label"), least=1)
            yield from long(row.get("description"), 100, (*path, "description"))
            yield from _field(row.get("component") or {}, (*path, "component"))
        for place, item in enumerate(row.get("components") or ()):
            yield from long(item.get("label"), 45, (*path, "components", place, "label"), least=1)
            yield from _field(item, (*path, "components", place))


def _field(item: Body, path: Path) -> Iterator[Flaw]:
    if item.get("type") == TEXT_INPUT:
        yield from _custom_id(item, path)
        yield from long(item.get("placeholder"), 100, (*path, "placeholder"))
        yield from long(item.get("value"), int(item.get("max_length") or 4000), (*path, "value"))
    elif item.get("type") in SELECTS:
        yield from _select(item, path)


def suggestions(data: Body) -> Iterator[Flaw]:
    """What is wrong with an answer to autocomplete."""
    yield from _choices(data.get("choices") or (), ("data", "choices"))


def _choices(choices: Sequence[Body], path: Path) -> Iterator[Flaw]:
    yield from crowded(choices, 25, path)
    for number, choice in enumerate(choices):
        yield from long(choice.get("name"), 100, (*path, number, "name"), least=1)
        if isinstance(choice.get("value"), str):
            yield from long(choice["value"], 100, (*path, number, "value"))


COMMAND_NAME = re.compile(r"[-_'\w]{1,32}")
SUBCOMMANDS = (1, 2)


def commands(body: Sequence[Body]) -> Iterator[Flaw]:
    """What is wrong with the list of commands to be registered."""
    yield from crowded([item for item in body if item.get("type", 1) == 1], 100, ())
    names = [(item.get("type", 1), item.get("name")) for item in body]
    for number, item in enumerate(body):
        if names.index(names[number]) < number:
            yield (number,), "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique"
        if item.get("type", 1) == 1:
            yield from _command(item, (number,))
            if _command_size(item) > 8000:
                yield (number,), "APPLICATION_COMMAND_TOO_LARGE", "Command exceeds maximum size (8000)"


def _command(item: Body, path: Path) -> Iterator[Flaw]:
    name = item.get("name") or ""
    if not COMMAND_NAME.fullmatch(name) or name != name.lower():
        yield (*path, "name"), "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid"
    yield from long(item.get("description") or "", 100, (*path, "description"), least=1)
    options = item.get("options") or ()
    yield from crowded(options, 25, (*path, "options"))
    required = [bool(option.get("required")) for option in options]
    if required != sorted(required, reverse=True):
        words = "Required options must be placed before non-required options"
        yield (*path, "options"), "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", words
    for number, option in enumerate(options):
        where = (*path, "options", number)
        yield from _command(option, where)
        yield from _choices(option.get("choices") or (), (*where, "choices"))
        if option.get("choices") and option.get("autocomplete"):
            words = "Autocomplete and choices cannot both be set"
            yield (*where, "autocomplete"), "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE", words


def _command_size(item: Body) -> int:
    own = len(item.get("name") or "") + len(item.get("description") or "")
    choices = sum(len(str(c["name"])) + len(str(c["value"])) for c in item.get("choices") or ())
    return own + choices + sum(map(_command_size, item.get("options") or ()))
