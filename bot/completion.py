"""What could come next on a half-typed command line: for the page's completion box and the platforms' autocomplete."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from bot.catalogue import COMMANDS
from bot.command import Command, Kind, Parameter, Room
from bot.gate import may, readable, turned_away
from bot.message import Request
from bot.parse import DAYS
from bot.people import User
from bot.wishes import suggestions
from engine.envelopes import words_of
from engine.errors import Denied
from engine.model.limits import SETTABLE

WISH = COMMANDS["settings"].parameters[1]
EXPIRY = next(each for each in COMMANDS["chain"].parameters if each.name == "expiry")
SUGGESTED = frozenset({"alert", "command", "id", "job", "limit", "lock", "what"})
"""The free texts that `candidates` knows something for."""
MOST = 25
"""Discord shows at most 25 choices."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One suggestion: `text` replaces the word being typed, `summary` explains it."""

    text: str
    summary: str = ""


def complete(room: Room, identity: str, line: str, groups: Iterable[str] = ()) -> tuple[Completion, ...]:
    """Suggestions for the last word of `line`; none for somebody who may not give the command, who is counted."""
    words = line.split()
    if line.endswith(" ") or not words:
        words.append("")
    request = readable(Request(identity, line, groups=tuple(groups)))
    try:
        user = room.people.who(request.identity, request.groups)
    except Denied as refusal:
        turned_away(room, request, "", str(refusal))
        return ()
    if len(words) == 1:
        return _commands(user, words[0])
    return _of_command(room, request, words)


def suggest(room: Room, request: Request, name: str, typed: str) -> tuple[Completion, ...]:
    """Suggestions for the option `name` of the command that is the request's text, on platforms with a field for each;
    what was typed may stand anywhere in a suggestion. None for somebody who may not give the command, who is counted.
    """
    command = COMMANDS.get(request.text.lstrip("/"))
    parameter = next((each for each in command.parameters if each.name == name), None) if command else None
    if command is None or parameter is None or not _is_let_in(room, request, command):
        return ()
    before, space, last = typed.rpartition(" ") if parameter.many else ("", "", typed)
    given = dict(request.options)
    found = _of_another(room, parameter, given.get("setting", "") or given.get("ticker", ""))
    fits = (item for item in found if last.lower() in f"{item.text} {item.summary}".lower())
    return tuple(Completion(f"{before}{space}{item.text}", item.summary) for item in islice(fits, MOST))


def is_suggested(parameter: Parameter) -> bool:
    """Whether there is ever something to suggest for it."""
    return parameter.kind is not Kind.TEXT or parameter.name in SUGGESTED or parameter is WISH


def _of_command(room: Room, request: Request, words: list[str]) -> tuple[Completion, ...]:
    command = COMMANDS.get(words[0].lstrip("/").lower())
    if command is None or not _is_let_in(room, request, command):
        return ()
    return _values(room, command, words[1:])


def _is_let_in(room: Room, request: Request, command: Command) -> bool:
    try:
        may(room, request.identity, request.groups, command)
    except Denied as refusal:
        turned_away(room, request, command.name, str(refusal))
        return False
    return True


def _commands(user: User, prefix: str) -> tuple[Completion, ...]:
    start = prefix.lstrip("/").lower()
    fits = (
        Completion(f"/{command.name}", command.summary)
        for command in COMMANDS.values()
        if not command.is_button and user.role.covers(command.role) and command.name.startswith(start)
    )
    return tuple(fits)[:MOST]


def _values(room: Room, command: Command, words: list[str]) -> tuple[Completion, ...]:
    parameter = _parameter(command, len(words) - 1)
    if parameter is None:
        return ()
    prefix = words[-1].lower()
    found = _of_another(room, parameter, words[0])
    return tuple(item for item in found if _begins(item.text.lower(), prefix))[:MOST]


def _begins(text: str, prefix: str) -> bool:
    """Whether the text, or the city of a time zone, begins so."""
    return text.startswith(prefix) or text.rpartition("/")[2].startswith(prefix)


def _of_another(room: Room, parameter: Parameter, first: str) -> Iterable[Completion]:
    """Everything it could be now, where that depends on the value given `first`: a setting, a ticker."""
    if parameter is WISH:
        return _wishes(first)
    if parameter is EXPIRY:
        return _expiries(room, first) or candidates(room, parameter)
    return candidates(room, parameter)


def _expiries(room: Room, ticker: str) -> list[Completion]:
    """The listed expiries of a name whose chain was looked at: what is asked of a provider would come too late."""
    today = room.desk.today
    known = room.listed.expiries(ticker.lstrip("$").upper(), today)
    return [Completion(day.isoformat(), f"{day:%a}, {(day - today).days} days") for day in known]


def _wishes(setting: str) -> list[Completion]:
    """What could be wished for, by the setting named before it."""
    return [Completion(text) for text in suggestions(setting.lower())]


def _parameter(command: Command, index: int) -> Parameter | None:
    """The parameter the word at `index` belongs to; the last one takes the rest when it may."""
    parameters = command.parameters
    if index < len(parameters):
        return parameters[index]
    return parameters[-1] if parameters and parameters[-1].many else None


def candidates(room: Room, parameter: Parameter) -> Iterable[Completion]:
    """Everything the parameter could be now."""
    desk = room.desk
    match parameter.kind:
        case Kind.TICKER:
            return [Completion(ticker) for ticker in desk.tickers]
        case Kind.STRATEGY:
            return [Completion(name, strategy.title) for name, strategy in desk.strategies.items()]
        case Kind.CHOICE:
            return [Completion(choice) for choice in parameter.choices]
        case Kind.DATE:
            return [Completion(day) for day in ("today", *DAYS[:5])]
        case Kind.POSITION | Kind.APPROVAL | Kind.TICKET | Kind.ENVELOPE | Kind.ALERT:
            return _stored(room, parameter.kind)
        case Kind.SLEEPER:
            return [*_stored(room, Kind.APPROVAL), *_stored(room, Kind.ALERT)]
        case Kind.TEXT if parameter.name == "id":
            return [*_stored(room, Kind.POSITION), *_stored(room, Kind.APPROVAL)]
        case Kind.TEXT if parameter.name == "alert":
            return [Completion("history", "the latest, open or over"), *_stored(room, Kind.ALERT)]
        case Kind.TEXT if parameter.name == "what":
            names = ("desk", *desk.strategies, *desk.tickers)
            return [Completion(name) for name in names]
        case Kind.TEXT if parameter.name == "job":
            standings = () if room.jobs is None else room.jobs.standings()
            return [Completion(each.job.name, each.job.schedule.words) for each in standings]
        case Kind.TEXT if parameter.name == "limit":
            return [Completion(name) for name in SETTABLE]
        case Kind.TEXT if parameter.name == "lock":
            with desk.store.read() as work:
                return [Completion(lock.id, lock.reason) for lock in work.held_locks()]
        case Kind.TEXT if parameter.name == "command":
            return [Completion(c.name, c.summary) for c in COMMANDS.values() if not c.is_button]
    return []


def _stored(room: Room, kind: Kind) -> list[Completion]:
    with room.desk.store.read() as work:
        if kind is Kind.POSITION:
            return [Completion(p.id, f"{p.ticker} {p.structure}") for p in work.open_positions()]
        if kind is Kind.APPROVAL:
            return [
                Completion(a.key, f"{a.plan.signal.ticker} {a.plan.signal.strategy}") for a in work.pending_approvals()
            ]
        if kind is Kind.ALERT:
            return [Completion(a.id, a.name) for a in work.open_alerts()]
        if kind is Kind.ENVELOPE:
            return [Completion(e.id, words_of(e)) for e in work.open_envelopes()]
        return [Completion(t.id, f"{t.ticker} {t.reason}") for t in work.open_tickets()]
