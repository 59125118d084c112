"""/quote and /facts: a share now, what is known to come for it, and what is known of its company."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import TypeVar

from bot import words
from bot.command import Call
from bot.message import Button, Card, Tone
from engine.errors import DataError, NotFound
from engine.model.market import Earnings, Fundamentals, Kind, MarketSnapshot, Quote, ReportTime
from engine.news import clean
from engine.volatility import constant_maturity_iv, iv_standing

T = TypeVar("T")
Fact = tuple[str, str]

LONGEST_SECTOR = 80
NOT_KNOWN = "no source tells"
AS_IT_IS = (Kind.REAL, Kind.RECORDED)
"""Kinds of a price that need no word beside it in a title."""
UNITS = ((Decimal(10) ** 12, "trillion"), (Decimal(10) ** 9, "billion"), (Decimal(10) ** 6, "million"))


def quote(call: Call) -> Card:
    """The shares now with source, kind and age, the day so far, and what is known to come; why there is no quote."""
    ticker = call.text("ticker")
    snapshot = call.desk.market.snapshot(ticker)
    price = _spot_facts(call, snapshot.spot) if snapshot.spot is not None else _last_facts(snapshot)
    facts = (*price, *_day_facts(snapshot), *_trading(call, snapshot), *_ahead(snapshot), *_volatility(call, snapshot))
    title, tone = _headline(call, snapshot)
    return Card(
        title,
        tone,
        lines=(*closed(call), *map(clean, snapshot.troubles)),
        facts=facts,
        buttons=_ways_on(ticker, "quote"),
        banner=call.room.banner(),
    )


def facts(call: Call) -> Card:
    """What is known of the company, by whom and since when; what is not known is said."""
    ticker = call.text("ticker")
    found = call.desk.market.snapshot(ticker).fundamentals
    buttons, banner = _ways_on(ticker, "facts"), call.room.banner()
    if found is None:
        line = f"No source that is asked here told anything about the company {ticker}."
        return Card(f"{ticker}: no facts", lines=(line,), buttons=buttons, banner=banner)
    return Card(f"{ticker} facts", facts=_company(found), buttons=buttons, banner=banner)


def _ways_on(ticker: str, here: str) -> tuple[tuple[Button, ...], ...]:
    """Refresh, and the other cards of the name that everybody may see."""
    others = [name for name in ("quote", "chain", "news", "facts") if name != here]
    looks = tuple(Button(name.capitalize(), f"refresh:/{name} {ticker}") for name in others)
    return (
        (Button("Refresh", f"refresh:/{here} {ticker}"), looks[0]),
        (*looks[1:], Button("Chart", f"chart:{ticker}")),
    )


def told(question: Callable[[], T | None]) -> tuple[T | None, str]:
    """An answer, or None and why there is none."""
    try:
        return question(), ""
    except (DataError, NotFound) as problem:
        return None, str(problem)


def _headline(call: Call, snapshot: MarketSnapshot) -> tuple[str, Tone]:
    if snapshot.spot is not None:
        price = f"{snapshot.ticker} {words.price(snapshot.spot.mid)}"
        kind = snapshot.spot.source.kind
        return price if kind in AS_IT_IS else f"{price} ({kind})", Tone.NEUTRAL
    if call.desk.sessions.is_open(call.desk.now()):
        return f"{snapshot.ticker}: no usable quote", Tone.WARNING
    return f"{snapshot.ticker}: no quote, the market is closed", Tone.NEUTRAL


def closed(call: Call) -> tuple[str, ...]:
    """While the market is closed: that it is, and when it opens."""
    sessions, now, today = call.desk.sessions, call.desk.now(), call.desk.today
    if sessions.is_open(now):
        return ()
    is_ahead = sessions.is_session(today) and now < sessions.open(today)
    opening = sessions.open(today if is_ahead else sessions.next(today))
    return (f"The market is closed. It opens on {words.moment(opening)}.",)


def _spot_facts(call: Call, spot: Quote) -> tuple[Fact, ...]:
    age = (call.desk.now() - spot.at).total_seconds()
    return (
        ("Bid / ask", f"{_side(spot.bid, spot.bid_size)} / {_side(spot.ask, spot.ask_size)}"),
        ("Mid", words.price(spot.mid)),
        ("Source", str(spot.source)),
        ("Age", words.age(age)),
    )


def _side(price: Decimal, size: int) -> str:
    """A side with how many are wanted there, where that is known."""
    return f"{words.price(price)} × {size:,}" if size else words.price(price)


def _last_facts(snapshot: MarketSnapshot) -> tuple[Fact, ...]:
    """The close before today, with its day: no price of now."""
    bars = snapshot.bars
    if not len(bars):
        return (("Last close", NOT_KNOWN),)
    last = bars.bar(len(bars) - 1)
    return (("Last close", f"{last.close:,.2f} on {words.day(last.day)}, {bars.source}"),)


def _day_facts(snapshot: MarketSnapshot) -> tuple[Fact, ...]:
    """The day so far beside the close before."""
    session, bars = snapshot.session, snapshot.bars
    if session is None:
        return ()
    found = [("Today", f"last {session.close:,.2f}, opened {session.open:,.2f}")]
    if len(bars):
        before = float(bars.close[-1])
        found.append(("Change", f"{(session.close / before - 1) * 100:+.2f} % from {before:,.2f}"))
    found.append(("Low / high", f"{session.low:,.2f} / {session.high:,.2f}"))
    if session.volume is not None:
        found.append(("Volume", f"{session.volume:,.0f} shares"))
    return tuple(found)


def _trading(call: Call, snapshot: MarketSnapshot) -> tuple[Fact, ...]:
    status = call.desk.market.statuses([snapshot.ticker]).get(snapshot.ticker)
    if status is None:
        return (("Trading", "halted"),) if snapshot.halted else (("Halts", NOT_KNOWN),)
    where = ", the whole market" if status.is_market_wide else ""
    since = f" since {words.clock(status.since)}" if status.since is not None else ""
    if status.is_halted:
        return (("Trading", f"halted{since}{where}"),)
    return (("Trading", f"resumed{since}{where}" if since else "not halted"),)


def _ahead(snapshot: MarketSnapshot) -> tuple[Fact, ...]:
    """The next report and the next ex-date."""
    reports, trouble = told(lambda: snapshot.earnings)
    coming = next_report(reports, snapshot.today)
    if coming is not None:
        report = report_words(coming)
    else:
        report = trouble or (NOT_KNOWN if reports is None else "none known ahead")
    return (("Next report", report), ("Next ex-date", _ex_date(snapshot)))


def next_report(reports: tuple[Earnings, ...] | None, today: date) -> Earnings | None:
    """The soonest report that is not out yet."""
    return min((each for each in reports or () if each.is_ahead(today)), key=lambda each: each.day, default=None)


def report_words(report: Earnings) -> str:
    """`Thu 30 Jul 26 after close, confirmed (fmp, finnhub)`."""
    when = "hour not known" if report.when is ReportTime.UNKNOWN else report.when.value
    state = "confirmed" if report.confirmed else "not confirmed"
    by = f" ({', '.join(report.sources)})" if report.sources else ""
    return f"{words.day(report.day)} {when}, {state}{by}"


def _ex_date(snapshot: MarketSnapshot) -> str:
    if snapshot.dividends is None:
        return NOT_KNOWN
    ahead = [dividend for dividend in snapshot.dividends if dividend.ex_date > snapshot.today]
    if not ahead:
        return "none known ahead"
    soonest = min(ahead, key=lambda dividend: dividend.ex_date)
    return f"{words.day(soonest.ex_date)}, {soonest.amount.normalize():f} a share"


def _volatility(call: Call, snapshot: MarketSnapshot) -> tuple[Fact, ...]:
    """30-day implied volatility at the money, and where it stands among those of its year."""
    chain, trouble = told(lambda: snapshot.chain)
    if chain is None:
        return (("IV 30 days", trouble or "no listed options"),)
    call.room.listed.seen(chain)
    iv = constant_maturity_iv(chain)
    if iv is None:
        return (("IV 30 days", "none at the money"),)
    standing = iv_standing(iv, snapshot.iv_history or ())
    return (("IV 30 days", f"{words.percent(iv)}, {chain.source}"), ("IV in its year", standing.words))


def _company(found: Fundamentals) -> tuple[Fact, ...]:
    known = "not said" if found.known_on is None else words.day(found.known_on)
    return (
        ("Sector", clean(found.sector or "", LONGEST_SECTOR) or words.UNKNOWN),
        ("Market value", _large(found.market_cap)),
        ("Beta", words.UNKNOWN if found.beta is None else f"{found.beta:.2f} against the S&P 500"),
        ("Dividend yield", words.percent(found.dividend_yield)),
        ("Revenue growth", _growth(found.revenue_growth)),
        ("Earnings growth", _growth(found.earnings_growth)),
        ("Net margin", words.percent(found.margin)),
        ("Margin before", words.percent(found.margin_before)),
        ("Margin change", words.UNKNOWN if found.margin_change is None else f"{found.margin_change * 100:+.1f} points"),
        ("Known on", known),
        ("Source", ", ".join(found.sources) or "not said"),
    )


def _growth(fraction: float | None) -> str:
    return words.UNKNOWN if fraction is None else f"{fraction * 100:+.1f} % on the year before"


def _large(amount: Decimal | None) -> str:
    """Dollars in the largest unit that leaves a whole number in front.

    >>> _large(Decimal(2_950_000_000_000)), _large(Decimal(12_300_000)), _large(None)
    ('2.95 trillion dollars', '12.30 million dollars', 'unknown')
    """
    if amount is None:
        return words.UNKNOWN
    for size, name in UNITS:
        if amount >= size:
            return f"{amount / size:,.2f} {name} dollars"
    return f"{amount:,.0f} dollars"
