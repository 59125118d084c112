"""An American call on a binomial tree, written out on purpose and using nothing of the engine.

Cox, Ross and Rubinstein (1979); discrete dividends escrowed (Hull, 10th ed., section 21.3): what moves is the spot less
the present value of the dividends to come, and whoever exercises before an ex-date gets those dividends too.
"""

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np


@dataclass(frozen=True)
class Tree:
    """Value and delta today; whether it is exercised at today's price in the last step before the first ex-date."""

    value: float
    delta: float
    is_exercised: bool


def american_call(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    iv: float,
    dividends: tuple[tuple[float, float], ...] = (),
    steps: int = 2_000,
) -> Tree:
    """`dividends`: (years from now, dollars). All dividends fall before `years`."""
    dt = years / steps
    up = exp(iv * sqrt(dt))
    p = (exp(rate * dt) - 1 / up) / (up - 1 / up)
    escrowed = spot - sum(amount * exp(-rate * at) for at, amount in dividends)
    last = int(dividends[0][0] / dt) if dividends else -1
    values = np.maximum(_prices(escrowed, up, steps) - strike, 0.0)
    second = np.array([])
    exercised = False
    for step in range(steps - 1, -1, -1):
        held = exp(-rate * dt) * (p * values[1:] + (1 - p) * values[:-1])
        coming = sum(amount * exp(-rate * (at - step * dt)) for at, amount in dividends if at > step * dt)
        paid = _prices(escrowed, up, step) + coming - strike
        if step == last:
            exercised = bool(paid[step // 2] > held[step // 2])
        values = np.maximum(held, paid)
        if step == 2:
            second = values
    low, _, high = _prices(escrowed, up, 2)
    return Tree(float(values[0]), float((second[2] - second[0]) / (high - low)), exercised)


def _prices(spot: float, up: float, step: int) -> np.ndarray:
    """The escrowed spot at each node of a step, lowest first."""
    return spot * up ** (2 * np.arange(step + 1) - step)
