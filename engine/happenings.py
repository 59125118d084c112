"""What is known to come for a name: which sessions a report moves, ex-dates while something is held, listed expiries.

None is "not known", and live that rejects; an empty answer is "known to be none".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from operator import attrgetter

from engine.model.market import Dividend, Earnings, ReportTime
from engine.sessions import Sessions

WEEK = timedelta(days=7)
THIRD_WEEK = range(15, 22)
"""The days of a month its third Friday can be."""
FRIDAY = 4


def moved_sessions(report: Earnings, sessions: Sessions) -> tuple[date, ...]:
    """The sessions that may open away from the close before because of a report, soonest first.

    Before the open: that day's session. After the close: the next one. Where the hour is not known it may be either.
    A report on a day without trading moves the next session.

    >>> moved_sessions(Earnings(date(2024, 2, 1), ReportTime.AFTER_CLOSE), Sessions())
    (datetime.date(2024, 2, 2),)
    """
    same, following = sessions.upcoming(report.day, 1)[0], sessions.next(report.day)
    if report.when is ReportTime.BEFORE_OPEN:
        return (same,)
    if report.when is ReportTime.AFTER_CLOSE:
        return (following,)
    return (same,) if same == following else (same, following)


def last_session_before(report: Earnings, sessions: Sessions) -> date:
    """The last session that surely trades without knowing the report: where something can still be done about it."""
    return sessions.previous(moved_sessions(report, sessions)[0])


def first_session_after(report: Earnings, sessions: Sessions) -> date:
    """The first session that surely trades knowing the report from its opening bell on."""
    return moved_sessions(report, sessions)[-1]


def reports_moving(
    earnings: tuple[Earnings, ...] | None, first: date, last: date, sessions: Sessions
) -> tuple[Earnings, ...] | None:
    """The reports that may move a session from `first` to `last` inclusive, oldest first.

    None when that is not known: no source covers the name, or none lists a report later than `first`, though every
    company reports.
    """
    if earnings is None:
        return None
    inside = [r for r in earnings if any(first <= day <= last for day in moved_sessions(r, sessions))]
    if not inside and not any(report.day >= first for report in earnings):
        return None
    return tuple(sorted(inside, key=attrgetter("day")))


def ex_dates_held(dividends: tuple[Dividend, ...] | None, since: date, until: date) -> tuple[Dividend, ...] | None:
    """The known dividends that whoever holds from the close of `since` over the open of `until` is paid, oldest first.

    What is bought on the ex-date comes without the dividend, so `since` itself is left out. None: no source covers it.
    """
    if dividends is None:
        return None
    inside = (dividend for dividend in dividends if since < dividend.ex_date <= until)
    return tuple(sorted(inside, key=attrgetter("ex_date")))


def week_ends(listed: Iterable[date]) -> tuple[date, ...]:
    """The last listed expiry of every calendar week: a Friday, or the day before where the exchange is closed."""
    last: dict[date, date] = {}
    for expiry in sorted(listed):
        last[expiry - timedelta(days=expiry.weekday())] = expiry
    return tuple(last.values())


def monthlies(listed: Iterable[date]) -> tuple[date, ...]:
    """The standard monthly expiries among those listed: the week's last in the week of each month's third Friday.

    Whatever day of that week it is, it has to be listed: the third Friday of June 2027 is a holiday.
    """
    return tuple(expiry for expiry in week_ends(listed) if _friday(expiry).day in THIRD_WEEK)


def _friday(day: date) -> date:
    """The Friday of the calendar week of `day`."""
    return day + timedelta(days=FRIDAY - day.weekday())
