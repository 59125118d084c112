"""The live market over real providers on loopback that lie, die, hang and are refused: no bad number gets out."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from engine.data.live_shares import HELD_FOR, QUICK, QUOTE_LIFE
from engine.data.seat import FAILURES
from engine.errors import DataUnavailable
from engine.model.market import Kind, Quote
from tests import make
from tests.journeys.live_world import EXPIRIES, TICKER
from tests.live_market import PUT, SHARE, market
from tests.standins.provider_server import Trouble

QUOTES = "/v2/stocks/quotes/latest"


def mid(quote: Quote) -> float:
    return float(quote.mid)


def test_a_share_ten_times_too_dear_is_no_quote_at_the_first_look_of_a_tap(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        it.wires.lies.shares = 10
        assert SHARE not in it.quotes()
        assert it.wires.yahoo.paths() == ["/v7/finance/quote"]


@pytest.mark.parametrize("factor", [10.0, 0.1, 2.0])
def test_without_a_second_opinion_a_share_is_held_against_itself_of_a_moment_ago(tmp_path: Path, factor: float) -> None:
    with market(tmp_path, yahoo=False) as it:
        assert mid(it.quotes()[SHARE]) == 48
        it.wires.lies.shares = factor
        for _ in range(5):
            assert SHARE not in it.quotes()
        it.wires.lies.shares = 1
        assert mid(it.quotes()[SHARE]) == 48


def test_a_move_that_stays_is_believed_after_a_quarter_of_an_hour(tmp_path: Path) -> None:
    with market(tmp_path, yahoo=False) as it:
        assert it.quotes()
        it.wires.move(20.0)
        assert SHARE not in it.quotes()
        assert mid(it.quotes(after=HELD_FOR.total_seconds())[SHARE]) == 20


def test_a_move_that_prices_can_make_is_taken_at_once(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        assert it.quotes()
        it.wires.move(33.0)
        seen = it.quotes()
        assert mid(seen[SHARE]) == 33
        assert mid(seen[PUT]) == it.wires.price(PUT) > 10


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_an_option_that_jumps_while_its_shares_stand_still_is_no_quote(tmp_path: Path, factor: float) -> None:
    with market(tmp_path) as it:
        assert mid(it.quotes()[PUT]) == 0.90
        it.wires.lies.options = factor
        for _ in range(5):
            assert set(it.quotes()) == {SHARE}
        it.wires.lies.options = 1
        assert mid(it.quotes()[PUT]) == 0.90


def test_a_chain_ten_times_too_dear_is_nobodys(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        it.wires.lies.chain = 10
        chain = it.live.chain(TICKER)
        assert chain is not None
        assert (chain.source.name, chain.source.kind) == ("yahoo", Kind.DELAYED)


def test_bars_ten_times_too_high_are_no_history(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        it.wires.lies.bars = 10
        with pytest.raises(DataUnavailable, match="480"):
            it.live.snapshot(TICKER)


def test_a_day_so_far_that_contradicts_the_quote_is_left_out(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        it.wires.lies.session = 10
        it.live.snapshot(TICKER)
        assert it.live.snapshot(TICKER).session is None


def test_yahoo_lying_takes_nothing_from_what_was_known_a_moment_ago(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        assert mid(it.quotes()[SHARE]) == 48
        it.wires.lies.yahoo = 10
        seen = it.quotes(after=61.0)
        assert mid(seen[SHARE]) == 48, "two of three agree"
        dropped = {state.name: state.dropped for state in it.live.sources()}
        assert (dropped["yahoo"], dropped["alpaca"]) == (1, 0)


def test_quotes_of_shares_that_fail_do_not_hide_those_of_options(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        it.wires.alpaca.fail(Trouble(503, "", path=QUOTES))
        assert set(it.quotes()) == {PUT}
        assert set(it.quotes(SHARE)) == set()


def test_a_hanging_yahoo_costs_an_order_its_patience_a_few_times_and_no_price(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        it.wires.yahoo.fail("silence")
        began = time.monotonic()
        for _ in range(40):
            assert mid(it.quotes(SHARE, after=5.0)[SHARE]) == 48
        assert time.monotonic() - began < (FAILURES + 2) * QUICK
        assert not it.is_up("yahoo")


def test_alpaca_hanging_is_told_and_nothing_is_quoted_until_it_is_back(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        assert it.quotes()
        it.wires.alpaca.fail("silence")
        for _ in range(FAILURES + 1):
            assert it.quotes() == {}
        assert not it.is_up("alpaca")
        assert "alpaca is down" in it.troubles()
        it.wires.alpaca.heal()
        it.pass_(400.0)
        it.quotes()
        assert mid(it.quotes()[SHARE]) == 48
        assert it.is_up("alpaca")


def test_an_hour_of_death_is_asked_about_rarely_and_ends_by_itself(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        it.wires.alpaca.fail("503")
        it.wires.alpaca.asked.clear()
        for _ in range(360):
            assert it.quotes(SHARE, after=10.0) == {}
        assert len(it.wires.alpaca.asked) < 40
        assert not it.is_up("alpaca")
        it.wires.alpaca.heal()
        it.pass_(400.0)
        it.quotes(SHARE)
        assert mid(it.quotes(SHARE)[SHARE]) == 48
        assert it.is_up("alpaca")


def test_prices_that_the_keys_may_not_read_any_more_are_told(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        assert it.quotes()
        it.wires.shares.feeds = set()
        it.wires.options.feeds = set()
        for _ in range(FAILURES):
            assert it.quotes() == {}
        assert not it.is_up("alpaca")
        assert "alpaca is down" in it.troubles()
        it.wires.shares.feeds, it.wires.options.feeds = {"iex"}, {"indicative"}
        assert set(it.quotes()) == {SHARE, PUT}
        assert it.is_up("alpaca")


def test_a_storm_of_429_pauses_every_question_and_is_told(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        assert it.quotes()
        it.wires.alpaca.fail(Trouble(429, {"message": "too many requests"}, {"Retry-After": "2"}))
        it.wires.alpaca.asked.clear()
        for _ in range(5):
            assert it.quotes(SHARE) == {}
        assert len(it.wires.alpaca.asked) <= 3
        assert not it.is_up("alpaca")
        it.wires.alpaca.heal()
        until = time.monotonic() + 10
        while not it.quotes(SHARE) and time.monotonic() < until:
            threading.Event().wait(0.05)
        assert it.is_up("alpaca")


def test_a_feed_of_options_that_turns_indicative_says_so_on_every_number(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        it.wires.options.feeds = {"opra", "indicative"}
        assert it.quotes()[PUT].source.kind is Kind.REAL
        it.wires.options.feeds = {"indicative"}
        assert it.quotes()[PUT].source.kind is Kind.INDICATIVE


def test_quotes_that_stand_still_are_no_quotes_after_a_minute(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        it.wires.still = it.clock.now
        assert it.quotes()
        assert it.quotes(after=61.0) == {}


@pytest.mark.parametrize("seconds", [-30.0, 90.0])
def test_a_clock_that_jumps_away_from_the_quotes_has_none(tmp_path: Path, seconds: float) -> None:
    with market(tmp_path) as it:
        assert it.quotes()
        it.wires.still = it.clock.now + timedelta(seconds=QUOTE_LIFE)
        it.clock.advance(seconds)
        assert it.quotes() == {}
        it.clock.advance(-seconds)
        it.wires.still = None
        assert it.quotes()


def test_a_contract_nobody_bids_for_is_told_as_that(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        worthless = make.put(30, expiry=EXPIRIES[0])
        seen = it.quotes(worthless)[worthless]
        assert (seen.bid, seen.ask, seen.is_two_sided) == (0, seen.ask, False)


def test_a_split_overnight_rebases_history_and_quotes_follow(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        assert len(it.live.snapshot(TICKER).bars) == 300
        it.wires.move(24.0)
        it.pass_(86_400.0)
        with pytest.raises(DataUnavailable, match="24"):
            it.live.snapshot(TICKER)


def test_a_large_move_is_taken_by_options_whoever_asks_about_them_alone(tmp_path: Path) -> None:
    with market(tmp_path) as it:
        it.quotes()
        for _ in range(3):
            it.quotes(PUT)
        it.wires.move(54.0)
        it.quotes(PUT)
        assert mid(it.quotes()[PUT]) == pytest.approx(it.wires.price(PUT))
