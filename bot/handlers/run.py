"""Running the desk: /help, /whoami, /health, /halt and /resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot import words
from bot.command import SHOWN_CHOICES, Call, Command, Group, Parameter
from bot.message import Button, Card, Tone
from bot.parts import Part, sources
from bot.people import Role
from bot.told import as_told
from engine import halts, locks, panic
from engine.errors import BrokerError, DataError
from engine.model.events import EventKind
from engine.model.instruments import Stock


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


def health(call: Call) -> Card:
    """Whether each part answers: broker, market data, database, and whether entries are halted."""
    now = call.desk.now()
    market = _market(call)  # asked before the sources tell how they do: they tell of this question too
    providers = sources(call.desk.market.sources(), now)
    parts = [_broker(call), market, _universe(call), *providers, _store(call), _halt(call), *call.room.parts()]
    bad = [name for name, (fine, _) in parts if not fine]
    facts = tuple((name, text) for name, (_, text) in parts)
    desk = call.desk
    session = "open" if desk.sessions.is_open(now) else "closed"
    return Card(
        "All parts answer" if not bad else f"Not well: {', '.join(bad)}",
        Tone.BAD if bad else Tone.GOOD,
        facts=(*facts, ("Market", session), ("Desk time", _exact(now))),
        buttons=((Button("Refresh", "refresh:/health"),),),
        banner=call.room.banner(),
    )


def _exact(now: datetime) -> str:
    """The date and the time of day to the second, where it is told."""
    return f"{words.moment(now)[:10]} {words.clock(now)}"


def _broker(call: Call) -> Part:
    try:
        account = call.desk.broker.account()
    except BrokerError as problem:
        return "Broker", (False, str(problem))
    return "Broker", (not account.blocked, f"{call.desk.broker.name}, account {account.number}")


def _market(call: Call) -> Part:
    """The first name's quote: its age says whether the data is alive."""
    tickers = call.desk.tickers
    if not tickers:
        return "Data", (False, f"{call.desk.market.name} knows no names")
    share = Stock(tickers[0])
    try:
        quote = call.desk.market.quotes([share]).get(share)
    except DataError as problem:
        return "Data", (False, str(problem))
    if quote is None:
        closed = not call.desk.sessions.is_open(call.desk.now())
        return "Data", (closed, f"{call.desk.market.name}: no quote of {share} now")
    age = words.age((call.desk.now() - quote.at).total_seconds())
    return "Data", (True, f"{quote.source}, {share} {age} old")


def _universe(call: Call) -> Part:
    """The names that are scanned, and who named them."""
    desk = call.desk
    by = "[desk] universe" if desk.universe else desk.market.name
    return "Universe", (bool(desk.tickers), f"{words.count(len(desk.tickers), 'name')}, from {by}")


def _store(call: Call) -> Part:
    with call.desk.store.read() as work:
        open_orders, pending = len(work.open_orders()), len(work.pending_approvals())
    waiting = f"{words.count(open_orders, 'open order')}, {words.count(pending, 'proposal')} waiting"
    return "Database", (True, f"revision {call.desk.store.revision()}; {waiting}")


def _halt(call: Call) -> Part:
    with call.desk.store.read() as work:
        standing = halts.current(work)
    return "Entries", (True, "allowed" if standing is None else standing.words)


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
