"""What was recorded of live prices, answered as it was known at an instant. A day is read when it is asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.data.columns import Sheet
from engine.data.recording import (
    BAR_SCHEMA,
    BARS,
    CHAIN_SCHEMA,
    CHAINS,
    INTRADAY,
    INTRADAY_SCHEMA,
    MOMENT_SCHEMA,
    PRICES,
    SNAPSHOTS,
    Facts,
    IntradayHead,
    Part,
    Refusal,
    Reports,
    Sighting,
    day_of,
    instant,
    micros,
    of_walls,
    read_body,
    read_chain,
)
from engine.data.series import Series, read_series
from engine.errors import DataInvalid
from engine.latest import Latest
from engine.model.instruments import Instrument
from engine.model.market import Bars, Chain, Earnings, Fundamentals, IntradayBars, Level, MarketSnapshot, Quote
from engine.model.news import News
from engine.model.status import TradingStatus

KEPT_DAYS = 3
"""Days whose rows stay in memory."""


@dataclass(slots=True)
class _Told:
    """What was told under one heading, oldest first: instants in microseconds, and texts."""

    at: list[int] = field(default_factory=list)
    body: list[str] = field(default_factory=list)

    def latest(self, at: int) -> tuple[int, str] | None:
        """The last one up to an instant."""
        row = bisect_right(self.at, at) - 1
        return None if row < 0 else (self.at[row], self.body[row])

    def exactly(self, at: int) -> str | None:
        """The last one of that very instant."""
        found = self.latest(at)
        return found[1] if found is not None and found[0] == at else None


_Day = Mapping[tuple[str, str], _Told]


@dataclass(frozen=True, slots=True, eq=False)
class _BarLog:
    """Every written bar of one ticker in the order of writing, as columns; instants in microseconds.

    `day` is the wall time at which the bar begins where it is one of minutes.
    """

    known_at: NDArray[np.int64]
    base_at: NDArray[np.int64]
    day: NDArray[np.datetime64]
    columns: Mapping[str, NDArray[np.float64]]

    def of(self, known_at: int) -> tuple[NDArray[np.datetime64], dict[str, NDArray[np.float64]]]:
        """The days and prices that were written at an instant and before it upon the same set, oldest first."""
        written = np.flatnonzero(self.known_at == known_at)
        base = self.base_at[written[-1]] if len(written) else -1
        rows = np.flatnonzero((self.base_at == base) & (self.known_at <= known_at))
        latest = dict(zip(self.day[rows].tolist(), rows.tolist(), strict=True))
        chosen = np.array([latest[day] for day in sorted(latest)], dtype=np.int64)
        return self.day[chosen], {name: values[chosen] for name, values in self.columns.items()}


_NOTHING: tuple[NDArray[np.datetime64], dict[str, NDArray[np.float64]]] = (
    np.array([], dtype="datetime64[D]"),
    {name: np.array([]) for name in PRICES},
)


class Recordings:
    """The recorded moments of a folder, nothing in an empty one.

    Raises (every question):
        DataInvalid: a file does not hold what it should; names the file.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._days: dict[date, _Day] = {}
        self._chains: Latest[date, dict[tuple[str, int], tuple[Path, int]]] = Latest(KEPT_DAYS)

    @cached_property
    def days(self) -> tuple[date, ...]:
        """The New York days something was recorded on, oldest first."""
        return tuple(sorted({_named_day(path) for path in self._pieces(SNAPSHOTS)}))

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that was asked about on any day."""
        found: set[str] = set()
        for path in self._pieces(SNAPSHOTS):
            table = _read(path, MOMENT_SCHEMA, ["ticker", "part"])
            asked = pc.is_in(table.column("part"), pa.array([Part.SNAPSHOT.value, Part.REFUSAL.value]))
            found.update(table.filter(asked).column("ticker").to_pylist())
        return frozenset(found)

    def tickers(self, day: date) -> frozenset[str]:
        """The names that were asked about on one day."""
        return frozenset(name for part, name in self._day(day) if part in (Part.SNAPSHOT, Part.REFUSAL))

    def last_instant(self, day: date) -> datetime | None:
        """When the last name was asked about on one day; None where none was."""
        told = (rows.at[-1] for (part, _), rows in self._day(day).items() if part in (Part.SNAPSHOT, Part.REFUSAL))
        latest = max(told, default=None)
        return None if latest is None else instant(latest)

    def snapshot(self, ticker: str, now: datetime) -> MarketSnapshot | None:
        """The last one recorded of a name up to `now` on its day; None where none was.

        Raises:
            NotFound, DataUnavailable, DataInvalid: the name had no answer then; the same words again.
        """
        if not self.days:
            return None
        at, day = micros(now), self._day(day_of(now))
        seen, refused = self._latest(day, Part.SNAPSHOT, ticker, at), self._latest(day, Part.REFUSAL, ticker, at)
        if refused is not None and (seen is None or refused[0] > seen[0]):
            refusal: Refusal = read_body(Refusal, refused[1])
            raise refusal.raised()
        return None if seen is None else self._whole(read_body(Sighting, seen[1]), day)

    def quote(self, instrument: Instrument, now: datetime) -> Quote | None:
        """The last quote recorded of an instrument up to `now` on its day, None where none was."""
        if not self.days:
            return None
        found = self._latest(self._day(day_of(now)), Part.QUOTE, instrument.symbol, micros(now))
        quote: Quote | None = None if found is None else read_body(Quote, found[1])
        return quote

    def chain(self, ticker: str, now: datetime) -> Chain | None:
        """The last chain recorded of a name up to `now` on its day, None where none was."""
        if not self.days:
            return None
        day = day_of(now)
        found = self._latest(self._day(day), Part.CHAIN, ticker, micros(now))
        return None if found is None else self._chain(day, ticker, found[1])

    def status(self, ticker: str, now: datetime) -> TradingStatus | None:
        """Whether a name was halted, as recorded last up to `now` on its day."""
        if not self.days:
            return None
        found = self._latest(self._day(day_of(now)), Part.STATUS, ticker, micros(now))
        status: TradingStatus | None = None if found is None else read_body(TradingStatus, found[1])
        return status

    def news(self, ticker: str, now: datetime) -> News | None:
        """The headlines recorded last up to `now` on its day."""
        if not self.days:
            return None
        found = self._latest(self._day(day_of(now)), Part.NEWS, ticker, micros(now))
        news: News | None = None if found is None else read_body(News, found[1])
        return news

    def levels(self, symbols: Iterable[str], now: datetime) -> Mapping[str, Level | None]:
        """The values of indices recorded last up to `now` on its day, None of those nobody knew; only of those that
        were asked about."""
        if not self.days:
            return {}
        day, at = self._day(day_of(now)), micros(now)
        found = {symbol: self._latest(day, Part.LEVEL, symbol, at) for symbol in symbols}
        return {symbol: read_body(Level, told[1]) for symbol, told in found.items() if told is not None}

    def series(self) -> dict[str, Series]:
        """The bars of every name as they were known last, those with every number."""
        rows = []
        for ticker, log in sorted(self._bars.items()):
            day, columns = log.of(int(log.known_at.max()))
            good = np.all([np.isfinite(values) for values in columns.values()], axis=0)
            day, columns = day[good], {name: values[good] for name, values in columns.items()}
            rows.append(pa.table({"ticker": pa.repeat(ticker, len(day)), "date": pa.array(day), **columns}))
        return read_series(Sheet(f"{BARS}/", pa.concat_tables(rows))) if rows else {}

    @staticmethod
    def _latest(day: _Day, part: Part, name: str, at: int) -> tuple[int, str] | None:
        told = day.get((part, name))
        return None if told is None else told.latest(at)

    def _whole(self, seen: Sighting, rows: _Day) -> MarketSnapshot:
        at, day, ticker = micros(seen.asof), day_of(seen.asof), seen.ticker

        def told(part: Part) -> str:
            under = rows.get((part, ticker))
            return (under.exactly(at) if under is not None else None) or ""

        facts = self._facts(rows, seen)

        def chain() -> Chain | None:
            return self._chain(day, ticker, told(Part.CHAIN))

        def earnings() -> tuple[Earnings, ...] | None:
            reports: Reports | None = read_body(Reports, told(Part.EARNINGS))
            return None if reports is None else reports.earnings

        def intraday() -> IntradayBars | None:
            return self._intraday_of(seen, told(Part.INTRADAY))

        fundamentals: partial[Fundamentals | None] = partial(read_body, Fundamentals, told(Part.FUNDAMENTALS))
        news: partial[News | None] = partial(read_body, News, told(Part.NEWS))
        return MarketSnapshot(
            ticker=ticker,
            asof=seen.asof,
            today=seen.today,
            bars=self._bars_of(seen),
            source=seen.source,
            spot=seen.spot,
            session=seen.session,
            dividends=facts.dividends,
            iv_history=facts.iv_history,
            rate=seen.rate,
            halted=seen.halted,
            last_iv=seen.last_iv,
            load_chain=chain,
            load_earnings=earnings,
            load_fundamentals=fundamentals,
            load_news=news,
            load_intraday=intraday,
            troubles=seen.troubles,
        )

    def _facts(self, rows: _Day, seen: Sighting) -> Facts:
        told = rows.get((Part.FACTS, seen.ticker))
        body = None if told is None else told.exactly(micros(seen.facts_at))
        if body is None:
            raise DataInvalid(f"The recording of {seen.ticker} at {seen.asof} lacks its facts.")
        facts: Facts = read_body(Facts, body)
        return facts

    def _bars_of(self, seen: Sighting) -> Bars:
        log = self._bars.get(seen.ticker)
        if seen.bars_first is None or log is None:
            day, columns = _NOTHING
        else:
            day, columns = log.of(micros(seen.bars_at))
            first = int(np.searchsorted(day, np.datetime64(seen.bars_first, "D")))
            day, columns = day[first:], {name: values[first:] for name, values in columns.items()}
        if len(day) != seen.bars_count:
            words = f"{len(day)} of {seen.bars_count} bars"
            raise DataInvalid(f"The recording of {seen.ticker} at {seen.asof} has {words}.")
        return Bars(ticker=seen.ticker, day=day, source=seen.bars_source, **columns)

    def _intraday_of(self, seen: Sighting, body: str) -> IntradayBars | None:
        head: IntradayHead | None = read_body(IntradayHead, body)
        if head is None:
            return None
        log = self._intraday.get(seen.ticker)
        begins, columns = _NOTHING if log is None else log.of(micros(head.bars_at))
        first = len(begins) - head.count
        if first < 0:
            words = f"{len(begins)} of {head.count} bars of {head.minutes} minutes"
            raise DataInvalid(f"The recording of {seen.ticker} at {seen.asof} has {words}.")
        return of_walls(seen.ticker, head, begins[first:], {name: column[first:] for name, column in columns.items()})

    def _chain(self, day: date, ticker: str, body: str) -> Chain | None:
        """The chain a row of `snapshots` refers to."""
        if not body:
            return None
        index = self._chains.get(day)
        if index is None:
            index = self._chains[day] = _chain_index([path for path in self._pieces(CHAINS) if _named_day(path) == day])
        place = index.get((ticker, int(body)))
        if place is None:
            raise DataInvalid(f"The recording of {day} lacks the chain of {ticker} of {instant(int(body))}.")
        path, group = place
        with _opened(path, CHAIN_SCHEMA) as file:
            return read_chain(ticker, file.read_row_group(group))

    def _day(self, day: date) -> _Day:
        if day not in self.days:
            return {}
        if day not in self._days:
            while len(self._days) >= KEPT_DAYS:
                self._days.pop(next(iter(self._days)))
            self._days[day] = _read_day([path for path in self._pieces(SNAPSHOTS) if _named_day(path) == day])
        return self._days[day]

    @cached_property
    def _bars(self) -> dict[str, _BarLog]:
        tables = [_read(path, BAR_SCHEMA) for path in self._pieces(BARS)]
        return _bar_logs(pa.concat_tables(tables), "date") if tables else {}

    @cached_property
    def _intraday(self) -> dict[str, _BarLog]:
        """Read whole when the first rule asks: a day's additions build on a set of an earlier day."""
        tables = [_read(path, INTRADAY_SCHEMA) for path in self._pieces(INTRADAY)]
        return _bar_logs(pa.concat_tables(tables), "time") if tables else {}

    def _pieces(self, kind: str) -> tuple[Path, ...]:
        return () if self._folder is None else tuple(sorted((self._folder / kind).glob("*.parquet")))


def has_recordings(folder: Path) -> bool:
    """Whether live prices were recorded to this folder."""
    return any((folder / SNAPSHOTS).glob("*.parquet"))


def _named_day(path: Path) -> date:
    try:
        return date.fromisoformat(path.name.partition(".")[0])
    except ValueError as error:
        raise DataInvalid(f"{path.parent.name}/{path.name} is not named after a day.") from error


def _opened(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    name = f"{path.parent.name}/{path.name}"
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataInvalid(f"{name} is no readable Parquet file: {error}.") from error
    for column in schema:
        row = file.schema_arrow.get_field_index(column.name)
        if row < 0 or file.schema_arrow.field(row).type != column.type:
            raise DataInvalid(f"{name}: column {column.name} is missing or is not {column.type}.")
    return file


def _read(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    with _opened(path, schema) as file:
        try:
            return file.read(columns=columns or schema.names)
        except (pa.ArrowException, OSError) as error:
            raise DataInvalid(f"{path.parent.name}/{path.name} cannot be read: {error}.") from error


def _read_day(paths: list[Path]) -> _Day:
    found: dict[tuple[str, str], _Told] = defaultdict(_Told)
    if not paths:
        return found
    whole = pa.concat_tables([_read(path, MOMENT_SCHEMA) for path in paths])
    at = _counts(whole, "at")
    names, parts = whole.column("ticker").to_pylist(), whole.column("part").to_pylist()
    bodies = whole.column("body").to_pylist()
    for row in np.argsort(at, kind="stable").tolist():
        told = found[parts[row], names[row]]
        told.at.append(int(at[row]))
        told.body.append(bodies[row])
    return dict(found)


def _chain_index(paths: list[Path]) -> dict[tuple[str, int], tuple[Path, int]]:
    """Where each chain of a day lies: file and row group, by ticker and the instant it was noted."""
    found = {}
    for path in paths:
        with _opened(path, CHAIN_SCHEMA) as file:
            for group in range(file.num_row_groups):
                head = file.read_row_group(group, columns=["underlying", "noted_at"]).slice(0, 1)
                found[head.column("underlying")[0].as_py(), int(_counts(head, "noted_at")[0])] = (path, group)
    return found


def _bar_logs(table: pa.Table, column: str) -> dict[str, _BarLog]:
    """The bars by ticker; `column` tells their day, or the wall time at which they begin."""
    codes: Any = pc.dictionary_encode(table.column("ticker")).combine_chunks()
    names, tickers = np.asarray(codes.indices), codes.dictionary.to_pylist()
    known_at = _counts(table, "known_at")
    base_at = _counts(table, "base_at")
    day = table.column(column).to_numpy().astype("datetime64[D]" if column == "date" else "datetime64[m]")
    columns = {name: np.asarray(table.column(name).to_numpy(), dtype=np.float64) for name in PRICES}
    order = np.lexsort((known_at, names))
    cuts = np.searchsorted(names[order], np.arange(len(tickers) + 1))
    logs = {}
    for code, ticker in enumerate(tickers):
        rows = order[cuts[code] : cuts[code + 1]]
        cut = {name: values[rows] for name, values in columns.items()}
        logs[ticker] = _BarLog(known_at[rows], base_at[rows], day[rows], cut)
    return logs


def _counts(table: pa.Table, column: str) -> NDArray[np.int64]:
    return np.asarray(table.column(column).cast(pa.int64()).to_numpy(), dtype=np.int64)
