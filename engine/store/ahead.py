"""What a decision to open a trade asks for, read in one statement: on a server each question is a round trip."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Column, Select, bindparam, literal_column, null, select, union_all
from sqlalchemy.sql.base import Executable

from engine.codec import load_frozen
from engine.model.locks import Lock
from engine.schema.tables import ledger_totals, limit_changes, locks, orders, positions, settings, strategies
from engine.store.catalogue import STATUS
from engine.store.ledger import TOTALS
from engine.store.locks import CHANGES, HELD
from engine.store.operations import PEAK, PEAK_SESSIONS, SETTING
from engine.store.orders import OPEN_TICKETS
from engine.store.positions import OPEN
from engine.store.work import Queries

_TOTAL, _SETTING, _TICKET, _POSITION, _LOCK, _STRATEGY, _CHANGE, _PEAK = range(8)


@cache
def _statement(names: tuple[str, ...]) -> Executable:
    """Rows of (what it is, key, text, cash, realised), in no order."""
    wanted: list[BindParameter[str]] = [bindparam(f"name_{number}", name) for number, name in enumerate(names)]
    return union_all(
        select(
            literal_column(str(_TOTAL)),
            ledger_totals.c.kind,
            null().label("body"),
            ledger_totals.c.cash,
            ledger_totals.c.realised,
        ),
        _texts(_SETTING, settings.c.name, settings.c.value).where(settings.c.name.in_(wanted)),
        _texts(_TICKET, orders.c.id, orders.c.body).where(orders.c.status == "working"),
        _texts(_POSITION, positions.c.id, positions.c.body).where(positions.c.status == "open"),
        _texts(_LOCK, locks.c.id, locks.c.body).where(locks.c.status == "held"),
        _texts(_STRATEGY, strategies.c.id, strategies.c.status).where(strategies.c.id == bindparam("strategy_")),
        _texts(_CHANGE, limit_changes.c.id, limit_changes.c.name),
        select(literal_column(str(_PEAK)), null(), null(), PEAK.scalar_subquery(), null()),
    )


def _texts(what: int, key: Column[Any], body: Column[Any]) -> Select[Any]:
    return select(literal_column(str(what)), key, body, null(), null())


class Ahead(Queries):
    """Answers that are here before they are asked for."""

    __slots__ = ()

    def read_ahead(self, strategy: str, names: tuple[str, ...]) -> None:
        """Read what is held, worked and locked, the ledger's totals, whether a strategy is enabled, and settings.

        The methods that answer these questions do so from what was read here, until this transaction writes.
        """
        found: dict[int, dict[str, Any]] = {what: {} for what in range(_PEAK + 1)}
        for what, key, body, *sums in self._rows(_statement(names), {"strategy_": strategy, "limit_": PEAK_SESSIONS}):
            found[what][key] = (key, *sums) if what in (_TOTAL, _PEAK) else (body,)
        held = sorted(found[_LOCK].items(), key=lambda row: (load_frozen(Lock, row[1][0]).since, row[0]))
        self._ahead = {
            TOTALS: {(): list(found[_TOTAL].values())},
            SETTING: {(name,): [found[_SETTING][name]] if name in found[_SETTING] else [] for name in names},
            OPEN_TICKETS: {(): [body for _, body in sorted(found[_TICKET].items())]},
            OPEN: {(): [body for _, body in sorted(found[_POSITION].items())]},
            HELD: {(): [body for _, body in held]},
            STATUS: {(strategy,): list(found[_STRATEGY].values())},
            PEAK: {(PEAK_SESSIONS,): [row[1:] for row in found[_PEAK].values()]},
        }
        if not found[_CHANGE]:
            self._ahead[CHANGES] = {(): []}
