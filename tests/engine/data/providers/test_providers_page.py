"""The table of providers in docs/providers.md says what the adapters are."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.data import providers
from engine.data.providers.port import Offer, Provider
from engine.model.market import Kind

PAGE = Path(__file__).resolve().parents[4] / "docs" / "providers.md"


class Row(NamedTuple):
    provider: str
    gives: str
    limits: str
    key: str
    licence: str
    proven: str


def _adapters() -> dict[str, type[Provider]]:
    """Every adapter of the package by name; those that tests make are none."""
    for module in pkgutil.iter_modules(providers.__path__, f"{providers.__name__}."):
        importlib.import_module(module.name)
    ours = (made for made in Provider.__subclasses__() if made.__module__.startswith(f"{providers.__name__}."))
    return {made.name: made for made in ours}


def _rows() -> dict[str, Row]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return {row[0]: Row(*row) for row in cells}


ADAPTERS, ROWS = _adapters(), _rows()


def test_every_adapter_has_its_row_and_every_row_its_adapter():
    assert ROWS.keys() == ADAPTERS.keys()


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_the_row_says_whether_real_answers_have_proven_it(name: str):
    word = re.match(r"\w+", ROWS[name].proven)
    assert word is not None
    assert word[0] == ("proven" if ADAPTERS[name].is_proven else "unproven")
    assert ADAPTERS[name].is_proven is ("recorded" in ROWS[name].proven)


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_the_row_lists_what_it_answers_and_of_what_kind(name: str):
    answered = {offer for offer in Offer if getattr(ADAPTERS[name], offer) is not getattr(Provider, offer)}
    listed: list[Offer] = []
    for group in ROWS[name].gives.split(";"):
        kinds, _, offers = group.partition(":")
        assert set(re.findall(r"\w+", kinds)) - {"or", "by", "plan", "feed"} <= set(Kind)
        listed += [Offer(offer.strip().replace(" ", "_")) for offer in offers.split(",")]
    assert sorted(listed) == sorted(answered)


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_the_row_tells_the_limits_the_adapter_keeps(name: str):
    for allowance in ADAPTERS[name].allowances:
        assert str(allowance) in ROWS[name].limits
    assert ROWS[name].key
    assert ROWS[name].licence
