"""The broker: silent, refusing, or holding something else than the books.

What differs is told at once, with both sides, by the comparison itself (`position_mismatch`): the alert opens without
a second sound, and is heard when nobody has answered ten minutes later.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from alerts.facts import Facts
from alerts.findings import Finding, Rule
from alerts.rules.thresholds import Thresholds
from engine.ages import age
from engine.model.events import Severity

SHOWN = 3
"""Differences that are named; the card of the comparison has all."""
HEARD = 0.4
"""Share of the silence that has to be left when the broker counts as heard again: two looks of the books."""


def rules(bounds: Thresholds) -> tuple[Rule[Facts], ...]:
    """Those about the broker."""
    return (
        # Exits cannot be sent: nothing protects but what rests at the broker already.
        Rule(
            "broker_down",
            "Broker down",
            Severity.URGENT,
            _silence,
            float(bounds.broker_seconds),
            bounds.broker_seconds * HEARD,
            again=timedelta(minutes=30),
        ),
        # Each is told on its own card; together they mean that something is set up wrong.
        Rule(
            "broker_rejects",
            "Broker rejects",
            Severity.WARNING,
            _refusals,
            float(bounds.rejects),
            0.0,
            escalates=timedelta(minutes=30),
        ),
        # Somebody may sell what is not there.
        Rule(
            "position_mismatch",
            "Position mismatch",
            Severity.URGENT,
            _differences,
            1.0,
            0.0,
            escalates=timedelta(minutes=10),
            again=timedelta(hours=4),
        ),
    )


def _silence(facts: Facts) -> Iterator[Finding]:
    """Seconds since its last answer; before the first one since the process began."""
    quiet = facts.since(facts.broker.answered or facts.process.since)
    if quiet is None:
        yield Finding("", None, "The broker was not asked yet.")
        return
    words = f"The broker told the account last {age(quiet.total_seconds())} ago."
    advice = "Look at its own page: what has to be closed now can be closed there, the desk books it later."
    yield Finding("", quiet.total_seconds(), words, advice)


def _refusals(facts: Facts) -> Iterator[Finding]:
    refused = facts.broker.refused
    last = f" The last one: {refused[0]}" if refused else ""
    words = f"The broker refused {len(refused)} orders in a quarter of an hour.{last}"
    yield Finding("", float(len(refused)), words, "/orders shows them; /halt stops entries until the reason is found.")


def _differences(facts: Facts) -> Iterator[Finding]:
    """How many there are; all of them are one trouble."""
    rows = facts.broker.differing
    told = "; ".join(f"{key}: the broker has {theirs}, the books have {ours}" for key, theirs, ours in rows[:SHOWN])
    more = f"; and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    words = f"{told}{more}." if rows else "The broker and the books agree."
    yield Finding("", float(len(rows)), words, "Settle it on its card: what the broker lacks no exit sells meanwhile.")
