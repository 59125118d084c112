"""What every order must satisfy before it goes to any broker: pure checks, the same for paper and live.

The codes are Alpaca's own, so that a refusal reads alike whether the desk or the broker said it.
"""

import math
from collections.abc import Iterable
from decimal import Decimal

from engine.errors import OrderRejected, Refusal
from engine.model.instruments import Option, Right, Stock
from engine.model.legs import Leg
from engine.model.orders import Order, OrderType, TimeInForce
from engine.ports import Ability

BAD_INPUT = 40010001
FORBIDDEN = 40310000
NOT_FOUND = 40410000
UNPROCESSABLE = 42210000

MAX_LEGS = 4
MAX_ID = 128
CENT = Decimal("0.01")
SUB_DOLLAR_TICK = Decimal("0.0001")
INFINITY = Decimal("Infinity")


def malformed(message: str, code: int = UNPROCESSABLE) -> OrderRejected:
    """The refusal of an order that no broker would take."""
    return OrderRejected(message, code, Refusal.MALFORMED)


def check(order: Order) -> None:
    """Nothing, when the order may be sent.

    Looks at the order alone; what depends on the account (cash, shares, other orders) is the broker's to refuse.

    Raises:
        OrderRejected: what is wrong with it, and the code the broker would give.
    """
    _check_numbers(order)
    _check_legs(order)
    if order.type is OrderType.MARKET:
        _check_market(order)
        return
    if order.type is OrderType.STOP:
        _check_stop(order)
        if order.limit is None:
            return
    limit = order.limit
    if limit is None:
        raise malformed("A limit order needs a limit.")
    _check_tick(order, limit)
    if order.is_multileg:
        _check_package(order, limit)
    else:
        _check_single(order, limit)


def abilities(order: Order) -> frozenset[Ability]:
    """What a broker must be able to take for this order; empty for what every broker takes."""
    if isinstance(order.legs[0].instrument, Stock):
        return frozenset({Ability.STOP_SHARES}) if order.type is OrderType.STOP else frozenset()
    needed = {Ability.STOP_OPTIONS} if order.type is OrderType.STOP else set()
    if order.tif is TimeInForce.GTC:
        needed.add(Ability.GTC_PACKAGES if order.is_multileg else Ability.GTC_OPTIONS)
    return frozenset(needed)


def payoff_range(legs: Iterable[Leg]) -> tuple[Decimal, Decimal]:
    """(least, most) a unit of options of one expiry can be worth at that expiry, dollars per share; may be infinite.

    The payoff is linear between strikes, so its extremes lie at 0, at a strike or at infinity.

    >>> from engine.model.instruments import option
    >>> short, long = option("SPY261218P00580000"), option("SPY261218P00575000")
    >>> payoff_range((Leg(short, -1), Leg(long, 1)))
    (Decimal('-5'), Decimal('0'))
    """
    options = [(leg.instrument, leg.ratio) for leg in legs if isinstance(leg.instrument, Option)]
    spots = (Decimal(0), *(option.strike for option, _ in options))
    values = [sum((ratio * intrinsic(option, spot) for option, ratio in options), Decimal(0)) for spot in spots]
    slope = sum(ratio for option, ratio in options if option.right is Right.CALL)
    return (-INFINITY if slope < 0 else min(values), INFINITY if slope > 0 else max(values))


def intrinsic(option: Option, spot: Decimal) -> Decimal:
    """What exercise is worth at `spot`, dollars per share, never negative."""
    gain = spot - option.strike if option.right is Right.CALL else option.strike - spot
    return max(gain, Decimal(0))


def is_covered(legs: Iterable[Leg]) -> bool:
    """Whether every short leg has a long one of the same right that lives at least as long, leg for leg."""
    options = [(leg.instrument, leg.ratio) for leg in legs if isinstance(leg.instrument, Option)]
    return all(
        sum(ratio for other, ratio in options if other.right is option.right and other.expiry >= option.expiry) >= 0
        for option, _ in options
    )


def _check_numbers(order: Order) -> None:
    if not 0 < len(order.client_order_id) <= MAX_ID:
        raise malformed(f"An order id has 1 to {MAX_ID} characters: “{order.client_order_id}”.", BAD_INPUT)
    if order.quantity != int(order.quantity) or order.quantity < 1:
        raise malformed(f"The quantity must be a whole number of at least 1, not {order.quantity}.", BAD_INPUT)
    if any(leg.ratio == 0 or leg.ratio != int(leg.ratio) for leg in order.legs):
        raise malformed("Every leg needs a whole ratio that is not 0.", BAD_INPUT)


def _check_legs(order: Order) -> None:
    legs = order.legs
    if not 1 <= len(legs) <= MAX_LEGS:
        raise malformed(f"An order has 1 to {MAX_LEGS} legs, not {len(legs)}.")
    if order.is_multileg and any(isinstance(leg.instrument, Stock) for leg in legs):
        raise malformed("A multi-leg order takes options only: shares go in an order of their own.")
    if len({leg.instrument.symbol for leg in legs}) != len(legs):
        raise malformed("Each symbol may appear in one leg only.")
    if len({leg.instrument.underlying for leg in legs}) != 1:
        raise malformed("All legs must be on the same underlying.")
    ratios = [abs(leg.ratio) for leg in legs]
    if math.gcd(*ratios) != 1:
        shown = " ".join(str(ratio) for ratio in ratios)
        raise malformed(f"leg ratio quantities should be relatively prime: GCD[{shown}] = {math.gcd(*ratios)}")
    if order.opening:
        _check_standard(legs)


def _check_standard(legs: tuple[Leg, ...]) -> None:
    for leg in legs:
        option = leg.instrument
        if isinstance(option, Option) and (option.is_adjusted or option.multiplier != 100):
            raise malformed(f"{option.symbol} is an adjusted contract: it can only be closed.")


def _check_market(order: Order) -> None:
    if any(isinstance(leg.instrument, Option) for leg in order.legs):
        raise malformed("Options are never traded at market: the order needs a limit.")
    if order.limit is not None:
        raise malformed("A market order carries no limit.")


def _check_stop(order: Order) -> None:
    """A stop closes one instrument; that of an option says at what limit, because it never goes at market."""
    leg, stop = order.legs[0], order.stop
    if order.is_multileg or order.opening:
        raise malformed("A stop order closes a single leg.")
    if stop is None or stop <= 0:
        raise malformed(f"A stop order needs a positive stop price, not {stop}.")
    _check_tick(order, stop)
    if isinstance(leg.instrument, Option) and order.limit is None:
        raise malformed("Options are never traded at market: their stop needs a limit too.")
    if order.limit is not None and order.limit < leg.ratio * stop:
        raise malformed(f"The limit {order.limit} is not reached any more when the price is through {stop}.")


def _check_tick(order: Order, limit: Decimal) -> None:
    if not limit.is_finite():
        raise malformed(f"The limit is not a price: {limit}.")
    is_share = isinstance(order.legs[0].instrument, Stock)
    tick = SUB_DOLLAR_TICK if is_share and abs(limit) < 1 else CENT
    if limit % tick:
        raise OrderRejected(
            f"sub-penny increment does not fulfill minimum pricing criteria: {limit} is not a multiple of {tick}",
            UNPROCESSABLE,
            Refusal.PRICE,
        )


def _check_single(order: Order, limit: Decimal) -> None:
    leg = order.legs[0]
    if leg.ratio * limit <= 0:
        side, sign = ("buy", "positive (paid)") if leg.ratio > 0 else ("sell", "negative (received)")
        raise malformed(f"A {side} of {leg.instrument} needs a {sign} limit, not {limit}.")


def _check_package(order: Order, limit: Decimal) -> None:
    if order.opening and not is_covered(order.legs):
        raise OrderRejected(
            "account not eligible to trade uncovered option contracts: every short leg needs a long one "
            "of the same right that expires no sooner.",
            FORBIDDEN,
            Refusal.UNCOVERED,
        )
    if len({leg.instrument.expiry for leg in order.legs if isinstance(leg.instrument, Option)}) > 1:
        return
    least, most = payoff_range(order.legs)
    if abs(limit) > max(abs(least), abs(most)):
        raise malformed(f"The net limit {limit} is beyond the width {max(abs(least), abs(most))}.")
    if order.opening and most <= 0 <= limit:
        raise malformed(f"This package is sold for a credit: its limit must be negative (received), not {limit}.")
    if order.opening and limit <= 0 <= least:
        raise malformed(f"This package is bought for a debit: its limit must be positive (paid), not {limit}.")
