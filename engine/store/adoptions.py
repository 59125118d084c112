"""Questions about what the broker holds and the books do not (table `adoptions`), and their answers."""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from engine.codec import dump, load_frozen
from engine.errors import NotFound
from engine.model.adoptions import Adoption, AdoptionStatus
from engine.schema.tables import adoptions
from engine.store.work import Queries

_BY_ID = select(adoptions.c.body).where(adoptions.c.id == bindparam("id_"))
_IN_STATE = select(adoptions.c.body).where(adoptions.c.status == bindparam("status_")).order_by(adoptions.c.id)
_SAVE = (
    update(adoptions)
    .where(adoptions.c.id == bindparam("id_"))
    .values(status=bindparam("status_"), body=bindparam("body_"))
)


class Adoptions(Queries):
    """What was found at the broker, asked about and decided."""

    __slots__ = ()

    def add_adoption(self, adoption: Adoption) -> None:
        """Store a new question."""
        row = {
            "id": adoption.id,
            "symbol": adoption.ticker,
            "status": adoption.status.value,
            "created_at": adoption.created_at,
            "body": dump(adoption),
        }
        self._insert_new(adoptions, row)

    def save_adoption(self, adoption: Adoption) -> None:
        """Store a changed question.

        Raises:
            NotFound: it was never added.
        """
        params = {"id_": adoption.id, "status_": adoption.status.value, "body_": dump(adoption)}
        if not self._write(_SAVE, params):
            raise NotFound(f"There is no question {adoption.id}.")

    def adoption(self, id: str) -> Adoption:
        """One question with its answer.

        Raises:
            NotFound: there is none of this id.
        """
        row = self._row(_BY_ID, {"id_": id})
        if row is None:
            raise NotFound(f"There is no question {id}; /adoptions lists what is open.")
        return load_frozen(Adoption, row[0])

    def adoptions(self, status: AdoptionStatus) -> tuple[Adoption, ...]:
        """Every question in this state, by id."""
        rows = self._rows(_IN_STATE, {"status_": status.value})
        return tuple(load_frozen(Adoption, row[0]) for row in rows)
