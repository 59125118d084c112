"""The digest of every session, week and month: made and announced once, told again the same whenever it is asked for.

A session's numbers are taken a quarter of an hour after its close and kept, with what only that moment can tell. A desk
that was down then takes them as long as the next session has not begun; later nobody knows the prices any more, and the
digest says so. Of several sessions that went by only the latest one is told; a week or a month of which no close was
kept is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import structlog

from engine import audit, bounds, portfolio, risk, standing
from engine.benchmark import Beside, beside
from engine.desk import Desk
from engine.errors import BadRequest, BrokerError, DataError, NotFound
from engine.model.book import Position
from engine.model.digests import Ahead, Digest, Index, Old, Period, Span, UsedLimit
from engine.model.events import EventKind
from engine.model.instruments import Option
from engine.model.market import Bars, Dividend
from engine.model.records import EquityDay
from engine.performance import total_return
from engine.reckoning import AFTER_CLOSE, Close, End, Facts, kept_close, period_of, reckon
from engine.risk import Unit
from engine.standing import Marks
from engine.store import UnitOfWork

log = structlog.get_logger()

SESSIONS_AHEAD = 5
"""How far ahead expiries, reports and ex-dates are told."""
CURVE = 63
"""Sessions of the equity curve: a quarter."""
UNKEPT = "What was held and the limits in use were not kept then."
TRIES = 3
"""How often a session's numbers are taken anew, when something was traded while its prices were asked for."""
KINDS = {Span.DAY: EventKind.DIGEST_READY, Span.WEEK: EventKind.REPORT_READY, Span.MONTH: EventKind.REPORT_READY}


@dataclass(frozen=True, slots=True)
class Taken:
    """Prices of everything held and what else is asked of the moment."""

    marks: Marks
    rate: float | None
    facts: Facts


def digest(desk: Desk, span: Span = Span.DAY, day: date | None = None) -> Digest:
    """The digest of the day, week or month of `day` (today): as told, as far as it has come, or from what was kept.

    Raises:
        BadRequest: no session on that day, or none yet.
    """
    today = desk.today
    if day is None:
        day = today if span is not Span.DAY or desk.sessions.is_session(today) else desk.sessions.previous(today)
    period = period_of(desk.sessions, span, day)
    if period.first > today:
        raise BadRequest(f"{period.subject} has not begun: its first session is {period.first}.")
    with desk.store.read() as work:
        told = work.find_digest(period.subject)
    if told is not None:
        return told
    if period.first <= today <= period.last:
        return _so_far(desk, period)
    return _looked_back(desk, period)


def _so_far(desk: Desk, period: Period) -> Digest:
    """The period up to now, at the prices of now. What is booked on a day without trading is the last session's."""
    taken, last = _take(desk), desk.sessions.last(desk.today)
    with desk.store.read() as work:
        base = work.close_before(period.first)
    index = _index(desk, base, last)
    with desk.store.read() as work:
        close = portfolio.close(desk, work, last, taken.marks, taken.rate)
        return reckon(work, desk.sessions, period, End(close, desk.now(), last, taken.facts, index))


def _looked_back(desk: Desk, period: Period) -> Digest:
    """A period from what was kept of it; what only its end could tell is as its last session's digest has it."""
    with desk.store.read() as work:
        base, close = work.close_before(period.first), kept_close(work, period)
    index = None if close is None else _index(desk, base, close.row.day)
    with desk.store.read() as work:
        return _from_kept(desk, work, period, close, index)


def _from_kept(desk: Desk, work: UnitOfWork, period: Period, close: Close | None, index: Index | None) -> Digest:
    due = min(period.last, last_ended(desk))
    last = due if close is None else close.row.day
    until = desk.sessions.close(last) + AFTER_CLOSE if close is None else close.row.at
    told = work.find_digest(last.isoformat())
    facts = Facts(unknown=(UNKEPT,)) if told is None else Facts(told.held, told.decay, told.uses, told.ahead)
    if close is not None and desk.sessions.today(close.row.at) != close.row.day:
        facts = replace(facts, is_late=True)
    return reckon(work, desk.sessions, period, End(close, until, due, facts, index))


def last_ended(desk: Desk) -> date:
    """The latest session that closed a quarter of an hour ago, or longer."""
    today = desk.today
    is_over = desk.sessions.is_session(today) and desk.now() >= desk.sessions.close(today) + AFTER_CLOSE
    return today if is_over else desk.sessions.previous(today)


def end_day_once(desk: Desk) -> bool:
    """The digest of the latest session that has ended, once; False when there is nothing to do."""
    day = last_ended(desk)
    with desk.store.read() as work:
        if _is_told(work, Span.DAY, day.isoformat()) or not _had_begun(desk, work, day):
            return False
    return _end_day(desk, day)


def end_once(desk: Desk) -> None:
    """Whatever is due of a day, a week and a month."""
    end_day_once(desk)
    end_week_once(desk)
    end_month_once(desk)


def end_week_once(desk: Desk) -> bool:
    """The digest of the latest week that has ended, once, after that of its last session."""
    return _end_span_once(desk, Span.WEEK)


def end_month_once(desk: Desk) -> bool:
    """The digest of the latest month that has ended, once, after that of its last session."""
    return _end_span_once(desk, Span.MONTH)


def _is_told(work: UnitOfWork, span: Span, subject: str) -> bool:
    """Whether it was announced, by an earlier program too."""
    return any(event.kind is KINDS[span] for event in work.events_about(subject))


def _had_begun(desk: Desk, work: UnitOfWork, day: date) -> bool:
    """Whether there were books by the time the session's numbers were due."""
    began = work.books_began()
    return began is not None and began <= desk.sessions.close(day) + AFTER_CLOSE


def _end_day(desk: Desk, day: date) -> bool:
    """Keep the session's numbers and announce its digest, in one transaction; False where that was done before."""
    audit.seal(desk.store)
    for _ in range(TRIES):
        taken = _taken_for(desk, day)
        with desk.store.read() as work:
            base = work.close_before(day)
        index = None if taken is None else _index(desk, base, day)
        with desk.store.begin() as work:
            if _is_told(work, Span.DAY, day.isoformat()):
                return False
            close = None if taken is None else portfolio.close(desk, work, day, taken.marks, taken.rate)
            if close is None and taken is not None and not taken.marks.missing:
                continue
            _tell_day(desk, work, day, taken, close, index)
            return True
    log.warning("digest.unsteady", day=day.isoformat())
    return False


def _taken_for(desk: Desk, day: date) -> Taken | None:
    """What is asked for at the end of a session, None when the next one has begun: its prices are gone."""
    if desk.now() >= desk.sessions.open(desk.sessions.next(day)):
        return None
    taken = _take(desk)
    return replace(taken, facts=replace(taken.facts, is_late=desk.today != day))


def _tell_day(
    desk: Desk, work: UnitOfWork, day: date, taken: Taken | None, close: Close | None, index: Index | None
) -> None:
    if taken is not None and close is not None:
        portfolio.keep_close(desk, work, close, taken.marks)
    end = End(close, desk.now(), day, Facts() if taken is None else taken.facts, index)
    _tell(desk, work, reckon(work, desk.sessions, period_of(desk.sessions, Span.DAY, day), end))


def _end_span_once(desk: Desk, span: Span) -> bool:
    period = _last_period(desk, span)
    with desk.store.read() as work:
        if _is_told(work, span, period.subject) or not _had_begun(desk, work, period.last):
            return False
    end_day_once(desk)
    with desk.store.read() as work:
        if period.last == last_ended(desk) and not _is_told(work, Span.DAY, period.last.isoformat()):
            return False  # its last close may still be taken; told without it, no week would ever have what it made
        base, close = work.close_before(period.first), kept_close(work, period)
    if close is None:
        return False
    index = _index(desk, base, close.row.day)
    audit.seal(desk.store)
    with desk.store.begin() as work:
        if _is_told(work, span, period.subject):
            return False
        _tell(desk, work, _from_kept(desk, work, period, close, index))
    return True


def _last_period(desk: Desk, span: Span) -> Period:
    """The latest week or month whose last session has ended."""
    ended = last_ended(desk)
    period = period_of(desk.sessions, span, ended)
    return period if period.last == ended else period_of(desk.sessions, span, desk.sessions.previous(period.first))


def _tell(desk: Desk, work: UnitOfWork, made: Digest) -> None:
    """Keep a digest and announce it, with the head of the audit chain as it is now."""
    work.add_digest(made)
    equity = None if made.equity is None else str(made.equity)
    data = {"equity": equity, "audit": str(audit.head(desk.store))}
    work.add_event(desk.event(KINDS[made.period.span], made.period.subject, data))


def published(desk: Desk, made: Digest) -> str:
    """The head of the audit chain that a digest was announced with, shortened; "" where it was not announced."""
    period = made.period
    with desk.store.read() as work:
        told = [event for event in work.events_about(period.subject) if event.kind is KINDS[period.span]]
    heads = audit.heads_in(str(told[0].data.get("audit", ""))) if told else ()
    return heads[0].short if heads else ""


def _take(desk: Desk) -> Taken:
    """Prices of everything held and what only this moment can tell; what does not answer is said in a note."""
    book, marks = portfolio.priced(desk)
    held = tuple(book.positions.values())
    decay = portfolio.decay(desk, book, marks)
    uses, unused = _uses(desk)
    coming, unheard = _ahead(desk, held)
    missing = ", ".join(map(str, marks.missing))
    facts = Facts(
        len(held),
        decay,
        uses,
        coming,
        old=tuple(Old(str(item), at) for item, at in sorted(marks.stale.items(), key=str)),
        notes=(f"No price for {missing}.",) if missing else (),
        unknown=(*(("The theta of what is held is not known.",) if decay is None else ()), *unused, *unheard),
    )
    return Taken(marks, portfolio.short_rate(desk), facts)


def _uses(desk: Desk) -> tuple[tuple[UsedLimit, ...], tuple[str, ...]]:
    """The limits that matter now, and why they are not known where they are not."""
    try:
        standing.ensure_account(desk)
        with desk.store.read() as work:
            state = standing.risk_state(desk, work, work.open_tickets())
            limits = bounds.limits_in_force(desk, work)
    except (BrokerError, DataError) as problem:
        return (), (f"The limits in use are not known: {problem}",)
    shown = (use for use in risk.usage(state, limits) if use.unit is Unit.FRACTION)
    return tuple(UsedLimit(use.name, use.used, use.limit) for use in shown), ()


def _ahead(desk: Desk, held: Iterable[Position]) -> tuple[tuple[Ahead, ...], tuple[str, ...]]:
    """Expiries, reports and ex-dates of what is held in the next sessions, soonest first; and whose nobody knows."""
    today = desk.today
    until = desk.sessions.next(today, SESSIONS_AHEAD)
    positions = tuple(held)
    options = {x for position in positions for x in position.instruments if isinstance(x, Option)}
    found = {Ahead(x.expiry, x.underlying, "expires") for x in options if today < x.expiry <= until}
    unknown = []
    for ticker in sorted({position.ticker for position in positions}):
        coming = _known_ahead(desk, ticker, until)
        found |= set(coming or ())
        if coming is None:
            unknown.append(ticker)
    notes = (f"Reports and ex-dates to come are not known for {', '.join(unknown)}.",) if unknown else ()
    return tuple(sorted(found, key=lambda x: (x.day, x.ticker, x.what))), notes


def _known_ahead(desk: Desk, ticker: str, until: date) -> tuple[Ahead, ...] | None:
    """Reports and ex-dates of one name, None where nobody knows either."""
    try:
        snapshot = desk.market.snapshot(ticker)
        reports, dividends = snapshot.earnings, snapshot.dividends
    except (DataError, NotFound):
        return None
    if reports is None and dividends is None:
        return None
    told = [
        Ahead(x.day, ticker, _reports(x.when.value)) for x in reports or () if x.is_ahead(desk.today) and x.day <= until
    ]
    paid = [
        Ahead(x.ex_date, ticker, f"ex-dividend {x.amount:.2f}")
        for x in dividends or ()
        if desk.today < x.ex_date <= until
    ]
    return (*told, *paid)


def _reports(when: str) -> str:
    return "reports" if when == "unknown" else f"reports {when}"


def _index(desk: Desk, base: EquityDay | None, last: date) -> Index | None:
    """What the index made from one close to another; None where a price of either is not known."""
    bars = None if base is None else index_bars(desk, base.day, last)
    if base is None or bars is None or len(bars) < 2 or _ends(bars) != (base.day, last):
        return None
    dividends = _dividends(desk)
    level = total_return(bars, dividends or ()).level
    return Index(portfolio.BESIDE, float(level[-1] / level[0] - 1.0), dividends is not None)


def _ends(bars: Bars) -> tuple[date, date]:
    return bars.day[0].astype(object), bars.day[-1].astype(object)


def index_bars(desk: Desk, first: date, last: date) -> Bars | None:
    """Daily bars of the index with the session of today so far, None where nobody knows them."""
    try:
        bars = desk.market.bars(portfolio.BESIDE, first, last)
        today = desk.market.snapshot(portfolio.BESIDE).session if last == desk.today else None
    except (DataError, NotFound):
        return None
    if today is None or today.day != last or (len(bars) and _ends(bars)[1] == last):
        return bars
    return with_bar(bars, today.day, today.close)


def with_bar(bars: Bars, day: date, price: float) -> Bars:
    """The bars with one more session at one price."""
    value = np.array([price])

    def more(column: np.typing.NDArray[np.float64]) -> np.typing.NDArray[np.float64]:
        return np.concatenate((column, value))

    days = np.concatenate((bars.day, np.array([day], dtype="datetime64[D]")))
    volume = np.concatenate((bars.volume, np.array([np.nan])))
    return Bars(
        bars.ticker, days, more(bars.open), more(bars.high), more(bars.low), more(bars.close), volume, bars.source
    )


def _dividends(desk: Desk) -> tuple[Dividend, ...] | None:
    """What the index fund paid, None where nobody tells."""
    try:
        return desk.market.snapshot(portfolio.BESIDE).dividends
    except (DataError, NotFound):
        return None


def curve(desk: Desk, last: date) -> tuple[tuple[EquityDay, ...], Beside | None]:
    """The closes of the quarter up to `last`, and the same money in the index where somebody knows its prices."""
    first = last - timedelta(days=120)
    with desk.store.read() as work:
        history = work.closes(first, last)[-CURVE:]
    if len(history) < 2:
        return history, None
    return history, beside(history, index_bars(desk, history[0].day, history[-1].day), _dividends(desk))
