"""Cards of what happens to options by themselves: what is left of a broken package, and buttons that put it right."""

from decimal import Decimal

from bot.announce import card_for
from bot.message import Card
from engine import activities
from engine.model.events import EventKind
from engine.model.legs import Leg, Structure
from engine.model.orders import ActivityKind
from tests import make
from tests.bot.rooms import Visit, visit

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
