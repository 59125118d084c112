"""Locks: what nothing is opened of for now, made by the desk's own rules or by hand. They never stop an exit."""

from __future__ import annotations

import json
from datetime import datetime

from engine import standing
from engine.desk import Desk
from engine.errors import AlreadyDecided, NotFound
from engine.exposures import is_entry, name_of
from engine.model.events import Event, EventKind, Severity
from engine.model.locks import Lock, LockKind, LockStatus, Scope
from engine.sessions import NEW_YORK
from engine.store import UnitOfWork
from engine.store.catalogue import DISABLED, ENABLED

CURVES = "curves"
"""Setting: the equity curve of each strategy (`engine.watch`)."""


def reasons(desk: Desk, work: UnitOfWork, strategy: str, ticker: str) -> tuple[str, ...]:
    """Why nothing of this strategy and name may be opened now, as sentences: locks, and a disabled strategy."""
    names, now = frozenset({ticker, name_of(ticker)}), desk.now()
    found = [words(lock) for lock in work.held_locks() if lock.holds(now) and lock.covers(strategy, names)]
    if not work.is_enabled(strategy):
        found.append(f"{strategy} is disabled.")
    return tuple(found)


def words(lock: Lock) -> str:
    """`Nothing is opened in wheel (L00012): 5 losing campaigns in a row; until 2026-06-22 09:30 ET.`"""
    until = "" if lock.until is None else f"; until {lock.until.astimezone(NEW_YORK):%Y-%m-%d %H:%M} ET"
    where = "at all" if lock.scope is Scope.DESK else f"in {lock.subject}"
    return f"Nothing is opened {where} ({lock.id}): {lock.reason}{until}."


def held(desk: Desk, work: UnitOfWork) -> tuple[Lock, ...]:
    """The locks in force, oldest first."""
    now = desk.now()
    return tuple(lock for lock in work.held_locks() if lock.holds(now))


def impose(
    desk: Desk,
    work: UnitOfWork,
    scope: Scope,
    subject: str,
    kind: LockKind,
    reason: str,
    *,
    until: datetime | None = None,
    by: str = "desk",
    limit: str = "",
) -> Lock:
    """A new lock, in this transaction: the entries it covers that are being worked are taken back."""
    lock = Lock(desk.new_id("L"), scope, subject, kind, reason, desk.now(), by, until, limit)
    work.add_lock(lock)
    for ticket in work.open_tickets():
        names = frozenset({ticket.ticker, name_of(ticket.ticker)})
        if is_entry(ticket) and lock.covers(ticket.strategy, names):
            work.save_ticket(ticket.canceling(f"locked: {reason}"))
    work.add_event(_event(desk, lock, words(lock), by))
    return lock


def _event(desk: Desk, lock: Lock, told: str, by: str) -> Event:
    """A limit that was passed is told as that; everything else about locks as a change of one."""
    is_breach = lock.status is LockStatus.HELD and lock.kind in BREACHES
    kind = EventKind.RISK_BREACHED if is_breach else EventKind.LOCK_CHANGED
    data = {"words": told, "status": lock.status.value, "rule": lock.kind.value}
    severity = Severity.INFO if lock.status is not LockStatus.HELD else Severity.WARNING
    if is_breach:
        severity = Severity.URGENT
    return desk.event(kind, lock.id, data, severity, actor=by)


BREACHES = frozenset({LockKind.BREACH, LockKind.DAY_LOSS, LockKind.WEEK_LOSS, LockKind.DRAWDOWN})


def lock_by_hand(desk: Desk, what: str, by: str, why: str, until: datetime | None) -> Lock:
    """Stop all entries of the desk ("desk"), of a strategy or in a name, until somebody unlocks it or `until`."""
    scope = Scope.DESK if what == "desk" else Scope.STRATEGY if what in desk.strategies else Scope.TICKER
    subject = "" if scope is Scope.DESK else what
    with desk.store.begin() as work:
        reason = why or f"locked by {by}"
        return impose(desk, work, scope, subject, LockKind.HAND, reason, until=until, by=by)


def lift(desk: Desk, lock_id: str, by: str) -> Lock:
    """End a lock, audited. A fall that made it is forgiven with it: it is measured anew from the equity of now.

    Raises:
        NotFound: there is no such lock. AlreadyDecided: it has ended.
        BrokerUnavailable: the equity that a drawdown is measured from is not known now.
    """
    with desk.store.read() as reading:
        found = _still_held(desk, reading, lock_id)
    equity = standing.refresh_account(desk).equity if found.kind is LockKind.DRAWDOWN else None
    with desk.store.begin() as work:
        lock = _still_held(desk, work, lock_id)
        told = f"{lock.id} was lifted by {by}: {lock.what} may open again."
        if equity is not None:
            standing.forgive_drawdown(desk, work, equity, by)
            told += f" The drawdown is measured from {equity:,.2f} now."
        if lock.kind is LockKind.PAUSE:
            _restart_curve(desk, work, lock.subject)
        return end(desk, work, lock, LockStatus.LIFTED, by, told)


def _still_held(desk: Desk, work: UnitOfWork, lock_id: str) -> Lock:
    lock = work.find_lock(lock_id)
    if lock is None:
        raise NotFound(f"There is no lock {lock_id}. /locks lists them.")
    if not lock.holds(desk.now()):
        raise AlreadyDecided(f"{lock.id} has ended already.")
    return lock


def _restart_curve(desk: Desk, work: UnitOfWork, strategy: str) -> None:
    """Forget the strategy's equity curve: a new one begins, at its peak."""
    curves = json.loads(work.setting(CURVES) or "{}")
    curves.pop(strategy, None)
    work.set_setting(CURVES, json.dumps(curves, sort_keys=True), "desk", desk.now())


def end(desk: Desk, work: UnitOfWork, lock: Lock, status: LockStatus, by: str, told: str) -> Lock:
    """The lock, ended and told in this transaction."""
    ended = lock.ended(status, desk.now(), by)
    work.save_lock(ended)
    work.add_event(_event(desk, ended, told, by))
    return ended


def expire_due(desk: Desk) -> tuple[Lock, ...]:
    """End every lock whose time is over, each with its event."""
    with desk.store.read() as reading:
        over = [lock for lock in reading.held_locks() if not lock.holds(desk.now())]
    if not over:
        return ()
    with desk.store.begin() as work:
        late = [lock for lock in work.held_locks() if not lock.holds(desk.now())]
        return tuple(
            end(desk, work, lock, LockStatus.EXPIRED, "desk", f"{lock.id} is over: {lock.what} may open again.")
            for lock in late
        )


def forgive_drawdown(desk: Desk, by: str) -> bool:
    """End the lock of a drawdown, if there is one, and measure the next one from the equity of now."""
    with desk.store.read() as reading:
        found = next((lock for lock in held(desk, reading) if lock.kind is LockKind.DRAWDOWN), None)
    if found is None:
        return False
    lift(desk, found.id, by)
    return True


def switch(desk: Desk, strategy: str, status: str, by: str) -> bool:
    """Enable or disable a strategy for good; False when it is so already. Its positions keep their exits."""
    with desk.store.begin() as work:
        if work.is_enabled(strategy) is (status == ENABLED):
            return False
        work.ensure_strategy(strategy, desk.now())
        work.set_strategy_status(strategy, status)
        if status == DISABLED:
            for ticket in work.open_tickets():
                if is_entry(ticket) and ticket.strategy == strategy:
                    work.save_ticket(ticket.canceling(f"{strategy} was disabled"))
        data = {"words": f"{strategy} was {status} by {by}.", "status": status}
        work.add_event(desk.event(EventKind.STRATEGY_CHANGED, strategy, data, Severity.WARNING, actor=by))
    return True
