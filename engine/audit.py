"""The hash chain over what happened: seal it, verify it, show its head.

Every event, once sealed, carries a number, the hash of the event before it and its own hash: SHA-256 over the
canonical JSON of number, previous hash and every field. Whoever changes, removes or reorders a sealed event breaks the
chain at that number. One sealer works at a time (the store lets one transaction write), so the chain cannot fork.

The hash has no key: whoever may write to the database can cut the end off, or make the whole chain anew. Both are
found against a head that was written down elsewhere: a live desk writes it to its log every hour; with every digest it
goes on the card that is posted and into the digest's own event. `docs/audit.md` says what that proves and what not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC
from itertools import islice

import structlog

from engine.errors import BadRequest, DataInvalid
from engine.model.events import Event, SealedEvent
from engine.store import Seal, Store, UnitOfWork
from engine.store.events import BEFORE_ALL

log = structlog.get_logger()

GENESIS = "0" * 64
"""What the first event has in place of a previous hash."""

BATCH = 500
"""Events sealed in one transaction: a backlog holds the database for some milliseconds at a time."""

HEAD = re.compile(r"(?<![\w:])(\d{1,18}):([0-9a-f]{16,64})(?!\w)")
"""A head in words, its hash whole or the first 16 digits and more of it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last sealed event: its number and hash. Number 0 is an empty chain.

    One that was written down may have the beginning of the hash only, 16 digits or more.
    """

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"

    @property
    def short(self) -> str:
        """The number and 16 digits of the hash: enough to know it again, and to be read on a phone."""
        return f"{self.number}:{self.hash[:16]}"

    def is_of(self, hash: str | None) -> bool:
        """Whether `hash` is the one that was written down."""
        return hash is not None and hash.startswith(self.hash)


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found.

    Attributes:
        ok: nothing sealed was changed, removed or reordered. head: the last link that holds.
        unsealed: events that have no place in the chain yet. bad: the first number that does not hold, None when ok.
        heads: how many heads written down (in digests, or given) were compared. words: the finding as a sentence.
    """

    ok: bool
    head: Head
    unsealed: int
    bad: int | None
    words: str
    heads: int = 0


BEGINNING = Head(0, GENESIS)
"""Where the first event follows."""


def heads_in(text: str) -> tuple[Head, ...]:
    """Every head that is written in `text` as NUMBER:HASH, such as the log's lines `audit.head`.

    >>> heads_in("2026-06-15 [info] audit.head head=12:58b46bfd9415f399 at 10:00:00")
    (Head(number=12, hash='58b46bfd9415f399'),)
    """
    return tuple(Head(int(number), digits) for number, digits in HEAD.findall(text))


def head_of(text: str) -> Head:
    """The head written as NUMBER:HASH.

    Raises:
        BadRequest: it is not one.
    """
    found = heads_in(text.strip().lower())
    if len(found) != 1 or HEAD.fullmatch(text.strip().lower()) is None:
        raise BadRequest(f"“{text}” is not a head: expected NUMBER:HASH with 16 to 64 digits, as the digest shows it.")
    return found[0]


def link(number: int, previous: str, event: Event) -> str:
    """The hash of `event` at its place in the chain: 64 hexadecimal digits.

    >>> from datetime import datetime
    >>> from engine.model.events import EventKind
    >>> started = Event("E1", EventKind.HALTED, datetime(2019, 1, 2, tzinfo=UTC), "desk", {"by": "ann"})
    >>> link(1, GENESIS, started)[:16]
    '58b46bfd9415f399'
    """
    fields = {
        "number": number,
        "previous": previous,
        "id": event.id,
        "kind": event.kind.value,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "subject": event.subject,
        "data": dict(event.data),
        "severity": event.severity.value,
        "correlation": event.correlation,
        "actor": event.actor,
    }
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def seal(store: Store) -> int:
    """Give every unsealed event its place in the chain, oldest first; returns how many this call sealed.

    Reading and hashing happen outside the writing transaction, which only checks that the head has not moved (another
    process may seal too) and writes one batch.

    Raises:
        DataInvalid: an event that waits cannot be read; the message names it.
    """
    done = 0
    while True:
        with store.read() as reading:
            waiting = reading.unsealed_events(BATCH)
            last = _last(reading)
        if waiting:
            done += _write_seals(store, last, waiting)
        if len(waiting) < BATCH:
            return done


def _write_seals(store: Store, last: Head, waiting: tuple[Event, ...]) -> int:
    """Seal these after `last`; nothing when another sealer was quicker: it has taken them."""
    number, previous = last.number, last.hash
    seals = []
    for event in waiting:
        number += 1
        mark = link(number, previous, event)
        seals.append(Seal(event.id, number, previous, mark))
        previous = mark
    with store.begin() as work:
        if _last(work) != last:
            return 0
        work.seal(seals)
    return len(seals)


def _last(work: UnitOfWork) -> Head:
    return Head(*(work.last_seal() or (0, GENESIS)))


def head(store: Store) -> Head:
    """The last sealed event; number 0 when there is none."""
    with store.read() as work:
        return _last(work)


def publish(store: Store) -> Head:
    """Seal what waits and write the head to the log: a place that whoever changes the database may not reach."""
    seal(store)
    found = head(store)
    log.info("audit.head", head=str(found))
    return found


def verify(store: Store, known: Iterable[Head] = ()) -> Verification:
    """Walk the whole chain and say whether it holds, and where it first does not.

    `known` are heads written down elsewhere; those that digests carry are compared as well. A chain that is shorter
    than one of them, or has another hash at its number, was cut or made anew.
    """
    with store.read() as work:
        unsealed = work.count_unsealed()
        told = [head for text in work.digest_texts() for head in heads_in(text)]
        heads = tuple(head for head in (*known, *told) if head.number)
        last, problem = _first_bad(_chain(work), heads)
        problem = problem or _missing_end(work, last, heads)
    if problem:
        return Verification(False, last, unsealed, last.number + 1, problem, len(heads))
    tail = f", {unsealed} not sealed yet" if unsealed else ""
    words = f"{last.number} events hold{tail}; head {last.short}; heads compared: {len(heads)}."
    return Verification(True, last, unsealed, None, words, len(heads))


def stretch(work: UnitOfWork, first: int, last: int) -> str:
    """Why the chain does not hold from event `first` to event `last`, "" when it does.

    It is not walked from the beginning: that what came before holds is for `verify` to say.
    """
    before = BEGINNING
    if first > 1:
        try:
            link_before = next(work.sealed_events(first - 2, 1), None)
        except DataInvalid as error:
            return str(error)
        before = Head(first - 1, (link_before.hash if link_before else None) or GENESIS)
    reached, problem = _first_bad(islice(_chain(work, first - 1), last - first + 1), (), before)
    if not problem and reached.number != last:
        return f"Event {reached.number + 1} of the chain is missing."
    return problem


def _first_bad(chain: Iterable[SealedEvent], known: Iterable[Head], last: Head = BEGINNING) -> tuple[Head, str]:
    """The last link that holds after `last`, and why the chain does not hold after it ("" when it does)."""
    by_number: dict[int, list[Head]] = {}
    for one in known:
        by_number.setdefault(one.number, []).append(one)
    try:
        for sealed in chain:
            problem = _problem(last, sealed) or _unknown(sealed, by_number.get(last.number + 1, []))
            if problem:
                return last, problem
            last = Head(last.number + 1, sealed.hash or "")
    except DataInvalid as error:
        return last, str(error)
    return last, ""


def _chain(work: UnitOfWork, after: int = BEFORE_ALL) -> Iterator[SealedEvent]:
    """Every sealed event after number `after`, in the order of its number, read in batches."""
    while True:
        seen = after
        for sealed in work.sealed_events(after, BATCH):
            seen = sealed.number if sealed.number is not None else seen
            yield sealed
        if seen == after:
            return
        after = seen


def _problem(last: Head, sealed: SealedEvent) -> str:
    """Why `sealed` cannot follow `last`, "" when it does."""
    number = last.number + 1
    if sealed.number != number:
        if isinstance(sealed.number, int) and sealed.number > number:
            return f"Event {number} of the chain is missing: the next one has number {sealed.number}."
        return f"Event {sealed.event.id} has number {sealed.number}, which the desk never gave: it was put in."
    if sealed.previous != last.hash:
        return f"Event {number} ({sealed.event.id}) does not follow event {last.number}: one of them was replaced."
    if sealed.hash != link(number, last.hash, sealed.event):
        return f"Event {number} ({sealed.event.id}, {sealed.event.kind}) was changed after it was sealed."
    return ""


def _unknown(sealed: SealedEvent, known: Iterable[Head]) -> str:
    """Why the event is not the one whose hash was written down, "" when it is."""
    if all(one.is_of(sealed.hash) for one in known):
        return ""
    return f"Event {sealed.number} is not the one that was written down: the chain was made anew up to there."


def _missing_end(work: UnitOfWork, last: Head, known: tuple[Head, ...]) -> str:
    """Why more must have followed `last`, "" when nothing says so."""
    for torn in work.torn_events():
        return f"Event {torn} was taken out of the chain: it has a hash and no number."
    furthest = max((one.number for one in known), default=0)
    if furthest > last.number:
        return f"The chain ends at event {last.number}, but event {furthest} was written down: its end was removed."
    return ""
