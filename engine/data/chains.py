"""Recorded option chains: who quoted what at which moment, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.columns import Sheet
from engine.model.instruments import Style
from engine.model.market import Chain, Floats, Kind, Source

CHAIN_COLUMNS = (
    "underlying", "root", "quote_time", "expiry", "strike", "right", "style", "bid", "ask", "bid_size", "ask_size",
    "volume", "open_interest", "underlying_price", "iv",
)  # fmt: skip
RIGHTS = {"C": True, "P": False}
STYLES = {"american": Style.AMERICAN, "european": Style.EUROPEAN}
COUNTS = ("bid_size", "ask_size", "volume", "open_interest")


@dataclass(frozen=True, slots=True)
class Moment:
    """One recording of an underlying's options: the New York wall time written with it, and its rows."""

    wall: datetime
    rows: slice

    def __len__(self) -> int:
        return int(self.rows.stop - self.rows.start)


@dataclass(frozen=True, slots=True, eq=False)
class RecordedChains:
    """Every recorded moment of every underlying; prices as traded, oldest first."""

    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    moments: Mapping[tuple[str, date], tuple[Moment, ...]] = field(default_factory=dict)

    @property
    def underlyings(self) -> frozenset[str]:
        return frozenset(ticker for ticker, _ in self.moments)

    def on(self, ticker: str, day: date) -> tuple[Moment, ...]:
        """The moments of one New York day, oldest first."""
        return self.moments.get((ticker, day), ())

    def chain(
        self, ticker: str, moment: Moment, asof: datetime, rate: float, dividends: tuple[tuple[date, float], ...]
    ) -> Chain:
        """The chain recorded at `moment`, with the volatilities its source gave (else NaN) and no Greeks.

        Greeks are left to be computed: sources differ in their units.
        """
        cut = {name: values[moment.rows] for name, values in self.columns.items()}
        nothing = np.full(len(moment), np.nan)
        return Chain(
            underlying=ticker,
            asof=asof,
            today=moment.wall.date(),
            spot=float(cut["underlying_price"][0]),
            expiry=cut["expiry"],
            strike=cut["strike"],
            is_call=cut["right"],
            bid=cut["bid"],
            ask=cut["ask"],
            bid_size=_known(cut["bid_size"]),
            ask_size=_known(cut["ask_size"]),
            open_interest=_known(cut["open_interest"]),
            volume=_known(cut["volume"]),
            iv=cut["iv"],
            delta=nothing,
            gamma=nothing,
            theta=nothing,
            vega=nothing,
            rho=nothing,
            source=Source("replay", Kind.RECORDED),
            rate=rate,
            dividends=dividends,
            root=cut["root"] if (cut["root"] != ticker).any() else None,
            style=cut["style"][0],
        )


def _known(counts: Floats) -> Floats:
    """Counts that are zero throughout were not recorded."""
    return counts if (counts > 0).any() else np.full(len(counts), np.nan)


def read_chains(sheet: Sheet) -> RecordedChains:
    """The chains in a table of recorded quotes.

    Raises:
        DataInvalid: a column is missing, or a row is no quote: names file, row and column.
    """
    codes, tickers = sheet.names("underlying")
    columns = _columns(sheet, codes, tickers)
    order = np.lexsort((columns["wall"].astype(np.int64), codes))
    columns = {name: values[order] for name, values in columns.items()}
    codes, walls = codes[order], columns.pop("wall")
    new = np.ones(len(codes), dtype=bool)
    new[1:] = (np.diff(codes) != 0) | (np.diff(walls) != np.timedelta64(0))
    starts = [*np.flatnonzero(new).tolist(), len(codes)]
    moments: dict[tuple[str, date], tuple[Moment, ...]] = {}
    for start, stop in pairwise(starts):
        wall: datetime = walls[start].astype(object)
        key = (tickers[codes[start]], wall.date())
        moments[key] = (*moments.get(key, ()), Moment(wall, slice(start, stop)))
    return RecordedChains(columns, moments)


def _columns(sheet: Sheet, codes: NDArray[np.int64], tickers: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {
        "wall": sheet.instants("quote_time"),
        "expiry": sheet.days("expiry"),
        "strike": sheet.floats("strike"),
        "right": sheet.choices("right", RIGHTS).astype(bool),
        "underlying_price": sheet.floats("underlying_price"),
        "style": _style(sheet),
        "root": sheet.texts("root") if sheet.has("root") else np.array(tickers, dtype=object)[codes],
    }
    for name in ("bid", "ask", "iv", *COUNTS):
        absent = name not in ("bid", "ask") and not sheet.has(name)
        columns[name] = np.full(len(sheet), np.nan) if absent else sheet.floats(name, blank=True)
        if not absent:
            sheet.check(columns[name] < 0, name, "is below zero")
    sheet.check(columns["strike"] <= 0, "strike", "is no price above zero")
    sheet.check(columns["underlying_price"] <= 0, "underlying_price", "is no price above zero")
    return columns


def _style(sheet: Sheet) -> NDArray[np.object_]:
    if sheet.has("style"):
        return sheet.choices("style", STYLES)
    styles = np.empty(len(sheet), dtype=object)
    styles[:] = Style.AMERICAN
    return styles
