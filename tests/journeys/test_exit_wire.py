"""EXAMPLES 12 on Alpaca's wire: the stop, its ladder and the net, from quotes to the recorded requests and back."""

from __future__ import annotations

from decimal import Decimal

from engine import exits, orders
from engine.model.events import EventKind
from engine.model.legs import ExitPlan
from engine.model.limits import ApprovalRules
from engine.model.orders import Ticket
from tests.engine.exit_cases import CALL, SHARE, calls, shares
from tests.wire import WireWorld, trading_world

D = Decimal

TABLE = (
    ("1.75", "1.85"),
    ("1.20", "1.90"),
    ("1.50", "1.60"),
    ("1.56", "1.66"),
    ("1.50", "1.60"),
    ("1.47", "1.57"),
)
"""The quotes of the example, ten seconds apart; the second is too wide to count."""


def look(wire: WireWorld, bid: str, ask: str, seconds: float = 10) -> tuple[Ticket, ...]:
    """One look of the exits thread with the shares at 80."""
    wire.clock.advance(seconds)
    wire.quote(CALL, bid, ask)
    wire.quote(SHARE, "79.99", "80.01")
    orders.reconcile(wire.desk)
    started = exits.supervise(wire.desk)
    orders.work(wire.desk)
    return started


def limits(wire: WireWorld) -> list[str]:
    return [body["limit_price"] for body in wire.posted]


def test_the_table_of_the_example_fires_at_fifty_seconds_and_never_on_the_wide_quote() -> None:
    with trading_world(calls()) as wire:
        fired = [bool(look(wire, bid, ask)) for bid, ask in TABLE]

        assert fired == [False, False, False, False, False, True]
        (body,) = wire.posted
    assert body == {
        "client_order_id": "P00001.stop.1.1",
        "type": "limit",
        "time_in_force": "day",
        "qty": "4",
        "order_class": "simple",
        "symbol": CALL.symbol,
        "side": "sell",
        "position_intent": "sell_to_close",
        "limit_price": "1.52",
    }


def test_the_ladder_of_the_example_goes_down_to_natural_and_then_beyond_it_with_an_alarm_and_sells() -> None:
    with trading_world(calls()) as wire:
        for bid, ask in TABLE:
            look(wire, bid, ask)
        wire.exchange.matching = False  # nobody takes it at the bid
        for _ in range(4):
            look(wire, "1.47", "1.57", seconds=15)

        assert limits(wire) == ["1.52", "1.50", "1.49", "1.47", "1.40"]
        kinds = [seen.method for seen in wire.standin.journal.requests if seen.method in ("POST", "DELETE")]
        assert kinds == ["POST", "DELETE", "POST", "DELETE", "POST", "DELETE", "POST", "DELETE", "POST"]
        assert {body["type"] for body in wire.posted} == {"limit"}
        with wire.store.read() as work:
            (alarm,) = [event for event in work.events() if event.kind is EventKind.EXIT_FAILED]
        assert (alarm.severity, "now at 1.40" in str(alarm.data["note"])) == ("urgent", True)

        wire.exchange.matching = True
        look(wire, "1.41", "1.51")
        look(wire, "1.41", "1.51")

        with wire.store.read() as work:
            closed = work.position("P00001")
            done = [event for event in work.events() if event.kind is EventKind.EXIT_RECOVERED]
        assert (closed.is_open, closed.close_reason, closed.realised) == (False, "stop", D("-336.00"))
        assert len(done) == 1
        assert wire.exchange.held(CALL.symbol) == 0


def test_a_ladder_step_waits_for_the_confirmed_end_of_the_one_before() -> None:
    with trading_world(calls()) as wire:
        wire.exchange.slow_cancels = True
        for bid, ask in TABLE:
            look(wire, bid, ask)
        wire.exchange.matching = False
        for _ in range(3):
            look(wire, "1.47", "1.57", seconds=15)
        assert limits(wire) == ["1.52"]

        wire.exchange.finish_cancels()
        look(wire, "1.47", "1.57", seconds=1)

        assert limits(wire) == ["1.52", "1.50"]


def test_the_net_of_shares_rests_makes_way_for_our_stop_and_is_never_beside_it() -> None:
    with trading_world(shares(ExitPlan(stop_spot=D(60))), rules=ApprovalRules()) as wire:
        wire.quote(SHARE, "79.99", "80.01")
        exits.supervise(wire.desk)
        (net,) = wire.posted
        assert (net["type"], net["time_in_force"], net["stop_price"], net["qty"]) == ("stop", "gtc", "57.00", "100")

        for _ in range(2):
            wire.clock.advance(10)
            wire.quote(SHARE, "58.99", "59.01")
            exits.supervise(wire.desk)
        orders.reconcile(wire.desk)

        sold = wire.posted[1:]
        assert [(body["type"], body["side"], body["qty"]) for body in sold] == [("limit", "sell", "100")]
        with wire.store.read() as work:
            assert work.position("P00002").close_reason == "stop"
        assert wire.exchange.held("XYZ") == 0


def test_a_broker_that_takes_seconds_to_cancel_the_net_is_waited_for_without_an_alarm() -> None:
    with trading_world(shares(ExitPlan(stop_spot=D(60))), rules=ApprovalRules()) as wire:
        wire.quote(SHARE, "79.99", "80.01")
        exits.supervise(wire.desk)
        wire.exchange.slow_cancels = True
        for seconds in (10, 10, 1, 1):
            wire.clock.advance(seconds)
            wire.quote(SHARE, "58.99", "59.01")
            orders.reconcile(wire.desk)
            assert exits.supervise(wire.desk) == ()
        assert len(wire.posted) == 1

        wire.exchange.finish_cancels()
        orders.reconcile(wire.desk)
        orders.work(wire.desk)

        assert [ticket.reason for ticket in exits.supervise(wire.desk)] == ["stop"]
        with wire.store.read() as work:
            assert not [event for event in work.events() if event.kind is EventKind.EXIT_FAILED]


def test_a_net_that_sold_while_the_desk_was_away_is_booked_and_nothing_else_is_sold() -> None:
    with trading_world(shares(ExitPlan(stop_spot=D(60))), rules=ApprovalRules()) as wire:
        wire.quote(SHARE, "79.99", "80.01")
        exits.supervise(wire.desk)
        wire.clock.advance(hours=1)
        wire.quote(SHARE, "55.00", "55.02")

        orders.resume(wire.desk)
        exits.supervise(wire.desk)

        with wire.store.read() as work:
            closed = work.position("P00002")
        assert (closed.is_open, closed.close_reason, closed.realised) == (False, "net", D("-4000.00"))
        assert len(wire.posted) == 1


def test_a_broker_that_takes_no_stops_on_options_is_asked_once_and_our_own_stop_works() -> None:
    with trading_world(calls(), rules=ApprovalRules()) as wire:
        wire.exchange.option_stops = False
        for _ in range(5):
            look(wire, "1.75", "1.85", seconds=30)
        assert [body["type"] for body in wire.posted] == ["stop_limit"]

        look(wire, "1.50", "1.60")
        assert [ticket.reason for ticket in look(wire, "1.47", "1.57")] == ["stop"]


def test_target_and_stop_of_one_position_are_never_two_orders_that_hold_the_same_contracts() -> None:
    with trading_world(calls()) as wire:
        wire.exchange.matching = False
        look(wire, "2.80", "2.90")
        for _ in range(4):
            look(wire, "1.00", "1.10", seconds=15)
            assert len(wire.exchange.closing_orders(CALL.symbol)) == 1

        assert [body["client_order_id"] for body in wire.posted] == [f"P00001.target.1.{n}" for n in range(1, 6)]
