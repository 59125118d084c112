"""/settings of one's own, and /users for the admin."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import time

import pytest

from bot.bulkheads import finish
from bot.command import Reply
from bot.dispatch import dispatch
from bot.message import Card, Request
from bot.people import People, Role, User
from bot.preferences import Preferences, preferences_of
from engine.model.events import EventKind
from tests.bot.rooms import PEOPLE, Visit, visit
from tests.desk import propose


def stored(here: Visit, name: str = "vic") -> Preferences:
    with here.world.store.read() as work:
        return preferences_of(work, name)


def settings(here: Visit, words: str = "", who: str = "web:vic") -> Card:
    return here.card(f"/settings {words}", who=who)


def test_everybody_sees_their_own_settings_and_the_desks_are_the_default() -> None:
    card = settings(visit())

    assert card.title == "Settings of vic"
    assert dict(card.facts) == {
        "Time zone": "America/New_York, now 10:00",
        "Quiet hours": "off",
        "Muted": "nothing",
        "Digest": "after the close, each day, week, month",
        "Cards": "full",
    }


def test_each_setting_is_kept_in_the_words_people_use() -> None:
    here = visit()

    for words in (
        "zone Europe/Berlin",
        "quiet 22:00-07:00",
        "mute trades, digest",
        "unmute digest",
        "compact",
        "digest 18:30",
        "weekly off",
    ):
        settings(here, words)

    assert stored(here) == Preferences(
        "Europe/Berlin", time(22), time(7), frozenset({"trades"}), True, time(18, 30), False
    )  # type: ignore[arg-type]
    assert dict(settings(here).facts) == {
        "Time zone": "Europe/Berlin, now 16:00",
        "Quiet hours": "22:00 to 07:00",
        "Muted": "trades",
        "Digest": "at 18:30, each day, month",
        "Cards": "compact",
    }
    settings(here, "reset")
    assert stored(here) == Preferences()


def test_slash_options_say_the_same() -> None:
    here = visit()
    options = (("setting", "zone"), ("value", "asia/tokyo"))

    finish(dispatch(here.room, Request("web:vic", "/settings", options=options)))

    assert stored(here).zone == "Asia/Tokyo"


def test_a_value_without_what_it_is_for_is_asked_about() -> None:
    here = visit()

    reply = finish(dispatch(here.room, Request("web:vic", "/settings", options=(("value", "Asia/Tokyo"),))))

    assert reply.cards[0].lines[0].startswith("Say what to set to “Asia/Tokyo”: zone, quiet, mute")


def test_every_button_of_the_card_does_what_it_says_and_draws_it_again() -> None:
    here = visit()
    pressed = [button.action for row in settings(here).buttons for button in row]

    for action in pressed:
        assert here.card(action=action, who="web:vic").title == "Settings of vic"

    assert stored(here) == Preferences(
        quiet_from=time(22), quiet_until=time(7), muted=frozenset(stored(here).muted), compact=True
    )
    assert len(stored(here).muted) == 7
    for row in settings(here).buttons:
        for button in row:
            here.card(action=button.action, who="web:vic")
    assert stored(here) == Preferences()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("zone Europe/Berln", "“Europe/Berln” is not a time zone. Did you mean Europe/Berlin?"),
        ("zone berln", "“berln” is not a time zone. Did you mean Berlin?"),
        ("zone", "Say which time zone, such as /settings zone Europe/Berlin."),
        ("zone ../../etc/passwd", "“../../etc/passwd” is not a time zone."),
        ("quiet nights", "“nights” are no hours: write from and until, such as 22:00-07:00, or off."),
        ("digest 25:00", "“25:00” is no time of the day; 00:00 to 23:59 are."),
        ("digest off", "“off” is no time of the day: write one such as /settings digest 18:30,"),
        ("quiet 25:00-07:00", "“25:00-07:00”: 25:00 is no time of the day; 00:00 to 23:59 are."),
        ("quiet 07:00-07:00", "“07:00-07:00” begins when it ends: write 22:00-07:00, or off for never quiet."),
        ("quiet", "Say from and until, such as /settings quiet 22:00-07:00, or /settings quiet off."),
        ("mute trade", "“trade” is no topic. Did you mean trades? There are proposals, trades, expiries"),
        ("mute", "Say what: proposals, trades"),
        ("compact please", "“please” is one word too many: /settings compact stands alone."),
        ("colour red", "setting: “colour” should be zone or quiet or mute"),
    ],
)
def test_a_mistake_says_what_to_write(words: str, sentence: str) -> None:
    here = visit()

    assert here.told(f"/settings {words}", who="web:vic").startswith(sentence)
    assert stored(here) == Preferences()


def test_a_city_alone_is_enough_where_only_one_zone_has_it() -> None:
    here = visit()

    settings(here, "zone new york")

    assert stored(here).zone == "America/New_York"


def test_who_comes_in_by_a_role_has_no_settings_and_is_told_why() -> None:
    here = visit()
    people = People((*PEOPLE.users, User("floor", Role.VIEWER, ("discord-role:5",))))
    request = Request("discord:77", "/settings compact", groups=("discord-role:5",))

    reply: Reply = finish(dispatch(replace(here.room, people=people), request))

    assert reply.cards[0].lines == (
        "You come in by “discord-role:5” and share the name floor with everybody who does: settings belong to one "
        "person. Ask an admin for an entry of your own in config.toml, with the id discord:77.",
    )
    assert stored(here, "floor") == Preferences()


def test_one_persons_settings_are_nobody_elses() -> None:
    here = visit()

    settings(here, "compact", who="web:vic")

    assert (stored(here, "vic").compact, stored(here, "tom").compact) == (True, False)


# What they change.


def test_answers_tell_the_time_where_the_person_is() -> None:
    here = visit()
    settings(here, "zone Europe/Berlin", who="web:ann")

    assert dict(here.card("/health").facts)["Desk time"] == "2026-06-15 16:00:00 CEST"
    assert dict(here.card("/health", who="web:vic").facts)["Desk time"] == "2026-06-15 10:00:00 ET"
    assert dict(here.card(action="refresh:/health").facts)["Desk time"] == "2026-06-15 16:00:00 CEST"
    settings(here, "zone Pacific/Auckland", who="web:ann")
    assert dict(here.card("/health").facts)["Desk time"] == "2026-06-16 02:00:00 NZST"


def test_a_card_that_everybody_sees_stays_as_the_desk_tells_it() -> None:
    here = visit()
    propose(here.world)
    settings(here, "zone Europe/Berlin", who="web:ann")
    settings(here, "compact", who="web:ann")
    full = here.card(action="show:A00001", who="web:tom")

    shown, changed = here.card(action="show:A00001"), here.card(action="half:A00001.1")

    assert len(shown.lines) < len(full.lines), "asked for by one person"
    assert any(line.startswith("For: ") for line in changed.lines), "drawn in place for all"


def test_settings_that_cannot_be_read_keep_nobody_from_halting() -> None:
    here = visit()
    for stored_text in ("{", '{"zone": "Mars/Base"}', '{"zone": "Mars/Base", "quiet_from": "00:00", '
                        '"quiet_until": "00:00", "muted": [], "compact": false}'):  # fmt: skip
        with here.world.store.begin() as work:
            work.set_setting("person:ann", stored_text, "ann", here.world.clock())

        assert here.card("/halt storm").title == "Entries halted"
        assert dict(here.card("/settings").facts)["Quiet hours"] == "off"


def test_users_lists_everybody_with_role_ids_and_last_act() -> None:
    here = visit()
    here.ask("/halt storm", who="discord:1")

    card = here.card("/users")

    assert card.title == "3 people on the list"
    assert card.lines[0].startswith("ann (admin): web:ann, discord:1. Last act 2026-06-15 10:00")
    assert card.lines[2] == "vic (viewer): web:vic. Has not acted yet."
    assert card.footer.startswith("People are changed in config.toml only")


def test_users_tells_who_was_turned_away_how_often_and_the_lines_that_let_them_in() -> None:
    here = visit()
    for _ in range(5):
        here.ask("/positions", who="discord:666")
    here.ask("/halt", who="web:vic")

    card = here.card("/users")

    assert any(line.startswith("Turned away: discord:666, 5 times, last 2026-06-15 10:00") for line in card.lines)
    assert "Turned away as web:vic, once" in card.lines[2]
    start = card.lines.index("[[users]]")
    added = tomllib.loads("\n".join(card.lines[start : start + 4]))
    assert added == {"users": [{"name": "NAME", "role": "viewer", "ids": ["discord:666"]}]}


def test_who_has_no_id_to_be_let_in_by_is_counted_and_no_line_is_made_up() -> None:
    here = visit()
    here.ask("/positions", who="")
    here.ask("/positions", who='discord:1"]\nrole = "admin')

    lines = here.card("/users").lines

    assert len([line for line in lines if line.startswith("Turned away: ")]) == 2
    assert "[[users]]" not in lines


def test_what_was_denied_before_a_restart_is_still_told() -> None:
    here = visit()
    here.ask("/positions", who="discord:666")
    again = replace(here.room, denials=type(here.room.denials)())

    card = finish(dispatch(again, Request("web:ann", "/users"))).cards[0]

    assert any(line.startswith("Turned away: discord:666, once") for line in card.lines)


def test_what_was_denied_weeks_ago_is_not() -> None:
    here = visit()
    here.ask("/positions", who="discord:666")
    here.world.clock.advance(days=8)

    assert not any("discord:666" in line for line in here.card("/users").lines)


def test_only_an_admin_sees_who_is_on_the_list() -> None:
    here = visit()

    assert "/users needs the role admin" in here.told("/users", who="web:tom")
    assert [event.subject for event in here.events(EventKind.DENIED)] == ["web:tom"]
