"""/baseline: are we any good. /strategies: every strategy as it stands."""

from __future__ import annotations

from datetime import datetime

from bot import words
from bot.cards.baseline import baseline_card, strategy_card
from bot.cards.strategies import one_strategy_card, strategies_card
from bot.command import Call
from bot.message import Card
from bot.timetable import scan_times
from engine import baseline as report
from engine import roster
from engine.desk import Desk
from engine.errors import NotFound
from engine.model.trade import Strategy


def baseline(call: Call) -> Card:
    """The account and every strategy against SPY and QQQ, or one strategy in full."""
    wanted, told = call.text("strategy"), report.current(call.desk)
    if told is None:
        raise NotFound("The baseline report is not enabled: [strategies.index_baseline] enabled says so.")
    if wanted:
        return strategy_card(told, wanted, call.room.banner())
    return baseline_card(told, call.room.banner())


def strategies(call: Call) -> Card:
    """Every strategy: what stops it, what it risks and made; or one in full, with its next scan."""
    desk, wanted, banner = call.desk, call.text("strategy"), call.room.banner()
    views, account = roster.strategies(desk)
    view = next((each for each in views if each.strategy.name == wanted), None)
    if view is not None:
        return one_strategy_card(view, account, _next_scan(desk, view.strategy), banner)
    return strategies_card(views, account, tuple(desk.reports.values()), banner)


def _next_scan(desk: Desk, strategy: Strategy) -> str:
    """The next time of its timetable, in words."""
    days = desk.sessions.upcoming(desk.today, 2)
    times = (at for day in days for at in sorted(scan_times(desk.sessions, day, strategy)) if at > desk.now())
    at: datetime | None = next(times, None)
    return words.UNKNOWN if at is None else words.moment(at)
