"""A desk in a process of its own that is killed at a chosen step between tap and fill; the test restarts it.

Each life goes from the tap to the booked fill in a forked process and kills itself (SIGKILL) at its STEP-th boundary:
before and after every commit and every call to the broker. STEP 0 never kills and reports what came of it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import urllib.request
from pathlib import Path
from typing import Any

from engine import approvals, orders, standing
from engine.brokers.alpaca import AlpacaBroker
from engine.desk import Desk
from engine.errors import NotFound
from engine.model.trade import ApprovalStatus
from engine.sessions import Sessions
from engine.store import Store
from tests import make
from tests.fakes import FakeClock, FakeMarket, ids
from tests.faults.boundaries import Boundary, StepBroker, StepStore
from tests.standins.alpaca import KEY, SECRET


def build(database: str, url: str, boundary: Boundary) -> tuple[Desk, FakeClock, FakeMarket]:
    clock = FakeClock()
    market = FakeMarket(clock)
    store = Store.open(database) if os.path.exists(database.removeprefix("sqlite:///")) else Store.create(database)
    desk = Desk(
        store=StepStore(store, boundary),  # type: ignore[arg-type]
        market=market,
        broker=StepBroker(AlpacaBroker(KEY, SECRET, url_override=url), boundary),
        now=clock,
        new_id=ids() if boundary.fatal else _later_ids(),
        sessions=Sessions(),
        strategies={},
    )
    return desk, clock, market


def _later_ids() -> Any:
    made = ids()
    return lambda prefix: f"{made(prefix)}R"


def quote(market: FakeMarket) -> None:
    market.set_quote(make.put(), "0.98", "1.08")
    market.set_quote(make.share(), "47.99", "48.01")


def tell(url: str, name: str, **arguments: object) -> None:
    """Turn the stand-in's account."""
    request = urllib.request.Request(f"{url}/standin/{name}", json.dumps(arguments).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10):
        return


def from_tap_to_fill(desk: Desk, clock: FakeClock, market: FakeMarket, url: str) -> None:
    """What a first run does, and what a restarted one takes up: nothing here knows which of the two it is."""
    quote(market)
    standing.refresh_account(desk)
    orders.resume(desk)
    with desk.store.read() as work:
        pending = work.approval("A00001").status is ApprovalStatus.PENDING
    if pending:
        approvals.approve(desk, "A00001", 1, "ann")
    tell(url, "set", fills_at_limit=True)
    tell(url, "quote", symbol=make.put().symbol, bid="1.08", ask="1.10")
    clock.advance(11)
    orders.reconcile(desk)


def outcome(desk: Desk) -> dict[str, object]:
    with desk.store.read() as work:
        ticket = work.ticket("A00001.1")
        position = work.find_position(ticket.position_id)
        return {
            "fills": len(work.fills()),
            "units": position.units if position else 0,
            "cash": str(work.book().cash),
            "ticket": ticket.status.value,
            "orders": len(work.orders("A00001.1")),
        }


def seed(database: str) -> None:
    """An empty book with 100,000 and the default proposal."""
    store = Store.create(database)
    with store.begin() as work:
        work.add_postings((make.deposit(),))
        try:
            work.approval("A00001")
        except NotFound:
            work.add_approval(make.approval())
    store.close()


def live(database: str, url: str, step: int, report: Path) -> None:
    """One life of the desk: from wherever it was left to the booked fill, or to its death at `step`."""
    boundary = Boundary(step)
    desk, clock, market = build(database, url, boundary)
    from_tap_to_fill(desk, clock, market, url)
    report.write_text(json.dumps(outcome(desk) | {"steps": boundary.count}))


def life(database: str, url: str, step: int, report: Path) -> int:
    """The exit status of a forked process that lives that life; negative is the signal that ended it."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        live(database, url, step, report)
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def main() -> None:
    """Live twice for every `[database, url, step]` of the JSON list given: once to be killed, once to recover."""
    for database, url, step in json.loads(sys.argv[1]):
        report = Path(f"{database.removeprefix('sqlite:///')}.json")
        seed(database)
        first = life(database, url, step, report)
        again = life(database, url, 0, report)
        result = json.loads(report.read_text()) if again == 0 else {}
        print(json.dumps({"step": step, "first": first, "again": again, **result}), flush=True)


if __name__ == "__main__":
    main()
