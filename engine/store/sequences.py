"""Trades made of several orders in a row: each step is durable before it is taken."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, select

from engine.errors import NotFound
from engine.model.records import Sequence
from engine.schema.tables import sequences
from engine.store.work import Queries

_COLUMNS = tuple(sequences.c[name] for name in ("id", "kind", "status", "position_id", "created_at", "body"))
_ONE = select(*_COLUMNS).where(sequences.c.id == bindparam("id_"))
_IN_STATUS = (
    select(*_COLUMNS)
    .where(sequences.c.kind == bindparam("kind_"))
    .where(sequences.c.status.in_(bindparam("statuses_", expanding=True)))
    .order_by(sequences.c.id)
)
_OF_POSITION = (
    select(*_COLUMNS)
    .where(sequences.c.kind == bindparam("kind_"))
    .where(sequences.c.position_id == bindparam("position_"))
    .order_by(sequences.c.id)
)


class Sequences(Queries):
    """Acts of several orders, by id, by how far they have come, by the position they are about."""

    __slots__ = ()

    def save_sequence(self, sequence: Sequence) -> None:
        """Store a new or changed sequence."""
        columns = ("id", "kind", "status", "position_id", "created_at", "body")
        self._upsert(sequences, {name: getattr(sequence, name) for name in columns})

    def sequence(self, id: str) -> Sequence:
        """One sequence.

        Raises:
            NotFound: there is none of this id.
        """
        row = self._row(_ONE, {"id_": id})
        if row is None:
            raise NotFound(f"There is no {id} here: ask anew from the card of the position, /positions lists them.")
        return Sequence(*row)

    def sequences_in(self, kind: str, statuses: Iterable[str]) -> tuple[Sequence, ...]:
        """Those of a kind that have come so far, by id."""
        rows = self._rows(_IN_STATUS, {"kind_": kind, "statuses_": tuple(statuses)})
        return tuple(Sequence(*row) for row in rows)

    def sequences_of(self, kind: str, position_id: str) -> tuple[Sequence, ...]:
        """Those of a kind about one position, by id."""
        rows = self._rows(_OF_POSITION, {"kind_": kind, "position_": position_id})
        return tuple(Sequence(*row) for row in rows)
