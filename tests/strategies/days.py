"""Days in 15-minute bars for the strategies that trade within the day: a reversal, a breakout, and the news of both."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from engine.model.book import Position
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Chain, Floats, IntradayBars, MarketSnapshot
from engine.model.news import Headline, News, Probabilities, Scored
from tests import make
from tests.make import BARS_A_SESSION, NOW, D

SESSIONS = 22
"""Full sessions before today."""

WEEKLY_CALLS = make.rows(
    "49: 1.8562/1.81/1.91/0.6370; 50.5: 1.0341/0.98/1.08/0.4522; 52: 0.5073/0.46/0.56/0.2752",
    {49: 0.62, 50.5: 0.6, 52: 0.59},
)
SWING_CALLS = make.rows(
    "77: 4.1064/4.06/4.16/0.7255; 80: 2.2475/2.20/2.30/0.5226; 83: 1.0508/1.00/1.10/0.3126",
    {77: 0.36, 80: 0.35, 83: 0.345},
)
OVERSOLD = 1.764597560813417
"""The fall whose RSI at the first low is 27.40."""
BARELY = 1.4401
"""The fall whose RSI at the first low is just above 30."""
FIRST, SECOND, CONFIRMED = -15, -3, -1
"""Rows of the reversal, from the end."""


def quarter(bars: int) -> datetime:
    """The instant at which the first `bars` bars of today are over."""
    return NOW + timedelta(minutes=15 * (bars - 2))


def reversal(fall: float = OVERSOLD, today_bars: int = 7, second: float = 0.10) -> Floats:
    """Closes that end at 50: quiet, down by `fall`, half of it back, slowly to `second` below the first low, up."""
    quiet = 52 + 0.1 * (-1.0) ** np.arange(SESSIONS * BARS_A_SESSION + today_bars - 22)
    down = quiet[-1] - fall * np.arange(1, 9) / 8
    back = down[-1] + fall / 2 * np.arange(1, 7) / 6
    slowly = back[-1] + (down[-1] - second - back[-1]) * np.arange(1, 7) / 6
    closes = np.concatenate((quiet, down, back, slowly, slowly[-1] + 0.15 * np.arange(1, 3)))
    return np.asarray(closes + (50 - closes[-1]), dtype=np.float64)


def breakout(swing: float = 0.05298610052427222, close: float = 80.0, today_bars: int = 5) -> Floats:
    """Closes around 79.50 by `swing`, one pivot of 79.80 eight sessions ago, and the last one. RSI 63 as it stands."""
    closes = 79.5 + swing * (-1.0) ** np.arange((SESSIONS - 1) * BARS_A_SESSION + today_bars)
    closes[-8 * BARS_A_SESSION], closes[-1] = 79.8, close
    return closes


def slump() -> Floats:
    """A fall to 79.20 with a pivot of 79.80 today, above which the last bar closes; its RSI is 45.69."""
    tail = [*(79.2 + 0.2 * step for step in range(8, 0, -1)), 79.2, 79.3, 79.8, 79.6, 79.5, 80.0]
    quiet = 81.0 + 0.05 * (-1.0) ** np.arange((SESSIONS - 1) * BARS_A_SESSION + 5 - len(tail))
    return np.concatenate((quiet, tail))


def volumes(count: int, usual: float, **rows: float) -> Floats:
    """`usual` for every bar but those named: `last=450_000`, or `row_15=...` for the fifteenth from the end."""
    found = np.full(count, usual)
    for name, volume in rows.items():
        found[-1 if name == "last" else -int(name.removeprefix("row_"))] = volume
    return found


def reversal_bars(closes: Floats | None = None, today_bars: int = 7, **surge: float) -> IntradayBars:
    """The bars of the momentum example: 450,000 at the confirming bar against 140,000."""
    prices = reversal(today_bars=today_bars) if closes is None else closes
    return make.intraday(prices, today_bars, volume=volumes(len(prices), 140_000, **(surge or {"last": 450_000})))


def breakout_bars(closes: Floats | None = None, volume: float = 230_000) -> IntradayBars:
    """The bars of the swing example: 2.3 times what is usual at the last one, at 10:45."""
    prices = breakout() if closes is None else closes
    return make.intraday(prices, 5, volume=volumes(len(prices), 100_000, last=volume))


def market(last: float = 601.0, today_bars: int = 5, **more: Any) -> MarketSnapshot:
    """SPY, at 600 all day but for its last bar."""
    closes = np.full(SESSIONS * BARS_A_SESSION + today_bars, 600.0)
    closes[-1] = last
    bars = make.intraday(closes, today_bars, ticker="SPY")
    return make.snapshot("SPY", spot=last, asof=quarter(today_bars), load_intraday=lambda: bars, **more)


def article(positive: float = 0.75, hours_ago: float = 1.0, now: datetime = NOW) -> Scored:
    at = now - timedelta(hours=hours_ago)
    headline = Headline(f"h{hours_ago}-{positive}", at, "XYZ wins", "", (make.TICKER,), "test")
    return Scored(headline, Probabilities(positive, 1 - positive, 0.0))


def news(*articles: Scored, sources: tuple[str, ...] = ("test",), asof: datetime = NOW) -> News:
    return News(make.TICKER, asof, articles, sources)


def weekly_chain(dte: int = 4, **more: Any) -> Chain:
    return make.chain(calls=WEEKLY_CALLS, spot=50, dte=dte, **more)


def swing_chain(dte: int = 14, **more: Any) -> Chain:
    return make.chain(calls=SWING_CALLS, spot=80, dte=dte, **more)


def momentum_name(
    quarters: IntradayBars | None = None, articles: News | None = None, now: datetime | None = None, **more: Any
) -> MarketSnapshot:
    """The name of the momentum example, Monday at 11:15; pass what should differ."""
    now = now or quarter(7)
    seen = reversal_bars() if quarters is None else quarters
    read = news(article(now=now), article(hours_ago=20, now=now), asof=now) if articles is None else articles
    defaults: dict[str, Any] = {
        "spot": 50,
        "asof": now,
        "bars": make.bars([51.0] * 60, volume=6_000_000),
        "earnings": (make.earnings(28),),
        "chain": weekly_chain(asof=now),
        "load_intraday": lambda: seen,
        "load_news": lambda: read,
    }
    return make.snapshot(**(defaults | more))


def swing_name(quarters: IntradayBars | None = None, now: datetime | None = None, **more: Any) -> MarketSnapshot:
    """The name of the swing example, 10:45; pass what should differ."""
    now = now or quarter(5)
    seen = breakout_bars() if quarters is None else quarters
    defaults: dict[str, Any] = {
        "spot": 80,
        "asof": now,
        "bars": make.bars([78.9] * 60, swing=0.0077),
        "chain": swing_chain(asof=now),
        "load_intraday": lambda: seen,
    }
    return make.snapshot(**(defaults | more))


def untouched() -> IntradayBars | None:
    """Bars nobody may ask for: the rules before them have to remove the name."""
    raise AssertionError("the bars were asked for although a cheaper rule had failed")


def held(strategy: str, strike: float, dte: int, price: str, plan: ExitPlan, units: int = 4) -> Position:
    """A call bought at `price`."""
    option = make.call(strike, dte=dte)
    return make.position(
        strategy=strategy,
        structure=Structure.LONG_CALL,
        legs=(Leg(option, 1),),
        lots=(make.held(option, units, price),),
        entry=D(price),
        opened_units=units,
        exits=plan,
    )


def later(bars: IntradayBars, count: int) -> IntradayBars:
    """The bars without their last `count`."""
    return bars.take(slice(0, len(bars) - count))


def louder(bars: IntradayBars, row: int, volume: float) -> IntradayBars:
    """The bars with the volume of one row replaced."""
    changed = bars.volume.copy()
    changed[row] = volume
    return replace(bars, volume=changed)
