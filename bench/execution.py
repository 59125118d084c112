"""From the end of an undo window to the broker's yes, as a live desk does it: its own loop, a durable store, the wire.

Measured: approved entries whose undo windows end one after another at odd moments, sent by `bot.loops.sending` on its
thread (the look at prices, the durable claim, the POST, the durable answer) to the stand-in of the tests in a process
of its own; the times are those the desk writes down itself and `/health` tells. Floor, in the same run: the same order
sent by alpaca-py alone. We hold ourselves to 100 ms for 95 of 100. `python -m bench.execution [ORDERS]`
"""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median

import numpy as np
import structlog
from alpaca.trading.client import TradingClient

from alerts.levels import Speed, percentile, speed
from bench.approve_latency import Floor, broker_process, make_desk, one_by_one
from bot.loops import sending
from bot.runtime import Runtime
from engine.brokers.alpaca import AlpacaBroker
from engine.desk import Desk
from engine.store import Store
from tests import make
from tests.standins.alpaca import RunningClock

ORDERS = 100
WARM_UP = 5
APART = 0.12
"""Seconds between two undo windows on the average: each order is alone."""
WITHIN = 60.0


def executed(desk: Desk, count: int) -> Speed:
    """How fast so many entries were; the first few, which open connections, left out."""
    moments = np.cumsum(np.random.default_rng(7).uniform(APART / 2, APART * 1.5, count))
    begins = desk.now() + timedelta(seconds=0.5)
    with desk.store.begin() as work:
        for number, seconds in enumerate(moments):
            ends = begins + timedelta(seconds=float(seconds))
            id = f"B{number:05d}.1"
            work.add_ticket(make.ticket(id=id, position_id=f"P{number:05d}", approval_id=None, send_after=ends))
    runtime = Runtime(desk, [sending(desk)])
    runtime.start()
    until = time.monotonic() + WITHIN
    while (found := _accepted(desk, count)) is None:
        if time.monotonic() > until:
            raise SystemExit("The orders did not get through in time.")
        threading.Event().wait(0.2)
    runtime.stop()
    return Speed(found.executions[WARM_UP:])


def _accepted(desk: Desk, count: int) -> Speed | None:
    with desk.store.read() as work:
        found = speed(work.first_orders(make.NOW))
    return found if len(found.executions) == count else None


def report(name: str, seconds: Sequence[float]) -> str:
    half, most = (percentile(seconds, rank) * 1000 for rank in (0.5, 0.99))
    return f"  {name:<38} p50 {half:7.2f} ms  p99 {most:7.2f} ms"


def main(count: int) -> None:
    """Print the figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with broker_process() as place, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        broker = AlpacaBroker(place["key"], place["secret"], url_override=place["url"])
        client = TradingClient(place["key"], place["secret"], url_override=place["url"])
        bare = Floor(client, f"sqlite:///{folder / 'floor.db'}", "floor")
        floor = [one_by_one(bare) / 1000 for _ in range(count + WARM_UP)][WARM_UP:]
        with Store.create(f"sqlite:///{folder / 'desk.db'}") as store:
            desk = replace(make_desk(store, broker), now=RunningClock(make.NOW))
            found = executed(desk, count + WARM_UP)
        bare.close()
        broker.close()
    took = [each.took for each in found.executions]
    print(f"{count} entries, from the end of the undo window to the broker's yes")
    print(report("all of it", took))
    print(report("our part, up to the wire", [each.ours for each in found.executions]))
    print(report("the broker's part", [each.theirs for each in found.executions]))
    print(report("floor: bare submit, two bare commits", floor))
    print(f"  ratio of the medians: {median(took) / median(floor):.2f}; within 100 ms: {found.share:.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS)
