"""/alerts, /seen and the snooze of an alert: what is open, and people's answers to it."""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts import alerting
from bot.cards.alerts import SNOOZE_MINUTES, alert_card, history_card, is_alert, list_card, told_of
from bot.command import Call
from bot.handlers import setup
from bot.message import Card

HISTORY = "history"
LATEST = 20


def alerts(call: Call) -> Card:
    """What is open, most severe first; one alert; or the latest of all."""
    wanted, banner = call.text("alert"), call.room.banner()
    with call.desk.store.read() as work:
        if wanted.lower() == HISTORY:
            return history_card(work.latest_alerts(LATEST), banner)
        if wanted:
            return told_of(work, wanted.upper(), banner)
        return list_card(work.open_alerts(), call.desk.now(), banner)


def seen(call: Call) -> Card:
    """Somebody looks after it: it is not told louder. A test card is seen by the same word."""
    if not is_alert(call.text("alert")):
        return setup.seen(call)
    return alert_card(alerting.see(call.desk, call.text("alert").upper(), call.user.name), call.room.banner())


def snooze(call: Call) -> Card:
    """Silent for so many minutes."""
    minutes = call.whole("minutes", SNOOZE_MINUTES)
    return _asleep(call, call.text("id"), call.desk.now() + timedelta(minutes=minutes))


def until_open(call: Call) -> Card:
    """Silent until the next opening bell."""
    return _asleep(call, call.text("alert"), alerting.next_open(call.desk))


def _asleep(call: Call, id: str, until: datetime) -> Card:
    return alert_card(alerting.snooze(call.desk, id.upper(), call.user.name, until), call.room.banner())
