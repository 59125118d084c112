"""Reading a recorded folder: what it gives, and how each malformed cell is refused."""

from __future__ import annotations

import gzip
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.data.columns import sheet
from engine.data.folder import RecordedFolder, read_earnings, read_splits
from engine.errors import ConfigError, DataInvalid
from engine.model.market import Dividend, Earnings, Kind, ReportTime, Split
from tests.engine.data import recorded
from tests.shared import SHARED, needs_shared

D = Decimal
AT_THE_CLOSE = datetime.fromisoformat("2019-01-03T16:00")
AT_THE_OPEN = datetime.fromisoformat("2019-01-02T09:30")
DAYS = [date(2019, 1, 2), date(2019, 1, 3), date(2019, 1, 4)]


def bars(**changed: list[Any]) -> dict[str, list[Any]]:
    """Three bars of AAA; a keyword replaces a column."""
    return {
        "ticker": ["AAA"] * 3,
        "date": DAYS,
        "open": [10.0, 10.5, 10.2],
        "high": [10.8, 10.9, 10.4],
        "low": [9.9, 10.1, 9.7],
        "close": [10.5, 10.2, 10.0],
        "volume": [1e6, 2e6, 3e6],
    } | changed


def chains(**changed: list[Any]) -> dict[str, list[Any]]:
    """Two contracts of AAA recorded at the close of 2019-01-03."""
    return {
        "underlying": ["AAA", "AAA"],
        "quote_time": [AT_THE_CLOSE] * 2,
        "expiry": [date(2019, 1, 18)] * 2,
        "strike": [10.0, 10.0],
        "right": ["C", "P"],
        "style": ["american", "american"],
        "bid": [0.5, 0.3],
        "ask": [0.6, 0.4],
        "underlying_price": [10.2, 10.2],
    } | changed


def write(folder: Path, **tables: dict[str, list[Any]]) -> Path:
    """Parquet files, `daily_bars` among them unless it is given."""
    for name, columns in ({"daily_bars": bars()} | tables).items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def test_bars_come_back_in_order_of_time_whatever_the_order_of_the_file(tmp_path: Path):
    shuffled = {name: [cells[row] for row in (2, 0, 1)] for name, cells in bars().items()}
    series = RecordedFolder.open(write(tmp_path, daily_bars=shuffled)).series["AAA"]
    assert series.day.tolist() == DAYS
    assert series.close.tolist() == [10.5, 10.2, 10.0]
    assert series.volume.tolist() == [1e6, 2e6, 3e6]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"nowhere” does not exist"):
        RecordedFolder.open(tmp_path / "nowhere")


def test_a_folder_without_daily_bars_names_the_file(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"has no daily_bars\.parquet, which is required"):
        RecordedFolder.open(tmp_path)


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path):
    (tmp_path / "daily_bars.parquet").write_text("ticker,date")
    with pytest.raises(DataInvalid, match=r"daily_bars\.parquet is no readable Parquet file"):
        RecordedFolder.open(tmp_path)


def test_a_missing_column_is_named(tmp_path: Path):
    without = {name: cells for name, cells in bars().items() if name != "close"}
    with pytest.raises(
        DataInvalid, match=r"daily_bars\.parquet: column close is missing; its columns are ticker, date"
    ):
        RecordedFolder.open(write(tmp_path, daily_bars=without))


@pytest.mark.parametrize(
    ("column", "cells", "words"),
    [
        ("close", [10.5, float("nan"), 10.0], r"row 2, column close: nan is no number\."),
        ("close", [10.5, None, 10.0], r"row 2, column close: a missing value is no number\."),
        ("open", [10.0, 10.5, -10.2], r"row 3, column open: -10\.2 is no price above zero\."),
        ("low", [0.0, 10.1, 9.7], r"row 1, column low: 0 is no price above zero\."),
        ("high", [10.8, 10.0, 10.4], r"row 2, column high: 10 is below the low of the same bar\."),
        ("volume", [1e6, 2e6, -1.0], r"row 3, column volume: -1 is below zero\."),
        ("date", [DAYS[0], DAYS[1], DAYS[1]], r"row 3, column date: 2019-01-03 is there twice for AAA\."),
        ("date", ["2019-01-02", "2019-01-03", "soon"], r"row 3, column date: “soon” is no date"),
        ("date", [DAYS[0], None, DAYS[2]], r"row 2, column date: a missing value is no date"),
        ("date", [1, 2, 3], r"row 1, column date: int64 holds no dates\."),
        ("close", ["10.5", "10.2", "ten"], r"row 3, column close: “ten” is no number\."),
        ("ticker", ["AAA", None, "AAA"], r"row 2, column ticker: a missing value is no name\."),
        ("ticker", ["AAA", "AAA", ""], r"row 3, column ticker: “” is no name\."),
    ],
)
def test_a_bad_cell_of_the_bars_names_file_row_and_column(tmp_path: Path, column: str, cells: list[Any], words: str):
    with pytest.raises(DataInvalid, match=r"^daily_bars\.parquet, " + words):
        RecordedFolder.open(write(tmp_path, daily_bars=bars(**{column: cells})))


@pytest.mark.parametrize(
    ("column", "cells", "words"),
    [
        ("right", ["C", "put"], r"row 2, column right: “put” is not one of: C, P\."),
        ("style", ["american", "bermudan"], r"row 2, column style: “bermudan” is not one of: american, european\."),
        ("strike", [10.0, 0.0], r"row 2, column strike: 0 is no price above zero\."),
        ("strike", [10.0, None], r"row 2, column strike: a missing value is no number\."),
        ("bid", [-0.5, 0.3], r"row 1, column bid: -0\.5 is below zero\."),
        ("underlying_price", [10.2, float("inf")], r"row 2, column underlying_price: inf is no number\."),
        ("expiry", ["2019-01-18", "Friday"], r"row 2, column expiry: “Friday” is no date"),
        (
            "quote_time",
            [None, AT_THE_CLOSE],
            r"row 1, column quote_time: a missing value is no date and time",
        ),
    ],
)
def test_a_bad_cell_of_the_chains_names_file_row_and_column(tmp_path: Path, column: str, cells: list[Any], words: str):
    with pytest.raises(DataInvalid, match=r"^option_chains\.parquet, " + words):
        RecordedFolder.open(write(tmp_path, option_chains=chains(**{column: cells})))


def test_a_missing_quote_in_a_chain_is_no_error(tmp_path: Path):
    recorded_chains = RecordedFolder.open(write(tmp_path, option_chains=chains(bid=[None, 0.3]))).chains
    (moment,) = recorded_chains.on("AAA", date(2019, 1, 3))
    assert np.isnan(recorded_chains.columns["bid"][moment.rows]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "splits.csv",
            "ticker,ex_date,ratio\nAAA,2019-01-03,two\n",
            r"row 1 \(line 2\), column ratio: “two” is no number",
        ),
        (
            "splits.csv",
            "ticker,ex_date,ratio\nAAA,2019-01-03,0\n",
            r"row 1 \(line 2\), column ratio: “0” is no ratio above",
        ),
        (
            "splits.csv",
            "ticker,ex_date,ratio\nAAA,2019-01-03,2\nAAA,2019-01-03,2\n",
            r"row 2 .*column ex_date: .* twice",
        ),
        ("splits.csv", "ticker,ratio\nAAA,2\n", r"column ex_date is missing"),
        (
            "splits.csv",
            "ticker,ex_date,ratio\nAAA,2019-01-03\n",
            r"row 1 \(line 2\), column ratio: the row has 2 cells",
        ),
        ("splits.csv", "", r"is empty: expected a header line"),
        (
            "dividends.csv",
            "ticker,ex_date,amount_unadjusted\nAAA,03/01/2019,1\n",
            r"column ex_date: “03/01/2019” is no date",
        ),
        (
            "dividends.csv",
            "ticker,ex_date,amount_unadjusted\nAAA,2019-01-03,-1\n",
            r"column amount_unadjusted: .*below zero",
        ),
        (
            "dividends.csv",
            "ticker,ex_date,amount_unadjusted\nAAA,2019-01-03,nan\n",
            r"amount_unadjusted: “nan” is no number",
        ),
        (
            "earnings.csv",
            "ticker,report_date,when\nAAA,2019-01-03,noon\n",
            r"column when: “noon” is not one of: pre-market",
        ),
        ("treasury_curves.csv", "Time Period,3month\n2019-01-02,high\n", r"row 1 \(line 2\), column 3month: “high”"),
        (
            "fed_primary_credit_rate.csv",
            "DATE,PCREDIT8\n2019-01-02,\n",
            r"row 1 \(line 2\), column PCREDIT8: “” is no number",
        ),
    ],
)
def test_a_bad_text_file_names_file_row_line_and_column(tmp_path: Path, name: str, text: str, words: str):
    (write(tmp_path) / name).write_text(text)
    with pytest.raises(DataInvalid, match=words) as raised:
        RecordedFolder.open(tmp_path)
    assert str(raised.value).startswith(name)


def test_a_bad_minute_names_its_file(tmp_path: Path):
    minute = {name: cells[:1] for name, cells in bars().items() if name != "date"} | {"time": [AT_THE_OPEN]}
    write(tmp_path, minute_bars_2019=minute | {"high": [1.0]})
    with pytest.raises(DataInvalid, match=r"^minute_bars_2019\.parquet, row 1, column high"):
        RecordedFolder.open(tmp_path)


def test_gzipped_text_files_are_read_too(tmp_path: Path):
    with gzip.open(write(tmp_path) / "dividends.csv.gz", "wt") as file:
        file.write("ticker,ex_date,amount_unadjusted\nAAA,2019-01-03,0.25\n\n")
    payouts = RecordedFolder.open(tmp_path).payouts["AAA"]
    assert payouts.dividends == (Dividend(date(2019, 1, 3), D("0.25")),)
    assert payouts.source.kind is Kind.RECORDED


def test_a_gzipped_file_cut_short_is_named(tmp_path: Path):
    whole = gzip.compress(b"ticker,ex_date,ratio\n" * 100)
    (write(tmp_path) / "splits.csv.gz").write_bytes(whole[:-12])
    with pytest.raises(DataInvalid, match=r"^splits\.csv\.gz cannot be read"):
        RecordedFolder.open(tmp_path)


def test_rounded_ratios_are_made_exact_and_spin_offs_stay():
    ratios = ["7.000007", "1.499999", "0.333333", "0.125", "1.04"]
    days = [date(2019, 1, day) for day in range(2, 7)]
    splits = read_splits(sheet("splits", ticker=["AAA"] * 5, ex_date=days, ratio=ratios))["AAA"]
    assert [split.ratio for split in splits] == [D(7), D("1.5"), D(1) / D(3), D("0.125"), D("1.04")]
    assert splits[0] == Split(days[0], D(7))


def test_a_report_without_a_date_says_no_day():
    earnings = read_earnings(
        sheet("earnings", ticker=["AAA", "AAA"], report_date=["2019-02-05", ""], when=["post-market", ""])
    )
    assert earnings == {"AAA": (Earnings(date(2019, 2, 5), ReportTime.AFTER_CLOSE),)}


def test_bars_count_in_the_shares_of_the_last_day_of_their_collection():
    two = {name: cells * 2 for name, cells in bars().items()}
    two |= {"ticker": ["AAA"] * 3 + ["BBB"] * 3, "source": ["some"] * 3 + ["dieperdev"] * 3}
    series = RecordedFolder.of("two", sheet("bars", **two)).series
    assert series["AAA"].basis == DAYS[-1]
    assert series["BBB"].basis == date(2024, 3, 8)


def test_a_split_after_the_basis_is_not_in_the_bars():
    splits = sheet("splits", ticker=["AAA", "AAA"], ex_date=["2019-01-04", "2019-02-01"], ratio=["2", "10"])
    folder = RecordedFolder.of("tiny", sheet("bars", **bars()), splits=splits)
    series = folder.series["AAA"]
    assert series.as_traded(folder.splits["AAA"], 1) == 20.4
    assert series.as_traded(folder.splits["AAA"], 2) == 10.0


def test_adjusted_closes_tell_the_dividends_no_file_knows():
    adjusted = [10.5 * (1 - 0.21 / 10.5), 10.2, 10.0]
    folder = RecordedFolder.of("tiny", sheet("bars", **bars(adj_close=adjusted)))
    assert folder.payouts["AAA"].dividends == (Dividend(date(2019, 1, 3), D("0.2100")),)
    assert folder.payouts["AAA"].source.kind is Kind.RECONSTRUCTED


def test_the_value_of_a_spin_off_is_no_dividend():
    dividends = sheet(
        "dividends", ticker=["AAA", "AAA"], ex_date=["2019-01-03", "2019-01-04"], amount_unadjusted=["4", "0.2"]
    )
    unadjusted = bars(adj_close=bars()["close"])
    folder = RecordedFolder.of("tiny", sheet("bars", **unadjusted), dividends=dividends)
    assert folder.payouts["AAA"].dividends == (Dividend(date(2019, 1, 4), D("0.2")),)


def test_dividends_nobody_covers_are_unknown_not_none_paid():
    folder = RecordedFolder.of("tiny", sheet("bars", **bars()), dividends=recorded.dividends())
    assert folder.payouts["AAA"].until == recorded.PAID[-1]
    assert "BBB" not in RecordedFolder.of("late", sheet("bars", **bars(ticker=["BBB"] * 3))).payouts


@needs_shared
def test_the_recorded_pack_opens_whole():
    folder = RecordedFolder.open(SHARED / "data")
    assert len(folder.series) == 168
    assert sum(len(series) for series in folder.series.values()) == 624_802
    assert sum(len(moment) for moments in folder.chains.moments.values() for moment in moments) == 13_169
    assert len(folder.minutes) == 14
    assert {ticker: folder.series[ticker].basis for ticker in ("KO", "SPY")} == {
        "KO": date(2024, 3, 8),
        "SPY": date(2021, 3, 31),
    }


@needs_shared
def test_derived_dividends_agree_with_the_recorded_ones():
    folder = RecordedFolder.open(SHARED / "data")
    recorded_ones = {paid.ex_date: paid.amount for paid in folder.payouts["KO"].dividends if paid.ex_date.year < 2021}
    derived = RecordedFolder.of("again", _bars_of(folder, "KO"), splits=_splits_of(folder, "KO")).payouts["KO"]
    assert derived.source.kind is Kind.RECONSTRUCTED
    pairs = [(paid.amount, recorded_ones[paid.ex_date]) for paid in derived.dividends if paid.ex_date in recorded_ones]
    assert len(pairs) == 64
    assert max(abs(float(mine / theirs) - 1) for mine, theirs in pairs) < 1e-3


def _bars_of(folder: RecordedFolder, ticker: str) -> Any:
    series = folder.series[ticker]
    names = ("open", "high", "low", "close", "volume", "adj_close")
    columns = {name: getattr(series, name) for name in names}
    return sheet("bars", ticker=[ticker] * len(series), date=series.day, **columns)


def _splits_of(folder: RecordedFolder, ticker: str) -> Any:
    splits = folder.splits[ticker]
    days, ratios = [split.ex_date for split in splits], [str(split.ratio) for split in splits]
    return sheet("splits", ticker=[ticker] * len(splits), ex_date=days, ratio=ratios)
