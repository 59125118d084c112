"""Locks, and the limits people set over the configured ones."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import bindparam, insert, select, update

from engine.codec import dump, load_frozen
from engine.errors import NotFound
from engine.model.locks import LimitChange, Lock
from engine.schema.tables import limit_changes, locks
from engine.store.work import Queries

_LOCK = select(locks.c.body).where(locks.c.id == bindparam("id_"))
HELD = select(locks.c.body).where(locks.c.status == "held").order_by(locks.c.created_at, locks.c.id)
_SINCE = select(locks.c.body).where(locks.c.created_at >= bindparam("since_")).order_by(locks.c.created_at, locks.c.id)
_END = update(locks).where(locks.c.id == bindparam("id_")).values(status=bindparam("status_"), body=bindparam("body_"))
CHANGES = select(
    limit_changes.c.id,
    limit_changes.c.name,
    limit_changes.c.value,
    limit_changes.c.effective_at,
    limit_changes.c.set_by,
    limit_changes.c.created_at,
).order_by(limit_changes.c.created_at, limit_changes.c.id)


class Locks(Queries):
    """What may not be opened, and how far the limits reach."""

    __slots__ = ()

    def add_lock(self, lock: Lock) -> None:
        """Keep a new lock."""
        row = {"id": lock.id, "status": lock.status.value, "created_at": lock.since, "body": dump(lock)}
        self._write(insert(locks), row)

    def save_lock(self, lock: Lock) -> None:
        """Write how a lock stands now.

        Raises:
            NotFound: it was never added.
        """
        if not self._write(_END, {"id_": lock.id, "status_": lock.status.value, "body_": dump(lock)}):
            raise NotFound(f"There is no lock {lock.id}.")

    def find_lock(self, id: str) -> Lock | None:
        """One lock, None when there is none of this id."""
        row = self._row(_LOCK, {"id_": id})
        return None if row is None else load_frozen(Lock, row[0])

    def held_locks(self) -> tuple[Lock, ...]:
        """Every lock that nobody has ended, oldest first; the time of some may be over (`Lock.holds`)."""
        return tuple(load_frozen(Lock, row[0]) for row in self._rows(HELD))

    def locks_since(self, since: datetime) -> tuple[Lock, ...]:
        """Locks made at or after `since`, ended ones too, oldest first."""
        return tuple(load_frozen(Lock, row[0]) for row in self._rows(_SINCE, {"since_": since}))

    def add_limit_change(self, change: LimitChange) -> None:
        """Keep a limit that a person set."""
        row = {
            "id": change.id,
            "name": change.name,
            "value": str(change.value),
            "effective_at": change.effective_at,
            "set_by": change.set_by,
            "created_at": change.created_at,
        }
        self._write(insert(limit_changes), row)

    def limit_changes(self) -> tuple[LimitChange, ...]:
        """Every limit that was ever set, oldest first."""
        rows = self._rows(CHANGES)
        return tuple(LimitChange(row[0], row[1], Decimal(row[2]), row[3], row[4], row[5]) for row in rows)
