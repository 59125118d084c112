"""What a process that runs for months keeps of what it has seen: a bounded part, whatever comes and goes."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from bot.console.run import set_aside
from bot.message import Card, MessageRef
from bot.platforms.discord_threads import REMEMBERED as THREADS
from bot.platforms.discord_threads import Threads
from bot.platforms.telegram_sender import Sender
from engine.brokers import alpaca
from engine.data.batches import FORGOTTEN, Batched
from engine.data.beforehand import OLDEST, _Errands
from engine.data.columns import sheet
from engine.data.diary import Diary
from engine.data.live_options import LiveOptions
from engine.latest import Latest
from engine.model.market import Kind
from tests.engine.data import recorded
from tests.engine.data.test_recorded_quarters import minutes
from tests.fakes import FakeClock


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_key_set_longest_ago_makes_room() -> None:
    latest: Latest[str, int] = Latest(2)
    for name in ("A", "B", "A", "C"):
        latest[name] = len(latest)
    assert dict(latest) == {"A": 2, "C": 2}


def test_an_answer_nobody_asks_for_again_is_dropped() -> None:
    ticks = Ticks()

    def load(keys: tuple[int, ...]) -> Mapping[int, int]:
        return dict.fromkeys(keys, 1)

    batched: Batched[int, int] = Batched(load, 1.5, 100, ticks)
    for contract in range(1000):
        ticks.now += 1.5
        assert batched.get([contract]) == {contract: 1}
    assert len(batched._kept) <= 2 * FORGOTTEN + 1


def test_what_was_asked_for_beforehand_goes_when_it_is_too_old_to_be_given() -> None:
    ticks = Ticks()
    errands = _Errands(ticks)
    for name in ("AAA", "BBB"):
        errands.want(name, lambda: "a chain of thousands of contracts")
        for thread in threading.enumerate():
            if thread.name == "beforehand":
                thread.join(10)
        ticks.now += OLDEST
    assert list(errands.kept) == ["BBB"]
    assert list(errands.asked) == ["BBB"]


def test_the_requests_of_days_long_ago_are_not_kept(tmp_path: Path) -> None:
    clock = FakeClock(datetime(2026, 11, 2, 15, tzinfo=UTC))
    diary = Diary(tmp_path, "acme", clock)
    for _ in range(10):
        diary.note()
        diary.ages()
        clock.advance(days=1)
    assert len(diary._read) <= 3


def test_a_replay_keeps_the_chains_and_expiries_of_its_day_and_the_minutes_of_a_month() -> None:
    days = recorded.DAYS[-45:]
    chains = sheet(
        "chains",
        underlying=["AAA"] * 25 * len(days),
        quote_time=[datetime.fromisoformat(f"{day}T12:00") for day in days for _ in range(25)],
        expiry=[date(2019, 12, 20)] * 25 * len(days),
        strike=[40.0 + step for _ in days for step in range(25)],
        right=["C"] * 25 * len(days),
        bid=[1.0] * 25 * len(days),
        ask=[1.1] * 25 * len(days),
        underlying_price=[50.0] * 25 * len(days),
    )
    clock = recorded.clock(days[0], "13:00")
    market = recorded.market(clock, recorded.folder(chains=chains, minutes=(minutes(days),)))
    for day in days:
        clock.set(recorded.SESSIONS.at(day, "13:00"))
        seen = market.snapshot("AAA")
        assert seen.chain is not None
        assert seen.chain.source.kind is Kind.RECORDED
        assert (seen.intraday is not None) == (day >= days[21])
        modelled = market.snapshot("BBB").chain
    assert modelled is not None
    kept = market._options
    assert (len(kept._completed[1]), len(kept._expiries[1])) == (1, 1)
    assert len(market._quarters._days) <= 22


class Server:
    """A Discord that opens every thread it is asked for; takes the place of a client and of its parts."""

    def __init__(self) -> None:
        self.http = self

    async def start_thread_with_message(self, channel: int, message: int, **more: object) -> None:
        del channel, message, more

    def get_partial_messageable(self, channel: int) -> Server:
        del channel
        return self

    async def fetch_message(self, message: int) -> Server:
        self.id, self.embeds = message, ()
        return self

    async def send(self, **arguments: object) -> Server:
        del arguments
        return self


def test_the_collector_leaves_alone_what_is_there_when_a_desk_begins() -> None:
    set_aside()
    try:
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()


def test_threads_of_long_ago_are_forgotten() -> None:
    threads, server = Threads(enabled=True), Server()

    async def years() -> None:
        for number in range(THREADS + 10):
            await threads.post(server, MessageRef("discord", "1", str(number)), Card("k", "A card"), {})  # type: ignore[arg-type]

    asyncio.run(years())
    assert len(threads._open) == THREADS


def test_ids_of_orders_at_the_broker_are_kept_up_to_a_number() -> None:
    broker = alpaca.AlpacaBroker("key", "secret")
    for number in range(alpaca.REMEMBERED + 10):
        broker._remember({"client_order_id": f"A{number}", "id": f"{number}"})
    broker.close()
    assert len(broker._parents) == alpaca.REMEMBERED
    assert "0" not in broker._parents


def test_edits_and_quotes_are_remembered_up_to_a_number() -> None:
    nobody: Any = None
    sender = Sender(nobody, nobody, nobody, nobody)
    options = LiveOptions(nobody, nobody, nobody, nobody)
    assert all(isinstance(each, Latest) for each in (sender._edits, sender._shown, options._last))
