"""Everything around a desk that lives through weeks in minutes: both chat platforms, the broker, people, bad luck.

The test owns the clock. The broker's quotes follow recorded prices; options that end are assigned, exercised
or expire. What goes wrong, who taps what and when the process is killed comes from one seeded generator.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from bot.app import ReplayClock
from engine.data.folder import RecordedFolder
from engine.data.replay import ReplayMarket
from engine.model.instruments import Instrument, Stock, instrument
from engine.sessions import Sessions
from tests.journeys.chats import Chats, chats
from tests.journeys.program import DATA, MEMORY, environment
from tests.standins import alpaca_events
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin
from tests.standins.alpaca_book import contract
from tests.standins.alpaca_exchange import Exchange
from tests.standins.telegram_world import Message as TelegramMessage

MINUTE = timedelta(minutes=1)
ANSWERED_WITHIN = 60.0
"""Seconds of ours a look of the desk may take, on a busy machine and with everything going wrong."""
BROKER_FAULTS = ("429", "500", "504", "html", "cut", "done-504", "done-cut")
TELEGRAM_FAULTS = ("429", "500", "502", "reset", "done-reset")
DISCORD_FAULTS = ("429", "502", "cut", "done-cut")


@dataclass(frozen=True, slots=True)
class Luck:
    """How often something happens at a look, and how often in a session."""

    fault: float = 0.03
    outage: float = 0.004
    tap: float = 0.5
    fill: float = 0.3
    kills: float = 0.4
    """Expected kills in a session."""


@dataclass
class World:
    """The desk's surroundings, and the process it lives in."""

    chats: Chats
    alpaca: AlpacaStandin
    clock: ReplayClock
    config: Path
    rng: np.random.Generator
    luck: Luck
    sessions: Sessions = field(default_factory=Sessions)
    count: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    """The first look of the first life: before it nothing was due."""
    memory: list[int] = field(default_factory=list)
    """Bytes the process held at the end of each session, with the life it was in."""
    lives: list[int] = field(default_factory=list)
    recorded: int = 0
    """Bytes of the recorded days in the process: a desk on live prices has none of them."""
    process: subprocess.Popen[str] | None = None
    dark: dict[str, int] = field(default_factory=dict)
    """Platforms that are down, and for how many looks more."""
    tapped: set[tuple[str, str]] = field(default_factory=set)
    runs: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """By id: job, due time, since when, state and note of every run there was."""
    due: dict[str, list[str]] = field(default_factory=dict)
    """By job, every due time from the first look to the last, as the database writes instants."""
    health: str = ""
    """What the desk said of itself in the end."""
    missed: tuple[str, ...] = ()
    """The service levels that it did not keep."""

    def __post_init__(self) -> None:
        self.market = ReplayMarket(RecordedFolder.open(DATA), self.clock, self.sessions)

    @property
    def now(self) -> datetime:
        """The time of everything here."""
        return self.clock()

    # the process

    def start(self) -> None:
        """The next life of the desk, connected to everything."""
        number = self.count["lives"] = self.count["lives"] + 1
        more = {
            **self.chats.variables,
            "ALPACA_API_KEY": KEY,
            "ALPACA_SECRET_KEY": SECRET,
            "ALPACA_TRADING_URL": self.alpaca.url,
            "WSB__DESK__BROKER": "alpaca",
            "WSB__LOGGING__LEVEL": "warning",
            **MEMORY,
        }
        log = (self.chats.folder / f"life{number}.log").open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.journeys.fast_desk", self.config, self.now.isoformat(), DATA],
            cwd=self.chats.folder,
            env=environment(**more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self.chats.processes.append(self.process)
        log.close()
        self.recorded = int(self._heard()["recorded"])

    def ask(self, **order: Any) -> dict[str, Any]:
        """Give the desk one order and wait for its answer."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._heard()

    def _heard(self) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdout is not None
        late = threading.Timer(ANSWERED_WITHIN, self.process.kill)
        late.start()
        line = self.process.stdout.readline()
        late.cancel()
        assert line, f"the desk ended in life {self.count['lives']}:\n{self.log()[-4000:]}"
        found: dict[str, Any] = json.loads(line)
        return found

    def log(self) -> str:
        """What the last life wrote."""
        return (self.chats.folder / f"life{self.count['lives']}.log").read_text(encoding="utf-8")

    def end(self) -> None:
        """Let this life end in order."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self._buried() == 0, self.log()[-4000:]

    def kill(self) -> None:
        """SIGKILL in the middle of a look."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"tick": self.now.isoformat()}) + "\n")
        self.process.stdin.flush()
        threading.Event().wait(float(self.rng.uniform(0.0, 0.15)))
        self.process.kill()
        self._buried()
        self.count["kills"] += 1

    def leave(self) -> None:
        """Leave no process behind, whatever happened."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self._buried()

    def _buried(self) -> int:
        """The exit code of a process that has ended."""
        assert self.process is not None
        code = self.process.wait(30)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        return code

    # time

    def look(self, at: datetime) -> None:
        """Everything that happens at one moment of the market."""
        self.clock.set(at)
        self.first = self.first or at
        self._quote()
        self._trade()
        self._bad_luck()
        answer = self.ask(tick=at.isoformat())
        self.count["looks"] += 1
        self.count["late deliveries"] += not answer["delivered"]
        if self._people():
            self.ask(deliver=5.0)

    def session(self, day: date, pace: Sequence[int]) -> None:
        """One session from before the bell into the night; minutes between two looks are drawn from `pace`."""
        opens, closes = self.sessions.open(day), self.sessions.close(day)
        steps = tuple(self._steps(opens, closes, pace))
        deaths = {int(each) for each in self.rng.integers(0, len(steps), self.rng.poisson(self.luck.kills))}
        for at in (opens - 90 * MINUTE, opens - 30 * MINUTE):
            self.look(at)
        for number, at in enumerate(steps):
            if at <= self.now:
                continue  # it was down then
            self.look(at)
            if number in deaths:
                self.kill()
                self.clock.set(self.now + timedelta(seconds=float(self.rng.uniform(5, 240))))
                self.start()
        self.look(closes)
        self._settle(day)
        for after in (5, 15, 16, 30, 60, 120, 180, 240):
            self.look(closes + after * MINUTE)
        self.clock.set(closes + 300 * MINUTE)
        answer = self.ask(tick=self.now.isoformat(), collect=True)
        self.memory.append(int(answer["rss"]))
        self.lives.append(self.count["lives"])

    def calm(self) -> None:
        """Everything works again, and the desk has time to catch up; it says how it did."""
        for name in tuple(self.dark):
            self.dark[name] = 0
        self._bad_luck_ends()
        self.alpaca.recover()
        self.chats.telegram.recover()
        self.chats.discord.recover()
        for _ in range(12):
            self.clock.set(self.now + 5 * MINUTE)
            self.ask(tick=self.now.isoformat())
        looked = self.now
        for _ in range(30):
            if not self.ask(wait=30)["waiting"]:
                break
        assert self.first is not None
        told = self.ask(report=[self.first.isoformat(), looked.isoformat()])
        self.due, self.health, self.missed = told["due"], told["health"], tuple(told["missed"])

    def _steps(self, start: datetime, end: datetime, pace: Sequence[int]) -> Iterator[datetime]:
        at = start
        while at < end:
            yield at
            at += int(self.rng.choice(pace)) * MINUTE

    def growth(self) -> float:
        """The most memory growth of one life from the end of its fifth session to its last, as a ratio.

        Of what the desk itself holds: the recorded days, which never change, would hide some of it.
        """
        ratios = [1.0]
        for life in set(self.lives):
            own = [held - self.recorded for held, of in zip(self.memory, self.lives, strict=True) if of == life][4:]
            ratios += [own[-1] / own[0]] if len(own) > 1 else []
        return max(ratios)

    # the market and the broker

    def _quote(self) -> None:
        exchange = self.alpaca.exchange
        with exchange.lock:
            symbols = {leg.symbol for order in exchange.orders if order.is_open for leg in order.legs}
            symbols |= {symbol for symbol, held in exchange.positions.items() if held.quantity}
        wanted: list[Instrument] = [instrument(symbol) for symbol in sorted(symbols)]
        for item, quote in self.market.quotes(wanted).items():
            exchange.quote(item.symbol, quote.bid, quote.ask)

    def _trade(self) -> None:
        """Somebody on the other side takes an order, or a part of it, at its limit."""
        exchange = self.alpaca.exchange
        for order in [each for each in exchange.orders if each.is_open and exchange.is_open]:
            if self.rng.random() < self.luck.fill:
                units = int(self.rng.integers(1, order.left + 1))
                exchange.fill(order.client_order_id, units)
                self.count["fills"] += 1

    def _settle(self, day: date) -> None:
        """Options that end today: in the money they are assigned or exercised, else they are gone."""
        exchange = self.alpaca.exchange
        for symbol, held in tuple(exchange.positions.items()):
            option = contract(symbol)
            if option is None or option.expiry > day or not held.quantity:
                continue
            spot = self.market.quotes([Stock(option.root)])[Stock(option.root)].mid
            act = "expired"
            if option.intrinsic(spot) <= Decimal("0.01"):
                alpaca_events.expire(exchange, symbol)
            elif held.quantity < 0:
                act = "assigned"
                alpaca_events.assign(exchange, symbol, -held.quantity)
            else:
                act = "exercised"
                alpaca_events.exercise(exchange, symbol, held.quantity)
            self.count[act] += 1

    # bad luck

    def _bad_luck(self) -> None:
        self._bad_luck_ends()
        if self.rng.random() < self.luck.outage:
            self._outage()
        if self.rng.random() < self.luck.fault:
            self._fault()

    def _bad_luck_ends(self) -> None:
        for name in tuple(self.dark):
            self.dark[name] -= 1
            if self.dark[name] <= 0:
                del self.dark[name]
                (self.chats.telegram if name == "telegram" else self.chats.discord).up()

    def _outage(self) -> None:
        name = str(self.rng.choice(["telegram", "discord"]))
        if name in self.dark:
            return
        self.count[f"{name} down"] += 1
        self.dark[name] = int(self.rng.integers(3, 30))
        (self.chats.telegram if name == "telegram" else self.chats.discord).down()

    def _fault(self) -> None:
        where, times = (
            str(self.rng.choice(["broker", "broker", "telegram", "discord", "gateway"])),
            int(self.rng.integers(1, 4)),
        )
        self.count[f"faults of the {where}"] += 1
        if where == "broker":
            kind = str(self.rng.choice(BROKER_FAULTS))
            self.alpaca.fail_next(kind, times)
            self.count["lost answers of the broker"] += kind.startswith("done") * times
        elif where == "telegram" and "telegram" not in self.dark:
            kind = str(self.rng.choice(TELEGRAM_FAULTS))
            self.chats.telegram.fail(kind, times, "sendMessage", "sendPhoto", "editMessageText", seconds=1)
            self.count["lost answers of telegram"] += kind.startswith("done") * times
        elif where == "discord" and "discord" not in self.dark:
            kind = str(self.rng.choice(DISCORD_FAULTS))
            self.chats.discord.fail(kind, 1, "POST", "/channels/", seconds=0.05)
            self.count["lost answers of discord"] += kind.startswith("done")
        elif where == "gateway" and "discord" not in self.dark:
            self.chats.discord.drop()

    # people

    def _people(self) -> bool:
        """Whether somebody did something."""
        did = False
        if "telegram" not in self.dark and self.rng.random() < self.luck.tap:
            did = self._tap_telegram()
        if "discord" not in self.dark and not did and self.rng.random() < self.luck.tap:
            did = self._tap_discord()
        return did

    def _tap_telegram(self) -> bool:
        found = next(
            (m for m in reversed(self.chats.group.sent[-30:]) if "Approve" in str(m.labels) and self._is_new("t", m)),
            None,
        )
        if found is None:
            return False
        button = "Approve" if self.rng.random() < 0.8 else "Reject"
        data = found.data(button)
        for _ in range(1 + (self.rng.random() < 0.2)):
            self.chats.telegram.press_data(self.chats.bob, found, data)
        self.count[f"telegram {button}"] += 1
        threading.Event().wait(0.1)
        return True

    def _is_new(self, platform: str, message: TelegramMessage | Any) -> bool:
        key = (platform, str(message.id))
        if key in self.tapped:
            return False
        self.tapped.add(key)
        return True

    def _tap_discord(self) -> bool:
        found = next(
            (m for m in reversed(self.chats.channel.messages[-30:]) if "Approve" in m.labels and self._is_new("d", m)),
            None,
        )
        if found is None:
            return False
        button = "Approve" if self.rng.random() < 0.8 else "Reject"
        self.chats.discord.press(self.chats.ann, found, button)
        self.count[f"discord {button}"] += 1
        threading.Event().wait(0.1)
        return True


@contextmanager
def world(folder: Path, first: datetime, seed: int, luck: Luck, sections: Iterable[str] = ()) -> Iterator[World]:
    """Everything, ready for the first life."""
    clock = ReplayClock(first)
    with ExitStack() as stack:
        here = stack.enter_context(chats(folder))
        here.telegram.world.now = lambda: clock().timestamp()
        exchange = Exchange(clock)
        exchange.fills_at_limit = True
        alpaca = stack.enter_context(AlpacaStandin(exchange))
        alpaca.schemas = None  # every other journey holds the wire to them: here it would be most of the time
        config = here.configure(*sections)
        made = World(here, alpaca, clock, config, np.random.default_rng(seed), luck)
        try:
            yield made
        finally:
            made.leave()
