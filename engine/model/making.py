"""What is known of the making of an option chain: what was left out of it, and how its numbers compare."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ours against the provider's, over the rows with a spread below 10 % of mid and both numbers.

    Absolute differences, median and 90th percentile: volatility in points, delta as it is.
    """

    rows: int
    iv_median: float
    iv_p90: float
    delta_median: float
    delta_p90: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows of an answer that are not in the chain, by reason; then quotes in it that are not usable.

    Attributes:
        adjusted: the deliverable is not the usual one. foreign: the root is of another class. expired: trades no more.
        malformed: no strike or no expiry. repeated: another row of the same contract.
        crossed: the bid above the ask. stale: an hour or more behind the newest quote, or of no known time.
        unquoted: no ask. unlisted: not among the listed contracts. silent: listed, but not in the answer.
    """

    adjusted: int = 0
    foreign: int = 0
    expired: int = 0
    malformed: int = 0
    repeated: int = 0
    crossed: int = 0
    stale: int = 0
    unquoted: int = 0
    unlisted: int = 0
    silent: int = 0


@dataclass(frozen=True, slots=True)
class Making:
    """What became of the answer a chain was made of; `comparison` is None where there was nothing to compare."""

    tally: Tally
    comparison: Comparison | None
