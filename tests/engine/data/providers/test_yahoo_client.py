"""How Yahoo is asked: cookie, crumb, deadlines, one address for all of its hosts, and nothing on the user's disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import yfinance.cache

from engine.data.budget import Allowance, Budget
from engine.data.providers.port import Offer
from engine.data.providers.trouble import Refused, Throttled, Unreachable
from engine.data.providers.yahoo import OUR_OWN, YahooData
from engine.data.providers.yahoo_client import YahooClient
from engine.data.providers.yahoo_http import ASIDE, _Session
from engine.errors import DataInvalid, NotFound
from tests.contracts.provider import QUICK
from tests.standins.provider_server import ProviderServer, Trouble, serving
from tests.standins.yahoo_server import NOW, YahooServer

QUOTES = "/v7/finance/quote"
PARAMS = {"symbols": "AAA"}


@pytest.fixture
def server() -> Iterator[YahooServer]:
    with serving(YahooServer()) as made:
        assert isinstance(made, YahooServer)
        yield made


@pytest.fixture
def budget() -> Budget:
    return Budget("yahoo", *OUR_OWN)


@pytest.fixture
def client(server: YahooServer, budget: Budget, tmp_path: Path) -> Iterator[YahooClient]:
    made = YahooClient(server.url, tmp_path, budget, lambda: NOW, QUICK)
    yield made
    made.close()


def ask(client: YahooClient) -> str:
    [row] = client.results(QUOTES, PARAMS, "quoteResponse")
    return str(row["symbol"])


def asked(server: ProviderServer, path: str) -> int:
    return sum(1 for each in server.asked if each.path == path)


def test_the_cookie_and_the_crumb_are_fetched_once_for_all_questions(server: YahooServer, client: YahooClient):
    assert [ask(client) for _ in range(3)] == ["AAA"] * 3
    assert [each.path for each in server.asked] == ["/", "/v1/test/getcrumb", QUOTES, QUOTES, QUOTES]
    assert server.asked[-1].query["crumb"] == server.crumb


def test_a_crumb_that_expired_is_fetched_anew_within_the_question(server: YahooServer, client: YahooClient):
    ask(client)
    server.crumb = "another"

    assert ask(client) == "AAA"
    assert server.asked[-1].query["crumb"] == "another"
    assert asked(server, "/consent") == asked(server, "/v2/collectConsent") == asked(server, "/copyConsent") == 1


def test_it_may_expire_as_often_as_it_likes(server: YahooServer, client: YahooClient):
    for crumb in ("one", "two", "three", "four"):
        server.crumb = crumb
        assert ask(client) == "AAA"


def test_its_own_cookies_refused_again_and_again_is_no_matter_of_keys(server: YahooServer, client: YahooClient):
    server.fail(Trouble(401, {"finance": {"error": {"code": "Unauthorized"}}}, path=QUOTES))

    with pytest.raises(Unreachable, match="own cookies"):
        ask(client)
    server.heal()
    assert ask(client) == "AAA"


def test_a_crumb_refused_for_asking_too_often_pauses_everything(
    server: YahooServer, client: YahooClient, budget: Budget
):
    server.fail(Trouble(429, "Too Many Requests", {"Retry-After": "9"}, path="getcrumb"))
    with pytest.raises(Throttled) as caught:
        ask(client)
    assert 8 <= caught.value.after <= 9
    before = len(server.asked)

    with pytest.raises(Throttled):
        budget.take()
    assert len(server.asked) == before


def test_a_crumb_refused_does_not_matter_where_none_is_needed(server: YahooServer, client: YahooClient):
    server.fail(Trouble(429, "Too Many Requests", path="getcrumb"))

    assert len(client.results("/v8/finance/chart/AAA", {}, "chart")) == 1


def test_no_cookie_host_no_harm_where_none_is_needed(server: YahooServer, client: YahooClient):
    server.fail(Trouble(silence=True, path="^/$"))

    assert len(client.results("/v8/finance/chart/AAA", {}, "chart")) == 1


def test_too_many_requests_is_never_asked_again(server: YahooServer, client: YahooClient):
    server.fail(Trouble(429, "Too Many Requests", path=QUOTES))
    with pytest.raises(Throttled):
        ask(client)
    assert asked(server, QUOTES) == 1


@pytest.mark.parametrize(("status", "trouble", "times"), [(404, NotFound, 1), (422, Refused, 1), (500, Unreachable, 2)])
def test_other_statuses_never_start_the_search_for_other_cookies(
    server: YahooServer, client: YahooClient, status: int, trouble: type[Exception], times: int
):
    server.fail(Trouble(status, {"finance": {"error": {"code": "x"}}}, path=QUOTES))

    with pytest.raises(trouble):
        ask(client)
    assert asked(server, QUOTES) == times
    assert asked(server, "/consent") == 0


def test_one_hiccup_is_not_seen(server: YahooServer, client: YahooClient):
    server.fail(Trouble(502, "<html>bad gateway</html>", path=QUOTES, times=1))

    assert ask(client) == "AAA"


def test_a_page_that_asks_for_consent_is_no_answer(server: YahooServer, client: YahooClient):
    page = "<!DOCTYPE html><html><body><form class='consent-form'></form></body></html>"
    server.says[QUOTES] = page

    with pytest.raises(Unreachable, match="no JSON"):
        ask(client)


def test_a_question_that_is_sent_elsewhere_does_not_follow(server: YahooServer, client: YahooClient):
    server.fail(Trouble(302, "", {"Location": "/v8/finance/chart/AAA"}, path=QUOTES))

    with pytest.raises(Unreachable, match="elsewhere"):
        ask(client)
    assert asked(server, "/v8/finance/chart/AAA") == 0


def test_a_slow_answer_is_waited_for_once(server: YahooServer, client: YahooClient):
    ask(client)
    server.fail(Trouble(silence=True, path=QUOTES))
    started = time.monotonic()

    with pytest.raises(Unreachable, match="in time"):
        ask(client)
    assert QUICK.read <= time.monotonic() - started < QUICK.retrying
    assert asked(server, QUOTES) == 2


def test_a_question_ends_in_time_though_cookie_and_crumb_use_it_up(server: YahooServer, budget: Budget, tmp_path: Path):
    slow = YahooClient(server.url, tmp_path, budget, lambda: NOW, type(QUICK)(connect=2.0, read=0.8, retrying=1.0))
    server.fail("silence")
    started = time.monotonic()

    with pytest.raises(Unreachable):
        ask(slow)
    assert time.monotonic() - started < 3
    slow.close()


def test_an_error_inside_an_answer_is_told_apart(server: YahooServer, client: YahooClient):
    server.says[QUOTES] = {"quoteResponse": {"result": None, "error": {"code": "Not Found", "description": "x"}}}
    with pytest.raises(NotFound):
        ask(client)
    server.says[QUOTES] = {"finance": {"result": None, "error": {"code": "internal-error"}}}
    with pytest.raises(Unreachable, match="internal-error"):
        ask(client)
    server.says[QUOTES] = {"quoteResponse": {"result": "nothing", "error": None}}
    with pytest.raises(DataInvalid, match=r"quoteResponse\.result"):
        ask(client)


def test_every_question_counts_and_none_is_asked_beyond_the_allowance(server: YahooServer, tmp_path: Path):
    budget = Budget("yahoo", Allowance(3, 3600.0))
    client = YahooClient(server.url, tmp_path, budget, lambda: NOW, QUICK)
    for _ in range(2):
        ask(client)

    with pytest.raises(Throttled):
        ask(client)
    assert asked(server, QUOTES) == 2
    client.close()


def test_neither_the_crumb_nor_the_cookie_is_ever_written_to_a_log(
    server: YahooServer, client: YahooClient, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    server.crumb = "s3cr3t-crumb"
    with structlog.testing.capture_logs() as logs:
        ask(client)
        server.fail(Trouble(500, "", path=QUOTES))
        with pytest.raises(Unreachable) as caught:
            ask(client)
    assert logs
    for secret in ("s3cr3t-crumb", "crumbs-are-mine"):
        assert secret not in caplog.text + str(logs) + str(caught.value)


def test_every_host_of_yahoo_is_the_other_address_and_no_other_host_is_asked(server: YahooServer):
    session = _Session("http://127.0.0.1:1234/under/", 1.0)
    hosts = [*ASIDE, "query1.finance.yahoo.com", "query2.finance.yahoo.com", "finance.yahoo.com"]

    assert {session._address(f"https://{host}/a/b?c=d") for host in hosts} == {"http://127.0.0.1:1234/under/a/b?c=d"}
    for host in ("markets.businessinsider.com", "yahoo.com.example.org", "notyahoo.com"):
        with pytest.raises(Refused, match="not Yahoo"):
            session._address(f"https://{host}/")
    session.close()


def test_without_another_address_the_hosts_stay_as_they_are():
    session = _Session("", 1.0)

    assert session._address("https://query2.finance.yahoo.com/v7?a=b") == "https://query2.finance.yahoo.com/v7?a=b"
    session.close()


def test_nothing_is_kept_on_disk_and_the_users_own_folder_is_not_used(
    server: YahooServer, client: YahooClient, tmp_path: Path
):
    ask(client)

    for keeper in (yfinance.cache._TzDBManager, yfinance.cache._CookieDBManager, yfinance.cache._ISINDBManager):
        assert keeper.get_location() == str(tmp_path)
        assert keeper._db is None
    assert list(tmp_path.iterdir()) == []


def test_two_of_them_share_neither_cookies_nor_answers(server: YahooServer, client: YahooClient, tmp_path: Path):
    ask(client)
    with serving(YahooServer()) as other:
        assert isinstance(other, YahooServer)
        other.crumb = "of the other"
        second = YahooClient(other.url, tmp_path, Budget("yahoo", *OUR_OWN), lambda: NOW, QUICK)
        assert ask(second) == "AAA"
        assert ask(client) == "AAA"
        second.close()
    assert {each.query["crumb"] for each in other.asked if each.path == QUOTES} == {"of the other"}
    assert asked(server, QUOTES) == 2


def test_many_callers_at_once_each_get_their_answer(server: YahooServer, client: YahooClient):
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(ask(client))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert got == ["AAA"] * 8
    assert asked(server, "/v1/test/getcrumb") == 1


def test_a_closed_one_holds_no_thread(server: YahooServer, tmp_path: Path):
    provider = YahooData(lambda: NOW, tmp_path, server.url, QUICK)
    assert provider.offers[Offer.QUOTES] == "delayed"
    provider.quotes(["AAA"])

    provider.close()

    assert [thread.name for thread in threading.enumerate() if thread.name == "provider-yahoo"] == []
