"""Headlines of several providers made into the news of one name: cleaned, linked to tickers, each story once, scored.

Everything a provider sends is untrusted text. It is made harmless to read here; whatever shows it escapes it once
more for its platform, and nothing ever reads it for instructions.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

from engine.model.instruments import TICKER, dotted
from engine.model.news import Headline, News, Scored
from engine.sentiment import probabilities
from engine.sentiment.lexicon import NEGATIVE, POSITIVE

MAX_TITLE = 300
MAX_SUMMARY = 600
MAX_URL = 2_000
ALIKE = 0.6
"""The share of two titles' pairs of words that both have (Jaccard), from which on they may be one story."""
SAME_STORY = timedelta(days=3)
"""Further apart, the same title is news again: "Acme declares a dividend of $0.10"."""

_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")
_ACCENT = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u20d0-\u20ff]"
_STACKED = re.compile(f"({_ACCENT}{{2}}){_ACCENT}+")
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and signs by their category that show nothing."""
_MISLEADING = frozenset(" <>\"'`()[]{}|\\^")
_CASHTAG = re.compile(rf"(?<![\w$])\$({TICKER.pattern})(?![\w$])")
_LISTED = re.compile(
    rf"\(\s*(?:NYSE|NASDAQ|Nasdaq|NasdaqGS|NasdaqGM|NYSE American|NYSE Arca|AMEX|Cboe)\s*:\s*({TICKER.pattern})\s*\)"
)
_WORD = re.compile(r"[^\W_]+")
_TRACKING = re.compile(r"utm_\w+|fbclid|gclid|cmpid|ref|source|\.?tsrc|guccounter")


def clean(text: str, longest: int = MAX_TITLE) -> str:
    """One line of printable text, at most so many characters.

    HTML entities are read and tags dropped; control characters, line breaks, signs that turn the direction of writing
    or have no width, private and unassigned ones are gone; accents are not stacked; what was cut ends in "…".

    >>> clean("Acme&#39;s <b>profit</b>\\n up\\u202e 3&nbsp;%")
    "Acme's profit up 3 %"
    """
    text = _TAG.sub(" ", html.unescape(text[: 8 * longest]))
    text = unicodedata.normalize("NFC", "".join(map(_harmless, text)))
    text = " ".join(_STACKED.sub(r"\1", text).split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _harmless(sign: str) -> str:
    """The character, a space for one that separates or controls, nothing for one that is not seen."""
    category = unicodedata.category(sign)
    if category in ("Cc", "Zl", "Zp", "Zs") or sign in _BLANK:
        return " "
    return "" if category[0] == "C" else sign


def cleaned(headline: Headline) -> Headline:
    """The headline with harmless texts, and with its tickers: those it was tagged with and those it names for certain.

    For certain are a cashtag ("$AAPL") and a listing ("(NASDAQ: AAPL)"). A bare word never is: ALL, IT, NOW and OPEN
    are tickers, too. An address that is not one of the web is dropped.
    """
    title, summary = clean(headline.title), clean(headline.summary, MAX_SUMMARY)
    return replace(
        headline,
        title=title,
        summary=summary,
        tickers=tickers_of(headline.tickers, f"{title} {summary}"),
        publisher=clean(headline.publisher, 60),
        url=_web(headline.url),
    )


def tickers_of(tagged: Iterable[str], text: str) -> tuple[str, ...]:
    """The tickers of an article, each once: the tags that can be tickers first, then those its text names."""
    tags = (dotted(tag.strip().lstrip("$").upper()) for tag in tagged)
    named = (dotted(match[1]) for pattern in (_CASHTAG, _LISTED) for match in pattern.finditer(text))
    return tuple(dict.fromkeys([*(tag for tag in tags if TICKER.fullmatch(tag)), *named]))


def _web(url: str) -> str:
    """The address, or nothing where it is none of the web, is too long, or holds a sign that could mislead."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or set(url) & _MISLEADING:
        return ""
    parts = urlsplit(url)
    return url if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc else ""


def merged(headlines: Iterable[Headline]) -> tuple[Headline, ...]:
    """Each story once, newest first. The first to publish it stands for it, with everybody's tickers.

    One story are two articles of one address, and two of nearly the same title within three days. Titles with
    different numbers, or with different words of good or bad news, are never nearly the same.

    Args:
        headlines: as `cleaned` gives them.
    """
    stories = _Stories({}, defaultdict(list), [])
    for headline in sorted(headlines, key=lambda article: (article.at, article.source, article.id)):
        if headline.title:
            stories.add(headline)
    return tuple(sorted(stories.kept, key=lambda article: article.at, reverse=True))


def news_of(ticker: str, asof: datetime, answers: Mapping[str, Sequence[Headline]]) -> News:
    """The news of a name as it was known at `asof`, scored.

    Args:
        answers: provider -> its headlines. One that answered with nothing is in it, one that failed is not.
    """
    known = (cleaned(headline) for answer in answers.values() for headline in answer if headline.at <= asof)
    stories = merged(headline for headline in known if dotted(ticker) in headline.tickers)
    scored = tuple(Scored(headline, probabilities(headline.title)) for headline in stories)
    return News(ticker, asof, scored, tuple(sorted(answers)))


@dataclass(frozen=True, slots=True)
class _Title:
    """What of a title tells one story from another."""

    pairs: frozenset[tuple[str, str]]
    numbers: tuple[str, ...]
    signs: frozenset[str]

    def is_like(self, other: _Title) -> bool:
        if (self.numbers, self.signs) != (other.numbers, other.signs):
            return False
        return len(self.pairs & other.pairs) >= ALIKE * len(self.pairs | other.pairs)


def _title(text: str) -> _Title:
    found = _WORD.findall(text.casefold())
    return _Title(
        frozenset(zip(["", *found], [*found, ""], strict=True)),
        tuple(word for word in found if any(map(str.isdigit, word))),
        frozenset(found) & (POSITIVE | NEGATIVE),
    )


@dataclass(frozen=True, slots=True)
class _Stories:
    """The stories so far, found again by address and by the numbers and signs of their titles."""

    by_address: dict[str, int]
    by_title: dict[tuple[tuple[str, ...], frozenset[str]], list[tuple[int, _Title]]]
    kept: list[Headline]

    def add(self, headline: Headline) -> None:
        """Later than all before it: a new story, or more tickers of an old one."""
        address, title = _address(headline.url), _title(headline.title)
        known = self._find(address, title, headline.at)
        if known is None:
            known = len(self.kept)
            self.kept.append(headline)
            self.by_title[title.numbers, title.signs].append((known, title))
        else:
            self.kept[known] = _joined(self.kept[known], headline)
        if address:
            self.by_address.setdefault(address, known)

    def _find(self, address: str, title: _Title, at: datetime) -> int | None:
        if address in self.by_address:
            return self.by_address[address]
        alike = self.by_title[title.numbers, title.signs]
        recent = ((index, other) for index, other in reversed(alike) if at - self.kept[index].at <= SAME_STORY)
        return next((index for index, other in recent if title.is_like(other)), None)


def _joined(first: Headline, later: Headline) -> Headline:
    """The first, with the other's tickers, and with its summary and address where the first has none."""
    return replace(
        first,
        tickers=tuple(dict.fromkeys([*first.tickers, *later.tickers])),
        summary=first.summary or later.summary,
        url=first.url or later.url,
    )


def _address(url: str) -> str:
    """What two links to one page have in common: host, path and query, without what only counts visitors."""
    parts = urlsplit(url)
    host = parts.netloc.lower().removeprefix("www.").removeprefix("m.")
    query = urlencode(sorted(pair for pair in parse_qsl(parts.query) if not _TRACKING.fullmatch(pair[0].lower())))
    page = parts.path.rstrip("/")
    return f"{host}{page}?{query}" if page or query else ""
