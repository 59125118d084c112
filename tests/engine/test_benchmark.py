"""The same money in an index: with dividends and flows; and how far an account is below its best day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from engine.benchmark import beside, peaks
from engine.model.market import Dividend
from engine.model.records import EquityDay
from tests import make

DAYS = make.weekdays(5)
BARS = make.bars([100.0, 110.0, 99.0, 99.0, 108.9], ticker="SPY")


def history(*equity: int, flows: tuple[int, ...] = ()) -> tuple[EquityDay, ...]:
    """Closes of the last weekdays; `flows` are the sums so far, 0 where none are given."""
    zero, sums = Decimal(0), flows or (0,) * len(equity)
    return tuple(
        EquityDay(
            day, make.NOW - (make.TODAY - day), Decimal(close), zero, zero, zero, zero, zero, Decimal(moved), zero
        )
        for day, close, moved in zip(DAYS, equity, sums, strict=False)
    )


def test_the_same_money_grows_as_the_index_does():
    found = beside(history(1000, 1000, 1000, 1000, 1000), BARS, ())

    assert found is not None
    assert found.value.tolist() == pytest.approx([1000, 1100, 990, 990, 1089])
    assert found.days.tolist() == list(DAYS)
    assert found.has_dividends


def test_a_dividend_is_reinvested_on_its_ex_date():
    paid = Dividend(DAYS[3], Decimal("9.9"))

    found = beside(history(1000, 1000), BARS, (paid,))

    assert found is not None
    assert found.value.tolist() == pytest.approx([1000, 1100, 990, 1089, 1197.9])


def test_dividends_nobody_knows_are_missing_and_that_is_said():
    found = beside(history(1000, 1000), BARS, None)

    assert found is not None
    assert not found.has_dividends


def test_what_is_put_in_is_put_into_the_index_too():
    found = beside(history(1000, 1000, 1500, 1500, 1400, flows=(0, 0, 500, 500, 400)), BARS, ())

    assert found is not None
    assert found.value.tolist() == pytest.approx([1000, 1100, 1600 * 0.9, 1440, (1440 - 100) * 1.1])


def test_a_flow_of_a_day_without_a_bar_counts_on_the_next_bar():
    names = ("day", "open", "high", "low", "close", "volume")
    gone = replace(BARS, **{name: np.delete(getattr(BARS, name), 2) for name in names})

    found = beside(history(1000, 1000, 1500, flows=(0, 0, 500)), gone, ())

    assert found is not None
    assert found.value[-1] == pytest.approx((1100 + 500) * 0.9 * 1.1)


def test_there_is_nothing_beside_it_without_a_price_of_the_first_day():
    assert beside(history(1000, 1000), None, ()) is None
    assert beside((), BARS, ()) is None
    assert beside(history(1000, 1000), BARS[:1], ()) is None
    assert beside((replace(history(1000)[0], day=date(2020, 1, 2)),), BARS, ()) is None


def test_a_peak_is_the_equity_without_what_was_lost_since_the_best_day():
    assert peaks(history(100, 120, 108, 114, 126)).tolist() == pytest.approx([100, 120, 120, 120, 126])


def test_a_deposit_hides_no_loss_and_a_withdrawal_is_none():
    put_in = peaks(history(100, 90, 180, flows=(0, 0, 90)))
    taken_out = peaks(history(100, 50, 55, flows=(0, -50, -50)))

    assert put_in.tolist() == pytest.approx([100, 100, 200])
    assert taken_out.tolist() == pytest.approx([100, 50, 55])


def test_an_account_that_has_lost_everything_has_no_peak_to_divide_by():
    assert np.isfinite(peaks(history(100, 0, 0))).all()
