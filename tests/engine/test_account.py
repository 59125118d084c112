"""The account's three numbers: cash, what is reserved or in flight, and what is free, with orders at work."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine import approvals, orders, portfolio
from engine.model.book import Account
from engine.model.legs import Structure
from engine.portfolio import AccountView
from tests import make
from tests.desk import FakeBroker, World, make_world, propose, quote_all

D = make.D


@dataclass
class WorkingBroker(FakeBroker):
    """Its buying power leaves out what is held and what it works, as a broker's does."""

    taken: int = 0

    def account(self) -> Account:
        return replace(super().account(), options_buying_power=self.cash - self.taken)


def world(taken: int = 0) -> World:
    made = make_world()
    broker = WorkingBroker(made.clock, taken=taken)
    return replace(made, desk=replace(made.desk, broker=broker), broker=broker)


def numbers(view: AccountView) -> tuple[object, ...]:
    return view.book_cash, view.reserved, view.in_flight, view.free


def test_a_working_order_is_in_flight_and_nothing_is_reserved() -> None:
    made = world()
    propose(made)
    approvals.approve(made.desk, "A00001", 1, "ann")

    assert numbers(portfolio.account(made.desk)) == (D(100_000), D(0), D(8_802), D(91_198))


def test_a_part_that_filled_is_reserved_and_the_rest_is_in_flight() -> None:
    made = world()
    propose(made)
    approvals.approve(made.desk, "A00001", 1, "ann")
    made.broker.fill("A00001.1.1", units=1)
    orders.reconcile(made.desk)

    assert numbers(portfolio.account(made.desk)) == (D(100_102), D(4_400), D(4_401), D(91_301))


def test_an_order_the_broker_works_is_not_taken_off_its_buying_power_again() -> None:
    made = world(taken=50_000)
    propose(made)
    approvals.approve(made.desk, "A00001", 1, "ann")
    made.clock.advance(1)

    assert portfolio.account(made.desk).free == D(50_000)


def test_an_order_that_is_not_sent_yet_is_taken_off_the_brokers_buying_power() -> None:
    made = world(taken=50_000)
    waiting = make.ticket(version=1)
    propose(made)
    with made.store.begin() as work:
        work.add_ticket(waiting)

    assert portfolio.account(made.desk).free == D(50_000) - D(8_802)


def test_a_spread_reserves_its_width_and_shares_reserve_nothing() -> None:
    made = world()
    legs = make.vertical(44, 42, underlying="XYZ")
    spread = make.position(
        legs,
        tuple(make.held(leg.instrument, leg.ratio, "1.00") for leg in legs),
        structure=Structure.CREDIT_SPREAD,
        collateral=D(200),
        approval_id=None,
    )
    shares = make.position(
        (make.leg(make.share(), 1),),
        (make.held(make.share(), 100, "48"),),
        id="P00002",
        campaign="P00002",
        structure=Structure.SHARES,
        collateral=D(0),
        approval_id=None,
    )
    with made.store.begin() as work:
        work.save_position(spread)
        work.save_position(shares)
    quote_all(made)

    view = portfolio.account(made.desk)

    assert (view.reserved, view.free) == (D(200), D(99_800))


def test_liquidation_is_what_it_would_fetch_now_beside_the_mid() -> None:
    made = world()
    propose(made)
    approvals.approve(made.desk, "A00001", 1, "ann")
    made.broker.fill("A00001.1.1")
    orders.reconcile(made.desk)
    quote_all(made, "0.90", "1.10")

    view = portfolio.account(made.desk)

    assert (view.equity, view.liquidation) == (D(100_204) - 200, D(100_204) - 220)
