"""Forged requests: every command and button with data that no card carries, from everybody."""

from __future__ import annotations

import pytest

from bot.catalogue import ALL
from bot.command import Command
from bot.people import Role
from engine.model.events import EventKind
from tests.bot.rooms import Visit, visit
from tests.desk import propose
from tests.engine.exit_cases import calls, quote

HUGE = "9" * 5000
FORGED = (
    "",
    "A00001",
    "A00001.-1",
    "A00001.0",
    f"A00001.{HUGE}",
    "A00001.１",
    "A00001.²",
    "A99999.1",
    "A00001.1 -1",
    f"A00001.1 {HUGE}",
    "A00001.1 1e30",
    "A00001.1 1e999999999",
    "A00001.1 NaN",
    "A00001.1 0.001",
    "P00001 -5",
    f"P00001 {HUGE}",
    "R00001.1.-1",
    f"R00001.{HUGE}.1",
    "F00001",
    "U00001",
    "V00001",
    "L00001",
    "<b>x</b> `*_ @everyone",
    "\x00",
    "' OR 1=1 --",
    "daily_loss 1e-9999999",
    "daily_loss 1e9999999%",
    "wheel 1e400000 1 friday",
    "wheel 2000 5 9999-12-31",
    "XYZ put 9999-12-31",
    "desk 9999-12-31",
    "desk 0001-01-01",
)
ACTING = [command for command in ALL if command.acts]
NEEDED = {
    Role.VIEWER: ("discord:999",),
    Role.TRADER: ("web:vic", "discord:999"),
    Role.ADMIN: ("web:vic", "web:tom", "discord:999"),
}


def room() -> Visit:
    here = visit()
    propose(here.world)
    with here.world.store.begin() as work:
        work.save_position(calls())
    quote(here.world, "2.20", "2.30")
    return here


def forms(command: Command, data: str) -> tuple[dict[str, str], dict[str, str]]:
    return {"action": f"{command.name}:{data}"}, {"text": f"/{command.name} {data}"}


@pytest.mark.parametrize("command", ACTING, ids=lambda command: command.name)
def test_whoever_lacks_the_role_is_denied_whatever_the_request_carries_and_every_try_is_counted(
    command: Command,
) -> None:
    here = room()
    asked = [
        (who, here.ask(who=who, **form))
        for who in NEEDED[command.role]
        for data in ("A00001.1", "P00001", *FORGED)
        for form in forms(command, data)
    ]

    assert {reply.error for _, reply in asked} == {"not allowed"}
    written = [(event.subject, event.data["times"]) for event in here.events(EventKind.DENIED)]
    assert written == [(who, 1) for who in dict.fromkeys(who for who, _ in asked)], "one line each, not one a try"
    untold = sum(tries.times for tries in here.room.denials.untold())
    assert len(written) + untold == len(asked)
    assert (here.world.broker.posts, here.world.broker.suspended) == ([], False)
    assert not here.events(EventKind.COMMAND, EventKind.HALTED, EventKind.APPROVAL_CHANGED, EventKind.EXIT_STARTED)


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.name)
def test_nothing_that_is_forged_breaks_anything_or_sends_an_order(command: Command) -> None:
    here = room()

    replies = [here.ask(who="web:ann", **form) for data in FORGED for form in forms(command, data)]

    assert [reply for reply in replies if reply.error == "broken"] == []
    assert here.world.broker.posts == []
