"""Updates as they arrive: each taken once, with the age it can have at most, and handed on by what it is."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

import structlog

from bot.platforms.telegram_talk import Talk
from bot.platforms.telegram_updates import (
    A_DAY,
    Membership,
    Migrated,
    Pressed,
    Raw,
    Said,
    Update,
    age_of,
    number_of,
    read,
)
from engine.latest import Latest

log = structlog.get_logger()

REMEMBERED = 10_000


class Calm:
    """When Telegram was last asked and had nothing more for us: what comes later cannot have happened before.

    Asked, not answered: this process or the machine may have stood still between the two. On a clock that only runs
    forward, so that no change of this machine's time makes a fresh tap old or an old one fresh.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at: float | None = None

    @property
    def now(self) -> float:
        """The clock's time, to be taken before Telegram is asked."""
        return self._clock()

    def was(self, at: float) -> None:
        """Everything that had happened by then has been received."""
        self._at = at

    @property
    def gap(self) -> float:
        """Seconds since then; a day where it was never calm yet."""
        return A_DAY if self._at is None else self._clock() - self._at


class Intake:
    """Hands updates to who answers them."""

    def __init__(
        self,
        talk: Talk,
        now: Callable[[], datetime],
        max_age: float,
        moved: Callable[[str, str], Coroutine[Any, Any, None]],
        joined: Callable[[Membership], Coroutine[Any, Any, None]],
    ) -> None:
        self._talk = talk
        self._now = now
        self._max_age = max_age
        self._moved = moved
        self._joined = joined
        self._seen: Latest[int, None] = Latest(REMEMBERED)

    def take(self, raws: Iterable[Raw], gap: float) -> None:
        """Take what came together, `gap` seconds after it was last calm."""
        updates = [update for raw in raws if self._is_new(raw) and (update := read(raw)) is not None]
        late: list[Pressed] = []
        for update in updates:
            if isinstance(update, Pressed) and gap > self._max_age:
                late.append(update)
            else:
                self._hand_on(update, gap)
        late.sort(key=lambda press: press.where.chat)  # stable: in a chat they keep their order
        for _, presses in groupby(late, key=lambda press: press.where.chat):
            self._talk.late(tuple(presses), gap)

    def _hand_on(self, update: Update, gap: float) -> None:
        match update:
            case Said():
                self._talk.said(update, age_of(gap, update.at, self._now(), self._max_age))
            case Pressed():
                self._talk.pressed(update, gap)
            case Migrated():
                self._talk.aside(update.old, self._moved(update.old, update.new))
            case Membership():
                self._talk.aside(update.where.chat, self._joined(update))

    def _is_new(self, raw: Raw) -> bool:
        number = number_of(raw)
        if number is None or number in self._seen:
            log.info("telegram.update_ignored", update=number)
            return False
        self._seen[number] = None
        return True
