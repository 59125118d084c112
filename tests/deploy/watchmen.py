"""The real Prometheus and Alertmanager on this machine, with the files of `deploy/`: only addresses, secrets and times
are put in their place, so that what is tested is what is shipped."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from bot.app import system_clock
from tests.journeys.asked import free_port
from tests.programs import alertmanager, prometheus
from tests.standins.discord_webhook import Webhook, webhook
from tests.standins.telegram_server import TOKEN, TelegramServer
from tests.standins.telegram_world import Chat
from tests.waiting import until

DEPLOY = Path(__file__).parents[2] / "deploy"
READS_SECRETS_FROM_FILES = (0, 28)
"""Since this version of Alertmanager the webhook of Discord may stand in a file; Debian 12 has an older one."""
INTERVAL = 200
"""Milliseconds after which an alert that was told is looked at again; a new one waits twice as long, so that whatever
ended before it would have been told before it."""
FASTER = 30
"""How much shorter than in the files of Prometheus the times are here."""


def changed(text: str, *changes: tuple[str, str]) -> str:
    """A shipped file with (pattern, replacement) made in it; every pattern is there."""
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text, flags=re.M)
        assert count, f"the shipped file has no {pattern}"
    return text


def alertmanager_files(folder: Path, *changes: tuple[str, str], discord: str = "http://127.0.0.1:9/hook") -> Path:
    """The shipped configuration with its secrets in this folder, as the installed version can read them."""
    secrets = {"bot_token_file": TOKEN, "webhook_url_file": discord}
    told = subprocess.run([alertmanager("amtool"), "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\d+)\.(\d+)", told.stdout + told.stderr)
    assert found
    reads_files = tuple(map(int, found.groups())) >= READS_SECRETS_FROM_FILES
    for key, secret in secrets.items():
        file = folder / key
        file.write_text(secret, encoding="utf-8")
        new = f"{key}: {file}" if reads_files else f"{key.removesuffix('_file')}: {secret}"
        changes = (*changes, (rf"{key}: /run/secrets/\w+$", new))
    made = folder / "alertmanager.yml"
    made.write_text(changed((DEPLOY / "alertmanager" / made.name).read_text(encoding="utf-8"), *changes), "utf-8")
    (folder / "desk.tmpl").write_bytes((DEPLOY / "alertmanager" / "desk.tmpl").read_bytes())
    return made


@dataclass(frozen=True, slots=True)
class Told:
    """The chats of whoever owns the desk, and where the Alertmanager answers."""

    port: int
    telegram: TelegramServer
    group: Chat
    discord: Webhook

    @property
    def texts(self) -> tuple[list[str], list[str]]:
        """Everything that was told so far, on Telegram and on Discord."""
        return [message.text for message in self.group.sent], list(self.discord.texts)

    def is_silenced(self, alert: str) -> bool:
        """Whether Alertmanager keeps an alert that fires to itself."""
        url = f"http://127.0.0.1:{self.port}/api/v2/alerts?{urlencode({'filter': f'alertname={alert}'})}"
        with urlopen(url, timeout=10) as answer:
            (found,) = json.load(answer)
        return bool(found["status"]["inhibitedBy"])

    def until_both(self, words: str) -> None:
        """Wait until these words were told on both."""
        assert until(lambda: all(any(words in text for text in texts) for texts in self.texts)), (words, self.texts)

    def alert(self, *alerts: Mapping[str, str], is_over: bool = False) -> None:
        """Say as Prometheus does that these alerts, given by their labels, fire or are over."""
        now = system_clock()
        ends = now if is_over else now + timedelta(hours=1)
        body = [
            {
                "labels": dict(labels),
                "annotations": {
                    "summary": f"About <{labels['alertname']}> & _more_.",
                    "runbook": "docs/runbooks/down.md",
                },
                "startsAt": now.isoformat(),
                "endsAt": ends.isoformat(),
            }
            for labels in alerts
        ]
        url = f"http://127.0.0.1:{self.port}/api/v2/alerts"
        request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=10) as answer:
            assert answer.status == 200


@contextmanager
def running(folder: Path, *command: str | Path) -> Iterator[None]:
    """A program that runs meanwhile; what it says is kept in the folder."""
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(list(map(str, command)), cwd=folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    """Whether the program on this port is ready."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def telling(folder: Path) -> Iterator[Told]:
    """Alertmanager, which tells both chats at once."""
    with ExitStack() as stack:
        telegram, discord = stack.enter_context(TelegramServer()), stack.enter_context(webhook())
        group = telegram.supergroup("Desk", telegram.person("ann"))
        file = alertmanager_files(
            folder,
            ("^global:$", f"global:\n  telegram_api_url: {telegram.url}"),
            ("chat_id: -1$", f"chat_id: {group.id}"),
            (r"group_wait: \w+$", f"group_wait: {2 * INTERVAL}ms"),
            (r"group_interval: \w+$", f"group_interval: {INTERVAL}ms"),
            discord=discord.url,
        )
        port = free_port()
        flags = (f"--storage.path={folder}", f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=")
        program = alertmanager("prometheus-alertmanager")
        stack.enter_context(running(folder, program, f"--config.file={file}", *flags))
        assert until(lambda: answers(port)), (folder / f"{program.name}.log").read_text()
        yield Told(port, telegram, group, discord)


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Prometheus on this port."""

    port: int

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that this gives now; none is an empty list."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{urlencode({'query': expression})}"
        with urlopen(url, timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def until(self, expression: str) -> None:
        """Wait until this gives something."""
        assert until(lambda: bool(self.ask(expression))), expression


@contextmanager
def looking(folder: Path, desk: int, told: Told) -> Iterator[Prometheus]:
    """Prometheus, which looks at the desk on this port and tells Alertmanager."""
    for file in (DEPLOY / "prometheus").glob("*.yml"):
        (folder / file.name).write_bytes(file.read_bytes())
    shorten(folder / "prometheus.yml", r"((?:scrape|evaluation)_interval: )(\w+)$")
    shorten(folder / "rules.yml", r"((?:for|keep_firing_for): )(\w+)$")
    for name, port in (("targets.yml", desk), ("alertmanagers.yml", told.port)):
        file = folder / name
        file.write_text(changed(file.read_text(encoding="utf-8"), (r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}")), "utf-8")
    port = free_port()
    flags = (f"--storage.tsdb.path={folder / 'metrics'}", f"--web.listen-address=127.0.0.1:{port}")
    with running(folder, prometheus("prometheus"), f"--config.file={folder / 'prometheus.yml'}", *flags):
        assert until(lambda: answers(port)), (folder / "prometheus.log").read_text()
        yield Prometheus(port)


def shorten(file: Path, pattern: str) -> None:
    """Make every time that this finds in a file shorter: its first group is the key, its second the time."""
    units = {"s": 1000, "m": 60_000, "h": 3_600_000}

    def shorter(found: re.Match[str]) -> str:
        return f"{found[1]}{int(found[2][:-1]) * units[found[2][-1]] // FASTER}ms"

    text, count = re.subn(pattern, shorter, file.read_text(encoding="utf-8"), flags=re.M)
    assert count
    file.write_text(text, encoding="utf-8")
