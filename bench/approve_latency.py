"""From the tap to the broker's yes: `approvals.approve` with everything it does in use, over loopback.

Measured: re-quote, session and price checks, the risk check over a book of ten positions, the decision with its order
in one durable commit, the POST, and the second durable commit with the answer; one tap after the other, and fifty at
once through the trading bulkhead, counted from the moment all fifty were tapped. SQLite in WAL mode with synchronous
FULL, and a PostgreSQL server of this run's own with fsync on (left out, with the reason, where it is not installed).
Floor, measured in the same run on the same database with the same number of threads: the same order sent by alpaca-py
alone, and two bare durable commits of one row each. Both talk to the stand-in of the tests in a process of its own.
We hold ourselves to at most twice the floor, a 99th percentile of about 10 ms one by one, and about 120 ms for fifty
at once. SQLite keeps the first bound. PostgreSQL, where a decision is some twenty round trips to the floor's two, does
not yet; nor does fifty at once on either, where one interpreter takes all the decisions: both stand at two to four
times their floor.
`python -m bench.approve_latency [ROUNDS]`
"""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import pytest
import structlog
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, PositionIntent, TimeInForce
from alpaca.trading.requests import LimitOrderRequest
from sqlalchemy import create_engine, text

from bot.bulkheads import Bulkheads
from bot.command import Pool
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
from tests.postgres import DURABLE, running_cluster
from tests.programs import postgres_programs

ROUNDS = 200
WARM_UP = 20
AT_ONCE = 50
THREADS = 8
POSITIONS = 10
SESSIONS = 260
CASH = Decimal(100_000_000)


@contextmanager
def broker_process(*arguments: str) -> Iterator[dict[str, str]]:
    """Address and keys of the stand-in, in a process that ends with this one."""
    command = [sys.executable, "-m", "tests.standins.alpaca", "--no-schemas"]
    command += ["--now", make.NOW.isoformat(), "--cash", str(CASH), *arguments]
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
    market.set_bars(make.bars(closes(POSITIONS)))
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
    market.set_bars(make.bars(closes(number), ticker))
    leg: PositionLeg = make.held(contract, -2, "1.03")
    return make.position(
        (Leg(contract, -1),), (leg,), id=f"P9{number:04d}", campaign=f"C9{number:04d}", ticker=ticker, approval_id=None
    )


def closes(seed: int) -> list[float]:
    """Daily closes of a name that goes its own way, so that no limit on correlated names is reached."""
    steps = np.random.default_rng(seed).normal(0.0, 0.01, SESSIONS)
    return list(48.0 * np.exp(np.cumsum(steps)))


class Contestant(Protocol):
    """Something that sends an order: what is prepared before the clock starts, the work, and the tidying up."""

    def prepare(self) -> str: ...

    def run(self, name: str) -> Any: ...

    def clear(self, answer: Any) -> None: ...


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

    def run(self, name: str) -> approvals.Decision:
        return approvals.approve(self._desk, name, 1, "ann")

    def clear(self, answer: approvals.Decision) -> None:
        """Check the answer and take the order off again."""
        if answer.outcome is not Outcome.SENT or answer.order is None or not answer.order.broker_id:
            raise RuntimeError(f"not accepted: {answer.words}")
        if answer.order.status is not OrderStatus.ACCEPTED:
            raise RuntimeError(f"not working: {answer.order.status}")
        orders.cancel(self._desk, answer.order.ticket_id, "ann")


class Floor:
    """The same order by alpaca-py as it comes, between two bare commits on the same kind of database."""

    def __init__(self, client: TradingClient, url: str, prefix: str) -> None:
        self._client = client
        self._database = create_engine(url).connect().execution_options(isolation_level="AUTOCOMMIT")
        if url.startswith("sqlite"):
            self._database.exec_driver_sql("PRAGMA journal_mode = WAL")
            self._database.exec_driver_sql("PRAGMA synchronous = FULL")
        self._database.exec_driver_sql("CREATE TABLE bare_rows (body TEXT)")
        self._insert = text("INSERT INTO bare_rows VALUES (:body)")
        self._one_writer = threading.Lock()
        self._names = (f"{prefix}.{number}" for number in count(1))

    def prepare(self) -> str:
        return next(self._names)

    def run(self, name: str) -> Any:
        self._commit(name)
        request = LimitOrderRequest(
            symbol=make.put().symbol,
            qty=2,
            side=OrderSide.SELL,
            position_intent=PositionIntent.SELL_TO_OPEN,
            time_in_force=TimeInForce.DAY,
            limit_price=1.03,
            client_order_id=name,
        )
        answer = self._client.submit_order(request)
        self._commit(name)
        return answer

    def _commit(self, body: str) -> None:
        with self._one_writer:
            self._database.execute(self._insert, {"body": body})

    def clear(self, answer: Any) -> None:
        self._client.cancel_order_by_id(answer.id)

    def close(self) -> None:
        self._database.close()


def one_by_one(contestant: Contestant) -> float:
    """Milliseconds of one order alone."""
    name = contestant.prepare()
    start = perf_counter()
    answer = contestant.run(name)
    elapsed = (perf_counter() - start) * 1000
    contestant.clear(answer)
    return elapsed


def at_once(contestant: Contestant, pools: Bulkheads) -> list[float]:
    """Milliseconds from the common start to the end of each of fifty orders, through the trading bulkhead."""
    names = [contestant.prepare() for _ in range(AT_ONCE)]

    def timed(name: str, start: float) -> tuple[float, Any]:
        answer = contestant.run(name)
        return (perf_counter() - start) * 1000, answer

    async def tap_all() -> list[tuple[float, Any]]:
        start = perf_counter()
        return await asyncio.gather(*(pools.run(Pool.TRADE, lambda n=name: timed(n, start)) for name in names))  # type: ignore[misc]

    done = asyncio.run(tap_all())
    for _, answer in done:
        contestant.clear(answer)
    return [elapsed for elapsed, _ in done]


def report(name: str, times: Sequence[float]) -> str:
    """Median and 99th percentile in words."""
    return f"  {name}: p50 {median(times):.2f} ms, p99 {quantiles(times, n=100)[98]:.2f} ms"


def alternate(rounds: int, one: Callable[[], Any], other: Callable[[], Any]) -> tuple[list[Any], list[Any]]:
    """The results of both, taken in turn so that a busy moment strikes both; those of the first tenth are dropped."""
    pairs = [(one(), other()) for _ in range(rounds + max(1, rounds // 10))][-rounds:]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def compare(name: str, subject: Subject, floor: Floor, rounds: int) -> None:
    """Measure both on one database, one by one and at once, and print."""
    print(name)
    ours, theirs = alternate(rounds, lambda: one_by_one(subject), lambda: one_by_one(floor))
    print(report("one tap -> accepted", ours))
    print(report("floor: alpaca-py submit + two bare commits", theirs))
    print(f"  ratio of the medians: {median(ours) / median(theirs):.2f} ({rounds} rounds)")
    pools = Bulkheads(trading=THREADS)
    batches = max(3, rounds // 20)
    together, bare = alternate(batches, lambda: at_once(subject, pools), lambda: at_once(floor, pools))
    pools.close()
    last, floor_last = median(map(max, together)), median(map(max, bare))
    print(f"  {AT_ONCE} taps at once, {THREADS} threads: all accepted after {last:.0f} ms")
    print(report("each of them", [one for batch in together for one in batch]))
    print(f"  floor: {AT_ONCE} at once with as many threads: {floor_last:.0f} ms")
    print(f"  ratio: {last / floor_last:.2f} ({batches} batches)")


def measure(place: dict[str, str], name: str, desk_url: str, floor_url: str, rounds: int) -> None:
    """Desk and floor on the databases of one kind."""
    broker = AlpacaBroker(place["key"], place["secret"], url_override=place["url"])
    client = TradingClient(place["key"], place["secret"], url_override=place["url"])
    floor = Floor(client, floor_url, f"floor-{name}")
    with Store.create(desk_url) as store:
        compare(name, Subject(make_desk(store, broker)), floor, rounds)
    broker.close()
    floor.close()


def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with broker_process() as place, tempfile.TemporaryDirectory() as folder:
        file = Path(folder)
        measure(place, "SQLite", f"sqlite:///{file / 'desk.db'}", f"sqlite:///{file / 'floor.db'}", rounds)
    try:
        programs = postgres_programs()
        with (
            running_cluster(programs, DURABLE) as cluster,
            cluster.database() as url,
            cluster.database() as other,
            broker_process() as place,
        ):
            measure(place, "PostgreSQL", url, other, rounds)
    except pytest.skip.Exception as reason:
        print(f"PostgreSQL: not measured: {reason}")


if __name__ == "__main__":
    main()
