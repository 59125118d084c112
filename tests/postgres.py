"""A temporary PostgreSQL cluster, started from installed programs, and a new database in it for each test.

The cluster listens on a Unix socket in its own folder only: no port to collide with, no password to keep. It belongs
to a small shell process that waits on a pipe from us: however the tests end, SIGKILL included, the pipe closes, and
the shell stops the server and removes the folder.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.programs import missing, postgres_programs

USER = "wsb"
SERVER_USERS = ("postgres", "nobody")

FAST = "-F -c full_page_writes=off -c synchronous_commit=off"
"""Durability is off: nothing outlives the tests."""
DURABLE = "-c fsync=on -c synchronous_commit=on"
"""As in use: a commit is on the disk when it returns."""

# $1 programs, $2 folder, $3 options of the server.
KEEPER = """
trap '' INT TERM HUP
cd "$2" || exit 1
"$1/initdb" --no-sync --auth=trust --username=wsb --encoding=UTF8 --locale=C --pgdata=data >init.log 2>&1 &&
"$1/pg_ctl" start --wait --timeout=60 --pgdata=data --log=server.log \
    --options="-c listen_addresses='' -k '$2' $3" >start.log 2>&1 &&
echo ready || { cat init.log start.log server.log 2>/dev/null | tail -n 5; exit 1; }
read -r _
"$1/pg_ctl" stop --mode=immediate --pgdata=data >/dev/null 2>&1
rm -rf "$2"
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running PostgreSQL server: its programs, and the folder with its socket."""

    programs: Path
    folder: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The SQLAlchemy URL of a new, empty database, dropped in the end whoever is still connected."""
        name = f"wsb_test_{next(self.numbers)}"
        self._run("createdb", name)
        try:
            yield f"postgresql+psycopg://{USER}@/{name}?host={self.folder}"
        finally:
            self._run("dropdb", "--force", name)

    def _run(self, program: str, *arguments: str) -> None:
        command = [self.programs / program, "--host", self.folder, "--username", USER, *arguments]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)


@contextmanager
def running_cluster(programs: Path, options: str = FAST) -> Iterator[Cluster]:
    """A cluster that runs, with these options of the server, until the block is left."""
    user = _server_user()
    folder = Path(tempfile.mkdtemp(prefix="wsb-pg-"))
    if user is not None:
        shutil.chown(folder, user=user)
    keeper = subprocess.Popen(
        ["/bin/sh", "-c", KEEPER, "keeper", programs, folder, options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        user=user,
        start_new_session=True,
    )
    try:
        first = keeper.stdout.readline().strip()
        if first != "ready":
            pytest.fail(f"PostgreSQL did not start: {first} {keeper.stdout.read()}")
        yield Cluster(programs, folder)
    finally:
        keeper.communicate(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this test run's own."""
    with running_cluster(postgres_programs()) as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres_cluster: Cluster) -> Iterator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL database of this test's own."""
    with postgres_cluster.database() as url:
        yield url


def _server_user() -> str | None:
    """Whom to run the server as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    if able := [name for name in SERVER_USERS if name in known]:
        return able[0]
    return missing(f"PostgreSQL does not run as root, and this system has no user {' or '.join(SERVER_USERS)}")
