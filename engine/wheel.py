"""The wheel of one name, turn by turn: cash, short put, shares, short call, cash; with its basis net of premiums.

Steps come from executions and activities as they were booked; nothing is derived from what should have happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from engine import quoted
from engine.desk import Desk
from engine.errors import NotFound
from engine.model.book import ZERO, Position, Posting, PostingKind
from engine.model.events import EventKind
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.legs import Structure
from engine.model.orders import Fill
from engine.store import UnitOfWork

WHEEL = "wheel"


class Turn(StrEnum):
    """Where a wheel stands."""

    CASH = "cash"
    SHORT_PUT = "short put"
    SHARES = "shares"
    SHORT_CALL = "shares and short call"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened in a campaign.

    Attributes:
        cash: dollars in (positive) or out, before `fees`. basis: dollars a share after it, net of every premium so
            far, None while no shares are held.
    """

    at: datetime
    words: str
    cash: Decimal
    fees: Decimal
    shares: int = 0
    basis: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Wheel:
    """One campaign of a name. Dollars; `pnl` is before fees and with dividends, `open` what is not realised yet.

    `pnl` and `open` are None while a price is missing.
    """

    campaign: str
    turn: Turn
    steps: tuple[Step, ...]
    positions: tuple[Position, ...]
    fees: Decimal
    dividends: Decimal
    pnl: Decimal | None
    next: str

    @property
    def is_closed(self) -> bool:
        return not any(position.is_open for position in self.positions)

    @property
    def basis(self) -> Decimal | None:
        """Dollars a share, net of all premiums; None without shares."""
        return self.steps[-1].basis if self.steps else None


def campaigns(desk: Desk, ticker: str) -> tuple[Wheel, ...]:
    """Every wheel of a name, the latest first.

    Raises:
        NotFound: there was none.
    """
    with desk.store.read() as work:
        held = work.positions_of(WHEEL, ticker)
        names = dict.fromkeys(position.campaign for position in held)
        parts = [tuple(p for p in held if p.campaign == name) for name in names]
        told = [(positions, _steps(work, positions)) for positions in parts]
    if not told:
        raise NotFound(f"No wheel has turned in {ticker} yet.")
    prices = _prices(desk, held)
    wheels = [_wheel(positions, steps, prices) for positions, steps in told]
    return tuple(sorted(wheels, key=lambda wheel: wheel.steps[0].at, reverse=True))


def _prices(desk: Desk, held: Iterable[Position]) -> dict[Instrument, Decimal]:
    wanted = sorted({x for p in held if p.is_open for x in p.instruments}, key=lambda x: x.symbol)
    quotes = quoted.known(desk, wanted)
    return {item: quote.mid for item, quote in quotes.items() if quote.ask > 0 and quote.ask >= quote.bid}


def _wheel(positions: tuple[Position, ...], steps: tuple[Step, ...], prices: dict[Instrument, Decimal]) -> Wheel:
    dividends = sum((p.dividends for p in positions), ZERO)
    unrealised = [p.unrealised(prices) for p in positions if p.is_open]
    known = [part for part in unrealised if part is not None]
    realised = sum((p.realised for p in positions), ZERO) + dividends
    turn = _turn(positions)
    return Wheel(
        campaign=positions[0].campaign,
        turn=turn,
        steps=steps,
        positions=positions,
        fees=sum((p.fees for p in positions), ZERO),
        dividends=dividends,
        pnl=realised + sum(known, ZERO) if len(known) == len(unrealised) else None,
        next=_next(turn, positions, steps),
    )


def _turn(positions: Iterable[Position]) -> Turn:
    held = {position.structure for position in positions if position.is_open}
    if Structure.COVERED_CALL in held:
        return Turn.SHORT_CALL
    if Structure.SHARES in held:
        return Turn.SHARES
    return Turn.SHORT_PUT if Structure.SHORT_PUT in held else Turn.CASH


def _next(turn: Turn, positions: tuple[Position, ...], steps: tuple[Step, ...]) -> str:
    """What comes next if all goes as planned."""
    if turn is Turn.CASH:
        odd = ", ".join(position.id for position in positions if position.is_open)
        return f"{odd} is left over: close it." if odd else "The next scan may sell a put again."
    if turn is Turn.SHARES:
        basis = steps[-1].basis
        floor = "" if basis is None else f", at {basis:.2f} or above"
        return f"The next scan may sell a call on the shares{floor}."
    wanted = Structure.COVERED_CALL if turn is Turn.SHORT_CALL else Structure.SHORT_PUT
    option = next(p for p in positions if p.is_open and p.structure is wanted)
    contract = next(item for item in option.instruments if isinstance(item, Option))
    target = option.exits.target
    back = "" if target is None else f"Bought back at {abs(target):.2f} or less; else in"
    end = "the shares are called away" if turn is Turn.SHORT_CALL else "the shares are taken"
    return f"{back or 'In'} the money on {contract.expiry:%d %b} {end} at {contract.strike:f}."


@dataclass(frozen=True, slots=True)
class _Raw:
    """A step before the running basis is known: `flow` are the dollars of it that count toward the basis."""

    at: datetime
    words: str
    cash: Decimal = ZERO
    fees: Decimal = ZERO
    shares: int = 0
    flow: Decimal = ZERO
    ratio: Decimal = Decimal(1)


def _steps(work: UnitOfWork, positions: tuple[Position, ...]) -> tuple[Step, ...]:
    """The campaign's executions, grouped by order, its activities and splits, with the running basis."""
    raw = [each for position in positions for each in _of_position(work, position, positions)]
    steps: list[Step] = []
    flow, shares = ZERO, 0
    for each in sorted(dict.fromkeys(raw), key=lambda one: one.at):
        flow, shares = flow + each.flow, int(shares * each.ratio) + each.shares
        basis = -flow / shares if shares > 0 else None
        steps.append(Step(each.at, each.words, each.cash, each.fees, shares, basis))
    return tuple(steps)


def _of_position(work: UnitOfWork, position: Position, campaign: tuple[Position, ...]) -> list[_Raw]:
    fills = work.fills(position_id=position.id)
    traded = {f"{fill.execution_id}:{part}" for fill in fills for part in ("trade", "fee")}
    other = [posting for posting in work.postings_of(position.id) if posting.key not in traded]
    splits = [event for event in work.events_about(position.id) if event.kind is EventKind.SPLIT]
    if not fills and not other:
        cost = -position.cost
        return [_Raw(position.opened_at, "in books", cost, ZERO, _shares(position), cost)]
    return [
        *_traded(fills),
        *(_booked(posting, campaign) for posting in other),
        *(
            _Raw(event.at, f"split {event.data.get('ratio')}", ratio=Decimal(str(event.data["ratio"])))
            for event in splits
        ),
    ]


def _shares(position: Position) -> int:
    return sum(leg.quantity for leg in position.legs if isinstance(leg.instrument, Stock))


def _traded(fills: Iterable[Fill]) -> list[_Raw]:
    """One step for each order, at its first execution."""
    orders: dict[str, list[Fill]] = {}
    for fill in fills:
        orders.setdefault(fill.client_order_id.rpartition(".")[0], []).append(fill)
    made = []
    for group in orders.values():
        quantity = sum(fill.quantity for fill in group)
        cash, fees = sum((fill.cash for fill in group), ZERO), sum((fill.fee for fill in group), ZERO)
        what = group[0].instrument
        verb = "sell" if quantity < 0 else "buy"
        shares = quantity if isinstance(what, Stock) else 0
        made.append(_Raw(group[0].at, f"{verb} {_short(what)}", cash, fees, shares, cash))
    return made


def _short(what: Instrument) -> str:
    """`44p`, `48c`, `shares`."""
    return f"{what.strike:f}{what.right.value.lower()}" if isinstance(what, Option) else "shares"


def _booked(posting: Posting, campaign: tuple[Position, ...]) -> _Raw:
    """What came without an order: a delivery of shares at the strike, an expiry, a settlement in cash, a dividend."""
    if posting.kind is PostingKind.DIVIDEND:
        return _Raw(posting.at, "dividend", posting.cash)
    stem, _, last = posting.key.rpartition(":")
    source = next((p for p in campaign if p.id == stem.rpartition(":")[2]), None)
    option = None if source is None else next((leg.instrument for leg in source.unit), None)
    if last in {p.id for p in campaign} and isinstance(option, Option):
        words = "called" if option.right is Right.CALL and posting.cash > 0 else "assigned"
        return _Raw(posting.at, words, posting.cash, ZERO, int(-posting.cash / option.strike), posting.cash)
    words = "expired" if last == "expiry" else "settled"
    return _Raw(posting.at, words, posting.cash, ZERO, 0, posting.cash)
