"""The one gate: a request comes in, the *person* is authorised, the words are read, the command runs, errors are told.

Every platform, the command line and the simulated person of a replay come through here. An acting request runs once
per update id and leaves a COMMAND event, or a REFUSED one with what the person was told. Who may not is counted and
written down (`bot.gate`).

What acts must be fresh. A request that has been on its way for longer than `Room.max_age` is not carried out: prices,
positions and intentions have moved on. The answer offers it anew. Only what leaves the account no less safe than it
was goes through at any age (`Command.is_safe_late`): a halt, a panic (freezing at once; flattening only asks), a lock,
a disabled strategy, a rejection, a revoked envelope, a note, one's own settings, the stop of a scan. Closing and
canceling are not among them: late, they can take off what was put on since.
"""

from __future__ import annotations

import hashlib
import traceback
from dataclasses import replace

import structlog
from structlog.contextvars import bound_contextvars

from bot import words as say
from bot.cards.alerts import is_alert, is_position, told_of
from bot.carry import carried_out, fits, line_of
from bot.catalogue import COMMANDS
from bot.command import Call, Command, Kind, Parameter, Place, Pool, Reply, Room, Tell, unheard
from bot.forms import form_of
from bot.gate import KEPT, may, readable, turned_away
from bot.message import Button, Card, Request, Tone
from bot.parse import clipped, command_of, split_request, values_of
from bot.people import User
from bot.personal import personal, told_to
from bot.preferences import Preferences, preferences_of
from bot.proposal import proposal_card, story
from engine import meters, trail
from engine.errors import AlreadyDecided, BadRequest, Canceled, Denied, DeskError, LeaseLost, NotFound
from engine.model.events import Event, EventKind, Severity
from engine.redaction import clean
from engine.store import UnitOfWork

log = structlog.get_logger()

IDENTIFIERS = frozenset({Kind.APPROVAL, Kind.POSITION, Kind.TICKET, Kind.ENVELOPE, Kind.ROLL, Kind.ALERT, Kind.SLEEPER})

HAVE_CARDS = frozenset({Kind.APPROVAL, Kind.ALERT, Kind.SLEEPER})
"""What is shown as it stands to whoever came too late."""

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
    request = readable(request)
    with bound_contextvars(request=request.source):
        return _answered(room, request, tell)


def _answered(room: Room, request: Request, tell: Tell) -> Reply:
    try:
        room.desk.term.check()
        return _answer(room, request, tell)
    except LeaseLost as lost:
        return _told(room, lost, "failed", "Not done here")
    except Exception as bug:  # noqa: BLE001 - the last line of defence: logged with its traceback, answered with a reference
        return _broken(room, request, bug)


def _answer(room: Room, request: Request, tell: Tell) -> Reply:
    """The answer, with every expected error told in words."""
    try:
        user, command, words = _admitted(room, request)
    except Denied as refusal:
        return _denied(room, request, refusal)
    except BadRequest as mistake:
        return _told(room, mistake, "bad request", "That did not work")
    try:
        return _done(room, request, user, command, words, tell)
    except Denied as refusal:
        return _denied(room, request, refusal)
    except DeskError as problem:
        if command.acts:
            _record_refusal(room, request, str(problem), user.name)
        return _explained(room, request, command, words, problem)


def _denied(room: Room, request: Request, refusal: Denied) -> Reply:
    turned_away(room, request, _wanted(room, request), str(refusal))
    return _told(room, refusal, "not allowed", "Not allowed")


def _wanted(room: Room, request: Request) -> str:
    """The name of the command a person on the list wanted; "" for a stranger, whatever it was."""
    try:
        room.people.who(request.identity, request.groups)
        return command_of(split_request(request.text, request.action)[0], COMMANDS).name
    except DeskError:
        return ""


def _explained(room: Room, request: Request, command: Command, words: list[str], problem: DeskError) -> Reply:
    """What a person is told when the command they may give could not be done."""
    if isinstance(problem, AlreadyDecided):
        return _lost(room, request, command, words, problem)
    if isinstance(problem, Canceled):
        return _told(room, problem, "stopped", "Stopped")
    if isinstance(problem, BadRequest | NotFound):
        return _told(room, problem, "bad request", "That did not work")
    meters.erred(type(problem).__name__)
    log.warning("command.failed", command=command.name, problem=str(problem), kind=type(problem).__name__)
    return _told(room, problem, "failed", "That did not work")


def _admitted(room: Room, request: Request) -> tuple[User, Command, list[str]]:
    """Who it is, and the command and words they may use.

    Raises:
        Denied: nobody on the list, or not their role. BadRequest: no such command.
    """
    room.people.who(request.identity, request.groups)
    word, words = split_request(request.text, request.action)
    command = command_of(word, COMMANDS)
    return may(room, request.identity, request.groups, command), command, words


def _done(room: Room, request: Request, user: User, command: Command, words: list[str], tell: Tell) -> Reply:
    values = values_of(command, words, room.desk, request.options)
    call = Call(room.for_command(command), user, request, values, tell)
    if command.acts and not command.is_safe_late and (request.age or 0.0) > room.max_age:
        return _too_late(call, command, words)
    if command.acts and not _record_act(call, command):
        return Reply((), command.place)
    return Reply(_as_wished(call, command, words), command.place)


def _as_wished(call: Call, command: Command, words: list[str]) -> tuple[Card, ...]:
    """The cards in the person's own time zone and length."""
    own = _wishes(call, command)
    with told_to(own):
        cards = carried_out(call, command, words)
    return tuple(personal(card, own) for card in cards)


def _wishes(call: Call, command: Command) -> Preferences:
    """What the person set for themselves; the desk's own for a card that others see too, and for whoever has none."""
    is_shared = command.acts and command.place is Place.SAME and not command.is_private
    if is_shared or call.request.identity not in call.room.people.by_identity:
        return Preferences()
    with call.desk.store.read() as work:
        return preferences_of(work, call.user.name)


def _too_late(call: Call, command: Command, words: list[str]) -> Reply:
    """What was asked, how long ago, and a way to have it done now; nothing at all for what was handled in time."""
    room, request = call.room, call.request
    told = (
        f"“{clipped(request.raw)}” took {say.age(request.age or 0.0)} to get here, and what acts may take "
        f"{say.age(room.max_age)} at most: the market may have moved on. Nothing was done."
    )
    with room.desk.store.begin() as work:
        if request.source and not work.first_time(request.source, room.desk.now()):
            return Reply((), command.place)
        work.add_event(_refusal(work, room, request, told, call.user.name))
    again = _again(request, command, words)
    how = "If you still want it, the button does it now." if again else "If you still want it, send it again."
    buttons = ((Button("Do it now", again, Tone.ASK),),) if again else ()
    return Reply((Card("Too late", Tone.WARNING, (told, how), buttons=buttons, banner=room.banner()),), error="too old")


def _again(request: Request, command: Command, words: list[str]) -> str:
    """The action that does the same again, "" where a button cannot carry it as it was said."""
    said = (*words, *(value for _, value in request.options))
    if any(not word or any(sign.isspace() or sign in '"“”' for sign in word) for word in said):
        return ""
    _, _, rest = line_of(command, words, request.options).partition(" ")
    action = f"{command.name}:{rest}"
    return action if fits(action) and form_of(action) is None else ""


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


def _record_refusal(room: Room, request: Request, why: str, by: str) -> None:
    with room.desk.store.begin() as work:
        work.add_event(_refusal(work, room, request, why, by))


def _refusal(work: UnitOfWork, room: Room, request: Request, why: str, by: str) -> Event:
    """What somebody wanted and why it was not done, with the trade it was about."""
    raw = _raw(request)
    data = {"raw": raw, "identity": request.identity, "why": why}
    about = trail.named_in(work, raw)
    return room.desk.event(EventKind.REFUSED, request.identity, data, correlation=about, actor=by)


def _raw(request: Request) -> str:
    return request.raw[:KEPT]


def _told(room: Room, problem: DeskError, kind: str, title: str) -> Reply:
    tone = Tone.BAD if kind in {"failed", "not allowed"} else Tone.WARNING
    return Reply((Card(title, tone, (clean(str(problem)),), banner=room.banner()),), Place.NEW, kind)


def _lost(room: Room, request: Request, command: Command, words: list[str], late: AlreadyDecided) -> Reply:
    """Who was first, and the card of the proposal or alert as it stands since."""
    told = _told(room, late, "already decided", "Nothing was changed")
    values = values_of(command, words, room.desk, request.options)
    names = [str(values[p.name]) for p in command.parameters if p.kind in HAVE_CARDS and p.name in values]
    with room.desk.store.read() as work:
        cards = [_as_it_stands(room, work, name.partition(".")[0]) for name in names if not is_position(name)]
    return replace(told, cards=(*told.cards, *cards))


def _as_it_stands(room: Room, work: UnitOfWork, id: str) -> Card:
    if is_alert(id):
        return told_of(work, id, room.banner())
    return proposal_card(story(work, work.approval(id), room.desk.rules), room.desk.now(), room.banner())


def _broken(room: Room, request: Request, bug: Exception) -> Reply:
    """A bug: the person gets a reference, the log has it with the traceback, the audit trail as an ERROR event."""
    trace = "".join(traceback.format_exception(bug))
    ref = reference(trace, request)
    meters.erred(type(bug).__name__)
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
