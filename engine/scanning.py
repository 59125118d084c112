"""One strategy over the universe: snapshots, rules, sizes, limits; then proposals, and a funnel for the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import structlog
from structlog.contextvars import bound_contextvars

from engine import bounds, checks, exits, halts, locks, risk, sizing, standing
from engine.desk import Desk
from engine.errors import DataError, DeskError, NotFound
from engine.exposures import is_entry, plan_exposure
from engine.model.book import Book, Position
from engine.model.events import Event, EventKind
from engine.model.legs import Structure
from engine.model.limits import Limits
from engine.model.market import Bars, Fundamentals, Kind, Level, MarketSnapshot
from engine.model.orders import Ticket
from engine.model.status import Opinion
from engine.model.trade import (
    Approval,
    ApprovalStatus,
    Campaign,
    Context,
    FunnelLine,
    Rejection,
    Scan,
    Signal,
    Step,
    Strategy,
    TradePlan,
    Verdict,
)
from engine.ports import Ability
from engine.protection import lifetime
from engine.store import UnitOfWork

log = structlog.get_logger()

MARKET_TICKER = "SPY"
NO_DATA = "market data"
"""The rule of a name that nobody has a price of."""
PANEL_SESSIONS = 60
SESSIONS_AHEAD = 30
AMISS = frozenset({Kind.DELAYED, Kind.INDICATIVE})
"""Kinds of option prices that say something about what they may be used for, whatever the shares are."""

Hear = Callable[[float, str], None]
"""Hears how far a scan has come, 0 to 1, and in which words; what it raises ends the scan before anything is stored."""


def unheard(fraction: float, words: str) -> None:
    """Nobody watches this scan."""
    del fraction, words


Place = tuple[str, bool]
"""A name, and whether it is the place of a calendar in it, which stands apart: one trade of a strategy in each."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a scan knows of the account before it starts."""

    book: Book
    state: risk.RiskState
    limits: Limits
    proposed: frozenset[Place]
    context: Context
    asked: Mapping[tuple[str, Structure], Approval]
    """The latest of today's proposals of this strategy that wait no longer, by name and kind of trade."""
    kinds: Mapping[str, Kind]
    """What kind of number the spot of each name is, or its options where an order could not be priced on them."""


def run(desk: Desk, strategy_name: str, tickers: Iterable[str] | None = None, heard: Hear = unheard) -> Scan | None:
    """Scan, store the result and propose every plan that passes sizing and limits; None for a disabled strategy.

    What its review of the held positions asks about is asked first: sells come before buys.

    `heard` is told of every name; what it raises ends the scan without a trace.

    Raises:
        NotFound: no such strategy or ticker.
    """
    with desk.store.read() as reading:
        if not reading.is_enabled(strategy_name):
            return None
    with bound_contextvars(strategy=strategy_name):
        return _run(desk, strategy_name, tickers, heard)


def _run(desk: Desk, strategy_name: str, tickers: Iterable[str] | None, heard: Hear) -> Scan:
    scan = preview(desk, strategy_name, tickers, heard)
    exits.ask(desk, scan.questions)
    with bound_contextvars(scan=scan.id), desk.store.begin() as work:
        work.add_scan(scan)
        free = [] if halts.current(work) else _not_there_yet(work, scan)
        free = [p for p in free if not locks.reasons(desk, work, strategy_name, p.signal.ticker)]
        proposals = [_propose(desk, work, plan, scan.id) for plan in free]
        data = {"strategy": strategy_name, "universe": scan.universe, "proposals": [a.id for a in proposals]}
        work.add_event(desk.event(EventKind.SCAN_FINISHED, scan.id, data))
    return scan


def _not_there_yet(work: UnitOfWork, scan: Scan) -> list[TradePlan]:
    """The plans of names that nobody else has proposed or begun to trade while this scan was looking."""
    taken = _taken(work, scan.strategy, work.open_tickets())
    held = work.open_positions(strategy=scan.strategy)
    return [p for p in scan.plans if _place(p.signal) not in taken and not is_held(p.signal, held)]


def _taken(work: UnitOfWork, strategy: str, tickets: Iterable[Ticket]) -> frozenset[Place]:
    """Where the strategy has a proposal that waits or an entry that is being worked."""
    entries = (ticket for ticket in tickets if is_entry(ticket) and ticket.strategy == strategy)
    others = {(ticket.ticker, False) for ticket in entries if ticket.approval_id is None}
    return frozenset({_place(plan.signal) for plan in _waiting(work, strategy, tickets)} | others)


def _waiting(work: UnitOfWork, strategy: str, tickets: Iterable[Ticket]) -> tuple[TradePlan, ...]:
    """The plans of its proposals that wait, and of its entries that are being worked."""
    asked = [a.plan for a in work.pending_approvals() if a.plan.signal.strategy == strategy]
    entries = (ticket for ticket in tickets if is_entry(ticket) and ticket.strategy == strategy)
    versions = [(ticket.approval_id, ticket.version) for ticket in entries if ticket.approval_id is not None]
    return (*asked, *(work.plans(versions).values() if versions else ()))


def _place(of: Signal | Position) -> Place:
    return of.ticker, of.structure is Structure.CALENDAR


def preview(desk: Desk, strategy_name: str, tickers: Iterable[str] | None = None, heard: Hear = unheard) -> Scan:
    """The same scan without a trace: nothing is stored or proposed."""
    strategy = _strategy(desk, strategy_name)
    universe = tuple(tickers) if tickers is not None else _universe(desk, strategy)
    snapshots, steps = _snapshots(desk, universe, heard, DataError if tickers is not None else (DataError, NotFound))
    standing_now = _standing(desk, strategy, snapshots)
    signals: list[Signal] = []
    for place, (ticker, snapshot) in enumerate(snapshots.items()):
        heard((1 + place / len(snapshots)) / 2, f"Rules on {ticker}, {place + 1:,} of {len(snapshots):,}")
        found = strategy.find(snapshot, standing_now.context, strategy.params)
        steps[ticker] = found.steps
        signals += [_dated(signal, snapshot) for signal in found.signals]
    standing_now = replace(standing_now, kinds={**standing_now.kinds, **_unfit_options(desk, signals, snapshots)})
    chosen, dropped = _choose(strategy, tuple(signals), standing_now.context)
    standing_now = _with_correlations(desk, standing_now, chosen)
    for ticker, step in dropped.items():
        steps[ticker] += (step,)
    plans = _detailed(strategy, _plans(desk, chosen, standing_now, steps), snapshots)
    questions = strategy.review(standing_now.context, strategy.params) if strategy.review is not None else {}
    return replace(_scan(desk, strategy, universe, steps, plans), questions=questions)


def _universe(desk: Desk, strategy: Strategy) -> tuple[str, ...]:
    """The names a strategy is scanned on: its own choice of them where it makes one, else the desk's."""
    if strategy.select is None:
        return desk.tickers
    with desk.store.read() as reading:
        owned = reading.open_positions()
    return strategy.select(desk.tickers, owned, strategy.params)


def _dated(signal: Signal, snapshot: MarketSnapshot) -> Signal:
    """The signal with the dates ahead, and what was amiss with the sources of its numbers among what speaks against."""
    return replace(signal, dates=snapshot.dates_ahead, against=(*signal.against, *snapshot.troubles))


def _strategy(desk: Desk, name: str) -> Strategy:
    if name not in desk.strategies:
        known = ", ".join(sorted(desk.strategies))
        raise NotFound(f"No strategy “{name}” is enabled; there are {known}.")
    return desk.strategies[name]


def _snapshots(
    desk: Desk, universe: tuple[str, ...], heard: Hear, costs_one: type[DeskError] | tuple[type[DeskError], ...]
) -> tuple[dict[str, MarketSnapshot], dict[str, tuple[Step, ...]]]:
    """Snapshots by ticker, and a failed first step for every name that has none for an error of `costs_one`.

    A name that somebody typed and nobody knows ends the scan; one of the standing universe (delisted since) does not.
    """
    snapshots: dict[str, MarketSnapshot] = {}
    steps: dict[str, tuple[Step, ...]] = {}
    for place, ticker in enumerate(universe):
        heard(place / len(universe) / 2, f"Prices of {ticker}, {place + 1:,} of {len(universe):,}")
        try:
            snapshots[ticker] = desk.market.snapshot(ticker)
        except costs_one as problem:
            steps[ticker] = (Step(NO_DATA, "a usable price today", str(problem)),)
    return snapshots, steps


def _standing(desk: Desk, strategy: Strategy, snapshots: Mapping[str, MarketSnapshot]) -> Standing:
    standing.ensure_account(desk)
    market = _market(desk, snapshots)
    with desk.store.read() as work:
        book = work.book()
        tickets = work.open_tickets()
        state = standing.risk_state(desk, work, tickets)
        limits = bounds.limits_in_force(desk, work)
        proposed = _taken(work, strategy.name, tickets)
        waiting = _waiting(work, strategy.name, tickets)
        midnight = desk.sessions.at(desk.today, "00:00")
        today_ids = work.proposed_since(strategy.name, midnight)
        asked = {(a.plan.signal.ticker, a.plan.signal.structure): a for a in work.asked_since(strategy.name, midnight)}
        campaigns = work.campaigns(strategy.name)
        premiums = {p.campaign: _premiums(work.campaign(p.campaign)) for p in _of(book, strategy)}
    held = _of(book, strategy)
    context = Context(
        today=desk.today,
        next_sessions=desk.sessions.upcoming(desk.today, SESSIONS_AHEAD),
        equity=state.equity,
        held=held,
        opened_today=today_ids,
        campaigns=campaigns,
        firing=_firing(strategy, snapshots),
        market=market,
        unknown=desk.unknown,
        max_position_risk=float(limits.max_position_risk),
        premiums=premiums,
        sectors=_sectors(held, snapshots),
        economy=desk.economy,
        waiting=waiting,
        owned=tuple(book.positions.values()),
        levels=_levels(desk, strategy),
        facts=_facts(strategy, snapshots),
        option_fee=desk.costs.option_commission,
        lists_indices=desk.broker.capabilities().takes(Ability.INDEX_OPTIONS),
    )
    kinds = {ticker: seen.spot.source.kind for ticker, seen in snapshots.items() if seen.spot is not None}
    return Standing(book, state, limits, proposed, context, asked, kinds)


def _levels(desk: Desk, strategy: Strategy) -> Mapping[str, Level]:
    """The indices a strategy wants to know of; none while nobody answers."""
    if not strategy.needs.levels:
        return {}
    try:
        return desk.market.levels(*strategy.needs.levels)
    except DataError as trouble:
        log.warning("scan.no_levels", strategy=strategy.name, trouble=str(trouble))
        return {}


def _facts(strategy: Strategy, snapshots: Mapping[str, MarketSnapshot]) -> dict[str, Fundamentals]:
    """Company facts of every name of the scan, where names are judged against each other."""
    if not strategy.needs.peers:
        return {}
    found = ((ticker, snapshot.fundamentals) for ticker, snapshot in snapshots.items())
    return {ticker: facts for ticker, facts in found if facts is not None}


def _detailed(
    strategy: Strategy, plans: tuple[TradePlan, ...], snapshots: Mapping[str, MarketSnapshot]
) -> tuple[TradePlan, ...]:
    """The plans with what only their cards show."""
    if strategy.detail is None:
        return plans
    return tuple(replace(p, signal=strategy.detail(p.signal, snapshots[p.signal.ticker])) for p in plans)


def _unfit_options(desk: Desk, signals: Iterable[Signal], snapshots: Mapping[str, MarketSnapshot]) -> dict[str, Kind]:
    """What kind of number the options of the names found are, where an order could not be priced on them."""
    chains = ((each.ticker, snapshots[each.ticker].chain) for each in signals if each.options)
    kinds = {ticker: chain.source.kind for ticker, chain in chains if chain is not None}
    return {name: kind for name, kind in kinds.items() if kind in AMISS and not checks.may_price(desk, kind)}


def _with_correlations(desk: Desk, now: Standing, signals: tuple[Signal, ...]) -> Standing:
    """The same with the daily returns of what may be proposed, so that the limit on correlated names can be told."""
    if not signals:
        return now
    standing.ensure_returns(desk, {signal.ticker for signal in signals})
    return replace(now, state=replace(now.state, correlations=desk.returns.known(desk.today)))


def _of(book: Book, strategy: Strategy) -> tuple[Position, ...]:
    return tuple(position for position in book.positions.values() if position.strategy == strategy.name)


def _premiums(campaign: Iterable[Position]) -> Decimal:
    """Dollars realised on the closed options of a campaign."""
    closed = (p for p in campaign if not p.is_open and p.structure is not Structure.SHARES)
    return sum((position.realised for position in closed), Decimal(0))


def _sectors(held: Iterable[Position], snapshots: Mapping[str, MarketSnapshot]) -> dict[str, str]:
    """Sector by held ticker, where its snapshot knows it."""
    facts = {p.ticker: snapshots[p.ticker].fundamentals for p in held if p.ticker in snapshots}
    return {ticker: fact.sector for ticker, fact in facts.items() if fact is not None and fact.sector is not None}


def _market(desk: Desk, snapshots: Mapping[str, MarketSnapshot]) -> MarketSnapshot | None:
    if MARKET_TICKER in snapshots:
        return snapshots[MARKET_TICKER]
    try:
        return desk.market.snapshot(MARKET_TICKER)
    except (DataError, NotFound):
        return None


def _firing(strategy: Strategy, snapshots: Mapping[str, MarketSnapshot]) -> float | None:
    """Share of the universe whose price and volume rules hold today, when the strategy asks for it."""
    if strategy.screen is None or not strategy.needs.firing or not snapshots:
        return None
    panel = {ticker: with_session(snapshot) for ticker, snapshot in snapshots.items()}
    hits = strategy.screen(panel, strategy.params)
    return sum(bool(len(hit) and hit[-1]) for hit in hits.values()) / len(snapshots)


def with_session(snapshot: MarketSnapshot) -> Bars:
    """The last 60 completed bars followed by today's bar so far (its volume NaN where it is not known)."""
    bars = snapshot.bars[-PANEL_SESSIONS:]
    today = snapshot.session
    if today is None:
        return bars
    volume = np.nan if today.volume is None else today.volume
    return Bars(
        bars.ticker,
        np.concatenate((bars.day, [np.datetime64(snapshot.today, "D")])),
        np.concatenate((bars.open, [today.open])),
        np.concatenate((bars.high, [today.high])),
        np.concatenate((bars.low, [today.low])),
        np.concatenate((bars.close, [today.close])),
        np.concatenate((bars.volume, [volume])),
        bars.source,
    )


def _choose(
    strategy: Strategy, signals: tuple[Signal, ...], context: Context
) -> tuple[tuple[Signal, ...], Mapping[str, Step]]:
    ranked = tuple(sorted(signals, key=lambda signal: (-signal.rank, signal.ticker)))
    return strategy.choose(ranked, context, strategy.params) if strategy.choose else (ranked, {})


def _plans(
    desk: Desk, signals: tuple[Signal, ...], now: Standing, steps: dict[str, tuple[Step, ...]]
) -> tuple[TradePlan, ...]:
    """Sized plans in rank order, each checked with the ones before it already counted."""
    plans: list[TradePlan] = []
    state = now.state
    for choice in _choices(signals):
        refused: tuple[Step, ...] = ()
        for signal in choice:
            plan, verdict = _plan(desk, _told(signal, refused), now, state)
            if plan is not None:
                steps[signal.ticker] += (*(replace(step, verdict=Verdict.PASSED) for step in refused), *verdict)
                plans.append(plan)
                state = replace(state, reserved=(*state.reserved, plan_exposure(plan)))
                break
            refused += tuple(_named(step, signal) if signal.alternatives else step for step in verdict)
        else:
            steps[choice[0].ticker] += refused
    return tuple(plans)


def _choices(signals: tuple[Signal, ...]) -> tuple[tuple[Signal, ...], ...]:
    """The signals in their order, alternatives of one name together where the first of them stands."""
    found: dict[tuple[str, str, int], list[Signal]] = {}
    for place, signal in enumerate(signals):
        found.setdefault((signal.ticker, signal.alternatives, -1 if signal.alternatives else place), []).append(signal)
    return tuple(map(tuple, found.values()))


def _named(step: Step, signal: Signal) -> Step:
    """A step that names the alternative it turned down: `100/458 = 0 (long put of 95)`."""
    strikes = " / ".join(f"{option.strike:f}" for option in signal.options)
    return replace(step, value=f"{step.value} ({signal.structure} {strikes})")


def _told(signal: Signal, refused: tuple[Step, ...]) -> Signal:
    """The signal with why the alternatives before it were turned down among what speaks against it."""
    why = tuple(f"Better, but not possible: {step.rule} {step.value}, needs {step.limit}" for step in refused)
    return replace(signal, against=(*signal.against, *why)) if why else signal


def _plan(
    desk: Desk, signal: Signal, now: Standing, state: risk.RiskState
) -> tuple[TradePlan | None, tuple[Step, ...]]:
    """The plan of one signal, or None, with the steps that say why."""
    if _place(signal) in now.proposed or is_held(signal, now.context.held):
        return None, (Step("not held or proposed", "one at a time", "already there"),)
    if not checks.may_price(desk, now.kinds.get(signal.ticker, Kind.REAL)):
        return None, (Step("prices fit for orders", "real-time", f"{now.kinds[signal.ticker]}: watchlist only"),)
    if desk.sessions.today(signal.asof) != desk.today or not desk.sessions.is_open(signal.asof):
        return None, (Step("session", "open market", "closed: watchlist only"),)
    waiting = _asked_lately(desk, signal, now)
    if waiting is not None:
        return None, (waiting,)
    plan = sizing.size(signal, state, now.limits, desk.costs)
    if plan.quantity == 0:
        reasons = tuple(step for step in plan.sizing if not step.passed)
        return None, reasons or (Step("size", "at least 1", "0"),)
    plan = sizing.within(plan, state, now.limits, desk.costs)
    verdicts = risk.check(plan, state, now.limits)
    broken = risk.breaches(verdicts)
    if broken:
        return None, tuple(Step(f"limit: {c.name}", f"{c.limit:.4g}", f"{c.after:.4g}") for c in broken)
    opinion = _second_opinion(desk, signal)
    if opinion.against:
        return None, (Step("second source", "says the same", " ".join(opinion.against)),)
    skipped = (c for c in verdicts if not c.is_checked)
    told = replace(signal, against=(*signal.against, *opinion.words))
    plan = standing.told(desk, plan, state)
    return replace(plan, signal=told, impact=risk.impact(verdicts)), (
        Step("size and limits", "at least 1", str(plan.quantity), Verdict.PASSED),
        *(Step(f"limit: {c.name}", f"{c.limit:.4g}", "unknown", Verdict.NOT_CHECKED) for c in skipped),
    )


def _asked_lately(desk: Desk, signal: Signal, now: Standing) -> Step | None:
    """A failed step where the same question was just answered, or left unanswered; None where it may be asked."""
    minutes = desk.rules.again_minutes
    lost = _lost_lately(desk, signal, now)
    if lost is not None:
        ago = f"{(desk.now() - lost.closed).total_seconds() / 60:.0f} min ago"
        return Step("asked lately", f"not within {minutes} min", f"closed at a loss {ago}")
    last = now.asked.get((signal.ticker, signal.structure))
    if last is None:
        return None
    ended = last.decided_at or last.expires_at
    if last.status is ApprovalStatus.REJECTED:
        return Step("asked lately", "not after a no today", f"{last.id} declined today")
    if desk.now() - ended < timedelta(minutes=minutes):
        ago = f"{(desk.now() - ended).total_seconds() / 60:.0f} min ago"
        return Step("asked lately", f"not within {minutes} min", f"{last.id} {last.status} {ago}")
    return None


def _lost_lately(desk: Desk, signal: Signal, now: Standing) -> Campaign | None:
    """The campaign of its strategy in the name that was just closed at a loss: a stop is not followed by a new entry.

    What goes on with a campaign (a call on its shares) is not one.
    """
    if signal.campaign is not None:
        return None
    since = desk.now() - timedelta(minutes=desk.rules.again_minutes)
    own = (each for each in now.context.campaigns if each.ticker == signal.ticker and each.pnl < 0)
    return next((each for each in own if each.closed > since), None)


def _second_opinion(desk: Desk, signal: Signal) -> Opinion:
    """What other sources say of the numbers of a signal; that our own cannot be had any more speaks against it too."""
    try:
        return desk.market.second_opinion(leg.instrument for leg in signal.legs)
    except DataError as trouble:
        return Opinion((str(trouble),))


def is_held(signal: Signal, held: tuple[Position, ...]) -> bool:
    """Whether its place is taken by what is held; what is written on held shares has none."""
    if signal.covers:
        return False
    return any(_place(position) == _place(signal) for position in held)


def _scan(
    desk: Desk,
    strategy: Strategy,
    universe: tuple[str, ...],
    steps: Mapping[str, tuple[Step, ...]],
    plans: tuple[TradePlan, ...],
) -> Scan:
    unchecked = sorted({s.rule for row in steps.values() for s in row if s.verdict is Verdict.NOT_CHECKED})
    return Scan(
        id=desk.new_id("S"),
        strategy=strategy.name,
        asof=desk.now(),
        universe=len(universe),
        funnel=funnel(steps),
        not_checked=tuple(unchecked),
        plans=plans,
        rejected=rejections(steps),
        steps=dict(sorted(steps.items())),
    )


def first_failure(steps: Iterable[Step]) -> Step | None:
    """The rule that removed a name."""
    return next((step for step in steps if not step.passed), None)


def funnel(steps: Mapping[str, tuple[Step, ...]]) -> tuple[FunnelLine, ...]:
    """How many names each rule removed, in the order the rules are asked, and how many were left after it."""
    order: dict[str, str] = {}
    for row in steps.values():
        for step in row:
            order.setdefault(step.rule, step.limit)
    removed = Counter(failed.rule for row in steps.values() if (failed := first_failure(row)) is not None)
    left = len(steps)
    lines = []
    for rule, limit in order.items():
        left -= removed[rule]
        lines.append(FunnelLine(rule, limit, removed[rule], left))
    return tuple(lines)


def rejections(steps: Mapping[str, tuple[Step, ...]]) -> tuple[Rejection, ...]:
    """The rule that removed each name, by ticker."""
    rows = ((ticker, first_failure(row)) for ticker, row in sorted(steps.items()))
    return tuple(Rejection(ticker, s.rule, s.value, s.limit) for ticker, s in rows if s is not None)


def _propose(desk: Desk, work: UnitOfWork, plan: TradePlan, scan_id: str) -> Approval:
    now = desk.now()
    approval = Approval(
        id=desk.new_id("A"),
        version=1,
        status=ApprovalStatus.PENDING,
        plan=plan,
        created_at=now,
        expires_at=now + lifetime(plan.signal, desk.today, desk.rules),
    )
    work.add_approval(approval)
    signal = plan.signal
    data = {
        "ticker": signal.ticker,
        "strategy": signal.strategy,
        "limit": str(signal.limit),
        "quantity": plan.quantity,
        "version": 1,
        "scan": scan_id,
    }
    work.add_event(
        Event(desk.new_id("E"), EventKind.APPROVAL_REQUESTED, now, approval.id, data, correlation=approval.id)
    )
    return approval
