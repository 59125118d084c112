"""What a person set for themselves is kept and comes back as it was."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from alerts.routes import Topic
from bot.preferences import Preferences, preferences_of, save
from engine.store import Store
from tests import make

OWL = Preferences("Europe/Berlin", time(23, 30), time(7), frozenset({Topic.TRADES, Topic.DIGEST}), compact=True)


def test_settings_come_back_as_they_were_set() -> None:
    with Store.memory().begin() as work:
        save(work, "ann", OWL, "ann", make.NOW)

        assert preferences_of(work, "ann") == OWL
        assert preferences_of(work, "tom") == Preferences()


@pytest.mark.parametrize(("hour", "quiet"), [(22, False), (23, True), (3, True), (6, False)])
def test_quiet_hours_over_midnight_are_told_in_the_persons_zone(hour: int, quiet: bool) -> None:
    assert OWL.is_quiet(datetime(2026, 11, 27, hour, 0, tzinfo=UTC)) is quiet


def test_nobody_is_quiet_who_never_said_so() -> None:
    assert not any(Preferences().is_quiet(datetime(2026, 11, 27, hour, tzinfo=UTC)) for hour in range(24))
