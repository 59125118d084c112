"""An alarm on a platform: one message for one trouble, counted where it stands, done when the position is closed."""

from __future__ import annotations

from alerts import outbox
from alerts.routes import Channels, routes
from bot.bulkheads import finish
from bot.deliver import Postman
from bot.message import Card
from bot.platforms.replay_chat import DESTINATION, ReplayChat
from engine import orders
from tests.bot.rooms import Visit, visit
from tests.desk import Fault
from tests.engine.exit_cases import calls, look


def room() -> Visit:
    here = visit()
    with here.world.store.begin() as work:
        work.save_position(calls())
    return here


def posted(here: Visit, chat: ReplayChat) -> list[Card]:
    """The messages as they stand after everything was delivered."""
    desk = here.world.desk
    postman = Postman(here.room, {chat.name: chat})
    channels = Channels((DESTINATION,), {})
    finish(outbox.pump(desk.store, desk.now, lambda event: routes(event, channels), postman))
    return list(chat.messages.values())


def alarms(cards: list[Card]) -> list[Card]:
    return [card for card in cards if card.key.startswith("alarm:")]


def test_three_failures_of_one_exit_are_one_message_that_is_done_when_it_sold() -> None:
    here, chat = room(), ReplayChat()
    here.world.broker.faults = [Fault.REFUSE] * 3
    seen = []
    for _ in range(3):
        look(here.world, "2.80", "2.90", seconds=301)
        seen.append(alarms(posted(here, chat)))
    (ticket,) = look(here.world, "2.80", "2.90", seconds=301)
    here.world.broker.fill(f"{ticket.id}.1")
    orders.reconcile(here.world.desk)
    seen.append(alarms(posted(here, chat)))

    assert [len(cards) for cards in seen] == [1, 1, 1, 1]
    assert [dict(card.facts).get("Failed") for (card,) in seen] == ["once", "2 times", "3 times", None]
    (done,) = seen[-1]
    assert (done.title, done.lines) == ("Done: XYZ", ("XYZ is closed: target.",))


def test_a_close_that_was_taken_back_does_not_stop_the_chat() -> None:
    here, chat = room(), ReplayChat()
    look(here.world, "2.20", "2.30")
    here.card("/close P00001")
    here.card("/cancel P00001.manual.1")

    titles = [card.title for card in posted(here, chat)]

    assert titles == ["Closing XYZ", "Order ended: XYZ"]
