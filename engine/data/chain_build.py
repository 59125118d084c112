"""From what a provider says about the options of a name to the chain the desk works on.

Volatility and Greeks are computed here; the provider's own are compared with them and never used. What is left out is
counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from math import isfinite

import numpy as np

from engine import pricing
from engine.data.chain_rows import Kept, Listed, Quoted, kept, quoted
from engine.data.chain_sense import check_sense
from engine.data.providers.port import Listings, RawChain
from engine.data.term_rates import TermRates
from engine.errors import DataInvalid, DataUnavailable
from engine.model.instruments import Style
from engine.model.making import Comparison, Making, Tally
from engine.model.market import Chain, Floats, Level, Quote, Source
from engine.pricing import Forward
from engine.sessions import Sessions

TIGHT = 0.10
"""Spread over mid below which two volatilities of one quote may be compared."""
MONTH, QUARTER = 30 / 365, 0.25
VOL_POINTS = 100.0
NOT_THE_SAME = 0.10
"""Share by which the options' own price of the underlying may differ from the spot before one of them is wrong."""
ON_FUTURES = frozenset({"VIX"})
"""Indices whose options follow their futures, not the index (Cboe, "VIX options" product page)."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A price of the underlying, dollars; `at` is None where its provider does not say when it was made."""

    value: float
    at: datetime | None
    source: Source


def spot_of(price: Quote | Level) -> Spot:
    """The mid of a quote, or the value of an index."""
    if isinstance(price, Level):
        return Spot(price.value, price.at, price.source)
    return Spot(float(price.mid) if price.is_two_sided else float("nan"), price.at, price.source)


@dataclass(frozen=True, slots=True)
class Market:
    """What a chain is read with besides the quotes of its options.

    Attributes:
        spot: of the underlying; None where only the provider of the chain knows it.
        rates: None where nothing is known; the chain then counts on 0 and has no `rate_source`.
        dividends: (ex-date, dollars) expected; () is known to be none, None is not known: the carry of put-call parity
            takes their place, as for indices.
    """

    now: datetime
    sessions: Sessions
    spot: Spot | None
    rates: TermRates | None
    dividends: tuple[tuple[date, float], ...] | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A chain and what is known of its making; `comparison` is None where the provider gives nothing to compare."""

    chain: Chain
    tally: Tally
    forwards: tuple[Forward, ...]
    comparison: Comparison | None


def build(raw: RawChain, market: Market, listings: Listings | None = None) -> Built:
    """The chain of an answer: standard contracts that still trade, by expiry, root, strike, call before put.

    Open interest is the number of `listings` by (root, expiry, strike, right), else the answer's own, else not known.

    Raises:
        DataUnavailable: none of them still trades, or the underlying has no price.
        DataInvalid: its quotes have no time, the options imply another price of the underlying than the spot, or their
            prices cannot be those of options on it at all (`chain_sense`).
    """
    codes: dict[str, int] = {}
    listed = None if listings is None else Listed(listings, codes)
    standing = kept(raw, market.now, market.sessions, listed, codes)
    if not len(standing.rows):
        raise DataUnavailable(f"{raw.source.name} has no option of {raw.underlying} that still trades.")
    quotes = quoted(raw, standing.rows, market.now)
    chain = _chain(raw, standing, quotes, market, listed)
    chain, forwards = _priced(chain, market)
    check_sense(chain)
    counts = standing.dropped | quotes.dropped
    if listed is not None:
        counts |= {"unlisted": int((~listed.has(standing.keys)).sum()), "silent": listed.missing_from(standing.keys)}
    tally, comparison = Tally(**counts), _comparison(chain, raw, standing)
    return Built(replace(chain, making=Making(tally, comparison)), tally, forwards, comparison)


def _chain(raw: RawChain, standing: Kept, quotes: Quoted, market: Market, listed: Listed | None) -> Chain:
    rows = standing.rows
    nothing = np.full(len(rows), np.nan)
    root = raw.root[rows]
    style = raw.style or Style.AMERICAN
    chain = Chain(
        underlying=raw.underlying,
        asof=quotes.asof,
        today=market.sessions.today(market.now),
        spot=_spot(raw, market.spot, quotes.asof).value,
        expiry=raw.expiry[rows],
        strike=raw.strike[rows],
        is_call=raw.is_call[rows],
        bid=quotes.bid,
        ask=quotes.ask,
        bid_size=quotes.bid_size,
        ask_size=quotes.ask_size,
        open_interest=_interest(raw.open_interest[rows], standing, listed),
        volume=raw.volume[rows],
        iv=nothing,
        delta=nothing,
        gamma=nothing,
        theta=nothing,
        vega=nothing,
        rho=nothing,
        source=raw.source,
        dividends=market.dividends or (),
        root=root if (root != raw.underlying).any() else None,
        style=style,
    )
    return replace(chain, style=Style.EUROPEAN) if pricing.is_european(chain) else chain


def _interest(own: Floats, standing: Kept, listed: Listed | None) -> Floats:
    if listed is None:
        return own
    found = listed.interest(standing.keys)
    return np.where(np.isnan(found), own, found)


def _spot(raw: RawChain, given: Spot | None, asof: datetime) -> Spot:
    """The price of the underlying that is nearest to the options' quotes in time."""
    known = [spot for spot in (given, Spot(raw.spot, raw.spot_at, raw.source)) if spot is not None]
    usable = [spot for spot in known if isfinite(spot.value) and spot.value > 0]
    if not usable:
        raise DataUnavailable(f"There is no price of {raw.underlying} to read its options with.")
    return min(usable, key=lambda spot: float("inf") if spot.at is None else abs((spot.at - asof).total_seconds()))


def _priced(chain: Chain, market: Market) -> tuple[Chain, tuple[Forward, ...]]:
    """The chain with its rates, its carry, volatility and Greeks; and its forwards."""
    sessions, today = market.sessions, chain.today
    close = sessions.close(today) if sessions.is_session(today) else None
    years = np.nan_to_num(pricing.chain_years(chain, close))
    if market.rates is not None:
        rate, source = market.rates.at(QUARTER).value, market.rates.source
        chain = replace(chain, rate=rate, rates=market.rates.to(years), rate_source=source)
    forwards = pricing.forwards(chain, close)
    firm = sorted((forward for forward in forwards if forward.is_firm), key=lambda forward: forward.years)
    _check(chain, firm)
    if market.dividends is None and firm:
        at = [forward.years for forward in firm]
        carry = [forward.carry(chain.spot) for forward in firm]
        month = float(np.interp(MONTH, at, carry))
        chain = replace(chain, yields=np.interp(years, at, carry), dividend_yield=month)
    return pricing.complete(chain, close), forwards


def _check(chain: Chain, firm: list[Forward]) -> None:
    """Refuse a spot that the options do not know: a split not yet in one of the two, another company's quotes."""
    if not firm or chain.underlying in ON_FUTURES:
        return
    implied = firm[0].prepaid
    if abs(implied / chain.spot - 1.0) > NOT_THE_SAME:
        words = (
            f"{chain.source} options of {chain.underlying} imply {implied:.2f} for it, but it is at {chain.spot:.2f}"
        )
        raise DataInvalid(f"{words}: one of the two is wrong.")


def _comparison(chain: Chain, raw: RawChain, standing: Kept) -> Comparison | None:
    iv, delta = raw.iv[standing.rows], raw.delta[standing.rows]
    with np.errstate(invalid="ignore"):
        tight = (chain.spread_ratio < TIGHT) & np.isfinite(iv) & np.isfinite(chain.iv)
    if not tight.any():
        return None
    points = np.abs(chain.iv - iv)[tight] * VOL_POINTS
    return Comparison(int(tight.sum()), *_middle(points), *_middle(np.abs(chain.delta - delta)[tight]))


def _middle(differences: Floats) -> tuple[float, float]:
    """Median and 90th percentile of those that are known, NaN where none is."""
    known = differences[np.isfinite(differences)]
    if not len(known):
        return float("nan"), float("nan")
    return float(np.median(known)), float(np.percentile(known, 90))
