"""Buttons that outlive a restart, and the forms some of them open. All they carry is the action."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from re import Match
from types import MappingProxyType
from typing import Any, Self

import discord

from bot.command import Kind, Parameter
from bot.forms import Form
from bot.message import Button, Tone
from bot.platforms.discord_render import CUSTOM_ID, LABEL, PREFIX
from bot.platforms.discord_text import clipped, plain

STYLES: Mapping[Tone, discord.ButtonStyle] = MappingProxyType(
    {
        Tone.NEUTRAL: discord.ButtonStyle.secondary,
        Tone.GOOD: discord.ButtonStyle.success,
        Tone.BAD: discord.ButtonStyle.danger,
        Tone.WARNING: discord.ButtonStyle.danger,
        Tone.ASK: discord.ButtonStyle.primary,
    }
)
FIELDS = 5
MODAL_TITLE = 45
FIELD_LABEL = 45
FIELD_HINT = 100
LONGEST_ANSWER = 500
OPEN_FOR = 15 * 60
"""Seconds after which a form that nobody sent is forgotten; sent later, its answer is still read."""

Pressed = Callable[[discord.Interaction, str], Any]


class DeskButton(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"wsb:(?P<action>[\s\S]+)"):
    """One button of a card. The client it is pressed on knows what to do (`pressed`)."""

    def __init__(self, button: discord.ui.Button[discord.ui.View], action: str) -> None:
        super().__init__(button)
        self.action = action

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: discord.ui.Item[Any], match: Match[str], /
    ) -> Self:
        """The button that was pressed: what it does stands in it, also where another process had sent it."""
        del interaction
        assert isinstance(item, discord.ui.Button)
        return cls(item, match["action"])

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.client.pressed(interaction, self.action)  # type: ignore[attr-defined]


def view_of(rows: Iterable[Iterable[Button]]) -> discord.ui.View | None:
    """The buttons for a message, None for none. Made on the event loop."""
    view = discord.ui.View(timeout=None)
    for number, row in enumerate(rows):
        for button in row:
            view.add_item(_made(button, number))
    return view if view.children else None


def _made(button: Button, row: int) -> DeskButton:
    label = clipped(plain(button.label).strip(), LABEL) or "…"
    custom_id = PREFIX + button.action
    made: discord.ui.Button[discord.ui.View] = discord.ui.Button(
        label=label, style=STYLES[button.tone], custom_id=custom_id, row=row
    )
    return DeskButton(made, button.action)


class FormModal(discord.ui.Modal):
    """The fields of a form. What is sent is read from the interaction, so that it counts after a restart too."""

    def __init__(self, form: Form) -> None:
        summary = form.command.summary
        title = clipped(summary[:1].upper() + summary[1:], MODAL_TITLE)
        super().__init__(title=title, custom_id=PREFIX + form.action, timeout=OPEN_FOR)
        for parameter in sorted(form.fields, key=lambda each: not each.required)[:FIELDS]:
            self.add_item(_field(parameter))

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Nothing: the client hears of it like of every other interaction."""


def _field(parameter: Parameter) -> discord.ui.Label[FormModal]:
    hint = clipped(f"such as {parameter.sample}" if parameter.sample else "", FIELD_HINT)
    style = discord.TextStyle.paragraph if parameter.rest else discord.TextStyle.short
    text: discord.ui.TextInput[FormModal] = discord.ui.TextInput(
        custom_id=parameter.name,
        style=style,
        placeholder=hint or None,
        required=parameter.required,
        max_length=LONGEST_ANSWER,
    )
    label = clipped(parameter.name.replace("_", " ").capitalize(), FIELD_LABEL)
    bounds = _bounds(parameter)
    summary = clipped(plain(f"{parameter.summary}{bounds}"), FIELD_HINT)
    return discord.ui.Label(text=label, description=summary, component=text)


def _bounds(parameter: Parameter) -> str:
    if parameter.kind not in {Kind.INT, Kind.MINUTES, Kind.DECIMAL}:
        return f" ({', '.join(parameter.choices)})" if parameter.choices else ""
    least = f", at least {parameter.low}" if parameter.low is not None else ""
    return least + (f", at most {parameter.high}" if parameter.high is not None else "")


def can_open(form: Form) -> bool:
    """Whether all that has to be asked fits into one form, and its name into Discord's."""
    needed = sum(parameter.required for parameter in form.fields)
    return needed <= FIELDS and len(PREFIX + form.action) <= CUSTOM_ID


def action_of(custom_id: str) -> str:
    """The action behind a custom id, "" when it is not one of ours."""
    return custom_id.removeprefix(PREFIX) if custom_id.startswith(PREFIX) else ""


def filled(data: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What was written into a form, by the name of the field."""
    return tuple(_values(data.get("components")))


def _values(components: object) -> Iterator[tuple[str, str]]:
    """The fields among them, and those within labels and rows; what is no component is passed over."""
    for component in components if isinstance(components, list) else ():
        if not isinstance(component, dict):
            continue
        inner = [component["component"]] if "component" in component else component.get("components")
        if inner:
            yield from _values(inner)
        elif "value" in component and "custom_id" in component:
            yield str(component["custom_id"]), str(component["value"])
