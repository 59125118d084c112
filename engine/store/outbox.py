"""The outbox: events on their way to destinations, and the messages they became."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Integer, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.base import Executable

from engine.errors import NotFound
from engine.model.events import EventKind
from engine.model.records import DeadLetter, Delivered, Delivery, DeliveryState, MessageRef
from engine.schema.tables import events, message_refs, outbox
from engine.store.work import Queries

_WAITS = outbox.c.state == DeliveryState.WAITING.value
_DESTINATIONS = (
    select(outbox.c.destination)
    .distinct()
    .where(_WAITS)
    .where(or_(outbox.c.next_try.is_(None), outbox.c.next_try <= bindparam("now_")))
    .order_by(outbox.c.destination)
)
_FIRST = (
    select(outbox)
    .where(_WAITS)
    .where(outbox.c.destination == bindparam("destination_"))
    .where(outbox.c.urgent == bindparam("urgent_"))
    .where(outbox.c.key.not_in(bindparam("skip_", expanding=True)))
    .order_by(outbox.c.event_id, outbox.c.id)
    .limit(1)
)
_OF_KEY = (
    select(outbox)
    .where(_WAITS)
    .where(outbox.c.destination == bindparam("destination_"))
    .where(outbox.c.key == bindparam("key_"))
    .order_by(outbox.c.event_id, outbox.c.id)
)
_SENT = (
    update(outbox)
    .where(outbox.c.id.in_(bindparam("ids_", expanding=True)))
    .values(state=DeliveryState.SENT.value, ref=bindparam("ref_"), sent_at=bindparam("at_"), next_try=None, error="")
)
_FAILED = (
    update(outbox)
    .where(outbox.c.id == bindparam("id_"))
    .values(
        attempts=outbox.c.attempts + 1,
        unanswered=outbox.c.unanswered + bindparam("unanswered_", type_=Integer()),
        next_try=bindparam("next_"),
        error=bindparam("error_"),
    )
)
_GIVEN_UP = (
    update(outbox)
    .where(outbox.c.id.in_(bindparam("ids_", expanding=True)))
    .values(
        state=DeliveryState.FAILED.value,
        attempts=outbox.c.attempts + 1,
        next_try=None,
        error=bindparam("error_"),
        given_up_at=bindparam("at_"),
    )
)
_IS_DEAD = outbox.c.state == DeliveryState.FAILED.value
_DEAD_LETTERS = (
    select(outbox, events.c.kind, events.c.subject, events.c.at)
    .join_from(outbox, events)
    .where(_IS_DEAD)
    .order_by(outbox.c.destination, outbox.c.event_id, outbox.c.id)
    .limit(bindparam("limit_"))
)
_DEAD_AT = update(outbox).where(_IS_DEAD).where(outbox.c.destination == bindparam("destination_"))
_REVIVED = _DEAD_AT.values(state=DeliveryState.WAITING.value, attempts=0, next_try=None, given_up_at=None)
_DROPPED = _DEAD_AT.values(state=DeliveryState.DROPPED.value)
_DONE = (
    select(outbox.c.destination, events.c.at, outbox.c.sent_at, outbox.c.attempts, outbox.c.unanswered)
    .join_from(outbox, events)
    .where(outbox.c.state == DeliveryState.SENT.value)
    .where(outbox.c.sent_at >= bindparam("since_"))
    .order_by(outbox.c.sent_at, outbox.c.id)
)
_GIVEN_UP_SINCE = select(func.count()).select_from(outbox).where(outbox.c.given_up_at >= bindparam("since_"))
_POSTPONED = update(outbox).where(outbox.c.id == bindparam("id_")).values(next_try=bindparam("next_"))
_HURRIED = update(outbox).where(_WAITS).where(outbox.c.next_try > bindparam("until_")).values(next_try=None)
_DELIVERIES = select(outbox).where(outbox.c.event_id == bindparam("event_")).order_by(outbox.c.destination)
_WAITING = select(func.count()).select_from(outbox).where(_WAITS)
_LAST_SENT = (
    select(outbox.c.sent_at)
    .where(outbox.c.destination == bindparam("destination_"))
    .where(outbox.c.state == DeliveryState.SENT.value)
    .where(outbox.c.ref != "")
    .order_by(outbox.c.sent_at.desc())
    .limit(1)
)
_FORGET = delete(outbox).where(
    or_(
        (outbox.c.state == DeliveryState.SENT.value) & (outbox.c.sent_at < bindparam("before_")),
        (outbox.c.state == DeliveryState.DROPPED.value) & (outbox.c.given_up_at < bindparam("before_")),
    )
)
_REFS = (
    select(message_refs)
    .where(message_refs.c.key == bindparam("key_"))
    .order_by(message_refs.c.platform, message_refs.c.chat)
)


_FORGET_REFS = delete(message_refs).where(
    message_refs.c.platform == bindparam("platform_"),
    or_(message_refs.c.chat == bindparam("chat_"), message_refs.c.chat.like(bindparam("topics_"))),
)


@cache
def _upwards(dialect: str) -> Executable:
    """INSERT of a reference that takes the place of an older version only; the row count says whether it did."""
    keys = [column.name for column in message_refs.primary_key]
    statement: Any = (postgresql if dialect == "postgresql" else sqlite).insert(message_refs)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=keys,
        set_={"message": new.message, "version": new.version},
        where=message_refs.c.version <= new.version,
    )
    done: Executable = statement.execution_options(preserve_rowcount=True)
    return done


def _delivery(row: Sequence[Any]) -> Delivery:
    id, event_id, destination, version, key, state, *rest = row
    return Delivery(id, event_id, destination, version, key, DeliveryState(state), *rest)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One card that waits for one destination: its first delivery, and all that wait there for the same card."""

    first: Delivery
    all: tuple[Delivery, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(delivery.id for delivery in self.all)


class Outbox(Queries):
    """Who is to be told what, and who has been."""

    __slots__ = ()

    def enqueue(self, event_id: str, destination: str, version: int, key: str, *, urgent: bool = False) -> bool:
        """Put an event on its way to a destination; False when that version of it is on its way already."""
        row = {
            "id": f"{event_id}:{destination}:{version}",
            "event_id": event_id,
            "destination": destination,
            "version": version,
            "key": key,
            "state": DeliveryState.WAITING.value,
            "attempts": 0,
            "error": "",
            "urgent": urgent,
        }
        return self._insert_new(outbox, row)

    def due_destinations(self, now: datetime) -> tuple[str, ...]:
        """Destinations that something waits for which may be tried now."""
        return tuple(row[0] for row in self._rows(_DESTINATIONS, {"now_": now}))

    def next_card(self, destination: str, skip: Iterable[str] = ()) -> Waiting | None:
        """What goes to `destination` next: urgent before the others, then in the order of the events.

        It may not be due yet: what waits behind it waits too. None when nothing waits but cards with keys in `skip`.
        """
        params = {"destination_": destination, "skip_": sorted(skip)}
        row = self._row(_FIRST, params | {"urgent_": True}) or self._row(_FIRST, params | {"urgent_": False})
        if row is None:
            return None
        first = _delivery(row)
        same = self._rows(_OF_KEY, {"destination_": destination, "key_": first.key})
        return Waiting(first, tuple(_delivery(each) for each in same))

    def last_sent(self, destination: str) -> datetime | None:
        """When a destination last took a message; what needed none says nothing of it."""
        row = self._row(_LAST_SENT, {"destination_": destination})
        return None if row is None else row[0]

    def deliveries(self, event_id: str) -> tuple[Delivery, ...]:
        """Where an event was sent or is on its way to, by destination."""
        return tuple(_delivery(row) for row in self._rows(_DELIVERIES, {"event_": event_id}))

    def outbox_waiting(self) -> int:
        """How many deliveries are not done yet."""
        row = self._row(_WAITING)
        return 0 if row is None else int(row[0])

    def mark_sent(self, ids: Sequence[str], ref: str | None, at: datetime) -> None:
        """Note that deliveries arrived, as the one message `ref`.

        Raises:
            NotFound: one of them is not there.
        """
        self._mark(_SENT, ids, {"ids_": list(ids), "ref_": ref, "at_": at})

    def mark_failed(self, id: str, error: str, retry_at: datetime, *, unanswered: bool = False) -> None:
        """Note a failed try, to be repeated at `retry_at`; `unanswered` where it may have arrived all the same.

        Raises:
            NotFound: there is no such delivery.
        """
        self._mark(_FAILED, (id,), {"id_": id, "next_": retry_at, "error_": error, "unanswered_": unanswered})

    def give_up(self, ids: Sequence[str], error: str, at: datetime) -> None:
        """Note that deliveries will never arrive, and why.

        Raises:
            NotFound: one of them is not there.
        """
        self._mark(_GIVEN_UP, ids, {"ids_": list(ids), "error_": error, "at_": at})

    def undelivered(self, limit: int = 200) -> tuple[DeadLetter, ...]:
        """What was given up and nobody has dropped, by destination, as it happened."""
        rows = self._rows(_DEAD_LETTERS, {"limit_": limit})
        return tuple(DeadLetter(_delivery(row[:-3]), EventKind(row[-3]), row[-2], row[-1]) for row in rows)

    def revive(self, destination: str) -> int:
        """Let what was given up at a destination wait there again, in its old place; returns how many that are."""
        return self._write(_REVIVED, {"destination_": destination})

    def drop(self, destination: str) -> int:
        """Let what was given up at a destination rest; returns how many that were."""
        return self._write(_DROPPED, {"destination_": destination})

    def deliveries_since(self, since: datetime) -> tuple[Delivered, ...]:
        """How every delivery went that arrived at or after `since`, in the order they arrived."""
        return tuple(Delivered(*row) for row in self._rows(_DONE, {"since_": since}))

    def given_up_since(self, since: datetime) -> int:
        """How many deliveries were given up at or after `since`."""
        row = self._row(_GIVEN_UP_SINCE, {"since_": since})
        return 0 if row is None else int(row[0])

    def hold_back(self, id: str, until: datetime) -> None:
        """Note that a delivery has to wait, which is no failure.

        Raises:
            NotFound: there is no such delivery.
        """
        self._mark(_POSTPONED, (id,), {"id_": id, "next_": until})

    def hurry(self, until: datetime) -> int:
        """Let what waits for longer than `until` be tried now; returns how many those are."""
        return self._write(_HURRIED, {"until_": until})

    def forget_sent(self, before: datetime) -> int:
        """Delete deliveries that arrived or were dropped before; returns how many. Where the cards stand is kept."""
        return self._write(_FORGET, {"before_": before})

    def _mark(self, statement: Any, ids: Sequence[str], params: dict[str, Any]) -> None:
        if self._write(statement, params) != len(ids):
            raise NotFound(f"There is no delivery {' or '.join(ids)}.")

    def save_ref(self, key: str, platform: str, chat: str, message: str, version: int) -> bool:
        """Remember where a card stands and which version it shows there; False when a newer one is noted already."""
        row = {"key": key, "platform": platform, "chat": chat, "message": message, "version": version}
        return self._write(_upwards(self._dialect), row) == 1

    def forget_refs(self, platform: str, chat: str) -> int:
        """Forget where cards stand in a chat and its topics ("-123", "-123/7"); returns how many."""
        return self._write(_FORGET_REFS, {"platform_": platform, "chat_": chat, "topics_": f"{chat}/%"})

    def refs(self, key: str) -> tuple[MessageRef, ...]:
        """Everywhere a card stands, by platform and chat."""
        return tuple(MessageRef(*row) for row in self._rows(_REFS, {"key_": key}))
