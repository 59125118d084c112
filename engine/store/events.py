"""Events with their seals: what happened, in an order that nobody can change unnoticed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import bindparam, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError

from engine import redaction
from engine.errors import DataInvalid, NotFound
from engine.model.events import Event, EventKind, SealedEvent, Severity
from engine.schema.tables import events
from engine.store.work import Fields, Params, Queries

BEFORE_ALL = -(2**63)
"""Less than every number a row can have: one with a number of 0 or below must not hide from the chain."""

_COLUMNS = (
    events.c.id,
    events.c.kind,
    events.c.at,
    events.c.subject,
    events.c.data,
    events.c.severity,
    events.c.correlation,
    events.c.actor,
)
_ADD = insert(events)
_AFTER = select(*_COLUMNS).where(events.c.id > bindparam("after_")).order_by(events.c.id).limit(bindparam("limit_"))
_ONE = select(*_COLUMNS).where(events.c.id == bindparam("id_"))
_ABOUT = (
    select(*_COLUMNS)
    .where(or_(events.c.subject == bindparam("word_"), events.c.correlation == bindparam("word_")))
    .order_by(events.c.at, events.c.id)
)
_STORY = (
    select(*_COLUMNS, events.c.number, events.c.previous, events.c.hash)
    .where(
        or_(
            events.c.id.in_(bindparam("words_", expanding=True)),
            events.c.subject.in_(bindparam("words_", expanding=True)),
            events.c.correlation.in_(bindparam("words_", expanding=True)),
        )
    )
    .order_by(events.c.at, events.c.id)
)
_NEWEST = (
    select(*_COLUMNS)
    .where(events.c.kind.in_(bindparam("kinds_", expanding=True)))
    .order_by(events.c.id.desc())
    .limit(bindparam("limit_"))
)
_BETWEEN = (
    select(*_COLUMNS)
    .where(events.c.kind.in_(bindparam("kinds_", expanding=True)))
    .where(events.c.at > bindparam("since_", type_=events.c.at.type))
    .where(events.c.at <= bindparam("until_", type_=events.c.at.type))
    .order_by(events.c.at, events.c.id)
)
_LAST_ACTS = (
    select(events.c.actor, func.max(events.c.at))
    .where(events.c.kind == EventKind.COMMAND.value)
    .group_by(events.c.actor)
)
_UNROUTED = select(*_COLUMNS).where(events.c.routed.is_(False)).order_by(events.c.id).limit(bindparam("limit_"))
_ROUTED = update(events).where(events.c.id == bindparam("id_")).values(routed=True)
_SEALS = (events.c.number, events.c.previous, events.c.hash)
_SEALED = (
    select(*_COLUMNS, *_SEALS)
    .where(events.c.number > bindparam("after_"))
    .order_by(events.c.number)
    .limit(bindparam("limit_"))
)
_NUMBERS = (
    select(events.c.number)
    .where(events.c.number > bindparam("after_"))
    .order_by(events.c.number)
    .limit(bindparam("limit_"))
)
_NUMBERED = select(*_COLUMNS, *_SEALS).where(events.c.number == bindparam("number_"))
_DIGESTS = select(events.c.data).where(events.c.kind.in_((EventKind.DIGEST_READY.value, EventKind.REPORT_READY.value)))
_NO_SEAL = events.c.number.is_(None) & events.c.hash.is_(None)
_UNSEALED = select(*_COLUMNS).where(_NO_SEAL).order_by(events.c.at, events.c.id).limit(bindparam("limit_"))
_HOW_MANY_UNSEALED = select(func.count()).select_from(events).where(_NO_SEAL)
_TORN = (
    select(events.c.id)
    .where(events.c.number.is_(None) & events.c.hash.is_not(None))
    .order_by(events.c.id)
    .limit(bindparam("limit_"))
)
_LAST_SEAL = (
    select(events.c.number, events.c.hash).where(events.c.number.is_not(None)).order_by(events.c.number.desc()).limit(1)
)
_SEAL = (
    update(events)
    .where(events.c.id == bindparam("id_"))
    .where(events.c.number.is_(None))
    .values(number=bindparam("number_"), previous=bindparam("previous_"), hash=bindparam("hash_"))
)


@dataclass(frozen=True, slots=True)
class Seal:
    """The place of one event in the chain."""

    event_id: str
    number: int
    previous: str
    hash: str


def _event(row: Fields) -> Event:
    return Event(
        id=row[0],
        kind=EventKind(row[1]),
        at=row[2],
        subject=row[3],
        data=json.loads(row[4]),
        severity=Severity(row[5]),
        correlation=row[6],
        actor=row[7],
    )


def _read(row: Fields) -> Event:
    try:
        return _event(row)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataInvalid(f"Event {row[0]} cannot be read: {error}") from error


def data_text(event: Event) -> str:
    """The facts of an event as canonical JSON: keys sorted, no spaces.

    Raises:
        DataInvalid: something in it is not JSON (money travels as text).
    """
    try:
        return json.dumps(dict(event.data), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataInvalid(f"Event {event.id} ({event.kind}) cannot be stored: {error}") from error


def _without_secrets(event: Event) -> dict[str, object]:
    """Its facts, fit for a chat and for ever: what a library said of a failed request may name a key."""
    return {key: redaction.cleaned(value) for key, value in event.data.items()}


def _row_of(event: Event) -> Params:
    return {
        "id": event.id,
        "kind": event.kind.value,
        "at": event.at,
        "subject": event.subject,
        "data": data_text(replace(event, data=_without_secrets(event))),
        "severity": event.severity.value,
        "correlation": event.correlation,
        "actor": event.actor,
    }


class Events(Queries):
    """What happened, and in which order it was sealed."""

    __slots__ = ()

    def add_event(self, event: Event) -> None:
        """Write down what happened, in the transaction that makes it happen."""
        self._write(_ADD, _row_of(event))
        self._added.append(event)

    def add_events(self, events: Iterable[Event]) -> None:
        """`add_event` for several at once."""
        added = tuple(events)
        self._write(_ADD, [_row_of(event) for event in added])
        self._added += added

    @property
    def added(self) -> tuple[Event, ...]:
        """What was written down in this transaction."""
        return tuple(self._added)

    def events(
        self, after_id: str = "", kinds: Iterable[EventKind] | None = None, limit: int = 500
    ) -> tuple[Event, ...]:
        """Events (of some kinds) with ids after `after_id`, by id."""
        statement = _AFTER if kinds is None else _AFTER.where(events.c.kind.in_([kind.value for kind in kinds]))
        return tuple(_event(row) for row in self._rows(statement, {"after_": after_id, "limit_": limit}))

    def event(self, id: str) -> Event:
        """One event.

        Raises:
            NotFound: there is none of that id.
        """
        row = self._row(_ONE, {"id_": id})
        if row is None:
            raise NotFound(f"There is no event {id}.")
        return _event(row)

    def events_about(self, word: str) -> tuple[Event, ...]:
        """Every event whose subject or correlation is `word`, oldest first: one trade as a story."""
        return tuple(_event(row) for row in self._rows(_ABOUT, {"word_": word}))

    def story(self, words: Iterable[str]) -> tuple[SealedEvent, ...]:
        """Every event whose id, subject or correlation is one of `words`, oldest first, with its place in the chain.

        Raises:
            DataInvalid: one of them cannot be read; the message names it.
        """
        rows = self._rows(_STORY, {"words_": sorted(set(words))})
        return tuple(SealedEvent(_read(row), *row[len(_COLUMNS) :]) for row in rows)

    def newest_events(self, kinds: Iterable[EventKind], limit: int = 50) -> tuple[Event, ...]:
        """The latest events of these kinds, newest first: by id, which sorts by time and has an index."""
        rows = self._rows(_NEWEST, {"kinds_": [kind.value for kind in kinds], "limit_": limit})
        return tuple(_read(row) for row in rows)

    def events_between(self, kinds: Iterable[EventKind], since: datetime, until: datetime) -> tuple[Event, ...]:
        """What happened of these kinds after `since` and not after `until`, oldest first."""
        params = {"kinds_": sorted(kind.value for kind in kinds), "since_": since, "until_": until}
        return tuple(_read(row) for row in self._rows(_BETWEEN, params))

    def last_acts(self) -> dict[str, datetime]:
        """When each person acted last, by name."""
        return {row[0]: row[1] for row in self._rows(_LAST_ACTS)}

    def unrouted_events(self, limit: int = 500) -> tuple[Event, ...]:
        """Events nobody has been assigned to tell about yet, by id."""
        return tuple(_event(row) for row in self._rows(_UNROUTED, {"limit_": limit}))

    def mark_routed(self, event_ids: Iterable[str]) -> None:
        """Note that these events have their outbox rows (or need none)."""
        self._write(_ROUTED, [{"id_": id} for id in event_ids])

    def sealed_events(self, after: int = BEFORE_ALL, limit: int = 1000) -> Iterator[SealedEvent]:
        """Sealed events with numbers above `after`, in the order of the chain, each read when it is asked for.

        Raises:
            DataInvalid: the next one cannot be read, or is not as the desk writes it; the message names its number.
        """
        for row in self._sealed_rows(after, limit):
            *_, number, previous, seal = row
            try:
                event = _event(row)
                is_ours = data_text(event) == row[4]
            except (ValueError, TypeError, RecursionError, DataInvalid) as error:
                raise DataInvalid(f"Event {number} ({row[0]}) cannot be read: {error}") from error
            if not is_ours:
                raise DataInvalid(f"Event {number} ({row[0]}) was changed: its data are not as the desk writes them.")
            yield SealedEvent(event, number, previous, seal)

    def _sealed_rows(self, after: int, limit: int) -> Iterable[Fields]:
        """The rows at once; one by one when the database or its driver cannot make sense of some of them."""
        try:
            return self._rows(_SEALED, {"after_": after, "limit_": limit})
        except (DBAPIError, ValueError, TypeError):
            return self._one_by_one(after, limit)

    def _one_by_one(self, after: int, limit: int) -> Iterator[Fields]:
        for (number,) in self._rows(_NUMBERS, {"after_": after, "limit_": limit}):
            try:
                rows = self._rows(_NUMBERED, {"number_": number})
            except (DBAPIError, ValueError, TypeError) as error:
                raise DataInvalid(f"Event {number} cannot be read: {error}") from error
            yield from rows

    def unsealed_events(self, limit: int = 1000) -> tuple[Event, ...]:
        """Events without a place in the chain, oldest first.

        Raises:
            DataInvalid: one of them cannot be read; the message names it.
        """
        return tuple(_read(row) for row in self._rows(_UNSEALED, {"limit_": limit}))

    def torn_events(self, limit: int = 1) -> tuple[str, ...]:
        """Ids of events that have a hash and no number: somebody took them out of the chain."""
        return tuple(row[0] for row in self._rows(_TORN, {"limit_": limit}))

    def digest_texts(self) -> tuple[str, ...]:
        """The stored facts of every digest, unread: they name the head of the chain each was published with.

        None while one of them is not even text: the walk over the chain names that row.
        """
        try:
            return tuple(str(row[0]) for row in self._rows(_DIGESTS))
        except DBAPIError:
            return ()

    def count_unsealed(self) -> int:
        """How many events have no place in the chain yet."""
        row = self._row(_HOW_MANY_UNSEALED)
        return 0 if row is None else int(row[0])

    def last_seal(self) -> tuple[int, str] | None:
        """(number, hash) at the head of the chain, None before the first.

        Raises:
            DataInvalid: what stands there was never written by the desk.
        """
        row = self._row(_LAST_SEAL)
        if row is None:
            return None
        if not isinstance(row[0], int) or not isinstance(row[1], str):
            raise DataInvalid(f"The head of the audit chain is no seal: number {row[0]}. wsb audit verify tells more.")
        return row[0], row[1]

    def seal(self, seals: Iterable[Seal]) -> None:
        """Give unsealed events their places, all or none.

        Raises:
            DataInvalid: one of them has a place already, or is gone.
        """
        rows = [{"id_": s.event_id, "number_": s.number, "previous_": s.previous, "hash_": s.hash} for s in seals]
        if self._write(_SEAL, rows) != len(rows):
            raise DataInvalid("An event to be sealed is gone or sealed already.")
