"""Alpaca's hosts as a reader asks them: paging, allowances, and whose word a refusal is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from engine.data.providers.alpaca_client import AlpacaClient, joined
from engine.data.providers.alpaca_feed import Feed
from engine.data.providers.entitlements import CLOSED_FOR
from engine.data.providers.trouble import NotEntitled, Refused, Throttled, Unreachable
from engine.errors import ConfigError, DataInvalid
from tests.contracts.provider import EXPECTED, QUICK
from tests.standins.provider_server import Answer, ProviderServer, Query, Trouble, serving

NOW = datetime(2026, 11, 27, 15, tzinfo=UTC)
SECRET = "s3cr3t"
PAGES = {"": ([1], "a"), "a": ([], "b"), "b": ([2, 3], None), "loop": ([4], "loop")}


def page(query: Query) -> Answer:
    numbers, token = PAGES[query.get("page_token", query.get("from", ""))]
    return 200, {"n": numbers, "next_page_token": token}


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with serving(ProviderServer({"/v2/pages": page, "/v1beta1/one": lambda query: (200, {"n": 1})})) as made:
        yield made


@pytest.fixture
def client(server: ProviderServer) -> Iterator[AlpacaClient]:
    made = client_of(server)
    yield made
    made.close()


def client_of(server: ProviderServer, key: str = "key") -> AlpacaClient:
    return AlpacaClient(key, SECRET, lambda: NOW, data_url=server.url, trading_url=f"{server.url}/v2", timeouts=QUICK)


def test_pages_follow_each_other_to_the_end_even_over_an_empty_one(client: AlpacaClient):
    assert [answer["n"] for answer in client.data_pages("/v2/pages", {"limit": "3"})] == [[1], [], [2, 3]]


def test_every_page_is_asked_for_with_the_same_question(client: AlpacaClient, server: ProviderServer):
    list(client.trading_pages("/v2/pages", {"limit": "3"}))
    assert [(asked.query["limit"], asked.query.get("page_token")) for asked in server.asked] == [
        ("3", None),
        ("3", "a"),
        ("3", "b"),
    ]


def test_a_page_token_that_comes_back_ends_the_round(client: AlpacaClient):
    with pytest.raises(DataInvalid, match="next_page_token"):
        list(client.data_pages("/v2/pages", {"from": "loop"}))


def test_a_version_of_the_path_reaches_the_server_as_it_is(client: AlpacaClient, server: ProviderServer):
    assert client.data("/v1beta1/one") == {"n": 1}
    assert server.asked[-1].path == "/v1beta1/one"
    assert server.asked[-1].headers["APCA-API-SECRET-KEY"] == SECRET


def test_symbols_go_out_in_batches_each_once():
    assert list(joined([f"T{n % 250}" for n in range(500)], 200))[1].split(",") == [f"T{n}" for n in range(200, 250)]


@pytest.mark.parametrize("trouble", EXPECTED)
@pytest.mark.parametrize("host", ["data", "trading"])
def test_a_host_in_trouble_is_told_apart_and_no_key_is_seen(
    client: AlpacaClient, server: ProviderServer, host: str, trouble: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    server.fail(trouble)
    with pytest.raises(EXPECTED[trouble]) as caught:
        getattr(client, host)("/v1beta1/one")
    assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text


@pytest.mark.parametrize("status", [403, 422])
def test_a_refusal_about_the_subscription_is_one_whatever_its_status(
    client: AlpacaClient, server: ProviderServer, status: int
):
    server.fail(Trouble(status, {"code": 42210000, "message": "subscription does not permit querying recent SIP data"}))
    with pytest.raises(NotEntitled, match="recent SIP data"):
        client.data("/v1beta1/one")


def test_any_other_refusal_keeps_alpacas_words(client: AlpacaClient, server: ProviderServer):
    server.fail(Trouble(400, {"message": "invalid symbol: AAPL$"}))
    with pytest.raises(Refused, match=r"invalid symbol: AAPL\$"):
        client.data("/v1beta1/one")


def test_a_429_pauses_until_the_time_its_header_names(client: AlpacaClient, server: ProviderServer):
    reset = str(int(NOW.timestamp()) + 9)
    server.fail(Trouble(429, {"message": "too many requests."}, {"X-RateLimit-Reset": reset}))
    with pytest.raises(Throttled) as caught:
        client.data("/v1beta1/one")
    assert caught.value.after == 9


def test_a_paused_data_host_leaves_trading_and_other_keys_alone(client: AlpacaClient, server: ProviderServer):
    server.fail(Trouble(429, {"message": "too many requests."}, times=1))
    with pytest.raises(Throttled):
        client.data("/v1beta1/one")
    with pytest.raises(Throttled):
        client.data("/v1beta1/one")
    other = client_of(server, "other-key")
    assert client.trading("/v1beta1/one") == other.data("/v1beta1/one") == {"n": 1}
    other.close()


def test_each_host_has_an_allowance_of_its_own(client: AlpacaClient):
    client.data("/v1beta1/one")
    data, trading = client.budgets
    assert [left for _, left in (*data.left, *trading.left)] == [199, 100]


def test_a_subscription_that_allows_more_is_found_out_from_its_answers(client: AlpacaClient, server: ProviderServer):
    server.fail(Trouble(200, {"n": 1}, {"X-RateLimit-Limit": "10000"}))
    client.data("/v1beta1/one")
    client.trading("/v1beta1/one")
    assert [left for budget in client.budgets for _, left in budget.left] == [9_999, 4_999]


@pytest.mark.parametrize("limit", ["", "0", "many", "-5"])
def test_a_limit_that_makes_no_sense_changes_nothing(client: AlpacaClient, server: ProviderServer, limit: str):
    server.fail(Trouble(200, {"n": 1}, {"X-RateLimit-Limit": limit}))
    client.data("/v1beta1/one")
    assert [left for _, left in client.budgets[0].left] == [199]


def test_a_read_is_repeated_once_after_a_fault_that_may_pass(client: AlpacaClient, server: ProviderServer):
    server.fail(Trouble(503, "<html>", times=1))
    assert client.data("/v1beta1/one") == {"n": 1}
    assert len(server.asked) == 2


def test_two_faults_are_enough(client: AlpacaClient, server: ProviderServer):
    server.fail(Trouble(504, "<html>"))
    with pytest.raises(Unreachable):
        client.data("/v1beta1/one")
    assert len(server.asked) == 2


def test_a_list_where_an_object_belongs_is_invalid(client: AlpacaClient, server: ProviderServer):
    server.fail(Trouble(200, [1, 2]))
    with pytest.raises(DataInvalid, match="alpaca"):
        client.data("/v1beta1/one")


def test_without_keys_there_is_no_client():
    with pytest.raises(ConfigError, match="ALPACA_SECRET_KEY"):
        AlpacaClient("key", "", lambda: NOW)


class Entitlement:
    """A server's word about feeds: which may be read, and what it was asked for."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = set(allowed)
        self.asked: list[str] = []

    def __call__(self, feed: str) -> str:
        self.asked.append(feed)
        if feed not in self.allowed:
            raise NotEntitled(f"{feed} is not for these keys")
        return feed


def test_the_best_feed_that_is_given_is_remembered_for_an_hour():
    now = [0.0]
    server, feed = Entitlement("iex"), Feed("", ("sip", "iex"), lambda: now[0])
    assert [feed.ask(server), feed.ask(server), feed.name] == ["iex", "iex", "iex"]
    now[0] = CLOSED_FOR
    server.allowed.add("sip")
    assert feed.ask(server) == "sip"
    assert server.asked == ["sip", "iex", "iex", "sip"]


def test_a_feed_that_is_taken_away_is_left_for_the_next():
    server, feed = Entitlement("sip", "iex"), Feed("", ("sip", "iex"))
    first = feed.ask(server)
    server.allowed.remove("sip")
    assert [first, feed.ask(server), feed.name] == ["sip", "iex", "iex"]


def test_a_feed_somebody_chose_is_the_only_one():
    server, feed = Entitlement("iex"), Feed("sip", ("sip", "iex"))
    with pytest.raises(NotEntitled, match="sip"):
        feed.ask(server)
    assert server.asked == ["sip"]


def test_where_no_feed_is_given_nothing_is_remembered():
    server, feed = Entitlement(), Feed("", ("sip", "iex"))
    with pytest.raises(NotEntitled):
        feed.ask(server)
    assert feed.name == "sip"
