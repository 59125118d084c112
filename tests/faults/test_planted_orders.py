"""A broker that refuses, fails or says nothing about an order, with the keys in what it says: they are not kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import stamina

from alerts import outbox
from alerts.routes import Channels, routes
from bot import logs
from bot.bulkheads import finish
from bot.console.output import reply_text
from bot.deliver import Postman
from bot.runtime import Troubles
from bot.settings import LoggingSettings
from engine import activities, orders, standing
from engine.brokers.alpaca import AlpacaBroker
from engine.errors import DeskError
from engine.model.orders import OrderStatus
from engine.ports import Broker
from engine.store import Store
from engine.transport import Timeouts
from tests import make
from tests.bot.rooms import Visit, visit
from tests.faults.planted import PLANTED, Failing, careless, configured, kept, leaks
from tests.faults.test_planted_secrets import logging_as_it_was

__all__ = ["logging_as_it_was"]
KEYS = PLANTED["ALPACA_API_KEY"], PLANTED["ALPACA_SECRET_KEY"]
ASKED = ("/orders", "/proposals", "/show A00001", "/audit A00001", "/positions", "/account", "/health", "/health all")
QUICK = Timeouts(connect=0.5, read=0.1, retrying=0.5)
WAYS = ("401", "403", "422", "500", "html", "silence")
MORE = ("404", "408", "429", "503", "redirect")


@pytest.mark.parametrize("way", [*WAYS, *(pytest.param(way, marks=pytest.mark.soak) for way in MORE)])
def test_an_order_call_that_fails_leaves_no_key_anywhere(
    way: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = f"{tmp_path}/desk.db"
    with careless(way) as url, Store.create(f"sqlite:///{file}") as store, stamina.set_testing(True, attempts=1):
        logs.configure(LoggingSettings(level="debug", format="console"))
        logs.keep_secrets(configured(url, tmp_path))
        here = traded(visit(store=store), AlpacaBroker(*KEYS, url_override=url, timeouts=QUICK))
        told = [reply_text(here.ask(text)) for text in ASKED]
        told += [reply_text(here.ask("/panic freeze")), reply_text(here.ask("/cancel A00001.1"))]
        told += posted(here)
        with store.read() as work:
            sent = work.order("A00001.1.1")
    written = capfd.readouterr()

    refused = way in ("401", "403", "404", "422")
    assert (sent.status is OrderStatus.REJECTED) == refused
    assert leaks("\n".join(told)) == []
    assert leaks("\n".join(kept(file))) == []
    assert leaks(written.err + written.out) == []


def traded(here: Visit, broker: Broker) -> Visit:
    """A desk at this broker that has sent an entry, looked for it, and asked for everything a loop asks for."""
    desk = replace(here.world.desk, broker=broker)
    ticket = make.ticket(
        id="A00001.1", approval_id="A00001", created_at=make.NOW, send_after=make.NOW, position_id="P00001", version=1
    )
    with desk.store.begin() as work:
        work.add_approval(make.approval(id="A00001"))
        working, order = orders.next_order(ticket, ticket.limit, make.NOW)
        work.add_ticket(working)
        work.add_order(order)
    troubles = Troubles(desk)
    looks: tuple[Callable[[], object], ...] = (
        lambda: orders.send(desk, order),
        lambda: broker.submit(replace(order, client_order_id="A00001.1.2")),
        lambda: broker.cancel(replace(order, broker_id="7f1ab0ec-9f4b-4b6f-8a55-7d6f1b7e1d11")),
        lambda: broker.find(order),
        lambda: broker.suspend(True),
        lambda: orders.reconcile(desk),
        lambda: activities.settle(desk),
        lambda: standing.refresh_account(desk),
    )
    for number, look in enumerate(looks):
        try:
            look()
        except DeskError as problem:
            troubles.expected(f"look {number}", problem)
        except Exception as bug:  # noqa: BLE001 - whatever it is, a loop tells it
            troubles.bug(f"look {number}", bug)
    return replace(here, world=replace(here.world, desk=desk), room=replace(here.room, desk=desk))


def posted(here: Visit) -> list[str]:
    """Every card of what happened, on a platform that takes none."""
    failing, store, now = Failing([OSError("away")]), here.world.store, here.world.desk.now
    postman = Postman(here.room, {"failing": failing})
    channels = Channels(("failing:1",), {})
    finish(outbox.pump(store, now, lambda event: routes(event, channels), postman, postman.lost))
    return failing.cards
