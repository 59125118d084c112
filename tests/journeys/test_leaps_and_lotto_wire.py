"""LEAPS and lottery tickets from a scan typed in a chat to Alpaca's wire, and from the broker's fill to the exit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count

from bot.announce import card_for
from bot.bulkheads import inline
from bot.command import Room
from engine import exits, orders, scanning
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.instruments import Option
from engine.model.trade import Strategy
from strategies import CATALOGUE, leaps
from tests import make
from tests.bot.rooms import PEOPLE, Visit
from tests.strategies import test_leaps, test_lotto
from tests.wire import WireWorld, trading_world

D = Decimal


@contextmanager
def desk(strategy: Strategy) -> Iterator[tuple[WireWorld, Visit]]:
    with trading_world(strategies={**CATALOGUE, strategy.name: strategy}) as wire:
        yield wire, Visit(wire, Room(wire.desk, PEOPLE, inline, lambda: "PAPER"), count(1))


def approve(wire: WireWorld, here: Visit, option: Option, bid: str, ask: str) -> Position:
    """The only card that waits, approved with a button, and bought by the exchange at these quotes."""
    with wire.store.read() as work:
        (waiting,) = work.pending_approvals()
    wire.exchange.quote(option.symbol, D(bid), D(ask))
    here.card(action=f"approve:{waiting.key}")
    wire.go_on(1)
    with wire.store.read() as work:
        (held,) = work.open_positions()
    return held


def look(wire: WireWorld, option: Option, mark: str, spot: str, ticker: str) -> list[str]:
    """Quotes of now on both sides and one look of the exits: the reasons of what was started."""
    wire.quote(option, D(mark) - D("0.02"), D(mark) + D("0.02"))
    wire.quote(make.share(ticker), D(spot) - D("0.01"), D(spot) + D("0.01"))
    started = exits.supervise(wire.desk)
    orders.reconcile(wire.desk)
    orders.work(wire.desk)
    return [ticket.reason for ticket in started]


def test_a_lottery_ticket_is_bought_by_a_tap_and_sold_a_quarter_of_an_hour_before_the_close_after_the_report() -> None:
    option = make.call(67, dte=2)
    with desk(CATALOGUE["lotto"]) as (wire, here):
        wire.clock.set(test_lotto.NOW)
        wire.market.set_snapshot(test_lotto.name())
        assert here.card("/scan lotto XYZ").title == "Scan lotto: 1 proposal"
        scanning.run(wire.desk, "lotto", ("XYZ",))

        held = approve(wire, here, option, "0.87", "0.92")

        (entry,) = wire.posted
        assert (entry["symbol"], entry["side"], entry["qty"], entry["limit_price"]) == (
            option.symbol,
            "buy",
            "1",
            "0.92",
        )
        assert (held.units, held.entry, held.exits.stop, held.exits.target) == (1, D("0.92"), D("0.46"), D("3.68"))

        wire.clock.set(wire.desk.sessions.at(test_lotto.TOMORROW, "15:44:50"))
        assert look(wire, option, "0.80", "61.00", "XYZ") == []
        wire.clock.advance(10)
        assert look(wire, option, "0.80", "61.00", "XYZ") == ["time"]

        sold = wire.posted[-1]
        assert (sold["side"], sold["position_intent"], sold["limit_price"]) == ("sell", "sell_to_close", "0.80")


def test_a_leaps_call_is_bought_by_a_tap_asked_about_at_its_double_and_closed_by_the_answer() -> None:
    expiry = test_leaps.DAY + timedelta(days=468)
    option = make.call(170, underlying="AAA", expiry=expiry)
    with desk(replace(leaps.STRATEGY, params=test_leaps.PARAMS)) as (wire, here):
        now = wire.clock.set(wire.desk.sessions.at(test_leaps.DAY, "10:30"))
        for ticker in test_leaps.NAMES:
            chain = replace(test_leaps.calls(), asof=now) if ticker == "AAA" else None
            facts = test_leaps.FACTS[ticker]
            wire.market.set_snapshot(test_leaps.name(ticker, chain=chain, fundamentals=facts, asof=now))
        assert here.card("/scan leaps").title == "Scan leaps: 1 proposal"
        scanning.run(wire.desk, "leaps")

        held = approve(wire, here, option, "55.05", "55.10")

        (entry,) = wire.posted
        assert (entry["symbol"], entry["side"], entry["qty"], entry["limit_price"]) == (
            option.symbol,
            "buy",
            "1",
            "55.10",
        )
        assert (held.exits.stop, held.exits.stop_before_close) == (D("27.55"), 15)

        wire.clock.advance(days=30)
        assert look(wire, option, "110.20", "265.00", "AAA") == []
        (asked,) = wire.events(EventKind.EXIT_OFFERED)
        card = card_for(wire.desk, asked, f"event:{asked.id}", "PAPER")
        assert card is not None
        buttons = [button.action for row in card.buttons for button in row]
        assert {f"close:{held.id}", f"roll:{held.id}"} <= set(buttons)
        assert "worth +100 % of what it cost: roll it up to delta 0.75" in " ".join(card.lines)
        assert len(wire.posted) == 1

        here.card(action=f"close:{held.id}")
        wire.go_on(1)

        sold = wire.posted[-1]
        assert (sold["side"], sold["position_intent"], sold["limit_price"]) == ("sell", "sell_to_close", "110.20")
