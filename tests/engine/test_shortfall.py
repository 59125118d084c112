"""VaR and expected shortfall against a loop over the days written out here, and what is said of missing history."""

from __future__ import annotations

import numpy as np
import pytest
from vollib.black_scholes_merton import black_scholes_merton

from engine import shortfall, stress
from engine.model.instruments import Option, Right
from engine.model.market import Floats
from engine.stress import Holdings, Leg, Underlying
from tests import make

RATE = 0.04
PUT, CALL = make.put(44), make.option(105, Right.CALL, 30, "ABC")
NAMES = {"XYZ": Underlying(48.0, RATE), "ABC": Underlying(100.0, RATE)}


def worth(option: Option, spot: float, iv: float, days: int) -> float:
    flag = "c" if option.right is Right.CALL else "p"
    strike = float(option.strike)
    european = float(black_scholes_merton(flag, spot, strike, days / 365, RATE, iv, 0.0))
    return max(european, spot - strike if flag == "c" else strike - spot)


def book() -> Holdings:
    """Two short puts on one name, three bought calls and fifty shares of another."""
    legs = (
        Leg("P00001", PUT, -2, worth(PUT, 48, 0.46, 35)),
        Leg("P00002", CALL, 3, worth(CALL, 100, 0.30, 30)),
        Leg("P00003", make.share("ABC"), 50, 100.0),
    )
    return stress.holdings(legs, NAMES, make.TODAY, make.NOW)


def moves(seed: int = 5, days: int = 260) -> dict[str, Floats]:
    dice = np.random.default_rng(seed)
    common = dice.normal(0, 0.015, days)
    return {"XYZ": common * 1.4 + dice.normal(0, 0.01, days), "ABC": common + dice.normal(0, 0.008, days)}


def by_hand(returns: dict[str, Floats], vols: dict[str, Floats]) -> list[float]:
    """Dollars made on each day, one day older, by vollib."""
    made = []
    for day in range(len(returns["XYZ"])):
        xyz, abc = 48 * np.exp(returns["XYZ"][day]), 100 * np.exp(returns["ABC"][day])
        put = worth(PUT, xyz, 0.46 * (1 + vols["XYZ"][day]), 34) - worth(PUT, 48, 0.46, 35)
        call = worth(CALL, abc, 0.30 * (1 + vols["ABC"][day]), 29) - worth(CALL, 100, 0.30, 30)
        made.append(-200 * put + 300 * call + 50 * (abc - 100))
    return made


def test_var_and_shortfall_are_those_of_a_loop_over_the_days() -> None:
    returns = moves()
    still = {name: np.zeros(260) for name in returns}

    found = shortfall.shortfall(book(), shortfall.scenarios(returns))

    made = np.array(by_hand(returns, still))
    edge = np.percentile(made, 5)
    assert found is not None
    assert (found.sessions, found.left_out, found.vol_known) == (260, (), 0.0)
    assert found.full_var == pytest.approx(-edge, abs=0.02)
    assert found.full_shortfall == pytest.approx(-made[made <= edge].mean(), abs=0.02)
    assert found.worst == pytest.approx(-made.min(), abs=0.02)
    assert found.shortfall > found.var > 0


def test_volatilities_move_as_they_did_where_that_is_stored() -> None:
    returns = moves()
    vols = {name: np.random.default_rng(8).normal(0, 0.05, 260) for name in returns}

    found = shortfall.shortfall(book(), shortfall.scenarios(returns, vols))

    made = np.array(by_hand(returns, vols))
    assert found is not None
    assert found.vol_known == 1.0
    assert found.full_var == pytest.approx(-np.percentile(made, 5), abs=0.02)


def test_a_volatility_that_is_not_stored_stands_still_and_is_counted() -> None:
    returns = moves()
    half = np.where(np.arange(260) < 130, np.nan, 0.04)

    days = shortfall.scenarios(returns, {"XYZ": half})

    assert days.known == 0.25
    assert days.vols["XYZ"].tolist() == [0.0] * 130 + [0.04] * 130
    assert not days.vols["ABC"].any()


def test_the_error_of_the_grid_is_its_largest_distance_from_full_revaluation() -> None:
    rows, days = book(), shortfall.scenarios(moves(), {"XYZ": np.random.default_rng(8).normal(0, 0.05, 260)})
    made, vols = (np.stack([of[ticker] for ticker in rows.tickers]) for of in (days.moves, days.vols))
    apart = shortfall.interpolated(rows, made, vols).sum(axis=0) - stress.pnl(rows, made, vols, 1).sum(axis=0)

    found = shortfall.shortfall(rows, days)

    assert found is not None
    assert found.error == pytest.approx(np.abs(apart).max())
    assert 0 < found.error < 0.01 * found.var
    assert abs(found.var - found.full_var) <= found.error


def test_short_legs_in_the_money_are_on_the_grid_with_early_exercise() -> None:
    option = make.put(55, dte=60)
    rows = stress.holdings([Leg("P00001", option, -1, 7.6)], NAMES, make.TODAY, make.NOW)

    found = shortfall.shortfall(rows, shortfall.scenarios({"XYZ": moves()["XYZ"]}))

    assert rows.is_american.tolist() == [True]
    assert found is not None
    assert found.error < 1.5


@pytest.mark.parametrize(("days", "is_enough"), [(250, True), (249, False)])
def test_a_name_needs_250_sessions(days: int, is_enough: bool) -> None:
    returns = moves()
    returns["XYZ"][days:] = np.nan

    found = shortfall.shortfall(book(), shortfall.scenarios(returns))

    assert found is not None
    assert found.left_out == (() if is_enough else ("XYZ",))
    assert found.sessions == (250 if is_enough else 260)


def test_gaps_that_do_not_meet_cost_the_name_with_the_most_of_them() -> None:
    returns = moves()
    returns["XYZ"][:8] = np.nan
    returns["ABC"][-6:] = np.nan

    assert shortfall.scenarios(returns).left_out == ("XYZ",)


def test_without_any_history_nothing_is_said() -> None:
    assert shortfall.shortfall(book(), shortfall.scenarios({"XYZ": moves()["XYZ"][:100]})) is None


def test_a_name_without_history_is_in_no_number() -> None:
    """Its position alone would be most of the loss."""
    only = shortfall.scenarios({"ABC": moves()["ABC"], "XYZ": np.full(260, np.nan)})
    rows = book()

    found = shortfall.shortfall(rows, only)

    alone = shortfall.shortfall(rows.take(np.array([False, True, True])), only)
    assert found is not None
    assert alone is not None
    assert (found.left_out, found.var) == (("XYZ",), alone.var)
