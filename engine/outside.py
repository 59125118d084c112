"""Executions nobody here ordered, as changes of the books: what they close, and what they open as positions of ours.

By hand in the broker's application, by the broker before an expiry, or late ones of an order believed to be over.
They are booked at their own prices and keyed by their execution ids, like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal

from engine import fills, ledger, payoff
from engine.desk import Desk
from engine.errors import AlreadyDecided
from engine.exposures import calls_on
from engine.model.book import ZERO, Holding, Lot, Position, PositionLeg, Posting, PostingKind
from engine.model.instruments import Instrument, Stock
from engine.model.legs import ExitPlan, Structure
from engine.model.market import Quote
from engine.model.orders import Fill
from engine.packages import Package, Part, default_exits, packages
from engine.protection import package_price
from engine.store import UnitOfWork

STRATEGY = "adopted"
REASON = "outside"
"""`close_reason` of a position that somebody closed elsewhere."""

PIECE = "~"
"""Between an execution's id and the number of its piece."""

Quotes = Mapping[Instrument, Quote]


@dataclass(frozen=True, slots=True)
class Booking:
    """Where executions go: `closes` into the positions they reduce, `opens` into packages that are new.

    An execution that goes to several places is split; its first piece keeps the id, so that it is never booked twice.
    """

    closes: tuple[tuple[str, Fill], ...]
    opens: tuple[tuple[Package, tuple[Fill, ...]], ...]

    @property
    def is_holdable(self) -> bool:
        """Whether everything it opens is something the desk holds."""
        return all(package.parts for package, _ in self.opens)


@dataclass(slots=True)
class _Pieces:
    """Cuts executions; counts the pieces of each."""

    made: dict[str, int] = field(default_factory=dict)

    def cut(self, fill: Fill, quantity: int) -> Fill:
        whole = fill.execution_id.partition(PIECE)[0]
        number = self.made[whole] = self.made.get(whole, 0) + 1
        if number == 1:
            return replace(fill, quantity=quantity)
        return replace(fill, execution_id=f"{whole}{PIECE}{number}", quantity=quantity, fee=ZERO)


def plan(positions: Sequence[Position], executions: Iterable[Fill]) -> Booking:
    """Where the executions go: against open positions first, the oldest first; what is left opens something."""
    pieces = _Pieces()
    held = [(position, {leg.instrument: leg.quantity for leg in position.legs}) for position in _by_age(positions)]
    closes: list[tuple[str, Fill]] = []
    opening: dict[Instrument, list[Fill]] = {}
    for fill in executions:
        left = fill.quantity
        for position, legs in held:
            there = legs.get(fill.instrument, 0)
            part = 0 if there * left >= 0 else max(-there, left) if left < 0 else min(-there, left)
            if part:
                closes.append((position.id, pieces.cut(fill, part)))
                legs[fill.instrument] = there + part
                left -= part
        if left:
            opening.setdefault(fill.instrument, []).append(pieces.cut(fill, left))
    shares = {item.underlying for item in opening}
    free = sum(free_shares(positions, ticker) for ticker in shares)
    return Booking(tuple(closes), tuple(_opened(opening, free, pieces)))


def _by_age(positions: Iterable[Position]) -> list[Position]:
    return sorted(positions, key=lambda position: (position.opened_at, position.id))


def free_shares(positions: Iterable[Position], ticker: str) -> int:
    """Shares of `ticker` in the books that no call is written on."""
    of_name = [p for p in positions if p.ticker == ticker and p.is_open]
    held = sum(p.units for p in of_name if p.structure is Structure.SHARES)
    written = sum(p.units for p in of_name if p.structure is Structure.COVERED_CALL)
    return max(held - written * 100, 0)


def _opened(
    opening: Mapping[Instrument, list[Fill]], free: int, pieces: _Pieces
) -> Iterable[tuple[Package, tuple[Fill, ...]]]:
    """Packages with the executions that opened them; what was opened and closed again is a package of its own."""
    plain: dict[Instrument, list[Fill]] = {}
    for item, executions in opening.items():
        if len({fill.quantity > 0 for fill in executions}) == 1:
            plain[item] = executions
        else:
            yield _by_itself(executions), tuple(executions)
    for package in packages([_holding(executions) for executions in plain.values()], free):
        taken = [piece for holding in package.held for piece in _taken(plain[holding.instrument], holding, pieces)]
        yield package, tuple(taken)


def _by_itself(executions: Sequence[Fill]) -> Package:
    """A package of what is left of one instrument; of what was first opened when nothing is."""
    total = sum(fill.quantity for fill in executions) or executions[0].quantity
    return packages([replace(_holding(executions[:1]), quantity=total)], 0)[0]


def _holding(executions: Sequence[Fill]) -> Holding:
    quantity = sum(fill.quantity for fill in executions)
    paid = sum((fill.price * fill.quantity for fill in executions), ZERO)
    return Holding(executions[0].instrument, quantity, paid / quantity)


def _taken(executions: list[Fill], holding: Holding, pieces: _Pieces) -> Iterable[Fill]:
    """Executions worth the holding's quantity, taken from the front of the list."""
    left = holding.quantity
    while left:
        first = executions.pop(0)
        if abs(first.quantity) <= abs(left):
            part, rest = first, 0
        else:
            part, rest = replace(first, quantity=left), first.quantity - left
            executions.insert(0, pieces.cut(first, rest))
        left -= part.quantity
        yield part


def book(desk: Desk, work: UnitOfWork, executions: Sequence[Fill], quotes: Quotes) -> tuple[Position, ...]:
    """Book every execution and return the positions it touched, new ones with their exits armed.

    Raises:
        AlreadyDecided: one of them is in the books already.
    """
    touched: dict[str, Position] = {}
    booking = plan(work.open_positions(), executions)
    for position_id, fill in booking.closes:
        touched[position_id] = _apply(work, work.position(position_id), [fill])
        _withdraw_exits(work, position_id)
    for package, mine in booking.opens:
        for position in opened(desk, work, package, quotes, mine):
            touched[position.id] = position
    for position in touched.values():
        if not position.is_open:
            fills.closed(desk, work, position)
    return tuple(touched.values())


def _apply(work: UnitOfWork, position: Position, executions: Iterable[Fill]) -> Position:
    for fill in executions:
        if not work.add_fill(fill, position.id):
            raise AlreadyDecided(f"Execution {fill.execution_id} is in the books already; nothing was changed.")
        position, postings = ledger.apply_fill(position, fill, REASON)
        work.add_postings(postings)
    work.save_position(position)
    return position


def _withdraw_exits(work: UnitOfWork, position_id: str) -> None:
    """Ask for the end of orders that were made for what is not there any more."""
    for ticket in work.open_tickets():
        if ticket.position_id == position_id:
            work.save_ticket(ticket.canceling("sold outside the desk"))


def opened(
    desk: Desk, work: UnitOfWork, package: Package, quotes: Quotes, executions: Sequence[Fill] = ()
) -> tuple[Position, ...]:
    """The package as positions of one campaign with their exits armed: from its executions, or held as it stands."""
    campaign = _campaign(work, package)
    made = []
    for part in package.parts:
        id = fills.new_position_id(desk, work)
        empty = _position(desk, part, id, campaign or id, quotes)
        campaign = campaign or id
        items = {leg.instrument for leg in part.unit}
        if executions:
            made.append(_apply(work, empty, [fill for fill in executions if fill.instrument in items]))
        else:
            made.append(_contributed(work, _filled(empty, package.held, desk.now()), desk.now()))
    return tuple(made)


def _campaign(work: UnitOfWork, package: Package) -> str | None:
    """The campaign of the shares in the books that a lone short call is written on."""
    structures = [part.structure for part in package.parts]
    if structures != [Structure.COVERED_CALL]:
        return None
    held = work.open_positions(ticker=package.held[0].instrument.underlying)
    shares = [p for p in held if p.structure is Structure.SHARES]
    bare = (p for p in shares if p.units - 100 * sum(call.units for call in calls_on(p, held)) >= 100)
    return next((p.campaign for p in bare), None)


def _position(desk: Desk, part: Part, id: str, campaign: str, quotes: Quotes) -> Position:
    """The position with nothing in it yet: its plan and its risk."""
    ticker = part.unit[0].instrument.underlying
    spot = spot_of(quotes, ticker)
    risk, worst, collateral = _risk(desk, part, spot)
    return Position(
        id=id,
        campaign=campaign,
        strategy=STRATEGY,
        ticker=ticker,
        structure=part.structure,
        unit=part.unit,
        legs=(),
        exits=exits_of(part, quotes, desk.today),
        opened_at=desk.now(),
        entry=part.entry,
        opened_units=part.units,
        risk=risk * part.units,
        max_loss=None if worst is None else worst * part.units,
        collateral=collateral * part.units,
    )


def exits_of(part: Part, quotes: Quotes, today: date) -> ExitPlan:
    """The default plan of a part at these quotes."""
    price = package_price(part.unit, quotes)
    value = price.mid if price is not None and price.is_two_sided else None
    return default_exits(part, today, value, spot_of(quotes, part.unit[0].instrument.underlying))


def spot_of(quotes: Quotes, ticker: str) -> Decimal | None:
    """The middle of the share's two-sided quote."""
    quote = quotes.get(Stock(ticker))
    return quote.mid if quote is not None and quote.is_two_sided else None


def _risk(desk: Desk, part: Part, spot: Decimal | None) -> tuple[Decimal, Decimal | None, Decimal]:
    """(counted risk, maximum loss, collateral) of one unit in dollars; a call on shares adds none of its own."""
    if part.structure is Structure.COVERED_CALL:
        return ZERO, ZERO, ZERO
    if part.structure is Structure.CALENDAR:
        paid = max(part.entry, ZERO) * payoff.multiplier(part.unit)
        return paid, paid, ZERO
    worst = payoff.max_loss(part.unit, part.entry)
    if part.structure is Structure.SHORT_PUT:
        strike = getattr(part.unit[0].instrument, "strike", ZERO)
        counted = payoff.counted_risk(part.structure, part.unit, part.entry, spot or strike, desk.limits.stress_move)
        return counted, worst, payoff.collateral(part.unit)
    return worst or ZERO, worst, payoff.collateral(part.unit)


def _filled(empty: Position, held: Iterable[Holding], now: datetime) -> Position:
    """The position with its lots at the broker's average prices."""
    average = {holding.instrument: holding.average for holding in held}
    legs = tuple(
        PositionLeg(leg.instrument, (Lot(leg.ratio * empty.opened_units, average[leg.instrument], now),))
        for leg in empty.unit
    )
    return replace(empty, legs=legs)


def _contributed(work: UnitOfWork, position: Position, now: datetime) -> Position:
    """Store a position that came in kind: worth its cost as a flow, bought for that cost, no cash moved and no P&L.

    The account's equity grows by what it is worth now; its open gain or loss against the broker's average shows as
    unrealised, and the flow carries the rest: equity change = realised + unrealised + flows, to the cent.
    """
    work.save_position(position)
    flow = Posting(f"{position.id}:in", PostingKind.FLOW, now, position.cost)
    cost = Posting(f"{position.id}:cost", PostingKind.TRADE, now, -position.cost, ZERO, position.id, position.strategy)
    work.add_postings((flow, cost))
    return position
