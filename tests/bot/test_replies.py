"""Answers to a card in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalogue import COMMANDS
from bot.parse import values_of
from bot.people import Role
from bot.replies import Meant, meant
from engine.errors import BadRequest, DeskError
from tests.bot.rooms import visit
from tests.desk import propose

CARD = ("approve:A00001.1", "reject:A00001.1", "half:A00001.1", "snooze:A00001.1", "why:A00001")
HELD = ("position:P00003",)


@pytest.mark.parametrize(
    ("text", "action", "options"),
    [
        ("2", "size:A00001.1", (("quantity", "2"),)),
        ("2 contracts", "size:A00001.1", (("quantity", "2"),)),
        ("1 contract", "size:A00001.1", (("quantity", "1"),)),
        ("at 1.20", "myprice:A00001.1", (("price", "1.20"),)),
        ("at 2", "myprice:A00001.1", (("price", "2"),)),
        ("1.20", "myprice:A00001.1", (("price", "1.20"),)),
        ("$1.20", "myprice:A00001.1", (("price", "1.20"),)),
        (" @ .95 ", "myprice:A00001.1", (("price", ".95"),)),
        ("why", "why:A00001.1", ()),
        ("WHY", "why:A00001.1", ()),
        ("half", "half:A00001.1", ()),
        ("snooze", "snooze:A00001.1", ()),
        ("snooze 10", "snooze:A00001.1", (("minutes", "10"),)),
        ("snooze for 10 min", "snooze:A00001.1", (("minutes", "10"),)),
        ("reject", "reject:A00001.1", ()),
        ("Reject Too wild today", "reject:A00001.1", (("note", "Too wild today"),)),
    ],
)
def test_an_answer_to_a_proposal_is_understood(text: str, action: str, options: tuple[tuple[str, str], ...]) -> None:
    assert meant(text, CARD) == Meant(action, options)


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        ("close", ("position:P00001", "position:P00002", "refresh:/positions")),
        ("close 2", ("position:P00002", "position:P00001")),
        ("reject", ("show:A00001", "show:A00002", "refresh:/proposals")),
        ("2", ("show:A00001", "show:A00002")),
    ],
)
def test_an_answer_to_a_list_of_several_is_done_to_none_of_them(text: str, actions: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest, match=r"is about [AP]0000\d, [AP]0000\d: .* Nothing was done"):
        meant(text, actions)


def test_an_answer_to_a_list_of_one_is_about_that_one() -> None:
    assert meant("close", ("position:P00001", "refresh:/positions")) == Meant("close:P00001")
    assert meant("half", ("half:A00001.1", "half:A00001.2")) == Meant("half:A00001.2")


@pytest.mark.parametrize("text", ["approve", "Yes", "ok", "confirm", "go"])
def test_approving_takes_the_button(text: str) -> None:
    with pytest.raises(BadRequest, match=r"tap Approve on the card of A00001\.1"):
        meant(text, CARD)


def test_what_is_not_understood_is_told_what_can_be_written() -> None:
    with pytest.raises(
        BadRequest, match=r"“maybe tomorrow” is no answer to A00001\.1\. You can write: 2 \(that many\), at"
    ):
        meant("maybe tomorrow", CARD)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("close", Meant("close:P00003")),
        ("close all", Meant("close:P00003")),
        ("close 2", Meant("close:P00003", (("units", "2"),))),
        ("roll", Meant("roll:P00003")),
    ],
)
def test_an_answer_to_a_position_is_understood(text: str, found: Meant) -> None:
    assert meant(text, HELD) == found


def test_an_answer_means_the_latest_version_that_was_shown() -> None:
    assert meant("half", ("approve:A00001.1", "approve:A00001.12", "why:A00001")).action == "half:A00001.12"


def test_a_card_about_nothing_takes_no_answer() -> None:
    with pytest.raises(BadRequest, match="send a command instead"):
        meant("2", ("refresh:/risk",))


@given(st.text(max_size=40))
def test_no_text_ever_approves(text: str) -> None:
    try:
        found = meant(text, CARD)
    except BadRequest:
        return
    verb = found.action.partition(":")[0]
    assert verb not in {"approve", "confirm"}
    assert COMMANDS[verb].role.covers(Role.VIEWER)


@pytest.mark.parametrize(
    "text", ["1", "at 1.05", "half", "better", "why", "payoff", "snooze 10", "reject no", "change"]
)
def test_what_the_help_of_a_reply_names_is_a_command_with_these_values(text: str) -> None:
    desk = visit()
    propose(desk.world)
    found = meant(text, CARD)
    verb, _, rest = found.action.partition(":")

    try:
        values_of(COMMANDS[verb], rest.split(), desk.world.desk, found.options)
    except DeskError as problem:
        pytest.fail(str(problem))
