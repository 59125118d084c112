"""The baseline of half a recorded year, held against another reckoning of the same closes.

The funds' total return here comes from the folder's adjusted closes, not from dividends; beta and alpha from the least
squares of the `statistics` module; and what the strategies made has to be what the account made, day by day.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise
from math import sqrt
from statistics import fmean, linear_regression, stdev
from typing import Any

import pandas as pd
import pytest

from engine.model.records import EquityDay
from engine.store import Store
from tests.journeys.conftest import Replayed
from tests.journeys.program import DATA
from tests.shared import needs_shared

pytestmark = [needs_shared, pytest.mark.timeout(900)]

START = Decimal(100_000)


def closes(store: Store) -> tuple[EquityDay, ...]:
    with store.read() as work:
        return work.equity_history(limit=1_000_000)


def fund(name: str) -> dict[date, float]:
    """Adjusted closes by day."""
    bars = pd.read_parquet(DATA / "daily_bars.parquet", filters=[("ticker", "==", name)])
    return dict(zip(pd.to_datetime(bars["date"]).dt.date, bars["adj_close"].astype(float), strict=True))


def steps(store: Store, name: str) -> tuple[list[float], list[float]]:
    """Excess returns of account and fund from the second close on; the last one waits for the fund's next bar."""
    rows, level = closes(store)[:-1], fund(name)
    own, other = [], []
    for before, after in pairwise(rows):
        free = (after.rate or 0.0) / 252
        own.append(float(after.equity / before.equity) - 1 - free)
        other.append(level[after.day] / level[before.day] - 1 - free)
    first = rows[0]
    free, eve = (first.rate or 0.0) / 252, max(day for day in level if day < first.day)
    return (
        [float(first.equity / START) - 1 - free, *own],
        [level[first.day] / level[eve] - 1 - free, *other],
    )


def told(run: Replayed) -> dict[str, Any]:
    found = run.run.body["baseline"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", ["SPY", "QQQ"])
def test_alpha_and_beta_are_those_of_another_reckoning(half_year: Replayed, name: str) -> None:
    both = told(half_year)["account"]["against"][name]
    own, other = steps(half_year.store, name)
    line = linear_regression(other, own)
    assert both["days"] == len(own)
    assert both["days_without"] == 1
    assert float(both["beta"][0]) == pytest.approx(line.slope, abs=3e-4)
    assert float(both["alpha"][0]) == pytest.approx(line.intercept * 252, abs=3e-4)
    low, high = (float(each) for each in both["alpha"][1:])
    assert low < float(both["alpha"][0]) < high


def test_the_account_alone_is_told_with_its_ratios(half_year: Replayed) -> None:
    account, rows = told(half_year)["account"], closes(half_year.store)
    values = [START, *(row.equity for row in rows)]
    excess = [float(b / a) - 1 - (row.rate or 0) / 252 for (a, b), row in zip(pairwise(values), rows, strict=True)]
    assert account["days"] == len(rows)
    assert float(account["sharpe"][0]) == pytest.approx(fmean(excess) / stdev(excess) * sqrt(252), abs=1e-4)
    assert Decimal(account["made"]) == (rows[-1].equity - START).quantize(Decimal("0.01"))


def test_what_the_strategies_made_is_what_the_account_made_and_what_the_ledger_says(half_year: Replayed) -> None:
    found = told(half_year)["by_strategy"]
    with half_year.store.read() as work:
        history = work.strategy_history(date(2019, 1, 1))
        postings = work.postings()
        rows = work.equity_history(limit=1_000_000)
    for row in rows:
        made = sum((line.made for line in history if line.day == row.day), Decimal(0))
        assert row.equity - START == made, row.day
    fees = {name: -sum(p.cash for p in postings if p.strategy == name and p.kind == "fee") for name in found}
    assert {name: Decimal(each["fees"]) for name, each in found.items()} == fees
    assert found.keys() == {"wheel", "wsb_dip"}


def test_nothing_is_missing_where_the_folder_knows_both_funds(half_year: Replayed) -> None:
    assert told(half_year)["missing"] == []
    assert len(told(half_year)["words"]) == 6
