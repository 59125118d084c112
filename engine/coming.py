"""Reports and ex-dates of what is held: asked for a few names at a time and remembered, so that no look waits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from engine.codec import dump, load
from engine.desk import Desk
from engine.errors import DataError, NotFound
from engine.model.market import Dividend, Earnings
from engine.store import UnitOfWork

log = structlog.get_logger()

SETTING = "coming"
"""Setting: what is known to come for each held name."""
EVERY = timedelta(hours=1)
"""How long what is known is not asked for again; `AGAIN` where nobody could tell it."""
AGAIN = timedelta(minutes=10)
SECONDS = 3.0
"""A look begins no further question after so long: the others have their turn at the next look."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is to come for one name, as told at `asked`. None: no source covers it, or none answered."""

    asked: datetime
    reports: tuple[Earnings, ...] | None = None
    dividends: tuple[Dividend, ...] | None = None

    def is_fresh(self, now: datetime) -> bool:
        """Whether it need not be asked for again now."""
        is_whole = self.reports is not None and self.dividends is not None
        return abs(now - self.asked) < (EVERY if is_whole else AGAIN)


@dataclass(frozen=True, slots=True)
class _Stored:
    names: dict[str, Known] = field(default_factory=dict)


def known(work: UnitOfWork) -> Mapping[str, Known]:
    """What was told last, by ticker of what is held."""
    text = work.setting(SETTING)
    return load(_Stored, text).names if text else {}


def refresh(desk: Desk, seconds: float = SECONDS) -> None:
    """Ask for the held names that were not asked for lately, the longest unasked first; forget those not held.

    A name that nobody tells anything of keeps what was told before.
    """
    with desk.store.read() as reading:
        before = known(reading)
        held = {position.ticker for position in reading.open_positions()}
    now = desk.now()
    kept = {ticker: before[ticker] for ticker in held & before.keys()}
    due = [ticker for ticker in held if ticker not in kept or not kept[ticker].is_fresh(now)]
    asked = _asked(desk, sorted(due, key=lambda ticker: (ticker in kept, ticker)), kept, seconds)
    after = kept | asked
    if after != before:
        with desk.store.begin() as work:
            work.set_setting(SETTING, dump(_Stored(dict(sorted(after.items())))), "desk", desk.now())


def _asked(desk: Desk, tickers: list[str], kept: Mapping[str, Known], seconds: float) -> dict[str, Known]:
    until = time.monotonic() + seconds
    found: dict[str, Known] = {}
    for ticker in tickers:
        if found and time.monotonic() > until:
            break
        told = _told(desk, ticker)
        earlier = kept.get(ticker)
        if earlier is not None:
            told = replace(
                told,
                reports=told.reports if told.reports is not None else earlier.reports,
                dividends=told.dividends if told.dividends is not None else earlier.dividends,
            )
        found[ticker] = told
    return found


def _told(desk: Desk, ticker: str) -> Known:
    """What the market tells now, as far as it is still to come."""
    today, now = desk.today, desk.now()
    try:
        snapshot = desk.market.snapshot(ticker)
        reports = snapshot.earnings
    except (DataError, NotFound) as problem:
        log.debug("coming.unknown", ticker=ticker, problem=str(problem))
        return Known(now)
    coming = None if reports is None else tuple(each for each in reports if each.is_ahead(today))
    paid = snapshot.dividends
    return Known(now, coming, None if paid is None else tuple(each for each in paid if each.ex_date > today))
