"""NewsAPI on this machine. Its answers are generated from the service's own documentation
(https://newsapi.org/docs/endpoints/everything), not recorded.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from tests.standins.provider_server import Answer, ProviderServer, Query


def article(title: str | None, at: str, description: str | None = None, **changes: object) -> dict[str, Any]:
    slug = re.sub(r"\W+", "-", (title or "none").casefold())
    return {
        "source": {"id": None, "name": "The Verge"}, "author": "A. Writer", "title": title, "description": description,
        "url": f"https://example.com/{slug}", "urlToImage": None, "publishedAt": at, "content": None, **changes,
    }  # fmt: skip


ARTICLES = [
    article(
        "Apple Inc opens a plant", "2026-11-26T15:00:00Z", "With Berkshire Hathaway Inc (NYSE: BRK-B) as a partner."
    ),
    article("Fruit growers meet", "2026-11-26T14:00:00Z", "An apple inc-ident in the orchard."),
    article("Caterpillar (NYSE: CAT) raises its outlook", "2026-11-26T13:00:00Z"),
    article("CAT videos break the internet", "2026-11-26T12:00:00Z", "A CAT a day."),
    article("[Removed]", "2026-11-26T11:00:00Z", "Apple Inc"),
    article(None, "2026-11-26T11:00:00Z", "Apple Inc"),
    article("Apple Inc in the spring", "2026-11-20T09:00:00Z"),
]


class NewsApiServer(ProviderServer):
    """Finds articles by the words of a phrase, whatever stands between them, as a search does."""

    def __init__(self) -> None:
        super().__init__({"/everything": self._everything})
        self.articles = list(ARTICLES)

    def _everything(self, query: Query) -> Answer:
        phrases = [re.findall(r"\w+", phrase.casefold()) for phrase in re.findall(r'"([^"]+)"', query["q"])]
        start = datetime.fromisoformat(query["from"] + "+00:00")
        found = [
            each
            for each in self.articles
            if datetime.fromisoformat(each["publishedAt"]) >= start
            and any(_has(phrase, f"{each['title']} {each['description']}") for phrase in phrases)
        ]
        return 200, {"status": "ok", "totalResults": len(found), "articles": found[: int(query["pageSize"])]}


def _has(phrase: list[str], text: str) -> bool:
    words = re.findall(r"\w+", text.casefold())
    return any(words[place : place + len(phrase)] == phrase for place in range(len(words)))
