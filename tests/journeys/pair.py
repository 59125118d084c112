"""Two processes of one desk: one leads, one stands by, with everything around them in a test's hands."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from engine import leadership
from engine.store import Store
from engine.store.operations import LEASE
from tests.journeys.chats import Chats, Live, live
from tests.standins.alpaca import KEY, SECRET


@dataclass
class Both:
    """A leader and a standby, with everything around them in the test's hands."""

    here: Live
    store: Store
    url: str

    @property
    def chats(self) -> Chats:
        return self.here.chats

    def spawn(self, **more: str) -> Popen[str]:
        here = self.here
        return self.chats.spawn(
            "tests.journeys.standby_desk",
            here.config,
            here.quotes,
            here.clock.file,
            DATABASE_URL=self.url,
            ALPACA_API_KEY=KEY,
            ALPACA_SECRET_KEY=SECRET,
            ALPACA_TRADING_URL=here.alpaca.url,
            ALPACA_STREAM_URL=here.stream.url,
            **{"WSB__DESK__BROKER": "alpaca", **more},
        )

    def leader(self, **more: str) -> Popen[str]:
        """A process that leads, connected to both platforms."""
        process, chats = self.spawn(**more), self.chats
        chats.until("it leads", lambda: self.leads(process))
        self.until_connected()
        return process

    def until_connected(self) -> None:
        chats = self.chats
        asked = len(chats.telegram.sent("getUpdates"))
        chats.until("Telegram is asked for updates", lambda: len(chats.telegram.sent("getUpdates")) > asked)
        chats.until("the bot is on the gateway", lambda: chats.discord.gateway.connected)

    def standby(self, **more: str) -> Popen[str]:
        """A process that stands by."""
        process = self.spawn(**more)
        self.chats.until("it stands by", lambda: f":{process.pid}:" in self.waiting())
        return process

    def leads(self, process: Popen[str]) -> bool:
        with self.store.read() as work:
            lease = work.lease(LEASE)
        return lease is not None and f":{process.pid}:" in lease.holder

    def waiting(self) -> str:
        with self.store.read() as work:
            return leadership.standing_by(work, self.here.clock())

    def seconds_until_it_leads(self, process: Popen[str]) -> float:
        began = time.monotonic()
        self.chats.until("the standby leads", lambda: self.leads(process))
        return time.monotonic() - began

    def approved(self) -> str:
        """The order that a person's tap has sent."""
        _, photo = self.chats.until_both("XYZ 44 put?")
        self.chats.telegram.press_data(self.chats.bob, photo, photo.data("Approve"))
        self.chats.until("the order at the wire", lambda: self.here.orders("sell_to_open"))
        return self.here.orders("sell_to_open")[0]

    def assert_nothing_twice(self) -> None:
        assert [key for key, times in Counter(self.here.orders()).items() if times > 1] == []
        placed = Counter(order.client_order_id for order in self.here.alpaca.exchange.orders)
        assert [key for key, times in placed.items() if times > 1] == []
        with self.store.read() as work:
            runs = Counter((run.job, run.due_at) for run in work.runs(limit=500))
        assert [key for key, times in runs.items() if times > 1] == []


@contextmanager
def both(folder: Path, url: str) -> Iterator[Both]:
    """A new desk in the database at `url`, whose processes are not started yet."""
    Store.create(url).close()
    with live(folder) as here, Store.open(url) as store:
        yield Both(here, store, url)
