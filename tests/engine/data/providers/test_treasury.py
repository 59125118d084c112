"""The Treasury's yield curve, against generated answers of its feed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime

import pytest

from engine.data.providers.port import Offer
from engine.data.providers.treasury import Treasury
from engine.data.providers.trouble import Unreachable
from engine.errors import DataInvalid, DataUnavailable
from engine.model.market import Kind
from tests.contracts.provider import *  # noqa: F403 - the suite is the module's content
from tests.contracts.provider import QUICK, World
from tests.standins.provider_server import ProviderServer, Trouble, serving
from tests.standins.treasury_server import Row, row, treasury

FRIDAY = datetime(2026, 11, 27, 15, tzinfo=UTC)
NOVEMBER = (row(date(2026, 11, 24), BC_3MONTH="3.80"), row(date(2026, 11, 25)))
Opened = Callable[..., tuple[Treasury, ProviderServer]]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """An adapter over a feed with these months at an instant."""
    with ExitStack() as stack:

        def make(months: Mapping[str, Sequence[Row]], now: datetime = FRIDAY) -> tuple[Treasury, ProviderServer]:
            server = stack.enter_context(serving(treasury(months)))
            made = Treasury(lambda: now, url=server.url, timeouts=QUICK)
            stack.callback(made.close)
            return made, server

        yield make


@pytest.fixture
def world(opened: Opened) -> World:
    provider, server = opened({"202611": NOVEMBER})
    return World(provider, server, {Offer.CURVE: lambda provider: provider.curve()})


def test_yields_are_decimals_by_years_with_the_day_they_are_of(opened: Opened):
    curve = opened({"202611": NOVEMBER})[0].curve()
    assert curve.day == date(2026, 11, 25)
    assert curve.yields[0.25] == pytest.approx(0.0384)
    assert curve.yields[1.5 / 12] == pytest.approx(0.0393)
    assert curve.yields[30.0] == pytest.approx(0.0468)
    assert len(curve.yields) == 14
    assert (curve.source.name, curve.source.kind) == ("treasury", Kind.REAL)


def test_the_latest_day_is_found_whatever_the_order(opened: Opened):
    assert opened({"202611": NOVEMBER[::-1]})[0].curve().day == date(2026, 11, 25)


@pytest.mark.parametrize(
    ("now", "months"),
    [
        (datetime(2026, 12, 1, 15, tzinfo=UTC), ["202612", "202611"]),
        (datetime(2026, 12, 1, 4, 59, tzinfo=UTC), ["202611"]),  # still November in New York
    ],
)
def test_a_month_without_a_row_yet_is_answered_by_the_one_before(opened: Opened, now: datetime, months: list[str]):
    provider, server = opened({"202611": NOVEMBER}, now)
    assert provider.curve().day == date(2026, 11, 25)
    assert [each.query["field_tdr_date_value_month"] for each in server.asked] == months


def test_new_year_goes_back_to_december(opened: Opened):
    months = {"202612": (row(date(2026, 12, 31)),)}
    assert opened(months, datetime(2027, 1, 2, 15, tzinfo=UTC))[0].curve().day == date(2026, 12, 31)


def test_a_month_that_is_not_there_is_one_without_a_row(opened: Opened):
    provider, server = opened({"202611": NOVEMBER}, datetime(2026, 12, 1, 15, tzinfo=UTC))
    server.fail(Trouble(404, "", times=1))
    assert provider.curve().day == date(2026, 11, 25)


def test_nothing_in_two_months_is_no_curve(opened: Opened):
    with pytest.raises(DataUnavailable, match="no yields"):
        opened({})[0].curve()


def test_a_holiday_with_an_empty_or_a_zero_row_is_no_day(opened: Opened):
    fields = NOVEMBER[0][1]
    empty = row(date(2026, 11, 26), **dict.fromkeys(fields, ""))
    zeros = row(date(2026, 11, 27), **dict.fromkeys(fields, "0"))
    assert opened({"202611": (*NOVEMBER, empty, zeros)})[0].curve().day == date(2026, 11, 25)


def test_what_was_not_published_is_left_out_and_a_zero_yield_is_a_yield(opened: Opened):
    rows = (row(date(2026, 11, 25), BC_1_5MONTH=None, BC_20YEAR="", BC_1MONTH="0.00"),)
    yields = opened({"202611": rows})[0].curve().yields
    assert 1.5 / 12 not in yields
    assert 20.0 not in yields
    assert yields[1 / 12] == 0.0


def test_the_thirty_years_of_the_display_are_not_read(opened: Opened):
    rows = (row(date(2026, 11, 25), BC_30YEARDISPLAY="0"),)
    assert opened({"202611": rows})[0].curve().yields[30.0] == pytest.approx(0.0468)


def test_a_curve_of_tomorrow_is_not_known_today(opened: Opened):
    assert opened({"202611": (*NOVEMBER, row(date(2026, 11, 30)))})[0].curve().day == date(2026, 11, 25)


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ((row(date(2026, 11, 25), BC_3MONTH="384"),), "BC_3MONTH = '384'"),
        ((row(date(2026, 11, 25), BC_3MONTH="NaN"),), "BC_3MONTH = 'NaN'"),
        ((row(date(2026, 11, 25), BC_3MONTH="N/A"),), "BC_3MONTH = 'N/A'"),
        ((("soon", {"BC_3MONTH": "3.84"}),), "NEW_DATE = 'soon'"),
    ],
)
def test_what_makes_no_sense_is_named(opened: Opened, rows: Sequence[Row], named: str):
    with pytest.raises(DataInvalid, match=named):
        opened({"202611": rows})[0].curve()


def test_another_document_is_no_feed(opened: Opened):
    provider, server = opened({})
    server.fail(Trouble(200, "<error>closed</error>"))
    with pytest.raises(DataInvalid, match="'error'"):
        provider.curve()


def test_a_document_with_entities_is_not_unfolded(opened: Opened):
    provider, server = opened({})
    server.fail(Trouble(200, '<!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><feed>&b;</feed>'))
    with pytest.raises(Unreachable, match="no XML"):
        provider.curve()
