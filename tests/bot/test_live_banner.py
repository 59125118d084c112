"""On live money every card says so and names the account: what is posted, what answers, and what went wrong."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from pydantic import SecretStr

from alerts.routes import OF_ALERT
from bot import announce
from bot.app import live_banner
from bot.bulkheads import inline
from bot.catalogue import ALL
from bot.command import Command, Kind, Parameter, Room
from bot.message import as_text
from bot.settings import AlpacaSettings, Config, DeskSettings
from engine import envelopes
from engine.desk import Mode
from engine.model.book import PositionStatus
from engine.model.events import EventKind
from engine.model.trade import ApprovalStatus
from strategies import CATALOGUE
from tests import make
from tests.alerted import waiting_alert
from tests.bot.rooms import PEOPLE, Visit
from tests.desk import LIVE, World, make_world, propose
from tests.envelopes import bounds
from tests.rolling import waiting_roll
from tests.strategies import cases

BANNER = f"LIVE {LIVE}"
SAMPLES = {
    Kind.TICKER: "XYZ", Kind.STRATEGY: "wheel", Kind.POSITION: "P00001", Kind.APPROVAL: "A00001.1",
    Kind.TICKET: "A00002.1", Kind.DATE: "thursday",
}  # fmt: skip
NAMED = {"id": "A00001", "command": "risk", "line": "/health"}
"""Text parameters that name something."""


def live_world() -> World:
    """Live money with a proposal (A00001), an order at work with its position (A00002, P00001), and P00002 closed."""
    world = make_world(strategies=dict(CATALOGUE), mode=Mode.LIVE)
    world.market.set_snapshot(cases.wheel_name())
    propose(world)
    waiting_alert(world)
    order = make.order(client_order_id="A00002.1.1")
    with world.store.begin() as work:
        work.add_approval(make.approval(id="A00002", status=ApprovalStatus.APPROVED, decided_by="ann"))
        work.save_position(make.position(lots=[make.held(make.put(), -2, "1.03")], approval_id="A00002"))
        work.save_position(
            make.position(id="P00002", campaign="C00002", status=PositionStatus.CLOSED, closed_at=make.NOW)
        )
        work.add_ticket(make.ticket(id="A00002.1", approval_id="A00002", version=1, attempts=1))
        work.add_order(order)
    world.broker.submit(order)
    return world


def live_visit() -> Visit:
    world = live_world()
    return Visit(world, Room(world.desk, PEOPLE, inline, lambda: BANNER), count(1))


def test_the_banner_of_a_live_configuration_names_the_account() -> None:
    keys = {name: SecretStr("key") for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")}
    paper = Config(alpaca=AlpacaSettings(account=LIVE), secrets=keys)
    live = replace(paper, desk=DeskSettings(mode="live", broker="alpaca"))

    assert live_banner(live) == BANNER
    assert live_banner(paper) == "PAPER"


@pytest.mark.parametrize("kind", sorted(announce.DRAWN), ids=str)
def test_every_posted_card_says_live_and_the_account(kind: EventKind) -> None:
    world = live_world()
    subject = {
        EventKind.POSITION_CLOSED: "P00002",
        EventKind.DIGEST_READY: "2026-06-15",
        EventKind.REPORT_READY: "2026-W25",
    }.get(kind, "P00001")
    if kind.value.startswith("roll"):
        subject = waiting_roll(world, "P00001").id
    if kind in OF_ALERT:
        subject = waiting_alert(world).id
    data = {"ticker": "XYZ", "words": "What happened.", "quantity": 2, "limit": "-1.03", "purpose": "exit", "filled": 1}
    event = make.event(kind, subject, correlation="A00001", data=data)

    card = announce.card_for(world.desk, event, f"event:{event.id}", BANNER)

    assert card is not None
    assert card.banner == BANNER
    assert as_text(card).startswith(BANNER)


def sample(desk: Visit, parameter: Parameter) -> str:
    """A word this parameter takes."""
    if parameter.kind is Kind.ENVELOPE:
        return envelopes.create(desk.world.desk, bounds(), "ann").id
    if parameter.kind is Kind.CHOICE:
        return parameter.choices[0]
    if parameter.kind in {Kind.INT, Kind.DECIMAL}:
        return str(parameter.low or 1)
    return SAMPLES.get(parameter.kind) or NAMED.get(parameter.name, "because")


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.name)
def test_every_answer_says_live_and_the_account(command: Command) -> None:
    desk = live_visit()
    words = [f"{p.name}={sample(desk, p)}" for p in command.parameters if p.required]

    reply = desk.ask(" ".join((command.name, *words)))

    assert reply.cards, command.name
    assert [card.banner for card in reply.cards] == [BANNER] * len(reply.cards)
    assert reply.error != "broken"


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("/nothing", "web:ann"),
        ("/quote NOSUCH", "web:ann"),
        ("/halt", "web:vic"),
        ("/risk", "web:stranger"),
        ("/resume one too many", "web:ann"),
    ],
)
def test_what_went_wrong_says_live_and_the_account(text: str, who: str) -> None:
    reply = live_visit().ask(text, who=who)

    assert not reply.is_ok
    assert [card.banner for card in reply.cards] == [BANNER]
