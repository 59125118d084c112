"""Curves of every kind, plain and ugly: what the tests of the charts and the pinned pictures draw."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial

import numpy as np

from bot.charts import days_png, equity_png, iv_png, limits_png, payoff_png, price_png, stress_png
from bot.curves import (
    Band,
    DayBars,
    Entry,
    EquityCurve,
    IndexCurve,
    IvCurve,
    Level,
    LevelKind,
    LimitBar,
    LimitBars,
    PayoffCurve,
    PriceCurve,
    StressCurve,
)
from engine.model.market import Floats

Draw = Callable[[bool], bytes]

SPOTS = np.linspace(30.0, 60.0, 241)
DAYS = np.arange("2018-12-20", "2019-03-02", dtype="datetime64[D]")
DAYS = DAYS[np.is_busday(DAYS)]
LONG = "spx_credit_spreads: 12 × BRK.B iron condor of the weekly options that end on Friday, rolled twice"
MOVES = np.array([-0.20, -0.10, -0.05, -0.03, -0.01, 0.0, 0.01, 0.03, 0.05, 0.10, 0.20])
VOLS = np.array([-0.25, 0.0, 0.5])


def payoff(profits: Floats, *breakevens: float, spot: float = 48.0, **more: object) -> PayoffCurve:
    """A payoff over 30 to 60 dollars."""
    title = str(more.pop("title", "wheel: sell 2 × XYZ 44 put"))
    return PayoffCurve(title, SPOTS, profits, breakevens, spot, **more)  # type: ignore[arg-type]


def condor(title: str = "P00007: 3 × SPY iron condor", scale: float = 300.0) -> PayoffCurve:
    """Two short and two long strikes, one sigma, and today's curve."""
    width = np.clip(40 - SPOTS, 0, 2) + np.clip(SPOTS - 50, 0, 2)
    today = scale * (0.35 - 0.9 * np.tanh((SPOTS - 45) / 8) ** 2)
    return PayoffCurve(
        title, SPOTS, scale * (0.8 - width), (39.2, 50.8), 44.1, "at expiry 20 Jul 26", today,
        Band(40.1, 48.6, "±1σ by 20 Jul: 40.10–48.60 (IV 31 %)"), "Max loss 360, max gain 240 dollars.",
    )  # fmt: skip


def prices(*levels: Level, count: int = len(DAYS), scale: float = 1.0, **more: object) -> PriceCurve:
    """Bars around 48 dollars times `scale`, the last `count` of them."""
    steps = np.arange(len(DAYS))
    close = (48 + 2.2 * np.sin(steps / 6) + 0.03 * steps) * scale
    title = str(more.pop("title", "P00003: XYZ, daily"))
    rows = slice(-count, None)
    return PriceCurve(
        title, DAYS[rows], (close * 1.012)[rows], (close * 0.988)[rows], close[rows], levels, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def levels(*prices: float, kind: LevelKind = LevelKind.STRIKE) -> tuple[Level, ...]:
    """Strikes of calls that were sold."""
    return tuple(Level(kind, price, f"{price:g} call sold") for price in prices)


STOP = Level(LevelKind.STOP, 45.0, "stop 45.00")
TARGET = Level(LevelKind.TARGET, 52.5, "target 52.50")
EVEN = Level(LevelKind.BREAKEVEN, 46.97, "BE 46.97")
ENTRY = Entry(date(2019, 2, 4), 47.5, "entry 4 Feb, share at 47.50")


def equity(values: Floats, peak: Floats | None = None, beside: IndexCurve | None = None) -> EquityCurve:
    """Closes from the first of DAYS on."""
    days = DAYS[: len(values)]
    return EquityCurve("Equity at the close", days, values, np.maximum.accumulate(values) if peak is None else peak,
                       beside)  # fmt: skip


STEPS = np.arange(len(DAYS))
WAVES = 100_000 + 60 * STEPS + 900 * np.sin(STEPS / 5.0)
SPY = IndexCurve("SPY", DAYS, 100_000 + 85.0 * STEPS + 400 * np.cos(STEPS / 3.0))


def stress(scale: float = 12_000.0) -> StressCurve:
    """A short put's losses."""
    pnl = scale * (np.minimum(MOVES[:, None] * 2.2, 0.12) - np.maximum(VOLS[None, :], 0) * 0.3 + 0.02)
    return StressCurve("Stress, today", MOVES, VOLS, pnl, "Worst -20 %, vol +50 %.")


def limits(*shares: float, left_out: int = 0) -> LimitBars:
    """Limits filled to these shares."""
    names = ("total risk", "puts and shares", "size in BRK.B", "index spreads of 20 Jul", "spx_credit_spreads risk")
    bars = tuple(
        LimitBar(names[row % len(names)], f"{share * 30:.1f} % of 30.0 %", share, share > 1)
        for row, share in enumerate(shares)
    )
    return LimitBars("Limits in use", bars, left_out)


def iv(count: int = 252, made: int = 100, standing: str = "Rank 45, percentile 62 (252 sessions)") -> IvCurve:
    """Volatilities between 22 and 42 %, the first ones reconstructed."""
    days = np.busday_offset("2026-06-15", np.arange(-count, 1), roll="backward")
    steps = np.arange(count + 1)
    return IvCurve(
        "XYZ, implied volatility of 30 days", days, 0.32 + 0.10 * np.sin(steps / 11.0), steps < made, standing
    )


def _gap() -> IvCurve:
    """Three weeks nobody recorded, in the middle."""
    whole = iv(120, 30)
    keep = np.ones(len(whole.days), dtype=bool)
    keep[60:75] = False
    return IvCurve(whole.title, whole.days[keep], whole.iv[keep], whole.reconstructed[keep], whole.standing)


def days_made(title: str, *made: float) -> DayBars:
    """What each day of March 2019 made, from the first on."""
    return DayBars(title, tuple(date(2019, 3, 1 + row) for row in range(len(made))), made)


MADE = DayBars(
    "Week 2019-W09: +364.50",
    tuple(date(2019, 2, day) for day in (25, 26, 27, 28)),
    (120.4, -310.0, 14.1, 540.0),
    "3 sessions up, 1 down. SPY +0.44 %.",
)

PLAIN: dict[str, Draw] = {
    "payoff": partial(payoff_png, condor()),
    "price": partial(
        price_png, prices(*levels(50, 51), EVEN, STOP, TARGET, entry=ENTRY, expiries=(date(2019, 3, 15),))
    ),
    "equity": partial(equity_png, equity(WAVES, beside=SPY)),
    "days": partial(days_png, MADE),
    "limits": partial(limits_png, limits(0.92, 0.4, 1.12, 0.05, 0.0)),
    "stress": partial(stress_png, stress()),
    "iv": partial(iv_png, iv()),
}
"""One of each kind, as it usually looks: these are pinned."""

UGLY: dict[str, Draw] = {
    "days lost": partial(days_png, days_made("Lost", -0.5)),
    "days of a month": partial(days_png, days_made(LONG, *(1e6 * (row % 7 - 3) for row in range(23)))),
    "days of nothing": partial(days_png, days_made("Nothing", 0.0, 0.0, 0.0)),
    "long title": partial(payoff_png, condor(LONG)),
    "expiry alone": partial(
        payoff_png, payoff(200 * (1.03 - np.maximum(44 - SPOTS, 0)), 42.97, told="No volatility is known.")
    ),
    "straddle": partial(payoff_png, payoff(100 * (np.abs(SPOTS - 45) - 0.5), 44.5, 45.5, spot=45.0)),
    "never profitable": partial(payoff_png, payoff(np.full(241, -50.0))),
    "always worth nothing": partial(payoff_png, payoff(np.zeros(241))),
    "spot out of sight": partial(payoff_png, payoff(SPOTS * 10, 10.0, spot=90.0)),
    "spot below": partial(payoff_png, payoff(SPOTS - 40, 40.0, spot=12.5)),
    "millions": partial(payoff_png, condor(scale=4e6)),
    "cents": partial(payoff_png, condor(scale=0.02)),
    "band wider than the chart": partial(
        payoff_png, payoff(SPOTS - 45, 45.0, band=Band(5.0, 90.0, "±1σ by 15 Jan: 5.00–90.00 (IV 140 %)"))
    ),
    "strikes crowded": partial(price_png, prices(*levels(47, 47.5, 48, 48.5, 49, 49.5, 50), EVEN, STOP)),
    "levels far away": partial(price_png, prices(*levels(10, 20, 90, 120), entry=ENTRY)),
    "one session": partial(price_png, prices(count=1)),
    "two sessions and a strike": partial(price_png, prices(*levels(44), count=2)),
    "price of a penny": partial(price_png, prices(*levels(0.005), scale=0.0001)),
    "price of a house": partial(price_png, prices(*levels(650_000), scale=13_000.0, title="BRK.A, daily")),
    "years of prices": partial(
        price_png,
        PriceCurve(
            "XYZ, daily", np.arange("2012-01-01", "2017-01-01", dtype="datetime64[D]"),
            *(np.linspace(20.0, 60.0, 1827) + shift for shift in (1.0, -1.0, 0.0)),
        ),
    ),
    "equity and index cross at the end": partial(
        equity_png, equity(WAVES, beside=IndexCurve("SPY without dividends", DAYS, WAVES + 3))
    ),
    "two days of equity": partial(equity_png, equity(np.array([100_000.0, 99_000.0]))),
    "equity that never moves": partial(equity_png, equity(np.full(5, 100_000.0))),
    "small equity": partial(equity_png, equity(np.array([1.0, 0.4, 0.9]))),
    "large equity": partial(equity_png, equity(WAVES * 1e4)),
    "nothing used": partial(limits_png, limits()),
    "one limit, passed by far": partial(limits_png, limits(9.5)),
    "many limits": partial(limits_png, limits(*np.linspace(1.2, 0.0, 10), left_out=7)),
    "stress in millions": partial(stress_png, stress(9e7)),
    "stress of nothing": partial(stress_png, stress(0.0)),
    "stress partly unknown": partial(
        stress_png, StressCurve("Stress", MOVES, VOLS, np.where(MOVES[:, None] < 0, np.nan, stress().pnl))
    ),
    "volatility of one session": partial(iv_png, iv(0, 0, "Insufficient: 1 of 60 sessions")),
    "volatility all reconstructed": partial(iv_png, iv(30, 31, "Insufficient: 30 of 60 sessions")),
    "volatility with a gap": partial(iv_png, _gap()),
    "letters the font has not": partial(payoff_png, condor("漢字 😀 $x^2$ XYZ \u202e")),
}  # fmt: skip
