"""Every command and button, from everybody, by every way in: who may, who may not, and what makes no sense.

The table is made of the catalogue, so that a new command cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

import pytest

from bot.bulkheads import finish
from bot.catalogue import ALL, COMMANDS
from bot.command import Command, Reply
from bot.completion import complete
from bot.dispatch import dispatch
from bot.forms import form_for
from bot.message import Request, as_text
from bot.people import People, Role, User
from engine.model.events import EventKind
from tests import told
from tests.alerted import waiting_alert
from tests.bot.rooms import Visit, visit
from tests.bot.stored import everything
from tests.desk import propose
from tests.engine.exit_cases import calls, quote
from tests.jobs import jobs_of

WAYS = ("web", "discord", "discord-role", "telegram")
NUMBERS = {role: str(number) for number, role in enumerate(Role, 1)}
LISTED = tuple(
    User(role.value, role, tuple(f"{way}:{NUMBERS[role]}" for way in WAYS if way != "discord-role")) for role in Role
)
GROUPS = tuple(User(f"the {role}s", role, (f"discord-role:{NUMBERS[role]}",)) for role in Role)
SOURCES = count(1)

FITTING = {
    "position": "P00001",
    "proposal": "A00001.1",
    "ticker": "XYZ",
    "tickers": "XYZ",
    "strategy": "wheel",
    "about": "A00001",
    "line": "/positions",
    "id": "A00001",
    "work": "W99999",
    "roll": "R00001.1.0",
    "text": "said",
    "order": "A00001.1",
    "value": "2%",
    "job": "audit head",
}
"""A value that is read for every parameter that is required, by its name."""


@dataclass(frozen=True, slots=True)
class Somebody:
    """One way in of one role; `role` None is a stranger."""

    role: Role | None
    identity: str
    groups: tuple[str, ...] = ()

    def may(self, command: Command) -> bool:
        return self.role is not None and self.role.covers(command.role)


def everybody() -> Iterator[Somebody]:
    for way in WAYS:
        for role in (None, *Role):
            number = "666" if role is None else NUMBERS[role]
            if way == "discord-role":
                yield Somebody(role, f"discord:90{number}", (f"discord-role:{number}",))
            else:
                yield Somebody(role, f"{way}:{number}")


def room() -> Visit:
    """A proposal and an alert wait, a position is held and priced; what providers say of XYZ is hostile."""
    here = visit()
    propose(here.world)
    waiting_alert(here.world)
    with here.world.store.begin() as work:
        work.save_position(calls())
    quote(here.world, "2.20", "2.30")
    here.world.market.set_snapshot(told.hostile())
    here.world.market.states = told.states()
    people = People((*LISTED, *GROUPS))
    return Visit(here.world, replace(here.room, people=people, jobs=jobs_of(here.world.desk)), here.sources)


def words_for(command: Command) -> str:
    required = (p for p in command.parameters if p.required)
    return " ".join(FITTING.get(p.name, p.sample) for p in required)


def asked(here: Visit, who: Somebody, command: Command, **more: object) -> tuple[Reply, Reply]:
    """The same as a button's action and as a typed line."""
    words = words_for(command)
    said: tuple[dict[str, str], ...] = ({"action": f"{command.name}:{words}"}, {"text": f"/{command.name} {words}"})
    first, second = (
        Request(who.identity, source=f"test:{next(SOURCES)}", groups=who.groups, **one, **more)  # type: ignore[arg-type]
        for one in said
    )
    return finish(dispatch(here.room, first)), finish(dispatch(here.room, second))


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.name)
def test_whoever_may_not_is_denied_in_every_way_and_nothing_changes_but_the_count(command: Command) -> None:
    here = room()
    barred = [who for who in everybody() if not who.may(command)]
    before, posts = everything(here.world.store), list(here.world.broker.posts)

    replies = [reply for who in barred for reply in asked(here, who, command)]
    suggested = [complete(here.room, who.identity, f"/{command.name} ", who.groups) for who in barred]
    forms = [form_for(here.room, who.identity, who.groups, f"{command.name}:") for who in barred]

    assert {who.identity.partition(":")[0] for who in barred} == {"web", "discord", "telegram"}
    assert {reply.error for reply in replies} == {"not allowed"}
    assert all(reply.cards and len(as_text(reply.cards[0])) < 400 for reply in replies)
    assert set(suggested) == {()}
    assert set(forms) == {None}
    assert everything(here.world.store, but=EventKind.DENIED) == before
    assert (here.world.broker.posts, here.world.broker.suspended) == (posts, False)
    counted = sum(int(str(event.data["times"])) for event in here.events(EventKind.DENIED))
    counted += sum(tries.times for tries in here.room.denials.untold())
    assert counted == len(replies) + len(suggested)


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.name)
def test_whoever_may_is_answered_in_every_way(command: Command) -> None:
    here = room()

    replies = [(who, reply) for who in everybody() if who.may(command) for reply in asked(here, who, command)]

    assert {who.role for who, _ in replies} == {role for role in Role if role.covers(command.role)}
    assert [(who, reply.error) for who, reply in replies if reply.error in {"not allowed", "broken"}] == []
    assert all(reply.cards for _, reply in replies)


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.name)
def test_what_makes_no_sense_is_a_sentence_and_changes_nothing(command: Command) -> None:
    here = room()
    before = everything(here.world.store)

    replies = [
        reply
        for who in everybody()
        if who.may(command)
        for reply in asked(here, who, command, options=(("nonsense", "1"),))
    ]

    assert {reply.error for reply in replies} == {"bad request"}
    assert {reply.cards[0].lines[0].partition(".")[0] for reply in replies} == {
        f"/{command.name} has no option “nonsense”"
    }
    assert everything(here.world.store, but=EventKind.REFUSED) == before
    assert here.world.broker.posts == []


@pytest.mark.parametrize(
    "command", [c for c in ALL if any(p.required for p in c.parameters)], ids=lambda command: command.name
)
def test_what_is_missing_is_named_with_its_meaning(command: Command) -> None:
    here = room()
    first = next(parameter for parameter in command.parameters if parameter.required)

    told = here.ask(f"/{command.name}", who=f"web:{NUMBERS[Role.ADMIN]}")

    assert told.error == "bad request"
    assert f"/{command.name} needs {first.name}: {first.summary}. Usage: " in told.cards[0].lines[0]


@pytest.mark.parametrize(
    "command", [c for c in ALL if not c.is_private and c.name != "refresh"], ids=lambda command: command.name
)
def test_no_card_that_others_see_is_turned_into_a_private_one_by_a_tap(command: Command) -> None:
    """A refresh draws in place: what is private has to be asked for by its own name, which opens an answer apart."""
    here = room()
    admin = next(who for who in everybody() if who.role is Role.ADMIN)

    replies = asked(here, admin, command)

    taps = [button.action for reply in replies for card in reply.cards for row in card.buttons for button in row]
    redrawn = [COMMANDS[tap.partition("/")[2].split()[0]] for tap in taps if tap.startswith("refresh:/")]
    assert [other.name for other in redrawn if other.is_private] == []
