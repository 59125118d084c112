"""Digests are kept once, and what they are made of is found between two moments, on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from engine.model.digests import (
    ACCOUNT,
    DayMade,
    Digest,
    Ended,
    Happened,
    Health,
    Index,
    Old,
    Parts,
    Period,
    Span,
    Theta,
)
from engine.model.events import EventKind
from engine.model.records import EquityDay, PnlLine, Run, RunState, StrategyDay
from engine.model.trade import ApprovalStatus
from engine.store import Store
from tests import make

D = Decimal
MONDAY = date(2026, 6, 15)
FULL = Digest(
    period=Period(Span.WEEK, MONDAY, date(2026, 6, 18)),
    since=date(2026, 6, 12),
    until=make.NOW,
    parts=Parts(D("1.10"), D("-0.05"), D(0), D("0.30"), D("2"), D(500), D("-0.65"),
                (PnlLine("wheel", D("1.10"), D("-0.05"), D(0), D(2)), PnlLine(ACCOUNT, D(0), D(0), D("0.30"), D(0)))),
    equity=D("100499.35"),
    open=D("3.333333"),
    total=D("-0.65"),
    day=None,
    week=D("-0.65"),
    month=D("12.00"),
    happened=Happened(("P1",), (Ended("P2", "XYZ", "shares", "stop", D("-4.5")),), 1, 2, 3, 4,
                      ("XYZ 17 Jul 26 44 put assigned",), D(206), {"approved": 2}),
    health=Health(1, 2, 3, 4, 30.5),
    made=-0.0000065,
    index=Index("SPY", 0.0125, has_dividends=True),
    held=3,
    theta=Theta(14.25, 3, 4),
    days=(DayMade(MONDAY, D("-0.65")),),
    is_late=True,
    old=(Old("XYZ", make.NOW),),
    notes=("Counted from the close of 2026-06-12: none was kept since.",),
    unknown=("Reports and ex-dates to come are not known for XYZ.",),
)  # fmt: skip


def test_a_digest_comes_back_as_it_was_told_and_the_first_one_stands(store: Store) -> None:
    with store.begin() as work:
        assert work.add_digest(FULL)
        assert not work.add_digest(replace(FULL, equity=D(1)))
    with store.read() as work:
        assert work.find_digest("2026-W25") == FULL
        assert work.find_digest("2026-W26") is None


def close(day: date) -> EquityDay:
    zero = D(0)
    return EquityDay(day, make.NOW, D(100), D(100), zero, zero, zero, zero, zero, zero)


def test_closes_are_found_inside_a_span_and_before_it(store: Store) -> None:
    days = [MONDAY + timedelta(days=row) for row in range(4)]
    with store.begin() as work:
        for day in days:
            work.add_equity(close(day))
        work.add_strategy_day(StrategyDay(days[1], "wheel", D("1.5")))
    with store.read() as work:
        assert [row.day for row in work.closes(days[1], days[2])] == days[1:3]
        assert work.close_before(days[2]) == close(days[1])
        assert work.close_before(MONDAY) is None
        assert work.strategies_on(days[1]) == (StrategyDay(days[1], "wheel", D("1.5")),)


def test_what_happened_is_counted_after_one_moment_and_up_to_another(store: Store) -> None:
    since, until = make.NOW, make.NOW + timedelta(hours=1)
    with store.begin() as work:
        for row, at in enumerate((since, since + timedelta(microseconds=1), until, until + timedelta(microseconds=1))):
            work.add_event(make.event(id=f"V{row}", kind=EventKind.ERROR, at=at))
            work.add_event(make.event(id=f"W{row}", kind=EventKind.NOTE, at=at))
            work.add_run(Run(f"R{row}", "risk", at, at, state=RunState.MISSED if row % 2 else RunState.DONE))
            work.add_approval(make.approval(id=f"A0000{row}", created_at=at))
        work.decide("A00001", 1, ApprovalStatus.REJECTED, "ann", until)
    with store.read() as work:
        assert [event.id for event in work.events_between((EventKind.ERROR,), since, until)] == ["V1", "V2"]
        assert work.runs_between(since, until) == {RunState.MISSED: 1, RunState.DONE: 1}
        assert work.proposed_between(since, until) == {"pending": 1, "rejected": 1}


def test_books_begin_with_their_opening_balance(store: Store) -> None:
    with store.begin() as work:
        assert work.books_began() is None
        work.add_postings((make.deposit(),))
        assert work.books_began() == make.NOW
