"""What this process counts for Prometheus as it happens: requests, errors, waits. The database tells the rest.

Every label has few values. `endpoint` is the question that was asked (quotes, chain ...), an address with its ids
taken out (`/orders/{id}`) or the name of a method: an id or a ticker in it would make a series of each, and an address
may carry a key.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram

UP = Gauge("wsb_provider_up", "Whether a provider's last answers made sense (1) or not (0)", ["provider"])
REQUESTS = Counter(
    "api_requests", "Requests to providers of data, to the broker and to chat platforms", ["provider", "endpoint"]
)
SECONDS = Histogram(
    "api_request_duration_seconds",
    "Time until a request was answered or failed; for data all its requests and the wait for its turn included",
    ["provider", "endpoint"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
DROPPED = Counter("wsb_numbers_dropped", "Numbers of a provider that were left out as wrong", ["provider"])
ERRORS = Counter("system_errors", "What went wrong in this process, by the kind of error", ["error_type"])
DELIVERY = Histogram(
    "wsb_outbox_delivery_seconds",
    "From an event to its card on a platform",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
EXECUTION = Histogram(
    "wsb_order_execution_seconds",
    "From the end of an order's undo window to the broker's word that it has it",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

COUNTED = (UP, REQUESTS, SECONDS, DROPPED, ERRORS, DELIVERY, EXECUTION)

LONGEST_LABEL = 60
VERSION = re.compile(r"v\d{1,2}")
WORD = re.compile(r"[a-z@][a-z_:@-]{0,39}")
"""A part of an address that is the same for everybody; everything else is an id."""

_question: ContextVar[tuple[str, str] | None] = ContextVar("question", default=None)


@contextmanager
def question(provider: str, endpoint: str, tick: Callable[[], float]) -> Iterator[None]:
    """Everything asked inside belongs to this question; its time is taken, however it ends."""
    token = _question.set((provider, endpoint))
    started = tick()
    try:
        yield
    finally:
        SECONDS.labels(provider, endpoint).observe(tick() - started)
        _question.reset(token)


def requested(provider: str) -> None:
    """One more request."""
    REQUESTS.labels(*(_question.get() or (provider, "other"))).inc()


@contextmanager
def request(provider: str, endpoint: str) -> Iterator[None]:
    """One request, which is counted, and its time, however it ends."""
    REQUESTS.labels(provider, endpoint).inc()
    started = time.monotonic()
    try:
        yield
    finally:
        SECONDS.labels(provider, endpoint).observe(time.monotonic() - started)


def template(path: str) -> str:
    """An address without what differs from call to call: ids, names, keys, and the query.

    >>> template("/v2/orders/61e69015-8549-4bfd-b9c3-01e75843f47d"), template("/positions/AAPL?qty=1")
    ('/v2/orders/{id}', '/positions/{id}')
    """
    parts = [part for part in path.partition("?")[0].split("/") if part]
    kept = (part if VERSION.fullmatch(part) or WORD.fullmatch(part) else "{id}" for part in parts)
    return f"/{'/'.join(kept)}"[:LONGEST_LABEL]


def erred(kind: str) -> None:
    """Something went wrong; `kind` is the name of an error's class or of a trouble, never a text."""
    ERRORS.labels(kind).inc()


class Line:
    """How a connection does: whether its last request was answered, and when the last answer came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_up: bool | None = None
        self._heard: float | None = None

    @property
    def is_up(self) -> bool | None:
        """Whether the last request was answered; None before the first."""
        return self._is_up

    @property
    def age(self) -> float | None:
        """Seconds since the last answer; None before the first."""
        heard = self._heard
        return None if heard is None else time.monotonic() - heard

    def answered(self) -> None:
        """An answer came, whatever it said."""
        with self._lock:
            self._is_up, self._heard = True, time.monotonic()

    def silent(self) -> None:
        """A request got no answer."""
        with self._lock:
            self._is_up = False


BROKER = Line()
"""The broker of this process, through all its sessions."""


@dataclass(slots=True)
class Reading:
    """The last value of something that is looked at now and then; None before the first look."""

    value: float | None = None


SKEW = Reading()
"""Seconds this machine's clock is ahead of the broker's; whoever compares them sets it."""
