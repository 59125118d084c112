"""What the other providers say of what is about to be traded: wrong numbers of the first one lead to no proposal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine import scanning
from engine.data.live import LiveMarket
from engine.data.providers.port import Offer, RawChain
from engine.data.providers.trouble import Unreachable
from engine.model.instruments import Option, Right, Stock
from engine.model.market import Bars, Dividend, Kind, MarketSnapshot, Split
from engine.model.status import Opinion
from engine.model.trade import Context, Found, Needs, RiskLevel, Scan, Strategy
from tests import make
from tests.chains import NOW, TODAY
from tests.desk import make_world
from tests.engine.data.made_provider import EXPIRY, MadeProvider, live

D = Decimal
SHARE = Stock("AAA")
PUT = Option("AAA", EXPIRY, Right.PUT, D(90))
SOON = TODAY + timedelta(days=12)


def as_they_are(bars: Bars) -> Bars:
    return bars


@dataclass
class Liar(MadeProvider):
    """Tells the price of now rightly, but bends its history, or its option quotes by a factor."""

    name: str = "liar"
    bend: Callable[[Bars], Bars] = as_they_are
    times_options: float = 1.0

    def bars(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, Bars]:
        return {name: self.bend(bars) for name, bars in super().bars(tickers, start, end).items()}

    def chain(self, ticker: str) -> RawChain:
        raw = super().chain(ticker)
        return replace(raw, bid=raw.bid * self.times_options, ask=raw.ask * self.times_options)


def unadjusted(days: int, ratio: float) -> Callable[[Bars], Bars]:
    """The last sessions as they are, those before a split by `ratio` not adjusted for it."""

    def bend(bars: Bars) -> Bars:
        factor = np.where(np.arange(len(bars)) < len(bars) - days, ratio, 1.0)
        columns = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
        return replace(bars, **columns)

    return bend


def find(snapshot: MarketSnapshot, context: Context, params: object) -> Found:
    """Sells the 90 put of every name whose chain has one."""
    assert snapshot.chain is not None
    return Found((make.signal(ticker=snapshot.ticker, legs=(make.leg(PUT),), strategy="test", asof=NOW),))


STRATEGY = Strategy("test", "Test", RiskLevel.LOW, None, Needs(), find, lambda *_: ())


def scanned(market: LiveMarket) -> Scan:
    made = make_world({"test": STRATEGY}, universe=("AAA",))
    made.clock.now = NOW
    scan = scanning.run(replace(made.desk, market=market), "test")
    assert scan is not None
    return scan


def test_where_two_sources_say_the_same_there_is_a_proposal_without_a_word() -> None:
    with live(MadeProvider(), MadeProvider(name="other")) as it:
        (plan,) = scanned(it.market).plans
        assert "source" not in " ".join(plan.signal.against)


def test_where_there_is_one_source_only_the_card_says_of_what() -> None:
    with live(MadeProvider()) as it:
        (plan,) = scanned(it.market).plans
        assert plan.signal.against[-1] == "One source only: past prices, dividends, options."


@given(some.integers(1, 250), some.sampled_from([10.0, 0.1, 4.0, 2.0, 1.5, 0.125]), some.sampled_from(list(Kind)[:3]))
@settings(max_examples=20, deadline=None)
def test_a_history_that_is_off_never_leads_to_a_proposal(days: int, ratio: float, kind: Kind) -> None:
    with live(Liar(bend=unadjusted(days, ratio)), MadeProvider(name="other", kind=kind)) as it:
        scan = scanned(it.market)
        assert scan.plans == ()
        assert [(each.ticker, each.rule) for each in scan.rejected] == [("AAA", "second source")]
        assert f"{100 * ratio:,.2f}" in scan.rejected[0].value
        assert "other 100.00" in scan.rejected[0].value


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_history_that_is_off_as_a_whole_never_leads_to_a_proposal(factor: float) -> None:
    with live(Liar(bend=lambda bars: bars.scaled(factor)), MadeProvider(name="other")) as it:
        (rejected,) = scanned(it.market).rejected
        assert rejected.rule == "market data"
        assert "a split that is not in the history yet, or a wrong price" in rejected.value


def test_a_split_that_only_the_second_source_knows_shows_in_the_history_of_both() -> None:
    bend = unadjusted(5, 4.0)
    day = np.busday_offset(np.datetime64(TODAY, "D"), -5).astype(object)
    other = Liar(name="other", bend=bend, split={"AAA": (Split(day, D(4)),)})
    with live(Liar(bend=bend), other) as it:
        opinion = it.market.second_opinion([SHARE])
        assert "has not adjusted AAA: 400.00 before and 100.00 after the split" in " ".join(opinion.against)


def test_of_three_histories_the_one_that_most_contradict_is_left_out_and_counted() -> None:
    liar = Liar(bend=lambda bars: bars.scaled(10))
    with live(MadeProvider(), liar, MadeProvider(name="other")) as it:
        assert it.market.second_opinion([SHARE]) == Opinion()
        assert {state.name: state.dropped for state in it.market.sources()} == {"made": 0, "liar": 1, "other": 0}


def test_options_at_another_price_elsewhere_are_not_traded_and_the_shares_alone_are() -> None:
    far = Liar(name="other", kind=Kind.DELAYED, times_options=4.0)
    with live(MadeProvider(), far) as it:
        assert "made and other differ 0.25 times" in scanned(it.market).rejected[0].value
        assert it.market.second_opinion([SHARE]).against == ()


def paying(amount: str, day: date = SOON) -> dict[str, tuple[Dividend, ...]]:
    return {"AAA": (Dividend(day, D(amount)),)}


def test_two_amounts_of_a_dividend_ahead_are_a_contradiction() -> None:
    with live(MadeProvider(paid=paying("0.25")), MadeProvider(name="other", paid=paying("2.50"))) as it:
        (words,) = it.market.second_opinion([SHARE]).against
        assert "made 0.25" in words
        assert "other 2.50" in words


def test_a_dividend_that_the_first_source_does_not_know_stops_one_entry_and_is_known_from_then_on() -> None:
    with live(MadeProvider(), MadeProvider(name="other", paid=paying("0.25"))) as it:
        (words,) = it.market.second_opinion([SHARE]).against
        assert "0.25 on 02 Dec 2026; the first one tells none there" in words
        assert it.market.snapshot("AAA").dividends == paying("0.25")["AAA"]
        assert it.market.second_opinion([SHARE]) == Opinion()


def test_a_dead_second_source_is_as_if_there_were_none_and_is_asked_again_later() -> None:
    other = MadeProvider(name="other", error=Unreachable("other did not answer."))
    with live(MadeProvider(), other) as it:
        assert it.market.second_opinion([SHARE, PUT]) == Opinion(alone=("past prices", "dividends", "options"))
        other.error = None
        it.ticks.advance(700)
        assert it.market.second_opinion([SHARE, PUT]) == Opinion()


def test_the_others_are_asked_of_a_name_once_a_day_and_never_by_a_look_or_a_quote() -> None:
    other = MadeProvider(name="other", only=frozenset({Offer.BARS, Offer.DIVIDENDS, Offer.SPLITS, Offer.CHAIN}))
    with live(MadeProvider(), other) as it:
        assert it.market.snapshot("AAA").chain is not None
        assert it.market.quotes([SHARE, PUT])
        assert other.asked == []
        for _ in range(3):
            assert it.market.second_opinion([SHARE, PUT]) == Opinion()
        assert len(other.asked) == 4
        it.ticks.advance(60)
        it.market.second_opinion([SHARE, PUT])
        assert len(other.asked) == 5
