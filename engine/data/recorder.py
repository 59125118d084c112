"""Writing down what was asked of a market, behind the back of whoever asked.

Notes wait in memory for one thread that writes them. Whoever trades never waits for it: what does not fit into memory
is left out and counted, and a disk that is full costs the recording, not the trade. A file appears under its name when
it is complete; what was written before is never touched again.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from engine.data.recording import (
    BAR_SCHEMA,
    BARS,
    CHAIN_SCHEMA,
    CHAINS,
    INTRADAY,
    INTRADAY_SCHEMA,
    MICROSECOND,
    MOMENT_SCHEMA,
    PRICES,
    SNAPSHOTS,
    Facts,
    IntradayHead,
    Moment,
    Part,
    bars_table,
    body_of,
    chain_table,
    day_of,
    intraday_table,
    micros,
    moments_table,
    sighting,
    walls,
)
from engine.errors import ConfigError
from engine.model.market import Bars, Chain, Dates, IntradayBars, MarketSnapshot

log = structlog.get_logger()

LINGER = 15.0
"""Seconds for which notes are gathered into one file: what a process that is killed can lose of its recording."""
MOST_BYTES = 128 * 2**20
"""What may wait to be written; beyond it notes are left out."""
CELL, SMALL = 8, 4_000
SCHEMAS = {CHAINS: CHAIN_SCHEMA, BARS: BAR_SCHEMA, INTRADAY: INTRADAY_SCHEMA, SNAPSHOTS: MOMENT_SCHEMA}
"""In the order in which they are written: a row never refers to what is not there yet."""


@dataclass(frozen=True, slots=True)
class Note:
    """One answer of a market. `value` None is the answer that there is nothing.

    `at` is the instant of the snapshot it belongs to, of the question where it belongs to none.
    """

    ticker: str
    at: datetime
    part: Part
    value: object | None

    @property
    def size(self) -> int:
        """About how many bytes it holds on to."""
        if isinstance(self.value, Chain):
            return SMALL + len(self.value) * CELL * len(Chain.COLUMNS)
        if isinstance(self.value, IntradayBars):
            return SMALL + len(self.value) * CELL * len(IntradayBars.COLUMNS)
        if isinstance(self.value, MarketSnapshot):
            return SMALL + len(self.value.bars) * CELL * len(PRICES)
        return SMALL


@dataclass(slots=True)
class Batch:
    """The tables of one day that are written next, by kind."""

    chains: list[pa.Table] = field(default_factory=list)
    bars: list[pa.Table] = field(default_factory=list)
    intraday: list[pa.Table] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)

    @property
    def tables(self) -> dict[str, list[pa.Table]]:
        moments = [moments_table(self.moments)] if self.moments else []
        return {CHAINS: self.chains, BARS: _one(self.bars), INTRADAY: _one(self.intraday), SNAPSHOTS: moments}


def _one(tables: list[pa.Table]) -> list[pa.Table]:
    """All of them as one: a row group of its own would cost more than the few bars in it."""
    return [pa.concat_tables(tables)] if tables else []


B = TypeVar("B", Bars, IntradayBars)


@dataclass(frozen=True, slots=True)
class _Written(Generic[B]):
    """The bars of a name as they were written last: at `at`, upon the whole set of `base`."""

    base: datetime
    at: datetime
    bars: B


class _Growing(Generic[B]):
    """Bars that grow at their end: what was written before is not written again. `table` makes the rows."""

    def __init__(self, table: Callable[[B, datetime, datetime], pa.Table]) -> None:
        self._table: Callable[[B, datetime, datetime], pa.Table] = table
        self._known: dict[str, _Written[B]] = {}

    def forget(self) -> None:
        self._known.clear()

    def at(self, bars: B, at: datetime, pieces: list[pa.Table]) -> datetime:
        """The instant under which the bars are written, now (behind `pieces`) or before."""
        known = self._known.get(bars.ticker)
        added = None if known is None else _added(known.bars, bars)
        if known is None or added is None:
            self._known[bars.ticker] = _Written(at, at, bars)
            pieces.append(self._table(bars, at, at))
            return at
        if len(added):
            at = max(at, known.at + MICROSECOND)  # two threads may note in another order than they asked
            pieces.append(self._table(added, at, known.base))
        else:
            at = known.at
        self._known[bars.ticker] = _Written(known.base, at, bars)
        return at


class Notebook:
    """Turns notes into rows and leaves out what was written already. One thread uses it."""

    def __init__(self) -> None:
        self._day = date.min
        self._bars: _Growing[Bars] = _Growing(bars_table)
        self._intraday: _Growing[IntradayBars] = _Growing(intraday_table)
        self._facts: dict[str, tuple[datetime, Facts]] = {}
        self._chains: dict[str, tuple[datetime, tuple[object, ...]]] = {}
        self._last: dict[tuple[Part, str], object] = {}

    def forget(self) -> None:
        """Nothing counts as written any more: everything is written whole again."""
        self._bars.forget()
        self._intraday.forget()
        self._new_day(date.min)

    def add(self, note: Note, batch: Batch) -> None:
        """The rows of one note, behind those of `batch`."""
        if day_of(note.at) != self._day:
            self._new_day(day_of(note.at))
        if isinstance(note.value, MarketSnapshot):
            batch.moments += self._snapshot(note.value, batch)
        elif note.part is Part.CHAIN:
            batch.moments.append(self._chain(note, batch))
        elif isinstance(note.value, IntradayBars):
            batch.moments.append(self._intraday_head(note, note.value, batch))
        elif self._is_news(note):
            batch.moments.append(Moment(note.ticker, note.at, note.part, body_of(note.value)))

    def _new_day(self, day: date) -> None:
        self._day = day
        self._facts.clear()
        self._chains.clear()
        self._last.clear()

    def _is_news(self, note: Note) -> bool:
        """Whether it is another one than the last of its name; parts of snapshots always are."""
        if note.part not in (Part.QUOTE, Part.STATUS, Part.LEVEL):
            return True
        key = (note.part, note.ticker)
        if key in self._last and self._last[key] == note.value:
            return False
        self._last[key] = note.value
        return True

    def _snapshot(self, snapshot: MarketSnapshot, batch: Batch) -> list[Moment]:
        facts = Facts(snapshot.dividends, snapshot.iv_history)
        known = self._facts.get(snapshot.ticker)
        rows = []
        if known is None or known[1] != facts:
            known = self._facts[snapshot.ticker] = (snapshot.asof, facts)
            rows.append(Moment(snapshot.ticker, snapshot.asof, Part.FACTS, body_of(facts)))
        seen = sighting(snapshot, self._bars.at(snapshot.bars, snapshot.asof, batch.bars), known[0])
        return [*rows, Moment(snapshot.ticker, snapshot.asof, Part.SNAPSHOT, body_of(seen))]

    def _intraday_head(self, note: Note, bars: IntradayBars, batch: Batch) -> Moment:
        at = self._intraday.at(bars, note.at, batch.intraday)
        return Moment(note.ticker, note.at, note.part, body_of(IntradayHead(bars.minutes, bars.source, at, len(bars))))

    def _chain(self, note: Note, batch: Batch) -> Moment:
        chain = note.value
        if not isinstance(chain, Chain) or not len(chain):
            return Moment(note.ticker, note.at, Part.CHAIN, "")
        looks = _fingerprint(chain)
        known = self._chains.get(note.ticker)
        if known is None or known[1] != looks:
            known = self._chains[note.ticker] = (note.at, looks)
            batch.chains.append(chain_table(chain, note.at))
        return Moment(note.ticker, note.at, Part.CHAIN, str(micros(known[0])))


def _added(before: B, now: B) -> B | None:
    """The bars that are new behind those known before; None where any of the others changed or is missing."""
    if now is before:
        return _rows(now, slice(0))
    if before.source != now.source or not len(before) or not len(now):
        return None
    first = int(np.searchsorted(_when(before), _when(now)[0]))
    shared = len(before) - first
    if shared <= 0 or shared > len(now):
        return None
    old, new = _rows(before, slice(first, None)), _rows(now, slice(shared))
    same = np.array_equal(_when(old), _when(new)) and all(
        np.array_equal(getattr(old, name), getattr(new, name), equal_nan=True) for name in PRICES
    )
    return _rows(now, slice(shared, None)) if same else None


def _when(bars: Bars | IntradayBars) -> Dates:
    return bars.day if isinstance(bars, Bars) else walls(bars)


def _rows(bars: B, rows: slice) -> B:
    held = {each.name: getattr(bars, each.name) for each in fields(bars)}
    cut: dict[str, Any] = {name: each[rows] for name, each in held.items() if isinstance(each, np.ndarray)}
    return replace(bars, **cut)


def _fingerprint(chain: Chain) -> tuple[object, ...]:
    """Two chains of a name that agree in this are the same one asked for twice."""
    sums = tuple(float(np.nansum(getattr(chain, name))) for name in ("bid", "ask", "iv", "delta", "open_interest"))
    return (chain.asof, chain.source, len(chain), chain.spot, chain.rate, chain.dividends, *sums)


def write_piece(folder: Path, kind: str, day: date, tables: Sequence[pa.Table]) -> Path:
    """One complete file of `kind`, a row group for each table; under its name only when it is safely on the disk.

    Raises:
        OSError: it cannot be written; nothing else was touched.
    """
    place = folder / kind
    place.mkdir(parents=True, exist_ok=True)
    path = _free_name(place, day)
    unfinished = path.with_suffix(".unfinished")
    try:
        with unfinished.open("wb") as file:
            with pq.ParquetWriter(file, SCHEMAS[kind], compression="zstd") as writer:
                for table in tables:
                    writer.write_table(table.cast(SCHEMAS[kind]), row_group_size=max(1, len(table)))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _free_name(place: Path, day: date) -> Path:
    """Another program may write to the same folder: its number is in the name."""
    number = 1
    while (path := place / f"{day}.{os.getpid()}-{number:05d}.parquet").exists():
        number += 1
    return path


class Recorder:
    """Writes notes to a folder from a thread of its own."""

    def __init__(self, folder: Path, linger: float = LINGER, most_bytes: int = MOST_BYTES) -> None:
        """A recorder that is not started; `linger` seconds of notes make one file.

        Raises:
            ConfigError: the folder cannot be made.
        """
        self._folder = folder
        self._linger = linger
        self._most = most_bytes
        self._notes: deque[Note] = deque()
        self._bytes = 0
        self._lost = 0
        self._written = 0
        self._ending = threading.Event()
        self._noted = threading.Event()
        self._lock = threading.Lock()
        self._book = Notebook()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"The folder {folder} of recordings cannot be made: {error.strerror}.") from error

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def note(self, note: Note) -> None:
        """Have it written down; never waits, never fails."""
        with self._lock:
            if self._bytes + note.size > self._most:
                self._lost += 1
                first = self._lost == 1
            else:
                self._notes.append(note)
                self._bytes += note.size
                first = False
        if first:
            log.warning("recorder.full", folder=str(self._folder), megabytes=self._most >> 20)
        self._noted.set()

    def close(self, seconds: float = 10.0) -> None:
        """Write what is left and end; give up after so many seconds."""
        self._ending.set()
        self._noted.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    @property
    def lost(self) -> int:
        """Notes that were left out: no room in memory, or none on the disk."""
        return self._lost

    @property
    def written(self) -> int:
        """Notes that are safely on the disk."""
        return self._written

    def _run(self) -> None:
        while not self._ending.is_set():
            self._noted.wait()
            self._ending.wait(self._linger)
            self._noted.clear()
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Write everything noted so far. Called by the recorder's own thread, or before it is started."""
        with self._lock:
            notes, self._notes = self._notes, deque()
        size = sum(note.size for note in notes)
        try:
            self._write(notes)
            self._written += len(notes)
        except Exception as problem:  # noqa: BLE001 - whatever it is, a recording must not stop a desk
            self._lost += len(notes)
            self._book.forget()
            log.warning("recorder.failed", folder=str(self._folder), lost=len(notes), problem=repr(problem)[:300])
        finally:
            with self._lock:
                self._bytes -= size

    def _write(self, notes: Iterable[Note]) -> None:
        batches: dict[date, Batch] = {}
        for note in notes:
            self._book.add(note, batches.setdefault(day_of(note.at), Batch()))
        for day, batch in batches.items():
            for kind, tables in batch.tables.items():
                if tables:
                    write_piece(self._folder, kind, day, tables)
