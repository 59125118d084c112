"""What a person set for themselves: the time zone of clock times, quiet hours, what is told to them, how briefly.

They count where the desk talks to that one person: answers to what they ask, and their private chats.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

import structlog

from alerts.routes import Topic
from engine.sessions import NEW_YORK
from engine.store import UnitOfWork

log = structlog.get_logger()

PREFIX = "person:"


@dataclass(frozen=True, slots=True)
class Preferences:
    """One person's settings; the defaults are the desk's.

    Attributes:
        zone: IANA name of the time zone that clock times are told in.
        quiet_from, quiet_until: between them (in `zone`) only what is urgent makes a sound; equal: never quiet.
        muted: topics that are not sent to their private chats, unless urgent.
        compact: short cards.
        digest_at: when the digest comes to their private chats, a time of day in `zone`; None: after the close.
        weekly, monthly: whether the digests of weeks and months come there too.
    """

    zone: str = NEW_YORK.key
    quiet_from: time = time(0)
    quiet_until: time = time(0)
    muted: frozenset[Topic] = frozenset()
    compact: bool = False
    digest_at: time | None = None
    weekly: bool = True
    monthly: bool = True

    def is_quiet(self, now: datetime) -> bool:
        """Whether `now` falls into the quiet hours.

        >>> from datetime import UTC
        >>> night = Preferences("Europe/Berlin", time(22), time(7))
        >>> [night.is_quiet(datetime(2026, 11, 27, hour, 30, tzinfo=UTC)) for hour in (20, 22, 12)]
        [False, True, False]
        """
        clock = now.astimezone(ZoneInfo(self.zone)).time()
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= clock < self.quiet_until
        return clock >= self.quiet_from or clock < self.quiet_until


def preferences_of(work: UnitOfWork, name: str) -> Preferences:
    """What the person called `name` has set; what cannot be read counts as not set: it keeps nobody from an answer."""
    stored = work.setting(PREFIX + name)
    if stored is None:
        return Preferences()
    try:
        return _read(json.loads(stored))
    except (ValueError, KeyError, TypeError) as problem:
        log.warning("preferences.unreadable", name=name, problem=repr(problem))
        return Preferences()


def save(work: UnitOfWork, name: str, wanted: Preferences, by: str, at: datetime) -> None:
    """Keep a person's settings."""
    body = {
        "zone": wanted.zone,
        "quiet_from": wanted.quiet_from.isoformat("minutes"),
        "quiet_until": wanted.quiet_until.isoformat("minutes"),
        "muted": sorted(wanted.muted),
        "compact": wanted.compact,
        "digest_at": None if wanted.digest_at is None else wanted.digest_at.isoformat("minutes"),
        "weekly": wanted.weekly,
        "monthly": wanted.monthly,
    }
    work.set_setting(PREFIX + name, json.dumps(body), by, at)


def _read(body: dict[str, object]) -> Preferences:
    """Raises ValueError, KeyError or TypeError for what was never saved here, a time zone nobody knows included."""
    muted, digest_at = body["muted"], body.get("digest_at")
    return Preferences(
        zone=ZoneInfo(str(body["zone"])).key,
        quiet_from=time.fromisoformat(str(body["quiet_from"])),
        quiet_until=time.fromisoformat(str(body["quiet_until"])),
        muted=frozenset(Topic(str(each)) for each in (muted if isinstance(muted, Iterable) else ())),
        compact=bool(body["compact"]),
        digest_at=None if digest_at is None else time.fromisoformat(str(digest_at)),
        weekly=bool(body.get("weekly", True)),
        monthly=bool(body.get("monthly", True)),
    )
