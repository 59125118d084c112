"""Who acts for a desk: one process at a time, by a lease in its database; another may stand by and take over.

The lease is renewed every few seconds. Nobody compares the clocks of two machines: whoever stands by counts by its own
clock how long the row has not changed, and whoever leads counts from when it asked for the renewal. A lease that was
given back, or whose process of this machine is gone, is free at once. Every lease has an epoch of its own, which the
store holds every writing transaction against (`Store.begin`).
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from engine.errors import ConfigError, LeaseLost
from engine.model.elapsed import elapsed
from engine.model.leadership import LEASE_FOR, Term
from engine.model.records import Lease
from engine.store import Store, UnitOfWork
from engine.store.operations import LEASE

RENEW_EVERY = 2.5
"""Seconds: three renewals may fail before the lease runs out."""
LOOK_EVERY = 1.0
"""Seconds between two looks of a process that stands by; with the lease it takes over within 12."""
TELL_EVERY = 5.0
"""Seconds between two signs of life of a process that stands by."""
STANDBY = "standby"
"""Setting: who stands by, and when it last said so."""
STANDBY_FOR = timedelta(seconds=20)
"""How old its last sign of life may be."""
NOBODY = ""
"""The holder of a lease that was given back."""


def holder() -> str:
    """This process, as the lease names it: machine, number, and where that number counts."""
    return f"{socket.gethostname()}:{os.getpid()}:{_place()}"


def _place() -> str:
    """A few letters that differ wherever process numbers may mean other processes: another boot, another container."""
    boot, numbers = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        text = f"{boot.read_text(encoding='ascii')} {numbers.readlink()}"
    except OSError:  # not Linux: there the name of the machine has to do
        return "0"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def shown(name: str) -> str:
    """A holder as people are told of it: its machine and number."""
    return name.rpartition(":")[0]


def is_gone(name: str) -> bool:
    """Whether a holder of this machine has no process any more."""
    ours, theirs = holder().split(":"), name.split(":")
    if len(theirs) != len(ours) or (theirs[0], theirs[2]) != (ours[0], ours[2]) or not theirs[1].isdecimal():
        return False
    try:
        os.kill(int(theirs[1]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def take(store: Store, now: datetime, name: str) -> None:
    """Act for the desk from now on; go on with it where this process does already.

    Raises:
        ConfigError: another process runs the desk. LeaseLost: it has taken the desk over.
    """
    if store.term.is_fenced and not store.term.is_over:
        renew(store, now)
        return
    with store.begin_unfenced() as work:
        held = work.lease(LEASE)
        is_taken = held is not None and held.expires > now and not _is_free(held, name)
        if not is_taken:
            _begin(store.term, work, held, name, now)
    if is_taken and held is not None:
        raise ConfigError(
            f"This desk is run by {shown(held.holder)} already: stop that one first, or give this one its own "
            "database. `wsb run --standby` waits for its end."
        )


def require_nobody(work: UnitOfWork, now: datetime, name: str) -> None:
    """Refuse to change the tables beneath another process that runs the desk. The database may be an older one.

    Raises:
        ConfigError: somebody else than `name` has the lease, and it is alive.
    """
    held = work.lease(LEASE)
    if held is not None and held.expires > now and not _is_free(held, name):
        raise ConfigError(
            f"The database is of an older program, and {shown(held.holder)} runs this desk on it: it is not upgraded "
            "beneath a running desk. Stop that one first; `wsb run --standby` waits for its end and upgrades then."
        )


def end_others(work: UnitOfWork, now: datetime, name: str) -> None:
    """`require_nobody`, and let nobody go on who had the lease before: a process that was stopped for a while must not
    write into tables it does not know.

    Raises:
        ConfigError: as `require_nobody`.
    """
    require_nobody(work, now, name)
    held = work.lease(LEASE)
    if held is not None and held.holder not in (NOBODY, name):
        work.free_lease(LEASE, held.holder, held.epoch, now)


def _is_free(held: Lease, name: str) -> bool:
    return held.holder in (NOBODY, name) or is_gone(held.holder)


def _begin(term: Term, work: UnitOfWork, held: Lease | None, name: str, now: datetime) -> None:
    """Take a lease that is free, in a transaction that has seen so."""
    asked = term.clock()
    taken = work.take_lease(LEASE, name, now if held is None else max(now, held.expires), now + LEASE_FOR)
    if taken is None:
        raise LeaseLost("The lease changed hands within a transaction.")
    term.begin(name, taken.epoch, asked, now)


def renew(store: Store, now: datetime) -> None:
    """Keep the lease.

    Raises:
        LeaseLost: somebody else has it; this process acts no more.
    """
    term = store.term
    asked = term.clock()
    try:
        with store.begin() as work:
            work.renew_lease(LEASE, term.holder, term.epoch, now + LEASE_FOR)
    except LeaseLost:
        term.end()
        raise
    term.renewed(asked)


def give_back(store: Store, now: datetime) -> None:
    """Let another process take over at once. One that has lost the lease has nothing to give back."""
    term = store.term
    if not term.is_fenced:
        return
    term.end()
    with store.begin_unfenced() as work:
        work.free_lease(LEASE, term.holder, term.epoch, now)


@dataclass(slots=True)
class Standby:
    """A process that waits for the lease; call it about every second, and `tell` now and then.

    `clock` counts seconds, whatever anybody sets a clock to.
    """

    store: Store
    now: Callable[[], datetime]
    name: str = field(default_factory=holder)
    clock: Callable[[], float] = elapsed
    _seen: tuple[str, int, datetime] | None = None
    _since: float = 0.0

    def __call__(self) -> bool:
        """Whether this process leads now."""
        with self.store.read() as work:
            held = work.lease(LEASE)
        if held is None or self._has_ended(held):
            return self._taken(held)
        return False

    def _has_ended(self, held: Lease) -> bool:
        """Whether it is free, or has not been renewed for as long as it holds."""
        seen = held.holder, held.epoch, held.expires
        if seen != self._seen:
            self._seen, self._since = seen, self.clock()
        return _is_free(held, self.name) or self.clock() - self._since >= LEASE_FOR.total_seconds()

    def _taken(self, seen: Lease | None) -> bool:
        """Whether it was ours to take: nobody renewed it or was quicker since it was looked at."""
        with self.store.begin() as work:
            if work.lease(LEASE) != seen:
                return False
            _begin(self.store.term, work, seen, self.name, self.now())
            work.set_setting(STANDBY, "", "desk", self.now())
        return True

    def tell(self) -> None:
        """Leave a sign of life, for /health of the process that leads. It may wait for a leader that was stopped inside
        a transaction, which a look does not."""
        with self.store.begin() as work:
            if not self.store.term.is_fenced:
                now = self.now()
                work.set_setting(STANDBY, json.dumps({"name": self.name, "at": now.isoformat()}), "desk", now)


def standing_by(work: UnitOfWork, now: datetime) -> str:
    """The process that stands by, "" where none has said so lately."""
    said = json.loads(work.setting(STANDBY) or "{}")
    is_there = bool(said) and now - datetime.fromisoformat(said["at"]) < STANDBY_FOR
    return str(said["name"]) if is_there else ""
