"""Books that are older than the world: what is written into them before a desk opens them again.

The broker went on after the backup was made. Until it has been asked, nothing is opened, nothing is sold and no old
proposal can be approved. Only columns that every revision has are touched, so that an older program can take over too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, func, inspect, select, update

from engine import halts, missing
from engine.model.trade import ApprovalStatus
from engine.schema.tables import approvals, events, lease, legs, positions, settings
from engine.store import database
from engine.store.operations import LEASE
from engine.store.work import upsert

RESTORED = "restored"
"""Setting: when the books were restored last, and what is to be told about it (JSON)."""
BY = "wsb db restore"


@dataclass(frozen=True, slots=True)
class Before:
    """What stood in the database that is put aside: who ran it until when, and how far its events went."""

    holder: str = ""
    epoch: int = 0
    expires: datetime | None = None
    last_event: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """What restored books are told: `words` for people, `ids_after` the time after which new ids begin."""

    at: datetime
    words: str
    ids_after: datetime
    epoch: int


@contextmanager
def _opened(url: str) -> Iterator[Engine]:
    engine = database.connect(database.parse(url))
    try:
        yield engine
    finally:
        engine.dispose()


def before(url: str) -> Before:
    """What the database at hand says of its last desk; nothing where it is empty.

    Raises:
        ConfigError: it cannot be read.
    """
    with _opened(url) as engine, database.reached(engine), engine.connect() as connection:
        names = set(inspect(connection).get_table_names())
        held = last = None
        if lease.name in names:
            columns = lease.c.holder, lease.c.epoch, lease.c.expires
            held = connection.execute(select(*columns).where(lease.c.name == LEASE)).first()
        if events.name in names:
            last = connection.execute(select(func.max(events.c.at, type_=events.c.at.type))).scalar()
    return Before(last_event=last) if held is None else Before(*held, last)


def mark(url: str, told: Mark) -> None:
    """Write into restored books, in one transaction, that they are older than the world."""
    with _opened(url) as engine, database.transaction(database.writer(engine)) as connection:
        held = connection.execute(select(lease.c.epoch).where(lease.c.name == LEASE)).scalar()
        epoch = max(told.epoch, held or 0) + 1
        connection.execute(update(lease).where(lease.c.name == LEASE).values(epoch=epoch, expires=told.at))
        connection.execute(
            update(approvals)
            .where(approvals.c.status == ApprovalStatus.PENDING.value)
            .values(status=ApprovalStatus.EXPIRED.value, note="the books were restored from a backup")
        )
        body = {"words": told.words, "ids_after": told.ids_after.isoformat(), "is_told": False}
        _set(connection, RESTORED, json.dumps(body, sort_keys=True), told.at)
        _set(connection, halts.SETTING, f"{told.at.isoformat()}|{BY}|{told.words}", told.at)
        _set(connection, missing.SETTING, json.dumps(_held(connection), sort_keys=True), told.at)


def _held(connection: Connection) -> dict[str, int]:
    """Every contract and share in the books as missing: the first look at the broker says what is really there."""
    rows = connection.execute(
        select(legs.c.symbol, func.sum(legs.c.quantity))
        .join(positions, positions.c.id == legs.c.position_id)
        .where(positions.c.closed_at.is_(None))
        .group_by(legs.c.symbol)
    )
    return {symbol: abs(int(quantity)) for symbol, quantity in rows if quantity}


def _set(connection: Connection, name: str, value: str, at: datetime) -> None:
    row = {"name": name, "value": value, "set_by": BY, "set_at": at}
    connection.execute(upsert(connection.dialect.name, settings), row)
