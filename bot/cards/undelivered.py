"""The dead letters: what was to be told, where it was given up, why and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from bot import words
from bot.carry import fits
from bot.message import Button, Card, Table, Tone
from engine.model.records import DeadLetter
from engine.news import clean

LISTED = 8
"""Messages of one destination that are named; the rest are counted."""
DESTINATIONS = 4
LONGEST_WHY = 160


def undelivered_card(letters: Sequence[DeadLetter], count: int, now: datetime, banner: str) -> Card:
    """`count` messages were given up, the first of them are `letters`, by destination."""
    if not letters:
        return Card("Everything was delivered", Tone.GOOD, ("No message was given up.",), banner=banner)
    by_place = [(place, tuple(rows)) for place, rows in groupby(letters, lambda each: each.delivery.destination)]
    shown = by_place[:DESTINATIONS]
    more = len(by_place) - len(shown)
    lines = tuple(_why(place, rows, now) for place, rows in shown)
    return Card(
        f"{words.count(count, 'message')} not delivered",
        Tone.WARNING,
        lines=(*lines, *((f"{words.count(more, 'more destination')} with some.",) if more else ())),
        tables=tuple(_table(place, rows) for place, rows in shown),
        buttons=tuple(row for place, _ in shown if (row := _ways(place, is_alone=len(shown) == 1))),
        banner=banner,
    )


def _why(place: str, rows: Sequence[DeadLetter], now: datetime) -> str:
    latest = max(rows, key=lambda each: each.delivery.given_up_at or each.happened_at)
    since = min(each.delivery.given_up_at or each.happened_at for each in rows)
    why = clean(latest.delivery.error)[:LONGEST_WHY]
    return f"{place}, for {words.age((now - since).total_seconds())}: {why}"


def _table(place: str, rows: Sequence[DeadLetter]) -> Table:
    told = tuple((words.moment(each.happened_at)[5:16], _what(each)) for each in rows[:LISTED])
    rest = ((("", f"and {len(rows) - LISTED} more"),)) if len(rows) > LISTED else ()
    return Table(("Happened", "What"), (*told, *rest), title=place)


def _what(letter: DeadLetter) -> str:
    return f"{letter.kind.replace('_', ' ')} {letter.subject}"[:22]


def _ways(place: str, *, is_alone: bool) -> tuple[Button, ...]:
    """Try again or let go; the place is named where there are several."""
    named = "" if is_alone else f" {place}"
    again, go = f"redeliver:{place}", f"let_go:{place}"
    if not fits(again):
        return ()
    return (Button(f"Try again{named}", again, Tone.ASK), Button(f"Let go{named}", go, Tone.BAD))
