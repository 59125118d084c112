"""Envelopes for tests: wheel puts of at most 2,000 risk, and a market in which something happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from engine import approvals, envelopes
from engine.model.envelopes import Bounds, Envelope
from engine.model.instruments import Instrument
from engine.model.legs import Structure
from engine.model.market import Quote
from engine.model.trade import Approval
from engine.store import Store
from strategies import CATALOGUE
from tests import make
from tests.desk import World, make_world, propose
from tests.make import D

FRIDAY = date(2026, 6, 19)  # a holiday: the Friday of the desk's week
THURSDAY = date(2026, 6, 18)


def bounds(**more: Any) -> Bounds:
    """Wheel puts of at most 2,000 risk, two a day, until Thursday."""
    defaults: dict[str, Any] = {
        "strategy": "wheel",
        "max_risk": D(2000),
        "per_day": 2,
        "until": THURSDAY,
        "structure": Structure.SHORT_PUT,
    }
    return Bounds(**(defaults | more))


def world_with(store: Store | None = None, **more: Any) -> World:
    return make_world(strategies=dict(CATALOGUE), store=store, **more)


def made(world: World, by: str = "ann", **more: Any) -> Envelope:
    return envelopes.create(world.desk, bounds(**more), by)


def stored(world: World, id: str = "A00001") -> Approval:
    with world.store.read() as work:
        return work.approval(id)


def proposals(world: World, count: int) -> list[str]:
    """So many proposals of the 44 put; small enough for all of them to fit the limits."""
    ids = [f"A{number:05d}" for number in range(1, count + 1)]
    for id in ids:
        propose(world, id=id, plan=make.plan(quantity=1))
    return ids


def confirmed(world: World) -> Envelope:
    return envelopes.confirm(world.desk, made(world).id, "ann")


class BusyMarket:
    """The world's market, in which something happens while quotes are being asked for."""

    def __init__(self, world: World, happens: Callable[[], object]) -> None:
        self._market, self._happens = world.market, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._market, name)

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        happens, self._happens = self._happens, lambda: None
        happens()
        return self._market.quotes(instruments)


def busy(world: World, happens: Callable[[], object]) -> World:
    return replace(world, desk=replace(world.desk, market=BusyMarket(world, happens)))


def approves(world: World, id: str) -> Callable[[], object]:
    """What another process does with one proposal under the only envelope."""
    with world.store.read() as work:
        (envelope,) = work.open_envelopes()
    warrant = envelopes.Warrant(world.desk, envelope.id)
    return lambda: approvals.approve(world.desk, id, 1, envelope.actor, warrant)
