"""What Yahoo says of companies, read: earnings reports, fundamentals and headlines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal

from engine.data.providers.port import Report
from engine.data.providers.yahoo_client import NAME
from engine.data.providers.yahoo_fields import EPOCH, FACT, Row, day_of, moment, number, part, parts, text, ticker
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

    A quote knows the two (`earningsTimestamp`, the last one's or the next one's; `earningsTimestampStart`, the next
    one's, the first day of a range where it is an estimate). What lies behind the last and beyond the next it does not
    know, and where the next is missing nothing ahead: no answer then, for "none" would be taken for safety.
    """
    if text(row, "quoteType") in NEVER_REPORT:
        return ()
    is_estimate = row.get("isEarningsDateEstimate")
    known: dict[date, Report] = {}
    for field in ("earningsTimestamp", "earningsTimestampStart"):
        at = moment(row, field)
        if at is not None:
            day, when = _day_and_time(at)
            guessed = day >= today and is_estimate is not False
            told = ReportTime.UNKNOWN if guessed else when
            known[day] = Report(name, day, FACT, told, is_confirmed=day >= today and not guessed)
    inside = tuple(known[day] for day in sorted(known) if start <= day <= end)
    if inside:
        return inside
    ahead = [day for day in known if day >= today]
    behind = [day for day in known if day < today]
    is_known_empty = bool(ahead) and min(ahead) > end and (start >= today or (bool(behind) and max(behind) < start))
    return () if is_known_empty else None


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
    beta = number(detail, "beta")
    return Fundamentals(
        market_cap=None if cap is None or cap <= 0 else Decimal(int(cap)),
        sector=text(part(summary, "assetProfile"), "sector") or None,
        beta=number(statistics, "beta") if beta is None else beta,
        revenue_growth=number(money, "revenueGrowth"),
        earnings_growth=number(money, "earningsGrowth"),
        margin_change=None if margin is None or before is None else margin - before,
        margin=margin,
        margin_before=before,
        dividend_yield=_dividend_yield(detail),
        known_on=day_of(now, NEW_YORK),
        sources=(NAME,),
    )


def _dividend_yield(detail: Row) -> float | None:
    """Trailing twelve months, decimal.

    Of dollars and a price where both are there: Yahoo has sent yields as decimals and in percent under one name (0.0041
    and 0.41 of Apple in recorded answers of one day). A fund's is its `yield`, its trailing rate is not complete.
    """
    fund = number(detail, "yield")
    if fund is not None:
        return fund
    rate, close = number(detail, "trailingAnnualDividendRate"), number(detail, "previousClose")
    if rate is not None and close is not None and close > 0:
        return rate / close
    return number(detail, "trailingAnnualDividendYield")


def _margins(summary: Row) -> tuple[float | None, float | None]:
    """Net margin of the latest reported year and of the one before it."""
    statements = parts(part(summary, "incomeStatementHistory"), "incomeStatementHistory")
    years = [(number(row, "endDate"), number(row, "totalRevenue"), number(row, "netIncome")) for row in statements]
    if not years:
        yearly = parts(part(part(summary, "earnings"), "financialsChart"), "yearly")
        years = [(number(row, "date"), number(row, "revenue"), number(row, "earnings")) for row in yearly]
    dated = sorted((year for year in years if year[0] is not None), reverse=True, key=lambda year: year[0] or 0.0)
    margins = [
        income / revenue if revenue is not None and revenue > 0 and income is not None else None
        for _, revenue, income in dated
    ]
    latest, before = (*margins[:2], None, None)[:2]
    return latest, before


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
