"""Indicators against published reference values, and the edges where they must say nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from engine import indicators, performance
from engine.model.market import Floats
from tests.shared import SHARED, needs_shared


def reference(name: str) -> pd.DataFrame:
    table = pd.read_csv(SHARED / "data" / "indicator_refs" / name, encoding="latin-1")
    table.columns = table.columns.str.strip()
    return table


def prices(table: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    high, low, close = (table[name].to_numpy(dtype=float) for name in ("High", "Low", "Close"))
    return high, low, close


def assert_same(found: Floats, expected: pd.Series, tolerance: float, skip: int = 0) -> None:
    """The same numbers from the same row on, beyond the first `skip` of them."""
    wanted = pd.to_numeric(expected, errors="coerce").to_numpy(dtype=float)
    first = int(np.flatnonzero(~np.isnan(wanted))[0]) + skip
    assert len(found) == len(wanted)
    assert not np.isnan(found[first:]).any()
    assert found[first:] == pytest.approx(wanted[first:], abs=tolerance)


@needs_shared
def test_averages_rsi_and_macd_match_the_reference_from_its_first_row() -> None:
    table = reference("spy_with_indicators.txt")  # closes and averages printed to 0.01 at 16,000
    close = table["Close"].to_numpy(dtype=float)
    assert_same(indicators.sma(close, 14), table["SMA14"], 0.006)
    assert_same(indicators.ema(close, 14), table["EMA14"], 0.006)
    assert_same(indicators.rsi(close, 14), table["RSI 14 Wilder"], 5.1e-6)
    assert_same(indicators.macd(close).line, table["MACD 12 26"], 2e-4)


@needs_shared
def test_exponential_average_matches_to_the_last_bits() -> None:
    table = reference("spy_ema.csv")
    assert_same(indicators.ema(table["close"].to_numpy(dtype=float), 14), table["EMA14"], 1e-13)


@needs_shared
def test_rsi_matches_to_the_last_bits_inside_a_stochastic_of_it() -> None:
    table = reference("spy_with_StochRSI.csv")
    strength = indicators.rsi(table["Close"].to_numpy(dtype=float), 14)
    windows = sliding_window_view(strength, 14)
    stochastic = 100 * (strength[13:] - windows.min(axis=1)) / (windows.max(axis=1) - windows.min(axis=1))
    average = np.full(len(strength), math.nan)
    average[15:] = sliding_window_view(stochastic, 3).mean(axis=1)
    assert_same(average, table["k"], 1e-11)


@needs_shared
def test_macd_line_signal_and_histogram_match() -> None:
    table = reference("spy_with_macd.txt")
    found = indicators.macd(table["Close"].to_numpy(dtype=float))
    for column, name in zip(found, ("MACD", "Signal", "Histogram"), strict=True):
        assert_same(column, table[name], 6e-6)


@needs_shared
def test_bollinger_bands_match() -> None:
    table = reference("spy_bollinger_bands.txt")
    bands = indicators.bollinger(table["Close"].to_numpy(dtype=float), 20, 2)
    assert_same(bands.middle, table["Moving Average 20"], 1e-12)
    assert_same(bands.upper, table.iloc[:, 6], 6.1e-5)
    assert_same(bands.lower, table.iloc[:, 7], 6.1e-5)


@needs_shared
def test_average_true_range_matches_wilders_from_the_first_row_on_the_same_first_range() -> None:
    table = reference("spy_atr_wilder.txt")
    high, low, close = prices(table)
    # It counts the first bar's high less low, TA-Lib begins one bar later: with a close inside that bar in front of it.
    before = [np.concatenate((column[:1], column)) for column in (high, low, close)]
    found = indicators.atr(*before)[1:]
    assert_same(found, table["Average True Range 14"], 5.1e-6)


@needs_shared
def test_without_that_first_range_the_difference_fades_by_a_fourteenth_a_bar() -> None:
    table = reference("spy_atr_wilder.txt")
    gap = indicators.atr(*prices(table)) - table["Average True Range 14"].to_numpy(dtype=float)
    fading = gap[14] * (13 / 14) ** np.arange(len(gap) - 14)
    assert gap[14] == pytest.approx(0.0346, abs=1e-4)
    assert gap[14:] == pytest.approx(fading, abs=1.1e-5)


@needs_shared
def test_the_plain_average_of_true_ranges_is_another_number_than_wilders() -> None:
    table = reference("spy_atr.txt")
    high, low, close = prices(table)
    ranges = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    plain = np.concatenate(([math.nan], indicators.sma(ranges, 14)))
    assert_same(plain, table["Average True Range 14"], 5.1e-6)
    assert abs(indicators.atr(high, low, close)[-1] - plain[-1]) > 0.4


@needs_shared
def test_directional_index_matches_once_the_start_is_forgotten() -> None:
    table = reference("spy_with_adx.txt")  # rounds its true ranges to 0.01 in the first averages, prints to 0.0001
    found = indicators.adx(*prices(table))
    assert_same(found, table["ADX 14"], 0.75)
    assert_same(found, table["ADX 14"], 0.01, skip=100)
    assert_same(found, table["ADX 14"], 5.5e-5, skip=200)


@needs_shared
def test_the_middle_of_keltner_channels_is_the_mean_of_typical_prices() -> None:
    table = reference("spy_with_keltner.csv")
    high, low, close = prices(table)
    assert_same(indicators.sma((high + low + close) / 3, 20), table["Middle Band"], 6e-5)


@needs_shared
def test_momentum_matches_the_rate_of_change_in_dollars() -> None:
    table = reference("spy_with_roc50.txt")
    close = table["Close"].to_numpy(dtype=float)
    dollars = np.concatenate((np.full(50, math.nan), indicators.momentum(close, 50)[50:] * close[:-50]))
    assert_same(dollars, table["Rate of Change 50"], 1.6e-5)


@needs_shared
def test_volume_weighted_average_of_every_window_matches_the_moving_reference() -> None:
    table = reference("spy_with_vwap.txt")
    # The reference weighs the mean of open, high, low and close.
    mean = table[["Open", "High", "Low", "Close"]].mean(axis=1).to_numpy()
    volume = table["Volume"].to_numpy(dtype=float)
    found = np.full(len(mean), math.nan)
    for row in range(49, len(mean)):
        rows = slice(row - 49, row + 1)
        found[row] = indicators.vwap(mean[rows], mean[rows], mean[rows], volume[rows])[-1]
    assert_same(found, table["Moving VWAP 50"], 6e-5)


@needs_shared
@pytest.mark.parametrize("rate", ["0", "0.01"])
def test_sortino_matches_over_every_fifteen_returns(rate: str) -> None:
    table = reference("spy_sortino.csv")
    returns = table["returns"].to_numpy(dtype=float)
    found = np.full(len(returns), math.nan)
    for row in range(15, len(returns)):
        window = returns[row - 14 : row + 1]
        ratio = performance.sortino(window[np.newaxis], np.full((1, 15), float(rate)))
        found[row] = float(ratio[0]) / math.sqrt(indicators.SESSIONS_A_YEAR)
    assert_same(found, table[f"sortino_rf_{rate}_period_15"], 1e-8)


COMPARED = frozenset({
    "spy_atr.txt", "spy_atr_wilder.txt", "spy_bollinger_bands.txt", "spy_ema.csv", "spy_sortino.csv",
    "spy_with_StochRSI.csv", "spy_with_adx.txt", "spy_with_indicators.txt", "spy_with_keltner.csv",
    "spy_with_macd.txt", "spy_with_roc50.txt", "spy_with_vwap.txt",
})  # fmt: skip
NOT_OURS = {
    "spy_10_min.txt": "bars without an indicator",
    "spy_ohlcv.txt": "bars without an indicator",
    "spy_crsi.csv": "Connors RSI",
    "spy_hurst_exponent.csv": "Hurst exponent",
    "spy_mfi.txt": "money flow index",
    "spy_qqq_corr.csv": "rolling correlation of prices; ours is of matched log returns",
    "spy_valueatrisk.csv": "normal quantiles of returns; ours is historical simulation of a portfolio",
    "spy_with_cci.txt": "commodity channel index",
    "spy_with_ichimoku.csv": "Ichimoku",
    "spy_with_obv.txt": "on-balance volume",
    "spy_with_stoch12k3.txt": "stochastics",
    "spy_with_williamsR14.txt": "Williams %R",
}
"""What the desk does not use, by file: nothing is added to it for the sake of a reference."""


@needs_shared
def test_every_reference_file_is_compared_or_is_of_something_the_desk_does_not_use() -> None:
    files = {file.name for file in (SHARED / "data" / "indicator_refs").iterdir()}
    assert files == COMPARED | NOT_OURS.keys()


Indicator = Callable[[Floats], Floats]

WINDOWS: dict[str, tuple[Indicator, int]] = {
    # name: (indicator of one array, rows of warm-up)
    "sma": (lambda x: indicators.sma(x, 5), 4),
    "ema": (lambda x: indicators.ema(x, 5), 4),
    "rsi": (lambda x: indicators.rsi(x, 14), 14),
    "macd line": (lambda x: indicators.macd(x).line, 25),
    "macd signal": (lambda x: indicators.macd(x).signal, 33),
    "macd histogram": (lambda x: indicators.macd(x).histogram, 33),
    "atr": (lambda x: indicators.atr(x + 1, x - 1, x), 14),
    "bollinger": (lambda x: indicators.bollinger(x).upper, 19),
    "adx": (lambda x: indicators.adx(x + 1, x - 1, x), 27),
    "realised volatility": (lambda x: indicators.realised_volatility(x, 30), 30),
}
EVERY = WINDOWS | {"momentum": (lambda x: indicators.momentum(x, 10), 10)}
NAMED = pytest.mark.parametrize(("indicator", "warm_up"), EVERY.values(), ids=EVERY.keys())
WINDOWED = pytest.mark.parametrize(("indicator", "warm_up"), WINDOWS.values(), ids=WINDOWS.keys())


def walk(n: int, seed: int = 5) -> Floats:
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, n)))


@NAMED
def test_warm_up_is_nan_and_nothing_after_it(indicator: Indicator, warm_up: int) -> None:
    found = indicator(walk(80))
    assert np.isnan(found[:warm_up]).all()
    assert not np.isnan(found[warm_up:]).any()


@NAMED
def test_an_input_shorter_than_the_window_is_all_nan_of_its_length(indicator: Indicator, warm_up: int) -> None:
    for n in (0, 1, 2, warm_up):
        found = indicator(walk(n))
        assert len(found) == n
        assert np.isnan(found).all()


@WINDOWED
def test_a_missing_bar_is_never_bridged(indicator: Indicator, warm_up: int) -> None:
    gap = walk(120)
    gap[50] = math.nan
    found = indicator(gap)
    assert found[:50] == pytest.approx(indicator(walk(120))[:50], nan_ok=True)
    assert np.isnan(found[50 : 51 + warm_up]).all()
    assert found[-1] == pytest.approx(indicator(gap[51:])[-1])


@NAMED
def test_nothing_but_nan_gives_nothing_but_nan(indicator: Indicator, warm_up: int) -> None:
    assert np.isnan(indicator(np.full(60, math.nan))).all()


FUTURE = st.lists(st.floats(0.0, 1e6) | st.just(math.nan), min_size=1, max_size=40)
"""Bars that may yet come: any price, none, and what nobody knows."""


@NAMED
@given(future=FUTURE, seed=st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_the_future_changes_nothing_of_the_past(
    indicator: Indicator, warm_up: int, future: list[float], seed: int
) -> None:
    past = walk(90, seed)
    assert np.array_equal(indicator(np.append(past, future))[:90], indicator(past), equal_nan=True)


@given(FUTURE, st.integers(0, 50))
def test_no_later_bar_changes_an_average_weighted_by_volume(future: list[float], seed: int) -> None:
    past, volume = walk(60, seed), np.arange(1.0, 61.0)
    longer = np.append(past, future)
    found = indicators.vwap(longer, longer, longer, np.append(volume, np.ones(len(future))))
    assert np.array_equal(found[:60], indicators.vwap(past, past, past, volume), equal_nan=True)


@given(st.lists(st.integers(90, 110), min_size=1, max_size=80), FUTURE, st.integers(1, 4))
def test_no_later_bar_changes_a_pivot_that_is_known(past: list[int], future: list[float], k: int) -> None:
    low = np.array(past, dtype=float)
    before, after = (indicators.pivot_lows(x, k) for x in (low, np.append(low, future)))
    known = max(len(low) - k, 0)
    assert before[:known].tolist() == after[:known].tolist()
    assert not before[known:].any()


@given(st.data(), st.integers(1, 4))
def test_no_later_bar_changes_a_divergence(data: st.DataObject, k: int) -> None:
    n = data.draw(st.integers(1, 80))
    low, line = (np.array(data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)), float) for _ in range(2))
    future = data.draw(FUTURE)
    later = indicators.divergence(np.append(low, future), np.append(line, future), k)
    assert later[:n].tolist() == indicators.divergence(low, line, k).tolist()


@given(st.data(), st.integers(1, 4), st.integers(0, 60))
def test_a_planted_divergence_is_found_exactly_once(data: st.DataObject, k: int, before: int) -> None:
    gap = data.draw(st.integers(k + 1, 60))
    after = data.draw(st.integers(k, 30))
    first, second = before + k, before + k + gap
    low = 100 + 0.01 * np.arange(second + 1 + after)  # it rises: no pivot but the two below
    low[first], low[second] = 50.0, 49.9
    line = np.zeros(len(low))
    line[second] = 0.1
    found = indicators.divergence(low, line, k, within=40)
    expected = {second + k: first} if gap + k <= 40 else {}
    assert {int(row): int(found[row]) for row in np.flatnonzero(found >= 0)} == expected


def test_rsi_runs_from_all_losses_to_all_gains_and_is_unknown_when_nothing_moves() -> None:
    assert indicators.rsi(np.arange(1.0, 31.0))[-1] == 100.0
    assert indicators.rsi(np.arange(30.0, 0.0, -1.0))[-1] == 0.0
    assert np.isnan(indicators.rsi(np.full(40, 5.0))).all()


def test_rsi_of_a_name_that_stopped_moving_does_not_read_oversold() -> None:
    stopped = np.concatenate((walk(60), np.full(600, 100.0)))
    assert np.isnan(indicators.rsi(stopped)[-1])


def test_momentum_knows_only_its_two_ends() -> None:
    assert indicators.momentum(np.array([100.0, math.nan, 112.0, 0.0, 120.0, 130.0]), 2).tolist() == pytest.approx(
        [math.nan, math.nan, 0.12, math.nan, 120 / 112 - 1, math.nan], nan_ok=True
    )


def test_realised_volatility_is_the_sample_deviation_of_log_returns_times_the_root_of_252() -> None:
    close = walk(31)
    returns = [math.log(b / a) for a, b in pairwise(close)]
    mean = sum(returns) / 30
    expected = math.sqrt(sum((r - mean) ** 2 for r in returns) / 29 * 252)
    assert indicators.realised_volatility(close, 30)[-1] == pytest.approx(expected, rel=1e-12)


def test_realised_volatility_of_a_price_of_zero_is_unknown() -> None:
    close = walk(40)
    close[35] = 0.0
    assert np.isnan(indicators.realised_volatility(close, 30)[35:]).all()


def test_vwap_waits_for_volume_and_counts_from_the_first_bar() -> None:
    high, low, close = np.array([3.0, 6.0, 9.0]), np.array([1.0, 4.0, 7.0]), np.array([2.0, 5.0, 8.0])
    found = indicators.vwap(high, low, close, np.array([0.0, 100.0, 300.0]))
    assert found.tolist() == pytest.approx([math.nan, 5.0, 7.25], nan_ok=True)


@given(st.lists(st.integers(90, 110), min_size=0, max_size=60), st.integers(1, 4))
def test_pivots_are_the_lowest_of_their_neighbourhood_and_never_among_the_last_k(lows: list[int], k: int) -> None:
    values = np.array(lows, dtype=float)
    for row in np.flatnonzero(indicators.pivot_lows(values, k)):
        assert k <= row < len(values) - k
        assert values[row] == values[row - k : row + k + 1].min()
        assert (values[row - k : row] > values[row]).all()
    assert indicators.pivot_highs(-values, k).tolist() == indicators.pivot_lows(values, k).tolist()


def two_lows() -> Floats:
    """A low of 10 at row 5 and one of 9 at row 15."""
    shape = [15, 14, 13, 12, 11, 10, 11, 12, 13, 14, 14, 13, 12, 11, 10, 9, 10, 11, 12, 13]
    return np.array(shape, dtype=float)


def test_a_divergence_is_confirmed_k_bars_after_the_second_low_and_names_the_first() -> None:
    line = np.linspace(-2.0, -1.0, 20)
    found = indicators.divergence(two_lows(), line, k=2)
    assert np.flatnonzero(found >= 0).tolist() == [17]
    assert found[17] == 5


def test_a_divergence_is_not_seen_before_it_is_confirmed() -> None:
    low, line = two_lows(), np.linspace(-2.0, -1.0, 20)
    assert (indicators.divergence(low[:17], line[:17], k=2) == -1).all()
    assert indicators.divergence(low[:18], line[:18], k=2)[-1] == 5


@pytest.mark.parametrize(
    ("low", "line", "within", "first"),
    [
        pytest.param(two_lows(), np.linspace(-1.0, -2.0, 20), 40, None, id="the line is lower too"),
        pytest.param(np.maximum(two_lows(), 10.0), np.linspace(-2.0, -1.0, 20), 40, None, id="no lower low"),
        pytest.param(two_lows(), np.linspace(-2.0, -1.0, 20), 11, None, id="too far apart"),
        pytest.param(two_lows(), np.linspace(-2.0, -1.0, 20), 40, np.zeros(20, dtype=bool), id="first not allowed"),
        pytest.param(two_lows(), np.full(20, math.nan), 40, None, id="no line"),
    ],
)
def test_no_divergence_without_all_of_it(low: Floats, line: Floats, within: int, first: indicators.Mask | None) -> None:
    assert (indicators.divergence(low, line, 2, within, first) == -1).all()


def test_a_window_of_one_bar_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        indicators.rsi(walk(20), 1)


def test_threads_asking_at_once_all_get_the_right_answer() -> None:
    series = [walk(300, seed) for seed in range(16)]
    alone = [indicators.rsi(x)[-1] for x in series]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda x: indicators.rsi(x)[-1], series * 5))
    assert together == alone * 5
