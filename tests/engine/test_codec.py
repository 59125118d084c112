"""Values to JSON and back: nothing is lost, nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codec import dump, load, load_frozen
from engine.errors import DataInvalid
from engine.model.book import Lot, Position, PositionLeg
from engine.model.instruments import Option, Right, Stock, Style
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Greeks
from engine.model.orders import Activity, ActivityKind, Fill, Order, OrderStatus, Ticket
from engine.model.trade import Outlook, Scan, Signal, Step, TradePlan, Verdict
from tests import make

money = st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, allow_infinity=False)
floats = st.floats(allow_nan=False)
moments = st.integers(0, 2**52).map(lambda micros: make.NOW + timedelta(microseconds=micros - 2**51))
days = st.dates(date(1990, 1, 1), date(2100, 1, 1))
words = st.text(max_size=20)
stocks = st.builds(Stock, st.from_regex(r"[A-Z]{1,5}", fullmatch=True))
options = st.builds(
    Option,
    st.from_regex(r"[A-Z]{1,5}", fullmatch=True),
    days,
    st.sampled_from(Right),
    st.decimals(min_value=Decimal("0.5"), max_value=99_999, places=3),
    st.sampled_from(["", "AAPL1", "SPXW"]),
    st.sampled_from(Style),
    st.sampled_from([100, 10]),
)
LEAVES: dict[object, st.SearchStrategy[Any]] = {
    Decimal: money,
    float: floats,
    int: st.integers(-(10**6), 10**6),
    bool: st.booleans(),
    str: words,
    datetime: moments,
    date: days,
    type(None): st.none(),
    Stock: stocks,
    Option: options,
}


@cache
def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Anything that a field of this type may hold."""
    if hint in LEAVES:
        return LEAVES[hint]
    parts = get_args(hint)
    if get_origin(hint) is tuple and parts[-1] is Ellipsis:
        return st.lists(values_of(parts[0]), max_size=3).map(tuple)
    if get_origin(hint) is tuple:
        return st.tuples(*map(values_of, parts))
    if parts:
        return st.one_of(*map(values_of, parts))
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    return st.builds(hint, **{name: values_of(part) for name, part in get_type_hints(hint).items()})


@settings(max_examples=60)
@given(st.data())
@pytest.mark.parametrize(
    "kind", [Signal, TradePlan, Ticket, Order, Fill, Activity, Position, Outlook, ExitPlan, Lot, PositionLeg, Greeks]
)
def test_every_value_comes_back_equal(kind: type, data: st.DataObject):
    value = data.draw(values_of(kind))
    text = dump(value)
    assert load(kind, text) == value
    assert dump(load(kind, text)) == text


@given(stocks | options)
def test_shares_and_options_are_told_apart(instrument: Stock | Option):
    back = load(Leg, dump(Leg(instrument, -1))).instrument
    assert type(back) is type(instrument)
    assert back == instrument


@given(money)
def test_a_decimal_keeps_its_digits_and_its_scale(value: Decimal):
    back = load(ExitPlan, dump(ExitPlan(target=value))).target
    assert back is not None
    assert str(back) == str(value)


def test_a_time_of_another_zone_stays_the_same_instant():
    new_york = datetime(2026, 6, 15, 10, tzinfo=timezone(timedelta(hours=-4)))
    assert load(Lot, dump(Lot(1, Decimal(1), new_york))).at == make.NOW


def test_an_infinite_ratio_is_kept():
    plan = make.plan(make.signal(rank=float("inf")))
    assert load(TradePlan, dump(plan)).signal.rank == float("inf")


def test_a_scan_with_its_steps_comes_back():
    scan = Scan("S1", "wheel", make.NOW, 2, (), (), (), (), {"F": (Step("a", "b", "c", Verdict.PASSED),)})
    assert load(Scan, dump(scan)) == scan


def test_a_float_where_money_belongs_is_refused():
    with pytest.raises(DataInvalid, match=r"(?s)TradePlan cannot be stored.*fees"):
        dump(make.plan(fees=1.30))


def test_money_that_is_not_a_number_is_refused():
    with pytest.raises(DataInvalid, match=r"(?s)TradePlan.*fees"):
        dump(make.plan(fees=Decimal("NaN")))


@pytest.mark.parametrize("text", ["", "{}", "null", "[]", '{"ticker": 5}', "nonsense"])
def test_text_that_is_no_such_value_is_refused(text: str):
    with pytest.raises(DataInvalid, match="Stock"):
        load(Stock, text)


def test_frozen_values_are_read_once():
    text = dump(make.position())
    assert load_frozen(Position, text) is load_frozen(Position, text)
    assert load_frozen(Position, text) == make.position()


def test_a_changed_field_changes_the_text():
    order = make.order()
    assert dump(order) != dump(replace(order, status=OrderStatus.FILLED))


def test_enumerations_travel_as_their_words():
    assert '"structure":"covered call"' in dump(make.signal(structure=Structure.COVERED_CALL))
    assert '"kind":"dividend"' in dump(make.activity(ActivityKind.DIVIDEND, make.share()))
