"""Whether a process lives and whether its desk can trade: what `/healthz` and `/readyz` answer. Pure.

The words are the desk's own, never what a provider or a library said: they may be read from other machines.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LOOP_WITHIN = 10.0
"""Seconds within which the event loop answers."""
EXITS_WITHIN = 45.0
"""Seconds within which the exits are looked at, a slow broker included."""
LEASE_WITHIN = 45.0
"""Seconds within which a process that stands by gets an answer about the lease, or the error of a database away."""
BROKER_WITHIN = 60.0
"""Seconds since the broker's last answer after which nothing new is opened (`engine.standing.ACCOUNT_AGE`)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part, whether it is well, and in which words."""

    name: str
    is_ok: bool
    words: str


@dataclass(frozen=True, slots=True)
class Health:
    """How several parts are; well when all of them are. `title` is what `is_ok` means: alive, ready."""

    title: str
    parts: tuple[Part, ...]

    @property
    def is_ok(self) -> bool:
        return all(part.is_ok for part in self.parts)

    @property
    def status(self) -> int:
        """As HTTP says it."""
        return 200 if self.is_ok else 503

    @property
    def words(self) -> str:
        """`ready`, or `not ready: lease: another process acts for this desk; database: no answer`."""
        wrong = "; ".join(f"{part.name}: {part.words}" for part in self.parts if not part.is_ok)
        return f"not {self.title}: {wrong}" if wrong else self.title

    def as_json(self) -> dict[str, object]:
        """For programs."""
        parts = {part.name: {"ok": part.is_ok, "words": part.words} for part in self.parts}
        return {"ok": self.is_ok, "status": self.words, "parts": parts}


def liveness(loop: float, exits: float | None) -> Health:
    """Whether the process has to be started anew: the seconds since its event loop answered and the exits were looked
    at. `exits` is None while this process does not act for the desk.
    """
    parts = [_within("event loop", loop, LOOP_WITHIN, "answered")]
    if exits is not None:
        parts.append(_within("exits", exits, EXITS_WITHIN, "looked at"))
    return Health("alive", tuple(parts))


def patience(loop: float, look: float) -> Health:
    """Whether a process that stands by has to be started anew: the seconds since its event loop answered and since it
    looked whether it may lead.
    """
    parts = (
        _within("event loop", loop, LOOP_WITHIN, "answered"),
        _within("looks", look, LEASE_WITHIN, "the lease was looked at"),
    )
    return Health("alive", parts)


def _within(name: str, seconds: float, limit: float, did: str) -> Part:
    return Part(name, seconds < limit, f"{did} {seconds:.1f} s ago, {limit:.0f} s are allowed")


def readiness(parts: Iterable[Part]) -> Health:
    """Whether the desk can trade."""
    return Health("ready", tuple(parts))


def lease(acts: bool) -> Part:
    """Whether this process acts for the desk."""
    return Part("lease", acts, "this process acts for the desk" if acts else "standby")


def stands_by() -> Part:
    """The lease of a process that waits for it."""
    return Part("lease", False, "standby: this process stands by until no other acts for the desk")


def database(has_answered: bool) -> Part:
    """Whether the database answers."""
    return Part("database", has_answered, "answers" if has_answered else "no answer in time")


def books(have_begun: bool) -> Part:
    """Whether the ledger has its opening balance."""
    return Part("books", have_begun, "open" if have_begun else "no opening balance yet")


def broker(is_here: bool, age: float | None) -> Part:
    """Whether the broker was heard lately: `age` seconds ago; the exchange inside this program always is."""
    if is_here:
        return Part("broker", True, "the exchange inside this program")
    if age is None:
        return Part("broker", False, "no answer yet")
    return Part("broker", age < BROKER_WITHIN, f"answered {age:.0f} s ago")


def platforms(connected: Iterable[tuple[str, bool]]) -> Part:
    """Whether people are reached: one platform is enough, those that are away are named."""
    found = tuple(connected)
    away = [name for name, is_up in found if not is_up]
    up = [name for name, is_up in found if is_up]
    words = f"{', '.join(up) or 'none'} connected"
    return Part("platforms", bool(up), f"{words}, {', '.join(away)} away" if away else words)


def data(providers: Iterable[tuple[str, bool]]) -> Part:
    """Whether a provider of data is up; a desk on recorded prices has none and needs none."""
    found = tuple(providers)
    down = [name for name, is_up in found if not is_up]
    words = "recorded prices" if not found else f"{len(found) - len(down)} of {len(found)} providers up"
    return Part("data", len(down) < len(found) or not found, f"{words}, not {', '.join(down)}" if down else words)
