"""Every secret of a desk, planted, and every adapter failing in every way: none of them is written anywhere.

Whatever is asked echoes the secrets as a careless server would: plain, percent-encoded, as basic auth, in a header, a
page and an address. What comes of it goes the ways of a running desk (loop, job, message, command, /health, monitor).
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.parse import quote, unquote_plus
from urllib.request import urlopen

import pytest
import structlog

from alerts import outbox
from alerts.jobs import Job
from alerts.metrics import Vitals
from alerts.routes import Channels, routes
from alerts.runner import Runner
from alerts.schedules import Always
from bot import app, cli, logs, sources
from bot.bulkheads import finish, inline
from bot.command import Room
from bot.config import load
from bot.console.output import reply_text
from bot.deliver import Postman
from bot.dispatch import dispatch
from bot.fronts import Fronts, Patience, examined
from bot.message import PLAIN, Card, Manner, MessageRef, Request, as_text
from bot.monitor import Monitor, Watched
from bot.parts import Parts
from bot.platforms.base import Front
from bot.platforms.web_front import WebFront
from bot.runtime import Runtime, Troubles
from bot.settings import Config, LoggingSettings, MetricsSettings
from engine import redaction
from engine.data.probe import _questions
from engine.errors import ConfigError, DeskError
from engine.redaction import spellings
from engine.store import Store
from tests.bot.rooms import PEOPLE, visit
from tests.desk import World, make_world

PLANTED = {
    "ALPACA_API_KEY": "PKQ7XW2M9ZV4TLRB83KD",
    "ALPACA_SECRET_KEY": "sQ8/vB3+nM5kXw2R=zT7yLp4Jd9",
    "DISCORD_TOKEN": "MTE4NTc3MjY1OTQ2MzAxMjM0.GkVwQz.h7Lr2Xn9Tb4Wm8Kc3Vf6Zp1Sd5Yj0Qg",
    "TELEGRAM_TOKEN": "6482917350:AAHw5Kq8ZbN3xTv7Rm2Ly9Pc4Jf6Dg1Se",
    "POLYGON_API_KEY": "pOlY9gWn4kVt7zXq2mBs5rLd",
    "ALPHA_VANTAGE_API_KEY": "8VN5Q2KX7ZB4+T/W",
    "FINNHUB_API_KEY": "fHb3c9q8z7x6w5v4u2t1",
    "FMP_API_KEY": "Fm7Pq4Rz9Xk2Wn5Tb8Lv",
    "NEWSAPI_API_KEY": "n3w5a9f27c84e16bd05c",
}
PASSWORD = "dB9/w@rD x7+Kq3Zn5"
EVERY = (*PLANTED.values(), PASSWORD)
WAYS = ("refused", "401", "redirect", "html", "silence")
PART = 9
"""Characters of a secret of which no more may be left in a row."""


class Careless(BaseHTTPRequestHandler):
    """Says everything it knows, in the way the test wants."""

    way = ""
    ended: threading.Event

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        said = f"{self.path} {dict(self.headers.items())} {spoken()}"
        match self.way:
            case "401":
                error = {"message": said, "error": said, "status": "error", "ok": False, "description": said}
                self.reply(401, json.dumps(error | {"code": 0, "error_code": 401}), "application/json")
            case "redirect":
                self.reply(302, "", "text/plain", quote(said, safe="/?=&+"))
            case "html":
                self.reply(200, f"<html><a href='{self.path}'>{said}</a></html>", "text/html")
            case _:
                self.ended.wait(30)
                self.close_connection = True

    def reply(self, status: int, body: str, kind: str, there: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        if there:
            self.send_header("Location", f"http://127.0.0.1:9/{there}")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on standard error."""


def spoken() -> str:
    """Every secret as a server may write it."""
    return " ".join(
        f"{quote(one, safe='')} {base64.b64encode(f'desk:{one}'.encode()).decode()} {one!r} {one}" for one in EVERY
    )


@contextmanager
def careless(way: str) -> Iterator[str]:
    """The address of a server that fails in this way."""
    if way == "refused":
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        return
    ended = threading.Event()
    handler = type("Handler", (Careless,), {"way": way, "ended": ended})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def configured(url: str, folder: Path) -> Config:
    """Every adapter at `url`, under the planted secrets."""
    file = folder / "wsb.toml"
    file.write_text('[[users]]\nname = "ann"\nrole = "admin"\nids = ["discord:1", "telegram:2"]\n', encoding="utf-8")
    wire = url.replace("http", "ws")
    there = {f"WSB__DATA__{name}_URL": url for name in ("FINNHUB", "FMP", "MASSIVE", "ALPHAVANTAGE", "NEWSAPI")}
    for name in ("ALPACA_TRADING_URL", "ALPACA_DATA_URL", "DISCORD_API_URL", "TELEGRAM_API_URL"):
        there[name] = url
    for name in ("ALPACA_STREAM_URL", "ALPACA_DATA_STREAM_URL", "DISCORD_GATEWAY_URL"):
        there[name] = wire
    there |= {f"WSB__DATA__{name}": "false" for name in ("YAHOO", "CBOE", "STOCKTWITS")}
    there |= {"WSB__DESK__BROKER": "alpaca", "WSB__DATA__SOURCE": "live", "WSB__DATA__CACHE": str(folder / "cache")}
    there |= {"WSB__DATA__TREASURY_URL": url, "DATABASE_URL": database_url(url)}
    return load(file, PLANTED | there)


def database_url(url: str) -> str:
    """A PostgreSQL that is not one."""
    return f"postgresql://wsb:{quote(PASSWORD, safe='')}@{url.removeprefix('http://')}/wsb?connect_timeout=2"


@pytest.fixture(params=["json", "console"])
def log_format(request: pytest.FixtureRequest) -> Iterator[str]:
    """How the log is written while every adapter fails."""
    before = structlog.get_config()
    yield str(request.param)
    structlog.configure(**before)


@pytest.mark.parametrize("way", [*WAYS[:-1], pytest.param("silence", marks=pytest.mark.soak)])
def test_no_secret_is_written_anywhere_however_an_adapter_fails(
    way: str, log_format: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with careless(way) as url:
        config = configured(url, tmp_path)
        logs.configure(LoggingSettings(level="debug", format=log_format))
        logs.keep_secrets(config)
        problems = failures(config)
        told = "\n".join([*asyncio.run(platforms(config)), *map(spread, problems)])
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


def spread(problem: Exception) -> str:
    """What a desk tells and keeps of a failure: of a loop, a job, a message, a command, and /health."""
    with TemporaryDirectory() as folder, Store.create(f"sqlite:///{folder}/desk.db") as store:
        here = visit(store=store)
        desk = here.world.desk
        troubles = Troubles(desk)
        if isinstance(problem, DeskError):
            troubles.expected("planted", problem)
        troubles.bug("planted bug", problem)

        def fail() -> str:
            raise problem

        runner = Runner(desk, [Job("planted", Always(timedelta(hours=1)), fail)], troubles.tell)
        runner.run_now("planted", "ann")
        failing = Failing(problem)
        channels, postman = Channels(("failing:1",), {}), Postman(here.room, {"failing": failing})
        finish(outbox.pump(desk.store, desk.now, lambda event: routes(event, channels), postman, postman.lost))
        said = [f"{card}" for card in failing.cards]
        room = replace(here.room, parts=Parts(lambda: (("Planted", (False, str(problem))),)))
        said += [reply_text(finish(dispatch(room, Request("web:ann", "/health all", source="test:1"))))]
        broken = replace(room, parts=fail)
        said += [reply_text(finish(dispatch(broken, Request("web:ann", "/health all", source="test:2"))))]
        said += monitored(here.world, problem)
        with closing(sqlite3.connect(f"{folder}/desk.db")) as kept:
            return "\n".join([*said, *kept.iterdump()])


def monitored(world: World, problem: Exception) -> list[str]:
    """What programs are told of a desk whose database fails so."""

    def fail(work: object) -> dict[str, float | None]:
        raise problem

    runtime = Runtime(world.desk, ())
    watched = Watched(world.desk, runtime, vitals=Vitals(levels=fail))
    monitor = Monitor(MetricsSettings(port=0), watched)
    monitor.start()
    assert monitor.at is not None
    try:
        return [answer(f"http://127.0.0.1:{monitor.at[1]}{path}") for path in ("/metrics", "/readyz", "/healthz")]
    finally:
        monitor.stop()


def answer(url: str) -> str:
    """The body, whatever the status."""
    try:
        with urlopen(url, timeout=10) as found:
            return str(found.read().decode())
    except HTTPError as refusal:
        return refusal.read().decode()


@dataclass
class Failing:
    """A platform that fails with `problem` whatever it is to post."""

    problem: Exception
    name: str = "failing"
    cards: list[str] = field(default_factory=list)

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        del chat, manner
        self.cards.append(as_text(card))
        raise self.problem

    async def edit(self, ref: MessageRef, card: Card, manner: Manner = PLAIN) -> None:
        raise self.problem


def leaks(text: str) -> list[str]:
    """Secrets that stand in the text, in whatever form; one is known by a few of its characters in a row."""
    plain = text + unquote_plus(text)
    joined = re.sub(r"[\"'\s\\]+", "", plain)
    packed = "\n".join(unpacked(word) for word in re.findall(r"[A-Za-z0-9+/_-]{8,}", joined))
    found = []
    for name, secret in {**PLANTED, "password": PASSWORD}.items():
        parts = {secret[at : at + PART] for at in range(len(secret) - PART + 1)}
        forms = {form for part in parts for form in (part, re.sub(r"[\"'\s\\]+", "", part)) if len(form) >= PART - 1}
        found += [f"{name}: {form}" for form in sorted(forms) if any(form in each for each in (plain, joined, packed))]
    return found


def unpacked(word: str) -> str:
    """What base64 hides in a word, wherever it begins in it."""
    words = [word[at:] for at in range(4)]
    return "\n".join(
        base64.b64decode(f"{each[: len(each) // 4 * 4]}", b"-_" if "_" in each or "-" in each else None).decode(
            "latin1"
        )
        for each in words
    )


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
        said = await asyncio.to_thread(spread, problem)
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
