"""/health knows the streams, the platforms and what waits to be said, beside the loops."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bot import checkup, parts, service
from bot.app import system_clock
from bot.config import load
from bot.fronts import Fronts
from bot.parts import Parts
from bot.settings import Config
from engine import leadership
from engine.model.events import EventKind
from engine.model.records import Run
from engine.store import Store
from engine.streams import StreamState
from tests.desk import make_world
from tests.fakes import FakeMarket
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin, RunningClock
from tests.standins.alpaca_exchange import Exchange


@dataclass
class Feed:
    title = "Trade stream"
    state: StreamState

    def start(self) -> None:
        raise AssertionError("nobody starts it here")

    def stop(self, seconds: float = 2.0) -> bool:
        raise AssertionError("nobody stops it here")


def test_a_stream_that_is_lost_is_not_well_and_says_why() -> None:
    feeds = (Feed(StreamState(True, 1, 7)), Feed(StreamState(problem="Alpaca's stream was cut off.")))

    assert parts.streams(feeds) == (
        ("Trade stream", (True, "listening, 7 messages")),
        ("Trade stream", (False, "Alpaca's stream was cut off.")),
    )


def test_a_job_that_hangs_is_not_well_and_the_others_are_not_named() -> None:
    now = make_world().clock()

    assert parts.jobs(()) == ()
    assert parts.jobs((Run("R1", "backup", now, now),)) == (
        ("Job backup", (False, "hangs: begun 2026-06-15 10:00 ET")),
    )


def test_a_pile_of_messages_that_wait_is_not_well() -> None:
    desk = make_world().desk
    assert parts.messages(desk) == (("Outbox", (True, "nothing waits")),)
    for number in range(parts.BACKLOG + 1):
        event = desk.event(EventKind.HALTED, f"{number}", {})
        with desk.store.begin() as work:
            work.add_event(event)
            work.enqueue(event.id, "web:desk", 0, f"event:{event.id}")

    assert parts.messages(desk) == (("Outbox", (False, f"{parts.BACKLOG + 1} messages waiting")),)


def test_parts_are_asked_one_after_the_other() -> None:
    said = Parts(lambda: (("A", (True, "a")),))
    said.add(lambda: (("B", (False, "b")),))

    assert [name for name, _ in said()] == ["A", "B"]


USERS = '[[users]]\nname = "ann"\nrole = "admin"\nids = ["discord:1", "telegram:2", "web:ann"]\n'


def at_alpaca(folder: Path, url: str, **more: str) -> Config:
    file = folder / "config.toml"
    file.write_text(USERS, encoding="utf-8")
    keys = {"ALPACA_API_KEY": KEY, "ALPACA_SECRET_KEY": SECRET, "ALPACA_TRADING_URL": url}
    return load(file, keys | {"WSB__DESK__BROKER": "alpaca", "DATABASE_URL": f"sqlite:///{folder / 'desk.db'}"} | more)


def test_a_live_desk_has_its_stream_its_platforms_and_its_outbox_in_health(tmp_path: Path) -> None:
    with AlpacaStandin(Exchange(RunningClock(system_clock()))) as standin:
        config = at_alpaca(tmp_path, standin.url, DISCORD_TOKEN="d", TELEGRAM_TOKEN="t")
        market = FakeMarket(system_clock)
        with Store.create(config.database.url) as store:
            made = service.live(config, store, market, lambda words: None)
            found = dict(made.serving.room.parts())
            made.close()

    assert {"Loop exits", "Loop entries", "Trade stream", "Outbox", "Web", "Discord", "Telegram"} <= found.keys()
    assert found["Trade stream"] == (False, "not connected yet")
    assert found["Discord"][0] is False
    assert isinstance(made.serving.fronts, Fronts)
    assert made.serving.platforms.keys() == {"web", "discord", "telegram"}


@pytest.mark.parametrize(("ahead", "state"), [(0, "ok"), (3, "warn"), (60, "fail")])
def test_the_doctor_compares_this_machines_clock_with_the_brokers(tmp_path: Path, ahead: int, state: str) -> None:
    with AlpacaStandin(Exchange(RunningClock(system_clock() - timedelta(seconds=ahead)))) as standin:
        config = at_alpaca(tmp_path, standin.url)
        (found,) = (finding for finding in checkup.findings(config) if finding.part == "clock")

    assert found.state == state
    assert ahead == 0 or "s ahead of Alpaca's: let this machine set its clock by a time server" in found.words


def test_the_doctor_names_ids_and_tokens_that_do_not_belong_together(tmp_path: Path) -> None:
    with AlpacaStandin(Exchange(RunningClock(system_clock()))) as standin:
        config = at_alpaca(tmp_path, standin.url)
        (users,) = (finding for finding in checkup.findings(config) if finding.part == "users")

    assert users.state == "warn"
    assert "ids of discord are of no use without DISCORD_TOKEN" in users.words


def test_health_names_the_leader_its_epoch_and_who_stands_by() -> None:
    world = make_world()
    assert parts.leader(world.desk) == ()
    leadership.take(world.store, world.clock(), "one:7:abc")
    assert parts.leader(world.desk) == (
        ("Leader", (True, "one:7 since 2026-06-15 10:00 ET, epoch 1; nobody stands by")),
    )
    with world.store.begin() as work:
        said = json.dumps({"name": "two:8:def", "at": world.clock().isoformat()})
        work.set_setting(leadership.STANDBY, said, "desk", world.clock())

    (_, (is_well, words)), *_ = parts.leader(world.desk)

    assert (is_well, words) == (True, "one:7 since 2026-06-15 10:00 ET, epoch 1; two:8 stands by")
