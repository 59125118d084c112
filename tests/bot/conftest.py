"""What the tests of the page share: the page itself, and somebody who is not logged in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.page import PageWorld, open_page


@pytest.fixture
async def page() -> AsyncIterator[PageWorld]:
    async with open_page() as opened:
        yield opened


@pytest.fixture
async def stranger() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client
