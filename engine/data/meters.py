"""What Prometheus is told about the providers of data; `GET /metrics` of the local page shows it.

`endpoint` is the question that was asked (quotes, chain ...), never a path: a path has a ticker in it, and every
ticker would become a series of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prometheus_client import Counter, Gauge, Histogram

UP = Gauge("wsb_provider_up", "Whether a provider's last answers made sense (1) or not (0)", ["provider"])
REQUESTS = Counter("api_requests", "Requests counted against a provider's allowance", ["provider", "endpoint"])
SECONDS = Histogram(
    "api_request_duration_seconds",
    "Time until a question was answered or failed, all its requests and the wait for its turn included",
    ["provider", "endpoint"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
DROPPED = Counter("wsb_numbers_dropped", "Numbers of a provider that were left out as wrong", ["provider"])

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
