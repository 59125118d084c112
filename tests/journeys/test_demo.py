"""`wsb demo` as a visitor meets it: a process, a page, a card that asks, a tap, a fill and a digest."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[2]
LOGIN = re.compile(r"(http://127\.0\.0\.1:\d+)/#token=(\S+)")
PATIENCE = 90


@asynccontextmanager
async def demo(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program, ended by the Ctrl-C a person would use."""
    environment = {**os.environ, "WSB__WEB__PORT": "0", "WSB__LOGGING__LEVEL": "warning"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "demo", *words, cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.wait(), 60)
        finally:
            if process.returncode is None:
                process.kill()


async def address(process: asyncio.subprocess.Process) -> tuple[str, str]:
    """The page's address and the token, as printed."""
    assert process.stderr is not None
    async for line in process.stderr:
        if found := LOGIN.search(line.decode()):
            return found[1], found[2]
    raise AssertionError("the demo ended without saying where its page is")


def actions(card: dict[str, Any], verb: str) -> list[str]:
    found = [button["action"] for row in card.get("buttons", []) for button in row]
    return [action for action in found if action.startswith(f"{verb}:")]


async def visit(url: str, token: str) -> list[dict[str, Any]]:
    """Approve everything that asks until the first digest; every card that was shown, in order."""
    shown: list[dict[str, Any]] = []
    tapped: set[str] = set()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        origin = {"Origin": url}
        async with browser.post(f"{url}/login", json={"token": token}, headers=origin) as answer:
            assert answer.status == 200
        async with browser.ws_connect(f"{url}/socket", headers=origin) as socket:
            async for frame in socket:
                body = frame.json()
                assert body["type"] != "error", body
                messages = body.get("messages", []) + [body[key] for key in ("message",) if key in body]
                for message in (message for message in messages if "card" in message):
                    card = message["card"]
                    shown.append(card)
                    for action in set(actions(card, "approve")) - tapped:
                        tapped.add(action)
                        tap = {"type": "tap", "id": f"t{len(tapped)}", "message": message["id"], "action": action}
                        await socket.send_json(tap)
                    if card["title"].startswith("Digest"):
                        return shown
    raise AssertionError("the page went away")


async def test_a_visitor_approves_a_card_sees_it_filled_and_reads_the_digest() -> None:
    async with asyncio.timeout(PATIENCE), demo("--days", "1", "--speed", "100000") as process:
        shown = await visit(*await address(process))

    titles = [card["title"] for card in shown]
    assert any(title.endswith("?") for title in titles)
    assert any(title.endswith("(order working)") for title in titles)
    assert any(title.endswith("(filled)") for title in titles)
    assert titles[-1] == "Digest Tue 3 Feb 09"
    assert all(card["banner"].startswith("DEMO 2009-02-03") for card in shown)
    assert process.returncode == 0
