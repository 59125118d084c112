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


def test_the_long_leg_left_by_an_assignment_is_watched_told_and_can_be_closed() -> None:
    world = make_world()
    spread(world)
    happen(world, assignment(world))
    look(world)
    look(world)

    left = position(world, "P00001")
    assert (left.structure, left.units, left.entry, left.max_loss) == (Structure.LONG_PUT, 1, D("0.40"), D("40.00"))
    assert not left.exits.has_stop
    assert len(world.events(EventKind.LEG_LOST)) == 1
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

    with world.store.read() as work:
        (left,) = work.open_positions()
    assert (left.structure, left.units, left.entry, left.cost) == (Structure.SHARES, 100, D("42"), D("4200"))
    assert position(world, "P00001").close_reason == "exercised"
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
    assert len(world.events(EventKind.POSITION_MISMATCH)) == 1


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
    assert len(world.events(EventKind.EXIT_FAILED)) == 0


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
    with world.store.read() as work:
        assert [e.subject for e in work.events(kinds=[EventKind.LEG_LOST])].count(left.id) == 1


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
    assert len(world.events(EventKind.POSITION_MISMATCH)) == 0


def short_put(world: World, id: str = "P00001", quantity: int = -2) -> None:
    with world.store.begin() as work:
        lots = (make.held(SHORT, quantity, "1.03"),)
        work.save_position(make.position(id=id, campaign=id, approval_id=None, lots=lots, opened_units=-quantity))


def shares(world: World, id: str, campaign: str, quantity: int, price: str = "42.97") -> None:
    with world.store.begin() as work:
        work.save_position(
            make.position(
                id=id,
                campaign=campaign,
                approval_id=None,
                structure=Structure.SHARES,
                unit=(Leg(SHARE, 1),),
                lots=(make.held(SHARE, quantity, price),),
                exits=ExitPlan(stop_spot=D("32.22")),
                entry=D(price),
                opened_units=quantity,
            )
        )


def open_positions(world: World) -> dict[Structure, int]:
    with world.store.read() as work:
        return {each.structure: each.units * each.unit[0].ratio for each in work.open_positions()}


def test_an_assignment_told_before_the_fills_it_ends_waits_for_them_and_alarms_nobody() -> None:
    """The naive way books what it finds: one put stays in the books for good, and is bought back one day."""
    world = make_world()
    propose(world)
    approvals.approve(world.desk, "A00001", 1, "ann")
    world.broker.fill("A00001.1.1")
    world.clock.advance(1)
    happen(world, assignment(world, -2))
    quiet = len(world.events(EventKind.POSITION_MISMATCH))
    orders.reconcile(world.desk)

    activities.settle(world.desk)
    activities.settle(world.desk)

    assert quiet == 0
    assert open_positions(world) == {Structure.SHARES: 200}
    with world.store.read() as work:
        assert work.book().cash == D(100_000) + 206 - 2 - 8800


def test_contracts_opened_after_the_day_of_an_assignment_are_not_the_ones_it_ended() -> None:
    world = make_world()
    happen(world, assignment(world, -1))
    world.clock.advance(days=1)
    with world.store.begin() as work:
        lots = (make.held(SHORT, -1, "1.03", world.clock()),)
        work.save_position(make.position(approval_id=None, lots=lots, opened_units=1, opened_at=world.clock()))

    activities.settle(world.desk)

    assert position(world, "P00001").units == 1
    assert len(world.events(EventKind.POSITION_MISMATCH)) == 1


def test_two_partial_assignments_of_a_campaign_make_one_pile_of_shares() -> None:
    world = make_world()
    short_put(world)

    happen(world, assignment(world, -1, "n1"))
    happen(world, assignment(world, -1, "n2"))

    with world.store.read() as work:
        (pile,) = work.open_positions()
    assert (pile.units, pile.entry, pile.opened_units, pile.cost) == (200, D("42.97"), 200, D(8594))


def test_a_call_is_called_away_from_every_pile_that_covers_it() -> None:
    """The naive way wants all shares in one position and leaves a call in the books that is gone."""
    world = make_world()
    call = make.call(48)
    shares(world, "P00001", "C1", 100)
    shares(world, "P00002", "C2", 150, "43.00")
    with world.store.begin() as work:
        lots = (make.held(call, -2, "1.13"),)
        work.save_position(
            make.position(
                id="P00003",
                campaign="C1",
                approval_id=None,
                structure=Structure.COVERED_CALL,
                unit=(Leg(call, -1),),
                lots=lots,
                opened_units=2,
            )
        )

    happen(world, make.activity(ActivityKind.ASSIGNMENT, call, -2, id="n1", at=world.clock()))

    assert [position(world, id).units for id in ("P00001", "P00002", "P00003")] == [0, 50, 0]
    assert position(world, "P00001").realised == D("616.00")
    assert position(world, "P00002").realised == D("613.00")
    with world.store.read() as work:
        assert work.book().cash == D(100_000) + 9600


def call_spread(world: World, units: int = 1) -> None:
    sold, bought = make.call(48), make.call(50)
    spread = make.position(
        approval_id=None,
        structure=Structure.CREDIT_SPREAD,
        unit=(Leg(sold, -1), Leg(bought, 1)),
        lots=(make.held(sold, -units, "1.00"), make.held(bought, units, "0.40")),
        opened_units=units,
    )
    with world.store.begin() as work:
        work.save_position(spread)


def test_a_short_call_of_a_spread_assigned_leaves_short_shares_and_the_long_call_with_what_to_do() -> None:
    world = make_world()
    call_spread(world)

    happen(world, make.activity(ActivityKind.ASSIGNMENT, make.call(48), -1, id="n1", at=world.clock()))

    assert open_positions(world) == {Structure.LONG_CALL: 1, Structure.SHARES: -100}
    with world.store.read() as work:
        (lost,) = work.events(kinds=[EventKind.LEG_LOST])
        assert work.book().cash == D(104_800)
    assert lost.subject == "P00001"
    assert str(lost.data["words"]).endswith("buy back 100 × XYZ; then sell 1 × XYZ 15 Jul 26 50 call.")


def test_the_long_call_exercised_against_the_short_shares_ends_the_campaign_at_the_width() -> None:
    world = make_world()
    call_spread(world)
    happen(world, make.activity(ActivityKind.ASSIGNMENT, make.call(48), -1, id="n1", at=world.clock()))

    happen(world, make.activity(ActivityKind.EXERCISE, make.call(50), 1, id="n2", at=world.clock()))

    assert open_positions(world) == {}
    with world.store.read() as work:
        totals = work.book().totals
    assert (totals.realised, totals.cash) == (D("-140.00"), D(99_800))


def test_a_part_of_a_spread_assigned_leaves_whole_spreads_under_their_exits_and_the_rest_apart() -> None:
    """The naive way sees three whole units and forgets two long puts."""
    world = make_world()
    spread(world, 5)

    happen(world, assignment(world, -2))

    with world.store.read() as work:
        held = {each.id: (each.structure, each.units) for each in work.open_positions()}
        (lost,) = work.events(kinds=[EventKind.LEG_LOST])
        kept = work.position("P00001")
    assert sorted(held.values()) == [
        (Structure.CREDIT_SPREAD, 3),
        (Structure.LONG_PUT, 2),
        (Structure.SHARES, 200),
    ]
    assert (kept.exits.stop, held[lost.subject]) == (D("-1.89"), (Structure.LONG_PUT, 2))


def test_a_sale_of_shares_that_are_called_away_is_withdrawn() -> None:
    world = make_world()
    call = make.call(48)
    shares(world, "P00001", "C1", 100)
    exits.close(world.desk, "P00001", "ann")
    with world.store.begin() as work:
        lots = (make.held(call, -1, "1.13"),)
        written = make.position(
            id="P00003",
            campaign="C1",
            approval_id=None,
            structure=Structure.COVERED_CALL,
            unit=(Leg(call, -1),),
            lots=lots,
        )
        work.save_position(written)

    happen(world, make.activity(ActivityKind.ASSIGNMENT, call, -1, id="n1", at=world.clock()))
    orders.work(world.desk)

    assert world.broker.open_orders() == ()


def test_a_corporate_action_on_options_is_told_takes_orders_off_and_moves_no_money() -> None:
    world = make_world()
    propose(world)
    approvals.approve(world.desk, "A00001", 1, "ann")

    happen(world, make.activity(ActivityKind.ADJUSTMENT, SHARE, 0, id="n1", at=world.clock(), amount=12))
    orders.work(world.desk)

    assert world.broker.open_orders() == ()
    with world.store.read() as work:
        (alert,) = work.events(kinds=[EventKind.POSITION_MISMATCH])
        assert work.book().cash == D(100_000)
    assert alert.data["broker"] == "adjustment of XYZ, +12.00"
