"""From headlines to weights: L2-regularised multinomial logistic regression, rounded to bytes and calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize, minimize_scalar

from bench.train_sentiment.corpus import Row
from engine.sentiment.model import CLASSES, PART_SCALE, SIGN_SCALE, WORD_SCALE, Model, softmax
from engine.sentiment.words import BUCKETS, buckets

STRENGTHS = (3e-5, 5e-5, 1e-4)
"""Tried strengths of the regularisation; the validation part decides."""
LEAST_HEADLINES = 2
"""A bucket that fewer training headlines fall into has no weight: it could only be learnt by heart."""
ROUNDS = 200
LARGEST = 127

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Headlines as the model sees them: a row per headline, a column per bucket, and the class of each."""

    features: sparse.csr_matrix
    classes: NDArray[np.int64]


def table(rows: Sequence[Row]) -> Table:
    columns: list[int] = []
    values: list[float] = []
    ends = [0]
    for row in rows:
        found = buckets(row.text)
        for kind, scale in ((found.words, WORD_SCALE), (found.parts, PART_SCALE), (found.signs, SIGN_SCALE)):
            columns += sorted(kind)
            values += [scale / sqrt(max(len(kind), 1))] * len(kind)
        ends.append(len(columns))
    features = sparse.csr_matrix((values, columns, ends), shape=(len(rows), BUCKETS))
    features.sum_duplicates()
    return Table(features, np.array([CLASSES.index(row.tone) for row in rows]))


def taught(training: Sequence[Row], validation: Sequence[Row]) -> tuple[Model, float]:
    """The best model of those tried, and the strength it was found with. No randomness: same rows, same model."""
    learnt, held = table(training), table(validation)
    tried = [(_calibrated(_rounded(*_fitted(learnt, strength)), held), strength) for strength in STRENGTHS]
    return min(tried, key=lambda found: surprise(found[0], held))


def _fitted(learnt: Table, strength: float) -> tuple[Floats, Floats]:
    """Weights and biases that make the training part likeliest, given the strength."""
    features = learnt.features @ sparse.diags(_is_common(learnt.features).astype(float))
    turned, size, wide = features.T.tocsr(), len(learnt.classes), len(CLASSES)
    truth = np.eye(wide)[learnt.classes]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights, bias = flat[:-wide].reshape(BUCKETS, wide), flat[-wide:]
        chances = softmax(features @ weights + bias)
        error = (chances - truth) / size
        slope = np.concatenate([(turned @ error + strength * weights).ravel(), error.sum(axis=0)])
        unlikely = -np.log(chances[np.arange(size), learnt.classes]).mean()
        return float(unlikely + strength / 2 * (weights**2).sum()), slope

    found = minimize(loss, np.zeros(wide * (BUCKETS + 1)), jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS})
    return found.x[:-wide].reshape(BUCKETS, wide), found.x[-wide:]


def _is_common(features: sparse.csr_matrix) -> NDArray[np.bool_]:
    common: NDArray[np.bool_] = np.bincount(features.indices, minlength=BUCKETS) >= LEAST_HEADLINES
    return common


def _rounded(weights: Floats, bias: Floats) -> Model:
    """The weights in steps of which the largest takes 127."""
    step = float(np.abs(weights).max()) / LARGEST
    return Model(np.rint(weights / step).astype(np.int8), step, bias, 1.0)


def scores(model: Model, seen: Table) -> Floats:
    """The rounded model's scores of every row, before the temperature."""
    found: Floats = seen.features @ (model.weights * model.step) + model.bias
    return found


def surprise(model: Model, seen: Table) -> float:
    """The mean negative log-likelihood of the rows' own classes: lower is better."""
    chances = softmax(scores(model, seen) / model.temperature)
    return float(-np.log(chances[np.arange(len(seen.classes)), seen.classes]).mean())


def _calibrated(model: Model, held: Table) -> Model:
    """The same model with the temperature at which the validation part is likeliest (Guo et al., 2017, section 4.2)."""
    best = minimize_scalar(
        lambda temperature: surprise(replace(model, temperature=float(temperature)), held),
        bounds=(0.2, 5.0),
        method="bounded",
    )
    return replace(model, temperature=round(float(best.x), 4))
