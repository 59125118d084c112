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
from engine.model.orders import Activity, ActivityKind, Fill

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


def delivered(position: Position, activity: Activity) -> tuple[Position, tuple[Lot, ...]]:
    """(the position without its assigned or exercised contracts, the lots of shares they became).

    Nothing is realised: each contract's premium moves into the price of its shares, the basis of those bought and the
    proceeds of those sold (IRS Pub. 550, table 4-1). A 44 put sold at 1.03 brings shares at 42.97.
    """
    after, taken, contract = _removed(position, activity)
    sign = 1 if contract.right is Right.CALL else -1
    lots = tuple(
        Lot(lot.quantity * sign * contract.multiplier, contract.strike + lot.price * sign, activity.at) for lot in taken
    )
    return _ended(after, activity.at, _reason(activity)), lots


def _reason(activity: Activity) -> str:
    if activity.kind is ActivityKind.EXERCISE:
        return "exercised"
    return "called away" if right_of(activity) is Right.CALL else "assigned"


def receive(
    holder: Position, activity: Activity, lots: tuple[Lot, ...]
) -> tuple[Position, tuple[Lot, ...], tuple[Posting, ...]]:
    """(holder, lots left over, postings) after delivered `lots` met the shares of the other side it holds.

    Shares called away are sold at the strike and the premium: the whole gain is realised on them.
    """
    share = _share(activity)
    held = _lots(holder, share)
    coming, there = sum(lot.quantity for lot in lots), sum(lot.quantity for lot in held)
    if coming * there >= 0:
        return holder, lots, ()
    met = max(-there, coming) if coming < 0 else min(-there, coming)
    used, left = take_lots(lots, met)
    out, kept = take_lots(held, -met)
    realised = -_cost(used, 1) - _cost(out, 1)
    after = replace(_with_lots(holder, share, kept), realised=holder.realised + realised)
    posting = _delivery(holder, activity, met, realised)
    return _ended(after, activity.at, _reason(activity)), left, (posting,)


def add_shares(holder: Position, activity: Activity, lots: tuple[Lot, ...]) -> Change:
    """The share position with delivered `lots` more; its entry is the average of what it holds."""
    share = _share(activity)
    both = (*_lots(holder, share), *lots)
    coming, held = sum(lot.quantity for lot in lots), sum(lot.quantity for lot in both)
    after = replace(
        _with_lots(holder, share, both),
        entry=_cost(both, 1) / abs(held),
        opened_units=holder.opened_units + abs(coming),
    )
    return after, (_delivery(holder, activity, coming, ZERO),)


def shares_from(option: Position, activity: Activity, lots: tuple[Lot, ...], id: str, exits: ExitPlan) -> Change:
    """A new position of the shares that `option` became, long or short, in its campaign."""
    share = _share(activity)
    empty = Position(
        id=id,
        campaign=option.campaign,
        strategy=option.strategy,
        ticker=option.ticker,
        structure=Structure.SHARES,
        unit=(Leg(share, 1 if lots[0].quantity > 0 else -1),),
        legs=(),
        exits=exits,
        opened_at=activity.at,
        approval_id=option.approval_id,
        modelled=option.modelled,
    )
    return add_shares(empty, activity, lots)


def _share(activity: Activity) -> Stock:
    if not isinstance(activity.instrument, Option):
        raise DataInvalid(f"Activity {activity.id} names no option.")
    return Stock(activity.instrument.underlying)


def _delivery(holder: Position, activity: Activity, shares: int, realised: Decimal) -> Posting:
    """Shares change hands at the strike: the premium was paid or received when the option was traded."""
    if not isinstance(activity.instrument, Option):
        raise DataInvalid(f"Activity {activity.id} names no option.")
    return Posting(
        f"{activity.id}:{holder.id}",
        PostingKind.TRADE,
        activity.at,
        -activity.instrument.strike * shares,
        realised,
        holder.id,
        holder.strategy,
    )


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
