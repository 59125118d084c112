"""What was written about a name: the window, the two means, and no news."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import DataInvalid
from engine.model.news import Headline, News, Probabilities, Scored, Tone

NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)


def article(hours: float, positive: float, negative: float = 0.0) -> Scored:
    """Published so many hours before noon."""
    at = NOON - timedelta(hours=hours)
    return Scored(
        Headline(f"{hours}", at, "Acme beats", "", ("ACME",), "alpaca"),
        Probabilities(positive, 1 - positive - negative, negative),
    )


def news(*articles: Scored) -> News:
    return News("ACME", NOON, articles, ("alpaca",))


def test_the_rule_reads_the_plain_mean_of_the_last_24_hours() -> None:
    assert news(article(1, 0.9), article(23, 0.6), article(25, 0.1)).positive() == pytest.approx(0.75)


def test_an_article_exactly_24_hours_old_counts_and_one_a_second_older_does_not() -> None:
    assert news(article(24, 0.9), article(24 + 1 / 3600, 0.1)).count() == 1


def test_what_is_published_after_the_moment_is_not_known_yet() -> None:
    ahead = news(article(-0.001, 0.9))

    assert (ahead.count(), ahead.positive(), ahead.decayed()) == (0, None, None)


def test_no_news_is_no_signal_and_not_a_zero() -> None:
    assert (news().positive(), news().decayed(), news(article(30, 0.9)).positive()) == (None, None, None)


def test_the_decayed_mean_gives_an_article_half_the_weight_per_six_hours() -> None:
    assert news(article(0, 0.9), article(6, 0.6)).decayed() == pytest.approx((0.9 + 0.6 / 2) / 1.5)


def test_the_decayed_mean_of_articles_that_are_all_as_old_is_the_plain_one() -> None:
    old = news(article(20, 0.9), article(20, 0.5))

    assert old.decayed() == pytest.approx(old.positive())


def test_every_tone_has_its_count_and_a_tie_reads_neutral() -> None:
    mixed = news(article(1, 0.8), article(2, 0.1, negative=0.8), article(3, 0.5, negative=0.5))

    assert mixed.tones() == {Tone.POSITIVE: 1, Tone.NEUTRAL: 1, Tone.NEGATIVE: 1}


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (1.2, -0.2, 0.0), (float("nan"), 0.5, 0.5)])
def test_what_are_not_shares_of_one_is_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(DataInvalid, match="not three shares of 1"):
        Probabilities(*shares)


def test_a_headline_without_a_time_zone_is_refused_by_name() -> None:
    with pytest.raises(DataInvalid, match=r"alpaca headline 7: its time .* has no time zone"):
        Headline("7", NOON.replace(tzinfo=None), "Acme beats", "", (), "alpaca")
