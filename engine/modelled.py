"""What a position is worth by the model: at the live spot, with the last good volatility of each leg in this session.

A good volatility comes from a quote that a stop may listen to and that shows no breach of it. The quote is kept with
the price of the shares at that moment, so that the model gives back exactly that quote as long as the shares stand
still. It lives in the store: a restart knows what was known before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import structlog

from engine import pricing
from engine.desk import Desk
from engine.errors import DataError, NotFound
from engine.model.book import Position
from engine.model.instruments import Option, Right, Stock, Style
from engine.model.market import Floats, Quote
from engine.sessions import NEW_YORK
from engine.store import UnitOfWork

log = structlog.get_logger()

GOOD_QUOTE = "iv:"
"""Setting of an option: its last good volatility, with the quote and the spot it comes from."""

KEPT_FOR = timedelta(seconds=15)
"""A good volatility is not written again for so long."""

NEWTON_STEPS = 4
CLOSE_ENOUGH = 1e-4
"""Dollars."""


@dataclass(frozen=True, slots=True)
class GoodQuote:
    """The mid of an option and the price of its shares at one moment, and the (European) volatility they imply."""

    iv: float
    mid: float
    spot: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Modelled:
    """A package value per share, signed as held, and the sentence that says where it comes from."""

    value: Decimal
    words: str


@dataclass(frozen=True, slots=True)
class _Terms:
    """The short rate and the discrete dividends (ex-date, dollars) of the shares."""

    rate: float = 0.0
    dividends: tuple[tuple[date, float], ...] = ()


def good_quotes(work: UnitOfWork, positions: Iterable[Position]) -> dict[str, GoodQuote]:
    """The last good quote of every option in these positions, by symbol, of whatever session."""
    names = {
        f"{GOOD_QUOTE}{leg.instrument.symbol}": leg.instrument.symbol
        for position in positions
        for leg in position.unit
        if isinstance(leg.instrument, Option)
    }
    return {names[name]: _read(text) for name, text in work.settings_named(names).items() if text}


def _read(text: str) -> GoodQuote:
    iv, mid, spot, at = json.loads(text)
    return GoodQuote(iv, mid, spot, datetime.fromisoformat(at))


def remember(desk: Desk, seen: Iterable[tuple[Quote, Decimal]], known: Mapping[str, GoodQuote]) -> None:
    """Keep these (quote of an option, spot) as good ones, in one transaction; those that imply no volatility are not.

    `known`: what is kept now; what is only a moment old is not written again.
    """
    fresh = {quote.instrument.symbol: (quote, spot) for quote, spot in seen if _is_news(desk, quote, known)}
    if not fresh:
        return
    volatilities = _implied(desk, list(fresh.values()))
    now = desk.now()
    with desk.store.begin() as work:
        for (symbol, (quote, spot)), iv in zip(fresh.items(), volatilities, strict=True):
            if np.isfinite(iv):
                text = json.dumps([float(iv), float(quote.mid), float(spot), quote.at.isoformat()])
                work.set_setting(f"{GOOD_QUOTE}{symbol}", text, "desk", now)


def _is_news(desk: Desk, quote: Quote, known: Mapping[str, GoodQuote]) -> bool:
    if not isinstance(quote.instrument, Option):
        return False
    before = known.get(quote.instrument.symbol)
    return before is None or _day(before.at) != desk.today or quote.at - before.at >= KEPT_FOR


def _implied(desk: Desk, seen: list[tuple[Quote, Decimal]]) -> Floats:
    options = [quote.instrument for quote, _ in seen if isinstance(quote.instrument, Option)]
    return pricing.implied_volatility(
        [float(quote.mid) for quote, _ in seen],
        [float(spot) for _, spot in seen],
        [float(option.strike) for option in options],
        [_years(desk, option, quote.at) for option, (quote, _) in zip(options, seen, strict=True)],
        0.0,
        [option.right is Right.CALL for option in options],
    )


def volatilities(desk: Desk, position: Position, known: Mapping[str, GoodQuote]) -> dict[str, float]:
    """The good volatilities of this session of the position's options, by symbol."""
    symbols = (leg.instrument.symbol for leg in position.unit)
    return {each: known[each].iv for each in symbols if each in known and _day(known[each].at) == desk.today}


def value(desk: Desk, position: Position, spot: Decimal | None, known: Mapping[str, GoodQuote]) -> Modelled | None:
    """The position by the model; None without a price of the shares or a good volatility of this session on a leg."""
    options = [leg.instrument for leg in position.unit if isinstance(leg.instrument, Option)]
    good = {option: known[option.symbol] for option in options if option.symbol in known}
    if spot is None or len(good) < len(options) or any(_day(each.at) != desk.today for each in good.values()):
        return None
    terms = _terms(desk, position.ticker)
    total = 0.0
    for leg in position.unit:
        item = leg.instrument
        total += leg.ratio * (
            float(spot) if isinstance(item, Stock) else _leg(desk, item, good[item], float(spot), terms)
        )
    if not np.isfinite(total):
        return None
    return Modelled(Decimal(f"{total:.4f}"), _words(good.values()))


def _words(good: Iterable[GoodQuote]) -> str:
    moments = [each.at for each in good]
    since = f", volatility of {min(moments).astimezone(NEW_YORK):%H:%M:%S} ET" if moments else ""
    return f"by the model at the live price of the shares{since}"


def _terms(desk: Desk, ticker: str) -> _Terms:
    """What the market says; without an answer neither rate nor dividends, which the volatility then stands in for."""
    try:
        snapshot = desk.market.snapshot(ticker)
    except (DataError, NotFound) as problem:
        log.debug("modelled.no_snapshot", ticker=ticker, problem=str(problem))
        return _Terms()
    dividends = tuple((each.ex_date, float(each.amount)) for each in snapshot.dividends or ())
    return _Terms(snapshot.rate, dividends)


def _leg(desk: Desk, option: Option, good: GoodQuote, spot: float, terms: _Terms) -> float:
    """Value per share at `spot`; NaN where the model has none."""
    iv = _volatility(desk, option, good, terms)
    return _price(desk, option, spot, desk.now(), iv, terms)


def _volatility(desk: Desk, option: Option, good: GoodQuote, terms: _Terms) -> float:
    """The volatility at which the model gives the good quote, found from the European one by Newton's steps."""
    iv = good.iv
    for _ in range(NEWTON_STEPS):
        miss = _price(desk, option, good.spot, good.at, iv, terms) - good.mid
        if not np.isfinite(miss) or abs(miss) < CLOSE_ENOUGH:
            break
        vega = float(
            pricing.greeks(
                good.spot,
                float(option.strike),
                _years(desk, option, good.at),
                terms.rate,
                iv,
                option.right is Right.CALL,
            ).vega[0]
        )
        if not np.isfinite(vega) or vega <= 0:
            break
        iv = max(iv - miss / (vega * 100), iv / 2)
    return iv


def _price(desk: Desk, option: Option, spot: float, at: datetime, iv: float, terms: _Terms) -> float:
    strike, is_call, years = float(option.strike), option.right is Right.CALL, _years(desk, option, at)
    today = desk.sessions.today(at)
    if option.style is Style.EUROPEAN:
        expiry = np.array([option.expiry], dtype="datetime64[D]")
        escrowed = pricing.escrowed_spot(spot, today, expiry, terms.dividends, terms.rate)
        return float(pricing.value(escrowed, strike, years, terms.rate, iv, is_call)[0])
    ahead = [((ex_date - today).days / 365, amount) for ex_date, amount in terms.dividends]
    return pricing.american(spot, strike, years, terms.rate, iv, is_call, dividends=ahead)


def _years(desk: Desk, option: Option, at: datetime) -> float:
    today = desk.sessions.today(at)
    close = desk.sessions.close(today) if desk.sessions.is_session(today) else None
    expiry = np.array([option.expiry], dtype="datetime64[D]")
    return float(pricing.years_left(expiry, today, at, close)[0])


def _day(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()
