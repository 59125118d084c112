"""The one list of commands: complete, consistent, and what help and completion are made of."""

import contextlib
import inspect

import pytest

from bot.catalogue import ALL, COMMANDS
from bot.command import Command, Group, Kind, Pool
from bot.completion import complete
from bot.message import Card
from bot.parse import values_of, words_of
from bot.people import Role
from engine.errors import NotFound
from strategies import CATALOGUE
from tests import make
from tests.bot.rooms import visit
from tests.desk import propose

PROMISED = {
    "positions", "position", "orders", "risk", "pnl", "proposals", "scan", "whynot", "funnel", "quote", "chain",
    "chart", "payoff", "account", "help", "whoami", "health", "halt", "resume",
}  # fmt: skip
BUTTONS = {"approve", "reject", "half", "one", "why", "payoff", "refresh", "close", "cancel"}


def test_every_promised_command_and_button_is_there_once() -> None:
    assert COMMANDS.keys() >= PROMISED | BUTTONS
    assert len(ALL) == len(COMMANDS)


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.name)
def test_a_command_is_complete_and_in_order(command: Command) -> None:
    required = [parameter.required for parameter in command.parameters]

    assert command.summary
    assert command.summary[0].islower()
    assert len(command.summary) <= 100  # Discord's limit
    assert required == sorted(required, reverse=True), "an optional parameter stands before a required one"
    assert all(not p.many and not p.rest for p in command.parameters[:-1]), "only the last one takes the rest"
    assert all(p.choices for p in command.parameters if p.kind is Kind.CHOICE)
    assert inspect.getdoc(command.handler) or command.handler.__name__.startswith("_")


OWN = {"settings", "stop_work"}
"""Acts that touch nothing but what belongs to whoever asks."""


@pytest.mark.parametrize("command", [c for c in ALL if c.acts], ids=lambda command: command.name)
def test_what_acts_needs_more_than_a_viewer_and_never_waits_with_the_look_ups(command: Command) -> None:
    assert (command.role is Role.VIEWER) == (command.name in OWN)
    assert command.is_long or command.pool in (Pool.TRADE, Pool.PROTECT)


def test_a_stop_never_waits_behind_the_long_work_it_stops() -> None:
    assert {command.pool for command in ALL if command.is_long} == {Pool.LOOK}
    assert COMMANDS["stop_work"].pool is Pool.TRADE


@pytest.mark.parametrize("name", ["close", "cancel", "halt"])
def test_what_makes_the_account_safer_never_waits_behind_approvals(name: str) -> None:
    assert COMMANDS[name].pool is Pool.PROTECT


def test_what_opens_positions_runs_with_the_trades() -> None:
    assert COMMANDS["approve"].pool is Pool.TRADE


@pytest.mark.parametrize("command", [c for c in ALL if not c.acts], ids=lambda command: command.name)
def test_what_looks_is_open_to_everybody_on_the_list_unless_it_tells_of_people(command: Command) -> None:
    assert command.role is (Role.ADMIN if command.name in {"users", "setup", "undelivered"} else Role.VIEWER)
    assert command.pool is Pool.LOOK


def names(card: Card) -> set[str]:
    return {word.lstrip("/") for _, line in card.facts for word in line.split()}


def test_help_lists_what_the_person_may_do() -> None:
    desk = visit()

    admin, viewer = desk.card("/help"), desk.card("/help", who="web:vic")

    assert names(admin) == {command.name for command in ALL if not command.is_button}
    assert names(viewer) == {command.name for command in ALL if not command.is_button and command.role is Role.VIEWER}
    trader = names(desk.card("/help", who="web:tom"))
    assert trader & {"close", "halt", "users"} == {"close"}
    assert [label for label, _ in admin.facts] == [group.value for group in Group]


def test_each_heading_of_help_has_a_button_that_tells_what_its_commands_do() -> None:
    desk = visit()
    (row,) = desk.card("/help").buttons

    cards = [desk.card(action=button.action) for button in row]

    assert [card.title for card in cards] == [f"Commands: {button.label}" for button in row]
    told = {line for card in cards for line in card.lines}
    assert told == {f"/{command.name}: {command.summary}" for command in ALL if not command.is_button}


@pytest.mark.parametrize("command", [c for c in ALL if not c.is_button and c.parameters], ids=lambda one: one.name)
def test_the_example_of_every_command_is_read_as_it_stands(command: Command) -> None:
    """An id or a ticker that is not there yet is the only thing that may be wrong with it."""
    desk = visit()

    assert f"Such as: {command.example}" in desk.card(f"/help {command.name}").lines
    with contextlib.suppress(NotFound):
        values_of(command, words_of(command.example)[1:], desk.world.desk)


def test_help_tells_who_may_give_a_command() -> None:
    desk = visit()

    told = [desk.card("/help halt", who=who).lines[-1] for who in ("web:vic", "web:tom", "web:ann")]

    assert told == [
        "Needs the role admin; you are a viewer.", "Needs the role admin; you are a trader.", "Needs the role admin.",
    ]  # fmt: skip
    assert desk.card("/help chart", who="web:vic").lines[1] == "Such as: /chart AAPL 60"
    assert "/help chart tells" in desk.card("/help", who="web:vic").footer
    assert "/help close tells" in desk.card("/help", who="web:tom").footer


def test_help_explains_one_command() -> None:
    card = visit().card("/help chain")

    assert card.title == "/chain TICKER [put|call] [EXPIRY]"
    assert card.lines == ("options around the spot", "Such as: /chain AAPL")
    assert ("expiry", "a listed expiry, YYYY-MM-DD (optional)") in card.facts


def completions(line: str, who: str = "web:ann") -> list[str]:
    desk = visit()
    propose(desk.world)
    desk.world.market.set_snapshot(make.snapshot())
    return [item.text for item in complete(desk.room, who, line)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/pos", ["/positions", "/position"]),
        ("ha", ["/halt"]),
        ("/scan ", list(CATALOGUE)),
        ("/scan wh", ["wheel"]),
        ("/scan wheel X", ["XYZ"]),
        ("/scan wheel XYZ X", ["XYZ"]),
        ("/chain XYZ c", ["call"]),
        ("/help wh", ["whynot", "wheel", "whoami"]),
        ("/payoff ", ["A00001.1"]),
        ("/lock des", ["desk"]),
        ("/lock XY", ["XYZ"]),
        ("/panic ", ["freeze", "flatten"]),
        ("/quote ZZ", []),
        ("/nothing ", []),
        ("/pnl ", []),
        ("/risk h", ["hazards"]),
        ("/stress ", ["0", "1", "7"]),
        ("/settings z", ["zone"]),
        ("/settings zone berl", ["Europe/Berlin"]),
        ("/settings quiet ", ["22:00-07:00", "off"]),
        ("/settings mute d", ["digest", "desk"]),
        ("/setup c", ["checks", "channels"]),
    ],
)
def test_completion_knows_what_could_come_next(line: str, expected: list[str]) -> None:
    assert completions(line) == expected


def test_completion_offers_proposals_with_the_version_that_is_pending() -> None:
    assert completions("approve ") == ["A00001.1"]


def test_completion_shows_nobody_what_they_may_not_do() -> None:
    assert completions("/ha", "web:vic") == []
    assert completions("approve ", "web:vic") == []
    assert completions("/pos", "web:stranger") == []
