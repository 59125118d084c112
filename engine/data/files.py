"""Reading one file of a recorded-data folder as a `Sheet`; what cannot be read names the file."""

from __future__ import annotations

import csv
import gzip
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.data.columns import Sheet
from engine.errors import ConfigError, DataInvalid

ENDINGS = ("", ".gz")


def existing(folder: Path, name: str) -> Path | None:
    """The path of an optional file, itself or with .gz behind it."""
    return next((folder / f"{name}{end}" for end in ENDINGS if (folder / f"{name}{end}").is_file()), None)


def required(folder: Path, name: str) -> Path:
    """The path of a file a folder must have.

    Raises:
        ConfigError: the folder or the file is not there.
    """
    if not folder.exists():
        raise ConfigError(f"The data folder “{folder}” does not exist.")
    if not folder.is_dir():
        raise ConfigError(f"“{folder}” is a file: expected the folder that holds {name}.")
    path = existing(folder, name)
    if path is None:
        raise ConfigError(f"The data folder “{folder}” has no {name}, which is required.")
    return path


def read_parquet(path: Path, columns: tuple[str, ...]) -> Sheet:
    """The named columns of a Parquet file, those of them it has.

    Raises:
        DataInvalid: it is no readable Parquet file.
    """
    try:
        with pq.ParquetFile(path) as file:
            present = [name for name in file.schema_arrow.names if name in columns]
            return Sheet(path.name, file.read(columns=present))
    except (pa.ArrowException, OSError) as error:
        raise DataInvalid(f"{path.name} is no readable Parquet file: {error}.") from error


def read_csv(path: Path) -> Sheet:
    """A text file of comma-separated values with one header line, plain or gzipped, as columns of text.

    Raises:
        DataInvalid: it cannot be read, or a row has more or fewer cells than the header.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8", newline="") as lines
        ):
            rows = list(csv.reader(lines))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise DataInvalid(f"{path.name} cannot be read: {error}.") from error
    while rows and not rows[-1]:
        rows.pop()
    if not rows:
        raise DataInvalid(f"{path.name} is empty: expected a header line.")
    return Sheet(path.name, _table(path.name, rows[0], rows[1:]), is_text=True)


def _table(name: str, header: list[str], rows: list[list[str]]) -> pa.Table:
    for number, cells in enumerate(rows, start=1):
        if len(cells) != len(header):
            where = f"{name}, row {number} (line {number + 1}), column {header[min(len(cells), len(header) - 1)]}"
            raise DataInvalid(f"{where}: the row has {len(cells)} cells, the header {len(header)}.")
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    return pa.table(
        {title: pa.array(cells, pa.string()) for title, cells in zip(header, columns, strict=True)},
    )
