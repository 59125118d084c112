"""The short rate: the policy table against the Fed's own discount rate, and what is known on a morning."""

from __future__ import annotations

from datetime import date

import pytest

from engine.data.files import read_csv
from engine.data.rates import FED_TARGET, Rates
from engine.model.market import Kind
from tests.shared import SHARED, needs_shared

SPREADS = ((date(2003, 1, 9), 1.0), (date(2007, 8, 17), 0.5), (date(2008, 3, 18), 0.25), (date(2010, 2, 19), 0.5))
"""From each day on, what the primary credit rate stood above the target (press releases of the Board)."""
NARROWED = date(2020, 3, 16)
"""The Board took the spread to zero."""


@needs_shared
def test_the_target_table_agrees_with_the_recorded_discount_rate():
    sheet = read_csv(SHARED / "data" / "fed_primary_credit_rate.csv")
    for day, recorded in zip(sheet.days("DATE").tolist(), sheet.floats("PCREDIT8"), strict=True):
        target = [percent for decided, percent in FED_TARGET if decided <= day][-1]
        spread = 0.0 if day >= NARROWED else [above for since, above in SPREADS if since <= day][-1]
        assert recorded - target == pytest.approx(spread), day


def test_a_curve_read_in_the_morning_is_that_of_the_day_before():
    rates = Rates(curve=((date(2014, 6, 5), 0.04), (date(2014, 6, 6), 0.08)))
    known = rates.on(date(2014, 6, 6))
    assert known is not None
    assert (known.value, known.source.kind) == (pytest.approx(0.039801, abs=1e-6), Kind.RECORDED)


def test_a_curve_that_ended_gives_way_to_the_proxy():
    known = Rates(curve=((date(2017, 3, 29), 0.0078),)).on(date(2017, 4, 10))
    assert known is not None
    assert known.source.kind is Kind.PROXY


def test_a_rate_decided_today_is_known_tomorrow():
    on_the_day, after = (Rates().on(day) for day in (date(2019, 7, 31), date(2019, 8, 1)))
    assert on_the_day is not None
    assert after is not None
    assert on_the_day.value > after.value


def test_before_the_first_rate_nothing_is_known():
    assert Rates().on(date(1995, 1, 3)) is None
