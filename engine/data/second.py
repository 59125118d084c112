"""What the other providers say of the few names that are about to be traded, held against the first one's numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import TypeVar

import structlog

from engine.data.budget import urgency
from engine.data.cache import Cache
from engine.data.facts import ONE_EX_DATE, Merged, differing, merge_dividends, merge_splits
from engine.data.live_shares import ACTIONS_AHEAD, ACTIONS_BACK
from engine.data.panel import Answer, Panel
from engine.data.peers import bars_against, bars_trouble, chain_against, settled
from engine.data.providers.port import Offer, Provider, RawChain
from engine.errors import DataUnavailable
from engine.model.market import Bars, Chain, Dividend, Kind, Source, Split
from engine.model.status import Opinion

log = structlog.get_logger()
T = TypeVar("T")

FACTS, CHAINS = 3.0, 6.0
"""Seconds the others have for a history or corporate actions, and for a chain: a person may be waiting."""
ALL = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Ours:
    """What is known of one name without asking the others; `price` now (NaN: not known).

    None for what it does not have, or what the trade does not rest on.
    """

    ticker: str
    today: date
    price: float
    bars: Bars | None = None
    dividends: tuple[Dividend, ...] | None = None
    chain: Chain | None = None


class SecondSources:
    """The other providers of a panel, asked about one name at a time. Safe to share between threads.

    What they say is kept as long as its kind holds: history for the day, a chain for less than a minute.
    """

    def __init__(self, panel: Panel, cache: Cache) -> None:
        self._panel = panel
        self._cache = cache
        self._dividends: dict[str, tuple[date, tuple[Dividend, ...]]] = {}

    def opinion(self, ours: Ours) -> Opinion:
        """What speaks against our numbers, and which of them nobody else tells in time."""
        found = []
        if ours.bars is not None and len(ours.bars):
            found.append(self._of_bars(ours, ours.bars))
        if ours.dividends is not None:
            found.append(self._of_dividends(ours, ours.dividends))
        if ours.chain is not None:
            found.append(self._of_chain(ours.chain))
        return Opinion(
            tuple(words for each in found for words in each.against),
            tuple(what for each in found for what in each.alone),
        )

    def dividends(self, ticker: str, today: date) -> tuple[Dividend, ...] | None:
        """A name's dividends by all sources together, as paid; None where they were not asked today."""
        known = self._dividends.get(ticker)
        return known[1] if known is not None and known[0] == today else None

    def _of_chain(self, chain: Chain) -> Opinion:
        def chains(provider: Provider) -> Chain | RawChain:
            return provider.chain(chain.underlying)

        asked = self._ask(Offer.CHAIN, chain.underlying, self._others(Offer.CHAIN, chain.source), chains)
        mine: Answer[Chain | RawChain] = Answer(chain.source.name, chain.source.kind, chain)
        peers = [each for each in asked if len(each.value)]
        words = self._against(mine, peers, lambda _: "", chain_against)
        return Opinion(words, () if peers else ("options",))

    def _of_bars(self, ours: Ours, bars: Bars) -> Opinion:
        start, end = bars.day[0].astype(object), ours.today - timedelta(days=1)

        def histories(provider: Provider) -> Mapping[str, Bars]:
            return provider.bars([ours.ticker], start, end)

        others = self._others(Offer.BARS, bars.source)
        asked = self._ask(Offer.BARS, (ours.ticker, ours.today), others, histories)
        splits = self._splits(ours)
        alone = partial(bars_trouble, splits=splits.value, today=ours.today, price=ours.price)
        peers = _about(ours.ticker, asked)
        words = self._against(Answer(bars.source.name, bars.source.kind, bars), peers, alone, bars_against)
        return Opinion((*words, *splits.words), () if peers else ("past prices",))

    def _splits(self, ours: Ours) -> Merged[tuple[Split, ...]]:
        """All splits that anybody knows; words only about those of these days: an older one shows in the history."""
        start, end = ours.today - ACTIONS_BACK, ours.today + ACTIONS_AHEAD

        def splits(provider: Provider) -> Mapping[str, Sequence[Split]]:
            return provider.splits([ours.ticker], start, end)

        asked = self._ask(Offer.SPLITS, (ours.ticker, ours.today), self._panel.named(Offer.SPLITS, ALL), splits, 2)
        told = {each.provider: each.value for each in _about(ours.ticker, asked)}
        fresh = {
            name: [each for each in said if each.ex_date >= ours.today - ONE_EX_DATE] for name, said in told.items()
        }
        return Merged(merge_splits(told, ours.today).value, merge_splits(fresh, ours.today).words)

    def _of_dividends(self, ours: Ours, known: tuple[Dividend, ...]) -> Opinion:
        start, end = ours.today - ACTIONS_BACK, ours.today + ACTIONS_AHEAD

        def dividends(provider: Provider) -> Mapping[str, Sequence[Dividend]]:
            return provider.dividends([ours.ticker], start, end)

        everybody = self._panel.named(Offer.DIVIDENDS, ALL)
        asked = self._ask(Offer.DIVIDENDS, (ours.ticker, ours.today), everybody, dividends, 2)
        told = {each.provider: each.value for each in _about(ours.ticker, asked)}
        if len(told) < 2:
            return Opinion(alone=("dividends",))
        merged = merge_dividends(told, ours.today).value
        self._dividends[ours.ticker] = (ours.today, merged)
        ahead = {name: [each for each in said if each.ex_date > ours.today] for name, said in told.items()}
        words = merge_dividends(ahead, ours.today).words
        return Opinion(words or differing(ours.ticker, known, merged, ours.today))

    def _against(
        self,
        mine: Answer[T],
        peers: Sequence[Answer[T]],
        alone: Callable[[T], str],
        beside: Callable[[T, T], str],
    ) -> tuple[str, ...]:
        """Why ours is not the answer to take, empty where it is; who is outvoted is put on its provider's record."""
        found = settled([mine, *peers], alone, beside)
        for provider, words in found.dropped:
            self._panel.drop(provider, 1, words)
        return () if found.answer is mine else (found.words,)

    def _others(self, offer: Offer, source: Source) -> frozenset[str]:
        return self._panel.named(offer, ALL) - {source.name}

    def _ask(
        self, offer: Offer, key: Hashable, among: Collection[str], call: Callable[[Provider], T], enough: int = 1
    ) -> tuple[Answer[T], ...]:
        """The answers of those named; kept unless fewer than `enough` answered because of trouble."""

        def load() -> tuple[Answer[T], ...]:
            seconds = CHAINS if offer is Offer.CHAIN else FACTS
            answers = self._panel.ask(offer, call, urgency(), deadline=seconds, among=among)
            if len(answers.given) < enough and answers.troubles:
                raise DataUnavailable(" ".join(answers.troubles))
            return answers.given

        try:
            return self._cache.get(offer, ("others", key), load)
        except DataUnavailable as trouble:
            log.warning("live.no_second_source", offer=offer.value, about=str(key), trouble=str(trouble))
            return ()


def _about(ticker: str, asked: Sequence[Answer[Mapping[str, T]]]) -> list[Answer[T]]:
    return [Answer(each.provider, each.kind, each.value[ticker]) for each in asked if ticker in each.value]
