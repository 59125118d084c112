"""What a provider's keys cover: an offer that was denied (402, 403) is closed for an hour, the others go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled
from engine.model.market import Kind

CLOSED_FOR = 3600.0
"""Seconds until a denied question is asked again: somebody may have bought it by then."""


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
    ) -> None:
        self._provider = provider
        self._kinds = dict(kinds)
        self._tick = tick
        self._closed_for = closed_for
        self._closed_until: dict[Offer, float] = {}

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        """What is open now."""
        return {offer: kind for offer, kind in self._kinds.items() if self._left(offer) <= 0}

    @contextmanager
    def using(self, offer: Offer) -> Iterator[None]:
        """Around the requests that answer `offer`: a denial closes it.

        Raises:
            NotEntitled: it is closed.
        """
        left = self._left(offer)
        if left > 0:
            words = offer.replace("_", " ")
            minutes = math.ceil(left / 60)
            raise NotEntitled(f"{self._provider} denied {words} under these keys; it is asked again in {minutes} min.")
        try:
            yield
        except NotEntitled:
            self._closed_until[offer] = self._tick() + self._closed_for
            raise

    def _left(self, offer: Offer) -> float:
        return self._closed_until.get(offer, float("-inf")) - self._tick()
