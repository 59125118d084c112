"""NewsAPI: articles of the general press. Unproven: no recorded answer was at hand.

Fields and limits are read as in https://newsapi.org/docs/endpoints/everything, https://newsapi.org/docs/authentication
(the key goes in the header X-Api-Key) and https://newsapi.org/pricing: the developer plan is for development and
testing, shows articles a day late and gives 100 of them at most for one question. A rule about the news of a day finds
none of them new enough.

- Its articles name no tickers. One is asked for by the company's exact name, where the desk knows it, or by its
  exchange and ticker, and is linked only where title or description say so in those words: the name whole, $AAPL
  or NASDAQ: AAPL. A ticker alone or in brackets is not enough: ALL and CAT are words, (IT) and (AI) are no companies.
- It has no id of an article: the address is one. What the publisher took back stays as "[Removed]" and is left out.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from engine.data.budget import Allowance, Budget
from engine.data.providers.entitlements import Entitlements
from engine.data.providers.fields import Fields, Row
from engine.data.providers.port import Offer, Provider
from engine.data.providers.reader import TIMEOUTS, Reader, invalid
from engine.model.market import Kind
from engine.model.news import Headline
from engine.transport import Timeouts

NAME = "newsapi"
URL = "https://newsapi.org/v2"
ALLOWANCES = (Allowance(100, 86_400.0),)
LONGEST_ANSWER = 100
OLDEST = timedelta(days=29)
"""The developer plan refuses a question about what is more than a month old."""
EXCHANGES = ("NASDAQ", "NYSE", "NYSEARCA", "NYSEAMERICAN", "AMEX", "CBOE")
REMOVED = "[Removed]"
KINDS = {Offer.NEWS: Kind.DELAYED}
FIELDS = Fields(NAME)


def _no_name(ticker: str) -> str:
    return ""


class NewsApi(Provider):
    """See the module. `clock` tells aware UTC; `tick` monotonic seconds.

    `name_of` gives the name of a company as the press writes it ("Apple Inc"), "" where it is not known.
    """

    name = NAME
    allowances = ALLOWANCES
    is_proven = False

    def __init__(
        self,
        key: str,
        clock: Callable[[], datetime],
        name_of: Callable[[str], str] = _no_name,
        *,
        url: str = "",
        timeouts: Timeouts = TIMEOUTS,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._name_of = name_of
        self.budget = Budget(NAME, *ALLOWANCES, tick=tick)
        self._reader = Reader(NAME, url or URL, self.budget, clock, headers={"X-Api-Key": key}, timeouts=timeouts)
        self._granted = Entitlements(NAME, KINDS, tick)

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return self._granted.offers

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return (self.budget,)

    def close(self) -> None:
        self._reader.close()

    def news(self, tickers: Sequence[str], since: datetime) -> tuple[Headline, ...]:
        """Articles that are about any of the tickers beyond doubt, one request each, the newest 100 of each."""
        names = {ticker: self._name_of(ticker).replace('"', " ").strip() for ticker in tickers}
        start = max(since.astimezone(UTC), self._clock().astimezone(UTC) - OLDEST)
        answers = self._granted.each(Offer.NEWS, tickers, lambda ticker: self._articles(ticker, names[ticker], start))
        patterns = {ticker: _pattern(ticker, name) for ticker, name in names.items()}
        found: dict[str, Headline] = {}
        for rows in answers.values():
            for headline in FIELDS.each("articles", rows, lambda row: _headline(row, patterns)):
                if headline.at >= since:
                    found[headline.id] = headline
        return tuple(sorted(found.values(), key=lambda headline: headline.at, reverse=True))

    def _articles(self, ticker: str, company: str, start: datetime) -> list[object]:
        phrases = [company] if company else [f"{exchange}: {ticker}" for exchange in EXCHANGES]
        answer = FIELDS.mapping(
            "everything",
            self._reader.json(
                "/everything",
                {
                    "q": " OR ".join(f'"{phrase}"' for phrase in phrases),
                    "searchIn": "title,description",
                    "from": f"{start:%Y-%m-%dT%H:%M:%S}",
                    "sortBy": "publishedAt",
                    "pageSize": str(LONGEST_ANSWER),
                },
            ),
        )
        if answer.get("status") != "ok":
            raise invalid(NAME, "status", answer.get("status"))
        return FIELDS.rows("articles", answer.get("articles"))


def _pattern(ticker: str, company: str) -> re.Pattern[str]:
    """What in a text is about the company beyond doubt.

    >>> [bool(_pattern("ALL", "").search(text)) for text in ("ALL banks fall", "Allstate (NYSE: ALL)", "$ALL")]
    [False, True, True]
    """
    symbol = re.sub(r"\\[./-]", "[./-]", re.escape(ticker))
    marked = rf"(?:\$|\b(?:{'|'.join(EXCHANGES)})\s*:\s*){symbol}(?![\w./-]*\w)"
    return re.compile(rf"{marked}|(?i:(?<![\w-]){re.escape(company)}(?![\w-]))" if company else marked)


def _headline(row: Row, patterns: Mapping[str, re.Pattern[str]]) -> Headline | None:
    at, url = FIELDS.instant("publishedAt", row.get("publishedAt")), FIELDS.text("url", row.get("url"))
    title, summary = (FIELDS.text(name, row.get(name)) for name in ("title", "description"))
    about = tuple(ticker for ticker, known in patterns.items() if known.search(title) or known.search(summary))
    if at is None or not url or title in ("", REMOVED) or not about:
        return None
    publisher = FIELDS.mapping("source", row.get("source") or {})
    return Headline(
        id=url,
        at=at,
        title=title,
        summary=summary,
        tickers=about,
        source=NAME,
        publisher=FIELDS.text("source.name", publisher.get("name")),
        url=url,
    )
