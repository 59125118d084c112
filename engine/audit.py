"""The hash chain over what happened: seal it, verify it, show its head.

Every event, once sealed, carries a number, the hash of the event before it and its own hash: SHA-256 over the
canonical JSON of number, previous hash and every field. Whoever changes, removes or reorders a sealed event breaks the
chain at that number. One sealer works at a time (the store lets one transaction write), so the chain cannot fork.
A whole chain made anew is noticed by comparing its head with one written down elsewhere (the digest shows it).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC

from engine.errors import DataInvalid
from engine.model.events import Event, SealedEvent
from engine.store import Seal, Store, UnitOfWork

GENESIS = "0" * 64
"""What the first event has in place of a previous hash."""

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Head:
    """The last sealed event: its number and hash. Number 0 is an empty chain."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found.

    Attributes:
        ok: nothing sealed was changed, removed or reordered. head: the last link that holds.
        unsealed: events that have no place in the chain yet. bad: the first number that does not hold, None when ok.
        words: the finding as a sentence.
    """

    ok: bool
    head: Head
    unsealed: int
    bad: int | None
    words: str


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
    """Give every unsealed event its place in the chain, oldest first; returns how many there were."""
    with store.read() as reading:
        waiting = reading.count_unsealed()
    if not waiting:
        return 0
    with store.begin() as work:
        return sum(_seal_batch(work) for _ in range(0, waiting, BATCH))


def _seal_batch(work: UnitOfWork) -> int:
    """Seal up to BATCH events after the present head."""
    number, previous = work.last_seal() or (0, GENESIS)
    seals = []
    for event in work.unsealed_events(BATCH):
        number += 1
        mark = link(number, previous, event)
        seals.append(Seal(event.id, number, previous, mark))
        previous = mark
    work.seal(seals)
    return len(seals)


def head(store: Store) -> Head:
    """The last sealed event; number 0 when there is none."""
    with store.read() as work:
        return Head(*(work.last_seal() or (0, GENESIS)))


def verify(store: Store, known: Head | None = None) -> Verification:
    """Walk the whole chain and say whether it holds, and where it first does not.

    `known` is a head written down earlier: a chain that is shorter, or has another hash at that number, was made anew.
    """
    with store.read() as work:
        unsealed = work.count_unsealed()
        last = Head(0, GENESIS)
        problem = None
        try:
            for sealed in _chain(work):
                problem = _problem(last, sealed, known)
                if problem is not None:
                    break
                last = Head(last.number + 1, sealed.hash or "")
        except DataInvalid as error:
            problem = str(error)
    if problem is not None:
        return Verification(False, last, unsealed, last.number + 1, problem)
    if known is not None and known.number > last.number:
        words = f"The chain ends at event {last.number}, but event {known.number} is known: its end was removed."
        return Verification(False, last, unsealed, last.number + 1, words)
    tail = f", {unsealed} not sealed yet" if unsealed else ""
    return Verification(True, last, unsealed, None, f"{last.number} events hold{tail}; head {last.hash[:16]}.")


def _chain(work: UnitOfWork) -> Iterator[SealedEvent]:
    """Every sealed event in the order of its number, read in batches."""
    after = -1
    while True:
        seen = after
        for sealed in work.sealed_events(after, BATCH):
            seen = sealed.number if sealed.number is not None else seen
            yield sealed
        if seen == after:
            return
        after = seen


def _problem(last: Head, sealed: SealedEvent, known: Head | None) -> str | None:
    """Why `sealed` cannot follow `last`, None when it does."""
    number = last.number + 1
    if sealed.number != number:
        return f"Event {number} of the chain is missing: the next one has number {sealed.number}."
    if sealed.previous != last.hash:
        return f"Event {number} ({sealed.event.id}) does not follow event {last.number}: one of them was replaced."
    if sealed.hash != link(number, last.hash, sealed.event):
        return f"Event {number} ({sealed.event.id}, {sealed.event.kind}) was changed after it was sealed."
    if known is not None and known.number == number and known.hash != sealed.hash:
        return f"Event {number} is not the one that was known: the chain was made anew up to there."
    return None
