"""What no broker is asked: malformed orders, wrong signs, naked legs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.brokers import wire
from engine.errors import OrderRejected
from engine.model.instruments import Right, option
from engine.model.legs import Leg
from engine.model.orders import OrderType
from tests import make

D = Decimal
SHORT, LONG = make.vertical(580, 575)
CREDIT = (SHORT, LONG)
DEBIT = (Leg(make.call(98), 1), Leg(make.call(105), -1))
CONDOR = (*CREDIT, *make.vertical(618, 623, Right.CALL))
NAKED = [
    (Leg(make.call(50), -1), Leg(make.put(44, dte=30), 1)),
    (Leg(make.call(50), -2), Leg(make.call(55), 1)),
    (Leg(make.call(50, dte=60), -1), Leg(make.call(50, dte=30), 1)),
    (Leg(make.put(50), -1), Leg(make.put(55), -1)),
]


def refusal(legs: Sequence[Leg], limit: str | None, **more: object) -> OrderRejected:
    with pytest.raises(OrderRejected) as caught:
        wire.check(make.order(legs, limit, **more))  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(
    ("legs", "limit"),
    [
        ([Leg(make.put(), -1)], "-1.03"),
        ([Leg(make.call(), 1)], "2.25"),
        ([Leg(make.share(), 1)], "48.10"),
        ([Leg(make.share(), -1)], "-0.4995"),
        ([Leg(make.share(), 1)], None),
        (CREDIT, "-1.00"),
        (CREDIT, "-5.00"),
        (DEBIT, "3.17"),
        (CONDOR, "-2.36"),
        ([Leg(make.call(45), 1), Leg(make.call(50), -2), Leg(make.call(55), 1)], "1.20"),
        ([Leg(make.put(95, dte=9), -1), Leg(make.put(95, dte=37), 1)], "0.68"),
        ([Leg(make.call(50), 1), Leg(make.put(50, dte=30), 1)], "7.00"),
    ],
)
def test_a_well_formed_order_passes(legs: Sequence[Leg], limit: str | None) -> None:
    wire.check(make.order(legs, limit))


@pytest.mark.parametrize("limit", ["1.00", "0"])
def test_a_credit_opened_at_a_positive_limit_is_refused_with_the_reason(limit: str) -> None:
    error = refusal(CREDIT, limit)

    assert error.code == wire.UNPROCESSABLE
    assert str(error) == f"This package is sold for a credit: its limit must be negative (received), not {limit}."


def test_a_condor_opened_at_a_positive_limit_is_refused() -> None:
    assert "sold for a credit" in str(refusal(CONDOR, "2.36"))


@pytest.mark.parametrize("limit", ["-3.17", "0"])
def test_a_debit_opened_at_a_negative_limit_is_refused(limit: str) -> None:
    assert "bought for a debit" in str(refusal(DEBIT, limit))


def test_a_long_straddle_at_a_negative_limit_is_refused() -> None:
    legs = (Leg(make.call(50), 1), Leg(make.put(50, dte=30), 1))

    assert "bought for a debit" in str(refusal(legs, "-7.00"))


def test_a_worthless_spread_may_be_closed_by_paying() -> None:
    back = [Leg(leg.instrument, -leg.ratio) for leg in DEBIT]

    wire.check(make.order(back, "0.05", opening=False))


@pytest.mark.parametrize(("legs", "limit"), [(CREDIT, "-5.01"), (DEBIT, "7.01"), (CONDOR, "-5.01")])
@pytest.mark.parametrize("opening", [True, False])
def test_a_limit_beyond_the_width_is_refused(legs: Sequence[Leg], limit: str, opening: bool) -> None:
    assert "beyond the width" in str(refusal(legs, limit, opening=opening))


@pytest.mark.parametrize(("ratio", "limit"), [(-1, "1.03"), (1, "-1.03"), (-1, "0"), (1, "0")])
def test_the_limit_of_a_single_leg_has_the_sign_of_its_side(ratio: int, limit: str) -> None:
    assert refusal([Leg(make.put(), ratio)], limit).code == wire.UNPROCESSABLE


@pytest.mark.parametrize("legs", NAKED)
def test_a_short_leg_without_a_long_one_behind_it_is_refused(legs: Sequence[Leg]) -> None:
    error = refusal(legs, "-1.00")

    assert error.code == wire.FORBIDDEN
    assert "uncovered" in str(error)


@pytest.mark.parametrize("legs", NAKED[:1])
def test_closing_legs_need_no_cover_of_their_own(legs: Sequence[Leg]) -> None:
    wire.check(make.order(legs, "-1.00", opening=False))


def test_ratios_with_a_common_divisor_are_named() -> None:
    error = refusal([replace(SHORT, ratio=-2), replace(LONG, ratio=2)], "-1.00")

    assert error.code == wire.UNPROCESSABLE
    assert "GCD[2 2] = 2" in str(error)


def test_a_single_leg_of_two_is_a_common_divisor_too() -> None:
    assert "relatively prime" in str(refusal([Leg(make.put(), -2)], "-1.00"))


@pytest.mark.parametrize("limit", ["-1.005", "-1.0301", "NaN", "Infinity"])
def test_an_option_price_is_whole_cents(limit: str) -> None:
    assert refusal([Leg(make.put(), -1)], limit).code == wire.UNPROCESSABLE


def test_a_share_above_a_dollar_is_priced_in_cents() -> None:
    assert "sub-penny" in str(refusal([Leg(make.share(), 1)], "48.105"))


@pytest.mark.parametrize("quantity", [0, -1, Decimal("1.5")])
def test_a_quantity_that_is_not_a_positive_whole_number_is_refused(quantity: object) -> None:
    assert refusal([Leg(make.put(), -1)], "-1.00", quantity=quantity).code == wire.BAD_INPUT


@pytest.mark.parametrize("ratio", [0, Decimal("0.5")])
def test_a_ratio_that_is_not_whole_is_refused(ratio: int) -> None:
    assert refusal([SHORT, replace(LONG, ratio=ratio)], "-1.00").code == wire.BAD_INPUT


@pytest.mark.parametrize("order_id", ["", "x" * 129])
def test_an_id_the_broker_cannot_keep_is_refused(order_id: str) -> None:
    assert refusal([Leg(make.put(), -1)], "-1.00", client_order_id=order_id).code == wire.BAD_INPUT


def test_five_legs_are_one_too_many() -> None:
    legs = [Leg(make.call(strike), 1) for strike in range(50, 55)]

    assert "1 to 4 legs" in str(refusal(legs, "9.00"))


def test_an_order_without_legs_is_refused() -> None:
    with pytest.raises(OrderRejected, match="not 0"):
        wire.check(replace(make.order(), legs=()))


def test_the_same_symbol_twice_is_refused() -> None:
    assert "one leg only" in str(refusal([SHORT, SHORT], "-1.00"))


def test_two_underlyings_are_refused() -> None:
    assert "same underlying" in str(refusal([SHORT, Leg(make.put(575), 1)], "-1.00"))


def test_shares_in_a_package_are_refused() -> None:
    assert "options only" in str(refusal([Leg(make.share(), 1), Leg(make.call(), -1)], "47.00"))


def test_options_are_never_traded_at_market() -> None:
    assert "never traded at market" in str(refusal([Leg(make.put(), -1)], None))


def test_a_market_order_carries_no_limit() -> None:
    assert "no limit" in str(refusal([Leg(make.share(), 1)], "48.00", type=OrderType.MARKET))


def test_a_limit_order_carries_one() -> None:
    assert "needs a limit" in str(refusal([Leg(make.share(), 1)], None, type=OrderType.LIMIT))


def test_an_adjusted_contract_can_only_be_closed() -> None:
    adjusted = option("AAPL1261218P00100000")

    assert "only be closed" in str(refusal([Leg(adjusted, 1)], "1.00"))
    wire.check(make.order([Leg(adjusted, -1)], "-1.00", opening=False))


strikes = st.lists(st.integers(40, 60), min_size=2, max_size=4, unique=True)


@given(
    strikes=strikes,
    rights=st.lists(st.sampled_from(list(Right)), min_size=4, max_size=4),
    ratios=st.lists(st.sampled_from([-2, -1, 1, 2]), min_size=4, max_size=4),
    spot=st.integers(0, 400),
)
def test_no_payoff_lies_outside_the_payoff_range(
    strikes: list[int], rights: list[Right], ratios: list[int], spot: int
) -> None:
    options = [make.option(strike, right) for strike, right in zip(strikes, rights, strict=False)]
    pairs = list(zip(options, ratios, strict=False))
    least, most = wire.payoff_range(Leg(option, ratio) for option, ratio in pairs)

    value = sum((ratio * wire.intrinsic(option, D(spot)) for option, ratio in pairs), D(0))

    assert least <= value <= most


@given(width=st.integers(1, 50), strike=st.integers(60, 200), right=st.sampled_from(list(Right)))
def test_a_vertical_is_worth_between_nothing_and_its_width(width: int, strike: int, right: Right) -> None:
    lower, upper = make.option(strike - width, right), make.option(strike, right)
    long, short = (lower, upper) if right is Right.CALL else (upper, lower)

    assert wire.payoff_range((Leg(long, 1), Leg(short, -1))) == (D(0), D(width))
    assert wire.payoff_range((Leg(long, -1), Leg(short, 1))) == (D(-width), D(0))
