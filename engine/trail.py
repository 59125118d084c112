"""One trade's story out of the events: from any id of it to everything that happened, in order.

A trade is a campaign: the proposal it began with, its order and position, the shares an assignment made of it, the
calls written on them with their own proposals. The links are followed both ways, so that every id of a campaign tells
the same story. Notes that people write are part of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from engine import audit
from engine.desk import Desk
from engine.errors import BadRequest, NotFound
from engine.model.adoptions import AdoptionStatus
from engine.model.events import Event, EventKind, SealedEvent
from engine.store import UnitOfWork

LONGEST_NOTE = 500
"""Characters."""

LONGEST_WALK = 20_000
"""Events of the chain that are checked for one story; a longer stretch is left to `wsb audit verify`."""

ID = re.compile(r"(?=[A-Z]*\d)[A-Z][0-9A-Z]{4,12}(\.[\w-]{1,24}){0,3}", re.ASCII | re.IGNORECASE)
"""What an id of the desk looks like: `A00004`, `A00004.1`, `P0K3ZQ4M.stop.1`."""

ROLLS = frozenset({EventKind.ROLL_OFFERED, EventKind.ROLL_CHANGED})


@dataclass(frozen=True, slots=True)
class Trail:
    """The story of one trade.

    Attributes:
        about: the id that was asked for. names: the proposals, positions and adoptions it led to, by id.
        events: everything about them, oldest first, with their places in the audit chain.
    """

    about: str
    names: tuple[str, ...]
    events: tuple[SealedEvent, ...]

    @property
    def sealed(self) -> tuple[int, ...]:
        """The numbers of its sealed events, in the order of the chain."""
        return tuple(sorted(e.number for e in self.events if e.number is not None))


@dataclass(frozen=True, slots=True)
class Latest:
    """One trade in the list of the latest: its id, its name and what happened to it last."""

    id: str
    ticker: str
    last: Event


def follow(work: UnitOfWork, word: str) -> Trail:
    """The story that an id of a proposal, position, order, campaign or event belongs to.

    Raises:
        NotFound: there is no such id, or nothing was written down about it.
    """
    about = spelled(word)
    names = _linked(work, _start(work, about))
    names |= {a.id for a in work.adoptions(AdoptionStatus.ADOPTED) if names & set(a.positions)}
    told = work.story({about, *names})
    if names and not told:
        raise NotFound(f"Nothing has been written down about {about}.")
    if not told:
        raise NotFound(f"There is no trade “{word}”: expected the id of a proposal, position, order or event.")
    whole = {e.event.id: e for e in (*told, *work.story(_hanging(told)))}
    return Trail(about, tuple(sorted(names)), tuple(sorted(whole.values(), key=_order)))


def _hanging(told: tuple[SealedEvent, ...]) -> set[str]:
    """Ids with events of their own that belong to the story: the scans that proposed it, and its rolls."""
    scans = {str(e.event.data["scan"]) for e in told if e.event.data.get("scan")}
    return scans | {e.event.subject for e in told if e.event.kind in ROLLS}


def notes(work: UnitOfWork, position_id: str) -> tuple[Event, ...]:
    """What people wrote about the trade a position belongs to, oldest first."""
    told = work.story(_linked(work, {position_id}))
    return tuple(e.event for e in told if e.event.kind is EventKind.NOTE)


def _order(sealed: SealedEvent) -> tuple[datetime, bool, str]:
    """By time; a scan goes before the proposals it made at the same instant."""
    event = sealed.event
    return event.at, event.kind is not EventKind.SCAN_FINISHED, event.id


def spelled(word: str) -> str:
    """An id as it is stored: capitals before the first dot, the reason after it as it is.

    >>> spelled(" p00001.Stop.1 ")
    'P00001.stop.1'
    """
    stem, dot, rest = word.strip().partition(".")
    return stem.upper() + dot + rest.lower()


def thread(work: UnitOfWork, word: str) -> str:
    """What the events of the trade that `word` belongs to are correlated by: the proposal it began with, else its
    position; "" when no trade has such an id.
    """
    stem = spelled(word).partition(".")[0]
    position = work.find_position(stem)
    if position is not None:
        return position.story
    if work.find_approval(stem) is not None:
        return stem
    parts = work.campaign(stem)
    return parts[0].story if parts else ""


def begun(work: UnitOfWork, word: str) -> str:
    """The id the whole campaign of `word` began with: its first proposal, else its first position; "" for no trade."""
    first = thread(work, word)
    approval, position = work.find_approval(first), work.find_position(first)
    campaign = approval.plan.signal.campaign if approval else position.campaign if position else None
    parts = work.campaign(campaign) if campaign else ()
    return parts[0].story if parts else first


def named_in(work: UnitOfWork, text: str) -> str:
    """`thread` of the first trade whose id is in `text`, "" when it names none."""
    words = (word for word in re.split(r"[\s:,]+", text) if ID.fullmatch(word))
    return next((found for word in words if (found := thread(work, word))), "")


def _start(work: UnitOfWork, about: str) -> set[str]:
    """Proposals and positions to follow from: the id's own, or those of the events it names."""
    stem = about.partition(".")[0]
    first = thread(work, stem)
    if first:
        return {stem, first}
    try:
        told: tuple[Event, ...] = (work.event(stem),)
    except NotFound:
        told = work.events_about(about)
    named = {word.partition(".")[0] for event in told for word in _mentioned(event)}
    return {word for word in named if thread(work, word)} or {word for word in named if word == stem}


def _mentioned(event: Event) -> list[str]:
    """What an event is about: its subject and thread, and the positions in its facts."""
    positions = f"{event.data.get('position', '')}, {event.data.get('positions', '')}"
    return [word for word in (event.correlation, event.subject, *positions.split(", ")) if word]


def _linked(work: UnitOfWork, start: set[str]) -> set[str]:
    """Every proposal, position and campaign that belongs to one campaign with those of `start`."""
    found: set[str] = set()
    waiting = set(start)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting |= _neighbours(work, name) - found
    return found


def _neighbours(work: UnitOfWork, name: str) -> set[str]:
    """What is one link away: a position's campaign and proposals, a proposal's position and campaign."""
    near = {part.id for part in work.campaign(name)}
    position = work.find_position(name)
    if position is not None:
        near |= {position.campaign}
        near |= {ticket.approval_id for ticket in work.tickets_of(name) if ticket.approval_id}
        near |= {position.approval_id} if position.approval_id else set()
        near |= {a.id for a in work.approvals_on(position.ticker) if a.plan.signal.campaign == position.campaign}
    approval = work.find_approval(name)
    if approval is not None:
        signal, ticket = approval.plan.signal, work.find_ticket(approval.key)
        near |= {word for word in (signal.campaign, signal.covers, ticket and ticket.position_id) if word}
    return near


def check(work: UnitOfWork, trail: Trail) -> str:
    """Whether the stretch of the audit chain between the story's first and last event holds, in words."""
    sealed = trail.sealed
    if not sealed:
        return "nothing of it is sealed yet"
    if sealed[-1] - sealed[0] >= LONGEST_WALK:
        return "too long to check here; wsb audit verify checks the whole chain"
    return audit.stretch(work, sealed[0], sealed[-1]) or "this stretch holds"


def latest(work: UnitOfWork, limit: int) -> tuple[Latest, ...]:
    """The trades to which something happened last, newest first."""
    kinds = [kind for kind in EventKind if kind not in (EventKind.SCAN_FINISHED, EventKind.COMMAND, EventKind.DENIED)]
    found: dict[str, Latest] = {}
    for event in work.newest_events(kinds, 50 * limit):
        first = begun(work, event.correlation) if event.correlation else ""
        if first and first not in found:
            found[first] = Latest(first, ticker_of(work, first), event)
    return tuple(found.values())[:limit]


def ticker_of(work: UnitOfWork, id: str) -> str:
    """The name a proposal or position is about, "" when there is none of this id."""
    approval, position = work.find_approval(id), work.find_position(id)
    return approval.plan.signal.ticker if approval else position.ticker if position else ""


def note(desk: Desk, text: str, by: str, identity: str) -> Event:
    """Write down what a person has to say: about a trade when the first word is an id of one, else about the desk.

    The text is kept as it is, without control characters; nothing in it is read as an instruction.

    Raises:
        BadRequest: nothing to say, or more than 500 characters. NotFound: an id of no trade.
    """
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    first, _, rest = plain.partition(" ")
    with desk.store.begin() as work:
        correlation = thread(work, first) if ID.fullmatch(first) else ""
        if ID.fullmatch(first) and not correlation:
            raise NotFound(f"There is no trade “{first}”. A note about no trade begins with another word.")
        body = rest if correlation else plain
        if not body:
            raise BadRequest("There is nothing to note: write /note ID TEXT, or /note TEXT.")
        if len(body) > LONGEST_NOTE:
            raise BadRequest(f"A note has at most {LONGEST_NOTE} characters; this one has {len(body)}.")
        subject = spelled(first) if correlation else "desk"
        data = {"words": body, "identity": identity}
        event = desk.event(EventKind.NOTE, subject, data, correlation=correlation, actor=by)
        work.add_event(event)
    return event
