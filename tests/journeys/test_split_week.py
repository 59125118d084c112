"""AAPL over its 7:1 split of Monday 9 June 2014, on the recorded chains of that Friday and Monday.

On Friday a put and a call of July are opened, and a put that expires that day is assigned into shares; the real paper
exchange and the replay market carry all three over the split.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import count

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bot import app
from bot.app import ReplayDesk
from bot.dispatch import answer
from bot.message import Request, as_text
from bot.people import owner
from bot.replay import work_at
from bot.timetable import Moment
from engine import approvals, exits, portfolio
from engine.data.replay import ReplayMarket
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.instruments import Instrument, Stock, option
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import Limits
from engine.model.trade import Needs, RiskLevel, Strategy
from engine.protection import to_cent
from engine.sessions import NEW_YORK, Sessions
from engine.store import Store
from tests import make
from tests.journeys.program import DATA
from tests.shared import needs_shared

pytestmark = needs_shared

D = Decimal
FRIDAY, MONDAY = "2014-06-06", "2014-06-09"
PUT, CALL = option("AAPL140719P00645000"), option("AAPL140719C00645000")
NEW_PUT, NEW_CALL = option("AAPL140719P00092140"), option("AAPL140719C00092140")
EXPIRING = option("AAPL140606P00650000")
AAPL = Stock("AAPL")
ROOMY = Limits(
    account_size=D(1_000_000), long_premium=D(1), one_underlying=D(1), put_collateral_each=D(1), max_total_risk=D(1)
)
"""One contract of a 645 dollar share is more than the usual limits let through."""


def at(day: str, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=NEW_YORK)


@cache
def folder() -> app.Folder:
    return app.open_folder(DATA)


@cache
def recorded(day: str, contract: Instrument) -> Decimal:
    """Mid of a contract at the close of a day, read from option_chains.parquet on its own."""
    table = pq.read_table(DATA / "option_chains.parquet")
    option_ = contract
    assert not isinstance(option_, Stock)
    rows = table.filter(
        pc.and_(
            pc.and_(pc.equal(table["underlying"], "AAPL"), pc.equal(table["strike"], float(option_.strike))),
            pc.and_(pc.equal(table["right"], option_.right.value), pc.equal(table["expiry"], option_.expiry)),
        )
    ).to_pylist()
    (row,) = [row for row in rows if str(row["quote_time"]).startswith(day)]
    return (D(str(round(row["bid"], 2))) + D(str(round(row["ask"], 2)))) / 2


def hand() -> Strategy:
    """A strategy that trades nothing by itself and stops assigned shares a quarter below their basis."""
    return Strategy(
        "hand",
        "By hand",
        RiskLevel.LOW,
        None,
        Needs(),
        find=lambda *_: None,  # type: ignore[arg-type]
        manage=lambda *_: (),
        shares_exits=lambda basis, _: ExitPlan(stop_spot=basis * D("0.75"), words=("Stop a quarter below.",)),
    )


@dataclass
class Week:
    """The desk of that week and what it showed on the way."""

    made: ReplayDesk

    def pass_to(self, day: str, *clocks: str) -> None:
        """Let the desk work at these times of a day: it settles at both bells and ends the day at 16:15."""
        for clock in clocks:
            settles = clock in ("09:30:00", "16:00:00", "16:15:00")
            work_at(self.made, Moment(at(day, clock), settles=settles, ends=clock == "16:15:00"))

    def open(self, id: str, structure: Structure, contract: Instrument, quantity: int, plan: ExitPlan) -> None:
        """Propose one contract at its mid, and tap."""
        desk = self.made.desk
        quotes = desk.market.quotes([contract, AAPL])
        mid = to_cent(quotes[contract].mid) * (1 if quantity > 0 else -1)
        signal = make.signal(
            strategy="hand",
            ticker="AAPL",
            structure=structure,
            legs=(Leg(contract, 1 if quantity > 0 else -1),),
            limit=mid,
            natural=mid,
            spot=quotes[AAPL].mid,
            exits=plan,
            asof=desk.now(),
            outlook=make.outlook(max_loss=D(2000), collateral=D(0)),
        )
        card = make.approval(
            make.plan(signal, abs(quantity), counted_risk=D(100)),
            id=id,
            created_at=desk.now(),
            expires_at=desk.now() + timedelta(seconds=300),
        )
        with desk.store.begin() as work:
            work.add_approval(card)
        assert approvals.approve(desk, id, 1, "ann").outcome is approvals.Outcome.SENT

    def held(self) -> dict[Structure, Position]:
        with self.made.desk.store.read() as work:
            return {position.structure: position for position in work.open_positions()}

    def equity(self) -> Decimal:
        """As the desk counts it now."""
        return portfolio.pnl(self.made.desk).equity

    def marks(self, *wanted: Instrument) -> list[Decimal]:
        """Mids of a market made for this instant."""
        now = self.made.desk.now()
        quotes = ReplayMarket(folder(), lambda: now, Sessions()).quotes(wanted)
        return [quotes[item].mid for item in wanted]

    def said(self, command: str) -> str:
        """What a person reads."""
        room = app.build_room(self.made.desk, owner(["test:1"]), lambda: "REPLAY")
        reply = answer(room, Request("test:1", text=command, source=f"test:{next(SOURCES)}"))
        assert reply.is_ok
        return "\n".join(as_text(card) for card in reply.cards)


SOURCES = count(1)


FRIDAYS = ("15:00:15", "15:00:30", "15:00:45", "15:01:00", "15:30:00", "16:00:00", "16:15:00")


def friday(until: str = FRIDAYS[-1]) -> Week:
    """Until after Friday's digest: short 1 put, long 1 call, 100 shares by assignment."""
    settings = app.Settings(limits=ROOMY)
    week = Week(app.build_replay_desk(folder(), date(2014, 6, 6), {"hand": hand()}, Store.memory(), settings))
    week.pass_to(FRIDAY, "15:00:00")
    exits_of_put = ExitPlan(target=D("-5.25"), stop_spot=D("483.00"), words=("Buy back at 5.25 or less.",))
    week.open("A00001", Structure.SHORT_PUT, PUT, -1, exits_of_put)
    exits_of_call = ExitPlan(target=D("77.70"), stop=D("7.70"), words=("Sell at 77.70 or more.",))
    week.open("A00002", Structure.LONG_CALL, CALL, 1, exits_of_call)
    week.open("A00003", Structure.SHORT_PUT, EXPIRING, -1, ExitPlan(stop_spot=D("483.00"), words=("Hold.",)))
    week.pass_to(FRIDAY, *(clock for clock in FRIDAYS if clock <= until))
    return week


@pytest.fixture
def week() -> Week:
    return friday()


def test_on_friday_the_closing_marks_are_the_recorded_ones(week: Week) -> None:
    held = week.held()

    assert held.keys() == {Structure.SHORT_PUT, Structure.LONG_CALL, Structure.SHARES}
    assert recorded(FRIDAY, PUT) == D("19.10")  # 19.00 / 19.20
    assert recorded(FRIDAY, CALL) == D("19.85")  # 19.70 / 20.00
    assert week.marks(PUT, CALL) == [D("19.10"), D("19.85")]
    # 100 shares from the 650 put, 4.43 in the money at the close: at 650 less what it was sold for
    with week.made.desk.store.read() as work:
        (sale,) = [fill for fill in work.fills() if fill.instrument == EXPIRING]
    (share,) = held[Structure.SHARES].legs
    assert (share.quantity, share.average) == (100, D(650) - sale.price)


def test_the_split_restates_contracts_quantities_basis_and_exits_and_moves_no_money(week: Week) -> None:
    before = week.held()
    cash = week.made.broker.account().cash

    week.pass_to(MONDAY, "09:30:00")

    after = week.held()
    put, call, shares = (after[kind] for kind in (Structure.SHORT_PUT, Structure.LONG_CALL, Structure.SHARES))
    # 645 / 7 = 92.142857, listed at 92.14; one contract becomes seven
    assert [leg.instrument for position in (put, call, shares) for leg in position.legs] == [NEW_PUT, NEW_CALL, AAPL]
    assert [position.legs[0].quantity for position in (put, call, shares)] == [-7, 7, 700]
    assert [position.unit[0].instrument for position in (put, call, shares)] == [NEW_PUT, NEW_CALL, AAPL]
    assert (put.opened_units, call.opened_units, shares.opened_units) == (7, 7, 700)
    assert (put.exits.target, put.exits.stop_spot) == (D("-0.75"), D(69))
    assert (call.exits.target, call.exits.stop) == (D("11.10"), D("1.10"))
    for kind, position in after.items():
        assert round(position.cost - before[kind].cost, 12) == 0
        assert position.entry is not None
        assert round(position.entry * 7 - (before[kind].entry or 0), 12) == 0
        assert (position.realised, position.fees) == (before[kind].realised, before[kind].fees)
        assert position.exits.words[0].startswith("Split since, 7 new shares for each old one")
    stop, stop_before = shares.exits.stop_spot, before[Structure.SHARES].exits.stop_spot
    assert stop is not None
    assert stop_before is not None
    assert round(stop * 7 - stop_before, 12) == 0
    assert week.made.broker.account().cash == cash


def test_the_exchange_holds_what_the_books_hold(week: Week) -> None:
    week.pass_to(MONDAY, "09:30:00", "10:00:00")

    at_exchange = {holding.instrument: holding.quantity for holding in week.made.broker.holdings()}

    assert at_exchange == {NEW_PUT: -7, NEW_CALL: 7, AAPL: 700}
    assert at_exchange == {leg.instrument: leg.quantity for p in week.held().values() for leg in p.legs}
    with week.made.desk.store.read() as work:
        kinds = [event.kind for event in work.events()]
    assert kinds.count(EventKind.SPLIT) == 3
    assert EventKind.POSITION_MISMATCH not in kinds
    assert EventKind.ERROR not in kinds


def test_from_close_to_close_equity_moves_as_the_recorded_market_did(week: Week) -> None:
    week.pass_to(MONDAY, "09:30:00", "12:00:00", "16:00:00", "16:15:00")

    with week.made.desk.store.read() as work:
        first, second = work.equity_history()
    # Friday 19.00/19.20, 19.70/20.00, 645.57; Monday 1.74/1.80, 3.30/3.40, 93.70: seven times the contracts.
    # Put -(7 x 1.77 - 19.10) x 100 = 671.00; call (7 x 3.35 - 19.85) x 100 = 360.00;
    # shares 700 x 93.70 - 100 x 645.57 = 1,033.00: together 2,064.00
    put = (recorded(FRIDAY, PUT) - 7 * recorded(MONDAY, NEW_PUT)) * 100
    call = (7 * recorded(MONDAY, NEW_CALL) - recorded(FRIDAY, CALL)) * 100
    shares = 700 * D("93.70") - 100 * D("645.57")
    assert (put, call, shares) == (D("671.00"), D("360.00"), D("1033.00"))
    # A share is marked at the middle of whole cents around its close: at most half a cent off on 100 and on 700.
    assert abs(second.equity - first.equity - (put + call + shares)) <= D("0.005") * 800
    assert second.cash == first.cash
    assert second.realised == first.realised


def test_at_the_opening_bell_equity_moves_as_quotes_made_without_a_split_say(week: Week) -> None:
    """The same package on a market of its own, before and after: seven times the contracts at a seventh."""
    cash = week.made.broker.account().cash
    put, call, share = week.marks(PUT, CALL, AAPL)
    assert week.equity() == cash - 100 * put + 100 * call + 100 * share

    week.pass_to(MONDAY, "09:30:00")

    put, call, share = week.marks(NEW_PUT, NEW_CALL, AAPL)
    assert round(week.equity() - (cash - 700 * put + 700 * call + 700 * share), 9) == 0
    assert share == pytest.approx(D("92.70"), abs=D("0.01"))
    assert abs(week.equity() - D(1_000_000)) < D(2_500), "a missed split would be 55,000 off on the shares alone"


def test_a_person_reads_the_restated_position(week: Week) -> None:
    week.pass_to(MONDAY, "09:30:00", "16:00:00")
    put = week.held()[Structure.SHORT_PUT]

    overview, one = week.said("/positions"), week.said(f"/position {put.id}")

    assert "3 open positions" in overview
    rows = [line.split() for line in overview.splitlines() if line.startswith("P0")]
    assert sorted(row[2] for row in rows) == ["-7", "7", "700"]
    assert {row[3] for row in rows} == {"1.77", "3.35", "93.70"}
    assert one.splitlines()[1] == "7 × AAPL cash-secured put"
    assert "92.14 put" in one
    assert "Target         0.75 a share" in one
    assert "AAPL at 69.00 or below" in one
    assert "Split since, 7 new shares for each old one" in one
    assert "645" not in one


def test_after_the_split_the_position_closes_under_its_new_name_with_the_profit_of_both_days(week: Week) -> None:
    week.pass_to(MONDAY, "09:30:00", "15:00:00")
    put = week.held()[Structure.SHORT_PUT]

    exits.close(week.made.desk, put.id, "ann")
    week.pass_to(MONDAY, "15:00:15", "15:00:30", "15:00:45", "15:01:00")

    with week.made.desk.store.read() as work:
        closed, fills = work.position(put.id), work.fills(position_id=put.id)
    sale, purchase = fills
    assert (sale.instrument, sale.quantity, purchase.instrument, purchase.quantity) == (PUT, -1, NEW_PUT, 7)
    assert not closed.is_open
    assert round(closed.realised - (sale.price * 100 - purchase.price * 700), 9) == 0
    assert closed.fees == D("1.00") + D("7.00")


def test_an_exit_that_was_working_on_friday_evening_is_taken_up_under_the_new_name() -> None:
    week = friday(until="15:30:00")
    desk = week.made.desk
    call = week.held()[Structure.LONG_CALL]
    with desk.store.begin() as work:
        work.save_position(replace(call, exits=replace(call.exits, target=D("0.01"))))

    week.pass_to(FRIDAY, "15:59:50", "16:00:00", "16:15:00")
    assert Structure.LONG_CALL in week.held(), "the exit had ten seconds, and found no buyer"
    week.pass_to(MONDAY, "09:30:00", "09:30:15", "09:30:30", "09:30:45", "09:31:00", "09:31:15")

    with desk.store.read() as work:
        closed, tickets = work.position(call.id), work.tickets_of(call.id)
        fills = work.fills(position_id=call.id)
    assert (closed.is_open, closed.close_reason) == (False, "target")
    assert [(fill.instrument, fill.quantity) for fill in fills] == [(CALL, 1), (NEW_CALL, -7)]
    assert not any(ticket.is_open for ticket in tickets)
    assert NEW_CALL not in {holding.instrument for holding in week.made.broker.holdings()}
