"""Answers of a live market below its memory: what is on disk and young enough is not asked for again after a restart.

What may be given again, and for how long, is the rule of the memory (`cache.LIVES`), counted from when it was asked.
Two kinds live by the session instead: completed bars are good for the rest of their day (those of minutes are joined by
the ones that ended since), and so is a chain read half an hour or more after the close, for nothing is quoted until the
next day.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import structlog

from engine.data import shelf_forms as forms
from engine.data.cache import LIVES
from engine.data.providers.port import Offer
from engine.data.shelf import Shelf
from engine.errors import DataInvalid
from engine.model.market import Bars
from engine.sessions import Sessions

log = structlog.get_logger()

SETTLED = timedelta(minutes=30)
"""After the close: index options trade a quarter of an hour longer, and delayed quotes are another one behind."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of answer is written and read."""

    write: Callable[[Any], forms.Written]
    read: Callable[[str, bytes], Any]


FORMS: Mapping[Offer, Form] = {
    Offer.BARS: Form(forms.write_bars, forms.read_bars),
    Offer.INTRADAY: Form(forms.write_intraday, forms.read_intraday),
    Offer.CHAIN: Form(forms.write_chain, forms.read_chain),
    Offer.LISTINGS: Form(forms.write_listings, forms.read_listings),
    Offer.FUNDAMENTALS: Form(forms.write_fundamentals, forms.read_fundamentals),
    Offer.REPORTS: Form(forms.write_reports, forms.read_reports),
}
"""What is kept. Everything else is of the moment, or cheap to ask for."""


class Shelved:
    """Answers about one name each, by question. Safe to share between threads and processes.

    `now` tells aware UTC.
    """

    def __init__(self, shelf: Shelf, now: Callable[[], datetime], sessions: Sessions) -> None:
        self._shelf = shelf
        self._now = now
        self._sessions = sessions

    def get(self, offer: Offer, key: Hashable) -> tuple[Any, float] | None:
        """An answer that may be given again and the seconds since it was asked for, or None."""
        form = FORMS.get(offer)
        if form is None or not isinstance(key, str):
            return None
        entry = self._shelf.get(offer, key)
        if entry is None or not self._is_young(offer, entry.at):
            return None
        try:
            return form.read(entry.head, entry.body), (self._now() - entry.at).total_seconds()
        except (DataInvalid, TypeError, ValueError) as error:
            log.warning("shelf.malformed", kind=offer.value, key=key, reason=str(error))
            return None

    def put(self, offer: Offer, key: Hashable, value: Any, age: float) -> None:
        """Keep an answer that was asked for `age` seconds ago, if its kind is kept; that there is none is not."""
        form = FORMS.get(offer)
        if form is None or not isinstance(key, str) or value is None:
            return
        if isinstance(value, Bars) and not self._is_whole(value):
            return
        try:
            self._shelf.put(offer, key, self._now() - timedelta(seconds=age), *form.write(value))
        except (DataInvalid, TypeError, ValueError) as error:
            log.warning("shelf.not_kept", kind=offer.value, key=key, reason=str(error))

    def _is_young(self, offer: Offer, at: datetime) -> bool:
        now = self._now()
        if at > now:
            return False
        if offer in (Offer.BARS, Offer.INTRADAY):
            return self._sessions.today(at) == self._sessions.today(now)
        return (now - at).total_seconds() < LIVES[offer] or (offer is Offer.CHAIN and self._is_after_hours(at, now))

    def _is_after_hours(self, at: datetime, now: datetime) -> bool:
        """Whether no option was quoted between the two instants of one day: `today` of a chain is a day's, too."""
        day = self._sessions.today(now)
        if self._sessions.today(at) != day:
            return False
        if not self._sessions.is_session(day):
            return True
        return now < self._sessions.open(day) or at >= self._sessions.close(day) + SETTLED

    def _is_whole(self, bars: Bars) -> bool:
        """Whether the last session is among them: what its provider does not have yet has to be asked for again."""
        last: date = self._sessions.previous(self._sessions.today(self._now()))
        return bool(len(bars)) and bool(bars.day[-1] >= np.datetime64(last, "D"))
