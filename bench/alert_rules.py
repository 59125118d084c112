"""A look of the alert rules at a desk that holds 200 positions: `gathering.gather`, and every rule with its next step.

Measured: the facts read from SQLite (40,000 events, 20,000 runs of jobs beside the book) with every contract quoted
anew; and what the rules find of them, each finding taken through the state machine of an alert. Peer, in the same run:
ten looks over twenty positions, so that work which grows faster than the book shows in the ratio. We hold ourselves to
a tenth of a second for the look, which is taken every minute beside trading, to a ratio of about 1, and to 10,000
evaluations a second.

Then a bad day: 1,000 short options lose their time value in one look, so that 1,000 alerts open, and at the next look
each has another number. Measured is the whole of `alerting.look`: rules, state machine, what is told, one durable
transaction. Floor, in the same run: the rules and their steps with nothing told, and a bare SQLite transaction that
reads as many rows of the same length and writes them anew. We hold ourselves to 10,000 evaluations a second and to
five times that floor.

`python -m bench.alert_rules [ROUNDS]`
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import tempfile
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median

import structlog

from alerts import alerting, findings, gathering, watching
from alerts.facts import Facts, Sold
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
OPEN = 1000
ANEW = (watching.CONTINUES + timedelta(minutes=1)).total_seconds()
REDRAWN = findings.REDRAWS.total_seconds()


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


def short(number: int, time_value: str) -> Sold:
    """A short call in the money with so much time value left, dollars a share."""
    name = f"N{number:04d}"
    words = f"{name} 17 Jul 26 44 call"
    return Sold(f"P7{number:04d}", name, words, True, Decimal(4400), Decimal("4.00"), Decimal(time_value))


def shorts(facts: Facts, time_value: str) -> Facts:
    """The facts of a desk that has `OPEN` of them, and no time that its rules have to wait for."""
    return replace(facts, sold=tuple(short(number, time_value) for number in range(OPEN)))


class Floor:
    """As many rows of the text of an alert, in a database of their own."""

    def __init__(self, folder: Path, body: str) -> None:
        self._rows = [(body, f"N{number:06d}") for number in range(OPEN)]
        self._connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE alerts (body TEXT NOT NULL, id TEXT PRIMARY KEY)")
        self._connection.executemany("INSERT INTO alerts VALUES (?, ?)", self._rows)

    def milliseconds(self) -> float:
        """Of one durable transaction that reads and writes them all."""
        return timed(self._transaction)

    def _transaction(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("SELECT body FROM alerts ORDER BY id").fetchall()
        self._connection.executemany("UPDATE alerts SET body = ? WHERE id = ?", self._rows)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


def look_at(book: Book, facts: Facts, seconds: float) -> float:
    """Milliseconds of a whole look at facts of so many seconds later."""
    book.clock.advance(seconds=seconds)
    return timed(lambda: alerting.look(book.desk, RULES, replace(facts, now=book.desk.now())))


def crowded(book: Book, facts: Facts, floor: Floor) -> tuple[float, float, float]:
    """Milliseconds of a look at which so many alerts open, of one at which all have changed, and of the floor."""
    changed = shorts(facts, "0.02")
    opens = look_at(book, shorts(facts, "0.04"), ANEW)
    with book.desk.store.read() as work:
        if sum(alert.rule == "assignment" for alert in work.open_alerts()) != OPEN:
            raise RuntimeError("not every short option made an alert")
    changes = look_at(book, changed, REDRAWN)
    bare = timed(lambda: evaluated(changed)) + floor.milliseconds()
    look_at(book, shorts(facts, "1.00"), REDRAWN)
    return opens, changes, bare


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
        floor = Floor(Path(folder), "x" * 700)
        few = gathering.gather(part.desk)
        crowds = [crowded(part, few, floor) for _ in range(rounds + 1)][1:]
        many = evaluated(shorts(few, "0.04"))
        floor.close()
        whole.desk.store.close()
        part.desk.store.close()
    look = median(pair[0] for pair in pairs)
    ratio = median(whole_ms / part_ms for whole_ms, part_ms in pairs)
    print(f"a look at {POSITIONS} positions: {look:.1f} ms; {ratio:.2f} of {PART} looks at a tenth of them")
    print(f"rule evaluations: {median(rates):,.0f} a second ({count} findings of {len(RULES)} rules)")
    for column, what in enumerate(("open", "change")):
        took = median(crowd[column] for crowd in crowds)
        ratio = median(crowd[column] / crowd[2] for crowd in crowds)
        rate = many / took * 1000
        print(
            f"{OPEN:,} alerts {what} in one look: {took:.0f} ms, {rate:,.0f} evaluations a second; {ratio:.1f} floors"
        )


if __name__ == "__main__":
    main()
