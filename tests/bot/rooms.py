"""A room with three people in it, on the desk of `tests.desk`: everything runs inline."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

from bot.bulkheads import finish, inline
from bot.command import Reply, Room
from bot.dispatch import dispatch
from bot.message import Card, Request, as_text
from bot.people import People, Role, User
from engine.model.events import Event, EventKind
from strategies import CATALOGUE, REPORTS
from tests.desk import World, make_world

PEOPLE = People(
    (
        User("ann", Role.ADMIN, ("web:ann", "discord:1")),
        User("tom", Role.TRADER, ("web:tom",)),
        User("vic", Role.VIEWER, ("web:vic",)),
    )
)


@dataclass
class Visit:
    """A desk and a way to talk to it."""

    world: World
    room: Room
    sources: Any

    def ask(self, text: str = "", action: str = "", who: str = "web:ann", source: str | None = None) -> Reply:
        """The reply to one request; every request is a new update unless `source` is given."""
        update = f"test:{next(self.sources)}" if source is None else source
        return finish(dispatch(self.room, Request(who, text, action, update)))

    def card(self, text: str = "", action: str = "", who: str = "web:ann") -> Card:
        """The only card of a reply that worked."""
        reply = self.ask(text, action, who)
        assert reply.is_ok, [as_text(card) for card in reply.cards]
        assert len(reply.cards) == 1
        return reply.cards[0]

    def told(self, text: str = "", action: str = "", who: str = "web:ann") -> str:
        """The sentence of a reply that did not work."""
        reply = self.ask(text, action, who)
        assert not reply.is_ok
        return " ".join(reply.cards[0].lines)

    def events(self, *kinds: EventKind) -> tuple[Event, ...]:
        with self.world.store.read() as work:
            return work.events(kinds=kinds or None)


def visit(**more: Any) -> Visit:
    """A room on the default desk, both strategies enabled."""
    world = make_world(strategies=dict(CATALOGUE), reports=dict(REPORTS), **more)
    return Visit(world, Room(world.desk, PEOPLE, inline, lambda: "PAPER"), count(1))
