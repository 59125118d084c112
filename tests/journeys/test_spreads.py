"""Spreads from a scan and a tap in a chat to one multi-leg order on Alpaca's wire, its fill, its exit and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from bot.bulkheads import inline
from bot.command import Room
from bot.proposal import proposal_card, story
from engine import exits, orders, scanning, standing
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.instruments import Instrument, Style, instrument
from engine.model.limits import Costs
from engine.model.market import Dividend, MarketSnapshot
from engine.sessions import Sessions
from strategies import CATALOGUE
from tests import make
from tests.bot.rooms import PEOPLE, Visit
from tests.desk import make_world
from tests.make import TODAY, D
from tests.strategies.verticals import HALF_PAST_TEN, bull, bull_chain, index, index_chain, ranked
from tests.wire import WireWorld, connected

BOUGHT, SOLD = make.call(98, dte=38), make.call(105, dte=38)
SHORT, WING = (leg.instrument for leg in make.vertical(580, 575))
Quotes = Mapping[Instrument, tuple[str, str]]


@dataclass
class Day:
    """A desk in a chat, before Alpaca's account, on the day of a worked example."""

    wire: WireWorld
    visit: Visit
    name: MarketSnapshot

    def scan(self, strategy: str) -> None:
        """The scan of the timetable."""
        scanning.run(self.wire.desk, strategy)

    def quote(self, quotes: Quotes) -> None:
        """The shares stand where they stood, the options at these quotes."""
        spot = self.name.spot
        assert spot is not None
        self.wire.quote(spot.instrument, spot.bid, spot.ask)
        for option, (bid, ask) in quotes.items():
            self.wire.quote(option, bid, ask)

    def entered(self, quotes: Quotes) -> Position:
        """The position of the only proposal, tapped at these quotes and filled."""
        with self.wire.store.read() as work:
            (approval,) = work.pending_approvals()
        self.quote(quotes)
        self.visit.card(action=f"approve:{approval.key}")
        self.fill()
        with self.wire.store.read() as work:
            (position,) = work.open_positions()
        return position

    def fill(self) -> None:
        """All of the latest order trades at the mids of now."""
        order, market = self.sent[-1], self.wire.market
        for each in order["legs"]:
            mid = market.quotes([instrument(each["symbol"])])[instrument(each["symbol"])].mid
            self.wire.exchange.quote(each["symbol"], mid, mid)
        self.wire.exchange.fill(order["client_order_id"], int(order["qty"]))
        orders.reconcile(self.wire.desk)

    def look(self, quotes: Quotes) -> list[str]:
        """What the exits start ten seconds later at these quotes, by reason."""
        self.wire.clock.advance(10)
        self.quote(quotes)
        orders.reconcile(self.wire.desk)
        started = [ticket.reason for ticket in exits.supervise(self.wire.desk)]
        orders.work(self.wire.desk)
        return started

    @property
    def sent(self) -> list[dict[str, Any]]:
        return self.wire.posted


@contextmanager
def day(name: MarketSnapshot) -> Iterator[Day]:
    """A day with this one name."""
    with connected(make_world(strategies=dict(CATALOGUE), universe=(name.ticker,)), hold=3.0, read=10.0) as wire:
        desk = replace(wire.desk, account=wire.exchange.number)
        standing.refresh_account(desk)
        here = replace(wire, desk=desk)
        here.clock.set(name.asof)
        here.market.set_snapshot(name)
        here.market.set_level("VIX", 17.0)
        here.market.set_level("VIX3M", 19.0)
        here.exchange.matching = False
        yield Day(here, Visit(here, Room(desk, PEOPLE, inline, lambda: "PAPER"), count(1)), name)
    assert wire.standin.journal.violations == []


def rising_name(**more: Any) -> MarketSnapshot:
    chain = bull_chain(asof=HALF_PAST_TEN)
    return bull(chain=chain, iv_history=ranked(45.0, chain), asof=HALF_PAST_TEN, **more)


@pytest.fixture
def bull_day() -> Iterator[Day]:
    with day(rising_name()) as here:
        yield here


@pytest.fixture
def index_day() -> Iterator[Day]:
    with day(index(chain=index_chain(asof=HALF_PAST_TEN))) as here:
        yield here


def leg(option: Any, side: str, intent: str) -> dict[str, str]:
    return {"symbol": option.symbol, "ratio_qty": "1", "side": side, "position_intent": f"{side}_to_{intent}"}


PAID: Quotes = {BOUGHT: ("4.60", "4.70"), SOLD: ("1.43", "1.53")}
RECEIVED: Quotes = {SHORT: ("5.00", "5.10"), WING: ("4.00", "4.10")}


def test_a_bull_call_spread_goes_from_the_chat_to_one_order_and_is_sold_at_its_target(bull_day: Day) -> None:
    here = bull_day
    here.scan("debit_spreads")
    position = here.entered(PAID)
    (entry,) = here.sent
    assert (entry["order_class"], entry["qty"], entry["limit_price"]) == ("mleg", "6", "3.17")
    assert sorted(entry["legs"], key=lambda each: each["side"]) == [
        leg(BOUGHT, "buy", "open"),
        leg(SOLD, "sell", "open"),
    ]
    assert (position.units, position.entry) == (6, D("3.17"))
    assert (position.exits.target, position.exits.stop) == (D("5.0850"), D("1.5850"))
    assert position.exits.close_on == TODAY + timedelta(days=31)

    assert here.look({BOUGHT: ("6.50", "6.60"), SOLD: ("1.42", "1.52")}) == []
    assert here.look({BOUGHT: ("6.51", "6.61"), SOLD: ("1.42", "1.52")}) == ["target"]

    closing = here.sent[1]
    assert (closing["order_class"], closing["limit_price"]) == ("mleg", "-5.09")
    assert sorted(closing["legs"], key=lambda each: each["side"]) == [
        leg(SOLD, "buy", "close"),
        leg(BOUGHT, "sell", "close"),
    ]
    here.fill()
    with here.wire.store.read() as work:
        (done,) = work.positions_closed(10)
    assert (done.close_reason, done.realised) == ("target", D("1152.00"))
    assert ("Realised", "+1,152.00") in [fact[:2] for fact in here.visit.card("/pnl").facts]


def test_a_put_spread_is_sold_for_a_negative_limit_and_bought_back_at_half(index_day: Day) -> None:
    here = index_day
    here.scan("spx_credit_spreads")
    position = here.entered(RECEIVED)
    (entry,) = here.sent
    assert (entry["order_class"], entry["qty"], entry["limit_price"]) == ("mleg", "5", "-1.00")
    assert sorted(entry["legs"], key=lambda each: each["side"]) == [
        leg(WING, "buy", "open"),
        leg(SHORT, "sell", "open"),
    ]
    assert (position.units, position.entry) == (5, D("-1.00"))
    assert (position.exits.target, position.exits.stop) == (D("-0.50"), D("-3.00"))

    assert here.look({SHORT: ("3.00", "3.06"), WING: ("2.49", "2.55")}) == []
    assert here.look({SHORT: ("3.00", "3.06"), WING: ("2.50", "2.56")}) == ["target"]

    closing = here.sent[1]
    assert (closing["order_class"], closing["limit_price"]) == ("mleg", "0.50")
    here.fill()
    with here.wire.store.read() as work:
        (done,) = work.positions_closed(10)
    assert (done.close_reason, done.realised) == ("target", D("250.00"))


def test_the_exit_is_armed_in_the_transaction_of_the_fill(index_day: Day) -> None:
    here = index_day
    here.scan("spx_credit_spreads")
    position = here.entered(RECEIVED)
    (filled,) = here.visit.events(EventKind.FILLED)
    assert filled.subject == position.id
    assert position.exits.has_stop


@pytest.mark.parametrize(
    ("short", "reasons"),
    [(("6.94", "7.04"), [[], []]), (("6.95", "7.05"), [[], ["stop"]])],
    ids=["a cent inside", "at three times the credit"],
)
def test_a_put_spread_is_bought_back_when_that_costs_three_times_the_credit(
    index_day: Day, short: tuple[str, str], reasons: list[list[str]]
) -> None:
    here = index_day
    here.scan("spx_credit_spreads")
    here.entered(RECEIVED)
    quotes: Quotes = {SHORT: short, WING: ("3.95", "4.05")}
    assert [here.look(quotes), here.look(quotes)] == reasons


@pytest.mark.parametrize(("amount", "reasons"), [("0.25", ["ex-dividend"]), ("0.15", [])])
def test_the_desk_sells_the_spread_the_session_before_a_dividend_above_the_time_value(
    bull_day: Day, amount: str, reasons: list[str]
) -> None:
    here = bull_day
    here.scan("debit_spreads")
    here.entered(PAID)
    tomorrow = Sessions().next(TODAY)
    here.name = rising_name(spot=108, dividends=(Dividend(tomorrow, D(amount)),))
    here.wire.market.set_snapshot(here.name)
    assert here.look({BOUGHT: ("8.00", "8.10"), SOLD: ("3.13", "3.23")}) == reasons


def test_the_card_names_the_greeks_of_each_leg_and_how_it_settles(bull_day: Day) -> None:
    bull_day.scan("debit_spreads")
    with bull_day.wire.store.read() as work:
        (approval,) = work.pending_approvals()
        shown = str(proposal_card(story(work, approval, bull_day.wire.desk.rules), bull_day.wire.clock(), "PAPER"))
    assert "buy 98 call: delta 0.630" in shown
    assert "sell 105 call: delta 0.302" in shown
    assert "American, settled in shares" in shown


def test_options_on_an_index_are_looked_at_and_never_proposed_where_the_broker_is_not_known_to_take_them(
    index_day: Day,
) -> None:
    here = index_day
    chain = replace(index_chain(asof=HALF_PAST_TEN, underlying="XSP"), style=Style.EUROPEAN)
    here.wire.market.set_snapshot(index("XSP", chain=chain, spot=None, session=here.name.session))

    scan = scanning.run(here.wire.desk, "spx_credit_spreads")

    assert scan is not None
    last = scan.steps["XSP"][-1]
    assert (last.rule, last.value) == ("orders in index options", "not listed: analysis only")
    assert [plan.signal.ticker for plan in scan.plans] == ["SPY"]


def test_the_fees_of_the_desk_count_against_the_credit(index_day: Day) -> None:
    dear = replace(index_day.wire.desk, costs=Costs(option_commission=D("25.00")))
    last = scanning.preview(dear, "spx_credit_spreads", ("SPY",)).steps["SPY"][-1]
    assert (last.rule, last.value) == ("credit less fees", "0.00")
