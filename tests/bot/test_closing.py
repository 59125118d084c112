"""Closing from the chat: /close and its second tap, refusals in words, alarms with their buttons, another try."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest

from alerts.routes import card_key
from bot.announce import card_for
from bot.bulkheads import inline
from bot.command import Room
from bot.message import Card, as_text
from engine import exits, halts, orders
from engine.desk import Mode
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import ApprovalRules
from engine.model.orders import OrderType
from tests import make
from tests.bot.rooms import PEOPLE, Visit, visit
from tests.desk import Fault, make_world
from tests.engine.exit_cases import CALL, STOPPED, calls, look, quote, quote_shares, shares

D = Decimal


def room(*positions: Position, **more: object) -> Visit:
    """A room that holds these positions, the four calls of EXAMPLES 12 when none is named."""
    here = visit(**more)
    with here.world.store.begin() as work:
        for position in positions or (calls(),):
            work.save_position(position)
    quote(here.world, "2.20", "2.30")
    return here


def live(*positions: Position) -> Visit:
    world = make_world(mode=Mode.LIVE)
    here = Visit(world, Room(world.desk, PEOPLE, inline, lambda: "LIVE"), count(1))
    with here.world.store.begin() as work:
        for position in positions or (calls(),):
            work.save_position(position)
    quote(here.world, "2.20", "2.30")
    return here


def limits(here: Visit) -> list[tuple[int, Decimal | None]]:
    return [(order.quantity, order.limit) for order in here.world.broker.sent.values()]


def drawn(here: Visit, kind: EventKind) -> list[Card]:
    """The cards of every event of a kind, as they are posted."""
    cards = (card_for(here.world.desk, event, card_key(event), "PAPER") for event in here.events(kind))
    return [card for card in cards if card is not None]


def test_close_on_paper_works_at_once_and_names_size_and_price() -> None:
    here = room()

    card = here.card("/close P00001", who="web:tom")

    assert limits(here) == [(4, D("-2.25"))]
    assert "4" in card.lines[0]
    assert "credit 2.25" in card.lines[0]


def test_close_takes_part_of_a_position() -> None:
    here = room()

    here.card("/close P00001 1")

    assert limits(here) == [(1, D("-2.25"))]


@pytest.mark.parametrize("units", ["5", "0", "-1", "two"])
def test_a_part_that_is_not_there_is_refused(units: str) -> None:
    here = room()

    assert units in here.told(f"/close P00001 {units}")
    assert limits(here) == []


def test_real_money_is_closed_by_a_second_tap_of_the_same_person() -> None:
    here = live()

    asked = here.card("/close P00001 3", who="web:tom")
    assert limits(here) == []
    assert "Without a tap nothing is closed." in asked.lines[0]
    assert "credit 2.25" in asked.lines[1]
    assert "credit 2.20" in asked.lines[1]
    assert asked.expires_at == (here.world.desk.now() + timedelta(seconds=60)).isoformat()
    ((button,),) = asked.buttons

    here.card(action=button.action, who="web:tom")

    assert limits(here) == [(3, D("-2.25"))]


def test_the_second_tap_counts_once() -> None:
    here = live()
    here.card("/close P00001")
    here.card(action="close_now:P00001")

    assert "was answered" in here.told(action="close_now:P00001")
    assert len(limits(here)) == 1


def test_the_second_tap_of_somebody_else_closes_nothing() -> None:
    here = live()
    here.card("/close P00001", who="web:ann")

    assert "ann asked to close P00001" in here.told(action="close_now:P00001", who="web:tom")
    assert limits(here) == []


def test_a_second_tap_after_a_minute_closes_nothing() -> None:
    here = live()
    here.card("/close P00001")
    here.world.clock.advance(61)

    assert "more than a minute ago" in here.told(action="close_now:P00001")
    assert limits(here) == []


def test_the_second_tap_is_priced_at_the_quotes_of_its_own_moment() -> None:
    here = live()
    here.card("/close P00001")
    here.world.clock.advance(20)
    quote(here.world, "2.00", "2.10")

    here.card(action="close_now:P00001")

    assert limits(here) == [(4, D("-2.05"))]


def test_a_viewer_closes_nothing() -> None:
    here = room()

    for action in ("close:P00001", "close_now:P00001", "retry:P00001"):
        assert "needs the role trader" in here.told(action=action, who="web:vic")
    assert limits(here) == []


def test_close_is_refused_in_words_while_an_exit_is_working() -> None:
    here = room()
    here.card("/close P00001")

    assert "already has a working order; /orders shows it" in here.told("/close P00001", who="web:tom")
    assert len(limits(here)) == 1


def test_close_works_while_entries_are_halted() -> None:
    here = room()
    halts.halt(here.world.desk, "ann")

    here.card("/close P00001")

    assert len(limits(here)) == 1


def test_what_is_left_of_a_broken_package_can_be_closed_before_anything_else_has_looked_at_it() -> None:
    short, long = make.vertical(84, 80, underlying="XYZ")
    orphan = make.position(
        (short, long),
        (make.held(short.instrument, -2, "3.00"),),
        structure=Structure.CREDIT_SPREAD,
        approval_id=None,
        opened_units=2,
    )
    here = room(orphan)
    here.world.market.set_quote(short.instrument, "3.40", "3.50")

    here.card("/close P00001")

    (order,) = here.world.broker.sent.values()
    assert (order.legs, order.quantity, order.limit) == ((Leg(short.instrument, 1),), 2, D("3.45"))


def failed(here: Visit, times: int = 1) -> None:
    """The target's order refused so many times in a row."""
    here.world.broker.faults = [Fault.REFUSE] * times
    for _ in range(times):
        look(here.world, "2.80", "2.90", seconds=301)


def test_a_failed_exit_is_an_urgent_card_with_retry_close_and_position() -> None:
    here = room()
    failed(here)

    (card,) = drawn(here, EventKind.EXIT_FAILED)

    assert card.title == "URGENT: An exit of XYZ is not getting done"
    assert card.lines[-1] == "The desk goes on trying. Close it by hand at the broker if that cannot wait."
    assert [button.action for row in card.buttons for button in row] == [
        "seen:P00001",
        "retry:P00001",
        "position:P00001",
        "close:P00001",
    ]
    assert "insufficient options buying power" in card.lines[0]


def test_the_same_trouble_is_one_card_that_counts_and_says_when_it_is_done() -> None:
    here = room()
    failed(here, times=3)
    (ticket,) = look(here.world, "2.80", "2.90", seconds=301)
    here.world.broker.fill(f"{ticket.id}.1")
    orders.reconcile(here.world.desk)

    alarms, done = drawn(here, EventKind.EXIT_FAILED), drawn(here, EventKind.EXIT_RECOVERED)

    assert [dict(card.facts)["Failed"] for card in alarms] == ["once", "2 times", "3 times"]
    assert [card.title for card in done] == ["Done: XYZ"]
    assert len({card.key for card in (*alarms, *done)}) == 1
    assert [card.version for card in (*alarms, *done)] == [1, 2, 3, 4]
    assert "URGENT" not in as_text(done[0])


def test_the_next_trouble_of_a_position_is_a_card_of_its_own() -> None:
    here = room()
    failed(here)
    with here.world.store.begin() as work:
        work.set_setting("alarm:exit:P00001", "", "desk", here.world.clock())
    failed(here)

    assert len({card.key for card in drawn(here, EventKind.EXIT_FAILED)}) == 2


def test_retry_sends_the_exit_again_under_its_own_reason() -> None:
    here = room()
    failed(here)

    here.card(action="retry:P00001", who="web:tom")

    assert here.world.broker.open_orders() == ("P00001.target.2.1",)


def test_retry_while_an_exit_is_working_sends_nothing_more() -> None:
    here = room()
    failed(here)
    here.card(action="retry:P00001")

    assert "already has a working order" in here.told(action="retry:P00001")
    assert len(here.world.broker.open_orders()) == 1


def test_retry_of_what_is_not_in_trouble_sells_nothing() -> None:
    here = room()

    assert "in trouble any more" in here.told(action="retry:P00001")
    assert limits(here) == []


def netless() -> Visit:
    """Shares whose net was refused."""
    here = room(shares(ExitPlan(stop_spot=D(60))), rules=ApprovalRules())
    here.world.broker.faults = [Fault.REFUSE]
    quote_shares(here.world, 80)
    exits.supervise(here.world.desk)
    return here


def test_retry_of_a_refused_net_places_the_net_and_sells_no_shares() -> None:
    here = netless()
    (alarm,) = drawn(here, EventKind.EXIT_FAILED)
    assert alarm.title == "URGENT: The net of XYZ is not getting done"

    here.card(action="retry:P00002")

    assert [(order.type, order.stop) for order in here.world.broker.sent.values()] == [(OrderType.STOP, D("57.00"))]
    assert [card.title for card in drawn(here, EventKind.EXIT_RECOVERED)] == ["Done: XYZ"]


def test_a_net_that_makes_way_posts_no_card() -> None:
    here = room(shares(ExitPlan(stop_spot=D(60))), rules=ApprovalRules())
    quote_shares(here.world, 80)
    exits.supervise(here.world.desk)
    here.card("/close P00002")

    assert len(here.events(EventKind.ORDER_ENDED)) == 1
    assert drawn(here, EventKind.ORDER_ENDED) == []


def test_a_close_that_was_taken_back_is_told_on_a_card_of_its_own() -> None:
    here = room()
    here.card("/close P00001")
    here.card("/cancel P00001.manual.1")

    (card,) = drawn(here, EventKind.ORDER_ENDED)

    assert (card.title, card.lines) == ("Order ended: XYZ", ("canceled by ann",))


def test_resting_nets_are_among_the_orders_a_person_sees() -> None:
    here = room(shares(ExitPlan(stop_spot=D(60))), rules=ApprovalRules())
    quote_shares(here.world, 80)
    exits.supervise(here.world.desk)

    assert "P00002.net.1" in as_text(here.card("/orders"))


def test_silent_quotes_are_told_with_the_buttons_to_act_on() -> None:
    here = room()
    for _ in range(8):
        look(here.world, "0.10", "6.00")

    (card,) = drawn(here, EventKind.DATA_STALE)

    assert [button.action for row in card.buttons for button in row] == ["close:P00001", "position:P00001"]


def test_a_ladder_that_goes_beyond_natural_is_told_and_done_when_it_fills() -> None:
    here = room(replace(calls(), exits=STOPPED))
    look(here.world, "2.80", "2.90")
    for _ in range(4):
        here.world.clock.advance(15)
        here.world.market.set_quote(CALL, "2.80", "2.90")
        orders.work(here.world.desk)
    here.world.broker.fill("P00001.target.1.5")
    orders.reconcile(here.world.desk)

    assert "beyond the natural price" in drawn(here, EventKind.EXIT_FAILED)[0].lines[0]
    assert len(drawn(here, EventKind.EXIT_RECOVERED)) == 1


def test_a_net_that_a_person_cancels_stays_away_until_the_next_session() -> None:
    here = room(shares(ExitPlan(stop_spot=D(60))), rules=ApprovalRules())
    world = here.world
    look(world, "2.20", "2.30")

    card = here.card("/cancel P00002.net.1", who="web:tom")
    for _ in range(20):
        look(world, "2.20", "2.30")

    assert "No stop order rests under P00002 until 2026-06-16 09:30 ET" in " ".join(card.lines)
    assert not [order for order in world.broker.sent.values() if order.is_open]
    world.clock.advance(days=1)
    look(world, "2.20", "2.30")
    assert [order.type for order in world.broker.sent.values() if order.is_open] == [OrderType.STOP]
