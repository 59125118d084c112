"""What the broker holds and the books do not: /adoptions, and the buttons that settle it."""

from __future__ import annotations

from bot.cards.adoption import adoption_card, nothing_card
from bot.command import Call
from bot.message import Card
from engine import adoption
from engine.model.adoptions import AdoptionStatus


def adopt(call: Call) -> Card:
    """Bring the books to what the broker says, with exits armed."""
    settled = adoption.adopt(call.desk, call.text("question").upper(), call.user.name)
    return adoption_card(settled, call.room.banner())


def ignore(call: Call) -> Card:
    """Leave what the broker holds alone."""
    settled = adoption.ignore(call.desk, call.text("question").upper(), call.user.name)
    return adoption_card(settled, call.room.banner())


def adoptions(call: Call) -> tuple[Card, ...]:
    """Every open question about what the broker holds and the books do not."""
    with call.desk.store.read() as work:
        waiting = work.adoptions(AdoptionStatus.ASKED)
        alone = work.adoptions(AdoptionStatus.IGNORED)
    cards = tuple(adoption_card(question, call.room.banner()) for question in (*waiting, *alone))
    return cards or (nothing_card(call.room.banner()),)
