"""Calendars of the whole market whose answers have an end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any


def rows_between(ask: Callable[[date, date], list[Any]], start: date, end: date, longest: int) -> list[Any]:
    """The rows from `start` to `end` inclusive; an answer of `longest` rows may be cut and is asked again in halves.

    >>> asked = []
    >>> def ask(first, last):
    ...     asked.append((first.day, last.day))
    ...     return list(range(first.day, last.day + 1))[:3]
    >>> rows_between(ask, date(2026, 11, 2), date(2026, 11, 5), 3), asked
    ([2, 3, 4, 5], [(2, 5), (2, 3), (4, 5)])
    """
    rows = ask(start, end)
    if len(rows) < longest or start >= end:
        return rows
    middle = start + (end - start) // 2
    return rows_between(ask, start, middle, longest) + rows_between(ask, middle + timedelta(days=1), end, longest)
