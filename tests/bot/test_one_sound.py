"""An outage as people hear it: one sound at its beginning, however much of the desk fails meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from alerts.facts import Process
from alerts.jobs import Job
from alerts.routes import Channels, routes
from alerts.rules.thresholds import Thresholds
from alerts.runner import Runner
from alerts.schedules import Always
from bot.alert_jobs import alert_jobs
from bot.jobs import desk_jobs
from bot.loops import Desks, works
from bot.runtime import Loop, Troubles
from engine.errors import BrokerUnavailable
from engine.model.book import Account, Holding
from engine.model.events import Event, EventKind, Severity
from engine.model.orders import Activity, Fill, Order
from engine.ports import SourceState
from tests import make
from tests.alerts.watched import PUT, put, watched
from tests.desk import FakeBroker, World, propose, tap

TICK = 5
"""Seconds between two looks of every loop."""
CHANNELS = Channels(("telegram:group",), {}, urgent=("telegram:ann",))


@dataclass
class AwayBroker(FakeBroker):
    """A broker that gives no answer at all while it is away."""

    puts: int = 1
    is_away: bool = False
    are_activities_away: bool = False

    def _asked(self) -> None:
        if self.is_away:
            raise BrokerUnavailable("Alpaca cannot answer now.")

    def account(self) -> Account:
        self._asked()
        return super().account()

    def holdings(self) -> tuple[Holding, ...]:
        self._asked()
        return (Holding(PUT, -2 * self.puts, Decimal("1.03")),)

    def find(self, order: Order) -> Order | None:
        self._asked()
        return super().find(order)

    def working(self, orders: Iterable[Order]) -> Mapping[str, Order]:
        self._asked()
        return super().working(orders)

    def fills(self, since: datetime) -> tuple[Fill, ...]:
        self._asked()
        return super().fills(since)

    def activities(self, since: datetime) -> tuple[Activity, ...]:
        self._asked()
        if self.are_activities_away:
            raise BrokerUnavailable("Alpaca cannot answer now.")
        return super().activities(since)


@dataclass
class Outage:
    """A desk with a put and a working order, whose loops and jobs all look every few seconds, as a live one's do."""

    broker: AwayBroker
    world: World
    loops: tuple[Loop, ...]
    jobs: Runner
    has_prices: bool = True
    seen: int = 0

    def live(self, minutes: float) -> list[str]:
        """Let it live for so long; what was heard meanwhile on a phone, in order."""
        for _ in range(round(minutes * 60 / TICK)):
            self.world.clock.advance(TICK)
            self._quote()
            for loop in self.loops:
                loop.look()
            self.jobs.tick()
        return self._heard()

    def _quote(self) -> None:
        for item, mid in ((make.share(), "48"), (make.put(), "1.03")):
            if self.has_prices:
                self.world.market.set_quote(item, Decimal(mid) - Decimal("0.01"), Decimal(mid) + Decimal("0.01"))

    def _heard(self) -> list[str]:
        told = self.events
        new, self.seen = told[self.seen :], len(told)
        return [named(event) for event in new if event.severity is not Severity.INFO and routes(event, CHANNELS)]

    @property
    def events(self) -> list[Event]:
        return self.world.events(*EventKind)


def named(event: Event) -> str:
    kind = f" {event.data['kind']}" if "kind" in event.data else ""
    return f"{event.kind} {event.data.get('rule', event.subject)}{kind}"


def outage(puts: int = 1) -> Outage:
    """A desk that holds so many positions in the same put."""
    world = watched(*(put(id=f"P0000{number + 1}") for number in range(puts))).world
    broker = AwayBroker(world.clock, cash=Decimal(100_000 + 206 * puts), puts=puts)
    desk = replace(world.desk, broker=broker)
    desks = Desks(desk, desk, desk, desk, desk)
    troubles = Troubles(desk, lambda: world.clock().timestamp())
    asking = Job("asks the broker", Always(timedelta(minutes=1)), lambda: str(broker.account().cash))
    more = (asking, *alert_jobs(desk, Thresholds(), Process, None))
    jobs = Runner(desk, desk_jobs(desks, more=more), troubles.tell)
    loops = tuple(Loop(work, troubles) for work in works(desks) if work.name != "seal")
    made = Outage(broker, replace(world, desk=desk, broker=broker), loops, jobs)
    made.live(2)
    return made


def test_ten_minutes_without_the_broker_make_one_sound() -> None:
    it = outage()
    propose(it.world, id="A00009")
    tap(it.world, "A00009")
    it.live(1)

    it.broker.is_away = True
    away = it.live(10)
    it.broker.is_away = False
    after = it.live(5)

    assert away == ["alert_raised broker_down"]
    assert after == []
    kinds = [event.kind for event in it.events if event.data.get("rule") == "broker_down"]
    assert (kinds[0], kinds[-1]) == (EventKind.ALERT_RAISED, EventKind.ALERT_RESOLVED)
    failed = {event.subject for event in it.events if event.kind is EventKind.ERROR}
    assert failed == {"books: account", "books: activities", "books: holdings", "job asks the broker"}


def test_a_broker_that_stays_away_is_told_again_when_nobody_answers() -> None:
    it = outage()

    it.broker.is_away = True

    assert it.live(35) == ["alert_raised broker_down"] * 2


def test_a_request_that_fails_for_minutes_without_an_alert_is_heard() -> None:
    it = outage()

    it.broker.are_activities_away = True
    soon, late = it.live(4), it.live(3)

    assert (soon, late) == ([], ["error books: activities BrokerUnavailable"])


def test_ten_minutes_without_prices_make_one_sound_for_all_positions() -> None:
    it = outage(puts=2)
    up = SourceState("alpaca", (), is_up=True, answered_at=it.world.clock(), since=it.world.clock())

    it.has_prices = False
    it.world.market.states = (replace(up, is_up=False, trouble="HTTP 503"),)
    away = it.live(10)
    it.has_prices, it.world.market.states = True, (up,)
    after = it.live(5)

    assert away == ["data_stale P00001", "alert_escalated data_stale"]
    assert after == []
