"""Requests that no person and no card would make, by the thousand: nothing breaks, nobody gets what is not theirs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from bot.bulkheads import finish
from bot.carry import LONGEST_ACTION
from bot.catalogue import ALL, COMMANDS
from bot.command import Reply
from bot.completion import MOST, complete
from bot.dispatch import dispatch
from bot.forms import form_of
from bot.message import Request, as_text
from engine.model.events import EventKind
from tests.bot.rooms import Visit
from tests.bot.stored import everything
from tests.bot.test_every_command import NUMBERS, room

LONGEST = 6_000
"""Characters of one reply: two messages of the smallest platform at most."""
LONGEST_ERROR = 800
LONGEST_LABEL = 80

NAMES = (*COMMANDS, *(f"/{name}" for name in COMMANDS), "/", "//", "refresh", "/nothing", "approve@bot", "", "HALT")
PIECES = (
    "A00001", "A00001.1", "A00001.99", "A00001.", ".1", "P00001", "P99999", "R00001.1.0", "V00001", "L00001", "U00001",
    "W00001", "E00001", "XYZ", "$xyz", "xyz,xyz,,", "wheel", "WHEEL", "wsb_dip", "desk", "put", "call", "friday",
    "2026-06-19", "0000-00-00", "9999-12-31", "1", "0", "-1", "1.05", "1e400", "NaN", "-Infinity", "٣", "2%", "200%",
    "%", "=", "price=", "price=1", "=1", "a=b=c", "position=P00001", '"', '"unclosed', "“”", "''", "\\", "\x00",
    "\x1b[2J",
    "\u202e", "\ud800", "🚀" * 30, "́" * 50, "<b>x</b>", "@everyone", "<@&1>", "`", "```", "*_~|", "[x](tg://user?id=1)",
    "{0}", "%s", "{desk}", "../../etc/passwd", "' OR 1=1 --", "x" * 5_000, "9" * 400, "\n", "\r\n/halt", "\t", "zone",
    "quiet", "mute", "all", "freeze", "flatten", "checks", "Europe/Berlin", "22:00-07:00", "daily_loss", "page=2",
)  # fmt: skip
OPTIONS = ("price", "quantity", "position", "proposal", "line", "text", "value", "setting", "ticker", "", "x" * 300)
POWERLESS = ("web:666", "discord:666", "telegram:-1", "", ":", "ann", "web:", "x" * 500, f"web:{NUMBERS['viewer']}")  # type: ignore[index]
PEOPLE = (*POWERLESS, *(f"{way}:{number}" for way in ("web", "discord", "telegram") for number in NUMBERS.values()))
GROUPS = ((), ("discord-role:666",), ("",), ("discord-role:1",))
OWN = {"settings", "stop_work"}
SENTENCES = {"bad request", "not allowed", "failed", "too old", "stopped"}


def malformed(seed: int, number: int, people: tuple[str, ...]) -> Iterator[Request]:
    """So many requests, the same ones for a seed."""
    dice = np.random.default_rng(seed)

    def one(of: tuple[str, ...]) -> str:
        return of[int(dice.integers(len(of)))]

    for _ in range(number):
        words = " ".join(one(PIECES) for _ in range(int(dice.integers(0, 6))))
        name, is_tap = one(NAMES), dice.random() < 0.5
        options = (
            tuple((one(OPTIONS), one(PIECES)) for _ in range(int(dice.integers(0, 3)))) if dice.random() < 0.3 else ()
        )
        yield Request(
            one(people),
            text="" if is_tap else f"{name} {words}",
            action=f"{name.lstrip('/')}:{words}" if is_tap else "",
            source=one(("", "same", f"{seed}:{int(dice.integers(1 << 30))}")),
            options=options,
            groups=GROUPS[int(dice.integers(len(GROUPS)))],
            age=(None, 0.0, 59.0, 1e9, -5.0)[int(dice.integers(5))],
        )


def complaint(request: Request, reply: Reply) -> str:
    """What is wrong with a reply, "" for nothing."""
    text = "\n".join(as_text(card) for card in reply.cards)
    taps = [button for card in reply.cards for row in card.buttons for button in row]
    if reply.error == "broken":
        return f"broken by {request!r}: {text}"
    if not reply.cards:
        return "" if request.source == "same" else f"no answer to {request!r}"
    if not text.strip() or len(text) > (LONGEST_ERROR if reply.error in SENTENCES else LONGEST):
        return f"{len(text)} characters for {request!r}"
    long = [tap for tap in taps if len(tap.action.encode()) > LONGEST_ACTION or not 0 < len(tap.label) <= LONGEST_LABEL]
    return f"a button no platform can show: {long[0]!r}" if long else ""


def unreal(seed: int, number: int) -> None:
    """Everybody sends them: each is answered, in bounds."""
    here = room()
    asked = [(request, finish(dispatch(here.room, request))) for request in malformed(seed, number, PEOPLE)]

    assert [told for request, reply in asked if (told := complaint(request, reply))] == []


def unauthorised(seed: int, number: int) -> None:
    """Those without a right send them: nothing is changed but what is written about it, and a viewer's own settings."""
    here = room()
    before = untouched(here)

    for request in malformed(seed, number, POWERLESS):
        reply = finish(dispatch(here.room, request))
        assert complaint(request, reply) == ""

    assert untouched(here) == before
    assert (here.world.broker.posts, here.world.broker.suspended) == ([], False)
    acts = here.events(EventKind.COMMAND)
    assert {str(event.data["command"]) for event in acts} <= OWN
    assert {event.actor for event in acts} <= {"viewer", "the viewers"}


def untouched(here: Visit) -> dict[str, object]:
    """The store without what a person of no rights may add: audit lines, seen updates, their own settings.

    The broker's account is asked for by looks and remembered among the settings.
    """
    held = everything(here.world.store)
    return {name: rows for name, rows in held.items() if name not in {"events", "updates", "settings"}}


@pytest.mark.parametrize("seed", range(4))
def test_five_hundred_malformed_requests_are_answered_in_bounds_and_break_nothing(seed: int) -> None:
    unreal(seed, 250)
    unauthorised(100 + seed, 250)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 1_050))
def test_a_thousand_more(seed: int) -> None:
    unreal(seed, 500)
    unauthorised(10_000 + seed, 500)


@pytest.mark.parametrize("seed", range(2))
def test_what_is_half_typed_completes_to_what_can_be_shown(seed: int) -> None:
    here = room()
    requests = malformed(seed, 400, PEOPLE)

    found = [
        complete(here.room, request.identity, request.text or request.action, request.groups) for request in requests
    ]

    assert max(map(len, found)) <= MOST
    assert all(item.text and len(item.text) <= 100 for items in found for item in items)


def test_no_action_makes_a_form_fail() -> None:
    forms = [form_of(request.action) for seed in range(3) for request in malformed(seed, 500, PEOPLE)]

    assert {form.command.name for form in forms if form is not None} <= {command.name for command in ALL}
    assert any(forms)
