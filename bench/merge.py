"""What the merge adds to a look: `Panel.ask` of five providers that answer at once, and `best_quote` of every name.

Measured: 500 quotes, a hundred names by five sources, with the threads, the breakers, the counters and all the checks
in use. Floor, in the same run: the same five asked on a bare thread pool, and the freshest quote of every name taken
unchecked. Growth: ten times as many names against ten such looks. We hold ourselves to 2 ms a look and to a growth of
about 1. `python -m bench.merge [ROUNDS]`
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from statistics import median

import numpy as np

from bench.reconcile import timed
from engine.data.best import SHARES, best_quote
from engine.data.budget import Urgency
from engine.data.panel import Panel
from engine.data.providers.port import Offer, Provider
from engine.model.instruments import Stock
from engine.model.market import Kind, Quote, Source
from tests import make

ROUNDS = 50
WARM_UP = 5
NAMES = 100
TIMES = 10
KINDS = (Kind.DELAYED, Kind.INDICATIVE, Kind.REAL, Kind.DELAYED, Kind.REAL)
"""Of the five sources; the last one's quotes are fresher than the other real one's."""
BEST = "source-4"


class Instant(Provider):
    """Has its answer ready."""

    def __init__(self, place: int, kind: Kind, names: Sequence[str]) -> None:
        self.name = f"source-{place}"
        self._kind = kind
        self._quotes = {name: self._quote(name, number, place) for number, name in enumerate(names)}

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return {Offer.QUOTES: self._kind}

    def quotes(self, tickers: Sequence[str]) -> Mapping[str, Quote]:
        return self._quotes

    def _quote(self, name: str, number: int, place: int) -> Quote:
        bid = Decimal(10 + number) + Decimal(place) / 1000
        at = make.NOW - timedelta(seconds=10 - place)
        return Quote(Stock(name), bid, bid + Decimal("0.02"), at, Source(self.name, self._kind))


def world(names: Sequence[str]) -> tuple[Callable[[], object], Callable[[], object]]:
    """A look through the panel, and the same on a bare pool; both give whose quote each name takes."""
    providers = [Instant(place, kind, names) for place, kind in enumerate(KINDS)]
    panel = Panel(providers, lambda: make.NOW, rng=np.random.default_rng(1))
    pool = ThreadPoolExecutor(len(providers))

    def ours() -> list[str]:
        given = panel.ask(Offer.QUOTES, lambda each: each.quotes(names), Urgency.SCAN).given
        found = (
            best_quote([answer.value[name] for answer in given], make.NOW, SHARES, for_orders=True).quote
            for name in names
        )
        return [quote.source.name for quote in found if quote is not None]

    def bare() -> list[str]:
        given = list(pool.map(lambda each: each.quotes(names), providers))
        return [max((answer[name] for answer in given), key=lambda quote: quote.at).source.name for name in names]

    if ours() != bare() or set(ours()) != {BEST}:
        raise RuntimeError("the look and its floor take different quotes")
    return ours, bare


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    ours, bare = world([f"N{number}" for number in range(NAMES)])
    many, _ = world([f"N{number}" for number in range(NAMES * TIMES)])
    rows = [
        (timed(ours), timed(bare), timed(many), timed(lambda: [ours() for _ in range(TIMES)]))
        for _ in range(rounds + WARM_UP)
    ][WARM_UP:]
    look, floor, large, several = (median(column) for column in zip(*rows, strict=True))
    print(f"{NAMES * len(KINDS)} quotes by {len(KINDS)} sources")
    print(f"  one look: {look:.2f} ms, 99th percentile {np.percentile([row[0] for row in rows], 99):.2f} ms")
    print(f"  floor: a bare pool, nothing checked: {floor:.2f} ms; ratio {look / floor:.1f}")
    print(f"  {NAMES * TIMES * len(KINDS):,} quotes: {large:.1f} ms")
    print(f"  ratio to {TIMES} looks: {large / several:.2f} ({rounds} rounds)")


if __name__ == "__main__":
    main()
