"""How well a model reads headlines it was not taught: the figures, and the tables of docs/sentiment.md made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.train_sentiment.corpus import Corpus, Part, Row
from bench.train_sentiment.fit import scores, table
from engine.sentiment.model import CLASSES, Model, softmax

POSITIVE = CLASSES.index("positive")
RULE = 0.7
DECILES = 10


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What headlines are and how they were read.

    Attributes:
        truth: the class of each headline.
        chances: a row per headline, a column per class.
    """

    truth: NDArray[np.int64]
    chances: NDArray[np.float64]

    @property
    def read(self) -> NDArray[np.int64]:
        """The likeliest class of each headline."""
        likeliest: NDArray[np.int64] = self.chances.argmax(axis=1)
        return likeliest

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Headlines by true class (row) and likeliest class (column)."""
        wide = len(CLASSES)
        return np.bincount(self.truth * wide + self.read, minlength=wide * wide).reshape(wide, wide)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Of those read as a class, the share that is of it."""
        shares: NDArray[np.float64] = np.diag(self.confusion) / np.maximum(self.confusion.sum(axis=0), 1)
        return shares

    @property
    def recall(self) -> NDArray[np.float64]:
        """Of those of a class, the share that is read as it."""
        shares: NDArray[np.float64] = np.diag(self.confusion) / np.maximum(self.confusion.sum(axis=1), 1)
        return shares

    @property
    def f1(self) -> NDArray[np.float64]:
        """The harmonic mean of precision and recall of each class."""
        of_both = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        means: NDArray[np.float64] = 2 * np.diag(self.confusion) / np.maximum(of_both, 1)
        return means

    @property
    def macro_f1(self) -> float:
        return float(self.f1.mean())

    @property
    def accuracy(self) -> float:
        return float((self.read == self.truth).mean())

    @property
    def off(self) -> float:
        """How far P(positive) is from the share that is positive, averaged over its deciles by their size."""
        return sum(len(of) * abs(said - is_so) for of, said, is_so in self.deciles) / len(self.truth)

    @property
    def deciles(self) -> list[tuple[NDArray[np.int64], float, float]]:
        """P(positive) in tenths of the headlines, lowest first: which, its mean, the share that is positive."""
        chance = self.chances[:, POSITIVE]
        tenths = np.array_split(np.argsort(chance, kind="stable"), DECILES)
        return [(of, float(chance[of].mean()), float((self.truth[of] == POSITIVE).mean())) for of in tenths]


def measured(model: Model, rows: Sequence[Row]) -> Figures:
    seen = table(rows)
    return Figures(seen.classes, softmax(scores(model, seen) / model.temperature))


def blind(rows: Sequence[Row]) -> Figures:
    """Who calls everything neutral, the class that most headlines have."""
    truth = np.array([CLASSES.index(row.tone) for row in rows])
    return Figures(truth, np.tile(np.eye(len(CLASSES))[CLASSES.index("neutral")], (len(rows), 1)))


def tables(model: Model, corpus: Corpus) -> list[str]:
    """What stands in the documentation, word for word, in its order."""
    test = measured(model, corpus.parts[Part.TEST])
    return [
        parts_table(corpus),
        summary(test, blind(corpus.parts[Part.TEST])),
        confusion_table(test),
        decile_table(test),
        above_the_rule(test),
        confusion_table(measured(model, corpus.apart)),
    ]


def parts_table(corpus: Corpus) -> str:
    kept = sum(map(len, corpus.parts.values()))
    lines = ["| part | headlines | negative | neutral | positive |", "|---|---:|---:|---:|---:|"]
    for part, rows in corpus.parts.items():
        counts = " | ".join(f"{sum(row.tone == tone for row in rows):,}" for tone in CLASSES)
        lines.append(f"| {part} | {len(rows):,} | {counts} |")
    said = f"{corpus.duplicates:,} near-duplicates removed, {kept:,} headlines of {corpus.families:,} families left."
    return "\n".join(lines) + f"\n\n{said}"


def summary(test: Figures, peer: Figures) -> str:
    return "\n".join(
        [
            "| on the test part | macro-F1 | accuracy |",
            "|---|---:|---:|",
            f"| this scorer | {test.macro_f1:.3f} | {test.accuracy:.3f} |",
            f"| always neutral | {peer.macro_f1:.3f} | {peer.accuracy:.3f} |",
        ]
    )


def confusion_table(figures: Figures) -> str:
    lines = [
        "| is \\ read as | negative | neutral | positive | precision | recall | F1 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for index, tone in enumerate(CLASSES):
        counts = " | ".join(f"{count:,}" for count in figures.confusion[index].tolist())
        shares = " | ".join(f"{share[index]:.3f}" for share in (figures.precision, figures.recall, figures.f1))
        lines.append(f"| {tone} | {counts} | {shares} |")
    return "\n".join(lines)


def decile_table(test: Figures) -> str:
    lines = ["| tenth | headlines | mean P(positive) | share positive |", "|---:|---:|---:|---:|"]
    for tenth, (of, said, is_so) in enumerate(test.deciles, 1):
        lines.append(f"| {tenth} | {len(of)} | {said:.3f} | {is_so:.3f} |")
    return "\n".join(lines) + f"\n\nMean distance, weighted by size: {test.off:.3f}."


def above_the_rule(test: Figures) -> str:
    above = test.chances[:, POSITIVE] > RULE
    right = test.truth[above] == POSITIVE
    wrong = int((test.truth[above] == CLASSES.index("negative")).sum())
    return (
        f"P(positive) above {RULE}: {int(above.sum())} headlines, "
        f"{right.mean():.1%} of them positive, {wrong} negative."
    )
