"""Each number of a strategy matters to some test: moved by a fifth (whole numbers by one), one of them fails."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields

import pytest

from strategies import CATALOGUE, REPORTS
from strategies.params import described
from tests.strategies.thresholds import ROOT, survivors_told, thresholds

UNNOTICED: dict[str, str] = {
    "earnings_protection.front_iv_after": "0 is no number but the word for the term structure; a fifth of it is 0",
    "earnings_protection.later_iv_after": "0 is no number but the word for the term structure; a fifth of it is 0",
}
"""What may be moved both ways without a test that fails, and why that is so: `strategy.number`."""

NO_NUMBERS: dict[str, str] = {
    "leaps.themes": "names by theme: a list of tickers has no fifth; the theme of a name is held by the tests of leaps",
}
"""Parameters that are not numbers, and so are not moved."""

PARAMS = {each.name: each.params for each in (*CATALOGUE.values(), *REPORTS.values())}


def test_every_number_is_found_in_its_source() -> None:
    for name, params in PARAMS.items():
        found = {each.name: each.default for each in thresholds(name)}
        assert found == {field: getattr(params, field) for field in found}
        assert found.keys() == {each.name for each in described(type(params))}


def test_what_is_no_number_is_named() -> None:
    others = {
        f"{name}.{field.name}"
        for name, params in PARAMS.items()
        for field in fields(params)  # type: ignore[arg-type]
    } - {f"{name}.{each.name}" for name in PARAMS for each in thresholds(name)}
    assert others == NO_NUMBERS.keys()


def test_a_number_is_moved_in_its_own_place_only() -> None:
    (each,) = (each for each in thresholds("wsb_dip") if each.name == "min_run")

    before, after = each.path.read_text(encoding="utf-8").splitlines(), each.source(0.12).splitlines()

    assert [(old.strip(), new.strip()) for old, new in zip(before, after, strict=True) if old != new] == [
        (
            'min_run: float = number(0.10, 0.0, 5.0, "smallest run")',
            'min_run: float = number(0.12, 0.0, 5.0, "smallest run")',
        )
    ]


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(PARAMS))
def test_no_number_can_be_moved_without_a_test_that_fails(name: str) -> None:
    """In a process of its own, which forks for every move: this one has the modules loaded already."""
    told = subprocess.run(
        [sys.executable, "-m", "tests.strategies.thresholds", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert survivors_told(told) - UNNOTICED.keys() == frozenset(), told
