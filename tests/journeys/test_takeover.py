"""Two processes of one desk on one PostgreSQL: one leads, one stands by; the leader is killed or stopped."""

from __future__ import annotations

import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests import make
from tests.journeys.chats import SOON
from tests.journeys.pair import Both, both

WITHIN = 15.0
"""Seconds within which a standby leads."""
QUIET = 3.0
"""Seconds in which a process that stands by would have asked a platform for something."""

pytestmark = pytest.mark.postgres


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
