"""Forwards by put-call parity: exact on formula prices, hard to move by one wrong quote, steady on recorded chains."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from engine import pricing
from engine.data.rates import Rates
from engine.model.instruments import Style
from engine.model.market import Chain, Kind, Source
from engine.pricing import parity
from tests.chains import NOW, RATE, TODAY, strip, together
from tests.shared import SHARED, needs_shared

MARCH = date(2027, 3, 19)
STRIKES = (80.0, 85.0, 90.0, 95.0, 100.0, 105.0, 110.0, 115.0, 120.0)


def chain(*parts: object, **more: object) -> Chain:
    """The raw rows as a chain without numbers of its own."""
    raw = together(*parts)  # type: ignore[arg-type]
    unknown = np.full(len(raw), np.nan)
    columns = dict.fromkeys(Chain.COLUMNS, unknown) | {
        name: getattr(raw, name) for name in ("expiry", "strike", "is_call", "bid", "ask")
    }
    made = Chain(
        underlying=raw.underlying,
        asof=NOW,
        today=TODAY,
        spot=raw.spot,
        source=raw.source,
        rate=RATE,
        root=raw.root,
        **columns,  # type: ignore[arg-type]
    )
    return replace(made, **more)  # type: ignore[arg-type]


def test_the_forward_of_european_prices_is_exact_and_tells_the_carry():
    (found,) = pricing.forwards(chain(strip("XYZ", MARCH, STRIKES, carry=0.015), style=Style.EUROPEAN))
    years = (MARCH - TODAY).days / 365
    assert found.value == pytest.approx(100 * np.exp((RATE - 0.015) * years))
    assert found.prepaid == pytest.approx(100 * np.exp(-0.015 * years))
    assert found.carry(100.0) == pytest.approx(0.015)
    assert (found.is_exact, found.is_firm, found.expiry, found.root) == (True, True, MARCH, "XYZ")
    assert found.dispersion < 1e-9


def test_american_forwards_are_labelled():
    (found,) = pricing.forwards(chain(strip("XYZ", MARCH, STRIKES)))
    assert not found.is_exact


def test_index_classes_are_exact_whatever_the_chain_says():
    (found,) = pricing.forwards(chain(strip("SPXW", MARCH, STRIKES, underlying="SPX")))
    assert found.is_exact


def test_one_wrong_quote_does_not_move_the_forward():
    sound = chain(strip("XYZ", MARCH, STRIKES))
    bid, ask = sound.bid.copy(), sound.ask.copy()
    bid[8], ask[8] = bid[8] + 3.0, ask[8] + 3.0
    (before,), (after,) = pricing.forwards(sound), pricing.forwards(replace(sound, bid=bid, ask=ask))
    assert after.value == pytest.approx(before.value, rel=1e-4)


def test_a_wide_pair_weighs_less_than_tight_ones():
    wide, tight = strip("XYZ", MARCH, (98.0, 99.0), spot=103.0, half_spread=1.0), strip("XYZ", MARCH, (100.0, 101.0))
    (found,) = pricing.forwards(chain(wide, tight))
    assert found.value == pytest.approx(pricing.forwards(chain(tight))[0].value, rel=2e-3)


def test_only_pairs_of_two_sided_quotes_count():
    raw = chain(strip("XYZ", MARCH, STRIKES))
    bid, ask = raw.bid.copy(), raw.ask.copy()
    bid[[8, 9]] = 0.0, np.nan
    ask[10] = 0.5 * bid[10]
    (found,) = pricing.forwards(replace(raw, bid=bid, ask=ask))
    assert len(parity.pairs(replace(raw, bid=bid, ask=ask)).call) == 7
    assert np.isfinite(found.value)


def test_calls_and_puts_of_different_strikes_or_roots_are_no_pair():
    calls = chain(strip("SPX", MARCH, (100.0,), underlying="SPX"), strip("SPXW", MARCH, (100.0,), underlying="SPX"))
    assert pricing.forwards(calls.take(np.array([0, 3]))) == ()
    steps = chain(strip("XYZ", MARCH, (100.0, 101.0)))
    assert pricing.forwards(steps.take(np.array([0, 3]))) == ()


def test_the_two_roots_of_one_day_have_a_forward_each():
    friday = date(2026, 12, 18)
    days = (friday - TODAY).days
    morning = strip("SPX", friday, STRIKES, underlying="SPX", days=days - 6.5 / 24, carry=0.30)
    evening = strip("SPXW", friday, STRIKES, underlying="SPX", carry=0.01)
    found = {forward.root: forward for forward in pricing.forwards(chain(morning, evening))}
    assert found["SPX"].carry(100.0) == pytest.approx(0.30)
    assert found["SPXW"].carry(100.0) == pytest.approx(0.01)
    assert found["SPX"].years == pytest.approx((days - 6.5 / 24) / 365)


def test_two_pairs_or_quarrelling_ones_are_not_firm():
    (two,) = pricing.forwards(chain(strip("XYZ", MARCH, (99.0, 101.0))))
    parts = [strip("XYZ", MARCH, (95.0 + n,), spot=98.0 + n) for n in range(6)]
    (apart,) = pricing.forwards(chain(*parts))
    assert (two.pairs, two.is_firm) == (2, False)
    assert (apart.pairs, apart.is_firm) == (6, False)


def test_an_empty_chain_has_no_forward():
    assert pricing.forwards(chain(strip("XYZ", MARCH, STRIKES)).take(np.array([], dtype=np.intp))) == ()


@needs_shared
@pytest.mark.parametrize("day", ["2014-06-06", "2014-06-09", "2015-12-23", "2015-12-24", "2026-05-15"])
def test_the_forwards_of_recorded_chains_agree_across_strikes_within_a_tenth_of_a_percent(day: str):
    """AAPL, GOOG and IBM: measured 2026-11: median distance 0.02 % (2014), 0.03 % (2015), 0.08 % (IBM, wide quotes).

    All pairs within 10 % of the money of every expiry, against the expiry's forward; the median over the expiries.
    """
    whole = recorded(day)
    pairs = parity.pairs(whole)
    medians = []
    for forward in pricing.forwards(whole):
        near = whole.expiry[pairs.call] == np.datetime64(forward.expiry)
        near &= np.abs(whole.strike[pairs.call] / forward.value - 1) < 0.10
        medians.append(np.median(np.abs(pairs.forward[near] / forward.value - 1)))
    assert len(medians) >= 11
    assert np.median(medians) < 0.001


@needs_shared
def test_the_recorded_dividends_of_apple_are_found_by_parity():
    """Apple paid 3.29 a quarter (0.47 after the split) on a price of 645.57: 1.9 % a year, less early exercise."""
    found = [forward for forward in pricing.forwards(recorded("2014-06-06")) if forward.years > 1]
    assert all(0.010 < forward.carry(645.57) < 0.022 for forward in found)


def recorded(day: str) -> Chain:
    """The largest chain recorded on a day, as quotes and nothing else."""
    rows = pd.read_parquet(SHARED / "data" / "option_chains.parquet")
    rows = rows[rows["quote_time"].dt.date.astype(str) == day]
    rows = rows[rows["underlying"] == rows["underlying"].value_counts().index[0]]
    today = date.fromisoformat(day)
    rate = Rates().on(today)
    assert rate is not None
    columns = dict.fromkeys(Chain.COLUMNS, np.full(len(rows), np.nan)) | {
        "expiry": rows["expiry"].to_numpy().astype("datetime64[D]"),
        "strike": rows["strike"].to_numpy(),
        "is_call": (rows["right"] == "C").to_numpy(),
        "bid": rows["bid"].to_numpy(),
        "ask": rows["ask"].to_numpy(),
    }
    return Chain(
        underlying=str(rows["underlying"].iloc[0]),
        asof=datetime.combine(today, time(16), ZoneInfo("America/New_York")).astimezone(UTC),
        today=today,
        spot=float(rows["underlying_price"].iloc[0]),
        source=Source("test", Kind.RECORDED),
        rate=rate.value,
        **columns,  # type: ignore[arg-type]
    )
