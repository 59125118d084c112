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
RATIO_NOISE = Decimal("0.00001")
"""Split ratios come written to a few digits (7.00000700001, 0.333333): nearer than this to a whole, it is one."""

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
    """The position, closed when nothing is left in it, open again when a late execution brought something back."""
    if any(leg.quantity for leg in position.legs):
        return replace(position, status=PositionStatus.OPEN, closed_at=None, close_reason="")
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


def apply_cash_settlement(position: Position, activity: Activity) -> Change:
    """The position after contracts were assigned or exercised and settled in cash for `activity.amount` dollars."""
    after, taken, contract = _removed(position, activity)
    realised = activity.amount - _cost(taken, contract.multiplier)
    after = replace(after, realised=after.realised + realised)
    posting = Posting(
        f"{activity.id}:cash",
        PostingKind.TRADE,
        activity.at,
        activity.amount,
        realised,
        position.id,
        position.strategy,
    )
    reason = "assigned" if activity.quantity < 0 else "exercised"
    return _ended(after, activity.at, reason), (posting,)


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
    """The instrument after a split: strikes divided by the ratio and rounded to the cent, as the OCC lists them.

    A ratio that is not a whole number (a reverse split, 3 for 2, a spin-off) makes an adjusted contract instead: the
    number of shares behind it changes and its root ends in a digit. Such contracts can only be closed.

    >>> from engine.model.instruments import option
    >>> split_instrument(option("AAPL140719C00645000"), Decimal(7)).symbol
    'AAPL140719C00092140'
    """
    if isinstance(instrument, Stock):
        return instrument
    strike = (instrument.strike / ratio).quantize(CENT, ROUND_HALF_UP)
    if ratio >= 1 and _whole(ratio) is not None:
        return replace(instrument, strike=strike)
    number = int(instrument.root[-1]) + 1 if instrument.is_adjusted else 1
    root = f"{instrument.root.rstrip('0123456789')}{number}"
    shares = instrument.multiplier * ratio
    return replace(instrument, strike=strike, root=root, multiplier=max(1, _whole(shares) or int(shares)))


def split_holding(instrument: Instrument, quantity: int, ratio: Decimal) -> tuple[Instrument, int, Decimal]:
    """(instrument, signed quantity, fraction of a share left over) after `ratio` new shares for each old one."""
    after = split_instrument(instrument, ratio)
    if isinstance(after, Option) and after.is_adjusted:
        return after, quantity, ZERO
    exact = quantity * ratio
    whole = _whole(exact)
    units = int(exact) if whole is None else whole
    return after, units, ZERO if whole is not None else exact - units


def _whole(value: Decimal) -> int | None:
    """The whole number that `value` is, give or take the digits lost in writing a ratio down; None for a fraction."""
    nearest = round(value)
    return nearest if abs(value - nearest) <= abs(value) * RATIO_NOISE else None


def apply_split(position: Position, ratio: Decimal) -> Position:
    """The position after `ratio` new shares for each old one: its cost, and so its P&L, is unchanged.

    Fractions of a share are dropped here; the broker pays them out in cash.

    Raises:
        DataInvalid: nothing whole is left of a leg.
    """

    def level(value: Decimal | None) -> Decimal | None:
        return None if value is None else value / ratio

    exits = replace(
        position.exits,
        target=level(position.exits.target),
        stop=level(position.exits.stop),
        stop_spot=level(position.exits.stop_spot),
        stop_spot_above=level(position.exits.stop_spot_above),
        words=_dated(position.exits.words, ratio),
    )
    return replace(
        position,
        unit=tuple(Leg(split_instrument(leg.instrument, ratio), leg.ratio) for leg in position.unit),
        legs=tuple(_split_leg(leg, ratio) for leg in position.legs),
        exits=exits,
        entry=level(position.entry),
        peak=level(position.peak),
        opened_units=_units_after(position, ratio),
    )


def _dated(words: tuple[str, ...], ratio: Decimal) -> tuple[str, ...]:
    """The plan's sentences, marked as older than the split: their prices count in the shares of before."""
    note = (
        f"Split since, {ratio.normalize():f} new shares for each old one: the prices in these words are the old ones."
    )
    return (note, *words) if words else ()


def _split_leg(leg: PositionLeg, ratio: Decimal) -> PositionLeg:
    """The lots restated one after another, so that they add up to the restated total and to the old cost."""
    after = split_instrument(leg.instrument, ratio)
    lots: list[Lot] = []
    before = total = 0
    cost = ZERO
    for old in leg.lots:
        before += old.quantity
        cost += old.price * old.quantity * leg.instrument.multiplier
        quantity = split_holding(leg.instrument, before, ratio)[1] - total
        if quantity:
            lots.append(replace(old, quantity=quantity, price=cost / (quantity * after.multiplier)))
            total += quantity
            cost = ZERO
    if not lots:
        raise DataInvalid(f"A {ratio}:1 split leaves less than one {leg.instrument}: that needs a person.")
    last = lots[-1]
    lots[-1] = replace(last, price=last.price + cost / (last.quantity * after.multiplier))
    return PositionLeg(after, tuple(lots))


def _units_after(position: Position, ratio: Decimal) -> int:
    return split_holding(position.unit[0].instrument, position.opened_units, ratio)[1]


def right_of(activity: Activity) -> Right | None:
    """Call or put, for an option activity."""
    return activity.instrument.right if isinstance(activity.instrument, Option) else None
