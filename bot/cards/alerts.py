"""Alerts as cards: one of its own, many on one card, the list of what is open and what there was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from alerts.alerting import PREFIX, lasted, span
from bot import words
from bot.message import Button, Card, Table, Tone
from engine.model.alerts import RANKS, Alert, AlertState
from engine.model.events import Severity
from engine.store import UnitOfWork

TONES = {Severity.INFO: Tone.NEUTRAL, Severity.WARNING: Tone.WARNING, Severity.URGENT: Tone.BAD}
SNOOZE_MINUTES = 60
POSITION = "P"
"""Of the ids of positions."""
SHOWN = 12
"""Rows of one table: what a phone shows without much scrolling."""
WIDEST = 18
"""Characters of what an alert is about, beside its id and its age."""
WIDEST_BESIDE_A_TIME = 15
WIDEST_BESIDE_A_FIGURE, FIGURE, STATE = 13, 9, 8
"""Columns of a card of many: 34 with the room between them."""

VARIED = "What helps is not the same for each: /alerts ID tells it, /alerts their ids."
"""On a card of many, instead of the advice of one of them."""

HELPS: Mapping[str, tuple[str, str]] = {
    "limit_near": ("Risk", "risk:"),
    "limit_crossed": ("Risk", "risk:"),
    "margin": ("Account", "account:"),
    "drawdown": ("Positions", "positions:"),
    "delta_drift": ("Greeks", "greeks:"),
    "vega_drift": ("Greeks", "greeks:"),
    "stop_near": ("Position", "position:{position}"),
    "target_near": ("Position", "position:{position}"),
    "exit_failed": ("Position", "position:{position}"),
    "expiry": ("Position", "position:{position}"),
    "assignment": ("Position", "position:{position}"),
    "ex_dividend": ("Position", "position:{position}"),
    "earnings": ("Earnings", "earnings:{ticker}"),
    "broker_rejects": ("Orders", "orders:"),
    "position_mismatch": ("What is open", "adoptions:"),
    "job_missed": ("Job", "jobs:{subject}"),
    "job_failed": ("Job", "jobs:{subject}"),
    "backup_old": ("Job", "jobs:backup"),
}
"""What helps against an alert, by its rule: a button's label and action."""
HEALTH = ("Health", "health:")
"""For every other."""
LIST = Button("All alerts", "alerts:")
"""For many on one card."""


def is_alert(id: str) -> bool:
    """Whether an id is one of an alert."""
    return id.upper().startswith(PREFIX)


def is_position(id: str) -> bool:
    """Whether an id is one of a position: its alarm is answered by it."""
    return id.upper().startswith(POSITION)


def told_of(work: UnitOfWork, id: str, banner: str) -> Card:
    """The card on which an alert is told, as it stands.

    Raises:
        NotFound: there is no such alert.
    """
    alert = work.alert(id)
    return alert_card(work.alerts_on(alert.card) if alert.card else (alert,), banner)


def alert_card(alerts: Sequence[Alert], banner: str) -> Card:
    """What is told on one card, as it stands: `alerts` are all of it, oldest first."""
    still = [alert for alert in alerts if not _is_over(alert)]
    shown = still or [max(alerts, key=lambda each: (each.resolved_at or each.since, each.id))]
    first = max(shown, key=lambda each: each.rank)
    card = alerts[0].card
    return Card(
        title=_title(alerts, still, first),
        tone=TONES[first.severity] if still else Tone.GOOD,
        lines=_lines(alerts, still, first),
        facts=_facts(first) if len(alerts) == 1 else (),
        tables=() if len(alerts) == 1 else (_members(alerts),),
        buttons=_buttons(card, still, _help(first) if len(alerts) == 1 else LIST),
        footer=card,
        banner=banner,
        key=f"alert:{card}",
        version=max(alert.version for alert in alerts),
        sounded=_sounded(still),
    )


def _is_over(alert: Alert) -> bool:
    """Also one that is beyond its bound again, for too short a time to be told."""
    return not alert.is_open


def _sounded(still: Sequence[Alert]) -> int:
    """The version at which it was heard last, as far as somebody has yet to answer; 0 where it makes no sound."""
    return max((a.sounded for a in still if not _is_answered(a) and a.severity is not Severity.INFO), default=0)


def _is_answered(alert: Alert) -> bool:
    return bool(alert.seen_by) or alert.state is AlertState.SNOOZED


def _title(alerts: Sequence[Alert], still: Sequence[Alert], first: Alert) -> str:
    name = first.name if len(alerts) == 1 else f"{first.title or first.rule}: {len(still) or len(alerts)} at once"
    if not still:
        return f"Gone further: {name}" if first.taken_by else f"Over: {name}"
    return f"URGENT: {name}" if first.severity is Severity.URGENT else name


def _lines(alerts: Sequence[Alert], still: Sequence[Alert], first: Alert) -> tuple[str, ...]:
    if not still:
        return (_ending(first) if len(alerts) == 1 else f"All of it is over after {lasted(first)}.",)
    said = [first.words, first.advice] if len(alerts) == 1 else [_advice(still)]
    return tuple(line for line in (*said, *_story(first)) if line)


def _advice(still: Sequence[Alert]) -> str:
    """What helps against all of it: of one job or one report it would be read as being for all."""
    told = {alert.advice for alert in still}
    return told.pop() if len(told) == 1 else VARIED


def _ending(alert: Alert) -> str:
    if alert.taken_by:
        return f"It goes on as {alert.taken_by}: what it was about has got worse."
    now = alert.words or "What it was about is no longer there."
    return f"It is over after {lasted(alert)}. {now}"


def _story(alert: Alert) -> list[str]:
    """What people should know of how it came to this."""
    story = []
    if alert.told_by and not _is_answered(alert):
        story.append("It was told by a card of its own already; here it can be answered.")
    if alert.escalated and not _is_answered(alert) and alert.told_at is not None:
        story.append(f"Nobody has answered for {span(alert.told_at - alert.since)}: told again, louder.")
    if alert.count > 1:
        story.append(f"It has come back: {alert.count} times since {words.clock(alert.opened_at)}.")
    return story


def _facts(alert: Alert) -> tuple[tuple[str, str], ...]:
    if _is_over(alert):
        return ()
    answer = answered(alert)
    return (("Since", words.moment(alert.since)), *((answer,) if answer else ()))


def answered(alert: Alert) -> tuple[str, str] | None:
    """Who looks after it or put it to sleep, as a fact; None while nobody has answered."""
    if alert.state is AlertState.SNOOZED and alert.snoozed_until is not None:
        return "Asleep until", f"{words.moment(alert.snoozed_until)}, by {alert.snoozed_by}"
    if alert.seen_by and alert.seen_at is not None:
        return "Seen by", f"{alert.seen_by}, {words.clock(alert.seen_at)}"
    return None


def _members(alerts: Sequence[Alert]) -> Table:
    """What each is about, its number and who has answered: what is still open first, the worst of it before all."""
    ordered = sorted(alerts, key=lambda each: (_is_over(each), -each.rank, -_badness(each), each.opened_at, each.id))
    tickers = Counter(alert.ticker for alert in alerts)
    rows = [
        (_short(_about(alert, tickers[alert.ticker]), WIDEST_BESIDE_A_FIGURE), alert.figure[:FIGURE], _state(alert))
        for alert in ordered[:SHOWN]
    ]
    if len(ordered) > SHOWN:
        rows.append((f"and {len(ordered) - SHOWN} more", "", ""))
    return Table(("What", "Now", "State"), tuple(rows), right=(1,))


def _badness(alert: Alert) -> float:
    """Its value: the higher the worse."""
    return float("-inf") if alert.value is None else alert.value


def _about(alert: Alert, namesakes: int) -> str:
    """Its name, and of several of one name the position."""
    subject = alert.subject.split(" ")[0]
    if not alert.ticker:
        return _subject(alert) or alert.rule
    return alert.ticker if namesakes == 1 or subject == alert.ticker else f"{alert.ticker} {subject}"


def _subject(alert: Alert) -> str:
    """The name it is about, or else its whole subject: of a scan without its first word, as /jobs has it."""
    return alert.ticker or alert.subject.removeprefix("scan ")


def _state(alert: Alert) -> str:
    """In at most eight signs."""
    if _is_over(alert):
        return f"over {_age((alert.resolved_at or alert.since) - alert.since)}"
    if alert.state is AlertState.SNOOZED:
        return "asleep"
    return _short(f"✓ {alert.seen_by}", STATE) if alert.seen_by else "open"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _buttons(card: str, still: Sequence[Alert], helps: Button) -> tuple[tuple[Button, ...], ...]:
    if not still:
        return ()
    if all(alert.state is AlertState.SNOOZED for alert in still):
        return ((helps,),)
    later = (Button("Snooze 1 h", f"snooze:{card} {SNOOZE_MINUTES}"), Button("Until next open", f"until_open:{card}"))
    if all(_is_answered(alert) for alert in still):
        return (later, (helps,))
    return ((Button("Seen", f"seen:{card}", Tone.ASK), helps), later)


def _help(alert: Alert) -> Button:
    label, action = HELPS.get(alert.rule, HEALTH)
    subject = alert.subject
    return Button(label, action.format(position=subject.split(" ")[0], ticker=alert.ticker, subject=subject))


def list_card(alerts: Sequence[Alert], now: datetime, banner: str) -> Card:
    """What is open, most severe first."""
    tables = []
    for severity in sorted(RANKS, key=RANKS.__getitem__, reverse=True):
        part = [alert for alert in alerts if alert.severity is severity]
        if part:
            tables.append(_open_table(severity.value.capitalize(), part, now))
    worst = sorted(alerts, key=lambda each: (-each.rank, each.opened_at, each.id))[:3]
    return Card(
        title=words.count(len(alerts), "alert") + " open" if alerts else "No alert is open",
        tone=TONES[worst[0].severity] if worst else Tone.GOOD,
        lines=_signs(alerts),
        tables=tuple(tables),
        buttons=(
            *((Button(f"Show {_title_of(alert)}", f"alerts:{alert.id}"),) for alert in worst),
            (Button("History", "alerts:history"), Button("Refresh", "refresh:/alerts")),
        ),
        footer="/seen ID answers one, /snooze ID MINUTES puts it to sleep." if alerts else "",
        banner=banner,
    )


def _signs(alerts: Sequence[Alert]) -> tuple[str, ...]:
    """What the signs of a list mean, where there are any."""
    are_there = any(alert.seen_by or alert.state is AlertState.SNOOZED for alert in alerts)
    return ("✓ somebody looks after it, z it is asleep.",) if are_there else ()


def _open_table(title: str, alerts: Sequence[Alert], now: datetime) -> Table:
    rows = [(alert.id, _what(alert, WIDEST), _age(now - alert.since)) for alert in alerts[:SHOWN]]
    if len(alerts) > SHOWN:
        rows.append(("", f"and {len(alerts) - SHOWN} more", ""))
    return Table(("Alert", "What", "For"), tuple(rows), right=(2,), title=title)


def _what(alert: Alert, most: int) -> str:
    """Rule and subject; one that sleeps or was seen says so by a sign. Where it is too long a ticker stays whole."""
    sign = "z " if alert.state is AlertState.SNOOZED else "✓ " if alert.seen_by else ""
    about, title = _subject(alert), alert.title or alert.rule
    if alert.ticker:
        title = _short(title, most - len(f"{sign} {about}"))
    return _short(f"{sign}{title} {about}".rstrip(), most)


def _title_of(alert: Alert) -> str:
    return f"{alert.title or alert.rule} {_subject(alert)}".rstrip()


def _age(time: timedelta) -> str:
    """A stretch of time in three or four characters: a wider table would be broken by the phone.

    >>> _age(timedelta(minutes=79)), _age(timedelta(hours=30)), _age(timedelta(days=5))
    ('79m', '30h', '5d')
    """
    minutes = max(1, round(time.total_seconds() / 60))
    if minutes < 100:
        return f"{minutes}m"
    return f"{minutes // 60}h" if minutes < 100 * 60 else f"{minutes // 1440}d"


def history_card(alerts: Sequence[Alert], banner: str) -> Card:
    """The latest, newest first."""
    rows = tuple(
        (
            words.moment(alert.opened_at)[5:16],
            _what(alert, WIDEST_BESIDE_A_TIME),
            "open" if alert.is_open else _age((alert.resolved_at or alert.since) - alert.since),
        )
        for alert in alerts
    )
    return Card(
        title="Alerts of late",
        lines=_signs(alerts) if rows else ("There has been none yet.",),
        tables=(Table(("Began", "What", "For"), rows, right=(2,)),) if rows else (),
        buttons=((Button("Open ones", "alerts:"),),),
        footer="Times as you have them in /settings." if rows else "",
        banner=banner,
    )
