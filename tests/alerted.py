"""Rules that read what a test says, looked at again and again on a real store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from alerts import alerting
from alerts.findings import Finding, Rule
from alerts.routes import OF_ALERT
from engine.model.alerts import Alert, AlertState
from engine.model.events import Event, EventKind, Severity
from tests import make
from tests.desk import World, make_world

Values = Mapping[str, float | None]
"""By subject."""


def reads(name: str) -> Callable[[Mapping[str, Values]], Iterable[Finding]]:
    def read(facts: Mapping[str, Values]) -> Iterable[Finding]:
        for subject, value in facts.get(name, {}).items():
            yield Finding(subject, value, f"{subject or 'It'} is at {value}.", ticker=subject[:3])

    return read


def rule(name: str = "stop_near", **more: Any) -> Rule[Mapping[str, Values]]:
    given: dict[str, Any] = {"title": name.replace("_", " ").capitalize(), "severity": Severity.WARNING}
    return Rule(name, read=reads(name), **(given | {"fires": 1.0, "clears": 0.8} | more))


@dataclass
class Watched:
    """A world whose rules are looked at again and again."""

    rules: tuple[Rule[Mapping[str, Values]], ...]
    world: World = field(default_factory=make_world)

    def look(self, values: Values | None = None, minutes: float = 1, **facts: Values) -> tuple[Alert, ...]:
        """One look, `minutes` after the last; `values` are what the first rule reads."""
        self.world.clock.advance(minutes=minutes)
        first = {} if values is None else {self.rules[0].name: values}
        return alerting.look(self.world.desk, self.rules, first | facts)

    @property
    def told(self) -> list[Event]:
        return self.world.events(*OF_ALERT)

    @property
    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.told]

    @property
    def sounds(self) -> list[Event]:
        return [event for event in self.told if event.severity is not Severity.INFO]


def watched(*rules: Rule[Mapping[str, Values]]) -> Watched:
    return Watched(rules or (rule(),))


def many(number: int, value: float = 1.1) -> dict[str, float | None]:
    return {f"P{each:05}": value for each in range(number)}


def alert(id: str = "N00012", **more: Any) -> Alert:
    """A stop that is near, told a quarter of an hour ago on a card of its own and answered by nobody yet."""
    at = make.NOW - timedelta(minutes=15)
    known = Alert(
        id,
        "stop_near",
        "P00001",
        Severity.WARNING,
        AlertState.FIRING,
        at,
        at,
        title="Stop near",
        ticker="XYZ",
        value=0.88,
        words="2 × XYZ 44 put: worth -1.95 a share, stop at -2.06; 12 % of the way to the stop is left.",
        advice="The desk closes it at the stop. Close or roll it now if you want something else.",
        told_at=at,
        card=id,
        version=1,
        sounded=1,
    )
    return replace(known, **more)


def waiting_alert(world: World, **more: Any) -> Alert:
    """`alert`, in the store."""
    with world.store.begin() as work:
        work.save_alerts([alert(**more)])
    return alert(**more)
