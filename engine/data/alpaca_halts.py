"""Halts as Alpaca's stream tells them: what is known of each name, and no more than that.

The stream says what changes, never what is, and repeats nothing. So a name is known to trade when it was seen to since
the connection began, and a halt that was seen stays one until it is seen to end: by a resumption, or by a bar of trades
that began after it.

Source: docs.alpaca.markets/docs/real-time-stock-pricing-data, "Trading statuses": the codes of the CTA plan (tapes A
and B) and of the UTP plan (tape C), of which these mean a change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from engine.model.status import TradingStatus

HALTS = frozenset({"2", "H", "P", "Q"})
"""Trading halt, volatility pause, and quotes without trades (quotation resumption): nothing trades."""
RESUMES = frozenset({"3", "T"})
MARKET_WIDE = frozenset({"1", "2", "3", "MWC0", "MWC1", "MWC2", "MWC3"})
"""Reasons of a circuit breaker of the whole market."""


class Halts:
    """What is known of the names. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statuses: dict[str, TradingStatus] = {}
        self._told: dict[str, datetime] = {}

    def began(self) -> None:
        """A connection begins, or is over: who was trading is not known any more, who was halted still is."""
        with self._lock:
            self._statuses = {name: status for name, status in self._statuses.items() if status.is_halted}

    def changed(self, ticker: str, code: str, reason: str, at: datetime) -> None:
        """A status message; one that is older than the last one of the name, or says nothing of halts, is ignored."""
        with self._lock:
            last = self._told.get(ticker)
            if code not in HALTS | RESUMES or (last is not None and at <= last):
                return
            self._told[ticker] = at
            before = self._statuses.get(ticker)
            if code in RESUMES:
                self._statuses[ticker] = TradingStatus(ticker, since=at, is_market_wide=_was_wide(before))
            elif before is not None and before.is_halted:
                self._statuses[ticker] = replace(before, is_market_wide=before.is_market_wide or reason in MARKET_WIDE)
            else:
                self._statuses[ticker] = TradingStatus(ticker, True, at, reason in MARKET_WIDE)

    def traded(self, ticker: str, start: datetime) -> None:
        """The name traded in the minute from `start` on."""
        with self._lock:
            before = self._statuses.get(ticker)
            if before is None:
                self._statuses[ticker] = TradingStatus(ticker)
            elif before.is_halted and before.since is not None and start >= before.since:
                self._statuses[ticker] = TradingStatus(ticker, since=start, is_market_wide=before.is_market_wide)

    def of(self, tickers: Iterable[str]) -> Mapping[str, TradingStatus]:
        """The statuses that are known."""
        with self._lock:
            return {ticker: self._statuses[ticker] for ticker in tickers if ticker in self._statuses}


def _was_wide(before: TradingStatus | None) -> bool:
    return before is not None and before.is_halted and before.is_market_wide
