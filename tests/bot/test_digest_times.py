"""A digest comes to one person's chat at the time they chose, once, whatever clocks, platforms and restarts do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from alerts.routes import Channels, Topic
from bot import digest_times, words
from bot.preferences import Preferences, preferences_of
from engine import digests
from engine.model.events import EventKind
from tests.bot.test_deliver import BEN, CHAT, Chat, Scene, scene

MONDAY = date(2026, 6, 15)
BERLIN = Preferences("Europe/Berlin", digest_at=time(18, 30))


def look(at: Scene, moment: datetime | None = None) -> None:
    """What a live desk does again and again: end what has ended, deliver what is due."""
    if moment is not None:
        at.here.world.clock.set(moment)
    digests.end_once(at.room.desk)
    at.pump()
    digest_times.send_due(at.room.desk, at.room.people, Channels(at.destinations, {}))
    at.pump()


def closed(at: Scene, day: date = MONDAY) -> datetime:
    """When the numbers of a session are taken."""
    return at.room.desk.sessions.close(day) + timedelta(minutes=15)


def both(wishes: Preferences = BERLIN) -> Scene:
    """The desk's channel and ben's private chat, with his wishes."""
    at = scene(CHAT, BEN)
    at.prefers("ben", wishes)
    return at


def test_without_a_time_of_its_own_a_private_chat_has_it_after_the_close() -> None:
    at = both(Preferences("Europe/Berlin"))
    look(at, closed(at))
    look(at, closed(at) + timedelta(days=1, hours=-8))
    assert at.chat.titles("77") == ["Digest Mon 15 Jun 26"]


def test_at_a_time_of_its_own_it_comes_then_and_once_while_the_channel_has_it_after_the_close() -> None:
    at = both()
    look(at, closed(at))
    assert (at.chat.titles("5"), at.chat.titles("77")) == (["Digest Mon 15 Jun 26"], [])
    look(at, datetime(2026, 6, 16, 16, 29, tzinfo=UTC))
    assert at.chat.titles("77") == []
    for minute in (30, 31, 59):
        look(at, datetime(2026, 6, 16, 16, minute, tzinfo=UTC))
    assert at.chat.titles("77") == ["Digest Mon 15 Jun 26"]
    assert at.chat.titles("5") == ["Digest Mon 15 Jun 26"]


def test_early_in_the_morning_of_tokyo_it_tells_the_session_that_ended_that_night() -> None:
    at = both(Preferences("Asia/Tokyo", digest_at=time(7)))
    look(at, closed(at))
    look(at, datetime(2026, 6, 15, 22, tzinfo=UTC))
    assert at.chat.titles("77") == ["Digest Mon 15 Jun 26"]


def test_an_early_close_is_told_that_same_evening() -> None:
    at = both(BERLIN)
    thursday = datetime(2026, 11, 26, 16, 30, tzinfo=UTC)
    look(at, thursday)
    friday = closed(at, date(2026, 11, 27))
    assert friday == datetime(2026, 11, 27, 18, 15, tzinfo=UTC)
    look(at, friday)
    seven = replace_clock(at, time(19, 30))
    look(at, seven)
    assert at.chat.titles("77")[-2:] == ["Digest Fri 27 Nov 26", "Week of Mon 23 Nov 26"]


def replace_clock(at: Scene, clock: time) -> datetime:
    """Another time of the day in Berlin, and when that is on the day after Thanksgiving."""
    at.prefers("ben", Preferences("Europe/Berlin", digest_at=clock))
    return datetime(2026, 11, 27, clock.hour - 1, clock.minute, tzinfo=UTC)


@pytest.mark.parametrize("wishes", [
    Preferences("Europe/Berlin", digest_at=time(2, 30)),
    Preferences("America/New_York", digest_at=time(1, 30)),
    Preferences("Australia/Lord_Howe", digest_at=time(2, 15)),
], ids=lambda wishes: wishes.zone)  # fmt: skip
def test_over_the_nights_the_clocks_go_back_each_session_comes_once(wishes: Preferences) -> None:
    """Berlin on 25 October, New York on 1 November 2026: hours that there are twice."""
    at = both(wishes)
    moment, last = datetime(2026, 10, 23, 19, tzinfo=UTC), datetime(2026, 11, 4, 19, tzinfo=UTC)
    while moment < last:
        look(at, moment)
        moment += timedelta(minutes=30)
    sessions = at.room.desk.sessions.between(date(2026, 10, 23), date(2026, 11, 3))
    told = [title for title in at.chat.titles("77") if title.startswith("Digest")]
    assert told[-len(sessions) :] == [f"Digest {words.day(day)}" for day in sessions]
    assert len(told) == len(set(told))


def test_what_waited_for_a_platform_beyond_its_time_comes_once_when_it_is_back() -> None:
    at = both(BERLIN)

    class Away(Chat):
        async def post(self, *_: object) -> None:  # type: ignore[override]
            raise ConnectionError("away")

    back, at.chat = at.chat, Away()
    look(at, closed(at))
    look(at, datetime(2026, 6, 16, 16, 30, tzinfo=UTC))
    at.chat = back
    for hour in (17, 18, 19):
        look(at, datetime(2026, 6, 16, hour, tzinfo=UTC))
    assert at.chat.titles("77") == ["Digest Mon 15 Jun 26"]
    assert at.chat.titles("5") == ["Digest Mon 15 Jun 26"]


def test_a_desk_that_was_down_at_their_time_sends_it_when_it_is_back() -> None:
    at = both(BERLIN)
    look(at, closed(at))
    look(at, datetime(2026, 6, 16, 19, 45, tzinfo=UTC))
    assert at.chat.titles("77") == ["Digest Mon 15 Jun 26"]


def test_another_time_chosen_after_it_came_brings_it_no_second_time() -> None:
    at = both(Preferences())
    look(at, closed(at))
    at.prefers("ben", Preferences("America/New_York", digest_at=time(17)))
    look(at, closed(at) + timedelta(hours=1))
    assert at.chat.titles("77") == ["Digest Mon 15 Jun 26"]


def test_weeks_and_months_come_unless_they_are_not_wanted() -> None:
    friday = date(2026, 7, 31)
    told = {}
    for wishes in (Preferences(), Preferences(weekly=False), Preferences(monthly=False)):
        at = both(wishes)
        look(at, closed(at, friday))
        told[wishes.weekly, wishes.monthly] = at.chat.titles("77")
    assert told == {
        (True, True): ["Digest Fri 31 Jul 26", "Week of Mon 27 Jul 26", "July 2026"],
        (False, True): ["Digest Fri 31 Jul 26", "July 2026"],
        (True, False): ["Digest Fri 31 Jul 26", "Week of Mon 27 Jul 26"],
    }


def test_a_muted_topic_stays_muted_at_every_time() -> None:
    at = both(Preferences("Europe/Berlin", digest_at=time(18, 30), muted=frozenset({Topic.DIGEST})))
    look(at, closed(at))
    look(at, datetime(2026, 6, 16, 16, 30, tzinfo=UTC))
    assert at.chat.titles("77") == []


@pytest.mark.parametrize(("value", "kept"), [("18:30", time(18, 30)), ("7", time(7)), ("close", None)])
def test_people_choose_their_time_in_words(value: str, kept: time | None) -> None:
    at = both(Preferences(digest_at=time(12)))
    at.here.card(f"/settings digest {value}")
    with at.room.desk.store.read() as work:
        assert preferences_of(work, "ann").digest_at == kept


def test_what_is_no_time_is_refused_with_an_example() -> None:
    at = scene()
    assert "/settings digest 18:30" in at.here.told("/settings digest soon")
    assert "neither on nor off" in at.here.told("/settings weekly maybe")
    assert at.here.events(EventKind.DIGEST_READY) == ()
