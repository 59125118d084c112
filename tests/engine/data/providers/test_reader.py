"""The HTTP client under the providers, against a server in every kind of trouble."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from engine.data.budget import Allowance, Budget, Urgency, asking
from engine.data.providers.reader import Reader
from engine.data.providers.trouble import Refused, Throttled, Unreachable
from engine.errors import NotFound
from tests.contracts.provider import EXPECTED, QUICK
from tests.standins.provider_server import ProviderServer, Trouble, serving

NOW = datetime(2026, 11, 27, 15, tzinfo=UTC)
SECRET = "s3cr3t-key"


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with serving(ProviderServer({"/good": lambda query: (200, {"n": query["n"]})})) as made:
        yield made


@pytest.fixture
def reader(server: ProviderServer) -> Iterator[Reader]:
    made = Reader(
        "acme",
        server.url,
        Budget("acme", Allowance(4, 3600.0)),
        lambda: NOW,
        secrets={"apikey": SECRET},
        timeouts=QUICK,
    )
    yield made
    made.close()


def test_an_answer_is_parsed_and_the_key_sent(server: ProviderServer, reader: Reader):
    assert reader.json("/good", {"n": "1"}) == {"n": "1"}
    assert server.asked[0].query == {"n": "1", "apikey": SECRET}


@pytest.mark.parametrize("trouble", EXPECTED)
def test_every_trouble_has_its_name(
    server: ProviderServer, reader: Reader, trouble: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    server.fail(trouble)
    with pytest.raises(EXPECTED[trouble]) as caught:
        reader.json("/good", {"n": "1"})
    assert SECRET not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}" + caplog.text


def test_what_is_temporary_is_asked_twice_and_the_rest_once(server: ProviderServer, reader: Reader):
    server.fail("500")
    with pytest.raises(Unreachable):
        reader.json("/good")
    assert len(server.asked) == 2
    server.fail("401")
    with pytest.raises(Exception, match="401"):
        reader.json("/good")
    assert len(server.asked) == 3


def test_one_hiccup_is_not_seen(server: ProviderServer, reader: Reader):
    server.fail(Trouble(503, "", times=1))
    assert reader.json("/good", {"n": "2"}) == {"n": "2"}


def test_a_missing_path_and_a_refusal_are_told_apart(server: ProviderServer, reader: Reader):
    with pytest.raises(NotFound):
        reader.json("/nowhere")
    server.fail(Trouble(422, {"message": "bad symbol"}))
    with pytest.raises(Refused):
        reader.json("/good")


def test_a_spent_budget_asks_nobody(server: ProviderServer, reader: Reader):
    with asking(Urgency.ORDER):
        for _ in range(4):
            reader.json("/good", {"n": "1"})
        with pytest.raises(Throttled, match="as often as it allows"):
            reader.json("/good", {"n": "1"})
    assert len(server.asked) == 4


def test_a_date_to_come_back_at_is_understood(server: ProviderServer, reader: Reader):
    server.fail(Trouble(429, "", {"Retry-After": "Fri, 27 Nov 2026 15:00:20 GMT"}))
    with pytest.raises(Throttled) as caught:
        reader.json("/good")
    assert caught.value.after == 20.0


def test_a_page_in_place_of_a_table_is_no_table(server: ProviderServer, reader: Reader):
    server.fail("html")
    with pytest.raises(Unreachable, match="web page"):
        reader.text("/good")


def test_json_nested_too_deep_is_no_answer(server: ProviderServer, reader: Reader):
    server.fail(Trouble(200, "[" * 200_000))
    with pytest.raises(Unreachable, match="no JSON"):
        reader.json("/good", {"n": "1"})
