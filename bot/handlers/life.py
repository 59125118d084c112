"""The life of options: rolls, the wheel's campaigns, what expires soon."""

from __future__ import annotations

from bot.command import Call
from bot.message import Card
from bot.roll_cards import roll_card
from engine import rolls


def roll(call: Call) -> Card:
    """Price the ways to roll a position and ask which."""
    made = rolls.offer(call.desk, call.text("position"), call.user.name)
    return roll_card(made, call.desk.now(), call.room.banner())


def choose(call: Call) -> Card:
    """Begin the roll that was picked, or ask again at the price of now."""
    roll_id, version, index = call.text("roll").split(".")
    made = rolls.choose(call.desk, roll_id, int(version), int(index), call.user.name)
    return roll_card(made, call.desk.now(), call.room.banner())
