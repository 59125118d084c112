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


def panel_of(*providers: Provider, ticks: Ticks | None = None) -> Panel:
    return Panel(providers, lambda: make.NOW, tick=ticks or Ticks(), rng=np.random.default_rng(7))


def quotes(provider: Provider) -> Any:
    return provider.quotes(["XYZ"])


def chain(provider: Provider) -> Any:
    return provider.chain("XYZ")
