"""The options of a live market: whole chains from the best provider that makes sense, and quotes of contracts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from engine.data.batches import Batched, Lately
from engine.data.best import OPTIONS, Best, best_quote
from engine.data.budget import Urgency, urgency
from engine.data.cache import Cache
from engine.data.chain_build import Built, Market, build
from engine.data.live_shares import ALONG_FOR, ORDER_GRADE, QUICK, QUOTE_LIFE, TOGETHER, held
from engine.data.panel import Panel
from engine.data.providers.port import Listings, Offer, Provider
from engine.errors import DataUnavailable, NotFound
from engine.latest import Latest
from engine.model.instruments import Option
from engine.model.market import Quote

log = structlog.get_logger()

REMEMBERED = 5_000
"""Contracts whose last quote is held against the next; those that ended are forgotten in time."""
CHAIN_DEADLINE = 15.0
"""Seconds: a chain of thousands of contracts comes in pages."""


class LiveOptions:
    """Options of a panel of providers. Safe to share between threads.

    `market` tells what a chain is read with: the spot, rates and dividends of an underlying; `spot` the last
    price of its shares that an order could be priced on.
    """

    def __init__(
        self,
        panel: Panel,
        cache: Cache,
        now: Callable[[], datetime],
        market: Callable[[str], Market],
        tick: Callable[[], float] = time.monotonic,
        spot: Callable[[str], float | None] = lambda ticker: None,
    ) -> None:
        self._panel = panel
        self._cache = cache
        self._now = now
        self._market = market
        self._spot = spot
        self._last: Latest[Option, tuple[Quote, float | None]] = Latest(REMEMBERED)
        self._wanted: Lately[Option] = Lately(ALONG_FOR, tick)
        self._quotes: Batched[Option, Best] = Batched(self._load_quotes, QUOTE_LIFE, TOGETHER, tick)

    def built(self, ticker: str) -> Built | None:
        """The chain with what is known of its making; None for a name without listed options.

        Raises:
            DataUnavailable: no provider's answer makes sense; the message says why.
        """
        if not self._panel.offers(Offer.CHAIN):
            raise DataUnavailable("No source of option chains is configured.")
        return self._cache.get(Offer.CHAIN, ticker, lambda: self._build(ticker))

    def quotes(self, options: Collection[Option]) -> dict[Option, Quote]:
        """Quotes an order may be priced on; one that contradicts another, or the one before, is left out.

        Where nobody bids, or bid and ask are far apart, that is told too: whoever trades has rules about it.
        """
        if not options:
            return {}
        found = self._quotes.get(options, self._wanted.add(options))
        best = ((option, each.quote or each.poor) for option, each in found.items())
        return {option: quote for option, quote in best if quote is not None}

    def listings(self, ticker: str) -> Listings | None:
        """The contracts that can be traded, None where nobody lists them now."""
        if not self._panel.offers(Offer.LISTINGS):
            return None
        try:
            return self._cache.get(
                Offer.LISTINGS,
                ticker,
                lambda: (
                    self._panel.first(
                        Offer.LISTINGS, lambda each: each.listings(ticker), urgency(), deadline=CHAIN_DEADLINE
                    ).value
                ),
            )
        except (DataUnavailable, NotFound) as trouble:
            log.warning("live.no_listings", ticker=ticker, trouble=str(trouble))
            return None

    def _build(self, ticker: str) -> Built | None:
        market, listed = self._market(ticker), self.listings(ticker)

        def answer(provider: Provider) -> Built | None:
            raw = provider.chain(ticker)
            return build(raw, market, listed) if len(raw) else None

        try:
            return self._panel.first(Offer.CHAIN, answer, urgency(), deadline=CHAIN_DEADLINE).value
        except NotFound:
            return None

    def _load_quotes(self, options: tuple[Option, ...]) -> Mapping[Option, Best]:
        fit = self._panel.named(Offer.OPTION_QUOTES, ORDER_GRADE)
        if not fit:
            return {}
        answers = self._panel.ask(Offer.OPTION_QUOTES, _quotes(options), Urgency.ORDER, deadline=QUICK, among=fit)
        if not answers.given and answers.troubles:
            raise DataUnavailable(" ".join(answers.troubles))
        found = {}
        for option in options:
            quotes = tuple(answer.value[option] for answer in answers.given if option in answer.value)
            if quotes:
                found[option] = self._best(option, quotes)
                for dropped in found[option].dropped:
                    self._panel.drop(dropped.source.name, 1, found[option].words)
        return found

    def _best(self, option: Option, quotes: tuple[Quote, ...]) -> Best:
        """The quote to take, held against the one taken before: what the shares have moved since explains as much."""
        spot = self._spot(option.underlying)
        last, spot_then = self._last.get(option, (None, None))
        moved = 0.0 if spot is None or spot_then is None else abs(spot - spot_then) / float(option.strike)
        rules = replace(OPTIONS, far_strike=OPTIONS.far_strike + moved)
        best = best_quote((*quotes, *held(last, self._now())), self._now(), rules, for_orders=True)
        if best.quote is not None:
            self._last[option] = best.quote, spot
        return best


def _quotes(options: Sequence[Option]) -> Callable[[Provider], Mapping[Option, Quote]]:
    return lambda provider: provider.option_quotes(options)
