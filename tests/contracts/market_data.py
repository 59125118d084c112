"""What every `MarketData` owes the desk, whatever is behind it.

A test module runs the suite on its market by giving a fixture `world` and importing the tests:

    from tests.contracts.market_data import *  # noqa: F403 - the suite is the module's content

    @pytest.fixture
    def world() -> World: ...
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from engine.errors import NotFound
from engine.model.instruments import Option, Right, Stock
from engine.model.market import Bars, Chain
from engine.ports import MarketData

FEWEST_BARS = 260


@dataclass(frozen=True, slots=True)
class World:
    """A market in the middle of a session.

    `ticker` has shares, options and more than 260 sessions of history there; nobody knows `unknown`.
    """

    market: MarketData
    now: datetime
    today: date
    ticker: str
    unknown: str


def chain_of(world: World) -> Chain:
    chain = world.market.chain(world.ticker)
    assert chain is not None
    return chain


def assert_well_formed(bars: Bars, today: date) -> None:
    columns = (bars.day, bars.open, bars.high, bars.low, bars.close, bars.volume)
    assert {len(column) for column in columns} == {len(bars)}
    assert (np.diff(bars.day) > np.timedelta64(0)).all()
    assert (bars.high >= bars.low).all()
    assert (bars.low > 0).all()
    assert len(bars) == 0 or bars.day[-1] < np.datetime64(today, "D")


def test_the_universe_is_sorted_and_without_doubles(world: World):
    universe = world.market.universe()
    assert universe == tuple(sorted(set(universe)))
    assert world.ticker in universe


def test_every_name_of_the_universe_has_a_snapshot(world: World):
    for ticker in world.market.universe():
        snapshot = world.market.snapshot(ticker)
        assert (snapshot.ticker, snapshot.today, snapshot.bars.ticker) == (ticker, world.today, ticker)


def test_a_snapshot_is_as_of_now_and_its_bars_end_before_today(world: World):
    snapshot = world.market.snapshot(world.ticker)
    assert (snapshot.asof, snapshot.today) == (world.now, world.today)
    assert len(snapshot.bars) >= FEWEST_BARS
    assert_well_formed(snapshot.bars, world.today)


def test_the_spot_is_two_sided_and_not_of_the_future(world: World):
    spot = world.market.snapshot(world.ticker).spot
    assert spot is not None
    assert spot.is_two_sided
    assert spot.instrument == Stock(world.ticker)
    assert spot.at <= world.now


def test_the_spot_lies_within_the_session_so_far(world: World):
    snapshot = world.market.snapshot(world.ticker)
    assert snapshot.spot is not None
    assert snapshot.session is not None
    assert snapshot.session.day == world.today
    assert snapshot.session.low <= snapshot.session.close <= snapshot.session.high
    assert float(snapshot.spot.bid) <= snapshot.session.close + 0.01
    assert float(snapshot.spot.ask) >= snapshot.session.close - 0.01


def test_dividends_shown_have_an_amount_and_run_forward(world: World):
    dividends = world.market.snapshot(world.ticker).dividends
    days = [dividend.ex_date for dividend in dividends or ()]
    assert days == sorted(set(days))
    assert all(dividend.amount > 0 for dividend in dividends or ())


def test_an_unknown_ticker_is_named(world: World):
    with pytest.raises(NotFound, match=world.unknown):
        world.market.snapshot(world.unknown)
    with pytest.raises(NotFound, match=world.unknown):
        world.market.chain(world.unknown)
    with pytest.raises(NotFound, match=world.unknown):
        world.market.bars(world.unknown, world.today - timedelta(days=10), world.today)


def test_quotes_are_keyed_by_what_was_asked(world: World):
    shares = Stock(world.ticker)
    quotes = world.market.quotes([shares, shares])
    assert list(quotes) == [shares]
    assert quotes[shares].instrument == shares
    assert quotes[shares] == world.market.snapshot(world.ticker).spot


def test_what_has_no_quote_is_left_out(world: World):
    expired = Option(world.ticker, world.today - timedelta(days=7), Right.CALL, Decimal(50))
    stranger = Option(world.unknown, world.today + timedelta(days=30), Right.CALL, Decimal(50))
    assert dict(world.market.quotes([Stock(world.unknown), expired, stranger])) == {}
    assert dict(world.market.quotes([])) == {}


def test_a_chain_has_columns_of_one_length_and_says_where_it_is_from(world: World):
    chain = chain_of(world)
    assert chain.underlying == world.ticker
    assert chain.today == world.today
    assert chain.asof <= world.now
    assert {len(getattr(chain, name)) for name in Chain.COLUMNS} == {len(chain)}
    assert len(chain) > 0
    assert str(chain.source)


def test_no_contract_of_a_chain_has_expired(world: World):
    assert min(chain_of(world).expiries) >= world.today


def test_greeks_have_their_signs_or_no_value(world: World):
    chain = chain_of(world)
    known = ~np.isnan(chain.delta)
    assert known.any()
    assert (chain.delta[known & chain.is_call] >= 0).all()
    assert (chain.delta[known & ~chain.is_call] <= 0).all()
    assert (chain.gamma[known] >= 0).all()
    assert (chain.vega[known] >= 0).all()
    assert not np.isnan(chain.iv[known]).any()


def test_the_chain_of_a_snapshot_is_the_chain(world: World):
    mine, theirs = chain_of(world), world.market.snapshot(world.ticker).chain
    assert theirs is not None
    for name in Chain.COLUMNS:
        assert np.array_equal(getattr(mine, name), getattr(theirs, name), equal_nan=name not in ("expiry", "is_call"))


def test_quotes_of_contracts_are_those_of_the_chain(world: World):
    contracts = [contract for contract in chain_of(world).contracts() if contract.bid > 0][:200]
    assert contracts
    quotes = world.market.quotes([contract.option for contract in contracts])
    for contract in contracts:
        quote = quotes[contract.option]
        assert (quote.bid, quote.ask) == (contract.bid, contract.ask)
        assert quote.at <= world.now


def test_bars_end_yesterday_however_far_one_asks(world: World):
    bars = world.market.bars(world.ticker, world.today - timedelta(days=30), world.today + timedelta(days=30))
    assert len(bars) > 10
    assert_well_formed(bars, world.today)


def test_bars_begin_and_end_with_the_days_asked_for(world: World):
    whole = world.market.snapshot(world.ticker).bars
    start, end = (whole.day[row].astype(object) for row in (-20, -10))
    bars = world.market.bars(world.ticker, start, end)
    assert np.array_equal(bars.day, whole.day[-20:-9])
    assert np.array_equal(bars.close, whole.close[-20:-9])
    assert len(world.market.bars(world.ticker, end, start)) == 0


def test_the_panel_has_the_bars_of_the_whole_universe(world: World):
    panel = world.market.panel()
    assert tuple(sorted(panel)) == world.market.universe()
    for ticker, bars in panel.items():
        assert bars.ticker == ticker
        assert_well_formed(bars, world.today)
    assert len(panel[world.ticker]) >= FEWEST_BARS


def test_a_name_nobody_knows_has_no_trading_status(world: World):
    assert set(world.market.statuses([world.ticker, world.unknown])) <= {world.ticker}


def test_nothing_speaks_against_numbers_that_are_right(world: World):
    contract = next(contract for contract in chain_of(world).contracts() if contract.bid > 0)
    assert world.market.second_opinion([Stock(world.ticker), contract.option]).against == ()


def test_levels_are_not_of_the_future_and_those_nobody_knows_are_left_out(world: World):
    found = world.market.levels("VIX", world.unknown)
    assert set(found) <= {"VIX"}
    assert all(level.value > 0 and level.at <= world.now for level in found.values())


def test_intraday_bars_are_over_and_in_order(world: World):
    bars = world.market.snapshot(world.ticker).intraday
    if bars is None:
        return
    key = bars.day.astype(np.int64) * 1440 + bars.start
    assert {len(getattr(bars, name)) for name in bars.COLUMNS} == {len(bars)}
    assert (np.diff(key) > 0).all()
    assert (bars.high >= bars.low).all()
    assert not len(bars) or bars.day[-1] <= np.datetime64(world.today, "D")
