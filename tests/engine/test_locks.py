"""Locks: what they stop and what never, how they end, and that disabled strategies stay disabled."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bot.app import open_books
from engine import approvals, exits, gateway, locks, scanning
from engine.errors import AlreadyDecided, BrokerUnavailable, NotAllowed, NotFound
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.locks import Lock, LockKind, LockStatus, Scope
from engine.store import Store
from engine.store.catalogue import DISABLED, ENABLED
from strategies import CATALOGUE
from tests import make
from tests.desk import World, make_world, propose

D = Decimal


def world(**more: object) -> World:
    return make_world(strategies=dict(CATALOGUE), **more)  # type: ignore[arg-type]


def closed(made: World, strategy: str = "wheel", ticker: str = "XYZ") -> tuple[str, ...]:
    with made.store.read() as work:
        return gateway.why_closed(made.desk, work, strategy, ticker)


def impose(made: World, scope: Scope, subject: str, kind: LockKind = LockKind.HAND, **more: object) -> Lock:
    with made.store.begin() as work:
        return locks.impose(made.desk, work, scope, subject, kind, "too wild", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "stops"),
    [
        ("desk", {("wheel", "XYZ"), ("wheel", "KO"), ("wsb_dip", "XYZ")}),
        ("wheel", {("wheel", "XYZ"), ("wheel", "KO")}),
        ("XYZ", {("wheel", "XYZ"), ("wsb_dip", "XYZ")}),
    ],
)
def test_a_lock_stops_its_scope_and_nothing_else(what: str, stops: set[tuple[str, str]]) -> None:
    made = world()
    locks.lock_by_hand(made.desk, what, "ann", "too wild", None)

    asked = [("wheel", "XYZ"), ("wheel", "KO"), ("wsb_dip", "XYZ")]

    assert {pair for pair in asked if closed(made, *pair)} == stops


def test_a_lock_on_the_indices_stops_each_of_them() -> None:
    made = world()
    impose(made, Scope.TICKER, "INDEX", LockKind.BREACH)

    assert closed(made, ticker="SPY")
    assert closed(made, ticker="QQQ")
    assert not closed(made, ticker="XYZ")


def test_a_tap_under_a_lock_is_told_the_reason_and_stays_pending() -> None:
    made = world()
    propose(made)
    lock = locks.lock_by_hand(made.desk, "XYZ", "ann", "report tonight", None)

    with pytest.raises(NotAllowed, match=rf"XYZ \({lock.id}\): report tonight"):
        approvals.approve(made.desk, "A00001", 1, "tom")

    assert made.broker.posts == []
    with made.store.read() as work:
        assert work.approval("A00001").is_pending


def test_an_entry_that_is_being_worked_is_taken_back() -> None:
    made = world()
    propose(made)
    approvals.approve(made.desk, "A00001", 1, "tom")

    locks.lock_by_hand(made.desk, "wheel", "ann", "enough", None)

    with made.store.read() as work:
        (ticket,) = work.open_tickets()
    assert (ticket.cancel_requested, ticket.note) == (True, "locked: enough")


def _held(made: World) -> Position:
    position = make.position(
        lots=(make.held(make.put(), -2, "1.03"),), opened_units=2, entry=D("-1.03"), approval_id=None
    )
    with made.store.begin() as work:
        work.save_position(position)
    return position


def test_no_lock_stops_an_exit() -> None:
    made = world()
    position = _held(made)
    locks.lock_by_hand(made.desk, "desk", "ann", "everything", None)
    locks.switch(made.desk, "wheel", DISABLED, "ann")

    exits.close(made.desk, position.id, "tom")

    assert len(made.broker.posts) == 1


def test_a_lock_ends_by_itself_with_an_event() -> None:
    made = world()
    until = made.clock() + timedelta(hours=1)
    lock = locks.lock_by_hand(made.desk, "wheel", "ann", "an hour", until)

    made.clock.set(until - timedelta(seconds=1))
    assert locks.expire_due(made.desk) == ()
    assert closed(made)

    made.clock.set(until)
    assert not closed(made)  # over even before anybody looked
    assert [ended.id for ended in locks.expire_due(made.desk)] == [lock.id]
    assert locks.expire_due(made.desk) == ()

    with made.store.read() as work:
        told = [event for event in work.events(kinds=[EventKind.LOCK_CHANGED]) if event.subject == lock.id]
        assert work.find_lock(lock.id).status is LockStatus.EXPIRED  # type: ignore[union-attr]
    assert [event.data["status"] for event in told] == ["held", "expired"]


def test_a_lifted_lock_stops_nothing_and_says_who() -> None:
    made = world()
    lock = locks.lock_by_hand(made.desk, "wheel", "ann", "enough", None)

    locks.lift(made.desk, lock.id, "bob")

    assert not closed(made)
    with made.store.read() as work:
        last = work.events(kinds=[EventKind.LOCK_CHANGED])[-1]
    assert (last.subject, last.actor, last.data["status"]) == (lock.id, "bob", "lifted")


def test_a_lock_is_lifted_once() -> None:
    made = world()
    lock = locks.lock_by_hand(made.desk, "wheel", "ann", "", None)
    locks.lift(made.desk, lock.id, "bob")

    with pytest.raises(AlreadyDecided):
        locks.lift(made.desk, lock.id, "ann")
    with pytest.raises(NotFound):
        locks.lift(made.desk, "L99999", "ann")


def test_a_drawdown_is_only_forgiven_while_the_equity_is_known() -> None:
    made = world()
    lock = impose(made, Scope.DESK, "", LockKind.DRAWDOWN)
    made.broker.is_mute = True

    with pytest.raises(BrokerUnavailable):
        locks.lift(made.desk, lock.id, "ann")

    assert closed(made)


def test_locks_and_switches_survive_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    first = world(store=Store.create(url))
    locks.lock_by_hand(first.desk, "XYZ", "ann", "report", None)
    locks.switch(first.desk, "wheel", DISABLED, "ann")
    first.store.close()

    again = world(store=Store.open(url))
    open_books(again.desk, D(100_000))  # what every start does

    assert len(closed(again, "wsb_dip", "XYZ")) == 1
    assert closed(again, "wheel", "KO") == ("wheel is disabled.",)
    again.store.close()


def test_a_disabled_strategy_is_not_scanned() -> None:
    made = world()
    locks.switch(made.desk, "wheel", DISABLED, "ann")
    made.market.set_snapshot(make.snapshot())

    assert scanning.run(made.desk, "wheel") is None
    locks.switch(made.desk, "wheel", ENABLED, "ann")
    assert scanning.run(made.desk, "wheel") is not None


def test_switching_twice_changes_nothing_the_second_time() -> None:
    made = world()

    assert locks.switch(made.desk, "wheel", DISABLED, "ann")
    assert not locks.switch(made.desk, "wheel", DISABLED, "ann")
    with made.store.read() as work:
        assert len(work.events(kinds=[EventKind.STRATEGY_CHANGED])) == 1
