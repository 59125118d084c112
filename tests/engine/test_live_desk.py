"""The desk on the live market over real providers on loopback: no wrong number becomes an order, and exits go on."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine import approvals, exits, orders, portfolio, standing
from engine.data.beforehand import Beforehand
from engine.data.budget import FOR_STOPS, Allowance, Budget, Urgency, asking
from engine.data.live_shares import QUICK
from engine.data.providers.trouble import Throttled
from engine.desk import Desk, Mode
from engine.errors import DataError, DataInvalid, NotAllowed
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.legs import ExitPlan, Leg
from engine.model.market import MarketSnapshot
from engine.model.orders import Ticket, TicketStatus
from engine.model.trade import Exit, Working
from strategies import swing, wheel
from tests import make
from tests.desk import FakeBroker, World, make_world, propose
from tests.engine.exit_cases import held, holding, quote_shares
from tests.journeys.live_world import EXPIRIES
from tests.live_market import PUT, SHARE, Market, market
from tests.standins.provider_server import Trouble
from tests.ticks import Ticks
from tests.waiting import PATIENCE, until

D = Decimal
CALL = make.call(48, expiry=EXPIRIES[1])
PLAN = ExitPlan(target=D("5.40"), stop=D("1.35"))
"""Twice and half of what the call is worth."""


@contextmanager
def desk(folder: Path, *positions: Position, yahoo: bool = True, **more: Any) -> Iterator[tuple[World, Market]]:
    """A desk that holds these on the live market; its clock is the market's."""
    with market(folder, yahoo=yahoo) as it:
        world = make_world(**more)
        broker = FakeBroker(it.clock, is_paper=world.broker.is_paper, number=world.broker.number)
        made = replace(world.desk, market=it.live, now=it.clock, broker=broker)
        with world.store.begin() as work:
            for position in positions:
                work.save_position(position)
        standing.refresh_account(made)
        yield World(made, broker, world.market, it.clock, world.store), it


def long_call(plan: ExitPlan = PLAN, id: str = "P00001", strike: int = 48) -> Position:
    return held(id, make.call(strike, expiry=EXPIRIES[1]), 1, "2.70", plan)


def looks(world: World, it: Market, count: int, seconds: float = 2.0) -> None:
    """So many looks at the exits."""
    for _ in range(count):
        it.pass_(seconds)
        exits.supervise(world.desk)


@pytest.mark.parametrize("factor", [10.0, 0.1])
@pytest.mark.parametrize("yahoo", [True, False])
def test_a_lying_feed_of_options_fires_neither_target_nor_stop(tmp_path: Path, factor: float, yahoo: bool) -> None:
    with desk(tmp_path, long_call(), yahoo=yahoo) as (world, it):
        looks(world, it, 3)
        it.wires.lies.options = factor
        looks(world, it, 8)
        it.wires.lies.options = 1
        looks(world, it, 3)
        assert world.broker.posts == []
        with world.store.read() as work:
            peak = work.position("P00001").peak
        assert peak is not None
        assert peak < 3, "a best mark that never was would trail the stop up to it"


@pytest.mark.parametrize("factor", [10.0, 0.5])
def test_a_lying_feed_of_shares_fires_no_stop_on_them(tmp_path: Path, factor: float) -> None:
    plan = ExitPlan(stop_spot=D(40), stop_spot_above=D(60))
    with desk(tmp_path, long_call(plan)) as (world, it):
        looks(world, it, 2)
        it.wires.lies.shares = factor
        looks(world, it, 8)
        assert world.broker.posts == []


def test_a_real_move_fires_the_stop_on_live_quotes(tmp_path: Path) -> None:
    with desk(tmp_path, long_call()) as (world, it):
        looks(world, it, 3)
        it.wires.move(44.0)
        looks(world, it, 10)
        (sent,) = world.broker.sent.values()
        assert (sent.legs[0].instrument, sent.limit) == (CALL, -sum(it.wires.sides(CALL)) / 2)


def test_everything_dead_sends_nothing_says_so_once_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    with desk(tmp_path, long_call()) as (world, it):
        looks(world, it, 3)
        for server in (it.wires.alpaca, it.wires.yahoo):
            server.fail("503")
        looks(world, it, 40)
        assert world.broker.posts == []
        (told,) = world.events(EventKind.DATA_STALE)
        assert "No usable quote for a minute" in str(told.data["words"])
        for server in (it.wires.alpaca, it.wires.yahoo):
            server.heal()
        it.wires.move(44.0)
        looks(world, it, 250)
        assert [order.legs[0].instrument for order in world.broker.sent.values()] == [CALL]


def test_what_is_held_is_shown_at_its_last_price_while_nobody_answers(tmp_path: Path) -> None:
    with desk(tmp_path, long_call()) as (world, it):
        it.pass_(2)
        with world.store.begin() as work:
            standing.save_marks(work, standing.marks(world.desk, work.book()), it.clock())
        (before,) = portfolio.positions(world.desk)
        it.wires.alpaca.fail("503")
        it.pass_(120)
        (after,) = portfolio.positions(world.desk)
        assert (after.value, before.stale_at) == (before.value, None)
        assert after.stale_at == make.NOW + timedelta(seconds=2)


def test_an_exit_whose_next_step_has_no_quote_waits_and_is_told(tmp_path: Path) -> None:
    with desk(tmp_path, long_call()) as (world, it):
        looks(world, it, 3)
        it.wires.move(44.0)
        looks(world, it, 10)
        it.wires.alpaca.fail("503")
        for _ in range(3):
            it.pass_(16)
            orders.work(world.desk)
        assert len(world.broker.posts) == 1
        assert any("no quote to price its next step" in str(each.data) for each in world.events(EventKind.EXIT_FAILED))
        it.wires.alpaca.heal()
        it.pass_(400)
        orders.work(world.desk)
        it.pass_(2)
        orders.work(world.desk)
        assert len(world.broker.posts) == 2


def wheel_put(it: Market, **more: Any) -> Any:
    """A proposal to sell the 44 put at its middle."""
    bid, ask = it.wires.sides(PUT)
    defaults = {
        "legs": (Leg(PUT, -1),), "limit": -(bid + ask) / 2, "natural": -bid, "asof": it.clock(),
        "working": Working.LADDER,
    }  # fmt: skip
    return make.plan(make.signal(**(defaults | more)), 1)


def test_a_tap_on_real_money_is_refused_once_options_are_indicative_while_exits_go_on(tmp_path: Path) -> None:
    with desk(tmp_path, long_call(), mode=Mode.LIVE) as (world, it):
        it.wires.options.feeds = {"opra", "indicative"}
        it.wires.shares.feeds = {"sip"}
        looks(world, it, 3)
        propose(world, plan=wheel_put(it))
        it.wires.options.feeds = {"indicative"}
        it.pass_(2)
        with pytest.raises(DataInvalid, match=r"alpaca \(indicative\): real money is risked on real-time quotes only"):
            approvals.approve(world.desk, "A00001", 1, "ann")
        it.wires.move(44.0)
        looks(world, it, 10)
        assert [order.opening for order in world.broker.sent.values()] == [False]


def test_an_order_that_waits_to_be_undone_is_not_sent_on_quotes_that_turned_indicative(tmp_path: Path) -> None:
    with desk(tmp_path, mode=Mode.LIVE) as (world, it):
        it.wires.options.feeds, it.wires.shares.feeds = {"opra", "indicative"}, {"sip"}
        propose(world, plan=wheel_put(it))
        it.pass_(2)
        approvals.approve(world.desk, "A00001", 1, "ann")
        approvals.confirm(world.desk, "A00001", 1, "ann")
        it.wires.options.feeds = {"indicative"}
        it.pass_(6)
        orders.send_due(world.desk)
        with world.store.read() as work:
            ended = work.ticket("A00001.1")
        assert (world.broker.posts, ended.status) == ([], TicketStatus.CLOSED)
        assert "not sent: the quote of" in ended.note


def test_an_entry_takes_no_further_step_on_quotes_it_could_not_have_begun_on(tmp_path: Path) -> None:
    with desk(tmp_path) as (world, it):
        propose(world, plan=wheel_put(it))
        it.pass_(2)
        approvals.approve(world.desk, "A00001", 1, "ann")
        it.pass_(2)
        orders.send_due(world.desk)
        assert len(world.broker.posts) == 1
        it.wires.still = it.clock.now
        it.pass_(20)
        orders.work(world.desk)
        assert len(world.broker.posts) == 1
        it.wires.still = None
        it.pass_(2)
        orders.work(world.desk)
        assert len(world.broker.posts) == 2


@pytest.mark.parametrize("lie", ["shares", "options"])
def test_a_tap_on_a_lie_sends_nothing(tmp_path: Path, lie: str) -> None:
    with desk(tmp_path) as (world, it):
        it.quotes()
        propose(world, plan=wheel_put(it))
        setattr(it.wires.lies, lie, 10.0)
        it.pass_(2)
        with pytest.raises(DataError):
            approvals.approve(world.desk, "A00001", 1, "ann")
        assert world.broker.posts == []


def test_a_history_that_hangs_holds_up_no_stop(tmp_path: Path) -> None:
    calls = [long_call(id=f"P0000{row}", strike=44 + 2 * row) for row in range(1, 5)]
    with desk(tmp_path, *calls, strategies={"wheel": wheel.STRATEGY}) as (world, it):
        watched = replace(world.desk, market=Beforehand(it.live))
        for server in (it.wires.alpaca, it.wires.yahoo):
            server.fail(Trouble(silence=True, path="(bars|chart|corporate|snapshots|v7)"))
        began = time.monotonic()
        for _ in range(3):
            it.pass_(2)
            exits.supervise(watched)
        assert time.monotonic() - began < 2 * QUICK


def test_half_a_day_has_no_entries_late_and_exits_until_its_bell(tmp_path: Path) -> None:
    with desk(tmp_path, long_call()) as (world, it):
        propose(world, plan=wheel_put(it), expires_at=datetime(2026, 12, 24, 22, tzinfo=UTC))
        it.clock.set(datetime(2026, 6, 18, 17, 30, tzinfo=UTC))
        looks(world, it, 2)
        it.clock.set(datetime(2026, 11, 27, 17, 30, tzinfo=UTC))
        with pytest.raises(NotAllowed, match="closes early today: no entries after 11:30"):
            approvals.approve(world.desk, "A00001", 1, "ann")
        assert world.desk.sessions.is_open(it.clock())
        it.clock.set(datetime(2026, 11, 27, 18, 0, 1, tzinfo=UTC))
        assert (world.desk.sessions.is_open(it.clock()), exits.supervise(world.desk)) == (False, ())


def test_ten_positions_looked_at_every_second_leave_most_of_a_free_allowance_to_others(tmp_path: Path) -> None:
    calls = [long_call(id=f"P{row:05d}", strike=40 + 2 * row) for row in range(10)]
    with desk(tmp_path, *calls, strategies={"wheel": wheel.STRATEGY}) as (world, it):
        watched = replace(world.desk, market=Beforehand(it.live, it.ticks))
        looks(replace(world, desk=watched), it, 3, 1.0)
        it.wires.alpaca.asked.clear()
        for _ in range(60):
            it.pass_(1.0)
            exits.supervise(watched)
            it.live.quotes([PUT, SHARE])  # an order that rests in the same name
        asked = Counter(each.path for each in it.wires.alpaca.asked)
        assert asked["/v2/stocks/quotes/latest"] <= 40 + 8, "at every other look, and for the snapshots"
        assert asked["/v1beta1/options/quotes/latest"] <= 40
        assert asked.total() <= 100


@pytest.mark.parametrize("urgency", [Urgency.PERSON, Urgency.SCAN, Urgency.BACKGROUND])
def test_after_any_burst_of_others_a_stop_can_ask_all_minute_long(urgency: Urgency) -> None:
    ticks = Ticks()
    budget = Budget("x", Allowance(200, 60.0), tick=ticks, kept=FOR_STOPS)
    with asking(urgency):
        taken(budget)
    with asking(Urgency.ORDER):
        for _ in range(100):
            ticks.advance(2.0)
            budget.take()
            budget.take()


def taken(budget: Budget) -> None:
    """Ask until no more is allowed."""
    while True:
        try:
            budget.take()
        except Throttled:
            return


def test_bars_of_the_day_that_hang_hold_up_no_stop_and_decide_once_they_are_there() -> None:
    one = held("P00001", CALL, 1, "2.70", PLAN, strategy="swing")
    other = held("P00002", make.call(50), 1, "2.70", PLAN, strategy="swing")
    world = holding(one, other, strategies={"swing": replace(swing.STRATEGY, manage=by_bars)})
    released = threading.Event()
    bars = make.intraday([48.0] * 30)
    world.market.set_snapshot(make.snapshot(load_intraday=lambda: bars if released.wait(PATIENCE) else None))
    watched = replace(world.desk, market=Beforehand(world.market))
    quote_shares(world, 48)
    world.market.set_quote(CALL, "2.65", "2.75")
    began = time.monotonic()
    stopped = [look_at_other(world, watched, value) for value in ("2.70", "1.00", "1.00")]
    assert until(lambda: bool(threads("beforehand"))), "the bars are being asked for"
    held_up = time.monotonic() - began
    released.set()
    decided = until(lambda: "P00001.by-bars.1" in {each.id for each in exits.supervise(watched)})
    assert (held_up < PATIENCE / 2, [len(each) for each in stopped], decided) == (True, [0, 0, 1], True)


def by_bars(position: Position, snapshot: MarketSnapshot, *_: object) -> tuple[Exit, ...]:
    """Closes as soon as there are bars of the day."""
    return () if snapshot.intraday is None else (Exit("by bars", "there are bars"),)


def look_at_other(world: World, watched: Desk, value: str) -> tuple[Ticket, ...]:
    world.clock.advance(10)
    quote_shares(world, 48)
    for item, mid in ((CALL, D("2.70")), (make.call(50), D(value))):
        world.market.set_quote(item, mid - D("0.05"), mid + D("0.05"))
    return exits.supervise(watched)


def threads(name: str) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == name]
