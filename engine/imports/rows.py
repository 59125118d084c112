"""What one row of an old portfolio means: an open position, a closed trade, or nothing with the reason why."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from engine.errors import BadRequest
from engine.imports.fields import Row
from engine.model.book import ZERO, Lot, Position, PositionLeg
from engine.model.instruments import Instrument, Option, Right
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.records import Trade
from engine.sessions import NEW_YORK

TICKER = ("ticker", "symbol", "underlying")
KIND = ("position_type", "type", "trade_type", "structure", "option_type", "right")
STRIKE = ("strike", "strike_price")
EXPIRY = ("expiry", "expiry_date", "expiration", "expiration_date")
CONTRACTS = ("contracts", "quantity", "qty", "size")
SHARES = ("shares", "quantity", "qty", "size")
PREMIUM = ("entry_premium", "premium_collected", "entry_price", "premium", "avg_price", "avg_cost", "price")
COST = ("avg_cost", "avg_price", "average_price", "entry_price", "cost_basis_per_share", "price")
OPENED = ("entry_date", "opened_at", "open_date", "entry_time", "date")
CLOSED = ("exit_date", "closed_at", "close_date", "exit_time")
EXIT = ("exit_price", "exit_premium", "close_price")
PNL = ("pnl", "realized_pnl", "profit_loss", "profit")
FEES = ("commission", "commissions", "fees")
STATUS = ("status", "state")
STRATEGY = ("strategy", "strategy_name")
THEME = ("theme",)

STRUCTURES = {
    "cash_secured_put": Structure.SHORT_PUT,
    "short_put": Structure.SHORT_PUT,
    "csp": Structure.SHORT_PUT,
    "covered_call": Structure.COVERED_CALL,
    "short_call": Structure.COVERED_CALL,
    "assigned_shares": Structure.SHARES,
    "shares": Structure.SHARES,
    "stock": Structure.SHARES,
    "equity": Structure.SHARES,
    "long_call": Structure.LONG_CALL,
    "leaps": Structure.LONG_CALL,
    "long_put": Structure.LONG_PUT,
}
BY_SIGN = {
    "call": (Structure.LONG_CALL, Structure.COVERED_CALL),
    "c": (Structure.LONG_CALL, Structure.COVERED_CALL),
    "put": (Structure.LONG_PUT, Structure.SHORT_PUT),
    "p": (Structure.LONG_PUT, Structure.SHORT_PUT),
}
"""A bare right: (bought, sold); a negative quantity is sold."""

SOLD = frozenset({Structure.SHORT_PUT, Structure.COVERED_CALL})
WHEEL = frozenset({"cash_secured_put", "csp", "covered_call", "assigned_shares"})
OPEN_STATES = frozenset({"", "active", "open", "holding"})
RENAMED = {
    "wheel_strategy": "wheel",
    "wsb_dip_bot": "wsb_dip",
    "dip_bot": "wsb_dip",
    "debit_call_spreads": "debit_spreads",
    "leaps_tracker": "leaps",
    "lotto_scanner": "lotto",
    "swing_trading": "swing",
}
UNKNOWN_STRATEGY = "imported"
NO_STOP = "Imported: no stop armed. Adopt it with a stop, or close it."


class Skip(StrEnum):
    """Why a readable row becomes nothing."""

    EMPTY = "nothing is held"
    EXPIRED = "its option has expired"
    ENDED = "it is marked as ended, without a result"
    STILL_OPEN = "it has no exit: not a closed trade"
    UNCOVERED = "no shares in the file cover this call"
    KNOWN = "imported before"
    CASH = "the broker says what cash there is"


@dataclass(frozen=True, slots=True)
class Opened:
    """A row that became a position."""

    place: str
    position: Position


@dataclass(frozen=True, slots=True)
class Ended:
    """A row that became a closed trade."""

    place: str
    trade: Trade


@dataclass(frozen=True, slots=True)
class Left:
    """A row that was left out."""

    place: str
    why: Skip


def strategy_of(row: Row) -> str:
    """The strategy's name today: as the row says, else by the row's shape, else `imported`."""
    named = row.text(STRATEGY).lower().replace("-", "_").replace(" ", "_")
    if named:
        return RENAMED.get(named, named)
    if _kind(row) in WHEEL:
        return "wheel"
    return "leaps" if row.key(THEME) else UNKNOWN_STRATEGY


def _kind(row: Row) -> str:
    return row.text(KIND).lower().replace("-", "_").replace(" ", "_")


def structure_of(row: Row, quantity: int) -> Structure:
    """What the row holds; a row of contracts without a type is a long call, as the LEAPS tracker wrote them.

    Raises:
        BadRequest: the type is none that the desk knows.
    """
    kind = _kind(row)
    if kind in STRUCTURES:
        return STRUCTURES[kind]
    if kind in BY_SIGN:
        return BY_SIGN[kind][quantity < 0]
    if kind:
        known = ", ".join(sorted({*STRUCTURES, "call", "put"}))
        raise row.error(KIND, f"“{kind}” is not a kind of position; known are {known}")
    return Structure.LONG_CALL if row.key(STRIKE) else Structure.SHARES


def _is_shares(row: Row) -> bool:
    kind = _kind(row)
    return STRUCTURES.get(kind) is Structure.SHARES or (not kind and row.key(STRIKE) is None)


def quantity_of(row: Row) -> int:
    """Signed contracts or shares as the row has them; an option that counts shares is in hundreds of them.

    Raises:
        BadRequest: missing, not whole, or shares that are not whole contracts.
    """
    if _is_shares(row):
        return row.count(SHARES)
    if row.key(CONTRACTS):
        return row.count(CONTRACTS)
    shares = row.count(SHARES)
    if shares % 100:
        raise row.error(SHARES, f"{shares} shares are not whole contracts of 100")
    return shares // 100


def instrument_of(row: Row, structure: Structure) -> Instrument:
    """The share or the option of the row.

    Raises:
        BadRequest: ticker, strike or expiry is missing or unreadable.
    """
    share = row.ticker(TICKER)
    if structure is Structure.SHARES:
        return share
    strike = row.price(STRIKE)
    if strike * 1000 != int(strike * 1000) or not 0 < strike < 100_000:
        raise row.error(STRIKE, f"{strike} is not a strike")
    right = Right.PUT if structure in (Structure.SHORT_PUT, Structure.LONG_PUT) else Right.CALL
    return Option(share.ticker, row.day(EXPIRY), right, strike)


def position_of(row: Row, now: datetime, written: datetime) -> Opened | Left:
    """The open position of a row; `written` is when the file was, the entry time of a row that has none.

    Raises:
        BadRequest: a value is missing or is not what it claims to be.
    """
    if row.text(STATUS).lower() not in OPEN_STATES:
        return Left(row.place, Skip.ENDED)
    quantity = quantity_of(row)
    structure = structure_of(row, quantity)
    instrument = instrument_of(row, structure)
    price = row.price(COST if structure is Structure.SHARES else PREMIUM)
    if not quantity:
        return Left(row.place, Skip.EMPTY)
    if isinstance(instrument, Option) and instrument.expiry < now.astimezone(NEW_YORK).date():
        return Left(row.place, Skip.EXPIRED)
    if structure is Structure.SHARES and quantity < 0:
        raise row.error(SHARES, f"{quantity} shares: the desk holds no short shares")
    opened = row.moment(OPENED) if row.key(OPENED) else written
    words = (NO_STOP,) if row.key(OPENED) else (NO_STOP, "The day of entry is not in the file.")
    held = _held(row, structure, instrument, abs(quantity), price, opened)
    return Opened(row.place, replace(held, exits=ExitPlan(words=words)))


def _held(
    row: Row, structure: Structure, instrument: Instrument, units: int, price: Decimal, opened: datetime
) -> Position:
    sign = -1 if structure in SOLD else 1
    cost = price * units * instrument.multiplier
    secured = instrument.strike * units * 100 if isinstance(instrument, Option) else cost
    lost = {Structure.SHORT_PUT: secured - cost, Structure.COVERED_CALL: ZERO}.get(structure, cost)
    strategy = strategy_of(row)
    id = identity(row, strategy, instrument, structure)
    return Position(
        id=id,
        campaign=id,
        strategy=strategy,
        ticker=instrument.underlying,
        structure=structure,
        unit=(Leg(instrument, sign),),
        legs=(PositionLeg(instrument, (Lot(sign * units, price, opened),)),),
        exits=ExitPlan(),
        opened_at=opened,
        entry=sign * price,
        opened_units=units,
        risk=lost,
        max_loss=lost,
        collateral=secured if structure is Structure.SHORT_PUT else ZERO,
    )


def identity(row: Row, *parts: object) -> str:
    """An id that follows from what the row is, so that a file saved again with new prices brings nothing twice."""
    entry = row.moment(OPENED).isoformat() if row.key(OPENED) else ""
    stem = "|".join(str(part) for part in (*parts, entry))
    return f"I{hashlib.sha256(stem.encode()).hexdigest()[:10]}"


def trade_of(row: Row) -> Ended | Left:
    """The closed trade of a row. P&L is the row's own, else it follows from prices and quantity.

    Raises:
        BadRequest: a value is missing or is not what it claims to be.
    """
    if row.key(CLOSED) is None:
        return Left(row.place, Skip.STILL_OPEN)
    quantity = quantity_of(row)
    structure = structure_of(row, quantity)
    entry = row.price(COST if structure is Structure.SHARES else PREMIUM) if _has_entry(row, structure) else None
    out = row.price(EXIT) if row.key(EXIT) else None
    closed = row.moment(CLOSED)
    opened = row.moment(OPENED) if row.key(OPENED) else None
    if opened is not None and closed < opened:
        raise row.error(CLOSED, f"{closed:%Y-%m-%d} is before the entry of {opened:%Y-%m-%d}")
    sign = -1 if structure in SOLD else 1
    strategy = strategy_of(row)
    ticker = row.ticker(TICKER).ticker
    trade = Trade(
        id=identity(row, strategy, ticker, structure, closed, row.text(KIND), row.values.get("strike", "")),
        strategy=strategy,
        ticker=ticker,
        trade_type=structure.value,
        quantity=abs(quantity),
        entry_price=None if entry is None else sign * entry,
        exit_price=None if out is None else sign * out,
        pnl=_pnl(row, structure, quantity, entry, out),
        commission=row.number(FEES) if row.key(FEES) else ZERO,
        dividends=ZERO,
        opened_at=opened,
        closed_at=closed,
        campaign=None,
        reason="imported",
    )
    return Ended(row.place, trade)


def _has_entry(row: Row, structure: Structure) -> bool:
    return row.key(COST if structure is Structure.SHARES else PREMIUM) is not None


def _pnl(row: Row, structure: Structure, quantity: int, entry: Decimal | None, out: Decimal | None) -> Decimal:
    if row.key(PNL):
        return row.number(PNL)
    if entry is None or out is None:
        raise row.error(PNL, "is missing, and so is the entry or exit price to work it out from")
    multiplier = 1 if structure is Structure.SHARES else 100
    gain = (out - entry) * abs(quantity) * multiplier
    return -gain if structure in SOLD else gain


def shares_behind(row: Row, call: Position) -> Row | None:
    """The shares a covered-call row of the old wheel carries along (`shares` at `avg_cost`), as a row of their own."""
    if row.key(("avg_cost",)) is None or row.key(("shares",)) is None or not row.price(("avg_cost",)):
        return None
    shares = row.count(("shares",))
    if shares < call.units * 100:
        raise row.error(("shares",), f"{shares} shares do not cover {call.units} calls")
    kept = ("ticker", "symbol", "underlying", "avg_cost", "shares", *OPENED, *STRATEGY)
    values = {name: row.values[name] for name in kept if name in row.values}
    return Row(row.place, {**values, "position_type": "assigned_shares"})


def rejected(place: str, value: object) -> BadRequest:
    """The complaint about an entry that is no row at all."""
    return BadRequest(f"{place}: “{value}” is not an object of fields. Nothing was imported.")
