"""Every secret of a desk, planted; a careless server that says them all; what a desk tells and keeps of a failure.

Whatever is asked echoes the secrets as a careless server would: plain, percent-encoded, as basic auth, in a header, a
page and an address.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.parse import quote, unquote_plus
from urllib.request import urlopen

from alerts import outbox
from alerts.jobs import Job
from alerts.metrics import Vitals
from alerts.routes import Channels, routes
from alerts.runner import Runner
from alerts.schedules import Always
from bot.bulkheads import finish
from bot.config import load
from bot.console.output import reply_text
from bot.deliver import Postman
from bot.dispatch import dispatch
from bot.message import PLAIN, Card, Manner, MessageRef, Request, as_text
from bot.monitor import Monitor, Watched
from bot.parts import Parts
from bot.runtime import Runtime, Troubles
from bot.settings import Config, MetricsSettings
from engine.errors import DeskError
from engine.store import Store
from tests.bot.rooms import visit
from tests.desk import World

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
PART = 9
"""Characters of a secret of which no more may be left in a row."""


class Careless(BaseHTTPRequestHandler):
    """Says everything it knows, in the way the test wants: a status, `redirect`, `html` or `silence`."""

    way = ""
    ended: threading.Event
    timeout = 0.5
    """Seconds in which a request has to come: what speaks no HTTP, such as a database's client, is hung up on."""

    def do_POST(self) -> None:
        self.do_GET()

    def do_PATCH(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        said = f"{self.path} {dict(self.headers.items())} {spoken()}"
        match self.way:
            case status if status.isdigit():
                error = {"message": said, "error": said, "status": "error", "ok": False, "description": said}
                code = {"code": int(status) * 100_000, "error_code": int(status)}
                self.reply(int(status), json.dumps(error | code), "application/json")
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


def told_of(problems: Sequence[Exception]) -> str:
    """What a desk tells and keeps of failures: of a loop, a job, a message, a command, /health, and for programs."""
    with TemporaryDirectory() as folder, Store.create(f"sqlite:///{folder}/desk.db") as store:
        here = visit(store=store)
        desk = here.world.desk
        troubles = Troubles(desk)
        for number, problem in enumerate(problems):
            if isinstance(problem, DeskError):
                troubles.expected(f"planted {number}", problem)
            troubles.bug(f"planted bug {number}", problem)
        jobs = {f"planted {number}": raising(problem) for number, problem in enumerate(problems)}
        runner = Runner(
            desk, [Job(name, Always(timedelta(hours=1)), fail) for name, fail in jobs.items()], troubles.tell
        )
        for name in jobs:
            runner.run_now(name, "ann")
        failing = Failing(problems)
        channels, postman = Channels(("failing:1",), {}), Postman(here.room, {"failing": failing})
        finish(outbox.pump(desk.store, desk.now, lambda event: routes(event, channels), postman, postman.lost))
        said = list(failing.cards)
        parts = Parts(lambda: tuple((f"Planted {number}", (False, str(each))) for number, each in enumerate(problems)))
        rooms = [replace(here.room, parts=parts), *(replace(here.room, parts=fail) for fail in jobs.values())]
        for number, room in enumerate(rooms):
            reply = finish(dispatch(room, Request("web:ann", "/health all", source=f"test:{number}")))
            said.append(reply_text(reply))
        said += monitored(here.world, problems)
        return "\n".join([*said, *kept(f"{folder}/desk.db")])


def kept(file: str) -> list[str]:
    """Everything a database holds, as text."""
    with closing(sqlite3.connect(file)) as books:
        return list(books.iterdump())


def raising(problem: Exception) -> Callable[[], str]:
    def fail() -> str:
        raise problem

    return fail


def monitored(world: World, problems: Sequence[Exception]) -> list[str]:
    """What programs are told of a desk whose database fails so."""
    turns = cycle(problems)

    def fail(work: object) -> dict[str, float | None]:
        raise next(turns)

    runtime = Runtime(world.desk, ())
    watched = Watched(world.desk, runtime, vitals=Vitals(levels=fail))
    monitor = Monitor(MetricsSettings(port=0), watched)
    monitor.start()
    assert monitor.at is not None
    try:
        paths = (*("/metrics" for _ in problems), "/readyz", "/healthz")
        return [answer(f"http://127.0.0.1:{monitor.at[1]}{path}") for path in paths]
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
    """A platform that fails with one of the problems after the other, whatever it is to post."""

    problems: Sequence[Exception]
    name: str = "failing"
    cards: list[str] = field(default_factory=list)

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        del chat, manner
        self.cards.append(as_text(card))
        raise self.problems[len(self.cards) % len(self.problems)]

    async def edit(self, ref: MessageRef, card: Card, manner: Manner = PLAIN) -> None:
        raise self.problems[0]


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
