"""Expiry, assignment, exercise, dividends and splits at the paper exchange, to the cent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

import pytest

from engine.errors import DataUnavailable
from engine.model.instruments import Instrument, Option, Right, option
from engine.model.legs import Leg
from engine.model.orders import Activity, ActivityKind, OrderStatus, TimeInForce
from tests import make
from tests.engine.brokers.paper_world import FRIDAY, Exchange, call, put

D = Decimal
SHARE = make.share()
MONDAY = FRIDAY + timedelta(days=3)


def ended(exchange: Exchange) -> list[tuple[ActivityKind, Instrument | None, int, Decimal]]:
    return [(one.kind, one.instrument, one.quantity, one.amount) for one in activities(exchange)]


def activities(exchange: Exchange) -> tuple[Activity, ...]:
    return exchange.broker.activities(exchange.start)


def expire(exchange: Exchange, close: str, day: date = FRIDAY) -> None:
    exchange.actions.closes["XYZ", day] = D(close)
    exchange.after_close(day)


def short_puts() -> Exchange:
    """Two 44 puts sold at 1.03: 100,204 in cash."""
    exchange = Exchange()
    exchange.trade(put(), -2, "1.03")
    return exchange


def spread(cash: str, short: Option, long: Option, limit: str, prices: Mapping[Option, str]) -> Exchange:
    exchange = Exchange(cash)
    exchange.submit([Leg(short, -1), Leg(long, 1)], limit)
    for one, price in prices.items():
        exchange.set_quote(one, price, price)
    exchange.advance()
    assert exchange.held == {short: -1, long: 1}
    return exchange


@pytest.mark.parametrize("close", ["44.00", "43.9901", "50"])
def test_a_put_that_is_not_a_cent_in_the_money_expires(close: str) -> None:
    exchange = short_puts()

    expire(exchange, close)

    assert ended(exchange) == [(ActivityKind.EXPIRY, put(), -2, D(0))]
    assert exchange.held == {}
    assert exchange.cash == D("100204.00")


@pytest.mark.parametrize("close", ["43.99", "42.50", "0.01"])
def test_a_short_put_in_the_money_becomes_shares_at_its_strike(close: str) -> None:
    exchange = short_puts()

    expire(exchange, close)

    assert ended(exchange) == [(ActivityKind.ASSIGNMENT, put(), -2, D(0))]
    assert exchange.held == {SHARE: 200}
    assert exchange.broker.holdings()[0].average == 44
    assert exchange.cash == D("100204.00") - 8_800


def test_nothing_expires_before_the_close() -> None:
    exchange = short_puts()
    exchange.actions.closes["XYZ", FRIDAY] = D(40)

    exchange.at_open(FRIDAY)

    assert ended(exchange) == []


def test_an_expiry_happens_once_however_often_time_passes() -> None:
    exchange = short_puts()
    expire(exchange, "42.50")

    exchange.after_close(FRIDAY)
    exchange.at_open(MONDAY)

    assert len(activities(exchange)) == 1


def test_days_that_were_slept_through_are_caught_up_in_order() -> None:
    exchange = short_puts()
    exchange.actions.closes["XYZ", FRIDAY] = D(42)
    exchange.actions.dividends[MONDAY] = {"XYZ": D("0.30")}

    exchange.after_close(FRIDAY + timedelta(days=14))

    assert ended(exchange) == [
        (ActivityKind.ASSIGNMENT, put(), -2, D(0)),
        (ActivityKind.DIVIDEND, SHARE, 0, D(60)),
    ]


def test_a_covered_call_in_the_money_takes_the_shares() -> None:
    exchange = Exchange()
    exchange.trade(SHARE, 100, "48.00")
    exchange.trade(call("50"), -1, "1.00")
    before = exchange.cash

    expire(exchange, "53")

    assert ended(exchange) == [(ActivityKind.ASSIGNMENT, call("50"), -1, D(0))]
    assert exchange.held == {}
    assert exchange.cash == before + 5_000


def test_a_long_call_in_the_money_is_exercised_when_the_account_can_pay() -> None:
    exchange = Exchange()
    exchange.trade(call("50"), 1, "1.00")
    before = exchange.cash

    expire(exchange, "53")

    assert ended(exchange) == [(ActivityKind.EXERCISE, call("50"), 1, D(0))]
    assert exchange.held == {SHARE: 100}
    assert exchange.cash == before - 5_000


def test_a_long_call_the_account_cannot_pay_for_is_sold_out_at_its_intrinsic_value() -> None:
    exchange = Exchange("5800")
    exchange.trade(call("50"), 2, "4.00")
    before = exchange.cash

    expire(exchange, "53")

    assert before == D("4998.00")
    assert ended(exchange) == [(ActivityKind.EXERCISE, call("50"), 2, D(600))]
    assert exchange.held == {}
    assert exchange.cash == before + 600


def test_what_the_account_can_pay_for_is_exercised_and_the_rest_sold_out() -> None:
    exchange = Exchange("6000")
    exchange.trade(call("50"), 2, "4.00")

    expire(exchange, "53")

    assert ended(exchange) == [
        (ActivityKind.EXERCISE, call("50"), 1, D(0)),
        (ActivityKind.EXERCISE, call("50"), 1, D(300)),
    ]
    assert exchange.held == {SHARE: 100}
    assert exchange.cash == D("5198.00") - 5_000 + 300


def test_a_long_put_without_shares_is_sold_out_and_with_shares_delivers_them() -> None:
    exchange = Exchange()
    exchange.trade(SHARE, 100, "48.00")
    exchange.trade(put("44"), 2, "1.00")

    expire(exchange, "40")

    assert ended(exchange) == [
        (ActivityKind.EXERCISE, put("44"), 1, D(0)),
        (ActivityKind.EXERCISE, put("44"), 1, D(400)),
    ]
    assert exchange.held == {}


def test_a_credit_spread_wholly_in_the_money_costs_its_width() -> None:
    short, long = put("50"), put("45")
    exchange = spread("100000", short, long, "-0.90", {short: "2.00", long: "1.00"})
    before = exchange.cash

    expire(exchange, "40")

    assert ended(exchange) == [
        (ActivityKind.ASSIGNMENT, short, -1, D(-1000)),
        (ActivityKind.EXERCISE, long, 1, D(500)),
    ]
    assert exchange.held == {}
    assert exchange.cash == before - 500


def test_a_debit_spread_wholly_in_the_money_earns_its_width() -> None:
    long, short = call("50"), call("55")
    exchange = Exchange()
    exchange.submit([Leg(long, 1), Leg(short, -1)], "3.00")
    exchange.set_quote(long, "3.00", "3.00")
    exchange.set_quote(short, "1.00", "1.00")
    exchange.advance()
    before = exchange.cash

    expire(exchange, "60")

    assert exchange.held == {}
    assert exchange.cash == before + 500


def test_a_spread_that_ends_between_its_strikes_is_assigned_where_the_account_can_pay() -> None:
    short, long = put("50"), put("45")
    exchange = spread("100000", short, long, "-0.90", {short: "2.00", long: "1.00"})

    expire(exchange, "48")

    assert ended(exchange) == [(ActivityKind.EXPIRY, long, 1, D(0)), (ActivityKind.ASSIGNMENT, short, -1, D(0))]
    assert exchange.held == {SHARE: 100}


def test_a_spread_that_ends_between_its_strikes_is_bought_in_where_the_account_cannot_pay() -> None:
    short, long = put("50"), put("45")
    exchange = spread("1000", short, long, "-0.90", {short: "2.00", long: "1.00"})
    before = exchange.cash

    expire(exchange, "48")

    assert ended(exchange) == [(ActivityKind.EXPIRY, long, 1, D(0)), (ActivityKind.ASSIGNMENT, short, -1, D(-200))]
    assert exchange.held == {}
    assert exchange.cash == before - 200


def test_the_call_side_of_a_condor_between_its_strikes_is_bought_in() -> None:
    short, long = call("50"), call("55")
    exchange = spread("100000", short, long, "-0.90", {short: "2.00", long: "1.00"})
    before = exchange.cash

    expire(exchange, "53")

    assert exchange.held == {}
    assert exchange.cash == before - 300


def test_index_options_settle_in_cash() -> None:
    exchange = Exchange()
    short, long = option("SPXW260717P05800000"), option("SPXW260717P05750000")
    exchange.submit([Leg(short, -1), Leg(long, 1)], "-9.00")
    exchange.set_quote(short, "30.00", "30.00")
    exchange.set_quote(long, "20.00", "20.00")
    exchange.advance()
    before = exchange.cash
    exchange.actions.closes["SPX", FRIDAY] = D("5780.25")

    exchange.after_close(FRIDAY)

    assert ended(exchange) == [(ActivityKind.EXPIRY, long, 1, D(0)), (ActivityKind.ASSIGNMENT, short, -1, D("-1975"))]
    assert exchange.cash == before - D("1975")


def test_a_series_settled_in_the_morning_waits_for_the_opening_and_takes_no_close_for_it() -> None:
    exchange = Exchange()
    short, long = option("SPX260717P05800000"), option("SPX260717P05750000")
    exchange.submit([Leg(short, -1), Leg(long, 1)], "-9.00")
    exchange.set_quote(short, "30.00", "30.00")
    exchange.set_quote(long, "20.00", "20.00")
    exchange.advance()
    before = exchange.cash
    thursday = FRIDAY - timedelta(days=1)
    exchange.actions.closes |= {("SPX", thursday): D("5900"), ("SPX", FRIDAY): D("5700")}
    exchange.after_close(thursday)
    exchange.after_close(FRIDAY)
    waiting = ended(exchange)
    exchange.market.set_bars(make.bars([5780.25, 5700.0], "SPX", before=MONDAY))

    exchange.at_open(MONDAY)

    assert waiting == []
    assert ended(exchange) == [(ActivityKind.EXPIRY, long, 1, D(0)), (ActivityKind.ASSIGNMENT, short, -1, D("-1975"))]
    assert exchange.cash == before - D("1975")


def test_an_option_that_expires_on_a_saturday_ends_with_the_friday() -> None:
    exchange = Exchange()
    saturday = put(expiry=FRIDAY + timedelta(days=1))
    exchange.trade(saturday, -1, "1.00")

    expire(exchange, "50")

    assert ended(exchange) == [(ActivityKind.EXPIRY, saturday, -1, D(0))]


def test_settlement_waits_for_the_official_close() -> None:
    exchange = short_puts()
    exchange.after_close(FRIDAY)
    waiting = ended(exchange)
    exchange.actions.closes["XYZ", FRIDAY] = D("42.50")

    exchange.at_open(MONDAY)

    assert waiting == []
    assert ended(exchange) == [(ActivityKind.ASSIGNMENT, put(), -2, D(0))]


def test_an_underlying_that_stopped_trading_settles_at_its_last_close() -> None:
    exchange = short_puts()
    exchange.actions.closes["XYZ", FRIDAY - timedelta(days=1)] = D("42.50")
    exchange.after_close(FRIDAY)
    waiting = ended(exchange)

    exchange.after_close(MONDAY)

    assert waiting == []
    assert ended(exchange) == [(ActivityKind.ASSIGNMENT, put(), -2, D(0))]


def test_without_a_tape_the_official_close_comes_from_the_daily_bars() -> None:
    exchange = Exchange(told=False)
    exchange.trade(put(), -2, "1.03")
    exchange.after_close(FRIDAY)
    waiting = ended(exchange)
    exchange.market.set_bars(make.bars([45.0, 42.5], before=MONDAY))

    exchange.at_open(MONDAY)

    assert waiting == []
    assert ended(exchange) == [(ActivityKind.ASSIGNMENT, put(), -2, D(0))]


def test_an_open_order_on_an_expired_option_ends() -> None:
    exchange = short_puts()
    order = exchange.submit([Leg(put(), 1)], "0.01", 2, opening=False, tif=TimeInForce.GTC)

    expire(exchange, "50")

    assert exchange.known(order).status is OrderStatus.EXPIRED


def test_an_assignment_may_take_a_part() -> None:
    exchange = short_puts()

    exchange.broker.assign(put(), 1)
    expire(exchange, "50")

    assert ended(exchange) == [(ActivityKind.ASSIGNMENT, put(), -1, D(0)), (ActivityKind.EXPIRY, put(), -1, D(0))]
    assert exchange.held == {SHARE: 100}


def test_two_assignments_of_a_day_have_ids_of_their_own() -> None:
    exchange = short_puts()

    exchange.broker.assign(put(), 1)
    exchange.broker.assign(put(), 1)

    assert [one.id for one in activities(exchange)] == [
        "assignment.XYZ260717P00044000.20260615.1",
        "assignment.XYZ260717P00044000.20260615.2",
    ]


def test_whoever_holds_shares_at_the_open_of_the_ex_date_is_paid_once() -> None:
    exchange = Exchange()
    exchange.trade(SHARE, 200, "48.00")
    before = exchange.cash
    tuesday = make.TODAY + timedelta(days=1)
    exchange.actions.dividends[tuesday] = {"XYZ": D("0.30"), "ABC": D(1)}

    exchange.at_open(tuesday)
    exchange.after_close(tuesday)

    assert ended(exchange) == [(ActivityKind.DIVIDEND, SHARE, 0, D(60))]
    assert exchange.cash == before + 60


def test_a_day_begins_only_when_its_splits_and_dividends_can_be_said() -> None:
    exchange = Exchange()
    exchange.trade(SHARE, 200, "48.00")
    before = exchange.cash
    tuesday = make.TODAY + timedelta(days=1)
    exchange.actions.dividends[tuesday] = {"XYZ": D("0.30")}
    exchange.actions.splits[tuesday] = {"XYZ": D(10)}
    exchange.actions.trouble = DataUnavailable("made did not answer.")

    exchange.at_open(tuesday)
    asked = len(exchange.actions.asked)
    exchange.broker.advance()
    assert len(exchange.actions.asked) == asked
    assert exchange.held == {SHARE: 200}

    exchange.actions.trouble = None
    exchange.clock.advance(minutes=6)
    exchange.broker.advance()

    assert exchange.actions.asked[-1] == ("XYZ",)
    assert exchange.held == {SHARE: 2000}
    assert exchange.cash == before + 600


def test_what_rests_is_not_filled_while_a_day_cannot_begin() -> None:
    exchange = Exchange()
    exchange.trade(SHARE, 200, "48.00")
    exchange.actions.trouble = DataUnavailable("made did not answer.")
    exchange.at_open(make.TODAY + timedelta(days=1))
    exchange.submit([Leg(SHARE, -1)], "-4.00", 200, opening=False)
    exchange.set_quote(SHARE, "4.80", "4.80")

    exchange.advance()
    assert exchange.held == {SHARE: 200}

    exchange.actions.trouble = None
    exchange.clock.advance(minutes=6)
    exchange.set_quote(SHARE, "4.80", "4.80")
    exchange.advance()
    assert exchange.held == {}


def test_shares_bought_on_the_ex_date_are_not_paid() -> None:
    exchange = Exchange()
    tuesday = make.TODAY + timedelta(days=1)
    exchange.actions.dividends[tuesday] = {"XYZ": D("0.30")}
    exchange.at_open(tuesday)

    exchange.trade(SHARE, 200, "48.00")
    exchange.after_close(tuesday)

    assert ended(exchange) == []


@pytest.mark.parametrize(("dividend", "called"), [("0.25", True), ("0.18", False), ("0.15", False)])
def test_a_covered_call_is_exercised_early_when_the_dividend_exceeds_its_time_value(
    dividend: str, called: bool
) -> None:
    exchange = Exchange()
    exchange.trade(SHARE, 100, "107.00")
    short = call("105")
    exchange.trade(short, -1, "3.00")
    exchange.actions.closes["XYZ", make.TODAY] = D(108)
    exchange.actions.dividends[make.TODAY + timedelta(days=1)] = {"XYZ": D(dividend)}
    exchange.set_quote(short, "3.17", "3.19")

    exchange.after_close(make.TODAY)
    exchange.at_open(make.TODAY + timedelta(days=1))

    kinds = [one.kind for one in activities(exchange)]
    assert kinds == [ActivityKind.ASSIGNMENT if called else ActivityKind.DIVIDEND]
    assert exchange.held == ({} if called else {SHARE: 100, short: -1})


TUESDAY = make.TODAY + timedelta(days=1)


def test_time_values_of_an_evening_that_was_slept_through_are_not_guessed() -> None:
    exchange = Exchange()
    exchange.trade(SHARE, 100, "107.00")
    exchange.trade(call("105"), -1, "3.00")
    exchange.actions.closes["XYZ", make.TODAY] = D(108)
    exchange.actions.dividends[TUESDAY] = {"XYZ": D("5.00")}
    exchange.set_quote(call("105"), "3.17", "3.19")

    exchange.at_open(TUESDAY)

    assert [one.kind for one in activities(exchange)] == [ActivityKind.DIVIDEND]


def split(exchange: Exchange, ratio: str) -> None:
    exchange.actions.splits[TUESDAY] = {"XYZ": D(ratio)}
    exchange.at_open(TUESDAY)


def test_a_split_restates_shares_contracts_and_strikes_and_equity_does_not_jump() -> None:
    exchange = Exchange()
    exchange.trade(SHARE, 100, "48.00")
    exchange.trade(put("44"), -1, "1.40")
    before = exchange.broker.account().equity

    split(exchange, "7.00000700001")
    after = put("6.29")
    exchange.set_quote(SHARE, "6.85714", "6.85715")
    exchange.set_quote(after, "0.20", "0.20")

    assert exchange.held == {SHARE: 700, after: -7}
    assert abs(exchange.broker.account().equity - before) < D("0.01")
    assert ended(exchange) == [(ActivityKind.SPLIT, SHARE, 0, D(0))]
    assert activities(exchange)[0].ratio == D("7.00000700001")


def test_a_split_cancels_what_is_open_on_the_name_and_nothing_else() -> None:
    exchange = Exchange()
    other = make.put("44", underlying="ABC", expiry=FRIDAY)
    mine = exchange.submit([Leg(put(), -1)], "-1.00", tif=TimeInForce.GTC)
    kept = exchange.submit([Leg(other, -1)], "-1.00", tif=TimeInForce.GTC)

    split(exchange, "2")

    assert exchange.known(mine).status is OrderStatus.CANCELED
    assert exchange.known(kept).is_open


def test_a_split_of_a_name_that_is_not_held_is_no_activity() -> None:
    exchange = Exchange()

    split(exchange, "2")

    assert ended(exchange) == []


def test_an_odd_split_pays_the_fraction_of_a_share_out() -> None:
    exchange = Exchange()
    exchange.trade(SHARE, 100, "30.00")
    exchange.actions.closes["XYZ", make.TODAY] = D("30.00")
    before = exchange.cash

    split(exchange, "0.333333333333")

    assert exchange.held == {SHARE: 33}
    assert exchange.cash == before + 30
    assert ended(exchange) == [(ActivityKind.SPLIT, SHARE, 0, D(0)), (ActivityKind.DIVIDEND, SHARE, 0, D(30))]


def test_an_odd_split_makes_an_adjusted_contract_that_settles_on_the_new_shares() -> None:
    exchange = Exchange()
    exchange.trade(put("45"), -1, "1.00")
    split(exchange, "1.5")
    (adjusted,) = exchange.held
    before = exchange.cash

    expire(exchange, "29")

    assert adjusted == Option("XYZ", FRIDAY, Right.PUT, D(30), root="XYZ1", multiplier=150)
    assert exchange.held == {SHARE: 150}
    assert exchange.cash == before - 4_500
