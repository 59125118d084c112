"""What a live desk calls things can be typed, tapped and told apart: its ids have letters anywhere, at the end too."""

from __future__ import annotations

from bot.app import TimedIds
from bot.catalogue import COMMANDS
from bot.parse import values_of
from engine import trail
from tests.bot.rooms import visit
from tests.fakes import FakeClock

DIGITS = 40
"""More than one round of the last digit."""


def timed(prefix: str) -> list[str]:
    clock, made = FakeClock(), []
    new_id = TimedIds(clock)
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
