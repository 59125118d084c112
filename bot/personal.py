"""One person's view of a card: their time zone and how briefly they want it told.

It counts where the desk talks to that one person: answers to what they ask, and their private chats.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from bot import words
from bot.message import Card
from bot.preferences import Preferences

EXPLAINS = ("For: ", "Against: ", "Exit: ")
"""How lines begin that the button Why tells as well."""
DETAILS = frozenset({"Breakeven", "P(profit)", "Net Greeks", "Greeks in all", "Spot", "Delta"})
"""Facts a short card does without. What is paid, owed or at risk stays, and where a price comes from."""
DIGEST = "digest:"


@contextmanager
def told_to(preferences: Preferences) -> Iterator[None]:
    """Clock times of cards drawn in the block are this person's; enter it in the thread that draws them."""
    with words.told_in(preferences.zone):
        yield


def personal(card: Card, preferences: Preferences) -> Card:
    """The card as this person wants it; its times are already theirs when it was drawn under `told_to`."""
    return compact(card) if preferences.compact else card


def compact(card: Card) -> Card:
    """The short card: what it is, the mode, the money, what to do and every button.

    Tables and pictures are kept where they are the answer or say what is traded; a digest goes without them.
    """
    is_digest = card.key.startswith(DIGEST)
    return replace(
        card,
        lines=tuple(line for line in card.lines if not line.startswith(EXPLAINS)),
        facts=tuple(fact for fact in card.facts if fact[0] not in DETAILS),
        tables=() if is_digest else card.tables,
        pictures=() if is_digest else card.pictures,
    )
