"""What a session, a week or a month made, counted from what the store kept: asks nobody outside.

Money is counted from close to close: what was made is the change of equity less what was put in or taken out. What
happened is counted by when the desk wrote it down, after the close before and up to this one, so that lists and money
are of the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import isnan

from engine import performance
from engine.errors import NotFound
from engine.model.book import ZERO, Position
from engine.model.digests import (
    ACCOUNT,
    Ahead,
    DayMade,
    Digest,
    Ended,
    Happened,
    Health,
    Index,
    Old,
    Parts,
    Period,
    Span,
    Theta,
    UsedLimit,
)
from engine.model.events import Event, EventKind
from engine.model.instruments import Option
from engine.model.market import Floats
from engine.model.orders import Fill, Order, Purpose
from engine.model.records import EquityDay, PnlLine, RunState, StrategyDay
from engine.model.rolls import RollStatus
from engine.sessions import Sessions
from engine.store import UnitOfWork

AFTER_CLOSE = timedelta(minutes=15)
"""How long after the closing bell a session's numbers are taken."""
DAWN = datetime(1970, 1, 1, tzinfo=UTC)
"""Before everything a desk has written down."""
COUNTED = frozenset(
    {
        EventKind.FILLED,
        EventKind.POSITION_CLOSED,
        EventKind.ASSIGNED,
        EventKind.CALLED_AWAY,
        EventKind.EXPIRED,
        EventKind.ROLL_CHANGED,
        EventKind.ERROR,
        EventKind.UNDELIVERED,
    }
)
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Close:
    """The account at one moment, and what each strategy had made by then since the start; None was not kept."""

    row: EquityDay
    lines: tuple[PnlLine, ...] | None


@dataclass(frozen=True, slots=True)
class Made:
    """Dollars made up to one moment, flows taken out; None where the account was not opened or its worth not known."""

    day: Decimal | None = None
    week: Decimal | None = None
    month: Decimal | None = None
    total: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What only the moment itself can tell; see `Digest`."""

    held: int | None = None
    decay: float | None = None
    uses: tuple[UsedLimit, ...] = ()
    ahead: tuple[Ahead, ...] = ()
    is_late: bool = False
    old: tuple[Old, ...] = ()
    notes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """Where a span ends: its close (None where it could not be taken), and what is known of that moment.

    `due`: the last session that has ended in it, or is on now: the close should be of that one.
    """

    close: Close | None
    until: datetime
    due: date
    facts: Facts = field(default_factory=Facts)
    index: Index | None = None


def period_of(sessions: Sessions, span: Span, day: date) -> Period:
    """The day, week (Monday to Sunday) or month that `day` lies in.

    Raises:
        BadRequest: no session on that day. DataUnavailable: the calendar does not reach that far.
    """
    if span is Span.DAY:
        sessions.close(day)
        return Period(span, day, day)
    sessions.is_session(day)  # refuses what the calendar does not reach, where days cannot be counted on
    if span is Span.WEEK:
        first = monday(day)
        days = sessions.between(first, first + timedelta(days=6))
    else:
        first = day.replace(day=1)
        days = sessions.between(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))
    return Period(span, days[0], days[-1])


def kept_close(work: UnitOfWork, period: Period) -> Close | None:
    """The last close that was kept in a period, None where none was."""
    rows = work.closes(period.first, period.last)
    if not rows:
        return None
    kept = work.strategies_on(rows[-1].day)
    return Close(rows[-1], tuple(map(_line, kept)) if kept or not _has_made(rows[-1]) else None)


def _line(day: StrategyDay) -> PnlLine:
    return PnlLine(day.strategy, day.realised, day.unrealised, day.dividends, day.fees)


def _has_made(row: EquityDay) -> bool:
    return bool(row.realised or row.unrealised or row.fees or row.dividends)


def reckon(work: UnitOfWork, sessions: Sessions, period: Period, end: End) -> Digest:
    """The digest of a period that ends (so far) at `end`."""
    base = work.close_before(period.first)
    before = base if base is not None else _opening(work)
    close, since = end.close, DAWN if base is None else base.at
    rows = () if close is None or before is None else _rows(work, period, before, close.row)
    events = work.events_between(COUNTED, since, end.until)
    made = Made() if close is None else made_by(work, close.row)
    return Digest(
        period=period,
        since=None if base is None else base.day,
        until=end.until,
        parts=None if close is None or before is None else _parts(work, before, close, is_opening=base is None),
        equity=None if close is None else close.row.equity,
        open=None if close is None else close.row.unrealised,
        total=made.total,
        day=made.day,
        week=made.week,
        month=made.month,
        happened=_happened(work, events, since, end.until),
        health=_health(work, sessions, events, since, end.until),
        made=_over(rows, performance.cumulative),
        drawdown=_over(rows, performance.max_drawdown),
        index=end.index,
        held=end.facts.held,
        theta=_theta(work, sessions, period, end.due),
        decay=end.facts.decay,
        uses=end.facts.uses,
        ahead=end.facts.ahead,
        days=tuple(DayMade(after.day, _made(first, after)) for first, after in pairwise(rows)),
        is_late=end.facts.is_late,
        old=end.facts.old,
        notes=(*_notes(sessions, period, base, end), *_gaps(sessions, rows), *end.facts.notes),
        unknown=end.facts.unknown,
    )


def _opening(work: UnitOfWork) -> EquityDay | None:
    """The account as it was opened, None before that."""
    start = work.totals().start
    if not start:
        return None
    return EquityDay(DAWN.date(), DAWN, start, start, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)


def _rows(work: UnitOfWork, period: Period, before: EquityDay, last: EquityDay) -> tuple[EquityDay, ...]:
    """The closes of the period up to `last`, after the one it is counted from."""
    kept = (row for row in work.closes(period.first, period.last) if row.day < last.day)
    return (before, *kept, last)


def _flows(rows: Sequence[EquityDay]) -> list[Decimal]:
    return [after.flows - before.flows for before, after in pairwise(rows)]


def _made(before: EquityDay, after: EquityDay) -> Decimal:
    return after.equity - before.equity - (after.flows - before.flows)


def made_by(work: UnitOfWork, row: EquityDay) -> Made:
    """What the account made up to `row` in its day, in its week from Monday on, in its month, and in all."""
    day = row.day
    firsts = (day, monday(day), day.replace(day=1), DAWN.date())
    return Made(*(made_since(work, row.equity, row.flows, first) for first in firsts))


def made_since(work: UnitOfWork, equity: Decimal, flows: Decimal, first: date) -> Decimal | None:
    """What an account of this equity made since the last close before `first`, or since its opening; `flows` are all
    that was ever put in less what was taken out. Dollars; None before it was opened."""
    before = work.close_before(first) or _opening(work)
    return None if before is None else equity - before.equity - (flows - before.flows)


def monday(day: date) -> date:
    """The first day of the week of `day`."""
    return day - timedelta(days=day.weekday())


def _over(rows: Sequence[EquityDay], measure: Callable[[Floats], Floats]) -> float | None:
    """A measure of the daily returns, time-weighted; None where there is no close to begin from."""
    if not rows:
        return None
    number = float(measure(performance.daily_returns([row.equity for row in rows], _flows(rows))))
    return None if isnan(number) else number


def _parts(work: UnitOfWork, before: EquityDay, close: Close, *, is_opening: bool) -> Parts:
    row = close.row
    whole = PnlLine(
        ACCOUNT,
        row.realised - before.realised,
        row.unrealised - before.unrealised,
        row.dividends - before.dividends,
        row.fees - before.fees,
    )
    earlier = () if is_opening else work.strategies_on(before.day)
    is_known = close.lines is not None and (bool(earlier) or not _has_made(before))
    interest = row.interest - before.interest
    return Parts(
        realised=whole.realised,
        unrealised=row.unrealised - before.unrealised,
        dividends=whole.dividends,
        interest=interest,
        fees=whole.fees,
        flows=row.flows - before.flows,
        total=_made(before, row),
        lines=_lines(whole, interest, close.lines or (), earlier) if is_known else None,
    )


def _lines(
    whole: PnlLine, interest: Decimal, ends: Iterable[PnlLine], earlier: Iterable[StrategyDay]
) -> tuple[PnlLine, ...]:
    """What each strategy made in between, those without a movement left out; the rest of `whole` is the account's."""
    then = {each.strategy: _line(each) for each in earlier}
    now = {each.strategy: each for each in ends}
    changes = [_change(name, then.get(name), now.get(name)) for name in sorted({*then, *now})]
    rest = PnlLine(
        ACCOUNT,
        whole.realised - sum((x.realised for x in changes), ZERO),
        _open(whole) - sum((_open(x) for x in changes), ZERO),
        whole.dividends + interest - sum((x.dividends for x in changes), ZERO),
        whole.fees - sum((x.fees for x in changes), ZERO),
    )
    moved = [x for x in changes if x.realised or x.unrealised or x.dividends or x.fees]
    return (*moved, *((rest,) if any(map(_is_money, _amounts(rest))) else ()))


def _amounts(line: PnlLine) -> tuple[Decimal, ...]:
    return line.realised, _open(line), line.dividends, line.fees


def _is_money(amount: Decimal) -> bool:
    """Whether it is more than what rounding each row to millionths leaves over."""
    return abs(amount) >= CENT / 2


def _open(line: PnlLine) -> Decimal:
    return line.unrealised or ZERO


def _change(name: str, before: PnlLine | None, after: PnlLine | None) -> PnlLine:
    nothing = PnlLine(name, ZERO, ZERO, ZERO, ZERO)
    first, last = before or nothing, after or nothing
    return PnlLine(
        name,
        last.realised - first.realised,
        _open(last) - _open(first),
        last.dividends - first.dividends,
        last.fees - first.fees,
    )


def _happened(work: UnitOfWork, events: Sequence[Event], since: datetime, until: datetime) -> Happened:
    of: Mapping[EventKind, list[Event]] = {kind: [e for e in events if e.kind is kind] for kind in COUNTED}
    return Happened(
        opened=_opened(work, of[EventKind.FILLED], since),
        ended=_ended(work, of[EventKind.POSITION_CLOSED]),
        rolled=len({e.subject for e in of[EventKind.ROLL_CHANGED] if e.data.get("status") == RollStatus.DONE.value}),
        assigned=_options(of[EventKind.ASSIGNED]),
        called_away=_options(of[EventKind.CALLED_AWAY]),
        expired=_options(of[EventKind.EXPIRED]),
        delivered=(*_named(of[EventKind.ASSIGNED], "assigned"), *_named(of[EventKind.CALLED_AWAY], "called away")),
        premium=_premium(work, of[EventKind.FILLED], since, until),
        proposals=work.proposed_between(since, until),
    )


def _opened(work: UnitOfWork, filled: Sequence[Event], since: datetime) -> tuple[str, ...]:
    """Positions whose first fill was written down in the span, first opened first."""
    entries = (e.subject for e in filled if e.data.get("purpose") == Purpose.ENTRY.value)
    return tuple(id for id in dict.fromkeys(entries) if not _was_open(work, id, since))


def _was_open(work: UnitOfWork, id: str, since: datetime) -> bool:
    """Whether an earlier fill of the position was written down before; one that began since cannot have one."""
    position = work.find_position(id)
    if position is not None and position.opened_at > since:
        return False
    about = work.events_about(id)
    return any(e.kind is EventKind.FILLED and e.subject == id and e.at <= since for e in about)


def _ended(work: UnitOfWork, closed: Sequence[Event]) -> tuple[Ended, ...]:
    """Positions that ended, first ended first; one that a late fill has opened again is none of them."""
    found = (work.find_position(id) for id in dict.fromkeys(e.subject for e in closed))
    return tuple(
        Ended(x.id, x.ticker, _kind(work, x), x.close_reason, x.realised + x.dividends - x.fees)
        for x in found
        if x is not None and not x.is_open
    )


def _kind(work: UnitOfWork, position: Position) -> str:
    """What it was opened as: a spread whose sold leg expired first ends as the other leg alone.

    Shares that an option became have its proposal too, and are no part of what that was to open.
    """
    approval = None if position.approval_id is None else work.find_approval(position.approval_id)
    legs = () if approval is None else approval.plan.signal.legs
    is_part = {leg.instrument for leg in position.unit} <= {leg.instrument for leg in legs}
    return str(position.structure if approval is None or not is_part else approval.plan.signal.structure)


def _options(events: Iterable[Event]) -> int:
    """How many option positions these tell of: the shares they became are told as well."""
    return len({str(event.data.get("option") or event.subject) for event in events})


def _named(events: Iterable[Event], what: str) -> tuple[str, ...]:
    """The options these tell of, each once, with what became of it; one that was told without its name is left out."""
    names = (event.data.get("instrument") for event in events)
    return tuple(f"{name} {what}" for name in dict.fromkeys(names) if name)


def _premium(work: UnitOfWork, filled: Sequence[Event], since: datetime, until: datetime) -> Decimal:
    """Dollars received for what was sold to open: executions booked in the span, of orders that open options for a net
    credit, their bought legs taken off."""
    ids = dict.fromkeys(str(event.data.get("client_order_id")) for event in filled)
    orders = {id: order for id in ids if (order := _order(work, id)) is not None}
    fills = {id: work.fills(client_order_id=id) for id, order in orders.items()}
    booked = (
        (orders[id], fill)
        for event in filled
        if (id := str(event.data.get("client_order_id"))) in orders
        for fill in fills[id]
        if _is_of(event, fill, since, until)
    )
    return sum((fill.cash for order, fill in booked if _is_sale(order, fill)), ZERO)


def _is_of(event: Event, fill: Fill, since: datetime, until: datetime) -> bool:
    """Whether an event tells of an execution; one of an earlier program, which did not say, by when it was done."""
    told = event.data.get("executions")
    if isinstance(told, list | tuple):
        return fill.execution_id in told
    return since < fill.at <= until


def _order(work: UnitOfWork, id: str) -> Order | None:
    """The order of an execution, None where it was traded elsewhere."""
    try:
        return work.order(id)
    except NotFound:
        return None


def _is_sale(order: Order, fill: Fill) -> bool:
    if not order.opening or order.limit is None or order.limit >= 0:
        return False
    return isinstance(fill.instrument, Option) and all(isinstance(leg.instrument, Option) for leg in order.legs)


def _health(work: UnitOfWork, sessions: Sessions, events: Sequence[Event], since: datetime, until: datetime) -> Health:
    runs = work.runs_between(since, until)
    return Health(
        missed=runs.get(RunState.MISSED, 0),
        failed=runs.get(RunState.FAILED, 0),
        errors=sum(event.kind is EventKind.ERROR for event in events),
        undelivered=sum(event.kind is EventKind.UNDELIVERED for event in events),
        down=_down(work, sessions, since, until),
    )


def _down(work: UnitOfWork, sessions: Sessions, since: datetime, until: datetime) -> float:
    """Seconds of market hours without a sign of life, from the first one that is kept."""
    first = work.first_beat()
    if first is None or first > until:
        return 0.0
    begin = max(since, first)
    silences = work.silences(begin, until)
    spans = (sessions.time_between(max(x.since, begin), min(x.until or until, until)) for x in silences)
    return sum((span.total_seconds() for span in spans), 0.0)


def _theta(work: UnitOfWork, sessions: Sessions, period: Period, due: date) -> Theta | None:
    """What time brought by the model; None where no close of the span knows it."""
    days = sessions.between(period.first, due)
    steps = ((day, sessions.previous(day)) for day in days)
    found = ((work.find_digest(before.isoformat()), (day - before).days) for day, before in steps)
    earned = [digest.decay * count for digest, count in found if digest is not None and digest.decay is not None]
    return Theta(sum(earned), len(earned), len(days)) if earned else None


def _notes(sessions: Sessions, period: Period, base: EquityDay | None, end: End) -> list[str]:
    """What is missing of the money, in sentences."""
    notes = []
    if end.close is None:
        notes.append("No close could be taken.")
    elif end.close.row.day < end.due:
        notes.append(f"Counted up to the close of {end.close.row.day}: no later one was kept.")
    if base is not None and base.day != sessions.previous(period.first):
        notes.append(f"Counted from the close of {base.day}: none was kept since.")
    return notes


def _gaps(sessions: Sessions, rows: Sequence[EquityDay]) -> list[str]:
    """Sessions inside the span whose close is missing: the bar after one tells of both."""
    missing = sum(len(sessions.between(a.day, b.day)) - 2 for a, b in pairwise(rows[1:]))
    return [f"Sessions without a close kept: {missing}. The one after has what they made."] if missing else []
