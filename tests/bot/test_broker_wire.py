"""Reconciliation, adoption and panic over Alpaca's wire: what is asked, what is sent, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from bot.bulkheads import finish, inline
from bot.command import Room
from bot.dispatch import dispatch
from bot.message import Card, Request, as_text
from engine import approvals, exits, holdings, orders, panic
from engine.model.adoptions import Adoption, AdoptionStatus
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.instruments import Instrument
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import Purpose
from tests import make
from tests.custodian import TWO_ADMINS
from tests.desk import propose
from tests.wire import WireWorld, wire_world

D = make.D
PUT, SHARE, CALL = make.put(44), make.share(), make.call(52)
SHORT, LONG = make.put(42), make.put(40)
NUMBERS = count(1)


@dataclass
class Wire:
    """The desk on the wire and a way to talk to it."""

    world: WireWorld
    room: Room

    def card(self, text: str = "", action: str = "", who: str = "web:ann") -> Card:
        request = Request(who, text, action, f"wire:{next(NUMBERS)}")
        reply = finish(dispatch(self.room, request))
        assert reply.is_ok, [as_text(card) for card in reply.cards]
        return reply.cards[0]

    def questions(self) -> tuple[Adoption, ...]:
        with self.world.store.read() as work:
            return work.adoptions(AdoptionStatus.ASKED)

    def positions(self) -> tuple[Position, ...]:
        with self.world.store.read() as work:
            return work.open_positions()

    def look(self, seconds: int = 20) -> holdings.Reconciliation:
        self.world.clock.advance(seconds)
        self.quote()
        return holdings.reconcile(self.world.desk)

    def quote(self) -> None:
        """Every quote, as of now."""
        for item in (PUT, CALL, SHORT, LONG):
            self.world.quote(item, "0.98", "1.02")
        self.world.quote(SHORT, "1.48", "1.52")
        self.world.quote(SHARE, "47.99", "48.01")

    def hold(self, id: str, structure: Structure, legs: tuple[Leg, ...], units: int, campaign: str = "") -> None:
        """A position here and at the broker."""
        lots = [make.held(leg.instrument, leg.ratio * units, 1) for leg in legs]
        position = make.position(
            legs, lots, id=id, campaign=campaign or id, structure=structure, opened_units=units, approval_id=None,
            exits=ExitPlan(stop=D(-90)), entry=D(1),
        )  # fmt: skip
        with self.world.store.begin() as work:
            work.save_position(position)
        for leg in legs:
            self.world.exchange.hold(leg.instrument.symbol, leg.ratio * units, 1)

    def by_hand(self, item: Instrument, quantity: int) -> None:
        """Somebody trades in Alpaca's own application, at the natural price."""
        side = "buy" if quantity > 0 else "sell"
        body = {
            "symbol": item.symbol, "qty": str(abs(quantity)), "side": side, "type": "limit", "time_in_force": "day",
            "limit_price": "100" if quantity > 0 else "0.01",
        }  # fmt: skip
        order = self.world.exchange.place(body)
        self.world.exchange.settle(order)
        self.world.exchange.fill(order.client_order_id, abs(quantity))

    def sell_puts(self) -> None:
        """Two puts sold through the desk."""
        self.quote()
        propose(self.world)  # type: ignore[arg-type]
        approvals.approve(self.world.desk, "A00001", 1, "ann")
        self.world.exchange.fill("A00001.1.1", 2)
        orders.reconcile(self.world.desk)

    def sent(self) -> list[tuple[str, str]]:
        """What changed something at the broker: method, and the order's id or path."""
        ids = {order.id: order.client_order_id for order in self.world.exchange.orders}
        found = []
        for seen in self.world.standin.journal.requests:
            if seen.method == "POST":
                found.append(("POST", str(seen.body["client_order_id"])))
            elif seen.method == "DELETE":
                found.append(("DELETE", ids[seen.path.rpartition("/")[2]]))
            elif seen.method == "PATCH":
                found.append(("PATCH", str(seen.body)))
        return found


@pytest.fixture
def wire() -> Iterator[Wire]:
    with wire_world() as world:
        made = Wire(world, Room(world.desk, TWO_ADMINS, inline, lambda: "PAPER"))
        made.quote()
        holdings.reconcile(world.desk)
        yield made


def test_agreement_costs_three_requests(wire: Wire) -> None:
    wire.sell_puts()
    wire.world.clock.advance(20)
    before = len(wire.world.standin.journal.requests)

    assert holdings.reconcile(wire.world.desk).agrees

    paths = [seen.path for seen in wire.world.standin.journal.requests[before:]]
    assert sorted(paths) == ["/v2/account", "/v2/orders", "/v2/positions"]


def test_nothing_the_broker_may_hold_raises(wire: Wire) -> None:
    exchange = wire.world.exchange
    exchange.hold("BTCUSD", 1, 60_000)
    exchange.classes["BTCUSD"] = "crypto"
    exchange.hold("ABC", Decimal("10.5"), 20)  # type: ignore[arg-type]
    exchange.hold("DEF", Decimal("0.25"), 20)  # type: ignore[arg-type]
    exchange.hold("GHI", -50, 20)
    for symbol in ("BTCUSD", "ABC", "DEF", "GHI"):
        exchange.quote(symbol, "20", "20.02")

    found = wire.look()

    assert {difference.key for difference in found.lasting} == {"ABC", "GHI"}
    assert {(question.ticker, question.held[0].quantity, question.can_adopt) for question in wire.questions()} == {
        ("ABC", 10, True),
        ("GHI", -50, False),
    }


def test_shares_bought_in_the_broker_s_application_are_booked_with_their_executions(wire: Wire) -> None:
    wire.by_hand(SHARE, 100)
    wire.look()
    (question,) = wire.questions()

    wire.card(action=f"adopt:{question.id}", who="web:tom")

    (position,) = wire.positions()
    assert (position.units, position.entry, position.strategy) == (100, D("48.01"), "adopted")
    assert wire.look().agrees


def test_a_position_liquidated_by_the_broker_is_booked_and_its_exit_sells_nothing_more(wire: Wire) -> None:
    wire.sell_puts()
    (position,) = wire.positions()
    exits.close(wire.world.desk, position.id, "tom")
    for order in wire.world.exchange.orders:
        if order.is_open:
            wire.world.exchange.cancel(order.id)
    wire.by_hand(PUT, 2)
    wire.look()
    wire.look()
    wire.look()
    (question,) = wire.questions()

    wire.card(action=f"adopt:{question.id}")

    assert wire.positions() == ()
    assert wire.world.open == []
    assert wire.look().agrees


def test_a_foreign_order_is_told_and_left_alone(wire: Wire) -> None:
    body: dict[str, Any] = {
        "symbol": "XYZ", "qty": "5", "side": "buy", "type": "limit", "time_in_force": "day", "limit_price": "1",
    }  # fmt: skip
    order = wire.world.exchange.place(body)
    wire.look()

    assert {difference.key for difference in wire.look().lasting} == {order.client_order_id}
    assert order.is_open
    assert len(wire.world.events(EventKind.POSITION_MISMATCH)) == 1


def test_flatten_on_the_wire_cancels_first_then_closes_in_order_then_suspends(wire: Wire) -> None:
    wire.hold("P00021", Structure.SHARES, (Leg(SHARE, 1),), 200, "C1")
    wire.hold("P00022", Structure.COVERED_CALL, (Leg(CALL, -1),), 2, "C1")
    wire.hold("P00023", Structure.SHORT_PUT, (Leg(PUT, -1),), 1)
    wire.hold("P00024", Structure.CREDIT_SPREAD, (Leg(SHORT, -1), Leg(LONG, 1)), 2)
    exits.close(wire.world.desk, "P00023", "tom")
    before = len(wire.sent())

    asked = wire.card("/panic flatten")
    wire.card(action=asked.buttons[0][0].action)
    for _ in range(4):
        for id in wire.world.open:
            order = wire.world.exchange.by_client_id(id)
            assert order is not None
            wire.world.exchange.fill(id, order.left)
        wire.world.clock.advance(2)
        wire.quote()
        orders.reconcile(wire.world.desk, Purpose.EXIT)
        panic.advance(wire.world.desk)

    assert wire.sent()[before:] == [
        ("DELETE", "P00023.manual.1.1"),
        ("POST", "P00024.panic.1.1"),
        ("POST", "P00023.panic.2.1"),
        ("POST", "P00022.panic.1.1"),
        ("POST", "P00021.panic.1.1"),
        ("PATCH", "{'suspend_trade': True}"),
    ]
    spread = next(body for body in wire.world.posted if body["client_order_id"] == "P00024.panic.1.1")
    assert (spread["order_class"], spread["qty"], len(spread["legs"])) == ("mleg", "2", 2)
    assert wire.world.exchange.positions == {}


def test_resume_takes_the_suspension_back_on_the_wire(wire: Wire) -> None:
    wire.card(action=wire.card("/panic flatten").buttons[0][0].action)
    assert wire.world.exchange.configuration["suspend_trade"] is True

    wire.card("/resume")

    assert wire.world.exchange.configuration["suspend_trade"] is False


def test_a_refused_close_of_a_flattening_holds_up_no_other(wire: Wire) -> None:
    wire.hold("P00023", Structure.SHORT_PUT, (Leg(PUT, -1),), 1)
    wire.hold("P00025", Structure.LONG_CALL, (Leg(CALL, 1),), 1)
    wire.world.standin.fail_next("500", 1, "POST")

    wire.card(action=wire.card("/panic flatten").buttons[0][0].action)

    assert "P00025.panic.1.1" in wire.world.open


def test_a_suspended_account_does_not_make_the_desk_say_that_it_is_closed(wire: Wire) -> None:
    wire.hold("P00023", Structure.SHORT_PUT, (Leg(PUT, -1),), 1)
    wire.world.standin.fail_next("500", 3, "PATCH")
    asked = wire.card("/panic flatten")
    wire.card(action=asked.buttons[0][0].action)
    wire.world.exchange.fill("P00023.panic.1.1", 1)
    wire.world.clock.advance(2)
    wire.quote()
    orders.reconcile(wire.world.desk, Purpose.EXIT)

    state = panic.advance(wire.world.desk)

    assert state is not None
    assert (state.is_suspended, state.ended_at) == (False, None)
    for _ in range(3):
        state = panic.advance(wire.world.desk) or state
    assert replace(state, version=0).is_suspended
