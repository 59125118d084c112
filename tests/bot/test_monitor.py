"""What programs are told of a process, whatever hangs in it: whether it lives, whether it can trade, its numbers."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alerts.metrics import Vitals
from bot.console.ready import ready
from bot.monitor import MOST, Monitor, Pulse, Watched
from bot.runtime import Runtime, Work
from bot.settings import MetricsSettings
from engine import meters, standing
from engine.ports import SourceState
from tests.desk import World, make_world
from tests.waiting import until


@dataclass
class Process:
    """A process that is watched, and how it is asked."""

    world: World
    watched: Watched
    monitor: Monitor

    def get(self, path: str, host: str = "") -> tuple[int, bytes]:
        """Status and body of one answer."""
        assert self.monitor.at is not None
        with closing(http.client.HTTPConnection(*self.monitor.at, timeout=10)) as connection:
            connection.request("GET", path, headers={"Host": host} if host else {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def told(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one answer."""
        status, body = self.get(path)
        return status, json.loads(body)

    def numbers(self) -> dict[str, float]:
        """What /metrics says, by name and labels as they stand in the text."""
        status, body = self.get("/metrics")
        assert status == 200
        found = [each for family in text_string_to_metric_families(body.decode()) for each in family.samples]
        return {f"{each.name}{sorted(each.labels.items()) or ''}": each.value for each in found}


@contextmanager
def process(world: World, **settings: Any) -> Iterator[Process]:
    """A process whose exits loop looks every now and then, with one platform that is connected and one that is not."""
    runtime = Runtime(world.desk, (Work("exits", 0.05, (("exits", lambda: None),)),))
    platforms = (("web", True), ("discord", False))
    sources = (SourceState("yahoo", (), True, answered_at=world.clock() - timedelta(seconds=7)),)
    vitals = Vitals(lambda: runtime.is_running, lambda: runtime.beats, lambda: platforms, lambda: sources, Path.cwd())
    watched = Watched(world.desk, runtime, Pulse(), lambda: platforms, lambda: sources, vitals)
    monitor = Monitor(MetricsSettings(port=0, **settings), watched)
    monitor.start()
    runtime.start()
    try:
        yield Process(world, watched, monitor)
    finally:
        runtime.stop()
        monitor.stop()


@pytest.fixture
def here() -> Iterator[Process]:
    world = make_world()
    meters.BROKER.answered()
    with process(world) as made:
        yield made


def test_a_process_whose_loops_answer_lives(here: Process) -> None:
    status, told = here.told("/healthz")

    assert (status, told["ok"], told["status"]) == (200, True, "alive")
    assert set(told["parts"]) == {"event loop", "exits"}


def test_a_process_whose_event_loop_hangs_is_told_dead_by_its_other_thread(here: Process) -> None:
    here.watched.pulse.beat = time.monotonic() - 11
    status, told = here.told("/healthz")

    assert (status, told["parts"]["event loop"]["ok"]) == (503, False)


def test_a_process_whose_exits_are_not_looked_at_is_dead() -> None:
    world = make_world()
    with process(world) as here:
        here.watched.runtime.stop()
        here.watched.runtime.is_running = True
        here.watched.runtime._loops["exits"]._beat = time.monotonic() - 46
        status, told = here.told("/healthz")

    assert (status, told["parts"]["exits"]["ok"]) == (503, False)


def test_a_desk_that_can_trade_is_ready_and_names_its_parts(here: Process) -> None:
    status, told = here.told("/readyz")

    assert (status, told["status"]) == (200, "ready")
    assert told["parts"]["platforms"]["words"] == "web connected, discord away"
    assert set(told["parts"]) == {
        "lease", "database", "books", "event loop", "exits", "broker", "platforms", "data"
    }  # fmt: skip


def test_a_process_that_stands_by_lives_and_is_not_ready(here: Process) -> None:
    here.watched.runtime.stop()

    assert here.told("/healthz")[0] == 200
    status, told = here.told("/readyz")
    assert (status, told["parts"]["lease"]["words"]) == (503, "standby")


def test_books_without_an_opening_balance_are_not_ready() -> None:
    with process(make_world(deposit=None)) as here:
        status, told = here.told("/readyz")

    assert (status, told["parts"]["books"]["ok"], told["parts"]["database"]["ok"]) == (503, False, True)


def test_a_database_that_hangs_costs_its_own_numbers_alone(here: Process) -> None:
    standing.refresh_account(here.world.desk)
    whole = here.numbers()
    with here.world.store.begin():
        assert until(lambda: "wsb_equity_dollars" not in here.numbers())
        partial = here.numbers()
        status, told = here.told("/readyz")
        healthy = here.told("/healthz")[0]

    assert whole["wsb_scrape_error[('part', 'database')]"] == 0
    assert partial["wsb_scrape_error[('part', 'database')]"] == 1
    assert partial["wsb_is_leader"] == 1
    assert (status, told["parts"]["database"]["ok"], healthy) == (503, False, 200)
    assert until(lambda: here.numbers()["wsb_scrape_error[('part', 'database')]"] == 0)


def test_the_process_is_in_the_numbers(here: Process) -> None:
    standing.refresh_account(here.world.desk)
    found = here.numbers()

    assert found["wsb_platform_up[('platform', 'discord')]"] == 0
    assert found["wsb_data_age_seconds[('provider', 'yahoo')]"] == 7
    assert found["wsb_loop_stalled[('loop', 'exits')]"] == 0
    assert found["wsb_exits_age_seconds"] < 5
    assert found["wsb_disk_free_bytes"] > 0
    assert found["wsb_equity_dollars"] == 100_000


@pytest.mark.parametrize(
    ("host", "status"),
    [("", 200), ("localhost:1", 200), ("10.2.3.4", 200), ("[::1]:9464", 200), ("wsb", 200), ("evil.example", 403)],
)
def test_a_site_that_points_its_name_here_is_refused(host: str, status: int) -> None:
    with process(make_world(), names=("wsb",)) as here:
        assert here.get("/metrics", host)[0] == status


def test_dollars_are_shown_to_this_machine_only_unless_it_is_said() -> None:
    assert MetricsSettings().shows_money
    assert not MetricsSettings(host="0.0.0.0").shows_money
    assert MetricsSettings(host="0.0.0.0", money="always").shows_money
    assert not MetricsSettings(money="never").shows_money


def test_nothing_else_is_served_and_every_answer_is_guarded(here: Process) -> None:
    assert here.told("/")[0] == here.told("/metrics/..")[0] == 404


def test_a_port_that_is_taken_is_used_as_soon_as_it_is_free() -> None:
    world = make_world()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        watched = Watched(world.desk, Runtime(world.desk, ()))
        monitor = Monitor(MetricsSettings(port=port), watched, again=0.05)
        monitor.start()
        assert monitor.at is None

    assert until(lambda: monitor.at == ("127.0.0.1", port))
    monitor.stop()


def test_promtool_finds_nothing_wrong_with_the_numbers(here: Process) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: it is part of Debian's package prometheus")
    standing.refresh_account(here.world.desk)
    found = subprocess.run([promtool, "check", "metrics"], input=here.get("/metrics")[1], capture_output=True)

    assert (found.returncode, found.stdout + found.stderr) == (0, b"")


def config_of(folder: Path, port: int) -> Path:
    file = folder / "wsb.toml"
    file.write_text(f"[metrics]\nport = {port}\n", encoding="utf-8")
    return file


def test_a_container_asks_with_one_command(here: Process, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert here.monitor.at is not None
    config = config_of(tmp_path, here.monitor.at[1])

    assert ready(config, {}, only_alive=False, as_json=False) == 0
    here.watched.runtime.stop()
    assert ready(config, {}, only_alive=False, as_json=False) == 1
    assert ready(config, {}, only_alive=True, as_json=False) == 0
    assert capsys.readouterr().out.splitlines() == ["ready", "not ready: lease: standby", "alive"]


def test_where_no_desk_answers_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    assert ready(config_of(tmp_path, port), {}, only_alive=True, as_json=False) == 1
    assert capsys.readouterr().out == f"no desk answers at 127.0.0.1:{port}: ConnectionRefusedError\n"


def test_whoever_opens_connections_without_end_takes_no_files_from_the_desk(here: Process) -> None:
    assert here.monitor.at is not None
    begun = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
    with ExitStack() as many:
        slow = [many.enter_context(socket.create_connection(here.monitor.at, timeout=5)) for _ in range(4 * MOST)]
        for each in slow:
            with suppress(ConnectionError):
                each.sendall(begun)

        assert until(
            lambda: sum(map(_is_closed, slow)) >= 2 * MOST
        )  # a burst of new ones is let in before it is counted
        assert not _is_closed(slow[-1])
        assert here.told("/healthz")[0] == 200


def _is_closed(opened: socket.socket) -> bool:
    opened.setblocking(False)
    try:
        return opened.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
