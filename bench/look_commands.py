"""From a request to its cards: every look command through the gate, on a desk that holds 200 positions.

Measured: `dispatch` of each command that only looks, on SQLite in a file, with prices in memory and a broker that
answers at once; a chat platform's own way is not in it. Floor, in the same run: the reads of the store that /risk
cannot do without (the book, the open orders, the settings). We hold ourselves to 50 ms for the 99th percentile of each
command, pictures not drawn. `python -m bench.look_commands [ROUNDS]`
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from itertools import count
from pathlib import Path

import numpy as np
import structlog

from bench.reconcile import PREMIUM, contract, name_of, timed
from bot.bulkheads import inline
from bot.catalogue import LOOK
from bot.command import Command, Kind, Room
from bot.dispatch import dispatch
from bot.message import Request
from bot.people import owner
from engine import standing
from engine.desk import Desk
from engine.model.legs import Leg
from engine.sessions import Sessions
from engine.store import Store
from strategies import CATALOGUE
from tests import make
from tests.desk import FakeBroker
from tests.fakes import FakeClock, FakeMarket, ids

ROUNDS = 60
POSITIONS = 200
PROPOSALS = 5
WORDS = {Kind.TICKER: name_of(0), Kind.STRATEGY: "wheel", Kind.POSITION: "P80000", Kind.TEXT: "P80000"}
LEFT_OUT = frozenset({"setup"})
"""Its time is the doctor's, who looks outside."""


def desk_of(positions: int, folder: Path) -> Desk:
    """So many short puts, each in a name of its own with a chain, bars and a quote, and a few proposals."""
    clock = FakeClock()
    market = FakeMarket(clock)
    store = Store.create(f"sqlite:///{folder / 'desk.db'}")
    desk = Desk(
        store=store, market=market, broker=FakeBroker(clock), now=clock, new_id=ids(), sessions=Sessions(),
        strategies=dict(CATALOGUE), universe=tuple(name_of(number) for number in range(positions)),
    )  # fmt: skip
    dice = np.random.default_rng(1)
    rows = make.rows("44: 1.0345 / 0.98 / 1.08 / -0.2392; 48: 2.53 / 2.45 / 2.60 / -0.47", {44: 0.46, 48: 0.45})
    with store.begin() as work:
        work.add_postings((make.deposit(5_000_000),))
        for number in range(positions):
            put, id, name = contract(number, 44), f"P8{number:04d}", name_of(number)
            chain = make.chain(puts=rows, underlying=name)
            market.set_snapshot(make.snapshot(name, chain=chain, bars=make.bars(walk(dice), ticker=name)))
            market.set_quote(put, "0.98", "1.08")
            legs = (make.held(put, -2, PREMIUM),)
            work.save_position(make.position((Leg(put, -1),), legs, id=id, campaign=id, ticker=name, approval_id=None))
        for number in range(PROPOSALS):
            work.add_approval(make.approval(id=f"A9{number:04d}"))
    standing.refresh_account(desk)
    return desk


def walk(dice: np.random.Generator) -> list[float]:
    """260 closes that end at 48: names that never move have no correlation."""
    steps = np.exp(np.cumsum(dice.normal(0, 0.02, 260)))
    return [float(close) for close in 48 * steps / steps[-1]]


def line_of(command: Command) -> str:
    """The command with a value for every parameter that is required."""
    return " ".join((f"/{command.name}", *(WORDS[p.kind] for p in command.parameters if p.required)))


def floor(desk: Desk) -> None:
    """What /risk has to read."""
    with desk.store.read() as work:
        work.book()
        work.open_tickets()
        work.settings_named(standing.READ)


def measured(room: Room, line: str, sources: count[int]) -> float:
    """Milliseconds of one request."""

    def ask() -> None:
        reply = asyncio.run(dispatch(room, Request("bench:1", line, source=f"bench:{next(sources)}")))
        if not reply.is_ok and not line.startswith(("/funnel", "/payoff")):
            raise RuntimeError(f"{line}: {reply.cards[0].lines}")

    return timed(ask)


def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    sources = count(1)
    lines = [line_of(command) for command in LOOK if command.name not in LEFT_OUT]
    with tempfile.TemporaryDirectory() as folder:
        desk = desk_of(POSITIONS, Path(folder))
        room = Room(desk, owner(["bench:1"]), inline, lambda: "PAPER")
        times: dict[str, list[float]] = {line: [] for line in lines}
        bare = []
        for _ in range(rounds + 2):
            bare.append(timed(lambda: floor(desk)))
            for line in lines:
                times[line].append(measured(room, line, sources))
        desk.store.close()
    report(times, bare)


def report(times: dict[str, list[float]], bare: list[float]) -> None:
    """One line for each command, the slowest first; the two rounds of the warm-up are not counted."""
    ground = float(np.median(bare[2:]))
    print(f"look commands on a desk of {POSITIONS} positions; floor (the bare reads of /risk): {ground:.1f} ms")
    print(f"  {'command':<22} {'p50 ms':>8} {'p99 ms':>8} {'of floor':>9}")
    rows = [(line, *np.percentile(told[2:], (50, 99))) for line, told in times.items()]
    for line, middle, tail in sorted(rows, key=lambda row: -row[2]):
        print(f"  {line:<22} {middle:>8.1f} {tail:>8.1f} {middle / ground:>9.1f}")


if __name__ == "__main__":
    main()
