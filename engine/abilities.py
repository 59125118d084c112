"""What a broker was found to take, remembered over restarts: a yes for good, a no for thirty days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from engine.ports import Ability
from engine.store import Store

FORGOTTEN_AFTER = timedelta(days=30)
"""How long a refusal counts: brokers learn, so it is tried again then."""


class AbilityMemory:
    """Settings of the store, one for each ability of one broker's account."""

    def __init__(self, store: Store, now: Callable[[], datetime], broker: str) -> None:
        self._store = store
        self._now = now
        self._broker = broker

    def recall(self) -> dict[Ability, bool]:
        """Ability -> whether such orders were taken; those not found out, or long ago refused, are not in it."""
        names = {self._name(ability): ability for ability in Ability}
        with self._store.read() as work:
            kept = {setting.name: setting for setting in work.settings() if setting.name in names}
        oldest = self._now() - FORGOTTEN_AFTER
        return {
            names[name]: setting.value == "yes"
            for name, setting in kept.items()
            if setting.value == "yes" or setting.set_at >= oldest
        }

    def keep(self, ability: Ability, taken: bool) -> None:
        """Write down what an order has shown."""
        with self._store.begin() as work:
            work.set_setting(self._name(ability), "yes" if taken else "no", "desk", self._now())

    def _name(self, ability: Ability) -> str:
        return f"ability:{self._broker}:{ability.name.lower()}"
