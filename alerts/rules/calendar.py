"""What a date brings: options that end, may be exercised against us, go ex, and reports of held names.

What expires within a week, and pins, exercises and ex-dates on their last evening, are told by `engine.agenda`
(`expiry_agenda`, `expiry_warning`). These rules tell what it does not: what should be gone by now and is not, an
assignment that may come any evening, an ex-date days ahead, and a report tomorrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from alerts.facts import Facts, Reporting, Sold, Watched
from alerts.findings import ALL, Finding, Rule
from alerts.rules.thresholds import Thresholds
from engine.model.events import Severity
from engine.model.market import ReportTime
from engine.sessions import NEW_YORK

LATE = 2.0
"""Minutes a closing ladder of what expires today may take: four steps of five seconds, and as much again."""
CENT = 0.01
LAST_CHANCE = "last chance"


def rules(bounds: Thresholds) -> tuple[Rule[Facts], ...]:
    """Those about dates."""
    return (
        # Minutes are left before the broker sells it or it is exercised.
        Rule("expiry", "Expires today", Severity.URGENT, _expiries, LATE, 0.0, again=timedelta(minutes=15)),
        # It costs money in the bank rather than money lost, and can be prevented for a cent.
        Rule(
            "assignment",
            "Assignment near",
            Severity.WARNING,
            _assignments,
            -bounds.time_value,
            -2 * bounds.time_value,
            escalates=timedelta(hours=4),
        ),
        # The dividend is lost for sure if it is assigned; days are left.
        Rule(
            "ex_dividend", "Ex-dividend", Severity.WARNING, lambda facts: _ex_dividends(facts, bounds), CENT, -5 * CENT
        ),
        # A gap passes through every stop; only before the close something can be done.
        Rule("earnings", "Earnings soon", Severity.WARNING, _reports, 1.0, 0.0),
    )


def _expiries(facts: Facts) -> Iterator[Finding]:
    for position in facts.positions:
        if position.last_session == facts.today and position.cutoff is not None and not position.is_held_to_expiry:
            yield _expiry(facts, position)


def _expiry(facts: Facts, position: Watched) -> Finding:
    late = (facts.since(position.cutoff) or timedelta(0)).total_seconds() / 60
    when = "" if position.cutoff is None else f"{position.cutoff.astimezone(NEW_YORK):%H:%M} ET"
    words = f"{position.words} expires today, should be closed from {when} on and is still held {late:.0f} min later."
    advice = "Close it by hand at the broker if its exit does not get done: what is in the money is exercised tonight."
    return Finding(position.id, late, words, advice, position.ticker, f"{late:.0f} min")


def _assignments(facts: Facts) -> Iterator[Finding]:
    if not facts.is_open:
        yield Finding(ALL, None, "No price is judged while the market is closed.")
        return
    for sold in facts.sold:
        yield _assignment(sold)


def _assignment(sold: Sold) -> Finding:
    subject = f"{sold.position} {sold.words}"
    if sold.forgone is None or sold.inside is None or sold.time_value is None:
        return Finding(subject, None, f"The time value of {sold.words} is not known.", ticker=sold.ticker)
    where = f"{abs(sold.inside):.2f} {'in' if sold.inside >= 0 else 'out of'} the money"
    takes = f"it takes {sold.dollars:,.2f}" if not sold.is_call else f"the shares go at {sold.dollars:,.2f}"
    short = f", {sold.short_cash:,.2f} more than the cash" if sold.short_cash else ""
    words = (
        f"{sold.position}: {sold.words} is {where} with {sold.time_value:.2f} a share of time value left. If it is "
        f"assigned, {takes}{short}."
    )
    return Finding(
        subject,
        -float(sold.forgone),
        words,
        "Without time value that may be any evening: buy it back or roll it if you do not want that.",
        sold.ticker,
        f"{sold.time_value:.2f} left",
    )


def _ex_dividends(facts: Facts, bounds: Thresholds) -> Iterator[Finding]:
    if not facts.is_open:
        yield Finding(ALL, None, "No price is judged while the market is closed.")
        return
    for sold in facts.sold:
        if sold.is_call and not sold.knows_dividends:
            yield Finding(_call(sold), None, f"The dividends of {sold.ticker} are not known.", ticker=sold.ticker)
        elif sold.is_call and sold.sessions is not None and sold.sessions <= bounds.ex_dividend_sessions:
            yield _ex_dividend(sold, sold.dividend or Decimal(0))


def _call(sold: Sold) -> str:
    return f"{sold.position} {sold.words}"


def _ex_dividend(sold: Sold, dividend: Decimal) -> Finding:
    if sold.forgone is None or sold.time_value is None or sold.ex_date is None:
        return Finding(_call(sold), None, f"The time value of {sold.words} is not known.", ticker=sold.ticker)
    words = (
        f"{sold.position}: {dividend:.2f} a share goes ex on {sold.ex_date:%d %b}, and {sold.words} has "
        f"{sold.time_value:.2f} of time value left: its holder will exercise the evening before."
    )
    advice = "Buy it back or roll it by then, or the shares are delivered and the dividend is missed."
    return Finding(_call(sold), float(dividend - sold.forgone), words, advice, sold.ticker, f"{sold.ex_date:%d %b}")


def _reports(facts: Facts) -> Iterator[Finding]:
    for report in facts.reports:
        if report.day is None or report.tells_from is None or report.acts_from is None or report.ends is None:
            for subject in (report.ticker, f"{report.ticker} {LAST_CHANCE}"):
                yield Finding(subject, None, f"When {report.ticker} reports is not known.", ticker=report.ticker)
            continue
        is_last = report.acts_from <= facts.now < report.ends
        is_next = report.tells_from <= facts.now < report.ends
        words, advice, day = _report_words(report), _report_advice(report), f"{report.day:%d %b}"
        yield Finding(report.ticker, float(is_next), words, advice, report.ticker, day)
        words = f"{words} Last chance to act before it."
        yield Finding(f"{report.ticker} {LAST_CHANCE}", float(is_last), words, advice, report.ticker, day)


def _report_words(report: Reporting) -> str:
    hour = "" if report.when is ReportTime.UNKNOWN else f", {report.when}"
    sure = "" if report.confirmed else " (unconfirmed)"
    held = "1 position is" if report.positions == 1 else f"{report.positions} positions are"
    guarded = ", some of it for the report" if report.is_protected else ""
    return f"{report.ticker} reports on {report.day:%a %d %b}{hour}{sure}; {held} held in it{guarded}."


def _report_advice(report: Reporting) -> str:
    ends = "" if report.ends is None else f"{report.ends.astimezone(NEW_YORK):%a %H:%M} ET"
    return f"Stops cannot hold through the gap: reduce, hedge or keep it by {ends}."
