"""The life of options: rolls, the wheel's campaigns, what expires soon."""

from __future__ import annotations

from bot.cards.life import agenda_card, wheel_card
from bot.cards.rolls import roll_card
from bot.command import Call
from bot.message import Card
from engine import agenda as expiring
from engine import rolls
from engine import wheel as turning


def roll(call: Call) -> Card:
    """Price the ways to roll a position and ask which."""
    made = rolls.offer(call.desk, call.text("position"), call.user.name)
    return roll_card(made, call.desk.now(), call.room.banner())


def choose(call: Call) -> Card:
    """Begin the roll that was picked, or ask again at the price of now."""
    roll_id, version, index = call.text("roll").split(".")
    made = rolls.choose(call.desk, roll_id, int(version), int(index), call.user.name)
    return roll_card(made, call.desk.now(), call.room.banner())


def agenda(call: Call) -> Card:
    """What expires within a week."""
    return agenda_card(expiring.items(call.desk), call.room.banner())


def wheel(call: Call) -> Card:
    """The turns of a name's wheel."""
    ticker = call.text("ticker")
    return wheel_card(ticker, turning.campaigns(call.desk, ticker), call.room.banner())
