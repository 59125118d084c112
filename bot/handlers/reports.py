"""/earnings: when a company reports, who says so, and which sessions that moves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from operator import itemgetter

from bot import words
from bot.command import Call
from bot.handlers.quote import next_report, report_words, told
from bot.message import Button, Card, Table
from engine.happenings import moved_sessions
from engine.model.market import Earnings, ReportTime

PATIENCE = 8.0
"""Seconds for which names of the universe are asked about one after another; held ones are all asked about."""
PAST = 4
SHOWN = 25
NAMED = 12
HOURS = {ReportTime.BEFORE_OPEN: "open", ReportTime.AFTER_CLOSE: "close", ReportTime.UNKNOWN: "?"}


def earnings(call: Call) -> Card:
    """The reports of one name, or the next ones of everything that is held or scanned."""
    ticker = call.text("ticker")
    return _of_one(call, ticker) if ticker else _of_all(call)


def _of_one(call: Call, ticker: str) -> Card:
    snapshot = call.desk.market.snapshot(ticker)
    reports, trouble = told(lambda: snapshot.earnings)
    buttons = ((Button("Refresh", f"refresh:/earnings {ticker}"), Button("Quote", f"refresh:/quote {ticker}")),)
    banner = call.room.banner()
    if reports is None:
        line = trouble or f"No source that is asked here told when {ticker} reports: that is not known, not none."
        return Card(f"{ticker}: reports not known", lines=(line,), buttons=buttons, banner=banner)
    coming = next_report(reports, snapshot.today)
    facts = [("Next", "none known ahead" if coming is None else report_words(coming))]
    if coming is not None:
        facts.append(("Moves", " or ".join(words.day(day) for day in moved_sessions(coming, call.desk.sessions))))
    past = sorted((each for each in reports if not each.is_ahead(snapshot.today)), key=lambda each: each.day)
    tables = (_past(past[: -PAST - 1 : -1]),) if past else ()
    return Card(f"{ticker} reports", facts=tuple(facts), tables=tables, buttons=buttons, banner=banner)


def _past(reports: list[Earnings]) -> Table:
    rows = tuple((words.day(each.day), HOURS[each.when], _state(each)) for each in reports)
    return Table(("Reported", "At", "State"), rows)


def _state(report: Earnings) -> str:
    return "confirmed" if report.confirmed else "not confirmed"


def _of_all(call: Call) -> Card:
    """The next reports, soonest first; names of the universe as far as time allows, and how many that leaves."""
    with call.desk.store.read() as work:
        held = tuple(sorted({position.ticker for position in work.open_positions()}))
    others = tuple(ticker for ticker in call.desk.tickers if ticker not in held)
    asked = {ticker: _next(call, ticker) for ticker in held}
    with call.room.unhurried():
        asked |= {ticker: _next(call, ticker) for ticker in _in_time(others)}
    coming = sorted(((report.day, ticker, report) for ticker, report in asked.items() if report), key=itemgetter(0, 1))
    lines = [f"Held: {', '.join(held)}."] if held else ["Nothing is held."]
    silent = [ticker for ticker, report in asked.items() if report is None]
    if silent:
        lines.append(f"Not known: {_few(silent)}.")
    if len(coming) > SHOWN:
        lines.append(f"{len(coming) - SHOWN} later ones are not shown.")
    left = len(held) + len(others) - len(asked)
    if left:
        names = words.count(left, "name was", "names were")
        lines.append(f"{names} not asked about in {PATIENCE:.0f} s: refresh goes on.")
    rows = tuple(_row(ticker, report) for _, ticker, report in coming[:SHOWN])
    return Card(
        "Next reports",
        lines=tuple(lines),
        tables=(Table(("Ticker", "Day", "At", "Confirmed"), rows),) if rows else (),
        buttons=((Button("Refresh", "refresh:/earnings"),),),
        banner=call.room.banner(),
    )


def _in_time(names: tuple[str, ...]) -> Iterator[str]:
    """The names until time is up."""
    until = time.monotonic() + PATIENCE
    for name in names:
        if time.monotonic() > until:
            return
        yield name


def _next(call: Call, ticker: str) -> Earnings | None:
    reports, _ = told(lambda: call.desk.market.snapshot(ticker).earnings)
    return next_report(reports, call.desk.today)


def _row(ticker: str, report: Earnings) -> tuple[str, ...]:
    state = "yes" if report.confirmed else "no"
    return (ticker, f"{report.day:%a} {report.day.day} {report.day:%b}", HOURS[report.when], state)


def _few(tickers: list[str]) -> str:
    return ", ".join(tickers[:NAMED]) + (f" and {len(tickers) - NAMED} more" if len(tickers) > NAMED else "")
