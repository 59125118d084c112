"""The fault matrix finds the mistakes it is there for: each is made in a copy of the program, and rows turn red."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("alerts", "bot", "engine", "strategies", "tests")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One change of one line, and the rows of the matrix that have to see it."""

    name: str
    file: str
    right: str
    mistaken: str
    rows: tuple[str, ...]


MISTAKES = (
    Mistake(
        "no look-up by id",
        "engine/brokers/alpaca.py",
        '        try:\n            found = _dict(self._http.get("/orders:by_client_order_id"',
        '        return None\n        try:\n            found = _dict(self._http.get("/orders:by_client_order_id"',
        ("cut after it was accepted", "nothing goes wrong"),
    ),
    Mistake(
        "a credit sent with a positive limit",
        "engine/brokers/alpaca_wire.py",
        "_price(order.limit if order.is_multileg else abs(order.limit), order)",
        "_price(abs(order.limit), order)",
        ("nothing goes wrong",),
    ),
    Mistake(
        "no answer taken for not placed",
        "engine/orders.py",
        "tried = replace(stored, status=OrderStatus.NEW, sent_at=now, done_at=None",
        "tried = replace(stored, status=OrderStatus.CANCELED, sent_at=now, done_at=now",
        ("504 after it was accepted", "cut after it was accepted"),
    ),
    Mistake(
        "a cancel taken for done",
        "engine/orders.py",
        "cancel_again_at=desk.now() + pause)\n",
        "cancel_again_at=desk.now() + pause, status=OrderStatus.CANCELED)\n",
        ("fills while it is canceled", "cancel that lasts half a minute"),
    ),
    Mistake(
        "executions booked as often as they are listed",
        "engine/fills.py",
        "if work.add_fill(fill, ticket.position_id)]",
        "if work.add_fill(fill, ticket.position_id) or True]",
        ("half trades, then the rest",),
    ),
    Mistake(
        "the whole size sent again after a part traded",
        "engine/orders.py",
        "        quantity=ticket.left,\n",
        "        quantity=ticket.quantity,\n",
        ("half trades, the rest at a later step",),
    ),
)


def copy_of(folder: Path, mistake: Mistake | None) -> Path:
    """The program in another place, with the mistake in it; what Python has compiled of the other files still fits."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part)
    if mistake is not None:
        file = folder / mistake.file
        text = file.read_text(encoding="utf-8")
        assert text.count(mistake.right) == 1, f"{mistake.file} has changed: {mistake.name} cannot be made any more"
        file.write_text(text.replace(mistake.right, mistake.mistaken), encoding="utf-8")
    return folder


def red(folder: Path, rows: tuple[str, ...]) -> str:
    """What the matrix of that copy finds wrong in these rows."""
    command = [sys.executable, "-m", "tests.faults.matrix", *rows]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_the_matrix_turns_red_for(mistake: Mistake, tmp_path: Path) -> None:
    found = red(copy_of(tmp_path, mistake), mistake.rows)

    for row in mistake.rows:
        assert f"{row} |" in found


def test_a_copy_without_a_mistake_is_green(tmp_path: Path) -> None:
    rows = tuple(sorted({row for mistake in MISTAKES for row in mistake.rows}))

    assert red(copy_of(tmp_path, None), rows) == ""
