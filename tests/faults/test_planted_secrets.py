"""Every secret of a desk, planted, and every adapter failing in every way: none of them is written anywhere.

What comes of a failure goes the ways of a running desk (loop, job, message, command, /health, monitor).
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import stamina
import structlog

from bot import app, cli, logs, sources
from bot.bulkheads import inline
from bot.command import Room
from bot.config import load
from bot.fronts import Fronts, Patience, examined
from bot.parts import Parts
from bot.platforms.base import Front
from bot.platforms.web_front import WebFront
from bot.settings import Config, LoggingSettings
from engine import redaction
from engine.data.probe import _questions
from engine.errors import ConfigError
from engine.redaction import spellings
from engine.store import Store
from tests.bot.rooms import PEOPLE, visit
from tests.desk import make_world
from tests.faults.planted import EVERY, PASSWORD, PLANTED, careless, configured, leaks, spoken, told_of

WAYS = ("refused", "401", "redirect", "html", "silence")
FORMATS = ("json", "console")
EACH = tuple(zip(WAYS[:-1], FORMATS * 2, strict=True))
"""Each failure once, in one of the two formats of the log; the others take long and come with the soak."""
CROSSED = [
    pytest.param(way, form, marks=() if (way, form) in EACH else pytest.mark.soak) for way in WAYS for form in FORMATS
]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """However the log is written while everything fails."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.parametrize(("way", "log_format"), CROSSED)
def test_no_secret_is_written_anywhere_however_an_adapter_fails(
    way: str, log_format: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with careless(way) as url, stamina.set_testing(True, attempts=2, cap=True):
        config = configured(url, tmp_path)
        logs.configure(LoggingSettings(level="debug", format=log_format))
        logs.keep_secrets(config)
        problems = failures(config)
        told = "\n".join([*asyncio.run(platforms(config)), told_of(problems)])
    written = capfd.readouterr()

    assert len(problems) >= (4 if way == "html" else 8), [type(each) for each in problems]
    assert leaks(told) == []
    assert leaks(written.err + written.out) == []
    assert "loop.broken" in written.err or "loop.failed" in written.err


def failures(config: Config) -> list[Exception]:
    """What the broker, the providers of data and the database raise."""
    world = make_world()
    found = []
    acts: list[Callable[[], object]] = [
        lambda: app.alpaca_broker(config).account(),
        lambda: Store.open(config.database.url),
    ]
    for provider in sources.providers_of(config, world.clock):
        acts += [lambda ask=ask, one=provider: ask(one) for _, ask in _questions(provider, world.clock())]  # type: ignore[misc]
    lock = threading.Lock()

    def run(act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is what is looked for
            with lock:
                found.append(problem)

    threads = [threading.Thread(target=run, args=(act,), daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    return found


@pytest.mark.parametrize("way", ["403", "422"])
def test_the_words_of_a_refused_question_are_told_on_without_the_keys(way: str, tmp_path: Path) -> None:
    """They are kept with the scan that asked, and nothing takes them out there."""
    with careless(way) as url, stamina.set_testing(True, attempts=1):
        config = configured(url, tmp_path)
        logs.keep_secrets(config)
        quoted = [str(problem) for problem in failures(config) if "alpaca" in str(problem).lower()]

    assert any("[redacted]" in words for words in quoted)
    assert leaks("\n".join(quoted)) == []


async def platforms(config: Config) -> list[str]:
    """What is told of the chats, which cannot be reached."""
    world = make_world()
    room = Room(world.desk, PEOPLE, inline, lambda: "PAPER")
    fronts: tuple[Front, ...] = app.build_fronts(config, room, lambda words: None)
    kept = Fronts(room, fronts, Patience(drop=0.1, look=0.05))
    kept.start()
    checked = [finding.words for front in fronts for finding in await examined(front)]
    words = [f"{part}" for part in Parts(lambda: kept.parts)()]
    await kept.stop(1.0)
    with world.store.read() as work:
        events = [f"{event.data}" for event in work.events(limit=100)]
    return [*words, *(redaction.clean(each) for each in checked), *events]


def test_the_test_knows_a_leak_in_every_form() -> None:
    secret = PLANTED["ALPACA_SECRET_KEY"]
    forms = [secret, quote(secret, safe=""), base64.b64encode(f"u:{secret}".encode()).decode(), secret[:12]]
    forms += [f"'{secret[:6]}'\n '{secret[6:]}'", json.dumps({"a": repr(secret)})]

    assert [form for form in forms if not leaks(f"x {form} y")] == []
    assert leaks("A plain sentence about DISCORD_TOKEN and 12:30:45.") == []


def test_no_secret_of_the_page_is_written_though_whoever_starts_the_desk_is_told_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    told: list[str] = []
    here = visit()

    async def opened() -> str:
        front = WebFront(here.room, 0, told.append)
        running = asyncio.create_task(front.run())
        async with asyncio.timeout(10):
            while not front.state.is_well:
                await asyncio.sleep(0.01)
        token = told[0].partition("#token=")[2].strip()
        problem = RuntimeError(f"it said {token}, {base64.b64encode(f'a:{token}'.encode()).decode()}")
        logs.configure(LoggingSettings())
        structlog.get_logger().error("page.broken", exc_info=problem, words=repr({"token": token}))
        said = await asyncio.to_thread(told_of, [problem])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert len(token) > 20
        return token + "\n" + said

    token, _, said = asyncio.run(opened()).partition("\n")
    written = capfd.readouterr()

    assert "page.broken" in written.err
    assert [form for form in spellings(token) if form in said + written.err + written.out] == []


def test_a_command_that_breaks_shows_its_traceback_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    redaction.keep(EVERY)
    try:
        raise RuntimeError(f"no answer of https://x.example/?apikey={PLANTED['ALPHA_VANTAGE_API_KEY']} {spoken()}")
    except RuntimeError as problem:
        cli.tell_broken(type(problem), problem, problem.__traceback__)
    written = capsys.readouterr().err

    assert "RuntimeError: no answer of https://x.example/?apikey=[redacted]" in written
    assert leaks(written) == []


@pytest.mark.parametrize("url", ["postgres//wsb:{}@db/wsb", "postgresql://wsb:{}@db:port/wsb", "mysql://wsb:{}@db/wsb"])
def test_a_database_url_that_is_wrong_is_refused_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        logs.keep_secrets(load(None, {"DATABASE_URL": url.format(PASSWORD)}))

    assert leaks(str(refused.value)) == []
    assert "DATABASE_URL" in str(refused.value)
