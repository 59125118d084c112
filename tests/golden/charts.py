"""Charts as sketches in text: coarse enough to be the same wherever letters are drawn a little differently."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from tests.drawn import PLAIN

HERE = Path(__file__).parent / "charts"
COLUMNS, ROWS = 80, 36
INKS = " .:*#"
"""From paper to ink."""
NAMES = tuple(f"{name}-{theme}" for name in PLAIN for theme in ("light", "dark"))


def file_of(name: str) -> Path:
    """Where the sketch is kept."""
    return HERE / f"{name}.txt"


def sketch(name: str) -> str:
    """The chart in 36 lines of 80 signs, each as dark as its part of the picture differs from the paper."""
    kind, _, theme = name.rpartition("-")
    picture = (
        Image.open(BytesIO(PLAIN[kind](theme == "dark"))).convert("L").resize((COLUMNS, ROWS), Image.Resampling.BOX)
    )
    grey = np.asarray(picture).astype(float)
    paper = grey[0, 0]
    ink = np.abs(grey - paper) / max(paper, 255 - paper)
    places = np.minimum((ink * 2 * len(INKS)).astype(int), len(INKS) - 1)
    return "".join("".join(INKS[place] for place in row).rstrip() + "\n" for row in places)


def differing(one: str, other: str) -> int:
    """How many signs of two sketches differ by more than the next ink."""
    rows = zip(_inks(one), _inks(other), strict=True)
    return sum(abs(a - b) > 1 for row, beside in rows for a, b in zip(row, beside, strict=True))


def _inks(text: str) -> list[list[int]]:
    lines = (text.splitlines() + [""] * ROWS)[:ROWS]
    return [[INKS.index(sign) for sign in line.ljust(COLUMNS)] for line in lines]
