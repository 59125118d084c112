"""The broker and the books brought together: what differs is told once, and nothing is sold that is not there.

`reconcile` is the one name: after every order, every few minutes, at start, on reconnect, at 09:00 and 16:15. It costs
three requests to the broker when everything agrees; four while a difference stands; and, once for each new difference,
one more look after the broker's activities and our orders on what differs (a request or two each) were booked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from engine import activities, adoption, missing, orders
from engine.comparison import CASH, CASH_TOLERANCE, Comparison, Difference, compare, unbooked
from engine.desk import Desk
from engine.errors import DeskError
from engine.model.events import Event, EventKind, Severity
from engine.model.orders import Order, OrderStatus, Purpose
from engine.store import UnitOfWork

log = structlog.get_logger()

TOLD = "holdings:differences"
"""Setting: key -> [broker's side, ours] of what was told, so that the same difference is not told again."""
SEEN = "holdings:seen"
"""Setting: key -> [text, since when] of every difference that is there."""
AGREED = "holdings:agreed"
"""Setting: when everything agreed last; executions from before then are of no interest."""

GRACE = timedelta(seconds=15)
"""A difference on what an order is working on has to be seen twice, so far apart."""
LONGEST_LOOK = timedelta(days=7)
"""How far back executions are asked for at most."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What differs. `lasting` was told; `waiting` is too young to be told: look again in `GRACE`."""

    lasting: tuple[Difference, ...] = ()
    waiting: tuple[Difference, ...] = ()

    @property
    def agrees(self) -> bool:
        return not self.lasting and not self.waiting


def reconcile(desk: Desk) -> Reconciliation:
    """Compare everything with the broker: tell what differs, ask about what can be settled, hold back exits.

    A difference that is new is looked at again after the broker's latest executions and activities were booked, so
    that it is not one of them.

    Raises:
        BrokerUnavailable: the broker does not say; nothing was changed.
    """
    found = compare(desk)
    if _is_new(desk, found):
        _catch_up(desk, found)
        found = compare(desk)
    executions = () if found.agrees else unbooked(desk, _since(desk))
    adoption.shrink(desk, found.theirs)
    with desk.store.begin() as work:
        result = _sorted_out(desk, work, found)
        missing.keep(work, _missing(found, result), desk.now())
    lasting = frozenset(difference.key for difference in result.lasting)
    _hold_back(desk, found, lasting)
    adoption.ask(desk, found, lasting, executions)
    return result


def told(work: UnitOfWork) -> Mapping[str, list[str]]:
    """What was told to differ and still does: key -> [the broker's side, ours]."""
    found: Mapping[str, list[str]] = json.loads(work.setting(TOLD) or "{}")
    return found


def _is_new(desk: Desk, found: Comparison) -> bool:
    """Whether something differs that was not there at the last look."""
    with desk.store.read() as work:
        seen = json.loads(work.setting(SEEN) or "{}")
    return any(seen.get(difference.key, ("",))[0] != difference.text for difference in found.differences)


def _catch_up(desk: Desk, found: Comparison) -> None:
    """Book what the broker has to tell about what differs: executions of our orders on it, and activities.

    What cannot be booked is said by whoever does it; the look goes on.
    """
    keys = {difference.key for difference in found.differences}
    with desk.store.read() as work:
        concerned = [order for order in work.open_orders() if _concerns(order, found, keys)]
    for order in concerned:
        _tried(lambda order=order: orders.refresh(desk, order), order.client_order_id)  # type: ignore[misc]
    _tried(lambda: activities.settle(desk), "activities")


def _concerns(order: Order, found: Comparison, keys: set[str]) -> bool:
    """Whether the order works on something that differs; one that is perhaps being sent right now is left alone."""
    if order.status is OrderStatus.NEW:
        return False
    return order.client_order_id in keys or any(leg.instrument in found.excess for leg in order.legs)


def _tried(step: Callable[[], object], name: str) -> None:
    try:
        step()
    except DeskError as problem:
        log.warning("holdings.not_done", step=name, problem=str(problem))


def _since(desk: Desk) -> datetime:
    """The last time everything agreed, at most a week ago; what came before the first look was never the desk's."""
    with desk.store.read() as work:
        text = work.setting(AGREED)
    return max(datetime.fromisoformat(text), desk.now() - LONGEST_LOOK) if text else desk.now()


def _sorted_out(desk: Desk, work: UnitOfWork, found: Comparison) -> Reconciliation:
    """Which differences last and which are too young; what changed is told, and so is their end."""
    now, earlier = desk.now(), told(work)
    before, seen = json.loads(work.setting(SEEN) or "{}"), {}
    lasting: list[Difference] = []
    waiting: list[Difference] = []
    for difference in found.differences:
        text, since = before.get(difference.key, ("", ""))
        if text != difference.text:
            since = now.isoformat()
        seen[difference.key] = (difference.text, since)
        young = difference.is_moving and now - datetime.fromisoformat(since) < GRACE
        (waiting if young else lasting).append(difference)
    _set(work, SEEN, seen, now)
    if found.agrees or work.setting(AGREED) is None:
        work.set_setting(AGREED, found.at.isoformat(), "desk", now)
    kept = {difference.key: earlier[difference.key] for difference in waiting if difference.key in earlier}
    news = kept | {d.key: _steady(d, earlier.get(d.key)) for d in lasting}
    if news != earlier:
        _set(work, TOLD, news, now)
        work.add_event(_event(desk, news))
    return Reconciliation(tuple(lasting), tuple(waiting))


def _set(work: UnitOfWork, name: str, value: Mapping[str, object], now: datetime) -> None:
    text = json.dumps(value, sort_keys=True)
    if text != (work.setting(name) or "{}"):
        work.set_setting(name, text, "desk", now)


def _steady(difference: Difference, told: list[str] | None) -> list[str]:
    """Both sides of a difference; cash that moved by cents is told as it was."""
    sides = [difference.broker, difference.desk]
    if difference.key == CASH and told and abs(_gap(sides) - _gap(told)) <= CASH_TOLERANCE:
        return told
    return sides


def _gap(sides: list[str]) -> Decimal:
    theirs, ours = (Decimal(side.split()[-1].replace(",", "")) for side in sides)
    return theirs - ours


def _event(desk: Desk, news: Mapping[str, list[str]]) -> Event:
    """Both sides of everything that differs; that all agrees again, when nothing does."""
    if not news:
        words = {"words": "Positions, cash and orders are the same on both sides."}
        return desk.event(EventKind.RECONCILED, "holdings", words)
    data = {
        "broker": ", ".join(theirs for theirs, _ in news.values()),
        "desk": ", ".join(ours for _, ours in news.values()),
    }
    return desk.event(EventKind.POSITION_MISMATCH, "holdings", data, Severity.URGENT)


def _missing(found: Comparison, result: Reconciliation) -> dict[str, int]:
    """Symbol -> how many the broker holds less than the books, of what lasts."""
    lasting = {difference.key for difference in result.lasting}
    gaps = {}
    for item, ours in found.ours.items():
        held = found.held(item) if found.held(item) * ours > 0 else 0
        if abs(held) < abs(ours) and (item.symbol in lasting or item in found.expired):
            gaps[item.symbol] = abs(ours) - abs(held)
    return gaps


def _hold_back(desk: Desk, found: Comparison, lasting: frozenset[str]) -> None:
    """Take off the market exits that would sell more than the broker holds, and orders that are over for the desk.

    An exit that still has something to close is started again by its own rules, for no more than is there. What an
    order fills after its end here nobody would book.
    """
    with desk.store.read() as work:
        left = {symbol: missing.there(work, symbol, gap) for symbol, gap in missing.gaps(work).items()}
        exits = [t for t in work.open_tickets() if t.purpose is Purpose.EXIT and not t.cancel_requested]
    for symbol, there in left.items():
        concerned = [ticket for ticket in exits if missing.working(ticket, symbol)]
        if sum(missing.working(ticket, symbol) for ticket in concerned) > there:
            for ticket in concerned:
                why = f"the broker holds only {there} × {symbol}"
                _tried(lambda id=ticket.id, why=why: orders.cancel(desk, id, "desk", why), ticket.id)  # type: ignore[misc]
    for order in found.late:
        if order.client_order_id in lasting:
            _tried(lambda order=order: orders.take_off(desk, order), order.client_order_id)  # type: ignore[misc]
