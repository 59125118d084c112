"""Past trades through a provider: asked behind everybody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from engine.data.budget import Urgency, urgency
from engine.data.panel import Panel
from engine.data.past import PanelPast
from engine.data.providers.port import Offer, Provider
from engine.data.providers.trouble import Unreachable
from engine.errors import DataUnavailable
from engine.model.instruments import Option
from engine.model.market import Bars, Dividend, Kind, Split
from tests import make

START, END = date(2024, 6, 3), date(2024, 6, 28)


class Answering(Provider):
    """Notes how urgent each question was."""

    name = "alpaca"

    def __init__(self) -> None:
        self.urgencies: list[Urgency] = []

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return dict.fromkeys((Offer.PAST_LISTINGS, Offer.OPTION_BARS, Offer.SPLITS, Offer.DIVIDENDS), Kind.REAL)

    def dividends(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Dividend, ...]]:
        self.urgencies.append(urgency())
        return dict.fromkeys(tickers, ())

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


@contextmanager
def panel(*providers: Provider) -> Iterator[Panel]:
    made = Panel(providers, lambda: make.NOW, rng=np.random.default_rng(1))
    yield made
    made.close()


def test_every_question_gives_way_to_more_urgent_ones() -> None:
    provider = Answering()
    with panel(provider) as asked:
        past = PanelPast(asked, START)
        (option,) = past.listed("XYZ", (START, END), (40.0, 50.0))
        assert list(past.traded([option], START, END)) == [option]
        assert past.splits("XYZ", START, END) == (Split(START, Decimal(2)),)
        assert past.dividends("XYZ", START, END) == ()
    assert provider.urgencies == [Urgency.BACKGROUND] * 4
    assert past.since == START


def test_what_nobody_offers_is_unavailable() -> None:
    with panel() as asked, pytest.raises(DataUnavailable):
        PanelPast(asked).listed("XYZ", (START, END), (40.0, 50.0))


def test_another_provider_is_asked_where_one_is_down() -> None:
    class Down(Answering):
        name = "down"

        def option_bars(self, options: Sequence[Option], start: date, end: date) -> Mapping[Option, Bars]:
            raise Unreachable("down did not answer.")

    with panel(Down(), Answering()) as asked:
        assert len(PanelPast(asked).traded([make.put()], START, END)) == 1


def test_the_rate_of_a_past_day_is_the_policy_rate_then() -> None:
    with panel() as asked:
        assert PanelPast(asked).rate(date(2024, 6, 10)) == pytest.approx(0.055, abs=0.001)
        assert PanelPast(asked).rate(date(1980, 1, 2)) is None
