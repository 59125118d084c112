"""Providers in this process that do as they are told, for tests of the panel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.data.panel import Panel
from engine.data.providers.port import Offer, Provider
from engine.model.market import Kind, Quote
from tests import make
from tests.ticks import Ticks


def silent() -> Any:
    """An answer nobody has told the provider yet."""
    raise AssertionError("this provider was not told what to answer")


class Panelist(Provider):
    """Answers `quotes` and `chain` with what `does` gives or raises; every call is counted."""

    def __init__(self, name: str, does: Callable[[], Any] = silent, offers: Mapping[Offer, Kind] | None = None) -> None:
        self.name = name
        self.does = does
        self.asked = 0
        self._offers = {Offer.QUOTES: Kind.REAL, Offer.CHAIN: Kind.REAL} if offers is None else offers

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return self._offers

    def quotes(self, tickers: Sequence[str]) -> Mapping[str, Quote]:
        self.asked += 1
        return self.does()

    def chain(self, ticker: str) -> Any:
        self.asked += 1
        return self.does()


class Hanging:
    """Something to do that does not come back before it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()

    def __call__(self) -> str:
        self.begun.release()
        assert self.let_go.wait(60)
        return "late"


def raising(error: Exception) -> Callable[[], Any]:
    def do() -> Any:
        raise error

    return do


opened: list[Panel] = []


def panel_of(*providers: Provider, ticks: Ticks | None = None) -> Panel:
    """A panel; `close_all` ends it."""
    opened.append(Panel(providers, lambda: make.NOW, tick=ticks or Ticks(), rng=np.random.default_rng(7)))
    return opened[-1]


def close_all() -> None:
    """End every panel that was made."""
    while opened:
        opened.pop().close()


def wait_for_threads(*providers: str) -> None:
    """Until no thread of these providers is alive."""
    for thread in threading.enumerate():
        if thread.name.rpartition("-")[0] in providers:
            thread.join(10)
            assert not thread.is_alive(), thread.name


def quotes(provider: Provider) -> Any:
    return provider.quotes(["XYZ"])


def chain(provider: Provider) -> Any:
    return provider.chain("XYZ")
