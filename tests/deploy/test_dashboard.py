"""The page of Grafana: what each of its queries gives once the real Prometheus has looked at a desk that traded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deploy.watchmen import DEPLOY, Prometheus, looking, telling
from tests.journeys.asked import free_port, numbers
from tests.journeys.chats import SOON
from tests.journeys.live_chats import LiveChats, live_chats
from tests.waiting import until

WHEEL = (("strategy", "wheel"), ("ticker", "XYZ"))
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text(encoding="utf-8"))


@pytest.mark.soak
def test_every_panel_shows_something_of_a_desk_that_traded(tmp_path: Path) -> None:
    port, watch = free_port(), tmp_path / "watch"
    watch.mkdir()
    with live_chats(tmp_path, "alpaca", f"[metrics]\nport = {port}") as here, telling(watch) as told:
        here.start()
        with looking(watch, port, told) as prometheus:
            prometheus.until('up{job="wsb"} == 1')
            trade(here, port)
            asked = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
            late = [title for title, expr in asked if not until(lambda expr=expr: shown(prometheus, expr))]
            alive = prometheus.ask('ALERTS{alertname="WsbDown"}')
    assert late == []
    assert alive == []


def shown(prometheus: Prometheus, expression: str) -> bool:
    """Whether this gave a number at any time of the last minutes."""
    return bool(prometheus.ask(f"count_over_time(({expression})[3m:1s])"))


def trade(here: LiveChats, port: int) -> None:
    """Open and close a position; meanwhile the database is backed up, and a card is refused once."""
    chats = here.chats
    _, photo = chats.until_both("XYZ 44 put?")
    chats.telegram.press_data(chats.bob, photo, photo.data("Approve")).answered(within=SOON).get()
    chats.until("the order at the wire", lambda: here.sent("sell_to_open"))
    here.broker.exchange.fill(here.sent("sell_to_open")[0]["client_order_id"], 2)
    chats.until_both("(filled)")
    chats.until("the position's risk", lambda: ("position_risk_percentage", WHEEL) in numbers(port))
    chats.telegram.say(chats.ann_there, "/runjob backup").answer(within=SOON).get()
    chats.telegram.fail("500", 1, chat=chats.group.id)
    here.move(54.0)
    chats.until("the closing order at the wire", lambda: here.sent("buy_to_close"))
    here.broker.exchange.fill(here.sent("buy_to_close")[-1]["client_order_id"], 2)
    chats.until_both("(closed)")
    closed = ("trade_pnl_sum", (("strategy", "wheel"),))
    chats.until("the trade's P&L", lambda: closed in numbers(port))
