"""What happens to the pretended account without an order, with the rows Alpaca writes about it.

Rows follow Alpaca's page "Non-trade activities for option events": `qty` is the change of the position, the share leg
of an assignment is an OPTRD row of the same group.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.standins.alpaca_book import ZERO, contract
from tests.standins.alpaca_exchange import Exchange, Row, stamp


def record(exchange: Exchange, kind: str, amount: Decimal = ZERO, reported: datetime | None = None, **more: Any) -> Row:
    """Write a row; it is listed from `reported` on (now, unless said otherwise)."""
    with exchange.lock:
        at = exchange.now()
        row = {
            "id": exchange.activity_id(at),
            "activity_type": kind,
            "date": exchange.today.isoformat(),
            "created_at": stamp(reported or at),
            "net_amount": str(amount),
            "status": "executed",
            "currency": "USD",
            **more,
        }
        exchange.activities.append(row)
        return row


def assign(exchange: Exchange, symbol: str, contracts: int, reported: datetime | None = None) -> None:
    """`contracts` of a short option are assigned: the option goes, shares come or go at the strike."""
    _deliver(exchange, "OPASN", symbol, contracts, reported)


def exercise(exchange: Exchange, symbol: str, contracts: int, reported: datetime | None = None) -> None:
    """`contracts` of a long option are exercised."""
    _deliver(exchange, "OPEXC", symbol, -contracts, reported)


def _deliver(exchange: Exchange, kind: str, symbol: str, change: int, reported: datetime | None) -> None:
    option = contract(symbol)
    if option is None:
        raise ValueError(f"{symbol} is not an option")
    with exchange.lock:
        exchange._book(symbol, change, ZERO)
        shares = -change * 100 * (1 if option.is_call else -1)
        exchange._book(option.root, shares, option.strike)
        group = exchange.new_id()
        record(exchange, kind, reported=reported, group_id=group, symbol=symbol, qty=str(change), description="Options")
        paid = -shares * option.strike
        # The price is wrong on purpose, as in Alpaca's own example: strike and right are what counts.
        row = {"symbol": option.root, "qty": str(shares), "price": "90"}
        record(exchange, "OPTRD", paid, reported, group_id=group, **row)


def expire(exchange: Exchange, symbol: str, reported: datetime | None = None) -> None:
    """What is held of an option ends worthless."""
    with exchange.lock:
        change = -exchange.held(symbol)
        exchange._book(symbol, change, ZERO)
        record(exchange, "OPEXP", symbol=symbol, qty=str(change), description="Options Expiry", reported=reported)


def dividend(exchange: Exchange, symbol: str, per_share: Decimal | str) -> None:
    """Cash on the shares held (owed when short)."""
    with exchange.lock:
        shares = exchange.held(symbol)
        amount = shares * Decimal(per_share)
        exchange.cash += amount
        paid = {"per_share_amount": str(per_share), "activity_sub_type": "CDIV"}
        record(exchange, "DIV", amount, None, symbol=symbol, qty=str(shares), **paid)


def cash(exchange: Exchange, kind: str, amount: Decimal | str, **more: Any) -> None:
    """Money in or out: CSD, CSW, JNLC, INT, FEE."""
    with exchange.lock:
        exchange.cash += Decimal(amount)
        record(exchange, kind, Decimal(amount), **more)


def split(exchange: Exchange, symbol: str, new: int, old: int) -> None:
    """`new` shares for each `old` ones held: the old row out, the new row in."""
    with exchange.lock:
        position = exchange.positions[symbol]
        before = position.quantity
        position.quantity, position.average = before * new // old, position.average * old / new
        group = exchange.new_id()
        for quantity in (-before, position.quantity):
            record(exchange, "SPLIT", symbol=symbol, qty=str(quantity), group_id=group)
