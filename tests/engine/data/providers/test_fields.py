"""What a field of a provider's JSON may say."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from engine.data.providers.fields import Fields
from engine.errors import DataInvalid

FIELDS = Fields("acme")
NAN = float("nan")


@pytest.mark.parametrize("value", [None, "", NAN])
def test_null_an_empty_text_and_nan_are_not_given(value: object):
    assert FIELDS.number("x", value) is None
    assert FIELDS.money("x", value) is None
    assert FIELDS.day("x", value) is None
    assert FIELDS.seconds("x", value) is None
    assert FIELDS.instant("x", value) is None


def test_a_number_may_be_written_as_a_text():
    assert FIELDS.number("x", "-1.5e2") == -150.0
    assert FIELDS.number("x", 0) == 0.0


def test_a_price_of_zero_is_none_and_below_zero_makes_no_sense():
    assert FIELDS.money("x", 0) is None
    assert FIELDS.money("x", "12.50") == Decimal("12.5")
    with pytest.raises(DataInvalid):
        FIELDS.money("x", -0.01)


@pytest.mark.parametrize("value", [True, "12 USD", "nan", "1_000", [], {}, float("inf"), 1e19])
def test_what_is_no_number_is_refused_with_provider_field_and_value(value: object):
    with pytest.raises(DataInvalid, match="acme sent price = "):
        FIELDS.number("price", value)


def test_a_day_may_have_a_time_behind_it():
    assert FIELDS.day("x", "2026-11-27T00:00:00.000Z") == date(2026, 11, 27)
    for value in ("27.11.2026", "2026-13-01", 20261127):
        with pytest.raises(DataInvalid):
            FIELDS.day("x", value)


def test_milliseconds_are_not_taken_for_seconds():
    assert FIELDS.seconds("x", 1795802400) == datetime(2026, 11, 27, 18, tzinfo=UTC)
    with pytest.raises(DataInvalid):
        FIELDS.seconds("x", 1795802400000)


def test_an_instant_without_a_zone_is_refused():
    assert FIELDS.instant("x", "2026-11-27T13:00:00-05:00") == datetime(2026, 11, 27, 18, tzinfo=UTC)
    with pytest.raises(DataInvalid):
        FIELDS.instant("x", "2026-11-27T13:00:00")


def test_a_bad_row_costs_itself_and_only_bad_rows_cost_the_answer():
    rows = [{"n": 1}, "x", {"n": "two"}, {"n": 3}, {"n": None}]
    assert FIELDS.each("rows", rows, lambda row: FIELDS.number("n", row["n"])) == [1.0, 3.0]
    assert FIELDS.each("rows", [], lambda row: row) == []
    with pytest.raises(DataInvalid):
        FIELDS.each("rows", ["x", 7], lambda row: row)


def test_a_bad_row_costs_its_whole_ticker():
    rows = [{"t": "A", "n": 1}, {"t": "B", "n": 2}, {"t": "B", "n": "two"}, {"t": "C", "n": 3}, "x"]

    def read(wanted: set[str]) -> dict[str, list[float]]:
        return FIELDS.of_tickers("rows", rows, wanted, lambda row: row["t"], lambda row: FIELDS.number("n", row["n"]))

    assert read({"A", "B"}) == {"A": [1.0]}
    assert read({"D"}) == {}
    with pytest.raises(DataInvalid, match="n = 'two'"):
        read({"B"})


def test_an_instant_in_parts_of_a_second_is_read_in_its_own_unit():
    assert FIELDS.ticks("t", 1605192959994246100, 1_000_000_000) == datetime(
        2020, 11, 12, 14, 55, 59, 994246, tzinfo=UTC
    )
    assert FIELDS.ticks("t", 1112331600000.0, 1000) == datetime(2005, 4, 1, 5, tzinfo=UTC)
    assert FIELDS.ticks("t", 0, 1000) is None


@pytest.mark.parametrize("value", [1112331600, 1112331600000000, "soon", True, 1.5, -1])
def test_an_instant_in_another_unit_is_refused(value: object):
    with pytest.raises(DataInvalid):
        FIELDS.ticks("t", value, 1000)


def test_a_number_from_zero_on_may_be_zero_and_not_below():
    assert (FIELDS.from_zero("bid", 0), FIELDS.from_zero("bid", None)) == (0.0, None)
    with pytest.raises(DataInvalid, match="acme sent bid = -1"):
        FIELDS.from_zero("bid", -1)
