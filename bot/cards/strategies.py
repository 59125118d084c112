"""Every strategy on one card: what stops it, what it holds and made, when it scans next, what of it is unproven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot import words
from bot.message import Button, Card, Table
from engine.model.reports import Report
from engine.percent import as_percent
from engine.roster import StrategyView

NAME_WIDTH = 14


def strategies_card(
    views: tuple[StrategyView, ...],
    account: tuple[str, ...],
    nexts: Mapping[str, str],
    reports: Iterable[Report],
    banner: str,
) -> Card:
    """`account`: what stops all of them. `nexts`: when each is scanned next, in words."""
    rows = tuple(_row(view) for view in views)
    told = tuple(line for view in views for line in view.why_not)
    shown = tuple((each.name, f"a report: /{each.command}") for each in reports)
    return Card(
        "Strategies",
        lines=(*account, *told),
        facts=(*(_fact(view, nexts[view.strategy.name]) for view in views), *shown),
        tables=(Table(("Strategy", "Risk", "Won", "P&L"), rows, right=(1, 2, 3)),) if rows else (),
        buttons=((Button("Baseline", "refresh:/baseline"), Button("Refresh", "refresh:/strategies")),),
        footer="Risk: counted, of equity, orders at work included. Won: of closed campaigns. P&L: after fees.",
        banner=banner,
    )


def _row(view: StrategyView) -> tuple[str, ...]:
    risk = "?" if view.risk is None else as_percent(view.risk)
    won = f"{view.won}/{view.campaigns}" if view.campaigns else "-"
    return view.strategy.name[:NAME_WIDTH], risk, won, words.whole(view.pnl)


def _fact(view: StrategyView, next_scan: str) -> tuple[str, str]:
    """`low risk, on, 2 open; next scan 2026-06-15 12:00 ET; unproven: ...`."""
    held = f", {view.open} open" if view.open else ""
    parts = [f"{view.strategy.risk_level} risk, {_state(view)}{held}"]
    if view.is_on:
        parts.append(f"next scan {next_scan}")
    return view.strategy.name, "; ".join((*parts, *view.unproven))


def _state(view: StrategyView) -> str:
    if not view.is_on:
        return "off"
    return "opens nothing now" if view.why_not else "on"
