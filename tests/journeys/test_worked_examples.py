"""The worked examples of the tap and of the ledger, from what a person taps and reads to the money in the books."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from engine import activities, approvals, exits, orders, portfolio
from engine.model.book import PositionStatus
from engine.model.instruments import Instrument, Stock
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import Activity, ActivityKind, Fill, OrderStatus
from engine.model.trade import ApprovalStatus, Signal
from engine.portfolio import PnlView
from tests import make
from tests.bot.rooms import Visit, visit
from tests.desk import World, quote_all

D = Decimal
SHORT, LONG = make.vertical(580, 575)
SPY = Stock("SPY")
PUT = make.put()


def spread(world: World, credit: str, spot: str = "600.00") -> None:
    """SPY at `spot` and the 580/575 put spread quoted so that its mid is `credit`."""
    middle = D("4.00") + D(credit)
    world.market.set_quote(SHORT.instrument, middle - D("0.05"), middle + D("0.05"))
    world.market.set_quote(LONG.instrument, "3.95", "4.05")
    world.market.set_quote(SPY, D(spot) - D("0.01"), D(spot) + D("0.01"))


def signal() -> Signal:
    """Sell the 580/575 put spread at 1.00."""
    return make.signal(
        strategy="spx_credit_spreads",
        ticker="SPY",
        structure=Structure.CREDIT_SPREAD,
        legs=(SHORT, LONG),
        limit=D("-1.00"),
        natural=D("-0.90"),
        spot=D("600.00"),
        exits=ExitPlan(target=D("-0.50"), stop=D("-3.00"), words=("Buy back at 0.50.", "Stop at 3.00.")),
        outlook=make.outlook(max_loss=D(400), max_gain=D(100), breakevens=(D(579),), collateral=D(400)),
    )


def card() -> Visit:
    """A desk with the card of the example: four spreads for 1.00, one less than 2 % of the account would allow."""
    here = visit()
    propose_spreads(here.world, quantity=4)
    spread(here.world, "1.00")
    return here


def propose_spreads(world: World, quantity: int = 5, id: str = "A00001") -> None:
    now = world.clock()
    plan = make.plan(signal(), quantity, counted_risk=D(400) * quantity)
    shown = make.approval(plan, id=id, created_at=now, expires_at=now + timedelta(seconds=300))
    with world.store.begin() as work:
        work.add_approval(shown)


def limits(here: Visit) -> list[Decimal | None]:
    """The limits of every order the broker has been sent."""
    return [order.limit for order in here.world.broker.sent.values()]


@pytest.mark.parametrize(("mid", "limit"), [("1.00", "-1.00"), ("0.98", "-0.98"), ("0.97", "-0.97"), ("1.05", "-1.05")])
def test_inside_its_band_a_credit_of_one_dollar_is_sent_at_the_mid_of_now(mid: str, limit: str) -> None:
    here = card()
    spread(here.world, mid)

    tapped = here.card(action="approve:A00001.1")

    assert limits(here) == [D(limit)]
    assert here.world.broker.posts == ["A00001.1.1"]
    assert "working" in tapped.title


@pytest.mark.parametrize(
    ("mid", "words"),
    [
        ("0.96", "The price moved -0.04 to 0.96: approve at the new price?"),
        ("1.08", "The price moved +0.08 to 1.08: approve at the new price?"),
        ("1.06", "The price moved +0.06 to 1.06: approve at the new price?"),
    ],
    ids=["a cent past the band", "something happened", "two bands better"],
)
def test_beyond_its_band_or_two_bands_better_the_card_asks_again(mid: str, words: str) -> None:
    here = card()
    spread(here.world, mid)

    asked = here.card(action="approve:A00001.1")

    assert words in asked.lines
    assert limits(here) == []
    again = here.card(action="approve:A00001.2")
    assert limits(here) == [-D(mid)]
    assert "working" in again.title


@pytest.mark.parametrize(("spot", "asks"), [("602.99", False), ("603.00", True), ("597.00", True), ("597.01", False)])
def test_an_index_half_a_percent_away_asks_again(spot: str, asks: bool) -> None:
    here = card()
    spread(here.world, "1.00", spot)

    lines = here.card(action="approve:A00001.1").lines

    assert (f"SPY moved from 600.00 to {spot}: approve again?" in lines) is asks
    assert len(limits(here)) == (0 if asks else 1)


@pytest.mark.parametrize(("spot", "asks"), [("48.47", False), ("48.48", True), ("47.52", True)])
def test_a_single_name_one_percent_away_asks_again(spot: str, asks: bool) -> None:
    here = visit()
    with here.world.store.begin() as work:
        work.add_approval(make.approval())
    quote_all(here.world, spot=spot)

    lines = here.card(action="approve:A00001.1").lines

    assert (f"XYZ moved from 48.00 to {spot}: approve again?" in lines) is asks


def test_a_quote_six_seconds_old_is_refused_and_the_card_stays() -> None:
    here = card()
    here.world.clock.advance(6)

    assert "6 s old, more than 5 s" in here.told(action="approve:A00001.1")

    assert limits(here) == []
    with here.world.store.read() as work:
        assert work.approval("A00001").status is ApprovalStatus.PENDING
    spread(here.world, "1.00")
    here.card(action="approve:A00001.1")
    assert limits(here) == [D("-1.00")]


def test_a_quote_five_seconds_old_is_young_enough() -> None:
    here = card()
    here.world.clock.advance(5)

    here.card(action="approve:A00001.1")

    assert limits(here) == [D("-1.00")]


def execute(world: World, order_id: str, prices: dict[Instrument, str], fee: str) -> None:
    """The broker fills the rest of an order at these prices; `fee` dollars go with each leg."""
    order = world.broker.sent[order_id]
    for leg in order.legs:
        key = f"x{len(world.broker.executions) + 1}"
        quantity = leg.ratio * order.quantity
        price = D(prices[leg.instrument])
        world.broker.executions.append(Fill(key, order_id, leg.instrument, quantity, price, world.clock(), D(fee)))
    world.broker.sent[order_id] = replace(order, filled=order.quantity, status=OrderStatus.FILLED)
    orders.reconcile(world.desk)


def happen(world: World, id: str, kind: ActivityKind, **more: object) -> None:
    world.clock.advance(60)
    world.broker.happened.append(Activity(id, kind, world.clock(), **more))  # type: ignore[arg-type]
    activities.settle(world.desk)


def ledger() -> World:
    """Everything that happens in the example of the ledger, in its order, each through the desk's own use case."""
    world = visit().world
    quote_all(world)
    with world.store.begin() as work:
        work.add_approval(make.approval())
    approvals.approve(world.desk, "A00001", 1, "ann")
    execute(world, "A00001.1.1", {PUT: "1.03"}, fee="2.00")
    propose_spreads(world, id="A00002")
    spread(world, "1.00")
    approvals.approve(world.desk, "A00002", 1, "ann")
    execute(world, "A00002.1.1", {SHORT.instrument: "5.00", LONG.instrument: "4.00"}, fee="5.00")
    buy_back(world, units=2)
    happen(world, "assigned", ActivityKind.ASSIGNMENT, instrument=PUT, quantity=-2)
    happen(world, "dividend", ActivityKind.DIVIDEND, instrument=make.share(), quantity=200, amount=D("60.00"))
    happen(world, "deposit", ActivityKind.DEPOSIT, amount=D("5000.00"))
    quote_all(world, spot="42.50")
    spread(world, "0.60")
    return world


def buy_back(world: World, units: int) -> None:
    spread(world, "0.50")
    with world.store.read() as work:
        (held,) = [position for position in work.open_positions() if position.structure is Structure.CREDIT_SPREAD]
    watched = exits.watch(world.desk, held)
    assert watched is not None
    ticket = exits.start(world.desk, watched, "target", "half of the credit", units)
    assert ticket is not None
    execute(world, f"{ticket.id}.1", {SHORT.instrument: "4.50", LONG.instrument: "4.00"}, fee="2.00")


@pytest.fixture(scope="module")
def books() -> World:
    return ledger()


@pytest.fixture(scope="module")
def view(books: World) -> PnlView:
    return portfolio.pnl(books.desk)


def test_the_cash_of_the_ledger_example_is_96850(books: World) -> None:
    # 100,000 + 206 - 2 + 500 - 10 - 100 - 4 - 8,800 + 60 + 5,000
    with books.store.read() as work:
        cash = [posting.cash for posting in work.postings()]

    assert sum(cash) == portfolio.account(books.desk).book_cash == D("96850.00")


def test_its_equity_is_105170_and_its_profit_170(view: PnlView) -> None:
    # 96,850.00 + 200 x 42.50 - 3 x 100 x 0.60; less 100,000 and the deposit, which would make it 5,170.00
    assert view.equity == D("105170.00")
    assert view.equity - 100_000 - 5_000 == view.total == D("170.00")
    assert view.gap == 0


def test_its_parts_are_the_ones_written_down(view: PnlView) -> None:
    totals = view.totals

    # 2 spreads x (1.00 - 0.50) x 100; the premium of the assigned put, booked here, would make it 306.00
    assert totals.realised == D("100.00")
    # 3 spreads x 0.40 x 100 - 200 x (42.97 - 42.50); shares with the market as their basis would make it 120.00
    assert view.unrealised == D("26.00")
    assert (totals.dividends, totals.fees, totals.flows) == (D("60.00"), D("16.00"), D("5000.00"))
    assert totals.realised + view.unrealised + totals.dividends - totals.fees == D("170.00")


def test_each_position_carries_its_own_part(books: World) -> None:
    by_kind = {view.position.structure: view for view in portfolio.positions(books.desk)}

    shares, spreads = by_kind[Structure.SHARES], by_kind[Structure.CREDIT_SPREAD]
    assert (shares.units, shares.position.entry, shares.unrealised) == (200, D("42.97"), D("-94.00"))
    assert (spreads.units, spreads.unrealised, spreads.position.realised) == (3, D("120.00"), D("100.00"))


def test_no_trade_counts_as_closed_yet(books: World) -> None:
    """The spreads are two fifths closed; the wheel goes on in its shares, though its put is done."""
    with books.store.read() as work:
        assert (work.campaigns("wheel"), work.campaigns("spx_credit_spreads")) == ((), ())
        (shares,) = [position for position in work.open_positions() if position.structure is Structure.SHARES]
        legs = {position.structure: position.status for position in work.campaign(shares.campaign)}
    assert legs == {Structure.SHORT_PUT: PositionStatus.CLOSED, Structure.SHARES: PositionStatus.OPEN}


def test_everything_told_twice_is_booked_once(books: World) -> None:
    before = portfolio.pnl(books.desk)

    activities.settle(books.desk)
    orders.reconcile(books.desk)

    assert portfolio.pnl(books.desk) == before


def test_a_person_reads_these_numbers() -> None:
    here, world = visit(), ledger()

    shown = Visit(world, replace(here.room, desk=world.desk), here.sources).card("/pnl")

    text = {fact[0]: fact[1] for fact in shown.facts}

    assert text["Equity"] == "105,170.00"
    assert (text["Realised"], text["Dividends"], text["Fees"]) == ("+100.00", "+60.00", "16.00")


def test_the_exit_of_the_example_buys_the_same_contracts_back() -> None:
    world = ledger()

    closing = [order for order in world.broker.sent.values() if not order.opening]

    assert [(order.limit, order.quantity) for order in closing] == [(D("0.50"), 2)]
    assert closing[0].legs == (Leg(SHORT.instrument, 1), Leg(LONG.instrument, -1))
