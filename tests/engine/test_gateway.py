"""The border between paper and live: which orders may reach which account, and what opens nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from bot.loops import account_step
from engine import approvals, gateway, halts, orders, promotions
from engine.desk import Desk, Mode
from engine.errors import BrokerUnavailable, ConfigError, NotAllowed, NotFound
from engine.model.events import EventKind, Severity
from engine.model.orders import Order, OrderStatus, Purpose, TicketStatus
from engine.model.trade import ApprovalStatus
from tests import make
from tests.desk import LIVE, World, make_world, propose
from tests.standins.alpaca import AlpacaStandin
from tests.wire import connected


def live_world(number: str = LIVE) -> World:
    """A desk on live money; the keys open account `number`."""
    world = make_world(mode=Mode.LIVE)
    world.broker.number = number
    return world


def entry(world: World) -> Order:
    """A committed entry that was decided and not sent yet."""
    order = make.order()
    with world.store.begin() as work:
        work.add_approval(make.approval(status=ApprovalStatus.APPROVED, decided_by="ann"))
        work.add_ticket(make.ticket(attempts=1))
        work.add_order(order)
    return order


def exit_order(world: World) -> Order:
    """A committed stop of two short puts that was not sent yet."""
    stem = "P00001.stop.1"
    order = make.order([make.leg(ratio=1)], "2.06", opening=False, client_order_id=f"{stem}.1")
    with world.store.begin() as work:
        work.add_approval(make.approval(status=ApprovalStatus.APPROVED, decided_by="ann"))
        work.save_position(make.position(lots=[make.held(make.put(), -2, "1.03")]))
        ticket = make.ticket(
            id=stem,
            purpose=Purpose.EXIT,
            reason="stop",
            legs=order.legs,
            limit=order.limit,
            approval_id=None,
            attempts=1,
        )
        work.add_ticket(ticket)
        work.add_order(order)
    return order


def note(world: World, order: Order) -> str:
    with world.store.read() as work:
        return work.ticket(order.ticket_id).note


def test_live_keys_of_another_account_send_no_entry() -> None:
    world = live_world("999")

    sent = orders.send(world.desk, entry(world))

    assert world.broker.posts == []
    assert sent.status is OrderStatus.REJECTED
    assert "The broker's account is 999, the pinned one is 123456789." in note(world, sent)


def test_the_pinned_account_gets_its_order() -> None:
    world = live_world()

    sent = orders.send(world.desk, entry(world))

    assert sent.status is OrderStatus.ACCEPTED
    assert world.broker.posts == [sent.client_order_id]


def test_an_exit_for_the_wrong_account_is_refused_and_an_urgent_alert() -> None:
    world = live_world("999")

    orders.send(world.desk, exit_order(world))

    assert world.broker.posts == []
    with world.store.read() as work:
        (failed,) = work.events(kinds=[EventKind.EXIT_FAILED])
    assert failed.severity is Severity.URGENT
    assert "the pinned one is 123456789" in str(failed.data["note"])


def test_without_an_answer_about_the_account_an_entry_waits_and_is_looked_up() -> None:
    world = live_world()
    order = entry(world)
    world.broker.is_mute = True
    waiting = orders.send(world.desk, order)
    world.broker.is_mute = False
    world.clock.advance(11)

    orders.reconcile(world.desk)

    assert waiting.status is OrderStatus.NEW
    assert world.broker.posts == [order.client_order_id], "sent once, when the account was known"


def test_an_entry_whose_time_ran_out_while_the_account_was_unknown_is_dropped() -> None:
    world = live_world()
    order = entry(world)
    world.broker.is_mute = True
    orders.send(world.desk, order)
    world.broker.is_mute = False
    world.clock.advance(301)

    orders.reconcile(world.desk)

    assert world.broker.posts == []
    with world.store.read() as work:
        assert work.ticket(order.ticket_id).status is TicketStatus.CLOSED


def test_silence_about_the_account_stops_no_exit_of_a_process_that_has_seen_it() -> None:
    world = live_world()
    gateway.check_account(world.desk)
    world.broker.is_mute = True

    sent = orders.send(world.desk, exit_order(world))

    assert sent.status is OrderStatus.ACCEPTED


def test_an_exit_of_a_process_that_has_seen_the_account_is_not_kept_waiting_for_it() -> None:
    world = live_world()
    gateway.check_account(world.desk)
    asked = world.broker.account_looks

    orders.send(world.desk, exit_order(world))

    assert (len(world.broker.posts), world.broker.account_looks) == (1, asked)


def test_another_account_in_any_later_answer_stops_exits_too() -> None:
    world = live_world()
    gateway.check_account(world.desk)
    world.broker.number = "999"
    account_step(world.desk)

    sent = orders.send(world.desk, exit_order(world))

    assert (sent.status, world.broker.posts) == (OrderStatus.REJECTED, [])


def test_silence_about_the_account_holds_an_exit_of_a_process_that_has_never_seen_it() -> None:
    world = live_world()
    world.broker.is_mute = True

    sent = orders.send(world.desk, exit_order(world))

    assert sent.status is OrderStatus.NEW
    assert world.broker.posts == []


def test_having_seen_the_right_account_once_lets_no_entry_pass_unasked() -> None:
    world = live_world()
    gateway.check_account(world.desk)
    world.broker.is_mute = True

    sent = orders.send(world.desk, entry(world))

    assert sent.status is OrderStatus.NEW
    assert world.broker.posts == []


@pytest.mark.parametrize(
    ("mode", "is_paper", "words"),
    [
        (Mode.LIVE, True, "The desk is in live mode, but the broker's account is a paper one."),
        (Mode.PAPER, False, "The desk is in paper mode, but the broker's account is a live one."),
        (Mode.REPLAY, False, "The desk is in replay mode, but the broker's account is a live one."),
    ],
)
def test_paper_and_live_are_never_mixed(mode: Mode, is_paper: bool, words: str) -> None:
    world = make_world(mode=mode, account=LIVE)
    world.broker.number, world.broker.is_paper = LIVE, is_paper

    sent = orders.send(world.desk, entry(world))

    assert world.broker.posts == []
    assert words in note(world, sent)


def test_live_without_a_pinned_account_sends_nothing() -> None:
    world = live_world()
    desk = replace(world.desk, account="")

    sent = orders.send(desk, entry(world))

    assert world.broker.posts == []
    assert "the pinned one is none" in note(world, sent)


def test_a_pinned_paper_account_is_held_to_as_well() -> None:
    world = make_world(account="PA-MINE")

    sent = orders.send(world.desk, entry(world))

    assert world.broker.posts == []
    assert "The broker's account is PA-TEST, the pinned one is PA-MINE." in note(world, sent)


def test_paper_without_a_pinned_account_is_not_asked_for_its_number() -> None:
    world = make_world()
    world.broker.is_mute = True

    assert orders.send(world.desk, entry(world)).status is OrderStatus.ACCEPTED


def test_the_desk_does_not_open_on_another_account() -> None:
    world = live_world("999")

    with pytest.raises(ConfigError, match="account is 999, the pinned one is 123456789"):
        gateway.check_account(world.desk)


def test_the_desk_does_not_open_on_paper_where_live_is_meant() -> None:
    world = live_world()
    world.broker.is_paper = True

    with pytest.raises(ConfigError, match="live mode, but the broker's account is a paper one"):
        gateway.check_account(world.desk)


def test_the_check_at_the_start_says_when_nobody_answers() -> None:
    world = live_world()
    world.broker.is_mute = True

    with pytest.raises(BrokerUnavailable):
        gateway.check_account(world.desk)
    assert world.desk.verified == set()


# promotions


def unpromoted() -> World:
    world = live_world()
    promotions.end(world.desk, "wheel", LIVE, "ann")
    return world


def reasons(desk: Desk, strategy: str = "wheel") -> tuple[str, ...]:
    with desk.store.read() as work:
        return gateway.why_closed(desk, work, strategy, "XYZ")


def test_live_entries_wait_for_the_promotion_of_their_strategy_and_account() -> None:
    world = unpromoted()
    words = "wheel has not been promoted to live money: it trades on paper only."
    before = reasons(world.desk)
    promotions.record(world.desk, "wheel", "another account", "ann")
    promotions.record(world.desk, "wsb_dip", LIVE, "ann")
    others = reasons(world.desk)

    promotions.record(world.desk, "wheel", LIVE, "ann", "41 campaigns")

    assert before == others == (words,)
    assert reasons(world.desk) == ()


def test_paper_needs_no_promotion() -> None:
    assert reasons(make_world().desk) == ()


def test_a_tap_on_live_money_without_a_promotion_is_refused_and_the_proposal_stays() -> None:
    world = unpromoted()
    propose(world)

    with pytest.raises(NotAllowed, match="wheel has not been promoted to live money"):
        approvals.approve(world.desk, "A00001", 1, "ann")

    with world.store.read() as work:
        assert work.approval("A00001").is_pending


def test_an_entry_decided_before_the_promotion_ended_is_stopped_at_the_wire() -> None:
    world = live_world()
    order = entry(world)
    promotions.end(world.desk, "wheel", LIVE, "ann")

    sent = orders.send(world.desk, order)

    assert world.broker.posts == []
    assert "has not been promoted" in note(world, sent)


def test_what_is_held_gets_out_without_a_promotion() -> None:
    world = live_world()
    promotions.end(world.desk, "wheel", LIVE, "ann")

    assert orders.send(world.desk, exit_order(world)).status is OrderStatus.ACCEPTED


def test_a_promotion_is_recorded_once_and_its_end_is_told() -> None:
    world = make_world()
    first = promotions.record(world.desk, "wheel", LIVE, "ann", "41 campaigns")
    again = promotions.record(world.desk, "wheel", LIVE, "bob")
    promotions.end(world.desk, "wheel", LIVE, "bob")

    with world.store.read() as work:
        (kept,) = work.promotions()
        changes = work.events(kinds=[EventKind.STRATEGY_CHANGED])
    assert again == first
    assert (kept.set_by, kept.note, kept.ended_at) == ("ann", "41 campaigns", world.clock())
    assert [event.actor for event in changes] == ["ann", "bob"]
    with pytest.raises(NotFound, match="wheel is not promoted"):
        promotions.end(world.desk, "wheel", LIVE, "bob")


def test_a_halt_and_a_missing_promotion_are_both_named() -> None:
    world = unpromoted()
    halts.halt(world.desk, "ann", "wild")

    found = reasons(world.desk)

    assert found[0] == "Entries are halted by ann: wild."
    assert len(found) == 2


# on Alpaca's wire


@pytest.fixture
def alpaca() -> Iterator[tuple[World, AlpacaStandin]]:
    """A desk whose broker is Alpaca's adapter, in front of the account 'PA3STANDIN01' of a stand-in."""
    with connected(make_world(), read=10) as wire:
        yield wire, wire.standin


@pytest.mark.parametrize("order", [entry, exit_order], ids=["entry", "exit"])
def test_a_wrong_account_puts_nothing_on_alpacas_wire(
    alpaca: tuple[World, AlpacaStandin], order: Callable[[World], Order]
) -> None:
    world, server = alpaca
    desk = replace(world.desk, account="PA-OTHER")

    orders.send(desk, order(world))

    assert server.journal.sent("POST") == []
    assert server.journal.sent("GET", "/v2/account") != []


def test_live_mode_on_paper_keys_puts_nothing_on_alpacas_wire(alpaca: tuple[World, AlpacaStandin]) -> None:
    world, server = alpaca
    promotions.record(world.desk, "wheel", "PA3STANDIN01", "ann")
    desk = replace(world.desk, account="PA3STANDIN01", mode=Mode.LIVE)

    orders.send(desk, entry(world))

    assert server.journal.sent("POST") == []


def test_the_pinned_account_is_asked_for_before_the_order_on_alpacas_wire(alpaca: tuple[World, AlpacaStandin]) -> None:
    world, server = alpaca
    desk = replace(world.desk, account="PA3STANDIN01")

    orders.send(desk, entry(world))

    said = [(seen.method, seen.path) for seen in server.journal.requests]
    assert said.index(("GET", "/v2/account")) < said.index(("POST", "/v2/orders"))
    assert len(server.journal.sent("POST")) == 1
