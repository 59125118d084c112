"""The worst of the scenarios once a day, kept: so that what watches over risk need not price the grid again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np

from engine import risk_report
from engine.desk import Desk
from engine.store import UnitOfWork

SETTING = "stress"
"""Setting: the result of the latest run."""


@dataclass(frozen=True, slots=True)
class StressKept:
    """What the scenarios made of everything held at `at` (ISO, UTC). Dollars; losses are negative.

    Attributes:
        worst: made in the scenario that loses most; spot, vol (decimal moves) and days (calendar) say which.
        market_fall: made when SPY falls by 5 %, None where no beta is known. unpriced: legs left out of everything.
    """

    at: str
    worst: float
    spot: float
    vol: float
    days: int
    market_fall: float | None
    unpriced: int

    @property
    def when(self) -> datetime:
        """When it was computed, aware UTC."""
        return datetime.fromisoformat(self.at)


def keep(desk: Desk) -> StressKept | None:
    """Price the scenarios of everything held and keep the worst; None, and nothing kept, where nothing is held."""
    with desk.store.read() as reading:
        if not reading.open_positions():
            return None
    found = risk_report.stressed(desk)
    worst, at = found.grid.worst[0], desk.now()
    fall = None if found.market_fall is None or np.isnan(found.market_fall) else found.market_fall
    made = StressKept(at.isoformat(), worst.pnl, worst.spot, worst.vol, worst.days, fall, len(found.unpriced))
    with desk.store.begin() as work:
        work.set_setting(SETTING, json.dumps(asdict(made), sort_keys=True), "desk", at)
    return made


def kept(work: UnitOfWork) -> StressKept | None:
    """The result of the latest run, None before the first."""
    text = work.setting(SETTING)
    return None if text is None else StressKept(**json.loads(text))
