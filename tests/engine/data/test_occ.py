"""OCC symbols by the thousand: the same answer as one by one, and nothing else."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from engine.data import occ
from engine.errors import DataInvalid
from engine.model.instruments import Option, Right, option


def many(n: int) -> list[Option]:
    """Options of roots of every length, far and near, cheap and dear."""
    rng = np.random.default_rng(7)
    roots = ["F", "GE", "IBM", "AAPL", "GOOGL", "SPXW", "BRKB", "AAPL1", "NDXPAB"]
    days = [date(2026, 11, 27) + timedelta(days=int(n)) for n in rng.integers(0, 1100, n)]
    strikes = [Decimal(int(mills)) / 1000 for mills in rng.integers(1, 99_999_999, n)]
    rights = [Right.CALL if up else Right.PUT for up in rng.random(n) < 0.5]
    return [
        Option(roots[row % len(roots)], days[row], rights[row], strikes[row], root=roots[row % len(roots)])
        for row in range(n)
    ]


def test_the_columns_are_what_each_symbol_says():
    wanted = many(500)
    found = occ.contracts([each.symbol for each in wanted], "alpaca")
    for row, each in enumerate(wanted):
        assert found.root[row] == each.root
        assert found.expiry[row].astype(object) == each.expiry
        assert found.strike[row] == float(each.strike)
        assert found.is_call[row] == (each.right is Right.CALL)


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "AAPL",
        "261218C00187500",
        "AAPL261318C00187500",
        "AAPL260230C00187500",
        "AAPL261218X00187500",
        "AAPL261218C0018750x",
        "AAPL26121-C00187500",
        "aapl261218C00187500",
        "AAPLÄ261218C0018750",
        "TOOLONGROOT261218C00187500",
        "AA L261218C00187500",
        "1APL261218C00187500",
    ],
)
def test_what_is_no_symbol_is_refused_by_name(symbol: str):
    with pytest.raises(DataInvalid, match=r"alpaca sent symbol = '.*', which is no option symbol") as caught:
        occ.contracts(["AAPL261218C00187500", symbol], "alpaca")
    assert "AAPL261218C00187500" not in str(caught.value)


def test_no_symbols_are_no_contracts():
    assert len(occ.contracts([], "alpaca").strike) == 0


def test_every_contract_has_a_number_of_its_own():
    wanted = list(dict.fromkeys(many(2_000)))
    codes: dict[str, int] = {}
    keys = occ.keys(occ.contracts([each.symbol for each in wanted], "alpaca"), codes)
    assert len(np.unique(keys)) == len(wanted)
    again = occ.keys(occ.contracts([option(each.symbol).symbol for each in wanted[::-1]], "alpaca"), codes)
    assert (again[::-1] == keys).all()
