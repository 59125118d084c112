"""The names, chains and positions of the two worked examples of spreads."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from engine import indicators
from engine.model.legs import Leg, Structure
from engine.model.market import Bars, Chain, Level, MarketSnapshot
from engine.model.trade import Context
from engine.volatility import constant_maturity_iv
from tests import make
from tests.make import TODAY, D

BULL_CALLS = make.rows(
    "94: 7.5273/7.48/7.58/0.7848; 98: 4.6475/4.60/4.70/0.6302;"
    "105: 1.4770/1.43/1.53/0.3023; 110: 0.5036/0.45/0.55/0.1317",
    {94: 0.275, 98: 0.26, 105: 0.248, 110: 0.244},
)
INDEX_PUTS = make.rows(
    "592: 8.4666/8.42/8.52/-0.3699; 587: 6.8060/6.76/6.86/-0.3139; 580: 5.0514/5.00/5.10/-0.2462;"
    "575: 4.0471/4.00/4.10/-0.2045; 562: 2.2071/2.16/2.26/-0.1211; 557: 1.7483/1.70/1.80/-0.0982",
    {592: 0.1665, 587: 0.1685, 580: 0.1735, 575: 0.177, 562: 0.186, 557: 0.19},
)
INDEX_CALLS = make.rows("618: 4.5725/4.52/4.62/0.2819; 623: 3.2111/3.16/3.26/0.2189", {618: 0.138, 623: 0.135})
SESSIONS = tuple(
    day.astype(object) for day in np.busday_offset(np.datetime64(TODAY, "D"), np.arange(45), roll="forward")
)
HALF_PAST_TEN = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)


def bull_chain(dte: int = 38, **more: Any) -> Chain:
    return make.chain(calls=BULL_CALLS, spot=100, dte=dte, **more)


def rising(fast: float = 97.0, slow: float = 94.0, momentum: float = 0.031, last: float = 100.0) -> list[float]:
    """60 closes with these averages of 20 and 50 sessions and this momentum of ten up to `last` today."""
    before = last / (1 + momentum)
    rest = (20 * fast - before) / 19
    newest = [rest] * 10 + [before] + [rest] * 9
    return [*[slow] * 10, *[(50 * slow - 20 * fast) / 30] * 30, *newest]


def bull(**more: Any) -> MarketSnapshot:
    """The name of the debit spread example: 100, averages 97 and 94, momentum 3.1 %, IV rank 45."""
    defaults: dict[str, Any] = {
        "spot": 100,
        "bars": make.bars(rising()),
        "iv_history": ranked(45.0, bull_chain()),
        "chain": bull_chain(),
    }
    return make.snapshot(**(defaults | more))


def ranked(rank: float, chain: Chain, sessions: int = 252) -> Any:
    """A history of this many sessions in which today's 30-day volatility of `chain` has this rank."""
    now = iv_of(chain)
    low = now - 0.10 * rank / 100
    return make.iv_days([low, low + 0.10, *[now] * (sessions - 2)])


def iv_of(chain: Chain) -> float:
    """The 30-day volatility of a chain at the money."""
    found = constant_maturity_iv(chain)
    assert found is not None
    return found


def shaken(closes: list[float], volatility: float, sessions: int = 20) -> list[float]:
    """The closes with the last ones moved up and down by turns until their realised volatility is this."""
    sign = np.where(np.arange(len(closes)) % 2, 1.0, -1.0) * (np.arange(len(closes)) >= len(closes) - sessions)
    low, high = 0.0, 0.2
    for _ in range(60):
        middle = (low + high) / 2
        found = indicators.realised_volatility(np.array(closes) * (1 + middle * sign), sessions)[-1]
        low, high = (middle, high) if found < volatility else (low, middle)
    return [float(close) for close in np.array(closes) * (1 + high * sign)]


def index_chain(dte: int = 38, calls: bool = False, **more: Any) -> Chain:
    """The puts of the index example, and its calls where they are asked for; with its deltas in the last days too."""
    given: dict[str, Any] = {"spot": 600, "dte": dte or 1, "underlying": "SPY", "dividend_yield": 0.012}
    chain = make.chain(puts=INDEX_PUTS, calls=INDEX_CALLS if calls else (), **(given | more))
    if dte == 0:
        chain = replace(chain, expiry=np.full(len(chain), np.datetime64(TODAY, "D")))
    return chain if dte > 7 else replace(chain, delta=index_chain(38, calls).delta)


def waves(adx: float = 28.0, average: float = 588.0, count: int = 80) -> Bars:
    """Bars of SPY that swing around a rising line just steep enough for this ADX, with this average of 50 sessions."""
    low, high = 0.1, 2.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _adx(_wave(middle, average, count)) < adx else (low, middle)
    return _wave(high, average, count)


def _wave(slope: float, average: float, count: int) -> Bars:
    place = np.arange(count)
    closes = slope * place + 3 * np.sin(place * np.pi / 4)
    return make.bars(closes - closes[-50:].mean() + average, ticker="SPY", swing=0.002)


def _adx(bars: Bars) -> float:
    return float(indicators.adx(bars.high, bars.low, bars.close)[-1])


def index(ticker: str = "SPY", **more: Any) -> MarketSnapshot:
    """SPY of the index example: 600, SMA50 588, ADX 28, IV rank 45, at 10:30 in New York."""
    chain = more.get("chain", index_chain())
    defaults: dict[str, Any] = {"spot": 600, "bars": waves(), "chain": chain, "asof": HALF_PAST_TEN}
    if chain is not None and "iv_history" not in more:
        defaults["iv_history"] = ranked(45.0, chain)
    return make.snapshot(ticker, **(defaults | more))


def levels(vix: float = 17.0, longer: float | None = 19.0, at: datetime = HALF_PAST_TEN) -> dict[str, Level]:
    """VIX and its three-month index, of now."""
    known = {"VIX": vix} | ({} if longer is None else {"VIX3M": longer})
    return {symbol: Level(symbol, value, at, make.QUOTED) for symbol, value in known.items()}


def index_context(**more: Any) -> Context:
    return make.context(**({"levels": levels(), "next_sessions": SESSIONS} | more))


def bull_spread(**more: Any) -> Any:
    """One debit spread of the example, bought at 3.17."""
    bought, sold = make.call(98, dte=38), make.call(105, dte=38)
    defaults: dict[str, Any] = {
        "strategy": "debit_spreads",
        "structure": Structure.DEBIT_SPREAD,
        "legs": (Leg(bought, 1), Leg(sold, -1)),
        "lots": (make.held(bought, 1, "4.65"), make.held(sold, -1, "1.48")),
        "entry": D("3.17"),
        "opened_units": 1,
    }
    return make.position(**(defaults | more))
