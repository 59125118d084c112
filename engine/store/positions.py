"""Positions with their open lots, the book, closed trades and campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from engine.codec import dump, load_frozen
from engine.errors import NotFound
from engine.model.book import ZERO, Book, Position, PositionStatus
from engine.model.legs import Structure
from engine.model.records import Trade
from engine.model.trade import Campaign
from engine.schema.tables import legs, positions, trades
from engine.store.catalogue import Catalogue
from engine.store.ledger import Ledger
from engine.store.work import Params

_BY_ID = select(positions.c.body).where(positions.c.id == bindparam("id_"))
OPEN = select(positions.c.body).where(positions.c.status == "open").order_by(positions.c.id)
_CLOSED = (
    select(positions.c.body)
    .where(positions.c.status == "closed")
    .order_by(positions.c.closed_at.desc(), positions.c.id.desc())
    .limit(bindparam("limit_"))
)
_CAMPAIGN = (
    select(positions.c.body)
    .where(positions.c.campaign == bindparam("campaign_"))
    .order_by(positions.c.created_at, positions.c.id)
)
_OF_STRATEGY = (
    select(positions.c.body)
    .where(positions.c.strategy_id == bindparam("strategy_"))
    .order_by(positions.c.created_at, positions.c.id)
)
_OF_NAME = (
    select(positions.c.body)
    .where(positions.c.strategy_id == bindparam("strategy_"))
    .where(positions.c.ticker == bindparam("ticker_"))
    .order_by(positions.c.created_at, positions.c.id)
)
_SAVE = (
    update(positions)
    .where(positions.c.id == bindparam("id_"))
    .values({name: bindparam(f"{name}_") for name in (
        "quantity", "avg_price", "updated_at", "status", "campaign", "realized_pnl", "closed_at", "body"
    )})
)  # fmt: skip
_MARK = (
    update(positions)
    .where(positions.c.id == bindparam("id_"))
    .values(current_value=bindparam("value_"), unrealized_pnl=bindparam("unrealised_"), updated_at=bindparam("at_"))
)
_NO_LEGS = delete(legs).where(legs.c.position_id == bindparam("id_"))
_TRADES = select(
    trades.c.id,
    trades.c.strategy_id,
    trades.c.ticker,
    trades.c.trade_type,
    trades.c.quantity,
    trades.c.entry_price,
    trades.c.exit_price,
    trades.c.pnl,
    trades.c.commission,
    trades.c.dividends,
    trades.c.opened_at,
    trades.c.closed_at,
    trades.c.campaign,
    trades.c.reason,
).order_by(trades.c.closed_at, trades.c.id)
_HAS_TRADE = select(trades.c.id).where(trades.c.id == bindparam("id_"))

BECAME_SHARES = frozenset({"assigned", "called away", "exercised"})


def exit_price(position: Position) -> Decimal | None:
    """Average net price per share at which the units were closed, signed as held.

    None where nothing was traded out: an assigned option, or a package of unlike multipliers.
    """
    became = position.close_reason in BECAME_SHARES and position.structure is not Structure.SHARES
    multipliers = {leg.instrument.multiplier for leg in position.unit}
    if became or position.entry is None or not position.opened_units or len(multipliers) != 1:
        return None
    return position.entry + position.realised / (position.opened_units * multipliers.pop())


def trade_of(position: Position) -> Trade:
    """The closed structure as one `trades` row."""
    return Trade(
        id=position.id,
        strategy=position.strategy,
        ticker=position.ticker,
        trade_type=position.structure.value,
        quantity=position.opened_units,
        entry_price=position.entry,
        exit_price=exit_price(position),
        pnl=position.realised,
        commission=position.fees,
        dividends=position.dividends,
        opened_at=position.opened_at,
        closed_at=position.closed_at or position.opened_at,
        campaign=position.campaign,
        reason=position.close_reason,
    )


def staked(position: Position) -> Decimal | None:
    """Dollars put up at entry: the premium paid, or what a credit or share position could lose; None if unknown."""
    multipliers = {leg.instrument.multiplier for leg in position.unit}
    if position.entry is not None and position.entry > 0 and len(multipliers) == 1:
        return position.entry * multipliers.pop() * position.opened_units
    return position.max_loss or position.collateral or None


def campaign_of(parts: tuple[Position, ...]) -> Campaign | None:
    """The result of one closed campaign, None while part of it is open or its stake is unknown.

    P&L is net of fees and with dividends; R is that over what its first position put up.
    """
    ends = [part.closed_at for part in parts if part.closed_at is not None]
    stake = staked(parts[0])
    if stake is None or len(ends) < len(parts):
        return None
    pnl = sum((part.realised - part.fees + part.dividends for part in parts), ZERO)
    first = parts[0]
    return Campaign(first.strategy, first.ticker, max(ends), pnl, float(pnl / stake), first.opened_at, stake)


def _columns(position: Position) -> Params:
    moments = [lot.at for leg in position.legs for lot in leg.lots]
    return {
        "quantity": position.units,
        "avg_price": position.entry,
        "updated_at": position.closed_at or max(moments, default=position.opened_at),
        "status": position.status.value,
        "campaign": position.campaign,
        "realized_pnl": position.realised,
        "closed_at": position.closed_at,
        "body": dump(position),
    }


class Positions(Catalogue, Ledger):
    """What is held and what was."""

    __slots__ = ()

    def find_position(self, id: str) -> Position | None:
        """One position, None when it does not exist (an entry before its first fill)."""
        row = self._row(_BY_ID, {"id_": id})
        return None if row is None else load_frozen(Position, row[0])

    def position(self, id: str) -> Position:
        """One position.

        Raises:
            NotFound: there is none of this id.
        """
        found = self.find_position(id)
        if found is None:
            raise NotFound(f"There is no position {id}.")
        return found

    def save_position(self, position: Position, import_hash: str | None = None) -> None:
        """Store a new or changed position: its value, its roadmap columns and its open lots."""
        before = self.find_position(position.id)
        if before == position:
            return
        columns = _columns(position)
        if before is None:
            self._insert_position(position, columns, import_hash)
        else:
            self._write(_SAVE, {"id_": position.id, **{f"{name}_": value for name, value in columns.items()}})
        if before is None or before.legs != position.legs:
            self._save_legs(position)

    def _insert_position(self, position: Position, columns: Params, import_hash: str | None) -> None:
        self.ensure_strategy(position.strategy, position.opened_at)
        row = {
            **columns,
            "id": position.id,
            "strategy_id": position.strategy,
            "ticker": position.ticker,
            "created_at": position.opened_at,
            "structure": position.structure.value,
            "approval_id": position.approval_id,
            "import_hash": import_hash,
        }
        self._write(insert(positions), row)

    def _save_legs(self, position: Position) -> None:
        self._write(_NO_LEGS, {"id_": position.id})
        lots = [(leg.instrument.symbol, lot) for leg in position.legs for lot in leg.lots]
        rows = [
            {
                "position_id": position.id,
                "row": row,
                "symbol": symbol,
                "quantity": lot.quantity,
                "price": lot.price,
                "opened_at": lot.at,
            }
            for row, (symbol, lot) in enumerate(lots)
        ]
        self._write(insert(legs), rows)

    def open_positions(self, strategy: str | None = None, ticker: str | None = None) -> tuple[Position, ...]:
        """Everything held (by one strategy, in one underlying), by id."""
        found = self._positions(OPEN)
        if strategy is None and ticker is None:
            return found
        return tuple(x for x in found if strategy in (None, x.strategy) and ticker in (None, x.ticker))

    def positions_closed(self, limit: int = 50, since: datetime | None = None) -> tuple[Position, ...]:
        """Closed positions (ended at or after `since`), newest first."""
        statement = _CLOSED if since is None else _CLOSED.where(positions.c.closed_at >= since)
        return self._positions(statement, {"limit_": limit})

    def campaign(self, campaign_id: str) -> tuple[Position, ...]:
        """All positions of one campaign, first opened first; empty when there is no such campaign."""
        return self._positions(_CAMPAIGN, {"campaign_": campaign_id})

    def positions_of(self, strategy: str, ticker: str) -> tuple[Position, ...]:
        """Everything one strategy ever held in one underlying, first opened first."""
        return self._positions(_OF_NAME, {"strategy_": strategy, "ticker_": ticker})

    def _positions(self, statement: Any, params: Params | None = None) -> tuple[Position, ...]:
        return tuple(load_frozen(Position, row[0]) for row in self._rows(statement, params))

    def campaigns(self, strategy: str) -> tuple[Campaign, ...]:
        """The strategy's closed campaigns, first closed first (one whose stake is unknown is left out)."""
        grouped: dict[str, list[Position]] = {}
        for position in self._positions(_OF_STRATEGY, {"strategy_": strategy}):
            grouped.setdefault(position.campaign, []).append(position)
        found = (campaign_of(tuple(parts)) for parts in grouped.values())
        return tuple(sorted((x for x in found if x is not None), key=lambda x: (x.closed, x.ticker)))

    def book(self) -> Book:
        """Open positions and the ledger's totals."""
        return Book(self.totals(), {position.id: position for position in self.open_positions()})

    def mark_positions(self, marks: Mapping[str, tuple[Decimal, Decimal]], at: datetime) -> None:
        """Set position id -> (signed dollar value, open P&L) as of `at` in the roadmap's columns."""
        rows = [{"id_": id, "value_": value, "unrealised_": open_, "at_": at} for id, (value, open_) in marks.items()]
        self._write(_MARK, rows)

    def add_trade(self, position: Position) -> None:
        """Write the closed structure's row in `trades`; writing it again corrects it."""
        if position.status is not PositionStatus.CLOSED:
            raise ValueError(f"Position {position.id} is not closed.")
        self.save_trade(trade_of(position))

    def save_trade(self, trade: Trade, import_hash: str | None = None) -> None:
        """Write one `trades` row; writing it again corrects it."""
        self.ensure_strategy(trade.strategy, trade.opened_at or trade.closed_at)
        row = {
            "id": trade.id,
            "strategy_id": trade.strategy,
            "ticker": trade.ticker,
            "trade_type": trade.trade_type,
            "quantity": trade.quantity,
            "entry_price": trade.entry_price,
            "exit_price": trade.exit_price,
            "pnl": trade.pnl,
            "commission": trade.commission,
            "created_at": trade.closed_at,
            "updated_at": trade.closed_at,
            "dividends": trade.dividends,
            "opened_at": trade.opened_at,
            "closed_at": trade.closed_at,
            "campaign": trade.campaign,
            "reason": trade.reason,
            "import_hash": import_hash,
        }
        self._upsert(trades, row)

    def has_trade(self, id: str) -> bool:
        """Whether `trades` has a row of this id."""
        return self._row(_HAS_TRADE, {"id_": id}) is not None

    def trades(self, strategy: str | None = None, since: datetime | None = None) -> tuple[Trade, ...]:
        """Closed structures (of one strategy, ended at or after `since`), first closed first."""
        statement = _TRADES
        if strategy is not None:
            statement = statement.where(trades.c.strategy_id == strategy)
        if since is not None:
            statement = statement.where(trades.c.closed_at >= since)
        return tuple(Trade(*row) for row in self._rows(statement))
