"""Looking at the market: /quote, /chain, /chart and /payoff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial

import numpy as np

from bot import charts, words
from bot.command import Call
from bot.curves import PayoffCurve, PriceCurve
from bot.message import Button, Card, Picture, Table
from bot.proposal import title
from engine import payoff as profile
from engine.errors import BadRequest, DataUnavailable, NotFound
from engine.model.instruments import Option, Right, Stock
from engine.model.legs import Leg
from engine.model.market import Bars, Chain, MarketSnapshot

CURVE_POINTS = 241
AROUND = 5
"""Strikes shown on each side of the spot."""
DEFAULT_DTE = 30


def quote(call: Call) -> Card:
    """The shares now, with the day so far, source and age."""
    ticker = call.text("ticker")
    snapshot = call.desk.market.snapshot(ticker)
    spot = snapshot.spot
    if spot is None:
        raise DataUnavailable(f"There is no quote of {ticker} right now.")
    age = (call.desk.now() - spot.at).total_seconds()
    facts = [("Bid / ask", f"{words.price(spot.bid)} / {words.price(spot.ask)}"), ("Mid", words.price(spot.mid))]
    facts += _session_facts(snapshot)
    facts += [("Source", str(spot.source)), ("Age", words.age(age))]
    buttons = ((Button("Refresh", f"refresh:/quote {ticker}"), Button("Chain", f"refresh:/chain {ticker}")),)
    return Card(f"{ticker} {words.price(spot.mid)}", facts=tuple(facts), buttons=buttons, banner=call.room.banner())


def _session_facts(snapshot: MarketSnapshot) -> list[tuple[str, str]]:
    facts = []
    session, bars = snapshot.session, snapshot.bars
    if session is not None and len(bars):
        change = session.close / float(bars.close[-1]) - 1
        facts.append(("Day", f"{change:+.2%} from {bars.close[-1]:,.2f}"))
        facts.append(("Low / high", f"{session.low:,.2f} / {session.high:,.2f}"))
    if snapshot.halted:
        facts.append(("Trading", "halted"))
    return facts


def chain(call: Call) -> Card:
    """Strikes around the spot for one expiry: bid, ask, implied volatility and delta."""
    ticker = call.text("ticker")
    listed = call.desk.market.chain(ticker)
    if listed is None or not len(listed):
        raise DataUnavailable(f"There are no options of {ticker} here.")
    expiry = _expiry(listed, call.day("expiry"))
    right = Right.CALL if call.text("right", "put") == "call" else Right.PUT
    rows = _around(listed.where(right=right, expiry=expiry), listed.spot)
    facts = (
        ("Spot", f"{listed.spot:,.2f}"),
        ("Expiry", f"{expiry} ({(expiry - listed.today).days} days)"),
        ("Source", str(listed.source)),
        ("Asked", words.moment(listed.asof)),
    )
    other = "call" if right is Right.PUT else "put"
    flip = Button(f"{other.capitalize()}s", f"refresh:/chain {ticker} {other} {expiry}")
    name = "calls" if right is Right.CALL else "puts"
    return Card(
        f"{ticker} {name} {expiry:%d %b %y}",
        facts=facts,
        tables=(_chain_table(rows),),
        lines=(f"Listed expiries: {_expiries(listed)}.",),
        buttons=((flip,),),
        banner=call.room.banner(),
    )


def _expiry(listed: Chain, wanted: date | None) -> date:
    """The asked expiry, or the listed one nearest to 30 days.

    Raises:
        NotFound: it is not listed; the nearest is named.
    """
    if wanted is None:
        return min(listed.expiries, key=lambda day: (abs((day - listed.today).days - DEFAULT_DTE), day))
    if wanted not in listed.expiries:
        near = min(listed.expiries, key=lambda day: abs(day - wanted))
        raise NotFound(f"{listed.underlying} has no options that expire on {wanted}; the nearest is {near}.")
    return wanted


def _expiries(listed: Chain) -> str:
    days = [day.isoformat() for day in listed.expiries]
    return ", ".join(days[:8]) + (f" and {len(days) - 8} more" if len(days) > 8 else "")


def _around(rows: Chain, spot: float) -> Chain:
    """The strikes nearest to the spot, ascending."""
    order = np.argsort(rows.strike, kind="stable")
    middle = int(np.searchsorted(rows.strike[order], spot))
    return rows.take(order[max(middle - AROUND, 0) : middle + AROUND])


def _chain_table(rows: Chain) -> Table:
    def cell(value: float, form: str) -> str:
        return "-" if np.isnan(value) else format(value, form)

    lines = tuple(
        (
            f"{rows.strike[i]:g}",
            cell(rows.bid[i], ".2f"),
            cell(rows.ask[i], ".2f"),
            cell(rows.iv[i], ".3f"),
            cell(rows.delta[i], "+.2f"),
        )
        for i in range(len(rows))
    )
    return Table(("Strike", "Bid", "Ask", "IV", "Delta"), lines, right=(0, 1, 2, 3, 4))


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
