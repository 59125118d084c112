"""The count of errors that is read every minute costs what happened lately, however long the history is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from engine.store import Store
from tests import make


@pytest.fixture
def plans(tmp_path: Path) -> dict[str, list[str]]:
    """How SQLite goes about each statement of the count."""
    asked: list[tuple[str, Any]] = []
    with Store.create(f"sqlite:///{tmp_path / 'desk.db'}") as store:

        @event.listens_for(store._engine, "before_cursor_execute")
        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            asked.append((statement, parameters))

        with store.read() as work:
            work.tallies(make.NOW - timedelta(hours=1))
        with store._engine.connect() as connection:
            return {
                words: [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", parameters)]
                for words, parameters in tuple(asked)
            }


def test_no_count_of_errors_reads_a_whole_table_or_all_of_a_kind(plans: dict[str, list[str]]) -> None:
    searches = [line for lines in plans.values() for line in lines if line.startswith(("SCAN", "SEARCH"))]

    assert len(plans) == 5
    assert [line for line in searches if line.startswith("SCAN")] == []
    assert [line for line in searches if "events" in line and "(kind=? AND at>?)" not in line] == []
