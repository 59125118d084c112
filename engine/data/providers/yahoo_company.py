"""What Yahoo says of companies, read: earnings reports, fundamentals and headlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal

from engine.data.providers.fields import EPOCH, Row, last_and_year_before
from engine.data.providers.port import Report
from engine.data.providers.yahoo_client import NAME
from engine.data.providers.yahoo_fields import (
    FACT,
    day_of,
    moment,
    number,
    part,
    parts,
    text,
    ticker,
    trailing_yield,
)
from engine.errors import DataInvalid
from engine.model.market import Fundamentals, ReportTime
from engine.model.news import Headline
from engine.sessions import NEW_YORK

OPEN, CLOSE = time(9, 30), time(16)
DAY = 86_400
NEVER_REPORT = frozenset({"ETF", "MUTUALFUND", "INDEX"})
"""Types of what has no earnings."""
MODULES = "assetProfile,summaryDetail,defaultKeyStatistics,financialData,incomeStatementHistory,earnings"


def reports(name: str, row: Row, start: date, end: date, today: date) -> tuple[Report, ...] | None:
    """The last and the next report, as far as they are in the window; None where Yahoo cannot say that there is none.

    A quote knows the two: `earningsTimestamp`, the last one's or already the next one's; `earningsTimestampStart`, the
    next one's (the first day of a range, its hour a guess, where `isEarningsDateEstimate`). What lies behind the last
    it does not know, and without the next nothing ahead: no answer then, for "none" would be taken for safety.
    """
    if text(row, "quoteType") in NEVER_REPORT:
        return ()
    known: dict[date, Report] = {}
    if (last := moment(row, "earningsTimestamp")) is not None:
        day, when = _day_and_time(last)
        known[day] = Report(name, day, FACT, when if day <= today else ReportTime.UNKNOWN)
    if (coming := moment(row, "earningsTimestampStart")) is not None:
        day, when = _day_and_time(coming)
        is_set = row.get("isEarningsDateEstimate") is False
        known[day] = Report(name, day, FACT, when if is_set else ReportTime.UNKNOWN, is_confirmed=is_set)
    return _within(known, start, end, today)


def _within(known: Mapping[date, Report], start: date, end: date, today: date) -> tuple[Report, ...] | None:
    ahead, behind = [day for day in known if day >= today], [day for day in known if day < today]
    if end >= today and not ahead:
        return None
    inside = tuple(known[day] for day in sorted(known) if start <= day <= end)
    if inside:
        return inside
    is_free_ahead = end < today or min(ahead) > end
    is_free_behind = start >= today or (bool(behind) and max(behind) < start)
    return () if is_free_ahead and is_free_behind else None


def _day_and_time(at: datetime) -> tuple[date, ReportTime]:
    """The day in New York; a time of midnight UTC is a date without a time, and of that day."""
    if (at - EPOCH).total_seconds() % DAY == 0:
        return at.date(), ReportTime.UNKNOWN
    local = at.astimezone(NEW_YORK)
    if local.time() < OPEN:
        return local.date(), ReportTime.BEFORE_OPEN
    return local.date(), ReportTime.AFTER_CLOSE if local.time() >= CLOSE else ReportTime.UNKNOWN


def fundamentals(summary: Row, now: datetime) -> Fundamentals:
    """The facts of a summary (`quoteSummary`), known on the New York day of `now`."""
    detail, money = part(summary, "summaryDetail"), part(summary, "financialData")
    statistics = part(summary, "defaultKeyStatistics")
    margin, before = _margins(summary)
    cap = number(detail, "marketCap") if text(detail, "currency") in ("", "USD") else None
    beta, of_fund = number(detail, "beta"), number(detail, "yield")
    return Fundamentals(
        market_cap=None if cap is None or cap <= 0 else Decimal(int(cap)),
        sector=text(part(summary, "assetProfile"), "sector") or None,
        beta=number(statistics, "beta") if beta is None else beta,
        revenue_growth=number(money, "revenueGrowth"),
        earnings_growth=number(money, "earningsGrowth"),
        margin_change=None if margin is None or before is None else margin - before,
        margin=margin,
        margin_before=before,
        # The rate of a fund is not complete (1.77 of 2.90 dollars for QQQ in recorded answers), its own yield is.
        dividend_yield=trailing_yield(detail, "previousClose", text(money, "financialCurrency"))
        if of_fund is None
        else of_fund,
        known_on=day_of(now, NEW_YORK),
        sources=(NAME,),
    )


def _margins(summary: Row) -> tuple[float | None, float | None]:
    """Net margin of the latest reported year and of the one before it, of the statements or of the chart of years."""
    statements = parts(part(summary, "incomeStatementHistory"), "incomeStatementHistory")
    dated = [(row, moment(row, "endDate"), "totalRevenue", "netIncome") for row in statements]
    if not dated:
        yearly = parts(part(part(summary, "earnings"), "financialsChart"), "yearly")
        dated = [(row, _year(row), "revenue", "earnings") for row in yearly]
    return last_and_year_before(
        (ended.date(), _margin(number(row, revenue), number(row, income)))
        for row, ended, revenue, income in dated
        if ended is not None
    )


def _year(row: Row) -> datetime | None:
    """The end of a year that is told by its number alone."""
    year = number(row, "date")
    return None if year is None or not 1970 < year < 2100 else datetime(int(year), 12, 31, tzinfo=UTC)


def _margin(revenue: float | None, income: float | None) -> float | None:
    return None if income is None or revenue is None or revenue <= 0 else income / revenue


def headlines(found: Sequence[Row], asked: frozenset[str], since: datetime) -> list[Headline]:
    """The articles that Yahoo itself links to one of the names; one without an id, a title or a time is left out."""
    read = []
    for row in found:
        related = row.get("relatedTickers")
        spelled = [name for name in related if isinstance(name, str)] if isinstance(related, list) else []
        names = tuple(dict.fromkeys(ours for name in spelled if (ours := ticker(name)) is not None))
        at = _published(row)
        if at is None or at < since or not asked.intersection(names) or not (text(row, "uuid") and text(row, "title")):
            continue
        link = text(row, "link")
        read.append(
            Headline(
                id=text(row, "uuid"),
                at=at,
                title=text(row, "title"),
                summary="",
                tickers=names,
                source=NAME,
                publisher=text(row, "publisher"),
                url=link if link.startswith("https://") else "",
            )
        )
    return read


def _published(row: Row) -> datetime | None:
    try:
        return moment(row, "providerPublishTime")
    except DataInvalid:
        return None
