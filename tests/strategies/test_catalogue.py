"""The catalogue and the parameters: defaults, overrides, and refusals that name the key."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from engine.errors import ConfigError, NotFound
from engine.model.trade import RiskLevel
from strategies import (
    CATALOGUE,
    REPORTS,
    configured,
    configured_reports,
    index_baseline,
    strategy,
    wheel,
    wsb_dip,
)
from strategies.params import configure, described

ROWS = {**CATALOGUE, **REPORTS}
DOCS = Path(__file__).resolve().parents[2] / "docs" / "strategies.md"


def test_ten_rows_are_known_each_a_strategy_or_a_report() -> None:
    assert list(REPORTS) == ["index_baseline"]
    assert len(CATALOGUE) + len(REPORTS) == len(ROWS) == 10
    assert (strategy("wheel").risk_level, strategy("wsb_dip").risk_level) == (RiskLevel.LOW, RiskLevel.HIGH)


def test_a_report_and_an_unknown_name_get_their_own_sentences() -> None:
    with pytest.raises(NotFound, match=r"index_baseline is a report: it trades and scans nothing\. /baseline shows it"):
        strategy("index_baseline")
    with pytest.raises(NotFound, match=r"no strategy “weel”\. Did you mean “wheel”"):
        strategy("weel")


def test_overrides_reach_the_parameters_and_leave_the_catalogue_alone() -> None:
    changed = configured({"wheel": {"put_delta": Decimal("0.25"), "min_volume": "2000000"}})
    assert (changed["wheel"].params.put_delta, changed["wheel"].params.min_volume) == (0.25, 2_000_000)
    assert changed["wsb_dip"].params == wsb_dip.Params()
    assert CATALOGUE["wheel"].params == wheel.Params()


def test_the_reports_keys_reach_its_parameters_and_a_wrong_one_is_named() -> None:
    changed = configured_reports({"index_baseline": {"sessions": 120}, "wheel": {"put_delta": 0.25}})
    assert changed["index_baseline"].params == index_baseline.Params(sessions=120)
    assert list(configured({"index_baseline": {"sessions": 120}})) == list(CATALOGUE)
    with pytest.raises(ConfigError, match=r"\[strategies.index_baseline\] block = 0: expected a whole number from 1"):
        configured_reports({"index_baseline": {"block": 0}})


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"wheel": {"put_detla": 0.2}}, r"\[strategies.wheel\] has no key “put_detla”. Did you mean “put_delta”"),
        ({"wheel": {"put_delta": 3}}, r"\[strategies.wheel\] put_delta = 3.0: expected a number from 0.01 to 0.99"),
        ({"wheel": {"put_dte": 36.5}}, r"put_dte = 36.5: expected a whole number from 1 to 365"),
        ({"wheel": {"put_dte": True}}, r"put_dte = True: expected a whole number"),
        ({"wheel": {"put_dte": "soon"}}, r"put_dte = soon: expected a whole number"),
        ({"wheel": {"put_delta": float("nan")}}, r"put_delta = nan: expected a number"),
        ({"wheel": {"put_delta": [0.2]}}, r"put_delta = \[0.2\]: expected a number"),
        ({"wheel": {"put_dte": 50}}, r"expected put_min_dte ≤ put_dte ≤ put_max_dte, found .*put_dte = 50"),
        ({"wsb_dip": {"kelly_cap": 0.5}}, r"\[strategies.wsb_dip\] kelly_cap = 0.5: expected a number from 0 to 0.1"),
        ({"weel": {}}, r"\[strategies.weel\]: There is no strategy “weel”"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_name(sections: dict[str, dict[str, object]], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        configured(sections)


def test_no_instance_out_of_range_can_be_made() -> None:
    with pytest.raises(ConfigError, match="min_run = -1"):
        replace(wsb_dip.Params(), min_run=-1.0)


@pytest.mark.parametrize("name", ROWS)
def test_defaults_are_inside_their_ranges_and_every_parameter_has_words(name: str) -> None:
    params = type(ROWS[name].params)
    assert configure(params, name, {}) == ROWS[name].params
    assert all(each.accepts(each.default) and each.words for each in described(params))


@pytest.mark.parametrize("name", ROWS)
def test_the_documentation_lists_every_parameter_with_its_default_and_range(name: str) -> None:
    text = DOCS.read_text(encoding="utf-8")
    for each in described(type(ROWS[name].params)):
        assert f"| `{each.name}` | {each.shown_default} | {each.range} | {each.words} |" in text


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_strategy_can_be_asked_everything(name: str) -> None:
    built = CATALOGUE[name]
    assert built.name == name
    assert built.exits is not None
    assert built.needs.times or built.needs.every
