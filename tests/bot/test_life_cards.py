"""Cards of what happens to options by themselves: what is left of a broken package, and buttons that put it right."""

from decimal import Decimal

from bot.announce import card_for
from bot.message import Button, Card, as_text, table_text
from engine import activities, agenda
from engine.model.events import EventKind
from engine.model.legs import Leg, Structure
from engine.model.orders import ActivityKind
from tests import make
from tests.bot.rooms import Visit, visit
from tests.engine.test_identity import Life
from tests.engine.test_wheel_campaigns import assigned, trade
from tests.rolling import open_market, short_put

D = Decimal
SOLD, BOUGHT = make.call(48), make.call(50)


def broken_spread() -> Visit:
    desk = visit()
    spread = make.position(
        approval_id=None,
        structure=Structure.CREDIT_SPREAD,
        unit=(Leg(SOLD, -1), Leg(BOUGHT, 1)),
        lots=(make.held(SOLD, -1, "1.00"), make.held(BOUGHT, 1, "0.40")),
        opened_units=1,
    )
    with desk.world.store.begin() as work:
        work.save_position(spread)
    assigned = make.activity(ActivityKind.ASSIGNMENT, SOLD, -1, id="n1", at=desk.world.clock())
    desk.world.broker.happened.append(assigned)
    activities.settle(desk.world.desk)
    desk.world.market.set_quote(BOUGHT, "0.40", "0.42")
    return desk


def lost(desk: Visit) -> Card:
    (event,) = desk.events(EventKind.LEG_LOST)
    card = card_for(desk.world.desk, event, f"event:{event.id}", "PAPER")
    assert card is not None
    return card


def test_the_buttons_of_a_lost_leg_buy_back_the_short_shares_first_and_then_sell_the_call() -> None:
    desk = broken_spread()
    buttons = [button for row in lost(desk).buttons for button in row if button.action.startswith("close:")]

    for button in buttons:
        desk.card(action=button.action)

    assert [button.label for button in buttons] == ["Buy back 100 × XYZ", "Sell 1 × XYZ 15 Jul 26 50 call"]
    shares, call = desk.world.broker.sent.values()
    assert [(order.legs[0].instrument, order.legs[0].ratio * order.quantity) for order in (shares, call)] == [
        (make.share(), 100),
        (BOUGHT, -1),
    ]


def test_a_lost_leg_that_has_been_put_right_offers_nothing_any_more() -> None:
    desk = broken_spread()
    exercised = make.activity(ActivityKind.EXERCISE, BOUGHT, 1, id="n2", at=desk.world.clock())
    desk.world.broker.happened.append(exercised)
    activities.settle(desk.world.desk)

    card = lost(desk)

    assert [button.label for row in card.buttons for button in row] == ["Position"]
    assert card.lines[-1] == "Nothing of it is open any more."


def drawn(desk: Visit, kind: EventKind) -> Card:
    (event,) = desk.events(kind)
    card = card_for(desk.world.desk, event, f"event:{event.id}", "PAPER")
    assert card is not None
    return card


def buttons(card: Card) -> dict[str, Button]:
    return {button.label: button for row in card.buttons for button in row}


def near_expiry() -> Visit:
    """Two 44 puts with three weeks left and, a fortnight later, one: XYZ at 43."""
    desk = visit()
    short_put(desk.world)
    desk.world.clock.advance(days=15)
    open_market(desk.world)
    return desk


def test_the_agenda_says_what_happens_if_nobody_does_anything() -> None:
    desk = near_expiry()

    card = desk.card("/agenda", who="web:vic")

    assert card.title == "1 position expires within a week"
    assert card.lines == (
        "P00001: -2 × XYZ 06 Jul 26 44 put, expires in 6 days, 2.3 % in the money. "
        "The desk closes it on 29 Jun, its time exit.",
    )
    assert table_text(card.tables[0]) == "Id      Last   Contract     In\nP00001  06Jul  XYZ 44p   +1.00"


def test_the_agenda_of_an_empty_week_says_so() -> None:
    assert visit().card("/agenda").title == "Nothing expires within a week"


def test_the_posted_agenda_leads_to_the_one_of_now() -> None:
    desk = near_expiry()
    agenda.run(desk.world.desk)

    posted = drawn(desk, EventKind.EXPIRY_AGENDA)

    assert posted.title == "Expiring within a week: 1 position"
    assert desk.card(action=buttons(posted)["As it stands now"].action).title == "1 position expires within a week"


def test_the_buttons_of_a_warning_close_and_roll() -> None:
    desk = visit()
    short_put(desk.world)
    open_market(desk.world)
    data = {"words": "Near the strike.", "ticker": "XYZ", "strategy": "wheel", "cause": "pin"}
    with desk.world.store.begin() as work:
        work.add_event(make.event(EventKind.EXPIRY_WARNING, "P00001", "E99999", data=data))
    card = drawn(desk, EventKind.EXPIRY_WARNING)

    rolled = desk.card(action=buttons(card)["Roll"].action)
    desk.card(action=buttons(card)["Close"].action)

    assert card.title == "Before expiry: XYZ"
    assert rolled.title == "XYZ: Roll P00001?"
    assert desk.world.broker.posts == ["P00001.manual.1.1"]


def test_the_wheel_of_example_1_reads_on_a_phone() -> None:
    desk = visit()
    life = Life(desk.world)
    assigned(life)
    trade(life, "P3", Structure.COVERED_CALL, Leg(make.call(48), -1), "1.13")
    life.happen(ActivityKind.ASSIGNMENT, make.call(48), -2)
    desk.world.market.set_snapshot(make.snapshot())

    card = desk.card("/wheel XYZ", who="web:vic")

    assert card.title == "Wheel of XYZ: cash"
    assert table_text(card.tables[0]) == (
        "Day    Step        Cash   Fee  Basis\n"
        "15Jun  sell 44p    +206  2.00\n"
        "15Jun  assigned  -8,800        42.97\n"
        "15Jun  sell 48c    +226  2.00  41.84\n"
        "15Jun  called    +9,600"
    )
    assert dict(card.facts)["P&L"] == "+1,232.00 before fees"
    assert dict(card.facts)["Net"] == "+1,228.00"
    assert "Next: The next scan may sell a put again." in as_text(card)


def test_a_name_without_a_wheel_is_told_in_words() -> None:
    desk = visit()
    desk.world.market.set_snapshot(make.snapshot())

    assert desk.told("/wheel XYZ") == "No wheel has turned in XYZ yet."
