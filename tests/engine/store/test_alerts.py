"""Alerts in the database: what is open, what a look needs, what is told on one card."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import NotFound
from engine.model.alerts import Alert, AlertState
from engine.model.events import Severity
from engine.store import Store
from tests import make

AGO = timedelta(minutes=1)


def alert(number: int, state: AlertState = AlertState.FIRING, **more: object) -> Alert:
    at = make.NOW + number * AGO
    known = Alert(
        f"N{number:05}", "limit_near", f"limit {number}", Severity.WARNING, state, at, at, told_at=at, value=0.91
    )
    return replace(known, **({"card": known.id} | more))  # type: ignore[arg-type]


def test_an_alert_is_read_as_it_was_saved(store: Store) -> None:
    kept = alert(1, words="At 91 %.", seen_by="ann", seen_at=make.NOW)
    with store.begin() as work:
        work.save_alerts([alert(1)])
        work.save_alerts([kept])

    with store.read() as work:
        assert work.alert("N00001") == kept
        with pytest.raises(NotFound, match="There is no alert N00002"):
            work.alert("N00002")


def test_a_look_finds_what_is_not_over_and_what_has_just_ended(store: Store) -> None:
    waiting = alert(1, AlertState.WAITING, told_at=None)
    asleep = alert(2, AlertState.SNOOZED, snoozed_until=make.NOW + AGO)
    over = alert(3, AlertState.RESOLVED, resolved_at=make.NOW)
    long_over = alert(4, AlertState.RESOLVED, resolved_at=make.NOW - AGO)
    firing = alert(5)
    with store.begin() as work:
        work.save_alerts([firing, long_over, over, asleep, waiting])

    with store.read() as work:
        assert work.living_alerts(make.NOW) == (waiting, asleep, over, firing)
        assert work.open_alerts() == (asleep, firing)
        assert work.latest_alerts(2) == (firing, long_over)


def test_alerts_of_one_card_are_found_by_it(store: Store) -> None:
    with store.begin() as work:
        work.save_alerts([alert(1), alert(2, card="N00001"), alert(3)])

    with store.read() as work:
        assert [each.id for each in work.alerts_on("N00001")] == ["N00001", "N00002"]


def test_what_was_never_told_can_be_forgotten(store: Store) -> None:
    with store.begin() as work:
        work.save_alerts([alert(1), alert(2)])
        work.drop_alerts(["N00001"])

    with store.read() as work:
        assert [each.id for each in work.open_alerts()] == ["N00002"]
