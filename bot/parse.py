"""From what a person typed or tapped to a command and its typed values; errors name the word and the nearest."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from bot.command import Command, Kind, Parameter, Value
from engine.desk import Desk
from engine.errors import BadRequest, NotFound
from engine.model.instruments import stock

WORDS = re.compile(r'"([^"]*)"|“([^”]*)”|(\S+)')
NAMED = re.compile(r"([A-Za-z_]+)[=:](.*)", re.DOTALL)
APPROVAL = re.compile(r"[A-Z][0-9][0-9A-Z]*(\.[0-9]{1,9})?", re.ASCII)
"""An id as a desk makes them: a letter, a digit, then any (`A00004`, `A0VAAC2J`, `A0VAAC2J.1`)."""
ROLL = re.compile(r"R[A-Z0-9]+(\.[0-9]{1,9}){2}")
LONE_COMMA = re.compile(r"^[^,.]*,[0-9]{1,2}$")
"""`1,05`: read as thousands it would be a hundred times the price that is meant."""
LONGEST_ECHO = 40
LONGEST_TEXT = 600
LONGEST_VALUE = 100
MOST_DIGITS = 20
"""Digits before or after the point of a number that somebody means."""
SKIPPED = frozenset({Kind.CHOICE, Kind.DECIMAL, Kind.INT, Kind.MINUTES})
VALUES = frozenset({Kind.DATE, Kind.DECIMAL, Kind.INT, Kind.MINUTES})
SPAN = re.compile(r"([0-9]{1,6}) ?(|m|min|mins|minutes?|h|hours?|d|days?)")
MINUTES_IN = {"h": 60, "d": 24 * 60}
"""By the first letter of a unit; minutes without one."""

MEANT: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("stop", "pause"), "halt"),
        "freeze": "panic freeze",
        "flatten": "panic flatten",
        **dict.fromkeys(("undo", "abort"), "cancel"),
        **dict.fromkeys(("sell", "exit"), "close"),
        **dict.fromkeys(("yes", "ok", "no", "buy"), "proposals"),
        **dict.fromkeys(("portfolio", "holdings", "held"), "positions"),
        **dict.fromkeys(("cash", "balance"), "account"),
        **dict.fromkeys(("profit", "p&l", "pl"), "pnl"),
        **dict.fromkeys(("price", "spot"), "quote"),
        **dict.fromkeys(("greeks", "var"), "risk"),
    }
)
"""What a person in a hurry types -> the command that does it; no spelling is near enough to find these."""


def words_of(text: str) -> list[str]:
    """The words of a line; quoted ones may hold spaces.

    >>> words_of('/halt "too wild today" now')
    ['/halt', 'too wild today', 'now']
    """
    return [next(part for part in match if part) if any(match) else "" for match in WORDS.findall(text)]


def nearest(word: str, known: Iterable[str], sign: str = "") -> str:
    """` Did you mean x?`, or nothing when no known word is near; the same first letter goes before others.

    >>> nearest("postions", ["positions", "orders"], "/")
    ' Did you mean /positions?'
    >>> nearest("pos", ["proposals", "positions", "orders"], "/")
    ' Did you mean /positions?'
    >>> nearest("APPL", ["AAPL", "PYPL"])
    ' Did you mean AAPL?'
    """
    by_lower = {item.lower(): item for item in known}
    begun = [item for item in by_lower if len(word) > 1 and item.startswith(word.lower())]
    if begun:
        return f" Did you mean {sign}{by_lower[min(begun, key=len)]}?"
    close = difflib.get_close_matches(word.lower(), sorted(by_lower), n=3, cutoff=0.6)
    if not close:
        return ""
    best = next((item for item in close if item[:1] == word[:1].lower()), close[0])
    return f" Did you mean {sign}{by_lower[best]}?"


def clipped(text: str) -> str:
    """What a person said, short enough to be said back.

    >>> clipped("x" * 50) == "x" * 40 + "…"
    True
    """
    return text if len(text) <= LONGEST_ECHO else f"{text[:LONGEST_ECHO]}…"


def command_of(word: str, commands: Mapping[str, Command]) -> Command:
    """The command called `word` ("/risk", "risk", "/risk@my_bot").

    Raises:
        BadRequest: there is none; the nearest is suggested.
    """
    name = word.lstrip("/").split("@")[0].lower()
    if name not in commands:
        typed = [known for known, command in commands.items() if not command.is_button]
        meant = f" Did you mean /{MEANT[name]}?" if name in MEANT else nearest(name, typed, "/")
        raise BadRequest(f"“{clipped(word)}” is not a command.{meant} /help lists them all.")
    return commands[name]


def split_request(text: str, action: str) -> tuple[str, list[str]]:
    """(command word, other words) of a typed line or a button's `verb:rest`.

    Raises:
        BadRequest: there is nothing in it.
    """
    if action:
        verb, _, rest = action.partition(":")
        return verb, rest.split()
    words = words_of(text)
    if not words:
        raise BadRequest("There is no command in that. /help lists them all.")
    return words[0], words[1:]


def values_of(
    command: Command, words: list[str], desk: Desk, options: Iterable[tuple[str, str]] = ()
) -> dict[str, Value]:
    """The values of a command's parameters: in order, as `name=value`, or given by name in `options`.

    Raises:
        BadRequest, NotFound: a word is missing, too many, or not what the parameter takes.
    """
    named, plain = _sorted_out(command, words)
    named |= _options(command, options)
    values: dict[str, Value] = {}
    for parameter in command.parameters:
        plain = _without_name(parameter, plain)
        if parameter.name in named:
            values[parameter.name] = _one(parameter, named[parameter.name], desk)
        elif parameter.rest and plain:
            values[parameter.name], plain = _read(parameter, " ".join(plain), desk), []
        elif parameter.many and plain:
            parts = [part for word in plain for part in word.split(",") if part]
            values[parameter.name], plain = tuple(str(_read(parameter, part, desk)) for part in parts), []
        elif plain and not _is_left_out(command, parameter, plain[0]):
            values[parameter.name] = _read(parameter, plain.pop(0), desk)
        elif parameter.required:
            raise BadRequest(f"/{command.name} needs {parameter.name}: {parameter.summary}. Usage: {command.usage}")
    if plain:
        raise BadRequest(f"“{clipped(plain[0])}” is one word too many. Usage: {command.usage}")
    return values


def _without_name(parameter: Parameter, words: list[str]) -> list[str]:
    """The words without a parameter's name that stands before its value: `until friday`, `max_risk 2000`."""
    if parameter.kind not in VALUES or len(words) < 2 or words[0].lower() != parameter.name:
        return words
    is_value = words[1][:1].isdigit() or words[1][:1] == "$" or _named_day(words[1], date.min) is not None
    return words[1:] if is_value else words


def _is_left_out(command: Command, parameter: Parameter, word: str) -> bool:
    """Whether an optional word was skipped: what stands there can only be meant for a later parameter.

    A number or a date in place of a choice, where a date may follow; a ticker in capitals, where tickers may follow;
    a word that is no day in place of a date, where free text may follow; a later parameter's choice.
    """
    if parameter.required or word.lower() in parameter.choices:
        return False
    later = command.parameters[command.parameters.index(parameter) + 1 :]
    if any(word.lower() in other.choices for other in later):
        return True
    if parameter.kind is Kind.DATE and any(other.rest for other in later):
        return not word[:1].isdigit() and _named_day(word, date.min) is None
    kinds = {other.kind for other in later} if parameter.kind in SKIPPED else set()
    if Kind.DATE in kinds and parameter.kind is Kind.CHOICE:
        return word[:1].isdigit()
    return Kind.TICKER in kinds and word.isupper()


def _sorted_out(command: Command, words: list[str]) -> tuple[dict[str, str], list[str]]:
    """(values given by name, the other words)."""
    names = [parameter.name for parameter in command.parameters]
    takes_text = any(parameter.rest for parameter in command.parameters)
    named: dict[str, str] = {}
    plain: list[str] = []
    for word in words:
        match = NAMED.fullmatch(word)
        if match is None or (takes_text and match[1].lower() not in names):
            plain.append(word)
        elif match[1].lower() in names:
            named[match[1].lower()] = match[2]
        else:
            raise BadRequest(
                f"/{command.name} has no option “{clipped(match[1])}”.{nearest(match[1], names)} Usage: {command.usage}"
            )
    return named, plain


def _options(command: Command, options: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The values that came by name from a platform's own fields; what was left empty was not given."""
    names = [parameter.name for parameter in command.parameters]
    given = {name: value.strip() for name, value in options if value.strip()}
    unknown = next((name for name in given if name not in names), None)
    if unknown is not None:
        raise BadRequest(
            f"/{command.name} has no option “{clipped(unknown)}”.{nearest(unknown, names)} Usage: {command.usage}"
        )
    return given


def _one(parameter: Parameter, word: str, desk: Desk) -> Value:
    if not word:
        raise BadRequest(f"{parameter.name}= has no value: {parameter.summary}.")
    if parameter.many:
        return tuple(str(_read(parameter, part, desk)) for part in word.replace(",", " ").split())
    return _read(parameter, word, desk)


def _read(parameter: Parameter, word: str, desk: Desk) -> Value:
    if parameter.kind is not Kind.TEXT and len(word) > LONGEST_VALUE:
        raise BadRequest(
            f"{parameter.name}: “{clipped(word)}” is too long for a {parameter.kind}: {parameter.summary}."
        )
    return READERS[parameter.kind](parameter, word, desk)


def _ticker(parameter: Parameter, word: str, desk: Desk) -> str:
    del parameter
    ticker = stock(word).ticker
    known = desk.market.universe()
    if known and desk.market.is_bounded and ticker not in known and ticker not in desk.tickers:
        raise NotFound(f"“{clipped(word)}” is not a ticker the {desk.market.name} data knows.{nearest(ticker, known)}")
    return ticker


def _strategy(parameter: Parameter, word: str, desk: Desk) -> str:
    del parameter
    report = desk.reports.get(word.lower())
    if report is not None:
        raise BadRequest(report.words)
    if word.lower() not in desk.strategies:
        raise NotFound(
            f"“{clipped(word)}” is not a strategy here.{nearest(word, desk.strategies)} {_list(desk.strategies)}"
        )
    return word.lower()


def _list(names: Iterable[str]) -> str:
    return "There " + (f"are {', '.join(names)}." if names else "are none enabled.")


def _approval(parameter: Parameter, word: str, desk: Desk) -> str:
    del desk
    text = word.strip().upper()
    if not APPROVAL.fullmatch(text):
        or_alert = ", or N00012 of an alert" if parameter.kind is Kind.SLEEPER else ""
        raise BadRequest(
            f"“{clipped(word)}” is not a {parameter.kind}: expected one such as A00004 or A00004.1{or_alert}."
        )
    return text


def _alert(parameter: Parameter, word: str, desk: Desk) -> str:
    del desk
    text = word.strip().upper()
    if "." in text or not APPROVAL.fullmatch(text):
        raise BadRequest(
            f"“{clipped(word)}” is not an {parameter.kind}: expected one such as N00012. /alerts lists them."
        )
    return text


def _roll(parameter: Parameter, word: str, desk: Desk) -> str:
    del desk
    text = word.strip().upper()
    if not ROLL.fullmatch(text):
        raise BadRequest(f"“{clipped(word)}” names no way to roll: expected a {parameter.kind} such as R00012.1.0.")
    return text


def _position(parameter: Parameter, word: str, desk: Desk) -> str:
    del parameter
    text = word.strip().upper()
    with desk.store.read() as work:
        if work.find_position(text) is None:
            held = [position.id for position in work.open_positions()]
            raise NotFound(f"There is no position “{clipped(word)}”.{nearest(text, held)} /positions lists them.")
    return text


def _ticket(parameter: Parameter, word: str, desk: Desk) -> str:
    """An order by its id in any case; an ended one is left to whoever asks about it."""
    del parameter
    with desk.store.read() as work:
        known = [ticket.id for ticket in (*work.open_tickets(), *work.tickets(limit=200))]
    found = {ticket.lower(): ticket for ticket in known}.get(word.strip().lower())
    if found is None:
        raise NotFound(f"There is no order “{clipped(word)}”.{nearest(word, known)} /orders lists them.")
    return found


def _whole(parameter: Parameter, word: str, desk: Desk) -> int:
    del desk
    try:
        number = int(word.replace(",", ""))
    except ValueError as error:
        raise BadRequest(
            f"{parameter.name}: “{clipped(word)}” is not a whole number. It is {parameter.summary}."
        ) from error
    _bounded(parameter, word, Decimal(number))
    return number


def _minutes(parameter: Parameter, word: str, desk: Desk) -> int:
    """`90`, `90m`, `2h`, in minutes."""
    del desk
    found = SPAN.fullmatch(word.lower())
    if found is None:
        raise BadRequest(f"{parameter.name}: “{clipped(word)}” is no length of time: write minutes, such as 90, or 2h.")
    number = int(found[1]) * MINUTES_IN.get(found[2][:1], 1)
    _bounded(parameter, word, Decimal(number))
    return number


def _decimal(parameter: Parameter, word: str, desk: Desk) -> Decimal:
    del desk
    if LONE_COMMA.search(word):
        raise BadRequest(f"{parameter.name}: write “{clipped(word)}” with a point, such as {word.replace(',', '.')}.")
    try:
        number = Decimal(word.replace(",", "").lstrip("$"))
    except InvalidOperation as error:
        raise BadRequest(f"{parameter.name}: “{clipped(word)}” is not a number. It is {parameter.summary}.") from error
    if not number.is_finite() or abs(number.adjusted()) > MOST_DIGITS:
        raise BadRequest(f"{parameter.name}: “{clipped(word)}” is not a number. It is {parameter.summary}.")
    _bounded(parameter, word, number)
    return number


def _bounded(parameter: Parameter, word: str, number: Decimal) -> None:
    if parameter.low is not None and number < parameter.low:
        raise BadRequest(f"{parameter.name}: “{clipped(word)}” is too small, the least is {parameter.low}.")
    if parameter.high is not None and number > parameter.high:
        raise BadRequest(f"{parameter.name}: “{clipped(word)}” is too large, the most is {parameter.high}.")


def _choice(parameter: Parameter, word: str, desk: Desk) -> str:
    del desk
    if word.lower() not in parameter.choices:
        known = " or ".join(parameter.choices)
        raise BadRequest(f"{parameter.name}: “{clipped(word)}” should be {known}.{nearest(word, parameter.choices)}")
    return word.lower()


def _envelope(parameter: Parameter, word: str, desk: Desk) -> str:
    del parameter
    with desk.store.read() as work:
        return work.envelope(word.strip().upper()).id


NEXT: Mapping[str, int] = MappingProxyType({"today": 0, "tomorrow": 1})
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _named_day(word: str, today: date) -> date | None:
    """The day that `today`, `tomorrow`, `friday` or `fri` means; None for any other word."""
    named = word.lower()
    if named in NEXT:
        return today + timedelta(days=NEXT[named])
    found = [place for place, day in enumerate(DAYS) if len(named) > 2 and day.startswith(named)]
    return today + timedelta(days=(found[0] - today.weekday()) % 7) if found else None


def _date(parameter: Parameter, word: str, desk: Desk) -> date:
    """A date as it is written, or `today`, or the next day of that name (today when it is one), cut short or not."""
    named = _named_day(word, desk.today)
    if named is not None:
        return named
    try:
        return date.fromisoformat(word)
    except ValueError as error:
        known = nearest(word, DAYS) if word.isalpha() else ""
        raise BadRequest(
            f"{parameter.name}: “{clipped(word)}” is not a date: expected YYYY-MM-DD, today or friday.{known}"
        ) from error


def _text(parameter: Parameter, word: str, desk: Desk) -> str:
    del desk
    if len(word) > LONGEST_TEXT:
        raise BadRequest(f"{parameter.name}: {len(word):,} characters are too many, the most are {LONGEST_TEXT}.")
    return word


READERS: Mapping[Kind, Callable[[Parameter, str, Desk], Value]] = {
    Kind.TICKER: _ticker,
    Kind.STRATEGY: _strategy,
    Kind.POSITION: _position,
    Kind.APPROVAL: _approval,
    Kind.TICKET: _ticket,
    Kind.ROLL: _roll,
    Kind.ENVELOPE: _envelope,
    Kind.ALERT: _alert,
    Kind.SLEEPER: _approval,
    Kind.INT: _whole,
    Kind.MINUTES: _minutes,
    Kind.DECIMAL: _decimal,
    Kind.CHOICE: _choice,
    Kind.DATE: _date,
    Kind.TEXT: _text,
}
