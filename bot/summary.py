"""What a replay came to: the keys of `wsb replay --json`, with the books checked to the cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from bot.cards.baseline import figures, sentences
from engine import audit, baseline, portfolio
from engine.baseline import Baseline
from engine.desk import Desk
from engine.errors import DataInvalid
from engine.model.events import Event, EventKind
from engine.model.orders import Fill, Purpose, Ticket
from engine.model.records import EquityDay
from engine.model.trade import Approval, ApprovalStatus, ScanOutcome
from engine.portfolio import PnlView
from engine.store import UnitOfWork

ALL = 1_000_000_000
ALERTS = frozenset({EventKind.RISK_BREACHED, EventKind.POSITION_MISMATCH, EventKind.DATA_STALE, EventKind.EXIT_FAILED})
ASSIGNMENTS = frozenset({EventKind.ASSIGNED, EventKind.CALLED_AWAY})

Json = dict[str, object]


def summary(desk: Desk) -> Json:
    """The whole run in numbers.

    Raises:
        DataInvalid: the equity change is not the sum of its parts to the cent.
    """
    pnl = portfolio.pnl(desk)
    check_identity(pnl)
    with desk.store.read() as work:
        approvals = work.approvals(limit=ALL)
        tickets = work.tickets(limit=ALL)
        fills = work.fills()
        events = _events(work)
        history = work.equity_history(limit=ALL)
        since = desk.sessions.at(_first_day(history, desk), "00:00")
        scans = work.scan_outcomes(since, desk.now() + timedelta(seconds=1))
        held = work.open_positions()
        orders = len(work.recent_orders(limit=ALL))
    kinds = Counter(event.kind for event in events)
    return {
        "sessions": len(history),
        **_proposal_counts(approvals),
        "orders": orders,
        "fills": len(fills),
        "partial_fills": sum(_is_partial(event) for event in events),
        "exits": len(_exits(tickets)),
        "assignments": sum(kinds[kind] for kind in ASSIGNMENTS),
        "digests": kinds[EventKind.DIGEST_READY],
        "alerts": sum(kinds[kind] for kind in ALERTS),
        "errors": kinds[EventKind.ERROR],
        "not_checked": sorted({rule for scan in scans for rule in scan.not_checked}),
        **_money(pnl),
        "max_drawdown": _max_drawdown(pnl, history),
        "positions": len(held),
        "by_strategy": _by_strategy(desk, pnl, approvals, tickets, fills, scans),
        "baseline": _baseline(desk),
        "audit_head": audit.head(desk.store).hash,
    }


def _baseline(desk: Desk) -> Json | None:
    """The account and every strategy against the index; None where that report is not enabled."""
    report = baseline.current(desk)
    return None if report is None else {**figures(report), "words": _words(report)}


def _words(report: Baseline) -> list[str]:
    standings = () if report.account is None else (report.account, *report.strategies)
    return [line for each in standings for line in sentences(each)]


def told(result: Json) -> list[str]:
    """The baseline of a summary in sentences."""
    report = result.get("baseline")
    found = report.get("words", []) if isinstance(report, dict) else []
    return [f"Baseline, {line}" for line in found]


def _first_day(history: tuple[EquityDay, ...], desk: Desk) -> date:
    return history[0].day if history else desk.today


def check_identity(pnl: PnlView) -> None:
    """Refuse books in which money appears or disappears.

    Raises:
        DataInvalid: equity_end - equity_start differs from its parts by half a cent or more.
    """
    if abs(pnl.gap) >= Decimal("0.005"):
        raise DataInvalid(f"The books do not add up: equity differs from its parts by {pnl.gap:.4f} dollars.")


def _events(work: UnitOfWork) -> tuple[Event, ...]:
    return work.events(limit=ALL)


def amount(value: Decimal) -> str:
    """Dollars with two to four decimals.

    >>> amount(Decimal("12.5")), amount(Decimal("-0.12345"))
    ('12.50', '-0.1234')
    """
    exact = value.quantize(Decimal("0.0001"))
    cents = exact.quantize(Decimal("0.01"))
    shown = cents if cents == exact else exact
    return f"{shown if shown else abs(shown):f}"


def _money(pnl: PnlView) -> Json:
    totals = pnl.totals
    return {
        "realised_pnl": amount(totals.realised),
        "unrealised_pnl": amount(pnl.unrealised),
        "dividends": amount(totals.dividends),
        "interest": amount(totals.interest),
        "cash_flows": amount(totals.flows),
        "fees": amount(totals.fees),
        "equity_start": amount(totals.start),
        "equity_end": amount(pnl.equity),
    }


def _proposal_counts(approvals: tuple[Approval, ...]) -> Json:
    states = Counter(approval.status for approval in approvals)
    decided = (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED, ApprovalStatus.EXPIRED, ApprovalStatus.BLOCKED)
    return {"proposals": len(approvals), **{status.value: states[status] for status in decided}}


def _is_partial(event: Event) -> bool:
    """A fill after which the order still had something to do."""
    return event.kind is EventKind.FILLED and event.data.get("filled") != event.data.get("quantity")


def _exits(tickets: Iterable[Ticket]) -> tuple[Ticket, ...]:
    """Closing orders that closed something."""
    return tuple(ticket for ticket in tickets if ticket.purpose is Purpose.EXIT and ticket.filled)


def _max_drawdown(pnl: PnlView, history: tuple[EquityDay, ...]) -> str:
    """Largest fall from a peak of the daily closes (opening equity included, flows taken out), a negative fraction."""
    peak, worst = pnl.totals.start, Decimal(0)
    for row in history:
        value = row.equity - row.flows
        peak = max(peak, value)
        worst = min(worst, value / peak - 1 if peak > 0 else Decimal(0))
    return amount(worst)


def _by_strategy(
    desk: Desk,
    pnl: PnlView,
    approvals: tuple[Approval, ...],
    tickets: tuple[Ticket, ...],
    fills: tuple[Fill, ...],
    scans: tuple[ScanOutcome, ...],
) -> Json:
    made = Counter(approval.plan.signal.strategy for approval in approvals)
    owner = {ticket.id: ticket.strategy for ticket in tickets}
    filled = Counter(owner[fill.client_order_id.rpartition(".")[0]] for fill in fills)
    ended = Counter(ticket.strategy for ticket in _exits(tickets))
    signals = Counter(scan.strategy for scan in scans for _ in scan.plans)
    realised = {line.strategy: line.realised for line in pnl.lines}
    return {
        name: {
            "signals": signals[name],
            "proposals": made[name],
            "fills": filled[name],
            "exits": ended[name],
            "realised_pnl": amount(realised.get(name, Decimal(0))),
        }
        for name in desk.strategies
    }
