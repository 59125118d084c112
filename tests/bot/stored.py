"""What a store holds, whole: to tell whether anything in it was changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from engine.model.events import EventKind
from engine.schema.tables import events, metadata
from engine.store import Store


def everything(store: Store, but: EventKind | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, without the events of the kind `but`."""
    with store.read() as work:
        held = {table.name: [tuple(row) for row in work._rows(select(table), {})] for table in metadata.sorted_tables}
    kind = list(events.c.keys()).index("kind")
    held["events"] = [row for row in held["events"] if but is None or row[kind] != but.value]
    return {name: sorted(rows, key=repr) for name, rows in held.items()}
