"""One alert from its first reading to its end: what is told, when, and what is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alerts.findings import REDRAWS, Finding, Rule
from alerts.watching import CONTINUES, MOST_ESCALATIONS, RESTS, Step, Telling, step
from engine.codec import dump, load
from engine.model.alerts import RANKS, Alert, AlertState
from engine.model.events import Severity

NINE = datetime(2026, 6, 15, 13, 0, tzinfo=UTC)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def rule(**more: Any) -> Rule[None]:
    """Fires at 1, clears at 0.8, told after two minutes, escalates after ten."""
    given = {"fires": 1.0, "clears": 0.8, "holds": minutes(2), "escalates": minutes(10)} | more
    return Rule("limit_near", "Limit near", given.pop("severity", Severity.WARNING), lambda facts: (), **given)


def found(value: float | None) -> Finding:
    return Finding("total_risk", value, f"At {value}.")


def walked(
    path: Iterable[tuple[float, float | None | str]], watched: Rule[None] | None = None, alert: Alert | None = None
) -> list[tuple[float, Step]]:
    """(minute, step) of every look at a path of (minute, value); "gone" is a subject that is not found."""
    steps = []
    for minute, value in path:
        finding = None if isinstance(value, str) else found(value)
        made = step(watched or rule(), finding, alert, NINE + minutes(minute))
        alert = made.alert
        steps.append((minute, made))
    return steps


def told(steps: list[tuple[float, Step]]) -> list[tuple[float, Telling]]:
    return [(minute, made.telling) for minute, made in steps if made.telling is not None]


def last(steps: list[tuple[float, Step]]) -> Alert:
    alert = steps[-1][1].alert
    assert alert is not None
    return alert


def seen(alert: Alert, minute: float) -> Alert:
    return replace(alert, seen_by="ann", seen_at=NINE + minutes(minute))


def snoozed(alert: Alert, until: float) -> Alert:
    return replace(alert, state=AlertState.SNOOZED, snoozed_until=NINE + minutes(until), snoozed_by="ann")


def firing() -> Alert:
    """Told at minute 2."""
    return last(walked([(0, 1.1), (1, 1.1), (2, 1.1)]))


def test_it_is_told_when_the_value_has_been_beyond_for_as_long_as_the_rule_holds() -> None:
    assert told(walked([(0, 1.0), (1, 1.2), (2, 1.1), (3, 1.1)])) == [(2, Telling.RAISED)]


def test_a_value_that_falls_back_while_it_waits_is_never_told() -> None:
    steps = walked([(0, 1.0), (1, 0.99), (2, 1.1), (3, 1.1)])

    assert told(steps) == []
    assert last(steps).since == NINE + minutes(2)


def test_between_its_bounds_it_goes_on_and_is_over_at_the_lower_one() -> None:
    steps = walked([(3, 0.9), (4, 0.81), (9, 0.8)], alert=firing())

    assert told(steps)[-1] == (9, Telling.RESOLVED)
    assert [minute for minute, made in steps if made.telling is Telling.RESOLVED] == [9]


def test_a_subject_that_is_gone_is_over() -> None:
    steps = walked([(3, "gone")], alert=firing())

    assert told(steps) == [(3, Telling.RESOLVED)]
    ended = steps[-1][1].alert
    assert ended is not None
    assert ended.words == ""


def test_a_subject_that_is_gone_before_it_was_told_leaves_nothing() -> None:
    assert walked([(0, 1.5), (1, "gone")])[-1][1] == Step(None)


def test_an_unknown_value_changes_nothing() -> None:
    alert = firing()

    assert walked([(3, None)], alert=alert)[-1][1] == Step(alert)
    assert walked([(3, float("nan"))], alert=alert)[-1][1] == Step(alert)
    assert walked([(0, None)])[-1][1] == Step(None)
    assert told(walked([(0, 1.1), (1, None), (2, None)])) == []


def test_what_nobody_answers_is_escalated_though_the_value_is_unknown() -> None:
    assert told(walked([(11, None), (12, None)], alert=firing())) == [(12, Telling.ESCALATED)]


def test_nobody_answers_and_it_is_told_one_severity_higher_after_twice_as_long_each_time() -> None:
    steps = walked([(minute, 1.1) for minute in range(120)])

    assert told(steps) == [
        (2, Telling.RAISED),
        (12, Telling.ESCALATED),
        (32, Telling.ESCALATED),
        (72, Telling.ESCALATED),
    ]
    assert last(steps).severity is Severity.URGENT


def test_a_night_in_which_nobody_answers_is_told_six_times_more() -> None:
    steps = walked([(minute, 1.1) for minute in range(24 * 60)])

    assert [minute for minute, _ in told(steps)] == [2, 12, 32, 72, 152, 312, 632]


def test_an_answer_stops_the_escalation() -> None:
    assert told(walked([(minute, 1.1) for minute in range(3, 120)], alert=seen(firing(), 3))) == []


def test_a_rule_that_says_so_tells_again_what_goes_on() -> None:
    watched = rule(again=minutes(60), escalates=None)

    steps = walked([(minute, 1.1) for minute in range(3, 130)], watched, seen(firing(), 3))

    assert told(steps) == [(62, Telling.RAISED), (122, Telling.RAISED)]
    assert last(steps).seen_by == ""


def test_a_snoozed_alert_is_silent_until_its_time_and_heard_then() -> None:
    steps = walked([(minute, 1.1) for minute in range(3, 70)], rule(escalates=None), snoozed(firing(), 60))

    assert told(steps) == [(60, Telling.RAISED)]
    assert last(steps).state is AlertState.FIRING


def test_a_snoozed_alert_whose_severity_rises_is_heard() -> None:
    alert = snoozed(firing(), 60)

    steps = walked([(5, 1.1)], rule(severity=Severity.URGENT), alert)

    assert told(steps) == [(5, Telling.RAISED)]
    assert last(steps).severity is Severity.URGENT


def test_a_snooze_goes_on_when_the_trouble_was_over_for_a_moment() -> None:
    steps = walked([(3, 0.5), (4, 1.1), (6, 1.1), (40, 1.1)], alert=snoozed(firing(), 60))

    assert [telling for _, telling in told(steps)] == [Telling.RESOLVED, Telling.CHANGED]
    assert last(steps).state is AlertState.SNOOZED


def test_what_comes_back_soon_goes_on_as_the_same_alert_without_a_sound() -> None:
    alert = replace(firing(), id="N00001")

    steps = walked([(3, 0.5), (4, 1.1), (6, 1.1)], alert=alert)

    assert told(steps) == [(3, Telling.RESOLVED), (6, Telling.CHANGED)]
    assert (last(steps).id, last(steps).count) == ("N00001", 2)


def test_what_came_back_without_a_sound_and_stays_is_heard_after_a_rest() -> None:
    watched = rule(escalates=None)

    steps = walked([(3, 0.5), *((minute, 1.1) for minute in range(4, 60))], watched, firing())

    assert [(minute, telling) for minute, telling in told(steps) if telling.is_heard] == [(17, Telling.RAISED)]


def test_what_comes_back_late_is_another_alert() -> None:
    over = replace(last(walked([(3, 0.5)], alert=firing())), id="N00001")

    again = walked([(3 + CONTINUES / minutes(1) + 1, 1.1)], rule(holds=minutes(0)), over)

    assert (last(again).id, last(again).count) == ("", 1)
    assert [telling for _, telling in told(again)] == [Telling.RAISED]


def test_a_value_that_moves_redraws_the_card_and_not_at_every_look() -> None:
    path = [(minute, 1.1 + minute / 1000) for minute in range(3, 13)]

    assert told(walked(path, rule(escalates=None), firing())) == [(7, Telling.CHANGED), (12, Telling.CHANGED)]


def test_the_last_of_several_moves_is_drawn_though_nothing_moves_any_more() -> None:
    steps = walked([(3, 1.2), *((minute, 1.2) for minute in range(4, 12))], rule(escalates=None), firing())

    assert told(steps) == [(7, Telling.CHANGED)]


def test_a_clock_set_back_tells_nothing_again_and_delays_nothing_for_longer() -> None:
    alert = firing()

    steps = walked([(minute, 1.1) for minute in range(-58, -40)], alert=alert)

    assert told(steps) == [(-48, Telling.ESCALATED)]


def test_a_clock_set_back_makes_no_snooze_longer() -> None:
    asleep = seen(snoozed(firing(), 63), 3)

    steps = walked([(minute, 1.1) for minute in range(-57, 20)], rule(escalates=None), asleep)

    assert told(steps) == [(3, Telling.RAISED)]


# Whatever the values, the answers and the moments of a restart are.

VALUES = st.sampled_from([0.0, 0.7, 0.8, 0.9, 1.0, 1.3, None, "gone"])
ACTS = st.sampled_from(["", "", "", "", "seen", "snooze"])
LOOKS = st.lists(st.tuples(st.integers(0, 8), VALUES, ACTS), min_size=1, max_size=60)
RULES = st.builds(
    lambda holds, escalates, again, severity: rule(
        holds=minutes(holds),
        escalates=escalates and minutes(escalates),
        again=again and minutes(again),
        severity=severity,
    ),
    st.sampled_from([0, 2, 5]),
    st.sampled_from([None, 5, 10]),
    st.sampled_from([None, 20, 60]),
    st.sampled_from(Severity),
)


def lived(
    watched: Rule[None], looks: list[tuple[int, float | None | str, str]], *, forgets: bool = False
) -> list[tuple[datetime, Alert | None, Step]]:
    """(when, alert before, step) of every look; people answer between looks, and a process that `forgets` reads the
    alert back from what it stored."""
    now, alert, made = NINE, None, []
    for number, (gap, value, act) in enumerate(looks):
        now += minutes(gap)
        finding = None if isinstance(value, str) else found(value)
        taken = step(watched, finding, alert, now)
        made.append((now, alert, taken))
        alert = taken.alert
        if alert is None:
            continue
        alert = replace(alert, id=alert.id or f"N{number:05}")
        if alert.is_open and act == "seen":
            alert = replace(alert, seen_by="ann", seen_at=now)
        if alert.is_open and act == "snooze":
            alert = replace(alert, state=AlertState.SNOOZED, snoozed_until=now + minutes(30), snoozed_by="ann")
        if forgets:
            alert = load(Alert, dump(alert))
    return made


def sounds(made: list[tuple[datetime, Alert | None, Step]]) -> list[tuple[datetime, Telling]]:
    return [(now, taken.telling) for now, _, taken in made if taken.telling is not None and taken.telling.is_heard]


@given(RULES, LOOKS)
def test_a_restart_at_any_point_changes_nothing(
    watched: Rule[None], looks: list[tuple[int, float | None | str, str]]
) -> None:
    assert lived(watched, looks) == lived(watched, looks, forgets=True)


@given(RULES, LOOKS)
def test_only_what_was_told_is_resolved_and_once(
    watched: Rule[None], looks: list[tuple[int, float | None | str, str]]
) -> None:
    is_told = False
    for _, _, taken in lived(watched, looks):
        if taken.telling is Telling.RESOLVED:
            assert is_told
            is_told = False
        elif taken.telling is not None:
            is_told = True
        elif taken.alert is not None and taken.alert.is_open:
            assert is_told


@given(RULES, LOOKS)
def test_a_snoozed_alert_makes_no_sound_before_its_time(
    watched: Rule[None], looks: list[tuple[int, float | None | str, str]]
) -> None:
    for now, before, taken in lived(watched, looks):
        is_asleep = before is not None and before.snoozed_until is not None and now < before.snoozed_until
        is_gone = before is not None and before.resolved_at is not None and now - before.resolved_at > CONTINUES
        if is_asleep and not is_gone:
            assert taken.telling is None or not taken.telling.is_heard


@given(RULES, LOOKS)
def test_no_escalation_comes_twice_and_none_after_an_answer(
    watched: Rule[None], looks: list[tuple[int, float | None | str, str]]
) -> None:
    levels: dict[str, list[int]] = {}
    for _, before, taken in lived(watched, looks):
        if taken.telling is Telling.ESCALATED and before is not None and taken.alert is not None:
            levels.setdefault(before.id, []).append(taken.alert.escalated)
            assert before.seen_by == ""
            assert taken.alert.rank == min(RANKS[before.severity] + 1, 2)
    assert all(found == list(range(1, len(found) + 1)) for found in levels.values())
    assert all(len(found) <= MOST_ESCALATIONS for found in levels.values())


@given(RULES, LOOKS)
def test_sounds_keep_their_distance(watched: Rule[None], looks: list[tuple[int, float | None | str, str]]) -> None:
    """Nothing but an escalation, a rule's own pace, the end of somebody's snooze or another alert sounds sooner."""
    made = lived(watched, looks)
    woken = {now for now, before, _ in made if before is not None and before.state is AlertState.SNOOZED}
    first = {now for now, before, taken in made if taken.alert is not None and taken.alert.opened_at == now}
    fresh = {now for now, before, taken in made if before is not None and before.told_at is None}
    heard = sounds(made)
    for (earlier, _), (later, telling) in pairwise(heard):
        if telling is Telling.ESCALATED:
            assert watched.escalates is not None
            assert later - earlier >= watched.escalates  # and twice that, four times that
        elif later not in woken | first | fresh:
            assert later - earlier >= min(RESTS, watched.again or RESTS)


def test_the_pace_of_redrawing_is_longer_than_a_look() -> None:
    assert minutes(1) < REDRAWS < RESTS < CONTINUES
