"""How a recording of live prices is laid out: values to tables and back, exactly.

Below the folder, one file a day and kind (in pieces: `DAY.PIECE.parquet`):

    snapshots/      ticker, at, part, body: what was known of a name at an instant, each part as JSON
    daily_bars/     the columns of daily_bars.parquet, with the instant since which a row is known
    intraday_bars/  bars of minutes by New York wall time of their beginning, likewise
    option_chains/  the columns of option_chains.parquet, with the Greeks and the instant it was noted; a row group each

A row of `snapshots` refers to bars and chains by the instant they were noted, so that nothing is stored twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa

from engine.codec import dump, load
from engine.errors import DataError, DataInvalid, DataUnavailable, DeskError, NotFound
from engine.model.instruments import Style
from engine.model.market import (
    Bar,
    Bars,
    Chain,
    Dates,
    Dividend,
    Earnings,
    Floats,
    IntradayBars,
    IvDay,
    MarketSnapshot,
    Quote,
    Source,
)
from engine.sessions import NEW_YORK

SNAPSHOTS, BARS, INTRADAY, CHAINS = "snapshots", "daily_bars", "intraday_bars", "option_chains"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
INSTANT = pa.timestamp("us", tz="UTC")
PRICES = ("open", "high", "low", "close", "volume")
COUNTS = ("bid", "ask", "bid_size", "ask_size", "volume", "open_interest")
COMPUTED = ("iv", "delta", "gamma", "theta", "vega", "rho")
OF_EXPIRY = ("rates", "yields")
"""Columns a chain may go without."""

MOMENT_SCHEMA = pa.schema([("ticker", pa.string()), ("at", INSTANT), ("part", pa.string()), ("body", pa.string())])
BAR_SCHEMA = pa.schema(
    [
        ("ticker", pa.string()),
        ("date", pa.date32()),
        *((name, pa.float64()) for name in PRICES),
        ("source", pa.string()),
        ("known_at", INSTANT),
        ("base_at", INSTANT),
    ]
)
INTRADAY_SCHEMA = pa.schema(
    [
        ("ticker", pa.string()),
        ("time", pa.timestamp("us")),
        *((name, pa.float64()) for name in PRICES),
        ("source", pa.string()),
        ("known_at", INSTANT),
        ("base_at", INSTANT),
    ]
)
CHAIN_SCHEMA = pa.schema(
    [
        ("underlying", pa.string()),
        ("root", pa.string()),
        ("quote_time", pa.timestamp("us")),
        ("expiry", pa.date32()),
        ("strike", pa.float64()),
        ("right", pa.string()),
        ("style", pa.string()),
        *((name, pa.float64()) for name in COUNTS),
        ("underlying_price", pa.float64()),
        *((name, pa.float64()) for name in (*COMPUTED, *OF_EXPIRY)),
        ("noted_at", INSTANT),
        ("head", pa.string()),
    ]
)


class Part(StrEnum):
    """What a row of `snapshots` tells."""

    SNAPSHOT = "snapshot"
    FACTS = "facts"
    CHAIN = "chain"
    EARNINGS = "earnings"
    FUNDAMENTALS = "fundamentals"
    NEWS = "news"
    INTRADAY = "intraday"
    LEVEL = "level"
    QUOTE = "quote"
    STATUS = "status"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A snapshot without what is stored elsewhere: its bars (from `bars_first` on, as known at `bars_at`) and facts."""

    ticker: str
    asof: datetime
    today: date
    source: Source
    spot: Quote | None
    session: Bar | None
    rate: float
    halted: bool
    last_iv: Mapping[str, float]
    troubles: tuple[str, ...]
    bars_source: Source
    bars_at: datetime
    bars_first: date | None
    bars_count: int
    facts_at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a snapshot seldom changes within a day."""

    dividends: tuple[Dividend, ...] | None
    iv_history: tuple[IvDay, ...] | None


@dataclass(frozen=True, slots=True)
class Reports:
    earnings: tuple[Earnings, ...] | None


@dataclass(frozen=True, slots=True)
class IntradayHead:
    """Intraday bars without their numbers: those known at `bars_at`, the last `count` of them."""

    minutes: int
    source: Source
    bars_at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class ChainHead:
    """What a chain has once: see `Chain`. `columns` are those of its optional columns that it has."""

    asof: datetime
    today: date
    source: Source
    rate: float
    dividend_yield: float
    dividends: tuple[tuple[date, float], ...]
    style: Style
    rate_source: Source | None
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A question about a name that had no answer, and in which words."""

    kind: str
    words: str

    @staticmethod
    def of(problem: DeskError) -> Refusal:
        kind = next(name for name, error in REFUSALS.items() if isinstance(problem, error))
        return Refusal(kind, str(problem))

    def raised(self) -> DeskError:
        """The same error again."""
        return REFUSALS.get(self.kind, DataUnavailable)(self.words)


REFUSALS: dict[str, type[DeskError]] = {
    "not found": NotFound,
    "invalid": DataInvalid,
    "unavailable": DataUnavailable,
    "data": DataError,
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One row of `snapshots`."""

    ticker: str
    at: datetime
    part: Part
    body: str = field(repr=False)


def day_of(at: datetime) -> date:
    """The New York day an instant is filed under."""
    return at.astimezone(NEW_YORK).date()


def micros(at: datetime) -> int:
    """An aware instant as whole microseconds since 1970, exactly."""
    return (at - EPOCH) // MICROSECOND


def instant(count: int) -> datetime:
    """The same back."""
    return EPOCH + count * MICROSECOND


def body_of(value: object | None) -> str:
    """A part's value as text, "" for None."""
    return "" if value is None else dump(value)


def read_body(kind: type[Any], body: str) -> Any:
    """The value of a part, None for "".

    Raises:
        DataInvalid: the text does not describe one.
    """
    return load(kind, body) if body else None


def sighting(snapshot: MarketSnapshot, bars_at: datetime, facts_at: datetime) -> Sighting:
    """What is written of a snapshot itself."""
    bars = snapshot.bars
    return Sighting(
        ticker=snapshot.ticker,
        asof=snapshot.asof,
        today=snapshot.today,
        source=snapshot.source,
        spot=snapshot.spot,
        session=snapshot.session,
        rate=snapshot.rate,
        halted=snapshot.halted,
        last_iv=dict(snapshot.last_iv),
        troubles=snapshot.troubles,
        bars_source=bars.source,
        bars_at=bars_at,
        bars_first=bars.day[0].astype(object) if len(bars) else None,
        bars_count=len(bars),
        facts_at=facts_at,
    )


def moments_table(moments: Iterable[Moment]) -> pa.Table:
    rows = tuple(moments)
    return pa.table(
        {
            "ticker": pa.array([row.ticker for row in rows], pa.string()),
            "at": _instants([micros(row.at) for row in rows]),
            "part": pa.array([row.part.value for row in rows], pa.string()),
            "body": pa.array([row.body for row in rows], pa.string()),
        },
        schema=MOMENT_SCHEMA,
    )


def bars_table(bars: Bars, known_at: datetime, base_at: datetime) -> pa.Table:
    """Bars known since `known_at`, added to the whole set known since `base_at`: the same instant for a whole set."""
    n = len(bars)
    return pa.table(
        {
            "ticker": pa.repeat(bars.ticker, n),
            "date": pa.array(bars.day.astype("datetime64[D]"), pa.date32()),
            **{name: _floats(getattr(bars, name)) for name in PRICES},
            "source": pa.repeat(bars.source.name, n),
            "known_at": _instants([micros(known_at)] * n),
            "base_at": _instants([micros(base_at)] * n),
        },
        schema=BAR_SCHEMA,
    )


def intraday_table(bars: IntradayBars, known_at: datetime, base_at: datetime) -> pa.Table:
    """The same of intraday bars."""
    n = len(bars)
    return pa.table(
        {
            "ticker": pa.repeat(bars.ticker, n),
            "time": pa.array(walls(bars).astype("datetime64[us]"), pa.timestamp("us")),
            **{name: _floats(getattr(bars, name)) for name in PRICES},
            "source": pa.repeat(bars.source.name, n),
            "known_at": _instants([micros(known_at)] * n),
            "base_at": _instants([micros(base_at)] * n),
        },
        schema=INTRADAY_SCHEMA,
    )


def walls(bars: IntradayBars) -> Dates:
    """(n,) datetime64[m]: when each bar begins, as clocks show it in New York."""
    begins: Dates = bars.day.astype("datetime64[m]") + bars.start.astype("timedelta64[m]")
    return begins


def of_walls(ticker: str, head: IntradayHead, begins: Dates, columns: Mapping[str, Floats]) -> IntradayBars:
    """The bars that begin at these wall times."""
    day = begins.astype("datetime64[D]")
    start = (begins.astype("datetime64[m]") - day.astype("datetime64[m]")).astype(np.int64)
    return IntradayBars(ticker, head.minutes, day, start, **columns, source=head.source)


def chain_table(chain: Chain, noted_at: datetime) -> pa.Table:
    """A chain as one row group; `noted_at` is its name."""
    n = len(chain)
    wall = chain.asof.astimezone(NEW_YORK).replace(tzinfo=None)
    roots = np.full(n, chain.underlying, dtype=object) if chain.root is None else chain.root
    held = tuple(name for name in Chain.OPTIONAL_COLUMNS if getattr(chain, name) is not None)
    head = ChainHead(
        chain.asof,
        chain.today,
        chain.source,
        chain.rate,
        chain.dividend_yield,
        chain.dividends,
        chain.style,
        chain.rate_source,
        held,
    )
    columns = {name: _floats(getattr(chain, name)) for name in (*COUNTS, *COMPUTED)}
    for name in OF_EXPIRY:
        columns[name] = _floats(getattr(chain, name)) if name in held else pa.nulls(n, pa.float64())
    return pa.table(
        {
            "underlying": pa.repeat(chain.underlying, n),
            "root": pa.array(roots.tolist(), pa.string()),
            "quote_time": pa.repeat(pa.scalar(wall, pa.timestamp("us")), n),
            "expiry": pa.array(chain.expiry.astype("datetime64[D]"), pa.date32()),
            "strike": _floats(chain.strike),
            "right": pa.array(np.where(chain.is_call, "C", "P").tolist(), pa.string()),
            "style": pa.repeat(chain.style.value, n),
            "underlying_price": pa.repeat(pa.scalar(chain.spot, pa.float64()), n),
            "noted_at": _instants([micros(noted_at)] * n),
            "head": pa.repeat(dump(head), n),
            **columns,
        },
    ).select(CHAIN_SCHEMA.names)


def read_chain(ticker: str, table: pa.Table) -> Chain:
    """The chain of one row group.

    Raises:
        DataInvalid: it does not describe one.
    """
    head = load(ChainHead, table.column("head")[0].as_py())
    found: dict[str, Any] = {name: _column(table, name) for name in (*COUNTS, *COMPUTED)}
    found |= {name: _column(table, name) for name in OF_EXPIRY if name in head.columns}
    if "root" in head.columns:
        found["root"] = np.array(table.column("root").to_pylist(), dtype=object)
    return Chain(
        underlying=ticker,
        asof=head.asof,
        today=head.today,
        spot=float(table.column("underlying_price")[0].as_py()),
        expiry=table.column("expiry").to_numpy().astype("datetime64[D]"),
        strike=_column(table, "strike"),
        is_call=np.array(table.column("right").to_pylist()) == "C",
        source=head.source,
        rate=head.rate,
        dividend_yield=head.dividend_yield,
        dividends=head.dividends,
        style=head.style,
        rate_source=head.rate_source,
        **found,
    )


def _instants(counts: list[int]) -> pa.Array:
    return pa.array(np.array(counts, dtype=np.int64)).cast(INSTANT)


def _floats(values: Floats) -> pa.Array:
    return pa.array(np.asarray(values, dtype=np.float64), pa.float64(), from_pandas=False)


def _column(table: pa.Table, name: str) -> Floats:
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)
