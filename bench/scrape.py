"""What Prometheus asks every fifteen seconds, of a desk with years behind it.

Measured: one fresh reading of everything `/metrics` shows from the database (`DeskMetrics.read`, service levels
included) on SQLite in a file with 1,000,000 events, 100,000 runs of jobs, 100,000 signs of life and 10,000 trades; and
of it the service levels alone. Floor, in the same run: `SELECT count(*)` of the events. We hold ourselves to 0.5 s.
`python -m bench.scrape [ROUNDS] [DAYS]`: DAYS is over how many days the events, runs and signs of life are spread.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter

from sqlalchemy import Table, func, insert, select

from alerts import levels
from alerts.metrics import DeskMetrics, Vitals
from engine.model.events import EventKind, Severity
from engine.schema.tables import events, heartbeats, jobs, runs, strategies, trades
from engine.store import Store
from tests.desk import World, make_world

ROUNDS, DAYS = 5, 365
EVENTS, RUNS, BEATS, TRADES = 1_000_000, 100_000, 100_000, 10_000
KINDS = (*(kind.value for kind in EventKind),)
AT_ONCE = 20_000
Row = dict[str, object]


def spread(world: World, count: int, days: int) -> Iterator[tuple[int, object]]:
    """A number and a moment for each of so many rows, evenly over the last days."""
    step, now = timedelta(days=days) / count, world.clock()
    return ((number, now - step * (count - number)) for number in range(count))


def fill(world: World, days: int) -> None:
    """Years of a busy desk."""
    put(
        world.store,
        strategies,
        ({"id": name, "name": name, "status": "on", "created_at": world.clock()} for name in NAMES),
    )
    put(world.store, jobs, ({"name": name, "schedule": "", "enabled": True} for name in NAMES))
    put(world.store, events, (_event(number, at) for number, at in spread(world, EVENTS, days)))
    put(world.store, runs, (_run(number, at) for number, at in spread(world, RUNS, days)))
    put(world.store, heartbeats, ({"at": at, "holder": "h", "epoch": 1} for _, at in spread(world, BEATS, days)))
    put(world.store, trades, (_trade(number, at) for number, at in spread(world, TRADES, days)))


NAMES = ("wheel", "wsb_dip", "swing", "lotto")


def _event(number: int, at: object) -> Row:
    kind = KINDS[number % len(KINDS)]
    return {
        "id": f"V{number:09d}", "kind": kind, "at": at, "subject": f"S{number % 977}", "data": "{}",
        "severity": Severity.INFO.value, "correlation": f"A{number % 977}", "actor": "desk", "routed": True,
        "number": number + 1, "previous": "", "hash": f"{number:064x}",
    }  # fmt: skip


def _run(number: int, at: object) -> Row:
    return {
        "id": f"R{number:09d}", "job": NAMES[number % len(NAMES)], "due_at": at, "started_at": at, "finished_at": at,
        "state": "done", "note": "", "holder": "h", "epoch": 1,
    }  # fmt: skip


def _trade(number: int, at: object) -> Row:
    return {
        "id": f"T{number:07d}", "strategy_id": NAMES[number % len(NAMES)], "ticker": "XYZ", "trade_type": "put",
        "quantity": 1, "pnl": Decimal(number % 700 - 300), "commission": Decimal("1.30"), "created_at": at,
        "updated_at": at, "dividends": Decimal(0), "closed_at": at, "reason": "target",
    }  # fmt: skip


def put(store: Store, table: Table, rows: Iterator[Row]) -> None:
    """Write the rows past the desk."""
    with store._engine.begin() as connection:
        while some := list(islice(rows, AT_ONCE)):
            connection.execute(insert(table), some)


def seconds(act: Callable[[], object]) -> float:
    began = perf_counter()
    act()
    return perf_counter() - began


def counted(store: Store) -> None:
    """The floor."""
    with store._engine.connect() as connection:
        connection.execute(select(func.count()).select_from(events)).scalar_one()


def measured(world: World) -> None:
    """The service levels alone."""
    with world.store.read() as work:
        levels.measure(world.desk, work)


def main(rounds: int, days: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, Store.create(f"sqlite:///{Path(folder) / 'desk.db'}") as store:
        world = make_world(store=store)
        fill(world, days)
        vitals = Vitals(levels=lambda work: levels.as_metrics(levels.measure(world.desk, work)))
        took = [seconds(DeskMetrics(world.desk, vitals, money=True).read) for _ in range(rounds)]
        part = [seconds(lambda: measured(world)) for _ in range(rounds)]
        floor = [seconds(lambda: counted(store)) for _ in range(rounds)]
    whole, alone, bare = median(took), median(part), median(floor)
    print(f"{EVENTS:,} events over {days} days: a scrape takes {whole:.3f} s (longest {max(took):.3f}),")
    print(f"of it service levels {alone:.3f} s; count(*) of events {bare:.4f} s: {whole / bare:.1f} x the floor")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(*given, *(ROUNDS, DAYS)[len(given) :]))
