"""The desk at work in a live process: each kind of work on a thread of its own, so that nothing slow starves a stop.

A loop looks, waits (or is woken) and looks again until it is told to end. What goes wrong in one step is told and the
next step has its turn: no loop ever ends by itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

import structlog
from structlog.contextvars import bound_contextvars

from alerts import elsewhere
from engine import meters
from engine.desk import Desk
from engine.errors import DeskError, LeaseLost
from engine.model.events import EventKind, Severity
from engine.redaction import clean

log = structlog.get_logger()

Step = tuple[str, Callable[[], object]]

TOLD_AGAIN = 300.0
"""Seconds after which a step that still fails in the same way is told once more."""


def never() -> None:
    """Nothing becomes due before its turn."""


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work: its steps in order, the seconds between two looks, and how long a look may take at most.

    `patience` seconds without a finished look make the loop a stalled one: people are told. `soonest` tells after a
    look in how many seconds something becomes due, where that may be before its turn; None when nothing does.
    """

    name: str
    every: float
    steps: tuple[Step, ...]
    patience: float = 30.0
    soonest: Callable[[], float | None] = never


@dataclass(frozen=True, slots=True)
class Beat:
    """How a loop is doing: seconds since its last finished look, how long that took, and whether it is stalled."""

    name: str
    age: float
    took: float
    is_stalled: bool
    looks: int

    @property
    def words(self) -> str:
        """`looked 0.4 s ago, in 12 ms`."""
        if not self.looks:
            return f"has not looked yet, for {self.age:.1f} s"
        return f"looked {self.age:.1f} s ago, in {self.took * 1000:.0f} ms"


class News(Enum):
    """Which failure of a step is told."""

    FIRST = auto()
    LASTING = auto()


@dataclass(slots=True)
class _Failing:
    """A step that fails in one way: when it was told last, and when it failed last."""

    told: float
    failed: float


class Troubles:
    """What goes wrong in the loops, told as events: each trouble once, and again after five minutes.

    What comes of a broker or a provider that is away is only recorded at first, and later while an alert tells of that.
    """

    def __init__(self, desk: Desk, clock: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._clock = clock
        self._failing: dict[tuple[str, str], _Failing] = {}
        self._lock = threading.Lock()

    @property
    def may_act(self) -> bool:
        """Whether this process still acts for the desk, as far as it can tell by itself."""
        return self._desk.term.may_act

    def expected(self, step: str, problem: DeskError) -> None:
        """A failure the desk has words for."""
        log.warning("loop.failed", step=step, problem=str(problem), kind=type(problem).__name__)
        self.tell(step, type(problem).__name__, str(problem), Severity.WARNING)

    def bug(self, step: str, problem: Exception) -> None:
        """A failure nobody thought of: logged with its traceback, told at once."""
        log.error("loop.broken", step=step, exc_info=problem)
        self.tell(step, type(problem).__name__, clean(repr(problem))[:300], Severity.URGENT)

    def stalled(self, beat: Beat) -> None:
        """A loop that has not finished a look for too long."""
        log.error("loop.stalled", loop=beat.name, seconds=round(beat.age))
        words = f"The loop “{beat.name}” has not finished a look for {beat.age:.0f} s."
        self.tell(beat.name, "stalled", words, Severity.URGENT)

    def tell(self, step: str, kind: str, problem: str, severity: Severity) -> None:
        """Tell it as an event, unless the same was told a moment ago; never raises."""
        meters.erred(kind)
        news = self._news(step, kind)
        if news is None:
            return
        desk, data = self._desk, {"step": step, "problem": problem, "kind": kind}
        try:
            with desk.store.begin() as work:
                is_quiet = kind in elsewhere.COVERS and (news is News.FIRST or elsewhere.is_covered(work, kind))
                work.add_event(desk.event(EventKind.ERROR, step, data, Severity.INFO if is_quiet else severity))
        except Exception as second:
            log.error("loop.trouble.unrecorded", step=step, exc_info=second)

    def _news(self, step: str, kind: str) -> News | None:
        """Whether this is to be told; None while the same was a moment ago."""
        now = self._clock()
        with self._lock:
            known = self._failing.get((step, kind))
            if known is None or now - known.failed >= TOLD_AGAIN:
                self._failing[step, kind] = _Failing(now, now)
                return News.FIRST
            known.failed = now
            if now - known.told < TOLD_AGAIN:
                return None
            known.told = now
            return News.LASTING


class Loop:
    """One kind of work on its thread."""

    def __init__(self, work: Work, troubles: Troubles) -> None:
        self.work = work
        self._troubles = troubles
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._beat = time.monotonic()
        self._took = 0.0
        self._looks = 0
        self._thread = threading.Thread(target=self._run, name=work.name, daemon=True)

    def start(self) -> None:
        """Look at once, then again and again."""
        self._beat = time.monotonic()
        self._thread.start()

    def wake(self) -> None:
        """Look now, whatever the time of the next look was."""
        self._wake.set()

    def end(self) -> None:
        """Begin no further step."""
        self._ending.set()
        self._wake.set()

    def join(self, seconds: float) -> bool:
        """Whether the loop has ended within so many seconds."""
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def beat(self) -> Beat:
        """How it is doing."""
        age = time.monotonic() - self._beat
        return Beat(self.work.name, age, self._took, age > self.work.patience + self.work.every, self._looks)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wake.clear()
            self.look()
            self._wake.wait(self._pause())

    def look(self) -> None:
        """Take every step once, in this thread."""
        began = time.monotonic()
        self._take_steps()
        self._beat = time.monotonic()
        self._took = self._beat - began
        self._looks += 1

    def _pause(self) -> float:
        """Seconds until the next look."""
        try:
            soonest = self.work.soonest()
        except Exception as bug:  # noqa: BLE001 - as below: the loop looks again at its turn
            self._troubles.bug(f"{self.work.name}: soonest", bug)
            return self.work.every
        return self.work.every if soonest is None else min(self.work.every, soonest)

    def _take_steps(self) -> None:
        for name, step in self.work.steps:
            if self._ending.is_set() or not self._troubles.may_act:
                return
            try:
                with bound_contextvars(loop=self.work.name, step=name):
                    step()
            except LeaseLost as lost:
                log.warning("loop.may_not_act", loop=self.work.name, step=name, why=str(lost))
                return
            except DeskError as problem:
                self._troubles.expected(f"{self.work.name}: {name}", problem)
            except Exception as bug:  # noqa: BLE001 - told with its traceback; the steps behind it may be the stops
                self._troubles.bug(f"{self.work.name}: {name}", bug)


class Runtime:
    """Every loop of a live desk."""

    def __init__(self, desk: Desk, works: Iterable[Work]) -> None:
        self._troubles = Troubles(desk)
        self._loops = {work.name: Loop(work, self._troubles) for work in works}
        self.is_running = False
        """Whether its loops were started and not ended: only the process that acts for the desk runs them."""

    def start(self) -> None:
        """Start the loops in the order they were given: what protects comes first."""
        self.is_running = True
        for loop in self._loops.values():
            loop.start()

    def look(self) -> None:
        """Let every loop look once, one after the other in this thread: for a desk whose clock somebody else moves."""
        for loop in self._loops.values():
            loop.look()

    def wake(self, *names: str) -> None:
        """Let these loops (all when none is named) look now."""
        for name in names or tuple(self._loops):
            self._loops[name].wake()

    def stop(self, seconds: float = 4.0) -> tuple[str, ...]:
        """End every loop; the names of those that were still in a step when the time was over."""
        self.is_running = False
        until = time.monotonic() + seconds
        for loop in self._loops.values():
            loop.end()
        return tuple(name for name, loop in self._loops.items() if not loop.join(max(0.0, until - time.monotonic())))

    @property
    def beats(self) -> tuple[Beat, ...]:
        """How every loop is doing."""
        return tuple(loop.beat for loop in self._loops.values())

    def watch(self) -> None:
        """Tell people of loops that are stalled."""
        for beat in self.beats:
            if beat.is_stalled:
                self._troubles.stalled(beat)
