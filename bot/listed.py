"""The expiries that were listed when a name's chain was looked at last: for suggestions, which never wait for one."""

from __future__ import annotations

from collections import OrderedDict
from datetime import date
from threading import Lock

from engine.model.market import Chain

KEPT = 1_000
"""Names remembered; those looked at least lately go first."""


class Listed:
    """Listed expiries by ticker, soonest first. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._expiries: OrderedDict[str, tuple[date, ...]] = OrderedDict()

    def seen(self, chain: Chain) -> None:
        """Remember what this chain lists."""
        with self._lock:
            self._expiries[chain.underlying] = chain.expiries
            self._expiries.move_to_end(chain.underlying)
            while len(self._expiries) > KEPT:
                self._expiries.popitem(last=False)

    def expiries(self, ticker: str, today: date) -> tuple[date, ...]:
        """Those of a name that are not over; none where no chain of it was looked at."""
        with self._lock:
            known = self._expiries.get(ticker, ())
        return tuple(day for day in known if day >= today)
