"""Which day, week or month somebody means by what they type: `yesterday`, `last week`, `fri`, `20 nov`, `2026-11`."""

from __future__ import annotations

import re
from calendar import day_name, month_name
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from types import MappingProxyType

from bot.parse import clipped
from engine.errors import BadRequest
from engine.model.digests import Span, named
from engine.reckoning import monday
from engine.sessions import Sessions

CHOICES = (
    "today, yesterday, week, last week, month, last month, a weekday such as friday, a date such as 20 nov or "
    "2026-11-20, a week such as 2026-W48, or a month such as november or 2026-11"
)
DAYS = tuple(name.lower() for name in day_name)
MONTHS = tuple(name.lower() for name in month_name)[1:]
ENDINGS = re.compile(r"(?<=\d)(st|nd|rd|th)\b")
DAY = timedelta(days=1)

Meant = tuple[Span, date | None]
"""A span, and a day that lies in it; None is the one that is on."""

NOW: Mapping[str, Span] = MappingProxyType(
    dict.fromkeys(("", "day", "today", "now"), Span.DAY)
    | dict.fromkeys(("week", "this week"), Span.WEEK)
    | dict.fromkeys(("month", "this month"), Span.MONTH)
)

YESTERDAY = frozenset({"yesterday", "last day"})


def span_of(wanted: str, sessions: Sessions, today: date, there: date) -> Meant:
    """What is meant by `wanted` on a day in New York, on which it is `there` where somebody asks.

    Of days and months without a year the latest one is meant, by `yesterday` the last session before their own day.

    >>> friday = date(2026, 11, 27)
    >>> span_of("last week", Sessions(), friday, friday), span_of("fri 20 Nov 26", Sessions(), friday, friday)
    ((<Span.WEEK: 'week'>, datetime.date(2026, 11, 16)), (<Span.DAY: 'day'>, datetime.date(2026, 11, 20)))

    Raises:
        BadRequest: it is no day, week or month; the message says what there is.
    """
    text = " ".join(wanted.lower().replace(",", " ").split())
    if text in NOW:
        return NOW[text], None
    if text in YESTERDAY:
        return Span.DAY, sessions.last(min(there - DAY, today))
    before = _before(text, today)
    if before is not None:
        return before
    try:
        return _dated(text, today)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"“{clipped(wanted)}” is no day, week or month: say {CHOICES}.") from error


def _before(text: str, today: date) -> Meant | None:
    """What is named by how long ago it was, None where it is named otherwise."""
    match text.split():
        case ["last" | "previous", "week"]:
            return Span.WEEK, monday(today) - DAY * 7
        case ["last" | "previous", "month"]:
            return Span.MONTH, today.replace(day=1) - DAY
        case ["last", name] if (number := _number(name, DAYS)) is not None:
            return Span.DAY, _latest_weekday(number, today - DAY)
        case [name] if (number := _number(name, DAYS)) is not None:
            return Span.DAY, _latest_weekday(number, today)
    return None


def _number(word: str, names: tuple[str, ...]) -> int | None:
    """Which of the names a word or its first three letters are, from 0 on."""
    found = (number for number, name in enumerate(names) if len(word) > 2 and name.startswith(word))
    return next(found, None)


def _latest_weekday(number: int, last: date) -> date:
    return last - DAY * ((last.weekday() - number) % 7)


def _dated(text: str, today: date) -> Meant:
    """
    Raises:
        ValueError: it is no date.
    """
    words = [word for word in re.findall(r"[a-z]+|\d+", ENDINGS.sub("", text)) if _number(word, DAYS) is None]
    month = next((number + 1 for word in words if (number := _number(word, MONTHS)) is not None), None)
    if month is None:
        return named(text.upper())
    numbers = [int(word) for word in words if word.isdigit()]
    is_week = words[:2] == ["week", "of"]
    if len(words) != len(numbers) + 1 + 2 * is_week:
        raise ValueError(text)
    match numbers:
        case []:
            return Span.MONTH, _latest(lambda year: date(year, month, 1), today)
        case [year] if year > 31:
            return Span.MONTH, date(year, month, 1)
        case [day]:
            return Span.WEEK if is_week else Span.DAY, _latest(lambda year: date(year, month, day), today)
        case [day, year]:
            return Span.WEEK if is_week else Span.DAY, date(year if year > 99 else 2000 + year, month, day)
    raise ValueError(text)


def _latest(in_year: Callable[[int], date], today: date) -> date:
    """The day of this year, or of the last one where that has not come."""
    day = in_year(today.year)
    return day if day <= today else in_year(today.year - 1)
