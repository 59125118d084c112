"""Rolls: candidates with net and breakeven, two steps that are never doubled and never silently half."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from engine import activities, approvals, envelopes, exits, halts, ledger, orders, rolls, standing
from engine.desk import Desk
from engine.errors import AlreadyDecided, BadRequest, NotAllowed
from engine.model.book import Position, PositionStatus
from engine.model.envelopes import Bounds
from engine.model.events import EventKind
from engine.model.legs import Structure
from engine.model.limits import ApprovalRules
from engine.model.orders import ActivityKind, Order, TicketStatus
from engine.model.rolls import Roll, RollStatus
from engine.model.trade import ApprovalStatus
from strategies import CATALOGUE
from tests import make
from tests.desk import FakeBroker, Fault, World, make_world, propose
from tests.rolling import DOWN, NEW, NEW_CALL, OLD, UP, covered_call, fill, go_on, look, open_market, short_put, stored

D = Decimal
FIRST = "P00001.roll.1.1"


def world_with_put(units: int = 2) -> World:
    world = make_world(dict(CATALOGUE))
    short_put(world, units)
    open_market(world)
    return world


def begun(world: World) -> Roll:
    """The first candidate chosen: the closing order is working."""
    roll = rolls.offer(world.desk, "P00001", "ann")
    return rolls.choose(world.desk, roll.id, roll.version, 0, "ann")


def second_order(world: World) -> str:
    (id,) = [post for post in world.broker.posts if post.startswith("A")]
    return id


def positions(world: World) -> dict[str, PositionStatus]:
    with world.store.read() as work:
        return {p.id: p.status for p in (*work.open_positions(), *work.positions_closed())}


def alarms(world: World) -> list[EventKind]:
    with world.store.read() as work:
        return [e.kind for e in work.events(kinds=[EventKind.EXIT_FAILED, EventKind.POSITION_MISMATCH])]


def test_a_put_is_offered_out_and_out_and_down_with_net_and_breakeven_and_never_a_higher_strike() -> None:
    world = world_with_put()

    roll = rolls.offer(world.desk, "P00001", "ann")

    found = [(each.name, each.signal.options[0], each.net, each.breakevens) for each in roll.candidates]
    assert found == [
        ("out", NEW, D("-0.60"), (D("42.37"),)),
        ("out and down", DOWN, D("-0.15"), (D("40.82"),)),
    ]
    assert all(each.signal.campaign == "C00001" for each in roll.candidates)
    assert world.broker.posts == []


def test_a_call_is_offered_out_and_up_against_the_basis_of_its_shares() -> None:
    world = make_world(dict(CATALOGUE))
    covered_call(world)
    open_market(world)

    roll = rolls.offer(world.desk, "P00001", "ann")

    found = [(each.signal.options[0], each.net, each.breakevens) for each in roll.candidates]
    assert found == [(NEW_CALL, D("-0.60"), (D("41.24"),)), (UP, D("-0.15"), (D("41.69"),))]
    assert {each.signal.covers for each in roll.candidates} == {"P00002"}


def test_what_would_cost_money_is_not_offered_and_the_card_says_why() -> None:
    world = world_with_put()
    world.market.set_quote(OLD, "2.95", "3.05")

    with pytest.raises(NotAllowed, match="nothing to roll P00001 into now; it can be closed"):
        rolls.offer(world.desk, "P00001", "ann")


def test_a_roll_closes_then_opens_and_continues_the_campaign() -> None:
    world = world_with_put()
    roll = begun(world)
    assert stored(world, roll.id).status is RollStatus.CLOSING
    closing = world.broker.sent[FIRST]
    assert (closing.legs[0].instrument, closing.legs[0].ratio, closing.limit) == (OLD, 1, D("2.00"))

    fill(world, FIRST)
    opening = world.broker.sent[second_order(world)]
    assert stored(world, roll.id).status is RollStatus.OPENING
    assert (opening.legs[0].instrument, opening.legs[0].ratio, opening.quantity) == (NEW, -1, 2)
    fill(world, opening.client_order_id)

    done = stored(world, roll.id)
    with world.store.read() as work:
        (new,) = work.open_positions()
        campaign = work.campaign("C00001")
        assert work.campaigns("wheel") == ()
    assert (done.status, done.rolled) == (RollStatus.DONE, 2)
    assert done.note == f"Rolled into {new.id} for a net credit of 0.60 a share."
    assert [p.id for p in campaign] == ["P00001", new.id]
    assert new.exits.has_stop
    assert new.exits.target == D("-1.30")


def test_whatever_is_called_again_places_no_order_twice() -> None:
    """Every loop looks several times at every step, as after restarts."""
    world = world_with_put()
    begun(world)
    for _ in range(3):
        look(world)
    fill(world, FIRST)
    for _ in range(3):
        orders.resume(world.desk)
        look(world)
    fill(world, second_order(world))
    for _ in range(3):
        orders.resume(world.desk)
        look(world)

    assert world.broker.posts == [FIRST, second_order(world)]


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER])
def test_an_answer_lost_at_either_step_is_found_again_and_never_doubled(fault: Fault) -> None:
    world = world_with_put()
    world.broker.faults = [fault]
    roll = begun(world)
    go_on(world, 11)
    world.broker.faults = [fault]
    fill(world, FIRST)
    go_on(world, 11)
    second = next(id for id in world.broker.sent if id.startswith("A"))
    fill(world, second)

    assert stored(world, roll.id).status is RollStatus.DONE
    assert sorted(world.broker.sent) == sorted([FIRST, second])
    assert len([s for s in positions(world).values() if s is PositionStatus.OPEN]) == 1


def test_a_desk_stopped_between_the_choice_and_the_first_order_begins_nothing_later() -> None:
    world = world_with_put()
    roll = rolls.offer(world.desk, "P00001", "ann")
    with world.store.begin() as work:
        rolls._save(world.desk, work, rolls._chosen(roll, 0, "ann", world.clock(), D("-0.49")))
    go_on(world, 20)
    assert stored(world, roll.id).status is RollStatus.CLOSING

    go_on(world, 20)

    assert stored(world, roll.id).status is RollStatus.WITHDRAWN
    assert world.broker.posts == []


def test_a_first_order_that_never_left_is_not_sent_an_hour_later() -> None:
    world = world_with_put()
    world.broker.faults = [Fault.LOST_BEFORE]
    roll = begun(world)
    world.clock.advance(hours=1)
    open_market(world)

    orders.resume(world.desk)
    look(world)

    assert world.broker.sent == {}
    assert stored(world, roll.id).status is RollStatus.WITHDRAWN
    assert alarms(world) == []


def test_two_taps_are_one_roll() -> None:
    world = world_with_put()
    roll = rolls.offer(world.desk, "P00001", "ann")
    rolls.choose(world.desk, roll.id, 1, 0, "ann")

    with pytest.raises(AlreadyDecided, match="is closing already by ann"):
        rolls.choose(world.desk, roll.id, 1, 1, "tom")
    with pytest.raises(AlreadyDecided, match="being rolled already"):
        rolls.offer(world.desk, "P00001", "tom")
    assert world.broker.posts == [FIRST]


def test_a_newer_offer_ends_the_one_that_waits() -> None:
    world = world_with_put()
    first = rolls.offer(world.desk, "P00001", "ann")
    rolls.offer(world.desk, "P00001", "tom")

    with pytest.raises(AlreadyDecided, match="is withdrawn already"):
        rolls.choose(world.desk, first.id, 1, 0, "ann")


def test_an_unanswered_offer_does_nothing() -> None:
    world = world_with_put()
    roll = rolls.offer(world.desk, "P00001", "ann")

    go_on(world, 301)

    assert stored(world, roll.id).note == "Nobody chose in time: nothing is done."
    assert world.broker.posts == []


def test_a_net_that_moved_asks_again_and_sends_nothing() -> None:
    world = world_with_put()
    roll = rolls.offer(world.desk, "P00001", "ann")
    world.market.set_quote(OLD, "2.10", "2.20")

    asked = rolls.choose(world.desk, roll.id, 1, 0, "ann")

    assert (asked.status, asked.version) == (RollStatus.OFFERED, 2)
    assert asked.note == "The net of rolling out moved -0.15 to +0.45: choose again?"
    assert asked.candidates[0].net == D("-0.45")
    assert world.broker.posts == []


def test_a_roll_that_would_cost_by_now_is_not_begun() -> None:
    world = world_with_put()
    roll = rolls.offer(world.desk, "P00001", "ann")
    world.market.set_quote(OLD, "2.55", "2.65")
    world.market.set_quote(NEW, "2.55", "2.61")

    asked = rolls.choose(world.desk, roll.id, 1, 0, "ann")

    assert asked.note == "Rolling out would cost 0.02 now, and only a net credit is allowed."
    assert world.broker.posts == []


def test_the_first_order_never_pays_more_than_leaves_what_was_agreed() -> None:
    """A ladder of its own would run to the natural price and beyond, and eat the credit."""
    world = world_with_put()
    roll = begun(world)

    for _ in range(6):
        world.clock.advance(16)
        open_market(world)
        world.market.set_quote(OLD, "2.00", "2.60")
        look(world)

    paid = [order.limit for order in world.broker.sent.values()]
    assert max(paid) == D("2.10")
    assert stored(world, roll.id).status is RollStatus.WITHDRAWN
    assert positions(world) == {"P00001": PositionStatus.OPEN}
    assert alarms(world) == []


def after_first(world: World, roll: Roll) -> Roll:
    world.broker.fill(FIRST)
    world.clock.advance(1)
    look(world)
    return stored(world, roll.id)


def test_halted_between_the_steps_it_ends_closed_and_says_so() -> None:
    world = world_with_put()
    roll = begun(world)
    halts.halt(world.desk, "tom")

    ended = after_first(world, roll)

    assert ended.status is RollStatus.STOPPED
    assert ended.note.startswith("2 of P00001 closed, nothing was opened in its place: Entries are halted by tom.")
    assert positions(world) == {"P00001": PositionStatus.CLOSED}
    with world.store.read() as work:
        assert work.pending_approvals() == ()


def test_a_price_that_ran_away_between_the_steps_ends_it_closed() -> None:
    world = world_with_put()
    roll = begun(world)
    world.market.set_quote(NEW, "2.15", "2.25")

    ended = after_first(world, roll)

    assert ended.status is RollStatus.STOPPED
    assert "at 2.20 the roll would pass what was agreed by 0.30" in ended.note
    assert positions(world) == {"P00001": PositionStatus.CLOSED}


def test_a_market_that_closed_between_the_steps_ends_it_closed() -> None:
    world = world_with_put()
    roll = begun(world)
    world.broker.fill(FIRST)
    world.clock.advance(hours=7)

    look(world)

    assert stored(world, roll.id).status is RollStatus.STOPPED
    assert positions(world) == {"P00001": PositionStatus.CLOSED}


def test_quotes_that_are_missing_for_a_moment_are_waited_for() -> None:
    world = world_with_put()
    roll = begun(world)
    world.market.drop_quote(NEW)
    waiting = after_first(world, roll)

    go_on(world, 5)

    assert waiting.status is RollStatus.CLOSING
    assert stored(world, roll.id).status is RollStatus.OPENING


def test_a_second_order_that_is_refused_ends_it_closed() -> None:
    world = world_with_put()
    roll = begun(world)
    world.broker.faults = [Fault.REFUSE]

    after_first(world, roll)
    look(world)

    ended = stored(world, roll.id)
    assert ended.status is RollStatus.STOPPED
    assert "refused" in ended.note
    assert positions(world) == {"P00001": PositionStatus.CLOSED}


def test_a_second_order_that_nobody_fills_ends_it_closed() -> None:
    world = world_with_put()
    roll = begun(world)
    fill(world, FIRST)

    for _ in range(6):
        go_on(world, 16)

    ended = stored(world, roll.id)
    assert (ended.status, ended.rolled) == (RollStatus.STOPPED, 0)
    assert "the ladder ended" in ended.note
    assert world.broker.open_orders() == ()


def test_what_closed_in_part_is_opened_in_that_part_only() -> None:
    world = world_with_put()
    roll = begun(world)
    world.broker.fill(FIRST, 1)
    while stored(world, roll.id).status is RollStatus.CLOSING:
        go_on(world, 16)
    second = world.broker.sent[second_order(world)]
    fill(world, second.client_order_id)

    with world.store.read() as work:
        held = {p.id: (p.units, p.structure) for p in work.open_positions()}
    assert second.quantity == 1
    assert stored(world, roll.id).status is RollStatus.DONE
    assert sorted(held.values()) == [(1, Structure.SHORT_PUT), (1, Structure.SHORT_PUT)]


def test_an_entry_is_asked_of_the_gate_before_anything_is_closed() -> None:
    world = world_with_put()
    roll = rolls.offer(world.desk, "P00001", "ann")
    halts.halt(world.desk, "tom")

    with pytest.raises(NotAllowed, match="A roll opens a position; P00001 can be closed"):
        rolls.choose(world.desk, roll.id, 1, 0, "ann")
    assert world.broker.posts == []


def adjusted(position: Position) -> Position:
    return ledger.apply_split(position, D("1.5"))


def ask(desk: Desk) -> None:
    """The wheel's question at 21 days, as the supervisor of exits writes it."""
    data = {"reason": "21 DTE", "words": "Close or roll?", "ticker": "XYZ", "strategy": "wheel"}
    with desk.store.begin() as work:
        work.add_event(make.event(EventKind.EXIT_OFFERED, "P00001", "E99999", data=data))


def test_an_adjusted_contract_is_not_rolled() -> None:
    world = world_with_put()
    with world.store.begin() as work:
        position = work.position("P00001")
        work.save_position(adjusted(position))

    with pytest.raises(BadRequest, match="adjusted contract: it can only be closed"):
        rolls.offer(world.desk, "P00001", "ann")


def test_a_question_of_the_strategy_brings_the_candidates_by_itself_once() -> None:
    world = world_with_put()
    ask(world.desk)

    look(world)
    look(world)

    with world.store.read() as work:
        (offered,) = work.events(kinds=[EventKind.ROLL_OFFERED])
    assert stored(world, offered.subject).position_id == "P00001"


def test_the_order_of_a_roll_that_is_canceled_leaves_the_position_as_it_was() -> None:
    world = world_with_put()
    roll = begun(world)

    orders.cancel(world.desk, "P00001.roll.1", "tom")
    look(world)

    with world.store.read() as work:
        assert work.ticket("P00001.roll.1").status is TicketStatus.CLOSED
    assert stored(world, roll.id).note == "Nothing was closed (canceled by tom): P00001 is as it was."
    assert alarms(world) == []


def split(world: World) -> None:
    world.broker.happened.append(make.activity(ActivityKind.SPLIT, make.share(), 0, id="s1", at=world.clock(), ratio=2))
    activities.settle(world.desk)


def test_a_split_withdraws_offers_proposals_and_envelopes_on_the_name() -> None:
    """The naive way lets a tap sell contracts that do not exist any more."""
    world = world_with_put()
    roll = rolls.offer(world.desk, "P00001", "ann")
    propose(world)
    friday = world.desk.today + timedelta(days=3)
    named = envelopes.create(world.desk, Bounds("wheel", D(2000), 2, friday, tickers=("XYZ",)), "ann")
    general = envelopes.create(world.desk, Bounds("wheel", D(2000), 2, friday), "ann")

    split(world)

    assert stored(world, roll.id).status is RollStatus.WITHDRAWN
    with world.store.read() as work:
        approval = work.approval("A00001")
        assert (approval.status, approval.note) == (
            ApprovalStatus.EXPIRED,
            "split of XYZ: its contracts have changed",
        )
        assert (work.envelope(named.id).is_open, work.envelope(general.id).is_open) == (False, True)
    with pytest.raises(AlreadyDecided):
        approvals.approve(world.desk, "A00001", 1, "ann")
    assert world.broker.posts == []


def test_a_split_between_the_steps_ends_the_roll_and_opens_nothing() -> None:
    world = world_with_put()
    roll = begun(world)
    world.broker.fill(FIRST)
    orders.reconcile(world.desk)
    split(world)

    look(world)

    assert stored(world, roll.id).status is RollStatus.STOPPED
    assert world.broker.posts == [FIRST]


def test_an_adjusted_contract_can_be_closed_and_not_entered() -> None:
    world = world_with_put()
    with world.store.begin() as work:
        work.save_position(adjusted(work.position("P00001")))
        odd = work.position("P00001").unit[0].instrument
    world.market.set_quote(odd, "1.30", "1.40")
    world.market.set_quote(make.share(), "47.99", "48.01")
    leg = make.leg(odd, -1)
    propose(world, plan=make.plan(make.signal(legs=(leg,), limit=D("-1.35"), natural=D("-1.30"))))

    decision = approvals.approve(world.desk, "A00001", 1, "ann")
    exits.close(world.desk, "P00001", "ann")

    assert "is an adjusted contract: it can only be closed" in decision.words
    (order,) = world.broker.sent.values()
    assert (order.legs[0].instrument, order.legs[0].ratio, order.opening) == (odd, 1, False)


def test_an_assignment_during_the_first_step_ends_the_roll_and_buys_nothing_back() -> None:
    world = world_with_put()
    roll = begun(world)
    assigned = make.activity(ActivityKind.ASSIGNMENT, OLD, -2, id="n1", at=world.clock())
    world.broker.happened.append(assigned)
    activities.settle(world.desk)

    look(world)
    look(world)

    assert world.broker.open_orders() == ()
    assert stored(world, roll.id).note.endswith("P00001 has ended by itself.")


def test_so_much_risk_that_it_needs_two_names_is_not_rolled_by_one() -> None:
    world = make_world(dict(CATALOGUE), rules=ApprovalRules(second_approver_above=D(1000)))
    short_put(world)
    open_market(world)
    roll = rolls.offer(world.desk, "P00001", "ann")

    with pytest.raises(NotAllowed, match="needs two names"):
        rolls.choose(world.desk, roll.id, 1, 0, "ann")


class Killed(BaseException):
    """The process ends here: no handler of the desk gets to see it."""


class Mortal(FakeBroker):
    """A broker at whose n-th submission the desk's process dies, before the order arrived or after it was taken."""

    dies_at = 0
    arrived = False
    seen = 0

    def submit(self, order: Order) -> Order:
        self.seen += 1
        if self.seen != self.dies_at:
            return super().submit(order)
        if self.arrived:
            super().submit(order)
        raise Killed


@pytest.mark.parametrize("arrived", [False, True])
@pytest.mark.parametrize("step", [1, 2])
def test_killed_at_either_order_the_next_process_ends_the_roll_with_each_order_once(step: int, arrived: bool) -> None:
    world = world_with_put()
    broker = Mortal(world.clock)
    broker.dies_at, broker.arrived = step, arrived
    world = replace(world, desk=replace(world.desk, broker=broker), broker=broker)
    standing.refresh_account(world.desk)
    roll = rolls.offer(world.desk, "P00001", "ann")
    ended = 0
    try:
        rolls.choose(world.desk, roll.id, 1, 0, "ann")
    except Killed:
        ended += 1
    for _ in range(6):
        try:
            orders.resume(world.desk)
            go_on(world, 4)
            for id in broker.open_orders():
                broker.fill(id)
        except Killed:
            ended += 1

    done = stored(world, roll.id)
    assert (ended, done.status, done.rolled) == (1, RollStatus.DONE, 2)
    assert len(broker.sent) == 2
    assert list(positions(world).values()).count(PositionStatus.OPEN) == 1
