"""Past trades of options from one provider, asked for in the background's share of its budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TypeVar

from engine.data.budget import Urgency, asking
from engine.data.providers.port import Provider
from engine.data.rates import Rates
from engine.model.instruments import Option
from engine.model.market import Bars, Dividend, Split

T = TypeVar("T")


class ProviderPast:
    """A `PastTrades` over a provider that offers listings of expired contracts and option bars.

    Rates are those of `rates` (policy rates where no curve of the day is at hand): the mean of a call's and a put's
    volatility hardly feels them.
    """

    def __init__(self, provider: Provider, since: date, rates: Rates | None = None) -> None:
        self._provider = provider
        self._since = since
        self._rates = rates or Rates()

    @property
    def name(self) -> str:
        return self._provider.name

    @property
    def since(self) -> date:
        return self._since

    def listed(self, ticker: str, expiries: tuple[date, date], strikes: tuple[float, float]) -> tuple[Option, ...]:
        with asking(Urgency.BACKGROUND):
            return self._provider.past_listings(ticker, expiries, strikes)

    def traded(self, options: Sequence[Option], start: date, end: date) -> Mapping[Option, Bars]:
        with asking(Urgency.BACKGROUND):
            return self._provider.option_bars(options, start, end)

    def splits(self, ticker: str, start: date, end: date) -> tuple[Split, ...]:
        return self._of(self._provider.splits, ticker, start, end)

    def dividends(self, ticker: str, start: date, end: date) -> tuple[Dividend, ...]:
        return self._of(self._provider.dividends, ticker, start, end)

    def rate(self, day: date) -> float | None:
        known = self._rates.on(day)
        return None if known is None else known.value

    def _of(
        self,
        question: Callable[[Sequence[str], date, date], Mapping[str, tuple[T, ...]]],
        ticker: str,
        start: date,
        end: date,
    ) -> tuple[T, ...]:
        with asking(Urgency.BACKGROUND):
            return question((ticker,), start, end).get(ticker, ())
