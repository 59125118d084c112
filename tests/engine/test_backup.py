"""Backups: whole whatever goes on beside them, proved before they have a name, one before every migration."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine import audit, backup
from engine.errors import BackupFailed, ConfigError, DataInvalid
from engine.model.backups import Backup, BackupRules, Occasion
from engine.schema import HEAD, REVISIONS
from engine.store import Store, copies
from tests.engine.store import writer
from tests.older import made_at
from tests.waiting import until

NOW = datetime(2026, 11, 27, 22, 0, tzinfo=UTC)
RULES = BackupRules()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A desk's database with a little of everything, sealed."""
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    with Store.create(url) as store:
        for number in range(20):
            writer.write(store, number)
        audit.seal(store)
    return url


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def settings(file: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(file)) as books:
        return books.execute("SELECT name, value FROM settings ORDER BY name").fetchall()


def test_a_backup_holds_everything_and_is_for_its_owner_s_eyes(url: str) -> None:
    made = backup.make(url, RULES, NOW, Occasion.DAILY)
    assert made.file.name == f"desk-20261127T220000Z-{HEAD}-daily.db"
    assert copies.check(made.file) == copies.check(file_of(url))
    assert copies.check(made.file).rows["fills"] == 20
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert [each.name for each in made.file.parent.iterdir()] == [made.file.name]
    assert backup.listed(url, RULES) == (made,)
    with Store.open(f"sqlite:///{made.file}") as store:
        assert audit.verify(store).ok


def test_a_backup_ends_while_somebody_writes_without_a_pause_and_holds_up_nobody(url: str) -> None:
    with Store.open(url) as store:
        with store.begin() as work:  # as large as some hundred steps
            for number in range(400):
                work.set_setting(f"ballast {number}", "x" * 400_000, "ann", NOW)
        stop, waits, numbers = threading.Event(), [], iter(range(1_000, 100_000))

        def trade() -> None:
            while not stop.is_set():
                began = time.monotonic()
                writer.write(store, next(numbers))
                waits.append(time.monotonic() - began)

        trading = threading.Thread(target=trade)
        trading.start()
        assert until(lambda: len(waits) > 3)
        before = len(waits)
        made = backup.make(url, RULES, NOW, Occasion.HAND)
        during = waits[before:]
        stop.set()
        trading.join()
        assert len(during) > 10
        assert max(during) < 2.0
        held = copies.check(made.file).rows
    assert held["fills"] == held["approvals"]  # each transaction is whole or absent
    assert 20 < held["fills"] < 20 + len(waits)


def test_a_copy_that_differs_from_the_books_is_not_kept(url: str, tmp_path: Path) -> None:
    made = backup.make(url, RULES, NOW, Occasion.HAND)
    damaged = tmp_path / "damaged.db"
    data = bytearray(made.file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = b"\x7f" * 4096
    damaged.write_bytes(data)
    with pytest.raises(DataInvalid, match="damaged"):
        copies.check(damaged)


def test_a_second_backup_of_the_same_second_never_takes_the_place_of_the_first(url: str) -> None:
    first = backup.make(url, RULES, NOW, Occasion.HAND)
    size = first.file.stat()
    with pytest.raises(BackupFailed, match="File exists"):
        backup.make(url, RULES, NOW, Occasion.HAND)
    assert first.file.stat() == size
    assert len(list(first.file.parent.iterdir())) == 1


def test_nothing_to_back_up_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to back up"):
        backup.make(f"sqlite:///{tmp_path / 'none.db'}", RULES, NOW, Occasion.HAND)
    assert list(tmp_path.iterdir()) == []


SMALL_DISK = """
import resource, sys
from datetime import UTC, datetime
from engine import backup
from engine.errors import BackupFailed
from engine.model.backups import BackupRules, Occasion
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    backup.make(sys.argv[1], BackupRules(), datetime(2026, 11, 27, tzinfo=UTC), Occasion.DAILY)
except BackupFailed as problem:
    print(problem)
"""


def test_a_full_disk_is_said_and_leaves_nothing_behind(url: str) -> None:
    done = subprocess.run([sys.executable, "-c", SMALL_DISK, url], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"Nothing was backed up to {file_of(url).parent / 'backups'}: ")
    assert list((file_of(url).parent / "backups").iterdir()) == []


def test_a_disk_without_room_is_seen_before_it_is_filled(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "ROOM", 2**60)
    with pytest.raises(BackupFailed, match=r"MB are free on its disk and \d+ MB are needed"):
        backup.make(url, RULES, NOW, Occasion.HAND)
    assert backup.listed(url, RULES) == ()


KILLED = """
import sys
from datetime import UTC, datetime
from engine import backup
from engine.model.backups import BackupRules, Occasion
from engine.store import copies
copies.PAGES, copies.PAUSE = 1, 0.2
print("begins", flush=True)
backup.make(sys.argv[1], BackupRules(), datetime(2026, 11, 27, tzinfo=UTC), Occasion.DAILY)
"""


def test_a_kill_in_the_middle_leaves_no_file_under_a_final_name_and_its_rest_is_cleared_away(url: str) -> None:
    folder = file_of(url).parent / "backups"
    with subprocess.Popen([sys.executable, "-c", KILLED, url], stdout=subprocess.PIPE, text=True) as doing:
        assert doing.stdout is not None
        assert doing.stdout.readline() == "begins\n"
        assert until(lambda: any(folder.glob(".*.part")))
        doing.kill()
        assert doing.wait() == -signal.SIGKILL
    assert [each.name for each in folder.iterdir() if not each.name.startswith(".")] == []
    assert backup.listed(url, RULES) == ()
    assert backup.make(url, RULES, NOW, Occasion.DAILY).size > 0
    assert list(folder.glob(".*")) != []
    backup.rotate(url, RULES, NOW + timedelta(days=1))
    assert list(folder.glob(".*")) == []


def of(days_ago: int, occasion: Occasion = Occasion.DAILY) -> Backup:
    return Backup(Path(f"{occasion}-{days_ago}"), NOW - timedelta(days=days_ago), HEAD, occasion, 1)


def test_days_then_weeks_then_nothing_but_those_made_before_an_upgrade() -> None:
    daily = [of(days) for days in range(100)]
    upgrades = [of(days, Occasion.UPGRADE) for days in (200, 210, 220, 230, 240, 250)]
    gone = backup.outdated([*daily, *upgrades], NOW, RULES)
    kept = [each for each in daily if each not in gone]
    assert [(NOW - each.at).days for each in kept[:14]] == list(range(14))
    weeks = [each.at.isocalendar()[:2] for each in kept[14:]]
    assert len(weeks) == len(set(weeks))
    assert 5 <= len(weeks) <= 7
    assert [each for each in upgrades if each in gone] == upgrades[5:]


def test_the_newest_backup_stays_however_old_it_is() -> None:
    assert backup.outdated([of(500)], NOW, RULES) == ()


@pytest.mark.parametrize("ahead", [timedelta(hours=20), timedelta(days=40), timedelta(days=4000)])
def test_a_clock_that_runs_ahead_makes_no_backup_old(ahead: timedelta) -> None:
    """It stamps one a day for a week; then it is right again, and goes on for another."""
    kept = [of(days) for days in range(30)]
    for day in range(7):
        now = NOW + ahead + timedelta(days=day)
        kept = rotated([*kept, Backup(Path(f"ahead-{day}"), now, HEAD, Occasion.DAILY, 1)], now)
    true = {each.file.name for each in kept if each.at <= NOW}
    assert {f"daily-{days}" for days in range(7)} <= true
    for day in range(1, 8):
        now = NOW + timedelta(days=day)
        kept = rotated([*kept, Backup(Path(f"again-{day}"), now, HEAD, Occasion.DAILY, 1)], now)
    assert {f"again-{day}" for day in range(1, 8)} <= {each.file.name for each in kept}
    assert {f"daily-{days}" for days in range(7)} <= {each.file.name for each in kept}


def test_a_clock_that_runs_behind_deletes_nothing_it_takes_for_a_later_one() -> None:
    daily = [of(days) for days in range(30)]
    behind = [
        Backup(Path(f"behind-{day}"), datetime(1970, 1, 1 + day, tzinfo=UTC), HEAD, Occasion.DAILY, 1) for day in (0, 1)
    ]
    assert backup.outdated([*daily, *behind], behind[-1].at, RULES) == ()


def test_a_desk_that_was_off_for_a_year_keeps_what_it_had() -> None:
    daily = [of(days) for days in range(14)]
    assert backup.outdated(daily, NOW + timedelta(days=365), RULES) == ()


def rotated(backups: list[Backup], now: datetime) -> list[Backup]:
    """What is left of them."""
    gone = backup.outdated(backups, now, RULES)
    return [each for each in backups if each not in gone]


def test_rotation_deletes_the_outdated_files_of_this_database_only(url: str) -> None:
    rules = BackupRules(keep_days=1, keep_weeks=1)
    old, new = (backup.make(url, rules, at, Occasion.DAILY) for at in (NOW - timedelta(days=400), NOW))
    other = old.file.with_name(f"other-20250101T000000Z-{HEAD}-daily.db")
    other.touch()
    assert backup.rotate(url, rules, NOW) == 1
    assert (old.file.exists(), new.file.exists(), other.exists()) == (False, True, True)


def test_the_backup_of_the_day_says_what_it_did(url: str) -> None:
    rules = BackupRules(keep_days=1, keep_weeks=1)
    backup.make(url, rules, NOW - timedelta(days=400), Occasion.DAILY)
    words = backup.daily(url, rules, NOW)
    assert words.startswith(f"desk-20261127T220000Z-{HEAD}-daily.db, 0.")
    assert words.endswith(" MB, 1 old ones removed")


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_every_older_database_is_backed_up_as_it_was_and_then_upgraded(revision: str, tmp_path: Path) -> None:
    url = made_at(revision, tmp_path / "desk.db")
    reached, kept = backup.bring_up(url, RULES, NOW)
    assert reached == HEAD
    assert kept is not None
    assert (kept.occasion, kept.revision, copies.check(kept.file).revision) == (Occasion.UPGRADE, revision, revision)
    assert settings(kept.file) == settings(tmp_path / "desk.db") == [("mood", "good")]


def test_what_is_new_or_up_to_date_needs_no_backup(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    assert backup.bring_up(url, RULES, NOW) == (HEAD, None)
    assert backup.bring_up(url, RULES, NOW) == (HEAD, None)
    assert not (tmp_path / "backups").exists()


def test_without_a_backup_nothing_is_upgraded(tmp_path: Path) -> None:
    url = made_at("0004", tmp_path / "desk.db")
    (tmp_path / "file").touch()
    with pytest.raises(
        BackupFailed, match=r"not upgraded, for it could not be backed up first\. Nothing was backed up"
    ):
        backup.bring_up(url, BackupRules(folder=str(tmp_path / "file" / "folder")), NOW)
    assert Store.revision_at(url) == "0004"


def test_a_failed_upgrade_leaves_the_database_as_it_was_and_names_the_backup(tmp_path: Path) -> None:
    url = made_at("0003", tmp_path / "desk.db")
    with closing(sqlite3.connect(tmp_path / "desk.db")) as books:  # 0004 and 0005 go through, then 0006 meets this
        books.execute("CREATE TABLE heartbeats (beat INTEGER)")
    before = copies.check(tmp_path / "desk.db")
    with pytest.raises(
        ConfigError, match=r"upgrade from revision 0003 failed and was taken back: .*heartbeats.*-upgrade\.db"
    ):
        backup.bring_up(url, RULES, NOW)
    assert copies.check(tmp_path / "desk.db") == before
    assert len(backup.listed(url, RULES)) == 1


def test_a_newer_database_is_left_alone(url: str) -> None:
    with closing(sqlite3.connect(file_of(url))) as books:
        books.execute("UPDATE alembic_version SET version_num = '9999'")
        books.commit()
    with pytest.raises(ConfigError, match="newer than this program"):
        backup.bring_up(url, RULES, NOW)
    assert backup.listed(url, RULES) == ()
