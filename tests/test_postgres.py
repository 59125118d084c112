"""The temporary cluster keeps its promises: separate databases, and nothing left behind however the tests end."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from tests.postgres import Cluster
from tests.programs import postgres_programs

OWNER = """
import sys
from pathlib import Path
from tests.postgres import running_cluster
with running_cluster(Path(sys.argv[1])) as cluster:
    print(cluster.folder, flush=True)
    sys.stdin.read()
"""


def test_url_opens_an_empty_database(postgres_url: str):
    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        tables = connection.execute(text("select count(*) from pg_tables where schemaname = 'public'")).scalar()
    engine.dispose()

    assert tables == 0


def test_two_databases_share_nothing(postgres_cluster: Cluster):
    with postgres_cluster.database() as first, postgres_cluster.database() as second:
        run(first, "create table once (id int)")

        with pytest.raises(psycopg.errors.UndefinedTable):
            run(second, "select * from once")


def test_database_is_dropped_in_spite_of_an_open_connection(postgres_cluster: Cluster):
    with postgres_cluster.database() as url:
        connection = psycopg.connect(plain(url))

    with pytest.raises(psycopg.OperationalError):
        connection.execute("select 1")
    connection.close()


def test_cluster_goes_when_its_owner_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, postgres_programs()],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        folder = Path(owner.stdout.readline().strip())
        was_there = (folder / "data" / "postmaster.pid").exists()
        owner.kill()

    assert was_there
    assert vanishes(folder, seconds=30)


def run(url: str, statement: str) -> None:
    with psycopg.connect(plain(url)) as connection:
        connection.execute(statement)


def plain(url: str) -> str:
    """The URL as psycopg itself reads it."""
    return url.replace("postgresql+psycopg", "postgresql")


def vanishes(folder: Path, seconds: float) -> bool:
    pause = threading.Event()
    return any(not folder.exists() or pause.wait(0.05) for _ in range(int(seconds / 0.05)))
