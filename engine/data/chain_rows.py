"""Which rows of a provider's answer are standard contracts that still trade, and what the listed contracts add."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from engine.data import occ
from engine.data.occ import Contracts
from engine.data.providers.port import Listings, RawChain
from engine.errors import DataInvalid
from engine.model.instruments import AM_ROOTS, INDEX_ROOTS
from engine.model.market import Dates, Floats
from engine.sessions import Sessions

Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]
Rows = NDArray[np.intp]

STANDARD = 100.0
"""Dollars for a dollar of premium: a contract with another multiplier is no standard one."""
SURELY_ALIVE = timedelta(days=10)
"""An expiry further off has not traded for the last time, whatever holidays lie before it."""
STALE_AFTER = np.timedelta64(1, "h")
"""Behind the newest quote. Makers requote with the underlying; far from the money a price may stand for minutes."""
CLOCKS_APART = timedelta(minutes=2)
"""A quote may be this far ahead of our clock."""
HIGHEST_STRIKE = 99_999.999
"""Dollars: all that the OCC symbol has room for."""
FIRST_DAY, LAST_DAY = np.datetime64("1990-01-01"), np.datetime64("2200-01-01")


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """The rows of an answer that make the chain, by expiry, root, strike, call before put, each contract once.

    `keys` stand for the contracts (`occ.keys`); `dropped` counts the others by reason.
    """

    rows: Rows
    keys: Keys
    dropped: dict[str, int]


class Listed:
    """The listed contracts of a name by key, and what is known of them."""

    def __init__(self, listings: Listings, codes: dict[str, int]) -> None:
        contracts = Contracts(listings.root, listings.expiry, listings.strike, listings.is_call)
        sane = _is_sane(contracts)
        keys = occ.keys(_taken(contracts, sane), codes)
        self._keys, first = np.unique(keys, return_index=True)
        rows = np.flatnonzero(sane)[first]
        self._interest = _counts(listings.open_interest[rows])
        multiplier = listings.multiplier[rows]
        self._is_adjusted = listings.is_adjusted[rows] | (np.isfinite(multiplier) & (multiplier != STANDARD))

    def interest(self, keys: Keys) -> Floats:
        """(n,) open interest of contracts, NaN where it is not known."""
        place, has = self._find(keys)
        return np.where(has, self._interest[place], np.nan) if len(self._keys) else np.full(len(keys), np.nan)

    def is_adjusted(self, keys: Keys) -> Mask:
        """(n,) whether contracts are listed as adjusted."""
        place, has = self._find(keys)
        return has & self._is_adjusted[place] if len(self._keys) else has

    def has(self, keys: Keys) -> Mask:
        """(n,) whether contracts are listed."""
        return self._find(keys)[1]

    def missing_from(self, keys: Keys) -> int:
        """How many standard contracts are listed and not among `keys`."""
        return int((~np.isin(self._keys[~self._is_adjusted], keys)).sum())

    def _find(self, keys: Keys) -> tuple[Rows, Mask]:
        if not len(self._keys):
            return np.zeros(len(keys), dtype=np.intp), np.zeros(len(keys), dtype=bool)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return place, self._keys[place] == keys


def kept(raw: RawChain, now: datetime, sessions: Sessions, listed: Listed | None, codes: dict[str, int]) -> Kept:
    """The standard contracts of an answer that trade after `now`."""
    every = Contracts(raw.root, raw.expiry, raw.strike, raw.is_call)
    sane = _is_sane(every)
    rows = np.flatnonzero(sane)
    contracts = _taken(every, sane)
    keys = occ.keys(contracts, codes)
    code, roots = occ.root_codes(contracts.root, codes), list(codes)
    adjusted = _of_roots([root[-1:].isdigit() for root in roots], code)
    if listed is not None:
        adjusted |= listed.is_adjusted(keys)
    foreign = _of_roots([not _is_root_of(root, raw.underlying) for root in roots], code) & ~adjusted
    morning = _of_roots([root in AM_ROOTS for root in roots], code)
    expired = ~adjusted & ~foreign & _is_over(contracts, morning, now, sessions)
    alive = ~(adjusted | foreign | expired)
    order = _in_order(_taken(contracts, alive), raw.quoted_at[rows[alive]])
    rows, keys = rows[alive][order], keys[alive][order]
    last = np.ones(len(keys), dtype=bool)
    last[:-1] = keys[:-1] != keys[1:]
    dropped = {
        "adjusted": int(adjusted.sum()),
        "foreign": int(foreign.sum()),
        "expired": int(expired.sum()),
        "malformed": int((~sane).sum()),
        "repeated": int((~last).sum()),
    }
    return Kept(rows[last], keys[last], dropped)


def _is_sane(contracts: Contracts) -> Mask:
    strike, expiry = contracts.strike, contracts.expiry
    found: Mask = (strike > 0) & (strike <= HIGHEST_STRIKE) & (expiry > FIRST_DAY) & (expiry < LAST_DAY)
    return found


def _taken(contracts: Contracts, rows: Mask) -> Contracts:
    root, expiry, strike, is_call = contracts
    return Contracts(root[rows], expiry[rows], strike[rows], is_call[rows])


def _of_roots(verdicts: list[bool], code: NDArray[np.int64]) -> Mask:
    """(n,) the verdict on each row's root."""
    found: Mask = np.array(verdicts, dtype=bool)[code] if verdicts else np.zeros(len(code), dtype=bool)
    return found


def _is_root_of(root: str, underlying: str) -> bool:
    """Whether a root is the usual one of an underlying: its ticker without a dot, or a class of an index.

    >>> _is_root_of("BRKB", "BRK.B"), _is_root_of("SPXW", "SPX"), _is_root_of("XSP", "SPX")
    (True, True, False)
    """
    if underlying in INDEX_ROOTS.values():
        return INDEX_ROOTS.get(root) == underlying
    return root == "".join(letter for letter in underlying if letter.isalnum())


def _is_over(contracts: Contracts, morning: Mask, now: datetime, sessions: Sessions) -> Mask:
    """(n,) whether a contract has traded for the last time at `now`."""
    today = sessions.today(now)
    over: Mask = contracts.expiry < np.datetime64(today, "D")
    for day in np.unique(contracts.expiry[~over & (contracts.expiry <= np.datetime64(today + SURELY_ALIVE, "D"))]):
        rows = contracts.expiry == day
        for kind in (morning, ~morning):
            some = np.flatnonzero(rows & kind)
            if len(some):
                over[some] = _ended(sessions.last_trade(contracts.root[some[0]], day.astype(object)), now, sessions)
    return over


def _ended(last: date, now: datetime, sessions: Sessions) -> bool:
    return sessions.close(last) <= now


def _in_order(contracts: Contracts, quoted_at: NDArray[np.datetime64]) -> Rows:
    """Rows by expiry, root, strike, call before put; of one contract the one quoted last comes last."""
    codes = {root: code for code, root in enumerate(sorted(set(contracts.root)))}
    rank = occ.root_codes(contracts.root, codes)
    days = contracts.expiry.astype(np.int64)
    return np.lexsort((quoted_at.astype(np.int64), ~contracts.is_call, contracts.strike, rank, days))


@dataclass(frozen=True, slots=True, eq=False)
class Quoted:
    """The usable quotes of the kept rows, NaN on both sides of the others, and how many were not.

    `asof`: the time of the newest one (aware UTC).
    """

    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    asof: datetime
    dropped: dict[str, int]


def quoted(raw: RawChain, rows: Rows, now: datetime) -> Quoted:
    """The quotes of `rows` without the crossed and the stale ones; a bid of zero is known, an ask of zero is none.

    Raises:
        DataInvalid: no quote has a time, and the provider gives none for the whole either.
    """
    bid, ask, at = _counts(raw.bid[rows]), _counts(raw.ask[rows]), raw.quoted_at[rows]
    unquoted = ~(ask > 0)
    crossed = ~unquoted & (bid > ask)
    asof, stale = _ages(raw, at, ~unquoted & ~crossed, now)
    stale &= ~unquoted & ~crossed
    usable = ~(unquoted | crossed | stale)
    bid, ask, bid_size, ask_size = (
        np.where(usable, side, np.nan) for side in (bid, ask, _counts(raw.bid_size[rows]), _counts(raw.ask_size[rows]))
    )
    dropped = {"crossed": int(crossed.sum()), "stale": int(stale.sum()), "unquoted": int(unquoted.sum())}
    return Quoted(bid, ask, bid_size, ask_size, asof, dropped)


def _ages(raw: RawChain, at: Dates, usable: Mask, now: datetime) -> tuple[datetime, Mask]:
    """The time of the newest usable quote, and (n,) which ones are stale."""
    if np.isnat(at).all():
        if raw.spot_at is None:
            raise DataInvalid(f"{raw.source.name} gives no time for its option quotes of {raw.underlying}.")
        return raw.spot_at, np.zeros(len(at), dtype=bool)
    latest = np.datetime64((now + CLOCKS_APART).astimezone(UTC).replace(tzinfo=None), "us")
    dated = ~np.isnat(at) & (at <= latest)
    if not dated.any():
        raise DataInvalid(f"{raw.source.name} dates its option quotes of {raw.underlying} after now: {at.max()}.")
    newest = (at[dated & usable] if (dated & usable).any() else at[dated]).max()
    asof: datetime = newest.astype("datetime64[us]").astype(object).replace(tzinfo=UTC)
    return asof, ~dated | (at < newest - STALE_AFTER)


def _counts(numbers: Floats) -> Floats:
    """The numbers that are zero or more, NaN for the others."""
    return np.where((numbers >= 0) & (numbers < np.inf), numbers, np.nan)
