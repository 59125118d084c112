"""Dividends a model counts on, from those that were paid."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from engine.data.dividends import expected
from engine.model.market import Dividend

LAST = date(2018, 11, 7)
UNTIL = date(2019, 12, 31)


def paid(*gaps: int, amount: str = "0.50") -> tuple[Dividend, ...]:
    """Payments up to LAST, so many days apart, oldest gap first."""
    days = [LAST]
    for gap in reversed(gaps):
        days.insert(0, days[0] - timedelta(days=gap))
    return tuple(Dividend(day, Decimal(amount)) for day in days)


@pytest.mark.parametrize(("gap", "count"), [(91, 4), (30, 13), (182, 2), (364, 1)])
def test_regular_payments_go_on_at_their_interval(gap: int, count: int):
    coming = expected(paid(gap, gap, gap), LAST + timedelta(days=1), UNTIL)
    assert [day for day, _ in coming] == [LAST + timedelta(days=gap * step) for step in range(1, count + 1)]


def test_one_special_payment_does_not_raise_the_usual_amount():
    *usual, last = paid(91, 91, 91)
    coming = expected((*usual, Dividend(last.ex_date, Decimal("7.00"))), LAST, UNTIL)
    assert {amount for _, amount in coming} == {0.5}


def test_nothing_is_expected_without_a_rhythm():
    assert expected(paid(91), LAST, UNTIL) == ()
    assert expected(paid(50, 50, 50), LAST, UNTIL) == ()


def test_nothing_is_expected_of_a_name_that_stopped_paying():
    payments = paid(91, 91, 91)
    assert expected(payments, LAST + timedelta(days=136), UNTIL) != ()
    assert expected(payments, LAST + timedelta(days=137), UNTIL) == ()
