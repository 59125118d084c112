"""A decision made in advance, from the line that makes it to the fill: in a replay and on two brokers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest

from alerts import outbox
from alerts.routes import Channels, routes
from bot import app
from bot.bulkheads import finish, inline
from bot.command import Reply, Room
from bot.console.replay import ReplayOptions, load_config, make_journey
from bot.deliver import Postman
from bot.dispatch import dispatch
from bot.message import Card, Request, as_text
from bot.platforms.replay_chat import DESTINATION, IDENTITY, Person, ReplayChat
from bot.replay import Journey
from engine import envelopes, orders, scanning, standing
from engine.model.envelopes import EnvelopeStatus, risk_of
from engine.model.trade import Approval, ApprovalStatus
from engine.store import Store
from strategies import CATALOGUE
from tests import make
from tests.bot.rooms import PEOPLE
from tests.desk import World, make_world
from tests.make import D
from tests.standins.alpaca import AlpacaStandin
from tests.strategies import cases
from tests.wire import connected

LINE = "/envelope wheel max_risk=2000 per_day=2 until=thursday structure=short_put"


@dataclass
class Trip:
    """A desk whose cards arrive in a chat; people speak to it there."""

    world: World
    room: Room
    chat: ReplayChat
    updates: int = 0

    def ask(self, text: str = "", action: str = "", who: str = "web:ann") -> Reply:
        self.updates += 1
        reply = finish(dispatch(self.room, Request(who, text, action, f"trip:{self.updates}")))
        assert reply.is_ok, [as_text(card) for card in reply.cards]
        return reply

    def scan(self) -> None:
        """What a live desk does at a scan time: propose, then approve what was decided in advance."""
        scanning.run(self.world.desk, "wheel")
        envelopes.apply(self.world.desk)

    def card(self, title: str) -> Card:
        """The only message in the chat whose title begins so, as it stands now."""
        desk = self.world.desk
        channels = Channels((DESTINATION,), {})
        postman = Postman(self.room, {self.chat.name: self.chat})
        finish(outbox.pump(desk.store, desk.now, lambda event: routes(event, channels), postman))
        (found,) = [card for card in self.chat.messages.values() if card.title.startswith(title)]
        return found


def trip(world: World) -> Trip:
    world.market.set_snapshot(cases.wheel_name())
    return Trip(world, Room(world.desk, PEOPLE, inline, lambda: "PAPER"), ReplayChat())


def wheel_world(**more: Any) -> World:
    return make_world(strategies=dict(CATALOGUE), universe=("XYZ",), **more)


def test_scan_envelope_order_fill_and_card_on_the_fake_broker() -> None:
    here = trip(wheel_world())
    here.ask(LINE, who="web:tom")

    here.scan()
    working = here.card("wheel: sell 2 × XYZ 44 put")
    (order,) = here.world.broker.posts
    here.world.broker.fill(order)
    orders.reconcile(here.world.desk)
    filled = here.card("wheel: sell 2 × XYZ 44 put")

    with here.world.store.read() as work:
        (envelope,) = work.open_envelopes()
        (position,) = work.open_positions()
    assert working.title == "wheel: sell 2 × XYZ 44 put (order working)"
    assert f"Approved by envelope {envelope.id} of tom." in working.lines
    assert filled.title == "wheel: sell 2 × XYZ 44 put (filled)"
    assert f"Approved by envelope {envelope.id} of tom." in filled.lines
    assert (position.units, position.entry) == (2, D("-1.03"))
    assert "Today 1 of 2; in all 1 trade, 914.00 of risk." in as_text(here.ask("/envelopes").cards[0])


def test_with_a_revocation_in_between_the_proposal_asks_people() -> None:
    here = trip(wheel_world())
    here.ask(LINE)
    posted = here.card("Envelope V")
    scanning.run(here.world.desk, "wheel")
    (button,) = [button for row in posted.buttons for button in row]
    here.ask(action=button.action, who="web:tom")

    envelopes.apply(here.world.desk)

    asking = here.card("wheel: sell 2 × XYZ 44 put")
    assert here.world.broker.posts == []
    assert asking.title == "wheel: sell 2 × XYZ 44 put?"
    assert asking.buttons[0][0].label == "Approve"
    here.ask(action=asking.buttons[0][0].action, who="web:tom")
    assert len(here.world.broker.posts) == 1


# on Alpaca's wire


@pytest.fixture
def alpaca() -> Iterator[tuple[Trip, AlpacaStandin]]:
    """The same desk in front of Alpaca's account PA3STANDIN01, which is pinned."""
    with connected(wheel_world(), read=10) as wire:
        desk = replace(wire.desk, account=wire.exchange.number)
        standing.refresh_account(desk)
        yield trip(replace(wire, desk=desk)), wire.standin


def test_scan_envelope_order_fill_and_card_on_alpacas_wire(alpaca: tuple[Trip, AlpacaStandin]) -> None:
    here, server = alpaca
    here.ask(LINE)

    here.scan()
    server.exchange.fills_at_limit = True
    server.exchange.quote(make.put().symbol, "1.08", "1.10")
    orders.reconcile(here.world.desk)

    (sent,) = server.journal.sent("POST", "/v2/orders")
    with here.world.store.read() as work:
        (approval,) = work.approvals(ApprovalStatus.APPROVED)
    assert sent.body["client_order_id"] == f"{approval.id}.1.1"
    assert (sent.body["symbol"], sent.body["qty"], sent.body["limit_price"]) == (make.put().symbol, "2", "1.03")
    assert sent.body["position_intent"] == "sell_to_open"
    filled = here.card("wheel: sell 2 × XYZ 44 put")
    assert filled.title == "wheel: sell 2 × XYZ 44 put (filled)"
    assert f"Approved by {approval.decided_by}." in filled.lines
    assert server.journal.violations == []


def test_with_a_revocation_in_between_nothing_is_put_on_alpacas_wire(alpaca: tuple[Trip, AlpacaStandin]) -> None:
    here, server = alpaca
    here.ask(LINE)
    scanning.run(here.world.desk, "wheel")
    with here.world.store.read() as work:
        (envelope,) = work.open_envelopes()
    here.ask(action=f"revoke:{envelope.id}", who="web:tom")

    envelopes.apply(here.world.desk)

    assert server.journal.sent("POST") == []


def test_an_envelope_made_for_another_account_puts_nothing_on_alpacas_wire(alpaca: tuple[Trip, AlpacaStandin]) -> None:
    here, server = alpaca
    here.ask(LINE)
    elsewhere = replace(here.world.desk, account="PA-OTHER")

    scanning.run(elsewhere, "wheel")
    envelopes.apply(elsewhere)

    assert server.journal.sent("POST") == []


def test_an_order_that_rests_is_canceled_from_the_card_of_the_revocation(alpaca: tuple[Trip, AlpacaStandin]) -> None:
    here, server = alpaca
    server.exchange.matching = False
    here.ask(LINE)
    here.scan()
    with here.world.store.read() as work:
        (envelope,) = work.open_envelopes()

    (revoked,) = here.ask(action=f"revoke:{envelope.id}").cards
    (button,) = [button for row in revoked.buttons for button in row]
    here.ask(action=button.action)

    (order,) = server.exchange.orders
    assert order.status == "canceled"


# in a replay


DAYS = (date(2009, 2, 3), date(2009, 2, 20))


def nobody_taps() -> Journey:
    """Recorded days in which every proposal expires, unless it was decided in advance."""
    store = Store.memory()
    made = make_journey(
        load_config(None, {"WSB__LOGGING__LEVEL": "error"}), ReplayOptions(app.demo_prices(), *DAYS, "all", 7), store
    )
    return replace(made, person=Person(made.chat, "ask", 7))


def lived(journey: Journey, start: date, end: date) -> None:
    finish(journey.run(journey.made.desk.sessions.between(start, end)))


def said(journey: Journey, text: str = "", action: str = "") -> None:
    reply = finish(dispatch(journey.room, Request(IDENTITY, text, action, f"test:{text}{action}")))
    assert reply.is_ok, [as_text(card) for card in reply.cards]


def approved(journey: Journey) -> list[Approval]:
    with journey.made.desk.store.read() as work:
        return list(work.approvals(ApprovalStatus.APPROVED, limit=1000))


def day_of(journey: Journey, approval: Approval) -> date:
    assert approval.decided_at is not None
    return journey.made.desk.sessions.today(approval.decided_at)


def test_in_a_replay_the_envelope_trades_inside_its_bounds_and_ends_by_itself() -> None:
    journey = nobody_taps()
    said(journey, "/envelope wheel max_risk=1500 per_day=1 until=2009-02-13 structure=short_put")

    lived(journey, *DAYS)

    done = approved(journey)
    with journey.made.desk.store.read() as work:
        proposed = work.approvals(limit=1000)
        assert work.open_envelopes() == ()
        assert work.fills()
        envelope = work.envelope("V00001")
    assert envelope.status is EnvelopeStatus.EXPIRED
    assert {approval.decided_by for approval in done} == {envelope.actor}
    assert set(Counter(day_of(journey, approval) for approval in done).values()) == {1}
    assert max(day_of(journey, approval) for approval in done) <= date(2009, 2, 13)
    assert max(risk_of(approval.plan) for approval in done) <= D(1500)
    assert any(approval.status is ApprovalStatus.EXPIRED for approval in proposed), "the others waited for people"


def test_in_a_replay_nothing_is_approved_after_the_revocation() -> None:
    journey = nobody_taps()
    said(journey, "/envelope wheel max_risk=5000 per_day=5 until=2009-02-20")
    lived(journey, date(2009, 2, 3), date(2009, 2, 6))
    before = approved(journey)
    said(journey, action="revoke:V00001")

    lived(journey, date(2009, 2, 9), DAYS[1])

    assert before
    assert approved(journey) == before
