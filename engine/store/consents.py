"""Consents: taps on Approve that are not a decision yet, every one kept."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select

from engine.model.records import Consent, Need
from engine.schema.tables import consents
from engine.store.work import Fields, Queries

_COLUMNS = ("approval_id", "version", "number", "name", "at", "until", "needs")
_OF_VERSION = (
    select(*(consents.c[name] for name in _COLUMNS))
    .where(consents.c.approval_id == bindparam("id_"))
    .where(consents.c.version == bindparam("version_"))
    .order_by(consents.c.number)
)


def _consent(row: Fields) -> Consent:
    return Consent(row[0], row[1], row[2], row[3], row[4], row[5], Need(row[6]))


class Consents(Queries):
    """Who has tapped, on which version of a proposal, and until when that stands."""

    __slots__ = ()

    def consents(self, approval_id: str, version: int) -> tuple[Consent, ...]:
        """Every tap on this version that was kept, first to last."""
        rows = self._rows(_OF_VERSION, {"id_": approval_id, "version_": version})
        return tuple(_consent(row) for row in rows)

    def add_consent(self, consent: Consent) -> None:
        """Keep one more tap."""
        row = {name: getattr(consent, name) for name in _COLUMNS} | {"needs": consent.needs.value}
        self._write(insert(consents), row)
