"""The ledger in the store: each line once, sums that never drift."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.model.book import Posting, PostingKind, Totals
from engine.model.records import StrategyTotals
from engine.store import Store
from tests import make

D = Decimal


def line(key: str, kind: PostingKind, cash: str, realised: str = "0", strategy: str | None = "wheel") -> Posting:
    return Posting(key, kind, make.NOW, D(cash), D(realised), None, strategy)


def test_a_posting_is_booked_once(store: Store):
    with store.begin() as work:
        assert work.add_postings((make.deposit(), make.deposit())) == 1
    with store.begin() as work:
        assert work.add_postings((replace(make.deposit(), cash=D(5)), line("f", PostingKind.FEE, "-1"))) == 1
    with store.read() as work:
        assert work.totals() == Totals(start=D(100_000), cash=D(99_999), fees=D(1))


def test_totals_by_strategy_add_up_from_a_day_on(store: Store):
    old = replace(line("t0", PostingKind.TRADE, "500", "500"), at=make.NOW - timedelta(days=2))
    new = (
        line("t1", PostingKind.TRADE, "206", "103.25"),
        line("f1", PostingKind.FEE, "-2"),
        line("d1", PostingKind.DIVIDEND, "12.34", strategy="wsb_dip"),
        make.deposit(),
    )
    with store.begin() as work:
        work.add_postings((old, *new))
    with store.read() as work:
        assert work.strategy_totals(make.NOW) == {
            "wheel": StrategyTotals(D("103.25"), D(2), D(0)),
            "wsb_dip": StrategyTotals(D(0), D(0), D("12.34")),
        }
        assert work.strategy_totals()["wheel"].realised == D("603.25")


def test_postings_are_found_by_time(store: Store):
    lines = [
        replace(line(f"t{hour}", PostingKind.TRADE, "1"), at=make.NOW + timedelta(hours=hour)) for hour in range(3)
    ]
    with store.begin() as work:
        work.add_postings(reversed(lines))
    with store.read() as work:
        assert work.postings() == tuple(lines)
        found = work.postings(since=lines[1].at, until=lines[2].at)
    assert found == (lines[1],)


amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=6)
books = st.lists(st.tuples(st.sampled_from(PostingKind), amounts, amounts), max_size=12)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(books)
def test_kept_sums_are_the_sums_of_the_lines(rows: list[tuple[PostingKind, Decimal, Decimal]]):
    lines = [Posting(f"k{n}", kind, make.NOW, cash, gain) for n, (kind, cash, gain) in enumerate(rows)]
    expected = Totals()
    for posting in lines:
        expected = expected.post(posting)
    with Store.memory() as store, store.begin() as work:
        work.add_postings(lines)
        assert work.totals() == expected
        assert work.postings() == tuple(sorted(lines, key=lambda x: x.key))
