"""Running the desk: /help, /whoami, /halt and /resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.command import SHOWN_CHOICES, Call, Command, Group, Parameter
from bot.message import Button, Card, Tone
from bot.people import Role
from bot.told import as_told
from engine import halts, locks, panic
from engine.model.events import EventKind


def whoami(call: Call) -> Card:
    """Name, role and identities of the person who asks."""
    user = call.user
    facts = (("Name", user.name), ("Role", user.role.value), ("Here as", call.request.identity))
    others = ", ".join(identity for identity in user.ids if identity != call.request.identity)
    lines = (f"Also {others}.",) if others else ()
    return Card(f"You are {user.name}", lines=lines, facts=facts, banner=call.room.banner())


def halt(call: Call) -> Card:
    """Stop all entries; exits go on."""
    standing = halts.halt(call.desk, call.user.name, call.text("why"))
    lines = (standing.words, "Exits and look-ups go on. /resume allows entries again.")
    buttons = ((Button("Resume", "resume:", Tone.ASK),),)
    card = Card("Entries halted", Tone.WARNING, lines, buttons=buttons, banner=call.room.banner())
    return as_told(call, card, EventKind.HALTED)


def resume(call: Call) -> Card:
    """Allow entries again: a panic is undone, at the broker first; a drawdown is measured anew from now on."""
    forgiven = locks.forgive_drawdown(call.desk, call.user.name)
    if not panic.resume(call.desk, call.user.name) and not forgiven:
        return Card("Nothing was halted", lines=("Entries were allowed already.",), banner=call.room.banner())
    card = Card("Entries allowed again", Tone.GOOD, (f"Resumed by {call.user.name}.",), banner=call.room.banner())
    return as_told(call, card, EventKind.RESUMED)


def help_card(call: Call, commands: tuple[Command, ...]) -> Card:
    """The commands this person may use by their names, those of one heading with what they do, or how one is used."""
    wanted = call.text("command").lstrip("/").lower()
    allowed = [c for c in commands if not c.is_button and call.user.role.covers(c.role)]
    chosen = next((c for c in commands if c.name == wanted and not c.is_button), None)
    if chosen is not None:
        return _usage(call, chosen)
    groups = {group: [c for c in allowed if c.group is group] for group in Group}
    group = heading(wanted)
    if group is not None and groups[group]:
        lines = tuple(f"/{command.name}: {command.summary}" for command in groups[group])
        return Card(f"Commands: {group}", lines=lines, buttons=_headings(groups), banner=call.room.banner())
    example = "close" if call.user.role.covers(Role.TRADER) else "chart"
    names = [(group.value, " ".join(f"/{c.name}" for c in found)) for group, found in groups.items() if found]
    return Card(
        "Commands",
        facts=tuple(names),
        buttons=_headings(groups),
        footer=f"A button tells what its commands do; /help {example} tells how one is used.",
        banner=call.room.banner(),
    )


def heading(word: str) -> Group | None:
    """The heading of /help that is meant, None for any other word."""
    return next((group for group in Group if group.value.lower() == word.strip("/ ").lower()), None)


def _headings(groups: Mapping[Group, Sequence[Command]]) -> tuple[tuple[Button, ...], ...]:
    return (tuple(Button(group.value, f"refresh:/help {group.lower()}") for group, found in groups.items() if found),)


def _usage(call: Call, command: Command) -> Card:
    facts = tuple((p.name, _explained(p)) for p in command.parameters)
    example = (f"Such as: {command.example}",) if command.parameters else ()
    lines = (command.summary, *example, *_needs(call, command))
    return Card(command.usage, lines=lines, facts=facts, banner=call.room.banner())


def _needs(call: Call, command: Command) -> tuple[str, ...]:
    """Who may give it, where not everybody on the list may."""
    if command.role is Role.VIEWER:
        return ()
    lacks = "" if call.user.role.covers(command.role) else f"; you are a {call.user.role}"
    return (f"Needs the role {command.role}{lacks}.",)


def _explained(parameter: Parameter) -> str:
    choices = f"; one of {', '.join(parameter.choices)}" if len(parameter.choices) > SHOWN_CHOICES else ""
    return f"{parameter.summary}{choices}{'' if parameter.required else ' (optional)'}"
