"""The market over several providers: what it takes from whom, what it refuses, and how seldom it asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from engine.data.providers.port import Offer, Report
from engine.data.providers.trouble import Unreachable
from engine.errors import DataUnavailable, NotFound
from engine.model.instruments import Option, Right, Stock
from engine.model.market import Dividend, Kind, Level, Split
from tests.chains import NOW, TODAY
from tests.engine.data.made_provider import EXPIRY, MadeProvider, live

D = Decimal
DOWN = Unreachable("made did not answer.")
CALL = Option("AAA", EXPIRY, Right.CALL, D(100))


@dataclass
class Leveled(MadeProvider):
    """Knows an index too."""

    value: float = 20.0
    only: frozenset[Offer] = frozenset({Offer.LEVELS})
    known: tuple[str, ...] = ("VIX", "SPX")

    def levels(self, symbols: Sequence[str]) -> Mapping[str, Level]:
        return {symbol: Level(symbol, self.value, self.at, self.source) for symbol in symbols if symbol in self.known}


@dataclass
class Quarterly(MadeProvider):
    """Tells a report every 91 days, the next one in 30, as far as it is asked."""

    def reports(self, tickers: Iterable[str], start: date, end: date) -> Mapping[str, tuple[Report, ...]]:
        days = [TODAY + timedelta(days=30 - 91 * back) for back in range(20)]
        inside = [day for day in days if start <= day <= end]
        return {name: tuple(Report(name, day, self.source) for day in inside) for name in tickers}


def delayed(**more: object) -> MadeProvider:
    return MadeProvider(name="slow", kind=Kind.DELAYED, at=NOW - timedelta(minutes=15), **more)  # type: ignore[arg-type]


def test_a_snapshot_has_everything_and_loads_the_dear_things_once() -> None:
    made = MadeProvider(paid={"AAA": (Dividend(TODAY + timedelta(days=10), D("0.30")),)})
    with live(made) as it:
        seen = it.market.snapshot("AAA")
        assert (seen.ticker, seen.asof, seen.today) == ("AAA", NOW, TODAY)
        assert seen.spot is not None
        assert seen.spot.mid == D(100)
        assert (len(seen.bars), seen.bars.day[-1]) == (300, np.datetime64("2026-11-19"))
        assert seen.session is not None
        assert round(seen.rate, 4) == 0.0398
        assert seen.dividends == made.paid["AAA"]
        assert not {offer for offer, _ in made.asked} & {Offer.CHAIN, Offer.REPORTS, Offer.FUNDAMENTALS, Offer.NEWS}
        for _ in range(3):
            assert seen.chain is not None
            assert seen.earnings is not None
            assert seen.fundamentals is not None
            assert seen.news is not None
        assert [made.times(each) for each in (Offer.CHAIN, Offer.REPORTS, Offer.FUNDAMENTALS, Offer.NEWS)] == [1] * 4


def test_the_past_reports_reach_back_eight_quarters() -> None:
    with live(Quarterly()) as it:
        told = it.market.snapshot("AAA").earnings
        assert told is not None
        assert [report.is_ahead(TODAY) for report in told] == [*[False] * 8, True]


def test_a_scan_of_many_names_asks_in_batches() -> None:
    names = tuple(f"N{chr(65 + one)}{chr(65 + two)}" for one in range(12) for two in range(25))
    made = MadeProvider(prices=dict.fromkeys(names, 50.0))
    with live(made, names=names) as it:
        for name in names:
            assert it.market.snapshot(name).spot is not None
        assert made.times(Offer.QUOTES) == 3
        assert made.times(Offer.SESSIONS) == 3
        assert made.times(Offer.BARS) == 6
        assert made.times(Offer.DIVIDENDS) == 3


def test_delayed_quotes_are_for_looking_and_never_for_orders() -> None:
    with live(delayed()) as it:
        seen = it.market.snapshot("AAA")
        assert seen.spot is not None
        assert seen.spot.source.kind is Kind.DELAYED
        assert it.market.quotes([Stock("AAA"), CALL]) == {}


def test_the_real_one_is_taken_whatever_the_delayed_one_says() -> None:
    with live(delayed(prices={"AAA": 101.0}), MadeProvider()) as it:
        quotes = it.market.quotes([Stock("AAA"), CALL])
        assert {each: quote.source.name for each, quote in quotes.items()} == {Stock("AAA"): "made", CALL: "made"}


@pytest.mark.parametrize("factor", [10.0, 0.1, 100.0])
def test_a_price_ten_times_off_is_no_quote_and_both_numbers_are_told(factor: float) -> None:
    with live(MadeProvider(factor=factor), delayed()) as it:
        seen = it.market.snapshot("AAA")
        assert seen.spot is None
        assert it.market.quotes([Stock("AAA")]) == {}
        told = " ".join(seen.troubles)
        assert "made" in told
        assert "slow" in told
        assert "100" in told


def test_of_three_the_liar_is_dropped_and_counted() -> None:
    liar = MadeProvider(name="liar", factor=10.0)
    with live(liar, MadeProvider(name="one"), MadeProvider(name="two")) as it:
        assert it.market.quotes([Stock("AAA")])[Stock("AAA")].source.name == "one"
        dropped = {state.name: state.dropped for state in it.market.sources()}
        assert dropped == {"liar": 1, "one": 0, "two": 0}


def test_a_chain_at_another_price_than_the_shares_is_refused_and_the_next_provider_is_asked() -> None:
    liar = MadeProvider(name="liar", factor=10.0, only=frozenset({Offer.CHAIN}))
    with live(liar, MadeProvider()) as it:
        chain = it.market.chain("AAA")
        assert chain is not None
        assert chain.source.name == "made"
    without = MadeProvider(only=frozenset(Offer) - {Offer.CHAIN, Offer.LEVELS})
    with live(liar, without) as it, pytest.raises(DataUnavailable, match="liar"):
        it.market.chain("AAA")


def test_one_dead_provider_is_told_on_the_snapshot_and_the_rest_goes_on() -> None:
    dead = MadeProvider(name="dead", error=DOWN)
    with live(dead, MadeProvider()) as it:
        for _ in range(4):
            seen = it.market.snapshot("AAA")
            it.ticks.now += 10
        assert seen.spot is not None
        assert any(trouble.startswith("dead is down") for trouble in seen.troubles)
        assert [state.is_up for state in it.market.sources()] == [False, True]


def test_nobody_answering_is_said_and_is_not_an_unknown_name() -> None:
    with live(MadeProvider(error=DOWN)) as it:
        with pytest.raises(DataUnavailable, match="made did not answer"):
            it.market.snapshot("AAA")
        with pytest.raises(DataUnavailable, match="made did not answer"):
            it.market.quotes([Stock("AAA")])


def test_an_unknown_name_is_named_with_the_nearest() -> None:
    with live(MadeProvider(prices={"AAPL": 100.0}), names=("AAPL",)) as it:
        for ask in (it.market.snapshot, it.market.chain):
            with pytest.raises(NotFound, match=r"“APPL” is not known to any source\. Did you mean AAPL\?"):
                ask("APPL")


def test_quotes_for_stops_are_used_again_for_a_moment_only() -> None:
    made = MadeProvider()
    with live(made) as it:
        it.market.quotes([Stock("AAA")])
        it.market.quotes([Stock("AAA")])
        it.ticks.now += 1.5
        it.market.quotes([Stock("AAA")])
        assert made.times(Offer.QUOTES) == 2


def test_a_halt_is_seen() -> None:
    with live(MadeProvider(halted=frozenset({"AAA"}))) as it:
        assert it.market.snapshot("AAA").halted
        assert it.market.statuses(["AAA"])["AAA"].is_halted


def test_a_day_so_far_that_its_quote_contradicts_is_not_taken() -> None:
    liar = MadeProvider(name="liar", factor=10.0, only=frozenset({Offer.SESSIONS}))
    with live(liar, MadeProvider(only=frozenset(Offer) - {Offer.SESSIONS, Offer.LEVELS})) as it:
        it.market.quotes([Stock("AAA")])
        assert it.market.snapshot("AAA").session is None
        state = it.market.sources()[0]
        assert (state.name, state.dropped) == ("liar", 1)
        assert "The last price is 1,000.00, but made quotes 100.00" in state.trouble


def test_a_history_with_a_split_in_it_is_refused() -> None:
    behind = MadeProvider(split={"AAA": (Split(TODAY, D(10)),)}, prices={"AAA": 10.0})
    whole = MadeProvider(name="past", factor=1.0, only=frozenset({Offer.BARS}))
    with (
        live(whole, replace(behind, only=behind.only - {Offer.BARS})) as it,
        pytest.raises(DataUnavailable, match=r"past has not adjusted AAA: 100\.00 before and 10\.00 after the split"),
    ):
        it.market.snapshot("AAA")


def test_each_level_is_of_who_knows_it_and_one_nobody_knows_is_left_out() -> None:
    best = Leveled(name="best", value=18.0, known=("VIX",))
    slow = Leveled(name="slow", value=18.1, kind=Kind.DELAYED, known=("VIX", "VIX3M"))
    with live(best, slow) as it:
        found = it.market.levels("VIX", "VIX3M", "SPX")
    assert {name: (level.source.name, level.value) for name, level in found.items()} == {
        "VIX": ("best", 18.0),
        "VIX3M": ("slow", 18.1),
    }


def test_levels_that_contradict_each_other_are_none() -> None:
    one, other = (Leveled(name=name, value=value) for name, value in (("one", 20.0), ("other", 200.0)))
    with live(one, other) as it:
        assert it.market.levels("VIX") == {}
    with live(one) as it:
        assert it.market.levels("VIX", "SPX")["VIX"].value == 20.0


def test_a_close_is_told_as_traded_on_its_day() -> None:
    made = MadeProvider(split={"AAA": (Split(TODAY, D(2)),)})
    with live(made) as it:
        assert it.market.official_close("AAA", TODAY - timedelta(days=1)) == D(200)
        assert it.market.official_close("AAA", TODAY) is None
        assert it.market.splits_on(TODAY, ["AAA"]) == {"AAA": D(2)}


def test_a_held_name_outside_the_universe_has_its_dividends_and_splits_though_nobody_quoted_it() -> None:
    made = MadeProvider(
        prices={"AAA": 100.0, "BBB": 20.0},
        paid={"BBB": (Dividend(TODAY, D("0.25")),)},
        split={"BBB": (Split(TODAY, D(10)),)},
    )
    with live(made) as it:
        assert it.market.dividends_on(TODAY, ["BBB"]) == {"BBB": D("0.25")}
        assert it.market.splits_on(TODAY, ["BBB"]) == {"BBB": D(10)}


def test_silence_about_dividends_and_splits_is_not_none() -> None:
    made = MadeProvider(error=DOWN)
    with live(made) as it:
        for ask in (it.market.dividends_on, it.market.splits_on):
            with pytest.raises(DataUnavailable, match="made did not answer"):
                ask(TODAY, ["AAA"])
    with live(MadeProvider(only=frozenset({Offer.QUOTES, Offer.BARS}))) as it:
        assert it.market.splits_on(TODAY, ["AAA"]) == {}


def test_a_chain_counts_on_the_dividends_to_come_and_not_on_those_paid() -> None:
    paid = tuple(Dividend(TODAY - timedelta(days=days), D("0.50")) for days in (365, 274, 183, 92, 1))
    declared = Dividend(TODAY + timedelta(days=90), D("0.55"))
    with live(MadeProvider(paid={"AAA": (*paid, declared)})) as it:
        chain = it.market.chain("AAA")
    assert chain is not None
    assert chain.dividends[0] == (declared.ex_date, 0.55)
    assert chain.dividends[1] == (declared.ex_date + timedelta(days=91), 0.50)
    assert chain.dividends[-1][0] > TODAY + timedelta(days=900)


def test_names_outside_the_universe_may_be_asked_about() -> None:
    with live(MadeProvider(prices={"AAA": 100.0, "BBB": 20.0})) as it:
        assert not it.market.is_bounded
        assert it.market.universe() == ("AAA",)
        assert it.market.snapshot("BBB").spot is not None


def test_past_trades_of_options_are_there_where_somebody_knows_them() -> None:
    knows = frozenset(Offer) - {Offer.LEVELS, Offer.SCREEN}
    with live(MadeProvider(only=knows)) as it:
        assert it.market.past() is not None
    with live(MadeProvider(only=knows - {Offer.OPTION_BARS})) as it:
        assert it.market.past() is None


def test_a_name_is_not_called_unknown_while_who_may_know_it_is_silent() -> None:
    dead = MadeProvider(name="dead", error=DOWN)
    with live(dead, MadeProvider()) as it, pytest.raises(DataUnavailable, match="cannot be said now"):
        it.market.snapshot("BBB")


def test_a_snapshot_reaches_two_years_back_and_the_panel_as_far_as_the_rules_look() -> None:
    made = MadeProvider(history=700)
    with live(made) as it:
        assert len(it.market.snapshot("AAA").bars) == 560
        assert len(it.market.panel()["AAA"]) == 400
        oldest = it.market.snapshot("AAA").bars.day[0].astype(object)
    assert TODAY - oldest > timedelta(days=8 * 92 + 30)
