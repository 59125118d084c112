"""Two weeks of real trades through the real books, and beside them books of our own, without the engine's arithmetic.

`Own` keeps cash, contracts and lots by hand, from executions and closing prices alone.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from engine import activities, digests, exits, orders, rolls
from engine.model.instruments import Instrument, Option
from engine.model.legs import Leg, Structure
from engine.model.orders import Activity, ActivityKind, Fill, OrderStatus
from engine.model.trade import ApprovalStatus
from strategies import CATALOGUE
from tests import make
from tests.desk import World, make_world
from tests.rolling import NEW, OLD, look, open_market

D = Decimal
START = D(100_000)
CALL = make.option(60, make.Right.CALL, dte=60, underlying="ABC")
SOLD, BOUGHT = make.option(580, dte=7, underlying="SPY"), make.option(575, dte=7, underlying="SPY")
SHARES = make.share()
FEE = D(1)
"""Of one contract; the stand-in broker charges it."""


@dataclass
class Own:
    """Cash, what is held and what it cost, by strategy; "" is the account itself."""

    cash: Decimal = START
    flows: Decimal = D(0)
    fees: dict[str, Decimal] = field(default_factory=lambda: defaultdict(D))
    income: dict[str, Decimal] = field(default_factory=lambda: defaultdict(D))
    realised: dict[str, Decimal] = field(default_factory=lambda: defaultdict(D))
    lots: dict[tuple[str, Instrument], list[list[Decimal]]] = field(default_factory=lambda: defaultdict(list))
    premium: Decimal = D(0)

    def trade(self, strategy: str, what: Instrument, count: int, price: str, fee: Decimal) -> None:
        """One execution: first in, first out."""
        shares, left = (100 if isinstance(what, Option) else 1), D(count)
        self.cash -= D(price) * count * shares + fee
        self.fees[strategy] += fee
        lots = self.lots[strategy, what]
        while left and lots and lots[0][0] * left < 0:
            part = min(abs(left), abs(lots[0][0])) * (1 if left > 0 else -1)
            self.realised[strategy] += (lots[0][1] - D(price)) * part * shares
            lots[0][0] += part
            left -= part
            if not lots[0][0]:
                lots.pop(0)
        if left:
            lots.append([left, D(price)])

    def expire(self, strategy: str, what: Instrument) -> None:
        """Worthless: as bought back or sold for nothing, without a fee."""
        count = sum(int(lot[0]) for lot in self.lots[strategy, what])
        self.trade(strategy, what, -count, "0", D(0))

    def assign(self, strategy: str, put: Option, contracts: int) -> None:
        """Shares come at the strike; the premium lowers what they cost and is no profit yet."""
        lot = self.lots[strategy, put][0]
        lot[0] += contracts
        if not lot[0]:
            self.lots[strategy, put].pop(0)
        self.cash -= put.strike * 100 * contracts
        self.lots[strategy, make.share(put.underlying)].append([D(100 * contracts), put.strike - lot[1]])

    def at(self, prices: dict[Instrument, str]) -> Told:
        """Everything since the start at these closing prices."""
        open_, worth = defaultdict(D), D(0)
        for (strategy, what), lots in self.lots.items():
            shares = 100 if isinstance(what, Option) else 1
            for count, paid in lots:
                open_[strategy] += (D(prices[what]) - paid) * count * shares
                worth += D(prices[what]) * count * shares
        names = {*self.fees, *self.realised, *self.income, *open_}
        lines = {
            name: Line(self.realised[name], open_[name], self.income[name], self.fees[name]) for name in sorted(names)
        }
        return Told(self.cash + worth, self.flows, self.premium, lines)


@dataclass(frozen=True)
class Line:
    realised: Decimal = D(0)
    open: Decimal = D(0)
    income: Decimal = D(0)
    fees: Decimal = D(0)

    @property
    def net(self) -> Decimal:
        return self.realised + self.open + self.income - self.fees

    def less(self, other: Line) -> Line:
        return Line(
            self.realised - other.realised, self.open - other.open, self.income - other.income, self.fees - other.fees
        )


@dataclass(frozen=True)
class Told:
    """The account at one close, by our own books."""

    equity: Decimal = START
    flows: Decimal = D(0)
    premium: Decimal = D(0)
    lines: dict[str, Line] = field(default_factory=dict)

    def made_since(self, before: Told) -> Decimal:
        return self.equity - before.equity - (self.flows - before.flows)

    def lines_since(self, before: Told) -> dict[str, Line]:
        """By strategy, those without a movement left out."""
        changes = {name: line.less(before.lines.get(name, Line())) for name, line in self.lines.items()}
        return {name: line for name, line in changes.items() if line != Line()}


@dataclass
class Story:
    """The real desk, our own books, and what they said at each close."""

    world: World = field(default_factory=lambda: make_world(dict(CATALOGUE)))
    own: Own = field(default_factory=Own)
    told: dict[date, Told] = field(default_factory=dict)
    numbers: int = 90_000

    def enter(self, strategy: str, legs: tuple[Leg, ...], limit: str, quantity: int, structure: Structure) -> str:
        """The first order of an approved proposal; its id."""
        self.numbers += 1
        id, ticker = f"A{self.numbers}", legs[0].instrument.underlying
        now = self.world.clock()
        signal = make.signal(strategy=strategy, ticker=ticker, structure=structure, legs=legs, limit=D(limit))
        approval = make.approval(
            make.plan(signal, quantity), id=id, created_at=now, expires_at=now + timedelta(hours=1)
        )
        ticket = make.ticket(
            id=f"{id}.1", strategy=strategy, ticker=ticker, legs=legs, quantity=quantity, limit=D(limit),
            worst=D(limit), created_at=now, send_after=now, position_id=f"P{self.numbers}", approval_id=id, version=1,
        )  # fmt: skip
        with self.world.store.begin() as work:
            work.add_approval(approval)
            work.decide(id, 1, ApprovalStatus.APPROVED, "ann", now)
            working, order = orders.next_order(ticket, ticket.limit, now)
            work.add_ticket(working)
            work.add_order(order)
        orders.send(self.world.desk, order)
        return order.client_order_id

    def execute(self, order: str, strategy: str, units: int, *prices: str) -> None:
        """So many units of an order at these prices of its legs, in the broker's, the desk's and our own books."""
        broker, clock = self.world.broker, self.world.clock
        clock.advance(1)
        sent = broker.sent[order]
        for leg, price in zip(sent.legs, prices, strict=True):
            count, fee = leg.ratio * units, FEE * units
            id = f"y{len(broker.executions)}"
            broker.executions.append(Fill(id, order, leg.instrument, count, D(price), clock(), fee))
            self.own.trade(strategy, leg.instrument, count, price, fee)
        filled = sent.filled + units
        status = OrderStatus.FILLED if filled == sent.quantity else OrderStatus.PARTIALLY_FILLED
        broker.sent[order] = replace(sent, filled=filled, status=status)
        orders.reconcile(self.world.desk)

    def happen(self, kind: ActivityKind, what: Instrument | None = None, count: int = 0, amount: str = "0") -> None:
        """Something without an order, as the broker tells it."""
        self.world.clock.advance(60)
        id = f"act-{len(self.world.broker.happened)}"
        self.world.broker.happened.append(Activity(id, kind, self.world.clock(), what, count, D(amount)))
        self.world.broker.cash += D(amount)
        activities.settle(self.world.desk)

    def morning(self, day: date) -> None:
        self.world.clock.set(self.world.desk.sessions.at(day, "10:00"))
        open_market(self.world)

    def close(self, **more: object) -> datetime:
        """The end of the day at the closing prices of the moment."""
        desk = self.world.desk
        self.world.clock.set(desk.sessions.close(desk.today) + timedelta(minutes=15))
        prices: dict[Instrument, str] = more["prices"]  # type: ignore[assignment]
        for what, price in prices.items():
            self.world.market.set_quote(what, D(price) - D("0.01"), D(price) + D("0.01"))
        digests.end_once(desk)
        self.told[desk.today] = self.own.at(prices)
        return self.world.clock()


def two_weeks() -> Story:
    """Three strategies from Monday 15 to Tuesday 30 June 2026: partial fills over two days, a roll, an assignment, a
    dividend, a spread that expires, a deposit, a withdrawal, interest and a fee of the account."""
    story = Story()
    first_week(story)
    second_week(story)
    return story


def first_week(story: Story) -> None:
    own = story.own
    story.morning(date(2026, 6, 15))
    put = story.enter("wheel", (Leg(OLD, -1),), "-1.03", 2, Structure.SHORT_PUT)
    story.execute(put, "wheel", 1, "1.03")
    story.execute(put, "wheel", 1, "1.05")
    own.premium += D("208.00")
    call = story.enter("lotto", (Leg(CALL, 1),), "2.40", 3, Structure.LONG_CALL)
    story.execute(call, "lotto", 2, "2.40")
    story.close(prices={OLD: "0.95", CALL: "2.315", SHARES: "47.20"})

    story.morning(date(2026, 6, 16))
    story.execute(call, "lotto", 1, "2.37")
    story.happen(ActivityKind.DEPOSIT, amount="5000")
    story.happen(ActivityKind.INTEREST, amount="3.21")
    story.happen(ActivityKind.FEE, amount="-0.45")
    own.cash += D("5002.76")
    own.flows += 5000
    own.income[""] += D("3.21")
    own.fees[""] += D("0.45")
    story.close(prices={OLD: "1.40", CALL: "2.20", SHARES: "44.10"})

    story.morning(date(2026, 6, 17))
    rolled(story)
    story.close(prices={NEW: "2.75", CALL: "2.90", SHARES: "42.80"})

    story.morning(date(2026, 6, 18))
    story.happen(ActivityKind.ASSIGNMENT, NEW, -1)
    own.assign("wheel", NEW, 1)
    legs = (Leg(SOLD, -1), Leg(BOUGHT, 1))
    spread = story.enter("spx_credit_spreads", legs, "-0.85", 2, Structure.CREDIT_SPREAD)
    story.execute(spread, "spx_credit_spreads", 2, "1.45", "0.60")
    own.premium += D("170.00")
    story.close(prices={NEW: "2.80", CALL: "2.95", SHARES: "42.35", SOLD: "1.30", BOUGHT: "0.50"})


def rolled(story: Story) -> None:
    """Two puts bought back at 2.00, two sold further out at 2.60."""
    desk = story.world.desk
    with story.world.store.read() as work:
        held = next(p.id for p in work.open_positions("wheel"))
    roll = rolls.offer(desk, held, "ann")
    rolls.choose(desk, roll.id, roll.version, 0, "ann")
    story.execute(f"{held}.roll.1.1", "wheel", 2, "2.00")
    look(story.world)
    opening = next(id for id, order in story.world.broker.sent.items() if order.legs[0].instrument == NEW)
    story.execute(opening, "wheel", 2, "2.60")
    look(story.world)
    story.own.premium += D("520.00")


def second_week(story: Story) -> None:
    """Friday the 19th is a holiday (Juneteenth): the week before ended on Thursday."""
    own = story.own
    story.morning(date(2026, 6, 22))
    for leg, count in ((SOLD, -2), (BOUGHT, 2)):
        story.happen(ActivityKind.EXPIRY, leg, count)
        own.expire("spx_credit_spreads", leg)
    story.happen(ActivityKind.DIVIDEND, SHARES, 100, "30.17")
    own.cash += D("30.17")
    own.income["wheel"] += D("30.17")
    story.close(prices={NEW: "2.45", CALL: "3.20", SHARES: "43.05"})

    story.morning(date(2026, 6, 23))
    with story.world.store.read() as work:
        call = next(p.id for p in work.open_positions("lotto"))
    story.world.market.set_quote(CALL, "3.05", "3.15")
    exits.close(story.world.desk, call, "ann")
    orders.send_due(story.world.desk)
    story.execute(f"{call}.manual.1.1", "lotto", 2, "3.10")
    story.execute(f"{call}.manual.1.1", "lotto", 1, "3.05")
    story.close(prices={NEW: "2.30", SHARES: "43.33"})

    for day in (24, 25, 26, 29):
        story.morning(date(2026, 6, day))
        story.close(prices={NEW: f"2.{day}", SHARES: f"43.{day}"})

    story.morning(date(2026, 6, 30))
    story.happen(ActivityKind.WITHDRAWAL, amount="-1000")
    own.cash -= 1000
    own.flows -= 1000
    story.close(prices={NEW: "2.01", SHARES: "44.44"})
