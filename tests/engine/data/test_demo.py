"""The prices of the demo: as traded through the splits, dividends to the cent, nothing pretended."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from functools import cache

import pytest

from engine.data.demo import TICKERS, demo_folder
from engine.data.folder import RecordedFolder
from engine.data.replay import ReplayMarket
from engine.errors import ConfigError
from engine.model.market import Dividend, Kind
from tests.contracts.market_data import *  # noqa: F403 - the suite is the module's content
from tests.contracts.market_data import World
from tests.engine.data.recorded import SESSIONS, clock
from tests.fakes import FakeClock

pytest.importorskip("bokeh_sampledata", reason="needs the extra `demo`")

D = Decimal


@cache
def folder() -> RecordedFolder:
    return demo_folder()


def market(now: FakeClock) -> ReplayMarket:
    return ReplayMarket(folder(), now, SESSIONS)


@pytest.fixture
def world() -> World:
    now = clock(date(2009, 3, 2))
    return World(market(now), now(), date(2009, 3, 2), "MSFT", "ZZZZ")


def test_the_demo_has_five_stocks_and_no_fund():
    assert tuple(sorted(folder().series)) == TICKERS
    assert (folder().sessions[0], folder().sessions[-1]) == (date(2000, 3, 1), date(2013, 3, 1))


@pytest.mark.parametrize(
    ("ticker", "day", "close"),
    [
        ("AAPL", date(2000, 6, 20), "101.25"),
        ("AAPL", date(2000, 6, 21), "55.63"),
        ("AAPL", date(2005, 2, 25), "88.99"),
        ("AAPL", date(2005, 2, 28), "44.86"),
        ("MSFT", date(2003, 2, 14), "48.30"),
        ("MSFT", date(2003, 2, 18), "24.96"),
        ("IBM", date(2000, 3, 1), "100.25"),
        ("GOOG", date(2004, 8, 19), "100.335"),
        ("FB", date(2012, 5, 18), "38.2318"),
    ],
)
def test_official_closes_are_the_prices_of_their_day(ticker: str, day: date, close: str):
    assert market(clock(date(2013, 3, 4))).official_close(ticker, day) == D(close)


def test_history_does_not_jump_at_a_split():
    bars = market(clock(date(2005, 3, 1))).snapshot("AAPL").bars
    assert bars.day[-2].astype(object) == date(2005, 2, 25)
    assert bars.close[-2] == pytest.approx(88.99 / 2, abs=1e-4)
    assert bars.close[-1] == pytest.approx(44.86)


@pytest.mark.parametrize(
    ("ticker", "ex_date", "amount"),
    [
        ("AAPL", date(2012, 8, 9), "2.65"),
        ("IBM", date(2013, 2, 6), "0.85"),
        ("MSFT", date(2003, 2, 19), "0.08"),
        ("MSFT", date(2004, 11, 15), "3.08"),
        ("MSFT", date(2013, 2, 19), "0.23"),
    ],
)
def test_dividends_are_those_that_were_paid(ticker: str, ex_date: date, amount: str):
    assert Dividend(ex_date, D(amount)) in folder().payouts[ticker].dividends
    assert market(clock(ex_date)).dividends_on(ex_date)[ticker] == D(amount)


def test_dividends_say_they_are_reconstructed_and_none_are_made_up():
    assert folder().payouts["AAPL"].source.kind is Kind.RECONSTRUCTED
    assert {ticker: len(known.dividends) for ticker, known in folder().payouts.items()} == {
        "AAPL": 3,
        "FB": 0,
        "GOOG": 0,
        "IBM": 52,
        "MSFT": 37,
    }


def test_the_rate_of_the_demo_is_a_labelled_proxy():
    rate = market(clock(date(2009, 3, 2))).rate()
    assert rate is not None
    assert rate.source.kind is Kind.PROXY
    assert rate.value == pytest.approx(0.0025, abs=1e-5)


def test_without_the_package_the_demo_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "bokeh_sampledata", None)
    monkeypatch.delitem(sys.modules, "bokeh_sampledata.stocks", raising=False)
    with pytest.raises(ConfigError, match=r"install it with pip install 'wallstreetbots\[demo\]'"):
        demo_folder()
