"""Charts: PNGs of a phone's size that can be read in every theme and by every eye, the same bytes whoever draws."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from struct import unpack

import numpy as np
import pytest
from PIL import Image

from bot.charts import payoff_png
from bot.charts.canvas import DARK, LIGHT, Palette, spread
from tests.drawn import PLAIN, UGLY, payoff

EVERY = PLAIN | UGLY
DEUTAN = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
PROTAN = np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]])
"""Linear light as people without one kind of cone see it (Machado, Oliveira and Fernandes 2009, severity 1)."""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", EVERY)
def test_chart_is_a_png_of_a_phones_size(name: str, dark: bool):
    png = EVERY[name](dark)

    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert unpack(">II", png[16:24]) == (800, 720)


@pytest.mark.parametrize("name", PLAIN)
def test_same_curve_gives_the_same_bytes(name: str):
    assert PLAIN[name](True) == PLAIN[name](True)


def test_two_charts_drawn_at_once_are_the_same_as_drawn_alone():
    alone = {(name, dark): draw(dark) for name, draw in PLAIN.items() for dark in (False, True)}
    start = threading.Barrier(4)

    def all_of_them(_: int) -> dict[tuple[str, bool], bytes]:
        start.wait(20)
        return {(name, dark): PLAIN[name](dark) for name, dark in alone}

    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(all_of_them, range(4)))

    assert together == [alone] * 4


def test_settings_of_whoever_else_draws_change_nothing():
    from matplotlib import rcParams

    before = PLAIN["payoff"](False)
    kept = rcParams["lines.linewidth"]
    rcParams["lines.linewidth"] = 9.0
    try:
        assert PLAIN["payoff"](False) == before
    finally:
        rcParams["lines.linewidth"] = kept


@pytest.mark.parametrize("name", PLAIN)
def test_dark_is_not_light(name: str):
    corners = [Image.open(BytesIO(PLAIN[name](dark))).convert("L").getpixel((2, 2)) for dark in (False, True)]

    assert corners[0] > 250
    assert corners[1] < 40


def test_another_curve_gives_another_picture():
    assert UGLY["two days of equity"](False) != UGLY["equity that never moves"](False)


def test_nothing_touches_the_edge_of_the_picture():
    """A word that is cut off leaves ink in the outermost pixels."""
    for name, draw in EVERY.items():
        pixels = np.asarray(Image.open(BytesIO(draw(False))).convert("L"))
        edges = np.concatenate((pixels[:3].ravel(), pixels[-3:].ravel(), pixels[:, :3].ravel(), pixels[:, -3:].ravel()))
        assert edges.min() > 250, name


def linear(colour: str) -> np.ndarray:
    """Linear light of a hex colour (IEC 61966-2-1)."""
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def brightness(colour: str) -> float:
    return float(linear(colour) @ (0.2126, 0.7152, 0.0722))


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 has it."""
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_words_and_lines_stand_out_from_the_paper(palette: Palette):
    assert contrast(palette.ink, palette.paper) > 12
    assert contrast(palette.soft, palette.paper) > 4.5
    assert all(contrast(line, palette.paper) > 3 for line in (palette.line, palette.gain, palette.loss))


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("eyes", [np.eye(3), DEUTAN, PROTAN], ids=["all cones", "no green", "no red"])
def test_gain_and_loss_differ_to_every_eye(palette: Palette, eyes: np.ndarray):
    gain, loss = (np.clip(eyes @ linear(colour), 0, 1) for colour in (palette.gain, palette.loss))

    assert np.abs(gain - loss).max() > 0.25


def stripes(profit: float) -> int:
    """How often the brightness changes along a line through the area of a profit that is the same everywhere."""
    picture = Image.open(BytesIO(payoff_png(payoff(np.full(241, profit)), False))).convert("L")
    row = np.asarray(picture)[340].astype(int)
    return int((np.abs(np.diff(row)) > 20).sum())


def test_a_loss_is_hatched_so_that_it_shows_without_any_colour():
    assert stripes(-50.0) > 60
    assert stripes(50.0) < 20


def test_names_stand_in_the_order_of_their_heights_and_never_over_each_other():
    placed = spread([1.0, 1.0, 1.1, 9.0, 9.9], 1.0, 0.5, 9.5)

    assert placed == sorted(placed)
    assert min(np.diff(placed)) > 0.999
    assert placed[0] >= 0.5
    assert placed[-1] <= 9.5
