"""docs/alerts.md tells of every rule, and of nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from alerts.elsewhere import WATCHES
from alerts.facts import Facts
from alerts.findings import Rule
from alerts.rules import RULES

GUIDE = Path(__file__).parents[2] / "docs" / "alerts.md"
ROWS = {
    line.split("`")[1]: [cell.strip() for cell in line.strip("|").split("|")]
    for line in GUIDE.read_text(encoding="utf-8").partition("## Every alert")[2].splitlines()
    if line.startswith("| `")
}


def words(time: timedelta) -> str:
    minutes = round(time / timedelta(minutes=1))
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def test_every_rule_has_its_row() -> None:
    assert set(ROWS) == {rule.name for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_row_says_what_its_rule_does(rule: Rule[Facts]) -> None:
    _, _, begins, severity, told_by, louder = ROWS[rule.name]

    assert severity == rule.severity.value
    assert bool(told_by) == (rule.name in WATCHES)
    assert all(words(time) in louder for time in (rule.escalates, rule.again) if time is not None)
    assert (rule.escalates is None and rule.again is None) == louder.startswith("never")
    assert not rule.holds or words(rule.holds) in begins
