"""Limits and scenarios as pictures: which of them, in which order, and in words."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from bot.catalogue import COMMANDS
from bot.risk_pictures import MOST_BARS, limit_bars, limits_picture, stress_curve, stress_picture
from engine.risk import LimitUse
from engine.stress import DAYS, SPOTS, VOLS, StressGrid
from tests import make
from tests.bot.rooms import visit

D = Decimal


def use(name: str, used: str, limit: str = "0.30") -> LimitUse:
    return LimitUse(name, D(used), D(limit))


def test_limits_stand_by_how_full_they_are_and_a_passed_one_is_marked():
    found = limit_bars((use("total risk", "0.12"), use("size in SPY", "0.21", "0.20"), use("puts", "0.20", "0.50")))

    assert [(bar.name, bar.words, bar.is_passed) for bar in found.bars] == [
        ("size in SPY", "21.0 % of 20.0 %", True),
        ("total risk", "12.0 % of 30.0 %", False),
        ("puts", "20.0 % of 50.0 %", False),
    ]
    assert found.bars[0].share == pytest.approx(1.05)


def test_a_limit_that_is_just_full_is_not_passed():
    (bar,) = limit_bars((use("total risk", "0.30"),)).bars

    assert (bar.share, bar.is_passed) == (1.0, False)


def test_what_is_not_used_is_no_bar_and_too_many_are_counted():
    uses = [use(f"size in N{number}", f"0.{number:02d}") for number in range(14)]

    found = limit_bars(uses)

    assert len(found.bars) == MOST_BARS
    assert found.left_out == 13 - MOST_BARS
    assert found.alt.endswith("; 4 more")


def test_a_limit_of_nothing_that_something_uses_is_passed():
    picture = limits_picture((use("lotto", "0.01", "0"),))

    assert picture.alt == "Limits in use: lotto 1.0 % of 0.0 % (passed)"
    assert picture.draw(True).startswith(b"\x89PNG")


def grid() -> StressGrid:
    """Every cell tells where it is: the day, the volatility and the spot."""
    rows, columns, days = (np.arange(len(axis)) for axis in (SPOTS, VOLS, DAYS))
    pnl = 1000.0 * days[None, None, :] + 100.0 * columns[None, :, None] - rows[:, None, None]
    return StressGrid(np.array(SPOTS), np.array(VOLS), np.array(DAYS), pnl)


def test_the_scenarios_of_the_chosen_day_are_drawn_in_their_places():
    found = stress_curve(grid(), 7, "in 7 days")

    assert found.pnl.shape == (11, 3)
    assert found.pnl[0, 0] == 2000.0
    assert found.pnl[10, 2] == 2190.0
    assert "-20 %: +2,000, +2,100, +2,200" in found.alt
    assert "Largest loss" not in found.alt


def test_the_largest_loss_of_the_day_is_named():
    picture = stress_picture(grid(), 0, "today")

    assert "Largest loss -10. " in picture.alt
    assert picture.draw(False).startswith(b"\x89PNG")


def test_limits_in_use_are_drawn_behind_a_button_of_risk_each_once():
    here = visit()
    card = here.card("/risk")
    (button,) = [button for row in card.buttons for button in row if button.label == "Picture"]

    picture = here.card(action=button.action).pictures[0]

    assert button.action == "bars:"
    assert picture.alt == "Limits in use: nothing is used"
    assert picture.draw(True).startswith(b"\x89PNG")


def test_the_limits_of_what_is_held_are_all_drawn_not_only_the_heaviest_of_a_kind():
    here = visit()
    with here.world.store.begin() as work:
        for number, ticker in enumerate(("XYZ", "ABC")):
            lots = (make.held(make.put(44, underlying=ticker), -2, "1.03"),)
            work.save_position(
                make.position((make.leg(make.put(44, underlying=ticker)),), lots, id=f"P0000{number}", ticker=ticker,
                              entry=D("-1.03"), approval_id=None, collateral=D(8800), risk=D(914), opened_units=2)
            )  # fmt: skip

    told = here.card(action="bars:").pictures[0].alt

    assert told.count("size in XYZ") == told.count("size in ABC") == told.count("total risk") == 1


@pytest.mark.parametrize("days", DAYS)
def test_the_stress_grid_is_drawn_behind_a_button_of_each_day(days: int):
    here = visit()
    card = here.card(f"/stress {days}")
    (button,) = [button for row in card.buttons for button in row if button.label == "Picture"]

    shown = here.card(action=button.action)

    assert button.action == f"heat:{days}"
    assert shown.pictures[0].alt.startswith("Everything held, ")
    assert shown.pictures[0].draw(False).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["bars", "heat"])
def test_pictures_of_the_account_are_for_whoever_asked(name: str):
    assert COMMANDS[name].is_private
