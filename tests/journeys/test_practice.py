"""`wsb run` as practice: the recorded days in Discord and Telegram, as people who try the desk meet them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.chats import Chats, chats
from tests.journeys.program import wsb
from tests.journeys.test_chats import IN_TIME
from tests.standins.telegram_world import Message

PRACTICE = """
[data]
source = "recorded"
speed = 600
"""


WITHOUT_SPREADS = """
[strategies.debit_spreads]
enabled = false
[strategies.spx_credit_spreads]
enabled = false
"""
"""For who wants to see the clock run: while one of their cards waits, it does not."""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Chats]:
    with chats(tmp_path) as found:
        yield found


def test_a_card_a_tap_a_fill_an_end_in_time_and_the_next_day_goes_on(here: Chats) -> None:
    config = here.configure(PRACTICE + WITHOUT_SPREADS)
    first = here.start("bot", "run", "--config", config)
    card, photo = here.until_both("put?")
    assert card.text.startswith("PRACTICE 2009-02-03, recorded prices")
    assert photo.text.startswith("PRACTICE 2009-02-03, recorded prices")

    here.discord.press(here.ann, card, "Approve").result()
    reject_the_others(here, photo)
    here.until_both("(filled)")
    assert "(filled)" in card.text
    assert "(filled)" in photo.text
    here.until_noted()

    code, seconds = here.end(first)
    assert (code, seconds < IN_TIME) == (0, True)
    second = here.start("bot", "run", "--config", config)
    told = here.discord.slash(here.ann, "positions", here.channel).result()
    assert re.search(r"^PRACTICE 2009-\d\d-\d\d, recorded prices", told.text)
    assert "IBM" in told.text or "MSFT" in told.text
    assert here.end(second)[0] == 0
    here.assert_valid()


def reject_the_others(here: Chats, card: Message) -> None:
    """While a card waits, the market's time runs no faster than ours."""
    here.until("two cards", lambda: [each for each in here.on_telegram("put?") if each is not card])
    for other in here.on_telegram("put?"):
        if other is not card:
            here.telegram.press(here.bob, other, "Reject").answered().get()


def test_a_token_that_is_wrong_is_told_on_the_other_platform_which_works(here: Chats) -> None:
    config = here.configure(PRACTICE)
    process = here.spawn("bot", "run", "--config", config, TELEGRAM_TOKEN="1:wrong")

    here.until("it is told", lambda: here.on_discord("Not reachable: telegram"))
    (told,) = here.on_discord("Not reachable: telegram")
    health = here.discord.slash(here.ann, "health", here.channel).result()
    here.until("a card", lambda: here.on_discord("put?"))

    assert "URGENT" in told.text
    assert "does not know TELEGRAM_TOKEN" in told.text.replace("\\", "")
    here.until("health is answered", lambda: "Not well: Telegram" in health.text)
    assert here.group.sent == []
    code, seconds = here.end(process)
    assert (code, seconds < IN_TIME) == (0, True)


def test_the_doctor_names_a_token_and_a_channel_that_are_wrong(here: Chats) -> None:
    config = here.configure(PRACTICE, "[alerts]", 'urgent = ["discord:999"]')

    run = wsb("check", "--config", config, "--json", cwd=here.folder, **here.variables | {"TELEGRAM_TOKEN": "1:wrong"})

    found = {row["part"]: (row["state"], row["words"]) for row in run.body["checks"]}
    assert run.code == 1
    assert found["discord"][0] == "ok"
    assert found["discord:555"][0] == "ok"
    assert found["discord:999"][0] == "fail"
    assert "999" in found["discord:999"][1]
    assert found["telegram"][0] == "fail"
    assert "TELEGRAM_TOKEN" in found["telegram"][1]
    assert found["data"] == ("ok", "practice on the recorded days from 2009-02-03 to 2013-03-01")
