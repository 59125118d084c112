"""From what a rule finds to what people are told of it: one alert for a rule and a subject, step by step. Pure.

An alert opens when a value is beyond the rule's bound for long enough, and is over when the value is well inside
again or its subject is gone. Between the two bounds, and while nobody knows the value, it stays as it is. Everything
a step needs is in the alert, so that a restart changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from alerts.findings import Finding, Rule
from engine.model.alerts import RANKS, Alert, AlertState, raised

RESTS = timedelta(minutes=15)
"""What comes back makes no new sound sooner than this after the last one."""

CONTINUES = timedelta(minutes=30)
"""For how long after it was over an alert goes on, on its card, when its trouble is back."""

MOST_ESCALATIONS = 6
"""How often one alert is told again because nobody answers, after twice as long each time. One that is urgent already
is only told again."""


class Telling(StrEnum):
    """What a step has to say about its alert."""

    RAISED = "raised"
    """With a sound: it is new, back after a while, awake again after a snooze, or told once more."""
    ESCALATED = "escalated"
    """With a sound: nobody has answered."""
    CHANGED = "changed"
    """The card is drawn again where it stands."""
    RESOLVED = "resolved"
    """The card says that it is over."""

    @property
    def is_heard(self) -> bool:
        return self in {Telling.RAISED, Telling.ESCALATED}


@dataclass(frozen=True, slots=True)
class Step:
    """The alert after one look, None where there is none (any more), and what is to be told of it."""

    alert: Alert | None
    telling: Telling | None = None


NOTHING = Step(None)


def step(rule: Rule[Any], finding: Finding | None, alert: Alert | None, now: datetime) -> Step:
    """One look at one subject. `finding` None: the rule does not find the subject any more.

    A new alert has no id yet.
    """
    if alert is not None:
        alert = _on_this_clock(alert, now)
        if alert.state is AlertState.RESOLVED and now - _known(alert.resolved_at) > CONTINUES:
            alert = None
    if finding is None:
        return over(alert and replace(alert, words=""), now)
    value = finding.value
    if value is None or math.isnan(value):
        return _unknown(rule, alert, now)
    if value >= rule.fires:
        return _beyond(rule, finding, alert, now)
    if alert is None or alert.state is AlertState.RESOLVED:
        return Step(alert)
    if value <= rule.clears or alert.state is AlertState.WAITING:
        return over(_read(alert, finding), now)
    return _running(rule, _read(alert, finding), now)


def _on_this_clock(alert: Alert, now: datetime) -> Alert:
    """The alert as if its clock had never been ahead of `now`: set back, it makes nothing due and nothing later."""
    past = (alert.since, alert.opened_at, alert.told_at, alert.seen_at, alert.redrawn_at, alert.resolved_at)
    ahead = max(at for at in past if at is not None) - now
    if ahead <= timedelta(0):
        return alert

    def back(at: datetime | None) -> datetime | None:
        return None if at is None else at - ahead

    return replace(
        alert,
        opened_at=alert.opened_at - ahead,
        since=alert.since - ahead,
        told_at=back(alert.told_at),
        seen_at=back(alert.seen_at),
        redrawn_at=back(alert.redrawn_at),
        snoozed_until=back(alert.snoozed_until),
        resolved_at=back(alert.resolved_at),
    )


def _known(at: datetime | None) -> datetime:
    if at is None:
        raise ValueError("A resolved alert has no time at which it was resolved.")
    return at


def _read(alert: Alert, finding: Finding) -> Alert:
    """With the latest reading."""
    return replace(
        alert,
        value=finding.value,
        words=finding.words,
        advice=finding.advice,
        figure=finding.figure,
        ticker=finding.ticker or alert.ticker,
    )


def _unknown(rule: Rule[Any], alert: Alert | None, now: datetime) -> Step:
    """Nobody knows the value: only whether somebody has answered still counts."""
    if alert is None or alert.state is not AlertState.FIRING or not _is_unanswered(rule, alert, now):
        return Step(alert)
    return _escalated(alert, now)


def _beyond(rule: Rule[Any], finding: Finding, alert: Alert | None, now: datetime) -> Step:
    if alert is None:
        first = Alert("", rule.name, finding.subject, rule.severity, AlertState.WAITING, now, now, title=rule.title)
        return _waited(rule, _read(first, finding), now)
    if alert.state is AlertState.RESOLVED:
        return _waited(rule, replace(_read(alert, finding), state=AlertState.WAITING, since=now), now)
    if alert.state is AlertState.WAITING:
        return _waited(rule, _read(alert, finding), now)
    return _running(rule, _read(alert, finding), now)


def _waited(rule: Rule[Any], alert: Alert, now: datetime) -> Step:
    """Told when the value has been beyond its bound for long enough."""
    if now - alert.since < rule.holds:
        return Step(alert)
    is_back = alert.resolved_at is not None
    fired = replace(alert, state=AlertState.FIRING, resolved_at=None, count=alert.count + is_back)
    if fired.snoozed_until is not None and now < fired.snoozed_until:
        return _drawn(replace(fired, state=AlertState.SNOOZED), now)
    if fired.told_at is not None and now - fired.told_at < RESTS:
        return _drawn(fired, now)
    return _told(_as_severe_as(rule, fired), now)


def _as_severe_as(rule: Rule[Any], alert: Alert) -> Alert:
    return alert if alert.rank >= RANKS[rule.severity] else replace(alert, severity=rule.severity)


def _running(rule: Rule[Any], alert: Alert, now: datetime) -> Step:
    """An open alert that goes on: louder, awake, unanswered, due again, or only with another value."""
    if RANKS[rule.severity] > alert.rank:
        return _told(_as_severe_as(rule, alert), now)
    if alert.state is AlertState.SNOOZED:
        is_awake = alert.snoozed_until is None or now >= alert.snoozed_until
        return _told(alert, now) if is_awake else _redrawn(rule, alert, now)
    if _is_unanswered(rule, alert, now):
        return _escalated(alert, now)
    if _is_due_again(rule, alert, now):
        return _told(alert, now)
    return _redrawn(rule, alert, now)


def _is_unanswered(rule: Rule[Any], alert: Alert, now: datetime) -> bool:
    """Whether nobody has answered for so long that it has to be told louder."""
    if rule.escalates is None or alert.seen_by or alert.told_at is None or alert.escalated >= MOST_ESCALATIONS:
        return False
    return now - alert.told_at >= rule.escalates * float(1 << alert.escalated)


def _is_due_again(rule: Rule[Any], alert: Alert, now: datetime) -> bool:
    """Whether it came back without a sound and stayed, or runs on for so long that people want to be reminded."""
    if alert.told_at is None:
        return False
    rested = now - alert.told_at
    if alert.told_at < alert.since and rested >= RESTS:
        return True
    return rule.again is not None and rested >= rule.again


def _told(alert: Alert, now: datetime) -> Step:
    """With a sound, and answered by nobody yet."""
    return Step(_heard(alert, now), Telling.RAISED)


def _escalated(alert: Alert, now: datetime) -> Step:
    louder = replace(alert, severity=raised(alert.severity), escalated=alert.escalated + 1)
    return Step(_heard(louder, now), Telling.ESCALATED)


def _heard(alert: Alert, now: datetime) -> Alert:
    return replace(
        alert,
        state=AlertState.FIRING,
        told_at=now,
        told_by="",
        redrawn_at=now,
        shown=alert.words,
        seen_by="",
        seen_at=None,
        snoozed_until=None,
        snoozed_by="",
    )


def _redrawn(rule: Rule[Any], alert: Alert, now: datetime) -> Step:
    """Drawn again when it reads otherwise than its card does, and not too often."""
    is_fresh = alert.redrawn_at is not None and now - alert.redrawn_at < rule.redraws
    return Step(alert) if alert.words == alert.shown or is_fresh else _drawn(alert, now)


def _drawn(alert: Alert, now: datetime) -> Step:
    return Step(replace(alert, redrawn_at=now, shown=alert.words), Telling.CHANGED)


def over(alert: Alert | None, now: datetime) -> Step:
    """Nothing is said of what was never told; what waited to come back is as over as it was."""
    if alert is None or alert.state is AlertState.RESOLVED:
        return Step(alert)
    if alert.state is AlertState.WAITING:
        return NOTHING if alert.resolved_at is None else Step(replace(alert, state=AlertState.RESOLVED))
    return Step(replace(alert, state=AlertState.RESOLVED, resolved_at=now), Telling.RESOLVED)
