"""The books against a purse that only counts: over random lives cash, holdings and the equity identity agree.

equity_end - equity_start = realised + unrealised + dividends + interest + flows - fees, to the cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from engine import activities, ledger, orders
from engine.model.book import Position
from engine.model.instruments import Instrument, Option, Right, option
from engine.model.legs import Leg, Structure
from engine.model.orders import ActivityKind, Purpose
from engine.protection import reversed_legs
from tests import make
from tests.desk import World, make_world

D = Decimal
CENT = D("0.01")
SHARE = make.share()
INDEX = option("XSP260720P00600000")
PACKAGES: tuple[tuple[Structure, tuple[Leg, ...]], ...] = (
    (Structure.SHARES, (Leg(SHARE, 1),)),
    (Structure.SHORT_PUT, (Leg(make.put(44), -1),)),
    (Structure.LONG_PUT, (Leg(make.put(44), 1),)),
    (Structure.COVERED_CALL, (Leg(make.call(48), -1),)),
    (Structure.LONG_CALL, (Leg(make.call(50), 1),)),
    (Structure.CREDIT_SPREAD, (Leg(make.put(44), -1), Leg(make.put(40), 1))),
    (Structure.CREDIT_SPREAD, (Leg(make.call(48), -1), Leg(make.call(50), 1))),
    (Structure.SHORT_PUT, (Leg(INDEX, -1),)),
)


@dataclass
class Purse:
    """What an account holds, counted without any notion of a position, a basis or a result."""

    cash: Decimal = D(100_000)
    held: Counter[Instrument] = field(default_factory=Counter)

    def traded(self, what: Instrument, quantity: int, price: Decimal, fee: Decimal = D(0)) -> None:
        self.cash -= price * quantity * what.multiplier + fee
        self.held[what] += quantity

    def things(self) -> dict[Instrument, int]:
        return {what: quantity for what, quantity in self.held.items() if quantity}


@dataclass
class Life:
    """A desk and a purse that live through the same things."""

    world: World
    purse: Purse = field(default_factory=Purse)
    number: int = 0

    def next(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number:04d}"

    def happen(self, kind: ActivityKind, what: Instrument | None = None, quantity: int = 0, **more: Decimal) -> None:
        row = make.activity(kind, what, quantity, id=self.next("n"), at=self.world.clock.advance(60), **more)
        self.world.broker.happened.append(row)
        activities.settle(self.world.desk)

    def trade(self, position: Position, purpose: Purpose, units: int, parts: int, price: Decimal) -> None:
        """An order filled in `parts`; the purse sees each execution, the books are told afterwards."""
        legs = position.unit if purpose is Purpose.ENTRY else reversed_legs(position.unit)
        ticket = make.ticket(
            id=self.next("T"), purpose=purpose, legs=legs, quantity=units, position_id=position.id, approval_id=None
        )
        ticket, order = orders.next_order(ticket, D("-1.00"), self.world.clock.advance(60))
        with self.world.store.begin() as work:
            work.add_ticket(ticket)
            work.add_order(order)
        orders.send(self.world.desk, order)
        for part in (units // parts or units,) * (parts if units >= parts else 1):
            self.fill(order.client_order_id, part, price)
        rest = units - self.world.broker.sent[order.client_order_id].filled
        if rest:
            self.fill(order.client_order_id, rest, price)

    def fill(self, client_order_id: str, units: int, price: Decimal) -> None:
        before = len(self.world.broker.executions)
        self.world.broker.fill(client_order_id, units, price)
        for each in self.world.broker.executions[before:]:
            self.purse.traded(each.instrument, each.quantity, each.price, each.fee)

    def reconcile(self) -> None:
        self.world.clock.advance(60)
        orders.reconcile(self.world.desk)

    def positions(self) -> tuple[Position, ...]:
        with self.world.store.read() as work:
            return work.open_positions()


Draw = Callable[[int, int], int]


def opens(life: Life, draw: Draw) -> None:
    """A package is opened; perhaps it is assigned before its executions are booked."""
    structure, unit = PACKAGES[draw(0, len(PACKAGES) - 1)]
    position = make.position(
        id=life.next("P"),
        campaign=f"C{draw(1, 2)}",
        ticker=unit[0].instrument.underlying,
        approval_id=None,
        structure=structure,
        unit=unit,
    )
    with life.world.store.begin() as work:
        work.save_position(position)
    units = draw(1, 4) * (100 if structure is Structure.SHARES else 1)
    life.trade(position, Purpose.ENTRY, units, draw(1, 3), D(draw(1, 900)) / 100)
    if not draw(0, 3):
        ends(life, draw)
    life.reconcile()
    life.happen(ActivityKind.INTEREST, amount=D(0))


def closes(life: Life, draw: Draw) -> None:
    """A part of some position is closed."""
    whole = [position for position in life.positions() if position.units]
    if whole:
        position = whole[draw(0, len(whole) - 1)]
        life.trade(position, Purpose.EXIT, draw(1, position.units), draw(1, 2), D(draw(1, 900)) / 100)
        life.reconcile()


def ends(life: Life, draw: Draw) -> None:
    """Some contracts are assigned, exercised or expire: all of them or a part, in shares or in cash."""
    contracts = sorted((x for x in life.purse.things() if isinstance(x, Option)), key=lambda x: x.symbol)
    if not contracts:
        return
    what = contracts[draw(0, len(contracts) - 1)]
    held = life.purse.held[what]
    part = draw(1, abs(held)) * (1 if held > 0 else -1)
    life.purse.held[what] -= part
    if not draw(0, 2):
        life.happen(ActivityKind.EXPIRY, what, part)
        return
    kind = ActivityKind.EXERCISE if held > 0 else ActivityKind.ASSIGNMENT
    if what.is_cash_settled:
        amount = D(draw(1, 90_000)) / 100 * (1 if held > 0 else -1)
        life.purse.cash += amount
        life.happen(kind, what, part, amount=amount)
        return
    shares = part * what.multiplier * (1 if what.right is Right.CALL else -1)
    life.purse.traded(SHARE, shares, what.strike)
    life.happen(kind, what, part)


def money_moves(life: Life, draw: Draw) -> None:
    """Interest, a fee, a deposit, a withdrawal."""
    kinds = (ActivityKind.INTEREST, ActivityKind.FEE, ActivityKind.DEPOSIT, ActivityKind.WITHDRAWAL)
    kind = kinds[draw(0, 3)]
    amount = D(draw(1, 90_000)) / 100
    signed = -amount if kind in (ActivityKind.FEE, ActivityKind.WITHDRAWAL) else amount
    life.purse.cash += signed
    life.happen(kind, amount=signed)


def pays(life: Life, draw: Draw) -> None:
    """A dividend on the shares held, owed on those that are short."""
    amount = (D(draw(1, 200)) / 100 * life.purse.held[SHARE]).quantize(CENT)
    life.purse.cash += amount
    life.happen(ActivityKind.DIVIDEND, SHARE, life.purse.held[SHARE], amount=amount)


def splits(life: Life, draw: Draw) -> None:
    """Two, three or three halves of a share for each one."""
    ratio = (D(2), D(3), D("1.5"))[draw(0, 2)]
    if any(part * ratio % 1 for part in (life.purse.held[SHARE], *lots(life))):
        return
    restated: Counter[Instrument] = Counter()
    for what, quantity in life.purse.things().items():
        if what.underlying != SHARE.ticker:
            restated[what] += quantity
        else:
            after, units, _ = ledger.split_holding(what, quantity, ratio)
            restated[after] += units
    life.purse.held = restated
    life.happen(ActivityKind.SPLIT, SHARE, ratio=ratio)


def lots(life: Life) -> list[int]:
    legs = (leg for position in life.positions() for leg in position.legs if leg.instrument == SHARE)
    return [lot.quantity for leg in legs for lot in leg.lots]


STEPS = (opens, opens, opens, closes, ends, ends, pays, splits, money_moves)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_books_and_purse_agree_after_any_life(data: st.DataObject) -> None:
    life = Life(make_world())

    def draw(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    for step in data.draw(st.lists(st.sampled_from(STEPS), min_size=3, max_size=14)):
        step(life, draw)

    with life.world.store.read() as work:
        book, posted = work.book(), work.postings()
        alarms = [e.data for e in work.events() if e.kind.value == "position_mismatch"]
    held: Counter[Instrument] = Counter()
    for position in book.positions.values():
        for leg in position.legs:
            held[leg.instrument] += leg.quantity
    prices = {what: D(draw(0, 9_000)) / 100 for what in sorted(held, key=lambda x: x.symbol)}
    equity, unrealised, totals = book.equity(prices), book.unrealised(prices), book.totals
    assert alarms == []
    assert {what: quantity for what, quantity in held.items() if quantity} == life.purse.things()
    assert book.cash.quantize(CENT) == life.purse.cash == sum(each.cash for each in posted).quantize(CENT)
    assert equity is not None
    assert unrealised is not None
    parts = totals.realised + unrealised + totals.dividends + totals.interest + totals.flows - totals.fees
    assert (equity - totals.start).quantize(CENT) == parts.quantize(CENT)
