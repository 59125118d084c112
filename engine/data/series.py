"""Recorded daily bars by ticker, and the day whose shares their prices count in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.data.columns import Sheet
from engine.data.splits import factor
from engine.model.market import Bars, Dates, Floats, Kind, Source, Split

BAR_COLUMNS = ("ticker", "date", "open", "high", "low", "close", "volume", "adj_close", "source")
PRICES = ("open", "high", "low", "close")
DECIMALS = 4
"""Prices are rounded to 0.0001 dollars: what lies beyond is float32 noise."""

BASIS = {
    "dieperdev": date(2024, 3, 8),
    "quantconnect_lean": date(2021, 3, 31),
    "datainvestor": date(2024, 6, 14),
}
"""The day whose shares the bars of a published collection count in (the day it was downloaded). It is a fact about the
collection, so a folder cut short at an earlier day keeps it. A collection not named here counts in the shares of its
last day."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The bars of one ticker as recorded: prices in shares of `basis`, oldest first, columns of equal length.

    `adj_close` is the close adjusted for dividends too, None where it is not recorded.
    """

    ticker: str
    basis: date
    day: Dates
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    adj_close: Floats | None

    def __len__(self) -> int:
        return len(self.day)

    @property
    def is_index(self) -> bool:
        """A number that is published but not traded (^VIX)."""
        return self.ticker.startswith("^")

    def row(self, day: date) -> int | None:
        """The row of `day`, None when the ticker has no bar that day."""
        wanted = np.datetime64(day, "D")
        found = int(self.day.searchsorted(wanted))
        return found if found < len(self.day) and self.day[found] == wanted else None

    def factor(self, splits: tuple[Split, ...], day: date) -> float:
        """What a recorded price is multiplied by to be per share as shares counted on `day`."""
        return factor(splits, day, self.basis)

    def times(self, times: float) -> Bars:
        """All bars with prices times a factor, rounded to 0.0001, and volumes divided by it; a copy."""
        return Bars(
            ticker=self.ticker,
            day=self.day,
            open=np.round(self.open * times, DECIMALS),
            high=np.round(self.high * times, DECIMALS),
            low=np.round(self.low * times, DECIMALS),
            close=np.round(self.close * times, DECIMALS),
            volume=self.volume / times,
            source=Source("replay", Kind.RECORDED),
        )

    def as_traded(self, splits: tuple[Split, ...], row: int) -> float:
        """The close of one row as it traded that day, rounded to 0.0001."""
        return round(float(self.close[row]) * self.factor(splits, self.day[row].astype(object)), DECIMALS)


def read_series(sheet: Sheet) -> dict[str, Series]:
    """The series of every ticker in a table of daily bars, by ticker.

    Raises:
        DataInvalid: a column is missing, or a row is no bar: names file, row and column.
    """
    sheet.require("ticker", "date", *PRICES, "volume")
    codes, tickers = sheet.names("ticker")
    days = sheet.days("date")
    columns = {name: sheet.floats(name) for name in (*PRICES, "volume")}
    _check(sheet, columns)
    if sheet.has("adj_close"):
        columns["adj_close"] = sheet.floats("adj_close")
        sheet.check(columns["adj_close"] <= 0, "adj_close", "is no price above zero")
    order = np.lexsort((days.astype(np.int64), codes))
    _check_unique(sheet, codes, days, order)
    basis = _basis(sheet, codes, tickers, days)
    starts = np.searchsorted(codes[order], np.arange(len(tickers) + 1))
    cut = columns | {"day": days}
    if not np.array_equal(order, np.arange(len(order))):
        cut = {name: values[order] for name, values in cut.items()}
    rows = [slice(start, stop) for start, stop in pairwise(starts)]
    return {ticker: _series(ticker, basis[ticker], cut, rows[code]) for code, ticker in enumerate(tickers)}


def _series(ticker: str, basis: date, columns: Mapping[str, NDArray[np.generic]], rows: slice) -> Series:
    cut = {name: values[rows] for name, values in columns.items()}
    return Series(ticker=ticker, basis=basis, **({"adj_close": None} | cut))  # type: ignore[arg-type]


def _check(sheet: Sheet, columns: Mapping[str, Floats]) -> None:
    for name in PRICES:
        sheet.check(columns[name] <= 0, name, "is no price above zero")
    sheet.check(columns["high"] < columns["low"], "high", "is below the low of the same bar")
    sheet.check(columns["volume"] < 0, "volume", "is below zero")


def _check_unique(sheet: Sheet, codes: NDArray[np.int64], days: Dates, order: NDArray[np.intp]) -> None:
    twice = (np.diff(codes[order]) == 0) & (np.diff(days[order]) == np.timedelta64(0))
    if twice.any():
        row = int(order[1:][twice].min())
        ticker = sheet.texts("ticker")[row]
        sheet.refuse(row, "date", f"is there twice for {ticker}")


def _basis(sheet: Sheet, codes: NDArray[np.int64], tickers: tuple[str, ...], days: Dates) -> dict[str, date]:
    if not sheet.has("source"):
        return {ticker: days[codes == code].max().astype(object) for code, ticker in enumerate(tickers)}
    sources, names = sheet.names("source")
    newest = {code: days[sources == code].max().astype(object) for code in range(len(names)) if (sources == code).any()}
    basis = {code: max(day, BASIS.get(names[code], day)) for code, day in newest.items()}
    first_rows = {int(code): int(row) for code, row in zip(*np.unique(codes, return_index=True), strict=True)}
    return {ticker: basis[int(sources[first_rows[code]])] for code, ticker in enumerate(tickers)}
