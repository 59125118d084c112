"""Alerts in chats: where and how loud a card comes, what it says, and what taps and commands do."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest

from alerts import alerting
from alerts.routes import Topic
from bot.cards.alerts import HEALTH, HELPS, VARIED, alert_card, history_card, list_card
from bot.catalogue import COMMANDS
from bot.message import Card, Tone, as_text, table_text
from bot.preferences import Preferences
from engine.model.alerts import Alert, AlertState
from engine.model.events import EventKind, Severity
from tests import make
from tests.alerted import Watched, alert, many, rule, waiting_alert
from tests.bot.rooms import Visit, visit
from tests.bot.test_deliver import BEN, Scene, scene

PHONE = 34
LATER = make.NOW + timedelta(hours=1)


def over(told: Alert, minutes: float = 12) -> Alert:
    return replace(told, state=AlertState.RESOLVED, resolved_at=told.since + timedelta(minutes=minutes))


def actions(card: Card) -> list[str]:
    return [button.action for row in card.buttons for button in row]


def watching(at: Scene, **more: object) -> Watched:
    """A rule that is looked at on the desk of the scene, warned of after ten minutes without an answer."""
    return Watched((rule(escalates=timedelta(minutes=10), **more),), at.here.world)


def looked(at: Scene, here: Watched, value: float | None, minutes: float = 1) -> None:
    here.look({"XYZ": value} if value is not None else {}, minutes)
    at.pump()


# What it says.


def test_a_card_names_what_is_near_since_when_and_what_can_be_done() -> None:
    card = alert_card((alert(),), "PAPER")

    assert (card.title, card.tone, card.key) == ("Stop near: XYZ", Tone.WARNING, "alert:N00012")
    assert "12 % of the way to the stop is left" in card.lines[0]
    assert card.facts == (("Since", "2026-06-15 09:45 ET"),)
    assert actions(card) == ["seen:N00012", "position:P00001", "snooze:N00012 60", "until_open:N00012"]
    assert card.sounded == 1


def test_an_urgent_one_says_so_and_one_that_is_over_says_how_long_it_was() -> None:
    urgent = alert(severity=Severity.URGENT)

    assert alert_card((urgent,), "PAPER").title == "URGENT: Stop near: XYZ"
    card = alert_card((over(urgent),), "PAPER")
    assert (card.title, card.tone, actions(card), card.sounded) == ("Over: Stop near: XYZ", Tone.GOOD, [], 0)
    assert card.lines[0].startswith("It is over after 12 min.")


def test_one_whose_subject_is_gone_is_over_without_its_last_alarming_words() -> None:
    card = alert_card((over(alert(words="")),), "PAPER")

    assert card.lines == ("It is over after 12 min. What it was about is no longer there.",)


def test_a_job_that_was_missed_is_one_tap_away() -> None:
    missed = alert(rule="job_missed", title="Job missed", subject="scan wheel", ticker="")

    assert "jobs:scan wheel" in actions(alert_card((missed,), "PAPER"))


def test_an_escalated_one_says_for_how_long_nobody_has_answered() -> None:
    told = alert(escalated=1, severity=Severity.URGENT, told_at=make.NOW - timedelta(minutes=5))

    assert "Nobody has answered for 10 min: told again, louder." in alert_card((told,), "PAPER").lines


def test_who_looks_after_it_and_until_when_it_sleeps_stands_on_the_card() -> None:
    seen = alert(seen_by="tom", seen_at=make.NOW)
    asleep = replace(seen, state=AlertState.SNOOZED, snoozed_until=LATER, snoozed_by="ann")

    assert ("Seen by", "tom, 10:00:00 ET") in alert_card((seen,), "PAPER").facts
    assert ("Asleep until", "2026-06-15 11:00 ET, by ann") in alert_card((asleep,), "PAPER").facts
    assert actions(alert_card((seen,), "PAPER")) == ["snooze:N00012 60", "until_open:N00012", "position:P00001"]
    assert actions(alert_card((asleep,), "PAPER")) == ["position:P00001"]
    assert {alert_card((each,), "PAPER").sounded for each in (seen, asleep)} == {0}


def test_what_went_on_as_something_worse_is_not_called_over() -> None:
    card = alert_card((replace(over(alert()), taken_by="N00013"),), "PAPER")

    assert card.title == "Gone further: Stop near: XYZ"
    assert card.lines == ("It goes on as N00013: what it was about has got worse.",)


def test_what_an_event_told_already_is_silent_and_says_so() -> None:
    card = alert_card((alert(told_by="E00001", sounded=0),), "PAPER")

    assert card.sounded == 0
    assert "It was told by a card of its own already; here it can be answered." in card.lines


def test_many_on_one_card_are_a_table_that_fits_a_phone() -> None:
    told = [alert(f"N{n:05}", ticker=f"ABCDEFGHIJKLMNOPQRS{n}", card="N00000") for n in range(20)]
    card = alert_card((*told[:5], *map(over, told[5:])), "PAPER")

    assert card.title == "Stop near: 5 at once"
    lines = table_text(card.tables[0]).splitlines()
    assert max(map(len, lines)) <= PHONE
    assert lines[-1] == "and 8 more"
    assert [line.split()[-1] for line in lines[1:6]] == ["open"] * 5


def test_a_card_of_many_gives_no_advice_that_is_for_one_of_them() -> None:
    same = [alert(f"N{n}", card="N0", advice="Close or roll it.") for n in range(4)]
    jobs = [alert(f"N{n}", card="N0", ticker="", subject=f"scan {n}", advice=f"/runjob scan {n}.") for n in range(4)]

    assert alert_card(same, "").lines == ("Close or roll it.",)
    assert alert_card(jobs, "").lines == (VARIED,)
    assert alert_card([jobs[0], *map(over, jobs[1:])], "").lines == ("/runjob scan 0.",)


def test_each_of_many_says_its_number_and_the_worst_comes_first() -> None:
    told = [alert(f"N{n}", subject=f"P{n}", ticker=name, value=value, figure=f"{(1 - value):.0%} left", card="N0")
            for n, (name, value) in enumerate((("XYZ", 0.88), ("AAPL", 0.97), ("XYZ", 0.91)))]  # fmt: skip
    seen = replace(told[1], seen_by="alexandra", seen_at=make.NOW)

    (table,) = alert_card((told[0], seen, told[2]), "PAPER").tables

    assert table.rows == (
        ("AAPL", "3% left", "✓ alexa…"),
        ("XYZ P2", "9% left", "open"),
        ("XYZ P0", "12% left", "open"),
    )


def test_the_lists_fit_a_phone() -> None:
    told = [
        alert(f"N{n:02}VAAC2J", ticker="BRK.B", severity=severity, since=make.NOW - timedelta(days=n, minutes=79))
        for n, severity in enumerate((*Severity, *Severity))
    ]
    asleep = replace(told[0], state=AlertState.SNOOZED, snoozed_until=LATER, snoozed_by="ann")

    for card in (list_card((*told, asleep), make.NOW, "PAPER"), history_card((*told, over(told[0])), "PAPER")):
        assert all(len(line) <= PHONE for table in card.tables for line in table_text(table).splitlines())
        assert all(action.partition(":")[0] in COMMANDS for action in actions(card))


def test_a_list_keeps_the_name_that_tells_two_alerts_of_one_rule_apart() -> None:
    told = (
        alert("N00001", title="Exit not done", ticker="BRK.B", seen_by="tom"),
        alert("N00002", title="Job missed", rule="job_missed", ticker="", subject="scan wheel"),
        alert("N00003", title="Limit near", rule="limit_near", ticker="", subject="total risk"),
    )

    listed, before = list_card(told, make.NOW, "PAPER"), history_card(told, "PAPER")

    shown = {row[0]: row[1] for row in listed.tables[0].rows}
    assert shown == {"N00001": "✓ Exit not … BRK.B", "N00002": "Job missed wheel", "N00003": "Limit near total …"}
    assert before.tables[0].rows[0][1] == "✓ Exit n… BRK.B"
    assert [row[0].label for row in listed.buttons[:3]][1:] == ["Show Job missed wheel", "Show Limit near total risk"]
    assert listed.lines == before.lines == ("✓ somebody looks after it, z it is asleep.",)


@pytest.mark.parametrize(("label", "action"), [*HELPS.values(), HEALTH])
def test_every_button_that_helps_is_a_command(label: str, action: str) -> None:
    assert label
    assert action.partition(":")[0] in COMMANDS


# How it comes.


def test_an_alert_is_one_card_drawn_again_in_silence_and_its_end_is_told_there() -> None:
    at = scene()
    here = watching(at)

    looked(at, here, 1.1)
    looked(at, here, 1.2, minutes=6)
    looked(at, here, 0.5)

    ((_, posted, manner),) = at.chat.posted
    assert (posted.title, manner.silent, manner.urgent) == ("Stop near: XYZ", False, False)
    assert [(ref, card.title) for ref, card in at.chat.edited] == [
        ("m1", "Stop near: XYZ"),
        ("m1", "Over: Stop near: XYZ"),
    ]


def test_an_escalation_is_told_anew_and_loud_and_the_old_card_points_on() -> None:
    at = scene()
    here = watching(at)
    looked(at, here, 1.1)

    looked(at, here, 1.1, minutes=10)
    looked(at, here, 0.5)

    (_, _, first), (_, again, second) = at.chat.posted
    assert again.title == "URGENT: Stop near: XYZ"
    assert (first.urgent, second.urgent, second.silent) == (False, True, False)
    assert [(ref, card.lines[0], card.buttons) for ref, card in at.chat.edited[:1]] == [
        ("m1", "Told again below.", ()),
    ]
    assert [(ref, card.title) for ref, card in at.chat.edited[1:]] == [("m2", "Over: Stop near: XYZ")]


def test_an_escalation_that_waited_for_its_platform_is_loud_though_more_has_happened() -> None:
    at = scene()
    here = watching(at)
    looked(at, here, 1.1)

    here.look({"XYZ": 1.1}, minutes=10)
    here.look({"XYZ": 1.3}, minutes=6)
    at.pump()

    assert [(card.title, manner.silent) for _, card, manner in at.chat.posted[1:]] == [
        ("URGENT: Stop near: XYZ", False)
    ]


def test_what_somebody_answered_meanwhile_is_drawn_in_silence() -> None:
    at = scene()
    here = watching(at)
    here.look({"XYZ": 1.1})
    alerting.see(at.room.desk, "N00001", "ann")

    at.pump()

    ((_, card, manner),) = at.chat.posted
    assert (manner.silent, card.facts[-1][0]) == (True, "Seen by")


def test_good_news_and_what_was_told_already_make_no_sound() -> None:
    at = scene()
    here = Watched((rule("target_near", severity=Severity.INFO),), at.here.world)

    looked(at, here, 1.1)

    assert [manner.silent for _, _, manner in at.chat.posted] == [True]


def test_only_what_is_urgent_breaks_through_quiet_hours_and_a_muted_topic() -> None:
    at = scene(BEN)
    night = Preferences(quiet_from=time(9), quiet_until=time(12), muted=frozenset({Topic.DESK}))
    at.prefers("ben", night)
    here = Watched(
        (rule(escalates=timedelta(minutes=10)), rule("disk", escalates=timedelta(minutes=10))), at.here.world
    )

    here.look({"XYZ": 1.1}, disk={"": 1.1})
    at.pump()
    here.look({"XYZ": 1.1}, minutes=10, disk={"": 1.1})
    at.pump()

    assert [(card.title, manner.silent, manner.urgent) for _, card, manner in at.chat.posted] == [
        ("Stop near: XYZ", True, False),
        ("URGENT: Stop near: XYZ", False, True),
        ("URGENT: Disk", False, True),
    ]


def test_a_platform_that_is_down_is_not_told_so_on_itself() -> None:
    at = scene("chat:5", "down:7", down=scene().chat)
    here = Watched((rule("platform_down"),), at.here.world)

    here.look({"down": 1.0})
    at.pump()

    assert at.chat.titles() == ["Platform down: dow"]
    assert at.others["down"].posted == []  # type: ignore[attr-defined]


def test_a_storm_is_one_message() -> None:
    at = scene()
    here = watching(at)

    here.look(many(20))
    at.pump()

    assert at.chat.titles() == ["Stop near: 20 at once"]


# What people do.


def told() -> Visit:
    here = visit()
    waiting_alert(here.world)
    return here


@pytest.mark.parametrize("way", ["/seen N00012", "/seen n00012"])
def test_seen_is_a_command_too(way: str) -> None:
    here = told()

    card = here.card(way, who="web:tom")

    assert card.facts[-1] == ("Seen by", "tom, 10:00:00 ET")
    assert [event.actor for event in here.events(EventKind.ALERT_CHANGED)] == ["tom"]


def test_a_tap_on_a_stale_card_is_answered_in_words_and_with_the_card_as_it_is() -> None:
    here = told()
    here.card(action="seen:N00012", who="web:tom")

    reply = here.ask(action="seen:N00012")

    assert (reply.error, reply.cards[0].lines) == ("already decided", ("N00012 was answered already, by tom.",))
    assert ("Seen by", "tom, 10:00:00 ET") in reply.cards[1].facts


def test_a_snooze_of_an_hour_and_one_until_the_next_bell() -> None:
    here = told()

    hour = here.card(action="snooze:N00012 60")
    night = here.card(action="until_open:N00012")

    assert hour.facts[-1] == ("Asleep until", "2026-06-15 11:00 ET, by ann")
    assert night.facts[-1] == ("Asleep until", "2026-06-16 09:30 ET, by ann")


@pytest.mark.parametrize(
    ("words", "until"), [("5", "10:05"), ("90m", "11:30"), ("2h", "12:00"), ("2 h", "12:00"), ("1H", "11:00")]
)
def test_a_snooze_is_as_long_as_somebody_in_a_hurry_says(words: str, until: str) -> None:
    card = told().card(f"/snooze n00012 {words}")

    assert card.facts[-1] == ("Asleep until", f"2026-06-15 {until} ET, by ann")


def test_what_is_no_length_of_time_is_named_with_what_would_be_one() -> None:
    here = told()

    said = "minutes: “soon” is no length of time: write minutes, such as 90, or 2h."
    assert here.told("/snooze N00012 soon") == said
    assert here.told("/snooze p00001") == (
        "P00001 is a position: /seen P00001 answers its alarm, /alerts lists what can sleep."
    )
    assert here.told("/snooze N00012 2d") == "minutes: “2d” is too large, the most is 1440."


def test_a_viewer_may_look_and_not_answer() -> None:
    here = told()

    assert here.card("/alerts", who="web:vic").title == "1 alert open"
    assert here.ask(action="seen:N00012", who="web:vic").error == "not allowed"
    assert here.ask(action="snooze:N00012 60", who="web:vic").error == "not allowed"


def test_the_list_is_most_severe_first_and_shows_one_by_its_id() -> None:
    here = told()
    waiting_alert(here.world, id="N00013", severity=Severity.URGENT, title="Margin", ticker="")

    card = here.card("/alerts")

    assert [table.title for table in card.tables] == ["Urgent", "Warning"]
    assert here.card(action=actions(card)[0]).footer == "N00013"
    assert "Stop near XYZ" in as_text(here.card("/alerts history"))
    assert here.card("/alerts n00012").title == "Stop near: XYZ"


def test_nothing_is_open_and_nothing_is_called_so() -> None:
    here = visit()

    assert here.card("/alerts").title == "No alert is open"
    assert here.card("/alerts history").lines == ("There has been none yet.",)
    assert "There is no alert N00099" in here.told("/seen N00099")
    assert "There is no alert XX" in here.told("/alerts xx")


def test_the_words_of_an_alert_are_in_the_audit_trail_under_its_id() -> None:
    here = visit()
    watched = Watched((rule(),), here.world)
    (open_one,) = watched.look({"XYZ": 1.1})
    here.card(f"/seen {open_one.id}")

    story = as_text(here.card(f"/audit {open_one.id}"))

    assert "XYZ is at 1.1." in story
    assert f"/seen {open_one.id}" in story
