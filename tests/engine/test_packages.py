"""Loose holdings put together, and the exits they get by default."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.model.book import Holding
from engine.model.instruments import Instrument, Right, Stock
from engine.model.legs import Structure
from engine.packages import Package, Part, default_exits, packages
from tests import make

D = make.D


def held(item: Instrument, quantity: int, average: make.Money = 1) -> Holding:
    return Holding(item, quantity, D(average))


def names(*holdings: Holding, free: int = 0) -> list[str]:
    return sorted(package.name for package in packages(holdings, free))


def one(*holdings: Holding) -> Part:
    package: Package
    (package,) = packages(holdings)
    (part,) = package.parts
    return part


@pytest.mark.parametrize(
    ("holdings", "expected"),
    [
        ([held(make.call(48), 2)], ["long call"]),
        ([held(make.put(44), 2)], ["long put"]),
        ([held(make.put(44), -2)], ["cash-secured put"]),
        ([held(make.share(), 150)], ["shares"]),
        ([held(make.put(44), -2), held(make.put(40), 2)], ["credit spread"]),
        ([held(make.put(44), 2), held(make.put(40), -2)], ["debit spread"]),
        ([held(make.call(48), 1), held(make.call(52), -1)], ["debit spread"]),
        ([held(make.call(48), -1), held(make.call(52), 1)], ["credit spread"]),
        ([held(make.call(48), -1, 1), held(make.call(48, dte=60), 1)], ["calendar"]),
        ([held(make.put(44), -2), held(make.put(40), 3)], ["credit spread", "long put"]),
        (
            [
                held(make.put(44, 30), -1),
                held(make.put(40, 30), 1),
                held(make.call(52, 30), -1),
                held(make.call(56, 30), 1),
            ],
            ["iron condor"],
        ),
        ([held(make.share(), 200), held(make.call(52), -2)], ["covered call"]),
        ([held(make.share(), 250), held(make.call(52), -2)], ["covered call", "shares"]),
        ([held(make.share(), 100), held(make.call(52), -1), held(make.put(44), 1)], ["collar"]),
        ([held(make.call(52), -1)], ["uncovered short call"]),
        ([held(make.share(), -100)], ["short shares"]),
    ],
)
def test_holdings_are_called_by_their_name(holdings: list[Holding], expected: list[str]) -> None:
    assert names(*holdings) == expected


def test_a_short_call_may_lean_on_shares_in_the_books_and_no_further() -> None:
    assert names(held(make.call(52), -3), free=250) == ["covered call", "uncovered short call"]


def test_nothing_is_lost_or_held_twice() -> None:
    holdings = (held(make.share(), 350), held(make.call(52), -2), held(make.put(44), -3), held(make.put(40), 2))

    total: dict[Instrument, int] = {}
    for package in packages(holdings):
        for holding in package.held:
            total[holding.instrument] = total.get(holding.instrument, 0) + holding.quantity

    assert total == {holding.instrument: holding.quantity for holding in holdings}


def test_a_spread_is_priced_net_and_in_whole_units() -> None:
    part = one(held(make.put(44), -4, "1.20"), held(make.put(40), 4, "0.35"))

    assert (part.units, part.entry) == (4, D("-0.85"))
    assert [leg.ratio for leg in part.unit] == [-1, 1]


@pytest.mark.parametrize(
    ("part", "target", "stop"),
    [
        (one(held(make.call(48), 1, "2.25")), "4.50", "1.12"),
        (one(held(make.call(98), 1, "4.65"), held(make.call(105), -1, "1.48")), "5.08", "1.58"),
        (one(held(make.put(580), -1, "5.05"), held(make.put(575), 1, "4.05")), "-0.50", "-3.00"),
        (one(held(make.put(580), -1, "6.05"), held(make.put(575), 1, "4.05")), "-1.00", "-4.00"),
    ],
)
def test_the_levels_are_those_of_the_structure(part: Part, target: str, stop: str) -> None:
    plan = default_exits(part, make.TODAY)

    assert (plan.target, plan.stop) == (D(target), D(stop))
    assert plan.has_stop


def test_shares_and_puts_stop_at_a_spot() -> None:
    assert default_exits(one(held(make.share(), 100, 44)), make.TODAY).stop_spot == D(33)
    assert default_exits(one(held(make.put(44), -1, "1.03")), make.TODAY).stop_spot == D("32.23")


def test_a_stop_that_is_passed_already_is_set_under_today_s_price_and_says_so() -> None:
    call, shares = one(held(make.call(48), 1, "2.25")), one(held(Stock("XYZ"), 100, 44))

    lost = default_exits(call, make.TODAY, value=D("0.60"))
    fallen = default_exits(shares, make.TODAY, spot=D(30))

    assert lost.stop == D("0.30")
    assert "half-way from today's price" in " ".join(lost.words)
    assert fallen.stop_spot == D("22.50")


def test_a_target_that_is_reached_already_is_left_out() -> None:
    plan = default_exits(one(held(make.call(48), 1, "2.25")), make.TODAY, value=D(5))

    assert plan.target is None
    assert plan.stop == D("1.12")


@pytest.mark.parametrize(("dte", "days"), [(35, 21), (15, 7), (6, None)])
def test_a_credit_spread_goes_at_21_days_at_7_when_nearer_and_else_on_its_last_day(dte: int, days: int | None) -> None:
    part = one(held(make.put(44, dte), -1, "1.20"), held(make.put(40, dte), 1, "0.35"))

    out = default_exits(part, make.TODAY).close_on

    expiry = make.put(44, dte).expiry
    assert (None if out is None else (expiry - out).days) == days


@pytest.mark.parametrize("average", ["-0.10", "5.00", "9.99"])
def test_an_average_that_makes_no_sense_still_leaves_a_stop(average: str) -> None:
    part = Part(Structure.DEBIT_SPREAD, make.vertical(105, 100, Right.CALL), 1, D(average))

    plan = default_exits(part, make.TODAY)

    assert plan.target is None
    assert plan.stop == Decimal(1)
