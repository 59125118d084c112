"""Answers read ahead in one statement are those the store gives one by one, and never older than one's own writing."""

from __future__ import annotations

from engine.model.locks import Lock, LockKind, Scope
from engine.store import Store, UnitOfWork
from engine.store.catalogue import DISABLED
from tests import make

NAMES = ("halt", "peak", "mood")


def filled(work: UnitOfWork) -> None:
    work.add_postings((make.deposit(make.D(1000)),))
    work.set_setting("mood", "good", "ann", make.NOW)
    work.add_approval(make.approval())
    work.add_ticket(make.ticket())
    work.add_lock(Lock("L00001", Scope.DESK, "", LockKind.HAND, "tired", make.NOW, "ann"))
    work.ensure_strategy("wheel", make.NOW)
    work.set_strategy_status("wheel", DISABLED)


def answers(work: UnitOfWork) -> tuple[object, ...]:
    settings = tuple(work.setting(name) for name in NAMES)
    held = (work.open_positions(), work.open_tickets(), work.held_locks(), work.totals())
    return (*settings, *held, work.is_enabled("wheel"), work.limit_changes(), work.equity_peak())


def test_what_is_read_ahead_is_what_the_store_answers_one_by_one(store: Store):
    with store.begin() as work:
        filled(work)
    with store.read() as work:
        one_by_one = answers(work)
        work.read_ahead("wheel", NAMES)
        ahead = answers(work)
    assert ahead == one_by_one
    assert ahead[1:3] == (None, "good")
    assert ahead[7] is False


def test_what_was_read_ahead_is_forgotten_when_the_transaction_writes(store: Store):
    with store.begin() as work:
        work.read_ahead("wheel", NAMES)
        before = answers(work)
        filled(work)
        after = answers(work)
    assert before[2] is None
    assert after[2] == "good"
    assert after[4] == (make.ticket(),)
