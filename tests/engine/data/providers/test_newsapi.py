"""NewsAPI's adapter against answers generated from its documentation (none was recorded)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from engine.data.providers.newsapi import NewsApi
from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled
from engine.errors import DataInvalid
from engine.model.market import Kind
from tests.contracts.provider import *  # noqa: F403 - the suite is the module's content
from tests.contracts.provider import QUICK, World
from tests.standins.newsapi import NewsApiServer, article
from tests.standins.provider_server import Trouble, serving

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
KEY = "s3cr3t-newsapi"
SINCE = NOW - timedelta(days=2)
COMPANIES = {"AAPL": "Apple Inc", "BRK.B": 'Berkshire "Hathaway" Inc'}


@pytest.fixture
def server() -> Iterator[NewsApiServer]:
    with serving(NewsApiServer()) as made:
        assert isinstance(made, NewsApiServer)
        yield made


@pytest.fixture
def provider(server: NewsApiServer) -> Iterator[NewsApi]:
    made = NewsApi(KEY, lambda: NOW, lambda ticker: COMPANIES.get(ticker, ""), url=server.url, timeouts=QUICK)
    yield made
    made.close()


@pytest.fixture
def world(server: NewsApiServer, provider: NewsApi) -> World:
    return World(provider, server, asks={Offer.NEWS: lambda it: it.news(["AAPL"], SINCE)}, key=KEY)


def _titles(provider: NewsApi, *tickers: str) -> list[str]:
    return [headline.title for headline in provider.news(tickers, SINCE)]


def test_news_are_delayed_and_the_key_goes_in_a_header(server: NewsApiServer, provider: NewsApi):
    provider.news(["AAPL"], SINCE)
    assert provider.offers == {Offer.NEWS: Kind.DELAYED}
    assert not provider.is_proven
    assert server.asked[0].headers["X-Api-Key"] == KEY
    assert server.asked[0].query == {
        "q": '"Apple Inc"',
        "searchIn": "title,description",
        "from": "2026-11-25T18:30:00",
        "sortBy": "publishedAt",
        "pageSize": "100",
    }


def test_an_article_is_linked_by_the_whole_name_of_the_company(provider: NewsApi):
    found = provider.news(["AAPL"], SINCE)
    assert [(each.title, each.tickers) for each in found] == [("Apple Inc opens a plant", ("AAPL",))]
    assert found[0].at == datetime(2026, 11, 26, 15, tzinfo=UTC)
    assert (found[0].publisher, found[0].source) == ("The Verge", "newsapi")
    assert found[0].id == found[0].url == "https://example.com/apple-inc-opens-a-plant"


def test_without_a_name_it_is_linked_by_exchange_and_ticker_and_never_by_a_word(
    server: NewsApiServer, provider: NewsApi
):
    assert _titles(provider, "CAT") == ["Caterpillar (NYSE: CAT) raises its outlook"]
    assert '"NYSE: CAT"' in server.asked[0].query["q"]


def test_an_article_about_two_of_the_names_is_one_headline_whatever_the_spelling_of_a_class(provider: NewsApi):
    found = provider.news(["AAPL", "BRK.B"], SINCE)
    assert [each.tickers for each in found] == [("AAPL", "BRK.B")]


@pytest.mark.parametrize("text", ["$CAT rises", "NASDAQ:CAT", "(NYSE: CAT)"])
def test_these_marks_are_about_a_ticker(server: NewsApiServer, provider: NewsApi, text: str):
    server.fail(Trouble(200, {"status": "ok", "articles": [article(text, "2026-11-26T13:00:00Z")]}))
    assert _titles(provider, "CAT") == [text]


@pytest.mark.parametrize("text", ["CAT rises", "$CATX rises", "$CAT.A rises", "NYSE: CATY", "A scan (CAT)", "a$cat"])
def test_these_are_not(server: NewsApiServer, provider: NewsApi, text: str):
    server.fail(Trouble(200, {"status": "ok", "articles": [article(text, "2026-11-26T13:00:00Z")]}))
    assert _titles(provider, "CAT") == []


def test_what_is_older_than_a_month_is_not_asked_for(server: NewsApiServer, provider: NewsApi):
    provider.news(["AAPL"], NOW - timedelta(days=90))
    assert server.asked[0].query["from"] == "2026-10-29T18:30:00"


def test_the_newest_hundred_are_all_there_is_of_one_question(server: NewsApiServer, provider: NewsApi):
    server.articles = [article(f"Apple Inc {n}", f"2026-11-26T{n // 60:02d}:{n % 60:02d}:00Z") for n in range(250)]
    assert len(provider.news(["AAPL"], SINCE)) == 100
    assert len(server.asked) == 1


def test_a_name_without_news_has_none(provider: NewsApi):
    assert provider.news(["NOBODY"], SINCE) == ()


@pytest.mark.parametrize("bad", [{"publishedAt": "yesterday"}, {"publishedAt": "2026-11-26T13:00:00"}, {"title": 7}])
def test_an_article_that_makes_no_sense_is_left_out(server: NewsApiServer, provider: NewsApi, bad: dict[str, object]):
    good = article("Apple Inc grows", "2026-11-26T13:00:00Z")
    server.fail(Trouble(200, {"status": "ok", "articles": [{**good, **bad}, good, None]}))
    assert _titles(provider, "AAPL") == ["Apple Inc grows"]


def test_times_with_another_zone_are_turned_into_utc(server: NewsApiServer, provider: NewsApi):
    good = article("Apple Inc grows", "2026-11-26T08:00:00-05:00")
    server.fail(Trouble(200, {"status": "ok", "articles": [good]}))
    assert provider.news(["AAPL"], SINCE)[0].at == datetime(2026, 11, 26, 13, tzinfo=UTC)


def test_an_answer_that_is_not_ok_is_refused(server: NewsApiServer, provider: NewsApi):
    server.fail(Trouble(200, {"status": "error", "code": "unexpectedError", "message": "x"}))
    with pytest.raises(DataInvalid, match="newsapi sent status = 'error'"):
        provider.news(["AAPL"], SINCE)


def test_a_denial_closes_the_name_first_and_the_offer_after_three(server: NewsApiServer, provider: NewsApi):
    server.fail("403")
    for ticker in ("AAPL", "CAT", "XYZ"):
        assert Offer.NEWS in provider.offers
        with pytest.raises(NotEntitled):
            provider.news([ticker], SINCE)
    assert provider.offers == {}
