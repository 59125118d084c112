"""The prices of the demo: five stocks, 2000-03-01 to 2013-03-01, from the package bokeh-sampledata (extra `demo`).

AAPL, FB, GOOG, IBM and MSFT from Quandl's WIKI prices, which Quandl declared public domain; the package says so in
`bokeh_sampledata.stocks`. No fund is among them. arch.data carries the S&P 500 index to 2018, but an index is not SPY
and the terms of those prices are not said: rules that need SPY are not checked in the demo.

The package's open, high, low, close and volume are as traded; its adj_close takes out dividends and splits, those of
later years too. The splits in these years are public facts (Apple and Microsoft list theirs for shareholders), and the
steps of adj_close / close show them: AAPL 2:1 on 2000-06-21 and 2005-02-28, MSFT 2:1 on 2003-02-18; FB, GOOG and IBM
had none. What is left of the steps are the dividends, labelled `reconstructed`. The short rate is the federal funds
target, labelled `proxy`; option chains are modelled.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from importlib import import_module
from typing import Any

import numpy as np

from engine.data.columns import sheet
from engine.data.dividends import Payouts
from engine.data.folder import RecordedFolder, read_splits
from engine.data.splits import SMALLEST, factor
from engine.errors import ConfigError
from engine.model.market import Dates, Dividend, Floats, Kind, Source, Split

TICKERS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
FIRST, LAST = date(2000, 3, 1), date(2013, 3, 1)
SPLITS = {
    "ticker": ("AAPL", "AAPL", "MSFT"),
    "ex_date": (date(2000, 6, 21), date(2005, 2, 28), date(2003, 2, 18)),
    "ratio": (2, 2, 2),
}
PRICES = ("open", "high", "low", "close")
SMALLEST_STEP = 1e-6
"""Of the price: a smaller step between close and adjusted close is rounding."""

Columns = dict[str, Any]


def demo_folder() -> RecordedFolder:
    """The demo's recorded data: daily bars of five stocks with their splits and dividends.

    Raises:
        ConfigError: the package is not installed; says how to install it.
    """
    package = _package()
    splits = sheet("demo splits", **{name: list(cells) for name, cells in SPLITS.items()})
    known = read_splits(splits)
    prices = {ticker: _columns(getattr(package, ticker)) for ticker in TICKERS}
    parts = [_in_last_shares(ticker, columns, known.get(ticker, ())) for ticker, columns in prices.items()]
    bars = sheet("demo bars", **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    paid = {ticker: _payouts(columns, known.get(ticker, ())) for ticker, columns in prices.items()}
    return replace(RecordedFolder.of("demo", bars, splits=splits), payouts=paid)


def _package() -> Any:
    try:
        # Imported here: the package is an extra, and reading its prices takes time only the demo needs to spend.
        return import_module("bokeh_sampledata.stocks")
    except ImportError as error:
        raise ConfigError(
            "The demo needs the package bokeh-sampledata: install it with pip install 'wallstreetbots[demo]'."
        ) from error


def _columns(recorded: Columns) -> Columns:
    columns: Columns = {name: np.asarray(recorded[name], dtype=np.float64) for name in (*PRICES, "volume", "adj_close")}
    return columns | {"date": np.asarray(recorded["date"], dtype="datetime64[D]")}


def _factors(days: Dates, splits: tuple[Split, ...]) -> Floats:
    """(n,) shares of the last day for each share of the day."""
    return np.array([factor(splits, day, LAST) for day in days.tolist()])


def _in_last_shares(ticker: str, columns: Columns, splits: tuple[Split, ...]) -> Columns:
    """As traded -> in shares of the last day, with the columns of a bars table."""
    times = _factors(columns["date"], splits)
    adjusted = {name: columns[name] / times for name in PRICES}
    names = np.full(len(times), ticker, dtype=object)
    return adjusted | {"ticker": names, "date": columns["date"], "volume": columns["volume"] * times}


def _payouts(columns: Columns, splits: tuple[Split, ...]) -> Payouts:
    """The dividends that explain the steps of adj_close, exact to the cent.

    Quandl chained total returns, (close + dividend) x split / close before, so that with r = adj_close / close the
    dividend is close x (r / (split x r before) - 1). The recorded dividends of AAPL, IBM and MSFT agree to 1e-11.
    """
    close, days = columns["close"], columns["date"]
    ratio = columns["adj_close"] / close * _factors(days, splits)
    step = ratio[1:] / ratio[:-1] - 1.0
    paid = tuple(
        Dividend(days[row + 1].astype(object), Decimal(close[row + 1] * step[row]).quantize(SMALLEST))
        for row in np.flatnonzero(step > SMALLEST_STEP)
    )
    return Payouts(paid, LAST, Source("adjusted closes", Kind.RECONSTRUCTED))
