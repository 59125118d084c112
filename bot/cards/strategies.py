"""Every strategy on one card, a line for each; and one in full: what stops it, when it scans next, what is unproven."""

from __future__ import annotations

from collections.abc import Iterable

from bot import words
from bot.message import Button, Card, Table
from engine.model.reports import Report
from engine.percent import as_percent
from engine.roster import StrategyView

NAME_WIDTH = 14
UNKNOWN = "not known"
EXPLAINED = "Risk: counted, of equity, orders at work included. Won: of closed campaigns. P&L: after fees."


def strategies_card(
    views: tuple[StrategyView, ...], account: tuple[str, ...], reports: Iterable[Report], banner: str
) -> Card:
    """A line for each. `account`: what stops all of them."""
    rows = tuple(_row(view) for view in views)
    told = "".join(f" {each.name} is a report: /{each.command}." for each in reports)
    return Card(
        "Strategies",
        lines=(*account, *(line for view in views for line in view.why_not)),
        tables=(Table(("Strategy", "Risk", "Won", "P&L"), rows, right=(1, 2, 3)),) if rows else (),
        buttons=((Button("Baseline", "refresh:/baseline"), Button("Refresh", "refresh:/strategies")),),
        footer=f"{EXPLAINED} /strategies wheel shows one with its next scan and what is unproven.{told}",
        banner=banner,
    )


def one_strategy_card(view: StrategyView, account: tuple[str, ...], next_scan: str, banner: str) -> Card:
    """One in full. `next_scan`: when, in words."""
    name = view.strategy.name
    return Card(
        f"Strategy {name}",
        lines=(*account, *view.why_not),
        facts=(
            ("State", _state(view)),
            ("Risk level", str(view.strategy.risk_level)),
            *((("Next scan", next_scan),) if view.is_on else ()),
            ("Open", words.count(view.open, "position")),
            ("Risk", UNKNOWN if view.risk is None else f"{as_percent(view.risk)} of equity"),
            ("Won", f"{view.won} of {words.count(view.campaigns, 'closed campaign')}"),
            ("P&L", words.whole(view.pnl)),
            *((("Unproven", _unproven(view)),) if view.unproven else ()),
        ),
        buttons=(
            (Button("All", "refresh:/strategies"), Button("Baseline", f"refresh:/baseline {name}")),
            (Button("Refresh", f"refresh:/strategies {name}"),),
        ),
        footer=EXPLAINED,
        banner=banner,
    )


def _row(view: StrategyView) -> tuple[str, ...]:
    risk = "?" if view.risk is None else as_percent(view.risk)
    won = f"{view.won}/{view.campaigns}" if view.campaigns else "-"
    name = view.strategy.name
    short = name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…"
    return short, risk, won, words.whole(view.pnl)


def _unproven(view: StrategyView) -> str:
    """Why, where the label before it says what."""
    return "; ".join(line.removeprefix("unproven").lstrip(": ") for line in view.unproven)


def _state(view: StrategyView) -> str:
    if not view.is_on:
        return "off"
    return "opens nothing now" if view.why_not else "on"
