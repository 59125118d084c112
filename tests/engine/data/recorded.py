"""A tiny recorded folder made in memory: AAA with a split and dividends, BBB listed late, and an index."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.columns import Sheet, sheet
from engine.data.folder import RecordedFolder
from engine.data.replay import ReplayMarket
from engine.sessions import Sessions
from tests.fakes import FakeClock

SESSIONS = Sessions()
FIRST, LAST = date(2018, 1, 2), date(2019, 6, 28)
DAYS = SESSIONS.between(FIRST, LAST)
LISTED = date(2019, 3, 1)
"""First day of BBB."""
SPLIT = date(2019, 2, 4)
"""AAA splits 2:1: its bars are in shares of LAST, twice as many as before."""
PAID = (date(2018, 3, 7), date(2018, 6, 6), date(2018, 9, 5), date(2018, 12, 5), date(2019, 3, 6), date(2019, 6, 5))
TODAY = date(2019, 3, 4)

Columns = dict[str, Any]


def walk(seed: int, start: float, days: tuple[date, ...]) -> Columns:
    """Bars of a random walk around `start` dollars."""
    rng = np.random.default_rng(seed)
    close = start * np.exp(np.cumsum(rng.normal(0.0, 0.02, len(days))))
    opened = close * np.exp(rng.normal(0.0, 0.01, len(days)))
    spread = np.exp(np.abs(rng.normal(0.0, 0.01, len(days))))
    return {
        "date": np.array(days, dtype="datetime64[D]"),
        "open": opened,
        "high": np.maximum(opened, close) * spread,
        "low": np.minimum(opened, close) / spread,
        "close": close,
        "volume": rng.integers(1_000_000, 5_000_000, len(days)).astype(float),
    }


def bars(**more: Columns) -> Columns:
    """The columns of a bars table: AAA, BBB, ^VIX and tickers given as keywords."""
    tables = {
        "AAA": walk(1, 50.0, DAYS),
        "BBB": walk(2, 20.0, tuple(day for day in DAYS if day >= LISTED)),
        "^VIX": walk(3, 18.0, DAYS),
        **more,
    }
    named = [table | {"ticker": np.full(len(table["date"]), name, dtype=object)} for name, table in tables.items()]
    return {column: np.concatenate([table[column] for table in named]) for column in named[0]}


def dividends() -> Sheet:
    """AAA pays 0.60 a quarter before its split and 0.30 after it."""
    amounts = ["0.60" if day < SPLIT else "0.30" for day in PAID]
    return sheet("dividends", ticker=["AAA"] * len(PAID), ex_date=list(PAID), amount_unadjusted=amounts)


def splits() -> Sheet:
    return sheet("splits", ticker=["AAA"], ex_date=[SPLIT], ratio=["2"])


def folder(columns: Columns | None = None, **more: Any) -> RecordedFolder:
    """The tiny folder, with its bars replaced or other tables added."""
    tables = {"splits": splits(), "dividends": dividends()} | more
    return RecordedFolder.of("tiny", sheet("bars", **(columns or bars())), **tables)


def market(clock: FakeClock, recorded: RecordedFolder | None = None) -> ReplayMarket:
    return ReplayMarket(recorded or folder(), clock, SESSIONS)


def clock(day: date = TODAY, at: str = "10:00") -> FakeClock:
    return FakeClock(SESSIONS.at(day, at))


def after(columns: Columns, day: date) -> NDArray[np.bool_]:
    """The rows of a bars table later than `day`."""
    return np.asarray(columns["date"] > np.datetime64(day, "D"))
