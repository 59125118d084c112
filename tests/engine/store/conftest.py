"""Stores of every kind: SQLite in memory, SQLite in a file, PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from engine.schema.tables import metadata
from engine.store import Store
from tests.postgres import Cluster

ON_A_SERVER = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture(scope="session")
def postgres_database(postgres_cluster: Cluster) -> Iterator[str]:
    """The URL of one PostgreSQL database with our tables, shared by all tests."""
    with postgres_cluster.database() as url:
        Store.create(url).close()
        yield url


def _emptied(url: str) -> str:
    engine = create_engine(url)
    with engine.begin() as connection:
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names}"))
    engine.dispose()
    return url


@pytest.fixture(params=["file", ON_A_SERVER])
def durable_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database that outlives its connections."""
    if request.param == "postgres":
        return _emptied(request.getfixturevalue("postgres_database"))
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    Store.create(url).close()
    return url


@pytest.fixture(params=["memory", "file", ON_A_SERVER])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    if request.param == "memory":
        kept = Store.memory()
    elif request.param == "file":
        kept = Store.create(f"sqlite:///{tmp_path / 'desk.db'}")
    else:
        kept = Store.open(_emptied(request.getfixturevalue("postgres_database")))
    with kept:
        yield kept
