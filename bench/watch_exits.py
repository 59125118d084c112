"""A look at every open position: `exits.supervise` over 500 of them, with nothing due.

Measured: the look itself, on SQLite, every contract and share quoted anew. Peer, in the same run: ten looks over fifty
positions, so that work which grows faster than the book shows in the ratio. We hold ourselves to a tenth of a second,
for a look is taken every second, and to a ratio of about 1. `python -m bench.watch_exits [ROUNDS]`
"""

from __future__ import annotations

import logging
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import structlog

from bench.reconcile import PREMIUM, contract, name_of, timed
from engine import exits
from engine.desk import Desk
from engine.model.legs import Leg
from engine.sessions import Sessions
from engine.store import Store
from tests import make
from tests.desk import FakeBroker
from tests.fakes import FakeClock, FakeMarket, ids

ROUNDS = 15
POSITIONS = 500
PART = 10


@dataclass(frozen=True, slots=True)
class Book:
    """A desk that holds so many short puts."""

    desk: Desk
    clock: FakeClock
    market: FakeMarket
    positions: int

    def look(self) -> None:
        """One look; nothing may be due, or it would not be the work of every second."""
        if exits.supervise(self.desk):
            raise RuntimeError("an exit was started")

    def a_second_later(self) -> None:
        """Quotes of everything, a second on."""
        self.clock.advance(seconds=1)
        for number in range(self.positions):
            self.market.set_quote(contract(number, 44), "0.98", "1.08")
            self.market.set_quote(make.share(name_of(number)), "47.99", "48.01")


def book_of(positions: int, folder: Path) -> Book:
    """So many positions, each in a name of its own."""
    clock = FakeClock()
    market = FakeMarket(clock)
    store = Store.create(f"sqlite:///{folder / f'desk-{positions}.db'}")
    broker = FakeBroker(clock)
    desk = Desk(store=store, market=market, broker=broker, now=clock, new_id=ids(), sessions=Sessions(), strategies={})
    with store.begin() as work:
        for number in range(positions):
            put, id = contract(number, 44), f"P8{number:04d}"
            legs = (make.held(put, -2, PREMIUM),)
            work.save_position(
                make.position((Leg(put, -1),), legs, id=id, campaign=id, ticker=put.underlying, approval_id=None)
            )
    return Book(desk, clock, market, positions)


def milliseconds(book: Book, looks: int) -> float:
    """Of so many looks in a row, the quotes between them not counted."""
    total = 0.0
    for _ in range(looks):
        book.a_second_later()
        total += timed(book.look)
    return total


def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        whole, part = book_of(POSITIONS, Path(folder)), book_of(POSITIONS // PART, Path(folder))
        pairs = [(milliseconds(whole, 1), milliseconds(part, PART)) for _ in range(rounds + 2)][2:]
        whole.desk.store.close()
        part.desk.store.close()
    ours, theirs = (median(column) for column in zip(*pairs, strict=True))
    print(f"{POSITIONS} open positions, nothing due")
    print(f"  one look: {ours:.0f} ms")
    print(f"  peer: {PART} looks at {POSITIONS // PART} positions: {theirs:.0f} ms")
    print(f"  ratio of the medians: {ours / theirs:.2f} ({rounds} rounds)")


if __name__ == "__main__":
    main()
