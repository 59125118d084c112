"""How fills, assignments, expiries, dividends and splits change a position, and the ledger lines they write.

Pure: every function takes values and returns `(position, postings)`; `Book.post` and the store apply them.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from engine.errors import DataInvalid
from engine.model.book import ZERO, Lot, Position, PositionLeg, PositionStatus, Posting, PostingKind
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import Activity, Fill

CENT = Decimal("0.01")

Change = tuple[Position, tuple[Posting, ...]]


def take_lots(lots: tuple[Lot, ...], quantity: int) -> tuple[tuple[Lot, ...], tuple[Lot, ...]]:
    """(taken, kept): the oldest lots worth `quantity` signed units, and the rest.

    Raises:
        DataInvalid: fewer than `quantity` are held.
    """
    taken: list[Lot] = []
    kept: list[Lot] = []
    left = quantity
    for lot in lots:
        part = max(min(lot.quantity, left), 0) if quantity > 0 else min(max(lot.quantity, left), 0)
        if part:
            taken.append(replace(lot, quantity=part))
        if part != lot.quantity:
            kept.append(replace(lot, quantity=lot.quantity - part))
        left -= part
    if left:
        raise DataInvalid(f"Tried to close {quantity} but only {quantity - left} are held.")
    return tuple(taken), tuple(kept)


def _with_lots(position: Position, instrument: Instrument, lots: tuple[Lot, ...]) -> Position:
    others = tuple(leg for leg in position.legs if leg.instrument != instrument)
    kept = (PositionLeg(instrument, lots),) if lots else ()
    order = {leg.instrument: row for row, leg in enumerate(position.unit)}
    legs = sorted(others + kept, key=lambda leg: (order.get(leg.instrument, len(order)), leg.instrument.symbol))
    return replace(position, legs=tuple(legs))


def _lots(position: Position, instrument: Instrument) -> tuple[Lot, ...]:
    return next((leg.lots for leg in position.legs if leg.instrument == instrument), ())


def _ended(position: Position, at: datetime, reason: str) -> Position:
    """The position, closed when nothing is left in it."""
    if any(leg.quantity for leg in position.legs):
        return position
    return replace(position, status=PositionStatus.CLOSED, closed_at=at, close_reason=reason or position.close_reason)


def _cost(lots: Iterable[Lot], multiplier: int) -> Decimal:
    return sum((lot.price * lot.quantity for lot in lots), ZERO) * multiplier


def apply_fill(position: Position, fill: Fill, reason: str = "") -> Change:
    """The position after one execution: opens a lot, or closes the oldest lots and realises the difference.

    `reason` is kept as `close_reason` when the fill ends the position.
    """
    held = _lots(position, fill.instrument)
    open_quantity = sum(lot.quantity for lot in held)
    closing = 0
    if open_quantity * fill.quantity < 0:
        closing = max(-open_quantity, fill.quantity) if fill.quantity < 0 else min(-open_quantity, fill.quantity)
    taken, kept = take_lots(held, -closing)
    multiplier = fill.instrument.multiplier
    realised = -(fill.price * closing * multiplier) - _cost(taken, multiplier)
    opening = fill.quantity - closing
    lots = (*kept, Lot(opening, fill.price, fill.at)) if opening else kept
    after = _with_lots(position, fill.instrument, lots)
    after = replace(after, realised=after.realised + realised, fees=after.fees + fill.fee)
    postings: tuple[Posting, ...] = (_posting(position, fill, "trade", PostingKind.TRADE, fill.cash, realised),)
    if fill.fee:
        postings += (_posting(position, fill, "fee", PostingKind.FEE, -fill.fee, ZERO),)
    return _ended(after, fill.at, reason), postings


def _posting(position: Position, fill: Fill, part: str, kind: PostingKind, cash: Decimal, realised: Decimal) -> Posting:
    key = f"{fill.execution_id}:{part}"
    return Posting(key, kind, fill.at, cash, realised, position.id, position.strategy)


def _removed(position: Position, activity: Activity) -> tuple[Position, tuple[Lot, ...], Option]:
    """The position without the contracts of the activity, the lots that left, and the option."""
    contract = activity.instrument
    if not isinstance(contract, Option):
        raise DataInvalid(f"Activity {activity.id} names no option.")
    taken, kept = take_lots(_lots(position, contract), activity.quantity)
    return _with_lots(position, contract, kept), taken, contract


def apply_expiry(position: Position, activity: Activity) -> Change:
    """The position after contracts expired worthless: their whole cost is realised."""
    after, taken, contract = _removed(position, activity)
    realised = -_cost(taken, contract.multiplier)
    after = replace(after, realised=after.realised + realised)
    posting = Posting(
        f"{activity.id}:expiry", PostingKind.TRADE, activity.at, ZERO, realised, position.id, position.strategy
    )
    return _ended(after, activity.at, "expired"), (posting,)


def shares_from_put(position: Position, activity: Activity, share_id: str, exits: ExitPlan) -> tuple[Change, Position]:
    """A short put assigned: ((the put position, postings), the share position it became).

    The shares' basis is the strike less the premium received; nothing is realised and the cash for the shares leaves.
    """
    after, taken, contract = _removed(position, activity)
    lots = tuple(Lot(-lot.quantity * contract.multiplier, contract.strike - lot.price, activity.at) for lot in taken)
    share = Stock(contract.underlying)
    bought = sum(lot.quantity for lot in lots)
    shares = Position(
        id=share_id,
        campaign=position.campaign,
        strategy=position.strategy,
        ticker=position.ticker,
        structure=Structure.SHARES,
        unit=(Leg(share, 1),),
        legs=(PositionLeg(share, lots),),
        exits=exits,
        opened_at=activity.at,
        approval_id=position.approval_id,
        entry=_cost(lots, 1) / bought,
        opened_units=bought,
        modelled=position.modelled,
    )
    posting = Posting(
        f"{activity.id}:assignment",
        PostingKind.TRADE,
        activity.at,
        -contract.strike * bought,
        ZERO,
        share_id,
        position.strategy,
    )
    return (_ended(after, activity.at, "assigned"), (posting,)), shares


def shares_called(
    call: Position, shares: Position, activity: Activity
) -> tuple[Position, Position, tuple[Posting, ...]]:
    """A covered call assigned: (the call position, the share position, postings).

    The premium is added to the proceeds, so the whole gain is realised on the shares.
    """
    after, taken, contract = _removed(call, activity)
    sold = -sum(lot.quantity for lot in taken) * contract.multiplier
    share = Stock(contract.underlying)
    out, kept = take_lots(_lots(shares, share), sold)
    premium = -_cost(taken, contract.multiplier)
    realised = contract.strike * sold + premium - _cost(out, 1)
    left = replace(_with_lots(shares, share, kept), realised=shares.realised + realised)
    posting = Posting(
        f"{activity.id}:called",
        PostingKind.TRADE,
        activity.at,
        contract.strike * sold,
        realised,
        shares.id,
        shares.strategy,
    )
    return _ended(after, activity.at, "called away"), _ended(left, activity.at, "called away"), (posting,)


def apply_dividend(position: Position, activity: Activity) -> Change:
    """The position after a dividend on its shares (negative for one owed)."""
    after = replace(position, dividends=position.dividends + activity.amount)
    posting = Posting(
        f"{activity.id}:dividend",
        PostingKind.DIVIDEND,
        activity.at,
        activity.amount,
        ZERO,
        position.id,
        position.strategy,
    )
    return after, (posting,)


def split_instrument(instrument: Instrument, ratio: Decimal) -> Instrument:
    """The instrument after a whole-number split: strikes divided by it and rounded to the cent, as the OCC lists.

    >>> from engine.model.instruments import option
    >>> split_instrument(option("AAPL140719C00645000"), Decimal(7)).symbol
    'AAPL140719C00092140'
    """
    if isinstance(instrument, Stock):
        return instrument
    return replace(instrument, strike=(instrument.strike / ratio).quantize(CENT, ROUND_HALF_UP))


def apply_split(position: Position, ratio: Decimal) -> Position:
    """The position after `ratio` new shares for each old one: quantities times it, prices divided; P&L unchanged.

    Raises:
        DataInvalid: a lot would become a fraction (a reverse or odd split), which needs a person.
    """

    def lot(old: Lot) -> Lot:
        quantity = old.quantity * ratio
        if quantity != int(quantity):
            raise DataInvalid(f"A {ratio}:1 split of {position.ticker} leaves a fraction of {old.quantity}.")
        return replace(old, quantity=int(quantity), price=old.price / ratio)

    def level(value: Decimal | None) -> Decimal | None:
        return None if value is None else value / ratio

    legs = tuple(
        PositionLeg(split_instrument(leg.instrument, ratio), tuple(lot(old) for old in leg.lots))
        for leg in position.legs
    )
    exits = replace(
        position.exits,
        target=level(position.exits.target),
        stop=level(position.exits.stop),
        stop_spot=level(position.exits.stop_spot),
        stop_spot_above=level(position.exits.stop_spot_above),
    )
    return replace(
        position,
        unit=tuple(Leg(split_instrument(leg.instrument, ratio), leg.ratio) for leg in position.unit),
        legs=legs,
        exits=exits,
        entry=level(position.entry),
        peak=level(position.peak),
        opened_units=int(position.opened_units * ratio),
    )


def right_of(activity: Activity) -> Right | None:
    """Call or put, for an option activity."""
    return activity.instrument.right if isinstance(activity.instrument, Option) else None
