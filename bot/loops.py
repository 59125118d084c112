"""Which work a live desk does in which loop, and how often.

Stops and targets are looked at on a thread with a broker session of its own, the orders they led to on another: no
scan, no approval that waits for the broker's answer and no look-up of an earlier exit can hold up a stop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.histories import DailyVolatility, PastVolatility
from bot.runtime import Step, Work
from engine import (
    activities,
    agenda,
    approvals,
    audit,
    collars,
    envelopes,
    exits,
    gateway,
    holdings,
    orders,
    panic,
    rolls,
    standing,
    watch,
)
from engine.desk import Desk
from engine.holdings import Reconciliation
from engine.model.events import EventKind
from engine.model.orders import Purpose
from engine.ports import PastTrades

Quietly = Callable[[], AbstractContextManager[object]]
"""Inside, every question to a provider gives way to more urgent ones."""

EXITS_EVERY = 1.0
ENTRIES_EVERY = 1.0
BOOKS_EVERY = 2.0
LIMITS_EVERY = 15.0
"""Asks the market alone: a broker that hangs must not keep a passed limit from being told within a minute."""
SEAL_EVERY = 0.5
VOLATILITY_EVERY = 5.0
"""Nobody waits for it: a name at a look leaves the providers' budgets to others."""
UPKEEP_EVERY = 1.0
"""What is kept fresh goes by the providers' allowances, which this leaves half of to others."""
ACCOUNT_EVERY = timedelta(seconds=20)
SETTLE_EVERY = timedelta(minutes=1)
AGENDA_EVERY = timedelta(minutes=1)
COMPARE_EVERY = timedelta(minutes=3)
BOOKING = ("exit orders", "entries")
"""The loops that book fills: what the broker's stream wakes."""
MOVED = (
    EventKind.FILLED,
    EventKind.ORDER_ENDED,
    EventKind.EXIT_FAILED,
    EventKind.ASSIGNED,
    EventKind.EXPIRED,
    EventKind.CALLED_AWAY,
    EventKind.ADOPTION_DECIDED,
)


@dataclass(frozen=True, slots=True)
class Desks:
    """The same desk through several broker sessions.

    Entries, the watch over exits, the orders of exits, what people do to be safe, and the books. `reconnected` is set
    when the broker is listened to (again): what happened meanwhile is compared at once.
    """

    entries: Desk
    exits: Desk
    exit_orders: Desk
    protecting: Desk
    books: Desk
    reconnected: threading.Event = field(default_factory=threading.Event)
    comparing: threading.Lock = field(default_factory=threading.Lock)
    """Held while the books are compared with the broker: two comparisons at once would ask people twice."""

    def compare(self) -> Reconciliation:
        """The books beside what the broker holds, now."""
        with self.comparing:
            return holdings.reconcile(self.books)


def works(
    desks: Desks,
    first: tuple[Step, ...] = (),
    past: PastTrades | None = None,
    quietly: Quietly = nullcontext,
    upkeep: tuple[Step, ...] = (),
) -> tuple[Work, ...]:
    """Every loop of a live desk, what protects before the others; `first` are steps before every look at the exits.

    `past` is asked for the volatility of the year before, where somebody knows it; what nobody waits for, as the
    `upkeep` of the data, is asked `quietly`.
    """
    kept = tuple((name, kept_quiet(step, quietly)) for name, step in upkeep)
    return (
        Work("exits", EXITS_EVERY, (*first, ("exits", lambda: exits.supervise(desks.exits)))),
        Work("exit orders", EXITS_EVERY, exit_order_steps(desks.exit_orders)),
        sending(desks.entries),
        Work("entries", ENTRIES_EVERY, entry_steps(desks.entries), patience=60),
        Work("books", BOOKS_EVERY, book_steps(desks), patience=90),
        Work("limits", LIMITS_EVERY, (("limits", lambda: watch.look(desks.books)),), patience=90),
        Work("volatility", VOLATILITY_EVERY, volatility_steps(desks.books, past, quietly), patience=300),
        *((Work("upkeep", UPKEEP_EVERY, kept, patience=300),) if kept else ()),
        Work("seal", SEAL_EVERY, (("seal", lambda: audit.seal(desks.books.store)),)),
    )


def exit_order_steps(desk: Desk) -> tuple[Step, ...]:
    """Fills and ladders of closing orders, and what a flattening closes next: a look-up may wait, a stop may not."""
    return (
        ("taken up", Once(lambda: orders.resume(desk, Purpose.EXIT))),
        ("fills", lambda: orders.reconcile(desk, Purpose.EXIT)),
        ("panic", lambda: panic.advance(desk)),
        ("ladders", lambda: orders.work(desk, Purpose.EXIT)),
    )


def sending(desk: Desk) -> Work:
    """Orders whose undo window is over, sent in the moment it is: no look at anything else comes before them."""

    def soonest() -> float | None:
        due = orders.next_due(desk)
        return None if due is None else (due - desk.now()).total_seconds()

    return Work("undo windows", ENTRIES_EVERY, (("due", lambda: orders.send_due(desk)),), patience=60, soonest=soonest)


def entry_steps(desk: Desk) -> tuple[Step, ...]:
    """Fills and ladders of opening orders, proposals nobody answered."""
    return (
        ("taken up", Once(lambda: orders.resume(desk, Purpose.ENTRY))),
        ("envelopes", lambda: envelopes.apply(desk)),
        ("fills", lambda: orders.reconcile(desk, Purpose.ENTRY)),
        ("ladders", lambda: orders.work(desk, Purpose.ENTRY)),
        ("rolls", lambda: rolls.advance(desk)),
        ("collars", lambda: collars.advance(desk)),
        ("waking", lambda: approvals.wake_due(desk)),
        ("expiries", lambda: approvals.expire_due(desk)),
    )


def book_steps(desks: Desks) -> tuple[Step, ...]:
    """The account, what happened without an order, the broker's holdings beside the books."""
    desk = desks.books
    return (
        ("account", Paced(desk, ACCOUNT_EVERY, lambda: account_step(desk))),
        ("agenda", Paced(desk, AGENDA_EVERY, lambda: agenda.run(desk))),
        ("activities", Paced(desk, SETTLE_EVERY, lambda: activities.settle(desk))),
        ("holdings", once_begun(desk, Compared(desks))),
    )


def volatility_steps(desk: Desk, past: PastTrades | None, quietly: Quietly = nullcontext) -> tuple[Step, ...]:
    """One name at a look: today's volatility, and that of the year before where past trades are known."""
    steps: list[Step] = [("today's", DailyVolatility(desk))]
    if past is not None:
        steps.append(("past", PastVolatility(desk, past)))
    return tuple((name, kept_quiet(step, quietly)) for name, step in steps)


def kept_quiet(step: Callable[[], object], quietly: Quietly) -> Callable[[], None]:
    """A step whose questions give way to everybody else's."""

    def taken() -> None:
        with quietly():
            step()

    return taken


def once_begun(desk: Desk, step: Callable[[], object]) -> Callable[[], None]:
    """A step that waits until the books have their opening balance: before that they differ from everything."""

    def taken() -> None:
        with desk.store.read() as work:
            has_begun = activities.have_begun(work)
        if has_begun:
            step()

    return taken


def account_step(desk: Desk) -> None:
    """The broker's account: remembered, held against the pinned number, and the beginning of books that have none."""
    account = standing.refresh_account(desk)
    gateway.observe(desk, account)
    if account.number in desk.verified or not desk.account:
        activities.open_books(desk, account)


@dataclass(slots=True)
class Once:
    """A step that is done when it has succeeded."""

    step: Callable[[], object]
    is_done: bool = False

    def __call__(self) -> None:
        if not self.is_done:
            self.step()
            self.is_done = True


@dataclass(slots=True)
class Paced:
    """A step that is taken at most every so often, from its last begin on; at once when the clock was set back."""

    desk: Desk
    every: timedelta
    step: Callable[[], object]
    began: datetime | None = None

    def __call__(self) -> None:
        now = self.desk.now()
        if self.began is None or abs(now - self.began) >= self.every:
            self.began = now
            self.step()


@dataclass(slots=True)
class Compared:
    """The comparison with the broker: at start, every few minutes, and after every order that moved."""

    desks: Desks
    at: datetime | None = None
    seen: str = field(default="")
    again: datetime | None = None
    """When to look at a difference a second time that may be nothing."""

    def __call__(self) -> None:
        now = self.desks.books.now()
        latest = self._latest()
        is_again = self.again is not None and now >= self.again
        is_due = self.at is None or abs(now - self.at) >= COMPARE_EVERY
        if not (is_due or latest != self.seen or is_again or self.desks.reconnected.is_set()):
            return
        self.desks.reconnected.clear()
        self.at, self.seen = now, latest
        found = self.desks.compare()
        self.again = now + holdings.GRACE if found.waiting else None

    def _latest(self) -> str:
        """The id of the newest event that moved something, the one seen before when there is none since."""
        with self.desks.books.store.read() as work:
            moved = work.events(self.seen, MOVED)
        return moved[-1].id if moved else self.seen
