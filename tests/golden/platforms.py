"""The chats a card is drawn for, and which samples are pinned and pictured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.message import Card
from tests.golden import discord, telegram

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Platform:
    """How one chat shows a card: in text, exactly as sent, and as the HTML of a phone's screen."""

    text_of: Callable[[Card], str]
    page_of: Callable[[Card], str]


PLATFORMS = {
    "discord": Platform(discord.text_of, discord.page_of),
    "telegram": Platform(telegram.text_of, telegram.page_of),
}

PINNED = (
    "proposal",
    "proposal-spread",
    "proposal-live",
    "change",
    "working",
    "filled",
    "closed",
    "position",
    "positions",
    "risk",
    "stress",
    "greeks",
    "digest",
    "digest-busy",
    "digest-week",
    "digest-month",
    "alarm",
    "alert-escalated",
    "alert-many",
    "alerts",
    "roll",
    "jobs",
    "job",
    "quote",
    "quote-contradicted",
    "chain",
    "news-hostile",
    "help-close",
    "settings",
    "refused",
)
"""Samples whose text is kept beside this file: the ones that change only when a card or a renderer does."""

PICTURED = ("proposal", "filled", "position", "digest", "alarm", "help", "settings", "quote", "news")
"""Samples whose pictures stand in the guides."""


def file_of(platform: str, sample: str) -> Path:
    """Where the text is kept."""
    return HERE / platform / f"{sample}.txt"
