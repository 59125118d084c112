"""How long a chart takes, each kind, light and dark, once the drawing library is loaded.

Measured: a curve to its PNG bytes, as it is drawn for a chat. Peer, in the same run: the drawing library alone, one
line with axes saved at the same size. We hold ourselves to 150 ms for the slowest kind. `python -m bench.chart
[ROUNDS]`
"""

from __future__ import annotations

import sys
from io import BytesIO
from statistics import median

import numpy as np
from matplotlib.figure import Figure

from bench.reconcile import timed
from bot.charts.canvas import DPI, INCHES
from tests.drawn import PLAIN

ROUNDS = 15


def bare() -> None:
    """What the library takes for a line, axes with labels, and a file."""
    figure = Figure(figsize=INCHES, dpi=DPI)
    axes = figure.add_subplot()
    axes.plot(np.linspace(0.0, 1.0, 241))
    figure.savefig(BytesIO(), format="png")


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    floor: list[float] = []
    times: dict[str, list[float]] = {name: [] for name in PLAIN}
    for number in range(rounds + 2):
        floor.append(timed(bare))
        for name, draw in PLAIN.items():
            is_dark = number % 2 == 1
            times[name].append(timed(lambda draw=draw, is_dark=is_dark: draw(is_dark)))  # type: ignore[misc]
    ground = median(floor[2:])
    print(f"one chart; peer (the library's own line of the same size): {ground:.1f} ms")
    print(f"  {'kind':<8} {'p50 ms':>8} {'p99 ms':>8} {'of peer':>9}")
    for name, told in times.items():
        middle, tail = np.percentile(told[2:], (50, 99))
        print(f"  {name:<8} {middle:>8.1f} {tail:>8.1f} {middle / ground:>9.1f}")


if __name__ == "__main__":
    main()
