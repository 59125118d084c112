"""How alike names move: from daily closes, by date, and unknown where there is too little of them."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from engine.correlation import Bets, Correlations, DailyReturns, correlation, log_returns
from engine.model.trade import Unknown
from tests import make

DAYS = make.weekdays(61)


def closes(seed: int, count: int = 61) -> list[float]:
    steps = np.random.default_rng(seed).normal(0, 0.02, count)
    return [float(x) for x in 50 * np.exp(np.cumsum(steps))]


def test_the_correlation_is_that_of_numpy() -> None:
    one, other = (log_returns(make.bars(closes(seed)), DAYS) for seed in (1, 2))

    assert correlation(one, other) == pytest.approx(float(np.corrcoef(one, other)[0, 1]))


def test_returns_are_matched_by_date_not_by_row() -> None:
    """One name did not trade on three of the days: shifted by those, its twin would look like a stranger."""
    prices = np.array(closes(3))
    kept = np.array([row not in {10, 20, 30} for row in range(61)])
    whole = make.bars(prices, days=DAYS)
    gaps = make.bars(prices[kept], days=[day for day, keep in zip(DAYS, kept, strict=True) if keep])

    assert correlation(log_returns(whole, DAYS), log_returns(gaps, DAYS)) == 1.0


def test_too_few_common_sessions_are_unknown() -> None:
    one = log_returns(make.bars(closes(4), days=DAYS), DAYS)
    young = log_returns(make.bars(closes(4)[-40:], days=DAYS[-40:]), DAYS)  # 39 returns of 60
    enough = log_returns(make.bars(closes(4)[-41:], days=DAYS[-41:]), DAYS)  # 40 of 60

    assert correlation(one, young) is None
    assert correlation(one, enough) == 1.0


def test_a_price_that_never_moved_has_no_correlation() -> None:
    flat = log_returns(make.bars([48.0] * 61, days=DAYS), DAYS)

    assert correlation(flat, log_returns(make.bars(closes(5), days=DAYS), DAYS)) is None


def test_days_after_the_last_bar_are_missing() -> None:
    later = (*DAYS, DAYS[-1] + timedelta(days=1))

    assert np.isnan(log_returns(make.bars(closes(6), days=DAYS), later)[-1])


def test_returns_are_kept_for_one_trading_date() -> None:
    kept = DailyReturns()
    kept.keep(make.TODAY, "AAA", np.array([0.01, -0.01, 0.02]))
    tomorrow = make.TODAY + timedelta(days=1)

    assert kept.missing(make.TODAY, ["BBB", "AAA"]) == ("BBB",)
    assert kept.missing(tomorrow, ["AAA"]) == ("AAA",)
    assert kept.known(tomorrow) == Correlations()
    assert kept.known(make.TODAY).between("AAA", "BBB") is None


@pytest.mark.parametrize("unknown", list(Unknown))
@pytest.mark.parametrize("seed", range(5))
def test_the_largest_bet_is_as_large_as_the_largest_group_of_any_name(seed: int, unknown: Unknown) -> None:
    dice = np.random.default_rng(seed)
    market = dice.normal(0, 0.01, 90)
    names = [f"N{number}" for number in range(12)]
    returns = {name: market * dice.random() + dice.normal(0, 0.01, 90) for name in names[:-1]}
    bets = Bets({name: frozenset({name}) for name in names}, Correlations(returns), 0.4, unknown)

    assert bets.largest() == max(len(bets.group(name)) for name in names)
    assert Bets({}, Correlations(), 0.4, unknown).largest() == 0
