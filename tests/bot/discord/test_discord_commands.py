"""The catalogue as Discord's slash commands: complete, typed, offered once, and open to nobody who may not."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bot.catalogue import ALL, COMMANDS
from bot.command import Command
from bot.people import Role
from bot.platforms.discord_commands import are_same, chosen, payloads
from engine.model.events import EventKind
from tests.bot.discord.server import Server, open_server, text_of
from tests.desk import propose
from tests.strategies import cases

TYPED = [command for command in ALL if not command.is_button]
OFFERED = {each["name"]: each for each in payloads(ALL)}
VALUES: dict[int, Any] = {3: "x", 4: 1, 10: 1.0}


def options(name: str) -> dict[str, dict[str, Any]]:
    return {option["name"]: option for option in OFFERED[name]["options"]}


def test_every_command_that_is_no_button_is_offered() -> None:
    assert sorted(OFFERED) == sorted(command.name for command in TYPED)
    assert len(OFFERED) <= 100


@pytest.mark.parametrize("name", OFFERED)
def test_a_command_keeps_discords_limits(name: str) -> None:
    command = OFFERED[name]
    needed = [option["required"] for option in command["options"]]

    assert 1 <= len(command["description"]) <= 100
    assert len(needed) <= 25
    assert needed == sorted(needed, reverse=True)
    for option in command["options"]:
        assert 1 <= len(option["description"]) <= 100
        assert len(option.get("choices", ())) <= 25
        assert not (option.get("choices") and option.get("autocomplete"))


def test_values_have_types_and_bounds() -> None:
    assert options("chart")["sessions"] | {"description": ""} == {
        "type": 4, "name": "sessions", "description": "", "required": False, "min_value": 5, "max_value": 2000,
    }  # fmt: skip
    assert options("myprice")["price"]["type"] == 10
    assert [choice["value"] for choice in options("chain")["right"]["choices"]] == ["put", "call"]
    assert options("close")["position"]["autocomplete"]
    assert not options("halt")["why"]["autocomplete"]


def test_what_discord_adds_by_itself_is_no_change() -> None:
    theirs = [
        command | {"id": "1", "version": "2", "nsfw": False, "default_member_permissions": None}
        for command in copy.deepcopy(payloads(ALL))
    ]
    for command in theirs:
        for option in command["options"]:
            if not option["required"]:
                del option["required"]

    assert are_same(payloads(ALL), theirs)


def test_a_changed_word_a_new_bound_and_a_missing_command_are_changes() -> None:
    def changed(change: Any) -> bool:
        theirs = copy.deepcopy(payloads(ALL))
        change({command["name"]: command for command in theirs}, theirs)
        return not are_same(payloads(ALL), theirs)

    assert changed(lambda by_name, theirs: by_name["close"].update(description="other"))
    assert changed(lambda by_name, theirs: by_name["chart"]["options"][1].update(max_value=7))
    assert changed(lambda by_name, theirs: by_name["chain"]["options"][1]["choices"].pop())
    assert changed(lambda by_name, theirs: theirs.pop())


def test_values_come_by_name_as_they_were_given() -> None:
    data = {"options": [{"name": "price", "type": 10, "value": 1.05}, {"name": "units", "type": 4, "value": 2}]}

    assert chosen(data) == (("price", "1.05"), ("units", "2"))


async def test_every_command_asks_the_gate() -> None:
    """Each command by somebody of each role: done or refused in words to them alone, and strangers always refused."""
    async with open_server() as server:
        people = {None: server.eve, Role.VIEWER: server.vic, Role.TRADER: server.tom, Role.ADMIN: server.ann}
        for command in TYPED:
            for role, person in people.items():
                if role is not None and role.covers(command.role):
                    continue
                answer = await person.slash(server.desk, command.name, **_needed(command))
                assert answer.ephemeral, command.name
                expected = "is not on this desk's list" if role is None else f"needs the role {command.role}"
                assert expected in text_of(answer), command.name
        assert server.here.events(EventKind.COMMAND) == ()
        assert server.here.world.broker.posts == []


def _needed(command: Command) -> dict[str, Any]:
    given = {}
    for option in OFFERED[command.name]["options"]:
        if option["required"]:
            choices = option.get("choices")
            least = option.get("min_value", VALUES[option["type"]])
            given[option["name"]] = choices[0]["value"] if choices else least
    return given


SUGGESTED = [
    (command.name, option["name"])
    for command in TYPED
    for option in OFFERED[command.name]["options"]
    if option.get("autocomplete")
]


async def test_suggestions_are_for_those_who_may_only(server: Server) -> None:
    propose(server.here.world)
    for name, option in SUGGESTED:
        assert await server.eve.autocomplete(server.desk, name, option, "") == [], name
        found = await server.ann.autocomplete(server.desk, name, option, "")
        assert len(found) <= 25
        if COMMANDS[name].role is not Role.VIEWER:
            assert await server.vic.autocomplete(server.desk, name, option, "") == [], name


async def test_a_proposal_is_found_by_its_ticker(server: Server) -> None:
    propose(server.here.world)

    assert await server.tom.autocomplete(server.desk, "snooze", "id", "xyz") == [
        {"name": "A00001.1 · XYZ wheel", "value": "A00001.1"}
    ]


async def test_further_tickers_are_suggested_behind_those_there(server: Server) -> None:
    server.here.world.market.set_snapshot(cases.wheel_name())

    found = await server.vic.autocomplete(server.desk, "scan", "tickers", "ABC x")

    assert [choice["value"] for choice in found] == ["ABC XYZ"]
