"""From a trade and what is known of its underlying to the curves drawn of it: payoff, and price with its levels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from bot import words
from bot.curves import Band, Entry, Level, LevelKind, PayoffCurve, PriceCurve
from engine import calendars, payoff, projection
from engine.errors import DataUnavailable
from engine.exposures import first_expiry
from engine.model.instruments import Option
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Bars, Chain, Floats, MarketSnapshot
from engine.sessions import NEW_YORK

POINTS = 241
"""Prices a payoff is computed at."""
BEYOND = 0.35
"""Of the prices that matter: how much is shown on either side of them."""
LEAST_BEYOND = 0.06
"""The same, of the spot."""
MOST_LEVELS = 9
"""Names that find room beside each other at the right of a chart."""


@dataclass(frozen=True, slots=True)
class Trade:
    """What is drawn: `units` of `legs` at the net `limit` a share, the underlying at `spot` when `spot_name` says.

    `entry`: when it began, with the price of the underlying then; None for what has not begun. `told`: what else has
    to be said about it.
    """

    id: str
    name: str
    ticker: str
    structure: Structure
    legs: tuple[Leg, ...]
    limit: Decimal
    units: int
    spot: float
    exits: ExitPlan
    spot_name: str = "now"
    entry: tuple[datetime, Decimal | None] | None = None
    told: str = ""

    @property
    def strikes(self) -> tuple[float, ...]:
        """Strikes of its options, ascending."""
        return tuple(sorted(float(leg.instrument.strike) for leg in self.legs if isinstance(leg.instrument, Option)))

    @property
    def expiry(self) -> date | None:
        """When its first option ends."""
        return first_expiry(leg.instrument for leg in self.legs)


def payoff_curve(trade: Trade, chain: Chain | None, close: datetime | None) -> PayoffCurve:
    """Profit at the first expiry and today, over the prices that matter to it.

    Raises:
        DataUnavailable: its options end on different days, and no volatility is known to price the later ones with.
    """
    model = projection.model(trade.legs, chain, close)
    is_exact = not calendars.is_mixed(trade.legs)
    if model is None and not is_exact:
        raise DataUnavailable(
            f"The options of {trade.id} end on different days and not all of them have a volatility right now: "
            "what they make at the first expiry cannot be estimated. Try again when there are quotes."
        )
    move = projection.one_sigma(trade.legs, chain, trade.spot, close)
    levels = tuple(map(float, payoff.breakevens(trade.legs, trade.limit))) if is_exact else ()
    spots = _spots(trade, levels, () if move is None else (move.low, move.high))
    profits = _at_expiry(trade, spots, model)
    return PayoffCurve(
        title=trade.name,
        spots=spots,
        profits=profits,
        breakevens=levels if is_exact else tuple(float(at) for at, _ in calendars.turns(spots, profits)),
        spot=trade.spot,
        spot_name=trade.spot_name,
        until=_until(trade, is_exact),
        today=None if model is None else _on(trade, spots, model, model.chain.today),
        band=None if move is None else _band(move),
        told=" ".join(filter(None, (_bounds(trade, model), _why_not(trade, model), trade.told))),
    )


def _spots(trade: Trade, levels: Sequence[float], sigma: Sequence[float]) -> Floats:
    """Prices around strikes, breakevens, the spot and one sigma; a breakeven far from everything is left out."""
    near = [level for level in levels if 0.5 * trade.spot <= level <= 2 * trade.spot]
    matter = [trade.spot, *trade.strikes, *near, *sigma]
    low, high = min(matter), max(matter)
    beyond = max(BEYOND * (high - low), LEAST_BEYOND * trade.spot)
    if not trade.strikes:
        beyond = 0.3 * trade.spot
    return np.linspace(max(low - beyond, 0.01 * low), high + beyond, POINTS)


def _at_expiry(trade: Trade, spots: Floats, model: projection.Model | None) -> Floats:
    """Exact where all options end together, else by the model at the first expiry."""
    if model is None or not calendars.is_mixed(trade.legs) or trade.expiry is None:
        return payoff.expiry_profile(trade.legs, trade.limit, spots) * trade.units
    return _on(trade, spots, model, trade.expiry)


def _on(trade: Trade, spots: Floats, model: projection.Model, day: date) -> Floats:
    return projection.profile(trade.legs, float(trade.limit), spots, model, day) * trade.units


def _until(trade: Trade, is_exact: bool) -> str:
    if trade.expiry is None:
        return "at any time"
    day = f"{trade.expiry.day} {trade.expiry:%b %y}"
    return f"at expiry {day}" if is_exact else f"at the first expiry {day}, by the model"


def _band(move: projection.Move) -> Band:
    by = f"{move.day.day} {move.day:%b}"
    return Band(move.low, move.high, f"±1σ by {by}: {move.low:,.2f}–{move.high:,.2f} (IV {move.iv * 100:.0f} %)")


def bounds(trade: Trade, model: projection.Model | None) -> tuple[str, str]:
    """The most it can lose and make at any price of the underlying, in words; by the model where nothing is exact."""
    loss, gain = payoff.max_loss(trade.legs, trade.limit), payoff.max_gain(trade.legs, trade.limit)
    if model is not None and calendars.is_mixed(trade.legs):
        wide = _at_expiry(trade, calendars.grid(trade.legs, trade.spot), model)
        lost = words.UNLIMITED if loss is None else f"{max(float(loss) * trade.units, -float(wide.min())):,.2f}"
        return lost, words.UNLIMITED if gain is None else f"about {max(float(wide.max()), 0.0):,.0f}"
    return (
        words.money(None if loss is None else loss * trade.units, words.UNLIMITED),
        words.money(None if gain is None else gain * trade.units, words.UNLIMITED),
    )


def _bounds(trade: Trade, model: projection.Model | None) -> str:
    loss, gain = (text.removesuffix(".00") for text in bounds(trade, model))
    return f"Max loss {loss}, max gain {gain} dollars."


def _why_not(trade: Trade, model: projection.Model | None) -> str:
    """Why there is no curve of today."""
    is_needed = trade.expiry is not None and model is None
    return "No volatility is known for all its options: only expiry is drawn." if is_needed else ""


def price_curve(trade: Trade, snapshot: MarketSnapshot, bars: Bars) -> PriceCurve:
    """The bars with the trade's entry, strikes, breakevens and those of its exits that are prices of the underlying."""
    drawn = bars_curve(f"{trade.id}: {bars.ticker}, daily", bars, snapshot)
    levels = [*strikes_of(trade.legs), *_breakevens(trade), *_exits(trade)]
    ends = sorted({leg.instrument.expiry for leg in trade.legs if isinstance(leg.instrument, Option)})
    return PriceCurve(
        drawn.title, drawn.days, drawn.high, drawn.low, drawn.close,
        levels=nearest(levels, trade.spot),
        entry=_entry(trade, drawn),
        expiries=tuple(ends),
        told=" ".join(filter(None, (_option_exits(trade), *(f"Expires {words.day(day)}." for day in ends[:1])))),
    )  # fmt: skip


def bars_curve(title: str, bars: Bars, snapshot: MarketSnapshot) -> PriceCurve:
    """The bars with the day so far."""
    days, high, low, close = bars.day, bars.high, bars.low, bars.close
    if (session := snapshot.session) is not None:
        days = np.append(days, np.datetime64(snapshot.today, "D"))
        high, low = np.append(high, session.high), np.append(low, session.low)
        close = np.append(close, session.close)
    return PriceCurve(title, days, high, low, close)


def strikes_of(legs: Iterable[Leg]) -> tuple[Level, ...]:
    """The strikes of a package: `44 put sold`; one for each strike and right."""
    found: dict[str, Level] = {}
    for leg in legs:
        if isinstance(leg.instrument, Option):
            name = f"{words.contract(leg.instrument)} {'held' if leg.ratio > 0 else 'sold'}"
            found.setdefault(name, Level(LevelKind.STRIKE, float(leg.instrument.strike), name))
    return tuple(found.values())


def nearest(levels: Iterable[Level], spot: float) -> tuple[Level, ...]:
    """As many as can be named, the nearest to the spot, highest first; stops and targets before strikes."""
    ranked = sorted(levels, key=lambda level: (level.kind is LevelKind.STRIKE, abs(level.price - spot)))
    return tuple(sorted(ranked[:MOST_LEVELS], key=lambda level: -level.price))


def _breakevens(trade: Trade) -> tuple[Level, ...]:
    if not trade.strikes or calendars.is_mixed(trade.legs):
        return ()
    prices = map(float, payoff.breakevens(trade.legs, trade.limit))
    return tuple(Level(LevelKind.BREAKEVEN, price, f"BE {words.level(price)}") for price in prices)


def _exits(trade: Trade) -> tuple[Level, ...]:
    """Stops and targets that are prices of the underlying: those of shares are, those of options are not."""
    plan, is_shares = trade.exits, trade.structure is Structure.SHARES
    found = (
        (LevelKind.STOP, plan.stop_spot),
        (LevelKind.STOP, plan.stop_spot_above),
        (LevelKind.STOP, plan.stop if is_shares else None),
        (LevelKind.TARGET, plan.target if is_shares else None),
    )
    return tuple(Level(kind, float(at), f"{kind} {words.price(at)}") for kind, at in found if at is not None)


def _option_exits(trade: Trade) -> str:
    """The exits that are values of the package, in words."""
    if trade.structure is Structure.SHARES:
        return ""
    parts = ((LevelKind.TARGET, trade.exits.target), (LevelKind.STOP, trade.exits.stop))
    told = [f"{kind} {words.price(abs(at))}" for kind, at in parts if at is not None]
    what = "the option" if len(trade.strikes) == 1 else "the package"
    return f"Of {what}, a share: {', '.join(told)}." if told else ""


def _entry(trade: Trade, drawn: PriceCurve) -> Entry | None:
    """When it began: at the price of the underlying that was kept, or that session's close where none was.

    A kept price outside of that session is from before a split, and the close is taken.
    """
    if trade.entry is None:
        return None
    at, kept = trade.entry
    day = at.astimezone(NEW_YORK).date()
    rows = np.flatnonzero(drawn.days == np.datetime64(day, "D"))
    if not len(rows):
        return None
    row = int(rows[0])
    inside = kept is not None and 0.97 * drawn.low[row] <= float(kept) <= 1.03 * drawn.high[row]
    price = float(kept) if kept is not None and inside else float(drawn.close[row])
    how = "" if inside else " (close)"
    return Entry(day, price, f"entry {day.day} {day:%b}, share at {price:,.2f}{how}")
