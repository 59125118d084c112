"""A desk that is looked at as in use: market, account, limits, and every alert rule, once a minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from alerts import alerting, gathering
from alerts.facts import Process
from alerts.rules import RULES
from engine import standing, watch
from engine.model.alerts import Alert
from engine.model.book import Position, PositionStatus, Posting, PostingKind
from engine.model.events import EventKind, Severity
from engine.model.instruments import Instrument
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import Limits
from tests import make
from tests.desk import World, make_world

D = Decimal
SHARE = make.share()
PUT = make.put(44)
CALL = make.call(45, dte=32)
ENDS = make.call(45, dte=0)
"""A call that expires on Monday, the day these desks stand on."""


@dataclass
class Watch:
    """A desk that is looked at every minute, its process, and its prices: the mids, quoted anew at every look."""

    world: World
    process: Process = field(default_factory=Process)
    mids: dict[Instrument, str] = field(default_factory=lambda: {SHARE: "48"})
    is_broker_heard: bool = True
    open: tuple[Alert, ...] = ()

    def look(self, minutes: int = 0) -> set[str]:
        """Look now, or every minute for so long; the rules that have an open alert then."""
        for _ in range(max(1, minutes)):
            self.world.clock.advance(60 if minutes else 0)
            for item, mid in self.mids.items():
                self.world.market.set_quote(item, D(mid) - D("0.01"), D(mid) + D("0.01"))
            if self.is_broker_heard:
                standing.refresh_account(self.world.desk)
            watch.look(self.world.desk)
            facts = gathering.gather(self.world.desk, lambda: self.process)
            self.open = alerting.look(self.world.desk, RULES, facts)
        return {alert.rule for alert in self.open}

    def words(self, rule: str, subject: str | None = None) -> str:
        """Those of the open alert of a rule."""
        return next(each.words for each in self.open if each.rule == rule and subject in (None, each.subject))

    @property
    def sounds(self) -> list[EventKind]:
        """What was told with a sound, in order."""
        return [event.kind for event in self.world.events(*EventKind) if event.severity is not Severity.INFO]


def position(item: Instrument, quantity: int, price: str, structure: Structure, **more: Any) -> Position:
    """One instrument held on its own."""
    sign = 1 if quantity > 0 else -1
    defaults: dict[str, Any] = {
        "id": "P00001",
        "approval_id": None,
        "structure": structure,
        "unit": (Leg(item, sign),),
        "lots": (make.held(item, quantity, price),),
        "entry": sign * D(price),
        "opened_units": abs(quantity),
        "exits": ExitPlan(),
    }
    return make.position(**(defaults | more))


def shares(**more: Any) -> Position:
    """1,000 shares bought at 48."""
    return position(SHARE, 1_000, "48", Structure.SHARES, **more)


def put(**more: Any) -> Position:
    """Two 44 puts sold at 1.03, out at 0.515 and 2.06."""
    plan = ExitPlan(target=D("-0.515"), stop=D("-2.06"))
    return position(PUT, -2, "1.03", Structure.SHORT_PUT, **({"exits": plan, "collateral": D(8_800)} | more))


def sold_call(item: Instrument = CALL) -> Position:
    return position(item, -10, "4.00", Structure.COVERED_CALL)


def watched(*held: Position, mids: Mapping[Instrument, str] | None = None, **more: Any) -> Watch:
    """A desk with 100,000 in all, that holds these at what was paid for them."""
    world = make_world(**more)
    with world.store.begin() as work:
        for one in held:
            work.save_position(one)
            work.add_postings((Posting(f"buy {one.id}", PostingKind.TRADE, make.NOW, -one.cost),))
    return Watch(world, mids={SHARE: "48"} | dict(mids or {}))


def close(it: Watch, id: str = "P00001") -> None:
    with it.world.store.begin() as work:
        ended = replace(work.position(id), status=PositionStatus.CLOSED, closed_at=it.world.clock(), legs=())
        work.save_position(ended)


LOOSE = Limits(one_underlying=D(9), put_collateral_total=D(9), daily_loss=D("0.9"), weekly_loss=D("0.9"))
"""Limits that leave the total risk and the drawdown to be passed alone."""


def at(it: Watch, hour: int, minute: int = 0, day: int = 15) -> None:
    """A time in New York on a day of June 2026."""
    it.world.clock.set(datetime(2026, 6, day, hour + 4, minute, tzinfo=UTC))
