"""Are we any good: the account and every strategy against index funds, from the closes the desk has kept.

The account's returns are time-weighted: deposits and withdrawals count as moved before the open. A strategy's return
is what it made that day over the account's equity that morning, so it has no interest on the cash it leaves idle; what
idle cash made stands apart. A benchmark that is not known is said to be missing, and so is a day of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import pairwise, takewhile

import numpy as np

from engine import performance, portfolio, results
from engine.desk import Desk
from engine.errors import DataError, NotFound
from engine.model.book import ZERO
from engine.model.market import Dates, Floats
from engine.model.records import EquityDay, StrategyDay
from engine.model.reports import Benchmark, Measured, Report, Track
from engine.model.trade import Campaign
from engine.store import UnitOfWork

BENCHMARKS = ("SPY", "QQQ")
"""Funds of the S&P 500 and of the Nasdaq-100."""
SEED = 20_190_304
"""Of the generator behind the intervals: the same history always shows the same ones."""
COMMAND = "baseline"
"""The chat command of the report."""
ALL = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How the account or one strategy stands, over the days looked back on.

    Attributes:
        name: the strategy's, "" for the account. since: the close it is measured from.
        made: dollars after fees. cumulative: the same as a return, a decimal.
        campaigns: closed ones. wins: the share of them that made money, None where there are none.
        fees, slippage: dollars. drag: what both took of the gross gain, None without a gain.
    """

    name: str
    since: date
    made: Decimal
    cumulative: float
    measured: Measured
    campaigns: int
    wins: float | None
    fees: Decimal
    slippage: Decimal
    drag: float | None


@dataclass(frozen=True, slots=True)
class IdleCash:
    """What cash made by lying there: interest in dollars and as a return, beside what riskless money made meanwhile."""

    interest: Decimal
    made: float
    riskless: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """The report. `account` is None before the first close; `notes` say what is missing or a proxy.

    `confidence`: of the intervals, a decimal.
    """

    since: date | None = None
    until: date | None = None
    account: Standing | None = None
    strategies: tuple[Standing, ...] = ()
    confidence: float = 0.95
    idle: IdleCash | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store knows of the days looked back on.

    Attributes:
        rows: the closes, oldest first; the first one is where the first return begins.
        results: by strategy, what it had made at the closes from which on that was kept: the last so many of `rows`.
        campaigns: by strategy, those closed since. slippage: dollars by strategy.
    """

    rows: tuple[EquityDay, ...]
    results: Mapping[str, tuple[StrategyDay, ...]] = field(default_factory=dict)
    campaigns: Mapping[str, tuple[Campaign, ...]] = field(default_factory=dict)
    slippage: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def days(self) -> Dates:
        return np.array([row.day for row in self.rows], dtype="datetime64[D]")

    @property
    def flows(self) -> tuple[Decimal, ...]:
        """Dollars put in or taken out from each close to the next."""
        return tuple(after.flows - before.flows for before, after in pairwise(self.rows))

    @property
    def mornings(self) -> tuple[Decimal, ...]:
        """The account's equity at the beginning of each step: the close before, with what was moved since."""
        return tuple(row.equity + flow for row, flow in zip(self.rows[:-1], self.flows, strict=True))


@dataclass(frozen=True, slots=True)
class Measuring:
    """What every track is measured with."""

    report: Report
    funds: tuple[Benchmark, ...]
    generator: np.random.Generator

    def __call__(self, track: Track) -> Measured:
        return self.report.measure(track, self.funds, self.report.params, self.generator)


def current(desk: Desk) -> Baseline | None:
    """The report as of the last close that was kept; None where it is not enabled."""
    enabled = next((each for each in desk.reports.values() if each.command == COMMAND), None)
    return None if enabled is None else baseline(desk, enabled, np.random.default_rng(SEED))


def baseline(desk: Desk, report: Report, generator: np.random.Generator) -> Baseline:
    """The report as of the last close that was kept."""
    with desk.store.read() as work:
        kept = _kept(desk, work, report.params.sessions)
    if len(kept.rows) < 2:
        return Baseline(notes=("No close has been kept yet: the report begins with the first one.",))
    since, until = kept.rows[0].day, kept.rows[-1].day
    funds, missing = _benchmarks(desk, since, until)
    free, proxy = _risk_free(desk, kept.rows)
    measuring = Measuring(report, funds, generator)
    account = _account(kept, free, measuring)
    standings = (_strategy(kept, name, free, measuring) for name in kept.results)
    strategies = tuple(each for each in standings if each is not None)
    notes = (*missing, *proxy, *_gaps(desk, kept.rows))
    return Baseline(since, until, account, strategies, report.params.confidence, _idle(kept, free), notes)


def _kept(desk: Desk, work: UnitOfWork, sessions: int) -> Kept:
    rows = work.equity_history(limit=sessions + 1)
    if not rows:
        return Kept(())
    history: dict[date, dict[str, StrategyDay]] = {}
    for line in work.strategy_history(rows[0].day):
        history.setdefault(line.day, {})[line.strategy] = line
    opening = _opening(desk, rows[0], work.totals().start) if len(rows) <= sessions else None
    if opening is not None:
        # Nothing had been made before the first close; that it was kept is told by the close itself.
        history |= {opening.day: {}} if rows[0].day in history else {}
        rows = (opening, *rows)
    names = sorted({*desk.strategies, *(name for lines in history.values() for name in lines)})
    whole = tuple(takewhile(lambda row: row.day in history, reversed(rows)))[::-1]
    since = desk.sessions.close(rows[0].day)
    tickets = (ticket for ticket in work.tickets(limit=ALL) if ticket.created_at >= since)
    return Kept(
        rows,
        {name: tuple(history[row.day].get(name, StrategyDay(row.day, name)) for row in whole) for name in names},
        {name: tuple(each for each in work.campaigns(name) if each.closed >= since) for name in names},
        results.slippage(tickets, work.recent_orders(limit=ALL)),
    )


def _opening(desk: Desk, first: EquityDay, start: Decimal) -> EquityDay | None:
    """The account as it was opened, as if it were the close of the session before the first one kept."""
    if start <= 0:
        return None
    day = desk.sessions.previous(first.day)
    at = desk.sessions.close(day)
    return EquityDay(day, at, start, start, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)


def _benchmarks(desk: Desk, start: date, end: date) -> tuple[tuple[Benchmark, ...], list[str]]:
    """The funds that are known over these days, and a sentence for each that is not."""
    funds, missing = [], []
    for name in BENCHMARKS:
        try:
            bars, dividends = desk.market.bars(name, start, end), desk.market.snapshot(name).dividends
        except (DataError, NotFound) as problem:
            missing.append(f"{name} is missing: {problem}")
            continue
        if dividends is None:
            missing.append(f"{name} is missing: its dividends are not known, so its total return is not.")
        elif not len(bars):
            missing.append(f"{name} is missing: there is no price of it from {start} to {end}.")
        else:
            funds.append(performance.total_return(bars, dividends))
    return tuple(funds), missing


def _risk_free(desk: Desk, rows: Sequence[EquityDay]) -> tuple[Floats, list[str]]:
    """What riskless money made from close to close: the rate of each day, for as many sessions as lie between.

    The rate of now stands in for one that was not kept, and that is said.
    """
    unknown = sum(row.rate is None for row in rows[1:])
    now = portfolio.short_rate(desk) if unknown else None
    stand_in = np.nan if now is None else now
    rates = np.array([stand_in if row.rate is None else row.rate for row in rows[1:]])
    steps = np.array([len(desk.sessions.between(a.day, b.day)) - 1 for a, b in pairwise(rows)])
    notes = []
    if unknown and now is None:
        notes.append(f"Days whose interest rate is not known: {unknown}. They count in no ratio.")
    elif unknown:
        notes.append(f"Days whose interest rate was not kept: {unknown}. That of now stands in (proxy).")
    return rates * steps / performance.SESSIONS_A_YEAR, notes


def _gaps(desk: Desk, rows: Sequence[EquityDay]) -> list[str]:
    missing = len(set(desk.sessions.between(rows[0].day, rows[-1].day)) - {row.day for row in rows})
    return [f"Sessions without a close kept: {missing}. The return after one is of all of them."] if missing else []


def _account(kept: Kept, free: Floats, measuring: Measuring) -> Standing:
    closes = [row.equity for row in kept.rows]
    returns = performance.daily_returns(closes, kept.flows)
    costs = Costs(kept.rows[-1].fees - kept.rows[0].fees, sum(kept.slippage.values(), ZERO))
    campaigns = [campaign for closed in kept.campaigns.values() for campaign in closed]
    made = performance.money_made(closes, kept.flows)
    return _standing("", made, Track(kept.days, returns, free), costs, campaigns, measuring)


def _strategy(kept: Kept, name: str, free: Floats, measuring: Measuring) -> Standing | None:
    """A strategy from the close before it first made or cost anything; None when it never did."""
    days = kept.results[name]
    active = [row for row, line in enumerate(days) if line != StrategyDay(line.day, name)]
    if not active or len(days) < 2:
        return None
    days = days[max(active[0] - 1, 0) :]
    steps = len(days) - 1
    made = [after.made - before.made for before, after in pairwise(days)]
    returns = performance.returns_on(made, kept.mornings[len(kept.mornings) - steps :])
    track = Track(kept.days[-len(days) :], returns, free[len(free) - steps :])
    costs = Costs(days[-1].fees - days[0].fees, kept.slippage.get(name, ZERO))
    return _standing(name, sum(made, ZERO), track, costs, kept.campaigns.get(name, ()), measuring)


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading cost, dollars."""

    fees: Decimal
    slippage: Decimal


def _standing(
    name: str, made: Decimal, track: Track, costs: Costs, campaigns: Sequence[Campaign], measuring: Measuring
) -> Standing:
    known = track.returns[np.isfinite(track.returns)]
    return Standing(
        name=name,
        since=track.days[0].astype(object),
        made=made,
        cumulative=float(performance.cumulative(known)),
        measured=measuring(track),
        campaigns=len(campaigns),
        wins=performance.win_rate([campaign.pnl for campaign in campaigns]),
        fees=costs.fees,
        slippage=costs.slippage,
        drag=performance.cost_drag(made + costs.fees + costs.slippage, costs.fees, costs.slippage),
    )


def _idle(kept: Kept, free: Floats) -> IdleCash:
    """Interest on the cash that lay there each day."""
    earned = [after.interest - before.interest for before, after in pairwise(kept.rows)]
    cash = [row.cash + flow for row, flow in zip(kept.rows[:-1], kept.flows, strict=True)]
    made = performance.returns_on(earned, cash)
    riskless = float(performance.cumulative(free[np.isfinite(free)]))
    return IdleCash(sum(earned, ZERO), float(performance.cumulative(made[np.isfinite(made)])), riskless)
