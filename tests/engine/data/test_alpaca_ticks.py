"""Alpaca's streams of market data against a server on this machine that drops, lies and refuses."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from engine.data.alpaca_ticks import OPTIONS, SHARES, AlpacaTicks, Wire
from engine.model.instruments import Option, Right, Stock
from engine.model.market import Kind, Source
from engine.model.status import TradingStatus
from engine.streams import Pauses
from tests.standins.alpaca_data_stream import KEY, SECRET, AlpacaDataStream
from tests.waiting import until

NOW = datetime(2026, 11, 30, 16, 0, 0, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
QUICK = Pauses(first=0.01, longest=0.05, answer=0.5)
AAPL, SPY = Stock("AAPL"), Stock("SPY")
CALL = Option("AAPL", date(2026, 12, 18), Right.CALL, Decimal(250))


@pytest.fixture
def server() -> Iterator[AlpacaDataStream]:
    with AlpacaDataStream("sip", "iex") as made:
        yield made


@contextmanager
def listening(server: AlpacaDataStream, *instruments: Stock | Option, wire: Wire = SHARES) -> Iterator[AlpacaTicks]:
    """A stream that listens to the instruments already."""
    ticks = AlpacaTicks(wire, KEY, SECRET, np.random.default_rng(7), url=server.url, pauses=QUICK)
    ticks.subscribe(instruments)
    ticks.start()
    try:
        assert until(lambda: server.listened() == {each.symbol for each in instruments})
        yield ticks
    finally:
        assert ticks.stop(5)


def bid_of(ticks: AlpacaTicks, instrument: Stock | Option = AAPL) -> Decimal | None:
    quote = ticks.latest(instrument)
    return None if quote is None else quote.bid


def settled(server: AlpacaDataStream, ticks: AlpacaTicks) -> None:
    """Everything told so far has been taken in: frames keep their order, and this one is the last."""
    marker = NOW + timedelta(days=1) + timedelta(microseconds=ticks.state.frames)
    server.quote("SPY", 7.0, 8.0, marker)
    assert until(lambda: (quote := ticks.latest(SPY)) is not None and quote.at == marker)


def test_a_quote_of_shares_is_kept_with_its_own_time(server: AlpacaDataStream) -> None:
    with listening(server, AAPL) as ticks:
        server.quote("AAPL", 249.99, 250.01, NOW)
        assert until(lambda: ticks.latest(AAPL) is not None)
        quote = ticks.latest(AAPL)

    assert quote is not None
    assert (quote.bid, quote.ask, quote.at) == (Decimal("249.99"), Decimal("250.01"), NOW)
    assert (quote.source, quote.bid_size, quote.ask_size) == (Source("alpaca"), 2, 3)
    assert server.paths == ["/v2/sip"]


def test_options_speak_msgpack_and_indicative_quotes_are_called_so() -> None:
    with (
        AlpacaDataStream("indicative", binary=True, most=200) as server,
        listening(server, CALL, wire=OPTIONS) as ticks,
    ):
        server.quote(CALL.symbol, 3.1, 3.3, NOW)
        assert until(lambda: ticks.latest(CALL) is not None)
        quote = ticks.latest(CALL)

    assert quote is not None
    assert (quote.instrument, quote.bid, quote.at) == (CALL, Decimal("3.1"), NOW)
    assert quote.source == Source("alpaca", Kind.INDICATIVE)
    assert server.paths == ["/v1beta1/opra", "/v1beta1/indicative"]


def test_an_older_quote_and_a_repeated_one_change_nothing(server: AlpacaDataStream) -> None:
    with listening(server, AAPL, SPY) as ticks:
        server.quote("AAPL", 10.0, 10.1, NOW)
        server.quote("AAPL", 11.0, 11.1, NOW)
        server.quote("AAPL", 9.0, 9.1, NOW - SECOND)
        settled(server, ticks)
        assert bid_of(ticks) == Decimal("10.0")


def test_a_side_that_empties_ends_the_quote(server: AlpacaDataStream) -> None:
    with listening(server, AAPL, SPY) as ticks:
        server.quote("AAPL", 10.0, 10.1, NOW)
        server.quote("AAPL", 0, 10.1, NOW + SECOND)
        settled(server, ticks)
        assert ticks.latest(AAPL) is None


GARBAGE = (
    "",
    "not json",
    "7",
    "{}",
    '[1, "x", null]',
    '[{"T": "q"}]',
    '[{"T": "q", "S": "AAPL", "bp": 1, "ap": 2}]',
    '[{"T": "q", "S": "AAPL", "bp": "much", "ap": 2, "t": "2026-11-30T16:00:00Z"}]',
    '[{"T": "q", "S": "AAPL", "bp": 1, "ap": 2, "t": "yesterday"}]',
    '[{"T": "q", "S": ["AAPL"], "bp": 1, "ap": 2, "t": "2026-11-30T16:00:00Z"}]',
    '[{"T": "s", "S": "AAPL", "sc": {}}]',
    '[{"T": "b", "S": 7}]',
    '[{"T": "a type of tomorrow", "S": "AAPL"}]',
    '[{"T": "error"}]',
    b"\xff\xfe\x00",
)


def test_garbage_between_quotes_changes_nothing(server: AlpacaDataStream) -> None:
    with listening(server, AAPL, SPY) as ticks:
        server.quote("AAPL", 10.0, 10.1, NOW)
        for frame in GARBAGE:
            server.push(frame)
        settled(server, ticks)
        assert bid_of(ticks) == Decimal("10.0")
        assert ticks.state.connections == 1


def test_several_quotes_in_one_frame_are_all_taken_in(server: AlpacaDataStream) -> None:
    row = {"T": "q", "bp": 1.5, "ap": 1.6, "t": "2026-11-30T16:00:00.5Z"}
    with listening(server, AAPL, SPY) as ticks:
        server.push(json.dumps([{**row, "S": "AAPL"}, {"T": "q"}, {**row, "S": "SPY"}]))
        assert until(lambda: bid_of(ticks, SPY) is not None)
        assert bid_of(ticks, AAPL) == bid_of(ticks, SPY) == Decimal("1.5")


def test_what_is_not_wanted_any_more_is_let_go_of_and_forgotten(server: AlpacaDataStream) -> None:
    with listening(server, AAPL) as ticks:
        server.quote("AAPL", 10.0, 10.1, NOW)
        assert until(lambda: ticks.latest(AAPL) is not None)
        ticks.subscribe([SPY])
        assert ticks.latest(AAPL) is None
        assert until(lambda: server.listened() == server.listened("bars") == {"SPY"})


def test_after_a_cut_it_listens_to_the_same_again(server: AlpacaDataStream) -> None:
    with listening(server, AAPL) as ticks:
        server.cut_all()
        assert until(lambda: ticks.state.connections == 2)
        assert until(lambda: server.listened() == {"AAPL"})
        server.quote("AAPL", 10.0, 10.1, NOW)
        assert until(lambda: bid_of(ticks) == Decimal("10.0"))


def test_where_the_subscription_covers_no_sip_it_listens_to_iex() -> None:
    with AlpacaDataStream("iex") as server, listening(server, AAPL) as ticks:
        server.quote("AAPL", 10.0, 10.1, NOW)
        assert until(lambda: ticks.latest(AAPL) is not None)
        assert ticks.source == Source("alpaca iex")


def test_a_feed_that_nobody_paid_for_is_told_and_not_hurried_after() -> None:
    with AlpacaDataStream() as server:
        ticks = AlpacaTicks(SHARES, KEY, SECRET, np.random.default_rng(7), feed="sip", url=server.url, pauses=QUICK)
        ticks.start()
        assert until(lambda: "does not give sip" in ticks.state.problem)
        assert ticks.stop(5)


@pytest.mark.parametrize(
    ("error", "words"),
    [((406, "connection limit exceeded"), "another program"), ((402, "auth failed"), "keys"), ((500, "x"), "500")],
)
def test_an_error_in_place_of_a_welcome_is_told_and_tried_again(
    server: AlpacaDataStream, error: tuple[int, str], words: str
) -> None:
    server.error_next = [error]
    ticks = AlpacaTicks(SHARES, KEY, SECRET, np.random.default_rng(7), url=server.url, pauses=Pauses(0.3, 0.3, 0.5))
    ticks.start()
    assert until(lambda: words in ticks.state.problem)
    assert until(lambda: ticks.state.is_listening)
    assert ticks.stop(5)


def test_a_second_connection_that_throws_it_out_is_told(server: AlpacaDataStream) -> None:
    with listening(server, AAPL) as ticks:
        server.tell({"T": "error", "code": 406, "msg": "connection limit exceeded"})
        assert until(lambda: ticks.state.connections == 2)


def test_a_server_that_says_nothing_is_left(server: AlpacaDataStream) -> None:
    server.silent = True
    ticks = AlpacaTicks(SHARES, KEY, SECRET, np.random.default_rng(7), url=server.url, pauses=QUICK)
    ticks.start()
    assert until(lambda: "cannot be reached" in ticks.state.problem)
    assert ticks.stop(5)


def test_keys_that_are_not_accepted_are_told_and_never_logged(
    server: AlpacaDataStream, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    ticks = AlpacaTicks(SHARES, KEY, "wr0ng-s3cr3t", np.random.default_rng(7), url=server.url, pauses=QUICK)
    ticks.start()
    assert until(lambda: "does not accept the keys" in ticks.state.problem)
    assert ticks.stop(5)
    assert "wr0ng-s3cr3t" not in caplog.text + "".join(capsys.readouterr())


def test_the_first_thirty_are_listened_to_where_more_are_wanted(server: AlpacaDataStream) -> None:
    many = [Stock(f"T{n}") for n in range(40)]
    ticks = AlpacaTicks(SHARES, KEY, SECRET, np.random.default_rng(7), url=server.url, pauses=QUICK)
    ticks.subscribe(many)
    ticks.start()
    assert until(lambda: server.listened() == {each.symbol for each in many[:30]})
    assert ticks.stop(5)


def test_where_even_fewer_are_allowed_it_is_content_with_fewer() -> None:
    many = [Stock(f"T{n}") for n in range(40)]
    with AlpacaDataStream("sip", most=10) as server:
        ticks = AlpacaTicks(SHARES, KEY, SECRET, np.random.default_rng(7), url=server.url, pauses=QUICK)
        ticks.subscribe(many)
        ticks.start()
        assert until(lambda: server.listened() == {each.symbol for each in many[:7]})
        assert ticks.stop(5)


def test_a_halt_is_told_of_any_name_and_ends_with_its_resumption(server: AlpacaDataStream) -> None:
    with listening(server, AAPL) as ticks:
        assert until(lambda: ticks.tells_halts)
        server.status("GME", "P", "LUDP", NOW)
        assert until(lambda: ticks.statuses(["GME"]) != {})
        during = ticks.statuses(["GME", "AAPL"])
        server.status("GME", "T", "", NOW + 5 * SECOND)
        assert until(lambda: not ticks.statuses(["GME"])["GME"].is_halted)
    assert during == {"GME": TradingStatus("GME", is_halted=True, since=NOW)}


def test_a_bar_of_trades_tells_that_a_name_is_not_halted(server: AlpacaDataStream) -> None:
    with listening(server, AAPL) as ticks:
        assert until(lambda: ticks.tells_halts)
        server.bar("AAPL", NOW)
        assert until(lambda: ticks.statuses(["AAPL"]) == {"AAPL": TradingStatus("AAPL")})


def test_without_the_stream_only_halts_are_known(server: AlpacaDataStream) -> None:
    with listening(server, AAPL) as ticks:
        assert until(lambda: ticks.tells_halts)
        server.bar("AAPL", NOW)
        server.status("GME", "H", "T1", NOW)
        assert until(lambda: len(ticks.statuses(["AAPL", "GME"])) == 2)
    assert ticks.statuses(["AAPL", "GME"]) == {"GME": TradingStatus("GME", is_halted=True, since=NOW)}


def test_where_halts_are_not_given_nobody_is_said_to_trade() -> None:
    with AlpacaDataStream("sip", refused=("statuses",)) as server, listening(server, AAPL, SPY) as ticks:
        server.bar("AAPL", NOW)
        settled(server, ticks)
        assert ticks.statuses(["AAPL"]) == {}
        assert not ticks.tells_halts
