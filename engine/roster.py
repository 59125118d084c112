"""Every strategy as it stands: whether it may open anything and why not, what it holds and made, what is unproven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from engine import locks, portfolio, promotions, standing
from engine.desk import Desk
from engine.errors import DeskError
from engine.model.book import ZERO
from engine.model.locks import Lock, Scope
from engine.model.records import PnlLine
from engine.model.trade import Strategy
from engine.store import UnitOfWork

PROVEN = (30, 60)
"""Closed campaigns and daily marks on paper from which a strategy may be judged; LEAPS live longer."""
PROVEN_LEAPS = (10, 120)


@dataclass(frozen=True, slots=True)
class StrategyView:
    """One strategy now.

    Attributes:
        why_not: why it opens nothing now, as sentences; empty when it may.
        open: its positions. risk: its counted risk with that of its working entries, a fraction of equity; None where
            the account is not known.
        campaigns: closed ones. won: how many of them made money. pnl: dollars after fees, None while a price is
            missing.
        unproven: what speaks against trusting it yet, as sentences.
    """

    strategy: Strategy
    is_on: bool
    why_not: tuple[str, ...]
    open: int
    risk: Decimal | None
    campaigns: int
    won: int
    pnl: Decimal | None
    unproven: tuple[str, ...]


def strategies(desk: Desk) -> tuple[tuple[StrategyView, ...], tuple[str, ...]]:
    """Every strategy in catalogue order, and what stops all of them, as sentences."""
    lines = {line.strategy: line for line in portfolio.strategy_lines(desk)}
    risks = _risks(desk)
    with desk.store.read() as work:
        held = locks.held(desk, work)
        views = tuple(_view(desk, work, each, held, lines, risks) for each in desk.strategies.values())
    return views, tuple(locks.words(lock) for lock in held if lock.scope is Scope.DESK)


def _risks(desk: Desk) -> Mapping[str, Decimal] | None:
    """Counted risk by strategy, fractions of equity; None where the account is not known."""
    try:
        standing.ensure_account(desk)
        with desk.store.read() as work:
            state = standing.risk_state(desk, work, work.open_tickets())
    except DeskError:
        return None
    risks: dict[str, Decimal] = {}
    for each in state.exposures:
        risks[each.strategy] = risks.get(each.strategy, ZERO) + state.share(each.counted)
    return risks


def _view(
    desk: Desk,
    work: UnitOfWork,
    strategy: Strategy,
    held: tuple[Lock, ...],
    lines: Mapping[str, PnlLine],
    risks: Mapping[str, Decimal] | None,
) -> StrategyView:
    name, is_on = strategy.name, work.is_enabled(strategy.name)
    campaigns = work.campaigns(name)
    own = (locks.words(lock) for lock in held if lock.scope is Scope.STRATEGY and lock.subject == name)
    off = () if is_on else (f"{name} is disabled: /enable {name} lets it trade again.",)
    live = promotions.why_not_live(desk, work, name)
    return StrategyView(
        strategy=strategy,
        is_on=is_on,
        why_not=(*off, *own, *((live,) if live else ())),
        open=sum(position.strategy == name for position in work.open_positions()),
        risk=None if risks is None else risks.get(name, ZERO),
        campaigns=len(campaigns),
        won=sum(campaign.pnl > 0 for campaign in campaigns),
        pnl=lines[name].total if name in lines else ZERO,
        unproven=_unproven(work, name, len(campaigns)),
    )


def _unproven(work: UnitOfWork, name: str, campaigns: int) -> tuple[str, ...]:
    enough, marks_enough = PROVEN_LEAPS if name == "leaps" else PROVEN
    marks = work.marked_days(name)
    found = []
    if campaigns < enough or marks < marks_enough:
        found.append(f"unproven: {campaigns} of {enough} campaigns, {marks} of {marks_enough} daily marks")
    scan = work.last_scan(name)
    if scan is not None and scan.not_checked:
        found.append(f"unproven without what its last scan could not check: {', '.join(scan.not_checked)}")
    return tuple(found)
