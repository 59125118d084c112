"""The catalogue as slash commands of one server, and what a person chose in them as a request.

The form of a command: https://discord.com/developers/docs/interactions/application-commands#application-command-object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from discord.app_commands import Choice

from bot.command import Command, Kind, Parameter
from bot.completion import is_suggested
from bot.platforms.discord_text import clipped, plain

Payload = dict[str, Any]

TEXT, WHOLE, NUMBER = 3, 4, 10
TYPES: Mapping[Kind, int] = {Kind.INT: WHOLE, Kind.MINUTES: WHOLE, Kind.DECIMAL: NUMBER}
DESCRIPTION = 100
CHOICES = 25
CHOICE_NAME = 100
LONGEST = 500
"""Characters of a text option."""
OF_A_COMMAND = ("name", "description", "options")
OF_AN_OPTION = ("type", "name", "description", "required", "choices", "autocomplete", "min_value", "max_value",
                "min_length", "max_length")  # fmt: skip


def payloads(commands: Iterable[Command]) -> list[Payload]:
    """Every command a person can type, as Discord takes it."""
    return [_command(command) for command in commands if not command.is_button]


def _command(command: Command) -> Payload:
    # Discord wants the options that must be given before the others.
    ordered = sorted(command.parameters, key=lambda parameter: not parameter.required)
    description = clipped(plain(command.summary), DESCRIPTION)
    return {"name": command.name, "description": description, "type": 1, "options": [_option(p) for p in ordered]}


def _option(parameter: Parameter) -> Payload:
    kind = TEXT if parameter.many else TYPES.get(parameter.kind, TEXT)
    option: Payload = {
        "type": kind,
        "name": parameter.name,
        "description": clipped(plain(parameter.summary), DESCRIPTION),
        "required": parameter.required,
    }
    if kind is not TEXT:
        bounds = {"min_value": parameter.low, "max_value": parameter.high}
        return option | {name: bound for name, bound in bounds.items() if bound is not None}
    if 0 < len(parameter.choices) <= CHOICES and not parameter.many:
        return option | {"choices": [{"name": choice, "value": choice} for choice in parameter.choices]}
    return option | {"autocomplete": is_suggested(parameter), "max_length": LONGEST}


def are_same(ours: Iterable[Payload], theirs: Iterable[Payload]) -> bool:
    """Whether Discord has exactly these commands already; what it adds to them itself makes no difference."""
    return _by_name(ours) == _by_name(theirs)


def _by_name(commands: Iterable[Payload]) -> dict[str, Payload]:
    return {command["name"]: _essence(command) for command in commands}


def _essence(command: Payload) -> Payload:
    """What of a command is ours to say, without what is as if it was not said."""
    kept = {name: command.get(name) for name in OF_A_COMMAND}
    options = [
        {name: option.get(name) for name in OF_AN_OPTION if option.get(name) not in (None, False, [])}
        for option in command.get("options") or ()
    ]
    for option in options:
        option["choices"] = [(choice["name"], choice["value"]) for choice in option.get("choices", ())]
    return kept | {"options": options}


def chosen(data: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The options of a slash command as they were given, by name."""
    return tuple((str(option["name"]), str(option["value"])) for option in _given(data) if "value" in option)


def focused(data: Mapping[str, Any]) -> tuple[str, str]:
    """The option that is being typed, and what stands in it so far."""
    found: Payload = next((option for option in _given(data) if option.get("focused")), {})
    return str(found.get("name", "")), str(found.get("value", ""))


def _given(data: Mapping[str, Any]) -> list[Payload]:
    """The options that came with a command; what is no option with a name is none."""
    options = data.get("options")
    every = options if isinstance(options, list) else []
    return [option for option in every if isinstance(option, dict) and "name" in option]


def choice(value: str, summary: str) -> Choice[str] | None:
    """One suggestion; None where Discord could not send it back as it is."""
    if not value or len(value) > CHOICE_NAME:
        return None
    shown = f"{value} · {summary}" if summary else value
    return Choice(name=clipped(plain(shown), CHOICE_NAME), value=value)
