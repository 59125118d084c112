"""/risk, /stress and /greeks: what everything held may lose, and why."""

from __future__ import annotations

from bot.cards import holdings, risks
from bot.command import Call
from bot.message import Button, Card
from bot.risk_pictures import limits_picture, stress_picture
from engine import bounds, portfolio, risk_report, stress
from engine import risk as engine_risk

VIEWS = ("exposure", "hazards")
DAYS = tuple(str(days) for days in stress.DAYS)


def risk(call: Call) -> Card:
    """Limits in use and net Greeks; or where the exposure is; or what may happen to what is held."""
    view, banner = call.text("view"), call.room.banner()
    if view == "exposure":
        return risks.exposure_card(risk_report.exposed(call.desk), banner)
    if view == "hazards":
        return risks.hazards_card(risk_report.endangered(call.desk), banner)
    return holdings.risk_card(portfolio.risk_view(call.desk), banner)


def stressed(call: Call) -> Card:
    """The 99 scenarios, VaR and expected shortfall."""
    return risks.stress_card(risk_report.stressed(call.desk), int(call.text("days", "0")), call.room.banner())


def bars(call: Call) -> Card:
    """How full each limit is, as a picture."""
    view = portfolio.risk_view(call.desk)
    with call.desk.store.read() as work:
        limits = bounds.limits_in_force(call.desk, work)
    every = (*engine_risk.uses(view.state, limits), *view.uses)
    picture = limits_picture({(use.key, use.name): use for use in every}.values())
    return Card(
        "How full the limits are",
        pictures=(picture,),
        buttons=((Button("Risk", "refresh:/risk"),),),
        banner=call.room.banner(),
    )


def heat(call: Call) -> Card:
    """The scenarios of one day as a picture."""
    days = int(call.text("days", "0"))
    when = risks.WHEN[days]
    return Card(
        f"Stress {when}",
        pictures=(stress_picture(risk_report.stressed(call.desk).grid, days, when),),
        buttons=((Button("Stress", f"refresh:/stress {days}"), Button("Risk", "refresh:/risk")),),
        banner=call.room.banner(),
    )


def greeks(call: Call) -> Card:
    """Greeks in dollars, by position and in all."""
    return risks.greeks_card(risk_report.greeks(call.desk), call.room.banner())
