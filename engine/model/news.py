"""What was written about a name, how it reads, and the two means of it: the rule's and the one shown beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import isclose
from statistics import fmean

from engine.errors import DataInvalid

HALF_LIFE = timedelta(hours=6)
"""An article this old counts half of a new one in `News.decayed`: of our choosing, the rules do not read it."""


class Tone(StrEnum):
    """How a headline reads to somebody who holds the name."""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class Headline:
    """One article as a provider gave it. Every text in it is untrusted: shown, scored, never read as anything else.

    Attributes:
        id: the provider's own.
        at: when it was published, aware UTC.
        tickers: upper case, each once.
        source: the provider that brought it ("alpaca", "yahoo", ...).
        publisher: who wrote it ("Benzinga", ...), "" where not said.
        url: "" where there is none.
    """

    id: str
    at: datetime
    title: str
    summary: str
    tickers: tuple[str, ...]
    source: str
    publisher: str = ""
    url: str = ""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise DataInvalid(f"{self.source} headline {self.id}: its time {self.at} has no time zone")


@dataclass(frozen=True, slots=True)
class Probabilities:
    """How likely each tone is, each in [0, 1], together 1."""

    positive: float
    neutral: float
    negative: float

    def __post_init__(self) -> None:
        each = (self.positive, self.neutral, self.negative)
        if not (all(0 <= chance <= 1 for chance in each) and isclose(sum(each), 1, abs_tol=1e-6)):
            raise DataInvalid(f"the tones' probabilities {each} are not three shares of 1")

    @property
    def likeliest(self) -> Tone:
        """The tone with the highest probability; a tie of the highest is neutral."""
        if self.positive > max(self.neutral, self.negative):
            return Tone.POSITIVE
        if self.negative > max(self.neutral, self.positive):
            return Tone.NEGATIVE
        return Tone.NEUTRAL


@dataclass(frozen=True, slots=True)
class Scored:
    """A headline and how it reads."""

    headline: Headline
    probabilities: Probabilities


@dataclass(frozen=True, slots=True)
class News:
    """What was written about a ticker up to `asof`.

    No news is no signal: the means are None over a window without articles, never 0 or a half. What is published
    after `asof` counts nowhere.

    Attributes:
        articles: each once, newest first.
        sources: the providers that answered, with or without an article; none of them means that nothing is known.
    """

    ticker: str
    asof: datetime
    articles: tuple[Scored, ...]
    sources: tuple[str, ...]

    def within(self, hours: float = 24) -> tuple[Scored, ...]:
        """The articles of the last `hours` before `asof`, both ends included."""
        since = self.asof - timedelta(hours=hours)
        return tuple(article for article in self.articles if since <= article.headline.at <= self.asof)

    def count(self, hours: float = 24) -> int:
        return len(self.within(hours))

    def tones(self, hours: float = 24) -> Mapping[Tone, int]:
        """How many articles read each way; every tone has its number."""
        found = Counter(article.probabilities.likeliest for article in self.within(hours))
        return {tone: found[tone] for tone in Tone}

    def positive(self, hours: float = 24) -> float | None:
        """The plain mean probability of positive over the window: the figure that the rules compare."""
        articles = self.within(hours)
        return fmean(article.probabilities.positive for article in articles) if articles else None

    def decayed(self, hours: float = 24, half_life: timedelta = HALF_LIFE) -> float | None:
        """The same mean with newer articles counting more: half the weight per `half_life` of age. For people only."""
        articles = self.within(hours)
        if not articles:
            return None
        weights = [0.5 ** ((self.asof - article.headline.at) / half_life) for article in articles]
        return fmean((article.probabilities.positive for article in articles), weights)
