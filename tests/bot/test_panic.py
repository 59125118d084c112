"""/panic freeze and /panic flatten, from the request in a chat to the orders at the broker and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.routes import card_key
from bot.announce import card_for
from bot.message import Card, as_text
from engine import approvals, exits, halts, holdings, orders, panic
from engine.errors import BrokerUnavailable
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.instruments import Instrument, Option
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Quote
from engine.model.orders import Order, Purpose
from tests import make
from tests.custodian import Kept, kept
from tests.desk import Fault, propose

D = make.D
PUT, CALL, SHARE = make.put(44), make.call(52), make.share()
SHORT, LONG = make.put(46), make.put(41)
TODAY_PUT = make.put(45, dte=0)
LONG_CALL = make.call(50)

BOOK: dict[str, tuple[Structure, tuple[Leg, ...], int]] = {
    "P00011": (Structure.LONG_CALL, (Leg(make.call(50, underlying="ABC"), 1),), 1),
    "P00012": (Structure.SHARES, (Leg(make.share("DEF"), 1),), 50),
    "P00013": (Structure.SHARES, (Leg(SHARE, 1),), 200),
    "P00014": (Structure.COVERED_CALL, (Leg(CALL, -1),), 2),
    "P00015": (Structure.SHORT_PUT, (Leg(PUT, -1),), 2),
    "P00016": (Structure.CREDIT_SPREAD, (Leg(SHORT, -1), Leg(LONG, 1)), 3),
    "P00017": (Structure.SHORT_PUT, (Leg(TODAY_PUT, -1),), 1),
}
WITH_LONG = BOOK | {"P00018": (Structure.LONG_CALL, (Leg(LONG_CALL, 1),), 1)}
"""And a long call that covers one of the short calls as long as they are there."""
ORDER = ["P00017", "P00016", "P00015", "P00014", "P00013", "P00011", "P00012"]


def quoted(desk: Kept, item: Instrument, bid: str = "0.98", ask: str = "1.02") -> Quote:
    return desk.world.market.set_quote(item, bid, ask)


def fresh(desk: Kept) -> None:
    """Every quote again, as of now."""
    for _, legs, _ in WITH_LONG.values():
        for leg in legs:
            if isinstance(leg.instrument, Option):
                quoted(desk, leg.instrument)
            quoted(desk, make.share(leg.instrument.underlying), "47.98", "48.02")
    quoted(desk, SHORT, "1.98", "2.02")


def holding(*ids: str) -> Kept:
    """A desk that holds these positions of `WITH_LONG`, and so does its broker; everything is quoted."""
    desk = kept()
    for id in ids:
        structure, legs, units = WITH_LONG[id]
        lots = [make.held(leg.instrument, leg.ratio * units, 1) for leg in legs]
        ticker = legs[0].instrument.underlying
        campaign = "C1" if id in ("P00013", "P00014") else id
        position = make.position(
            legs, lots, id=id, campaign=campaign, ticker=ticker, structure=structure, opened_units=units,
            approval_id=None, exits=ExitPlan(stop=D(-90)), entry=D(1),
        )  # fmt: skip
        with desk.world.store.begin() as work:
            work.save_position(position)
        for leg in legs:
            desk.broker.move(leg.instrument, leg.ratio * units, 1)
    fresh(desk)
    return desk


def flatten(desk: Kept, who: str = "web:ann") -> Card:
    """Both taps."""
    asked = desk.card("/panic flatten", who=who)
    return desk.card(action=asked.buttons[0][0].action, who=who)


def closes(desk: Kept) -> list[str]:
    """Positions of the closing orders in the order in which they were sent."""
    return [id.partition(".")[0] for id in desk.broker.posts if ".panic." in id]


def working(desk: Kept) -> list[Order]:
    return [order for order in desk.broker.sent.values() if order.is_open]


def fill(desk: Kept, position_id: str, units: int | None = None) -> None:
    """Fill the working order of a position and book it."""
    for order in working(desk):
        if order.client_order_id.startswith(f"{position_id}."):
            desk.broker.fill(order.client_order_id, units)
    orders.reconcile(desk.world.desk)


def look(desk: Kept, seconds: int = 1) -> None:
    """One round of the loop of exits."""
    desk.world.clock.advance(seconds)
    fresh(desk)
    orders.reconcile(desk.world.desk, Purpose.EXIT)
    panic.advance(desk.world.desk)
    exits.supervise(desk.world.desk)
    orders.work(desk.world.desk, Purpose.EXIT)


def fill_everything(desk: Kept) -> None:
    for _ in range(10):
        for order in working(desk):
            desk.broker.fill(order.client_order_id)
        look(desk)


def held(desk: Kept) -> list[str]:
    with desk.world.store.read() as work:
        return [position.id for position in work.open_positions()]


def live(desk: Kept) -> Card:
    """The one live card, as a platform would draw it now."""
    event = [event for event in desk.events(EventKind.PANIC) if event.correlation][-1]
    card = card_for(desk.world.desk, event, f"panic:{event.subject}", "PAPER")
    assert card is not None
    return card


def test_freeze_halts_for_good_and_takes_working_entries_off() -> None:
    desk = holding("P00015")
    propose(desk.world)
    approvals.approve(desk.world.desk, "A00001", 1, "tom")
    assert len(working(desk)) == 1

    card = desk.card("/panic freeze")

    assert working(desk) == []
    assert card.title == "Frozen"
    assert "2 × XYZ cash-secured put (P00015)" in as_text(card)
    with desk.world.store.read() as work:
        stop = halts.current(work)
    assert stop is not None
    assert (stop.by, stop.why) == ("ann", "panic")


def test_freeze_says_which_cancel_is_not_confirmed_and_does_not_call_it_done() -> None:
    desk = kept()
    propose(desk.world)
    approvals.approve(desk.world.desk, "A00001", 1, "tom")
    desk.broker.faults.append(Fault.CANCEL_LOST)

    card = desk.card("/panic freeze")

    assert card.title == "Frozen; 1 cancel not confirmed"
    assert any("A00001.1" in line and "not confirmed" in line for line in card.lines)


@pytest.mark.parametrize("who", ["web:tom", "web:vic"])
@pytest.mark.parametrize("what", ["freeze", "flatten"])
def test_only_an_admin_may_panic(who: str, what: str) -> None:
    desk = holding("P00015")

    assert "needs the role admin" in desk.told(f"/panic {what}", who=who)

    assert desk.broker.posts == []


def test_panic_alone_asks_which_and_does_nothing_yet() -> None:
    desk = holding("P00015")

    card = desk.card("/panic")

    assert [button.action for button in card.buttons[0]] == ["panic:freeze", "panic:flatten"]
    with desk.world.store.read() as work:
        assert halts.current(work) is None
    assert desk.card(action=card.buttons[0][0].action).title == "Frozen"


def test_flatten_freezes_at_once_and_closes_nothing_before_the_second_tap() -> None:
    desk = holding(*BOOK)

    card = desk.card("/panic flatten")

    assert desk.broker.posts == []
    assert [line.rpartition("(")[2].rstrip(")") for line in card.lines[2:9]] == ORDER
    assert card.expires_at == (make.NOW + timedelta(seconds=60)).isoformat()
    assert "nothing is closed yet" in card.lines[0]
    with desk.world.store.read() as work:
        assert halts.current(work) is not None


def test_the_question_gives_way_to_the_progress_that_follows_it() -> None:
    desk = holding("P00015")

    asked = desk.card("/panic flatten")
    running = desk.card(action=asked.buttons[0][0].action)

    assert running.key == asked.key
    assert running.version > asked.version


def test_a_panic_is_posted_once_with_the_way_back() -> None:
    desk = holding("P00015")
    desk.card("/panic freeze")

    drawn = [card_for(desk.world.desk, e, card_key(e), "PAPER") for e in desk.events(EventKind.HALTED, EventKind.PANIC)]

    (told,) = [card for card in drawn if card is not None]
    assert told.title == "Panic"
    assert [button.action for button in told.buttons[0]] == ["resume:"]


def test_everything_is_closed_in_the_order_that_leaves_nothing_naked() -> None:
    desk = holding(*BOOK)

    flatten(desk)
    first = closes(desk)
    fill_everything(desk)

    assert first == [id for id in ORDER if id != "P00013"], "shares under a call were sold before the call was back"
    assert closes(desk) == [*first, "P00013"]
    assert held(desk) == []
    assert desk.broker.suspended


def test_spreads_are_one_order_of_whole_units_at_natural() -> None:
    desk = holding("P00016")

    flatten(desk)

    (order,) = working(desk)
    assert (order.quantity, [leg.ratio for leg in order.legs]) == (3, [1, -1])
    assert order.limit == D("1.04")


def test_the_price_goes_from_natural_to_ten_percent_beyond_and_then_a_person_is_asked() -> None:
    desk = holding("P00015")
    flatten(desk)
    for _ in range(5):
        look(desk, 16)

    limits = [order.limit for order in desk.broker.sent.values()]

    assert limits == [D("1.02"), D("1.07"), D("1.12")]
    assert working(desk) == []
    assert live(desk).title == "URGENT: 1 position could not be closed"
    assert [event.severity.value for event in desk.events(EventKind.EXIT_FAILED)] == ["urgent"]
    assert [row[0].label for row in live(desk).buttons] == ["Retry", "Resume", "Suspend: exits stop too"]


def test_a_spread_is_never_bought_back_for_more_than_its_width() -> None:
    desk = holding("P00016")
    quoted(desk, SHORT, "5.40", "5.60")
    quoted(desk, LONG, "0.55", "0.65")
    asked = desk.card("/panic flatten")
    desk.card(action=asked.buttons[0][0].action)

    assert [order.limit for order in working(desk)] == [D("5.00")]


def test_retry_begins_again_at_natural() -> None:
    desk = holding("P00015")
    flatten(desk)
    for _ in range(5):
        look(desk, 16)
    desk.world.clock.advance(1)
    fresh(desk)

    desk.card(action=live(desk).buttons[0][0].action)

    assert [order.limit for order in working(desk)] == [D("1.02")]


def test_a_working_closer_is_canceled_and_confirmed_before_the_close() -> None:
    desk = holding("P00015")
    exits.close(desk.world.desk, "P00015", "tom")
    desk.broker.faults.append(Fault.CANCEL_LOST)

    flatten(desk)
    assert closes(desk) == []
    look(desk)

    assert closes(desk) == ["P00015"]
    assert len(working(desk)) == 1


def test_a_closer_that_fills_while_it_is_canceled_leaves_nothing_to_close() -> None:
    desk = holding("P00015")
    exits.close(desk.world.desk, "P00015", "tom")
    desk.broker.faults.append(Fault.FILL_ON_CANCEL)

    flatten(desk)
    look(desk)

    assert (closes(desk), held(desk)) == ([], [])


def test_no_stop_sells_what_still_covers_a_short_call() -> None:
    desk = holding("P00014", "P00018")
    with desk.world.store.begin() as work:
        work.save_position(replace(work.position("P00018"), exits=ExitPlan(stop=D(90))))
    flatten(desk)
    for _ in range(3):
        look(desk, 11)

    assert {id.partition(".")[0] for id in desk.broker.posts} == {"P00014"}
    fill_everything(desk)
    assert {id.split(".")[1] for id in desk.broker.posts} == {"panic"}
    assert held(desk) == []


def test_what_was_given_up_is_watched_by_its_own_exits_again() -> None:
    desk = holding("P00011")
    with desk.world.store.begin() as work:
        work.save_position(replace(work.position("P00011"), exits=ExitPlan(stop=D(90))))
    flatten(desk)
    for _ in range(12):
        look(desk, 16)

    assert any(".stop." in id for id in desk.broker.posts)


def test_stops_work_again_when_the_flattening_has_not_been_heard_of_for_a_minute() -> None:
    desk = holding("P00014", "P00018")
    with desk.world.store.begin() as work:
        work.save_position(replace(work.position("P00014"), exits=ExitPlan(stop=D(90))))
    flatten(desk)
    fill(desk, "P00014", 1)
    desk.card(action=f"cancel:{working(desk)[0].ticket_id}")
    seen = []
    for seconds in (30, 31, 15):
        desk.world.clock.advance(seconds)
        fresh(desk)
        exits.supervise(desk.world.desk)
        seen.append(any(".stop." in id for id in desk.broker.posts))

    assert seen == [False, False, True]


def test_a_process_that_dies_between_two_closes_goes_on_where_it_was() -> None:
    desk = holding(*BOOK)
    healthy, posted = desk.broker.submit, desk.broker.posts

    def dies(order: Order) -> Order:
        if len(posted) == 2:
            raise KeyboardInterrupt
        return healthy(order)

    asked = desk.card("/panic flatten")
    desk.broker.submit = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        panic.confirm(desk.world.desk, asked.footer, "ann")
    desk.broker.submit = healthy  # type: ignore[method-assign]
    desk.world.clock.advance(11)
    fresh(desk)
    orders.resume(desk.world.desk, Purpose.EXIT)
    fill_everything(desk)

    assert held(desk) == []
    assert len(set(desk.broker.posts)) == len(desk.broker.posts)
    assert closes(desk)[:3] == ORDER[:3]
    assert desk.broker.suspended


def test_a_partly_filled_spread_goes_on_with_whole_units_only() -> None:
    desk = holding("P00016")
    flatten(desk)
    fill(desk, "P00016", 1)
    look(desk, 16)

    (order,) = working(desk)

    assert (order.quantity, [leg.ratio for leg in order.legs]) == (2, [1, -1])


def test_with_the_market_closed_it_freezes_now_and_closes_from_0935() -> None:
    desk = holding("P00015")
    close = desk.world.desk.sessions.close(make.TODAY)
    desk.world.clock.set(close + timedelta(hours=1))

    card = desk.card("/panic flatten")
    desk.card(action=card.buttons[0][0].action)
    before = list(desk.broker.posts)
    open_at = desk.world.desk.sessions.open(desk.world.desk.sessions.next(make.TODAY))
    seen = []
    for minutes in (-60, 0, 4, 5):
        desk.world.clock.set(open_at + timedelta(minutes=minutes))
        fresh(desk)
        panic.advance(desk.world.desk)
        seen.append(len(closes(desk)))

    assert "09:35 ET on, for the market is closed" in card.lines[1]
    assert (before, seen) == ([], [0, 0, 0, 1])
    with desk.world.store.read() as work:
        assert halts.current(work) is not None


def test_the_second_tap_is_the_person_s_own() -> None:
    desk = holding("P00015")
    action = desk.card("/panic flatten").buttons[0][0].action

    told = desk.told(action=action, who="web:eve")

    assert told == "ann asked for that; to close everything yourself, use /panic flatten."
    assert desk.broker.posts == []


def test_the_second_tap_has_a_minute() -> None:
    desk = holding("P00015")
    action = desk.card("/panic flatten").buttons[0][0].action
    desk.world.clock.advance(61)
    fresh(desk)

    assert "more than a minute ago" in desk.told(action=action)
    assert desk.broker.posts == []


def test_two_admins_make_one_flattening() -> None:
    desk = holding("P00015")
    first = desk.card("/panic flatten").buttons[0][0].action
    second = desk.card("/panic flatten", who="web:eve").buttons[0][0].action

    desk.card(action=first)
    told = desk.told(action=second, who="web:eve")
    again = desk.told(action=first)

    assert told == "Everything is being closed already, as ann said."
    assert again == told
    assert closes(desk) == ["P00015"]
    assert desk.card("/panic flatten", who="web:eve").title == "Closing everything: 0 of 1"


def test_what_is_not_ours_is_listed_not_touched_and_keeps_the_broker_from_being_suspended() -> None:
    desk = holding("P00015")
    desk.broker.move(make.share("QQQQ"), 30, 10)
    desk.broker.strange.append("somebody-elses")
    flatten(desk)
    fill_everything(desk)

    text = as_text(live(desk))

    assert "Not touched: +30 × QQQQ, order somebody-elses." in text
    assert not desk.broker.suspended
    assert closes(desk) == ["P00015"]


def test_a_second_tap_that_says_so_suspends_although_something_is_open() -> None:
    desk = holding("P00015")
    flatten(desk)
    button = next(b for row in live(desk).buttons for b in row if b.label == "Suspend: exits stop too")

    assert "needs the role admin" in desk.told(action=button.action, who="web:tom")
    assert not desk.broker.suspended
    card = desk.card(action=button.action)

    assert desk.broker.suspended
    assert "exits do not work either" in card.lines[0]


def test_resume_takes_the_suspension_back_before_entries_are_allowed() -> None:
    desk = holding("P00015")
    flatten(desk)
    fill_everything(desk)
    assert desk.broker.suspended

    desk.card("/resume")

    assert not desk.broker.suspended
    with desk.world.store.read() as work:
        assert halts.current(work) is None
        assert not halts.is_flattening(work, desk.world.clock())


def test_resume_changes_nothing_when_the_broker_does_not_confirm() -> None:
    desk = holding("P00015")
    flatten(desk)
    fill_everything(desk)

    def mute(suspended: bool) -> None:
        raise BrokerUnavailable("no answer")

    desk.broker.suspend = mute  # type: ignore[method-assign]
    told = desk.told("/resume")

    assert told == "no answer"
    with desk.world.store.read() as work:
        assert halts.current(work) is not None


def test_resume_in_the_middle_ends_it_and_gives_positions_back_to_their_exits() -> None:
    desk = holding("P00014", "P00013")
    flatten(desk)
    desk.card("/resume")
    fill_everything(desk)

    assert closes(desk) == ["P00014"]
    assert held(desk) == ["P00013"]


def test_the_broker_is_asked_again_when_it_does_not_say_what_it_shows() -> None:
    desk = holding("P00015")
    flatten(desk)
    fill(desk, "P00015")
    healthy = desk.broker.suspend

    def mute(suspended: bool) -> None:
        raise BrokerUnavailable("no answer")

    desk.broker.suspend = mute  # type: ignore[method-assign]
    look(desk)
    assert "the broker is asked again" in live(desk).lines[0]
    desk.broker.suspend = healthy  # type: ignore[method-assign]
    look(desk)

    assert desk.broker.suspended
    assert live(desk).title == "Everything is closed"


def test_the_live_card_is_one_message_that_is_drawn_again() -> None:
    desk = holding("P00015", "P00016")
    flatten(desk)
    versions = [live(desk).version]
    fill(desk, "P00016")
    look(desk)
    versions.append(live(desk).version)
    text = as_text(live(desk))

    assert versions == sorted(set(versions))
    assert live(desk).key.startswith("panic:F")
    assert "Closed   1 of 2" in text
    assert "2 × XYZ cash-secured put (P00015): closing, 0 of 2." in text


def test_a_position_without_a_quote_is_an_alarm_and_waits_for_one() -> None:
    desk = holding("P00015", "P00011")
    desk.world.market.drop_quote(PUT)
    flatten(desk)

    assert closes(desk) == ["P00011"]
    assert any("no quote" in str(event.data["note"]) for event in desk.events(EventKind.EXIT_FAILED))
    look(desk)

    assert closes(desk) == ["P00011", "P00015"]


def test_nothing_is_sold_that_the_broker_does_not_hold() -> None:
    desk = holding("P00016")
    desk.broker.move(LONG, 1, 1)
    holdings.reconcile(desk.world.desk)

    flatten(desk)

    assert [order.quantity for order in working(desk)] == [1]


@pytest.mark.parametrize(
    ("legs", "blocker", "is_blocked"),
    [
        ((Leg(SHARE, 1),), (Leg(CALL, -1),), True),
        ((Leg(LONG_CALL, 1),), (Leg(CALL, -1),), True),
        ((Leg(LONG, 1),), (Leg(PUT, -1),), True),
        ((Leg(LONG, 1),), (Leg(CALL, -1),), False),
        ((Leg(LONG, 1),), (Leg(SHORT, -1), Leg(PUT, 1)), False),
        ((Leg(SHORT, -1), Leg(LONG, 1)), (Leg(CALL, -1),), False),
        ((Leg(make.call(50, underlying="ABC"), 1),), (Leg(CALL, -1),), False),
    ],
)
def test_what_covers_a_short_option_waits_for_it(legs: Sequence[Leg], blocker: Sequence[Leg], is_blocked: bool) -> None:
    def held_as(id: str, unit: Sequence[Leg]) -> Position:
        lots = [make.held(leg.instrument, leg.ratio, 1) for leg in unit]
        item = unit[0].instrument
        structure = Structure.SHARES if item == SHARE else Structure.LONG_CALL
        return make.position(unit, lots, id=id, ticker=item.underlying, structure=structure)

    position, other = held_as("P1", legs), held_as("P2", blocker)

    found = panic.blocked_by(position, [position, other])

    assert (found is other) is is_blocked


def test_a_resume_while_the_end_is_being_noted_leaves_nothing_blocked_at_the_broker() -> None:
    desk = holding("P00015")
    flatten(desk)
    fill(desk, "P00015")
    block = desk.broker.suspend

    def too_late(suspended: bool) -> None:
        if suspended:
            panic.resume(desk.world.desk, "ann")
        block(suspended)

    desk.broker.suspend = too_late  # type: ignore[method-assign]
    look(desk)

    assert not desk.broker.suspended
