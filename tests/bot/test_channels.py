"""Where the configuration sends cards, and whom a platform in trouble is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from alerts.routes import Channels, routes
from bot.channels import channels_of, chats_of
from bot.config import load
from bot.settings import Config
from engine.model.events import Event, EventKind, Severity
from tests import make

TEXT = """
[[users]]
name = "ann"
role = "admin"
ids = ["web:ann", "discord:1", "telegram:2"]
[discord]
channel = "10"
[telegram]
chat = "-20/3"
"""


def configured(folder: Path, text: str = TEXT, **variables: str) -> Config:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, {"DISCORD_TOKEN": "d", "TELEGRAM_TOKEN": "t"} | variables)


def destinations(channels: Channels, kind: EventKind, **more: object) -> list[str]:
    event = Event("E1", kind, make.NOW, **{"subject": "x", **more})  # type: ignore[arg-type]
    return [route.destination for route in routes(event, channels)]


def test_without_a_word_everything_goes_to_every_platform_that_is_connected(tmp_path: Path) -> None:
    config = configured(tmp_path)

    assert channels_of(config).default == ("discord:10", "telegram:-20/3", "web:desk")
    assert chats_of(config, "discord") == ("10",)


def test_a_platform_without_a_token_gets_nothing(tmp_path: Path) -> None:
    file = configured(tmp_path)
    alone = replace(file, secrets={"DISCORD_TOKEN": file.secrets["DISCORD_TOKEN"]})

    assert channels_of(alone).default == ("discord:10", "web:desk")


def test_a_kind_goes_before_its_topic_and_urgent_cards_go_further(tmp_path: Path) -> None:
    alerts = (
        '[alerts]\ndefault = ["web:desk"]\nurgent = ["telegram:2"]\n'
        '[alerts.channels]\ntrades = ["discord:11"]\nfilled = ["discord:12"]\n'
    )
    config = configured(tmp_path, TEXT + alerts)
    channels = channels_of(config)

    assert destinations(channels, EventKind.FILLED) == ["discord:12"]
    assert destinations(channels, EventKind.EXIT_STARTED) == ["discord:11"]
    assert destinations(channels, EventKind.HALTED) == ["web:desk"]
    assert destinations(channels, EventKind.HALTED, severity=Severity.URGENT) == ["web:desk", "telegram:2"]
    assert chats_of(config, "discord") == ("10", "11", "12")


def test_a_platform_in_trouble_is_told_on_the_others(tmp_path: Path) -> None:
    channels = channels_of(configured(tmp_path))

    down = destinations(channels, EventKind.PLATFORM_DOWN, subject="telegram", severity=Severity.URGENT)
    assert down == ["discord:10", "web:desk"]
    assert "discord:10" in destinations(channels, EventKind.PLATFORM_DOWN, subject="discord:11")


def test_warnings_go_where_warnings_go_and_urgent_cards_there_and_further(tmp_path: Path) -> None:
    alerts = '[alerts]\ndefault = ["web:desk"]\nwarning = ["discord:10"]\nurgent = ["telegram:2"]\n'
    channels = channels_of(configured(tmp_path, TEXT + alerts))

    assert destinations(channels, EventKind.HALTED) == ["web:desk"]
    assert destinations(channels, EventKind.HALTED, severity=Severity.WARNING) == ["web:desk", "discord:10"]
    assert destinations(channels, EventKind.HALTED, severity=Severity.URGENT) == [
        "web:desk",
        "discord:10",
        "telegram:2",
    ]
    assert "telegram:2" in channels.everywhere


def test_with_one_platform_an_alert_about_a_chat_that_takes_nothing_is_told_in_its_other_chats() -> None:
    told = Channels(("telegram:1", "telegram:2"), {})

    def reached(unreached: str) -> list[str]:
        data = {"topic": "desk", "reach": "warning", "unreached": unreached}
        event = make.event(EventKind.ALERT_RAISED, "N00001", data=data, severity=Severity.WARNING)
        return [route.destination for route in routes(event, told)]

    assert reached("telegram:1") == ["telegram:2"]
    assert reached("telegram") == []


def test_a_chat_that_takes_nothing_is_told_of_on_the_other_platforms(tmp_path: Path) -> None:
    channels = channels_of(configured(tmp_path))

    assert destinations(channels, EventKind.UNDELIVERED, subject="discord:11") == ["telegram:-20/3", "web:desk"]
