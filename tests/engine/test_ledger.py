"""The books: worked example 11 to the cent, first in first out, assignment, called away, splits, and the identity

equity change = realised + unrealised + dividends + interest + flows - fees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine import ledger
from engine.errors import DataInvalid
from engine.model.book import Book, Lot, Position, PositionStatus, Posting, PostingKind
from engine.model.instruments import Instrument, Option, Right, option
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import Activity, ActivityKind, Fill
from tests import make

D = Decimal
ZERO = D(0)
PUT = make.put(44)
CALL = make.call(48)
SHARE = make.share()
SHORT, LONG = make.vertical(580, 575)


def traded(book: Book, position: Position, *fills: Fill) -> tuple[Book, Position]:
    for fill in fills:
        position, postings = ledger.apply_fill(position, fill)
        book = book.post(position, postings)
    return book, position


def opened() -> Book:
    return Book().post(None, (make.deposit(),))


def identity(book: Book, prices: Mapping[Instrument, Decimal]) -> Decimal:
    """What the parts say the equity change is."""
    totals, open_profit = book.totals, book.unrealised(prices)
    assert open_profit is not None
    return totals.realised + open_profit + totals.dividends + totals.interest + totals.flows - totals.fees


def gain(book: Book, prices: Mapping[Instrument, Decimal]) -> Decimal:
    """What the equity change is."""
    equity = book.equity(prices)
    assert equity is not None
    return equity - book.totals.start


def spread_fills(key: str, quantity: int, short: str, long: str) -> tuple[Fill, Fill]:
    """Signed units of the spread: sold when negative. One dollar a contract, leg and side."""
    fee = abs(quantity)
    return (
        make.fill(SHORT.instrument, quantity, short, f"{key}.1", fee),
        make.fill(LONG.instrument, -quantity, long, f"{key}.2", fee),
    )


def assigned(put: Position, activity: Activity, id: str) -> tuple[Position, Position, tuple[Posting, ...]]:
    """(the put, the shares it became, postings)."""
    after, lots = ledger.delivered(put, activity)
    shares, postings = ledger.shares_from(put, activity, lots, id, make.exits())
    return after, shares, postings


class Eleven:
    """Worked example 11, step by step."""

    def __init__(self) -> None:
        self.book, self.put = traded(opened(), make.position(), make.fill(PUT, -2, "1.03", "W1", 2))
        spread = make.position((SHORT, LONG), id="P00002", campaign="C00002", structure=Structure.CREDIT_SPREAD)
        self.book, self.spread = traded(self.book, spread, *spread_fills("S1", -5, "5.05", "4.05"))
        self.book, self.spread = traded(self.book, self.spread, *spread_fills("S2", 2, "3.50", "3.00"))
        self.put, shares, postings = assigned(self.put, make.activity(), "P00003")
        self.book = self.book.post(self.put, postings).post(shares, ())
        self.shares, postings = ledger.apply_dividend(
            shares, make.activity(ActivityKind.DIVIDEND, SHARE, 0, "DIV1", amount=60)
        )
        self.book = self.book.post(self.shares, postings)
        self.book = self.book.post(None, (make.deposit(5_000, PostingKind.FLOW, "wire"),))
        self.prices = {SHARE: D("42.50"), SHORT.instrument: D("3.60"), LONG.instrument: D("3.00")}


def test_the_cash_of_example_11_is_96850() -> None:
    assert Eleven().book.cash == D("96850.00")


def test_the_equity_of_example_11_is_105170_and_its_profit_170() -> None:
    eleven = Eleven()

    assert eleven.book.equity(eleven.prices) == D("105170.00")
    assert gain(eleven.book, eleven.prices) - eleven.book.totals.flows == D("170.00")


def test_the_parts_of_example_11_add_up_to_its_profit() -> None:
    eleven = Eleven()
    totals = eleven.book.totals

    assert totals.realised == D("100.00")
    assert eleven.spread.unrealised(eleven.prices) == D("120.00")
    assert eleven.shares.unrealised(eleven.prices) == D("-94.00")
    assert (totals.dividends, totals.fees, totals.flows) == (D("60.00"), D("16.00"), D("5000.00"))
    assert identity(eleven.book, eleven.prices) == gain(eleven.book, eleven.prices) == D("5170.00")


def test_example_11_has_no_closed_trade_but_a_closed_put_inside_an_open_campaign() -> None:
    eleven = Eleven()

    assert eleven.put.status is PositionStatus.CLOSED
    assert eleven.put.close_reason == "assigned"
    assert eleven.shares.campaign == eleven.put.campaign
    assert (eleven.spread.units, eleven.spread.opened_units) == (3, 0)
    assert set(eleven.book.positions) == {"P00002", "P00003"}


def test_an_assigned_put_booked_as_a_profit_would_be_206_off() -> None:
    eleven = Eleven()

    naive = identity(eleven.book, eleven.prices) + D("206.00")

    assert eleven.put.realised == 0
    assert naive - gain(eleven.book, eleven.prices) == D("206.00")


def test_shares_booked_at_the_market_would_hide_94() -> None:
    eleven = Eleven()
    (leg,) = eleven.shares.legs
    naive = replace(eleven.shares, legs=(replace(leg, lots=(Lot(200, D("42.50"), make.NOW),)),))

    assert leg.average == D("42.97")
    assert gain(eleven.book, eleven.prices) - identity(eleven.book.post(naive, ()), eleven.prices) == D("-94.00")


def test_a_deposit_booked_as_a_profit_would_make_5170() -> None:
    eleven = Eleven()

    naive = gain(eleven.book, eleven.prices)

    assert naive == D("5170.00")
    assert naive - eleven.book.totals.flows == D("170.00")


def test_a_wheel_that_is_called_away_makes_1232_before_fees() -> None:
    """Worked example 1: two 44 puts at 1.03, assigned, two 48 calls at 1.13, called at 48."""
    book, put = traded(opened(), make.position(), make.fill(PUT, -2, "1.03", "W1"))
    put, shares, postings = assigned(put, make.activity(), "P00002")
    book = book.post(put, postings).post(shares, ())
    call = make.position([Leg(CALL, -1)], id="P00003", structure=Structure.COVERED_CALL)
    book, call = traded(book, call, make.fill(CALL, -2, "1.13", "W2"))

    away = make.activity(instrument=CALL, id="ACT2")
    call, lots = ledger.delivered(call, away)
    shares, left, postings = ledger.receive(shares, away, lots)
    book = book.post(call, postings).post(shares, ())

    assert left == ()
    assert book.totals.realised == D("1232.00")
    assert book.cash == D("101232.00")
    assert (call.status, shares.status) == (PositionStatus.CLOSED, PositionStatus.CLOSED)
    assert shares.realised == D("1232.00")
    assert book.positions == {}


def test_the_oldest_lots_are_closed_first() -> None:
    later = make.NOW + timedelta(days=1)
    fills = (
        make.fill(CALL, 2, "1.00", "E1"),
        make.fill(CALL, 2, "2.00", "E2", at=later),
        make.fill(CALL, -3, "3.00", "E3", at=later),
    )

    book, position = traded(opened(), make.position([Leg(CALL, 1)]), *fills)

    assert book.totals.realised == D("500.00")
    assert position.legs[0].lots == (Lot(1, D("2.00"), later),)
    assert position.cost == D("200.00")


def test_a_fill_beyond_what_is_held_closes_it_and_opens_the_other_side() -> None:
    book, position = traded(
        opened(), make.position([Leg(CALL, 1)]), make.fill(CALL, 2, "1.00", "E1"), make.fill(CALL, -3, "1.50", "E2")
    )

    assert book.totals.realised == D("100.00")
    assert position.legs[0].lots == (Lot(-1, D("1.50"), make.NOW),)


def test_a_position_is_closed_by_the_fill_that_leaves_nothing() -> None:
    position = make.position((SHORT, LONG))
    for fill in (*spread_fills("E1", -1, "5.05", "4.05"), *spread_fills("E2", 1, "3.50", "3.00")):
        assert position.is_open
        position, _ = ledger.apply_fill(position, fill, "target")

    assert (position.status, position.close_reason, position.closed_at) == (
        PositionStatus.CLOSED,
        "target",
        make.NOW,
    )
    assert position.realised == D("50.00")
    assert position.fees == D("4")


def test_a_fee_is_a_posting_of_its_own() -> None:
    _, postings = ledger.apply_fill(make.position(), make.fill(fee=2))

    assert [(one.key, one.kind, one.cash, one.realised) for one in postings] == [
        ("E1:trade", PostingKind.TRADE, D("206.00"), D(0)),
        ("E1:fee", PostingKind.FEE, D("-2"), D(0)),
    ]


@pytest.mark.parametrize(("quantity", "realised"), [(-2, "206.00"), (2, "-206.00")])
def test_an_expiry_realises_the_whole_premium(quantity: int, realised: str) -> None:
    _, position = traded(opened(), make.position(), make.fill(PUT, quantity, "1.03"))

    after, postings = ledger.apply_expiry(position, make.activity(ActivityKind.EXPIRY, PUT, quantity))

    assert after.realised == D(realised)
    assert (postings[0].cash, postings[0].realised) == (D(0), D(realised))
    assert (after.status, after.close_reason) == (PositionStatus.CLOSED, "expired")


def test_a_part_of_a_position_is_assigned_and_the_rest_stays() -> None:
    _, position = traded(opened(), make.position(), make.fill(PUT, -2, "1.03"))

    after, shares, postings = assigned(position, make.activity(ActivityKind.ASSIGNMENT, PUT, -1), "P2")

    assert (after.status, after.legs[0].quantity) == (PositionStatus.OPEN, -1)
    assert shares.legs[0].lots == (Lot(100, D("42.97"), make.NOW),)
    assert [one.cash for one in postings] == [D("-4400")]


def test_every_lot_of_an_assigned_put_keeps_its_own_premium() -> None:
    _, position = traded(opened(), make.position(), make.fill(PUT, -1, "1.00", "E1"), make.fill(PUT, -1, "1.50", "E2"))

    _, shares, _ = assigned(position, make.activity(), "P2")

    assert [lot.price for lot in shares.legs[0].lots] == [D("43.00"), D("42.50")]
    assert shares.entry == D("42.75")


def test_a_long_put_exercised_sells_the_shares_it_meets_at_the_strike_less_its_cost() -> None:
    _, put = traded(opened(), make.position([Leg(PUT, 1)]), make.fill(PUT, 2, "1.00"))
    shares = make.position(lots=[make.held(SHARE, 250, "42.97")], id="P2", structure=Structure.SHARES)
    gone = make.activity(ActivityKind.EXERCISE, PUT, 2)

    after, lots = ledger.delivered(put, gone)
    left, rest, postings = ledger.receive(shares, gone, lots)

    assert (after.status, after.close_reason, after.realised) == (PositionStatus.CLOSED, "exercised", ZERO)
    assert (rest, left.legs[0].quantity, left.realised) == ((), 50, D("6.00"))
    assert [(one.cash, one.realised) for one in postings] == [(D(8800), D("6.00"))]


def test_a_call_assigned_without_shares_is_a_short_sale_at_the_strike_and_the_premium() -> None:
    _, call = traded(opened(), make.position([Leg(CALL, -1)]), make.fill(CALL, -1, "1.13"))
    gone = make.activity(instrument=CALL, quantity=-1)

    _, lots = ledger.delivered(call, gone)
    short, postings = ledger.shares_from(call, gone, lots, "P2", make.exits())

    assert (short.units, short.unit, short.entry) == (100, (Leg(SHARE, -1),), D("-49.13"))
    assert [one.cash for one in postings] == [D(4800)]


def test_a_settlement_in_cash_realises_what_was_paid_and_the_premium() -> None:
    _, position = traded(opened(), make.position(), make.fill(PUT, -2, "1.03"))

    after, postings = ledger.apply_cash_settlement(position, make.activity(amount=-300))

    assert after.realised == D("-94.00")
    assert [(one.cash, one.realised) for one in postings] == [(D(-300), D("-94.00"))]
    assert (after.status, after.close_reason) == (PositionStatus.CLOSED, "assigned")


def test_a_long_option_settled_in_cash_realises_the_difference_to_its_cost() -> None:
    _, position = traded(opened(), make.position([Leg(CALL, 1)]), make.fill(CALL, 2, "1.00"))

    after, _ = ledger.apply_cash_settlement(position, make.activity(ActivityKind.EXERCISE, CALL, 2, amount=600))

    assert (after.realised, after.close_reason) == (D("400.00"), "exercised")


def test_more_contracts_than_are_held_cannot_end() -> None:
    _, position = traded(opened(), make.position(), make.fill(PUT, -2, "1.03"))

    with pytest.raises(DataInvalid, match="only -2 are held"):
        ledger.apply_expiry(position, make.activity(ActivityKind.EXPIRY, PUT, -3))


def test_an_option_activity_that_names_shares_is_invalid() -> None:
    with pytest.raises(DataInvalid, match="ACT1 names no option"):
        ledger.apply_expiry(make.position(), make.activity(ActivityKind.EXPIRY, SHARE, 100))


def test_an_owed_dividend_is_a_loss() -> None:
    after, postings = ledger.apply_dividend(make.position(), make.activity(ActivityKind.DIVIDEND, SHARE, 0, amount=-60))

    assert after.dividends == D(-60)
    assert [(one.kind, one.cash) for one in postings] == [(PostingKind.DIVIDEND, D(-60))]


AAPL = option("AAPL140719P00645000")


def apple() -> Position:
    """Two AAPL 645 puts sold at 17.20 before the 7:1 split of 9 June 2014, and 100 shares at 645.57."""
    return make.position(
        [Leg(AAPL, -1)],
        [make.held(AAPL, -2, "17.20"), make.held(make.share("AAPL"), 100, "645.57")],
        ticker="AAPL",
        entry=D("-17.20"),
        opened_units=2,
        exits=make.exits(target=D("-8.61"), stop=D("-34.40"), stop_spot=D("483")),
    )


def test_a_split_divides_prices_multiplies_quantities_and_moves_no_money() -> None:
    after = ledger.apply_split(apple(), D(7))

    assert [leg.instrument.symbol for leg in after.legs] == ["AAPL140719P00092140", "AAPL"]
    assert [leg.quantity for leg in after.legs] == [-14, 700]
    assert after.cost.quantize(D("0.000001")) == apple().cost
    assert (after.unit[0].instrument.symbol, after.opened_units) == ("AAPL140719P00092140", 14)
    assert (after.exits.target, after.exits.stop_spot) == (D("-1.23"), D(69))
    assert after.exits.stop_spot_above is None


@pytest.mark.parametrize("ratio", ["7", "7.00000700001"])
def test_a_split_does_not_move_the_profit(ratio: str) -> None:
    before = apple()
    after = ledger.apply_split(before, D(ratio))
    prices: dict[Instrument, Decimal] = {AAPL: D("17.50"), make.share("AAPL"): D("646.10")}

    divided = {new.instrument: prices[old.instrument] / 7 for old, new in zip(before.legs, after.legs, strict=True)}

    profit, same = before.unrealised(prices), after.unrealised(divided)
    assert profit is not None
    assert same is not None
    assert abs(profit - same) < D("1e-12")


def test_the_words_of_a_plan_say_that_they_are_older_than_the_split() -> None:
    after = ledger.apply_split(apple(), D(7))

    note = "Split since, 7 new shares for each old one: the prices in these words are the old ones."
    assert after.exits.words == (note, *apple().exits.words)
    assert ledger.apply_split(replace(apple(), exits=ExitPlan()), D(7)).exits.words == ()


def test_an_odd_split_keeps_the_cost_and_drops_the_fraction() -> None:
    lots = (Lot(50, D("30"), make.NOW), Lot(51, D("31"), make.NOW))
    shares = make.position([Leg(SHARE, 1)], [replace(make.held(SHARE, 1, 1), lots=lots)])

    after = ledger.apply_split(shares, D("1.062"))

    assert [lot.quantity for lot in after.legs[0].lots] == [53, 54]
    assert after.cost.quantize(D("0.000001")) == D("3081")


def test_a_reverse_split_leaves_an_adjusted_contract_on_fewer_shares() -> None:
    instrument, quantity, fraction = ledger.split_holding(PUT, -2, D("0.25"))

    assert instrument == Option("XYZ", PUT.expiry, Right.PUT, D(176), root="XYZ1", multiplier=25)
    assert isinstance(instrument, Option)
    assert instrument.is_adjusted
    assert (quantity, fraction) == (-2, ZERO)


def test_a_second_odd_split_counts_the_root_up() -> None:
    once = ledger.split_instrument(PUT, D("1.5"))

    twice = ledger.split_instrument(once, D("1.5"))

    assert isinstance(twice, Option)
    assert (twice.root, twice.multiplier) == ("XYZ2", 225)


@pytest.mark.parametrize(
    ("quantity", "ratio", "whole", "fraction"),
    [
        (100, "0.333333333333", 33, "0.3333"),
        (99, "0.333333333333", 33, "0"),
        (100, "1.49999925", 150, "0"),
        (3, "7", 21, "0"),
    ],
)
def test_a_share_count_after_a_split_is_whole_and_the_fraction_is_told(
    quantity: int, ratio: str, whole: int, fraction: str
) -> None:
    instrument, after, left = ledger.split_holding(SHARE, quantity, D(ratio))

    assert (instrument, after) == (SHARE, whole)
    assert left.quantize(D("0.0001")) == D(fraction)


def test_a_split_that_leaves_less_than_one_share_needs_a_person() -> None:
    with pytest.raises(DataInvalid, match="needs a person"):
        ledger.apply_split(make.position([Leg(SHARE, 1)], [make.held(SHARE, 3, "5.00")]), D("0.1"))


cents = st.integers(1, 5_000).map(lambda value: D(value) / 100)
steps = st.lists(
    st.tuples(
        st.sampled_from(["P1", "P2", "P3"]),
        st.sampled_from([PUT, CALL, SHARE, SHORT.instrument]),
        st.integers(-5, 5).filter(bool),
        cents,
        st.integers(0, 3),
    ),
    max_size=25,
)
marks = st.tuples(cents, cents, cents, cents).map(
    lambda values: dict(zip((PUT, CALL, SHARE, SHORT.instrument), values, strict=True))
)


@given(steps=steps, prices=marks, flow=st.integers(-500, 500), dividend=st.integers(-50, 50))
def test_equity_changes_by_its_parts_to_the_last_digit(
    steps: list[tuple[str, Instrument, int, Decimal, int]],
    prices: dict[Instrument, Decimal],
    flow: int,
    dividend: int,
) -> None:
    book = opened().post(None, (make.deposit(flow, PostingKind.FLOW, "wire"),))
    positions = {key: make.position(id=key) for key in ("P1", "P2", "P3")}
    for number, (key, instrument, quantity, price, fee) in enumerate(steps):
        fill = make.fill(instrument, quantity, price, f"E{number}", fee)
        position = replace(positions[key], status=PositionStatus.OPEN)
        book, positions[key] = traded(book, position, fill)
    paid = make.activity(ActivityKind.DIVIDEND, SHARE, 0, "DIV", amount=dividend)
    position, postings = ledger.apply_dividend(positions["P1"], paid)
    book = book.post(position, postings)

    assert identity(book, prices) == gain(book, prices)
    assert sum((one.realised for one in [*positions.values()]), ZERO) == book.totals.realised


@given(premium=cents, strike=st.integers(1, 500), spot=cents, quantity=st.integers(1, 9))
def test_assignment_moves_money_between_pockets_only(
    premium: Decimal, strike: int, spot: Decimal, quantity: int
) -> None:
    contract = make.put(strike)
    intrinsic = max(ZERO, D(strike) - spot)
    book, put = traded(opened(), make.position([Leg(contract, -1)]), make.fill(contract, -quantity, premium))
    before = gain(book, {contract: intrinsic})

    put, shares, postings = assigned(put, make.activity(instrument=contract, quantity=-quantity), "P2")
    book = book.post(put, postings).post(shares, ())

    assert identity(book, {SHARE: spot}) == gain(book, {SHARE: spot})
    assert book.totals.realised == 0
    if spot < strike:
        assert gain(book, {SHARE: spot}) == before


@example(lots=[4, 1], ratio="0.25")
@given(
    lots=st.lists(st.integers(1, 400), min_size=1, max_size=5),
    ratio=st.sampled_from(["2", "3", "7", "1.5", "0.25", "1.062", "0.333333333333"]),
)
def test_lots_after_a_split_add_up_to_the_restated_total_at_the_old_cost(lots: list[int], ratio: str) -> None:
    held = tuple(Lot(quantity, D("12.34"), make.NOW) for quantity in lots)
    shares = make.position([Leg(SHARE, 1)], [replace(make.held(SHARE, 1, 1), lots=held)])
    expected = ledger.split_holding(SHARE, sum(lots), D(ratio))[1]
    assume(expected)

    after = ledger.apply_split(shares, D(ratio))

    assert after.legs[0].quantity == expected
    assert abs(after.cost - shares.cost) < D("1e-12")
