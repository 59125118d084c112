"""What the stream's words about halts come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.data.alpaca_halts import Halts
from engine.model.status import TradingStatus

NOW = datetime(2026, 11, 30, 16, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def known(halts: Halts, ticker: str = "AAPL") -> TradingStatus | None:
    return halts.of([ticker]).get(ticker)


def test_nothing_is_known_of_a_name_that_was_not_spoken_of():
    assert Halts().of(["AAPL"]) == {}


@pytest.mark.parametrize(("halt", "resume"), [(("2", "M"), "3"), (("H", "T1"), "T"), (("P", "LUDP"), "T")])
def test_a_halt_lasts_until_its_resumption(halt: tuple[str, str], resume: str):
    halts = Halts()
    halts.changed("AAPL", *halt, NOW)
    assert known(halts) == TradingStatus("AAPL", is_halted=True, since=NOW)
    halts.changed("AAPL", resume, "", NOW + MINUTE)
    assert known(halts) == TradingStatus("AAPL", since=NOW + MINUTE)


def test_quotes_that_come_back_before_trades_do_not_end_a_halt():
    halts = Halts()
    halts.changed("AAPL", "H", "T1", NOW)
    halts.changed("AAPL", "Q", "T3", NOW + MINUTE)
    assert known(halts) == TradingStatus("AAPL", is_halted=True, since=NOW)


@pytest.mark.parametrize("code", ["5", "6", "7", "A", "D", "E", "F", "", "a code of tomorrow"])
def test_other_statuses_change_nothing(code: str):
    halts = Halts()
    halts.changed("AAPL", code, "", NOW)
    assert known(halts) is None


@pytest.mark.parametrize("reason", ["1", "2", "3", "MWC0", "MWC1", "MWC2", "MWC3"])
def test_a_circuit_breaker_is_the_whole_markets_and_still_is_when_it_is_over(reason: str):
    halts = Halts()
    halts.changed("AAPL", "H", reason, NOW)
    during = known(halts)
    halts.changed("AAPL", "T", "MWCQ", NOW + MINUTE)
    assert [status.is_market_wide for status in (during, known(halts)) if status] == [True, True]


def test_a_resumption_that_comes_before_its_halt_in_a_late_frame_is_the_last_word():
    halts = Halts()
    halts.changed("AAPL", "T", "", NOW + MINUTE)
    halts.changed("AAPL", "H", "T1", NOW)
    assert known(halts) == TradingStatus("AAPL", since=NOW + MINUTE)


def test_a_name_that_trades_is_known_to():
    halts = Halts()
    halts.traded("AAPL", NOW)
    assert known(halts) == TradingStatus("AAPL")


def test_trades_of_the_minute_of_the_halt_do_not_end_it_and_later_ones_do():
    halts = Halts()
    halts.changed("AAPL", "H", "T1", NOW + timedelta(seconds=30))
    halts.traded("AAPL", NOW)
    during = known(halts)
    halts.traded("AAPL", NOW + 5 * MINUTE)
    assert during == TradingStatus("AAPL", is_halted=True, since=NOW + timedelta(seconds=30))
    assert known(halts) == TradingStatus("AAPL", since=NOW + 5 * MINUTE)


def test_after_a_lost_connection_who_traded_is_unknown_and_who_was_halted_still_is():
    halts = Halts()
    halts.traded("AAPL", NOW)
    halts.changed("SPY", "2", "M", NOW)
    halts.began()
    assert halts.of(["AAPL", "SPY"]) == {"SPY": TradingStatus("SPY", is_halted=True, since=NOW)}
