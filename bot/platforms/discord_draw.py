"""Cards drawn for Discord off the event loop: pictures and countdowns, then the layout."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import discord
import structlog

from bot.command import Pool, Room
from bot.message import Button, Card, Picture, Progress, Tone
from bot.platforms.discord_render import PICTURES, Drawing, Layout, layout
from engine.percent import as_percent

log = structlog.get_logger()

CELLS = 18
"""Cells of the bar of long work."""


def in_words(card: Card) -> Card:
    """The card with its pictures told in words only, for where they are too large."""
    return replace(card, pictures=tuple(replace(each, draw=_nothing) for each in card.pictures))


def _nothing(dark: bool) -> bytes:
    del dark
    return b""


async def drawn(room: Room, card: Card) -> Layout:
    """The card as a message, its pictures drawn in a bulkhead."""
    if not card.pictures:
        return layout(card, until=_until(room, card))
    drawings = await room.run(Pool.DRAW, lambda: tuple(_draw(each) for each in card.pictures[:PICTURES]))
    return layout(card, drawings, _until(room, card))


def _draw(picture: Picture) -> Drawing:
    """The picture for a dark page; one that cannot be drawn does not take the words away with it."""
    try:
        return Drawing(picture, picture.draw(True))
    except Exception as bug:  # whatever a drawing raises, the card is still told
        log.error("discord.picture_failed", picture=picture.name, exc_info=bug)
        return Drawing(picture, b"", "A picture could not be drawn; in words:")


def _until(room: Room, card: Card) -> int | None:
    """When the card can no longer be answered by the clocks of those who read it: practice has another day."""
    if not card.expires_at or not card.buttons:
        return None
    left = datetime.fromisoformat(card.expires_at) - room.desk.now()
    if left <= timedelta(0):
        return None
    return int((discord.utils.utcnow() + left).timestamp())


def progress_card(progress: Progress, banner: str) -> Card:
    """How far long work has come, with the button that stops it."""
    full = round(min(max(progress.fraction, 0.0), 1.0) * CELLS)
    bar = "█" * full + "░" * (CELLS - full)
    buttons = ((Button("Stop", progress.stop, Tone.BAD),),) if progress.stop else ()
    return Card(
        "Working", lines=(f"{bar} {as_percent(progress.fraction)}", progress.words), buttons=buttons, banner=banner
    )
