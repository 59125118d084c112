"""Headlines of several providers: made harmless, linked to names, each story once, scored."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.news import Headline
from engine.news import MAX_TITLE, clean, cleaned, merged, news_of, tickers_of
from engine.sentiment import probabilities

NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)


def headline(title: str, hours: float = 1, source: str = "alpaca", **given: object) -> Headline:
    """Published so many hours before noon, about ACME."""
    at = NOON - timedelta(hours=hours)
    return replace(Headline(f"{source}-{hours}", at, title, "", ("ACME",), source), **given)


def titles(*headlines: Headline) -> list[str]:
    return [kept.title for kept in once(*headlines)]


def once(*headlines: Headline) -> tuple[Headline, ...]:
    return merged(map(cleaned, headlines))


# Untrusted text


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Acme&#39;s profit &amp; loss", "Acme's profit & loss"),
        ("Acme <b>up</b><br/>again<!-- x -->", "Acme up again"),
        ("Acme: 3 < 5 and 7 > 2", "Acme: 3 < 5 and 7 > 2"),
        ("Acme\r\n\tup\u2028again\x00\x1b[31m", "Acme up again [31m"),
        ("pay \u202etxt.exe\u202c \u2066now\u2069", "pay txt.exe now"),
        ("Ac\u200bme\u200d \ufeffup\u00ad", "Acme up"),
        ("hidden\U000e0041\U000e0042 tags", "hidden tags"),
        ("private \ue000 and half \ud800", "private and half"),
        ("Q\u0330\u0331\u0332\u0333\u0324algo", "Q\u0330\u0331algo"),
        ("\u3164\u2800", ""),
        ("Ελλάδα 中文 عربي 🚀", "Ελλάδα 中文 عربي 🚀"),
    ],
)
def test_a_text_is_one_line_of_what_can_be_seen(sent: str, shown: str) -> None:
    assert clean(sent) == shown


def test_an_absurdly_long_text_is_cut_and_says_so() -> None:
    cut = clean("word " * 1_000_000)

    assert len(cut) <= MAX_TITLE
    assert cut.endswith("…")


@given(st.text(max_size=200))
def test_a_cleaned_text_holds_no_sign_that_controls_or_hides(text: str) -> None:
    found = clean(text)

    assert {unicodedata.category(sign)[0] for sign in found}.isdisjoint("C")
    assert "\n" not in found


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://acme.example/a",
        "https://",
        "https://broker.example@evil.example/login",
        "https://acme.example/a)[click](https://evil.example",
        'https://acme.example/"onclick="x',
        "https://acme.example/a\nb",
        "https://аcme.example/cyrillic",
        "https://acme.example/" + "x" * 3_000,
    ],
)
def test_an_address_that_could_mislead_is_dropped(url: str) -> None:
    assert cleaned(headline("Acme up", url=url)).url == ""


def test_an_address_of_the_web_stays() -> None:
    url = "https://www.acme.example/news/24/11/41799100/acme-up?id=3"

    assert cleaned(headline("Acme up", url=url)).url == url


# Tickers


def test_bare_words_are_no_tickers() -> None:
    assert tickers_of((), "ALL eyes on IT: NOW is the time, A BIG day for CEO OPEN letters") == ()


def test_cashtags_and_listings_are_tickers() -> None:
    text = "$AAPL and $BRK.B rise, Acme (NYSE: ACME) and Bolt (NASDAQ:BOLT) too, $5 and US$AB and $aapl are not"

    assert tickers_of((), text) == ("AAPL", "BRK.B", "ACME", "BOLT")


def test_a_cashtag_of_a_common_word_is_one() -> None:
    assert tickers_of((), "$ALL beats") == ("ALL",)


def test_tags_come_first_each_once_and_those_that_cannot_be_tickers_are_left_out() -> None:
    assert tickers_of([" msft", "MSFT", "X:BTCUSD", "", "not a ticker", "$ACME"], "$MSFT $IBM") == (
        "MSFT",
        "ACME",
        "IBM",
    )


# One story


def test_the_same_address_is_one_story_whatever_counts_the_visitors() -> None:
    first = headline("Acme wins a contract", 5, url="https://www.acme.example/news/1/?utm_source=x")
    later = headline("Government picks Acme", 2, "yahoo", url="https://acme.example/news/1?utm_medium=y#top")

    assert titles(first, later) == ["Acme wins a contract"]


def test_two_pages_of_one_site_are_two_stories() -> None:
    one = headline("Acme wins a contract", 5, url="https://acme.example/news?id=1")
    two = headline("Acme opens a plant", 2, url="https://acme.example/news?id=2")

    assert len(once(one, two)) == 2


def test_a_front_page_is_no_storys_own_address() -> None:
    one = headline("Acme wins a contract", 5, url="https://acme.example/")
    two = headline("Acme opens a plant", 2, url="https://acme.example")

    assert len(once(one, two)) == 2


def test_the_same_title_in_other_clothes_is_one_story() -> None:
    assert titles(
        headline("Acme beats estimates, raises guidance", 5),
        headline("ACME Beats Estimates &amp; Raises Guidance!", 4, "yahoo"),
    ) == ["Acme beats estimates, raises guidance"]


def test_a_title_with_the_publishers_name_behind_it_is_one_story() -> None:
    title = "Acme wins a contract of the navy to build and service ten new harbour cranes"

    assert titles(headline(title, 5), headline(f"{title} - The Daily Example", 4, "yahoo")) == [title]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (
            "Acme third quarter earnings beat the estimates of analysts",
            "Acme third quarter earnings miss the estimates of analysts",
        ),
        (
            "Analyst at the bank raises the price target of Acme to $12",
            "Analyst at the bank raises the price target of Acme to $15",
        ),
        ("Acme to build a plant in Texas", "Court hears Acme on patents"),
        ("Acme to build a plant in Texas with Bolt", "Acme to open an office in Texas with Zenith"),
    ],
)
def test_titles_that_differ_in_what_counts_are_two_stories(one: str, two: str) -> None:
    assert titles(headline(one, 5), headline(two, 4)) == [two, one]


def test_the_same_title_a_quarter_later_is_news_again() -> None:
    assert len(once(headline("Acme declares a dividend", 24 * 91), headline("Acme declares a dividend", 1))) == 2


def test_a_story_is_as_old_as_its_first_copy_and_names_what_all_of_them_name() -> None:
    first = headline("Acme buys Bolt", 20, tickers=("ACME",))
    copy = headline("Acme buys Bolt", 1, "yahoo", tickers=("BOLT",), summary="The price is 3 bn.")

    (story,) = once(copy, first)

    assert (story.at, story.tickers, story.summary, story.source) == (
        first.at,
        ("ACME", "BOLT"),
        "The price is 3 bn.",
        "alpaca",
    )


def test_stories_come_newest_first_whatever_order_they_arrive_in() -> None:
    stories = [headline("Acme opens a plant", 3), headline("Acme hires", 1), headline("Bolt sues Acme", 9)]

    assert titles(*stories) == titles(*reversed(stories)) == ["Acme hires", "Acme opens a plant", "Bolt sues Acme"]


def test_a_headline_of_nothing_but_hidden_signs_is_no_article() -> None:
    assert once(headline("\u200b\u202e\u3164")) == ()


# The news of a name


def test_copies_of_one_story_from_three_providers_count_as_one_article() -> None:
    answers = {name: [headline("Acme jumps on record profit", 2, name)] for name in ("alpaca", "yahoo", "finnhub")}

    news = news_of("ACME", NOON, answers)

    assert (news.count(), news.sources) == (1, ("alpaca", "finnhub", "yahoo"))


def test_an_article_about_another_name_is_not_news_of_this_one() -> None:
    news = news_of(
        "ACME", NOON, {"newsapi": [headline("Bolt up", tickers=("BOLT",)), headline("Bolt up", 2, tickers=())]}
    )

    assert news.articles == ()


def test_an_untagged_article_that_names_the_cashtag_is_news_of_it() -> None:
    news = news_of("ACME", NOON, {"stocktwits": [headline("$ACME looks good", tickers=())]})

    assert news.count() == 1


def test_a_class_of_shares_is_found_however_a_provider_spells_it() -> None:
    spelt = [headline(f"Acme {number}", tickers=(name,)) for number, name in enumerate(("BRK.B", "BRK-B", "BRK/B"))]

    assert news_of("BRK.B", NOON, {"yahoo": spelt}).count() == 3


def test_what_is_published_later_is_not_known_yet_even_as_a_copy() -> None:
    news = news_of("ACME", NOON, {"alpaca": [headline("Acme up", -1)], "yahoo": []})

    assert (news.articles, news.positive(), news.sources) == ((), None, ("alpaca", "yahoo"))


def test_an_article_is_scored_by_its_title_as_shown() -> None:
    news = news_of(
        "ACME", NOON, {"alpaca": [headline("Acme jumps on\u200b record &amp; profit", summary="Shares plunge.")]}
    )

    assert news.articles[0].probabilities == probabilities("Acme jumps on record & profit")


def test_two_good_articles_of_the_day_make_a_mean_above_the_rule() -> None:
    titles_of_the_day = ("Acme beats estimates and raises its guidance", "Acme upgraded to buy at Citi, shares jump")

    news = news_of(
        "ACME", NOON, {"alpaca": [headline(title, hours) for hours, title in enumerate(titles_of_the_day, 1)]}
    )

    assert news.count() == 2
    assert news.positive() > 0.7
