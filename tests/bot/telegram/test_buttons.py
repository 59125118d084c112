"""Buttons as Telegram has them: a token each, and the colour that says what a tap does."""

from __future__ import annotations

from bot.message import Button, Tone
from bot.platforms import telegram_buttons as buttons
from tests.desk import make_world


def test_a_keyboard_that_is_shown_again_keeps_its_words_actions_and_colours() -> None:
    desk = make_world().desk
    rows = (
        (Button("Approve", "approve:A1.1", Tone.GOOD), Button("Reject", "reject:A1.1", Tone.BAD)),
        (Button("Why", "why:A1"), Button("Price again", "again:R1", Tone.ASK)),
    )

    keys = buttons.keep(desk, "45", "", rows)

    assert [[style for _, _, style in row] for row in keys] == [["success", "danger"], ["", "primary"]]
    assert buttons.known(desk, keys) == rows


def test_a_button_that_is_not_ours_is_not_shown_again() -> None:
    assert buttons.known(make_world().desk, ((("Approve", "forged", "success"),),)) == ((),)
