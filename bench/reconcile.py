"""The books beside the broker: every open order looked up, every holding compared, over loopback.

Measured: `orders.reconcile` and `holdings.reconcile` on a desk with 500 open positions and 2,000 orders, of which 300
are open, against the stand-in of the tests in a process of its own; first with nothing new, then with 40 orders filled
since the last look. Floor, in the same run: the bare reads it cannot do without (the open orders, the positions, the
account) by alpaca-py alone; peer: one request for every open order. We hold ourselves to about 2 s, and to a handful
of requests, for a broker answers 200 a minute. `python -m bench.reconcile [ROUNDS]`
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import structlog
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import QueryOrderStatus
from alpaca.trading.requests import GetOrdersRequest

from bench.approve_latency import CASH, broker_process
from engine import holdings, orders, standing
from engine.brokers.alpaca import AlpacaBroker
from engine.desk import Desk
from engine.model.instruments import Option
from engine.model.legs import Leg
from engine.model.orders import Order, OrderStatus, Purpose, Ticket, TicketStatus
from engine.model.trade import ApprovalStatus
from engine.sessions import Sessions
from engine.store import Store
from tests import make
from tests.fakes import FakeClock, FakeMarket, ids

ROUNDS = 15
POSITIONS = 500
ORDERS = 2_000
OPEN = 300
FILLED = 40
PREMIUM = "1.03"


class Standin:
    """The handles of the stand-in that is a program."""

    def __init__(self, url: str) -> None:
        self._url = url

    def turn(self, name: str, **what: object) -> None:
        body = json.dumps(what).encode()
        request = urllib.request.Request(f"{self._url}/standin/{name}", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            answer.read()

    def requests(self) -> int:
        """How many requests it has had until now."""
        with urllib.request.urlopen(f"{self._url}/standin/state") as answer:
            return len(json.load(answer)["requests"])


def name_of(number: int) -> str:
    """`QAA`, `QAB` ...: a ticker of its own for every position."""
    return f"Q{chr(65 + number // 26)}{chr(65 + number % 26)}"


def contract(number: int, strike: int) -> Option:
    return make.put(strike, underlying=name_of(number % POSITIONS))


def fill_books(desk: Desk, standin: Standin) -> None:
    """So many short puts, on both sides the same."""
    with desk.store.begin() as work:
        work.add_postings((make.deposit(CASH),))
        for number in range(POSITIONS):
            held = contract(number, 44)
            leg = make.held(held, -2, PREMIUM)
            id = f"P8{number:04d}"
            work.save_position(
                make.position((Leg(held, -1),), (leg,), id=id, campaign=id, ticker=held.underlying, approval_id=None)
            )
    for number in range(POSITIONS):
        standin.turn("hold", symbol=contract(number, 44).symbol, quantity=-2, average=PREMIUM)


def send_orders(desk: Desk) -> list[Order]:
    """The history: many orders sent and canceled again, then those that are open; the open ones."""
    ended = [replace(sent_and_canceled(desk, number), status=OrderStatus.CANCELED) for number in range(OPEN, ORDERS)]
    placed = [submitted(desk, number) for number in range(OPEN)]
    with desk.store.begin() as work:
        for number, order in [*enumerate(placed), *enumerate(ended, OPEN)]:
            status = TicketStatus.WORKING if order.is_open else TicketStatus.CLOSED
            ticket = replace(ticket_of(number), status=status)
            signal = make.signal(legs=ticket.legs, ticker=ticket.ticker)
            approval = make.approval(make.plan(signal, 1), id=ticket.approval_id, status=ApprovalStatus.APPROVED)
            work.add_approval(approval)
            work.add_ticket(ticket)
            work.add_order(replace(order, sent_at=make.NOW))
    return placed


def submitted(desk: Desk, number: int) -> Order:
    """One unit of a put of its own, sold to open where nobody buys it."""
    ticket = ticket_of(number)
    return desk.broker.submit(make.order(ticket.legs, "-5.00", 1, client_order_id=f"{ticket.id}.1"))


def sent_and_canceled(desk: Desk, number: int) -> Order:
    order = submitted(desk, number)
    desk.broker.cancel(order)
    return order


def ticket_of(number: int) -> Ticket:
    leg = Leg(contract(number, 20 + number // POSITIONS), -1)
    id = f"A8{number:04d}"
    return make.ticket(
        id=f"{id}.1",
        purpose=Purpose.ENTRY,
        ticker=leg.instrument.underlying,
        legs=(leg,),
        quantity=1,
        limit=make.D("-5.00"),
        position_id=f"P9{number:04d}",
        approval_id=id,
        version=1,
        attempts=1,
    )


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    start = perf_counter()
    work()
    return (perf_counter() - start) * 1000


def look(desk: Desk) -> None:
    """What the desk does every few minutes and after every order."""
    orders.reconcile(desk)
    found = holdings.reconcile(desk)
    if not found.agrees:
        raise RuntimeError(f"the two sides are not the same: {(found.lasting or found.waiting)[:3]}")


def bare(client: TradingClient) -> None:
    """The reads without which nothing can be said."""
    page: Any = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, limit=500, nested=True))
    held: Any = client.get_all_positions()
    client.get_account()
    if (len(page), len(held)) != (OPEN, POSITIONS):
        raise RuntimeError(f"{len(page)} open orders and {len(held)} positions at the broker")


def measure(place: dict[str, str], folder: Path, rounds: int) -> None:
    """Alternate desk and floor, then let orders fill; print all and the ratio."""
    clock, standin = FakeClock(), Standin(place["url"])
    market = FakeMarket(clock)
    broker = AlpacaBroker(place["key"], place["secret"], url_override=place["url"])
    client = TradingClient(place["key"], place["secret"], url_override=place["url"])
    store = Store.create(f"sqlite:///{folder / 'desk.db'}")
    desk = Desk(store=store, market=market, broker=broker, now=clock, new_id=ids(), sessions=Sessions(), strategies={})
    standin.turn("set", matching=False)
    placed = send_orders(desk)
    fill_books(desk, standin)
    clock.advance(minutes=1)
    standing.refresh_account(desk)
    look(desk)
    before = standin.requests()
    look(desk)
    asked = standin.requests() - before
    pairs = [(timed(lambda: look(desk)), timed(lambda: bare(client))) for _ in range(rounds)]
    ours, theirs = (median(column) for column in zip(*pairs, strict=True))
    print(f"{POSITIONS} positions, {ORDERS:,} orders, {OPEN} of them open")
    print(f"  nothing new: {ours:.0f} ms, {asked} requests")
    print(f"  floor: open orders, positions and account by alpaca-py: {theirs:.0f} ms")
    print(f"  ratio of the medians: {ours / theirs:.2f} ({rounds} rounds)")
    single = timed(lambda: [broker.find(order) for order in placed])
    print(f"  peer: every open order asked for alone: {single:.0f} ms, {OPEN} requests, without the comparison")
    for order in placed[:FILLED]:
        standin.turn("quote", symbol=order.legs[0].instrument.symbol, bid="5.00", ask="5.02")
        standin.turn("fill", client_order_id=order.client_order_id, units=1)
    before = standin.requests()
    news = timed(lambda: orders.reconcile(desk))
    print(f"  {FILLED} orders filled since: {news:.0f} ms to book them, {standin.requests() - before} requests")
    store.close()
    broker.close()


def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with broker_process() as place, tempfile.TemporaryDirectory() as folder:
        measure(place, Path(folder), rounds)


if __name__ == "__main__":
    main()
