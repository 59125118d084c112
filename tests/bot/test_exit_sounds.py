"""A stop that fires, as people hear it: one sound for it and its fill, and one for a stop that does not get done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from alerts import alerting, gathering, outbox
from alerts.routes import Channels, Topic, routes
from alerts.rules import RULES
from bot.bulkheads import finish
from bot.deliver import Postman
from bot.preferences import Preferences, save
from engine import alarms, orders, standing
from engine.sessions import NEW_YORK
from tests.bot.rooms import Visit, visit
from tests.bot.test_deliver import BEN, PEOPLE, Chat
from tests.desk import Fault
from tests.engine.exit_cases import calls, look

GROUP, WARNED, WOKEN = "5", "6", "7"
CHANNELS = Channels((f"chat:{GROUP}", BEN), {}, urgent=(f"chat:{WOKEN}",), warning=(f"chat:{WARNED}",))


def room() -> Visit:
    here = visit()
    with here.world.store.begin() as work:
        work.save_position(calls())
    return replace(here, room=replace(here.room, people=PEOPLE))


@dataclass
class Scene:
    """Four calls with a stop, and the chats in which people hear of it."""

    here: Visit = field(default_factory=room)
    chat: Chat = field(default_factory=Chat)

    def falls(self, seconds: float = 10) -> list[tuple[str, str, bool]]:
        """Some seconds later the calls are far below their stop: what is posted of it."""
        look(self.here.world, "1.40", "1.50", seconds)
        return self.posted()

    def minute(self) -> list[tuple[str, str, bool]]:
        """A minute later the exits look, and the alert rules."""
        look(self.here.world, "1.40", "1.50", 60)
        standing.refresh_account(self.here.world.desk)
        alerting.look(self.here.world.desk, RULES, gathering.gather(self.here.world.desk))
        return self.posted()

    def filled(self, order: str = "P00001.stop.1.1") -> list[tuple[str, str, bool]]:
        self.here.world.broker.fill(order)
        orders.reconcile(self.here.world.desk)
        return self.posted()

    def posted(self) -> list[tuple[str, str, bool]]:
        """What the chats get now: where, which card, and whether it makes a sound."""
        desk, before = self.here.world.desk, len(self.chat.posted)
        postman = Postman(self.here.room, {"chat": self.chat})
        finish(outbox.pump(desk.store, desk.now, lambda event: routes(event, CHANNELS), postman))
        return [(where, card.title, not manner.silent) for where, card, manner in self.chat.posted[before:]]

    def wishes(self, **more: object) -> None:
        """What ben wants in his own chat."""
        with self.here.world.store.begin() as work:
            save(work, "ben", Preferences(NEW_YORK.key, **more), "ben", self.here.world.clock())  # type: ignore[arg-type]


def test_a_stop_is_heard_once_where_warnings_go_and_its_fill_is_told_there_in_silence() -> None:
    at = Scene()

    fired = at.falls() or at.falls()
    done = at.filled()

    places = sorted(("5", "77", WARNED))
    assert sorted(fired) == [(where, "Closing XYZ: stop", True) for where in places]
    assert sorted(done) == [(where, "Closed: XYZ long call", False) for where in places]
    card = at.chat.posted[0][1]
    assert card.lines == ("Stop: worth 1.45 a share",)
    assert card.facts == (("Quantity", "4 × long call"), ("Limit", "credit 1.45"))


def test_a_stop_is_there_in_quiet_hours_without_waking_anybody_and_wakes_who_has_to_act() -> None:
    at, now = Scene(), visit().world.clock().astimezone(NEW_YORK)
    at.wishes(quiet_from=(now - timedelta(hours=1)).time(), quiet_until=(now + timedelta(hours=1)).time())
    fired = at.falls() or at.falls()
    hard = Scene()
    hard.wishes(quiet_from=(now - timedelta(hours=1)).time(), quiet_until=(now + timedelta(hours=1)).time())
    hard.here.world.broker.faults = [Fault.REFUSE]
    failed = hard.falls() or hard.falls()

    assert ("77", "Closing XYZ: stop", False) in fired
    assert ("77", "URGENT: An exit of XYZ is not getting done", True) in failed


def test_a_stop_that_fails_again_and_again_is_one_card_and_its_end_is_heard() -> None:
    at = Scene()
    at.here.world.broker.faults = [Fault.REFUSE] * 4

    first = at.falls() or at.falls()
    later = [at.falls(301) for _ in range(3)]
    assert at.falls(301) == []
    done = at.filled("P00001.stop.5.1")

    assert {title for _, title, _ in first} == {"URGENT: An exit of XYZ is not getting done"}
    assert later == [[], [], []]
    assert sorted(done) == [(where, "Closed: XYZ long call", True) for where in sorted(("5", "77", WARNED))]


def test_what_was_over_before_a_chat_was_reached_is_one_sound_there() -> None:
    at = Scene()
    at.here.world.broker.faults = [Fault.REFUSE]
    for seconds in (10, 10, 301):
        look(at.here.world, "1.40", "1.50", seconds)

    told = sorted(at.filled("P00001.stop.2.1"))

    assert [each for each in told if each[0] == GROUP] == [
        (GROUP, "Closed: XYZ long call", True),
        (GROUP, "Done: XYZ", False),
    ]
    assert [each for each in told if each[0] == WOKEN] == [(WOKEN, "Done: XYZ", False)]


def test_a_stop_that_fails_on_another_day_is_heard_once_more_and_so_is_its_end() -> None:
    at = Scene()
    at.here.world.broker.faults = [Fault.REFUSE] * 3
    at.falls() or at.falls()

    again = at.falls(24 * 3600)
    later = at.falls(301)
    assert at.falls(301) == []
    done = at.filled("P00001.stop.4.1")

    places = sorted(("5", "77", WARNED, WOKEN))
    assert sorted(again) == [(where, "URGENT: An exit of XYZ is not getting done", True) for where in places]
    assert later == []
    assert ("5", "Closed: XYZ long call", True) in done


def test_whoever_taps_seen_on_the_alarm_stops_the_ringing_and_is_named_on_it() -> None:
    at = Scene()
    at.here.world.broker.faults = [Fault.REFUSE] * 30
    at.falls() or at.falls()

    card = at.here.card("/seen P00001")
    rung = [at.minute() for _ in range(30)]

    assert card.title == "URGENT: An exit of XYZ is not getting done"
    assert dict(card.facts)["Seen by"].startswith("ann, ")
    assert [button.label for row in card.buttons for button in row] == ["Retry", "Position", "Close"]
    assert {each for told in rung for each in told if each[2]} == set()
    assert at.here.told("/seen P00001") == "The alarm of P00001 was answered already, by ann."


def test_whoever_taps_seen_on_one_of_many_alarms_has_answered_that_one_alone() -> None:
    here = Scene().here
    with here.world.store.begin() as work:
        for number in range(1, 5):
            position = replace(calls(), id=f"P0000{number}")
            work.save_position(position)
            alarms.tell(here.world.desk, work, position, "the broker refuses it")
    alerting.look(here.world.desk, RULES, gathering.gather(here.world.desk))

    for number in (1, 3):
        here.card(f"/seen P0000{number}")

    with here.world.store.read() as work:
        seen = {alert.subject: alert.seen_by for alert in work.open_alerts() if alert.rule == "exit_failed"}
    assert seen == {"P00001": "ann", "P00002": "", "P00003": "ann", "P00004": ""}


def test_an_alarm_that_nobody_answers_rings_after_longer_and_longer() -> None:
    at = Scene()
    at.here.world.broker.faults = [Fault.REFUSE] * 30
    at.falls() or at.falls()

    rung = [minute for minute in range(70) if ("7", "URGENT: Exit not done: XYZ", True) in at.minute()]

    assert rung == [2, 6, 14, 30, 62]


def test_nothing_in_trouble_is_seen_by_nobody() -> None:
    assert Scene().here.told("/seen P00001") == "Nothing of P00001 is in trouble any more."


def test_who_closes_by_hand_hears_the_fill() -> None:
    at = Scene()
    look(at.here.world, "2.20", "2.30")
    at.here.card("/close P00001")
    at.posted()

    assert ("5", "Closed: XYZ long call", True) in at.filled("P00001.manual.1.1")


def test_who_wants_to_hear_nothing_of_trades_is_told_of_a_stop_in_the_group_alone() -> None:
    at = Scene()
    at.wishes(muted=frozenset({Topic.TRADES}))

    assert {where for where, *_ in at.falls() or at.falls()} == {GROUP, WARNED}
