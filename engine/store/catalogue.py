"""The strategies the database knows, and the limits people set for them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, select, update

from engine.model.records import RiskLimits, StrategyRecord
from engine.model.trade import RiskLevel
from engine.schema.tables import risk_limits, strategies
from engine.store.work import Queries

ENABLED = "enabled"
DISABLED = "disabled"
_STRATEGIES = select(strategies.c.name, strategies.c.risk_level, strategies.c.status, strategies.c.created_at).order_by(
    strategies.c.name
)
STATUS = select(strategies.c.status).where(strategies.c.id == bindparam("name_"))
_RISK_LIMITS = select(
    risk_limits.c.id,
    risk_limits.c.strategy_id,
    risk_limits.c.max_position_risk,
    risk_limits.c.max_total_risk,
    risk_limits.c.max_drawdown,
    risk_limits.c.set_by,
    risk_limits.c.created_at,
).order_by(risk_limits.c.created_at, risk_limits.c.id)


class Catalogue(Queries):
    """The roadmap's `strategies` and `risk_limits`."""

    __slots__ = ()

    def ensure_strategy(self, name: str, at: datetime) -> None:
        """Make sure the strategy has its row; what is known of it stays."""
        self._add_strategy(name, None, ENABLED, at)

    def _add_strategy(self, name: str, risk_level: RiskLevel | None, status: str, at: datetime) -> bool:
        row = {"id": name, "name": name, "risk_level": risk_level, "status": status, "created_at": at}
        return self._insert_new(strategies, row)

    def set_strategy(self, name: str, risk_level: RiskLevel | None, status: str, at: datetime) -> None:
        """Write what the catalogue says of a strategy; `created_at` of an earlier row is kept."""
        if not self._add_strategy(name, risk_level, status, at):
            known = update(strategies).where(strategies.c.id == name)
            self._write(known.values(risk_level=risk_level, status=status))

    def know_strategy(self, name: str, risk_level: RiskLevel, at: datetime) -> None:
        """Write the catalogue's risk level of a strategy; whether it is enabled is left as people set it."""
        if not self._add_strategy(name, risk_level, ENABLED, at):
            self._write(update(strategies).where(strategies.c.id == name).values(risk_level=risk_level))

    def set_strategy_status(self, name: str, status: str) -> None:
        """Enable or disable a strategy that is known."""
        self._write(update(strategies).where(strategies.c.id == name).values(status=status))

    def is_enabled(self, name: str) -> bool:
        """Whether people let it trade; a strategy that is not known yet is enabled."""
        row = self._row(STATUS, {"name_": name})
        return row is None or row[0] != DISABLED

    def strategies(self) -> tuple[StrategyRecord, ...]:
        """All strategies the database knows, by name."""
        rows = self._rows(_STRATEGIES)
        return tuple(StrategyRecord(row[0], RiskLevel(row[1]) if row[1] else None, row[2], row[3]) for row in rows)

    def add_risk_limits(self, limits: RiskLimits) -> None:
        """Keep limits set by a person; the latest of a strategy count."""
        if limits.strategy is not None:
            self.ensure_strategy(limits.strategy, limits.set_at)
        row = {
            "id": limits.id,
            "strategy_id": limits.strategy,
            "max_position_risk": limits.max_position_risk,
            "max_total_risk": limits.max_total_risk,
            "max_drawdown": limits.max_drawdown,
            "created_at": limits.set_at,
            "set_by": limits.set_by,
        }
        self._insert_new(risk_limits, row)

    def risk_limits(self) -> tuple[RiskLimits, ...]:
        """Every set of limits people set, oldest first."""
        return tuple(RiskLimits(*row) for row in self._rows(_RISK_LIMITS))
