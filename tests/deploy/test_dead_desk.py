"""A desk that is killed, and who is told: the real Prometheus looks at it, the real Alertmanager tells both chats."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bot.app import system_clock
from tests.deploy.watchmen import looking, telling
from tests.journeys.asked import free_port
from tests.journeys.chats import live

SUMMARY = "No process of the desk answers: nobody watches the stops that are not at the broker."


@pytest.mark.soak
def test_a_killed_desk_is_told_on_both_chats_and_so_is_that_it_is_back(tmp_path: Path) -> None:
    port, watch = free_port(), tmp_path / "watch"
    watch.mkdir()
    with live(tmp_path) as here, telling(watch) as told:
        here.clock.set(system_clock())
        here.config.write_text(
            f"{here.config.read_text(encoding='utf-8')}\n[metrics]\nport = {port}\n", encoding="utf-8"
        )
        desk = here.start()
        with looking(watch, port, told) as prometheus:
            prometheus.until('up{job="wsb"} == 1')
            prometheus.until('ALERTS{alertname="WsbDeskTells", alertstate="firing"}')
            before = told.texts
            desk.send_signal(signal.SIGKILL)
            desk.wait()
            told.until_both("Urgent: WsbDown")
            here.start()
            told.until_both("Over: WsbDown")
            on_telegram, on_discord = told.texts

    assert before == ([], [])
    assert [text.split("\n")[0] for text in on_telegram] == ["Urgent: WsbDown", "Over: WsbDown"]
    assert [text.split("\n")[0] for text in on_discord] == ["Urgent: WsbDown", "Over: WsbDown"]
    assert on_telegram[0].split("\n")[1] == on_discord[0].split("\n")[1] == SUMMARY
    assert told.discord.violations == []
