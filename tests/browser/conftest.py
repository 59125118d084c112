"""A real Chromium and the page it opens. Skipped, or failed in `make ci`, where there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.page import PageWorld, open_page
from tests.programs import chromium

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

HERE = Path(__file__).parent
PHONE = {"width": 390, "height": 844}
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder, so that `-m browser` selects it."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("browser")


@pytest.fixture
async def desk() -> AsyncIterator[PageWorld]:
    """A desk with its page served."""
    async with open_page() as opened:
        yield opened


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    # Not among the packages that `make test` installs: the tests that need it skip themselves without it.
    from playwright.async_api import async_playwright

    program = chromium()
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield running
        await running.close()


@pytest.fixture
async def tab(browser: Browser) -> AsyncIterator[Page]:
    """An empty tab of a phone's size; what the page writes to its console fails the test."""
    context = await browser.new_context(viewport=PHONE, color_scheme="light")
    page = await context.new_page()
    page.set_default_timeout(15_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None
    )
    yield page
    await context.close()
    assert [text for text in complaints if not _is_expected(text)] == []


def _is_expected(text: str) -> bool:
    """A refusal or a lost server that a test provokes is reported by the browser, too."""
    refusals = ("the server responded with a status of", "WebSocket connection to", "by CORS policy", "net::ERR_")
    return any(words in text for words in refusals)
