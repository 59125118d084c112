"""What the watch over exits needs besides quotes, asked for beforehand: no stop waits for a history or a calendar."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import structlog

from engine.data.budget import Urgency, asking
from engine.errors import DataError, DataUnavailable, NotFound
from engine.model.instruments import Instrument
from engine.model.market import Bars, Chain, Level, MarketSnapshot, Quote
from engine.model.news import News
from engine.model.status import Opinion, TradingStatus
from engine.ports import MarketData, SourceState

log = structlog.get_logger()

FRESH = 10.0
"""Seconds after which a snapshot is asked for again: what a strategy closes by moves with the day, not the second."""
OLDEST = 120.0
"""Seconds after which an old one is none."""
PARTS = ("chain", "earnings", "fundamentals", "news", "intraday")
"""What a snapshot asks for only when it is wanted: a strategy's own exit may want it, and a provider may hang."""


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Any
    at: float


@dataclass(slots=True)
class _Errands:
    """Answers by key, asked for one after the other on a thread that lives while something is wanted."""

    tick: Callable[[], float]
    kept: dict[str, _Kept] = field(default_factory=dict)
    asked: dict[str, float] = field(default_factory=dict)
    wanted: dict[str, Callable[[], object]] = field(default_factory=dict)
    is_running: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def want(self, key: str, ask: Callable[[], object]) -> None:
        """Have it asked for, unless it was a moment ago; returns at once."""
        with self.lock:
            now = self.tick()
            if now - self.asked.get(key, float("-inf")) < FRESH:
                return
            self.asked[key], self.wanted[key] = now, ask
            if not self.is_running:
                self.is_running = True
                threading.Thread(target=self._run, name="beforehand", daemon=True).start()

    def young(self, key: str) -> _Kept | None:
        """The latest answer, None where there is none or an old one."""
        with self.lock:
            kept = self.kept.get(key)
        return None if kept is None or self.tick() - kept.at >= OLDEST else kept

    def _run(self) -> None:
        while (errand := self._next()) is not None:
            key, ask = errand
            try:
                with asking(Urgency.SCAN):
                    found = ask()
            except (DataError, NotFound) as problem:
                log.debug("beforehand.none", about=key, problem=str(problem))
                continue
            except Exception as bug:
                log.error("beforehand.broken", about=key, exc_info=bug)
                continue
            self._keep(key, found)

    def _keep(self, key: str, found: object) -> None:
        """An answer, and no longer those that are too old to be given: chains are large, and names come and go."""
        with self.lock:
            now = self.tick()
            self.kept = {each: kept for each, kept in self.kept.items() if now - kept.at < OLDEST}
            self.asked = {each: at for each, at in self.asked.items() if now - at < OLDEST}
            self.kept[key] = _Kept(found, now)

    def _next(self) -> tuple[str, Callable[[], object]] | None:
        with self.lock:
            key = next(iter(self.wanted), None)
            if key is None:
                self.is_running = False
                return None
            return key, self.wanted.pop(key)


class Beforehand:
    """A `MarketData` whose snapshots are those of a moment ago, and which never waits for one or for a part of one.

    A part (15-minute bars, a chain) is first asked for when somebody wants it: None until it is there. Quotes are asked
    for as ever: `inner` answers them in time or not at all. `tick` gives seconds that only rise.
    """

    def __init__(self, inner: MarketData, tick: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._snapshots = _Errands(tick)
        self._parts = {part: _Errands(tick) for part in PARTS}

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def is_bounded(self) -> bool:
        return self._inner.is_bounded

    def universe(self) -> tuple[str, ...]:
        return self._inner.universe()

    def snapshot(self, ticker: str) -> MarketSnapshot:
        """The latest one there is; a newer one is on its way when it is not of this moment.

        Raises:
            DataUnavailable: there is none young enough yet.
        """
        self._snapshots.want(ticker, lambda: self._with_parts(ticker, self._inner.snapshot(ticker)))
        kept = self._snapshots.young(ticker)
        if kept is None:
            raise DataUnavailable(f"What is known of {ticker} is being asked for.")
        snapshot: MarketSnapshot = kept.value
        return snapshot

    def _with_parts(self, ticker: str, snapshot: MarketSnapshot) -> MarketSnapshot:
        """The snapshot whose parts are those that are known; one that is not of this snapshot yet is on its way."""
        loads: dict[str, Any] = {f"load_{part}": partial(self._part, part, ticker, snapshot) for part in PARTS}
        return replace(snapshot, **loads)

    def _part(self, part: str, ticker: str, snapshot: MarketSnapshot) -> Any:
        errands = self._parts[part]
        kept = errands.young(ticker)
        if kept is None or kept.value[0] is not snapshot:
            errands.want(ticker, lambda: (snapshot, getattr(snapshot, part)))
        return None if kept is None else kept.value[1]

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        return self._inner.quotes(instruments)

    def chain(self, ticker: str) -> Chain | None:
        return self._inner.chain(ticker)

    def bars(self, ticker: str, start: date, end: date) -> Bars:
        return self._inner.bars(ticker, start, end)

    def panel(self) -> Mapping[str, Bars]:
        return self._inner.panel()

    def statuses(self, tickers: Iterable[str]) -> Mapping[str, TradingStatus]:
        return self._inner.statuses(tickers)

    def news(self, ticker: str) -> News | None:
        return self._inner.news(ticker)

    def levels(self, *symbols: str) -> Mapping[str, Level]:
        return self._inner.levels(*symbols)

    def second_opinion(self, instruments: Iterable[Instrument]) -> Opinion:
        return self._inner.second_opinion(instruments)

    def sources(self) -> tuple[SourceState, ...]:
        return self._inner.sources()
