"""Typed columns of a recorded table. Every refusal names the file, the row and the column.

Rows count from 1 and leave out the header line; for text files the line is named too, as an editor shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.errors import DataInvalid
from engine.model.market import Dates, Floats
from engine.sessions import NEW_YORK

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """One table of recorded data under the name it is shown by.

    Attributes:
        name: the file's name ("splits.csv"), or what a table made in memory is called.
        table: a pyarrow Table; text files come in as columns of text, so that a bad value can be shown as written.
        is_text: whether rows are lines after one header line.
    """

    name: str
    table: pa.Table
    is_text: bool = False

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def has(self, column: str) -> bool:
        return column in self.table.column_names

    def require(self, *columns: str) -> None:
        """Refuse a table that lacks one of `columns`.

        Raises:
            DataInvalid: a column is missing.
        """
        for column in columns:
            if not self.has(column):
                known = ", ".join(self.table.column_names) or "none"
                raise DataInvalid(f"{self.name}: column {column} is missing; its columns are {known}.")

    def refuse(self, row: int, column: str, why: str) -> NoReturn:
        """Raise DataInvalid about one cell; `row` counts from 0."""
        value = self.table.column(column)[row].as_py()
        line = f" (line {row + 2})" if self.is_text else ""
        raise DataInvalid(f"{self.name}, row {row + 1}{line}, column {column}: {_shown(value)} {why}.")

    def check(self, bad: Mask, column: str, why: str) -> None:
        """Refuse the first row where `bad` holds.

        Raises:
            DataInvalid: some row is bad.
        """
        if bad.any():
            self.refuse(int(np.argmax(bad)), column, why)

    def texts(self, column: str) -> NDArray[np.object_]:
        """(n,) str; a missing value is the empty string."""
        self.require(column)
        values = pc.fill_null(_plain(self.table.column(column)).cast(pa.string()), "")
        return np.asarray(values.to_numpy(zero_copy_only=False), dtype=object)

    def names(self, column: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """A text column as codes: (n,) indices into the distinct values, in order of first appearance.

        Raises:
            DataInvalid: a value is missing or empty.
        """
        self.require(column)
        coded = self.table.column(column)
        if not pa.types.is_dictionary(coded.type):
            coded = pc.dictionary_encode(coded.cast(pa.string()))
        coded = pa.chunked_array(coded).unify_dictionaries().combine_chunks()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.chunk(0) if coded.num_chunks else pa.array([], pa.dictionary(pa.int32(), pa.string()))
        self.check(np.asarray(coded.is_null()), column, "is no name")
        codes = np.asarray(coded.indices, dtype=np.int64)
        used = np.unique(codes)  # a table cut out of a larger one still lists the names of all its rows
        codes = np.searchsorted(used, codes)
        values = tuple(str(value) for value in coded.dictionary.take(pa.array(used)).to_pylist())
        empty = np.array([not value for value in values], dtype=bool)
        if empty.any():
            self.check(empty[codes], column, "is no name")
        return codes, values

    def floats(self, column: str, *, blank: bool = False) -> Floats:
        """(n,) float64. `blank` allows missing values, which become NaN.

        Raises:
            DataInvalid: a value is no finite number.
        """
        values = self._floats(column)
        bad = np.isinf(values) if blank else ~np.isfinite(values)
        self.check(bad, column, "is no number")
        return values

    def _floats(self, column: str) -> Floats:
        self.require(column)
        cells = _plain(self.table.column(column))
        if _is_text(cells.type):
            return self._parsed_floats(column, cells)
        if not (pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type) or pa.types.is_decimal(cells.type)):
            raise DataInvalid(f"{self.name}, row 1, column {column}: {cells.type} holds no numbers.")
        numbers = pc.fill_null(cells.cast(pa.float64()), float("nan"))
        return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)

    def _parsed_floats(self, column: str, cells: Any) -> Floats:
        values = np.full(len(self), np.nan)
        for row, text in enumerate(cells.to_pylist()):
            if text is None or not text.strip():
                continue
            try:
                values[row] = float(text)
            except ValueError:
                self.refuse(row, column, "is no number")
        return values

    def decimals(self, column: str) -> tuple[Decimal, ...]:
        """Each value as the Decimal it was written as.

        Raises:
            DataInvalid: a value is missing or no finite number.
        """
        self.require(column)
        numbers = []
        for row, value in enumerate(_plain(self.table.column(column)).to_pylist()):
            number = _decimal(value)
            if number is None:
                self.refuse(row, column, "is no number")
            numbers.append(number)
        return tuple(numbers)

    def days(self, column: str, *, blank: bool = False) -> Dates:
        """(n,) datetime64[D] from dates, timestamps or ISO 8601 text, in the zone they are written in, if any.

        `blank` allows missing values (NaT).

        Raises:
            DataInvalid: a value is no calendar day.
        """
        stamps: Dates = self._stamps(column, "D")
        if not blank:
            self.check(np.isnat(stamps), column, "is no date (expected one such as 2019-03-04)")
        return stamps

    def instants(self, column: str) -> Dates:
        """(n,) datetime64[us], New York wall times, from timestamps or ISO 8601 text.

        Without a zone they are New York times already; with one they are brought there.

        Raises:
            DataInvalid: a value is no date and time.
        """
        stamps: Dates = self._stamps(column, "us")
        self.check(np.isnat(stamps), column, "is no date and time (expected one such as 2019-03-04 10:30:00)")
        return stamps

    def _stamps(self, column: str, unit: str) -> Dates:
        self.require(column)
        cells = _plain(self.table.column(column))
        if _is_text(cells.type):
            return self._parsed_stamps(column, cells, unit)
        if not pa.types.is_temporal(cells.type):
            raise DataInvalid(f"{self.name}, row 1, column {column}: {cells.type} holds no dates.")
        if getattr(cells.type, "tz", None) is not None:
            there = cells if unit == "D" else cells.cast(pa.timestamp("us", NEW_YORK.key))
            cells = pc.local_timestamp(there)
        return np.asarray(cells.to_numpy(zero_copy_only=False)).astype(f"datetime64[{unit}]")

    def _parsed_stamps(self, column: str, cells: Any, unit: str) -> Dates:
        stamps = np.full(len(self), np.datetime64("NaT"), dtype=f"datetime64[{unit}]")
        seen: dict[str, np.datetime64] = {}
        for row, text in enumerate(cells.to_pylist()):
            if text is None or not text.strip():
                continue
            if text not in seen:
                try:
                    seen[text] = _stamp(text, unit)
                except ValueError:
                    self.refuse(row, column, "is no date (expected one such as 2019-03-04)")
            stamps[row] = seen[text]
        return stamps

    def choices(self, column: str, meaning: Mapping[str, Any]) -> NDArray[np.object_]:
        """(n,) what each value of a text column means.

        Raises:
            DataInvalid: a value is none of the known words.
        """
        texts = self.texts(column)
        known = np.array([text in meaning for text in texts], dtype=bool)
        words = ", ".join(word or "nothing" for word in meaning)
        self.check(~known, column, f"is not one of: {words}")
        found = np.empty(len(texts), dtype=object)
        found[:] = [meaning[text] for text in texts]
        return found


def sheet(name: str, **columns: Any) -> Sheet:
    """A `Sheet` made in memory from columns of equal length (lists, NumPy or pyarrow arrays).

    >>> len(sheet("splits", ticker=["AAPL"], ex_date=["2014-06-09"], ratio=["7"]))
    1
    """
    return Sheet(name, pa.table({column: pa.array(values) for column, values in columns.items()}))


def _plain(cells: Any) -> Any:
    return cells.cast(cells.type.value_type) if pa.types.is_dictionary(cells.type) else cells


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def _decimal(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _stamp(text: str, unit: str) -> np.datetime64:
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is not None and unit != "D":
        moment = moment.astimezone(NEW_YORK)
    return np.datetime64(moment.replace(tzinfo=None))


def _shown(value: object) -> str:
    if value is None:
        return "a missing value"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, int | date | Decimal) else f"“{value}”"
