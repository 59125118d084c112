"""Every cell of the fault matrix held to what is expected of it, and the document to the cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.matrix import COLUMNS, FAULTS, End, Fault, in_words, live_through, lived_through
from tests.faults.scenes import CALENDAR, CONDOR, UNITS, Package, Shown

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
CELLS = [(fault, column) for fault in FAULTS for column in range(len(COLUMNS))]


def rows() -> dict[str, list[str]]:
    """The cells of the document's table by the name of their row."""
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    split = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:])
    return {name: cells for name, *cells in split}


@pytest.mark.parametrize(
    ("fault", "column"), CELLS, ids=lambda item: item.name if isinstance(item, Fault) else str(item)
)
def test_a_fault_ends_as_it_should_and_the_books_agree_with_the_broker(fault: Fault, column: int) -> None:
    _, _, is_exit = COLUMNS[column]

    shown = live_through(fault, column)

    assert shown.problems == ()
    assert shown.posts <= fault.most
    assert_ended(fault.exit if is_exit else fault.entry, shown)
    if is_exit:
        assert bool(shown.alarms) == fault.alarm
    assert rows()[fault.name][column] == in_words(shown)


@pytest.mark.parametrize("package", [CONDOR, CALENDAR], ids=lambda package: package.structure)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_four_legs_and_two_expiries_end_as_any_package_does(fault: Fault, package: Package) -> None:
    opened = lived_through(fault, package, is_exit=False)
    closed = lived_through(fault, package, is_exit=True)

    assert (opened.problems, closed.problems) == ((), ())
    assert max(opened.posts, closed.posts) <= fault.most
    assert_ended(fault.entry, opened)
    assert_ended(fault.exit, closed)
    assert bool(closed.alarms) == fault.alarm


def assert_ended(end: End, shown: Shown) -> None:
    match end:
        case End.TRADED:
            assert (shown.traded, shown.is_open) == (UNITS, False)
        case End.NOTHING:
            assert (shown.traded, shown.is_open) == (0, False)
            assert shown.note
        case End.WORKED:
            assert shown.traded == 0
            assert shown.posts > 1


def test_the_document_has_a_row_for_every_fault_and_no_other() -> None:
    assert list(rows()) == [fault.name for fault in FAULTS]


def test_the_matrix_has_at_least_twenty_five_faults() -> None:
    assert len({fault.name for fault in FAULTS}) >= 25
