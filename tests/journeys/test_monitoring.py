"""One trade as programs see it: in /metrics, and line by line in the log of the process that made it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.journeys.asked import Numbers, free_port, numbers, told
from tests.journeys.chats import SOON
from tests.journeys.live_chats import live_chats
from tests.standins.alpaca import SECRET
from tests.standins.telegram_server import TOKEN

WHEEL = (("strategy", "wheel"), ("ticker", "XYZ"))


def asked_of(found: Numbers, provider: str) -> float:
    """Requests to one provider, whatever was asked."""
    return sum(
        value for (name, labels), value in found.items()
        if name == "api_requests_total" and ("provider", provider) in labels
    )  # fmt: skip


def test_a_trade_is_in_the_numbers_and_every_line_of_the_log_about_it_names_it(tmp_path: Path) -> None:
    port = free_port()
    sections = (f"[metrics]\nport = {port}", '[logging]\nformat = "json"')
    with live_chats(tmp_path, "alpaca", *sections) as here:
        chats, desk = here.chats, here.start()
        _, photo = chats.until_both("XYZ 44 put?")
        before = numbers(port)
        assert told(port, "/healthz")[0] == 200
        chats.telegram.press_data(chats.bob, photo, photo.data("Approve")).answered(within=SOON).get()
        chats.until("the order at the wire", lambda: here.sent("sell_to_open"))
        here.broker.exchange.fill(here.sent("sell_to_open")[0]["client_order_id"], 2)
        chats.until_both("(filled)")
        chats.until("the position in the numbers", lambda: ("position_risk_percentage", WHEEL) in numbers(port))
        here.move(54.0)
        chats.until("the closing order at the wire", lambda: here.sent("buy_to_close"))
        here.broker.exchange.fill(here.sent("buy_to_close")[-1]["client_order_id"], 2)
        chats.until_both("(closed)")
        chats.until("the trade's P&L", lambda: ("trade_pnl_sum", (("strategy", "wheel"),)) in numbers(port))
        chats.until("nothing open", lambda: ("position_risk_percentage", WHEEL) not in numbers(port))
        after = numbers(port)
        assert chats.end(desk)[0] == 0
        lines = chats.log().splitlines()

    assert ("trades_executed_total", WHEEL) not in before
    assert after["trades_executed_total", WHEEL] == 1
    assert after["trade_pnl_count", (("strategy", "wheel"),)] == 1
    assert after["trade_pnl_sum", (("strategy", "wheel"),)] > 0
    assert after["wsb_order_execution_seconds_count", ()] >= 1
    assert after["wsb_outbox_delivery_seconds_count", ()] > before["wsb_outbox_delivery_seconds_count", ()]
    for provider in ("alpaca", "telegram", "discord"):
        assert asked_of(after, provider) > asked_of(before, provider), provider
    assert not [key for key in after if TOKEN in str(key) or "A0" in str(key)]
    the_log_tells_one_story([json.loads(line) for line in lines])
    assert not [line for line in lines if any(secret in line for secret in (TOKEN, SECRET, chats.discord.token))]


def the_log_tells_one_story(lines: list[dict[str, object]]) -> None:
    """From the scan to the exit: the scan names the trade, and everything after it carries its id."""
    happened = [line for line in lines if line["event"] == "desk.event"]
    proposed = next(line for line in happened if line["kind"] == "approval_requested")
    trade = proposed["trade"]
    scanned = next(line for line in happened if line["kind"] == "scan_finished")
    kinds = [line["kind"] for line in happened if line["trade"] == trade]
    assert (proposed["job"], proposed["run"]) == (scanned["job"], scanned["run"])
    assert str(proposed["job"]).startswith("scan ")

    assert trade
    assert proposed["scan"] == scanned["scan"] == scanned["about"]
    story = ["approval_requested", "command", "order_sent", "filled", "exit_started", "position_closed"]
    assert [kind for kind in story if kind not in kinds] == []
    assert sorted(map(kinds.index, story)) == list(map(kinds.index, story))
    tapped = next(line for line in happened if line["kind"] == "command" and line["trade"] == trade)
    assert str(tapped["request"]).startswith("telegram:")
