"""/alerts, /seen and the snooze of an alert: what is open, and people's answers to it."""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts import alerting, gathering
from alerts.rules.positions import EXIT_FAILED, not_done
from bot.announce import alarm_card
from bot.cards.alerts import SNOOZE_MINUTES, alert_card, history_card, is_alert, is_position, list_card, told_of
from bot.command import Call
from bot.handlers import setup
from bot.message import Card
from engine import alarms
from engine.errors import AlreadyDecided

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
    """Somebody looks after it: it is not told louder. A test card is seen by the same word, and an exit that fails."""
    id = call.text("alert").upper()
    if is_position(id):
        return _seen_exit(call, id)
    if not is_alert(id):
        return setup.seen(call)
    return alert_card(alerting.see(call.desk, id, call.user.name), call.room.banner())


def _seen_exit(call: Call, position_id: str) -> Card:
    """The card that tells that an exit or a net does not get done, with who looks after it.

    Raises:
        AlreadyDecided: it is done, or somebody has answered.
    """
    with call.desk.store.read() as work:
        running = alarms.going_on(work, [work.position(position_id)])
    if not running:
        raise AlreadyDecided(f"Nothing of {position_id} is in trouble any more.")
    found = [alerting.opened(call.desk, EXIT_FAILED, not_done(gathering.failed(event))) for event in running]
    if all(each.seen_by for each in found):
        raise AlreadyDecided(f"The alarm of {position_id} was answered already, by {found[0].seen_by}.")
    for alert in [each for each in found if not each.seen_by]:
        alerting.see_alone(call.desk, alert.id, call.user.name)
    return alarm_card(call.desk, running[0], call.room.banner())


def snooze(call: Call) -> Card:
    """Silent for so many minutes."""
    minutes = call.whole("minutes", SNOOZE_MINUTES)
    return _asleep(call, call.text("id"), call.desk.now() + timedelta(minutes=minutes))


def until_open(call: Call) -> Card:
    """Silent until the next opening bell."""
    return _asleep(call, call.text("alert"), alerting.next_open(call.desk))


def _asleep(call: Call, id: str, until: datetime) -> Card:
    return alert_card(alerting.snooze(call.desk, id.upper(), call.user.name, until), call.room.banner())
