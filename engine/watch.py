"""Watching the limits between orders: what prices alone take over a limit, losses, and strategies that keep losing.

What is found becomes a lock with its event: entries stop, exits go on. A limit on exposures is told at the first look
that finds it passed; a loss needs two looks a minute apart. Both the mid and the liquidation value must be beyond, so
the better of the two is judged, and only while the market is open: marks from before the bell trip nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import ceil, log
from typing import Any

from engine import activities, bounds, drift, locks, portfolio, quoted, results, risk, risk_report, standing
from engine.desk import Desk
from engine.model.book import ZERO, Book
from engine.model.instruments import Stock
from engine.model.limits import Limits
from engine.model.locks import LockKind, LockStatus, Scope
from engine.model.trade import Campaign, RiskLevel
from engine.standing import Marks
from engine.store import UnitOfWork

SETTING = "watch"
"""Setting: the readings that are running, the limits that are passed, the streaks that were told."""

APART = timedelta(seconds=60)
"""Between the two readings of a loss."""

CLEAR = Decimal("0.95")
"""Share of a limit that use must fall back to before it counts as kept again: at the edge it would flap."""

DELTAS_EVERY = timedelta(minutes=10)

FEW = 10
"""Closed campaigns below which a win rate says nothing: the shortest streak pauses then."""


@dataclass(slots=True)
class Memory:
    """What the watch remembers from look to look. Kept as one setting; times are ISO, limits by key and name.

    Attributes:
        first: by loss, when the running breach of its limit was first read.
        passed: by limit, the lock its breach made.
        streaks: by strategy, the time its last streak was told: earlier campaigns no longer count.
        closed: the position that had closed last when streaks were counted.
        deltas_at: when the deltas of what is held were computed. seen: the positions they were computed of.
    """

    first: dict[str, str]
    passed: dict[str, str]
    streaks: dict[str, str]
    closed: str = ""
    deltas_at: str = ""
    seen: list[str] = field(default_factory=list)


def look(desk: Desk) -> None:
    """One look: locks whose time is over end; while the market is open every limit is read.

    While something held has no price at all, or the books have no opening balance yet, nothing is judged: a number
    would be made up. Two looks at once (the loop's and the job's) tell nothing twice: the slower one gives way.
    """
    locks.expire_due(desk)
    if not desk.sessions.is_open(desk.now()):
        return
    with desk.store.read() as reading:
        if not activities.have_begun(reading):
            return
        book, stored, memory = reading.book(), standing.stored_marks(reading), _memory(reading)
    marks = standing.marks(desk, book, stored)
    mid, liquidation = book.equity(marks.prices), book.equity(marks.sides)
    if mid is None or liquidation is None:
        return
    greeks = _greeks(desk, book, marks, memory)
    falls = _falls(desk, book, marks) if greeks is not None else {}
    equity = max(mid, liquidation)
    with desk.store.begin() as work:
        before = _memory(work)
        if before != memory:  # another look has judged since, by newer prices than were read here
            return
        if greeks is not None:
            standing.save_deltas(desk, work, greeks.deltas)
            standing.save_falls(desk, work, falls)
            drift.note(desk, work, greeks.deltas, greeks.vegas)
            memory.deltas_at, memory.seen = desk.now().isoformat(), sorted(book.positions)
        state = standing.state_at(desk, work, work.open_tickets(), equity, ZERO)
        limits = bounds.limits_in_force(desk, work)
        _exposures(desk, work, memory, risk.uses(state, limits))
        _losses(desk, work, memory, state, limits)
        _pauses(desk, work, memory, _made(work, marks), state, limits)
        _streaks(desk, work, memory, limits)
        if memory != before:
            _save(desk, work, memory)


def _memory(work: UnitOfWork) -> Memory:
    known: dict[str, Any] = json.loads(work.setting(SETTING) or "{}")
    return Memory(**({"first": {}, "passed": {}, "streaks": {}} | known))


def _save(desk: Desk, work: UnitOfWork, memory: Memory) -> None:
    work.set_setting(SETTING, json.dumps(asdict(memory), sort_keys=True), "desk", desk.now())


@dataclass(frozen=True, slots=True)
class _Greeks:
    """Of one unit of every position, by its id, where they are known: delta dollars, dollars a point of volatility."""

    deltas: dict[str, Decimal]
    vegas: dict[str, Decimal]


def _greeks(desk: Desk, book: Book, marks: Marks, memory: Memory) -> _Greeks | None:
    """Those of now; None while the last are young."""
    is_young = memory.deltas_at and desk.now() - datetime.fromisoformat(memory.deltas_at) < DELTAS_EVERY
    if is_young and book.positions.keys() <= set(memory.seen):
        return None
    tickets = sorted({position.ticker for position in book.positions.values()})
    quotes = quoted.known(desk, (Stock(ticker) for ticker in tickets))
    spots = {share.symbol: quote.mid for share, quote in quotes.items()}
    single = portfolio.option_greeks(desk, book, marks, spots)
    found = _Greeks({}, {})
    for position in book.positions.values():
        known = [(single.get(leg.instrument), leg.ratio * leg.instrument.multiplier) for leg in position.unit]
        if position.ticker in spots and all(each is not None for each, _ in known):
            shares = sum(each.delta * times for each, times in known if each is not None)
            point = sum(each.vega * times for each, times in known if each is not None)
            found.deltas[position.id] = Decimal(f"{shares:.6f}") * spots[position.ticker]
            found.vegas[position.id] = Decimal(f"{point:.6f}")
    return found


def _falls(desk: Desk, book: Book, marks: Marks) -> dict[str, Decimal]:
    """What a fall of SPY would do to a unit of every position, by its id, where that is known."""
    standing.ensure_returns(desk, ())
    return risk_report.falls(desk, book, marks)


def _exposures(desk: Desk, work: UnitOfWork, memory: Memory, uses: Iterable[risk.LimitUse]) -> None:
    """Lock what has passed a limit on exposures, and free it once use is well inside again."""
    now = {f"{use.key}:{use.name}": use for use in uses}
    for ident, use in now.items():
        if not use.holds and ident not in memory.passed:
            scope, subject = _scope(use)
            reason = f"{use.name} {_percent(use.used)} is past its limit of {_percent(use.limit)}"
            lock = locks.impose(desk, work, scope, subject, LockKind.BREACH, reason, limit=ident)
            memory.passed[ident] = lock.id
    for ident, lock_id in tuple(memory.passed.items()):
        use_now = now.get(ident)
        if use_now is None or use_now.used <= use_now.limit * CLEAR:
            del memory.passed[ident]
            _all_clear(desk, work, lock_id, use_now)


def _scope(use: risk.LimitUse) -> tuple[Scope, str]:
    """What a passed limit stops: the whole desk, a name or a strategy."""
    if not use.subject:
        return Scope.DESK, ""
    return (Scope.TICKER if use.key == "one_underlying" else Scope.STRATEGY), use.subject


def _all_clear(desk: Desk, work: UnitOfWork, lock_id: str, use: risk.LimitUse | None) -> None:
    lock = work.find_lock(lock_id)
    if lock is None or not lock.holds(desk.now()):
        return
    now = "nothing counts toward it any more" if use is None else f"{use.name} is {_percent(use.used)} again"
    told = f"All clear, {lock.id} is lifted: {now}. {lock.what} may open again."
    locks.end(desk, work, lock, LockStatus.LIFTED, "desk", told)


def _percent(fraction: Decimal) -> str:
    return f"{fraction * 100:.1f} %"


def _losses(desk: Desk, work: UnitOfWork, memory: Memory, state: risk.RiskState, limits: Limits) -> None:
    """Stop entries for the day, for the week, or until an admin resumes."""
    today = desk.today
    monday = today - timedelta(days=today.weekday())
    tomorrow = desk.sessions.open(desk.sessions.next(today))
    next_week = desk.sessions.open(desk.sessions.next(monday + timedelta(days=6)))
    day, week = -state.share(state.day_pnl), -state.share(state.week_pnl)
    rules = (
        (LockKind.DAY_LOSS, day, limits.daily_loss, today, tomorrow),
        (LockKind.WEEK_LOSS, week, limits.weekly_loss, monday, next_week),
        (LockKind.DRAWDOWN, state.drawdown, limits.drawdown_halt, None, None),
    )
    for kind, lost, limit, since, until in rules:
        is_due = _confirmed(desk, memory, kind.value, is_past=lost >= limit)
        if is_due and not _was_told(desk, work, kind, "", since):
            reason = f"the {kind.value} of {_percent(lost)} has reached its limit of {_percent(limit)}"
            locks.impose(desk, work, Scope.DESK, "", kind, reason, until=until)


def _confirmed(desk: Desk, memory: Memory, name: str, *, is_past: bool) -> bool:
    """Whether a loss is past its limit now and was, without a break, at a reading of this session a minute ago."""
    now = desk.now()
    if not is_past:
        memory.first.pop(name, None)
        return False
    first = datetime.fromisoformat(memory.first.setdefault(name, now.isoformat()))
    if desk.sessions.today(first) != desk.today:
        memory.first[name] = now.isoformat()
        return False
    return now - first >= APART


def _was_told(desk: Desk, work: UnitOfWork, kind: LockKind, subject: str, since: date | None) -> bool:
    """Whether such a lock is held, or was made since that day: one that a person lifted is not made again."""
    made = work.held_locks() if since is None else work.locks_since(desk.sessions.at(since, "00:00"))
    return any(lock.kind is kind and lock.subject == subject for lock in made)


@dataclass(frozen=True, slots=True)
class Made:
    """What a strategy has made since it began, dollars after fees: at the mid and if it were closed now."""

    mid: Decimal
    liquidation: Decimal


def _made(work: UnitOfWork, marks: Marks) -> dict[str, Made]:
    """By strategy; those that never traded are not in it."""
    booked, positions = work.strategy_totals(), work.open_positions()
    at_mid, at_close = (results.by_strategy(booked, positions, prices) for prices in (marks.prices, marks.sides))
    return {
        mid.strategy: Made(mid.total, close.total)
        for mid, close in zip(at_mid, at_close, strict=True)
        if mid.total is not None and close.total is not None
    }


@dataclass(frozen=True, slots=True)
class Curve:
    """The equity of one strategy: 1 at its first look, each day times 1 + its P&L / the account's equity that morning.

    Attributes:
        day: the session of the last look. start, pnl: curve and dollars made at the end of the session before.
        last, last_pnl: the same at the last look. peak: the highest it has been.
    """

    day: str
    start: float
    pnl: str
    last: float
    last_pnl: str
    peak: float

    @property
    def fall(self) -> Decimal:
        """Fall from the peak as a fraction of it."""
        return Decimal(f"{1 - self.last / self.peak:.9f}") if self.peak > 0 else Decimal(1)


def drawn_on(curve: Curve | None, day: date, pnl: Decimal, morning: Decimal) -> Curve:
    """The curve after a look on `day` at a strategy that has made `pnl` dollars; `morning`: the account's equity then.

    >>> first = drawn_on(None, date(2026, 6, 15), Decimal(0), Decimal(100_000))
    >>> drawn_on(first, date(2026, 6, 15), Decimal(-5_000), Decimal(100_000)).fall
    Decimal('0.050000000')
    """
    if curve is None:
        return Curve(day.isoformat(), 1.0, str(pnl), 1.0, str(pnl), 1.0)
    if curve.day != day.isoformat():
        curve = replace(curve, day=day.isoformat(), start=curve.last, pnl=curve.last_pnl)
    gained = float((pnl - Decimal(curve.pnl)) / morning) if morning > 0 else 0.0
    value = curve.start * (1 + gained)
    return replace(curve, last=value, last_pnl=str(pnl), peak=max(curve.peak, value))


def _pauses(
    desk: Desk,
    work: UnitOfWork,
    memory: Memory,
    made: Mapping[str, Made],
    state: risk.RiskState,
    limits: Limits,
) -> None:
    """Pause a strategy whose own equity has fallen too far from its peak, until somebody unlocks it."""
    before = _curves(work)
    curves = dict(before)
    for name, strategy in desk.strategies.items():
        if name not in made:
            continue
        pnl = max(made[name].mid, made[name].liquidation)
        curves[name] = drawn_on(curves.get(name), desk.today, pnl, state.equity - state.day_pnl)
        limit = limits.pause_low if strategy.risk_level is RiskLevel.LOW else limits.pause_other
        fall = curves[name].fall
        is_due = _confirmed(desk, memory, f"pause:{name}", is_past=fall >= limit)
        if is_due and not _was_told(desk, work, LockKind.PAUSE, name, None):
            reason = f"its own equity fell {_percent(fall)} from its peak, {_percent(limit)} pauses it"
            locks.impose(desk, work, Scope.STRATEGY, name, LockKind.PAUSE, reason)
    if curves != before:
        _save_curves(desk, work, curves)


def falls(work: UnitOfWork) -> dict[str, Decimal]:
    """How far each strategy's own equity was below its peak at the last look, as a fraction of it."""
    return {name: curve.fall for name, curve in _curves(work).items()}


def _curves(work: UnitOfWork) -> dict[str, Curve]:
    return {name: Curve(**row) for name, row in json.loads(work.setting(locks.CURVES) or "{}").items()}


def _save_curves(desk: Desk, work: UnitOfWork, curves: Mapping[str, Curve]) -> None:
    body = {name: asdict(curve) for name, curve in curves.items()}
    work.set_setting(locks.CURVES, json.dumps(body, sort_keys=True), "desk", desk.now())


def _streaks(desk: Desk, work: UnitOfWork, memory: Memory, limits: Limits) -> None:
    """Pause a strategy that has lost too many campaigns in a row; looked at when a position has closed."""
    latest = work.positions_closed(limit=1)
    closed = f"{latest[0].id} {latest[0].closed_at}" if latest else ""
    if closed == memory.closed:
        return
    memory.closed = closed
    for name in desk.strategies:
        campaigns = work.campaigns(name)
        told = memory.streaks.get(name)
        fresh = [c for c in campaigns if told is None or c.closed > datetime.fromisoformat(told)]
        lost = losing_streak(fresh)
        # A row of losses must not excuse itself: the win rate is that of the campaigns before it.
        allowed = streak_limit(campaigns[: len(campaigns) - lost], limits)
        if lost < allowed:
            continue
        memory.streaks[name] = desk.now().isoformat()
        until = desk.sessions.open(desk.sessions.next(desk.today, limits.streak_sessions))
        reason = f"{lost} losing campaigns in a row, {allowed} pause it"
        locks.impose(desk, work, Scope.STRATEGY, name, LockKind.STREAK, reason, until=until)


def losing_streak(campaigns: Sequence[Campaign]) -> int:
    """How many of the latest campaigns (oldest first) lost in a row; one that broke even after fees is no win."""
    lost = 0
    for campaign in reversed(campaigns):
        if campaign.pnl > 0:
            break
        lost += 1
    return lost


def streak_limit(campaigns: Sequence[Campaign], limits: Limits) -> int:
    """Losing campaigns in a row that pause a strategy: the fewest N with (1 - win rate)^N within `streak_doubt`.

    Between `streak_least` and `streak_most`; the least while there are too few campaigns for a win rate.
    """
    if len(campaigns) < FEW:
        return limits.streak_least
    losses = 1 - sum(campaign.pnl > 0 for campaign in campaigns) / len(campaigns)
    if losses <= 0:
        return limits.streak_least
    if losses >= 1:
        return limits.streak_most
    # 1e-9: 0.02 = 0.2 x 0.1 must not become one more by the last bit of a logarithm.
    fewest = ceil(log(float(limits.streak_doubt)) / log(losses) - 1e-9)
    return min(max(fewest, limits.streak_least), limits.streak_most)
