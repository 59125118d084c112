"""Every alert rule: pure functions from what the desk knows to findings, with their bounds.

One trouble makes one sound. Where an event of the desk's own watches tells a trouble already (each module says which),
its alert opens silently beside it (`alerts.elsewhere`) and is heard when nobody answers (`escalates`).
"""

from __future__ import annotations

from alerts.facts import Facts
from alerts.findings import Rule
from alerts.rules import broker, calendar, limits, market_data, positions, process
from alerts.rules.thresholds import Thresholds

FAMILIES = (limits, positions, calendar, market_data, broker, process)


def catalogue(bounds: Thresholds) -> tuple[Rule[Facts], ...]:
    """The rules under these bounds."""
    return tuple(rule for family in FAMILIES for rule in family.rules(bounds))


RULES = catalogue(Thresholds())
"""The rules as they are without any setting."""
