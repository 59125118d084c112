"""Which alerts share a card: what comes by the dozen is told once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from alerts.watching import RESTS
from engine.model.alerts import Alert, AlertState

ALONE = 3
"""Cards of one rule within `RESTS`; what comes beyond is told together."""


def on_cards(fresh: Sequence[Alert], before: Iterable[Alert], now: datetime) -> tuple[Alert, ...]:
    """The alerts of one rule that are to be told for the first time, each with its card.

    `before` are those the rule had at the look before. Up to three cards within a quarter of an hour are told one by
    one. What is beyond goes onto the newest of them that nobody has answered, which has made its sound a moment ago;
    where all were answered, onto one card of its own, with one sound.
    """
    if not fresh:
        return ()
    recent = [each for each in before if each.is_open and each.told_at is not None and now - each.told_at < RESTS]
    if len({each.card for each in recent}) + len(fresh) <= ALONE:
        return tuple(replace(alert, card=alert.id) for alert in fresh)
    answered = {each.card for each in recent if each.seen_by or each.state is AlertState.SNOOZED}
    hosts = [each for each in recent if each.card not in answered]
    if not hosts:
        return tuple(replace(alert, card=fresh[0].id) for alert in fresh)
    host = max(hosts, key=lambda each: (each.told_at or now, each.card))
    return tuple(replace(each, card=host.card, told_at=host.told_at, told_by=host.card) for each in fresh)
