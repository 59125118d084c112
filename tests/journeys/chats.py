"""Discord, Telegram and a broker on loopback, and a desk in a process of its own that takes them for the real ones."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import TextIO

from engine.store import Store
from tests import make
from tests.journeys.chat_desk import FileClock
from tests.journeys.program import environment
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin
from tests.standins.alpaca_exchange import Exchange
from tests.standins.alpaca_stream import AlpacaStream
from tests.standins.discord_server import DiscordServer
from tests.standins.discord_world import Channel as DiscordChannel
from tests.standins.discord_world import Member
from tests.standins.discord_world import Message as DiscordMessage
from tests.standins.telegram_server import TOKEN, TelegramServer
from tests.standins.telegram_world import Chat, Person
from tests.standins.telegram_world import Message as TelegramMessage
from tests.strategies import cases

SOON = 40.0
"""Seconds a step of a journey may take: a process that starts on a busy machine is part of some."""
CHANNEL = 555


@dataclass
class Chats:
    """Both platforms with their people: ann is an admin on both, bob a trader on Telegram."""

    folder: Path
    discord: DiscordServer
    telegram: TelegramServer
    channel: DiscordChannel
    ann: Member
    ann_there: Person
    bob: Person
    group: Chat
    processes: list[Popen[str]] = field(default_factory=list)
    logs: list[TextIO] = field(default_factory=list)

    def configure(self, *sections: str) -> Path:
        """The configuration of a desk in both; `sections` are further TOML."""
        text = f"""
[[users]]
name = "ann"
role = "admin"
ids = ["discord:{self.ann.id}", "telegram:{self.ann_there.id}"]
[[users]]
name = "bob"
role = "trader"
ids = ["telegram:{self.bob.id}"]
[discord]
guild = "{self.discord.world.guild_id}"
channel = "{self.channel.id}"
[telegram]
chat = "{self.group.id}"
[strategies.wsb_dip]
enabled = false
"""
        file = self.folder / "config.toml"
        file.write_text("\n".join((text, *sections)), encoding="utf-8")
        return file

    @property
    def variables(self) -> dict[str, str]:
        """What points a desk here."""
        return {
            "DISCORD_TOKEN": self.discord.token,
            "DISCORD_API_URL": self.discord.api_url,
            "DISCORD_GATEWAY_URL": self.discord.gateway_url,
            "TELEGRAM_TOKEN": TOKEN,
            "TELEGRAM_API_URL": self.telegram.url,
            "DATABASE_URL": f"sqlite:///{self.folder / 'desk.db'}",
        }

    def start(self, module: str, *words: str | Path, **more: str) -> Popen[str]:
        """A process of the desk that is connected to both."""
        asked = len(self.telegram.sent("getUpdates"))
        process = self.spawn(module, *words, **more)
        self.until("Telegram is asked for updates", lambda: len(self.telegram.sent("getUpdates")) > asked)
        self.until("the bot is on the gateway", lambda: self.discord.gateway.connected)
        return process

    def spawn(self, module: str, *words: str | Path, **more: str) -> Popen[str]:
        """A process of the desk; what it logs is kept."""
        log = (self.folder / f"desk{len(self.logs)}.log").open("w+", encoding="utf-8")
        command = [sys.executable, "-m", module, *map(str, words)]
        process = Popen(
            command, cwd=self.folder, env=environment(**{**self.variables, **more}), stdout=log, stderr=log, text=True
        )
        self.processes.append(process)
        self.logs.append(log)
        return process

    def end(self, process: Popen[str], number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """End a process; its exit code and the seconds it took."""
        began = time.monotonic()
        process.send_signal(number)
        code = process.wait(20)
        return code, time.monotonic() - began

    def log(self, number: int = -1) -> str:
        """What a process wrote."""
        self.logs[number].seek(0)
        return self.logs[number].read()

    def until(self, what: str, claim: Callable[[], object], seconds: float = SOON) -> None:
        """Wait until something is so; else say what the desk wrote meanwhile."""
        deadline = time.monotonic() + seconds
        waiter = self.telegram.world.changed
        while not claim():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {seconds} s. The desk wrote:\n{self.log()[-6000:]}")
            with waiter:
                waiter.wait(0.05)

    def on_discord(self, words: str) -> list[DiscordMessage]:
        """Messages in the channel, or a thread of it, that say so now."""
        places = [self.channel, *self.discord.threads]
        return [message for place in places for message in place.messages if words in message.text]

    def on_telegram(self, words: str) -> list[TelegramMessage]:
        """The bot's messages in the group that say so now."""
        return [message for message in self.group.sent if words in message.text]

    def until_both(self, words: str) -> tuple[DiscordMessage, TelegramMessage]:
        """The newest message on each that says so, as soon as both do."""
        self.until(f"{words!r} on both", lambda: self.on_discord(words) and self.on_telegram(words))
        return self.on_discord(words)[-1], self.on_telegram(words)[-1]

    def until_noted(self) -> None:
        """Wait until nothing is on its way: what a kill cuts off between sending and noting comes once more."""
        with Store.open(self.variables["DATABASE_URL"]) as store:
            self.until("an empty outbox", lambda: not _waiting(store))

    def assert_valid(self) -> None:
        """Nothing was sent to either that it does not take."""
        self.discord.assert_valid()
        self.telegram.assert_valid()

    def close(self) -> None:
        """Leave no process behind."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        for log in self.logs:
            log.close()


def _waiting(store: Store) -> int:
    with store.read() as work:
        return len(work.unrouted_events()) + work.outbox_waiting()


@contextmanager
def chats(folder: Path) -> Iterator[Chats]:
    """Both platforms, ready for a desk."""
    with DiscordServer() as discord, TelegramServer() as telegram:
        ann, bob = telegram.person("ann"), telegram.person("bob")
        group = telegram.supergroup("Desk", ann, bob)
        made = Chats(
            folder, discord, telegram, discord.add_channel("desk", CHANNEL), discord.member("ann"), ann, bob, group
        )
        try:
            yield made
        finally:
            made.close()


@dataclass
class Live:
    """A desk at a broker, with everything around it in the test's hands."""

    chats: Chats
    alpaca: AlpacaStandin
    stream: AlpacaStream
    clock: FileClock
    config: Path
    quotes: Path

    def start(self) -> Popen[str]:
        """The next life of the desk."""
        more = {
            "ALPACA_API_KEY": KEY,
            "ALPACA_SECRET_KEY": SECRET,
            "ALPACA_TRADING_URL": self.alpaca.url,
            "ALPACA_STREAM_URL": self.stream.url,
            "WSB__DESK__BROKER": "alpaca",
        }
        return self.chats.start("tests.journeys.chat_desk", self.config, self.quotes, self.clock.file, **more)

    def quote(self, rows: Mapping[str, tuple[str, str]]) -> None:
        """What the market shows from now on, at the broker too."""
        new = self.quotes.with_suffix(".new")
        new.write_text(json.dumps(rows), encoding="utf-8")
        new.replace(self.quotes)
        for symbol, (bid, ask) in rows.items():
            self.alpaca.exchange.quote(symbol, bid, ask)

    def orders(self, part: str = "") -> list[str]:
        """The ids of the orders that reached the broker's wire."""
        sent = self.alpaca.journal.sent("POST", "/v2/orders")
        return [seen.body["client_order_id"] for seen in sent if part in json.dumps(seen.body)]


@contextmanager
def live(folder: Path) -> Iterator[Live]:
    """A market in which the wheel finds a put, seconds before it is scanned; nothing trades by itself."""
    clock = FileClock(folder / "clock.json")
    clock.set(make.NOW.replace(hour=13, minute=59, second=52))
    with ExitStack() as stack:
        here = stack.enter_context(chats(folder))
        exchange = Exchange(clock)
        exchange.matching = False
        alpaca = stack.enter_context(AlpacaStandin(exchange))
        stream = stack.enter_context(AlpacaStream(exchange, KEY, SECRET))
        config = here.configure("[approvals]", "expire_standard = 7200")
        made = Live(here, alpaca, stream, clock, config, folder / "quotes.json")
        chain = cases.wheel_chain()
        rows = {row.option.symbol: (f"{row.bid:.2f}", f"{row.ask:.2f}") for row in chain.contracts()}
        made.quote({make.TICKER: ("47.99", "48.01"), **rows})
        yield made
