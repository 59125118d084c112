"""The store: one concrete class over SQLite or PostgreSQL. Values in, values out; short transactions.

One transaction writes at a time, on both databases: SQLite by BEGIN IMMEDIATE, PostgreSQL by an advisory lock. What a
writer has read is therefore still true when it commits, and two taps can never both win.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType

from sqlalchemy import Engine

from engine.errors import ConfigError
from engine.model.events import Event
from engine.model.leadership import Term
from engine.store import database
from engine.store.adoptions import Adoptions
from engine.store.ahead import Ahead
from engine.store.alerts import Alerts
from engine.store.approvals import Approvals
from engine.store.buttons import Buttons
from engine.store.consents import Consents
from engine.store.digests import Digests
from engine.store.envelopes import Envelopes
from engine.store.events import Events, Seal
from engine.store.failures import Failures
from engine.store.forgetting import Forgetting
from engine.store.heartbeats import Heartbeats
from engine.store.locks import Locks
from engine.store.monitoring import Monitoring
from engine.store.operations import Operations
from engine.store.orders import Orders
from engine.store.outbox import Outbox, Waiting
from engine.store.positions import Positions
from engine.store.promotions import Promotions
from engine.store.runs import Runs
from engine.store.sequences import Sequences
from engine.store.troubles import Troubles

__all__ = ["PaperJournal", "Seal", "Store", "UnitOfWork", "Waiting", "folder_of"]


def unheard(event: Event) -> None:
    """Nobody is told."""
    del event


def folder_of(url: str) -> Path | None:
    """The folder that holds the database at `url`, None for one on a server."""
    file = database.file_of(database.parse(url))
    return None if file is None else file.absolute().parent


class UnitOfWork(
    Adoptions,
    Ahead,
    Alerts,
    Approvals,
    Buttons,
    Consents,
    Digests,
    Envelopes,
    Events,
    Failures,
    Forgetting,
    Heartbeats,
    Locks,
    Monitoring,
    Operations,
    Orders,
    Outbox,
    Positions,
    Promotions,
    Runs,
    Sequences,
    Troubles,
):
    """One transaction: every query and every change of the desk, by name."""

    __slots__ = ()


def unasked(work: UnitOfWork) -> None:
    """Nobody is asked."""
    del work


class _Current(threading.local):
    """The transaction this thread is in."""

    work: UnitOfWork | None = None


class Store:
    """The desk's memory. Safe to share between threads.

    `begin()` opens the one transaction that writes; `read()` one that sees a single moment. Neither may hold the
    network or an `await` inside it. A `read()` inside another transaction of the same thread joins it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = database.writer(engine)
        self._reader = database.reader(engine)
        self._current = _Current()
        self.term = Term()
        """Under which lease this process writes; unfenced until it takes one."""
        self.hear: Callable[[Event], object] = unheard
        """Is told of every event that was written, when it has been committed, on the thread that wrote it."""
        self._writing: AbstractContextManager[object] = threading.Lock()
        """On a server too: of a process that is stopped, each that waits there would hold up everybody in its turn."""
        self._reading: AbstractContextManager[object] = nullcontext()
        self._release = weakref.finalize(self, engine.dispose)

    @classmethod
    def open(cls, url: str) -> Store:
        """The store at `url` (`sqlite:///wsb.db`, `postgresql://...`), whose schema must be this program's.

        Raises:
            ConfigError: no such database, or its revision is older (run `wsb db upgrade`) or newer than the program.
        """
        parsed = database.parse(url)
        file = database.file_of(parsed)
        if file is not None and not file.exists():
            raise ConfigError(f"There is no database {file} yet: run `wsb db upgrade` to create it.")
        store = cls(database.connect(parsed))
        try:
            database.check_revision(store._engine)
        except ConfigError:
            store.close()
            raise
        return store

    @classmethod
    def create(cls, url: str) -> Store:
        """As `open`, creating the database or bringing it to this program's revision first; data is kept.

        Raises:
            ConfigError: its revision is newer than the program, or it holds somebody else's tables.
        """
        cls.upgrade(url)
        return cls.open(url)

    @classmethod
    def as_it_is(cls, url: str) -> Store:
        """The store at `url`, older schema or not: for its lease and its settings, which every revision has alike.

        Raises:
            ConfigError: as `create`; or it is empty.
        """
        store = cls(database.connect(database.parse(url)))
        try:
            database.check_known(store._engine)
        except ConfigError:
            store.close()
            raise
        return store

    @staticmethod
    def upgrade(url: str, allow: Callable[[UnitOfWork], object] = unasked) -> str:
        """The revision of the database at `url` after bringing it to this program's; data is kept.

        `allow` is asked in the transaction that does it, before anything changes that is there already.

        Raises:
            ConfigError: as `create`.
        """
        engine = database.connect(database.parse(url))
        try:
            return database.upgrade(engine, lambda connection: allow(UnitOfWork(connection, writes=True)))
        finally:
            engine.dispose()

    @staticmethod
    def revision_at(url: str) -> str | None:
        """The schema revision of the database at `url`, whichever it is; None where there is none, or it is empty.

        Raises:
            ConfigError: it cannot be opened, or holds somebody else's tables.
        """
        parsed = database.parse(url)
        file = database.file_of(parsed)
        if file is not None and not file.exists():
            return None
        engine = database.connect(parsed)
        try:
            with database.reached(engine), engine.connect() as connection:
                return database.revision_of(connection)
        finally:
            engine.dispose()

    @classmethod
    def memory(cls) -> Store:
        """An empty store that lives in this process and ends with it (replay, tests); threads take turns."""
        store = cls(database.memory())
        store._reading = store._writing
        return store

    def revision(self) -> str:
        """The schema revision of the database."""
        return database.check_revision(self._engine)

    def optimise(self) -> None:
        """Let the database learn anew how much each table holds, so that it goes on choosing the right index."""
        statement = "PRAGMA optimize" if self._engine.dialect.name == "sqlite" else "ANALYZE"
        with self._writing, self._engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def close(self) -> None:
        """Give the connections back."""
        self._release()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        """A transaction that may write: committed at the end of the block, rolled back on any error.

        It is held against the lease of this process: nobody else can take that before this transaction has ended.

        Raises:
            LeaseLost: another process acts for the desk; nothing may be written here.
            RuntimeError: this thread is in a transaction already (it would wait for itself).
        """
        with self.begin_unfenced() as work:
            work.require_term(self.term)
            yield work

    @contextmanager
    def begin_unfenced(self) -> Iterator[UnitOfWork]:
        """`begin` whoever has the lease: for giving it back."""
        if self._current.work is not None:
            raise RuntimeError("This thread is in a transaction already: end it before begin().")
        with self._writing, database.transaction(self._writer) as connection:
            work = UnitOfWork(connection, writes=True)
            self._current.work = work
            try:
                yield work
            finally:
                self._current.work = None
        for event in work.added:
            self.hear(event)

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """A transaction that sees one moment and refuses to write; joins the one this thread is in."""
        if self._current.work is not None:
            yield self._current.work
            return
        with self._reading, database.transaction(self._reader) as connection:
            work = UnitOfWork(connection, writes=False)
            self._current.work = work
            try:
                yield work
            finally:
                self._current.work = None

    def paper_journal(self) -> PaperJournal:
        """Where the paper exchange keeps its account and orders, so that a kill loses nothing."""
        return PaperJournal(self)


class PaperJournal:
    """Rows of (kind, key, body) in the table `paper`; every call is one durable transaction."""

    __slots__ = ("_store",)

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> tuple[tuple[str, str, str], ...]:
        """Everything written, by kind and key."""
        with self._store.read() as work:
            return work.paper_rows()

    def write(self, kind: str, key: str, body: str) -> None:
        """Write one row over the one of the same kind and key."""
        self.write_many([(kind, key, body)])

    def write_many(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Write several rows at once: all of them or, after a kill, none."""
        with self._store.begin() as work:
            work.write_paper(rows)
