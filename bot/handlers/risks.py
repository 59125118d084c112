"""/risk, /stress and /greeks: what everything held may lose, and why."""

from __future__ import annotations

from bot import cards, risk_cards
from bot.command import Call
from bot.message import Card
from engine import portfolio, risk_report, stress

VIEWS = ("exposure", "hazards")
DAYS = tuple(str(days) for days in stress.DAYS)


def risk(call: Call) -> Card:
    """Limits in use and net Greeks; or where the exposure is; or what may happen to what is held."""
    view, banner = call.text("view"), call.room.banner()
    if view == "exposure":
        return risk_cards.exposure_card(risk_report.exposed(call.desk), banner)
    if view == "hazards":
        return risk_cards.hazards_card(risk_report.endangered(call.desk), banner)
    return cards.risk_card(portfolio.risk_view(call.desk), banner)


def stressed(call: Call) -> Card:
    """The 99 scenarios, VaR and expected shortfall."""
    return risk_cards.stress_card(risk_report.stressed(call.desk), int(call.text("days", "0")), call.room.banner())


def greeks(call: Call) -> Card:
    """Greeks in dollars, by position and in all."""
    return risk_cards.greeks_card(risk_report.greeks(call.desk), call.room.banner())
