"""The gate of every order: why nothing may be opened now, and why an order may not go out on the wire.

Entries are asked at the tap and again when they are sent; exits are never held up by a halt, a lock or a limit.
"""

from __future__ import annotations

from engine import halts
from engine.desk import Desk
from engine.store import UnitOfWork


def why_closed(desk: Desk, work: UnitOfWork, strategy: str, ticker: str) -> tuple[str, ...]:
    """Why nothing of this strategy and name may be opened now, as sentences; empty when it may."""
    del desk, strategy, ticker
    stop = halts.current(work)
    return () if stop is None else (stop.words,)
