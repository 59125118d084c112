"""What the paper exchange refuses because of the account: the refusals of the real broker, with its codes and words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from engine.brokers import wire
from engine.brokers.paper_account import (
    Wallet,
    as_filled,
    available,
    cover,
    fees,
    free,
    free_shares,
    is_uncovered,
    reservation_price,
    reserved_by_orders,
    tied_up,
)
from engine.errors import OrderRejected, Refusal
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.legs import Leg
from engine.model.limits import Costs
from engine.model.orders import Order

Orders = tuple[Order, ...]


def check(order: Order, wallet: Wallet, others: Orders, marks: Mapping[Instrument, Decimal], costs: Costs) -> None:
    """Nothing, when an account with this wallet and these open orders can carry `order`.

    Raises:
        OrderRejected: wash trade, wrong intent, too few units to close, uncovered calls, too little buying power.
    """
    _check_wash_trade(order, others)
    if order.opening:
        _check_opening(order, wallet)
    else:
        _check_closing(order, wallet, others)
    _check_cover(order, wallet, others, costs)
    _check_buying_power(order, wallet, others, marks, costs)


def _check_wash_trade(order: Order, others: Orders) -> None:
    wanted = {(leg.instrument, leg.ratio < 0) for leg in order.legs}
    opposite = [other for other in others if any((leg.instrument, leg.ratio > 0) in wanted for leg in other.legs)]
    if opposite:
        raise OrderRejected(
            "potential wash trade detected. use complex orders", wire.FORBIDDEN, Refusal.WASH_TRADE, _ids(opposite)
        )


def _ids(orders: Iterable[Order]) -> tuple[str, ...]:
    return tuple(order.broker_id for order in orders if order.broker_id)


def _check_opening(order: Order, wallet: Wallet) -> None:
    for leg in order.legs:
        if wallet.quantity(leg.instrument) * leg.ratio < 0:
            closing = "buy_to_close" if leg.ratio > 0 else "sell_to_close"
            raise wire.malformed(f"position intent mismatch on {leg.instrument.symbol}, inferred: {closing}")
        if isinstance(leg.instrument, Stock) and leg.ratio < 0:
            raise OrderRejected(f"{leg.instrument} cannot be sold short here.", wire.FORBIDDEN, Refusal.UNCOVERED)


def _check_closing(order: Order, wallet: Wallet, others: Orders) -> None:
    for leg in order.legs:
        wanted = abs(leg.ratio) * order.quantity
        left = max(0, available(wallet, others, leg.instrument, leg.ratio))
        if wanted > left:
            raise OrderRejected(
                f"insufficient qty available for order (requested: {wanted}, available: {left})",
                wire.FORBIDDEN,
                Refusal.HELD,
                _ids(other for other in others if _holds(other, leg)),
            )


def _holds(other: Order, leg: Leg) -> bool:
    """Whether an open order closes what `leg` would close."""
    return not other.opening and any(
        own.instrument == leg.instrument and own.ratio * leg.ratio > 0 for own in other.legs
    )


def _check_cover(order: Order, wallet: Wallet, others: Orders, costs: Costs) -> None:
    takes_cover = order.opening or cover(order) < 0
    if takes_cover and (is_uncovered(wallet, others, order, costs) or _lacks_shares(order, wallet, others)):
        words = "account not eligible to trade uncovered option contracts"
        raise OrderRejected(words, wire.FORBIDDEN, Refusal.UNCOVERED)


def _lacks_shares(order: Order, wallet: Wallet, others: Orders) -> bool:
    """Whether calls are sold to open, alone, beyond the free shares behind them."""
    option, ratio = order.legs[0].instrument, order.legs[0].ratio
    if order.is_multileg or not order.opening or ratio > 0:
        return False
    if not isinstance(option, Option) or option.right is not Right.CALL:
        return False
    return free_shares(wallet, others, option.underlying) < option.multiplier * order.quantity


def _check_buying_power(
    order: Order, wallet: Wallet, others: Orders, marks: Mapping[Instrument, Decimal], costs: Costs
) -> None:
    before = reserved_by_orders(wallet, others, marks, costs)
    after = as_filled(before, order, reservation_price(order, marks), costs)
    required = tied_up(before, after, order)
    if not order.opening:
        # A commission must never keep a position from being closed.
        required -= fees(order, order.quantity, costs)
    if required <= 0:
        return
    left = free(before)
    if required > left:
        raise OrderRejected(
            f"insufficient options buying power (required: {required:.2f}, available: {left:.2f})",
            wire.FORBIDDEN,
            Refusal.BUYING_POWER,
        )
