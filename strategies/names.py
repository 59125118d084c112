"""Rules on the company behind a name: size, dividends, report dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import TypeVar

from engine.model.market import Dividend, Earnings, MarketSnapshot, ReportTime
from engine.model.trade import Step, Verdict
from strategies.funnel import Case, percent, step, unknown

P = TypeVar("P")

PAYMENTS_A_YEAR = ((45, 12), (135, 4), (250, 2))
"""(longest gap in days, payments a year): monthly, quarterly, half-yearly; anything longer is yearly."""
CUT = Decimal("0.99")
"""A payment below this share of the usual one is a cut; the per cent left is rounding by split factors."""
REMEMBERED = 5


def market_cap(case: Case[P], least: float) -> Step:
    """Worth at least `least` dollars."""
    rule, limit = "market cap", f"≥ {least / 1e9:g} B"
    facts = case.snapshot.fundamentals
    if facts is None or facts.market_cap is None:
        return unknown(rule, limit, case.context)
    value = float(facts.market_cap) / 1e9
    return step(rule, limit, f"{value:.3f} B", facts.market_cap >= Decimal(str(least)))


def sector(case: Case[P]) -> Step:
    """The sector is known, so that names of one sector can be counted."""
    facts = case.snapshot.fundamentals
    if facts is None or facts.sector is None:
        return unknown("sector", "known", case.context)
    return Step("sector", "known", facts.sector, Verdict.PASSED)


@dataclass(frozen=True, slots=True)
class Payer:
    """The rhythm of a company's dividends, from its latest ones.

    Attributes:
        latest: the newest declared one. per_year: payments a year. is_cut: the newest is below the usual amount.
    """

    latest: Dividend
    per_year: int
    is_cut: bool

    def yield_at(self, price: float) -> float:
        """Latest amount x payments a year / price, decimal."""
        return float(self.latest.amount) * self.per_year / price

    def due(self, after: date, until: date, declared: tuple[Dividend, ...]) -> Dividend | None:
        """The next dividend with `after` < ex-date <= `until`: a declared one, else the one its rhythm leads to."""
        for dividend in declared:
            if dividend.ex_date > after:
                return dividend if dividend.ex_date <= until else None
        period = timedelta(days=365 / self.per_year)
        expected = self.latest.ex_date + period
        while expected <= after:
            expected += period
        return Dividend(expected, self.latest.amount) if expected <= until else None


def payer(dividends: tuple[Dividend, ...]) -> Payer | None:
    """The rhythm of `dividends` (oldest first), None with fewer than two: one payment has no frequency."""
    recent = dividends[-REMEMBERED:]
    if len(recent) < 2:
        return None
    gap = median((later.ex_date - earlier.ex_date).days for earlier, later in pairwise(recent))
    per_year = next((count for longest, count in PAYMENTS_A_YEAR if gap <= longest), 1)
    usual = median(dividend.amount for dividend in recent[:-1])
    return Payer(recent[-1], per_year, recent[-1].amount < usual * CUT)


def dividend_yield(case: Case[P], low: float, high: float) -> Step:
    """The last declared dividend x its frequency / price."""
    rule, limit = "dividend yield", f"{percent(low)} to {percent(high)}"
    if case.snapshot.dividends is None or case.last is None:
        return unknown(rule, limit, case.context)
    paid = payer(case.snapshot.dividends)
    value = paid.yield_at(case.last) if paid else 0.0
    return step(rule, limit, percent(value) if paid else "no regular dividend", low <= value <= high)


def dividend_age(case: Case[P], days: int) -> Step:
    """The last ex-date is not longer ago than `days`."""
    rule, limit = "last ex-date", f"≤ {days} days ago"
    if not case.snapshot.dividends:
        return unknown(rule, limit, case.context)
    age = (case.snapshot.today - case.snapshot.dividends[-1].ex_date).days
    return step(rule, limit, f"{age} days ago" if age >= 0 else f"in {-age} days", age <= days)


def dividend_kept(case: Case[P]) -> Step:
    """The newest dividend is not below the usual one."""
    rule, limit = "dividend cut", "none"
    paid = payer(case.snapshot.dividends) if case.snapshot.dividends else None
    if paid is None:
        return unknown(rule, limit, case.context)
    return step(rule, limit, f"last {paid.latest.amount:f}", not paid.is_cut)


def next_report(snapshot: MarketSnapshot) -> Earnings | None:
    """The next report that is not out yet, None when no date ahead is known."""
    ahead = (report for report in snapshot.earnings or () if report.is_ahead(snapshot.today))
    return min(ahead, key=lambda report: report.day, default=None)


def report_words(report: Earnings) -> str:
    """`12 Aug 2026 after close (unconfirmed)`."""
    when = "" if report.when is ReportTime.UNKNOWN else f" {report.when}"
    return f"{report.day:%d %b %Y}{when}{'' if report.confirmed else ' (unconfirmed)'}"


def no_report_until(case: Case[P], expiry: date) -> Step:
    """No report before the options expire; a name with no date ahead is unknown, for every company reports."""
    rule, limit = "earnings", "none before expiry"
    report = next_report(case.snapshot)
    if report is None:
        return unknown(rule, limit, case.context)
    before = report.day < expiry or (report.day == expiry and report.when is not ReportTime.AFTER_CLOSE)
    return step(rule, limit, report_words(report), not before)


def no_report_within(case: Case[P], sessions: int) -> Step:
    """No report today or in the coming `sessions` sessions."""
    rule, limit = "earnings", f"not within {sessions} sessions"
    report = next_report(case.snapshot)
    near = case.context.next_sessions[: sessions + 1]
    if report is None or len(near) <= sessions:
        return unknown(rule, limit, case.context)
    return step(rule, limit, report_words(report), report.day > near[-1])
