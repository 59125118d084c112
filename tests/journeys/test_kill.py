"""The process killed at each step between tap and fill, and started again: one order, nothing lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests import make
from tests.standins.alpaca import AlpacaStandin, RunningClock
from tests.standins.alpaca_exchange import Exchange

ROOT = Path(__file__).resolve().parents[2]
STEPS = range(1, 20)


@dataclass
class Case:
    """One desk that was killed at `step` and restarted, and the broker it dealt with."""

    result: dict[str, Any]
    standin: AlpacaStandin


def account() -> Exchange:
    exchange = Exchange(RunningClock(make.NOW), Decimal(100_000))
    exchange.quote(make.put().symbol, "0.98", "1.08")
    exchange.quote("XYZ", "47.99", "48.01")
    return exchange


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Case]]:
    """Every step, each with a database and a broker of its own."""
    folder = tmp_path_factory.mktemp("killed")
    with ExitStack() as stack:
        standins = {step: stack.enter_context(AlpacaStandin(account())) for step in STEPS}
        jobs = [[f"sqlite:///{folder}/{step}.db", standin.url, step] for step, standin in standins.items()]
        command = [sys.executable, "-m", "tests.journeys.killed_desk", json.dumps(jobs)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        yield {row["step"]: Case(row, standins[row["step"]]) for row in rows}


@pytest.mark.parametrize("step", STEPS)
def test_a_desk_killed_at_any_step_ends_with_one_order_and_its_whole_fill(step: int, cases: dict[int, Case]) -> None:
    case = cases[step]

    assert case.result["again"] == 0
    assert [order.client_order_id for order in case.standin.exchange.orders] == ["A00001.1.1"]
    assert case.standin.journal.violations == []
    ended = {key: case.result[key] for key in ("fills", "units", "cash", "ticket", "orders")}
    assert ended == {"fills": 1, "units": 2, "cash": "100206.000000", "ticket": "filled", "orders": 1}


def test_the_steps_tried_are_all_there_are(cases: dict[int, Case]) -> None:
    killed = [step for step, case in cases.items() if case.result["first"] == -signal.SIGKILL]
    survived = [step for step, case in cases.items() if case.result["first"] == 0]

    assert len(killed) >= 14
    assert survived
    assert max(killed) < min(survived)
