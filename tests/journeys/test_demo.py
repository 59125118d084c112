"""`wsb demo` as a visitor meets it: a process, a page, a card that asks, a tap, a fill and a digest."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from alerts.rules import RULES
from alerts.rules.thresholds import Thresholds
from bot import app
from bot.bulkheads import finish
from bot.command import Reply
from bot.config import load
from bot.console.replay import ReplayOptions, make_journey
from bot.day_jobs import LEFT_OUT, NO_RULES, day_jobs, rules
from bot.dispatch import dispatch
from bot.message import Card, Request
from bot.platforms.replay_chat import IDENTITY
from bot.replay import Journey
from engine.model.events import EventKind
from engine.store import Store

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


# The desk of a demo watches itself, as a live one does. In one process, without pauses.


@dataclass
class Visitor:
    """Somebody who approves what is proposed and answers the first alert."""

    journey: Journey
    answer: Reply | None = None

    def ask(self, text: str = "", action: str = "") -> Reply:
        """A command or a tap of theirs."""
        room = self.journey.room
        return finish(dispatch(room, Request(IDENTITY, text, action, f"test:{room.desk.new_id('U')}")))

    def card(self, text: str) -> Card:
        (card,) = self.ask(text).cards
        return card

    async def pace(self, now: datetime, planned: datetime) -> datetime:
        """No pause; what is told as an alert is seen at once."""
        del now
        told = next((card for card in self.journey.chat.messages.values() if card.title.startswith("Limit near")), None)
        if told is not None and self.answer is None:
            seen = Request(IDENTITY, action=told.buttons[0][0].action, source="test:seen")
            self.answer = await dispatch(self.journey.room, seen)
        return planned


def three_sessions() -> Visitor:
    """Spreads are bought on a Friday, lose nearly what a day may lose on Tuesday, and live on."""
    config = load(None, {})
    first, last = date(2009, 2, 13), date(2009, 2, 18)
    options = ReplayOptions(app.demo_prices(), first, last, strategies=("debit_spreads",), label="DEMO")
    made = make_journey(config, options, Store.memory())
    jobs = day_jobs(made.made.desk, config.alerts.thresholds, speed=600)
    room = replace(made.room, jobs=jobs, left_out=LEFT_OUT)
    visitor = Visitor(replace(made, room=room, jobs=jobs))
    finish(replace(visitor.journey, pace=visitor.pace).run(room.desk.sessions.between(first, last)))
    return visitor


def test_an_alert_comes_is_seen_and_ends_and_jobs_and_digests_run_at_the_clock_of_the_days() -> None:
    visitor = three_sessions()

    assert visitor.answer is not None
    seen = dict(visitor.answer.cards[0].facts)
    assert (seen["Since"], seen["Seen by"]) == ("2009-02-17 14:00 ET", "you, 14:30:00 ET")
    over = visitor.card(f"/alerts {visitor.answer.cards[0].footer}")
    assert over.title == "Over: Limit near: day's loss"
    assert "It is over after 19 h 30 min." in over.lines[0]
    jobs = visitor.card("/jobs")
    rows = {row[0]: row[1:] for table in jobs.tables for row in table.rows}
    assert rows["alerts"] == ("16:21", "done")
    assert rows["weekly report"] == ("Fri 16:20", "done")
    assert {last for _, last in rows.values()} <= {"done", "-"}
    assert visitor.card("/jobs alerts").tables[0].rows[0] == ("16:20", "0.0 s", "done")
    told = visitor.journey.room.desk.store
    with told.read() as work:
        kinds = [event.kind for event in work.events(kinds=(EventKind.DIGEST_READY, EventKind.REPORT_READY))]
    assert kinds == [EventKind.DIGEST_READY, EventKind.REPORT_READY, EventKind.DIGEST_READY, EventKind.DIGEST_READY]


def test_what_a_demo_does_without_is_said_where_it_is_looked_for() -> None:
    config = load(None, {})
    day = date(2009, 2, 3)
    made = make_journey(config, ReplayOptions(app.demo_prices(), day, day), Store.memory())
    jobs = day_jobs(made.made.desk, config.alerts.thresholds, speed=600)
    visitor = Visitor(replace(made, room=replace(made.room, jobs=jobs, left_out=LEFT_OUT)))

    assert visitor.card("/health").lines == (LEFT_OUT,)
    assert LEFT_OUT in visitor.card("/health levels").lines
    told = " ".join(visitor.ask("/runjob backup").cards[0].lines)
    assert told == f"There is no job “backup”. {LEFT_OUT} /jobs lists them all."
    assert {rule.name for rule in rules(Thresholds(), 600)} == {rule.name for rule in RULES} - NO_RULES


def test_people_have_as_long_to_answer_in_fast_days_as_in_life_and_a_card_rests_between_two_drawings() -> None:
    live = {rule.name: rule for rule in RULES}
    fast = {rule.name: rule for rule in rules(Thresholds(), 600)}
    slow = {rule.name: rule for rule in rules(Thresholds(), 1)}

    assert fast["margin"].escalates == timedelta(minutes=10) * 600
    assert fast["limit_near"].escalates is None
    assert fast["stop_near"].redraws == timedelta(minutes=50)
    assert all(slow[name] == replace(live[name], read=slow[name].read) for name in slow)
