"""A look of the alert rules at a desk that holds 200 positions: `gathering.gather`, and every rule with its next step.

Measured: the facts read from SQLite (40,000 events, 20,000 runs of jobs beside the book) with every contract quoted
anew; and what the rules find of them, each finding taken through the state machine of an alert. Peer, in the same run:
ten looks over twenty positions, so that work which grows faster than the book shows in the ratio. We hold ourselves to
a tenth of a second for the look, which is taken every minute beside trading, to a ratio of about 1, and to 10,000
evaluations a second. `python -m bench.alert_rules [ROUNDS]`
"""

from __future__ import annotations

import logging
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from statistics import median

import structlog

from alerts import gathering, watching
from alerts.facts import Facts
from alerts.rules import RULES
from bench.reconcile import timed
from bench.watch_exits import Book, book_of
from engine import watch
from engine.model.events import EventKind
from engine.model.records import Run, RunState
from tests import make

ROUNDS = 15
POSITIONS = 200
PART = 10
EVENTS, JOBS, RUNS = 20_000, 40, 500


def desk_of(positions: int, folder: Path) -> Book:
    """A desk with a history, each of its positions in a name of its own."""
    book = book_of(positions, folder)
    desk = book.desk
    with desk.store.begin() as work:
        work.add_postings((make.deposit(),))
        for number in range(EVENTS):
            work.add_event(desk.event(EventKind.COMMAND, f"/risk {number}", {}))
            work.add_event(desk.event(EventKind.ATTEMPTED, "T", {"act": "submit", "answer": "accepted"}))
        for job in range(JOBS):
            for number in range(RUNS):
                due = make.NOW - timedelta(minutes=number)
                work.add_run(Run(f"R{job}-{number}", f"job {job}", due, due, state=RunState.DONE))
    book.a_second_later()
    watch.look(desk)
    return book


def milliseconds(book: Book, looks: int) -> float:
    """Of so many looks in a row, the quotes between them not counted."""
    total = 0.0
    for _ in range(looks):
        book.a_second_later()
        total += timed(lambda: gathering.gather(book.desk))
    return total


def evaluated(facts: Facts) -> int:
    """How many findings the rules have, each taken one step further."""
    count = 0
    for rule in RULES:
        for finding in rule.read(facts):
            watching.step(rule, finding, None, facts.now)
            count += 1
    return count


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as folder:
        whole, part = desk_of(POSITIONS, Path(folder)), desk_of(POSITIONS // PART, Path(folder))
        milliseconds(whole, 1), milliseconds(part, PART)
        pairs = [(milliseconds(whole, 1), milliseconds(part, PART)) for _ in range(rounds)]
        facts = gathering.gather(whole.desk)
        count = evaluated(facts)
        rates = [count / timed(lambda: evaluated(facts)) * 1000 for _ in range(rounds)]
        whole.desk.store.close()
        part.desk.store.close()
    look = median(pair[0] for pair in pairs)
    ratio = median(whole_ms / part_ms for whole_ms, part_ms in pairs)
    print(f"a look at {POSITIONS} positions: {look:.1f} ms; {ratio:.2f} of {PART} looks at a tenth of them")
    print(f"rule evaluations: {median(rates):,.0f} a second ({count} findings of {len(RULES)} rules)")


if __name__ == "__main__":
    main()
