"""Past trades of options from whoever knows them, asked for in the background's share of every budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TypeVar

from engine.data.budget import Urgency
from engine.data.panel import Panel
from engine.data.providers.port import Offer, Provider
from engine.data.rates import Rates
from engine.model.instruments import Option
from engine.model.market import Bars, Dividend, Split

T = TypeVar("T")

SINCE = date(2024, 2, 1)
"""Alpaca has option data from then on (docs.alpaca.markets/docs/historical-option-data); nobody is asked for more."""
DEADLINE = 60.0
"""Seconds a question may take: a year of trades is many pages."""


class PanelPast:
    """A `PastTrades` over the panel: expired contracts, their daily bars, splits and dividends.

    Rates are those of `rates` (policy rates where no curve of the day is at hand): the mean of a call's and a put's
    volatility hardly feels them.
    """

    def __init__(self, panel: Panel, since: date = SINCE, rates: Rates | None = None) -> None:
        self._panel = panel
        self._since = since
        self._rates = rates or Rates()

    @property
    def since(self) -> date:
        return self._since

    def listed(self, ticker: str, expiries: tuple[date, date], strikes: tuple[float, float]) -> tuple[Option, ...]:
        return self._ask(Offer.PAST_LISTINGS, lambda it: it.past_listings(ticker, expiries, strikes))

    def traded(self, options: Sequence[Option], start: date, end: date) -> Mapping[Option, Bars]:
        return self._ask(Offer.OPTION_BARS, lambda it: it.option_bars(options, start, end))

    def splits(self, ticker: str, start: date, end: date) -> tuple[Split, ...]:
        return self._ask(Offer.SPLITS, lambda it: it.splits((ticker,), start, end)).get(ticker, ())

    def dividends(self, ticker: str, start: date, end: date) -> tuple[Dividend, ...]:
        return self._ask(Offer.DIVIDENDS, lambda it: it.dividends((ticker,), start, end)).get(ticker, ())

    def rate(self, day: date) -> float | None:
        known = self._rates.on(day)
        return None if known is None else known.value

    def _ask(self, offer: Offer, call: Callable[[Provider], T]) -> T:
        return self._panel.first(offer, call, Urgency.BACKGROUND, deadline=DEADLINE).value
