"""Two recorded years, the calm one and the one of the crash, with somebody who looks on.

By default some weeks of the crash; weeks of the calm one and both years whole with `make soak`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cache

import pytest

from bot import app
from bot.bulkheads import finish
from bot.console.replay import ReplayOptions, load_config, make_journey
from bot.summary import Json, summary
from engine.store import Store
from tests.journeys.overseer import Overseer, overseen
from tests.journeys.program import DATA
from tests.shared import needs_shared

pytestmark = [needs_shared, pytest.mark.timeout(900)]

TRADED = ("wheel", "debit_spreads", "spx_credit_spreads", "wsb_dip")
QUIET = {"WSB__LOGGING__LEVEL": "error", "WSB__SCHEDULE__TICK_MINUTES": "15"}


@dataclass(frozen=True, slots=True)
class Lived:
    """A window that was lived through."""

    body: Json
    overseer: Overseer


@cache
def folder() -> app.Folder:
    return app.open_folder(DATA)


@cache
def lived(start: date, end: date, strategies: tuple[str, ...] = TRADED) -> Lived:
    options = ReplayOptions(folder(), start, end, "all", 7, strategies)
    journey, overseer = overseen(make_journey(load_config(None, QUIET), options, Store.memory()))
    finish(journey.run(options.folder.trading_days(start, end, journey.made.desk.sessions)))
    overseer.ended()
    return Lived(summary(journey.made.desk), overseer)


CALM = (date(2019, 1, 2), date(2019, 1, 25))
CRASH = (date(2020, 2, 18), date(2020, 3, 13))


@pytest.mark.parametrize("window", [pytest.param(CALM, marks=pytest.mark.soak), CRASH], ids=["calm", "crash"])
def test_weeks_of_both_years_pass_without_an_error_and_every_look_holds(window: tuple[date, date]) -> None:
    found = lived(*window)

    assert found.body["errors"] == 0
    assert found.overseer.objections == []
    assert found.overseer.entries > 0
    assert found.overseer.looks > found.overseer.entries
    assert found.overseer.stops_seen > 0


def test_an_overseer_with_a_tighter_limit_than_the_desks_objects() -> None:
    options = ReplayOptions(folder(), CALM[0], CALM[1], "all", 7, ("wheel",))
    journey, overseer = overseen(make_journey(load_config(None, QUIET), options, Store.memory()))
    tight = replace(overseer.made.desk.limits, put_collateral_total=Decimal("0.15"))
    overseer.made = replace(overseer.made, desk=replace(overseer.made.desk, limits=tight))

    finish(journey.run((CALM[0], date(2019, 1, 3), date(2019, 1, 4))))

    assert overseer.objections
    assert all("“puts and shares”" in words for words in overseer.objections)


YEARS = ((date(2019, 1, 2), date(2019, 12, 31)), (date(2020, 1, 2), date(2020, 12, 31)))
LIVES = ((*YEARS[0], TRADED), *((*YEARS[1], (name,)) for name in TRADED))
"""The calm year with all of them on one account; the crash with each on an account of its own, for together they soon
stand still there: limits, pauses and the halt at a drawdown do what they are for."""
EXITS = {
    "wheel": {"target", "stop", "21 DTE winner"},
    "debit_spreads": {"target", "stop", "time"},
    "spx_credit_spreads": {"target", "stop", "time"},
    "wsb_dip": {"target", "stop", "time", "delta"},
}
"""What each of them has to have ended by in one of these lives; the exits that they cannot show (a dividend announced
ahead, a trail with one contract) are shown on built days."""


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_both_years_whole_pass_without_an_error_every_look_holds_and_every_exit_is_reached() -> None:
    lives = [lived(*life) for life in LIVES]

    assert [life.body["errors"] for life in lives] == [0] * len(LIVES)
    assert [life.overseer.objections for life in lives] == [[]] * len(LIVES)
    seen = {reason for life in lives for reason in life.overseer.reasons}
    missing = {name: wanted - {reason for own, reason in seen if own == name} for name, wanted in EXITS.items()}
    assert not any(missing.values()), missing
