"""The one gate: a request comes in, the *person* is authorised, the words are read, the command runs, errors are told.

Every platform, the command line and the simulated person of a replay come through here. An acting request runs once
per update id and leaves a COMMAND event; a refused one leaves a DENIED event.
"""

from __future__ import annotations

import hashlib
import traceback
from dataclasses import replace

import structlog

from bot.catalogue import COMMANDS
from bot.command import Call, Command, Kind, Parameter, Place, Pool, Reply, Room, Tell, unheard
from bot.message import Card, Request, Tone
from bot.parse import command_of, split_request, values_of
from bot.people import User
from bot.proposal import proposal_card, story
from engine import trail
from engine.errors import AlreadyDecided, BadRequest, Denied, DeskError, NotFound
from engine.model.events import Event, EventKind, Severity
from engine.store import UnitOfWork

log = structlog.get_logger()

IDENTIFIERS = frozenset({Kind.APPROVAL, Kind.POSITION, Kind.TICKET, Kind.ENVELOPE, Kind.ROLL})

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Letters and digits nobody confuses when reading a reference aloud."""


async def dispatch(room: Room, request: Request, tell: Tell = unheard) -> Reply:
    """The answer to one request; never raises for what a person did. Long work says to `tell` how far it has come."""
    return await room.run(_pool(request), lambda: answer(room, request, tell))


def _pool(request: Request) -> Pool:
    try:
        word, _ = split_request(request.text, request.action)
        return command_of(word, COMMANDS).pool
    except BadRequest:
        return Pool.LOOK


def answer(room: Room, request: Request, tell: Tell = unheard) -> Reply:
    """`dispatch` without the event loop: the work itself, in the caller's thread."""
    try:
        return _answer(room, request, tell)
    except Exception as bug:  # noqa: BLE001 - the last line of defence: logged with its traceback, answered with a reference
        return _broken(room, request, bug)


def _answer(room: Room, request: Request, tell: Tell) -> Reply:
    """The answer, with every expected error told in words."""
    try:
        user, command, words = _admitted(room, request)
    except Denied as refusal:
        _record_denial(room, request, str(refusal))
        return _told(room, refusal, "not allowed", "Not allowed")
    except BadRequest as mistake:
        return _told(room, mistake, "bad request", "That did not work")
    try:
        return _done(room, request, user, command, words, tell)
    except Denied as refusal:
        _record_denial(room, request, str(refusal))
        return _told(room, refusal, "not allowed", "Not allowed")
    except DeskError as problem:
        if command.acts:
            _record(room, request, EventKind.REFUSED, str(problem), user.name)
        return _explained(room, request, command, words, problem)


def _explained(room: Room, request: Request, command: Command, words: list[str], problem: DeskError) -> Reply:
    """What a person is told when the command they may give could not be done."""
    if isinstance(problem, AlreadyDecided):
        return _lost(room, request, command, words, problem)
    if isinstance(problem, BadRequest | NotFound):
        return _told(room, problem, "bad request", "That did not work")
    log.warning("command.failed", command=command.name, problem=str(problem), kind=type(problem).__name__)
    return _told(room, problem, "failed", "That did not work")


def _admitted(room: Room, request: Request) -> tuple[User, Command, list[str]]:
    """Who it is, and the command and words they may use.

    Raises:
        Denied: nobody on the list, or not their role. BadRequest: no such command.
    """
    user = room.people.who(request.identity, request.groups)
    word, words = split_request(request.text, request.action)
    command = command_of(word, COMMANDS)
    if not user.role.covers(command.role):
        raise Denied(f"/{command.name} needs the role {command.role}; {user.name} is a {user.role}.")
    return user, command, words


def _done(room: Room, request: Request, user: User, command: Command, words: list[str], tell: Tell) -> Reply:
    values = values_of(command, words, room.desk, request.options)
    call = Call(room.for_command(command), user, request, values, tell)
    if command.acts and not _record_act(call, command):
        return Reply((), command.place)
    cards = command.handler(call)
    return Reply(cards if isinstance(cards, tuple) else (cards,), command.place)


def _record_act(call: Call, command: Command) -> bool:
    """Write the audit line of an acting request; False when this update was handled before."""
    desk, request = call.desk, call.request
    with desk.store.begin() as work:
        if request.source and not work.first_time(request.source, desk.now()):
            log.info("command.repeated", source=request.source, command=command.name)
            return False
        work.add_event(_act(work, call, command))
    return True


def _act(work: UnitOfWork, call: Call, command: Command) -> Event:
    """Who did what where, in the words they used; correlated with the trade it is about."""
    desk, request = call.desk, call.request
    about = next((call.text(p.name) for p in command.parameters if _names_something(p, call.text(p.name))), "")
    data = {
        "raw": request.raw,
        "command": command.name,
        "identity": request.identity,
        "source": request.source,
        "chat": request.chat,
    }
    return desk.event(
        EventKind.COMMAND,
        about or command.name,
        data,
        correlation=trail.thread(work, about) or about.partition(".")[0],
        actor=call.user.name,
    )


def _names_something(parameter: Parameter, text: str) -> bool:
    """Whether the value is an id: of a kind the gate knows, or a text that looks like one."""
    return parameter.kind in IDENTIFIERS or (parameter.kind is Kind.TEXT and trail.ID.fullmatch(text) is not None)


def _record_denial(room: Room, request: Request, why: str) -> None:
    log.warning("command.denied", identity=request.identity, raw=_raw(request))
    _record(room, request, EventKind.DENIED, why)


def _raw(request: Request) -> str:
    return request.raw[:200]


def _record(room: Room, request: Request, kind: EventKind, why: str, by: str = "desk") -> None:
    """Write down that somebody wanted something and why it was not done, with the trade it was about."""
    desk, severity = room.desk, Severity.WARNING if kind is EventKind.DENIED else Severity.INFO
    data = {"raw": _raw(request), "identity": request.identity, "why": why}
    with desk.store.begin() as work:
        about = trail.named_in(work, _raw(request))
        who = request.identity
        event = desk.event(kind, who, data, severity, correlation=about, actor=by)
        work.add_event(event)


def _told(room: Room, problem: DeskError, kind: str, title: str) -> Reply:
    tone = Tone.BAD if kind in {"failed", "not allowed"} else Tone.WARNING
    return Reply((Card(title, tone, (str(problem),), banner=room.banner()),), Place.NEW, kind)


def _lost(room: Room, request: Request, command: Command, words: list[str], late: AlreadyDecided) -> Reply:
    """Who was first, and the proposal's card as it stands since."""
    told = _told(room, late, "already decided", "Nothing was changed")
    values = values_of(command, words, room.desk, request.options)
    names = [str(values[p.name]) for p in command.parameters if p.kind is Kind.APPROVAL and p.name in values]
    with room.desk.store.read() as work:
        stories = [story(work, work.approval(name.partition(".")[0])) for name in names]
    cards = (proposal_card(now, room.desk.now(), room.banner()) for now in stories)
    return replace(told, cards=(*told.cards, *cards))


def _broken(room: Room, request: Request, bug: Exception) -> Reply:
    """A bug: the person gets a reference, the log has it with the traceback, the audit trail as an ERROR event."""
    trace = "".join(traceback.format_exception(bug))
    ref = reference(trace, request)
    log.error("command.broken", ref=ref, raw=_raw(request), exc_info=bug)
    _record_bug(room, request, ref)
    card = Card("Something broke here", Tone.BAD, (f"Something broke here (ref {ref}).",), banner=room.banner())
    return Reply((card,), Place.NEW, "broken", ref)


def _record_bug(room: Room, request: Request, ref: str) -> None:
    desk = room.desk
    data = {"ref": ref, "raw": _raw(request), "identity": request.identity}
    event = desk.event(EventKind.ERROR, ref, data, Severity.WARNING)
    try:
        with desk.store.begin() as work:
            work.add_event(event)
    except Exception as second:
        log.error("command.broken.unrecorded", ref=ref, exc_info=second)


def reference(trace: str, request: Request) -> str:
    """Four characters that a person can read out and the log can be searched for."""
    digest = hashlib.sha256(f"{trace}|{request.source}|{request.raw}".encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:4])
