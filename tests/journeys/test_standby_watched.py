"""A process that stands by, as programs see it: from its wait to its lead, at one port."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path

import pytest

from bot.console.ready import ready
from tests.journeys.asked import free_port, numbers, told
from tests.journeys.pair import Both, both
from tests.systemd import Systemd

DESK_ONLY = ("wsb_equity_dollars", "wsb_outbox_dead_letters", "wsb_unsealed_events", "wsb_loop_age_seconds")


def on_sqlite(folder: Path) -> str:
    """Two processes of one machine may share a file."""
    return f"sqlite:///{folder / 'two.db'}"


def test_a_standby_lives_and_is_not_ready_until_it_leads_at_the_same_port(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    asked = {"WSB__METRICS__PORT": str(port)}
    with closing(Systemd(str(tmp_path / "notify"))) as systemd, both(tmp_path, on_sqlite(tmp_path)) as pair:
        first = pair.leader(WSB__METRICS__PORT=str(free_port()))
        second = pair.standby(**asked, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="3000000")
        pair.chats.until("it answers", lambda: told(port, "/healthz")[0] == 200)
        status, found = told(port, "/readyz")
        waiting = {name for name, _ in numbers(port)}
        leads = numbers(port)["wsb_is_leader", ()]
        codes = [ready(pair.here.config, asked, only_alive=alive, as_json=False) for alive in (True, False)]
        heard = until_heard(pair, systemd, "WATCHDOG=1")

        first.send_signal(signal.SIGKILL)
        first.wait()
        pair.chats.until("it is ready", lambda: told(port, "/readyz")[0] == 200)
        after, later = numbers(port), until_heard(pair, systemd, "STATUS=Acts for the desk.")
        later += until_heard(pair, systemd, "WATCHDOG=1")
        assert ready(pair.here.config, asked, only_alive=False, as_json=False) == 0
        assert pair.chats.end(second)[0] == 0, pair.chats.log()

    assert (status, found["parts"]["lease"]["ok"], found["parts"]["database"]["ok"]) == (503, False, True)
    assert (leads, codes) == (0, [0, 1])
    assert not waiting & {*DESK_ONLY}
    assert "process_resident_memory_bytes" in waiting
    assert after["wsb_is_leader", ()] == 1
    assert {*DESK_ONLY} <= {name for name, _ in after}
    said = "not ready: lease: standby: this process stands by until no other acts for the desk"
    assert capsys.readouterr().out.splitlines() == ["alive", said, "ready"]
    assert heard[:2] == ["READY=1", "STATUS=Stands by."]
    assert "READY=1" not in heard[2:] + later


def until_heard(pair: Both, systemd: Systemd, line: str) -> list[str]:
    """What systemd hears until it hears `line`, and what came with it."""
    heard: list[str] = []

    def has_heard() -> bool:
        heard.extend(systemd.heard())
        return line in heard

    pair.chats.until(f"systemd hears {line}", has_heard)
    return heard


def test_a_standby_whose_port_the_leader_has_lives_says_so_and_answers_there_when_it_leads(tmp_path: Path) -> None:
    port = {"WSB__METRICS__PORT": str(free_port())}
    number = int(port["WSB__METRICS__PORT"])
    with both(tmp_path, on_sqlite(tmp_path)) as pair:
        first = pair.leader(**port)
        second = pair.standby(**port)
        pair.chats.until("it says so", lambda: "monitor.port_taken" in pair.chats.log())
        assert numbers(number)["wsb_is_leader", ()] == 1
        assert second.poll() is None

        first.send_signal(signal.SIGKILL)
        first.wait()
        pair.chats.until("it leads", lambda: pair.leads(second))
        pair.chats.until("it is ready", lambda: told(number, "/readyz")[0] == 200)

        assert numbers(number)["wsb_is_leader", ()] == 1
        assert pair.chats.log().count("monitor.port_taken") == 1
        assert pair.chats.end(second)[0] == 0, pair.chats.log()
