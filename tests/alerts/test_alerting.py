"""Rules on a real store: what is written of a look, who shares a card, and what people's answers do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from alerts import alerting
from alerts.findings import ALL, Finding
from engine.errors import AlreadyDecided, NotFound
from engine.model.alerts import AlertState
from engine.model.events import EventKind, Severity
from tests.alerted import Values, Watched, many, rule, watched
from tests.desk import make_world


def test_a_look_opens_an_alert_and_a_later_one_resolves_it_on_the_same_card() -> None:
    here = watched()

    (alert,) = here.look({"XYZ": 1.1})
    here.look({"XYZ": 0.5}, minutes=12)

    assert (alert.id, alert.card, alert.ticker, alert.state) == ("N00001", "N00001", "XYZ", AlertState.FIRING)
    raised, resolved = here.told
    assert (raised.kind, raised.subject, raised.severity) == (EventKind.ALERT_RAISED, "N00001", Severity.WARNING)
    assert raised.data["words"] == "XYZ is at 1.1."
    assert (resolved.kind, resolved.severity) == (EventKind.ALERT_RESOLVED, Severity.INFO)
    assert resolved.data["words"] == "Stop near: XYZ is over after 12 min."


def test_what_was_never_told_leaves_neither_a_row_nor_an_event() -> None:
    here = watched(rule(holds=timedelta(minutes=5)))

    here.look({"XYZ": 1.1})
    here.look({"XYZ": 0.5})

    with here.world.store.read() as work:
        assert work.living_alerts(here.world.clock() - timedelta(days=1)) == ()
    assert here.told == []


def test_a_worst_finding_stands_for_its_subject() -> None:
    here = watched(
        replace(rule(), read=lambda facts: [Finding("A", v, f"{v}") for v in (nan, 0.1, None, 1.2, nan, 1.1)])
    )

    (alert,) = here.look({})

    assert alert.value == 1.2


def test_a_rule_that_fails_keeps_its_alerts_and_holds_up_no_other() -> None:
    def broken(facts: Mapping[str, Values]) -> Iterable[Finding]:
        raise ValueError("no such fact")

    here = watched()
    here.look({"XYZ": 1.1})
    here.rules = (replace(rule(), read=broken), rule("disk"))

    with pytest.raises(ValueError, match="no such fact"):
        here.look(disk={"": 2.0})

    with here.world.store.read() as work:
        assert [alert.rule for alert in work.open_alerts()] == ["stop_near", "disk"]


def test_nobody_knows_which_subjects_there_are_and_every_alert_goes_on() -> None:
    here = watched()
    here.look({"XYZ": 1.1})

    still = here.look({ALL: None})

    assert [alert.subject for alert in still] == ["XYZ"]
    assert here.kinds == [EventKind.ALERT_RAISED]


def test_an_alert_of_a_rule_that_is_gone_is_over() -> None:
    here = watched()
    here.look({"XYZ": 1.1})
    here.rules = (rule("disk"),)

    assert here.look() == ()
    assert here.kinds[-1] is EventKind.ALERT_RESOLVED


def test_a_worse_alert_about_the_same_subject_takes_the_place_of_this_one() -> None:
    near, crossed = rule("limit_near", fires=0.9, clears=0.85, worse="limit_crossed"), rule("limit_crossed")
    here = watched(near, crossed)
    (first,) = here.look(limit_near={"total": 0.95}, limit_crossed={"total": 0.95})

    (second,) = here.look(limit_near={"total": 1.1}, limit_crossed={"total": 1.1})

    assert (first.rule, second.rule) == ("limit_near", "limit_crossed")
    with here.world.store.read() as work:
        assert work.alert(first.id).taken_by == second.id
    assert here.kinds.count(EventKind.ALERT_RAISED) == 2


def test_money_and_the_desk_have_topics_of_their_own() -> None:
    here = watched(rule("margin"), rule("disk"))

    here.look(margin={"": 2.0}, disk={"": 2.0})

    assert [event.data["topic"] for event in here.told] == ["risk", "desk"]


# What comes by the dozen.


def test_a_storm_is_told_as_one_card_with_one_sound() -> None:
    here = watched()

    still = here.look(many(20))

    assert {alert.card for alert in still} == {"N00001"}
    (event,) = here.told
    assert len(event.data["alerts"]) == 20  # type: ignore[arg-type]


def test_a_few_are_told_one_by_one_and_what_follows_joins_the_newest_without_a_sound() -> None:
    here = watched()

    here.look(many(2))
    first, second, third = (alert.id for alert in here.look(many(3), minutes=2))
    still = here.look(many(9), minutes=2)

    assert [alert.card for alert in still] == [first, second, *[third] * 7]
    assert [event.subject for event in here.sounds] == [first, second, third]


def test_what_follows_a_card_that_was_answered_makes_a_sound_of_its_own() -> None:
    here = watched()
    here.look(many(20))
    alerting.see(here.world.desk, "N00001", "ann")

    fresh = here.look(many(21))[-1]

    assert fresh.card == fresh.id
    assert [event.subject for event in here.sounds] == ["N00001", fresh.id]


def test_a_storm_escalates_with_one_sound_and_ends_on_one_card() -> None:
    here = watched(rule(escalates=timedelta(minutes=10)))
    here.look(many(20))

    here.look(many(20), minutes=10)
    here.look(many(20, 0.1), minutes=5)

    assert here.kinds == [EventKind.ALERT_RAISED, EventKind.ALERT_ESCALATED, EventKind.ALERT_RESOLVED]
    assert {event.subject for event in here.told} == {"N00001"}


def test_an_escalation_reaches_the_urgent_channels_and_so_does_the_end() -> None:
    here = watched(rule(escalates=timedelta(minutes=10)))
    here.look({"XYZ": 1.1})

    here.look({"XYZ": 1.1}, minutes=10)
    here.look({"XYZ": 0.1})

    assert [(event.severity.value, event.data["reach"]) for event in here.told] == [
        ("warning", "warning"),
        ("urgent", "urgent"),
        ("info", "urgent"),
    ]


# What was told already.


def breach(here: Watched, words: str, severity: Severity = Severity.URGENT) -> str:
    told = here.world.desk.event(EventKind.RISK_BREACHED, "L00001", {"words": words}, severity)
    with here.world.store.begin() as work:
        work.add_event(told)
    return told.id


def test_what_an_event_told_already_opens_without_a_sound_and_is_heard_when_nobody_answers() -> None:
    here = watched(rule("limit_crossed", severity=Severity.URGENT, escalates=timedelta(minutes=10)))
    told_by = breach(here, "Nothing is opened at all (L00001): total risk 31.0 % is past its limit of 30.0 %.")

    (alert,) = here.look({"total risk": 1.03})
    assert (alert.told_by, here.sounds) == (told_by, [])
    (alert,) = here.look({"total risk": 1.03}, minutes=10)

    assert (alert.told_by, here.kinds) == ("", [EventKind.ALERT_RAISED, EventKind.ALERT_ESCALATED])
    assert [event.severity for event in here.sounds] == [Severity.URGENT]


def test_what_an_event_told_of_something_else_or_long_ago_is_heard() -> None:
    here = watched(rule("limit_crossed"))
    breach(here, "Nothing is opened in AAPL (L00001): risk in AAPL 5.5 % is past its limit of 5.0 %.")

    here.look({"total risk": 1.03}, minutes=2)
    here.look({"total risk": 1.03, "risk in aapl": 1.1}, minutes=30)

    assert len(here.sounds) == 2


def test_what_comes_back_and_is_told_by_an_event_again_makes_no_second_sound() -> None:
    here = watched(rule("limit_crossed", severity=Severity.URGENT))
    words = "Nothing is opened at all (L00001): total risk 31.0 % is past its limit of 30.0 %."
    breach(here, words)
    here.look({"total risk": 1.03})
    here.look({"total risk": 0.1})
    here.world.clock.advance(minutes=20)
    again = breach(here, words)

    (alert,) = here.look({"total risk": 1.03})

    assert (alert.told_by, alert.count, here.sounds) == (again, 2, [])


def test_an_event_that_is_less_severe_than_the_alert_has_not_told_it() -> None:
    here = watched(rule("limit_crossed", severity=Severity.URGENT))
    breach(here, "Nothing is opened at all (L00001): total risk 31.0 %.", Severity.WARNING)

    here.look({"total risk": 1.03})

    assert [event.severity for event in here.sounds] == [Severity.URGENT]


@pytest.mark.parametrize("name", ["limit_crossed", "stop_near"])
def test_a_hundred_alerts_cost_the_database_as_much_as_ten(name: str) -> None:
    costs = []
    for number in (10, 100):
        here, statements = watched(rule(name)), list[str]()
        engine = here.world.store._engine
        event.listen(engine, "before_cursor_execute", lambda *given, of=statements: of.append(given[2]))

        here.look(many(number))
        here.look(many(number, 1.2), minutes=6)
        here.look()

        costs.append(len(statements))
    assert costs[0] == costs[1] > 0


# What people answer.


def test_a_tap_on_seen_names_who_looks_after_it_and_stops_the_escalation() -> None:
    here = watched(rule(escalates=timedelta(minutes=10)))
    here.look({"XYZ": 1.1})

    (seen,) = alerting.see(here.world.desk, "N00001", "tom")
    here.look({"XYZ": 1.1}, minutes=30)

    assert (seen.seen_by, seen.version) == ("tom", 2)
    assert here.kinds == [EventKind.ALERT_RAISED, EventKind.ALERT_CHANGED]
    assert here.told[-1].actor == "tom"


def test_who_comes_too_late_is_told_so() -> None:
    here, until = watched(), make_world().clock() + timedelta(hours=3)
    here.look({"XYZ": 1.1})
    alerting.see(here.world.desk, "N00001", "tom")

    with pytest.raises(AlreadyDecided, match="N00001 was answered already, by tom"):
        alerting.see(here.world.desk, "N00001", "ann")
    alerting.snooze(here.world.desk, "N00001", "ann", until)
    with pytest.raises(AlreadyDecided, match="N00001 sleeps until 2026-06-15 13:00 ET, ann wished it"):
        alerting.see(here.world.desk, "N00001", "tom")
    here.look({})
    with pytest.raises(AlreadyDecided, match="N00001 is over since 2026-06-15 10:02 ET"):
        alerting.snooze(here.world.desk, "N00001", "ann", until)
    with pytest.raises(NotFound, match="There is no alert N00009"):
        alerting.see(here.world.desk, "N00009", "ann")


def test_a_snoozed_storm_sleeps_and_wakes_as_one() -> None:
    here = watched()
    here.look(many(5))

    asleep = alerting.snooze(here.world.desk, "N00001", "ann", here.world.clock() + timedelta(hours=1))
    here.look(many(5), minutes=59)
    here.look(many(5), minutes=1)

    assert {alert.state for alert in asleep} == {AlertState.SNOOZED}
    assert here.kinds == [EventKind.ALERT_RAISED, EventKind.ALERT_CHANGED, EventKind.ALERT_RAISED]


def test_one_of_a_group_can_be_answered_by_its_own_id() -> None:
    here = watched()
    here.look(many(5))

    all_of_it = alerting.see(here.world.desk, "N00003", "ann")

    assert [alert.id for alert in all_of_it if alert.seen_by] == ["N00003"]


@pytest.mark.parametrize(
    ("days", "hours", "bell"),
    [(0, 0, "2026-06-16 09:30"), (4, 0, "2026-06-22 09:30"), (1, -1, "2026-06-16 09:30")],
    ids=["in a session", "on a Friday", "before the bell"],
)
def test_until_the_next_open_is_the_next_opening_bell(days: int, hours: int, bell: str) -> None:
    world = make_world()
    world.clock.advance(days=days, hours=hours)

    opens = alerting.next_open(world.desk)

    assert f"{opens.astimezone(alerting.NEW_YORK):%Y-%m-%d %H:%M}" == bell


# Whatever happens.

VALUES = st.sampled_from([0.0, 0.9, 1.2, None, "gone"])
LOOKS = st.lists(
    st.tuples(
        st.integers(0, 20), st.tuples(VALUES, VALUES, VALUES, VALUES), st.sampled_from(["", "", "see", "snooze"])
    ),
    min_size=1,
    max_size=15,
)


@given(LOOKS)
@settings(deadline=None, max_examples=40)
def test_there_is_never_more_than_one_open_alert_for_a_rule_and_a_subject(
    looks: list[tuple[int, tuple[float | None | str, ...], str]],
) -> None:
    here = watched(rule(holds=timedelta(minutes=2), escalates=timedelta(minutes=10)))
    for minutes, values, act in looks:
        found = {f"P{n}": value for n, value in enumerate(values) if not isinstance(value, str)}
        here.look(found, minutes)
        with here.world.store.read() as work:
            open_ones = work.open_alerts()
            living = [a for a in work.living_alerts(here.world.clock()) if a.state is not AlertState.RESOLVED]
        assert len({alert.subject for alert in living}) == len(living)
        if open_ones and act == "snooze":
            until = here.world.clock() + timedelta(hours=1)
            alerting.snooze(here.world.desk, open_ones[0].id, "ann", until)
        if open_ones and act == "see" and open_ones[0].state is AlertState.FIRING and not open_ones[0].seen_by:
            alerting.see(here.world.desk, open_ones[0].id, "ann")
    with here.world.store.read() as work:
        assert all(alert.card for alert in work.latest_alerts())
    begun = set()
    for told in here.told:
        assert told.kind is EventKind.ALERT_RAISED or told.subject in begun
        begun.add(told.subject)
