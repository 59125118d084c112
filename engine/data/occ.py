"""Many OCC symbols at once as columns, and whole numbers that stand for contracts where columns are joined."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataInvalid
from engine.model.market import Dates, Floats

TAIL = 15
"""Characters after the root: YYMMDD, C or P, strike in thousandths of a dollar in eight digits (OCC symbology)."""
LONGEST = 6 + TAIL
ROOT = re.compile(r"[A-Z][A-Z0-9.]{0,5}")
ZERO, CALL, PUT = ord("0"), ord("C"), ord("P")
POWERS = 10 ** np.arange(7, -1, -1, dtype=np.int64)

Bytes = NDArray[np.uint8]


class Contracts(NamedTuple):
    """Contracts as columns of equal length: root (object array of str), datetime64[D], dollars, bool."""

    root: NDArray[np.object_]
    expiry: Dates
    strike: Floats
    is_call: NDArray[np.bool_]


def contracts(symbols: Sequence[str], provider: str) -> Contracts:
    """The contracts that OCC symbols without padding name, in their order.

    >>> found = contracts(["AAPL261218C00187500", "F261218P00012000"], "alpaca")
    >>> found.root.tolist(), found.expiry.astype(str).tolist(), found.strike.tolist(), found.is_call.tolist()
    (['AAPL', 'F'], ['2026-12-18', '2026-12-18'], [187.5, 12.0], [True, False])

    Raises:
        DataInvalid: one of them is no OCC symbol; names the provider and the symbol.
    """
    n = len(symbols)
    lengths = np.fromiter(map(len, symbols), dtype=np.int64, count=n)
    if n and not (TAIL < lengths.min() <= lengths.max() <= LONGEST):
        raise _invalid(provider, next(s for s in symbols if not TAIL < len(s) <= LONGEST))
    letters = _letters(symbols, provider)
    root = np.empty(n, dtype=object)
    tail = np.empty((n, TAIL), dtype=np.uint8)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        tail[rows] = letters[rows, length - TAIL : length]
        root[rows] = _roots(letters[rows, : length - TAIL], provider)
    digits = tail.astype(np.int64) - ZERO
    right = tail[:, 6]
    numbers = np.delete(digits, 6, axis=1)
    sane = ((numbers >= 0) & (numbers <= 9)).all(axis=1) & ((right == CALL) | (right == PUT))
    if not sane.all():
        raise _invalid(provider, symbols[int(np.argmin(sane))])
    expiry = _expiries(numbers[:, :6] @ POWERS[2:], symbols, provider)
    return Contracts(root, expiry, (numbers[:, 6:] @ POWERS) / 1000.0, right == CALL)


def keys(contracts: Contracts, codes: dict[str, int]) -> NDArray[np.int64]:
    """(n,) a whole number for each contract, the same for the same one, in order of root, expiry, right and strike.

    `codes` numbers the roots and grows by those it does not know. Strikes to the tenth of a cent.
    """
    days = contracts.expiry.astype("datetime64[D]").astype(np.int64)
    mills = np.rint(contracts.strike * 1000.0).astype(np.int64)
    code = root_codes(contracts.root, codes)
    found: NDArray[np.int64] = (((code << 17) | days) << 1 | contracts.is_call) << 28 | mills
    return found


def root_codes(root: NDArray[np.object_], codes: dict[str, int]) -> NDArray[np.int64]:
    """(n,) the number of each root in `codes`, which grows by those it does not know."""
    return np.fromiter((codes.setdefault(name, len(codes)) for name in root), dtype=np.int64, count=len(root))


def _letters(symbols: Sequence[str], provider: str) -> Bytes:
    try:
        fixed = np.array([symbol.encode("ascii") for symbol in symbols], dtype=f"S{LONGEST}")
    except UnicodeEncodeError as error:
        raise _invalid(provider, error.object) from error
    return fixed.view(np.uint8).reshape(len(symbols), LONGEST)


def _roots(letters: Bytes, provider: str) -> NDArray[np.object_]:
    width = letters.shape[1]
    fixed = np.ascontiguousarray(letters).view(f"S{width}").ravel()
    unique, place = np.unique(fixed, return_inverse=True)
    names = [name.decode("ascii") for name in unique]
    for name in names:
        if not ROOT.fullmatch(name):
            raise _invalid(provider, name)
    return np.array(names, dtype=object)[place]


def _expiries(numbers: NDArray[np.int64], symbols: Sequence[str], provider: str) -> Dates:
    days, first, place = np.unique(numbers, return_index=True, return_inverse=True)
    try:
        known = [date(2000 + day // 10_000, day // 100 % 100, day % 100) for day in days.tolist()]
    except ValueError as error:
        bad = next(row for day, row in zip(days.tolist(), first.tolist(), strict=True) if not _is_day(day))
        raise _invalid(provider, symbols[bad]) from error
    return np.array(known, dtype="datetime64[D]")[place]


def _is_day(number: int) -> bool:
    try:
        date(2000 + number // 10_000, number // 100 % 100, number % 100)
    except ValueError:
        return False
    return True


def _invalid(provider: str, symbol: object) -> DataInvalid:
    return DataInvalid(f"{provider} sent symbol = {symbol!r:.60}, which is no option symbol.")
