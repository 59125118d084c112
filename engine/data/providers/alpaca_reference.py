"""What Alpaca's trading API says about names and days: assets, sessions, its own time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from engine.data.providers.alpaca_client import NAME, READ, AlpacaClient, Payload
from engine.data.providers.alpaca_values import needed
from engine.data.providers.port import Asset
from engine.data.providers.reader import invalid
from engine.sessions import NEW_YORK

KEPT = timedelta(hours=6)
"""How long the list of assets is good: it has eleven thousand rows and changes overnight."""


@dataclass(frozen=True, slots=True)
class TradingDay:
    """A session with its bells, aware UTC."""

    day: date
    opens_at: datetime
    closes_at: datetime


class AlpacaReference:
    """Questions to the trading host. Safe to share between threads; the list of assets is kept for some hours."""

    def __init__(self, client: AlpacaClient, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._loading = threading.Lock()
        self._assets: tuple[datetime, Mapping[str, Asset]] | None = None

    def assets(self) -> Mapping[str, Asset]:
        """The active names by ticker."""
        with self._loading:
            now = self._clock()
            if self._assets is None or not timedelta() <= now - self._assets[0] < KEPT:
                answer = self._client.trading("/v2/assets", {"status": "active", "asset_class": "us_equity"})
                self._assets = (
                    now,
                    {each.ticker: each for each in READ.each("asset", READ.rows("assets", answer), _asset)},
                )
            return self._assets[1]

    def now(self) -> datetime:
        """The time at Alpaca, aware UTC."""
        return needed(READ.mapping("clock", self._client.trading("/v2/clock")), "timestamp", READ.instant)

    def calendar(self, start: date, end: date) -> tuple[TradingDay, ...]:
        """The sessions from `start` to `end` inclusive with their opening and closing times, oldest first."""
        question = {"start": f"{start}T00:00:00Z", "end": f"{end}T00:00:00Z"}
        answer = self._client.trading("/v2/calendar", question)
        return tuple(
            sorted(READ.each("calendar", READ.rows("calendar", answer), _trading_day), key=lambda each: each.day)
        )


def _asset(row: Payload) -> Asset:
    """A row of the list; its attributes tell about options (openapi `Assets.attributes`)."""
    attributes = READ.rows("attributes", row.get("attributes") or [])
    return Asset(
        ticker=needed(row, "symbol", READ.text),
        name=READ.text("name", row.get("name")),
        exchange=READ.text("exchange", row.get("exchange")),
        is_tradable=row.get("tradable") is True and row.get("status") == "active",
        is_optionable="has_options" in attributes,
        closes_late="options_late_close" in attributes,
    )


def _trading_day(row: Payload) -> TradingDay:
    found = needed(row, "date", READ.day)
    return TradingDay(found, _bell(row, "open", found), _bell(row, "close", found))


def _bell(row: Payload, field: str, found: date) -> datetime:
    """A wall time of New York ("09:30") on a day."""
    try:
        clock = time.fromisoformat(needed(row, field, READ.text))
    except ValueError:
        raise invalid(NAME, field, row.get(field)) from None
    return datetime.combine(found, clock, NEW_YORK).astimezone(UTC)
