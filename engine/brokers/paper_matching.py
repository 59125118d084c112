"""The price side of the paper exchange: when an order fills, how much of it and at what price. Pure but for `Depth`.

Options fill at the midpoint plus (bought) or minus (sold) half the half-spread, at least a tick, but never beyond the
quoted side, so that a limit at the natural price always fills. Shares fill at the midpoint plus or minus the slippage.
A stop wakes when the midpoint is at or through it and then fills at the natural price: what it meets is in a hurry too.
A package is the sum of its legs. Only a quote later than the acceptance counts, and no quoted size is used twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from engine.model.book import ZERO
from engine.model.instruments import Instrument, Option
from engine.model.legs import Leg
from engine.model.market import CENT, Quote
from engine.model.orders import Order, OrderType

OPTION_UNIT = Decimal("0.0001")
"""Simulated option prices are exact to this, so that a hundred shares' worth is whole cents."""


@dataclass(frozen=True, slots=True)
class Execution:
    """So many units of an order at these prices, one positive price per share for each leg."""

    units: int
    prices: tuple[Decimal, ...]

    def net(self, order: Order) -> Decimal:
        """Net per share of a unit, + paid, - received."""
        return sum((price * leg.ratio for price, leg in zip(self.prices, order.legs, strict=True)), ZERO)


class Depth:
    """How much of each quote's size has been used by fills."""

    def __init__(self) -> None:
        self._used: dict[tuple[Instrument, bool], tuple[datetime, int]] = {}

    def left(self, quote: Quote, quantity: int) -> int | None:
        """Contracts or shares a trade of this sign may still take from the quote; None when its size is unknown."""
        size = quote.ask_size if quantity > 0 else quote.bid_size
        if size <= 0:
            return None
        at, used = self._used.get((quote.instrument, quantity > 0), (quote.at, 0))
        return size - used if at == quote.at else size

    def use(self, quote: Quote, quantity: int) -> None:
        """Take a signed quantity from the quote."""
        key = (quote.instrument, quantity > 0)
        at, used = self._used.get(key, (quote.at, 0))
        self._used[key] = (quote.at, abs(quantity) + (used if at == quote.at else 0))


def simulated_price(quote: Quote, quantity: int, slippage: Decimal) -> Decimal | None:
    """What a buyer (positive quantity) pays or a seller gets, dollars per share; None when that side has no quote.

    Rounded against the trader: options to 0.0001, shares to the cent (to 0.0001 below a dollar).
    """
    if quote.ask <= 0 or quote.ask < quote.bid or (quantity < 0 and quote.bid <= 0):
        return None
    if isinstance(quote.instrument, Option):
        return _option_price(quote, quantity)
    price = quote.mid * (1 + slippage if quantity > 0 else 1 - slippage)
    return _rounded(price, quantity, CENT if price >= 1 else OPTION_UNIT) if quote.bid > 0 else None


def natural_price(quote: Quote, quantity: int) -> Decimal | None:
    """The quoted side itself: the ask for a buyer, the bid for a seller; None when there is nobody on it."""
    price = quote.ask if quantity > 0 else quote.bid
    return price if price > 0 and quote.ask >= quote.bid else None


def triggered(order: Order, quotes: Mapping[Instrument, Quote]) -> Order:
    """A resting stop that the price is through as the order it becomes: at market, or at its limit; others as given.

    The stop price stays on it. Only a two-sided quote later than the acceptance wakes a stop.
    """
    if order.type is not OrderType.STOP or order.stop is None:
        return order
    leg = order.legs[0]
    quote = quotes.get(leg.instrument)
    if quote is None or not quote.is_two_sided or not _is_later(quote, order):
        return order
    through = quote.mid <= order.stop if leg.ratio < 0 else quote.mid >= order.stop
    if not through:
        return order
    return replace(order, type=OrderType.MARKET if order.limit is None else OrderType.LIMIT)


def _option_price(quote: Quote, quantity: int) -> Decimal:
    if quote.bid <= 0:
        return quote.ask
    given_up = max(quote.spread / 4, CENT)
    if quantity > 0:
        return _rounded(min(quote.mid + given_up, quote.ask), quantity, OPTION_UNIT)
    return _rounded(max(quote.mid - given_up, quote.bid), quantity, OPTION_UNIT)


def _rounded(price: Decimal, quantity: int, unit: Decimal) -> Decimal:
    return price.quantize(unit, ROUND_CEILING if quantity > 0 else ROUND_FLOOR)


def execute(order: Order, quotes: Mapping[Instrument, Quote], depth: Depth, slippage: Decimal) -> Execution | None:
    """What of an open order trades on these quotes, None when nothing does. All legs trade together, in whole units."""
    seen = [quotes.get(leg.instrument) for leg in order.legs]
    fresh = [quote for quote in seen if quote is not None and _is_later(quote, order)]
    if len(fresh) < len(order.legs) or order.type is OrderType.STOP:
        return None
    pairs = list(zip(fresh, order.legs, strict=True))
    prices = [_price(order, quote, leg, slippage) for quote, leg in pairs]
    known = tuple(price for price in prices if price is not None)
    if len(known) < len(prices):
        return None
    sizes = [(depth.left(quote, leg.ratio), abs(leg.ratio)) for quote, leg in pairs]
    units = min([order.quantity - order.filled, *(size // ratio for size, ratio in sizes if size is not None)])
    execution = Execution(units, known)
    if units < 1 or (order.limit is not None and execution.net(order) > order.limit):
        return None
    for quote, leg in pairs:
        depth.use(quote, leg.ratio * units)
    return execution


def _price(order: Order, quote: Quote, leg: Leg, slippage: Decimal) -> Decimal | None:
    if order.stop is not None:
        return natural_price(quote, leg.ratio)
    return simulated_price(quote, leg.ratio, slippage)


def _is_later(quote: Quote, order: Order) -> bool:
    return order.accepted_at is not None and quote.at > order.accepted_at
