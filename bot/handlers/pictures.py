"""Pictures of the market and of trades: /chart, /payoff and the button for a trade's own chart."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial

import numpy as np

from bot import charts, drawings, words
from bot.command import Call
from bot.curves import IvCurve, PriceCurve
from bot.drawings import Trade
from bot.handlers.quote import told
from bot.message import Button, Card, Picture
from bot.proposal import title
from engine import exposures, projection
from engine import payoff as profile
from engine.errors import BadRequest, DataUnavailable
from engine.model.book import Position
from engine.model.instruments import Option, Stock
from engine.model.legs import Structure
from engine.model.market import Chain, Kind, MarketSnapshot
from engine.model.orders import Purpose
from engine.model.trade import Approval
from engine.percent import as_percent
from engine.store import UnitOfWork
from engine.volatility import OBSERVATIONS, constant_maturity_iv, iv_standing

SESSIONS = 60
"""Of /chart, when nobody says how many."""
BEFORE, LEAST = 20, 40
"""Sessions shown before a trade's entry, and in all."""
SHOW = ("price", "iv")


def chart(call: Call) -> Card:
    """Daily bars with the strikes that are held in the name, or its implied volatility, as a picture and in words."""
    if call.text("show", "price") == "iv":
        return _volatility(call)
    ticker, sessions = call.text("ticker"), call.whole("sessions", SESSIONS)
    snapshot = call.desk.market.snapshot(ticker)
    bars = snapshot.bars[-sessions:]
    if not len(bars):
        raise DataUnavailable(f"There are no daily bars of {ticker} before {snapshot.today}.")
    with call.desk.store.read() as work:
        held = work.open_positions(ticker=ticker)
    curve = _with_strikes(drawings.bars_curve(f"{bars.ticker}, daily", bars, snapshot), held)
    low, high, last = float(np.min(curve.low)), float(np.max(curve.high)), float(curve.close[-1])
    change = last / float(curve.close[0]) - 1
    return Card(
        f"{ticker} {last:,.2f}",
        facts=(
            ("Low / high", f"{low:,.2f} / {high:,.2f}"),
            ("Change", as_percent(change, "+.1")),
            *((("Held", ", ".join(level.words for level in curve.levels)),) if curve.levels else ()),
            ("Source", str(bars.source)),
        ),
        pictures=(Picture(f"{ticker}.png", curve.alt, partial(charts.price_png, curve)),),
        buttons=((Button("Volatility", f"chart:{ticker} iv"), Button("Quote", f"refresh:/quote {ticker}")),),
        banner=call.room.banner(),
    )


def _with_strikes(curve: PriceCurve, held: tuple[Position, ...]) -> PriceCurve:
    """The bars with the strikes and expiries of what is held."""
    levels = {level.words: level for position in held for level in drawings.strikes_of(position.unit)}
    ends = {item.expiry for position in held for item in position.instruments if isinstance(item, Option)}
    return replace(
        curve, levels=drawings.nearest(levels.values(), float(curve.close[-1])), expiries=tuple(sorted(ends))
    )


def _volatility(call: Call) -> Card:
    """30-day implied volatility of the last year's sessions, and where today's stands among them."""
    ticker = call.text("ticker")
    snapshot = call.desk.market.snapshot(ticker)
    history = (snapshot.iv_history or ())[-OBSERVATIONS:]
    chain, trouble = told(lambda: snapshot.chain)
    iv = None if chain is None else constant_maturity_iv(chain)
    if iv is None and not history:
        raise DataUnavailable(
            f"No implied volatility of {ticker} is stored, and there is none now: "
            f"{trouble or 'no option about 30 days ahead has one at the money'}."
        )
    now = () if iv is None else (iv,)
    days = [seen.day for seen in history] + [snapshot.today for _ in now]
    made = [seen.source.kind is Kind.RECONSTRUCTED for seen in history] + [False for _ in now]
    standing = None if iv is None else iv_standing(iv, history)
    curve = IvCurve(
        title=f"{ticker}, implied volatility of 30 days",
        days=np.array(days, dtype="datetime64[D]"),
        iv=np.array([seen.iv for seen in history] + list(now)),
        reconstructed=np.array(made, dtype=bool),
        standing="None now: no option has one." if standing is None else standing.words.capitalize(),
        is_now=iv is not None,
    )
    return Card(
        f"{ticker} IV {words.percent(iv)}",
        facts=(
            ("In its year", curve.standing),
            ("Low / high", f"{words.percent(float(curve.iv.min()))} / {words.percent(float(curve.iv.max()))}"),
            ("Source", "stored sessions" if chain is None else str(chain.source)),
        ),
        pictures=(Picture(f"{ticker}-iv.png", curve.alt, partial(charts.iv_png, curve)),),
        buttons=((Button("Price", f"chart:{ticker}"), Button("Quote", f"refresh:/quote {ticker}")),),
        banner=call.room.banner(),
    )


def payoff(call: Call) -> Card:
    """Profit at expiry and today of a proposal or a position, drawn and in words."""
    trade = _trade(call)
    chain, trouble = _chain(call, trade)
    close = _close(call)
    curve = drawings.payoff_curve(trade, chain, close)
    loss, gain = drawings.bounds(trade, projection.model(trade.legs, chain, close))
    levels = " / ".join(map(words.level, curve.breakevens)) or "none"
    facts = [("Max loss", loss), ("Max gain", gain), ("Breakeven", levels), ("Spot", f"{curve.spot:,.2f}")]
    if curve.today is not None:
        facts.append(("Today", f"{np.interp(curve.spot, curve.spots, curve.today):+,.0f}, by the model"))
    if curve.band is not None:
        facts.append(("Likely", curve.band.words))
    facts.append(("Shown for", f"{curve.spots[0]:,.2f} to {curve.spots[-1]:,.2f}"))
    when = curve.until[0].upper() + curve.until[1:]
    lines = (curve.title, f"{when}, before fees.", *filter(None, (trade.told, trouble)))
    return Card(
        f"Payoff of {trade.id}",
        lines=lines,
        facts=tuple(facts),
        pictures=(Picture(f"{trade.id}.png", curve.alt, partial(charts.payoff_png, curve)),),
        buttons=((Button("Chart", f"levels:{trade.id}"),),),
        banner=call.room.banner(),
    )


def levels(call: Call) -> Card:
    """The price of a trade's underlying with its entry, strikes, breakevens and exits."""
    trade = _trade(call)
    snapshot = call.desk.market.snapshot(trade.ticker)
    shown = LEAST
    if trade.entry is not None:
        since = np.datetime64(trade.entry[0].date(), "D")
        shown = max(LEAST, BEFORE + int((snapshot.bars.day >= since).sum()))
    bars = snapshot.bars[-shown:]
    if not len(bars):
        raise DataUnavailable(f"There are no daily bars of {trade.ticker} before {snapshot.today}.")
    curve = drawings.price_curve(trade, snapshot, bars)
    ends = ", ".join(words.day(day) for day in curve.expiries)
    return Card(
        f"Chart of {trade.id}",
        lines=(trade.name, *((curve.told,) if curve.told else ())),
        facts=(
            *((("Entry", curve.entry.words.removeprefix("entry ")),) if curve.entry is not None else ()),
            ("Now", f"{curve.close[-1]:,.2f}"),
            *((("Levels", ", ".join(level.told for level in curve.levels)),) if curve.levels else ()),
            *((("Expires", ends),) if ends else ()),
        ),
        pictures=(Picture(f"{trade.id}-chart.png", curve.alt, partial(charts.price_png, curve)),),
        buttons=((Button("Payoff", f"payoff:{trade.id}"),),),
        banner=call.room.banner(),
    )


def _trade(call: Call) -> Trade:
    """The position or the proposal that is meant."""
    identifier = call.text("id").partition(".")[0].upper()
    with call.desk.store.read() as work:
        position = work.find_position(identifier)
        if position is None:
            return _proposed(call, work.approval(identifier))
        return _held(call, work, position)


def _proposed(call: Call, approval: Approval) -> Trade:
    signal = approval.plan.signal
    legs, limit = profile.with_shares(signal.legs, signal.limit, signal.outlook.shares_at)
    now = _spot(call, signal.ticker)
    return Trade(
        id=approval.id,
        name=title(approval.plan),
        ticker=signal.ticker,
        structure=signal.structure,
        legs=legs,
        limit=limit,
        units=approval.plan.quantity,
        spot=float(signal.spot) if now is None else now,
        spot_name="at the proposal" if now is None else "now",
        exits=signal.exits,
    )


def _held(call: Call, work: UnitOfWork, position: Position) -> Trade:
    if position.entry is None or not position.is_open:
        raise BadRequest(f"{position.id} is closed: there is nothing left to draw.")
    now = _spot(call, position.ticker)
    if now is None:
        raise DataUnavailable(f"There is no quote of {position.ticker} right now.")
    opened = (ticket.spot for ticket in work.tickets_of(position.id) if ticket.purpose is Purpose.ENTRY)
    trade = Trade(
        id=position.id,
        name=f"{position.id}: {position.units} × {position.ticker} {position.structure}",
        ticker=position.ticker,
        structure=position.structure,
        legs=position.unit,
        limit=position.entry,
        units=position.units,
        spot=now,
        exits=position.exits,
        entry=(position.opened_at, next(opened, None)),
    )
    return _on_shares(trade, position, work.open_positions(ticker=position.ticker))


def _on_shares(trade: Trade, position: Position, held: tuple[Position, ...]) -> Trade:
    """A call written on shares together with them: alone it would look as if it could lose without limit."""
    if position.structure not in exposures.ON_SHARES or any(isinstance(leg.instrument, Stock) for leg in trade.legs):
        return trade
    shares = next(
        (x for x in held if x.structure is Structure.SHARES and position in exposures.calls_on(x, held)), None
    )
    if shares is None or not shares.legs:
        return replace(trade, told="The shares under it are not in the books: the option is drawn alone.")
    basis = shares.legs[0].average
    legs, limit = profile.with_shares(trade.legs, trade.limit, basis)
    return replace(trade, legs=legs, limit=limit, told=f"With its shares, bought at {words.price(basis)}.")


def _spot(call: Call, ticker: str) -> float | None:
    share = Stock(ticker)
    quotes = call.desk.market.quotes([share])
    return float(quotes[share].mid) if share in quotes else None


def _chain(call: Call, trade: Trade) -> tuple[Chain | None, str]:
    """The options of the underlying; None and why where there are none now."""
    if trade.expiry is None:
        return None, ""
    snapshot, trouble = told(lambda: call.desk.market.snapshot(trade.ticker))
    return (None, trouble) if snapshot is None else told(lambda: _listed(snapshot))


def _listed(snapshot: MarketSnapshot) -> Chain | None:
    return snapshot.chain


def _close(call: Call) -> datetime | None:
    desk = call.desk
    return desk.sessions.close(desk.today) if desk.sessions.is_session(desk.today) else None
