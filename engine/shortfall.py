"""What a bad day would cost: value at risk and expected shortfall 95 % by historical simulation. Pure.

Every session of the last year is played once more on what is held now: the names move together as they did that day
(joint daily returns), each by its own simple return, and their volatilities as they did where that is stored. What is
held is then a day older. The revaluation interpolates on a grid of spot and volatility of each contract; the same in
full is done beside it, and how far the two are apart is part of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine import stress
from engine.model.market import Floats
from engine.stress import Holdings

WORST_PERCENT = 5.0
ENOUGH = 250
"""Joint daily returns below which nothing is said."""
SESSIONS = 260
"""Daily returns that are looked at: a name may lack a few."""
HORIZON = 1
SPOT_NODES, VOL_NODES = 41, 5


@dataclass(frozen=True, slots=True, eq=False)
class Scenarios:
    """What happened to the names on so many joint sessions.

    Attributes:
        moves: by name, (m,) simple returns. vols: by name, (m,) relative changes of volatility, 0 where not stored.
        known: share of the volatility changes that are stored. left_out: names without enough history.
    """

    moves: Mapping[str, Floats]
    vols: Mapping[str, Floats]
    known: float = 0.0
    left_out: tuple[str, ...] = ()

    @property
    def sessions(self) -> int:
        return min((len(row) for row in self.moves.values()), default=0)


def scenarios(returns: Mapping[str, Floats], volatilities: Mapping[str, Floats] | None = None) -> Scenarios:
    """The sessions on which every name has a return; names that would leave fewer than 250 of them are left out.

    Args:
        returns: by name, log returns over the same sessions, NaN where there is none.
        volatilities: by name, relative changes of its volatility over them, NaN where not stored.
    """
    kept = {name: row for name, row in returns.items() if np.isfinite(row).sum() >= ENOUGH}
    while kept and _joint(kept).sum() < ENOUGH:
        del kept[min(sorted(kept), key=lambda name: int(np.isfinite(kept[name]).sum()))]
    left_out = tuple(sorted(returns.keys() - kept.keys()))
    if not kept:
        return Scenarios({}, {}, 0.0, left_out)
    joint = _joint(kept)
    empty = np.full(int(joint.sum()), np.nan)
    stored = volatilities or {}
    vols = {name: stored[name][joint] if name in stored else empty for name in kept}
    known = float(np.mean([np.isfinite(row).mean() for row in vols.values()]))
    moves = {name: np.expm1(row[joint]) for name, row in kept.items()}
    return Scenarios(moves, {name: np.nan_to_num(row) for name, row in vols.items()}, known, left_out)


def _joint(returns: Mapping[str, Floats]) -> stress.Mask:
    joint: stress.Mask = np.logical_and.reduce([np.isfinite(row) for row in returns.values()])
    return joint


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Dollars that may be lost in a day; a negative number would be a gain.

    Attributes:
        var: lost or less on 95 % of the days. shortfall: lost on average on the worse ones.
        full_var, full_shortfall: the same by full revaluation.
        error: the largest difference between the two on any of the days, dollars.
        worst: lost on the worst day. sessions: days played.
        vol_known: share of the volatility changes that were stored; the others stood still.
        left_out: names without enough history, whose positions are in none of these numbers.
    """

    var: float
    shortfall: float
    full_var: float
    full_shortfall: float
    error: float
    worst: float
    sessions: int
    vol_known: float
    left_out: tuple[str, ...] = ()


def shortfall(rows: Holdings, days: Scenarios) -> Shortfall | None:
    """VaR and expected shortfall of what is held; None where none of it has enough history."""
    priced = rows.take(np.array([ticker in days.moves for ticker in rows.tickers], dtype=bool))
    if not len(priced):
        return None
    moves, vols = (np.stack([of[ticker] for ticker in priced.tickers]) for of in (days.moves, days.vols))
    quick = interpolated(priced, moves, vols).sum(axis=0)
    full = stress.pnl(priced, moves, vols, HORIZON).sum(axis=0)
    var, expected = tail(quick)
    full_var, full_expected = tail(full)
    return Shortfall(
        var=var,
        shortfall=expected,
        full_var=full_var,
        full_shortfall=full_expected,
        error=float(np.abs(quick - full).max()),
        worst=float(-full.min()),
        sessions=days.sessions,
        vol_known=days.known,
        left_out=tuple(name for name in days.left_out if name in rows.tickers),
    )


def tail(pnl: Floats) -> tuple[float, float]:
    """(value at risk, expected shortfall) at 95 %, positive where money is lost: the 5th percentile of what was made,
    linear between the days, and the mean of the days at or below it.

    >>> tail(np.arange(-10.0, 91.0))
    (5.0, 7.5)
    """
    edge = float(np.percentile(pnl, WORST_PERCENT))
    return -edge, -float(pnl[pnl <= edge].mean())


def interpolated(rows: Holdings, moves: Floats, vols: Floats) -> Floats:
    """(n, m) dollars each row makes, bilinear on a grid of its own that spans its moves. `moves`, `vols`: (n, m)."""
    spots = _nodes(moves, SPOT_NODES)
    points = _nodes(vols, VOL_NODES) if vols.any() else np.zeros((len(rows), 1))
    shape = (len(rows), spots.shape[1], points.shape[1])
    at_spots = np.broadcast_to(spots[:, :, None], shape).reshape(len(rows), -1)
    at_vols = np.broadcast_to(points[:, None, :], shape).reshape(len(rows), -1)
    table = stress.pnl(rows, at_spots, at_vols, HORIZON).reshape(shape)
    i, u = _place(spots, moves)
    j, v = _place(points, vols)
    row = np.arange(len(rows))[:, None]
    after = np.minimum(j + 1, shape[2] - 1)
    low = table[row, i, j] * (1 - u) + table[row, i + 1, j] * u
    high = table[row, i, after] * (1 - u) + table[row, i + 1, after] * u
    found: Floats = low * (1 - v) + high * v
    return found


def _nodes(numbers: Floats, count: int) -> Floats:
    """(n, count) evenly spaced points from the lowest to the highest of each row."""
    found: Floats = np.linspace(numbers.min(axis=1), numbers.max(axis=1), count, axis=1)
    return found


def _place(nodes: Floats, numbers: Floats) -> tuple[stress.Places, Floats]:
    """(n, m) the node below each number, and how far it is on the way to the next one, 0 to 1."""
    if nodes.shape[1] == 1:
        return np.zeros(numbers.shape, dtype=np.intp), np.zeros(numbers.shape)
    first, gap = nodes[:, :1], nodes[:, 1:2] - nodes[:, :1]
    steps = (numbers - first) / np.where(gap > 0, gap, 1.0)
    below = np.clip(steps.astype(np.intp), 0, nodes.shape[1] - 2)
    return below, steps - below
