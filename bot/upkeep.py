"""What a live desk does for its data while nobody waits: choosing its universe, keeping answers fresh, tidying up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bot.loops import Paced
from bot.parts import Part
from bot.runtime import Step
from bot.words import count
from engine.data.diary import Diary
from engine.data.live import LiveMarket
from engine.data.panel import Panel
from engine.data.refresh import MostUseful, Refresher
from engine.data.shelf import Shelf
from engine.data.universe import LiveUniverse
from engine.desk import Desk

TIDY_EVERY = timedelta(hours=6)
PATIENCE = 120.0
"""Seconds a single command waits for the first universe: about forty requests."""
PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class LiveData:
    """A live market and what keeps it. `universe` is None where the configuration names the tickers."""

    market: LiveMarket
    panel: Panel
    shelf: Shelf
    diaries: tuple[Diary, ...] = ()
    universe: LiveUniverse | None = None
    named: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names to scan, the most traded first where they were chosen."""
        return self.named if self.universe is None else self.universe.names()

    def upkeep(self, desk: Desk) -> tuple[Step, ...]:
        """The steps of the loop that keeps it; each of them gives way to everybody else."""
        refresher = Refresher(self.market, self.panel, desk.now, MostUseful(desk, lambda: self.names))
        chosen: tuple[Step, ...] = () if self.universe is None else (("universe", self.universe.look),)
        return (*chosen, ("refresh", refresher.look), ("tidy", Paced(desk, TIDY_EVERY, self.tidy)))

    def tidy(self) -> None:
        """Remove from disk what is of no use any more."""
        self.shelf.tidy()
        for diary in self.diaries:
            diary.tidy()

    @property
    def words(self) -> str:
        """`100 names of 25 Nov`."""
        if self.universe is None:
            return f"{count(len(self.named), 'name')} of the configuration"
        return self.universe.words

    def parts(self) -> tuple[Part, ...]:
        """What /health says of the universe."""
        return (("Universe", (bool(self.names), self.words)),)

    def choose(self, tick: Callable[[], float] = time.monotonic, wait: Callable[[float], object] | None = None) -> None:
        """Wait for a universe to scan, for a command that is over before a loop would have chosen one."""
        if self.universe is None:
            return
        until, wait = tick() + PATIENCE, wait or threading.Event().wait
        while not self.universe.names() and tick() < until:
            self.universe.look()
            wait(PAUSE)
