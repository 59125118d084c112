"""Our numbers against recorded ones: vollib's table, Interactive Brokers' model, a vendor's chain."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from engine import pricing
from engine.model.instruments import Right, option
from engine.model.market import Chain, Kind, Source
from engine.pricing import PYVOLR, VOLLIB, Kernel
from tests.shared import SHARED, needs_shared

pytestmark = needs_shared

NEW_YORK = ZoneInfo("America/New_York")
KERNELS = [pytest.param(kernel, id=kernel.name) for kernel in (PYVOLR, VOLLIB)]

# The table's own units: theta per year, vega and rho per unit.
SCALES = {"delta": 1.0, "gamma": 1.0, "theta": 365.0, "vega": 100.0, "rho": 100.0}

PRINTED = 1e-8
"""The table prints nine to ten significant digits: this far in units, in share of the number where it is larger."""


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    content = json.loads((SHARED / "data" / "vollib_test_data.json").read_text())
    return pd.DataFrame(content["data"], columns=content["columns"])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("is_call", "price", "letter"), [(True, "bs_call", "C"), (False, "bs_put", "P")])
def test_vollibs_table_to_1e_8(table: pd.DataFrame, kernel: Kernel, is_call: bool, price: str, letter: str) -> None:
    terms = (*(table[name].to_numpy() for name in ("S", "K", "t", "R", "v")), is_call)
    assert pricing.value(*terms, kernel=kernel) == pytest.approx(table[price].to_numpy(), rel=PRINTED, abs=PRINTED)
    found = pricing.greeks(*terms, kernel=kernel)
    for name, scale in SCALES.items():
        reference = table[letter + name[0].upper()].to_numpy()
        assert getattr(found, name) * scale == pytest.approx(reference, rel=PRINTED, abs=PRINTED)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_tables_call_prices_of_ten_digits_to_1e_8_absolute(table: pd.DataFrame, kernel: Kernel) -> None:
    terms = (*(table[name].to_numpy() for name in ("S", "K", "t", "R", "v")), True)
    assert np.abs(pricing.value(*terms, kernel=kernel) - table["call_vals"].to_numpy()).max() < 1e-8


# The proxy the desk uses after the Treasury curve ends: primary credit rate (5.50 % from 2023-07-27) less 0.50 %.
RATE_2023_08 = 0.05
# S&P 500 trailing dividend yield in summer 2023.
YIELD_2023_08 = 0.015


@pytest.fixture(scope="module")
def broker_model() -> pd.DataFrame:
    rows = pd.read_csv(SHARED / "data" / "greeks_refs_spx_ib_2023.csv.gz")
    contracts = [option(symbol) for symbol in rows["symbol"]]
    seen = pd.to_datetime(rows["time"], format="%Y%m%d %H:%M:%S.%f", utc=True)
    closes = [datetime.combine(contract.expiry, time(16), tzinfo=NEW_YORK) for contract in contracts]
    left = [(close - at).total_seconds() for close, at in zip(closes, seen, strict=True)]
    return rows.assign(
        strike=[float(contract.strike) for contract in contracts],
        is_call=[contract.right is Right.CALL for contract in contracts],
        years=np.array(left) / (365 * 86_400),
    )


def test_interactive_brokers_model_is_met_within_half_a_vol_point_and_two_hundredths_of_delta(
    broker_model: pd.DataFrame,
) -> None:
    """SPX and SPY options on 2023-08-04; the file has model prices, so spread/mid is 0 and every row counts.

    Measured 2026-11: volatility 0.29 points, delta 0.0036 at the median of 457 rows; 2 are below intrinsic for us.
    """
    terms = [broker_model[name].to_numpy() for name in ("model_undPrice", "strike", "years")]
    is_call = broker_model["is_call"].to_numpy()
    price = broker_model["model_price"].to_numpy()
    iv = pricing.implied_volatility(price, *terms, RATE_2023_08, is_call, YIELD_2023_08)
    delta = pricing.greeks(*terms, RATE_2023_08, iv, is_call, YIELD_2023_08).delta
    assert np.isnan(iv).mean() < 0.02
    assert np.nanmedian(np.abs(iv - broker_model["model_impliedVol"])) <= 0.005
    assert np.nanmedian(np.abs(delta - broker_model["model_delta"])) <= 0.02


def test_interactive_brokers_greeks_of_the_contracts_at_the_money_are_in_our_units(broker_model: pd.DataFrame) -> None:
    near = broker_model[broker_model["model_delta"].abs().between(0.3, 0.7)]
    terms = [near[name].to_numpy() for name in ("model_undPrice", "strike", "years")]
    iv, is_call = near["model_impliedVol"].to_numpy(), near["is_call"].to_numpy()
    found = pricing.greeks(*terms, RATE_2023_08, iv, is_call, YIELD_2023_08)
    for name in ("delta", "gamma", "vega", "theta"):
        ratio = np.median(getattr(found, name) / near[f"model_{name}"])
        assert ratio == pytest.approx(1.0, abs=0.15), name


# The rate under which the vendor's own volatilities and deltas agree (to 2e-6 at the median): European, no dividends.
RATE_OF_THE_IBM_FILE = 0.0363


@pytest.fixture(scope="module")
def ibm() -> pd.DataFrame:
    rows = pd.read_parquet(SHARED / "data" / "option_chains.parquet")
    rows = rows[(rows["underlying"] == "IBM") & (rows["source"] == "alphavantage_demo")]
    assert len(rows) == 2064
    return rows


def as_chain(rows: pd.DataFrame) -> Chain:
    unknown = np.full(len(rows), np.nan)
    return Chain(
        **dict.fromkeys(Chain.COLUMNS, unknown)
        | {
            "underlying": "IBM",
            "asof": datetime(2026, 5, 15, 20, tzinfo=UTC),
            "today": date(2026, 5, 15),
            "spot": float(rows["underlying_price"].iloc[0]),
            "expiry": rows["expiry"].to_numpy().astype("datetime64[D]"),
            "strike": rows["strike"].to_numpy(),
            "is_call": (rows["right"] == "C").to_numpy(),
            "bid": rows["bid"].to_numpy(),
            "ask": rows["ask"].to_numpy(),
            "source": Source("test", Kind.RECORDED),
            "rate": RATE_OF_THE_IBM_FILE,
        }
    )


def test_the_recorded_ibm_chain_is_met_within_a_vol_point_and_two_hundredths_of_delta(ibm: pd.DataFrame) -> None:
    done = pricing.complete(as_chain(ibm))
    tight = (done.spread_ratio < 0.10) & ~np.isnan(done.iv)
    assert tight.sum() > 850
    assert np.median(np.abs(done.iv - ibm["iv"])[tight]) <= 0.01
    assert np.median(np.abs(done.delta - ibm["delta"])[tight]) <= 0.02


def test_the_recorded_ibm_greeks_follow_from_its_own_volatilities_in_our_units(ibm: pd.DataFrame) -> None:
    chain = as_chain(ibm)
    years = pricing.year_fraction(chain.dte)
    found = pricing.greeks(chain.spot, chain.strike, years, chain.rate, ibm["iv"].to_numpy(), chain.is_call)
    alive = chain.dte > 0
    for name in pricing.GreekColumns._fields:
        error = np.abs(getattr(found, name) - ibm[name].to_numpy())[alive]
        assert np.median(error) < 2e-5, name


def test_options_that_have_just_expired_in_the_recorded_chain_have_no_volatility(ibm: pd.DataFrame) -> None:
    done = pricing.complete(as_chain(ibm))
    expired = done.dte == 0
    assert expired.sum() > 50
    assert np.isnan(done.iv[expired]).all()
    assert np.isnan(done.delta[expired]).all()
