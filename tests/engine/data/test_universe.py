"""The universe of a live desk: who is in it and why not, what choosing costs, and what is scanned meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from engine.data.budget import Allowance, Budget
from engine.data.panel import Panel
from engine.data.providers.port import Asset, Offer, RawChain, ScreenRow
from engine.data.providers.trouble import Unreachable
from engine.data.shelf import Shelf
from engine.data.universe import AGAIN, LiveUniverse, trailing_yield
from engine.errors import NotFound
from engine.model.market import Bars, Dividend, Fundamentals, Kind, Split
from engine.screening import Filters
from tests.chains import NOW, TODAY
from tests.engine.data.made_provider import MadeProvider
from tests.ticks import Ticks

LAST = date(2026, 11, 19)
D = Decimal
LISTED = frozenset({Offer.ASSETS, Offer.BARS})


@dataclass
class Lister(MadeProvider):
    """Lists names; their median volume is `volumes`, what is unlisted has no options."""

    only: frozenset[Offer] = LISTED
    volumes: dict[str, float] = field(default_factory=dict)
    unlisted: frozenset[str] = frozenset()
    untradable: frozenset[str] = frozenset()
    caps: dict[str, int] = field(default_factory=dict)
    rows: tuple[ScreenRow, ...] = ()
    budget: Budget | None = None

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return () if self.budget is None else (self.budget,)

    def assets(self) -> Mapping[str, Asset]:
        self._known(Offer.ASSETS, [])
        return {
            name: Asset(name, name, "NYSE", name not in self.untradable, name not in self.unlisted, False)
            for name in self.prices
        }

    def screen(self) -> tuple[ScreenRow, ...]:
        self._known(Offer.SCREEN, [])
        return self.rows

    def bars(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, Bars]:
        found = super().bars(tickers, start, end)
        for name, bars in found.items():
            bars.volume[:] = self.volumes.get(name, 5e6)
        return found

    def chain(self, ticker: str) -> RawChain:
        if ticker in self.unlisted:
            self.asked.append((Offer.CHAIN, (ticker,)))
            raise NotFound(f"{ticker} has no options.")
        return super().chain(ticker)

    def fundamentals(self, ticker: str) -> Fundamentals:
        self._one(Offer.FUNDAMENTALS, ticker)
        cap = self.caps.get(ticker)
        return Fundamentals(market_cap=None if cap is None else D(cap))


@dataclass
class Desk:
    """A universe over providers, its clock and its shelf."""

    folder: Path
    providers: tuple[MadeProvider, ...]
    filters: Filters = field(default_factory=Filters)
    size: int = 100
    now: datetime = NOW
    ticks: Ticks = field(default_factory=Ticks)

    def open(self) -> LiveUniverse:
        """A new process."""
        panel = Panel(self.providers, lambda: self.now, tick=self.ticks, rng=np.random.default_rng(1))
        shelf = Shelf(self.folder, lambda: self.now)
        return LiveUniverse(panel, shelf, lambda: self.now, self.filters, self.size, self.ticks)


Made = Callable[..., Desk]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return lambda *providers, **more: Desk(tmp_path, providers, **more)


def chosen(universe: LiveUniverse, most: int = 1_000) -> LiveUniverse:
    """Look until there is nothing to do."""
    for _ in range(most):
        if not universe.look():
            return universe
    raise AssertionError("it never ends")


def lister(**more: object) -> Lister:
    prices = {"AAA": 100.0, "BBB": 50.0, "CCC": 20.0, "PENNY": 0.9, "THIN": 30.0}
    return Lister(prices=prices, volumes={"THIN": 1_000.0}, **more)  # type: ignore[arg-type]


def test_the_most_traded_names_that_pass_are_chosen(made: Made):
    universe = chosen(made(lister()).open())
    assert universe.names() == ("AAA", "BBB", "CCC")
    assert universe.words == "3 names of 19 Nov"
    assert universe.is_current


def test_why_a_name_is_out_can_be_said_with_its_number(made: Made):
    universe = chosen(made(lister(), size=2).open())
    assert universe.names() == ("AAA", "BBB")
    out = {name: universe.why(name) for name in ("AAA", "CCC", "PENNY", "THIN", "ZZZ")}
    assert {name: None if step is None else (step.rule, step.limit, step.value) for name, step in out.items()} == {
        "AAA": None,
        "CCC": ("most traded", "first 2", "place 3"),
        "PENNY": ("price", "≥ $5.00", "$0.90"),
        "THIN": ("median volume", "≥ 1,000,000", "1,000"),
        "ZZZ": None,
    }


def test_what_cannot_be_traded_or_has_no_options_is_not_looked_at(made: Made):
    maker = lister(unlisted=frozenset({"AAA"}), untradable=frozenset({"BBB"}))
    assert chosen(made(maker).open()).names() == ("CCC",)
    assert {name for offer, names in maker.asked if offer is Offer.BARS for name in names} == {"CCC", "PENNY", "THIN"}


def test_six_thousand_names_cost_thirty_requests(made: Made):
    maker = Lister(prices={f"N{n:04}": 20.0 + n / 100 for n in range(6_000)})
    assert len(chosen(made(maker, size=500).open()).names()) == 500
    assert (maker.times(Offer.ASSETS), maker.times(Offer.BARS)) == (1, 30)


def test_after_a_restart_nothing_is_asked_for_again(made: Made):
    maker = lister()
    desk = made(maker)
    first = chosen(desk.open())
    maker.asked.clear()
    again = desk.open()
    assert again.names() == first.names()
    assert again.why("PENNY") == first.why("PENNY")
    assert not again.look()
    assert maker.asked == []


def test_on_a_new_day_the_earlier_one_serves_and_says_so_until_the_next_is_ready(made: Made):
    maker = lister()
    desk = made(maker)
    chosen(desk.open())
    desk.now += timedelta(days=3)  # Monday; the last bar there is of Friday
    universe = desk.open()
    assert universe.names() == ("AAA", "BBB", "CCC")
    assert universe.words == "3 names of 19 Nov, the next one: being chosen"
    maker.prices["DDD"] = 500.0
    assert chosen(universe).names() == ("DDD", "AAA", "BBB", "CCC")
    assert universe.words == "4 names of 20 Nov"


def test_nothing_is_chosen_anew_over_a_weekend(made: Made):
    desk = made(lister())
    desk.now = datetime(2026, 11, 21, 15, tzinfo=UTC)
    chosen(desk.open())
    desk.now = datetime(2026, 11, 23, 13, tzinfo=UTC)
    assert desk.open().is_current


def test_bars_that_are_not_there_yet_choose_nothing(made: Made):
    desk = made(lister())
    chosen(desk.open())
    desk.now += timedelta(days=4)  # nobody has bars of Monday
    universe = chosen(desk.open())
    assert universe.names() == ("AAA", "BBB", "CCC")
    assert universe.words == "3 names of 19 Nov, the next one: the daily bars of 2026-11-23 are not there yet"
    assert not universe.look()
    desk.ticks.advance(AGAIN + 1)
    assert universe.look()


def test_other_rules_choose_anew(made: Made):
    desk = made(lister())
    chosen(desk.open())
    desk.filters = replace(desk.filters, least_price=60.0)
    assert chosen(desk.open()).names() == ("AAA",)


def test_rules_that_nobody_passes_are_said(made: Made):
    universe = chosen(made(lister(), filters=Filters(least_price=1e6)).open())
    assert universe.names() == ()
    assert universe.words == "not chosen yet: none of 5 names passes the rules of [universe]"


def test_a_provider_that_fails_for_a_while_costs_time_only(made: Made):
    maker = lister()
    desk = made(maker)
    universe = desk.open()
    assert universe.look()
    maker.error = Unreachable("made did not answer.")
    while universe.look():
        pass
    maker.error = None
    for _ in range(10):
        desk.ticks.advance(AGAIN * 10)
        chosen(universe)
    assert universe.names() == ("AAA", "BBB", "CCC")


def test_nobody_who_lists_names_is_said(made: Made):
    universe = chosen(made(MadeProvider(only=frozenset({Offer.BARS}))).open())
    assert universe.words == "not chosen yet: no source lists names to choose from"


def test_the_background_share_of_an_allowance_is_never_exceeded(made: Made):
    ticks = Ticks()
    budget = Budget("made", Allowance(20, 60.0), tick=ticks)
    maker = Lister(prices={f"N{n:04}": 20.0 for n in range(4_000)}, budget=budget)
    maker_asks = maker.bars

    def counted(tickers: Sequence[str], start: date, end: date) -> Mapping[str, Bars]:
        budget.take()
        return maker_asks(tickers, start, end)

    maker.bars = counted  # type: ignore[method-assign]
    universe = made(maker, ticks=ticks).open()
    for minute in range(1, 4):
        for _ in range(100):
            universe.look()
        assert maker.times(Offer.BARS) == min(10 * minute, 20)
        ticks.advance(61)
    assert universe.is_current


# Without a list of what can be traded


def rows(*names: str, **more: object) -> tuple[ScreenRow, ...]:
    return tuple(ScreenRow(name, **more) for name in names)  # type: ignore[arg-type]


def screener(*given: ScreenRow, **more: object) -> Lister:
    offers = frozenset({Offer.SCREEN, Offer.BARS, Offer.CHAIN, Offer.FUNDAMENTALS, Offer.DIVIDENDS, Offer.SPLITS})
    return lister(rows=given, only=offers, **more)


def test_without_a_list_the_most_active_names_are_measured_and_their_options_looked_for(made: Made):
    maker = screener(*rows("AAA", "BBB", "THIN"), unlisted=frozenset({"BBB"}))
    universe = chosen(made(maker).open())
    assert universe.names() == ("AAA",)
    step = universe.why("BBB")
    assert step is not None
    assert (step.rule, step.value) == ("options", "unknown")
    assert [names for offer, names in maker.asked if offer is Offer.CHAIN] == [("AAA",), ("BBB",)]


def test_company_facts_are_asked_for_only_where_a_rule_needs_them_and_until_enough_pass(made: Made):
    maker = screener(*rows("AAA", "BBB", "CCC"), caps={"AAA": 10**8, "BBB": 2 * 10**9, "CCC": 3 * 10**9})
    universe = chosen(made(maker, filters=Filters(optionable=False, market_cap=1e9), size=1).open())
    assert universe.names() == ("BBB",)
    assert [names for offer, names in maker.asked if offer is Offer.FUNDAMENTALS] == [("AAA",), ("BBB",)]
    small, beyond = universe.why("AAA"), universe.why("CCC")
    assert small is not None
    assert beyond is not None
    assert (small.value, beyond.value) == ("$100 M", "place 3")


def test_what_a_screen_says_is_not_asked_for(made: Made):
    maker = screener(*rows("AAA", "BBB", market_cap=D(2_000_000_000), is_optionable=True))
    assert chosen(made(maker, filters=Filters(market_cap=1e9)).open()).names() == ("AAA", "BBB")
    assert {offer for offer, _ in maker.asked} == {Offer.SCREEN, Offer.BARS}


def test_a_market_cap_nobody_knows_is_out(made: Made):
    universe = chosen(made(screener(*rows("AAA")), filters=Filters(optionable=False, market_cap=1e9)).open())
    assert universe.names() == ()


def test_a_yield_is_what_was_paid_in_a_year_over_the_last_close(made: Made):
    quarterly = tuple(Dividend(TODAY - timedelta(days=days), D("1")) for days in (20, 110, 200, 290, 380))
    maker = screener(*rows("AAA", "BBB"), paid={"AAA": quarterly})
    universe = chosen(made(maker, filters=Filters(optionable=False, least_yield=0.035, most_yield=0.08)).open())
    assert universe.names() == ("AAA",)
    step = universe.why("BBB")
    assert step is not None
    assert step.value == "0.00 %"


def test_a_dividend_paid_before_a_split_is_counted_in_the_shares_of_today():
    paid, split = [Dividend(date(2026, 3, 2), D("4"))], [Split(date(2026, 6, 1), D(4))]
    assert trailing_yield(paid, split, 50.0, TODAY) == pytest.approx(0.02)


def test_two_screens_know_more_than_one(made: Made):
    first = screener(*rows("AAA"))
    second = Lister(
        name="other", kind=Kind.DELAYED, rows=rows("AAA", is_optionable=True), only=frozenset({Offer.SCREEN})
    )
    assert chosen(made(first, second).open()).names() == ("AAA",)
    assert first.times(Offer.CHAIN) == 0
