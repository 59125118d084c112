"""A simulated server for the tests of Discord."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.bot.discord.server import Server, open_server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with open_server() as opened:
        yield opened
