"""Which strategies may open positions with real money, in which account, and who said so."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, insert, select, update

from engine.model.records import Promotion
from engine.schema.tables import promotions
from engine.store.work import Queries

_COLUMNS = ("id", "strategy_id", "account", "created_at", "set_by", "note", "ended_at")
_ALL = select(*(promotions.c[name] for name in _COLUMNS)).order_by(promotions.c.created_at, promotions.c.id)
_IN_FORCE = (
    select(*(promotions.c[name] for name in _COLUMNS))
    .where(promotions.c.strategy_id == bindparam("strategy_"))
    .where(promotions.c.account == bindparam("account_"))
    .where(promotions.c.ended_at.is_(None))
    .order_by(promotions.c.created_at, promotions.c.id)
    .limit(1)
)
_END = (
    update(promotions)
    .where(promotions.c.id == bindparam("id_"))
    .where(promotions.c.ended_at.is_(None))
    .values(ended_at=bindparam("at_"))
)


class Promotions(Queries):
    """Strategies promoted to live money."""

    __slots__ = ()

    def add_promotion(self, promotion: Promotion) -> None:
        """Store a new promotion; the strategy has its row already."""
        row = {
            "id": promotion.id,
            "strategy_id": promotion.strategy,
            "account": promotion.account,
            "created_at": promotion.created_at,
            "set_by": promotion.set_by,
            "note": promotion.note,
            "ended_at": promotion.ended_at,
        }
        self._write(insert(promotions), row)

    def promotion(self, strategy: str, account: str) -> Promotion | None:
        """The promotion of a strategy for this account that is in force, None without one."""
        row = self._row(_IN_FORCE, {"strategy_": strategy, "account_": account})
        return None if row is None else Promotion(*row)

    def end_promotion(self, id: str, at: datetime) -> bool:
        """End a promotion; False when it had ended before."""
        return self._write(_END, {"id_": id, "at_": at}) == 1

    def promotions(self) -> tuple[Promotion, ...]:
        """Every promotion there ever was, oldest first."""
        return tuple(Promotion(*row) for row in self._rows(_ALL))
