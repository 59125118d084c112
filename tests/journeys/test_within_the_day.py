"""The two strategies of 15-minute bars, from a scan and a tap in a chat over Alpaca's wire to the exit and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from typing import Any

import pytest

from bot.bulkheads import inline
from bot.command import Room
from bot.message import Card, as_text
from engine import exits, orders, scanning, standing
from engine.model.book import Position
from engine.model.instruments import Option
from engine.model.limits import Limits
from engine.model.market import IntradayBars, MarketSnapshot
from engine.sessions import Sessions
from strategies import CATALOGUE
from tests import make
from tests.bot.rooms import PEOPLE, Visit
from tests.desk import make_world
from tests.journeys.test_years import lived
from tests.make import TODAY, D
from tests.shared import needs_shared
from tests.strategies import days
from tests.strategies.test_momentum_weeklies import strength
from tests.strategies.test_swing import fallen
from tests.wire import WireWorld, connected

SHARE = make.share()
WEEKLY = make.call(50.5, dte=3)
"""Friday 19 June 2026 is a holiday: the weekly expires on Thursday."""
TWO_WEEKS = make.call(80, dte=14)


@dataclass
class Day:
    """A desk in a chat, before Alpaca's account, on a day that a test walks through."""

    wire: WireWorld
    visit: Visit
    name: MarketSnapshot
    option: Option

    def at(self, clock: str, bid: str, ask: str, bars: IntradayBars | None = None) -> None:
        """It is `clock` in New York; the option is quoted so, the name shows these bars (or what it showed)."""
        now = self.wire.clock.set(Sessions().at(TODAY, clock))
        seen = self.name.intraday if bars is None else bars
        spot = self.name.spot
        assert spot is not None
        self.wire.market.set_snapshot(replace(self.name, asof=now, load_intraday=lambda: seen))
        self.wire.quote(SHARE, spot.bid, spot.ask)
        self.wire.quote(self.option, bid, ask)

    def look(self, clock: str, bid: str, ask: str, bars: IntradayBars | None = None) -> list[str]:
        """What the exits start at that time, by reason."""
        self.at(clock, bid, ask, bars)
        orders.reconcile(self.wire.desk)
        started = [ticket.reason for ticket in exits.supervise(self.wire.desk)]
        orders.work(self.wire.desk)
        return started

    def tap(self, action: str) -> Card:
        """Tap a button of the only proposal."""
        with self.wire.store.read() as work:
            (approval,) = work.pending_approvals()
        return self.visit.card(action=f"{action}:{approval.key}")

    def filled(self, bid: str, ask: str) -> Position:
        """The position of the entry once quotes have reached it."""
        self.wire.quote(self.option, bid, ask)
        orders.reconcile(self.wire.desk)
        with self.wire.store.read() as work:
            (position,) = work.open_positions()
        return position

    def closed(self) -> Position:
        orders.reconcile(self.wire.desk)
        with self.wire.store.read() as work:
            (position,) = work.positions_closed(10)
        return position

    @property
    def sent(self) -> list[tuple[str, str, str, str]]:
        """(side and intent, quantity, limit, symbol) of every order on the wire."""
        return [(b["position_intent"], b["qty"], b["limit_price"], b["symbol"]) for b in self.wire.posted]


@contextmanager
def day(name: MarketSnapshot, option: Option, **more: Any) -> Iterator[Day]:
    """A day with this one name and SPY."""
    with connected(make_world(strategies=dict(CATALOGUE), universe=("XYZ",), **more), hold=3.0, read=10.0) as wire:
        desk = replace(wire.desk, account=wire.exchange.number)
        standing.refresh_account(desk)
        here = replace(wire, desk=desk)
        here.clock.set(name.asof)
        here.market.set_snapshot(name)
        here.market.set_snapshot(days.market())
        yield Day(here, Visit(here, Room(desk, PEOPLE, inline, lambda: "PAPER"), count(1)), name, option)
    assert wire.standin.journal.violations == []


@pytest.fixture
def momentum() -> Iterator[Day]:
    now = days.quarter(7)
    with day(days.momentum_name(chain=days.weekly_chain(3, asof=now)), WEEKLY) as here:
        yield here


@pytest.fixture
def swing() -> Iterator[Day]:
    with day(days.swing_name(chain=days.swing_chain(asof=days.quarter(5))), TWO_WEEKS) as here:
        yield here


def bought_weekly(here: Day) -> Position:
    """Nine weekly calls at 1.03, filled at 11:15:03."""
    scanning.run(here.wire.desk, "momentum_weeklies")
    here.at("11:15:02", "0.98", "1.08")
    here.tap("approve")
    here.wire.clock.advance(1)
    return here.filled("0.93", "1.03")


def bought_swing(here: Day) -> Position:
    """Four 80 calls at 2.25, filled at 10:45:03."""
    scanning.run(here.wire.desk, "swing")
    here.at("10:45:02", "2.20", "2.30")
    here.tap("approve")
    here.wire.clock.advance(1)
    return here.filled("2.15", "2.25")


def test_a_reversal_is_bought_by_a_tap_and_sold_after_four_trading_hours(momentum: Day) -> None:
    here = momentum
    position = bought_weekly(here)
    assert here.sent == [("buy_to_open", "9", "1.03", WEEKLY.symbol)]
    assert (position.units, position.entry, position.exits.has_stop) == (9, D("1.03"), True)
    assert (position.exits.trading_hours, position.exits.close_on) == (4.0, TODAY.replace(day=17))

    assert here.look("15:15:02", "1.10", "1.20") == []
    assert here.look("15:15:03", "1.10", "1.20") == ["time"]
    assert here.sent[1:] == [("sell_to_close", "9", "1.15", WEEKLY.symbol)]
    here.at("15:15:04", "1.15", "1.25")

    done = here.closed()
    assert (done.close_reason, done.realised) == ("time", D("108.00"))
    assert here.wire.exchange.held(WEEKLY.symbol) == 0
    assert ("Realised", "+108.00") in [fact[:2] for fact in here.visit.card("/pnl").facts]


def test_an_rsi_above_seventy_sells_the_weekly_on_the_wire(momentum: Day) -> None:
    here = momentum
    bought_weekly(here)

    assert here.look("11:16", "1.10", "1.20", strength(1.89)) == []
    assert here.look("11:16:10", "1.10", "1.20", strength(1.95)) == ["RSI"]

    assert here.sent[1:] == [("sell_to_close", "9", "1.15", WEEKLY.symbol)]


@pytest.mark.parametrize(
    ("quotes", "reasons"),
    [
        ([("1.49", "1.59")], [[]]),
        ([("1.50", "1.59")], [["target"]]),
        ([("0.48", "0.56"), ("0.48", "0.56")], [[], []]),
        ([("0.48", "0.55"), ("0.48", "0.55")], [[], ["stop"]]),
    ],
    ids=["below the target", "target", "above the stop", "stop"],
)
def test_target_and_stop_of_the_weekly_on_both_sides(
    momentum: Day, quotes: list[tuple[str, str]], reasons: list[list[str]]
) -> None:
    bought_weekly(momentum)
    looks = [momentum.look(f"11:20:{10 * n:02d}", bid, ask) for n, (bid, ask) in enumerate(quotes)]
    assert looks == reasons


def test_a_breakout_is_bought_by_a_tap_and_flat_a_quarter_of_an_hour_before_the_close(swing: Day) -> None:
    here = swing
    position = bought_swing(here)
    assert here.sent == [("buy_to_open", "4", "2.25", TWO_WEEKS.symbol)]
    assert (position.exits.close_on, position.exits.before_close) == (TODAY, 15)

    assert here.look("15:44:59", "2.30", "2.40") == []
    assert here.look("15:45", "2.30", "2.40") == ["time"]
    assert here.sent[1:] == [("sell_to_close", "4", "2.35", TWO_WEEKS.symbol)]
    here.at("15:45:01", "2.35", "2.45")

    done = here.closed()
    assert (done.close_reason, done.realised) == ("time", D("40.00"))
    assert here.wire.exchange.held(TWO_WEEKS.symbol) == 0


def test_what_could_not_be_sold_in_the_evening_is_sold_from_0935_of_the_next_session(swing: Day) -> None:
    here = swing
    position = bought_swing(here)
    tuesday = TODAY.replace(day=16)
    due = []
    for clock in ("09:34", "09:35"):
        here.wire.clock.set(Sessions().at(tuesday, clock))
        here.wire.quote(SHARE, "79.99", "80.01")
        here.wire.quote(TWO_WEEKS, "2.20", "2.30")
        due.append([ticket.reason for ticket in exits.supervise(here.wire.desk)])
    assert position.is_open
    assert due == [[], ["time"]]


def test_a_close_below_vwap_with_crossed_averages_sells_on_the_wire(swing: Day) -> None:
    here = swing
    bought_swing(here)

    assert here.look("10:46", "2.10", "2.20", fallen(3, rise=1.9)) == []
    assert here.look("10:46:10", "2.10", "2.20", fallen(3)) == ["VWAP"]

    assert here.sent[1:] == [("sell_to_close", "4", "2.15", TWO_WEEKS.symbol)]


@pytest.mark.parametrize(
    ("quotes", "reasons"),
    [
        ([("2.76", "2.86")], [[]]),
        ([("2.77", "2.86")], [["target"]]),
        ([("1.53", "1.63"), ("1.53", "1.63")], [[], []]),
        ([("1.52", "1.62"), ("1.52", "1.62")], [[], ["stop"]]),
    ],
    ids=["below the target", "target", "above the stop", "stop"],
)
def test_target_and_stop_of_the_swing_on_both_sides(
    swing: Day, quotes: list[tuple[str, str]], reasons: list[list[str]]
) -> None:
    bought_swing(swing)
    looks = [swing.look(f"11:20:{10 * n:02d}", bid, ask) for n, (bid, ask) in enumerate(quotes)]
    assert looks == reasons


def waiting(here: Day, strategy: str) -> str:
    """The key of the proposal that a scan makes."""
    scanning.run(here.wire.desk, strategy)
    with here.wire.store.read() as work:
        (approval,) = work.pending_approvals()
    return approval.key


def test_a_spread_that_has_widened_past_five_percent_is_refused_at_the_tap(swing: Day) -> None:
    key = waiting(swing, "swing")
    swing.at("10:45:02", "2.20", "2.32")

    assert "more than 5 %" in swing.visit.told(action=f"approve:{key}")
    assert swing.sent == []


def test_a_size_that_would_take_a_limit_over_is_proposed_smaller_and_the_card_says_why() -> None:
    name = days.swing_name(chain=days.swing_chain(asof=days.quarter(5)))
    with day(name, TWO_WEEKS, limits=Limits(one_underlying=D("0.15"))) as here:
        key = waiting(here, "swing")
        here.at("10:45:02", "2.20", "2.30")

        why = as_text(here.visit.card(f"/why {key}"))
        here.tap("approve")

        assert "risk in XYZ: 3 of 4 (limit 15.0 %)" in why
        assert [quantity for _, quantity, _, _ in here.sent] == ["3"]


@pytest.mark.parametrize(("clock", "is_sent"), [("14:30", True), ("14:30:01", False)])
def test_a_card_of_half_past_two_is_refused_a_second_later(clock: str, is_sent: bool) -> None:
    now = Sessions().at(TODAY, "14:29:30")
    closes = days.breakout(today_bars=19)
    bars = make.intraday(closes, 19, volume=days.volumes(len(closes), 100_000, last=230_000))
    with day(days.swing_name(bars, now, chain=days.swing_chain(asof=now)), TWO_WEEKS) as here:
        here.wire.market.set_snapshot(replace(days.market(today_bars=19), asof=now))
        key = waiting(here, "swing")
        here.at(clock, "2.20", "2.30")

        told = here.visit.ask(action=f"approve:{key}")

        assert bool(here.sent) is is_sent
        assert is_sent or "swing enters from 09:45 to 14:30 only" in told.cards[0].lines[0]


@pytest.mark.parametrize(("seconds", "is_sent"), [(89, True), (90, False)])
def test_the_card_of_a_swing_may_be_answered_for_ninety_seconds(swing: Day, seconds: int, is_sent: bool) -> None:
    key = waiting(swing, "swing")
    minute, second = divmod(seconds, 60)
    swing.at(f"10:{45 + minute}:{second:02d}", "2.20", "2.30")

    swing.visit.ask(action=f"approve:{key}")

    assert bool(swing.sent) is is_sent


def test_what_the_scan_says_of_each_rule_is_read_in_the_chat(swing: Day) -> None:
    here = swing
    scanning.run(here.wire.desk, "swing")

    shown: Any = here.visit.card("/whynot XYZ swing")

    told = str(shown)
    assert "1.0025 x (80.00 over 79.80)" in told
    assert "2.3000 x (230,000 against 100,000, Mon 10:45)" in told


@needs_shared
def test_recorded_days_have_no_bars_of_the_day_and_a_replay_says_so() -> None:
    found = lived(date(2019, 1, 2), date(2019, 1, 4), ("momentum_weeklies", "swing")).body

    assert (found["errors"], found["proposals"]) == (0, 0)
    assert found["not_checked"] == ["15-minute bars"]
