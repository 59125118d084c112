"""Every reason a broker gives for a no, and what the desk does about it: entries end, exits find a way or call."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import approvals, exits, orders, pauses, refusals
from engine.errors import OrderRejected, Refusal
from engine.model.events import Event, EventKind, Severity
from engine.model.legs import ExitPlan
from engine.model.limits import ApprovalRules
from engine.model.orders import OrderStatus, Ticket, TicketStatus
from engine.refusals import Ticks
from tests import make
from tests.desk import World, make_world, propose, quote_all

D = Decimal
FIRST = "A00001.1.1"
prices = st.decimals("-9.99", "9.99", places=2).filter(bool)


def no(kind: Refusal, words: str = "no", *related: str) -> OrderRejected:
    return OrderRejected(words, 40310000, kind, related)


def approved(world: World, **more: object) -> None:
    propose(world, **more)
    approvals.approve(world.desk, "A00001", 1, "ann")


def ticket(world: World, id: str = "A00001.1") -> Ticket:
    with world.store.read() as work:
        return work.ticket(id)


def happened(world: World, kind: EventKind) -> list[Event]:
    with world.store.read() as work:
        return [event for event in work.events() if event.kind is kind]


def closing(world: World, *answers: OrderRejected, bid: str = "0.48", ask: str = "0.52") -> str:
    """The id of an exit at its target, whose first orders are refused with `answers`."""
    approved(world, plan=make.plan(make.signal(exits=ExitPlan(target=D("-0.52")))))
    world.broker.fill(FIRST)
    orders.reconcile(world.desk)
    quote_all(world, bid, ask)
    world.broker.refusals = list(answers)
    (started,) = exits.supervise(world.desk)
    return started.id


def later(world: World, seconds: float = 15) -> None:
    world.clock.advance(seconds)
    quote_all(world, "0.48", "0.52")
    orders.reconcile(world.desk)
    orders.work(world.desk)


ENDING = [kind for kind in Refusal if kind is not Refusal.PRICE]


@pytest.mark.parametrize("kind", ENDING)
def test_a_refused_entry_is_sent_once_and_says_why(kind: Refusal) -> None:
    world = make_world()
    world.broker.refusals = [no(kind, "the words of the broker")]

    approved(world)
    later(world, 60)

    assert world.broker.posts == [FIRST]
    assert ticket(world).status is TicketStatus.CLOSED
    assert "the words of the broker" in ticket(world).note


@pytest.mark.parametrize("kind", sorted(refusals.OF_THE_ACCOUNT))
def test_an_account_that_takes_no_order_at_all_is_an_urgent_matter(kind: Refusal) -> None:
    world = make_world()
    world.broker.refusals = [no(kind, "forbidden.")]

    approved(world)

    (alarm,) = happened(world, EventKind.ERROR)
    assert (alarm.severity, alarm.correlation) == (Severity.URGENT, "A00001")
    assert "No order gets through" in str(alarm.data["words"])


@pytest.mark.parametrize(
    "kind", sorted(set(Refusal) - {Refusal.PRICE, Refusal.TIMING, Refusal.HELD, Refusal.WASH_TRADE})
)
def test_an_exit_refused_for_what_cannot_be_helped_ends_with_an_alarm(kind: Refusal) -> None:
    world = make_world()

    exit_id = closing(world, no(kind, "the words of the broker"))

    (alarm,) = happened(world, EventKind.EXIT_FAILED)
    assert (alarm.severity, alarm.correlation) == (Severity.URGENT, "A00001")
    assert "the words of the broker" in str(alarm.data["note"])
    assert not ticket(world, exit_id).is_open


def test_an_uncovered_exit_says_that_it_takes_two_steps() -> None:
    world = make_world()

    exit_id = closing(world, no(Refusal.UNCOVERED, "account not eligible to trade uncovered option contracts"))

    assert "two steps" in ticket(world, exit_id).note


def test_an_entry_off_its_tick_goes_again_once_on_a_wider_one_inside_what_was_approved() -> None:
    world = make_world()
    world.broker.refusals = [no(Refusal.PRICE, "sub-penny increment")]

    approved(world)

    assert world.broker.posts == [FIRST, "A00001.1.2"]
    assert world.broker.sent["A00001.1.2"].limit == D("-1.00")
    assert ticket(world).worst >= D("-1.00")


def test_an_entry_goes_the_other_way_where_the_wider_tick_would_pass_its_worst_price() -> None:
    world = make_world()
    quote_all(world, "1.02", "1.12")  # mid 1.07, worst 0.99 + ...: the band ends at 1.03
    world.broker.refusals = [no(Refusal.PRICE)]

    approved(world, plan=make.plan(make.signal(limit=D("-1.07"))))

    assert world.broker.sent["A00001.1.2"].limit == D("-1.05")
    assert ticket(world).worst == D("-1.03")


def test_a_price_refused_on_the_widest_tick_too_ends_the_entry() -> None:
    world = make_world()
    world.broker.refusals = [no(Refusal.PRICE), no(Refusal.PRICE)]

    approved(world)

    assert world.broker.posts == [FIRST, "A00001.1.2"]
    assert ticket(world).status is TicketStatus.CLOSED


def test_the_next_step_keeps_to_the_tick_the_broker_taught() -> None:
    world = make_world()
    world.broker.refusals = [no(Refusal.PRICE)]
    approved(world)

    world.clock.advance(15)
    quote_all(world)
    orders.work(world.desk)

    assert world.broker.sent["A00001.1.3"].limit == D("-1.00")


def test_an_exit_off_its_tick_goes_again_on_a_wider_one() -> None:
    world = make_world()

    exit_id = closing(world, no(Refusal.PRICE), bid="0.45", ask="0.49")

    assert world.broker.sent[f"{exit_id}.2"].limit == D("0.50")
    assert happened(world, EventKind.EXIT_FAILED) == []


def test_an_exit_that_may_not_trade_now_waits_and_tries_again() -> None:
    world = make_world()

    exit_id = closing(world, no(Refusal.TIMING, "only during market hours"))
    assert list(world.broker.sent) == [FIRST]
    later(world)

    assert list(world.broker.sent) == [FIRST, f"{exit_id}.2"]
    assert happened(world, EventKind.EXIT_FAILED) == []


def test_an_exit_that_may_not_trade_now_is_not_tried_before_the_next_open() -> None:
    world = make_world()
    exit_id = closing(world, no(Refusal.TIMING))
    close = world.desk.sessions.close(make.TODAY)

    world.clock.set(close + timedelta(minutes=5))
    orders.work(world.desk)
    assert f"{exit_id}.2" not in world.broker.sent
    world.clock.set(world.desk.sessions.open(make.TODAY + timedelta(days=1)) + timedelta(minutes=6))
    later(world)

    assert f"{exit_id}.2" in world.broker.sent


def test_an_exit_held_by_an_order_that_is_not_ours_names_it() -> None:
    world = make_world()

    closing(world, no(Refusal.HELD, "insufficient qty available", "61e69015"))

    (alarm,) = happened(world, EventKind.EXIT_FAILED)
    assert "61e69015" in str(alarm.data["note"])


def test_an_exit_refused_after_acceptance_is_tried_again_after_a_pause() -> None:
    world = make_world()
    exit_id = closing(world)
    turn_down(world, f"{exit_id}.1")

    later(world, 5)
    assert f"{exit_id}.2" not in world.broker.sent
    later(world, 15)

    assert f"{exit_id}.2" in world.broker.sent
    assert happened(world, EventKind.EXIT_FAILED) == []


def test_a_person_is_told_when_an_exit_was_refused_three_times() -> None:
    world = make_world()
    exit_id = closing(world)
    for attempt in (1, 2, 3):
        turn_down(world, f"{exit_id}.{attempt}")
        later(world, 1)
        assert happened(world, EventKind.EXIT_FAILED) == []
        later(world, 15 * 2 ** (attempt - 1))

    (alarm,) = happened(world, EventKind.EXIT_FAILED)
    assert "3 times in a row" in str(alarm.data["note"])
    assert f"{exit_id}.4" in world.broker.sent


def turn_down(world: World, client_order_id: str) -> None:
    known = world.broker.sent[client_order_id]
    world.broker.sent[client_order_id] = replace(known, status=OrderStatus.REJECTED)


def test_every_try_and_its_answer_are_kept_as_one_story() -> None:
    world = make_world()
    closing(world, no(Refusal.TIMING, "only during market hours"))
    later(world)
    later(world)

    tries = happened(world, EventKind.ATTEMPTED)
    assert [(event.data["act"], event.data["answer"]) for event in tries] == [
        ("submit", "accepted"),
        ("submit", "refused"),
        ("submit", "accepted"),
        ("cancel", "accepted"),
        ("submit", "accepted"),
    ]
    assert (tries[1].data["code"], tries[1].data["kind"]) == (40310000, "timing")
    assert {event.correlation for event in tries} == {"A00001"}


@given(limit=prices, ticks=st.sampled_from(Ticks))
def test_a_price_on_its_ticks_keeps_its_sign_and_is_given_up_against_ourselves(limit: Decimal, ticks: Ticks) -> None:
    fitted = refusals.on_ticks(limit, None, ticks)

    below, above = ticks.sizes
    assert fitted % (below if abs(fitted) < 3 else above) == 0
    assert (fitted > 0) == (limit > 0)
    assert fitted >= limit or abs(limit) < below
    assert refusals.on_ticks(fitted, None, ticks) == fitted


@given(limit=prices, room=st.decimals("0", "0.20", places=2), ticks=st.sampled_from(Ticks))
def test_a_price_on_its_ticks_never_passes_the_worst_one(limit: Decimal, room: Decimal, ticks: Ticks) -> None:
    assert refusals.on_ticks(limit, limit + room, ticks) <= limit + room


def test_a_refused_price_from_three_dollars_on_says_nothing_about_those_below() -> None:
    """A class of the penny program takes cents below 3 dollars: giving up nickels there would cost on every order."""
    order = make.order(limit="-3.12")

    assert refusals.wider(order, None, Ticks.CENTS) is Ticks.PENNY
    assert refusals.on_ticks(D("-1.03"), None, Ticks.PENNY) == D("-1.03")
    assert refusals.wider(make.order(limit="-3.15"), None, Ticks.PENNY) is Ticks.WIDE
    assert refusals.wider(make.order(limit="-1.03"), None, Ticks.CENTS) is Ticks.WIDE
    assert refusals.wider(make.order(limit="-3.20"), None, Ticks.WIDE) is None


def test_pauses_double_up_to_five_minutes() -> None:
    rules = ApprovalRules()

    assert [pauses.between_tries(n, rules).total_seconds() for n in (1, 2, 3, 5, 6, 99)] == [15, 30, 60, 240, 300, 300]
