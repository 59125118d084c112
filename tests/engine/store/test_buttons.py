"""Buttons by opaque token: found, counted once, listed under their message, forgotten in time."""

from __future__ import annotations

from datetime import timedelta

from engine.model.records import KeptButton
from engine.store import Store
from tests import make


def kept(token: str, action: str = "approve:A00001.1", message: str = "") -> KeptButton:
    return KeptButton(token, "telegram", "45", message, action, make.NOW)


def test_a_token_counts_once() -> None:
    store = Store.memory()
    with store.begin() as work:
        work.add_buttons([kept("t1")])
        presses = [work.use_button("t1", make.NOW) for _ in range(2)]

    assert presses == [True, False]


def test_an_unknown_token_is_no_button_and_counts_never() -> None:
    with Store.memory().begin() as work:
        assert work.button("forged") is None
        assert not work.use_button("forged", make.NOW)


def test_buttons_are_found_under_the_message_they_were_placed_under() -> None:
    store = Store.memory()
    with store.begin() as work:
        work.add_buttons([kept("t1"), kept("t2", "why:A00001"), kept("t3", "why:A00002", "78")])
        work.place_buttons(["t1", "t2"], "77")

    with store.read() as work:
        assert [button.action for button in work.buttons_of("telegram", "45", "77")] == [
            "approve:A00001.1",
            "why:A00001",
        ]


def test_old_buttons_are_forgotten_and_newer_ones_are_not() -> None:
    with Store.memory().begin() as work:
        work.add_buttons([kept("t1")])

        assert work.forget_buttons(make.NOW) == 0
        assert work.forget_buttons(make.NOW + timedelta(seconds=1)) == 1
        assert work.button("t1") is None
