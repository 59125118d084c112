"""Past volatility out of real trades, beside what the quotes of the same close say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from engine.backfill import Past, near_the_money, reconstructed
from engine.data.chains import CHAIN_COLUMNS, read_chains
from engine.data.files import read_parquet
from engine.model.instruments import Option, Right
from engine.model.market import Bars, Chain, IvDay
from engine.pricing import complete
from engine.sessions import Sessions
from engine.volatility import constant_maturity_iv
from tests import make
from tests.shared import SHARED, needs_shared

pytestmark = needs_shared

SESSIONS = Sessions()
FILE = SHARED / "data" / "option_chains.parquet"
RATE = 0.0025


@cache
def rows() -> list[dict[str, Any]]:
    return pq.read_table(FILE).to_pylist()


def quoted(ticker: str, day: date) -> Chain:
    """The chain of that close with volatilities from its own quotes."""
    recorded = read_chains(read_parquet(FILE, CHAIN_COLUMNS))
    chain = recorded.chain(ticker, recorded.on(ticker, day)[-1], SESSIONS.close(day), RATE, ())
    return complete(replace(chain, iv=np.full(len(chain), np.nan)), SESSIONS.close(day))


def trades(ticker: str, day: date) -> dict[Option, Bars]:
    """What traded that day, at its last price."""
    found = {}
    for row in rows():
        when = row["quote_time"]
        if (row["underlying"], row["root"], str(when)[:10]) == (ticker, ticker, str(day)) and (row["volume"] or 0) > 0:
            expiry = date.fromisoformat(str(row["expiry"])[:10])
            option = Option(ticker, expiry, Right(row["right"]), Decimal(f"{row['strike']:.3f}"))
            found[option] = make.bars([row["last"]], option.symbol, volume=row["volume"], days=[day])
    return found


def found_on(ticker: str, day: date, spot: float) -> tuple[IvDay, ...]:
    past = Past(ticker, day, make.bars([spot], ticker, days=[day]), (), (), lambda _: RATE)
    traded = trades(ticker, day)
    asked = near_the_money(past, traded)
    return reconstructed(past, {option: traded[option] for option in asked}, SESSIONS)


@pytest.mark.parametrize(("day", "spot"), [(date(2014, 6, 6), 645.57), (date(2014, 6, 9), 93.70)])
def test_the_last_trades_of_a_busy_name_are_within_a_quarter_point_of_its_quotes(day: date, spot: float) -> None:
    """The day before Apple's 7:1 split and the day of it: strikes around 645, then around 93."""
    found = found_on("AAPL", day, spot)
    wanted = constant_maturity_iv(quoted("AAPL", day))
    assert wanted is not None
    assert found[0].iv == pytest.approx(wanted, abs=0.0025)


def test_a_report_between_the_monthly_expiries_costs_up_to_two_points() -> None:
    """Google reported late in January 2016: the quotes of 22 January do not know it, those of 19 February do."""
    found = found_on("GOOG", date(2015, 12, 23), 750.31)
    wanted = constant_maturity_iv(quoted("GOOG", date(2015, 12, 23)))
    assert wanted is not None
    assert found[0].iv == pytest.approx(wanted, abs=0.02)


def test_a_short_session_without_enough_trades_says_nothing() -> None:
    """On 24 December 2015 no strike of February traded on both sides: January alone would be 4 points too low."""
    assert found_on("GOOG", date(2015, 12, 24), 748.40) == ()
