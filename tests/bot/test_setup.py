"""/setup: what is to do, a test card to every channel, a first order on paper. It goes on after a restart."""

from __future__ import annotations

from dataclasses import replace

from alerts.outbox import pump
from alerts.routes import Channels, routes
from bot.announce import card_for
from bot.bulkheads import finish
from bot.dispatch import dispatch
from bot.doctor import Finding
from bot.message import Card, Request
from engine import orders
from engine.desk import Mode
from engine.model.events import Event, EventKind
from engine.model.records import Delivery
from strategies import CATALOGUE
from tests import make
from tests.bot.rooms import Visit, visit
from tests.desk import propose, quote_all

FINE = (Finding("keys", "ok", "DISCORD_TOKEN"), Finding("mode", "ok", "paper trading"))
BAD = (*FINE, Finding("discord", "fail", "DISCORD_TOKEN is refused: make a new one."))


def at(here: Visit, findings: tuple[Finding, ...] = FINE) -> Visit:
    return Visit(here.world, replace(here.room, doctor=lambda: findings), here.sources)


def actions(card: Card) -> list[str]:
    return [button.action for row in card.buttons for button in row]


def sent(here: Visit) -> str:
    here.card(action="test_card:")
    return here.events(EventKind.TEST_CARD)[-1].id


def test_it_begins_with_what_is_to_do_that_first() -> None:
    card = at(visit(), BAD).card("/setup")

    assert card.title == "Step 1 of 3: 1 thing to do"
    assert card.lines[0] == "To do: discord. DISCORD_TOKEN is refused: make a new one."
    assert actions(card) == ["setup:checks", "setup:channels"]


def test_a_desk_with_nothing_to_do_begins_with_the_test_card() -> None:
    here = at(visit())

    card = here.card("/setup")

    assert card.title == "Step 2 of 3: a test card"
    assert actions(card) == ["test_card:", "setup:checks", "setup:channels", "setup:paper"]


def test_the_test_card_shows_which_channels_took_it() -> None:
    here = at(visit())
    id = sent(here)
    with here.world.store.begin() as work:
        work.enqueue(id, "discord:1", 0, f"event:{id}")
        work.enqueue(id, "telegram:2", 0, f"event:{id}")
        work.mark_sent([f"{id}:discord:1:0"], "m1", here.world.clock())
        work.mark_failed(f"{id}:telegram:2:0", "Forbidden: bot was kicked", here.world.clock())

    card = here.card("/setup channels")

    assert card.lines == (
        "discord:1: arrived",
        "telegram:2: on its way, 1 failed try (Forbidden: bot was kicked)",
        "Nobody has tapped “I see it” yet.",
    )


def test_the_test_card_goes_to_every_channel_once_and_setup_says_where_it_arrived() -> None:
    here = at(visit())
    id = sent(here)
    channels = Channels(("chat:a",), {EventKind.FILLED: ("chat:a", "chat:b")}, ("chat:c", "down:d"))
    posted: list[tuple[str, Card]] = []

    async def deliver(event: Event, delivery: Delivery) -> str:
        card = card_for(here.world.desk, event, delivery.key, "PAPER")
        if delivery.destination == "down:d":
            raise ConnectionError("no route")
        assert card is not None
        posted.append((delivery.destination, card))
        return "m1"

    finish(pump(here.world.store, here.world.clock, lambda event: routes(event, channels), deliver))

    assert [name for name, _ in posted] == ["chat:a", "chat:b", "chat:c"]
    assert {actions(card)[0] for _, card in posted} == {f"seen:{id}"}
    assert here.card("/setup channels").lines[:4] == (
        "chat:a: arrived",
        "chat:b: arrived",
        "chat:c: arrived",
        "down:d: on its way, 1 failed try (ConnectionError('no route'))",
    )


def test_a_tap_under_the_test_card_is_seen_in_setup_and_on_the_card_everywhere() -> None:
    here = at(visit())
    id = sent(here)
    (event,) = here.events(EventKind.TEST_CARD)
    before = card_for(here.world.desk, event, f"event:{id}", "PAPER")
    assert before is not None

    tapped = here.card(action=actions(before)[0], who="web:tom")
    here.card(action=actions(before)[0], who="discord:1")

    after = card_for(here.world.desk, event, f"event:{id}", "PAPER")
    assert after is not None
    assert tapped.lines[1] == "Seen by tom on web."
    assert after.lines[1] == "Seen by tom on web, ann on discord."
    assert (before.key, before.version, after.version) == (after.key, 0, 2)
    assert here.card("/setup").title == "Step 3 of 3: an order on paper"


def test_a_viewer_does_not_count_as_having_seen_it() -> None:
    here = at(visit())

    assert "/seen needs the role trader" in here.told(action=f"seen:{sent(here)}", who="web:vic")


def test_seeing_what_is_no_test_card_is_refused() -> None:
    here = at(visit())
    here.card("/halt storm")
    (halted,) = here.events(EventKind.HALTED)

    assert here.told(action=f"seen:{halted.id}") == f"{halted.id} is no test card. /setup channels sends one."


def test_without_a_proposal_a_scan_is_offered_and_nothing_is_made_up() -> None:
    here = at(visit())

    card = here.card("/setup paper")

    assert "Nothing is made up either" in card.lines[1]
    assert actions(card)[:2] == [f"setup_scan:{name}" for name in list(CATALOGUE)[:2]]
    assert here.events(EventKind.APPROVAL_REQUESTED) == ()


def test_the_scan_of_setup_proposes_by_the_real_rules() -> None:
    here = at(visit(universe=("XYZ",)))
    here.world.market.set_snapshot(make.snapshot())

    card = here.card(action="setup_scan:wheel")

    assert card.lines[0] == "wheel: 1 name looked at, 0 proposals."
    assert card.lines[1].startswith("/funnel wheel tells")
    assert here.card("/funnel wheel").title
    assert len(here.events(EventKind.SCAN_FINISHED)) == 1


def test_a_real_proposal_goes_from_setup_to_a_fill() -> None:
    here = at(visit())
    propose(here.world)

    shown = actions(here.card("/setup paper"))[0]
    assert shown == "show:A00001"
    here.card(action=actions(here.card(action=shown))[0])
    assert here.card("/setup paper").lines[0].startswith("Latest entry: order A00001.1.1, 0 of 2 filled, accepted")
    here.world.broker.fill("A00001.1.1")
    here.world.clock.advance(seconds=1)
    quote_all(here.world)
    orders.reconcile(here.world.desk)

    done = here.card("/setup paper")

    assert done.lines == (
        "Latest entry: order A00001.1.1, 2 of 2 filled, filled.",
        "The way from proposal to fill works: the desk is set up.",
    )
    assert actions(done) == ["setup:channels", "setup:paper"]


def test_a_live_desk_sends_no_order_to_try_things_out() -> None:
    here = at(visit(mode=Mode.LIVE))

    card = here.card("/setup paper")

    assert card.lines[0].startswith("This desk trades real money in account 123456789: no order is sent to try")
    assert "setup_scan:wheel" not in actions(card)
    assert "no order is sent to try things out" in here.told(action="setup_scan:wheel")
    assert here.events(EventKind.SCAN_FINISHED) == ()


def test_a_disabled_strategy_is_not_scanned() -> None:
    here = at(visit())
    here.card("/disable wheel")

    assert here.told(action="setup_scan:wheel") == "wheel is disabled: /enable wheel lets it be scanned."


def test_after_a_restart_it_goes_on_where_it_was() -> None:
    here = at(visit())
    here.card(action=f"seen:{sent(here)}")
    fresh = Visit(here.world, at(visit()).room, here.sources)
    again = replace(fresh.room, desk=here.world.desk)

    reply = finish(dispatch(again, Request("web:ann", "/setup")))

    assert reply.cards[0].title == "Step 3 of 3: an order on paper"


def test_a_desk_without_a_doctor_says_how_to_look() -> None:
    assert "wsb check" in visit().card("/setup checks").lines[0]
