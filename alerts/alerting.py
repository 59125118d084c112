"""Looking for what is wrong, telling it, and taking people's answers to it.

`look` is the one place where rules meet the store: it reads what is open, takes a step with every rule, and writes the
alerts and what is to be told of them in one transaction. How one alert goes on is `alerts.watching`, which of several
share a card is `alerts.grouping`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from alerts import elsewhere, grouping, watching
from alerts.findings import ALL, Finding, Rule
from alerts.routes import Topic
from alerts.watching import Step, Telling
from engine.desk import Desk
from engine.errors import AlreadyDecided
from engine.model.alerts import RANKS, Alert, AlertState
from engine.model.events import EventKind, Severity
from engine.sessions import NEW_YORK
from engine.store import UnitOfWork

log = structlog.get_logger()

Facts = TypeVar("Facts")

PREFIX = "N"
"""Of the ids of alerts."""

MONEY = frozenset({
    "limit_near", "limit_crossed", "margin", "drawdown", "delta_drift", "vega_drift", "stop_near", "target_near",
    "exit_failed", "expiry", "assignment", "ex_dividend", "earnings",
})  # fmt: skip
"""Rules about what is held; the others are about the desk itself."""

UNREACHED = frozenset({"platform_down", "undelivered"})
"""Rules whose subject begins with the platform that cannot be told."""

KINDS: Mapping[Telling, EventKind] = {
    Telling.RAISED: EventKind.ALERT_RAISED,
    Telling.ESCALATED: EventKind.ALERT_ESCALATED,
    Telling.CHANGED: EventKind.ALERT_CHANGED,
    Telling.RESOLVED: EventKind.ALERT_RESOLVED,
}

Readings = dict[str, dict[str, Finding]]
"""By rule and subject."""


def look(desk: Desk, rules: Sequence[Rule[Facts]], facts: Facts) -> tuple[Alert, ...]:
    """Hold every rule against the facts, tell what is to be told, and return the alerts that are open then.

    `rules` are all there are: an alert of a rule that is not among them any more is over. A rule that fails leaves its
    alerts as they are and holds up no other.

    Raises:
        Exception: whatever the first failing rule raised, when everything else is done.
        LeaseLost: another process acts for this desk.
    """
    found, failures = _read(rules, facts)
    now = desk.now()
    with desk.store.begin() as work:
        round_ = _begun(work, now)
        for rule in sorted(rules, key=lambda each: (bool(each.worse), elsewhere.turn(each.name))):
            if rule.name in found:
                _steps(desk, work, round_, rule, found[rule.name])
        _leave(round_, {rule.name for rule in rules})
        _write(desk, work, round_)
    if failures:
        raise failures[0]
    return tuple(alert for alert in round_.all if alert.is_open)


def opened(desk: Desk, rule: Rule[Facts], finding: Finding) -> Alert:
    """The open alert about what was found between two looks: opened now where there is none yet, as at a look."""
    with desk.store.begin() as work:
        round_ = _begun(work, desk.now())
        known = round_.of(rule.name).get(finding.subject)
        if known is not None and known.is_open:
            return known
        others = Finding(ALL, None, "")
        _steps(desk, work, round_, rule, {ALL: others, finding.subject: finding})
        _write(desk, work, round_)
        return round_.of(rule.name)[finding.subject]


def _begun(work: UnitOfWork, now: datetime) -> _Round:
    """A look at what there is."""
    round_ = _Round(now)
    for alert in work.living_alerts(now - watching.CONTINUES):
        round_.of(alert.rule)[alert.subject] = alert
    return round_


def _read(rules: Iterable[Rule[Facts]], facts: Facts) -> tuple[Readings, list[Exception]]:
    """What every rule finds, and what went wrong where one could not look."""
    found: Readings = {}
    failures: list[Exception] = []
    for rule in rules:
        try:
            found[rule.name] = _by_subject(rule.read(facts))
        except Exception as problem:  # noqa: BLE001 - whatever it was, the others go first; it is raised after them
            log.warning("alerts.rule_failed", rule=rule.name, problem=repr(problem))
            failures.append(problem)
    return found, failures


def _by_subject(findings: Iterable[Finding]) -> dict[str, Finding]:
    """The worst finding of every subject."""
    worst: dict[str, Finding] = {}
    for finding in findings:
        if finding.value is not None and math.isnan(finding.value):
            finding = replace(finding, value=None)
        known = worst.get(finding.subject)
        if known is None or known.value is None or (finding.value is not None and finding.value > known.value):
            worst[finding.subject] = finding
    return worst


@dataclass(slots=True)
class _Round:
    """One look under way: alerts by rule and subject as far as they are known by now, and what is to be told of them.

    Attributes:
        told, changed: by the id of the alert.
    """

    now: datetime
    alerts: dict[str, dict[str, Alert]] = field(default_factory=dict)
    told: dict[str, Telling] = field(default_factory=dict)
    changed: dict[str, Alert] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    def of(self, rule: str) -> dict[str, Alert]:
        """Its alerts by subject."""
        return self.alerts.setdefault(rule, {})

    @property
    def all(self) -> tuple[Alert, ...]:
        return tuple(alert for of_rule in self.alerts.values() for alert in of_rule.values())

    def keep(self, alert: Alert) -> None:
        self.of(alert.rule)[alert.subject] = alert
        self.changed[alert.id] = alert

    def note(self, before: Alert | None, step: Step) -> None:
        """The outcome of one step; a new alert has its id by now."""
        if step.alert is not None and step.alert != before:
            self.keep(step.alert)
        if step.alert is None and before is not None:
            del self.of(before.rule)[before.subject]
            self.dropped.append(before.id)
        if step.alert is not None and step.telling is not None:
            self.told[step.alert.id] = step.telling

    def worse_than(self, rule: Rule[Facts], subject: str) -> str:
        """The id of the open alert that takes the place of this rule's, "" where there is none."""
        worse = self.of(rule.worse).get(subject) if rule.worse else None
        return worse.id if worse is not None and worse.is_open else ""


def _steps(desk: Desk, work: UnitOfWork, round_: _Round, rule: Rule[Facts], found: Mapping[str, Finding]) -> None:
    """One step for every subject that the rule finds or has found before; then who shares a card."""
    before = dict(round_.of(rule.name))
    fresh: list[Alert] = []
    for subject in dict.fromkeys((*found, *before)):
        taken_by = round_.worse_than(rule, subject)
        known, finding = before.get(subject), None if taken_by else _of(found, subject)
        step = watching.step(rule, finding, known, round_.now)
        if step.alert is None and known is None:
            continue
        step = _named(desk, step, taken_by)
        round_.note(known, step)
        was_open = known is not None and known.is_open
        if step.telling is Telling.RAISED and step.alert is not None and not was_open:
            fresh.append(step.alert)
    if not fresh:
        return
    told = elsewhere.attributed(work, fresh, round_.all)
    new = grouping.on_cards([alert for alert in told if not alert.card], before.values(), round_.now)
    for alert in (*new, *(alert for alert in told if alert.card)):
        round_.keep(alert)


def _of(found: Mapping[str, Finding], subject: str) -> Finding | None:
    """What is found of a subject; unknown where nobody knows now which subjects there are."""
    return found.get(subject) or (Finding(subject, None, "") if ALL in found else None)


def _named(desk: Desk, step: Step, taken_by: str) -> Step:
    """With an id where the alert is new, and the id of the worse one that it ends in."""
    alert = step.alert
    if alert is None:
        return step
    if not alert.id:
        alert = replace(alert, id=desk.new_id(PREFIX))
    if step.telling is Telling.RESOLVED or alert.state is not AlertState.RESOLVED:
        alert = alert if alert.taken_by == taken_by else replace(alert, taken_by=taken_by)
    return replace(step, alert=alert)


def _leave(round_: _Round, names: set[str]) -> None:
    """What no rule looks after any more is over."""
    for alert in round_.all:
        if alert.rule not in names:
            round_.note(alert, watching.over(alert, round_.now))


def _write(desk: Desk, work: UnitOfWork, round_: _Round) -> None:
    by_card: dict[str, list[Alert]] = {}
    for id in round_.told:
        alert = round_.changed[id]
        by_card.setdefault(alert.card, []).append(alert)
    for card, alerts in by_card.items():
        told = {alert.id: round_.told[alert.id] for alert in alerts}
        for alert in _tell(desk, work, card, alerts, told):
            round_.keep(alert)
    work.drop_alerts(round_.dropped)
    work.save_alerts(round_.changed.values())


def _tell(
    desk: Desk, work: UnitOfWork, card: str, alerts: Sequence[Alert], told: Mapping[str, Telling], actor: str = "desk"
) -> list[Alert]:
    """The alerts with the version of their card at which this is told, by an event for each kind of telling."""
    on_card = {alert.id: alert for alert in (*work.alerts_on(card), *alerts)}
    version = 1 + max(alert.version for alert in on_card.values())
    reach = max((alert.severity for alert in on_card.values()), key=RANKS.__getitem__)
    made = []
    for telling in dict.fromkeys(told.values()):
        part = [alert for alert in alerts if told[alert.id] is telling]
        heard = [alert for alert in part if telling.is_heard and not alert.told_by]
        made += [replace(a, version=version, sounded=version if heard else a.sounded) for a in part]
        data = _data(card, part, telling, reach)
        loud = max((alert.severity for alert in heard), key=RANKS.__getitem__, default=Severity.INFO)
        work.add_event(desk.event(KINDS[telling], card, data, loud, actor=actor))
    return made


def _data(card: str, alerts: Sequence[Alert], telling: Telling, reach: Severity) -> dict[str, object]:
    first = alerts[0]
    data: dict[str, object] = {
        "rule": first.rule,
        "title": first.name if len(alerts) == 1 else f"{first.title}: {len(alerts)} at once",
        "words": sentence(first, telling) if len(alerts) == 1 else ", ".join(alert.name for alert in alerts)[:500],
        "topic": (Topic.RISK if first.rule in MONEY else Topic.DESK).value,
        "reach": reach.value,
    }
    if [alert.id for alert in alerts] != [card]:
        data["alerts"] = [alert.id for alert in alerts]
    if first.rule in UNREACHED:
        data["unreached"] = first.subject
    return data


def sentence(alert: Alert, telling: Telling) -> str:
    """What is told, for the audit trail."""
    if telling is Telling.RESOLVED:
        return f"{alert.name} is over after {lasted(alert)}."
    if telling is Telling.ESCALATED:
        return f"Nobody has answered. {alert.words}"
    return alert.words


def lasted(alert: Alert) -> str:
    """From its last beginning to its end: `12 min`.

    >>> from datetime import UTC
    >>> began = datetime(2026, 6, 15, 14, tzinfo=UTC)
    >>> over = Alert("N1", "disk", "", Severity.INFO, AlertState.RESOLVED, began, began)
    >>> lasted(replace(over, resolved_at=began + timedelta(minutes=12)))
    '12 min'
    """
    return span((alert.resolved_at or alert.since) - alert.since)


def span(time: timedelta) -> str:
    """A stretch of time in words, as exact as anybody wants it.

    >>> span(timedelta(seconds=50)), span(timedelta(minutes=80)), span(timedelta(days=3))
    ('1 min', '1 h 20 min', '3 d')
    """
    minutes = max(1, round(time.total_seconds() / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


# What people answer.


def see(desk: Desk, id: str, by: str) -> tuple[Alert, ...]:
    """Somebody looks after it: nobody is told again until it is due. All alerts of its card, as they are then.

    Raises:
        NotFound: there is no such alert. AlreadyDecided: it is over, asleep, or somebody has answered.
    """
    with desk.store.begin() as work:
        return _see(desk, work, id, _open_with(work, id), by)


def see_alone(desk: Desk, id: str, by: str) -> tuple[Alert, ...]:
    """`see` for this one alert, whoever shares its card: it was answered where it alone is told.

    Raises:
        NotFound, AlreadyDecided: as `see`.
    """
    with desk.store.begin() as work:
        alert = work.alert(id)
        return _see(desk, work, id, _still_open(alert, (alert,)), by)


def _see(desk: Desk, work: UnitOfWork, id: str, answered: Sequence[Alert], by: str) -> tuple[Alert, ...]:
    now = desk.now()
    if all(alert.state is AlertState.SNOOZED for alert in answered):
        raise AlreadyDecided(f"{id} sleeps {_until(answered[0])}.")
    if all(alert.seen_by for alert in answered):
        raise AlreadyDecided(f"{id} was answered already, by {answered[0].seen_by}.")
    seen = [replace(alert, seen_by=by, seen_at=now, escalated=0) for alert in answered if not alert.seen_by]
    return _answer(desk, work, seen, by)


def snooze(desk: Desk, id: str, by: str, until: datetime) -> tuple[Alert, ...]:
    """Nothing more is heard of it before `until` unless it gets worse. All alerts of its card, as they are then.

    Raises:
        NotFound: there is no such alert. AlreadyDecided: it is over.
    """
    now = desk.now()
    with desk.store.begin() as work:
        seen = [replace(alert, seen_by=by, seen_at=now, escalated=0) for alert in _open_with(work, id)]
        asleep = [replace(a, state=AlertState.SNOOZED, snoozed_until=until, snoozed_by=by) for a in seen]
        return _answer(desk, work, asleep, by)


def next_open(desk: Desk) -> datetime:
    """The next opening bell."""
    now, days = desk.now(), desk.sessions.upcoming(desk.today, 2)
    return next(at for at in map(desk.sessions.open, days) if at > now)


def _open_with(work: UnitOfWork, id: str) -> tuple[Alert, ...]:
    """The open alerts that an id stands for: those on the card of that name, else the one alert."""
    alert = work.alert(id)
    return _still_open(alert, work.alerts_on(id) or (alert,))


def _still_open(alert: Alert, meant: Sequence[Alert]) -> tuple[Alert, ...]:
    still = tuple(each for each in meant if each.is_open)
    if not still:
        raise AlreadyDecided(f"{alert.id} is over{_since(alert)}.")
    return still


def _since(alert: Alert) -> str:
    at = alert.resolved_at
    return "" if at is None else f" since {at.astimezone(NEW_YORK):%Y-%m-%d %H:%M} ET"


def _until(alert: Alert) -> str:
    at = alert.snoozed_until
    when = "" if at is None else f"until {at.astimezone(NEW_YORK):%Y-%m-%d %H:%M} ET"
    return f"{when}, {alert.snoozed_by} wished it"


def _answer(desk: Desk, work: UnitOfWork, answered: Sequence[Alert], by: str) -> tuple[Alert, ...]:
    card = answered[0].card
    work.save_alerts(_tell(desk, work, card, answered, dict.fromkeys((a.id for a in answered), Telling.CHANGED), by))
    return work.alerts_on(card)
