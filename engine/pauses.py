"""How long something that failed rests before it is tried or told again: longer each time, never long. Pure."""

from __future__ import annotations

from datetime import timedelta

from engine.model.limits import ApprovalRules

LONGEST = timedelta(minutes=5)


def doubled(first: timedelta, failures: int) -> timedelta:
    """`first` after one failure, then twice as long each, up to five minutes.

    >>> [doubled(timedelta(seconds=15), failures).seconds for failures in (0, 1, 2, 3, 5, 6, 99)]
    [15, 15, 30, 60, 240, 300, 300]
    """
    return min(first * float(1 << min(max(failures, 1) - 1, 10)), LONGEST)


def between_tries(failures: int, rules: ApprovalRules) -> timedelta:
    """The rest after so many failed tries to close in a row: a step of the ladder at first."""
    return doubled(timedelta(seconds=rules.ladder_seconds), failures)
