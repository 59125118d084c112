"""What a provider's keys cover: an offer that was denied (402, 403) is closed for an hour, the others go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import structlog

from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled, Throttled, Unreachable
from engine.errors import DataInvalid, NotFound
from engine.model.market import Kind

log = structlog.get_logger()

CLOSED_FOR = 3600.0
"""Seconds until a denied question is asked again: somebody may have bought it by then."""
ENOUGH = 3
"""Tickers denied in a row after which it is the offer that is not covered."""
T = TypeVar("T")


class Entitlements:
    """The offers of one provider under its keys. Safe to share between threads.

    `tick` gives seconds that only rise (monotonic); `closed_for` is longer where asking again costs too much.
    """

    def __init__(
        self,
        provider: str,
        kinds: Mapping[Offer, Kind],
        tick: Callable[[], float] = time.monotonic,
        closed_for: float = CLOSED_FOR,
        enough: int = ENOUGH,
    ) -> None:
        self._provider = provider
        self._kinds = dict(kinds)
        self._tick = tick
        self._closed_for = closed_for
        self._enough = enough
        self._closed_until: dict[tuple[Offer, str], float] = {}
        self._denied: dict[Offer, int] = {}

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        """What is open now."""
        return {offer: kind for offer, kind in self._kinds.items() if self._left(offer) <= 0}

    @contextmanager
    def using(self, offer: Offer, about: str = "") -> Iterator[None]:
        """Around the requests that answer `offer`: a denial closes it.

        One `about` a ticker closes it for that ticker alone, for plans leave out names too, until `enough` of them
        are denied without an answer in between.

        Raises:
            NotEntitled: it is closed.
        """
        for closed in ((offer, ""), (offer, about)):
            left = self._left(*closed)
            if left > 0:
                what = offer.replace("_", " ") + (f" of {about}" if about else "")
                minutes = math.ceil(left / 60)
                raise NotEntitled(
                    f"{self._provider} denied {what} under these keys; it is asked again in {minutes} min."
                )
        try:
            yield
        except NotEntitled:
            self._denied[offer] = self._denied.get(offer, 0) + 1
            until = self._tick() + self._closed_for
            self._closed_until[offer, about] = until
            if self._denied[offer] >= self._enough:
                self._closed_until[offer, ""] = until
            raise
        self._denied[offer] = 0

    def each(self, offer: Offer, tickers: Iterable[str], ask: Callable[[str], T]) -> dict[str, T]:
        """One question for each ticker; a denied or unknown one, or nonsense, is left out while another is answered.

        A provider that is asked too often or does not answer is not asked about the rest.

        Raises:
            NotEntitled, NotFound, DataInvalid, Throttled, Unreachable: no ticker was answered. Others: as they come.
        """
        answers: dict[str, T] = {}
        trouble: NotEntitled | NotFound | DataInvalid | Throttled | Unreachable | None = None
        for ticker in dict.fromkeys(tickers):
            try:
                with self.using(offer, ticker):
                    answers[ticker] = ask(ticker)
            except (NotEntitled, NotFound, DataInvalid) as error:
                trouble = error
                log.warning("provider.left_out", provider=self._provider, offer=offer, ticker=ticker, reason=str(error))
            except (Throttled, Unreachable) as error:
                trouble = error
                log.warning("provider.rest_not_asked", provider=self._provider, offer=offer, ticker=ticker)
                break
        if trouble is not None and not answers:
            raise trouble
        return answers

    def _left(self, offer: Offer, about: str = "") -> float:
        return self._closed_until.get((offer, about), float("-inf")) - self._tick()
