"""What a live desk calls things can be typed, tapped and told apart: its ids have letters anywhere, at the end too."""

from __future__ import annotations

from bot.app import TimedIds
from bot.catalogue import COMMANDS
from bot.parse import values_of
from engine import trail
from engine.model.records import Run
from engine.store import Store
from tests import make
from tests.bot.rooms import visit
from tests.fakes import FakeClock

DIGITS = 40
"""More than one round of the last digit."""


def timed(prefix: str) -> list[str]:
    clock, made = FakeClock(), []
    new_id = TimedIds(clock, Store.memory())
    for _ in range(DIGITS):
        made.append(new_id(prefix))
        clock.advance(0.1)
    return made


def test_every_proposal_of_a_live_desk_can_be_tapped() -> None:
    desk = visit().world.desk

    for id in timed("A"):
        assert values_of(COMMANDS["approve"], [f"{id}.1"], desk) == {"proposal": f"{id}.1"}
        assert values_of(COMMANDS["approve"], [f"{id.lower()}.1"], desk) == {"proposal": f"{id}.1"}


def test_everything_a_live_desk_makes_is_known_as_an_id_in_what_people_type() -> None:
    for prefix in "APRVE":
        assert [id for id in timed(prefix) if not trail.ID.fullmatch(id)] == []


def run(id: str, number: int) -> Run:
    return Run(id, f"job {number}", make.NOW, make.NOW)


def test_a_burst_of_ids_before_a_restart_is_never_given_again() -> None:
    clock, store = FakeClock(), Store.memory()
    first = TimedIds(clock, store)
    with store.begin() as work:
        given = [first("R") for _ in range(100)]
        assert all(work.add_run(run(id, number)) for number, id in enumerate(given))

    clock.advance(1.0)
    second = TimedIds(clock, store)

    assert second("R") > given[-1]
    clock.advance(60.0)
    assert second("R") == TimedIds(clock, Store.memory())("R")


def test_a_standby_that_takes_over_gives_no_id_the_old_leader_gave() -> None:
    clock, store = FakeClock(), Store.memory()
    leader, standby = TimedIds(clock, store), TimedIds(clock, store)
    standby("R")
    with store.begin() as work:
        given = [leader("R") for _ in range(100)]
        assert all(work.add_run(run(id, number)) for number, id in enumerate(given))

    store.term.begin("standby", 2, store.term.clock(), clock())

    assert standby("R") > given[-1]
