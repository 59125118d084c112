"""Alpaca's answers about options as columns: thousands of snapshots without a Python object for each of their fields.

Source: market data OpenAPI 1.1 (`option_snapshot`, `option_quote`, `option_greeks`, `option_bar`) and trading OpenAPI
2.0.1 (`OptionContract`, `OptionDeliverable`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog
from numpy.typing import NDArray

from engine.data import occ
from engine.data.occ import Contracts
from engine.data.providers.alpaca_client import NAME, READ, Payload
from engine.data.providers.port import Instants, Listings, RawChain
from engine.data.providers.reader import invalid
from engine.errors import DataInvalid
from engine.model.instruments import INDEX_ROOTS, Option, Right, Style
from engine.model.market import Dates, Floats, Source
from engine.sessions import NEW_YORK

log = structlog.get_logger()

NUMBER, TEXT = pa.float64(), pa.string()
GREEKS = ("delta", "gamma", "theta", "vega", "rho")
SNAPSHOT = pa.struct(
    [
        ("latestQuote", pa.struct([("bp", NUMBER), ("ap", NUMBER), ("bs", NUMBER), ("as", NUMBER), ("t", TEXT)])),
        ("latestTrade", pa.struct([("p", NUMBER)])),
        ("dailyBar", pa.struct([("v", NUMBER), ("t", TEXT)])),
        ("greeks", pa.struct([(name, NUMBER) for name in GREEKS])),
        ("impliedVolatility", NUMBER),
    ]
)
"""What is read of a snapshot; the rest of it is passed over."""
CONTRACT = pa.struct(
    [
        ("symbol", TEXT),
        ("style", TEXT),
        ("status", TEXT),
        ("tradable", pa.bool_()),
        ("open_interest", TEXT),
        ("open_interest_date", TEXT),
        ("multiplier", TEXT),
        ("size", TEXT),
        ("ppind", pa.bool_()),
        ("deliverables", pa.list_(pa.struct([("type", TEXT), ("symbol", TEXT), ("amount", TEXT)]))),
    ]
)
STYLES = {"american": Style.AMERICAN, "european": Style.EUROPEAN}
STANDARD = 100.0


def raw_chain(underlying: str, snapshots: Mapping[str, Any], source: Source, now: datetime) -> RawChain:
    """The snapshots of one underlying, keyed by symbol, as columns; what Alpaca left out is NaN.

    Greeks in Alpaca's units: theta per day, vega and rho per point (compared with the recorded ones). The volume is
    that of today's bar alone: `dailyBar` stays the last one that was until a contract trades again.

    Raises:
        DataInvalid: there are snapshots, and none of them makes sense.
    """
    contracts, table = _sound(list(snapshots), list(snapshots.values()), SNAPSHOT)
    delta, gamma, theta, vega, rho = (_numbers(table, "greeks", name) for name in GREEKS)
    traded = _instants(table, "dailyBar", "t")
    start = datetime.combine(now.astimezone(NEW_YORK).date(), time(), NEW_YORK)
    volume = np.where(traded >= _wall(start), _numbers(table, "dailyBar", "v"), np.nan)
    return RawChain(
        underlying=underlying,
        root=contracts.root,
        expiry=contracts.expiry,
        strike=contracts.strike,
        is_call=contracts.is_call,
        bid=_numbers(table, "latestQuote", "bp"),
        ask=_numbers(table, "latestQuote", "ap"),
        bid_size=_numbers(table, "latestQuote", "bs"),
        ask_size=_numbers(table, "latestQuote", "as"),
        quoted_at=_instants(table, "latestQuote", "t"),
        last=_numbers(table, "latestTrade", "p"),
        volume=volume,
        open_interest=np.full(len(contracts.strike), np.nan),
        iv=_numbers(table, "impliedVolatility"),
        delta=delta,
        gamma=gamma,
        theta=theta,
        vega=vega,
        rho=rho,
        source=source,
        style=Style.EUROPEAN if underlying in INDEX_ROOTS.values() else None,
    )


def listings(underlying: str, rows: Sequence[Payload], source: Source) -> Listings:
    """The contracts of one underlying that can be traded, as columns.

    Raises:
        DataInvalid: there are contracts, and none of them makes sense.
    """
    contracts, table = _sound([row.get("symbol") for row in rows], rows, CONTRACT)
    style, multiplier = _styles(table), _written(table, "multiplier")
    odd = _odd(underlying, contracts, table)
    keep = _truths(table, "tradable", missing=0.0) == 1.0
    keep &= np.array([word == "active" for word in _column(table, "status").to_pylist()], dtype=bool)
    keep &= np.array([each is not None for each in style], dtype=bool)
    root, expiry, strike, is_call = contracts
    return Listings(
        underlying=underlying,
        root=root[keep],
        expiry=expiry[keep],
        strike=strike[keep],
        is_call=is_call[keep],
        style=style[keep],
        open_interest=_written(table, "open_interest")[keep],
        counted_on=_days(table, "open_interest_date")[keep],
        multiplier=multiplier[keep],
        is_adjusted=odd[keep],
        is_penny=_truths(table, "ppind", missing=np.nan)[keep],
        source=source,
    )


def past_listings(underlying: str, rows: Sequence[Payload]) -> tuple[Option, ...]:
    """The contracts of one underlying that were never adjusted, expired ones too, each once.

    Raises:
        DataInvalid: there are contracts, and none of them makes sense.
    """
    contracts, table = _sound([row.get("symbol") for row in rows], rows, CONTRACT)
    style, odd = _styles(table), _odd(underlying, contracts, table)
    found = [
        Option(
            underlying,
            contracts.expiry[row].astype(object),
            Right.CALL if contracts.is_call[row] else Right.PUT,
            Decimal(str(contracts.strike[row])),
            contracts.root[row],
            style[row],
        )
        for row in np.flatnonzero(~odd)
        if style[row] is not None
    ]
    return tuple(dict.fromkeys(found))


def _styles(table: Any) -> NDArray[np.object_]:
    return np.array([STYLES.get(word) for word in _column(table, "style").to_pylist()], dtype=object)


def _odd(underlying: str, contracts: Contracts, table: Any) -> NDArray[np.bool_]:
    """Which contracts deliver something else than 100 shares of the underlying (or the cash of an index)."""
    deliverables = _column(table, "deliverables").to_pylist()
    is_index = underlying in INDEX_ROOTS.values()
    odd = np.array([not is_index and not _is_plain(each, underlying) for each in deliverables], dtype=bool)
    odd |= np.array([root[-1].isdigit() for root in contracts.root], dtype=bool)
    for name in ("size", "multiplier"):
        odd |= _is_other(_written(table, name), STANDARD)
    return odd


def _is_plain(deliverables: Sequence[Payload] | None, underlying: str) -> bool:
    """Whether a contract delivers 100 shares of its underlying and nothing else; so it is taken to, when not told."""
    if deliverables is None:
        return True
    if len(deliverables) != 1 or deliverables[0]["type"] != "equity":
        return False
    amount, symbol = deliverables[0]["amount"], deliverables[0]["symbol"]
    return symbol == underlying and amount is not None and READ.number("amount", amount) == STANDARD


def _sound(symbols: Sequence[object], rows: Sequence[object], shape: Any) -> tuple[Contracts, Any]:
    """The contracts and the table of the rows that make sense; the others are left out with a warning.

    Raises:
        DataInvalid: there are rows, and none of them makes sense.
    """
    try:
        return _read(symbols, rows, shape)
    except DataInvalid as error:
        troubles = [_trouble(symbol, row, shape) for symbol, row in zip(symbols, rows, strict=True)]
        good = [place for place, trouble in enumerate(troubles) if trouble is None]
        log.warning("provider.bad_rows", provider=NAME, rows=len(rows) - len(good), reason=str(error))
        if not good:
            raise
        return _read([symbols[place] for place in good], [rows[place] for place in good], shape)


def _read(symbols: Sequence[object], rows: Sequence[object], shape: Any) -> tuple[Contracts, Any]:
    texts = [symbol for symbol in symbols if isinstance(symbol, str)]
    if len(texts) < len(symbols):
        raise invalid(NAME, "symbol", next(symbol for symbol in symbols if not isinstance(symbol, str)))
    contracts = occ.contracts(texts, NAME)
    try:
        return contracts, pa.array(rows, type=shape)
    except (pa.ArrowException, OverflowError) as error:
        wrong = (_culprit(shape, symbol, row) for symbol, row in zip(texts, rows, strict=True))
        raise invalid(NAME, *next((each for each in wrong if each is not None), ("answer", str(error)))) from error


def _trouble(symbol: object, row: object, shape: Any) -> DataInvalid | None:
    try:
        _read([symbol], [row], shape)
    except DataInvalid as error:
        return error
    return None


def _culprit(kind: Any, name: str, value: object) -> tuple[str, object] | None:
    """The innermost field of a value that is not of its type, and what is there; None when all are."""
    try:
        pa.array([value], type=kind)
    except (pa.ArrowException, OverflowError):
        fields = kind if pa.types.is_struct(kind) and isinstance(value, Mapping) else ()
        inside = (_culprit(field.type, field.name, value.get(field.name)) for field in fields)  # type: ignore[attr-defined]
        return next((each for each in inside if each is not None), (name, value))
    return None


def _column(table: Any, *names: str) -> Any:
    return pc.struct_field(table, list(names))


def _numbers(table: Any, *names: str) -> Floats:
    """(n,) float64, NaN where a field or what it is in was not given."""
    return np.array(_column(table, *names).to_numpy(zero_copy_only=False), dtype=np.float64)


def _written(table: Any, name: str) -> Floats:
    """(n,) numbers that are written as texts.

    Raises:
        DataInvalid: a text is no number.
    """
    texts = _column(table, name).to_pylist()
    return np.array([np.nan if (number := READ.number(name, text)) is None else number for text in texts])


def _truths(table: Any, name: str, missing: float) -> Floats:
    """(n,) 1 for true, 0 for false, `missing` where it is not given."""
    return np.array([missing if value is None else float(value) for value in _column(table, name).to_pylist()])


def _days(table: Any, name: str) -> Dates:
    days = [READ.day(name, text) for text in _column(table, name).to_pylist()]
    return np.array(days, dtype="datetime64[D]")


def _instants(table: Any, *names: str) -> Instants:
    """(n,) datetime64[us] in UTC, nanoseconds cut off; NaT where it is not given or is no time."""
    texts = _column(table, *names)
    try:
        moments = texts.cast(pa.timestamp("ns", "UTC"))
    except pa.ArrowInvalid as error:
        log.warning("provider.bad_time", provider=NAME, field=".".join(names), reason=str(error)[:120])
        moments = pa.array([_moment(text) for text in texts.to_pylist()], type=pa.timestamp("ns", "UTC"))
    found: Instants = moments.to_numpy(zero_copy_only=False).astype("datetime64[us]")
    return found


def _moment(text: str | None) -> datetime | None:
    try:
        return READ.instant("t", text)
    except DataInvalid:
        return None


def _is_other(numbers: Floats, usual: float) -> NDArray[np.bool_]:
    """(n,) whether a number is given and not the usual one."""
    found: NDArray[np.bool_] = np.isfinite(numbers) & (numbers != usual)
    return found


def _wall(instant: datetime) -> np.datetime64:
    return np.datetime64(instant.astimezone(UTC).replace(tzinfo=None), "us")
