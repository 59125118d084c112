"""Exits when quotes are bad, brokers refuse and other orders are in the way."""

from datetime import timedelta
from decimal import Decimal

import pytest

from engine import approvals, exits, orders
from engine.errors import AlreadyDecided
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.instruments import Instrument
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import Order, Purpose, Ticket
from tests import make
from tests.desk import Fault, World, make_world, propose

D = Decimal
CALL = make.call(80, dte=14)
SHARE = make.share()


def holding(*more: Position, exits_plan: ExitPlan | None = None, units: int = 4) -> World:
    """Four 80 calls bought at 2.25, with the target and stop of EXAMPLES 12 unless told otherwise."""
    world = make_world()
    plan = exits_plan or ExitPlan(target=D("2.8125"), stop=D("1.5750"))
    with world.store.begin() as work:
        for position in (held("P00001", CALL, units, "2.25", plan), *more):
            work.save_position(position)
    return world


def held(id: str, item: Instrument, quantity: int, price: make.Money, plan: ExitPlan, **more: object) -> Position:
    sign = 1 if quantity > 0 else -1
    defaults: dict[str, object] = {
        "structure": Structure.LONG_CALL,
        "campaign": id,
        "approval_id": None,
        "opened_units": abs(quantity),
        "entry": sign * D(str(price)),
    }
    return make.position(
        id=id,
        unit=(Leg(item, sign),),
        lots=(make.held(item, quantity, price),),
        exits=plan,
        **(defaults | more),  # type: ignore[arg-type]
    )


def look(world: World, bid: str, ask: str, seconds: float = 10, spot: make.Money = 80) -> tuple[Ticket, ...]:
    world.clock.advance(seconds)
    world.market.set_quote(CALL, bid, ask)
    world.market.set_quote(SHARE, D(str(spot)) - D("0.01"), D(str(spot)) + D("0.01"))
    return exits.supervise(world.desk)


def test_a_refused_exit_is_tried_again_later_and_not_at_every_look() -> None:
    world = holding()
    world.broker.faults = [Fault.REFUSE] * 20

    for _ in range(60):
        look(world, "2.80", "2.90", seconds=1)

    assert len(world.broker.posts) == 3  # at once, after 15 s, after 30 s more
    assert len(world.events(EventKind.EXIT_FAILED)) == 3


def test_an_exit_refused_a_hundred_times_is_still_tried() -> None:
    world = holding()
    world.broker.faults = [Fault.REFUSE] * 60

    for _ in range(61):
        look(world, "2.80", "2.90", seconds=301)

    assert len(set(world.broker.posts)) == 61
    assert len(world.broker.open_orders()) == 1


def test_a_wide_quote_whose_mid_is_beyond_the_target_sells_nothing() -> None:
    world = holding()

    assert look(world, "0.10", "6.00") == ()


def test_a_wide_quote_takes_the_target_when_the_bid_alone_brings_it() -> None:
    world = holding()

    (ticket,) = look(world, "3.00", "6.00")

    assert ticket.reason == "target"


def test_an_old_quote_takes_no_target() -> None:
    world = holding()
    world.market.set_quote(CALL, "2.80", "2.90")
    world.clock.advance(3600)

    assert exits.supervise(world.desk) == ()


def test_a_short_option_without_a_bid_is_bought_back_at_its_target() -> None:
    put = make.put()
    plan = ExitPlan(target=D("-0.5150"), stop_spot=D(30))
    world = holding(held("P00002", put, -2, "1.03", plan, structure=Structure.SHORT_PUT))
    world.market.set_quote(put, "0", "0.02")

    (ticket,) = look(world, "2.20", "2.30", seconds=1)

    assert (ticket.position_id, ticket.limit) == ("P00002", D("0.01"))


def test_a_one_sided_quote_of_the_shares_fires_no_stop() -> None:
    world = holding(exits_plan=ExitPlan(stop_spot=D(60)))

    for _ in range(4):
        world.clock.advance(10)
        world.market.set_quote(CALL, "2.20", "2.30")
        world.market.set_quote(SHARE, "0", "80")
        assert exits.supervise(world.desk) == ()


def test_a_stop_on_the_shares_does_not_wait_for_a_narrow_option_quote() -> None:
    world = holding(exits_plan=ExitPlan(stop_spot=D(60)))

    look(world, "0.05", "3.00", spot=59)
    (ticket,) = look(world, "0.05", "3.00", spot=59)

    assert ticket.reason == "stop"


def test_one_quote_looked_at_twice_is_no_second_breach() -> None:
    world = holding()
    look(world, "1.50", "1.60", seconds=0)
    world.clock.advance(10)

    assert exits.supervise(world.desk) == ()


def test_a_bad_print_does_not_raise_the_peak() -> None:
    world = holding()
    look(world, "0.10", "20.00")

    with world.store.read() as work:
        assert work.position("P00001").peak is None


def test_a_stop_that_hears_nothing_for_a_minute_says_so_once_and_again_after_a_good_quote() -> None:
    world = holding()
    for _ in range(4):
        look(world, "0.10", "6.00", seconds=30)
    assert len(world.events(EventKind.DATA_STALE)) == 1

    look(world, "2.20", "2.30", seconds=30)
    world.market.drop_quote(CALL)
    for _ in range(4):
        world.clock.advance(30)
        exits.supervise(world.desk)

    assert len(world.events(EventKind.DATA_STALE)) == 2


def test_what_has_no_bid_is_left_and_told_once() -> None:
    world = holding(exits_plan=ExitPlan(close_on=make.TODAY))

    for _ in range(5):
        assert look(world, "0", "0.05") == ()

    assert (world.broker.posts, len(world.events(EventKind.EXIT_OFFERED))) == ([], 1)


def test_a_position_that_cannot_be_looked_at_does_not_hold_up_the_stop_of_the_next() -> None:
    other = make.call(90, dte=14)
    plan = ExitPlan(target=D("2.00"))
    world = holding(held("P00000", other, 1, "1.00", plan))
    world.market.set_quote(other, "2.10", "2.20")
    submit = world.broker.submit

    def broken(order: Order) -> Order:
        if order.client_order_id.startswith("P00000"):
            raise ValueError("a bug")
        return submit(order)

    world.broker.submit = broken  # type: ignore[method-assign]

    with pytest.raises(ValueError, match="a bug"):
        look(world, "2.80", "2.90", seconds=0)

    assert world.broker.open_orders() == ("P00001.target.1.1",)


def shares_and_entry() -> World:
    """A hundred shares at their stop while a call on them is being sold."""
    plan = ExitPlan(stop_spot=D(90))
    world = holding(held("P00002", SHARE, 100, 95, plan, structure=Structure.SHARES), exits_plan=ExitPlan())
    written = make.call(88, dte=14)
    signal = make.signal(
        structure=Structure.COVERED_CALL,
        legs=(Leg(written, -1),),
        covers="P00002",
        spot=D(80),
        limit=D("-1.05"),
        natural=D("-1.00"),
        outlook=make.outlook(max_loss=D(0), collateral=D(0)),
    )
    world.market.set_quote(written, "1.00", "1.10")
    world.market.set_quote(SHARE, "79.99", "80.01")
    propose(world, plan=make.plan(signal, 1, counted_risk=D(0)))
    approvals.approve(world.desk, "A00001", 1, "ann")
    return world


def test_a_call_being_sold_is_withdrawn_before_its_shares_are_sold() -> None:
    world = shares_and_entry()
    assert world.broker.open_orders() == ("A00001.1.1",)

    look(world, "2.20", "2.30")
    look(world, "2.20", "2.30")

    assert world.broker.open_orders() == ("P00002.stop.1.1",)


def test_the_shares_wait_while_the_broker_has_not_confirmed_that_the_call_is_withdrawn() -> None:
    world = shares_and_entry()
    world.broker.faults = [Fault.CANCEL_LOST]

    look(world, "2.20", "2.30")
    look(world, "2.20", "2.30")

    assert world.broker.posts == ["A00001.1.1"]


def test_shares_at_their_stop_whose_call_has_no_quote_are_an_alarm() -> None:
    written = make.call(88, dte=14)
    world = holding(
        held("P00002", SHARE, 100, 95, ExitPlan(stop_spot=D(90)), structure=Structure.SHARES),
        held("P00003", written, -1, 1, ExitPlan(), structure=Structure.COVERED_CALL),
    )

    for _ in range(3):
        look(world, "2.20", "2.30")

    assert (world.broker.posts, len(world.events(EventKind.EXIT_FAILED))) == ([], 1)


def test_an_exit_that_waits_long_for_the_end_of_an_entry_is_an_alarm() -> None:
    world = shares_and_entry()
    world.broker.faults = [Fault.CANCEL_LOST] * 100

    for _ in range(5):
        look(world, "2.20", "2.30", seconds=6)

    assert world.broker.posts == ["A00001.1.1"]
    assert len(world.events(EventKind.EXIT_FAILED)) == 1


def test_an_imported_call_is_bought_back_before_imported_shares_are_sold() -> None:
    written = make.call(88, dte=14)
    stop = ExitPlan(stop_spot=D(90))
    world = holding(
        held("P00002", SHARE, 100, 95, stop, structure=Structure.SHARES),
        held("P00003", written, -1, 1, ExitPlan(), structure=Structure.COVERED_CALL),
    )
    started: list[Ticket] = []
    for _ in range(2):
        world.market.set_quote(written, "0.10", "0.12")
        started += look(world, "2.20", "2.30")

    assert [ticket.position_id for ticket in started] == ["P00003"]


def test_an_exit_that_crosses_the_night_begins_again_at_the_mid() -> None:
    world = holding()
    look(world, "2.80", "2.90")
    for _ in range(2):
        look(world, "2.80", "2.90", seconds=15)
        orders.work(world.desk)
    world.clock.set(world.desk.sessions.close(make.TODAY) + timedelta(seconds=30))
    orders.work(world.desk)

    world.clock.set(world.desk.sessions.open(make.TODAY + timedelta(days=1)))
    world.market.set_quote(CALL, "2.00", "3.70")
    orders.work(world.desk)

    with world.store.read() as work:
        assert work.recent_orders(1)[0].limit == D("-2.85")
        assert [ticket.purpose for ticket in work.open_tickets()] == [Purpose.EXIT]


def test_an_exit_still_runs_when_the_broker_did_not_answer_the_first_time() -> None:
    world = holding()
    world.broker.faults = [Fault.LOST_BEFORE]
    look(world, "2.80", "2.90")

    world.clock.advance(11)
    orders.reconcile(world.desk)

    assert world.broker.open_orders() == ("P00001.target.1.1",)


def test_a_stop_does_not_wait_for_the_close_of_a_part() -> None:
    world = holding(units=4)
    look(world, "2.20", "2.30")
    part = exits.close(world.desk, "P00001", "ann", 1)
    look(world, "1.47", "1.57")

    started = look(world, "1.47", "1.57")

    assert [(ticket.reason, ticket.quantity) for ticket in started] == [("stop", 4)]
    working = [order.client_order_id for order in world.broker.sent.values() if order.is_open]
    assert working == [f"{started[0].id}.1"]
    with world.store.read() as work:
        assert not work.ticket(part.id).is_open
    assert len(world.events(EventKind.EXIT_FAILED)) == 0


def test_a_target_leaves_the_close_of_a_part_alone() -> None:
    world = holding(units=4)
    look(world, "2.20", "2.30")
    part = exits.close(world.desk, "P00001", "ann", 1)

    started = look(world, "2.90", "3.00")

    assert started == ()
    with world.store.read() as work:
        assert work.ticket(part.id).is_open


def test_the_part_that_filled_while_it_made_way_is_not_sold_again() -> None:
    world = holding(units=4)
    look(world, "2.20", "2.30")
    exits.close(world.desk, "P00001", "ann", 1)
    look(world, "1.47", "1.57")
    world.broker.faults = [Fault.FILL_ON_CANCEL]

    started = look(world, "1.47", "1.57")

    assert [(ticket.reason, ticket.quantity) for ticket in started] == [("stop", 3)]


def test_a_second_close_does_not_tear_a_package_apart_whose_executions_are_coming_in() -> None:
    legs = make.vertical(50, 45)
    spread = make.position(
        legs,
        [make.held(leg.instrument, leg.ratio, 1) for leg in legs],
        id="P00003",
        structure=Structure.CREDIT_SPREAD,
        opened_units=1,
        approval_id=None,
        exits=ExitPlan(stop=D(-90)),
    )
    world = holding(spread)
    for leg, (bid, ask) in zip(legs, (("1.98", "2.02"), ("0.98", "1.02")), strict=True):
        world.market.set_quote(leg.instrument, bid, ask)
    world.market.set_quote(make.share(), "47.99", "48.01")
    ticket = exits.close(world.desk, "P00003", "ann")
    world.broker.fill(f"{ticket.id}.1")
    late = world.broker.executions.pop()
    orders.reconcile(world.desk)

    with pytest.raises(AlreadyDecided, match="already has a working order"):
        exits.close(world.desk, "P00003", "tom")

    with world.store.read() as work:
        assert (work.position("P00003").unit, work.position("P00003").exits.stop) == (legs, D(-90))
    world.broker.executions.append(late)
    orders.reconcile(world.desk)
    with world.store.read() as work:
        assert not work.position("P00003").is_open
