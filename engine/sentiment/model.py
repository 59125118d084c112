"""The linear model over hashed words: one small file of weights, three probabilities of a text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from math import sqrt
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.model.news import Probabilities, Tone
from engine.sentiment.words import BUCKETS, buckets

CLASSES = (Tone.NEGATIVE, Tone.NEUTRAL, Tone.POSITIVE)
"""The order of the weights' columns."""
WORD_SCALE = 1.0
PART_SCALE = 1.0
SIGN_SCALE = 0.35
WEIGHTS = "weights.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Multinomial logistic regression, its weights rounded to a byte each.

    Attributes:
        weights: int8, a row per bucket, a column per class.
        step: the worth of one unit of `weights`.
        bias: of each class.
        temperature: what the scores are divided by so that the probabilities are honest.
    """

    weights: NDArray[np.int8]
    step: float
    bias: NDArray[np.float64]
    temperature: float

    def probabilities(self, text: str) -> Probabilities:
        """How a text reads; one without a readable word reads neutral."""
        found = buckets(text)
        scores = (
            self._score(found.words, WORD_SCALE)
            + self._score(found.parts, PART_SCALE)
            + self._score(found.signs, SIGN_SCALE)
        )
        negative, neutral, positive = softmax((scores * self.step + self.bias) / self.temperature).tolist()
        return Probabilities(positive, neutral, negative)

    def _score(self, found: frozenset[int], scale: float) -> NDArray[np.float64]:
        """The summed rows of one kind of feature, divided by the root of their number, so that length counts less."""
        if not found:
            return np.zeros(len(CLASSES))
        summed: NDArray[np.float64] = self.weights[list(found)].sum(axis=0, dtype=np.float64)
        return summed * (scale / sqrt(len(found)))

    def to_bytes(self) -> bytes:
        """The file's content: the same model gives the same bytes."""
        file = BytesIO()
        np.savez_compressed(file, weights=self.weights, step=self.step, bias=self.bias, temperature=self.temperature)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Raises ValueError where the weights do not belong to these buckets."""
        with np.load(BytesIO(content), allow_pickle=False) as stored:
            weights = stored["weights"]
            if weights.shape != (BUCKETS, len(CLASSES)) or weights.dtype != np.int8:
                raise ValueError(f"weights are {weights.dtype} {weights.shape}, not int8 {(BUCKETS, len(CLASSES))}")
            return cls(weights, float(stored["step"]), stored["bias"], float(stored["temperature"]))


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities along the last axis."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(axis=-1, keepdims=True)
    return shares


@cache
def shipped() -> Model:
    """The model that comes with the desk, read once."""
    return Model.from_bytes((files("engine.sentiment") / WEIGHTS).read_bytes())


def probabilities(text: str) -> Probabilities:
    """How a headline reads, by the shipped model. The text is only ever counted, never followed."""
    return shipped().probabilities(text)
