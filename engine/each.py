"""One after another, where one that fails must not hold up the others: a stop may be behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

T = TypeVar("T")
R = TypeVar("R")

log = structlog.get_logger()


def each(items: Iterable[T], step: Callable[[T], R], name: Callable[[T], str]) -> tuple[R, ...]:
    """What `step` made of every item; failures are logged under `name` and the first is raised when all had a turn.

    Raises:
        Exception: whatever the first failing step raised.
    """
    made: list[R] = []
    failures: list[Exception] = []
    for item in items:
        try:
            made.append(step(item))
        except Exception as problem:  # noqa: BLE001 - whatever it was, the others go first; it is raised after them
            log.warning("each.failed", item=name(item), problem=repr(problem))
            failures.append(problem)
    if failures:
        raise failures[0]
    return tuple(made)
