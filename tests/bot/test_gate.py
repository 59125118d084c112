"""Who may, and when it is too late: denials that are counted, acts that were on their way for too long."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest

from bot.bulkheads import finish
from bot.catalogue import ALL, COMMANDS
from bot.command import Reply
from bot.completion import complete
from bot.denials import MOST, Denials
from bot.dispatch import dispatch
from bot.forms import form_for
from bot.message import Card, Request, as_text
from bot.people import People, Role, User
from engine import halts
from engine.model.events import EventKind
from engine.model.limits import ApprovalRules
from engine.model.trade import ApprovalStatus
from tests import make
from tests.bot.rooms import Visit, visit
from tests.desk import propose
from tests.engine.exit_cases import calls, quote

SOURCES = count(1)


def proposed() -> Visit:
    here = visit()
    propose(here.world)
    return here


def holding() -> Visit:
    """P00001 is held and priced."""
    here = visit()
    with here.world.store.begin() as work:
        work.save_position(calls())
    quote(here.world, "2.20", "2.30")
    return here


def late(here: Visit, text: str = "", action: str = "", seconds: float = 180, **more: object) -> Reply:
    request = Request("web:ann", text, action, str(more.pop("source", f"late:{next(SOURCES)}")), age=seconds, **more)  # type: ignore[arg-type]
    return finish(dispatch(here.room, request))


def actions(card: Card) -> list[str]:
    return [button.action for row in card.buttons for button in row]


def status(here: Visit) -> ApprovalStatus:
    with here.world.store.read() as work:
        return work.approval("A00001").status


# Age.


def test_a_close_that_comes_late_is_not_carried_out_and_one_button_does_it_now() -> None:
    here = holding()

    reply = late(here, "/close P00001 1")

    assert (reply.error, here.world.broker.posts) == ("too old", [])
    card = reply.cards[0]
    assert card.lines == (
        "“/close P00001 1” took 3 min to get here, and what acts may take 60 s at most: "
        "the market may have moved on. Nothing was done.",
        "If you still want it, the button does it now.",
    )
    (again,) = actions(card)
    assert again == "close:P00001 1"
    assert here.card(action=again).title == "Closing P00001"
    assert len(here.world.broker.posts) == 1


def test_a_late_act_is_in_the_audit_trail_with_the_trade_it_was_about() -> None:
    here = proposed()

    late(here, action="approve:A00001.1")

    (refused,) = here.events(EventKind.REFUSED)
    assert (refused.actor, refused.correlation) == ("ann", "A00001")
    assert "took 3 min" in str(refused.data["why"])
    assert not here.events(EventKind.COMMAND)


def test_what_is_as_old_as_it_may_be_is_carried_out() -> None:
    here = proposed()

    assert late(here, action="approve:A00001.1", seconds=60).is_ok
    assert status(here) is ApprovalStatus.APPROVED


def test_an_update_that_was_done_in_time_and_comes_again_late_offers_nothing() -> None:
    here = holding()
    here.ask("/close P00001 1", source="telegram:9")

    reply = late(here, "/close P00001 1", source="telegram:9")

    assert reply.cards == ()
    assert len(here.world.broker.posts) == 1


def test_a_late_update_that_comes_twice_is_answered_once() -> None:
    here = holding()

    replies = [late(here, "/close P00001", source="telegram:9") for _ in range(2)]

    assert [len(reply.cards) for reply in replies] == [1, 0]
    assert len(here.events(EventKind.REFUSED)) == 1


def test_values_that_came_by_name_are_in_the_button() -> None:
    here = proposed()

    reply = late(here, action="myprice:A00001.1", options=(("price", "1.05"),))

    (again,) = actions(reply.cards[0])
    assert again == "myprice:A00001.1 price=1.05"
    assert here.card(action=again).footer == "A00001, version 2"


@pytest.mark.parametrize("text", [f"/setlimit daily_loss {'0' * 60}2%", '/setlimit "daily loss" 2%'])
def test_what_no_button_can_carry_is_to_be_sent_again(text: str) -> None:
    reply = late(visit(), text)

    assert actions(reply.cards[0]) == []
    assert reply.cards[0].lines[-1] == "If you still want it, send it again."


def test_what_leaves_the_account_no_less_safe_is_done_however_late_it_comes() -> None:
    here = proposed()

    done = [late(here, text, seconds=86_400) for text in ("/halt storm", "/panic freeze", "/lock AAPL", "/note late")]
    rejected = late(here, action="reject:A00001.1", seconds=86_400)

    assert [reply.is_ok for reply in (*done, rejected)] == [True] * 5
    assert status(here) is ApprovalStatus.REJECTED
    with here.world.store.read() as work:
        assert halts.current(work) is not None


def test_what_could_make_it_worse_is_never_safe_late() -> None:
    """The whole list, so that a new command has to be thought about."""
    assert {command.name for command in ALL if command.is_safe_late} == {
        "disable", "halt", "lock", "note", "note_on", "panic", "reject", "revoke", "settings", "stop_work",
    }  # fmt: skip


def test_a_look_is_answered_at_any_age() -> None:
    assert late(visit(), "/positions", seconds=3_600).is_ok


def test_a_late_act_of_a_viewer_is_denied_like_any_other() -> None:
    here = proposed()

    reply = finish(dispatch(here.room, Request("web:vic", action="approve:A00001.1", age=3_600)))

    assert reply.error == "not allowed"


# Denials.


def test_a_stranger_who_hammers_leaves_one_line_and_its_count_later(capsys: pytest.CaptureFixture[str]) -> None:
    here = visit()

    for number in range(50):
        here.ask(f"/close P{number:05d}", who="discord:666")
    here.world.clock.advance(minutes=10)
    here.ask("/positions", who="web:vic")
    here.ask("/positions", who="discord:666")

    told = [(event.subject, event.data["raw"], event.data["times"]) for event in here.events(EventKind.DENIED)]
    assert told == [
        ("discord:666", "/close P00000", 1),
        ("discord:666", "/close P00049", 49),
        ("discord:666", "/positions", 1),
    ]
    printed = capsys.readouterr()
    assert (printed.out + printed.err).count("command.denied") == 51, "nothing goes unlogged"


def test_what_one_stranger_left_untold_is_written_with_the_next_try_of_another() -> None:
    here = visit()
    for _ in range(3):
        here.ask("/help", who="discord:666")
    here.world.clock.advance(minutes=11)

    here.ask("/help", who="discord:777")

    told = [(event.subject, event.data["times"]) for event in here.events(EventKind.DENIED)]
    assert told == [("discord:666", 1), ("discord:666", 2), ("discord:777", 1)]


def test_a_person_on_the_list_has_a_line_for_each_thing_they_may_not() -> None:
    here = proposed()

    for action in ("approve:A00001.1", "approve:A00001.1", "reject:A00001.1", "resume:"):
        here.ask(action=action, who="web:vic")

    assert [event.data["raw"] for event in here.events(EventKind.DENIED)] == [
        "approve:A00001.1", "reject:A00001.1", "resume:",
    ]  # fmt: skip


def test_thousands_of_strangers_do_not_fill_the_trail_or_the_memory() -> None:
    denials = Denials()

    lines = [denials.count(f"discord:{n}", "", "/help", "no", make.NOW) for n in range(5 * MOST)]

    assert sum(map(len, lines)) == MOST + 1
    assert [(tries.identity, tries.times) for tries in denials.untold()] == [("others", 4 * MOST - 1)]


def test_tries_from_many_threads_are_counted_once_each() -> None:
    denials = Denials()

    with ThreadPoolExecutor(8) as threads:
        tries = [threads.submit(denials.count, f"discord:{n % 3}", "", "/help", "no", make.NOW) for n in range(3_000)]
    written = [line for each in tries for line in each.result()]

    assert len(written) == 3
    assert sum(each.times for each in (*written, *denials.untold())) == 3_000


def test_a_stranger_hears_nothing_of_what_they_sent() -> None:
    told = visit().ask("/<b>@everyone</b> evil", who="discord:666").cards[0]

    assert "everyone" not in as_text(told)


def test_completion_of_a_stranger_is_counted_and_answers_nothing() -> None:
    here = visit()

    found = [complete(here.room, "discord:666", line) for line in ("/", "/close ", "/close P")]

    assert found == [(), (), ()]
    assert [event.subject for event in here.events(EventKind.DENIED)] == ["discord:666"]
    assert sum(tries.times for tries in here.room.denials.untold()) == 2


def test_completion_of_what_a_viewer_may_not_is_counted_as_that() -> None:
    here = holding()

    assert complete(here.room, "web:vic", "/close ") == ()
    assert "/close needs the role trader" in str(here.events(EventKind.DENIED)[0].data["why"])


def test_a_role_of_the_server_opens_completion_and_forms() -> None:
    here = visit()
    people = People((User("floor", Role.TRADER, ("discord-role:5",)),))
    room = replace(here.room, people=people)

    assert complete(room, "discord:9", "/can", ("discord-role:5",))
    assert form_for(room, "discord:9", ("discord-role:5",), "myprice:A00001.1") is not None
    assert form_for(room, "discord:9", (), "myprice:A00001.1") is None


# Refreshing.


def test_every_look_at_something_that_changes_can_be_refreshed() -> None:
    here = visit()
    here.world.market.set_snapshot(make.snapshot())

    card = here.card("/chart XYZ 60")

    assert actions(card)[-1] == "refresh:/chart XYZ 60"
    assert here.card(action=actions(card)[-1]) == card


def test_values_given_by_name_are_refreshed_with_it() -> None:
    here = visit()
    here.world.market.set_snapshot(make.snapshot())
    options = (("ticker", "XYZ"), ("sessions", "60"))

    reply = finish(dispatch(here.room, Request("web:ann", "/chart", options=options)))

    assert actions(reply.cards[0])[-1] == "refresh:/chart ticker=XYZ sessions=60"
    assert here.card(action=actions(reply.cards[0])[-1]) == reply.cards[0]


@pytest.mark.parametrize("text", ["/positions", "/health", "/account", "/quote XYZ"])
def test_a_card_has_one_refresh_button(text: str) -> None:
    here = visit()
    here.world.market.set_snapshot(make.snapshot())

    labels = [button.label for row in here.card(text).buttons for button in row]

    assert labels.count("Refresh") == 1


def test_no_refresh_where_it_would_not_fit_act_or_change_anything() -> None:
    here = visit()
    here.world.market.set_snapshot(make.snapshot())
    asked = ["/help", "/whoami", "/halt storm", "/nonsense", f"/scan wheel {' '.join(['XYZ'] * 15)}"]

    cards = [here.ask(text).cards[0] for text in asked]

    assert [button.label for card in cards for row in card.buttons for button in row if button.label == "Refresh"] == []


# Private answers.


def test_what_tells_of_the_account_or_of_a_person_is_for_the_asker_alone() -> None:
    told = {"account", "pnl", "risk", "digest", "positions", "position", "orders", "wheel", "agenda", "envelopes",
            "limits", "audit", "whoami", "health", "adoptions", "settings", "users", "setup", "baseline",
            "strategies"}  # fmt: skip

    assert [name for name in told if not COMMANDS[name].is_private] == []
    assert not any(COMMANDS[name].is_private for name in ("proposals", "quote", "approve", "help", "scan"))


# Second approver.


def test_two_people_of_one_group_are_never_two_approvers() -> None:
    here = visit(rules=ApprovalRules(nets=False, second_approver_above=make.D(8000)))
    propose(here.world)
    people = People((User("floor", Role.TRADER, ("discord-role:5",)), User("tom", Role.TRADER, ("web:tom",))))
    here = Visit(here.world, replace(here.room, people=people), here.sources)

    def tap(identity: str) -> Reply:
        return finish(dispatch(here.room, Request(identity, action="approve:A00001.1", groups=("discord-role:5",))))

    first, second = tap("discord:1"), tap("discord:2")

    assert first.cards[0].lines[0].startswith("floor has approved. Another name must approve too")
    assert second.cards[0].lines[0] == "floor has approved already; this much risk needs another name as well."
    assert here.world.broker.posts == []
    assert finish(dispatch(here.room, Request("web:tom", action="approve:A00001.1"))).is_ok
    assert here.world.broker.posts == ["A00001.1.1"]
