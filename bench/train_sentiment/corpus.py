"""The labelled headlines: read, near-duplicates removed, shared out to three parts by family."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from engine.model.news import Tone
from engine.news import clean
from engine.sentiment.words import words

FILE = "news.jsonl.gz"
LABELS = {-1: Tone.NEGATIVE, 0: Tone.NEUTRAL, 1: Tone.POSITIVE}
TAUGHT = "twitter_financial_news_sentiment"
APART = "alphavantage_news"
DUPLICATE = 0.7
FAMILY = 0.4
"""Shares of two headlines' pairs of words that both have (Jaccard), numbers and cashtags counting as the same."""
SEED = 20261127
SHARES = (0.70, 0.15, 0.15)


class Part(StrEnum):
    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Corpus:
    """The parts, the rows that stay apart, and what was removed.

    Attributes:
        duplicates: rows removed because another one says nearly the same.
        families: groups of like headlines, each in one part as a whole.
        digest: SHA-256 of the file.
    """

    parts: Mapping[Part, tuple[Row, ...]]
    apart: tuple[Row, ...]
    duplicates: int
    families: int
    digest: str


def read(folder: Path) -> Corpus:
    """The corpus of a data folder; the same file gives the same parts. Raises OSError where it has no such file."""
    content = (folder / FILE).read_bytes()
    found = [json.loads(line) for line in gzip.decompress(content).decode("utf-8").splitlines()]
    taught = _rows(found, TAUGHT)
    kept = _without_duplicates(taught)
    family = _groups(kept, FAMILY)
    return Corpus(
        shared_out(kept, family, np.random.default_rng(SEED)),
        tuple(_rows(found, APART)),
        len(taught) - len(kept),
        int(family.max()) + 1,
        hashlib.sha256(content).hexdigest(),
    )


def _rows(found: Iterable[Mapping[str, object]], source: str) -> list[Row]:
    ours = (row for row in found if str(row["source"]).startswith(source))
    return [Row(clean(str(row["text"])), LABELS[int(str(row["label"]))]) for row in ours]


def _without_duplicates(rows: Sequence[Row]) -> list[Row]:
    """The first of every group of near-duplicates."""
    _, first = np.unique(_groups(rows, DUPLICATE), return_index=True)
    return [rows[index] for index in sorted(first.tolist())]


def _groups(rows: Sequence[Row], least: float) -> NDArray[np.int64]:
    """A number per row: two rows share it when a chain of rows, each at least so like the next, joins them."""
    pairs = [{*zip(["", *found], [*found, ""], strict=True)} for found in map(words, (row.text for row in rows))]
    number = {pair: index for index, pair in enumerate(sorted(set().union(*pairs)))}
    flat = [number[pair] for found in pairs for pair in sorted(found)]
    ends = np.cumsum([0, *map(len, pairs)])
    table = sparse.csr_matrix((np.ones(len(flat), np.int32), flat, ends), shape=(len(rows), len(number)))
    common = (table @ table.T).tocoo()
    size = np.diff(ends)
    like = common.data >= least * (size[common.row] + size[common.col] - common.data)
    links = sparse.coo_matrix((common.data[like], (common.row[like], common.col[like])), shape=common.shape)
    groups: NDArray[np.int64] = connected_components(links, directed=False)[1].astype(np.int64)
    return groups


def shared_out(
    rows: Sequence[Row], family: NDArray[np.int64], chance: np.random.Generator
) -> dict[Part, tuple[Row, ...]]:
    """Every family as a whole to one part, in random order, until the part has its share of the families."""
    place = chance.permutation(int(family.max()) + 1)[family] / (int(family.max()) + 1)
    part = np.searchsorted(np.cumsum(SHARES)[:-1], place, side="right")
    return {
        name: tuple(row for row, its in zip(rows, part.tolist(), strict=True) if its == index)
        for index, name in enumerate(Part)
    }
