"""What a picture shows is also told in words, with its numbers."""

from __future__ import annotations

from datetime import date

import numpy as np

from bot.curves import Entry, IndexCurve, LimitBar, LimitBars, StressCurve
from tests import drawn


def test_a_payoff_is_told_with_its_ends_breakevens_and_today():
    told = drawn.condor().alt

    assert "Profit at expiry 20 Jul 26 for 30.00 to 60.00: -360 to +240 dollars" in told
    assert "breakeven 39.20 / 50.80" in told
    assert "now 44.10, at expiry 20 Jul 26 +240" in told
    assert "today by the model +102 there" in told
    assert "±1σ by 20 Jul: 40.10–48.60 (IV 31 %), where it makes +240 and +240" in told
    assert told.endswith("Max loss 360, max gain 240 dollars.")


def test_a_payoff_without_a_model_says_nothing_of_today():
    told = drawn.payoff(drawn.SPOTS - 45, 45.0).alt

    assert "model" not in told
    assert "σ" not in told


def test_a_chart_is_told_with_every_level_by_its_kind():
    curve = drawn.prices(
        *drawn.levels(50), drawn.EVEN, drawn.STOP, drawn.TARGET,
        entry=Entry(date(2019, 2, 4), 47.5, "entry 4 Feb, share at 47.50"), expiries=(date(2019, 3, 15),),
        told="Of it.",
    )  # fmt: skip

    assert curve.alt.split("; ")[1:] == [
        "entry 4 Feb, share at 47.50",
        "strike 50 call sold, breakeven 46.97, stop 45.00, target 52.50",
        "expiry Fri 15 Mar 19",
        "Of it.",
    ]
    assert curve.alt.startswith("P00003: XYZ, daily, 52 sessions: 46.08 to 52.24, last 51.29; entry")


def test_equity_is_told_with_its_drawdown_and_the_index():
    values = np.array([100.0, 110.0, 99.0, 104.5])

    told = drawn.equity(values, beside=IndexCurve("SPY", drawn.DAYS[:4], values)).alt

    assert told == (
        "Equity from 100.00 on 2018-12-20 to 104.50 on 2018-12-25; the same in SPY: 104.50. "
        "Largest drawdown 10.0 %, now 5.0 % below the peak"
    )


def test_limits_are_told_with_those_that_are_passed():
    bars = (
        LimitBar("total risk", "31.0 % of 30.0 %", 1.03, is_passed=True),
        LimitBar("SPY", "1 % of 20 %", 0.05, False),
    )

    assert LimitBars("Limits", bars, 2).alt == "Limits: total risk 31.0 % of 30.0 % (passed); SPY 1 % of 20 %; 2 more"
    assert LimitBars("Limits", ()).alt == "Limits: nothing is used"


def test_stress_is_told_row_by_row_with_the_largest_loss():
    pnl = np.array([[-1200.4, np.nan], [0.2, 300.0]])

    told = StressCurve("Stress, today", np.array([-0.2, 0.0]), np.array([0.0, 0.5]), pnl).alt

    assert told == "Stress, today; volatility +0 %, +50 %. -20 %: -1,200, unknown; +0 %: 0, +300. Largest loss -1,200."


def test_a_year_of_volatility_is_told_with_what_was_reconstructed():
    told = drawn.iv().alt

    assert told.startswith("XYZ, implied volatility of 30 days: 22.0 % to 42.0 % in 253 sessions, now 2")
    assert "Rank 45, percentile 62" in told
    assert told.endswith("100 sessions reconstructed from past trades")
