"""Columns of recorded tables: what each type of cell is read as."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from engine.data.columns import Sheet, sheet
from engine.errors import DataInvalid

NOON = np.datetime64("2019-03-04T12:00")


@pytest.mark.parametrize(
    "cell",
    [
        datetime.fromisoformat("2019-03-04T12:00"),
        datetime(2019, 3, 4, 17, tzinfo=UTC),
        "2019-03-04 12:00:00",
        "2019-03-04T17:00:00+00:00",
    ],
)
def test_instants_are_new_york_wall_times(cell: datetime | str):
    assert sheet("table", at=[cell]).instants("at")[0] == NOON


@pytest.mark.parametrize(
    "cell", [date(2019, 3, 4), "2019-03-04", "2019-03-04 00:00:00+00:00", datetime(2019, 3, 4, tzinfo=UTC)]
)
def test_days_are_those_written(cell: date | str):
    assert sheet("table", day=[cell]).days("day")[0] == np.datetime64("2019-03-04")


def test_blanks_are_missing_only_where_they_may_be():
    table = sheet("table", number=["1.5", " ", None], day=["2019-03-04", "", None])
    assert np.isnan(table.floats("number", blank=True)).tolist() == [False, True, True]
    assert np.isnat(table.days("day", blank=True)).tolist() == [False, True, True]
    with pytest.raises(DataInvalid, match=r"^table, row 2, column number: “ ” is no number\.$"):
        table.floats("number")


def test_names_are_codes_whether_coded_in_the_file_or_not():
    plain = pa.table({"ticker": ["B", "A", "B"]})
    chunks = pa.chunked_array([pa.array(["B", "A"]).dictionary_encode(), pa.array(["B"]).dictionary_encode()])
    for table in (plain, pa.table({"ticker": chunks})):
        codes, names = Sheet("table", table).names("ticker")
        assert [names[code] for code in codes] == ["B", "A", "B"]


def test_names_without_a_row_are_left_out():
    """A table cut out of a larger one lists the larger one's names still."""
    cells = pa.array(["AAPL", "IBM", "XOM"]).dictionary_encode().take(pa.array([2, 0]))
    table = pa.table({"ticker": cells, "date": ["2019-01-02", "2019-01-02"]})

    codes, names = Sheet("table", table).names("ticker")

    assert (codes.tolist(), names) == ([1, 0], ("AAPL", "XOM"))


def test_an_empty_table_has_empty_columns():
    table = Sheet("table", pa.table({"ticker": pa.array([], pa.string()), "day": pa.array([], pa.date32())}))
    codes, names = table.names("ticker")
    assert (len(codes), names, len(table.days("day"))) == (0, (), 0)


def test_numbers_of_a_wrong_type_are_refused():
    with pytest.raises(DataInvalid, match=r"^table, row 1, column close: bool holds no numbers"):
        sheet("table", close=[True]).floats("close")
