"""What a person may wish for themselves: each setting's words, read into their preferences."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import time
from functools import cache
from types import MappingProxyType
from zoneinfo import available_timezones

from alerts.routes import Topic
from bot.parse import clipped, nearest
from bot.preferences import Preferences
from engine.errors import BadRequest

OFF = frozenset({"off", "none", "never"})
HOURS = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*(?:-|–|to|until)\s*(\d{1,2})(?::(\d{2}))?", re.ASCII | re.IGNORECASE)
CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?", re.ASCII)
CLOSE = "close"
"""The digest as soon as the session's numbers are taken."""
EVERYTHING = "all"


@cache
def zones() -> Mapping[str, str]:
    """Every IANA time zone by its name in lower case."""
    return MappingProxyType({name.lower(): name for name in sorted(available_timezones())})


def zone_of(word: str) -> str:
    """The time zone that is meant: its whole name, or a city that only one has.

    Raises:
        BadRequest: there is none; the nearest is suggested.

    >>> zone_of("europe/berlin"), zone_of("New York")
    ('Europe/Berlin', 'America/New_York')
    """
    wanted = "_".join(word.lower().split())
    if wanted in zones():
        return zones()[wanted]
    cities = [name for key, name in zones().items() if "/" in key and key.rpartition("/")[2] == wanted]
    if len({name for name in cities if not name.startswith(("US/", "Etc/"))}) == 1:
        return cities[0]
    near = nearest(wanted, cities or (*zones().values(), *_cities()))
    raise BadRequest(
        f"“{clipped(word)}” is not a time zone.{near} Write it as continent and city, such as Europe/Berlin."
    )


@cache
def _cities() -> tuple[str, ...]:
    return tuple(name.rpartition("/")[2] for name in zones().values() if "/" in name)


def hours_of(text: str) -> tuple[time, time]:
    """From and until; two equal times for `off`.

    Raises:
        BadRequest: not two times of the day.

    >>> hours_of("22:00-07:00"), hours_of("22 to 7")[1], hours_of("off")[0]
    ((datetime.time(22, 0), datetime.time(7, 0)), datetime.time(7, 0), datetime.time(0, 0))
    """
    if text.strip().lower() in OFF:
        return time(0), time(0)
    match = HOURS.fullmatch(text.strip())
    if match is None:
        raise BadRequest(f"“{clipped(text)}” are no hours: write from and until, such as 22:00-07:00, or off.")
    first, last = _time(match[1], match[2], text), _time(match[3], match[4], text)
    if first == last:
        raise BadRequest(f"“{clipped(text)}” begins when it ends: write 22:00-07:00, or off for never quiet.")
    return first, last


def _time(hour: str, minute: str | None, text: str) -> time:
    try:
        return time(int(hour), int(minute or 0))
    except ValueError as error:
        clock = f"{hour}:{minute or '00'}"
        about = f"“{clock}”" if text == clock else f"“{clipped(text)}”: {clock}"
        raise BadRequest(f"{about} is no time of the day; 00:00 to 23:59 are.") from error


def topics_of(text: str) -> frozenset[Topic]:
    """The topics that are named, in any order; `all` is every one.

    Raises:
        BadRequest: none is named, or one that there is not.

    >>> sorted(topics_of("trades, digest"))
    [<Topic.DIGEST: 'digest'>, <Topic.TRADES: 'trades'>]
    """
    named = text.replace(",", " ").lower().split()
    if EVERYTHING in named:
        return frozenset(Topic)
    known = ", ".join(Topic)
    if not named:
        raise BadRequest(f"Say what: {known}, or all.")
    for word in named:
        if word not in tuple(Topic):
            raise BadRequest(f"“{clipped(word)}” is no topic.{nearest(word, Topic)} There are {known}; or say all.")
    return frozenset(map(Topic, named))


def _zone(current: Preferences, value: str) -> Preferences:
    if not value:
        raise BadRequest("Say which time zone, such as /settings zone Europe/Berlin.")
    return replace(current, zone=zone_of(value))


def _quiet(current: Preferences, value: str) -> Preferences:
    if not value:
        raise BadRequest("Say from and until, such as /settings quiet 22:00-07:00, or /settings quiet off.")
    first, last = hours_of(value)
    return replace(current, quiet_from=first, quiet_until=last)


def _mute(current: Preferences, value: str) -> Preferences:
    return replace(current, muted=current.muted | topics_of(value))


def _unmute(current: Preferences, value: str) -> Preferences:
    return replace(current, muted=current.muted - topics_of(value))


def _digest(current: Preferences, value: str) -> Preferences:
    if value.lower() in {CLOSE, "after the close"}:
        return replace(current, digest_at=None)
    match = CLOCK.fullmatch(value)
    if match is None:
        raise BadRequest(
            f"“{clipped(value)}” is no time of the day: write one such as /settings digest 18:30, "
            "/settings digest close for after the close, or /settings mute digest for none."
        )
    return replace(current, digest_at=_time(match[1], match[2], value))


def _weekly(current: Preferences, value: str) -> Preferences:
    return replace(current, weekly=_switched("weekly", value))


def _monthly(current: Preferences, value: str) -> Preferences:
    return replace(current, monthly=_switched("monthly", value))


def _switched(setting: str, value: str) -> bool:
    if value.lower() in OFF:
        return False
    if value.lower() != "on":
        raise BadRequest(f"“{clipped(value)}” is neither on nor off: write /settings {setting} on or off.")
    return True


def _compact(current: Preferences, value: str) -> Preferences:
    del value
    return replace(current, compact=True)


def _full(current: Preferences, value: str) -> Preferences:
    del value
    return replace(current, compact=False)


def _reset(current: Preferences, value: str) -> Preferences:
    del current, value
    return Preferences()


WISHES: Mapping[str, Callable[[Preferences, str], Preferences]] = MappingProxyType(
    {
        "zone": _zone,
        "quiet": _quiet,
        "mute": _mute,
        "unmute": _unmute,
        "digest": _digest,
        "weekly": _weekly,
        "monthly": _monthly,
        "compact": _compact,
        "full": _full,
        "reset": _reset,
    }
)
"""What can be set, in the words people type."""

TAKES_NO_VALUE = frozenset({"compact", "full", "reset"})


def wished(current: Preferences, setting: str, value: str) -> Preferences:
    """The preferences with one wish fulfilled.

    Raises:
        BadRequest: the value is not one of that setting.
    """
    if value and setting in TAKES_NO_VALUE:
        raise BadRequest(f"“{clipped(value)}” is one word too many: /settings {setting} stands alone.")
    return WISHES[setting](current, value.strip())


def suggestions(setting: str) -> tuple[str, ...]:
    """What the value of a setting could be, for completion."""
    match setting:
        case "zone":
            return tuple(zones().values())
        case "quiet":
            return ("22:00-07:00", "off")
        case "digest":
            return (CLOSE, "07:00", "18:30")
        case "weekly" | "monthly":
            return ("on", "off")
        case "mute" | "unmute":
            return (*Topic, EVERYTHING)
    return ()
