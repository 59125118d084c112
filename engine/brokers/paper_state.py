"""What the paper exchange knows, and the journal it survives a kill by."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from engine import codec
from engine.brokers.paper_account import Wallet
from engine.errors import DataInvalid
from engine.model.book import Holding
from engine.model.instruments import Instrument
from engine.model.orders import Activity, Fill, Order

Row = tuple[str, str, str]


class Journal(Protocol):
    """Rows (kind, key, body) that outlive the process. Kind and key are unique: a later row replaces an earlier one."""

    def read(self) -> Iterable[Row]:
        """Every row, in any order."""

    def write(self, kind: str, key: str, body: str) -> None:
        """One row, durable when this returns."""

    def write_many(self, rows: Iterable[Row]) -> None:
        """All of these rows or none, durable when this returns."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The account's row: cash, the last session whose opening and whose closing have been dealt with, its switch."""

    cash: Decimal
    opened: date
    closed: date
    suspended: bool = False


class PaperState:
    """Orders, fills, activities and the wallet. Every change is a row for `flush`; nothing else is kept."""

    def __init__(self, cash: Decimal, opened: date, closed: date, journal: Journal | None) -> None:
        self._journal = journal
        self._pending: dict[tuple[str, str], str] = {}
        self._orders: dict[str, Order] = {}
        self._open: dict[str, Order] = {}
        self._executions: Counter[str] = Counter()
        self._stems: Counter[str] = Counter()
        self._fills: list[Fill] = []
        self._activities: list[Activity] = []
        self.wallet = Wallet(cash)
        self.opened = opened
        self.closed = closed
        self.suspended = False
        if journal is not None:
            self._load(journal)

    def order(self, client_order_id: str) -> Order | None:
        return self._orders.get(client_order_id)

    @property
    def open_orders(self) -> tuple[Order, ...]:
        """What is still working, first accepted first."""
        return tuple(self._open.values())

    def next_broker_id(self) -> str:
        return f"paper-{len(self._orders) + 1:06d}"

    def next_execution(self, order: Order) -> int:
        """1 for the first execution of an order, and so on; legs of one execution share the number."""
        return self._executions[order.client_order_id] // len(order.legs) + 1

    def next_activity_id(self, stem: str) -> str:
        """`stem.1`, `stem.2`, ...: the same ids whenever the same things happen."""
        return f"{stem}.{self._stems[stem] + 1}"

    def save_order(self, order: Order) -> None:
        self._keep_order(order)
        self._row("order", order.broker_id or "", order)

    def add_fill(self, fill: Fill) -> None:
        self._row("fill", f"{len(self._fills):09d}", fill)
        self._keep_fill(fill)

    def add_activity(self, activity: Activity) -> None:
        self._row("activity", f"{len(self._activities):09d}", activity)
        self._keep_activity(activity)

    def set_wallet(self, wallet: Wallet) -> None:
        """The wallet after something happened; what changed in it is journaled."""
        before, self.wallet = self.wallet, wallet
        for instrument in {*before.holdings, *wallet.holdings}:
            after = wallet.holdings.get(instrument)
            if after != before.holdings.get(instrument):
                key = f"{instrument.symbol}/{instrument.multiplier}"
                self._row("holding", key, after or Holding(instrument, 0, Decimal(0)))
        self._account_row()

    def set_days(self, opened: date, closed: date) -> None:
        self.opened, self.closed = opened, closed
        self._account_row()

    def set_suspended(self, suspended: bool) -> None:
        self.suspended = suspended
        self._account_row()

    def flush(self) -> None:
        """Make everything since the last call durable, all of it or none; after an error the next call tries again."""
        if self._journal is not None and self._pending:
            self._journal.write_many([(kind, key, body) for (kind, key), body in self._pending.items()])
        self._pending.clear()

    def fills_since(self, at: datetime) -> tuple[Fill, ...]:
        """Executions at or after an instant, oldest first."""
        return tuple(self._fills[bisect_left(self._fills, at, key=lambda fill: fill.at) :])

    def activities_since(self, at: datetime) -> tuple[Activity, ...]:
        """Activities at or after an instant, oldest first."""
        return tuple(self._activities[bisect_left(self._activities, at, key=lambda activity: activity.at) :])

    def _row(self, kind: str, key: str, value: object) -> None:
        if self._journal is not None:
            self._pending[kind, key] = codec.dump(value)

    def _account_row(self) -> None:
        self._row("account", "account", Standing(self.wallet.cash, self.opened, self.closed, self.suspended))

    def _keep_order(self, order: Order) -> None:
        self._orders[order.client_order_id] = order
        if order.is_open:
            self._open[order.client_order_id] = order
        else:
            self._open.pop(order.client_order_id, None)

    def _keep_fill(self, fill: Fill) -> None:
        self._fills.append(fill)
        self._executions[fill.client_order_id] += 1

    def _keep_activity(self, activity: Activity) -> None:
        self._activities.append(activity)
        self._stems[activity.id.rpartition(".")[0]] += 1

    def _load(self, journal: Journal) -> None:
        """Rows in the order of their keys, which is the order in which things happened."""
        holdings: dict[Instrument, Holding] = {}
        for kind, key, body in sorted(journal.read()):
            match kind:
                case "account":
                    standing = codec.load(Standing, body)
                    self.wallet, self.opened, self.closed = Wallet(standing.cash), standing.opened, standing.closed
                    self.suspended = standing.suspended
                case "holding":
                    holding = codec.load(Holding, body)
                    holdings[holding.instrument] = holding
                case "order":
                    self._keep_order(codec.load(Order, body))
                case "fill":
                    self._keep_fill(codec.load(Fill, body))
                case "activity":
                    self._keep_activity(codec.load(Activity, body))
                case _:
                    raise DataInvalid(f"The paper journal holds a row of unknown kind “{kind}” ({key}).")
        held = {instrument: holding for instrument, holding in holdings.items() if holding.quantity}
        self.wallet = Wallet(self.wallet.cash, held)
