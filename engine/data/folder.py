"""A folder of recorded market data, read and checked whole: bars, splits, dividends, chains, minutes, reports, rates.

Nothing malformed is passed over: what cannot be understood is an error naming file, row and column. Files without a
date of their own (fundamentals) cover no past day and are not read. What was recorded of live prices
(`engine.data.recordings`) is read a day at a time, when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa

from engine.data.chains import CHAIN_COLUMNS, RecordedChains, read_chains
from engine.data.columns import Sheet
from engine.data.dividends import Payouts, payouts
from engine.data.files import existing, read_csv, read_parquet, required
from engine.data.minutes import MINUTE_COLUMNS, Minutes, read_minutes
from engine.data.rates import PRIMARY_CREDIT_SPREAD, Rates
from engine.data.recordings import Recordings, has_recordings
from engine.data.series import BAR_COLUMNS, Series, read_series
from engine.data.splits import exact_ratio
from engine.errors import BadRequest
from engine.model.market import Dividend, Earnings, ReportTime, Split
from engine.sessions import Sessions

BARS = "daily_bars.parquet"
LONGEST_CLOSURE = timedelta(days=7)
"""The exchange was never closed for longer in the years that can be recorded (September 2001: a week)."""
REPORT_TIMES = {
    "pre-market": ReportTime.BEFORE_OPEN,
    "post-market": ReportTime.AFTER_CLOSE,
    "": ReportTime.UNKNOWN,
}


@dataclass(frozen=True, eq=False)
class RecordedFolder:
    """Recorded data of many tickers, checked. Prices keep the share basis they were recorded in.

    Attributes:
        name: what it is called on the outside (the folder's path, "demo").
        series: daily bars by ticker. splits: by ticker, oldest first. payouts: dividends as paid, by ticker.
        chains, minutes, earnings: what was recorded besides; empty where the folder has none.
        rates: the short rate by day. recordings: what was recorded of live prices (see `engine.data.recording`).
    """

    name: str
    series: Mapping[str, Series]
    splits: Mapping[str, tuple[Split, ...]] = field(default_factory=dict)
    payouts: Mapping[str, Payouts] = field(default_factory=dict)
    chains: RecordedChains = field(default_factory=RecordedChains)
    minutes: Mapping[tuple[str, date], Minutes] = field(default_factory=dict)
    earnings: Mapping[str, tuple[Earnings, ...]] = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)
    recordings: Recordings = field(default_factory=Recordings)

    @staticmethod
    def open(path: Path | str) -> RecordedFolder:
        """The folder at `path` (INTERFACE: daily_bars.parquet, and the others where present).

        Raises:
            ConfigError: the folder or its daily bars are not there.
            DataInvalid: a file is malformed; names file, row and column.
        """
        folder = Path(path)
        if has_recordings(folder) and existing(folder, BARS) is None:
            return RecordedFolder.recorded(str(path), Recordings(folder))
        bars = read_parquet(required(folder, BARS), BAR_COLUMNS)
        chains = existing(folder, "option_chains.parquet")
        found = RecordedFolder.of(
            str(path),
            bars,
            splits=_csv(folder, "splits.csv"),
            dividends=_csv(folder, "dividends.csv"),
            chains=None if chains is None else read_parquet(chains, CHAIN_COLUMNS),
            minutes=tuple(read_parquet(file, MINUTE_COLUMNS) for file in sorted(folder.glob("minute_bars*.parquet"))),
            earnings=_csv(folder, "earnings.csv"),
            treasury=_csv(folder, "treasury_curves.csv"),
            primary_credit=_csv(folder, "fed_primary_credit_rate.csv"),
        )
        if has_recordings(folder):
            recordings = Recordings(folder)
            found = replace(found, series={**recordings.series(), **found.series}, recordings=recordings)
        pa.default_memory_pool().release_unused()  # about 60 MB that Arrow would keep after reading
        return found

    @staticmethod
    def recorded(name: str, recordings: Recordings) -> RecordedFolder:
        """A folder that holds nothing but what was recorded of live prices."""
        return RecordedFolder(name, recordings.series(), recordings=recordings)

    @staticmethod
    def of(
        name: str,
        bars: Sheet,
        *,
        splits: Sheet | None = None,
        dividends: Sheet | None = None,
        chains: Sheet | None = None,
        minutes: tuple[Sheet, ...] = (),
        earnings: Sheet | None = None,
        treasury: Sheet | None = None,
        primary_credit: Sheet | None = None,
    ) -> RecordedFolder:
        """The same from tables in memory, with the columns of the files.

        Raises:
            DataInvalid: a table is malformed; names table, row and column.
        """
        series = read_series(bars)
        known_splits = {} if splits is None else read_splits(splits)
        return RecordedFolder(
            name=name,
            series=series,
            splits=known_splits,
            payouts=_payouts(series, known_splits, dividends),
            chains=RecordedChains() if chains is None else read_chains(chains),
            minutes={key: bars for sheet in minutes for key, bars in read_minutes(sheet).items()},
            earnings={} if earnings is None else read_earnings(earnings),
            rates=_rates(treasury, primary_credit),
        )

    @cached_property
    def sessions(self) -> tuple[date, ...]:
        """Every day with a bar of something tradable, or on which live prices were recorded, oldest first."""
        days = [series.day for series in self.series.values() if not series.is_index]
        with_bars: list[date] = np.unique(np.concatenate(days)).tolist() if days else []
        return tuple(sorted({*with_bars, *self.recordings.days}))

    @property
    def last_day(self) -> date:
        """The latest recorded trading day.

        Raises:
            BadRequest: there is none.
        """
        if not self.sessions:
            raise BadRequest(f"The recorded data ({self.name}) hold no trading day.")
        return self.sessions[-1]

    def check_day(self, day: date, margin: timedelta = timedelta(0)) -> None:
        """Nothing, when `day` lies between the first and the last recorded day, or at most `margin` outside.

        Raises:
            BadRequest: it does not; the message says which days there are.
        """
        last, first = self.last_day, self.sessions[0]
        if not first - margin <= day <= last + margin:
            raise BadRequest(f"The recorded data run from {first} to {last}; {day} is not among them.")

    def trading_days(self, start: date, end: date, calendar: Sessions) -> tuple[date, ...]:
        """The trading sessions from `start` to `end`; the window may begin and end on days without trading.

        Raises:
            BadRequest: there is none, or one of them lies outside the recorded days.
        """
        for day in (start, end):
            self.check_day(day, LONGEST_CLOSURE)
        days = calendar.between(start, end)
        if not days:
            raise BadRequest(f"There is no trading session from {start} to {end}.")
        for day in (days[0], days[-1]):
            self.check_day(day)
        return days


def read_splits(sheet: Sheet) -> dict[str, tuple[Split, ...]]:
    """Splits by ticker, oldest first: new shares for each old one. Spin-off factors count as splits.

    Raises:
        DataInvalid: a column is missing, or a row is no split: names file, row and column.
    """
    sheet.require("ticker", "ex_date", "ratio")
    codes, tickers = sheet.names("ticker")
    days, ratios = sheet.days("ex_date"), sheet.decimals("ratio")
    sheet.check(np.array([ratio <= 0 for ratio in ratios], dtype=bool), "ratio", "is no ratio above zero")
    found: dict[str, dict[date, Split]] = {}
    for row, (code, day, ratio) in enumerate(zip(codes, days.tolist(), ratios, strict=True)):
        of_ticker = found.setdefault(tickers[code], {})
        if day in of_ticker:
            sheet.refuse(row, "ex_date", f"is there twice for {tickers[code]}")
        of_ticker[day] = Split(day, exact_ratio(ratio))
    return {ticker: tuple(by_day[day] for day in sorted(by_day)) for ticker, by_day in found.items()}


def read_dividends(sheet: Sheet) -> tuple[dict[str, tuple[Dividend, ...]], date]:
    """Dividends as paid by ticker, oldest first, and the last day the table covers.

    Raises:
        DataInvalid: a column is missing, or a row is no dividend: names file, row and column.
    """
    sheet.require("ticker", "ex_date", "amount_unadjusted")
    codes, tickers = sheet.names("ticker")
    days, amounts = sheet.days("ex_date"), sheet.decimals("amount_unadjusted")
    sheet.check(np.array([amount < 0 for amount in amounts], dtype=bool), "amount_unadjusted", "is below zero")
    found: dict[str, list[Dividend]] = {}
    for code, day, amount in zip(codes, days.tolist(), amounts, strict=True):
        found.setdefault(tickers[code], []).append(Dividend(day, amount))
    until = days.max().astype(object) if len(days) else date.min
    return {ticker: tuple(sorted(paid, key=attrgetter("ex_date"))) for ticker, paid in found.items()}, until


def read_earnings(sheet: Sheet) -> dict[str, tuple[Earnings, ...]]:
    """Report dates by ticker, oldest first; rows without a report date are figures only and say no day.

    Raises:
        DataInvalid: a column is missing, or a row is no report: names file, row and column.
    """
    sheet.require("ticker", "report_date", "when")
    tickers = sheet.texts("ticker")
    days, times = sheet.days("report_date", blank=True), sheet.choices("when", REPORT_TIMES)
    found: dict[str, dict[date, Earnings]] = {}
    for row in np.flatnonzero(~np.isnat(days)):
        day: date = days[row].astype(object)
        found.setdefault(tickers[row], {})[day] = Earnings(day, times[row])
    return {ticker: tuple(by_day[day] for day in sorted(by_day)) for ticker, by_day in found.items()}


def _rates(treasury: Sheet | None, primary_credit: Sheet | None) -> Rates:
    curve = () if treasury is None else _steps(treasury, "Time Period", "3month", blank=True)
    if primary_credit is None:
        return Rates(curve)
    policy = tuple(
        (day, max(percent - PRIMARY_CREDIT_SPREAD, 0.0) / 100)
        for day, percent in _steps(primary_credit, "DATE", "PCREDIT8", blank=False)
    )
    return Rates(curve, policy, f"primary credit rate - {PRIMARY_CREDIT_SPREAD:.2f} %")


def _steps(sheet: Sheet, day: str, value: str, *, blank: bool) -> tuple[tuple[date, float], ...]:
    days, values = sheet.days(day), sheet.floats(value, blank=blank)
    known = ~np.isnan(values)
    return tuple(sorted(zip(days[known].tolist(), values[known].tolist(), strict=True)))


def _payouts(
    series: Mapping[str, Series], splits: Mapping[str, tuple[Split, ...]], sheet: Sheet | None
) -> dict[str, Payouts]:
    recorded, until = ({}, date.min) if sheet is None else read_dividends(sheet)
    found = {
        ticker: payouts(bars, splits.get(ticker, ()), recorded.get(ticker), until)
        for ticker, bars in series.items()
        if not bars.is_index
    }
    return {ticker: known for ticker, known in found.items() if known is not None}


def _csv(folder: Path, name: str) -> Sheet | None:
    path = existing(folder, name)
    return None if path is None else read_csv(path)
