"""StockTwits' adapter against recorded answers, and against made ones for what they do not show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.data.providers.port import Offer
from engine.data.providers.stocktwits import PAGES, StockTwits
from engine.data.providers.trouble import Unreachable
from engine.errors import NotFound
from tests.contracts.provider import *  # noqa: F403 - the suite is the module's content
from tests.contracts.provider import QUICK, World
from tests.shared import SHARED, needs_shared
from tests.standins.provider_server import Trouble, serving
from tests.standins.stocktwits import GUARD, StockTwitsServer, message

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
SINCE = NOW - timedelta(days=1)
RECORDED = SHARED / "data" / "api_samples" / "stocktwits" / "get_symbol_msgs.json"
LONG_AGO = datetime(2019, 1, 1, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[StockTwitsServer]:
    with serving(StockTwitsServer()) as made:
        assert isinstance(made, StockTwitsServer)
        made.streams["XYZ"] = [message(n, f"2026-11-27T{10 + n % 8}:00:00Z") for n in range(9, 1, -1)]
        yield made


@pytest.fixture
def provider(server: StockTwitsServer) -> Iterator[StockTwits]:
    made = StockTwits(lambda: NOW, url=server.url, timeouts=QUICK)
    yield made
    made.close()


@pytest.fixture
def world(server: StockTwitsServer, provider: StockTwits) -> World:
    no_key = "it needs no key: what denies is the guard before it, and that is no answer"
    return World(
        provider,
        server,
        asks={Offer.NEWS: lambda it: it.news(["XYZ"], SINCE)},
        unknown={Offer.NEWS: lambda it: it.news(["NOBODY"], SINCE)},
        not_for={"402": no_key, "403": no_key},
    )


def _recorded() -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return answer


@needs_shared
def test_the_recorded_stream_is_read(server: StockTwitsServer, provider: StockTwits):
    answer = _recorded()
    server.fail(Trouble(200, {**answer, "cursor": {**answer["cursor"], "more": False}}))
    found = provider.news(["AAPL"], LONG_AGO)
    assert len(found) == len(answer["messages"])
    newest = found[0]
    assert newest.id == "155614013"
    assert newest.at == datetime(2019, 3, 3, 5, 38, 9, tzinfo=UTC)
    assert newest.tickers == ("AAPL", "AMZN", "MSFT", "SPY")
    assert newest.publisher == "rubr"
    assert "momentum & FOMO" in newest.title
    assert (newest.summary, newest.url, newest.source) == ("", "", "stocktwits")


@needs_shared
def test_the_recorded_cursor_asks_for_what_is_older(server: StockTwitsServer, provider: StockTwits):
    answer = _recorded()
    assert answer["cursor"]["more"] is True
    server.fail(Trouble(200, answer))
    provider.news(["AAPL"], LONG_AGO)
    assert [asked.query for asked in server.asked] == [{}, *[{"max": "155604916"}] * (PAGES - 1)]


def test_pages_are_read_back_to_the_time_asked_for_and_no_further(server: StockTwitsServer, provider: StockTwits):
    server.page = 2
    server.streams["XYZ"] = [message(9 - n, f"2026-11-{27 - n // 2:02d}T10:00:00Z") for n in range(8)]
    found = provider.news(["XYZ"], datetime(2026, 11, 26, 9, tzinfo=UTC))
    assert [each.id for each in found] == ["9", "8", "7", "6"]
    assert len(server.asked) == 3


def test_a_busy_name_is_read_back_a_few_pages_at_most(server: StockTwitsServer, provider: StockTwits):
    server.page = 1
    assert len(provider.news(["XYZ"], SINCE)) == PAGES


def test_the_tag_of_the_writer_is_no_part_of_the_news(provider: StockTwits):
    assert "ullish" not in repr(provider.news(["XYZ"], SINCE))


def test_a_message_under_two_names_is_one_headline_and_coins_are_no_tickers(
    server: StockTwitsServer, provider: StockTwits
):
    both = message(5, "2026-11-27T12:00:00Z", "one", ["BRK.B", "BTC.X"])
    server.streams = {"XYZ": [both], "BRK.B": [both]}
    found = provider.news(["XYZ", "BRK.B"], SINCE)
    assert [each.tickers for each in found] == [("XYZ", "BRK.B")]


def test_a_message_without_symbols_is_about_the_name_asked_for(server: StockTwitsServer, provider: StockTwits):
    bare = {name: value for name, value in message(5, "2026-11-27T12:00:00Z").items() if name != "symbols"}
    server.streams["XYZ"] = [bare]
    assert provider.news(["XYZ"], SINCE)[0].tickers == ("XYZ",)


@pytest.mark.parametrize(
    "bad", [{"created_at": "now"}, {"created_at": "2026-11-27T12:00:00"}, {"body": 7}, {"id": "x"}]
)
def test_a_message_that_makes_no_sense_is_left_out(
    server: StockTwitsServer, provider: StockTwits, bad: dict[str, object]
):
    good = message(5, "2026-11-27T12:00:00Z")
    server.fail(Trouble(200, {"messages": [{**good, **bad}, good], "cursor": {"more": False}}))
    assert [each.id for each in provider.news(["XYZ"], SINCE)] == ["5"]


def test_an_empty_stream_is_no_news(server: StockTwitsServer, provider: StockTwits):
    server.streams["XYZ"] = []
    assert provider.news(["XYZ"], SINCE) == ()


@pytest.mark.parametrize("status", [200, 403, 503])
def test_the_page_of_the_guard_is_no_answer_and_closes_nothing(
    server: StockTwitsServer, provider: StockTwits, status: int
):
    server.fail(Trouble(status, GUARD))
    with pytest.raises(Unreachable):
        provider.news(["XYZ"], SINCE)
    server.heal()
    assert provider.news(["XYZ"], SINCE)


def test_an_unknown_name_is_left_out_beside_a_known_one(provider: StockTwits):
    assert len(provider.news(["NOBODY", "XYZ"], SINCE)) == 8
    with pytest.raises(NotFound):
        provider.news(["NOBODY"], SINCE)
