"""A program that writes until it is killed: each transaction a proposal, a position, a fill and its postings.

Prints the number of every transaction once it is committed.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import count

from engine import ledger
from engine.store import Store
from tests import make


def write(store: Store, number: int) -> None:
    """One transaction that is whole or absent."""
    empty = make.position(id=f"P{number}", campaign=f"P{number}", approval_id=f"A{number}")
    fill = replace(make.fill(execution_id=f"x{number}", fee="1.30"), client_order_id=f"A{number}.1.1")
    position, postings = ledger.apply_fill(empty, fill)
    with store.begin() as work:
        work.add_approval(make.approval(id=f"A{number}"))
        work.add_fill(fill, position.id)
        work.add_postings(postings)
        work.save_position(position)
        work.add_event(make.event(id=f"V{number:08}", subject=position.id))


def main() -> None:
    with Store.open(sys.argv[1]) as store:
        for number in count():
            write(store, number)
            print(number, flush=True)


if __name__ == "__main__":
    main()
