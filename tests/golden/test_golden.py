"""What is sent to each chat for a stable set of cards: a change of wording or layout has to be meant."""

from __future__ import annotations

import difflib

import pytest

from bot.message import Tone
from tests.golden import charts
from tests.golden.platforms import HERE, PINNED, PLATFORMS, file_of
from tests.samples import SAMPLES

SLACK = 20
"""Signs of a chart's sketch that may differ: letters are not drawn the same everywhere."""


@pytest.mark.parametrize("sample", PINNED)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_card_is_sent_as_it_was_pinned(platform: str, sample: str):
    kept = file_of(platform, sample)
    pinned = kept.read_text(encoding="utf-8") if kept.exists() else ""

    drawn = PLATFORMS[platform].text_of(SAMPLES[sample]())

    lines = difflib.unified_diff(pinned.splitlines(), drawn.splitlines(), "pinned", "drawn", lineterm="")
    assert drawn == pinned, "\n".join(("if this is meant, `python -m tests.golden` writes it anew", *lines))


def test_nothing_is_pinned_that_is_not_drawn():
    texts = {file_of(platform, sample) for platform in PLATFORMS for sample in PINNED}

    assert set(HERE.glob("*/*.txt")) == texts | {charts.file_of(name) for name in charts.NAMES}


@pytest.mark.parametrize("name", charts.NAMES)
def test_chart_is_drawn_as_it_was_pinned(name: str):
    kept = charts.file_of(name)
    pinned = kept.read_text(encoding="utf-8") if kept.exists() else ""

    drawn = charts.sketch(name)

    differs = charts.differing(drawn, pinned)
    assert differs <= SLACK, (
        f"{differs} signs differ; if this is meant, `python -m tests.golden` draws it anew\n{drawn}"
    )


def test_a_chart_that_lost_a_line_is_not_the_pinned_one():
    whole = charts.file_of("payoff-light").read_text(encoding="utf-8")
    rows = whole.splitlines()
    fullest = max(range(len(rows)), key=lambda row: len(rows[row].replace(" ", "")))

    assert charts.differing(whole, "\n".join([*rows[:fullest], "", *rows[fullest + 1 :]])) > SLACK


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_closes_or_ends_something_shares_no_row_with_a_look(sample: str):
    rows = [{button.tone for button in row} for row in SAMPLES[sample]().buttons]

    assert not [row for row in rows if {Tone.BAD, Tone.NEUTRAL} <= row]


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_sample_can_be_drawn_and_fetches_nothing(platform: str, sample: str):
    card = SAMPLES[sample]()

    page = PLATFORMS[platform].page_of(card)

    assert page.count("<img") == page.count('src="data:image/png;base64,') == len(card.pictures)
    assert "url(" not in page


def test_a_second_tap_on_approve_does_not_close_what_was_just_filled():
    asked, filled = SAMPLES["proposal"](), SAMPLES["filled"]()

    assert asked.buttons[0][0].label == "Approve"
    assert [[button.label for button in row] for row in filled.buttons] == [["Position", "Why"], ["Close"]]
