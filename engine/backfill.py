"""Past implied volatility computed from what options traded at: reconstructed, and labelled so.

Trades are not quotes: the last trade of a contract may be hours older than the closing price of the share. Three things
keep that small: only strikes near the money whose call and put both traded count (a share price that is off moves their
volatilities in opposite directions), thin days of a contract are left out, and so are pairs whose put-call parity puts
the share somewhere else. What is left is read exactly as a chain of quotes is (`engine.volatility`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import exp, prod

import numpy as np

from engine.happenings import monthlies
from engine.model.instruments import Option, Right
from engine.model.market import Bars, Chain, Dividend, IvDay, Kind, Source, Split
from engine.pricing import complete, escrowed_spot
from engine.sessions import Sessions
from engine.volatility import AT_THE_MONEY, MATURITY, constant_maturity_iv

EACH_SIDE = 2
"""Strikes asked for below and above the share's price of a day."""
TRADED = 10.0
"""Contracts that must have changed hands in a day: one early trade says nothing about the close."""
PARITY = 0.0075
"""Of the share's price: a call and a put that disagree further about where it is did not trade together."""
ALONE = 5
"""Days an only expiry may be from thirty: in months of five weeks none is nearer on the day of an expiry."""
REACH = 70
"""Days to the furthest expiry that can matter: the monthly expiries around thirty days are never further away."""


@dataclass(frozen=True, slots=True)
class Past:
    """What prices of past days are read with.

    Attributes:
        shares: completed daily bars, split-adjusted to `today`. splits: of that time, oldest first.
        dividends: as paid. rate: the continuous short rate on a day, decimal a year, None where it is not known.
    """

    ticker: str
    today: date
    shares: Bars
    splits: tuple[Split, ...]
    dividends: tuple[Dividend, ...]
    rate: Callable[[date], float | None]

    def closes(self) -> Iterable[tuple[date, float]]:
        """Every session with its closing price as it traded that day."""
        for day, close in zip(self.shares.day.tolist(), self.shares.close.tolist(), strict=True):
            yield day, close * self._ratio(day, self.today)

    def dividends_after(self, day: date) -> tuple[tuple[date, float], ...]:
        """Ex-dates after `day` within reach, in dollars per share as shares counted on `day`."""
        return tuple(
            (paid.ex_date, float(paid.amount) * self._ratio(day, paid.ex_date))
            for paid in self.dividends
            if 0 < (paid.ex_date - day).days <= REACH
        )

    def _ratio(self, after: date, until: date) -> float:
        return prod((float(split.ratio) for split in self.splits if after < split.ex_date <= until), start=1.0)


def near_the_money(past: Past, listed: Iterable[Option]) -> tuple[Option, ...]:
    """The contracts worth asking for: of each day's two monthly expiries around thirty days, both rights of the two
    strikes below and above the share's price.
    """
    strikes = _paired(listed)
    expiries = monthlies(strikes)
    wanted: set[Option] = set()
    for day, close in past.closes():
        for expiry in _around(expiries, day):
            wanted.update(*(strikes[expiry][strike] for strike in _nearest(strikes[expiry], close)))
    return tuple(sorted(wanted, key=lambda option: option.symbol))


def _paired(listed: Iterable[Option]) -> dict[date, dict[Decimal, tuple[Option, Option]]]:
    """Call and put of every standard contract by expiry and strike, where both are listed."""
    rights: dict[tuple[date, Decimal], dict[Right, Option]] = {}
    for option in listed:
        if not option.is_adjusted:
            rights.setdefault((option.expiry, option.strike), {})[option.right] = option
    found: dict[date, dict[Decimal, tuple[Option, Option]]] = {}
    for (expiry, strike), both in rights.items():
        if len(both) == len(Right):
            found.setdefault(expiry, {})[strike] = (both[Right.CALL], both[Right.PUT])
    return found


def _around(expiries: tuple[date, ...], day: date) -> set[date]:
    """The last expiry up to thirty days ahead and the first from there on."""
    near = [expiry for expiry in expiries if 0 < (expiry - day).days <= MATURITY]
    far = [expiry for expiry in expiries if MATURITY <= (expiry - day).days <= REACH]
    return {*near[-1:], *far[:1]}


def _nearest(strikes: Iterable[Decimal], close: float) -> tuple[Decimal, ...]:
    inside = sorted(strike for strike in strikes if abs(float(strike) / close - 1) <= AT_THE_MONEY)
    below = [strike for strike in inside if strike <= close]
    return (*below[-EACH_SIDE:], *inside[len(below) :][:EACH_SIDE])


def reconstructed(past: Past, traded: Mapping[Option, Bars], sessions: Sessions) -> tuple[IvDay, ...]:
    """The 30-day at-the-money volatility of every session the trades tell it for, oldest first; the others are left
    out.

    Args:
        traded: daily bars of contracts, as traded (never adjusted), with volumes in contracts.
    """
    by_day = _by_day(traded)
    source = Source(", ".join(sorted({bars.source.name for bars in traded.values()})), Kind.RECONSTRUCTED)
    found = []
    for day, close in past.closes():
        rate = past.rate(day)
        if day not in by_day or rate is None or not sessions.is_session(day):
            continue
        chain = _chain(past, by_day[day], day, close, rate, sessions.close(day))
        iv = constant_maturity_iv(chain) if chain is not None and _reaches(chain) else None
        if iv is not None:
            found.append(IvDay(day, iv, source))
    return tuple(found)


Traded = tuple[Option, Option, float, float]
"""Call and put of one strike, and the price each traded at last."""


def _by_day(traded: Mapping[Option, Bars]) -> dict[date, list[Traded]]:
    """The pairs that both traded enough, by day."""
    pairs = [pair for strikes in _paired(traded).values() for pair in strikes.values()]
    found: dict[date, list[Traded]] = {}
    for call, put in pairs:
        puts = dict(_closes(traded[put]))
        for day, price in _closes(traded[call]):
            if day in puts:
                found.setdefault(day, []).append((call, put, price, puts[day]))
    return found


def _closes(bars: Bars) -> Iterable[tuple[date, float]]:
    good = (bars.volume >= TRADED) & np.isfinite(bars.close) & (bars.close > 0)
    return zip(bars.day[good].tolist(), bars.close[good].tolist(), strict=True)


def _chain(past: Past, pairs: list[Traded], day: date, spot: float, rate: float, close: datetime) -> Chain | None:
    """The day's pairs near the money as a chain whose quotes are the last trades, completed; None without any."""
    dividends = past.dividends_after(day)
    near = [pair for pair in pairs if _is_consistent(pair, day, spot, rate, dividends)]
    if not near:
        return None
    options = [option for call, put, _, _ in near for option in (call, put)]
    prices = np.array([price for _, _, *both in near for price in both], dtype=np.float64)
    nothing = np.full(len(options), np.nan)
    chain = Chain(
        underlying=past.ticker,
        asof=close,
        today=day,
        spot=spot,
        expiry=np.array([option.expiry for option in options], dtype="datetime64[D]"),
        strike=np.array([float(option.strike) for option in options]),
        is_call=np.array([option.right is Right.CALL for option in options], dtype=bool),
        bid=prices,
        ask=prices,
        bid_size=nothing,
        ask_size=nothing,
        open_interest=nothing,
        volume=nothing,
        iv=nothing,
        delta=nothing,
        gamma=nothing,
        theta=nothing,
        vega=nothing,
        rho=nothing,
        source=Source(past.ticker, Kind.RECONSTRUCTED),
        rate=rate,
        dividends=dividends,
    )
    return _both_rights(complete(chain, close))


def _reaches(chain: Chain) -> bool:
    """Whether expiries with trades lie either side of thirty days, or one is near enough to speak for them alone."""
    ahead = chain.dte[np.isfinite(chain.iv)]
    alone = bool((np.abs(ahead - MATURITY) <= ALONE).any())
    return alone or bool((ahead <= MATURITY).any() and (ahead >= MATURITY).any())


def _both_rights(chain: Chain) -> Chain:
    """The rows of strikes whose call and put (neighbouring rows) both have a volatility."""
    known = np.isfinite(chain.iv).reshape(-1, 2).all(axis=1)
    return chain.take(np.repeat(known, 2))


def _is_consistent(
    pair: Traded, day: date, spot: float, rate: float, dividends: tuple[tuple[date, float], ...]
) -> bool:
    """Whether a pair lies ahead and near the money, and call less put says the share is about where it closed.

    C - P = S - PV(dividends) - K exp(-rT) (Hull, 10th ed., section 11.4).
    """
    call, _, call_price, put_price = pair
    strike, days = float(call.strike), (call.expiry - day).days
    if not 0 < days <= REACH or abs(strike / spot - 1) > AT_THE_MONEY:
        return False
    escrowed = float(escrowed_spot(spot, day, np.array([call.expiry], dtype="datetime64[D]"), dividends, rate)[0])
    parity = escrowed - strike * exp(-rate * days / 365)
    return abs(call_price - put_price - parity) <= PARITY * spot
