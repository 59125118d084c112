"""StockTwits on this machine: a stream of one name, page by page from the newest back, each page as it was recorded or
made for a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.standins.provider_server import Answer, ProviderServer, Query

Message = dict[str, Any]
GUARD = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"


def message(number: int, at: str, body: str = "$XYZ is up", symbols: Sequence[str] = ("XYZ",)) -> Message:
    return {
        "id": number, "body": body, "created_at": at, "user": {"id": 1, "username": "nimbus9", "name": "G Flash"},
        "source": {"id": 2095, "title": "StockTwits For Android"}, "entities": {"sentiment": {"basic": "Bullish"}},
        "symbols": [{"id": 686, "symbol": symbol, "title": symbol, "aliases": []} for symbol in symbols],
        "mentioned_users": [],
    }  # fmt: skip


class StockTwitsServer(ProviderServer):
    """`streams` holds the messages of each name, newest first; `page` is how many come at once."""

    def __init__(self, page: int = 30) -> None:
        super().__init__({"/streams/symbol/(?P<symbol>[^/]+).json": self._stream})
        self.streams: dict[str, list[Message]] = {}
        self.page = page

    def _stream(self, query: Query, symbol: str) -> Answer:
        if symbol not in self.streams:
            return 404, {"response": {"status": 404}, "errors": [{"message": "Symbol not found"}]}
        below = int(query.get("max", 10**12))
        older = [each for each in self.streams[symbol] if each["id"] < below]
        shown = older[: self.page]
        cursor = {"more": len(older) > len(shown), "since": None, "max": shown[-1]["id"] if shown else None}
        return 200, {"response": {"status": 200}, "symbol": {"symbol": symbol}, "cursor": cursor, "messages": shown}
