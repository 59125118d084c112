"""A replay looked at from outside, with arithmetic of its own: at every entry the exchange takes and after every look.

Held after every look in which something happened: every open position has an armed stop, and the books add up to the
cent. Held at every entry: no limit is passed by it. Nothing here asks the desk's own risk code.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, cast

from bot.app import ReplayDesk
from bot.replay import Journey, post_here
from engine import portfolio, standing
from engine.model.book import Position
from engine.model.instruments import Option
from engine.model.legs import Structure
from engine.model.orders import Order, Purpose, Ticket
from engine.model.trade import RiskLevel, TradePlan
from engine.ports import Broker
from engine.store import UnitOfWork

ZERO = Decimal(0)
SPREADS = frozenset({Structure.DEBIT_SPREAD, Structure.CREDIT_SPREAD, Structure.IRON_CONDOR})
LONG = frozenset({Structure.LONG_CALL, Structure.LONG_PUT})
INDICES = frozenset({"SPY", "QQQ", "IWM", "SPX", "XSP"})
ALL = 1_000_000_000
DRIFT = Decimal("0.002")
"""How far equity may have moved since the account was last asked, at most a minute ago: a limit is held at what is
known then."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one position or working entry takes of the account, dollars."""

    strategy: str
    ticker: str
    structure: Structure
    counted: Decimal
    collateral: Decimal
    loss: Decimal
    delta: Decimal
    expiry: date | None

    @property
    def name(self) -> str:
        return "INDEX" if self.ticker in INDICES else self.ticker

    @property
    def weight(self) -> Decimal:
        """Dollars in its underlying."""
        if self.structure is Structure.COVERED_CALL:
            return ZERO
        return self.loss if self.structure in SPREADS else max(self.collateral, self.counted, self.delta)

    @property
    def is_index_credit(self) -> bool:
        return self.ticker in INDICES and self.structure in {Structure.CREDIT_SPREAD, Structure.IRON_CONDOR}


@dataclass(slots=True)
class Overseer:
    """Give `post` to the journey and `broker` to its desk; `fullest` is how much of each limit was ever used."""

    made: ReplayDesk
    fullest: dict[str, Decimal] = field(default_factory=dict)
    entries: int = 0
    looks: int = 0
    stops_seen: int = 0
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many exits each strategy began, by reason."""
    objections: list[str] = field(default_factory=list)
    """What did not hold, with the time. Noted, not raised: a tap explains errors to its person and goes on."""
    _latest: str = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made.broker, name)

    def submit(self, order: Order) -> Order:
        """The exchange's own answer; an entry it takes is weighed."""
        accepted = self.made.broker.submit(order)
        if order.opening and order.attempt == 1:
            self._weigh(order)
        return accepted

    async def post(self, journey: Journey) -> None:
        """What the replay's post does, then a look at the books if anything has happened since the last one."""
        await post_here(journey)
        self.look()

    def look(self) -> None:
        desk = self.made.desk
        with desk.store.read() as work:
            new = work.events(after_id=self._latest, limit=ALL)
            positions = work.open_positions()
        if not new:
            return
        self._latest = new[-1].id
        self.looks += 1
        unarmed = [position.id for position in positions if position.units and not position.exits.has_stop]
        self._object(bool(unarmed), f"open without a stop: {unarmed}")
        self.stops_seen += len(positions)
        gap = portfolio.pnl(desk).gap
        self._object(abs(gap) >= Decimal("0.005"), f"the books are {gap} apart")

    def _object(self, is_wrong: bool, words: str) -> None:
        if is_wrong:
            self.objections.append(f"{self.made.desk.now():%Y-%m-%d %H:%M:%S}: {words}")

    def _weigh(self, order: Order) -> None:
        """Every limit after this entry, held and working together."""
        desk = self.made.desk
        with desk.store.read() as work:
            ticket = work.ticket(order.ticket_id)
            tickets = [each for each in work.open_tickets() if each.purpose is Purpose.ENTRY and each.approval_id]
            held = tuple(_of_position(each, _delta(work, each)) for each in work.open_positions())
            working = {each.id: _of_ticket(each, _plan(work, each)) for each in tickets}
            equity = self._equity(work)
            history = work.equity_history(limit=10)
        added = working[ticket.id]
        every = (*held, *working.values())
        self.entries += 1
        for rule, used, limit, adds in self._rules(added, every, equity):
            if not adds:
                continue
            share = used / limit
            self._object(share > 1 + DRIFT, f"{ticket.id} takes “{rule}” to {share:.4f} of its limit")
            self.fullest[rule] = max(self.fullest.get(rule, ZERO), share)
        before = [row.equity for row in history if row.day < desk.today]
        if before:
            floor = before[-1] - desk.limits.daily_loss * equity
            self._object(equity <= floor, f"{ticket.id} was sent after the day's loss")
        free = self.made.broker.account().options_buying_power
        self._object(free < 0, f"{ticket.id} leaves {free} of buying power")

    def _equity(self, work: UnitOfWork) -> Decimal:
        """Cash and everything held at its mid, at the last known price where there is none."""
        book = work.book()
        items = {leg.instrument for position in book.positions.values() for leg in position.legs if leg.quantity}
        mids = {item: quote.mid for item, quote in self.made.market.quotes(items).items()}
        kept = standing.stored_marks(work)
        prices = {item: mids[item] if item in mids else kept[item.symbol][0] for item in items}
        return book.cash + sum(
            (
                leg.quantity * leg.instrument.multiplier * prices[leg.instrument]
                for position in book.positions.values()
                for leg in position.legs
                if leg.quantity
            ),
            ZERO,
        )

    def _rules(
        self, added: Share, every: Iterable[Share], equity: Decimal
    ) -> Iterable[tuple[str, Decimal, Decimal, Decimal]]:
        """(limit, dollars used, dollars allowed, dollars of it that this entry adds)."""
        limits, shares = self.made.desk.limits, tuple(every)

        def together(rule: str, fraction: Decimal, of: str, chosen: Iterable[Share]) -> Any:
            return rule, sum((getattr(x, of) for x in chosen), ZERO), fraction * equity, getattr(added, of)

        yield together("total risk", limits.max_total_risk, "counted", shares)
        yield together("one underlying", limits.one_underlying, "weight", [x for x in shares if x.name == added.name])
        if added.structure is Structure.SHORT_PUT:
            yield "one put", added.collateral, limits.put_collateral_each * equity, added.collateral
            secured = [x for x in shares if x.structure in {Structure.SHORT_PUT, Structure.SHARES}]
            yield together("puts and shares", limits.put_collateral_total, "collateral", secured)
        if added.structure in SPREADS:
            yield "defined risk", added.loss, limits.defined_risk * equity, added.loss
        if added.structure in LONG and self._level(added.strategy) is not RiskLevel.HIGH:
            yield "long premium", added.loss, limits.long_premium * equity, added.loss
        if added.is_index_credit:
            index = [x for x in shares if x.is_index_credit]
            yield together("index spreads", limits.index_spreads, "counted", index)
            yield together("one expiry", limits.one_expiry, "counted", [x for x in index if x.expiry == added.expiry])
        if self._level(added.strategy) is RiskLevel.HIGH:
            own = [x for x in shares if x.strategy == added.strategy]
            yield together("high-risk strategy", limits.high_risk_strategy, "counted", own)
            yield "Kelly's cap", added.loss, Decimal("0.02") * equity, added.loss

    def _level(self, strategy: str) -> RiskLevel:
        return self.made.desk.strategies[strategy].risk_level

    def ended(self) -> None:
        """Read why every exit was begun."""
        with self.made.desk.store.read() as work:
            tickets = work.tickets(limit=ALL)
        self.reasons = Counter((t.strategy, t.reason) for t in tickets if t.purpose is Purpose.EXIT and not t.is_net)


def overseen(journey: Journey) -> tuple[Journey, Overseer]:
    """The journey with somebody who looks on."""
    overseer = Overseer(journey.made)
    desk = replace(journey.made.desk, broker=cast("Broker", overseer))
    made = replace(journey.made, desk=desk)
    overseer.made = replace(made, broker=journey.made.broker)
    room = replace(journey.room, desk=desk)
    return replace(journey, made=made, room=room, post=overseer.post), overseer


def _delta(work: UnitOfWork, position: Position) -> Decimal:
    """Delta dollars of what is held, as last noted, else those of the entry."""
    now = json.loads(work.setting(standing.DELTAS) or "{}").get(position.id)
    if now is not None:
        return abs(Decimal(now) * position.units)
    return abs(position.delta or ZERO) * position.units / max(position.opened_units, 1)


def _of_position(position: Position, delta: Decimal) -> Share:
    if position.structure is Structure.SHARES:
        cost = abs(position.cost)
        return _share(position, Decimal("0.20") * cost, cost, cost, delta or cost, None)
    part = Decimal(position.units) / max(position.opened_units, 1)
    loss = (position.max_loss or ZERO) * part
    expiry = min((x.expiry for x in position.instruments if isinstance(x, Option)), default=None)
    return _share(position, position.risk * part, position.collateral * part, loss, delta, expiry)


def _share(of: Position, counted: Decimal, collateral: Decimal, loss: Decimal, delta: Decimal, expiry: Any) -> Share:
    return Share(of.strategy, of.ticker, of.structure, counted, collateral, loss, delta, expiry)


def _plan(work: UnitOfWork, ticket: Ticket) -> TradePlan:
    key = (ticket.approval_id or "", ticket.version)
    return work.plans([key])[key]


def _of_ticket(ticket: Ticket, plan: TradePlan) -> Share:
    part = Decimal(ticket.left) / plan.quantity
    signal = plan.signal
    greeks = signal.outlook.greeks
    delta = ZERO
    if greeks is not None:
        delta = abs(Decimal(str(greeks.delta)) * signal.spot * 100 * ticket.left)
    return Share(
        ticket.strategy,
        ticket.ticker,
        signal.structure,
        plan.counted_risk * part,
        plan.collateral * part,
        (plan.max_loss or ZERO) * part,
        delta,
        min((option.expiry for option in signal.options), default=None),
    )
