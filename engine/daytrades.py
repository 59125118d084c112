"""Day trades: what is opened and closed in one session, counted from our own fills.

No broker's counter is read: Alpaca dropped its fields in July 2026, and where nobody counts nothing must be guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType

from engine import risk
from engine.desk import Desk
from engine.model.book import Position
from engine.model.limits import DayTradeRule
from engine.model.orders import Fill, Ticket
from engine.store import UnitOfWork

WINDOW = 5
"""Sessions, today included."""

BY_BROKER: Mapping[str, DayTradeRule] = MappingProxyType({"alpaca": DayTradeRule.INTRADAY_MARGIN})
"""What each broker does about day trades; the others do nothing."""


def rule_of(desk: Desk) -> DayTradeRule:
    """The rule in force: the configured one, or the broker's own."""
    wanted = desk.limits.day_trade_rule
    return BY_BROKER.get(desk.broker.name, DayTradeRule.NONE) if wanted is DayTradeRule.BROKER else wanted


def day_trades(executions: Iterable[tuple[date, Fill]]) -> int:
    """How many closing decisions closed something that was opened in the same session.

    `executions`: (session, fill), oldest first. The legs of a package and the steps of its ladder are one decision;
    two decisions that close halves of one opening are two, which is never too few. Contracts from an earlier session
    are closed after those of the day: that, too, counts rather too much.
    """
    opened: dict[tuple[date, str], int] = {}
    closings: set[tuple[date, str]] = set()
    for day, fill in executions:
        key = (day, fill.instrument.symbol)
        before = opened.get(key, 0)
        if before * fill.quantity < 0:
            closings.add((day, fill.client_order_id.rpartition(".")[0]))
        opened[key] = before + fill.quantity
    return len(closings)


def used(desk: Desk, work: UnitOfWork) -> int:
    """Day trades of the last five sessions, today included."""
    first = desk.sessions.previous(desk.sessions.next(desk.today), WINDOW)
    fills = work.fills(since=desk.sessions.at(first, "00:00"))
    return day_trades((desk.sessions.today(fill.at), fill) for fill in fills)


def counted(desk: Desk, work: UnitOfWork, working: Iterable[Ticket]) -> risk.DayTrades:
    """Day trades used, and the entries of today that may still become one."""
    held = {position.id for position in work.open_positions() if _is_of_today(desk, position)}
    return risk.DayTrades(used(desk, work), len(held | {ticket.position_id for ticket in working}))


def _is_of_today(desk: Desk, position: Position) -> bool:
    return desk.sessions.today(position.opened_at) == desk.today


def warning(desk: Desk, work: UnitOfWork, position: Position) -> str:
    """`This would be day trade 4 of 3.` for the close of a position opened today, "" where nothing is counted.

    An exit is never held up by it.
    """
    if rule_of(desk) is not DayTradeRule.PDT or not _is_of_today(desk, position):
        return ""
    return f"This would be day trade {used(desk, work) + 1} of {risk.PDT_MOST} in {WINDOW} sessions."
