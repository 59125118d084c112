"""Whether a whole answer can be true: a day so far, a chain, a history, by itself and beside another source's; pure.

Every check gives a sentence that names what is the matter, or "" where nothing speaks against the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.data.best import FOR_ORDERS, SHARES
from engine.data.panel import Answer
from engine.data.providers.port import RawChain
from engine.model.market import Bar, Bars, Chain, Floats, IntradayBars, Quote, Split

T = TypeVar("T")

LAST_FAR = 1.10
"""Times by which the last price and the middle of the quote may differ: the last trade of a quiet name may be old."""

FEWEST = 10
"""Contracts or sessions from which on a comparison says something."""
CLEAR_MID, CLEAR_SPREAD = 0.20, 0.50
"""Dollars from which on, and spread over mid up to which, a contract's mid says something."""
MIDS_NEAR, MIDS_FAR = 1.25, 2.0
"""Times by which the mids of two chains may differ at the median: of one moment, and with one delayed. Calls and
puts move against each other, so that the median hardly moves with the underlying."""

CLOSE_OFF, CLOSE_WRONG = 1.02, 1.10
"""Times by which two closes of a session may differ, on a few days and on any: exchanges differ about quiet names."""
DAYS_OFF = 0.02
SPLIT_LEAST = 1.4
"""Ratio from which on a split can be told from a day's move (3:2 and more)."""
SPLIT_NEAR = 1.1


def session_trouble(session: Bar, quote: Quote | None) -> str:
    """What speaks against a day so far: it contradicts itself, or the quote of the moment."""
    prices = (session.open, session.high, session.low, session.close)
    if not all(isfinite(price) and price > 0 for price in prices):
        return f"The day so far has no prices: {_listed(prices)}."
    if not session.low <= min(session.open, session.close) <= max(session.open, session.close) <= session.high:
        return f"Open, high, low and last price of the day contradict each other: {_listed(prices)}."
    if quote is not None and _times(session.close, float(quote.mid)) > LAST_FAR:
        return f"The last price is {session.close:,.2f}, but {quote.source.name} quotes {quote.mid:,.2f}."
    return ""


def chain_against(chain: Chain | RawChain, peer: Chain | RawChain) -> str:
    """What of a chain contradicts another source's: the spot, or the middles of the quotes at the median."""
    is_near = {chain.source.kind, peer.source.kind} <= FOR_ORDERS
    both = f"{chain.source.name} and {peer.source.name}"
    if _times(chain.spot, peer.spot) > (1 + SHARES.near if is_near else SHARES.far):
        return f"{both} have {chain.underlying} at {chain.spot:,.2f} and {peer.spot:,.2f}."
    ours, theirs = _mids_of_the_same(chain, peer)
    if len(ours) < FEWEST:
        return ""
    ratio = float(np.median(ours / theirs))
    if _times(ratio, 1.0) <= (MIDS_NEAR if is_near else MIDS_FAR):
        return ""
    return f"{both} differ {ratio:.2f} times at the median of {len(ours):,} options of {chain.underlying}."


def bars_trouble(bars: Bars, splits: Sequence[Split], today: date, price: float) -> str:
    """What speaks against a history that is said to be adjusted to `today`: a split of the name is still in it.

    `price` now (NaN: not known) tells it of a split of this morning.
    """
    for split in splits:
        ratio = float(split.ratio)
        row = int(np.searchsorted(bars.day, np.datetime64(split.ex_date, "D")))
        if _times(ratio, 1.0) < SPLIT_LEAST or split.ex_date > today or row == 0:
            continue
        before, after = float(bars.close[row - 1]), float(bars.close[row]) if row < len(bars) else price
        if isfinite(after) and _times(before, after * ratio) < SPLIT_NEAR:
            words = f"{before:,.2f} before and {after:,.2f} after the split of {split.ex_date:%d %b %Y} ({ratio:g}:1)"
            return f"{bars.source.name} has not adjusted {bars.ticker}: {words}."
    return ""


def price_trouble(bars: Bars, price: float) -> str:
    """What speaks against a price of now (NaN: not known) beside the last close: more than a night explains.

    A name may halve overnight; a split that nobody tells of yet, or a wrong number, is likelier.
    """
    if not len(bars) or not isfinite(price) or _times(float(bars.close[-1]), price) <= SHARES.far:
        return ""
    words = f"{bars.ticker} closed at {bars.close[-1]:,.2f} by {bars.source.name} and is at {price:,.2f} now"
    return f"{words}: a split that is not in the history yet, or a wrong price."


def intraday_trouble(intraday: IntradayBars, bars: Bars) -> str:
    """What speaks against intraday bars beside the daily ones: a session that ends far from its close.

    A split that is in one of them and not in the other shows so. The last trade of an exchange may be off by a little.
    """
    days, rows, _ = np.intersect1d(bars.day, intraday.day, return_indices=True)
    last = np.searchsorted(intraday.day, days, side="right") - 1
    for day, theirs, ours in zip(days, intraday.close[last], bars.close[rows], strict=True):
        if _times(float(theirs), float(ours)) > CLOSE_WRONG:
            told = f"{intraday.source.name} {theirs:,.2f}, {bars.source.name} {ours:,.2f}"
            return f"Bars of {intraday.minutes} minutes of {bars.ticker} end far from its close of {day}: {told}."
    return ""


def bars_against(bars: Bars, peer: Bars) -> str:
    """What of a history contradicts another source's: closes that are off by a split, a dividend or a decimal point."""
    days, mine, theirs = np.intersect1d(bars.day, peer.day, return_indices=True)
    if len(days) < FEWEST:
        return ""
    ours, others = bars.close[mine], peer.close[theirs]
    with np.errstate(invalid="ignore", divide="ignore"):
        times = np.nan_to_num(np.maximum(ours / others, others / ours), nan=np.inf)
    off = np.flatnonzero(times > CLOSE_OFF)
    if len(off) <= DAYS_OFF * len(days) and not (times > CLOSE_WRONG).any():
        return ""
    last = off[np.argmax(times[off])] if (times > CLOSE_WRONG).any() else off[-1]
    told = f"{bars.source.name} {ours[last]:,.2f}, {peer.source.name} {others[last]:,.2f}"
    day = days[last].astype(object)
    return f"Sources differ about {len(off):,} of {len(days):,} closes of {bars.ticker}, on {day:%d %b %Y}: {told}."


@dataclass(frozen=True, slots=True)
class Settled(Generic[T]):
    """The answer to take (None: there is none), and why each of the others that are wrong was left out, by provider."""

    answer: Answer[T] | None
    dropped: tuple[tuple[str, str], ...] = ()
    words: str = ""


def settled(given: Sequence[Answer[T]], alone: Callable[[T], str], beside: Callable[[T, T], str]) -> Settled[T]:
    """The best entitled answer that nothing speaks against, alone or beside the others.

    As with quotes: one that most of three and more contradict is left out, two that contradict each other are nothing.
    """
    wrong = [(each, words) for each in given if (words := alone(each.value))]
    sound = [each for each in given if all(each is not bad for bad, _ in wrong)]
    against = [
        [words for other in sound if other is not each and (words := beside(each.value, other.value))] for each in sound
    ]
    most = max(1.0, (len(sound) - 1) / 2)
    outvoted = [(each, words[0]) for each, words in zip(sound, against, strict=True) if len(words) > most]
    kept = [each for each in sound if all(each is not bad for bad, _ in outvoted)]
    dropped = tuple((bad.provider, words) for bad, words in (*wrong, *outvoted))
    told = " ".join(words for _, words in dropped)
    if not kept:
        return Settled(None, dropped, told)
    contradiction = next((words for other in kept[1:] if (words := beside(kept[0].value, other.value))), "")
    return (
        Settled(None, dropped, f"{told} {contradiction}".strip()) if contradiction else Settled(kept[0], dropped, told)
    )


def _times(one: float, other: float) -> float:
    """How many times the lower the higher is, at least 1; 1 where one is not known."""
    if not (isfinite(one) and isfinite(other) and one > 0 and other > 0):
        return 1.0
    return max(one / other, other / one)


def _listed(prices: Sequence[float]) -> str:
    return ", ".join(f"{price:,.2f}" for price in prices)


def _two_sided(chain: Chain | RawChain) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray((chain.bid > 0) & (chain.ask >= chain.bid) & np.isfinite(chain.ask))


def _mids_of_the_same(chain: Chain | RawChain, peer: Chain | RawChain) -> tuple[Floats, Floats]:
    """The middles of the contracts that both quote clearly."""
    ours, theirs = _clear_mids(chain), _clear_mids(peer)
    same = [key for key in ours if key in theirs]
    return np.array([ours[key] for key in same]), np.array([theirs[key] for key in same])


def _clear_mids(chain: Chain | RawChain) -> dict[tuple[str, object, int, bool], float]:
    mid = (chain.bid + chain.ask) / 2
    with np.errstate(invalid="ignore"):
        clear = _two_sided(chain) & (mid >= CLEAR_MID) & (chain.ask - chain.bid <= CLEAR_SPREAD * mid)
    rows = np.flatnonzero(clear)
    strikes = np.rint(chain.strike[rows] * 1000).astype(int)
    root = np.full(len(chain), chain.underlying, dtype=object) if chain.root is None else chain.root
    keys = zip(root[rows], chain.expiry[rows].tolist(), strikes.tolist(), chain.is_call[rows].tolist(), strict=True)
    return dict(zip(keys, mid[rows].tolist(), strict=True))
