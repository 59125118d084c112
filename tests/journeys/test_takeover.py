"""Two processes of one desk on one PostgreSQL: one leads, one stands by; the leader is killed or stopped."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from subprocess import Popen

import pytest

from engine import leadership
from engine.store import Store
from engine.store.operations import LEASE
from tests import make
from tests.journeys.chats import SOON, Chats, Live, live
from tests.standins.alpaca import KEY, SECRET

WITHIN = 15.0
"""Seconds within which a standby leads."""
QUIET = 3.0
"""Seconds in which a process that stands by would have asked a platform for something."""

pytestmark = pytest.mark.postgres


@dataclass
class Both:
    """A leader and a standby, with everything around them in the test's hands."""

    here: Live
    store: Store
    url: str

    @property
    def chats(self) -> Chats:
        return self.here.chats

    def spawn(self) -> Popen[str]:
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
            WSB__DESK__BROKER="alpaca",
        )

    def leader(self) -> Popen[str]:
        """A process that leads, connected to both platforms."""
        process, chats = self.spawn(), self.chats
        chats.until("it leads", lambda: self.leads(process))
        self.until_connected()
        return process

    def until_connected(self) -> None:
        chats = self.chats
        asked = len(chats.telegram.sent("getUpdates"))
        chats.until("Telegram is asked for updates", lambda: len(chats.telegram.sent("getUpdates")) > asked)
        chats.until("the bot is on the gateway", lambda: chats.discord.gateway.connected)

    def standby(self) -> Popen[str]:
        """A process that stands by."""
        process = self.spawn()
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
    Store.create(url).close()
    with live(folder) as here, Store.open(url) as store:
        yield Both(here, store, url)


def test_a_standby_asks_nobody_anything_until_the_leader_is_killed_and_manages_its_order_then(
    tmp_path: Path, postgres_url: str
) -> None:
    with both(tmp_path, postgres_url) as pair:
        chats, first = pair.chats, pair.leader()
        second = pair.standby()
        order = pair.approved()
        chats.until_both("(order working)")
        asks_nobody(pair)

        first.send_signal(signal.SIGKILL)  # and left unreaped: as on another machine, nobody sees that it is gone
        seconds = pair.seconds_until_it_leads(second)
        assert seconds < WITHIN
        began = time.monotonic()
        pair.here.alpaca.exchange.fill(order, 2)
        chats.until_both("(filled)")
        print(f"killed: led after {seconds:.1f} s, the fill told {time.monotonic() - began:.1f} s later")

        pair.here.clock.set(make.NOW.replace(hour=20) + timedelta(minutes=16))
        chats.until_both("Digest Mon 15 Jun 26")
        assert (len(chats.on_discord("Digest Mon 15 Jun 26")), len(chats.on_telegram("Digest Mon 15 Jun 26"))) == (1, 1)
        assert (len(chats.on_discord("(filled)")), len(chats.on_telegram("(filled)"))) == (1, 1)
        assert pair.here.orders("sell_to_open") == [order]
        pair.assert_nothing_twice()
        assert chats.end(second)[0] == 0, chats.log()
        chats.assert_valid()


def asks_nobody(pair: Both) -> None:
    """For a while: two that ask Telegram would end each other's requests, and each gateway session is seen."""
    chats, until = pair.chats, time.monotonic() + QUIET
    chats.until("a while", lambda: time.monotonic() > until)
    assert chats.telegram.updates.conflicts == 0
    assert len(chats.discord.gateway.connected) == 1
    assert pair.here.stream.listening == 1


def test_a_leader_that_is_stopped_loses_the_desk_and_sends_nothing_when_it_goes_on(
    tmp_path: Path, postgres_url: str
) -> None:
    with both(tmp_path, postgres_url) as pair:
        here, chats, first = pair.here, pair.chats, pair.leader()
        second = pair.standby()
        here.alpaca.hang_openings(1)
        order = pair.approved()

        first.send_signal(signal.SIGSTOP)
        seconds = pair.seconds_until_it_leads(second)
        print(f"stopped: led after {seconds:.1f} s")
        assert seconds < WITHIN
        chats.until_both("(order working)")
        pair.until_connected()
        press_is_answered(pair)
        assert chats.end(second)[0] == 0, chats.log()
        before = sent(pair)

        first.send_signal(signal.SIGCONT)
        assert first.wait(20) == 1

        assert sent(pair) == before, chats.log(0)[-3000:]
        assert "Another process has taken this desk over: this one ends." in chats.log(0)
        assert {*here.orders("sell_to_open")} == {order}
        assert [each.client_order_id for each in here.alpaca.exchange.orders] == [order]
        third = pair.leader()
        here.alpaca.exchange.fill(order, 2)
        chats.until_both("(filled)")
        assert chats.end(third)[0] == 0, chats.log()


def press_is_answered(pair: Both) -> None:
    """The new leader hears people on both, although the old one's sessions are still open."""
    chats = pair.chats
    chats.telegram.say(chats.bob, "/orders", chat=chats.group).answer(within=SOON).get()
    assert "XYZ" in chats.discord.slash(chats.ann, "orders", chats.channel).result().text


def sent(pair: Both) -> dict[str, int]:
    """How many requests reached each platform, and how many acts the broker."""
    journal = pair.here.alpaca.journal
    return {
        "telegram": len(pair.chats.telegram.requests),
        "discord": len(pair.chats.discord.requests),
        "orders": len(journal.sent("POST", "/v2/orders")),
        "cancels": len(journal.sent("DELETE", "/v2/orders")),
    }
