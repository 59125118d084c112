"""Past volatility out of trades: it is found again where it is known, and left out where nothing can be said."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from engine.backfill import Past, near_the_money, reconstructed
from engine.model.instruments import Option, Right
from engine.model.market import Bars, Dividend, IvDay, Kind, Source, Split
from engine.pricing import escrowed_spot, value
from engine.sessions import Sessions
from tests import make

SESSIONS = Sessions()
DAYS = SESSIONS.between(date(2024, 6, 3), date(2024, 9, 20))
EXPIRIES = tuple(date(2024, *day) for day in ((6, 21), (7, 19), (8, 16), (9, 20), (10, 18), (11, 15)))
TODAY = date(2024, 9, 23)
RATE = 0.05
POINT = 0.01
Rng = np.random.Generator


def walk(rng: Rng, start: float = 100.0) -> list[float]:
    """Closes that wander by 1.5 % a day."""
    return [round(float(close), 2) for close in start * np.exp(np.cumsum(rng.normal(0, 0.015, len(DAYS))))]


def shares(closes: list[float]) -> Bars:
    return make.bars(closes, days=DAYS)


def past(closes: list[float], splits: tuple[Split, ...] = (), dividends: tuple[Dividend, ...] = ()) -> Past:
    return Past("XYZ", TODAY, shares(closes), splits, dividends, lambda _: RATE)


def listed(low: int, high: int, step: Decimal = Decimal("2.5")) -> tuple[Option, ...]:
    strikes = [low + step * number for number in range(int((high - low) / step) + 1)]
    return tuple(
        Option("XYZ", expiry, right, Decimal(strike)) for expiry in EXPIRIES for strike in strikes for right in Right
    )


def truth(day: date, expiry: date) -> float:
    """The volatility at the money of one expiry: it moves with the days and falls with the time left."""
    wave = 0.05 * np.sin((day - DAYS[0]).days / 12)
    return float(0.30 + wave + 0.02 * (30 - (expiry - day).days) / 30)


def smile(day: date, option: Option, spot: float) -> float:
    return truth(day, option.expiry) - 0.15 * (float(option.strike) / spot - 1)


def constant(day: date) -> float:
    """What thirty days of that surface are, written out: linear in total variance between the monthly neighbours."""
    far = min(expiry for expiry in EXPIRIES if (expiry - day).days >= 30)
    near = max((expiry for expiry in EXPIRIES if 0 < (expiry - day).days <= 30), default=far)
    if near == far:
        return truth(day, near)
    a, b = (near - day).days, (far - day).days
    weight = (30 - a) / (b - a)
    return sqrt((truth(day, near) ** 2 * a * (1 - weight) + truth(day, far) ** 2 * b * weight) / 30)


def trades(
    options: tuple[Option, ...],
    spots: dict[date, float],
    dividends: tuple[Dividend, ...] = (),
    rng: Rng | None = None,
    noise: float = 0.0,
    volume: float = 50.0,
) -> dict[Option, Bars]:
    """Every contract traded every day at its value to the cent; with `noise` when the share stood that far (standard
    deviation, of the price) from its close, each contract at another time.
    """
    found = {}
    for option in options:
        days = [day for day in DAYS if 0 < (option.expiry - day).days <= 70]
        if days:
            closes = [_price(option, day, spots[day], dividends, rng, noise) for day in days]
            found[option] = make.bars(closes, option.symbol, volume=volume, days=days)
    return found


def _price(
    option: Option, day: date, spot: float, dividends: tuple[Dividend, ...], rng: Rng | None, noise: float
) -> float:
    seen = spot if rng is None else spot * (1 + float(rng.normal(0, noise)))
    expiry = np.array([option.expiry], dtype="datetime64[D]")
    escrowed = escrowed_spot(seen, day, expiry, tuple((d.ex_date, float(d.amount)) for d in dividends), RATE)
    years = np.array([(option.expiry - day).days / 365])
    iv = np.array([smile(day, option, spot)])
    strike: NDArray[np.float64] = np.array([float(option.strike)])
    price = value(escrowed, strike, years, RATE, iv, np.array([option.right is Right.CALL]), 0.0)
    return max(round(float(price[0]), 2), 0.01)


def errors(found: tuple[IvDay, ...]) -> NDArray[np.float64]:
    return np.array([abs(seen.iv - constant(seen.day)) for seen in found])


def test_known_volatility_is_found_within_a_tenth_of_a_point_from_closing_trades() -> None:
    closes = walk(np.random.default_rng(1))
    before = past(closes)
    options = near_the_money(before, listed(60, 160))
    found = reconstructed(before, trades(options, dict(zip(DAYS, closes, strict=True))), SESSIONS)
    assert len(found) >= len(DAYS) - 3
    assert np.median(errors(found)) < 0.1 * POINT
    assert errors(found).max() < 0.5 * POINT
    assert {seen.source for seen in found} == {Source("test", Kind.RECONSTRUCTED)}


def test_trades_of_other_moments_of_the_day_cost_about_a_point() -> None:
    """Each contract traded last with the share 0.3 % (one standard deviation) from its close."""
    rng = np.random.default_rng(2)
    closes = walk(rng)
    before = past(closes)
    options = near_the_money(before, listed(60, 160))
    traded = trades(options, dict(zip(DAYS, closes, strict=True)), rng=rng, noise=0.003)
    found = reconstructed(before, traded, SESSIONS)
    assert len(found) >= len(DAYS) - 3
    assert np.median(errors(found)) < 1.0 * POINT
    assert np.percentile(errors(found), 95) < 2.5 * POINT


def test_calls_alone_would_be_wrong_when_the_share_moved_after_they_traded() -> None:
    """All contracts traded with the share 0.5 % below its close: the two rights err in opposite directions."""
    closes = walk(np.random.default_rng(3))
    before = past(closes)
    options = near_the_money(before, listed(60, 160))
    early = {day: close * 0.995 for day, close in zip(DAYS, closes, strict=True)}
    traded = trades(options, early)
    found = reconstructed(before, traded, SESSIONS)
    assert np.median(errors(found)) < 0.3 * POINT
    calls = {option: bars for option, bars in traded.items() if option.right is Right.CALL}
    assert reconstructed(before, calls, SESSIONS) == ()


def test_a_split_does_not_move_the_volatility() -> None:
    """Bars come split-adjusted, contracts as they were: 4:1 in the middle, with strikes around 400 before it."""
    closes = walk(np.random.default_rng(4))
    split = Split(date(2024, 7, 22), Decimal(4))
    spots = {day: close * (4 if day < split.ex_date else 1) for day, close in zip(DAYS, closes, strict=True)}
    before = past(closes, (split,))
    options = near_the_money(before, (*listed(60, 160), *listed(240, 640, Decimal(10))))
    traded = trades(options, spots)
    found = reconstructed(before, traded, SESSIONS)
    assert len(found) >= len(DAYS) - 3
    assert np.median(errors(found)) < 0.1 * POINT
    naive = reconstructed(past(closes), traded, SESSIONS)
    assert not [seen for seen in naive if seen.day < date(2024, 7, 15)]


def test_a_dividend_before_the_expiry_is_taken_off_the_spot() -> None:
    closes = walk(np.random.default_rng(5))
    paid = (Dividend(date(2024, 7, 1), Decimal("0.80")), Dividend(date(2024, 8, 20), Decimal("0.80")))
    options = near_the_money(past(closes), listed(60, 160))
    traded = trades(options, dict(zip(DAYS, closes, strict=True)), paid)
    found = reconstructed(past(closes, dividends=paid), traded, SESSIONS)
    assert np.median(errors(found)) < 0.1 * POINT


def test_thin_days_holes_and_trades_that_do_not_fit_together_are_left_out() -> None:
    closes = [100.0] * len(DAYS)
    before = past(closes)
    options = near_the_money(before, listed(60, 160))
    spots = dict.fromkeys(DAYS, 100.0)
    assert reconstructed(before, trades(options, spots, volume=9), SESSIONS) == ()
    assert reconstructed(before, {}, SESSIONS) == ()
    stale = {
        option: replace(bars, close=bars.close + 3.0) if option.right is Right.CALL else bars
        for option, bars in trades(options, spots).items()
    }
    assert reconstructed(before, stale, SESSIONS) == ()


def test_a_day_without_a_known_rate_is_left_out() -> None:
    closes = [100.0] * len(DAYS)
    before = replace(past(closes), rate=lambda day: None if day < DAYS[10] else RATE)
    options = near_the_money(before, listed(60, 160))
    found = reconstructed(before, trades(options, dict.fromkeys(DAYS, 100.0)), SESSIONS)
    assert found[0].day == DAYS[10]


def test_only_the_monthly_expiries_around_thirty_days_and_four_strikes_a_day_are_asked_for() -> None:
    weekly = tuple(Option("XYZ", date(2024, 7, 26), right, Decimal(100)) for right in Right)
    adjusted = tuple(Option("XYZ", date(2024, 7, 19), right, Decimal(100), root="XYZ1") for right in Right)
    lone = Option("XYZ", date(2024, 7, 19), Right.CALL, Decimal("101.25"))
    asked = near_the_money(past([100.5] * len(DAYS)), (*listed(60, 160), *weekly, *adjusted, lone))
    strikes = sorted({option.strike for option in asked})
    assert strikes == [Decimal("97.5"), Decimal(100), Decimal("102.5"), Decimal(105)]
    assert {option.expiry for option in asked} == set(EXPIRIES)
    assert all(not option.is_adjusted for option in asked)
    assert len(asked) == len(EXPIRIES) * 4 * 2


def test_the_days_come_oldest_first_and_once() -> None:
    closes = [100.0] * len(DAYS)
    options = near_the_money(past(closes), listed(60, 160))
    found = reconstructed(past(closes), trades(options, dict.fromkeys(DAYS, 100.0)), SESSIONS)
    assert all(earlier.day + timedelta(days=1) <= later.day for earlier, later in pairwise(found))
