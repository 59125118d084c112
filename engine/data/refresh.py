"""Chains, reports and company facts kept fresh in the background, the most useful first.

What is held comes before what is proposed, then the names whose price and volume rules fire today, then everything else
by age and, where that is equal, by the dollars that change hands. Nothing is asked for that would have to wait: while
the background's share of an allowance (half of it) is used up, this gives way. Open interest comes with the chains.

How long a round over 500 names takes where a chain is four requests (three pages of 1,000 contracts and, once in six
hours, the contracts with their open interest):

- Alpaca Basic, 200 a minute: the background has 100, so that a round is 500 x 3 / 100 = 15 minutes, the first one of a
  morning 20. A scan takes chains of the last minute only (strategies refuse older quotes), so what matters are the 25
  to 30 names in front that are asked for anew within that minute.
- Algo Trader Plus, 10,000 a minute: the allowance is no bound any more, the one thread is. At 0.2 s a request a round
  is 500 x 3 x 0.2 s = 5 minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import structlog

from engine.data.budget import Urgency
from engine.data.cache import LIVES
from engine.data.panel import Panel
from engine.data.providers.port import Offer
from engine.data.shelved import SETTLED
from engine.desk import Desk
from engine.errors import DataError, NotFound
from engine.model.market import Bars
from engine.scanning import with_session
from engine.sessions import Sessions

log = structlog.get_logger()

TURN = timedelta(seconds=5)
"""How long one look asks on."""
AGAIN = timedelta(minutes=2)
"""After a failure until the same is asked again."""
NOTHING = timedelta(hours=1)
"""The same where nobody has an answer: a fund has no reports."""
FIRING_EVERY = timedelta(minutes=5)
REQUESTS = {Offer.CHAIN: 4, Offer.REPORTS: 1, Offer.FUNDAMENTALS: 1}
"""What is kept fresh, and the requests there must be room for: a chain that stops half-way has cost its pages."""


class Asked(Protocol):
    """The market whose answers are kept fresh; what it gives is of no interest here."""

    def chain(self, ticker: str) -> object:
        """All listed options of a name."""

    def earnings(self, ticker: str) -> object:
        """Its reports; None where nobody answers."""

    def fundamentals(self, ticker: str) -> object:
        """Its company's facts; None where nobody answers."""


@dataclass(slots=True)
class Refresher:
    """Asks one question after the other while there is room. `now` tells aware UTC.

    `useful` gives groups of names, the most useful group first; inside a group age decides, then the order given.
    """

    market: Asked
    panel: Panel
    now: Callable[[], datetime]
    useful: Callable[[], tuple[tuple[str, ...], ...]]
    sessions: Sessions = field(default_factory=Sessions)
    _asked: dict[tuple[Offer, str], datetime] = field(default_factory=dict)
    _again: dict[tuple[Offer, str], datetime] = field(default_factory=dict)

    def look(self) -> int:
        """Ask until nothing is due, nothing may be asked or the turn is over; how many were asked about."""
        until, count = self.now() + TURN, 0
        groups = self.useful()
        self._forget(groups)
        while self.now() < until and (asked := sum(self._take(offer, groups) for offer in REQUESTS)):
            count += asked
        return count

    def _take(self, offer: Offer, groups: tuple[tuple[str, ...], ...]) -> int:
        """One question of a kind, if there is room for it; how many were asked."""
        if not self.panel.offers(offer) or self._wait(offer) > 0:
            return 0
        name = self._next(offer, groups)
        if name is None:
            return 0
        ask = {
            Offer.CHAIN: self.market.chain,
            Offer.REPORTS: self.market.earnings,
            Offer.FUNDAMENTALS: self.market.fundamentals,
        }
        place = (offer, name)
        self._again.pop(place, None)
        try:
            if ask[offer](name) is None:
                self._again[place] = self.now() + NOTHING
        except (DataError, NotFound) as trouble:
            self._again[place] = self.now() + AGAIN
            log.info("refresh.none", kind=offer.value, ticker=name, trouble=str(trouble))
        self._asked[place] = self.now()
        return 1

    def _wait(self, offer: Offer) -> float:
        """Chains are the best provider's; of reports and facts everybody's word counts, who has no room spoils them."""
        wait = self.panel.wait if offer is Offer.CHAIN else self.panel.wait_for_all
        return wait(offer, Urgency.BACKGROUND, REQUESTS[offer])

    def _next(self, offer: Offer, groups: tuple[tuple[str, ...], ...]) -> str | None:
        """The name to ask about: of the first group with one that is due, the one asked about longest ago."""
        now = self.now()
        since = self._fresh_since(offer, now)
        never = datetime.min.replace(tzinfo=now.tzinfo)
        for group in groups:
            due = [name for name in group if self._is_due((offer, name), since, now)]
            if due:
                return min(due, key=lambda name: self._asked.get((offer, name), never))
        return None

    def _is_due(self, place: tuple[Offer, str], since: datetime, now: datetime) -> bool:
        again, asked = self._again.get(place), self._asked.get(place)
        if asked is None or asked > now:
            return True
        return asked <= since if again is None else now >= again

    def _fresh_since(self, offer: Offer, now: datetime) -> datetime:
        """What was asked later than this is fresh: a chain is while nothing was quoted since."""
        since = now - timedelta(seconds=LIVES[offer])
        if offer is not Offer.CHAIN or self.sessions.is_open(now):
            return since
        day = self.sessions.today(now)
        if not (self.sessions.is_session(day) and now >= self.sessions.close(day) + SETTLED):
            day = self.sessions.previous(day)
        return self.sessions.close(day) + SETTLED

    def _forget(self, groups: tuple[tuple[str, ...], ...]) -> None:
        """Names that are of no interest any more."""
        names = {name for group in groups for name in group}
        for known in (self._asked, self._again):
            for place in [place for place in known if place[1] not in names]:
                del known[place]


@dataclass(slots=True)
class MostUseful:
    """The names a desk is likely to need next, in groups: held, proposed, firing, the rest of the universe.

    `liquid` gives the universe, the most traded first.
    """

    desk: Desk
    liquid: Callable[[], tuple[str, ...]]
    _fired: tuple[str, ...] = ()
    _fired_at: datetime | None = None

    def __call__(self) -> tuple[tuple[str, ...], ...]:
        """Every name once, in the first group it belongs to."""
        with self.desk.store.read() as work:
            held = tuple(sorted({position.ticker for position in work.open_positions()}))
            proposed = tuple(dict.fromkeys(each.plan.signal.ticker for each in work.pending_approvals()))
        return tuple(_once((held, proposed, self._firing(), self.liquid())))

    def _firing(self) -> tuple[str, ...]:
        """The names on which the price and volume rules of a strategy hold today; looked at every five minutes."""
        now = self.desk.now()
        if not self.desk.sessions.is_open(now):
            return ()
        if self._fired_at is None or not timedelta() <= now - self._fired_at < FIRING_EVERY:
            self._fired_at, self._fired = now, firing(self.desk, self.liquid())
        return self._fired


def firing(desk: Desk, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` whose bars, today's so far among them, pass the `screen` of an enabled strategy."""
    with desk.store.read() as work:
        enabled = [each for name, each in desk.strategies.items() if each.screen is not None and work.is_enabled(name)]
    if not enabled:
        return ()
    panel = dict(_panel(desk, names))
    hits: list[Mapping[str, np.ndarray]] = [each.screen(panel, each.params) for each in enabled if each.screen]
    return tuple(name for name in panel if any(len(hit.get(name, ())) and hit[name][-1] for hit in hits))


def _panel(desk: Desk, names: Iterable[str]) -> Iterator[tuple[str, Bars]]:
    for name in names:
        try:
            yield name, with_session(desk.market.snapshot(name))
        except (DataError, NotFound) as trouble:
            log.debug("refresh.no_prices", ticker=name, trouble=str(trouble))


def _once(groups: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The groups, each name in the first one only."""
    seen: set[str] = set()
    for group in groups:
        yield tuple(name for name in dict.fromkeys(group) if name not in seen)
        seen.update(group)
