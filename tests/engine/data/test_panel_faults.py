"""Providers that hang, die, lie and flap: real servers on this machine, the real client, real threads.

Whatever one of them does, the price comes from the others, and nothing is taken from the one in trouble.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
import stamina
from prometheus_client import REGISTRY

from engine.data.best import SHARES, Best, best_quote
from engine.data.breaker import LONGEST_WAIT
from engine.data.budget import Allowance, Budget, Urgency
from engine.data.panel import Panel
from engine.data.providers.port import Offer, Provider
from engine.data.providers.reader import Reader
from engine.data.seat import FAILURES, WRONG_FOR
from engine.model.instruments import Stock
from engine.model.market import Kind, Quote, Source
from tests import make
from tests.contracts.provider import QUICK
from tests.engine.data.panelists import wait_for_threads
from tests.standins.provider_server import ProviderServer, Trouble, serving
from tests.ticks import Ticks

TICKERS = ("AAA", "BBB", "CCC", "DDD")
PRICE = Decimal(100)
PATIENCE = 0.3
"""Seconds a look waits; a silent server's client gives up after half a second."""
KINDS = {"alpha": Kind.REAL, "beta": Kind.INDICATIVE, "gamma": Kind.DELAYED}


class Served(Provider):
    """Quotes read from a server."""

    def __init__(self, name: str, kind: Kind, url: str) -> None:
        self.name = name
        self._kind = kind
        self._reader = Reader(name, url, Budget(name, Allowance(100_000, 60.0)), lambda: make.NOW, timeouts=QUICK)

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return {Offer.QUOTES: self._kind}

    def quotes(self, tickers: Sequence[str]) -> Mapping[str, Quote]:
        answer = self._reader.json("/quotes", {"tickers": ",".join(tickers)})
        at = make.NOW - timedelta(seconds=900 if self._kind is Kind.DELAYED else 1)
        source = Source(self.name, self._kind)
        return {
            ticker: Quote(Stock(ticker), Decimal(bid), Decimal(ask), at, source)
            for ticker, (bid, ask) in answer.items()
        }

    def close(self) -> None:
        self._reader.close()


@dataclass(frozen=True, slots=True)
class Desk:
    """Three providers on a panel."""

    panel: Panel
    servers: Mapping[str, ProviderServer]
    ticks: Ticks
    rng: np.random.Generator

    def look(self, for_orders: bool = True) -> dict[str, Best]:
        """One look at all names, as a market takes it: what is wrong is left out and told."""
        answers = self.panel.ask(Offer.QUOTES, lambda each: each.quotes(TICKERS), Urgency.SCAN, deadline=PATIENCE)
        found = {}
        for ticker in TICKERS:
            quotes = [answer.value[ticker] for answer in answers.given if ticker in answer.value]
            found[ticker] = best_quote(quotes, make.NOW, SHARES, for_orders=for_orders)
            for wrong in found[ticker].dropped:
                self.panel.drop(wrong.source.name, 1, found[ticker].words)
        return found

    def sources(self) -> set[str]:
        """Whose prices a look takes; every name has one, near the truth."""
        quotes = [best.quote for best in self.look().values()]
        assert all(quote is not None and abs(quote.mid - PRICE) < 1 for quote in quotes)
        return {quote.source.name for quote in quotes if quote is not None}

    def is_up(self, name: str) -> bool:
        """As the page, and as Prometheus, tell it."""
        states = {state.name: state.is_up for state in self.panel.states()}
        assert REGISTRY.get_sample_value("wsb_provider_up", {"provider": name}) == states[name]
        return states[name]


def prices(query: Mapping[str, str], factor: Decimal = Decimal(1)) -> tuple[int, object]:
    bid, ask = (str((PRICE + side) * factor) for side in (Decimal("-0.02"), Decimal("0.02")))
    return 200, {ticker: [bid, ask] for ticker in query["tickers"].split(",")}


@pytest.fixture
def desk() -> Iterator[Desk]:
    ticks = Ticks()
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(ProviderServer({"/quotes": prices}))) for name in KINDS}
        providers = [Served(name, kind, servers[name].url) for name, kind in KINDS.items()]
        rng = np.random.default_rng(1)
        panel = Panel(providers, lambda: make.NOW, tick=ticks, rng=rng)
        stack.callback(panel.close)
        yield Desk(panel, servers, ticks, rng)
    wait_for_threads(*KINDS)


def test_all_well_takes_the_best_entitled_and_all_are_up(desk: Desk):
    assert desk.sources() == {"alpha"}
    assert all(desk.is_up(name) for name in KINDS)


@pytest.mark.parametrize("trouble", ["silence", "500", "html", "truncated", "half json", "nothing", "401"])
def test_the_rest_go_on_whatever_the_best_one_does(desk: Desk, trouble: str):
    desk.servers["alpha"].fail(trouble)
    for _ in range(FAILURES + 2):
        assert desk.sources() == {"beta"}
    assert not desk.is_up("alpha")
    assert desk.is_up("beta")


def test_a_hanging_provider_costs_its_patience_a_few_times_and_then_nothing(desk: Desk):
    desk.servers["alpha"].fail("silence")
    for _ in range(FAILURES):
        desk.look()
    started = time.monotonic()
    for _ in range(10):
        assert desk.sources() == {"beta"}
    assert time.monotonic() - started < 10 * PATIENCE / 2


def test_fifty_who_look_at_once_are_held_up_no_longer_than_one(desk: Desk):
    desk.servers["alpha"].fail("silence")
    started = time.monotonic()
    with ThreadPoolExecutor(50) as people:
        looks = list(people.map(lambda _: desk.look(), range(50)))
    assert time.monotonic() - started < 20 * PATIENCE
    quotes = [best.quote for look in looks for best in look.values()]
    assert {quote.source.name for quote in quotes if quote is not None} <= {"beta"}
    assert not desk.is_up("alpha")


def test_one_that_is_dead_for_an_hour_is_tried_rarely_and_taken_back(desk: Desk):
    server = desk.servers["alpha"]
    server.fail("503")
    alone = Panel([Served("alpha", Kind.REAL, server.url)], lambda: make.NOW, tick=desk.ticks, rng=desk.rng)
    dead = Desk(alone, desk.servers, desk.ticks, desk.rng)
    with stamina.set_testing(True, attempts=1):
        for _ in range(360):
            assert all(best.quote is None for best in dead.look().values())
            desk.ticks.advance(10)
    assert FAILURES + 8 <= len(server.asked) <= FAILURES + 6 + 3600 / (LONGEST_WAIT * 0.75)
    assert not dead.is_up("alpha")
    server.heal()
    desk.ticks.advance(LONGEST_WAIT)
    assert dead.sources() == {"alpha"}
    assert dead.is_up("alpha")
    alone.close()


@pytest.mark.parametrize("factor", ["10", "100", "0.1", "0.01", "1.5"])
def test_a_liar_is_never_taken_and_is_told(desk: Desk, factor: str):
    liar = ProviderServer({"/quotes": lambda query: prices(query, Decimal(factor))})
    with serving(liar):
        providers = [Served("alpha", Kind.REAL, liar.url)]
        providers += [Served(name, KINDS[name], desk.servers[name].url) for name in ("beta", "gamma")]
        panel = Panel(providers, lambda: make.NOW, tick=desk.ticks, rng=desk.rng)
        lied_to = Desk(panel, desk.servers, desk.ticks, desk.rng)
        if factor == "1.5":  # what a delayed price may have done: the two that are of now contradict each other
            looks = lied_to.look().values()
            assert all(best.quote is None and "contradict each other" in best.words for best in looks)
        else:
            assert lied_to.sources() == {"beta"}
            assert not lied_to.is_up("alpha")
            assert "far from beta" in panel.states()[0].trouble
            desk.ticks.advance(WRONG_FOR)
            assert lied_to.is_up("alpha")
        panel.close()


def test_a_liar_alone_with_a_delayed_witness_prices_no_order(desk: Desk):
    desk.servers["beta"].fail("500")
    desk.servers["alpha"].fail(Trouble(200, prices({"tickers": ",".join(TICKERS)}, Decimal(10))[1]))
    for best in desk.look().values():
        assert best.quote is None
        assert "alpha 1,000.00" in best.words
        assert "gamma 100.00" in best.words


def test_one_that_flaps_is_taken_when_it_answers_and_missed_when_it_does_not(desk: Desk):
    for turn in range(8):
        desk.servers["alpha"].fail("500") if turn % 2 else desk.servers["alpha"].heal()
        assert desk.sources() == ({"beta"} if turn % 2 else {"alpha"})


def test_when_all_are_dead_nothing_is_made_up(desk: Desk):
    for server in desk.servers.values():
        server.fail("500")
    assert all(best.quote is None for best in desk.look(for_orders=False).values())
    answers = desk.panel.ask(Offer.QUOTES, lambda each: each.quotes(TICKERS), Urgency.SCAN, deadline=PATIENCE)
    assert answers.given == ()
    assert len(answers.troubles) == len(KINDS)
