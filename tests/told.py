"""One name of which everything is known, and providers in every state: what the cards of the market show."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from engine.data.best import SHARES, best_quote
from engine.data.chain_build import Market, Spot, build
from engine.data.term_rates import TermRates
from engine.model.instruments import Stock
from engine.model.market import (
    Bar,
    Chain,
    Dividend,
    Earnings,
    Fundamentals,
    IvDay,
    Kind,
    MarketSnapshot,
    Quote,
    ReportTime,
    Source,
)
from engine.model.news import Headline, News
from engine.news import news_of
from engine.ports import SourceState
from engine.sessions import Sessions
from tests import make
from tests.chains import strip, together

D = Decimal
EXPIRIES = (date(2026, 6, 26), date(2026, 7, 17), date(2026, 8, 21))
HOSTILE = (
    "**@everyone** <@&1> <script>alert(1)</script> [free](https://evil.example) \u202ekcats\u202c `rm -rf` ~~x~~ "
    + "A" * 4_000
)
STORIES = (
    (7, "XYZ beats estimates and raises its guidance for the year", "Benzinga", "https://www.benzinga.com/a/1"),
    (42, "Regulator opens an inquiry into XYZ after a safety recall", "Reuters", "https://www.reuters.com/b?id=2"),
    (300, "XYZ to present at an industry conference", "GlobeNewswire", ""),
)


@lru_cache(maxsize=1)
def chain() -> Chain:
    """Calls and puts of three expiries as the live desk makes them, two contracts left out."""
    strikes = np.arange(40.0, 57.0)
    parts = [
        strip("XYZ", expiry, strikes, spot=48.2, iv=0.31, days=float((expiry - make.TODAY).days))
        for expiry in EXPIRIES
    ]  # fmt: skip
    raw = together(*parts)
    n = len(raw)
    raw = replace(
        raw,
        source=Source("alpaca", Kind.INDICATIVE),
        iv=np.full(n, 0.3112),
        delta=np.full(n, 0.5),
        open_interest=np.linspace(80, 14_000, n).round(),
        volume=np.linspace(0, 2_400, n).round(),
        quoted_at=np.full(n, np.datetime64((make.NOW - timedelta(seconds=4)).replace(tzinfo=None), "us")),
    )
    raw.root[:2] = "XYZ1"
    rates = TermRates(date(2026, 6, 12), (0.08, 1.0), (0.0412, 0.0398), Source("treasury"))
    market = Market(make.NOW, Sessions(), Spot(48.2, make.NOW, Source("alpaca")), rates, ())
    return build(raw, market).chain


def quote() -> Quote:
    """Two seconds old, with sizes."""
    at = make.NOW - timedelta(seconds=2)
    return Quote(Stock("XYZ"), D("48.19"), D("48.21"), at, Source("alpaca"), 300, 1_200)


def contradiction() -> str:
    """What is said where two sources are 9 % apart."""
    yahoo = replace(quote(), bid=D("52.60"), ask=D("52.70"), source=Source("yahoo"))
    return best_quote((quote(), yahoo), make.NOW, SHARES, for_orders=False).words


def reports() -> tuple[Earnings, ...]:
    """Two that are out and one ahead."""
    return (
        Earnings(date(2026, 1, 29), ReportTime.AFTER_CLOSE, confirmed=True, sources=("finnhub", "fmp")),
        Earnings(date(2026, 4, 30), ReportTime.AFTER_CLOSE, confirmed=True, sources=("finnhub", "fmp")),
        Earnings(date(2026, 7, 30), ReportTime.AFTER_CLOSE, confirmed=True, sources=("finnhub", "fmp")),
    )


def facts() -> Fundamentals:
    """All but the dividend yield."""
    return Fundamentals(
        market_cap=D(41_250_000_000),
        sector="Technology",
        beta=1.18,
        revenue_growth=0.083,
        earnings_growth=-0.021,
        margin_change=0.012,
        margin=0.184,
        margin_before=0.172,
        known_on=date(2026, 6, 15),
        sources=("yahoo", "fmp"),
    )


def history(count: int = 252, reconstructed: int = 100) -> tuple[IvDay, ...]:
    """Volatilities between 22 and 42 %, the first ones computed from past trades."""
    values = 0.32 + 0.10 * np.sin(np.arange(count) / 11.0)
    kinds = (Kind.RECONSTRUCTED if place < reconstructed else Kind.INDICATIVE for place in range(count))
    days = make.weekdays(count)
    return tuple(
        IvDay(day, float(iv), Source("alpaca", kind)) for day, iv, kind in zip(days, values, kinds, strict=True)
    )


@lru_cache
def news(*extra: Headline, empty: bool = False) -> News:
    """Three stories of the last hours, or none."""
    written = [
        Headline(str(age), make.NOW - timedelta(minutes=age), title, "", ("XYZ",), "alpaca", publisher, url)
        for age, title, publisher, url in STORIES
    ]
    return news_of("XYZ", make.NOW, {"alpaca": [] if empty else [*written, *extra], "yahoo": []})


def hostile_headline(number: int = 0, url: str = "https://evil.example/)[x](javascript:alert(1)") -> Headline:
    """A headline that tries everything."""
    at = make.NOW - timedelta(minutes=1 + number)
    return Headline(f"h{number}", at, f"{number} {HOSTILE}", HOSTILE, ("XYZ",), "yahoo", "<b>@here</b>\n# x", url)


def snapshot(**more: Any) -> MarketSnapshot:
    """Everything known about XYZ; pass what should differ."""
    written = news()
    closes = 46.0 + np.linspace(0.0, 1.4, 260)
    known: dict[str, Any] = {
        "bars": make.bars(closes),
        "spot": 48,
        "earnings": reports(),
        "fundamentals": facts(),
        "chain": chain(),
        "session": Bar(make.TODAY, 47.6, 48.35, 47.52, 48.2, 3_214_000.0),
        "dividends": (Dividend(date(2026, 7, 9), D("0.32")),),
        "iv_history": history(),
        "load_news": lambda: written,
    }
    changed = known | more
    made = make.snapshot(**changed)
    return replace(made, spot=quote()) if changed["spot"] is not None else made


def hostile() -> MarketSnapshot:
    """The same with texts that try everything."""
    written = news(*(hostile_headline(number) for number in range(3)))
    return snapshot(
        load_news=lambda: written, fundamentals=replace(facts(), sector=HOSTILE), troubles=(HOSTILE, contradiction())
    )


def states() -> tuple[SourceState, ...]:
    """One that works, one that lies and is down, one that was never asked."""
    return (
        SourceState(
            "alpaca",
            ("quotes: real", "option chains: indicative"),
            is_up=True,
            answered_at=make.NOW - timedelta(seconds=3),
            budget="alpaca: 181 of 200 a minute",
        ),
        SourceState(
            "yahoo",
            ("quotes: delayed",),
            is_up=False,
            trouble="yahoo did not answer within 4 s.",
            answered_at=make.NOW - timedelta(minutes=11),
            budget="yahoo: 60 of 60 a minute",
            dropped=3,
            since=make.NOW - timedelta(minutes=11),
        ),
        SourceState(
            "fmp", ("fundamentals: real",), is_up=True, budget="fmp: 250 of 250 a day", is_proven=False
        ),
    )  # fmt: skip
