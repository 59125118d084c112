"""From the tap to the broker's yes: `approvals.approve` with everything it does in use, over loopback.

Measured: re-quote, session and price checks, the risk check over a book of ten positions, the decision with its order
in one durable commit, the POST, and the second durable commit with the answer; SQLite in WAL mode, synchronous FULL.
Floor, measured in the same run: the same order sent by alpaca-py alone, and two bare durable commits of one row each.
Both talk to the stand-in of the tests in a process of its own. We hold ourselves to at most twice the floor and a 99th
percentile of about 10 ms. `python -m bench.approve_latency [ROUNDS]`
"""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import structlog
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, PositionIntent, TimeInForce
from alpaca.trading.requests import LimitOrderRequest

from engine import approvals, orders, standing
from engine.approvals import Outcome
from engine.brokers.alpaca import AlpacaBroker
from engine.desk import Desk
from engine.model.book import PositionLeg
from engine.model.legs import Leg
from engine.model.orders import OrderStatus
from engine.sessions import Sessions
from engine.store import Store
from tests import make
from tests.fakes import FakeClock, FakeMarket, ids

ROUNDS = 200
WARM_UP = 20
POSITIONS = 10
CASH = Decimal(10_000_000)


@contextmanager
def broker_process() -> Iterator[dict[str, str]]:
    """Address and keys of the stand-in, in a process that ends with this one."""
    command = [sys.executable, "-m", "tests.standins.alpaca", "--no-schemas"]
    command += ["--now", make.NOW.isoformat(), "--cash", str(CASH)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        if program.stdout is None:
            raise RuntimeError("the stand-in has no output")
        yield json.loads(program.stdout.readline())
        program.communicate("")


def make_desk(store: Store, broker: AlpacaBroker) -> Desk:
    """A desk that holds ten short puts on other names and has fresh quotes of everything."""
    clock = FakeClock()
    market = FakeMarket(clock)
    market.set_quote(make.put(), "0.98", "1.08")
    market.set_quote(make.share(), "47.99", "48.01")
    with store.begin() as work:
        work.add_postings((make.deposit(CASH),))
        for number in range(POSITIONS):
            work.save_position(held_put(number, market))
    desk = Desk(store=store, market=market, broker=broker, now=clock, new_id=ids(), sessions=Sessions(), strategies={})
    standing.refresh_account(desk)
    return desk


def held_put(number: int, market: FakeMarket) -> Any:
    """One short put on a name of its own, quoted."""
    ticker = f"H{chr(65 + number)}"
    contract = make.put(44, underlying=ticker)
    market.set_quote(contract, "0.98", "1.08")
    leg: PositionLeg = make.held(contract, -2, "1.03")
    return make.position(
        (Leg(contract, -1),), (leg,), id=f"P9{number:04d}", campaign=f"C9{number:04d}", ticker=ticker, approval_id=None
    )


class Subject:
    """The desk's own way from the tap to the accepted order."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._numbers = count(1)

    def prepare(self) -> str:
        """A fresh pending proposal's id."""
        approval = make.approval(id=f"A{next(self._numbers):05d}", created_at=make.NOW)
        with self._desk.store.begin() as work:
            work.add_approval(approval)
        return approval.id

    def run(self, approval_id: str) -> approvals.Decision:
        return approvals.approve(self._desk, approval_id, 1, "ann")

    def clear(self, decision: approvals.Decision) -> None:
        """Check the answer and take the order off again."""
        if decision.outcome is not Outcome.SENT or decision.order is None or not decision.order.broker_id:
            raise RuntimeError(f"not accepted: {decision.words}")
        if decision.order.status is not OrderStatus.ACCEPTED:
            raise RuntimeError(f"not working: {decision.order.status}")
        orders.cancel(self._desk, decision.order.ticket_id, "ann")


class Floor:
    """The same order by alpaca-py as it comes, between two bare commits."""

    def __init__(self, client: TradingClient, file: Path) -> None:
        self._client = client
        self._database = sqlite3.connect(file, isolation_level=None)
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "CREATE TABLE rows (body TEXT)"):
            self._database.execute(statement)
        self._numbers = count(1)

    def prepare(self) -> str:
        return f"floor.{next(self._numbers)}"

    def run(self, client_order_id: str) -> Any:
        self._commit(client_order_id)
        request = LimitOrderRequest(
            symbol=make.put().symbol,
            qty=2,
            side=OrderSide.SELL,
            position_intent=PositionIntent.SELL_TO_OPEN,
            time_in_force=TimeInForce.DAY,
            limit_price=1.03,
            client_order_id=client_order_id,
        )
        answer = self._client.submit_order(request)
        self._commit(client_order_id)
        return answer

    def _commit(self, body: str) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute("INSERT INTO rows VALUES (?)", (body,))
        self._database.execute("COMMIT")

    def clear(self, answer: Any) -> None:
        self._client.cancel_order_by_id(answer.id)

    def close(self) -> None:
        self._database.close()


def timed(prepare: Callable[[], str], run: Callable[[str], Any], clear: Callable[[Any], None]) -> float:
    """Milliseconds of `run` alone."""
    name = prepare()
    start = perf_counter()
    answer = run(name)
    elapsed = (perf_counter() - start) * 1000
    clear(answer)
    return elapsed


def report(name: str, times: list[float]) -> str:
    """Median and 99th percentile in words."""
    return f"{name}: p50 {median(times):.2f} ms, p99 {quantiles(times, n=100)[98]:.2f} ms"


def measure(url: str, key: str, secret: str, folder: Path, rounds: int) -> None:
    """Alternate desk and floor, print both and their ratio."""
    broker = AlpacaBroker(key, secret, url_override=url)
    subject = Subject(make_desk(Store.create(f"sqlite:///{folder / 'desk.db'}"), broker))
    floor = Floor(TradingClient(key, secret, url_override=url), folder / "floor.db")
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(WARM_UP + rounds):
        ours.append(timed(subject.prepare, subject.run, subject.clear))
        theirs.append(timed(floor.prepare, floor.run, floor.clear))
    ours, theirs = ours[WARM_UP:], theirs[WARM_UP:]
    print(report("approve -> accepted", ours))
    print(report("floor: alpaca-py submit + two bare commits", theirs))
    print(f"ratio of the medians: {median(ours) / median(theirs):.2f} ({rounds} rounds)")
    broker.close()
    floor.close()


def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with broker_process() as place, tempfile.TemporaryDirectory() as folder:
        measure(place["url"], place["key"], place["secret"], Path(folder), rounds)


if __name__ == "__main__":
    main()
