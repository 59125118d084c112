"""Who may do what: one question for commands, buttons, forms and completion, asked of the person, never of the chat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import structlog

from bot.command import Command, Room
from bot.denials import Tries
from bot.message import Request
from bot.people import User
from engine import trail
from engine.errors import Denied
from engine.model.events import EventKind, Severity

log = structlog.get_logger()

KEPT = 200
"""Characters of a request that are written down."""


def readable(request: Request) -> Request:
    """The request in text that can be stored and shown: without the halves of characters and the zeros that JSON can
    carry and not every database takes."""
    return replace(
        request,
        identity=_plain(request.identity),
        text=_plain(request.text),
        action=_plain(request.action),
        source=_plain(request.source),
        chat=_plain(request.chat),
        options=tuple((_plain(name), _plain(value)) for name, value in request.options),
        groups=tuple(map(_plain, request.groups)),
    )


def _plain(text: str) -> str:
    """
    >>> _plain("a\\ud800b\\x00c")
    'a?b c'
    """
    return text.encode(errors="replace").decode().replace("\0", " ")


def may(room: Room, identity: str, groups: Iterable[str], command: Command) -> User:
    """The person behind `identity`, if they may give `command`.

    Raises:
        Denied: nobody on the list, or not their role.
    """
    user = room.people.who(identity, groups)
    if not user.role.covers(command.role):
        admins = ", ".join(admin.name for admin in room.people.admins)
        raise Denied(
            f"/{command.name} needs the role {command.role}; {user.name} is a {user.role}. "
            f"Somebody who has it can do it, or an admin gives it to you: {admins}."
        )
    return user


def turned_away(room: Room, request: Request, what: str, why: str) -> None:
    """Log and count that somebody wanted what they may not; the audit trail gets a line of it now and then.

    `what` is the command's name for a person on the list, "" for a stranger: strangers are counted by who they are.
    """
    request = readable(request)
    log.warning("command.denied", identity=request.identity, raw=request.raw[:KEPT])
    due = room.denials.count(request.identity, what, request.raw[:KEPT], why, room.desk.now())
    if due:
        _write(room, due)


def _write(room: Room, due: Iterable[Tries]) -> None:
    desk = room.desk
    with desk.store.begin() as work:
        for tries in due:
            about = trail.named_in(work, tries.raw)
            data = {"raw": tries.raw, "identity": tries.identity, "why": tries.why, "times": tries.times}
            work.add_event(desk.event(EventKind.DENIED, tries.identity, data, Severity.WARNING, correlation=about))
