"""Two strikes of one root, right and expiry, one bought and one sold: pairs as columns, and what is made of them.

Used by `debit_spreads` and `spx_credit_spreads`. Prices are dollars per share, net prices positive where paid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine import payoff, pricing
from engine.model.book import Position
from engine.model.instruments import AM_ROOTS, Instrument, Option, Right, Stock, Style
from engine.model.legs import Leg, Structure
from engine.model.market import CENT, Chain, Contract, Floats, Kind, MarketSnapshot, Quote
from engine.model.trade import Exit, Signal, Step
from engine.volatility import MATURITY, constant_maturity_iv, iv_standing
from strategies import prices
from strategies.contracts import Sieve
from strategies.funnel import Case, step, unknown
from strategies.proposals import proposal

P = TypeVar("P")

Mask = NDArray[np.bool_]
NOTHING = np.array([], dtype=np.intp)
EXACT = 1e-9
"""Slack of a comparison of prices: 0.75 is 0.15 x 5 to a person, whatever the binary fractions say."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of contracts, as two chains of equal length n: row i of one is bought, row i of the other sold."""

    bought: Chain
    sold: Chain

    def __len__(self) -> int:
        return len(self.bought)

    def take(self, rows: Mask | NDArray[np.intp]) -> Pairs:
        """The chosen pairs (a mask or indices)."""
        return Pairs(self.bought.take(rows), self.sold.take(rows))

    @property
    def width(self) -> Floats:
        """(n,) distance of the strikes."""
        return np.abs(self.bought.strike - self.sold.strike)

    @property
    def limit(self) -> Floats:
        """(n,) net price at the mids, rounded to the cent (half to even): positive is paid, negative received."""
        return np.rint(np.round((self.bought.mid - self.sold.mid) * 100, 4)) / 100

    @property
    def spread(self) -> Floats:
        """(n,) what trading the package in and out at once would cost: the spreads of both legs."""
        return (self.bought.ask - self.bought.bid) + (self.sold.ask - self.sold.bid)

    def package(self, pair: int) -> Package:
        """One pair as contracts, the leg that makes it a debit or a credit first."""
        both = (self.bought.row(pair), 1), (self.sold.row(pair), -1)
        ordered = both if self.limit[pair] > 0 else both[::-1]
        return Package(tuple(Leg(row.option, ratio) for row, ratio in ordered), tuple(row for row, _ in ordered))


@dataclass(frozen=True, slots=True)
class Package:
    """Legs traded as one order, each with its row of the chain."""

    legs: tuple[Leg, ...]
    contracts: tuple[Contract, ...]

    def plus(self, other: Package) -> Package:
        """Both as one: two verticals are a condor."""
        return Package(self.legs + other.legs, self.contracts + other.contracts)

    @property
    def limit(self) -> Decimal:
        """The net mid to the cent."""
        pairs = zip(self.legs, self.contracts, strict=True)
        return sum((leg.ratio * row.mid for leg, row in pairs), Decimal(0)).quantize(CENT)


def width_of(legs: tuple[Leg, ...]) -> Decimal:
    """The widest distance between strikes of one right, dollars: of a condor the wider wing."""
    options = [leg.instrument for leg in legs if isinstance(leg.instrument, Option)]
    sides = ([each.strike for each in options if each.right is right] for right in Right)
    return max(max(strikes) - min(strikes) for strikes in sides if strikes)


def named(prefix: str, sieve: Sieve) -> Sieve:
    """The same rule under the name of the leg it is asked of: "short |delta|"."""
    return replace(sieve, rule=f"{prefix} {sieve.rule}")


def of_one_root(rows: Chain) -> Chain:
    """`rows` without what settles on opening prices, where the same expiry is listed with settlement on the close too.

    A monthly SPX option stops trading the day before it settles: its stop cannot act on the night between.
    """
    if rows.root is None:
        return rows
    morning = np.isin(rows.root.astype(str), sorted(AM_ROOTS))
    return rows if not morning.any() or morning.all() else rows.take(~morning)


def every_pair(bought: Chain, sold: Chain) -> Pairs:
    """Every bought contract with every sold one of the same root and expiry and a higher strike."""
    fits = (bought.expiry[:, None] == sold.expiry) & (bought.strike[:, None] < sold.strike)
    if bought.root is not None and sold.root is not None:
        fits &= bought.root[:, None] == sold.root
    low, high = np.nonzero(fits)
    return Pairs(bought.take(low), sold.take(high))


def winged(sold: Chain, bought: Chain, width: float) -> Pairs:
    """Each sold contract with the bought one farther out of the money nearest to `width` away; of equals the narrower.

    All are of one root, right and expiry; a sold one with nothing beyond it is left out.
    """
    if not len(sold) or not len(bought):
        return Pairs(bought.take(NOTHING), sold.take(NOTHING))
    outward = np.where(sold.is_call, 1.0, -1.0)[:, None]
    away = (bought.strike - sold.strike[:, None]) * outward
    miss = np.where(away > 0, np.abs(away - width) + away * EXACT, np.inf)
    best = miss.argmin(axis=1)
    found = np.isfinite(miss[np.arange(len(sold)), best])
    return Pairs(bought.take(best[found]), sold.take(found))


def verdict(keep: Mask, rule: str, limit: str, value: Callable[[int], str], order: Floats) -> Step:
    """Whether a rule keeps any candidate; shown is the first in `order` of those kept, of all where none is."""
    if not len(keep):
        return Step(rule, limit, "no pair of strikes")
    held = bool(keep.any())
    first = int((np.where(keep, order, np.inf) if held else order).argmin())
    return step(rule, limit, value(first), held)


@dataclass(frozen=True, slots=True)
class Bound:
    """One side of a number: `sign` and `value` as shown, `holds` as asked."""

    sign: str
    value: float
    holds: Callable[[float], bool]

    def __str__(self) -> str:
        return f"{self.sign} {self.value:g}"


def at_most(value: float) -> Bound:
    """Not above `value`."""
    return Bound("≤", value, lambda found: found <= value)


def at_least(value: float) -> Bound:
    """Not below `value`."""
    return Bound("≥", value, lambda found: found >= value)


def iv_level(case: Case[P], chain: Chain, rank: Bound, ratio: Bound, sessions: int) -> Step:
    """Where the 30-day implied volatility stands in its year; with too few days of it, against the realised one.

    Args:
        rank: bound of the IV rank. ratio: of IV / realised volatility of the last `sessions`, the stated alternative.

    A modelled chain knows no implied volatility of its own: the rule is unknown on it.
    """
    rule, limit = "IV rank", f"{rank} (or IV/HV{sessions} {ratio})"
    now = constant_maturity_iv(chain, MATURITY)
    if now is None or chain.source.kind is Kind.MODELLED:
        return unknown(rule, limit, case.context)
    standing = iv_standing(now, case.snapshot.iv_history or ())
    if standing.rank is not None:
        return step(rule, limit, f"{standing.rank:.1f}", rank.holds(standing.rank))
    realised = prices.volatility(case.snapshot.bars, sessions)
    if not realised > 0:
        return unknown(rule, limit, case.context)
    words = f"IV/HV{sessions} {now / realised:.2f} (IV rank {standing.words})"
    return step(rule, limit, words, ratio.holds(now / realised))


def traded(strategy: str, structure: Structure, case: Case[P], chain: Chain, package: Package) -> Signal:
    """The signal of a package at its mid, its exits and reasons still to be said."""
    return proposal(case, chain, strategy, structure, package.legs, package.contracts, package.limit)


def exercised(signal: Signal, snapshot: MarketSnapshot) -> Signal:
    """The signal with the Greeks its legs have when they may be exercised early, net and one line for each leg.

    Solved one contract at a time, up to a second with many ex-dates ahead: for what is proposed, not for every name.
    """
    chain = snapshot.chain
    rows = [None if chain is None else chain.find(option) for option in signal.options]
    if chain is None or None in rows:
        return signal
    found = [pricing.exercisable(chain, row) for row in rows if row is not None]
    greeks = payoff.net_greeks(signal.legs, found)
    lines = (leg_words(leg, row) for leg, row in zip(signal.legs, found, strict=True))
    return replace(signal, outlook=replace(signal.outlook, greeks=greeks), reasons=(*signal.reasons, *lines))


def leg_words(leg: Leg, row: Contract) -> str:
    """`buy 98 call: delta 0.630, gamma 0.0450, theta -0.047, vega 0.122 a share, IV 26.0 %`."""
    option, greeks = row.option, row.greeks
    name = f"{'buy' if leg.ratio > 0 else 'sell'} {option.strike:f} {option.right.name.lower()}"
    if greeks is None or row.iv is None:
        return f"{name}: no implied volatility, so no Greeks"
    numbers = f"delta {greeks.delta:.3f}, gamma {greeks.gamma:.4f}, theta {greeks.theta:.3f}, vega {greeks.vega:.3f}"
    return f"{name}: {numbers} a share, IV {row.iv * 100:.1f} %"


def exercise_words(option: Option) -> str:
    """How the options of a package end, for the card."""
    if option.style is Style.EUROPEAN or option.is_cash_settled:
        return "European, settled in cash: nothing is assigned before expiry"
    return "American, settled in shares: the sold leg can be assigned on any day"


def called_away(position: Position, snapshot: MarketSnapshot, quotes: Mapping[Instrument, Quote]) -> Iterator[Exit]:
    """The exit before an ex-date on which the holder of a sold call would rather have the shares.

    That is in the money on the session before the ex-date, when the dividend is more than the call's time value.
    """
    share = quotes.get(Stock(position.ticker)) or snapshot.spot
    amount = dividend_tomorrow(snapshot)
    if amount is None or share is None or not share.is_two_sided:
        return
    for leg in position.unit:
        option, quote = leg.instrument, quotes.get(leg.instrument)
        if not isinstance(option, Option) or option.right is not Right.CALL or option.style is Style.EUROPEAN:
            continue
        intrinsic = share.mid - option.strike
        if leg.ratio > 0 or intrinsic <= 0 or quote is None or not quote.is_two_sided:
            continue
        left = max(quote.mid - intrinsic, Decimal(0))
        if amount > left:
            yield Exit(
                "ex-dividend",
                f"{amount:f} is paid on shares tomorrow and the sold {option.strike:f} call has {left:.2f} of time "
                "value left: it would be assigned",
            )


def dividend_tomorrow(snapshot: MarketSnapshot) -> Decimal | None:
    """Dollars a share that go ex on the next session, None where nothing does or the next session is not known."""
    day = snapshot.next_session
    amounts = [each.amount for each in snapshot.dividends or () if day is not None and each.ex_date == day]
    return sum(amounts, Decimal(0)) if amounts else None
