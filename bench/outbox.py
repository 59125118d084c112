"""A thousand alerts that waited, brought to a chat that takes each at once.

Measured: routing, drawing, posting and noting 1,000 queued notices for one destination, through `Postman` and the
outbox, on SQLite in a file with durable commits; and the same 1,000 spread over four destinations at work side by side.
Floor, in the same run: 2,000 durable commits of one small row, for a message costs two (where the card stands, and that
it was delivered); a kill between any two of them doubles one message at most.

Then the same to the local page: `Postman`, the outbox, the page's server and a page that is open (a WebSocket client as
a browser is one), from the first look until the last card has come through the socket, in order. Floor: the same cards
put into the page without the outbox. We hold ourselves to 200 messages a second. `python -m bench.outbox [ROUNDS]`
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter

import structlog

from alerts.outbox import Lanes, Outbox
from alerts.routes import Route, card_key
from bot.bulkheads import Bulkheads
from bot.command import Pool, Room
from bot.deliver import Postman
from bot.message import PLAIN, Card, Manner, MessageRef
from bot.notices import notice
from engine.model.events import Event, EventKind
from engine.store import Store
from tests.bot.rooms import PEOPLE
from tests.desk import make_world
from tests.page import PageSocket, open_page

ROUNDS = 5
ALERTS = 1_000
COMMITS_EACH = 2


class Instant:
    """A chat platform that takes every message at once."""

    name = "instant"

    def __init__(self) -> None:
        self.taken: list[str] = []
        self._numbers = count(1)

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        del manner
        self.taken.append(card.key)
        return MessageRef(self.name, chat, str(next(self._numbers)))

    async def edit(self, ref: MessageRef, card: Card, manner: Manner = PLAIN) -> None:
        raise AssertionError("A notice is posted once.")


def floor(folder: Path, name: str) -> float:
    """Seconds for as many durable commits as the alerts need."""
    with Store.create(f"sqlite:///{folder / name}") as store:
        began = perf_counter()
        for number in range(ALERTS * COMMITS_EACH):
            with store.begin() as work:
                work.save_ref(f"event:{number}", "instant", "1", "1", 0)
        return perf_counter() - began


def delivered(folder: Path, name: str, destinations: int) -> float:
    """Seconds until every alert has arrived, a share of them at each destination, all in order."""
    pools = Bulkheads(trading=1, looking=4, protecting=2)
    try:
        with Store.create(f"sqlite:///{folder / name}") as store:
            return asyncio.run(_run(store, pools, destinations))
    finally:
        pools.close()


async def _run(store: Store, pools: Bulkheads, destinations: int) -> float:
    desk = make_world(store=store).desk
    room = Room(desk, PEOPLE, pools.run, lambda: "PAPER")
    chat = Instant()
    events = [desk.event(EventKind.DIVIDEND, f"P{number:05d}", {"cash": "12.50"}) for number in range(ALERTS)]
    with store.begin() as work:
        work.add_events(events)
    turn = {event.id: number % destinations for number, event in enumerate(events)}

    def route(event: Event) -> tuple[Route, ...]:
        return (Route(f"instant:{turn[event.id]}", card_key(event)),) if event.id in turn else ()

    postman = Postman(room, {chat.name: chat}, patience=20)
    lanes = Lanes(Outbox(store, desk.now, route, postman, postman.lost, lambda work: room.run(Pool.PROTECT, work)))
    began = perf_counter()
    await lanes.look()
    await lanes.idle()
    took = perf_counter() - began
    for lane in range(destinations):
        keys = [f"event:{event.id}" for event in events if turn[event.id] == lane]
        if [key for key in chat.taken if key in set(keys)] != keys:
            raise SystemExit("The alerts did not arrive once each and in order.")
    return took


def to_the_page(folder: Path, name: str) -> tuple[float, float]:
    """Seconds until an open page has every alert: through the outbox, and put into the page directly."""
    with Store.create(f"sqlite:///{folder / name}") as store:
        return asyncio.run(_to_the_page(store))


async def _to_the_page(store: Store) -> tuple[float, float]:
    async with open_page(make_world(store=store), threads=4) as here, here.socket() as socket:
        desk = here.world.desk
        events = [desk.event(EventKind.DIVIDEND, f"P{number:05d}", {"cash": "12.50"}) for number in range(ALERTS)]
        with store.begin() as work:
            work.add_events(events)
        postman = Postman(here.room, {here.web.name: here.web}, patience=20)
        run = partial(here.room.run, Pool.PROTECT)
        lanes = Lanes(Outbox(store, desk.now, lambda e: (Route("web:desk", card_key(e)),), postman, postman.lost, run))
        began = perf_counter()
        await lanes.look()
        await _shown(socket, events)
        through = perf_counter() - began
        await lanes.idle()
        cards = [replace(notice(event, "PAPER"), key=f"bare:{event.id}") for event in events]
        began = perf_counter()
        for event, card in zip(events, cards, strict=True):
            await here.web.post("desk", card)
            await _shown(socket, (event,))
        return through, perf_counter() - began


async def _shown(socket: PageSocket, events: Sequence[Event]) -> None:
    """Wait until the page has been given a card of each event, in order."""
    for event in events:
        frame = await socket.next("message")
        if event.subject not in json.dumps(frame):
            raise SystemExit("The page did not get the alerts once each and in order.")


def main(rounds: int) -> None:
    """Print the figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found: dict[str, list[float]] = {"floor": [], "one": [], "four": [], "page": [], "bare": []}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for number in range(rounds + 1):
            round_ = {
                "floor": floor(folder, f"floor{number}.db"),
                "one": delivered(folder, f"one{number}.db", 1),
                "four": delivered(folder, f"four{number}.db", 4),
            }
            round_["page"], round_["bare"] = to_the_page(folder, f"page{number}.db")
            for name, seconds in round_.items() if number else ():
                found[name].append(seconds)
    bare = median(found["floor"])
    print(f"{ALERTS:,} alerts through the outbox, median of {rounds} rounds")
    print(f"  floor, {ALERTS * COMMITS_EACH:,} durable commits  {bare:6.2f} s")
    for name, words in (("one", "one destination"), ("four", "four destinations")):
        seconds = median(found[name])
        print(f"  {words:<26} {seconds:6.2f} s  {seconds / ALERTS * 1000:5.2f} ms each  {seconds / bare:4.1f} x floor")
    page, bare = median(found["page"]), median(found["bare"])
    print(f"to an open page: {ALERTS / page:,.0f} messages a second, {page / bare:.1f} x putting them there directly")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
