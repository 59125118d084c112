"""The guides: their configuration loads, their commands exist, their pictures are there and small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from discord import Permissions

from bot.catalogue import COMMANDS
from bot.config import load
from bot.parse import values_of, words_of
from bot.platforms.discord_app import invitation
from bot.platforms.discord_check import NEEDED, NEEDED_FOR_THREADS
from engine.desk import Desk
from strategies import CATALOGUE
from tests import make
from tests.desk import make_world

DOCS = Path(__file__).parents[1] / "docs"
GUIDES = tuple(DOCS / name for name in ("guide.md", "discord.md", "telegram.md"))
FENCED = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"`/([a-z_]+)((?: [^`]*)?)`")
PICTURE = re.compile(r'<img src="([^"]+)" alt="([^"]+)"')
OF_TELEGRAM = frozenset({"newbot", "token", "revoke", "setprivacy"})
"""Commands of BotFather's, not of the desk."""
LARGEST = 150_000


def text_of(guide: Path) -> str:
    return guide.read_text(encoding="utf-8")


def examples() -> list[str]:
    """Every piece of configuration in the guides."""
    return [body for guide in GUIDES for kind, body in FENCED.findall(text_of(guide)) if kind == "toml"]


def commands() -> list[tuple[str, str]]:
    """Every command in the guides with what stands behind it."""
    found = {pair for guide in GUIDES for pair in COMMAND.findall(text_of(guide)) if pair[0] not in OF_TELEGRAM}
    return sorted(found)


def a_desk() -> Desk:
    """A desk that holds the position of the examples."""
    world = make_world(strategies=dict(CATALOGUE))
    with world.store.begin() as work:
        work.save_position(make.position(id="P00003", approval_id=None))
    return world.desk


@pytest.mark.parametrize("example", examples())
def test_configuration_of_a_guide_loads(example: str, tmp_path: Path):
    path = tmp_path / "config.toml"
    path.write_text(example, encoding="utf-8")

    config = load(path, {"DISCORD_TOKEN": "d", "TELEGRAM_TOKEN": "t"})

    assert config.people.users or config.telegram.webhook_url


@pytest.mark.parametrize(("name", "rest"), commands(), ids=lambda each: each.strip() or "-")
def test_command_of_a_guide_exists_and_takes_what_is_written_there(name: str, rest: str):
    command = COMMANDS[name]

    assert not command.is_button
    if rest:
        assert values_of(command, words_of(rest), a_desk())


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_pictures_of_a_guide_are_there_and_small(guide: Path):
    pictures = [guide.parent / source for source, _ in PICTURE.findall(text_of(guide))]

    assert [picture.name for picture in pictures if not picture.exists()] == []
    assert [picture.name for picture in pictures if picture.stat().st_size > LARGEST] == []


def test_every_kept_picture_of_a_chat_is_shown_in_a_guide():
    shown = {Path(source).name for guide in GUIDES for source, _ in PICTURE.findall(text_of(guide))}

    assert {path.name for path in (DOCS / "images" / "chat").glob("*.png")} <= shown


def test_invitation_asks_for_exactly_what_the_doctor_looks_for():
    rows = re.findall(r"^\| ([^|]+?) \| ([0-9*]+) \|", text_of(DOCS / "discord.md"), re.MULTILINE)
    told = {name: int(number.strip("*")) for name, number in rows}
    wanted = {words: value_of(name) for name, words in (*NEEDED.items(), *NEEDED_FOR_THREADS.items())}
    plain = sum(value_of(name) for name in NEEDED)
    both = plain + sum(value_of(name) for name in NEEDED_FOR_THREADS)

    assert told == {**wanted, "**together**": plain, "**together with threads**": both}
    assert f"permissions={both}" in invitation(1)


def value_of(permission: str) -> int:
    """The number of one permission, by discord.py's name."""
    return Permissions(**{permission: True}).value
