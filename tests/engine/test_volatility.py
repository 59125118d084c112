from dataclasses import replace

import numpy as np
import pytest

from engine.model.market import Chain, IvDay, Kind, Source
from engine.volatility import atm_iv, constant_maturity_iv, iv_standing
from tests import make


def expiry(dte: int, call_iv: float, put_iv: float, strikes: tuple[float, float] = (95, 105)) -> Chain:
    """Two strikes around 100, each right at one volatility."""
    calls = tuple(make.Row(strike, 1, 0.95, 1.05, 0.5, call_iv) for strike in strikes)
    puts = tuple(make.Row(strike, 1, 0.95, 1.05, -0.5, put_iv) for strike in strikes)
    return make.chain(puts, calls, spot=100, dte=dte)


def test_at_the_money_is_linear_in_strike_and_the_mean_of_both_rights() -> None:
    rows = (make.Row(95, 1, 0.95, 1.05, 0.6, 0.30), make.Row(115, 1, 0.95, 1.05, 0.3, 0.20))
    both = make.join(make.chain(calls=rows, spot=100), expiry(35, 0.5, 0.4).where(right=make.Right.PUT))
    assert atm_iv(both, make.put(dte=35).expiry) == pytest.approx((0.275 + 0.4) / 2)


def test_between_expiries_total_variance_is_linear() -> None:
    chain = make.join(expiry(20, 0.4, 0.4), expiry(50, 0.3, 0.3))
    assert constant_maturity_iv(chain) == pytest.approx(((0.16 * 20 * 2 / 3 + 0.09 * 50 / 3) / 30) ** 0.5)


def test_an_expiry_at_thirty_days_speaks_for_itself() -> None:
    chain = make.join(expiry(20, 0.4, 0.4), expiry(30, 0.33, 0.33), expiry(50, 0.3, 0.3))
    assert constant_maturity_iv(chain) == pytest.approx(0.33)


def test_an_only_neighbour_speaks_when_it_is_near_enough() -> None:
    assert constant_maturity_iv(expiry(60, 0.4, 0.4)) == pytest.approx(0.4)
    assert constant_maturity_iv(expiry(61, 0.4, 0.4)) is None


def test_no_volatility_at_the_money_is_no_value() -> None:
    chain = expiry(30, 0.4, 0.4)
    assert constant_maturity_iv(replace(chain, iv=np.full(4, np.nan))) is None
    assert constant_maturity_iv(expiry(30, 0.4, 0.4, strikes=(105.01, 110))) is None


def test_a_strike_within_five_percent_speaks_for_the_spot() -> None:
    assert constant_maturity_iv(expiry(30, 0.4, 0.4, strikes=(105, 110))) == pytest.approx(0.4)


def history(*values: float, reconstructed: int = 0) -> tuple[IvDay, ...]:
    """Sessions with these volatilities, oldest first, the first ones reconstructed."""
    past = make.iv_days(values)
    return tuple(
        replace(seen, source=Source("alpaca", Kind.RECONSTRUCTED)) if row < reconstructed else seen
        for row, seen in enumerate(past)
    )


def test_rank_measures_the_range_and_percentile_counts_the_days() -> None:
    """99 days at 20 %, one of panic at 80 %: 29 % is rank 15 and percentile 99."""
    standing = iv_standing(0.29, history(*[0.20] * 99, 0.80))
    assert standing.rank == pytest.approx(15.0)
    assert standing.percentile == pytest.approx(99.0)


def test_an_equal_volatility_is_not_below() -> None:
    assert iv_standing(0.30, history(*[0.20] * 30, *[0.30] * 70)).percentile == pytest.approx(30.0)


@pytest.mark.parametrize(("iv", "rank", "percentile"), [(0.10, 0.0, 0.0), (0.90, 100.0, 100.0)])
def test_beyond_everything_before_it_the_rank_ends(iv: float, rank: float, percentile: float) -> None:
    standing = iv_standing(iv, history(*np.linspace(0.2, 0.4, 100)))
    assert (standing.rank, standing.percentile) == (rank, percentile)


def test_fifty_nine_sessions_are_insufficient_and_sixty_are_not() -> None:
    short, enough = (iv_standing(0.3, history(*np.linspace(0.2, 0.4, count))) for count in (59, 60))
    assert (short.rank, short.percentile, short.is_sufficient) == (None, None, False)
    assert short.words == "insufficient: 59 of 60 sessions"
    assert enough.is_sufficient
    assert enough.rank == pytest.approx(50.0)


def test_only_the_last_year_counts() -> None:
    standing = iv_standing(0.3, history(0.9, *np.linspace(0.2, 0.4, 252)))
    assert (standing.observations, standing.rank) == (252, pytest.approx(50.0))


def test_a_volatility_that_never_moved_has_no_rank() -> None:
    standing = iv_standing(0.3, history(*[0.3] * 100))
    assert (standing.rank, standing.percentile) == (None, 0.0)
    assert "never moved" in standing.words


def test_a_standing_says_how_much_of_it_is_reconstructed() -> None:
    standing = iv_standing(0.3, history(*np.linspace(0.2, 0.4, 100), reconstructed=40))
    assert standing.reconstructed_share == pytest.approx(0.4)
    assert standing.words == "rank 50, percentile 50 (100 sessions, 40 % reconstructed)"


def test_without_a_history_nothing_is_said() -> None:
    assert iv_standing(0.3, ()).words == "insufficient: 0 of 60 sessions"
