"""The desk killed at every durable step and between them, many times over: nothing doubled, nothing forgotten."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.crash import SUPERVISED_WITHIN, CrashRun, Program, Report, a_program

SIDE_BY_SIDE = 3
"""Runs at once: each mostly waits, and every one has programs of its own."""


def runs(seeds: Iterable[int], folder: Path) -> list[Report]:
    """The reports of these seeds, a few runs at a time."""
    wanted = list(seeds)
    shares = [wanted[start::SIDE_BY_SIDE] for start in range(SIDE_BY_SIDE)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        found = pool.map(lambda share: _share(share, folder), shares)
        return sorted((report for share in found for report in share), key=lambda report: report.seed)


def _share(seeds: list[int], folder: Path) -> list[Report]:
    with a_program() as program:
        return [_one(seed, program, folder / str(seed)) for seed in seeds]


def _one(seed: int, program: Program, folder: Path) -> Report:
    folder.mkdir()
    return CrashRun(seed, program, folder).run()


def is_crowded() -> bool:
    """Whether so much else runs here that a second of work takes several: then only a life's own time is judged."""
    return os.getloadavg()[0] > 2 * (os.cpu_count() or 1)


def assert_unharmed(reports: list[Report]) -> None:
    """No run found a difference, every restart supervised in time, and the runs really were what they claim to be."""
    wrong = {report.seed: report.problems for report in reports if report.problems}
    assert wrong == {}
    looks = [look for report in reports for look in report.first_looks]
    assert max(look.own for look in looks) < SUPERVISED_WITHIN
    if not is_crowded():
        assert max(look.after for look in looks) < SUPERVISED_WITHIN
    ends = sum((report.stages for report in reports), Counter[str]())
    deaths = sum(report.deaths for report in reports)
    assert deaths >= len(reports)
    assert ends["closed"] > len(reports) / 2
    print(
        f"\n{len(reports)} runs, {deaths} kills, {sum(r.orders for r in reports)} orders, "
        f"{sum(r.fills for r in reports)} executions, {sum(r.exits for r in reports)} exits, ends {dict(ends)}, "
        f"first look at the exits after at most {max(look.after for look in looks):.2f} s"
    )


@pytest.mark.timeout(900)
def test_two_dozen_killed_desks_end_with_books_that_agree_with_the_broker(tmp_path: Path) -> None:
    assert_unharmed(runs(range(24), tmp_path))


@pytest.mark.soak
def test_six_hundred_killed_desks_end_with_books_that_agree_with_the_broker(tmp_path: Path) -> None:
    assert_unharmed(runs(range(1000, 1600), tmp_path))


def test_a_freshly_started_program_supervises_its_exits_in_time(tmp_path: Path) -> None:
    began = time.monotonic()
    with a_program() as program:
        loaded = time.monotonic() - began
        report = CrashRun(0, program, tmp_path).run()

    assert report.problems == []
    assert report.first_looks[0].own < SUPERVISED_WITHIN
    if not is_crowded():
        assert loaded + report.first_looks[0].after < SUPERVISED_WITHIN
