"""Alerts: those that are not over, those that were a moment ago, and what there was before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import bindparam, delete, or_, select

from engine.codec import dump, load_frozen
from engine.errors import NotFound
from engine.model.alerts import Alert, AlertState
from engine.schema.tables import alerts
from engine.store.work import Fields, Params, Queries, upsert

_ONE = select(alerts.c.body).where(alerts.c.id == bindparam("id_"))
_OVER = alerts.c.state == AlertState.RESOLVED.value
_LIVING = (
    select(alerts.c.body)
    .where(or_(~_OVER, alerts.c.resolved_at >= bindparam("since_")))
    .order_by(alerts.c.opened_at, alerts.c.id)
)
_OPEN = (
    select(alerts.c.body)
    .where(alerts.c.state.in_([AlertState.FIRING.value, AlertState.SNOOZED.value]))
    .order_by(alerts.c.opened_at, alerts.c.id)
)
_ON_CARD = select(alerts.c.body).where(alerts.c.card == bindparam("card_")).order_by(alerts.c.opened_at, alerts.c.id)
_LATEST = (
    select(alerts.c.body)
    .where(alerts.c.told_at.is_not(None))
    .order_by(alerts.c.opened_at.desc(), alerts.c.id.desc())
    .limit(bindparam("limit_"))
)
_DROP = delete(alerts).where(alerts.c.id.in_(bindparam("ids_", expanding=True)))


class Alerts(Queries):
    """What is wrong now, and what was."""

    __slots__ = ()

    def save_alerts(self, changed: Iterable[Alert]) -> None:
        """Store new or changed alerts."""
        self._write(upsert(self._dialect, alerts), [_row(alert) for alert in changed])

    def drop_alerts(self, ids: Iterable[str]) -> None:
        """Forget alerts that were never told."""
        wanted = sorted(ids)
        if wanted:
            self._write(_DROP, {"ids_": wanted})

    def alert(self, id: str) -> Alert:
        """One alert.

        Raises:
            NotFound: there is none of this id.
        """
        row = self._row(_ONE, {"id_": id})
        if row is None:
            raise NotFound(f"There is no alert {id}. /alerts lists those that are open.")
        return _alert(row)

    def living_alerts(self, since: datetime) -> tuple[Alert, ...]:
        """Everything a look needs: alerts that are not over, and those that have been over since then; oldest first."""
        return tuple(_alert(row) for row in self._rows(_LIVING, {"since_": since}))

    def open_alerts(self) -> tuple[Alert, ...]:
        """Those that were told and are not over, the snoozed ones too; oldest first."""
        return tuple(_alert(row) for row in self._rows(_OPEN))

    def alerts_on(self, card: str) -> tuple[Alert, ...]:
        """Those that are told on one card, oldest first."""
        return tuple(_alert(row) for row in self._rows(_ON_CARD, {"card_": card}))

    def latest_alerts(self, limit: int = 50) -> tuple[Alert, ...]:
        """Those that were told, newest first, open or over."""
        return tuple(_alert(row) for row in self._rows(_LATEST, {"limit_": limit}))


def _alert(row: Fields) -> Alert:
    return load_frozen(Alert, row[0])


def _row(alert: Alert) -> Params:
    return {
        "id": alert.id,
        "rule": alert.rule,
        "subject": alert.subject,
        "severity": alert.severity.value,
        "state": alert.state.value,
        "opened_at": alert.opened_at,
        "told_at": alert.told_at,
        "resolved_at": alert.resolved_at,
        "snoozed_until": alert.snoozed_until,
        "seen_by": alert.seen_by,
        "card": alert.card,
        "body": dump(alert),
    }
