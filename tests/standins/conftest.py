"""A pretended Telegram whose clock stands still, a person and a bot in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from telegram import Bot

from tests.standins.telegram_kit import Clock, connected
from tests.standins.telegram_server import TelegramServer
from tests.standins.telegram_world import Person


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[TelegramServer]:
    with TelegramServer(now=clock) as running:
        yield running


@pytest.fixture
def ann(server: TelegramServer) -> Person:
    return server.person("ann")


@pytest.fixture
async def bot(server: TelegramServer) -> AsyncIterator[Bot]:
    async with connected(server) as found:
        yield found
