"""An account counted by hand from executions and assignments: first in, first out, nothing of the desk's own books."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.orders import Activity, ActivityKind, Fill

Prices = Mapping[Instrument, Decimal]


@dataclass
class Account:
    """Cash since the start, what was realised and paid, and the open lots [signed quantity, price] of each contract."""

    cash: Decimal = Decimal(0)
    realised: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    open: dict[Instrument, list[tuple[int, Decimal]]] = field(default_factory=dict)

    def trade(self, what: Instrument, quantity: int, price: Decimal) -> None:
        """Cash moves; what closes older lots realises the difference, the rest opens a lot."""
        self.cash -= price * quantity * what.multiplier
        lots = self.open.setdefault(what, [])
        while quantity and lots and lots[0][0] * quantity < 0:
            held, paid = lots.pop(0)
            closed = min(abs(held), abs(quantity)) * (1 if held > 0 else -1)
            self.realised += (price - paid) * closed * what.multiplier
            quantity += closed
            if held != closed:
                lots.insert(0, (held - closed, paid))
        if quantity:
            lots.append((quantity, price))
        if not lots:
            del self.open[what]

    def put_assigned(self, put: Option, contracts: int) -> None:
        """Shares come in at the strike; the premium lowers their basis and nothing is realised."""
        lots = self.open[put]
        for _ in range(contracts):
            held, premium = lots.pop(0)
            if held < -1:
                lots.insert(0, (held + 1, premium))
            self.open.setdefault(Stock(put.underlying), []).append((put.multiplier, put.strike - premium))
        if not lots:
            del self.open[put]
        self.cash -= put.strike * put.multiplier * contracts

    def value(self, marks: Prices) -> Decimal:
        """Of what is open, dollars."""
        return sum((marks[x] * n * x.multiplier for x, lots in self.open.items() for n, _ in lots), Decimal(0))

    def unrealised(self, marks: Prices) -> Decimal:
        """Of what is open, against what was paid for it, dollars."""
        return sum(
            ((marks[x] - paid) * n * x.multiplier for x, lots in self.open.items() for n, paid in lots), Decimal(0)
        )


def account_of(fills: Mapping[str, Iterable[Fill]], activities: Iterable[Activity]) -> Account:
    """Every execution and assignment in the order of time. Only puts may have been assigned, and nothing paid out."""
    account = Account()
    happened = sorted(activities, key=lambda activity: activity.at)
    executions = sorted((fill for own in fills.values() for fill in own), key=lambda fill: (fill.at, fill.execution_id))
    for fill in executions:
        while happened and happened[0].at <= fill.at:
            _apply(account, happened.pop(0))
        account.trade(fill.instrument, fill.quantity, fill.price)
        account.cash -= fill.fee
        account.fees += fill.fee
    for activity in happened:
        _apply(account, activity)
    return account


def _apply(account: Account, activity: Activity) -> None:
    what = activity.instrument
    assert activity.kind in (ActivityKind.ASSIGNMENT, ActivityKind.EXPIRY), activity
    assert isinstance(what, Option)
    assert not activity.amount
    if activity.kind is ActivityKind.EXPIRY:
        account.trade(what, -activity.quantity, Decimal(0))
        return
    assert what.right is Right.PUT
    account.put_assigned(what, -activity.quantity)
