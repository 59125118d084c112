"""StockTwits: what people write about a name, as news. Off unless turned on.

Fields are read as in the recorded answers of 2019 that its clients' tests carry, and in
https://api.stocktwits.com/developers/docs/api (streams/symbol). It needs no key; new ones are not given out. A service
against robots stands before it: a page of that (403 or HTML in place of JSON) is no answer, and what the desk asked
may be answered again later.

- A message is a headline without a summary; who wrote it is its publisher, a person or a robot.
- The writer's own tag, bullish or bearish, is left out: it says what he holds, not what is written, and is no score.
- Texts come with HTML's escapes, which are undone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from html import unescape
from urllib.parse import quote

from engine.data.budget import Allowance, Budget
from engine.data.providers.entitlements import Entitlements
from engine.data.providers.fields import Fields, Row, is_ticker
from engine.data.providers.port import Offer, Provider
from engine.data.providers.reader import TIMEOUTS, Reader
from engine.data.providers.trouble import NotEntitled, Unreachable
from engine.model.market import Kind
from engine.model.news import Headline
from engine.transport import Timeouts

NAME = "stocktwits"
URL = "https://api.stocktwits.com/api/2"
ALLOWANCES = (Allowance(200, 3600.0),)
"""Without a key (https://api.stocktwits.com/developers/docs/rate_limiting)."""
PAGES = 4
"""Of about 30 messages, read back for one name at most: a busy one has thousands a day."""
CRYPTO = ".X"
KINDS = {Offer.NEWS: Kind.REAL}
FIELDS = Fields(NAME)


class StockTwits(Provider):
    """See the module. `clock` tells aware UTC; `tick` monotonic seconds."""

    name = NAME
    allowances = ALLOWANCES
    is_proven = True

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        url: str = "",
        timeouts: Timeouts = TIMEOUTS,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = Budget(NAME, *ALLOWANCES, tick=tick)
        self._reader = Reader(NAME, url or URL, self.budget, clock, timeouts=timeouts)
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
        """Messages about any of the tickers, the newest of each name; one under several names is one headline."""
        answers = self._granted.each(Offer.NEWS, tickers, lambda ticker: self._messages(ticker, since))
        found: dict[str, Headline] = {}
        for messages in answers.values():
            for message in messages:
                first = found.setdefault(message.id, message)
                joined = tuple(dict.fromkeys([*first.tickers, *message.tickers]))
                found[message.id] = replace(first, tickers=joined)
        return tuple(sorted(found.values(), key=lambda message: message.at, reverse=True))

    def _messages(self, ticker: str, since: datetime) -> list[Headline]:
        """Page after page back to `since`."""
        found: list[Headline] = []
        older: dict[str, str] = {}
        for _ in range(PAGES):
            answer = self._page(ticker, older)
            rows = FIELDS.rows("messages", answer.get("messages"))
            page = FIELDS.each("messages", rows, partial(_headline, ticker))
            found += [message for message in page if message.at >= since]
            cursor = FIELDS.mapping("cursor", answer.get("cursor") or {})
            last = FIELDS.number("cursor.max", cursor.get("max"))
            if cursor.get("more") is not True or last is None or any(message.at < since for message in page):
                break
            older = {"max": f"{last:.0f}"}
        return found

    def _page(self, ticker: str, params: Mapping[str, str]) -> Row:
        path = f"/streams/symbol/{quote(ticker, safe='')}.json"
        try:
            return FIELDS.mapping("stream", self._reader.json(path, params))
        except NotEntitled:
            # There are no keys that could be short of anything: it is the guard.
            raise Unreachable(f"{NAME} shows its guard against robots in place of data ({path}).") from None


def _headline(about: str, row: Row) -> Headline | None:
    at, body = FIELDS.instant("created_at", row.get("created_at")), FIELDS.text("body", row.get("body"))
    number = FIELDS.number("id", row.get("id"))
    if at is None or number is None or not body:
        return None
    user = FIELDS.mapping("user", row.get("user") or {})
    symbols = [FIELDS.mapping("symbols", each) for each in FIELDS.rows("symbols", row.get("symbols") or [])]
    named = [FIELDS.text("symbol", each.get("symbol")) for each in symbols]
    return Headline(
        id=f"{number:.0f}",
        at=at,
        title=unescape(body),
        summary="",
        tickers=tuple(dict.fromkeys([about, *(one for one in named if is_ticker(one) and not one.endswith(CRYPTO))])),
        source=NAME,
        publisher=FIELDS.text("username", user.get("username")),
    )
