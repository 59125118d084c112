"""The page's WebSocket without a browser: frames in, frames out."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace

import aiohttp
import pytest

from bot.message import Button, Card, Progress
from bot.platforms.web_feed import DESK
from bot.platforms.web_frames import Line, Tap, Typing, read, working
from engine.errors import BadRequest
from engine.model.market import MarketSnapshot
from engine.model.trade import ApprovalStatus
from strategies import CATALOGUE
from tests import make
from tests.desk import World, make_world
from tests.fakes import FakeMarket
from tests.page import PageWorld, cards, open_page


async def test_page_is_greeted_with_name_clock_and_feed(page: PageWorld):
    await page.propose()

    async with page.socket("ben") as socket:
        welcome, clock, feed = [await socket.ws.receive_json() for _ in range(3)]

    assert welcome == {"type": "welcome", "name": "ben", "role": "trader"}
    assert clock == {
        "type": "clock",
        "now": "2026-06-15T14:00:00+00:00",
        "shown": "2026-06-15 10:00 ET",
        "banner": "PAPER",
    }
    assert [message["card"]["title"] for message in feed["messages"]] == ["wheel: sell 2 × XYZ 44 put?"]
    assert feed["messages"][0]["card"]["expires_at"] == "2026-06-15T14:05:00+00:00"


async def test_clock_moves_with_the_desk_and_not_by_itself(page: PageWorld):
    async with page.socket() as socket:
        await socket.next("feed")
        page.world.clock.advance(minutes=3)

        assert (await socket.next("clock"))["now"] == "2026-06-15T14:03:00+00:00"


async def test_approving_changes_the_card_on_every_page_and_the_fill_follows(page: PageWorld):
    approval = await page.propose()
    async with page.socket("ann") as ann, page.socket("ben") as ben:
        message = (await ann.next("feed"))["messages"][0]
        frames = await ann.tap("t1", message["id"], f"approve:{approval.key}")
        seen = (await ben.next("message"))["message"]
        await page.fill()
        filled = (await ben.next("message"))["message"]

    assert frames[-1] == {"type": "done", "id": "t1", "error": "", "last": message["id"]}
    assert (seen["id"], seen["card"]["title"]) == (message["id"], "wheel: sell 2 × XYZ 44 put (order working)")
    assert (filled["id"], filled["card"]["title"]) == (message["id"], "wheel: sell 2 × XYZ 44 put (filled)")
    assert filled["rev"] > seen["rev"] > message["rev"]


async def test_a_tap_sent_again_acts_once(page: PageWorld):
    approval = await page.propose()
    async with page.socket() as socket:
        message = (await socket.next("feed"))["messages"][0]
        await socket.tap("same", message["id"], f"approve:{approval.key}")

        again = await socket.tap("same", message["id"], f"approve:{approval.key}")

    assert again[-1] == {"type": "done", "id": "same", "error": "", "last": ""}
    assert len(page.world.broker.posts) == 1


async def test_the_same_id_of_two_people_is_two_requests(page: PageWorld):
    approval = await page.propose()
    async with page.socket("ann") as ann, page.socket("ben") as ben:
        message = (await ann.next("feed"))["messages"][0]
        await ann.tap("t1", message["id"], f"approve:{approval.key}")

        late = await ben.tap("t1", message["id"], f"approve:{approval.key}")

    assert late[-1]["error"] == "already decided"


async def test_look_at_a_card_everybody_sees_is_drawn_for_its_asker_alone(page: PageWorld):
    with page.world.store.begin() as work:
        work.save_position(make.position(approval_id=None))
    button = Button("Refresh", "refresh:/position P00001")
    await page.web.post(DESK, Card("As it was", buttons=((button,),), key="position:P00001"))
    async with page.socket("ann") as ann:
        message = (await ann.next("feed"))["messages"][0]
        await ann.ask("s1", "/settings zone Europe/Berlin")
        frames = await ann.tap("t1", message["id"], button.action)
    async with page.socket("ben") as ben:
        feed = await ben.next("feed")

    assert "Berlin" not in str(feed)
    assert [one["card"]["title"] for one in feed["messages"]] == ["As it was"]
    assert "XYZ cash-secured put" in cards(frames)[-1]["title"]


async def test_viewer_cannot_approve(page: PageWorld):
    approval = await page.propose()
    async with page.socket("vic") as socket:
        message = (await socket.next("feed"))["messages"][0]
        frames = await socket.tap("t1", message["id"], f"approve:{approval.key}")

    assert frames[-1]["error"] == "not allowed"
    with page.world.store.read() as work:
        assert work.approval(approval.id).status is ApprovalStatus.PENDING


async def test_button_that_needs_a_price_brings_its_form_and_the_price_makes_a_new_version(page: PageWorld):
    approval = await page.propose()
    async with page.socket() as socket:
        message = (await socket.next("feed"))["messages"][0]
        changed = await socket.tap("t1", message["id"], f"change:{approval.key}")
        buttons = {one["label"]: one for row in cards(changed)[0]["buttons"] for one in row}
        asked = buttons["Your price…"]
        frames = await socket.tap("t2", changed[-1]["last"], asked["action"], price="1.10")

    assert "form" not in buttons["Better price"]
    assert asked["form"] == [
        {
            "name": "price",
            "label": "dollars a share, such as 1.05",
            "kind": "number",
            "required": True,
            "choices": [],
            "low": None,
            "high": None,
            "example": "1.05",
        }
    ]
    assert frames[-1]["error"] == ""
    with page.world.store.read() as work:
        assert work.approval(approval.id).plan.signal.yours == make.D("-1.10")


async def test_form_of_somebody_who_may_not_act_changes_nothing(page: PageWorld):
    approval = await page.propose()
    async with page.socket("vic") as socket:
        message = (await socket.next("feed"))["messages"][0]
        frames = await socket.tap("t1", message["id"], f"myprice:{approval.key}", price="1.10")

    assert frames[-1]["error"] == "not allowed"
    with page.world.store.read() as work:
        assert work.approval(approval.id).version == 1


async def test_command_is_echoed_and_answered_to_who_asked(page: PageWorld):
    async with page.socket("ann") as ann, page.socket("ben") as ben:
        frames = await ann.ask("c1", " /risk ")
        await ben.next("feed")
        await ben.ask("c2", "/whoami")

    said = [frame["message"]["said"] for frame in frames if "said" in frame.get("message", {})]
    assert said == ["/risk"]
    assert [card["title"] for card in cards(frames)] == ["Risk"]


async def test_other_people_do_not_see_the_answer(page: PageWorld):
    async with page.socket("ann") as ann:
        await ann.ask("c1", "/risk")
    async with page.socket("ben") as ben:
        feed = await ben.next("feed")

    assert feed["messages"] == []


async def test_unknown_command_is_told_with_the_nearest(page: PageWorld):
    async with page.socket() as socket:
        frames = await socket.ask("c1", "/rsik")

    assert frames[-1]["error"] == "bad request"
    assert "/risk" in cards(frames)[0]["lines"][0]


async def test_working_is_said_before_the_answer(page: PageWorld):
    async with page.socket() as socket:
        frames = await socket.ask("c1", "/risk")

    types = [frame["type"] for frame in frames if frame["type"] not in {"welcome", "clock", "feed"}]
    assert types[:2] == ["message", "working"]


@pytest.mark.parametrize(
    ("progress", "told"),
    [
        (None, {"words": "Working…", "fraction": None, "stop": ""}),
        (Progress(0.25, "12 of 48 names"), {"words": "12 of 48 names", "fraction": 0.25, "stop": ""}),
        (Progress(7.0, "", "stop:J1"), {"words": "Working…", "fraction": 1.0, "stop": "stop:J1"}),
    ],
)
def test_progress_is_told_with_its_bar_and_the_way_to_stop_it(progress: Progress | None, told: dict[str, object]):
    assert working("c1", "Working…", progress) == {"type": "working", "id": "c1"} | told


class HeldMarket(FakeMarket):
    """A market that is slow with its last name, until it is let go."""

    def __init__(self, world: World) -> None:
        super().__init__(world.clock)
        self.go = threading.Event()

    def snapshot(self, ticker: str) -> MarketSnapshot:
        if ticker == "ZZZ":
            self.go.wait(timeout=10)
        return super().snapshot(ticker)


async def test_scan_shows_its_bar_and_ends_when_it_is_stopped():
    world = make_world(strategies=dict(CATALOGUE))
    market = HeldMarket(world)
    for ticker in ("AAA", "BBB", "ZZZ"):
        market.set_snapshot(make.snapshot(ticker))
    world = replace(world, market=market, desk=replace(world.desk, market=market))
    async with open_page(world, threads=2) as page, page.socket() as socket:
        await socket.send(type="command", id="c1", text="/scan wheel AAA BBB ZZZ")
        state = await socket.next("working")
        while state["fraction"] is None:
            state = await socket.next("working")

        await socket.send(type="tap", id="t1", action=state["stop"])
        stopping = await socket.until_done("t1")
        market.go.set()
        ended = await socket.until_done("c1")

    assert 0 < state["fraction"] < 1
    assert [card["title"] for card in cards(stopping)] == ["Stopping"]
    assert (ended[-1]["error"], cards(ended)[-1]["title"]) == ("stopped", "Stopped")


async def test_completion_comes_back_with_its_id(page: PageWorld):
    async with page.socket() as socket:
        await socket.send(type="complete", id="k1", line="/posi")
        found = await socket.next("completions")

    assert found["id"] == "k1"
    assert [item["text"] for item in found["items"]] == ["/positions", "/position"]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("nonsense", "not JSON"),
        ("[" * 4000, "not JSON"),
        ("[]", "JSON object"),
        ("{}", "no type"),
        ('{"type": "tap", "id": "a", "message": "m"}', "action has to be text"),
        ('{"type": "tap", "id": "a", "message": "m 1", "action": "why:A1"}', "message has to be"),
        ('{"type": "command", "text": "/risk"}', "id has to be"),
        ('{"type": "command", "id": "a b", "text": "/risk"}', "id has to be"),
        ('{"type": "command", "id": "a", "text": 7}', "text has to be text"),
        ('{"type": "command", "id": "a", "text": "\\u0000"}', "cannot be read"),
        ('{"type": "command", "id": "a", "text": "\\ud800"}', "cannot be read"),
        (json.dumps({"type": "command", "id": "a", "text": "x" * 501}), "longer than 500"),
        (json.dumps({"type": "tap", "id": "a", "message": "m", "action": "x" * 65}), "longer than 64"),
        ('{"type": "tap", "id": "a", "message": "m", "action": "size:A1", "options": ["2"]}', "options has to be"),
        ('{"type": "tap", "id": "a", "message": "m", "action": "size:A1", "options": null}', "options has to be"),
        ('{"type": "tap", "id": "a", "action": "size:A1", "options": {"Quantity": "2"}}', "name of an option"),
        ('{"type": "tap", "id": "a", "action": "size:A1", "options": {"quantity": 2}}', "quantity has to be text"),
        ('{"type": "tap", "id": "a", "action": "size:A1", "options": {"quantity": "2\\n"}}', "cannot be read"),
        (json.dumps({"type": "tap", "id": "a", "action": "b", "options": {"note": "x" * 1001}}), "longer than 1000"),
        (json.dumps({"type": "tap", "id": "a", "action": "b", "options": {f"o{n}": "" for n in range(11)}}), "most 10"),
    ],
)
async def test_malformed_frame_is_answered_and_the_page_goes_on(page: PageWorld, raw: str, words: str):
    async with page.socket() as socket:
        await socket.ws.send_str(raw)
        error = await socket.next("error")
        frames = await socket.ask("c1", "/risk")

    assert words in error["words"]
    assert frames[-1]["error"] == ""


async def test_binary_frame_is_answered(page: PageWorld):
    async with page.socket() as socket:
        await socket.ws.send_bytes(b"\x00\x01")

        assert (await socket.next("error"))["words"] == "Frames are text."


async def test_frame_that_is_too_large_ends_the_connection_only(page: PageWorld):
    async with page.socket() as socket:
        await socket.next("feed")
        await socket.ws.send_str("x" * 5000)
        closed = await socket.ws.receive(timeout=10)
    async with page.socket() as again:
        assert (await again.next("feed"))["messages"] == []

    assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.MESSAGE_TOO_BIG)


async def test_line_frames_are_read():
    assert read('{"type": "command", "id": "a-1", "text": "  /risk "}') == Line("a-1", "/risk")
    assert read('{"type": "tap", "id": "a", "message": "m1", "action": "why:A1"}') == Tap("a", "m1", "why:A1")
    assert read('{"type": "tap", "id": "a", "action": "stop:1"}') == Tap("a", "", "stop:1")
    filled = '{"type": "tap", "id": "a", "message": "m1", "action": "size:A1.1", "options": {"quantity": "2"}}'
    assert read(filled) == Tap("a", "m1", "size:A1.1", (("quantity", "2"),))
    assert read('{"type": "complete", "id": "a", "line": "/ri "}') == Typing("a", "/ri ")
    with pytest.raises(BadRequest):
        read('{"type": ["tap"], "id": "a"}')


async def test_too_many_requests_at_once_are_refused(page: PageWorld):
    async with page.socket() as socket:
        for number in range(200):
            await socket.send(type="command", id=f"c{number}", text="/risk")
        endings = [await socket.next("done", "error") for _ in range(200)]

    refused = [frame for frame in endings if frame["type"] == "error"]
    assert {frame["words"] for frame in refused} == {"Too many requests at once: wait for an answer."}
    assert len({frame["id"] for frame in endings}) == 200


async def test_what_was_asked_is_done_though_the_page_is_gone(page: PageWorld):
    approval = await page.propose()
    async with page.socket() as socket:
        message = (await socket.next("feed"))["messages"][0]
        await socket.send(type="tap", id="t1", message=message["id"], action=f"approve:{approval.key}")
        await socket.next("working")
    async with page.socket() as again:
        feed = await again.next("feed")
        shown = feed["messages"][0]["card"]["title"]
        while "working" not in shown:
            shown = (await again.next("message"))["message"]["card"]["title"]

    assert len(page.world.broker.posts) == 1


async def test_stopping_tells_the_page_goodbye():
    async with open_page() as page, page.socket() as socket:
        await socket.next("feed")
        stopping = asyncio.create_task(page.web.stop())
        closed = await socket.ws.receive(timeout=10)
        await stopping

    assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.GOING_AWAY)
