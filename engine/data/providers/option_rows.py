"""Options of one underlying, row by row as providers send them -> the columns of a `RawChain`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from engine.data.providers.port import Instants, RawChain
from engine.model.instruments import Style
from engine.model.market import Floats, Source

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class OptionRow:
    """One listed option as a provider gave it; units as in `RawChain`, None is not given."""

    root: str
    expiry: date
    strike: float
    is_call: bool
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    quoted_at: datetime | None = None
    last: float | None = None
    volume: float | None = None
    open_interest: float | None = None
    iv: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None
    rho: float | None = None


def raw_chain(
    underlying: str,
    rows: Sequence[OptionRow],
    source: Source,
    *,
    spot: float | None = None,
    spot_at: datetime | None = None,
    style: Style | None = None,
) -> RawChain:
    """The rows as columns, in their order."""

    def floats(value: Callable[[OptionRow], float | None]) -> Floats:
        found = (value(row) for row in rows)
        return np.array([NAN if each is None else each for each in found], dtype=np.float64)

    return RawChain(
        underlying=underlying,
        root=np.array([row.root for row in rows], dtype=object),
        expiry=np.array([row.expiry for row in rows], dtype="datetime64[D]"),
        strike=floats(lambda row: row.strike),
        is_call=np.array([row.is_call for row in rows], dtype=bool),
        bid=floats(lambda row: row.bid),
        ask=floats(lambda row: row.ask),
        bid_size=floats(lambda row: row.bid_size),
        ask_size=floats(lambda row: row.ask_size),
        quoted_at=instants([row.quoted_at for row in rows]),
        last=floats(lambda row: row.last),
        volume=floats(lambda row: row.volume),
        open_interest=floats(lambda row: row.open_interest),
        iv=floats(lambda row: row.iv),
        delta=floats(lambda row: row.delta),
        gamma=floats(lambda row: row.gamma),
        theta=floats(lambda row: row.theta),
        vega=floats(lambda row: row.vega),
        rho=floats(lambda row: row.rho),
        source=source,
        spot=NAN if spot is None else spot,
        spot_at=spot_at,
        style=style,
    )


def instants(moments: Sequence[datetime | None]) -> Instants:
    """Aware instants as datetime64[us] in UTC, None as NaT."""
    naive = [None if moment is None else moment.astimezone(UTC).replace(tzinfo=None) for moment in moments]
    return np.array(naive, dtype="datetime64[us]")
