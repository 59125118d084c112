"""Rows of Alpha Vantage as values of ours: one function for each of its answers.

Greeks of its options are in our units: of a recorded call and its IV, vega a vol point is 0.2666 computed and 0.2666
recorded, theta a calendar day, rho for 1 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from engine.data.providers.alphavantage_client import NAME, without_blanks
from engine.data.providers.fields import Fields, Row, is_ticker, last_and_year_before
from engine.data.providers.option_rows import OptionRow
from engine.data.providers.port import Offer, Report
from engine.data.providers.reader import invalid
from engine.model.instruments import OCC, dotted
from engine.model.market import Bar, Dividend, Fundamentals, Kind, ReportTime, Source, Split
from engine.model.news import Headline

FIELDS = Fields(NAME)
KINDS = {
    Offer.REPORTS: Kind.REAL,
    Offer.DIVIDENDS: Kind.REAL,
    Offer.SPLITS: Kind.REAL,
    Offer.FUNDAMENTALS: Kind.REAL,
    Offer.NEWS: Kind.REAL,
    Offer.SESSIONS: Kind.DELAYED,
    Offer.CHAIN: Kind.DELAYED,
}
HOURS = {"pre-market": ReportTime.BEFORE_OPEN, "post-market": ReportTime.AFTER_CLOSE}
LARGEST_SHARE = 10
HALF = Fraction(1, 20_000)
"""Split ratios are small fractions, whole percents of new shares, or one for many, written to four places."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A report of the calendar, the end of its fiscal period, and whether its EPS is in dollars."""

    report: Report
    period: date | None
    is_dollars: bool


Calendar = Mapping[str, tuple[Coming, ...]]


def theirs(ticker: str) -> str:
    """BRK.B -> BRK-B, as its listings spell it."""
    return ticker.replace(".", "-")


def ours(symbol: str) -> str:
    """BRK-B -> BRK.B; a preferred share (BAC-PB) stays as it is.

    >>> ours("BRK-B"), ours("BAC-PB"), ours("IBM")
    ('BRK.B', 'BAC-PB', 'IBM')
    """
    return dotted(symbol)


def calendar(rows: Iterable[Row]) -> Calendar:
    """The reports ahead by ticker, one for each fiscal period.

    Share classes are in it twice, as BF-B and BF.B, with different days. Those with a dot have the time of day, and the
    day of the company's other class: they win.
    """
    found: dict[str, dict[date | None, Coming]] = {}
    for each in FIELDS.each("calendar", sorted(rows, key=lambda row: "." in (row["symbol"] or "")), _coming):
        found.setdefault(each.report.ticker, {})[each.period] = each
    return {ticker: tuple(periods.values()) for ticker, periods in found.items()}


def _coming(row: Row) -> Coming | None:
    ticker, day = ours(FIELDS.text("symbol", row.get("symbol"))), FIELDS.day("reportDate", row.get("reportDate"))
    if not is_ticker(ticker) or day is None:
        return None
    is_dollars = row.get("currency") == "USD"
    report = Report(
        ticker,
        day,
        Source(NAME, KINDS[Offer.REPORTS]),
        HOURS.get(FIELDS.text("timeOfTheDay", row.get("timeOfTheDay")), ReportTime.UNKNOWN),
        eps_estimate=FIELDS.number("estimate", row.get("estimate")) if is_dollars else None,
    )
    return Coming(report, FIELDS.day("fiscalDateEnding", row.get("fiscalDateEnding")), is_dollars)


def reported(ticker: str, row: Row) -> Report | None:
    row = without_blanks(row)
    day = FIELDS.day("reportedDate", row.get("reportedDate"))
    if day is None:
        return None
    return Report(
        ticker,
        day,
        Source(NAME, KINDS[Offer.REPORTS]),
        HOURS.get(FIELDS.text("reportTime", row.get("reportTime")), ReportTime.UNKNOWN),
        eps_estimate=FIELDS.number("estimatedEPS", row.get("estimatedEPS")),
        eps_actual=FIELDS.number("reportedEPS", row.get("reportedEPS")),
    )


def dividend(row: Row) -> Dividend | None:
    day, amount = FIELDS.day("ex_dividend_date", row.get("ex_dividend_date")), FIELDS.money("amount", row.get("amount"))
    return None if day is None or amount is None else Dividend(day, amount)


def split(row: Row) -> Split | None:
    day = FIELDS.day("effective_date", row.get("effective_date"))
    factor = FIELDS.money("split_factor", row.get("split_factor"))
    ratio = None if factor is None else split_ratio(factor)
    return None if day is None or ratio is None else Split(day, ratio)


def split_ratio(factor: Decimal) -> Decimal | None:
    """New shares for an old one behind a factor that is rounded to 0.0001; None for that of a spin-off, no split.

    >>> [split_ratio(Decimal(text)) for text in ("20", "1.5", "0.125", "1.05", "1.046")]
    [Decimal('20'), Decimal('1.5'), Decimal('0.125'), Decimal('1.05'), None]
    """
    inverse = Fraction(1, max(1, round(1 / factor)))
    for simple in (inverse, Fraction(factor).limit_denominator(LARGEST_SHARE)):
        if abs(simple - Fraction(factor)) <= HALF:
            return Decimal(simple.numerator) / Decimal(simple.denominator)
    return factor if factor * 100 % 1 == 0 else None


def bar(ticker: str, row: Row) -> Bar | None:
    day = FIELDS.day("latestDay", row.get("latestDay"))
    prices = [FIELDS.positive(name, row.get(name)) for name in ("open", "high", "low", "price")]
    if day is None or None in prices or ours(FIELDS.text("symbol", row.get("symbol"))) != ticker:
        return None
    first, high, low, last = (price for price in prices if price is not None)
    return Bar(day, first, high, low, last, FIELDS.from_zero("volume", row.get("volume")))


def facts(row: Row) -> Fundamentals:
    sector = FIELDS.text("Sector", row.get("Sector"))
    is_dollars = row.get("Currency") == "USD"
    return Fundamentals(
        market_cap=FIELDS.money("MarketCapitalization", row.get("MarketCapitalization")) if is_dollars else None,
        sector=sector.title() or None,
        beta=FIELDS.number("Beta", row.get("Beta")),
        revenue_growth=_growth("QuarterlyRevenueGrowthYOY", row),
        earnings_growth=_growth("QuarterlyEarningsGrowthYOY", row),
        dividend_yield=FIELDS.number("DividendYield", row.get("DividendYield")),
        sources=(NAME,),
    )


def _growth(name: str, row: Row) -> float | None:
    """0 is what it writes where there is nothing to compare with, such as a loss."""
    return FIELDS.number(name, row.get(name)) or None


def margins(statements: Row) -> tuple[float | None, float | None]:
    """The net margin of the latest year and of the one before it."""
    years = FIELDS.rows("annualReports", statements.get("annualReports") or [])
    return last_and_year_before(FIELDS.each("annualReports", years, _margin))


def _margin(row: Row) -> tuple[date, float | None] | None:
    row = without_blanks(row)
    day = FIELDS.day("fiscalDateEnding", row.get("fiscalDateEnding"))
    revenue = FIELDS.number("totalRevenue", row.get("totalRevenue"))
    income = FIELDS.number("netIncome", row.get("netIncome"))
    if day is None:
        return None
    return day, None if income is None or revenue is None or revenue <= 0 else income / revenue


def headline(row: Row) -> Headline | None:
    """Its times have no zone: they are read as UTC, which never dates one after it was published."""
    published = FIELDS.text("time_published", row.get("time_published"))
    at = FIELDS.instant("time_published", f"{published}Z") if published else None
    title, url = FIELDS.text("title", row.get("title")), FIELDS.text("url", row.get("url"))
    if at is None or not title:
        return None
    about = FIELDS.each("ticker_sentiment", FIELDS.rows("ticker_sentiment", row.get("ticker_sentiment") or []), _about)
    return Headline(
        id=url or f"{published} {title}",
        at=at,
        title=title,
        summary=FIELDS.text("summary", row.get("summary")),
        tickers=tuple(dict.fromkeys(about)),
        source=NAME,
        publisher=FIELDS.text("source", row.get("source")),
        url=url,
    )


def _about(row: Row) -> str | None:
    """Not CRYPTO:BTC, FOREX:USD."""
    ticker = ours(FIELDS.text("ticker", row.get("ticker")))
    return ticker if is_ticker(ticker) else None


def option(ticker: str, closing: Callable[[date | None], datetime | None], row: Row) -> OptionRow:
    """`closing` gives the time of a day's closing quotes."""
    symbol = FIELDS.text("contractID", row.get("contractID"))
    contract, right = OCC.fullmatch(symbol), FIELDS.text("type", row.get("type"))
    expiry = FIELDS.day("expiration", row.get("expiration"))
    strike = FIELDS.positive("strike", row.get("strike"))
    if FIELDS.text("symbol", row.get("symbol")) not in (ticker, theirs(ticker)) or contract is None:
        raise invalid(NAME, "contractID", symbol)
    if expiry is None or strike is None or right not in ("call", "put"):
        raise invalid(NAME, symbol, (expiry, strike, right))
    ask = FIELDS.positive("ask", row.get("ask"))
    bid = FIELDS.from_zero("bid", row.get("bid"))
    return OptionRow(
        contract["root"],
        expiry,
        strike,
        right == "call",
        bid=None if ask is None and not bid else bid,
        ask=ask,
        bid_size=FIELDS.positive("bid_size", row.get("bid_size")),
        ask_size=FIELDS.positive("ask_size", row.get("ask_size")),
        quoted_at=closing(FIELDS.day("date", row.get("date"))),
        last=FIELDS.positive("last", row.get("last")),
        volume=FIELDS.from_zero("volume", row.get("volume")),
        open_interest=FIELDS.from_zero("open_interest", row.get("open_interest")),
        iv=FIELDS.positive("implied_volatility", row.get("implied_volatility")),
        delta=FIELDS.number("delta", row.get("delta")),
        gamma=FIELDS.number("gamma", row.get("gamma")),
        theta=FIELDS.number("theta", row.get("theta")),
        vega=FIELDS.number("vega", row.get("vega")),
        rho=FIELDS.number("rho", row.get("rho")),
    )
