"""Rules on contracts: each narrows the rows of a chain, and says with which number it left none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from engine.model.market import Chain, Contract, Floats
from engine.model.trade import Context, Step, Unknown, Verdict
from engine.percent import as_percent
from strategies.funnel import percent, step

Mask = NDArray[np.bool_]
Aim = Callable[[Chain], Floats]
"""Distance of each row from what is wanted: the smallest is shown, and picked in the end."""


@dataclass(frozen=True, slots=True)
class Sieve:
    """One rule on contracts.

    Attributes:
        passes: rows that hold. unknown: rows whose input is missing (NaN), None where the rule needs none.
        value: what a row shows, by index.
    """

    rule: str
    limit: str
    passes: Callable[[Chain], Mask]
    value: Callable[[Chain, int], str]
    unknown: Callable[[Chain], Mask] | None = None


def nearest(rows: Chain, aim: Aim) -> int:
    """The row nearest to what is wanted; of equals the lowest strike."""
    return int(np.lexsort((rows.strike, aim(rows)))[0])


def pick(rows: Chain, aim: Aim) -> Contract | None:
    """The contract nearest to what is wanted, None when no row is left."""
    return rows.row(nearest(rows, aim)) if len(rows) else None


def sift(rows: Chain, sieves: Iterable[Sieve], aim: Aim, context: Context) -> tuple[Chain, tuple[Step, ...]]:
    """(rows left, steps): `rows` (at least one) through the sieves in order, up to the first that leaves none.

    A row whose input is missing falls live; in replay it stays and the step says that it was not checked.
    """
    steps: list[Step] = []
    for sieve in sieves:
        rows, verdict = _through(rows, sieve, aim, context)
        steps.append(verdict)
        if not verdict.passed:
            break
    return rows, tuple(steps)


def _through(rows: Chain, sieve: Sieve, aim: Aim, context: Context) -> tuple[Chain, Step]:
    passing = sieve.passes(rows)
    missing = sieve.unknown(rows) & ~passing if sieve.unknown else np.zeros(len(rows), dtype=bool)
    kept = passing | missing if context.unknown is Unknown.SKIP else passing
    if not kept.any():
        best = nearest(rows, aim)
        return rows.take(kept), Step(sieve.rule, sieve.limit, "unknown" if missing[best] else sieve.value(rows, best))
    left = rows if kept.all() else rows.take(kept)
    best = nearest(left, aim)
    if missing[kept][best]:
        return left, Step(sieve.rule, sieve.limit, "not covered", Verdict.NOT_CHECKED)
    return left, step(sieve.rule, sieve.limit, sieve.value(left, best), True)


def expiry(rows: Chain, low: int, high: int, target: int) -> tuple[Chain, Step]:
    """(rows of the expiry nearest `target` days, step); of equals the sooner. No rows when none is in the window."""
    rule, limit = "expiry", f"{low} to {high} days"
    days = np.unique(rows.dte)
    inside = days[(days >= low) & (days <= high)]
    if not len(inside):
        found = f"{days[np.argmin(np.abs(days - target))]} days" if len(days) else "none"
        return rows.take(np.zeros(len(rows), dtype=bool)), Step(rule, limit, found)
    chosen = inside[np.argmin(np.abs(inside - target))]
    return rows.take(rows.dte == chosen), Step(rule, limit, f"{chosen} days", Verdict.PASSED)


def delta_between(low: float, high: float) -> Sieve:
    """|delta| from `low` to `high`."""

    def passes(rows: Chain) -> Mask:
        size = np.abs(rows.delta)
        return (size >= low) & (size <= high)

    def value(rows: Chain, row: int) -> str:
        return "no value" if np.isnan(rows.delta[row]) else f"{abs(rows.delta[row]):.4f}"

    return Sieve("|delta|", f"{low:.2f} to {high:.2f}", passes, value)


def has_volatility() -> Sieve:
    """An implied volatility and Greeks could be computed."""

    def passes(rows: Chain) -> Mask:
        return np.isfinite(rows.iv) & np.isfinite(rows.delta)

    def value(rows: Chain, row: int) -> str:
        return "no value" if np.isnan(rows.iv[row]) else percent(float(rows.iv[row]))

    return Sieve("implied volatility", "computable", passes, value)


def bid_above(least: float) -> Sieve:
    """A bid above `least` dollars, and an ask not below it."""
    return Sieve(
        "bid",
        f"> {least:.2f}, not crossed",
        lambda rows: (rows.bid > least) & (rows.ask >= rows.bid),
        lambda rows, row: f"{rows.bid[row]:.2f}/{rows.ask[row]:.2f}",
    )


def spread_within(most: float) -> Sieve:
    """Ask less bid at most the share `most` of the mid."""

    def value(rows: Chain, row: int) -> str:
        return f"{percent(float(rows.spread_ratio[row]))} of mid"

    # 1e-9: 0.10 of 1.00 is 0.10 to a person, whatever the binary fractions say
    return Sieve("spread", f"≤ {as_percent(most)} of mid", lambda rows: rows.spread_ratio <= most + 1e-9, value)


def open_interest(least: int) -> Sieve:
    """At least this many open contracts."""
    return Sieve(
        "open interest",
        f"≥ {least}",
        lambda rows: rows.open_interest >= least,
        lambda rows, row: f"{rows.open_interest[row]:.0f}",
        lambda rows: np.isnan(rows.open_interest),
    )


def traded(least_interest: int, least_volume: int) -> Sieve:
    """Enough open contracts, or enough traded today."""
    return Sieve(
        "open interest or volume",
        f"≥ {least_interest} or ≥ {least_volume}",
        lambda rows: (rows.open_interest >= least_interest) | (rows.volume >= least_volume),
        lambda rows, row: f"{rows.open_interest[row]:.0f}, {rows.volume[row]:.0f} traded",
        lambda rows: np.isnan(rows.open_interest) | np.isnan(rows.volume),
    )


def expiry_of(rows: Chain) -> date:
    """The expiry of the first row (all rows of one expiry)."""
    day: date = rows.expiry[0].astype(object)
    return day


def last_day(expiry: date, days_left: int, sessions: tuple[date, ...]) -> date:
    """The last session with at least `days_left` days to `expiry`, as far as the coming sessions are known."""
    day = expiry - timedelta(days=days_left)
    if not sessions or sessions[-1] < day:
        return day
    return max((session for session in sessions if session <= day), default=day)


def delta_aim(target: float) -> Aim:
    """Distance of |delta| from `target`."""
    return lambda rows: np.abs(np.abs(rows.delta) - target)


def strike_aim(target: float) -> Aim:
    """Distance of the strike from `target` dollars."""
    return lambda rows: np.abs(rows.strike - target)


def annual_yield(contract: Contract, today: date) -> float:
    """Bid over strike, a year: 0.98 on a 44 strike for 35 days is 0.2323."""
    return float(contract.bid / contract.option.strike) * 365 / contract.option.dte(today)


def income_rank(contract: Contract, today: date) -> float:
    """Annualised bid yield x (1 - |delta|): what is earned, by the chance of keeping it."""
    return annual_yield(contract, today) * (1 - abs(contract.delta or 0.0))
