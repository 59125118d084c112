"""Crowding, thin markets, assignment and expiry: each number by hand, and what is missing said."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine import hazards
from engine.exposures import Exposure
from engine.hazards import Share
from engine.model.book import Position
from engine.model.instruments import Instrument, Option, Right, Style
from engine.model.legs import Leg, Structure
from engine.model.market import Contract
from tests import make

D = Decimal


def exposure(ticker: str, loss: str, **more: Any) -> Exposure:
    defaults: dict[str, Any] = {
        "strategy": "swing",
        "ticker": ticker,
        "structure": Structure.CREDIT_SPREAD,
        "counted": D(loss),
        "collateral": D(0),
        "max_loss": D(loss),
    }
    return Exposure(**(defaults | more))


def held(instrument: Instrument, quantity: int, id: str = "P00001") -> Position:
    unit = (Leg(instrument, 1 if quantity > 0 else -1),)
    return make.position(unit, (make.held(instrument, quantity, "1.00"),), id=id)


def row(option: Option, interest: int | None, volume: int | None) -> Contract:
    return Contract(option, D("0.98"), D("1.08"), 0, 0, interest, volume, None, None)


def test_exposures_are_added_up_by_name_the_heaviest_first() -> None:
    rows = (exposure("AAA", "300"), exposure("BBB", "1000"), exposure("AAA", "900"))

    found = hazards.concentration(rows, D(100_000), lambda each: each.ticker)

    assert found == (Share("AAA", D(1200), D("0.012")), Share("BBB", D(1000), D("0.010")))


def test_a_short_put_weighs_its_collateral_and_a_long_call_its_delta() -> None:
    put = exposure("AAA", "900", structure=Structure.SHORT_PUT, collateral=D(8_800))
    call = exposure("BBB", "400", structure=Structure.LONG_CALL, delta=D(5_000))

    found = hazards.concentration((put, call), D(100_000), lambda each: each.ticker)

    assert [each.dollars for each in found] == [D(8_800), D(5_000)]


def test_closing_costs_half_the_spread_of_every_contract() -> None:
    """Four contracts, ten cents wide: 4 x 100 x 0.05."""
    put = make.put()

    found = hazards.liquidity(held(put, -4), {put: make.quote(put, "0.98", "1.08")}, {put: row(put, 500, 20)})

    assert (found.cost, found.of_interest, found.of_volume, found.unquoted) == (D(20), 0.008, 0.2, ())


def test_the_thinnest_leg_decides() -> None:
    near, far = make.put(44), make.put(40)
    position = make.position(
        (Leg(near, -1), Leg(far, 1)), (make.held(near, -2, "1.03"), make.held(far, 2, "0.33")), id="P00001"
    )
    listed = {near: row(near, 1000, 50), far: row(far, 100, 4)}

    found = hazards.liquidity(position, {}, listed)

    assert (found.of_interest, found.of_volume) == (0.02, 0.5)


@pytest.mark.parametrize("bid", ["0", None])
def test_a_leg_without_a_two_sided_quote_has_no_cost_and_is_named(bid: str | None) -> None:
    put = make.put()
    quotes = {} if bid is None else {put: make.quote(put, bid, "0.05")}

    found = hazards.liquidity(held(put, -1), quotes, {})

    assert (found.cost, found.unquoted) == (None, (put,))
    assert (found.of_interest, found.of_volume) == (None, None)


def test_contracts_that_nobody_else_holds_are_all_of_the_market() -> None:
    put = make.put()

    found = hazards.liquidity(held(put, -1), {}, {put: row(put, 0, 0)})

    assert (found.of_interest, found.of_volume) == (float("inf"), float("inf"))


@pytest.mark.parametrize(
    ("option", "quantity", "spot", "dollars"),
    [
        (make.put(50), -2, "48", "10000"),
        (make.put(50), -2, "50", None),
        (make.put(50), 2, "48", None),
        (make.call(44), -3, "48", "13200"),
        (make.call(50), -3, "48", None),
        (make.option(50, Right.PUT, underlying="SPX", root="SPXW", style=Style.EUROPEAN), -1, "48", None),
    ],
    ids=["put in", "put at", "put held", "call in", "call out", "cash settled"],
)
def test_short_options_in_the_money_may_take_or_deliver_shares(
    option: Option, quantity: int, spot: str, dollars: str | None
) -> None:
    found = hazards.assignments(held(option, quantity), D(spot), {}, (), make.TODAY)

    assert [each.dollars for each in found] == ([] if dollars is None else [D(dollars)])


@pytest.mark.parametrize(("dividend", "is_told"), [("0.25", True), ("0.18", False)])
def test_a_dividend_above_the_time_value_is_a_reason_to_exercise(dividend: str, is_told: bool) -> None:
    """The 105 call at 3.18 with the shares at 108: 0.18 of time value."""
    call = make.call(105)
    quotes = {call: make.quote(call, "3.13", "3.23")}
    tomorrow = make.TODAY + timedelta(days=1)

    (found,) = hazards.assignments(held(call, -1), D(108), quotes, ((tomorrow, D(dividend)),), make.TODAY)

    assert ("dividend" in found.why) is is_told
    assert found.why.startswith("3.00 in the money")


@pytest.mark.parametrize("days", [0, 31])
def test_an_ex_date_that_is_over_or_after_the_expiry_is_no_reason(days: int) -> None:
    call = make.call(105)
    quotes = {call: make.quote(call, "3.13", "3.23")}
    day = make.TODAY + timedelta(days=days)

    (found,) = hazards.assignments(held(call, -1), D(108), quotes, ((day, D("0.50")),), make.TODAY)

    assert found.why == "3.00 in the money"


def test_without_a_price_of_the_shares_nothing_is_said_of_assignment() -> None:
    assert hazards.assignments(held(make.put(50), -1), None, {}, (), make.TODAY) == ()


def test_what_expires_within_a_week_is_told_by_day_with_the_shares_it_could_move() -> None:
    soon, later, far = make.put(44, dte=4), make.call(52, dte=7), make.put(40, dte=8)
    held_ones = (held(soon, -2, "P00001"), held(later, 1, "P00002"), held(far, -1, "P00003"))

    found = hazards.expiring(held_ones, make.TODAY)

    told = [(each.day, [position.id for position in each.positions], each.sold, each.dollars) for each in found]
    assert told == [(soon.expiry, ["P00001"], 2, D(8800)), (later.expiry, ["P00002"], 0, D(0))]
