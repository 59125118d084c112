"""What every group of queries shares: one connection, one transaction, statements built once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.base import Executable

from engine.model.events import Event

Params = dict[str, Any]
Fields = Row[*tuple[Any, ...]]
"""A row as the driver gives it: never leaves this package."""


@cache
def insert_new(dialect: str, table: Table) -> Executable:
    """INSERT that leaves an existing row alone; the row count says which happened."""
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return sqlite.insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


@cache
def upsert(dialect: str, table: Table) -> Executable:
    """INSERT that overwrites every column of an existing row."""
    keys = [column.name for column in table.primary_key]
    others = [column.name for column in table.columns if column.name not in keys]
    if dialect == "postgresql":
        statement = postgresql.insert(table)
        return statement.on_conflict_do_update(index_elements=keys, set_={n: statement.excluded[n] for n in others})
    lite = sqlite.insert(table)
    return lite.on_conflict_do_update(index_elements=keys, set_={n: lite.excluded[n] for n in others})


class Queries:
    """A transaction under way. Values go in and out; rows stay inside."""

    __slots__ = ("_added", "_ahead", "_connection", "_dialect", "_writes")

    def __init__(self, connection: Connection, *, writes: bool) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._writes = writes
        self._added: list[Event] = []
        self._ahead: dict[Executable, dict[tuple[Any, ...], Sequence[Fields]]] = {}

    def _rows(self, statement: Executable, params: Params | None = None) -> Sequence[Fields]:
        known = self._known(statement, params)
        return self._connection.execute(statement, params).all() if known is None else known

    def _row(self, statement: Executable, params: Params | None = None) -> Fields | None:
        known = self._known(statement, params)
        if known is None:
            return self._connection.execute(statement, params).first()
        return known[0] if known else None

    def _known(self, statement: Executable, params: Params | None) -> Sequence[Fields] | None:
        """The rows that were read ahead for this question, None where none were."""
        answers = self._ahead.get(statement)
        return None if answers is None else answers.get(tuple((params or {}).values()))

    def _write(self, statement: Executable, params: Params | list[Params] | None = None) -> int:
        """Execute and return the number of rows touched."""
        if not self._writes:
            raise RuntimeError("This transaction only reads: open it with store.begin() to write.")
        if isinstance(params, list) and not params:
            return 0
        self._ahead = {}
        return int(self._connection.execute(statement, params).rowcount)

    def _insert_new(self, table: Table, params: Params) -> bool:
        """Whether the row was new."""
        return self._write(insert_new(self._dialect, table), params) == 1

    def _upsert(self, table: Table, params: Params) -> None:
        self._write(upsert(self._dialect, table), params)
