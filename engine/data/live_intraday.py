"""The intraday bars of a live market: whole series of one feed each, kept for the day, joined by each bar as it ends.

The sessions before today are asked for once a day, many names together; today's are asked for once a bar, a minute
after it is over, of whoever gave the past. Where that one keeps silent, or reads another feed now, the whole series is
asked for anew: bars of two feeds are never put into one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import structlog

from engine.data.batches import Batched
from engine.data.budget import urgency
from engine.data.cache import LIVES, Below
from engine.data.intraday_rows import LATE, MINUTES, SESSIONS, regular_starts
from engine.data.panel import Panel
from engine.data.providers.port import Offer, Provider
from engine.errors import DataUnavailable, NotFound
from engine.model.market import IntradayBars, Kind
from engine.sessions import NEW_YORK, Sessions

log = structlog.get_logger()

TOGETHER = 20
"""Names in one question: of a month they have about 1,400 rows each, those outside of the session included."""
FEW = 5
"""Names the best provider has nothing of that the others are asked about: it costs some of them a request each."""
DEADLINE = 15.0
"""Seconds: the bars of a month come in pages."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A moment of the market: `due` is how many of today's bars are to be had."""

    today: date
    due: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """Bars as they were had at `place`; nothing is known to be missing before it."""

    place: _Place
    bars: IntradayBars


class LiveIntraday:
    """15-minute bars from a panel of providers. Safe to share between threads.

    `universe` tells the names that are asked for along with others; on the `shelf` are series asked for before.
    """

    def __init__(
        self,
        panel: Panel,
        now: Callable[[], datetime],
        sessions: Sessions,
        universe: Callable[[], tuple[str, ...]],
        tick: Callable[[], float] = time.monotonic,
        shelf: Below | None = None,
    ) -> None:
        self._panel = panel
        self._now = now
        self._sessions = sessions
        self._universe = universe
        self._tick = tick
        self._shelf = shelf
        self._kept: dict[str, _Kept] = {}
        self._of_place: tuple[_Place, Batched[str, IntradayBars]] | None = None
        self._turning = threading.Lock()

    def bars(self, ticker: str) -> IntradayBars | None:
        """The last 21 sessions and today's bars that are over; None where nobody has them.

        Raises:
            DataUnavailable: nobody answers.
        """
        return self._here().get([ticker], self._along()).get(ticker)

    def _along(self) -> tuple[str, ...]:
        """Who answers about many names at once is asked so; with the others every name is a request."""
        return self._universe() if self._has_real() else ()

    def _has_real(self) -> bool:
        return bool(self._panel.named(Offer.INTRADAY, frozenset({Kind.REAL})))

    def _here(self) -> Batched[str, IntradayBars]:
        """The answers of now: made anew with every bar that is over."""
        place = self._place()
        with self._turning:
            if self._of_place is None or self._of_place[0] != place:
                if self._of_place is not None and self._of_place[0].today != place.today:
                    self._kept.clear()
                fresh = Batched(lambda names: self._load(names, place), LIVES[Offer.INTRADAY], TOGETHER, self._tick)
                self._of_place = (place, fresh)
            return self._of_place[1]

    def _place(self) -> _Place:
        over = (self._now() - LATE).astimezone(NEW_YORK)
        today, minute = self._sessions.today(self._now()), over.hour * 60 + over.minute
        ends = (start + MINUTES for start in regular_starts(today, MINUTES, self._sessions))
        return _Place(today, sum(end <= minute for end in ends) if over.date() == today else 0)

    def _load(self, names: tuple[str, ...], place: _Place) -> Mapping[str, IntradayBars]:
        found: dict[str, IntradayBars] = {}
        old: dict[str, IntradayBars] = {}
        has_real = self._has_real()
        for name in names:
            kept = self._known(name, place)
            if kept is None:
                continue
            is_second_best = has_real and kept.bars.source.kind is not Kind.REAL
            if kept.place == place or not is_second_best:  # the best one may answer again
                (found if kept.place == place else old)[name] = kept.bars
        found |= self._joined(old, place)
        missing = tuple(name for name in names if name not in found)
        try:
            found |= self._whole(missing, place.today) if missing else {}
        except DataUnavailable as trouble:
            if not found:
                raise
            log.warning("live.no_intraday", names=missing, trouble=str(trouble))
        for name, bars in found.items():
            self._keep(name, _Kept(place, bars))
        return found

    def _known(self, name: str, place: _Place) -> _Kept | None:
        """What there is of a name since this day began, in memory or on the shelf."""
        kept = self._kept.get(name)
        if kept is None and self._shelf is not None:
            shelved = self._shelf.get(Offer.INTRADAY, name)
            kept = None if shelved is None else _Kept(_Place(place.today, -1), shelved[0])
        return kept if kept is not None and kept.place.today == place.today else None

    def _keep(self, name: str, kept: _Kept) -> None:
        before = self._kept.get(name)
        self._kept[name] = kept
        is_first = before is None or before.place.today != kept.place.today
        if self._shelf is not None and is_first:
            self._shelf.put(Offer.INTRADAY, name, kept.bars, 0.0)

    def _joined(self, old: Mapping[str, IntradayBars], place: _Place) -> dict[str, IntradayBars]:
        """Series with today's bars in them, each from whoever gave it; without those that have to be asked for anew."""
        if place.due == 0:
            return {name: bars.take(bars.day < np.datetime64(place.today, "D")) for name, bars in old.items()}
        found: dict[str, IntradayBars] = {}
        for provider in {bars.source.name.partition(" ")[0] for bars in old.values()}:
            mine = {name: bars for name, bars in old.items() if bars.source.name.partition(" ")[0] == provider}
            found |= self._joined_by(provider, mine, place.today)
        return found

    def _joined_by(self, provider: str, mine: Mapping[str, IntradayBars], today: date) -> dict[str, IntradayBars]:
        question = _question(tuple(mine), today)
        answers = self._panel.ask(Offer.INTRADAY, question, urgency(), deadline=DEADLINE, among={provider})
        if not answers.given:
            log.warning("live.no_intraday_today", provider=provider, troubles=answers.troubles)
            return {}
        told = answers.given[0].value
        made = {name: joined(bars, told.get(name), today) for name, bars in mine.items()}
        return {name: bars for name, bars in made.items() if bars is not None}

    def _whole(self, names: tuple[str, ...], today: date) -> dict[str, IntradayBars]:
        """All sessions of these names.

        Raises:
            DataUnavailable: nobody answers.
        """
        start = self._sessions.previous(today, SESSIONS)
        others = self._panel.named(Offer.INTRADAY, frozenset(Kind))
        found: dict[str, IntradayBars] = {}
        with suppress(NotFound):
            answer = self._panel.first(Offer.INTRADAY, _question(names, start), urgency(), deadline=DEADLINE)
            found |= answer.value
            others -= {answer.provider}
        missing = tuple(name for name in names if name not in found)
        if others and 0 < len(missing) <= FEW:
            answers = self._panel.ask(
                Offer.INTRADAY, _question(missing, start), urgency(), deadline=DEADLINE, among=others
            )
            for given in reversed(answers.given):
                found |= given.value
        return found


def _question(names: tuple[str, ...], start: date) -> Callable[[Provider], Mapping[str, IntradayBars]]:
    return lambda provider: provider.intraday(names, start, MINUTES)


def joined(past: IntradayBars, today: IntradayBars | None, day: date) -> IntradayBars | None:
    """The sessions before `day` of the one and the bars of `day` of the other.

    None where that cannot be: another feed, or bars that were there before are not any more.
    """
    first = np.datetime64(day, "D")
    had, before = past.of(day), past.take(past.day < first)
    if today is None:
        return None if len(had) else before
    new = today.take(today.day == first)
    if today.source != past.source or today.minutes != past.minutes or len(new) < len(had):
        return None
    columns = {name: np.concatenate([getattr(before, name), getattr(new, name)]) for name in IntradayBars.COLUMNS}
    return IntradayBars(past.ticker, past.minutes, **columns, source=past.source)
