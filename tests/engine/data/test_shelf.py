"""What is kept on disk comes back whole or not at all, whoever writes at the same time and whatever the disk does."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.diary import Diary
from engine.data.shelf import ABANDONED, OLDEST, Entry, Shelf

AT = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 25, 15, 1, tzinfo=UTC)


class Clock:
    """Tells the time it was set to."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shelf(tmp_path: Path, clock: Clock) -> Shelf:
    return Shelf(tmp_path, clock)


def only_file(folder: Path) -> Path:
    (path,) = (each for each in folder.rglob("*") if each.is_file())
    return path


def test_what_is_put_comes_back_with_its_time(shelf: Shelf):
    shelf.put("chain", "BRK.B", AT, '{"a": 1}', b"\x00\n\xff")
    assert shelf.get("chain", "BRK.B") == Entry(AT, '{"a": 1}', b"\x00\n\xff")


def test_what_was_never_put_is_nothing(shelf: Shelf):
    assert shelf.get("chain", "XYZ") is None


def test_kinds_and_keys_are_kept_apart_and_inside_the_folder(shelf: Shelf, tmp_path: Path):
    for kind, key in (("chain", "A"), ("chain", "../../A"), ("bars", "A"), ("bars", "")):
        shelf.put(kind, key, AT, f"{kind} {key}")
    assert shelf.get("chain", "../../A") == Entry(AT, "chain ../../A", b"")
    assert shelf.get("chain", "A") == Entry(AT, "chain A", b"")
    assert {path.parent.parent for path in tmp_path.rglob("*.kept")} == {tmp_path}


def test_later_content_replaces_the_earlier_and_nothing_is_left_beside_it(shelf: Shelf, tmp_path: Path):
    shelf.put("bars", "XYZ", AT, "old")
    shelf.put("bars", "XYZ", NOW, "new")
    assert shelf.get("bars", "XYZ") == Entry(NOW, "new", b"")
    assert only_file(tmp_path).suffix == ".kept"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_single_flipped_bit_anywhere_makes_it_nothing(shelf: Shelf, tmp_path: Path, place: int, bit: int):
    shelf.put("bars", "XYZ", AT, "head", bytes(range(256)))
    path = only_file(tmp_path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    assert shelf.get("bars", "XYZ") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.floats(0, 0.999))
def test_a_file_that_was_cut_off_is_nothing(shelf: Shelf, tmp_path: Path, part: float):
    shelf.put("bars", "XYZ", AT, "head", b"body")
    path = only_file(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    assert shelf.get("bars", "XYZ") is None


def test_a_corrupt_file_is_replaced_by_the_next_answer(shelf: Shelf, tmp_path: Path):
    shelf.put("bars", "XYZ", AT, "old")
    only_file(tmp_path).write_bytes(b"rubbish")
    assert shelf.get("bars", "XYZ") is None
    shelf.put("bars", "XYZ", NOW, "new")
    assert shelf.get("bars", "XYZ") == Entry(NOW, "new", b"")


def test_a_file_under_another_names_place_is_not_that_names(shelf: Shelf, tmp_path: Path):
    shelf.put("bars", "XYZ", AT, "of XYZ")
    path = only_file(tmp_path)
    path.rename(path.with_name("ABC.kept"))
    assert shelf.get("bars", "ABC") is None


def test_one_that_is_not_finished_leaves_what_was_there(shelf: Shelf, tmp_path: Path, clock: Clock):
    shelf.put("bars", "XYZ", AT, "old")
    half = tmp_path / "bars" / "XYZ.kept.0a0b0c0d.part"
    half.write_bytes(b"half of someth")
    assert shelf.get("bars", "XYZ") == Entry(AT, "old", b"")
    shelf.tidy()
    assert half.exists()
    _age(half, ABANDONED + timedelta(seconds=1))
    shelf.tidy()
    assert not half.exists()


def test_a_disk_that_cannot_be_written_costs_only_what_would_have_been_kept(tmp_path: Path, clock: Clock):
    (tmp_path / "file").write_text("no folder")
    shelf = Shelf(tmp_path / "file", clock)
    shelf.put("bars", "XYZ", AT, "new")
    assert shelf.get("bars", "XYZ") is None
    shelf.tidy()


def test_old_files_are_removed(shelf: Shelf, tmp_path: Path):
    shelf.put("bars", "OLD", AT, "old")
    shelf.put("bars", "NEW", AT, "new")
    _age(tmp_path / "bars" / "OLD.kept", OLDEST + timedelta(seconds=1))
    _age(tmp_path / "bars" / "NEW.kept", timedelta())
    shelf.tidy()
    assert [path.name for path in tmp_path.rglob("*.kept")] == ["NEW.kept"]


def test_no_more_is_kept_than_fits_and_the_oldest_goes_first(tmp_path: Path, clock: Clock):
    shelf = Shelf(tmp_path, clock, most=3_000)
    for age, name in enumerate(("A", "B", "C", "D")):
        shelf.put("bars", name, AT, "", bytes(1_000))
        _age(tmp_path / "bars" / f"{name}.kept", timedelta(minutes=age))
    shelf.tidy()
    assert sorted(path.name for path in tmp_path.rglob("*.kept")) == ["A.kept", "B.kept"]


def test_what_is_none_of_ours_stays(shelf: Shelf, tmp_path: Path):
    other = tmp_path / "yahoo" / "cookies.db"
    other.parent.mkdir()
    other.write_text("theirs")
    _age(other, timedelta(days=400))
    shelf.tidy()
    assert other.exists()


def _age(path: Path, age: timedelta) -> None:
    at = (NOW - age).timestamp()
    os.utime(path, (at, at))


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from engine.data.shelf import Shelf
shelf = Shelf(Path(sys.argv[1]), lambda: datetime.now(UTC))
for turn in range(150):
    word = sys.argv[2] * (1 + turn * 400)
    shelf.put("bars", "XYZ", datetime(2026, 11, 25, tzinfo=UTC), word[:10], word.encode())
"""


def test_two_processes_that_write_at_once_never_mix(shelf: Shelf, tmp_path: Path):
    shelf.put("bars", "XYZ", AT, "c", b"c")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), word]) for word in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        entry = shelf.get("bars", "XYZ")
        assert entry is not None
        assert len(set(entry.body)) == 1
        seen.add(entry.body[:1])
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen & {b"a", b"b"}


# The requests of a day


def test_requests_are_remembered_by_the_next_process(tmp_path: Path, clock: Clock):
    Diary(tmp_path, "alphavantage", clock).note()
    clock.now += timedelta(hours=3)
    again = Diary(tmp_path, "alphavantage", clock)
    again.note()
    assert again.ages() == [3 * 3600.0, 0.0]


def test_another_process_is_counted_while_it_runs(tmp_path: Path, clock: Clock):
    mine, theirs = Diary(tmp_path, "acme", clock), Diary(tmp_path, "acme", clock)
    mine.note()
    assert len(mine.ages()) == 1
    theirs.note()
    assert len(mine.ages()) == 2


def test_requests_of_the_day_before_count_over_midnight(tmp_path: Path, clock: Clock):
    clock.now = datetime(2026, 11, 25, 23, 59, tzinfo=UTC)
    diary = Diary(tmp_path, "acme", clock)
    diary.note()
    clock.now = datetime(2026, 11, 26, 0, 1, tzinfo=UTC)
    assert diary.ages() == [120.0]


def test_a_clock_that_was_set_back_forgets_nothing(tmp_path: Path, clock: Clock):
    diary = Diary(tmp_path, "acme", clock)
    diary.note()
    clock.now -= timedelta(hours=20)
    assert diary.ages() == [0.0]


def test_a_damaged_line_costs_itself_only(tmp_path: Path, clock: Clock):
    diary = Diary(tmp_path, "acme", clock)
    diary.note()
    with only_file(tmp_path).open("ab") as file:
        file.write(b"2026-11-2\xff5T\n2026-11-25T15:00:00\n")
    diary.note()
    assert len(diary.ages()) == 2


def test_days_that_count_no_more_are_removed(tmp_path: Path, clock: Clock):
    diary = Diary(tmp_path, "acme", clock)
    diary.note()
    clock.now += timedelta(days=3)
    diary.note()
    diary.tidy()
    assert only_file(tmp_path).name == "acme 2026-11-28.log"


def test_a_diary_that_cannot_be_written_is_no_trouble(tmp_path: Path, clock: Clock):
    (tmp_path / "file").write_text("no folder")
    diary = Diary(tmp_path / "file", "acme", clock)
    diary.note()
    assert diary.ages() == []
