"""The money side of the paper exchange: cash, holdings, and what is set aside for them. Pure values.

Collateral follows the universal spread rule: for each underlying and each expiry in it, the worst summed payoff of
what is still alive then, premiums left out; the largest of these is set aside. A cash-secured put reserves its strike,
a vertical its width, an iron condor one wing, a covered call nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from engine.brokers.wire import INFINITY, intrinsic
from engine.model.book import ZERO, Holding
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.limits import Costs
from engine.model.orders import Order

AVERAGE_UNIT = Decimal("0.000001")
MARKET_ROOM = Decimal("1.05")
"""A market order to buy shares holds this multiple of the last price: it may fill higher."""


@dataclass(frozen=True, slots=True)
class Wallet:
    """Cash and holdings by instrument (none with quantity 0)."""

    cash: Decimal
    holdings: Mapping[Instrument, Holding] = field(default_factory=dict)

    def quantity(self, instrument: Instrument) -> int:
        """Signed contracts or shares held."""
        holding = self.holdings.get(instrument)
        return holding.quantity if holding else 0

    def paid(self, amount: Decimal) -> Wallet:
        """The wallet after `amount` dollars came in (negative: went out)."""
        return replace(self, cash=self.cash + amount)

    def moved(self, instrument: Instrument, quantity: int, price: Decimal) -> Wallet:
        """The wallet after signed units at `price` came in; cash stays."""
        held = self.holdings.get(instrument) or Holding(instrument, 0, ZERO)
        total = held.quantity + quantity
        kept = {other: holding for other, holding in self.holdings.items() if other != instrument}
        if total:
            kept[instrument] = Holding(instrument, total, _average(held, quantity, price))
        return replace(self, holdings=kept)

    def traded(self, instrument: Instrument, quantity: int, price: Decimal, fee: Decimal = ZERO) -> Wallet:
        """The wallet after a purchase (or, negative, a sale) at `price` per share."""
        return self.moved(instrument, quantity, price).paid(-price * quantity * instrument.multiplier - fee)

    def dropped(self, instrument: Instrument) -> Wallet:
        """The wallet without the instrument; cash stays."""
        return self.moved(instrument, -self.quantity(instrument), ZERO)

    @property
    def collateral(self) -> Decimal:
        """Dollars set aside for what is held; infinite when a short call is not covered."""
        groups: dict[str, list[tuple[Instrument, int]]] = defaultdict(list)
        for instrument, holding in self.holdings.items():
            groups[instrument.underlying].append((instrument, holding.quantity))
        return sum((_worst_payoff(group) for group in groups.values()), ZERO)

    def collateral_of(self, underlying: str) -> Decimal:
        """The part of `collateral` that one underlying needs."""
        return _worst_payoff(
            [
                (instrument, holding.quantity)
                for instrument, holding in self.holdings.items()
                if instrument.underlying == underlying
            ]
        )


def _average(held: Holding, quantity: int, price: Decimal) -> Decimal:
    """The average price after a trade: blended when it adds, unchanged when it reduces, new when it turns around."""
    total = held.quantity + quantity
    if held.quantity * quantity > 0 or not held.quantity:
        return ((held.average * held.quantity + price * quantity) / total).quantize(AVERAGE_UNIT)
    return held.average if held.quantity * total > 0 else price


def _worst_payoff(group: list[tuple[Instrument, int]]) -> Decimal:
    """Dollars that one underlying's options and shares can cost at some expiry, at some price."""
    shares = sum(quantity for instrument, quantity in group if isinstance(instrument, Stock))
    options = [(instrument, quantity) for instrument, quantity in group if isinstance(instrument, Option)]
    worst = ZERO
    for expiry in sorted({option.expiry for option, _ in options}):
        alive = [(option, quantity * option.multiplier) for option, quantity in options if option.expiry >= expiry]
        if shares + sum(size for option, size in alive if option.right is Right.CALL) < 0:
            return INFINITY
        for spot in {ZERO, *(option.strike for option, _ in alive)}:
            value = shares * spot + sum((intrinsic(option, spot) * size for option, size in alive), ZERO)
            worst = max(worst, -value)
    return worst


def fees(order: Order, units: int, costs: Costs) -> Decimal:
    """Commission of so many units of an order that has not filled yet, dollars."""
    if isinstance(order.legs[0].instrument, Stock):
        return costs.stock_commission
    return costs.option_commission * units * sum(abs(leg.ratio) for leg in order.legs)


def as_filled(wallet: Wallet, order: Order, price: Decimal, costs: Costs) -> Wallet:
    """The wallet if the rest of `order` filled at `price` net per share, as a reservation sees it.

    A package's credit counts against its own collateral; the premium of a single sale does not count before it is in.
    """
    units = order.quantity - order.filled
    for leg in order.legs:
        wallet = wallet.moved(leg.instrument, leg.ratio * units, ZERO)
    counted = price if order.is_multileg else max(price, ZERO)
    return wallet.paid(-counted * order.legs[0].instrument.multiplier * units - fees(order, units, costs))


def reservation_price(order: Order, marks: Mapping[Instrument, Decimal]) -> Decimal:
    """The net price an open order may cost: its limit, or for a market purchase the last price and some room."""
    if order.limit is not None:
        return order.limit
    leg = order.legs[0]
    return marks.get(leg.instrument, ZERO) * MARKET_ROOM if leg.ratio > 0 else ZERO


def reserved_by_orders(
    wallet: Wallet, orders: Iterable[Order], marks: Mapping[Instrument, Decimal], costs: Costs
) -> Wallet:
    """The wallet with every open order counted as filled where that leaves less free, and as unfilled otherwise."""
    for order in orders:
        after = as_filled(wallet, order, reservation_price(order, marks), costs)
        if tied_up(wallet, after, order) > 0:
            wallet = after
    return wallet


def tied_up(before: Wallet, after: Wallet, order: Order) -> Decimal:
    """Dollars that are less free after than before; the two differ by nothing but `order`."""
    underlying = order.legs[0].instrument.underlying
    added = after.collateral_of(underlying) - before.collateral_of(underlying)
    return before.cash - after.cash + added


def free(wallet: Wallet) -> Decimal:
    """Cash that is not set aside, dollars."""
    return wallet.cash - wallet.collateral


def cover(order: Order) -> int:
    """Shares (or calls times their multiplier) that the rest of an order adds or, negative, takes away."""
    units = order.quantity - order.filled
    return units * sum(leg.ratio * leg.instrument.multiplier for leg in order.legs if _is_upside(leg.instrument))


def _is_upside(instrument: Instrument) -> bool:
    return isinstance(instrument, Stock) or instrument.right is Right.CALL


def is_uncovered(wallet: Wallet, orders: Iterable[Order], order: Order, costs: Costs) -> bool:
    """Whether `order` could leave a short call without cover, if only the open orders that take cover away filled."""
    underlying = order.legs[0].instrument.underlying
    same = (other for other in orders if other.legs[0].instrument.underlying == underlying)
    for other in (*(other for other in same if cover(other) < 0), order):
        wallet = as_filled(wallet, other, ZERO, costs)
    return wallet.collateral_of(underlying) == INFINITY


def free_shares(wallet: Wallet, orders: Iterable[Order], ticker: str) -> int:
    """Shares that are neither pledged to short calls nor for sale in an open order."""
    same = [order for order in orders if order.legs[0].instrument.underlying == ticker]
    calls = sum(
        holding.quantity * option.multiplier
        for option, holding in wallet.holdings.items()
        if isinstance(option, Option) and option.underlying == ticker and option.right is Right.CALL
    )
    sales = sum(cover(order) for order in same if isinstance(order.legs[0].instrument, Stock) and cover(order) < 0)
    short = sum(cover(order) for order in same if isinstance(order.legs[0].instrument, Option) and cover(order) < 0)
    return wallet.quantity(Stock(ticker)) + sales + min(0, calls + short)


def available(wallet: Wallet, orders: Iterable[Order], instrument: Instrument, ratio: int) -> int:
    """Units of `instrument` that an order with a leg of this sign may still close."""
    if isinstance(instrument, Stock):
        return free_shares(wallet, orders, instrument.ticker) if ratio < 0 else -wallet.quantity(instrument)
    held = wallet.quantity(instrument)
    closing = sum(
        abs(leg.ratio) * (order.quantity - order.filled)
        for order in orders
        if not order.opening
        for leg in order.legs
        if leg.instrument == instrument and leg.ratio * ratio > 0
    )
    return max(0, held if ratio < 0 else -held) - closing
