"""What a scan found and why a name was not proposed, told to somebody in a hurry."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from bot.cards.scans import whynot_card
from bot.proposal import title
from engine.model.legs import Leg, Structure
from engine.model.trade import Scan, Step, Verdict
from tests import make
from tests.bot.rooms import visit
from tests.strategies import cases

HISTORY = Step("history", "≥ 31 sessions", "60", Verdict.PASSED)
QUIET = Step("volatility", "≥ 25.00 %", "24.99 %", Verdict.FAILED)
BLIND = Step("sector", "known", "unknown", Verdict.NOT_CHECKED)


def scan(strategy: str, *steps: Step) -> Scan:
    names = {"XYZ": steps} if steps else {}
    return Scan("S00001", strategy, make.NOW, 1, (), (), (), (), names)


def test_of_several_strategies_each_takes_one_line_and_a_tap_shows_its_rules() -> None:
    card = whynot_card("XYZ", [scan("wheel", HISTORY, QUIET), scan("swing", HISTORY, BLIND), scan("lotto")], "PAPER")
    assert card.lines == (
        "✗ wheel: volatility: 24.99 % (needs ≥ 25.00 %); 1 rule held before it (2026-06-15 10:00 ET).",
        "✓ swing: every rule held, 1 of 2 not checked (2026-06-15 10:00 ET).",
        "XYZ was not in the latest scan of lotto.",
    )
    assert [[button.action for button in row] for row in card.buttons] == [
        ["refresh:/whynot XYZ wheel", "refresh:/whynot XYZ swing"]
    ]


def test_of_one_strategy_every_rule_is_told_with_value_and_threshold() -> None:
    card = whynot_card("XYZ", [scan("wheel", HISTORY, QUIET)], "PAPER")
    assert card.lines == (
        "wheel, 2026-06-15 10:00 ET: stopped by volatility.",
        "✓ history: 60 (needs ≥ 31 sessions)",
        "✗ volatility: 24.99 % (needs ≥ 25.00 %)",
    )


def test_a_scan_while_the_market_is_closed_says_so_first() -> None:
    here = visit()
    here.world.market.set_snapshot(cases.wheel_name())
    assert not [line for line in here.card("/scan wheel").lines if "closed" in line]
    here.world.clock.set(make.NOW - timedelta(days=2))
    assert here.card("/scan wheel").lines[0] == "The market is closed. It opens on 2026-06-15 09:30 ET."


CONDOR = (*make.vertical(580, 575), Leg(make.call(620), -1), Leg(make.call(625), 1))
CALENDAR = (Leg(make.put(95, dte=37), 1), Leg(make.put(95, dte=9), -1))


@pytest.mark.parametrize(
    ("legs", "structure", "told"),
    [
        (make.vertical(580, 575), Structure.CREDIT_SPREAD, "wheel: 2 × XYZ 580 / 575 put credit spread"),
        (CONDOR, Structure.IRON_CONDOR, "wheel: 2 × XYZ 580 / 575 / 620 / 625 iron condor"),
        (CALENDAR, Structure.CALENDAR, "wheel: 2 × XYZ 95 put calendar"),
    ],
)
def test_the_title_of_a_package_names_its_strikes(legs: tuple[Leg, ...], structure: Structure, told: str) -> None:
    signal = make.signal(legs=legs, structure=structure, limit=Decimal(-1))
    assert title(make.plan(signal, quantity=2)) == told
