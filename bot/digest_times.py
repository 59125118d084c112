"""When a digest comes to one person's private chat: after the close, or at their own time of the day.

Everybody's channel gets it after the close. A person who wants it at a time of their own is told the latest session
that has ended by then, so that one early in the morning of Tokyo tells what closed that night. Each digest goes to each
chat once: its second row in the outbox is the mark, and where its card stands already it is not posted again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.routes import OF_DIGEST, Channels, Route, routes
from bot.people import People
from bot.preferences import Preferences, preferences_of
from engine.desk import Desk
from engine.model.digests import Span, named
from engine.model.events import Event, EventKind
from engine.reckoning import AFTER_CLOSE, period_of
from engine.sessions import Sessions
from engine.store import UnitOfWork

ITS_TIME = 1
"""Version of the delivery that comes at a person's own time; the one of 0 is that after the close."""
LATEST = 6
"""Weeks and months among which the latest ones are found."""


def is_held_back(sessions: Sessions, event: Event, wishes: Preferences, now: datetime) -> bool:
    """Whether a digest is not told to this person now: it comes at their time, or not at all."""
    if event.kind not in OF_DIGEST:
        return False
    return not (_wants(event, wishes) and _has_come(sessions, event, wishes, now))


def _wants(event: Event, wishes: Preferences) -> bool:
    span, _ = named(event.subject)
    return {Span.DAY: True, Span.WEEK: wishes.weekly, Span.MONTH: wishes.monthly}[span]


def send_due(desk: Desk, people: People, channels: Channels) -> int:
    """Put the digests on their way whose person's time has come; returns how many those were."""
    with desk.store.read() as work:
        due = tuple(_due(desk, work, people, channels))
    if not due:
        return 0
    with desk.store.begin() as work:
        return sum(work.enqueue(event.id, to.destination, ITS_TIME, to.key) for event, to in due)


def _due(desk: Desk, work: UnitOfWork, people: People, channels: Channels) -> Iterable[tuple[Event, Route]]:
    """What is due and is not on its way yet."""
    for event in _latest(work):
        sent = {each.destination for each in work.deliveries(event.id) if each.version == ITS_TIME}
        for to in routes(event, channels):
            person = people.by_identity.get(to.destination)
            if person is None or to.destination in sent:
                continue
            wishes = preferences_of(work, person.name)
            if wishes.digest_at is None:
                continue
            if _wants(event, wishes) and _has_come(desk.sessions, event, wishes, desk.now()):
                yield event, to


def _latest(work: UnitOfWork) -> tuple[Event, ...]:
    """The newest digest of a day, a week and a month."""
    found = (*work.newest_events((EventKind.DIGEST_READY,), 1), *work.newest_events((EventKind.REPORT_READY,), LATEST))
    newest: dict[Span, Event] = {}
    for event in found:
        newest.setdefault(named(event.subject)[0], event)
    return tuple(newest.values())


def _has_come(sessions: Sessions, event: Event, wishes: Preferences, now: datetime) -> bool:
    """Whether their time of the day has come since the digest was due. One made late goes out at once."""
    if wishes.digest_at is None:
        return True
    ended = sessions.close(period_of(sessions, *named(event.subject)).last) + AFTER_CLOSE
    return ended <= last_time(wishes, now)


def last_time(wishes: Preferences, now: datetime) -> datetime:
    """When it was last their time for the digest. Twice in the night the clocks go back, the first time counts.

    >>> from datetime import UTC, time
    >>> last_time(Preferences("Asia/Tokyo", digest_at=time(7)), datetime(2026, 11, 27, 21, tzinfo=UTC)).isoformat()
    '2026-11-26T22:00:00+00:00'
    """
    zone = ZoneInfo(wishes.zone)
    today = now.astimezone(zone).date()
    clock = wishes.digest_at or datetime.min.time()
    times = (
        datetime.combine(today - timedelta(days=back), clock, zone).astimezone(now.tzinfo) for back in (-1, 0, 1, 2)
    )
    return max(at for at in times if at <= now)
