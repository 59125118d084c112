"""A broker that does not answer orders to open: twenty approvals wait for it, and what protects goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np

from bot import app
from bot.bulkheads import Bulkheads
from bot.command import Reply, Room
from bot.config import load
from bot.dispatch import dispatch
from bot.loops import works
from bot.message import Request
from bot.runtime import Runtime
from engine.desk import Desk
from engine.model.book import Position
from engine.model.instruments import Right
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Bars
from engine.model.orders import OrderStatus
from engine.store import Store
from tests import make
from tests.faults.desk_process import FileMarket, Life, environment, people
from tests.standins.alpaca import AlpacaStandin, RunningClock
from tests.standins.alpaca_exchange import Exchange

D = Decimal
SPEED = 10.0
APPROVALS = 20
HUNG = 12.0
"""Real seconds the broker keeps an order to open without an answer."""
SOON = 5.0
"""Real seconds in which a stop has to be at the broker, with the ten seconds of desk time between its two quotes."""
CALL = make.option(48, Right.CALL, 30, "STOP")
OTHER = make.option(48, Right.CALL, 30, "HELD")


@dataclass
class Hung:
    """A live desk in this process, its broker, and what the market shows."""

    room: Room
    desk: Desk
    standin: AlpacaStandin
    quotes: dict[str, tuple[str, str]]
    file: Path

    def quote(self, symbol: str, bid: str, ask: str) -> None:
        self.quotes[symbol] = (bid, ask)
        self.file.write_text(json.dumps(self.quotes), encoding="utf-8")
        self.standin.exchange.quote(symbol, bid, ask)

    def has_its_nets(self) -> bool:
        """Whether the stops under both positions rest at the broker, as far as the desk knows."""
        with self.desk.store.read() as work:
            nets = [ticket for ticket in work.open_tickets() if ticket.is_net]
            resting = [order for net in nets for order in work.orders(net.id) if order.status is OrderStatus.ACCEPTED]
        return len(resting) == 2

    async def ask(self, number: int, text: str = "", action: str = "") -> Reply:
        return await dispatch(self.room, Request("web:ann", text, action, f"t:{number}"))

    def received(self, intent: str) -> list[str]:
        """The ids of orders with this intent that the broker has received so far."""
        sent = self.standin.journal.sent("POST", "/v2/orders")
        return [seen.body["client_order_id"] for seen in sent if intent in json.dumps(seen.body)]


def long_call(id: str, option: object) -> Position:
    """Two calls bought at 2.25 with a stop at 1.575."""
    leg = make.held(option, 2, "2.25")  # type: ignore[arg-type]
    return make.position(
        (Leg(option, 1),),  # type: ignore[arg-type]
        (leg,),
        id=id, campaign=id, ticker=option.underlying, structure=Structure.LONG_CALL, approval_id=None,  # type: ignore[attr-defined]
        entry=D("2.25"), opened_units=2, exits=ExitPlan(stop=D("1.575"), words=("Stop at 1.57.",)),
    )  # fmt: skip


@asynccontextmanager
async def hung(folder: Path) -> AsyncIterator[Hung]:
    """Two calls held, twenty proposals pending, and a broker that will not answer an order to open."""
    clock = RunningClock(make.NOW, SPEED)
    with AlpacaStandin(Exchange(clock, D(1_000_000)), hold=HUNG) as standin:
        standin.schemas = None
        life = Life(f"sqlite:///{folder / 'desk.db'}", standin.url, "", str(folder / "quotes.json"), clock.zero, SPEED)
        config = load(people(folder), environment(life) | {"ACCOUNT_SIZE": "1000000"})
        store = Store.create(life.database)
        market = FileMarket(Path(life.quotes), clock)
        desk = app.build_desk(config, store, market, clock)
        desks = app.sessions_of(config, desk)
        runtime = Runtime(desks.books, [replace(work, every=work.every / SPEED) for work in works(desks)])
        pools = Bulkheads(trading=4, looking=2, protecting=2)
        room = app.build_live_room(config, desks, runtime, pools.run)
        made = Hung(room, desk, standin, {}, Path(life.quotes))
        _fill_desk(made, desk)
        for number, ticker in enumerate(symbol for symbol in made.quotes if len(symbol) < 5):
            market.set_bars(walk(ticker, number))
        standin.hang_openings(APPROVALS)
        runtime.start()
        try:
            yield made
        finally:
            runtime.stop()
            standin.stopping.set()
            pools.close()
            store.close()


def _fill_desk(made: Hung, desk: Desk) -> None:
    with desk.store.begin() as work:
        work.add_postings((make.deposit(1_000_000),))
    for option, id in ((CALL, "P90001"), (OTHER, "P90002")):
        made.quote(option.symbol, "2.20", "2.30")
        made.quote(option.underlying, "47.99", "48.01")
        made.standin.exchange.hold(option.symbol, 2, "2.25")
        with desk.store.begin() as work:
            work.save_position(long_call(id, option))
    for number in range(APPROVALS):
        ticker = f"Q{chr(65 + number)}"
        put = make.put(44, underlying=ticker)
        made.quote(put.symbol, "0.98", "1.08")
        made.quote(ticker, "47.99", "48.01")
        signal = make.signal(ticker=ticker, legs=(Leg(put, -1),))
        approval = make.approval(make.plan(signal, 1), id=f"A8{number:04d}", expires_at=make.NOW.replace(hour=16))
        with desk.store.begin() as work:
            work.add_approval(approval)


def walk(ticker: str, seed: int) -> Bars:
    """A price history that has nothing to do with the others': names that move alike are limited."""
    steps = np.random.default_rng(seed).normal(0, 0.01, 260)
    return make.bars(48 * np.exp(np.cumsum(steps)), ticker)


async def until(holds: Callable[[], bool], seconds: float) -> float:
    """How long it took until `holds` did."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_a_stop_fires_on_time_while_twenty_approvals_wait_for_a_hung_broker(tmp_path: Path) -> None:
    async with hung(tmp_path) as desk:
        waiting = [asyncio.create_task(desk.ask(n, action=f"approve:A8{n:04d}.1")) for n in range(APPROVALS)]
        await until(lambda: len(desk.received("_to_open")) >= 4, SOON)

        desk.quote(CALL.symbol, "1.50", "1.50")
        await until(lambda: any(id.startswith("P90001.stop.") for id in desk.received("sell_to_close")), SOON)

        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()


async def test_a_person_closes_and_halts_while_twenty_approvals_wait_for_a_hung_broker(tmp_path: Path) -> None:
    async with hung(tmp_path) as desk:
        waiting = [asyncio.create_task(desk.ask(n, action=f"approve:A8{n:04d}.1")) for n in range(APPROVALS)]
        await until(lambda: len(desk.received("_to_open")) >= 4, SOON)

        await until(desk.has_its_nets, SOON)  # one that is just being placed has to be confirmed before it steps aside

        closed = await asyncio.wait_for(desk.ask(101, "/close P90002"), SOON)
        halted = await asyncio.wait_for(desk.ask(102, "/halt too wild"), SOON)

        assert (closed.error, halted.error) == ("", "")
        assert any(id.startswith("P90002.manual") for id in desk.received("sell_to_close"))
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
