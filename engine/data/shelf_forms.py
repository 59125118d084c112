"""How answers are written down: columns as Parquet, everything else as JSON."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine import codec
from engine.data.chain_build import Built
from engine.data.providers.port import Listings
from engine.errors import DataInvalid
from engine.model.instruments import Style
from engine.model.making import Comparison, Making, Tally
from engine.model.market import Bars, Chain, Earnings, Fundamentals, IntradayBars, Source
from engine.pricing import Forward

BARS = ("day", "open", "high", "low", "close", "volume")
LISTINGS = (
    "root", "expiry", "strike", "is_call", "style", "open_interest", "counted_on", "multiplier", "is_adjusted",
    "is_penny",
)  # fmt: skip
Written = tuple[str, bytes]
"""The JSON and the Parquet file (b"" where there are no columns)."""


@dataclass(frozen=True, slots=True)
class BarsHead:
    """What is the same for all bars of a name."""

    ticker: str
    source: Source


@dataclass(frozen=True, slots=True)
class IntradayHead:
    """What is the same for all intraday bars of a name."""

    ticker: str
    minutes: int
    source: Source


@dataclass(frozen=True, slots=True)
class ListingsHead:
    """What is the same for all contracts of a name."""

    underlying: str
    source: Source


@dataclass(frozen=True, slots=True)
class ChainHead:
    """What is the same for all rows of a chain, and how it was made."""

    underlying: str
    asof: datetime
    today: date
    spot: float
    source: Source
    rate: float
    dividend_yield: float
    dividends: tuple[tuple[date, float], ...]
    style: Style
    rate_source: Source | None
    making: Making | None
    tally: Tally
    forwards: tuple[Forward, ...]
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class Reports:
    """The reports of a name."""

    rows: tuple[Earnings, ...]


OF_CHAIN = tuple(each.name for each in fields(ChainHead) if each.name not in ("tally", "forwards", "comparison"))


def write_bars(bars: Bars) -> Written:
    return codec.dump(BarsHead(bars.ticker, bars.source)), _columns(bars, BARS)


def read_bars(head: str, body: bytes) -> Bars:
    known = codec.load(BarsHead, head)
    return Bars(known.ticker, **_read(body, BARS), source=known.source)


def write_intraday(bars: IntradayBars) -> Written:
    return codec.dump(IntradayHead(bars.ticker, bars.minutes, bars.source)), _columns(bars, IntradayBars.COLUMNS)


def read_intraday(head: str, body: bytes) -> IntradayBars:
    known = codec.load(IntradayHead, head)
    return IntradayBars(known.ticker, known.minutes, **_read(body, IntradayBars.COLUMNS), source=known.source)


def write_listings(listings: Listings) -> Written:
    return codec.dump(ListingsHead(listings.underlying, listings.source)), _columns(listings, LISTINGS)


def read_listings(head: str, body: bytes) -> Listings:
    known, columns = codec.load(ListingsHead, head), _read(body, LISTINGS)
    columns["style"] = _objects([Style(each) for each in columns["style"]])
    return Listings(known.underlying, **columns, source=known.source)


def write_chain(built: Built) -> Written:
    chain = built.chain
    held = [name for name in Chain.OPTIONAL_COLUMNS if getattr(chain, name) is not None]
    head = ChainHead(
        **{name: getattr(chain, name) for name in OF_CHAIN},
        tally=built.tally,
        forwards=built.forwards,
        comparison=built.comparison,
    )
    return codec.dump(head), _columns(chain, (*Chain.COLUMNS, *held))


def read_chain(head: str, body: bytes) -> Built:
    known = codec.load(ChainHead, head)
    table = _table(body)
    held = [name for name in Chain.OPTIONAL_COLUMNS if name in table.column_names]
    columns = _arrays(table, (*Chain.COLUMNS, *held))
    return Built(
        Chain(**{name: getattr(known, name) for name in OF_CHAIN}, **columns),
        known.tally,
        known.forwards,
        known.comparison,
    )


def write_fundamentals(facts: Fundamentals) -> Written:
    return codec.dump(facts), b""


def read_fundamentals(head: str, body: bytes) -> Fundamentals:
    del body
    return codec.load(Fundamentals, head)


def write_reports(reports: tuple[Earnings, ...]) -> Written:
    return codec.dump(Reports(reports)), b""


def read_reports(head: str, body: bytes) -> tuple[Earnings, ...]:
    del body
    return codec.load(Reports, head).rows


def _columns(table: object, names: tuple[str, ...]) -> bytes:
    columns = {name: _written(getattr(table, name)) for name in names}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd", write_statistics=False)
    return bytes(sink.getvalue())


def _written(column: Any) -> pa.Array:
    """A column for Parquet: NaN stays NaN, NaT becomes null; a few words stand for many rows."""
    if column.dtype == object:
        return pa.array([str(each) for each in column.tolist()]).dictionary_encode()
    return pa.array(column)


def _read(body: bytes, names: tuple[str, ...]) -> dict[str, Any]:
    return _arrays(_table(body), names)


def _table(body: bytes) -> pa.Table:
    try:
        return pq.read_table(pa.BufferReader(body), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DataInvalid(f"A kept table cannot be read: {error}") from error


def _arrays(table: pa.Table, names: tuple[str, ...]) -> dict[str, Any]:
    if missing := set(names) - set(table.column_names):
        raise DataInvalid(f"A kept table lacks {', '.join(sorted(missing))}.")
    return {name: _array(table.column(name)) for name in names}


def _array(column: pa.ChunkedArray) -> Any:
    """The column as NumPy has it; days come back as days."""
    if pa.types.is_dictionary(column.type):
        coded = column.combine_chunks()
        words = _objects(coded.dictionary.to_pylist())
        return words[np.asarray(coded.indices)] if len(words) else words
    values = column.to_numpy()
    return values.astype("datetime64[D]") if pa.types.is_date(column.type) else values


def _objects(values: list[Any]) -> Any:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
