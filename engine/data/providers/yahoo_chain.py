"""Yahoo's option chains, read: one answer for each expiry."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import nan

import numpy as np

from engine.data.providers.fields import EPOCH, LATEST, Row
from engine.data.providers.port import RawChain
from engine.data.providers.reader import invalid
from engine.data.providers.yahoo_client import NAME
from engine.data.providers.yahoo_fields import DELAYED, INDICES, moment, number, part, parts, text
from engine.model.instruments import Style

_OCC = re.compile(r"(?P<root>[A-Z0-9]{1,6}?)(?P<day>\d{6})(?P<right>[CP])\d{8}")
LAST = LATEST.timestamp()
LOWEST_IV, HIGHEST_IV = 0.01, 5.0
"""Outside of it Yahoo's volatility stands for nothing (1e-5 and 500 % beside empty quotes: its recorded answers)."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which expiries are asked for, each a request: within so many days, nearest first, at most so many.

    Defaults: what the strategies look at but for LEAPS (30 to 45 days and what is nearer), dailies included.
    """

    days: int = 60
    most: int = 24


def expiries(answer: Row, window: Window, today: date) -> list[int]:
    """The expiries to ask for as Yahoo names them (midnight UTC of the day), without the one that is in `answer`."""
    listed = answer.get("expirationDates") or []
    if not isinstance(listed, list) or not all(type(stamp) is int and 0 < stamp < LAST for stamp in listed):
        raise invalid(NAME, "expirationDates", listed)
    here = {number(block, "expirationDate") for block in parts(answer, "options")}
    last = today + timedelta(days=window.days)
    near = [stamp for stamp in sorted(set(listed)) if _day(stamp) <= last]
    return [stamp for stamp in near[: window.most] if stamp not in here]


def chain(ticker: str, answers: Sequence[Row]) -> RawChain:
    """The contracts of all answers as columns.

    No quote has a time (`lastTradeDate` is the last trade's), no size and no Greeks. A bid or ask of 0 is none; a
    volatility is kept only where there is a quote it can have come from. An expiry that was sent twice counts once.
    """
    blocks = {number(block, "expirationDate"): block for answer in answers for block in parts(answer, "options")}
    rows = [(row, is_call) for block in blocks.values() for side, is_call in _SIDES for row in parts(block, side)]
    names = [_name(row, is_call) for row, is_call in rows]
    bid, ask = (_column(rows, field, above=0.0) for field in ("bid", "ask"))
    iv = _column(rows, "impliedVolatility", above=LOWEST_IV)
    iv[~np.isfinite(bid + ask) | (iv > HIGHEST_IV)] = nan
    none = np.full(len(rows), nan)
    underlying = part(answers[0], "quote") if answers else {}
    spot = number(underlying, "regularMarketPrice")
    return RawChain(
        underlying=ticker,
        root=np.array([root for root, _ in names], dtype=object),
        expiry=np.array([day for _, day in names], dtype="datetime64[D]"),
        strike=_strikes(rows),
        is_call=np.array([is_call for _, is_call in rows], dtype=np.bool_),
        bid=bid,
        ask=ask,
        bid_size=none,
        ask_size=none,
        quoted_at=np.full(len(rows), np.datetime64("NaT", "us")),
        last=_column(rows, "lastPrice", above=0.0),
        volume=_column(rows, "volume"),
        open_interest=_column(rows, "openInterest"),
        iv=iv,
        delta=none,
        gamma=none,
        theta=none,
        vega=none,
        rho=none,
        source=DELAYED,
        spot=nan if spot is None or spot <= 0 else spot,
        spot_at=moment(underlying, "regularMarketTime") if spot else None,
        style=Style.EUROPEAN if ticker in INDICES else Style.AMERICAN,
    )


_SIDES = (("calls", True), ("puts", False))


def _name(row: Row, is_call: bool) -> tuple[str, date]:
    """Root and expiry, after the symbol and the fields beside it were found to say the same."""
    symbol, stamp = text(row, "contractSymbol"), number(row, "expiration")
    match = _OCC.fullmatch(symbol)
    if match is None or stamp is None or not 0 < stamp < LAST:
        raise invalid(NAME, "contractSymbol", symbol)
    day = _day(int(stamp))
    if f"{day:%y%m%d}" != match["day"] or (match["right"] == "C") is not is_call:
        raise invalid(NAME, "contractSymbol", f"{symbol} expiring {day}")
    return match["root"], day


def _day(stamp: int) -> date:
    """The UTC day: an expiry is midnight there, the evening before in New York."""
    return (EPOCH + timedelta(seconds=stamp)).date()


def _strikes(rows: Sequence[tuple[Row, bool]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    strikes = _column(rows, "strike", above=0.0)
    missing = np.flatnonzero(~np.isfinite(strikes))
    if len(missing):
        raise invalid(NAME, "strike", rows[missing[0]][0].get("strike"))
    return strikes


def _column(
    rows: Sequence[tuple[Row, bool]], field: str, above: float | None = None
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(n,) numbers, NaN where there is none or it is not above `above`."""
    column = np.array([nan if (value := number(row, field)) is None else value for row, _ in rows], dtype=np.float64)
    if above is not None:
        column[~(column > above)] = nan
    else:
        column[column < 0] = nan
    return column
