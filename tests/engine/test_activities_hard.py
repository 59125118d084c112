"""Activities that break a package, cannot be booked, or meet an order that is still working."""

from decimal import Decimal

from engine import activities, approvals, exits, orders, standing
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import Activity, ActivityKind, TicketStatus
from tests import make
from tests.desk import World, make_world, propose, quote_all

D = Decimal
SHARE = make.share()
SHORT, LONG = make.put(44), make.put(40)


def spread(world: World, units: int = 1) -> None:
    position = make.position(
        approval_id=None,
        structure=Structure.CREDIT_SPREAD,
        unit=(Leg(SHORT, -1), Leg(LONG, 1)),
        lots=(make.held(SHORT, -units, "1.03"), make.held(LONG, units, "0.40")),
        exits=ExitPlan(target=D("-0.31"), stop=D("-1.89")),
        opened_units=units,
        max_loss=D(337),
        risk=D(337),
    )
    with world.store.begin() as work:
        work.save_position(position)


def happen(world: World, *rows: Activity) -> None:
    world.broker.happened += rows
    activities.settle(world.desk)


def assignment(world: World, quantity: int = -1, id: str = "n1") -> Activity:
    return make.activity(ActivityKind.ASSIGNMENT, SHORT, quantity, id=id, at=world.clock())


def look(world: World) -> None:
    world.clock.advance(10)
    quote_all(world)
    world.market.set_quote(LONG, "0.40", "0.42")
    exits.supervise(world.desk)


def position(world: World, id: str) -> Position:
    with world.store.read() as work:
        return work.position(id)


def told(world: World, kind: EventKind) -> int:
    with world.store.read() as work:
        return sum(event.kind is kind for event in work.events())


def test_the_long_leg_left_by_an_assignment_is_watched_told_and_can_be_closed() -> None:
    world = make_world()
    spread(world)
    happen(world, assignment(world))
    look(world)
    look(world)

    left = position(world, "P00001")
    assert (left.structure, left.units, left.entry, left.max_loss) == (Structure.LONG_PUT, 1, D("0.40"), D("40.00"))
    assert not left.exits.has_stop
    assert told(world, EventKind.POSITION_MISMATCH) == 1
    assert exits.close(world.desk, "P00001", "ann").limit == D("-0.41")


def test_a_call_that_was_exercised_leaves_shares_that_count_and_can_be_sold() -> None:
    world = make_world()
    call = make.call(40, dte=0)
    bought = make.position(
        approval_id=None,
        structure=Structure.LONG_CALL,
        unit=(Leg(call, 1),),
        lots=(make.held(call, 1, "2.00"),),
        opened_units=1,
    )
    with world.store.begin() as work:
        work.save_position(bought)
    happen(world, make.activity(ActivityKind.EXERCISE, call, 1, id="n1", at=world.clock()))
    look(world)

    left = position(world, "P00001")
    assert (left.structure, left.units, left.entry, left.cost) == (Structure.SHARES, 100, D("42"), D("4200"))
    standing.refresh_account(world.desk)
    with world.store.read() as work:
        (exposure,) = standing.risk_state(world.desk, work, ()).held
    assert (exposure.collateral, exposure.counted) == (D(4200), D(840))


def test_an_activity_that_cannot_be_booked_is_told_once_and_holds_up_nothing() -> None:
    world = make_world()
    impossible = make.activity(ActivityKind.EXPIRY, SHARE, 1, id="n1", at=world.clock())
    shares = make.position(
        id="P00002",
        approval_id=None,
        structure=Structure.SHARES,
        unit=(Leg(SHARE, 1),),
        lots=(make.held(SHARE, 1, 43),),
        opened_units=1,
    )
    with world.store.begin() as work:
        work.save_position(shares)
    paid = make.activity(ActivityKind.INTEREST, None, 0, id="n2", at=world.clock(), amount=5)

    happen(world, impossible, paid)
    activities.settle(world.desk)

    with world.store.read() as work:
        assert work.book().totals.interest == D(5)
    assert told(world, EventKind.POSITION_MISMATCH) == 1


def test_orders_of_a_name_that_splits_are_withdrawn_and_the_position_is_watched_again() -> None:
    world = make_world()
    propose(world)
    approvals.approve(world.desk, "A00001", 1, "ann")
    world.broker.fill("A00001.1.1")
    orders.reconcile(world.desk)
    quote_all(world, "0.40", "0.44")
    (closing,) = exits.supervise(world.desk)
    happen(world, make.activity(ActivityKind.SPLIT, SHARE, 0, id="s1", at=world.clock(), ratio=2))

    orders.work(world.desk)

    with world.store.read() as work:
        assert work.ticket(closing.id).status is TicketStatus.CLOSED
        assert work.open_tickets() == ()
    assert world.broker.open_orders() == ()


def test_an_order_that_buys_back_an_assigned_put_is_withdrawn_at_once() -> None:
    world = make_world()
    propose(world)
    approvals.approve(world.desk, "A00001", 1, "ann")
    world.broker.fill("A00001.1.1")
    orders.reconcile(world.desk)
    quote_all(world, "0.40", "0.44")
    exits.supervise(world.desk)

    happen(world, assignment(world, -2))
    orders.work(world.desk)

    assert world.broker.open_orders() == ()
    assert told(world, EventKind.EXIT_FAILED) == 0


def test_an_execution_more_than_was_held_is_never_closed_in_the_wrong_direction() -> None:
    """One of two puts is assigned while both are bought back: a long put is left, and is sold, not bought."""
    world = make_world()
    propose(world)
    approvals.approve(world.desk, "A00001", 1, "ann")
    world.broker.fill("A00001.1.1")
    orders.reconcile(world.desk)
    quote_all(world, "0.40", "0.44")
    (closing,) = exits.supervise(world.desk)
    happen(world, assignment(world, -1))
    world.broker.fill(f"{closing.id}.1")
    orders.reconcile(world.desk)

    look(world)

    left = position(world, closing.position_id)
    assert (left.structure, left.units, left.unit[0].ratio) == (Structure.LONG_PUT, 1, 1)
    assert told(world, EventKind.POSITION_MISMATCH) == 1


def test_a_remembered_price_keeps_its_own_time() -> None:
    world = make_world()
    with world.store.begin() as work:
        work.save_position(make.position(approval_id=None, lots=(make.held(SHORT, -2, "1.03"),)))
        book = work.book()
    first = standing.marks(world.desk, book)
    with world.store.begin() as work:
        standing.save_marks(work, first, world.clock())
    then = world.clock()
    world.market.drop_quote(SHORT)
    world.clock.advance(days=3)
    with world.store.begin() as work:
        standing.save_marks(work, standing.marks(world.desk, book, standing.stored_marks(work)), world.clock())

    with world.store.read() as work:
        assert standing.stored_marks(work)[SHORT.symbol][1] == then


def test_an_assignment_takes_no_more_than_it_says_when_two_positions_hold_the_contract() -> None:
    world = make_world()
    rows = {"P00001": -2, "P00002": -1}
    with world.store.begin() as work:
        for id, quantity in rows.items():
            lots = (make.held(SHORT, quantity, "1.03"),)
            work.save_position(make.position(id=id, campaign=id, approval_id=None, lots=lots, opened_units=-quantity))

    happen(world, assignment(world, -1))

    assert [position(world, id).units for id in rows] == [1, 1]
    with world.store.read() as work:
        assert work.book().cash == D(100_000) - 4400
    assert told(world, EventKind.POSITION_MISMATCH) == 0
