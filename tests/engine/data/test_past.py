"""Past trades through a provider: asked behind everybody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import pytest

from engine.data.budget import Urgency, urgency
from engine.data.past import ProviderPast
from engine.data.providers.port import Provider
from engine.errors import DataUnavailable
from engine.model.instruments import Option
from engine.model.market import Bars, Dividend, Split
from tests import make

START, END = date(2024, 6, 3), date(2024, 6, 28)


class Answering(Provider):
    """Notes how urgent each question was."""

    name = "alpaca"

    def __init__(self) -> None:
        self.urgencies: list[Urgency] = []

    def past_listings(
        self, ticker: str, expiries: tuple[date, date], strikes: tuple[float, float]
    ) -> tuple[Option, ...]:
        self.urgencies.append(urgency())
        return (make.put(underlying=ticker),)

    def option_bars(self, options: Sequence[Option], start: date, end: date) -> Mapping[Option, Bars]:
        self.urgencies.append(urgency())
        return {option: make.bars([1.0], option.symbol) for option in options}

    def splits(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Split, ...]]:
        self.urgencies.append(urgency())
        return {ticker: (Split(START, Decimal(2)),) for ticker in tickers}


def test_every_question_gives_way_to_more_urgent_ones() -> None:
    provider = Answering()
    past = ProviderPast(provider, START)
    (option,) = past.listed("XYZ", (START, END), (40.0, 50.0))
    assert list(past.traded([option], START, END)) == [option]
    assert past.splits("XYZ", START, END) == (Split(START, Decimal(2)),)
    assert provider.urgencies == [Urgency.BACKGROUND] * 3
    assert (past.name, past.since) == ("alpaca", START)


def test_what_the_provider_does_not_offer_is_unavailable() -> None:
    with pytest.raises(DataUnavailable):
        ProviderPast(Provider(), START).dividends("XYZ", START, END)


def test_a_ticker_without_dividends_has_none() -> None:
    class Silent(Answering):
        def dividends(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Dividend, ...]]:
            return {}

    assert ProviderPast(Silent(), START).dividends("XYZ", START, END) == ()


def test_the_rate_of_a_past_day_is_the_policy_rate_then() -> None:
    rate = ProviderPast(Provider(), START).rate(date(2024, 6, 10))
    assert rate == pytest.approx(0.055, abs=0.001)
    assert ProviderPast(Provider(), START).rate(date(1980, 1, 2)) is None
