"""Recorded daily bars, read straight from the file: prices for the agreement of screen and find."""

from datetime import date
from typing import Any

import numpy as np
import pyarrow.parquet as parquet

from engine.model.market import Bars
from tests.make import SOURCE
from tests.shared import SHARED

COLUMNS = ("open", "high", "low", "close", "volume")


def tickers() -> tuple[str, ...]:
    """Every name of the file that can be traded."""
    table = parquet.read_table(SHARED / "data" / "daily_bars.parquet", columns=["ticker"])
    return tuple(sorted(name for name in table["ticker"].unique().to_pylist() if not name.startswith("^")))


def panel(tickers: tuple[str, ...], start: date, end: date) -> dict[str, Bars]:
    """Split-adjusted daily bars of `tickers`."""
    table = parquet.read_table(SHARED / "data" / "daily_bars.parquet", filters=[("ticker", "in", tickers)])
    columns: dict[str, Any] = {name: table[name].to_numpy() for name in table.column_names}
    days = columns["date"].astype("datetime64[D]")
    inside = (days >= np.datetime64(start)) & (days <= np.datetime64(end))
    found = {}
    for ticker in tickers:
        rows = np.flatnonzero(inside & (columns["ticker"] == ticker))
        rows = rows[np.argsort(days[rows])]
        opens, high, low, close, volume = (columns[name][rows].astype(np.float64) for name in COLUMNS)
        found[ticker] = Bars(ticker, days[rows], opens, high, low, close, volume, SOURCE)
    return found


def everything() -> dict[str, Bars]:
    """The bars of every recorded name."""
    table = parquet.read_table(SHARED / "data" / "daily_bars.parquet", columns=["ticker"])
    return panel(tuple(sorted(set(table["ticker"].to_pylist()))), date(1990, 1, 1), date(2100, 1, 1))


def sampled(bars: Bars) -> list[int]:
    """The first sessions, in which history is short, and every 97th of the rest."""
    return sorted({*range(min(len(bars), 56)), *range(56, len(bars), 97)})
