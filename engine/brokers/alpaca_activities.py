"""What happened on an Alpaca account without an order: assignments, expiries, dividends, interest, fees, cash.

Source: Alpaca's pages "Account activities" and "Non-trade activities for option events", and `ActivityType` of the
trading API's OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta
from decimal import Decimal

import structlog

from engine.brokers.alpaca_wire import Payload, moment, named, number, text
from engine.errors import BrokerUnavailable
from engine.model.instruments import Option
from engine.model.orders import Activity, ActivityKind
from engine.sessions import NEW_YORK

log = structlog.get_logger()

OPTION_EVENTS = {
    "OPASN": ActivityKind.ASSIGNMENT,
    "OPEXC": ActivityKind.EXERCISE,
    "OPEXP": ActivityKind.EXPIRY,
}
CASH = {
    **dict.fromkeys(
        ("DIV", "DIVCGL", "DIVCGS", "DIVFEE", "DIVFT", "DIVNRA", "DIVROC", "DIVTW", "DIVTXEX", "CGD"),
        ActivityKind.DIVIDEND,
    ),
    **dict.fromkeys(("INT", "INTNRA", "INTTW"), ActivityKind.INTEREST),
    **dict.fromkeys(("FEE", "CFEE", "PTC", "PTR"), ActivityKind.FEE),
}
TRANSFERS = frozenset({"CSD", "CSW", "TRANS", "JNL", "JNLC", "ACATC"})
"""Deposit or withdrawal by the sign of the amount."""
CASH_SETTLED = "OPCSH"
"""The money of index options, in the group of the OPASN or OPEXC row that tells the contracts."""
CORPORATE_ACTION = "OPCA"
NO_ROW: Payload = {}
PAIRED = frozenset({"FILL", "OPTRD", CASH_SETTLED})
"""Told elsewhere: executions by `fills`; the share leg of an assignment or exercise follows from strike and right,
because the `price` of OPTRD cannot be trusted (Alpaca's own example shows 90 for a strike of 150)."""
NOT_IN_FORCE = frozenset({"canceled", "pending"})
CLOSE_OF_BUSINESS = time(16)


def happened(payload: Payload) -> datetime:
    """When it happened: its date at 16:00 in New York (Alpaca gives a day only), never after it was reported.

    Raises:
        BrokerUnavailable: it has no date at all.
    """
    reported, day = moment(payload.get("created_at")), moment(payload.get("date"))
    if day is None:
        if reported is None:
            raise BrokerUnavailable(f"Alpaca's activity {payload.get('id')} has no date.")
        return reported
    closed = datetime.combine(day.date(), CLOSE_OF_BUSINESS, NEW_YORK).astimezone(day.tzinfo)
    return min(closed, reported) if reported is not None else closed


def is_new(payload: Payload, since: datetime, lookback: timedelta) -> bool:
    """Whether it was reported at or after `since`.

    An assignment or fee is reported on the morning after its day; what counts is when it became known, or it would be
    missed. Without a report time, its day may lie `lookback` before `since`: ids are unique, so too much does no harm.
    """
    reported = moment(payload.get("created_at"))
    return reported >= since if reported is not None else happened(payload) >= since - lookback


def activities(payloads: Iterable[Payload]) -> tuple[Activity, ...]:
    """Alpaca's rows as activities, oldest first. What the ledger has no word for is logged, never guessed."""
    rows = [row for row in payloads if row.get("status") not in NOT_IN_FORCE]
    in_cash = {row["group_id"]: row for row in rows if row.get("activity_type") == CASH_SETTLED and row.get("group_id")}
    events = [row for row in rows if row.get("activity_type") in OPTION_EVENTS]
    paired = {row["group_id"] for row in events if row.get("group_id")}
    lone = [row for row in rows if row.get("activity_type") == CASH_SETTLED and row.get("group_id") not in paired]
    read = [_readable(_plain, row) for row in rows if row.get("activity_type") not in OPTION_EVENTS]
    read += [_readable(_option_event, row, in_cash.get(row.get("group_id"), NO_ROW)) for row in events]
    read += [_readable(_cash_settled, row) for row in lone]
    read += [_readable(_split, *pair) for pair in _split_pairs(rows)]
    return tuple(sorted((row for row in read if row is not None), key=lambda activity: (activity.at, activity.id)))


def _readable(translate: Callable[..., Activity | None], *rows: Payload) -> Activity | None:
    """The rows' activity; a row that makes no sense must not hide all the others."""
    try:
        return translate(*rows)
    except BrokerUnavailable as problem:
        log.error("alpaca.activity_unreadable", ids=[row.get("id") for row in rows], problem=str(problem))
        return None


def _plain(payload: Payload) -> Activity | None:
    kind = text(payload, "activity_type")
    if kind == CORPORATE_ACTION:
        return _corporate_action(payload)
    if kind in CASH and payload.get("net_amount") is not None:
        return _cash(payload, CASH[kind])
    if kind in TRANSFERS:
        amount = number(payload, "net_amount")
        return _cash(payload, ActivityKind.DEPOSIT if amount > 0 else ActivityKind.WITHDRAWAL)
    if kind not in PAIRED and kind != "SPLIT":
        log.warning("alpaca.activity_not_booked", kind=kind, id=payload.get("id"), amount=payload.get("net_amount"))
    return None


def _option_event(payload: Payload, settled: Payload) -> Activity | None:
    """`qty` is the change of the position: -2 when two long contracts expire, +2 when two short ones are assigned.

    `settled` is the OPCSH row of the same group, empty where shares moved (or nothing did).
    """
    kind = OPTION_EVENTS[text(payload, "activity_type")]
    contract = named(text(payload, "symbol"))
    if not isinstance(contract, Option):
        log.warning("alpaca.activity_not_booked", kind=kind.value, id=payload.get("id"), symbol=payload.get("symbol"))
        return None
    held = -int(number(payload, "qty"))
    if kind is ActivityKind.ASSIGNMENT:
        held = -abs(held)
    elif kind is ActivityKind.EXERCISE:
        held = abs(held)
    if contract.is_cash_settled and kind is not ActivityKind.EXPIRY and not settled:
        log.warning("alpaca.cash_not_told_yet", id=payload.get("id"), symbol=contract.symbol)
        return None
    amount = number(settled, "net_amount") if settled else Decimal(0)
    return Activity(text(payload, "id"), kind, happened(payload), contract, held, amount)


def _cash_settled(payload: Payload) -> Activity | None:
    """Cash for options without a row of its own about the contracts: received by their holder, paid by their writer."""
    amount, contract = number(payload, "net_amount"), named(text(payload, "symbol"))
    contracts = abs(int(number(payload, "qty")))
    if not isinstance(contract, Option) or not contracts or not amount:
        raise BrokerUnavailable(f"Alpaca's cash settlement {payload.get('id')} names no contracts.")
    kind = ActivityKind.EXERCISE if amount > 0 else ActivityKind.ASSIGNMENT
    held = contracts if amount > 0 else -contracts
    return Activity(text(payload, "id"), kind, happened(payload), contract, held, amount)


def _corporate_action(payload: Payload) -> Activity:
    """What a corporate action did to options: contracts may be adjusted, so a person is told; nothing is booked."""
    symbol = payload.get("symbol")
    owner = named(str(symbol)) if symbol else None
    amount = number(payload, "net_amount") if payload.get("net_amount") is not None else Decimal(0)
    return Activity(text(payload, "id"), ActivityKind.ADJUSTMENT, happened(payload), owner, amount=amount)


def _cash(payload: Payload, kind: ActivityKind) -> Activity:
    symbol = payload.get("symbol")
    owner = named(str(symbol)) if symbol else None
    shares = payload.get("qty") if kind is ActivityKind.DIVIDEND else None
    return Activity(
        id=text(payload, "id"),
        kind=kind,
        at=happened(payload),
        instrument=owner,
        quantity=int(number(payload, "qty")) if shares is not None else 0,
        amount=number(payload, "net_amount"),
    )


def _split_pairs(rows: Iterable[Payload]) -> list[list[Payload]]:
    """The rows of each split: old shares out and new ones in."""
    groups: dict[object, list[Payload]] = {}
    for row in rows:
        if row.get("activity_type") == "SPLIT":
            groups.setdefault(row.get("group_id") or (row.get("symbol"), row.get("date")), []).append(row)
    return list(groups.values())


def _split(*pair: Payload) -> Activity:
    """New shares over old ones is the ratio, None when a row is missing."""
    quantities = [number(row, "qty") for row in pair]
    old = -sum((quantity for quantity in quantities if quantity < 0), Decimal(0))
    new = sum((quantity for quantity in quantities if quantity > 0), Decimal(0))
    row = max(pair, key=lambda row: number(row, "qty"))
    return Activity(
        id=text(row, "id"),
        kind=ActivityKind.SPLIT,
        at=happened(row),
        instrument=named(text(row, "symbol")),
        ratio=new / old if old and new else None,
    )
