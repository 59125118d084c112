"""Envelopes: decisions made in advance."""

from __future__ import annotations

import difflib

from sqlalchemy import bindparam, insert, select, update

from engine.codec import dump, load
from engine.errors import NotFound
from engine.model.envelopes import OPEN, Envelope
from engine.schema.tables import envelopes
from engine.store.work import Queries

_BY_ID = select(envelopes.c.body).where(envelopes.c.id == bindparam("id_"))
_OPEN = (
    select(envelopes.c.body)
    .where(envelopes.c.status.in_([status.value for status in OPEN]))
    .order_by(envelopes.c.created_at, envelopes.c.id)
)
_IDS = select(envelopes.c.id).order_by(envelopes.c.created_at.desc()).limit(200)
_SAVE = (
    update(envelopes)
    .where(envelopes.c.id == bindparam("id_"))
    .values(status=bindparam("status_"), body=bindparam("body_"))
)


class Envelopes(Queries):
    """What may be approved without a tap."""

    __slots__ = ()

    def add_envelope(self, envelope: Envelope) -> None:
        """Store a new envelope."""
        row = {
            "id": envelope.id,
            "strategy": envelope.bounds.strategy,
            "status": envelope.status.value,
            "created_at": envelope.since,
            "body": dump(envelope),
        }
        self._write(insert(envelopes), row)

    def save_envelope(self, envelope: Envelope) -> None:
        """Write the envelope's new state over the stored one."""
        params = {"id_": envelope.id, "status_": envelope.status.value, "body_": dump(envelope)}
        self._write(_SAVE, params)

    def envelope(self, id: str) -> Envelope:
        """One envelope.

        Raises:
            NotFound: there is none; the nearest id is named.
        """
        row = self._row(_BY_ID, {"id_": id})
        if row is not None:
            return load(Envelope, row[0])
        close = difflib.get_close_matches(id.upper(), [found[0] for found in self._rows(_IDS)], n=1)
        near = f" Did you mean {close[0]}?" if close else ""
        raise NotFound(f"There is no envelope {id}.{near} /envelopes lists them.")

    def open_envelopes(self) -> tuple[Envelope, ...]:
        """Those in force or waiting for their confirmation, oldest first."""
        return tuple(load(Envelope, row[0]) for row in self._rows(_OPEN))
