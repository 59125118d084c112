"""Pictures of the market: /chart and /payoff."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import numpy as np

from bot import charts, words
from bot.command import Call
from bot.curves import PayoffCurve, PriceCurve
from bot.message import Card, Picture
from bot.proposal import title
from engine import payoff as profile
from engine.errors import BadRequest, DataUnavailable
from engine.model.instruments import Option, Stock
from engine.model.legs import Leg
from engine.model.market import Bars, MarketSnapshot

CURVE_POINTS = 241


def chart(call: Call) -> Card:
    """Closing prices of the last sessions as a picture, and in words."""
    ticker, sessions = call.text("ticker"), call.whole("sessions", 120)
    snapshot = call.desk.market.snapshot(ticker)
    bars = snapshot.bars[-sessions:]
    if not len(bars):
        raise DataUnavailable(f"There are no daily bars of {ticker} before {snapshot.today}.")
    curve = _price_curve(bars, snapshot)
    low, high, last = float(np.min(curve.close)), float(np.max(curve.close)), float(curve.close[-1])
    change = last / float(curve.close[0]) - 1
    alt = f"{ticker} {words.count(len(curve.close), 'session')}: {low:,.2f} to {high:,.2f}, last {last:,.2f}"
    return Card(
        f"{ticker} {last:,.2f}",
        facts=(("Low / high", f"{low:,.2f} / {high:,.2f}"), ("Change", f"{change:+.1%}"), ("Source", str(bars.source))),
        pictures=(Picture(f"{ticker}.png", alt, partial(charts.price_png, curve)),),
        banner=call.room.banner(),
    )


def _price_curve(bars: Bars, snapshot: MarketSnapshot) -> PriceCurve:
    days, close = bars.day, bars.close
    if snapshot.session is not None:
        days = np.append(days, np.datetime64(snapshot.today, "D"))
        close = np.append(close, snapshot.session.close)
    return PriceCurve(f"{bars.ticker}, daily close", days, close)


def payoff(call: Call) -> Card:
    """Profit at expiry of a proposal or a position, drawn and in words."""
    identifier = call.text("id").partition(".")[0].upper()
    drawn = _drawn(call, identifier)
    curve = _curve(drawn)
    low, high = float(np.min(curve.profits)), float(np.max(curve.profits))
    levels = " / ".join(words.level(level) for level in curve.breakevens) or "none"
    ends = f"{curve.spots[0]:,.2f} to {curve.spots[-1]:,.2f}"
    alt = f"Profit at expiry between {low:,.0f} and {high:,.0f} dollars for {ends}; breakeven {levels}"
    return Card(
        f"Payoff of {identifier}",
        lines=(curve.title, "At expiry, before fees."),
        facts=(*_bounds(drawn), ("Breakeven", levels), ("Spot", f"{curve.spot:,.2f}"), ("Shown for", ends)),
        pictures=(Picture(f"{identifier}.png", alt, partial(charts.payoff_png, curve)),),
        banner=call.room.banner(),
    )


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a payoff is drawn of: `units` of `legs` at the net `limit` a share, with the underlying at `spot`."""

    name: str
    legs: tuple[Leg, ...]
    limit: Decimal
    units: int
    spot: float


def _drawn(call: Call, identifier: str) -> Drawn:
    with call.desk.store.read() as work:
        position = work.find_position(identifier)
        if position is None:
            plan = work.approval(identifier).plan
    if position is None:
        signal = plan.signal
        legs, limit = profile.with_shares(signal.legs, signal.limit, signal.outlook.shares_at)
        return Drawn(title(plan), legs, limit, plan.quantity, float(signal.spot))
    if position.entry is None or not position.is_open:
        raise BadRequest(f"{identifier} is closed: there is nothing left to draw.")
    name = f"{position.id}: {position.units} × {position.ticker} {position.structure}"
    return Drawn(name, position.unit, position.entry, position.units, _spot(call, position.ticker))


def _bounds(drawn: Drawn) -> tuple[tuple[str, str], ...]:
    """The most it can lose and make at any price: the picture shows only a part."""
    loss, gain = profile.max_loss(drawn.legs, drawn.limit), profile.max_gain(drawn.legs, drawn.limit)
    return (
        ("Max loss", words.money(None if loss is None else loss * drawn.units, words.UNLIMITED)),
        ("Max gain", words.money(None if gain is None else gain * drawn.units, words.UNLIMITED)),
    )


def _spot(call: Call, ticker: str) -> float:
    share = Stock(ticker)
    quotes = call.desk.market.quotes([share])
    if share not in quotes:
        raise DataUnavailable(f"There is no quote of {ticker} right now.")
    return float(quotes[share].mid)


def _curve(drawn: Drawn) -> PayoffCurve:
    """The profile over 30 % below the lowest to 30 % above the highest of strikes and spot."""
    strikes = [float(leg.instrument.strike) for leg in drawn.legs if isinstance(leg.instrument, Option)]
    spots = np.linspace(0.7 * min([drawn.spot, *strikes]), 1.3 * max([drawn.spot, *strikes]), CURVE_POINTS)
    profits = profile.expiry_profile(drawn.legs, drawn.limit, spots) * drawn.units
    levels = tuple(float(level) for level in profile.breakevens(drawn.legs, drawn.limit))
    return PayoffCurve(drawn.name, spots, profits, levels, drawn.spot)
