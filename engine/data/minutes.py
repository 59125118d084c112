"""Recorded minute bars, as traded, by ticker and New York day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from engine.data.columns import Sheet
from engine.data.path import MINUTE, MinutePath
from engine.model.market import Bar, Floats
from engine.sessions import NEW_YORK

MINUTE_COLUMNS = ("ticker", "time", "open", "high", "low", "close", "volume")
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """The minutes of one ticker on one day: New York wall times at which each starts, and columns of equal length."""

    starts: NDArray[np.datetime64]
    columns: Mapping[str, Floats]

    def path(self, official: Bar, open_at: datetime, close_at: datetime) -> MinutePath | None:
        """The path through the regular session; None when no minute of it is recorded."""
        walls: list[datetime] = self.starts.astype("datetime64[us]").tolist()
        starts = [wall.replace(tzinfo=NEW_YORK) for wall in walls]
        rows = [row for row, start in enumerate(starts) if open_at <= start < close_at]
        if not rows:
            return None
        bars = tuple(
            Bar(official.day, *(float(self.columns[name][row]) for name in (*PRICES, "volume"))) for row in rows
        )
        return MinutePath(tuple(starts[row] + MINUTE for row in rows), bars, official, close_at)


def read_minutes(sheet: Sheet) -> dict[tuple[str, date], Minutes]:
    """The minute bars of a table by ticker and day, each day in order of time.

    Raises:
        DataInvalid: a column is missing, or a row is no bar: names file, row and column.
    """
    codes, tickers = sheet.names("ticker")
    times = sheet.instants("time")
    columns = {name: sheet.floats(name) for name in (*PRICES, "volume")}
    for name in PRICES:
        sheet.check(columns[name] <= 0, name, "is no price above zero")
    sheet.check(columns["high"] < columns["low"], "high", "is below the low of the same bar")
    sheet.check(columns["volume"] < 0, "volume", "is below zero")
    order = np.lexsort((times.astype(np.int64), codes))
    keys = [(tickers[code], day) for code, day in zip(codes[order], times[order].astype("datetime64[D]"), strict=True)]
    edges = [row for row, key in enumerate(keys) if row == 0 or key != keys[row - 1]]
    found = {}
    for start, stop in zip(edges, [*edges[1:], len(keys)], strict=True):
        rows = order[start:stop]
        ticker, day = keys[start]
        found[ticker, day.astype(object)] = Minutes(times[rows], {name: cells[rows] for name, cells in columns.items()})
    return found
