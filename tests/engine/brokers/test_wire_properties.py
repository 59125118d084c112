"""What goes on the wire is what was meant: contracts of every leg, the sign of every price, never past the width."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from math import gcd
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from engine.brokers import alpaca_wire, wire
from engine.errors import OrderRejected
from engine.model.instruments import Option, Right
from engine.model.legs import Leg
from engine.model.orders import Order, OrderType, TimeInForce
from tests import make
from tests.standins.alpaca_exchange import Exchange

D = Decimal
CASH = D(10_000_000)
strikes = st.integers(20, 80)
prices = st.decimals("-60", "60", places=2)
quantities = st.integers(1, 40)


@st.composite
def packages(draw: st.DrawFn) -> tuple[Leg, ...]:
    """Two to four options of one expiry with any ratios, most of them nothing a broker takes."""
    keys = draw(st.lists(st.tuples(strikes, st.sampled_from(Right)), min_size=2, max_size=4, unique=True))
    ratios = draw(st.lists(st.integers(-4, 4).filter(bool), min_size=len(keys), max_size=len(keys)))
    return tuple(
        Leg(make.option(strike, right, expiry=make.TODAY + timedelta(days=32)), ratio)
        for (strike, right), ratio in zip(keys, ratios, strict=True)
    )


@st.composite
def spreads(draw: st.DrawFn) -> tuple[Leg, ...]:
    """Packages a broker takes: verticals and condors, each leg in any ratio that is covered and has no divisor."""
    low, high = sorted(draw(st.lists(strikes, min_size=2, max_size=2, unique=True)))
    right, ratio, extra = draw(st.sampled_from(Right)), draw(st.integers(1, 4)), draw(st.integers(0, 3))
    legs = (Leg(_option(low, right), ratio + extra), Leg(_option(high, right), -ratio))
    if draw(st.booleans()):
        legs = (Leg(_option(high, right), ratio + extra), Leg(_option(low, right), -ratio))
    assume(gcd(ratio + extra, ratio) == 1)
    return legs


def _option(strike: int, right: Right) -> Option:
    return make.option(strike, right, expiry=make.TODAY + timedelta(days=32))


def is_sent(order: Order) -> bool:
    try:
        wire.check(order)
    except OrderRejected:
        return False
    return True


def contracts(body: dict[str, Any]) -> dict[str, int]:
    """Signed contracts per symbol that a request asks for."""
    rows = body.get("legs") or [{**body, "ratio_qty": "1"}]
    return {
        row["symbol"]: int(body["qty"]) * int(row["ratio_qty"]) * (1 if row["side"] == "buy" else -1) for row in rows
    }


@given(legs=packages(), quantity=quantities, limit=prices, opening=st.booleans())
def test_the_contracts_of_every_leg_on_the_wire_are_those_intended(
    legs: tuple[Leg, ...], quantity: int, limit: Decimal, opening: bool
) -> None:
    order = make.order(legs, limit, quantity, opening)
    assume(is_sent(order))

    body = alpaca_wire.order_body(order)

    assert contracts(body) == {leg.instrument.symbol: leg.ratio * quantity for leg in legs}
    assert gcd(*(int(leg["ratio_qty"]) for leg in body["legs"])) == 1
    intents = {leg["position_intent"] for leg in body["legs"]}
    assert all(intent.endswith("open" if opening else "close") for intent in intents)


@given(legs=spreads(), quantity=quantities, limit=prices)
def test_a_credit_is_negative_and_a_debit_positive_on_the_wire_and_neither_is_beyond_the_width(
    legs: tuple[Leg, ...], quantity: int, limit: Decimal
) -> None:
    order = make.order(legs, limit, quantity)
    assume(is_sent(order))

    sent = D(alpaca_wire.order_body(order)["limit_price"])

    least, most = wire.payoff_range(legs)
    assert sent == limit
    assert abs(sent) <= max(abs(least), abs(most))
    if most <= 0:
        assert sent < 0
    if least >= 0:
        assert sent > 0


@given(legs=spreads(), quantity=quantities, limit=prices)
def test_a_package_with_the_wrong_sign_is_never_sent(legs: tuple[Leg, ...], quantity: int, limit: Decimal) -> None:
    least, most = wire.payoff_range(legs)
    assume((most <= 0 and limit >= 0) or (least >= 0 and limit <= 0))

    assert not is_sent(make.order(legs, limit, quantity))


@given(
    ratio=st.sampled_from((-1, 1)),
    quantity=quantities,
    limit=st.decimals("0.01", "50", places=2),
    tif=st.sampled_from(TimeInForce),
)
def test_a_single_leg_goes_out_with_a_positive_price_and_its_side(
    ratio: int, quantity: int, limit: Decimal, tif: TimeInForce
) -> None:
    order = make.order((Leg(make.put(), ratio),), ratio * limit, quantity, tif=tif)

    body = alpaca_wire.order_body(order)

    assert (D(body["limit_price"]), body["side"]) == (limit, "buy" if ratio > 0 else "sell")
    assert contracts(body) == {make.put().symbol: ratio * quantity}
    assert not is_sent(make.order((Leg(make.put(), ratio),), -ratio * limit, quantity))


@given(legs=spreads(), kind=st.sampled_from((OrderType.MARKET, OrderType.STOP)), single=st.booleans())
def test_no_option_is_ever_sent_at_market(legs: tuple[Leg, ...], kind: OrderType, single: bool) -> None:
    chosen = (Leg(legs[0].instrument, -1),) if single else legs
    order = make.order(chosen, None, 1, opening=False, type=kind, stop=D("0.50"))

    assert not is_sent(order)


@given(legs=spreads(), quantity=st.integers(1, 5), limit=prices)
def test_what_the_account_holds_after_the_fill_is_what_was_meant(
    legs: tuple[Leg, ...], quantity: int, limit: Decimal
) -> None:
    order = make.order(legs, limit, quantity)
    assume(is_sent(order))
    exchange = Exchange(lambda: make.NOW, CASH)
    exchange.matching = False
    for leg in legs:
        exchange.quote(leg.instrument.symbol, "1.00", "1.10")

    exchange.place(alpaca_wire.order_body(order))
    exchange.fill(order.client_order_id, quantity)

    assert {symbol: held.quantity for symbol, held in exchange.positions.items()} == {
        leg.instrument.symbol: leg.ratio * quantity for leg in legs
    }
