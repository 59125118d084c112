"""Answers about options as a provider would give them, priced by formula: for the tests of what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from engine import pricing
from engine.data.providers.port import Listings, RawChain
from engine.model.instruments import Style
from engine.model.market import Kind, Source

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
RATE = 0.04
SOURCE = Source("provider", Kind.REAL)


def strip(
    root: str,
    expiry: date,
    strikes: Sequence[float],
    *,
    underlying: str = "",
    spot: float = 100.0,
    iv: float = 0.25,
    carry: float = 0.0,
    rate: float = RATE,
    half_spread: float = 0.02,
    days: float | None = None,
    at: datetime = NOW - timedelta(seconds=3),
    **more: Any,
) -> RawChain:
    """Calls and puts of one expiry around their European values; `days` to it where they are not the calendar ones."""
    strike = np.repeat(np.asarray(strikes, dtype=np.float64), 2)
    is_call = np.tile([True, False], len(strikes))
    n = len(strike)
    years = ((expiry - TODAY).days if days is None else days) / 365
    mid = pricing.value(spot, strike, years, rate, iv, is_call, carry)
    nothing = np.full(n, np.nan)
    raw = RawChain(
        underlying=underlying or root,
        root=np.full(n, root, dtype=object),
        expiry=np.full(n, np.datetime64(expiry, "D")),
        strike=strike,
        is_call=is_call,
        bid=np.maximum(mid - half_spread, 0.0),
        ask=mid + half_spread,
        bid_size=np.full(n, 10.0),
        ask_size=np.full(n, 12.0),
        quoted_at=np.full(n, np.datetime64(at.replace(tzinfo=None), "us")),
        last=nothing,
        volume=nothing,
        open_interest=nothing,
        iv=nothing,
        delta=nothing,
        gamma=nothing,
        theta=nothing,
        vega=nothing,
        rho=nothing,
        source=SOURCE,
        spot=spot,
        spot_at=NOW,
    )
    return replace(raw, **more)


def together(*parts: RawChain) -> RawChain:
    """One answer with the rows of several."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in RawChain.COLUMNS
    }
    return replace(parts[0], **columns)


def with_cell(raw: RawChain, row: int, **cells: Any) -> RawChain:
    """The same answer with other values in one row."""
    changed: dict[str, Any] = {}
    for name, value in cells.items():
        changed[name] = getattr(raw, name).copy()
        changed[name][row] = value
    return replace(raw, **changed)


def listings_of(raw: RawChain, rows: Sequence[int] | None = None, **columns: Any) -> Listings:
    """The contracts of an answer (or some of them) as listed, open interest 100, 101, ... in their order."""
    chosen = np.arange(len(raw)) if rows is None else np.asarray(rows, dtype=np.intp)
    n = len(chosen)
    made = Listings(
        underlying=raw.underlying,
        root=raw.root[chosen],
        expiry=raw.expiry[chosen],
        strike=raw.strike[chosen],
        is_call=raw.is_call[chosen],
        style=np.full(n, raw.style or Style.AMERICAN, dtype=object),
        open_interest=100.0 + np.arange(n),
        counted_on=np.full(n, np.datetime64("2026-11-19", "D")),
        multiplier=np.full(n, 100.0),
        is_adjusted=np.zeros(n, dtype=bool),
        is_penny=np.full(n, np.nan),
        source=SOURCE,
    )
    return replace(made, **columns)
