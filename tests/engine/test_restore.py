"""A backup put back: the books as they were, nothing lost of what it replaces, and a desk that knows it is behind."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from bot.app import TimedIds
from engine import approvals, audit, backup, exits, halts, holdings, missing, orders, restore
from engine.errors import AlreadyDecided, ConfigError, DataInvalid, NotAllowed, NotFound
from engine.model.backups import BackupRules, Occasion
from engine.model.events import EventKind, Severity
from engine.model.trade import ApprovalStatus
from engine.schema import HEAD
from engine.store import Store, copies
from engine.store.operations import LEASE
from tests import make
from tests.custodian import Custodian
from tests.desk import World, make_world, propose, quote_all, tap
from tests.older import made_at

RULES = BackupRules()
NOW = make.NOW
LATER = NOW + timedelta(hours=1)


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'desk.db'}"


def world_on(folder: Path) -> World:
    """A desk on a database in `folder`, at a broker that knows what it holds."""
    world = make_world(store=Store.create(url_of(folder)))
    broker = Custodian(world.clock)
    return replace(world, broker=broker, desk=replace(world.desk, broker=broker))


def entered(folder: Path) -> World:
    """A desk that has sold two puts."""
    world = world_on(folder)
    propose(world)
    tap(world)
    world.clock.advance(minutes=1)
    orders.resume(world.desk)
    world.broker.fill("A00001.1.1")
    orders.reconcile(world.desk)
    audit.seal(world.store)
    return world


def backed_up(folder: Path) -> Path:
    return backup.make(url_of(folder), RULES, NOW, Occasion.HAND).file


def reopened(world: World, folder: Path) -> World:
    """The same world, in which a process opens the books that are there now."""
    store = Store.open(url_of(folder))
    return replace(world, store=store, desk=replace(world.desk, store=store))


def test_books_orders_proposals_and_the_chain_come_back(tmp_path: Path) -> None:
    world = entered(tmp_path)
    propose(world, id="A00002")
    with world.store.read() as work:
        positions, fills, tickets = work.open_positions(), work.fills(), work.open_tickets()
    file = backed_up(tmp_path)
    with world.store.begin() as work:
        work.set_setting("mood", "worse", "ann", NOW)
    world.store.close()

    done = restore.restore(url_of(tmp_path), file, LATER)

    assert done.revision == HEAD
    assert done.aside is not None
    with Store.open(f"sqlite:///{done.aside}") as before, before.read() as work:
        assert work.setting("mood") == "worse"
    with Store.open(url_of(tmp_path)) as store, store.read() as work:
        assert work.setting("mood") is None
        assert (work.open_positions(), work.fills(), work.open_tickets()) == (positions, fills, tickets)
        assert [each.status for each in work.approvals()] == [ApprovalStatus.EXPIRED, ApprovalStatus.APPROVED]
        assert audit.verify(store).ok
        assert restore.ids_after(store) == LATER + restore.LATER


def test_the_log_of_the_replaced_database_does_not_leak_into_the_restored_one(tmp_path: Path) -> None:
    """SQLite replays whatever log lies beside a file of that name."""
    world = entered(tmp_path)
    file = backed_up(tmp_path)
    with world.store.begin() as work:
        work.set_setting("mood", "worse", "ann", NOW)
    kept = tmp_path / "kept"
    kept.mkdir()
    for each in (tmp_path / "desk.db", *copies.logs(tmp_path / "desk.db")):  # as a kill leaves them
        shutil.copy(each, kept / each.name)
    assert copies.logs(kept / "desk.db")[0].stat().st_size > 0
    restore.restore(url_of(kept), file, LATER)
    assert sorted(each.name.partition(".before")[0] for each in kept.iterdir()) == ["desk.db", "desk.db"]
    with Store.open(url_of(kept)) as store, store.read() as work:
        assert work.setting("mood") is None
    world.store.close()


def test_a_database_beyond_reading_is_put_aside_too(tmp_path: Path) -> None:
    entered(tmp_path).store.close()
    file = backed_up(tmp_path)
    (tmp_path / "desk.db").write_bytes(b"not a database any more" * 1000)
    done = restore.restore(url_of(tmp_path), file, LATER)
    assert done.aside is not None
    assert done.aside.read_bytes().startswith(b"not a database")
    with Store.open(url_of(tmp_path)) as store, store.read() as work:
        assert len(work.open_positions()) == 1


def test_a_lost_database_comes_back(tmp_path: Path) -> None:
    entered(tmp_path).store.close()
    file = backed_up(tmp_path)
    (tmp_path / "desk.db").unlink()
    assert restore.restore(url_of(tmp_path), file, LATER).aside is None
    assert Store.revision_at(url_of(tmp_path)) == HEAD


def untouched(folder: Path) -> bool:
    return [each.name for each in folder.iterdir() if "restore" in each.name] == []


def test_a_running_desk_is_not_pulled_out_from_under_its_process(tmp_path: Path) -> None:
    world = entered(tmp_path)
    file = backed_up(tmp_path)
    with world.store.begin() as work:
        work.take_lease(LEASE, "host:7", LATER, LATER + timedelta(seconds=15))
    world.store.close()
    with pytest.raises(ConfigError, match=r"A desk runs on this database \(host:7\)"):
        restore.restore(url_of(tmp_path), file, LATER)
    assert untouched(tmp_path)
    restore.restore(url_of(tmp_path), file, LATER + timedelta(seconds=16))


def test_a_desk_that_died_while_its_clock_ran_a_year_ahead_is_restored_today(tmp_path: Path) -> None:
    world = entered(tmp_path)
    file = backed_up(tmp_path)
    ahead = LATER + timedelta(days=365)
    with world.store.begin() as work:
        work.take_lease(LEASE, "host:7", ahead, ahead + timedelta(seconds=10))
    world.store.close()

    assert restore.restore(url_of(tmp_path), file, LATER).aside is not None


def test_a_database_that_another_program_has_open_is_left_alone(tmp_path: Path) -> None:
    entered(tmp_path).store.close()
    file = backed_up(tmp_path)
    with Store.open(url_of(tmp_path)) as other, other.read() as work:
        assert work.open_positions()
        with pytest.raises(DataInvalid, match=r"Another program has .* open: end it first"):
            restore.restore(url_of(tmp_path), file, LATER)
    assert untouched(tmp_path)


def test_a_database_behind_a_link_is_put_back_where_it_is_and_not_under_another_program(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    entered(tmp_path / "disk").store.close()
    file = backed_up(tmp_path / "disk")
    link = tmp_path / "desk.db"
    link.symlink_to(tmp_path / "disk" / "desk.db")
    with Store.open(url_of(tmp_path)) as other:
        with other.read() as work:
            assert work.open_positions()
        with pytest.raises(DataInvalid, match=r"Another program has .* open: end it first"):
            restore.restore(url_of(tmp_path), file, LATER)

    restored = restore.restore(url_of(tmp_path), file, LATER)

    assert link.is_symlink()
    assert restored.aside is not None
    assert restored.aside.parent == tmp_path / "disk"


def test_what_is_no_sound_backup_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    entered(tmp_path).store.close()
    file = backed_up(tmp_path)
    torn, text, empty, newer, changed = (tmp_path / name for name in ("torn", "text", "empty", "newer", "changed"))
    torn.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    text.write_text("recipes")
    with closing(sqlite3.connect(empty)) as books:
        books.execute("CREATE TABLE recipes (id INTEGER)")
    shutil.copy(file, newer)
    shutil.copy(file, changed)
    for path, statement in (
        (newer, "UPDATE alembic_version SET version_num = '9999'"),
        (changed, "UPDATE events SET subject = 'P9' WHERE number = 1"),
    ):
        with closing(sqlite3.connect(path)) as books:
            books.execute(statement)
            books.commit()
    for path, words in (
        (torn, "damaged|no sound database"),
        (text, "is not a backup of a SQLite database"),
        (empty, "holds no desk"),
        (newer, "newer than this program"),
        (changed, r"chain of events does not hold: Event 1 "),
    ):
        with pytest.raises((DataInvalid, ConfigError), match=words):
            restore.restore(url_of(tmp_path), path, LATER)
    with pytest.raises(NotFound, match="wsb db backups"):
        restore.restore(url_of(tmp_path), tmp_path / "nowhere.db", LATER)
    assert untouched(tmp_path)


def behind(folder: Path) -> World:
    """Books from before the second proposal was approved, and its order filled."""
    world = entered(folder)
    propose(world, id="A00002")
    file = backed_up(folder)
    quote_all(world)
    tap(world, "A00002")
    world.clock.advance(minutes=1)
    orders.resume(world.desk)
    world.broker.fill("A00002.1.1")
    world.store.close()
    restore.restore(url_of(folder), file, world.clock())
    return reopened(world, folder)


def test_an_old_proposal_cannot_be_approved_again_and_no_order_is_sent_twice(tmp_path: Path) -> None:
    world = behind(tmp_path)
    sent = dict(world.broker.sent)
    with pytest.raises(AlreadyDecided):
        tap(world, "A00002")
    orders.resume(world.desk)
    orders.reconcile(world.desk)
    orders.send_due(world.desk)
    assert world.broker.sent == sent
    with world.store.read() as work:
        stop = halts.current(work)
        assert stop is not None
        assert "restored at" in stop.words
    propose(world, id="A00003")
    quote_all(world)
    with pytest.raises(NotAllowed, match="Entries are halted by wsb db restore"):
        approvals.approve(world.desk, "A00003", 1, "ann")


def test_nothing_is_sold_before_the_broker_has_said_what_is_held(tmp_path: Path) -> None:
    world = behind(tmp_path)
    with world.store.read() as work:
        (position,) = work.open_positions()
        assert missing.units(work, position) == 0
    quote_all(world)
    with pytest.raises(AlreadyDecided):
        exits.close(world.desk, position.id, "ann")
    assert [each for each in world.broker.posts if each.startswith(position.id)] == []

    found = holdings.reconcile(world.desk)  # as the loop of the books does at every start

    assert [(each.broker, each.desk) for each in found.lasting] != []
    with world.store.read() as work:
        assert missing.units(work, position) == 2
    quote_all(world)
    exits.close(world.desk, position.id, "ann")
    assert [each for each in world.broker.posts if each.startswith(position.id)] == [f"{position.id}.manual.1.1"]


def test_people_are_told_once_that_the_books_are_older_than_the_broker(tmp_path: Path) -> None:
    world = behind(tmp_path)
    assert restore.tell(world.desk)
    assert not restore.tell(world.desk)
    (event,) = world.events(EventKind.HALTED)
    assert event.severity is Severity.URGENT
    assert "compare with the broker before /resume" in event.data["why"]


def ticks() -> Iterator[datetime]:
    """A clock that goes on by a second whenever it is read."""
    return (NOW + timedelta(seconds=second) for second in count())


def test_ids_of_restored_books_begin_after_every_one_that_was_given_even_by_a_clock_that_was_set_back(
    tmp_path: Path,
) -> None:
    given = set(map(TimedIds(partial(next, ticks()), Store.memory()), "A" * 600))
    world = world_on(tmp_path)
    file = backed_up(tmp_path)
    with world.store.begin() as work:  # the last that happened before the loss
        work.add_event(make.event(id="E1", at=NOW + timedelta(minutes=10)))
    world.store.close()
    restore.restore(url_of(tmp_path), file, NOW)
    with Store.open(url_of(tmp_path)) as store:
        fresh = TimedIds(lambda: NOW, store, restore.ids_after(store))
        assert not given & {fresh("A") for _ in range(600)}
    assert TimedIds(lambda: NOW, Store.memory())("A") in given  # what the clock alone would have given


def test_an_older_backup_comes_back_at_its_own_revision(tmp_path: Path) -> None:
    url = made_at("0002", tmp_path / "desk.db")
    _, kept = backup.bring_up(url, RULES, NOW)
    assert kept is not None
    done = restore.restore(url, kept.file, datetime(2026, 11, 28, tzinfo=UTC))
    assert (done.revision, Store.revision_at(url)) == ("0002", "0002")
    assert backup.bring_up(url, RULES, datetime(2026, 11, 29, tzinfo=UTC))[0] == HEAD
    with Store.open(url) as store, store.read() as work:
        assert work.setting("mood") == "good"
        assert halts.current(work) is not None


def test_a_database_that_somebody_opens_while_its_backup_is_checked_is_not_taken_from_under_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a service that is started again by itself: it would go on in the file put aside, beside the next desk."""
    entered(tmp_path).store.close()
    file = backed_up(tmp_path)
    begun: list[Store] = []

    def words(file: Path, now: datetime) -> str:
        begun.append(Store.open(url_of(tmp_path)))
        return "restored"

    monkeypatch.setattr(restore, "_words", words)
    with pytest.raises(DataInvalid, match=r"Another program has .* open: end it first"):
        restore.restore(url_of(tmp_path), file, LATER)

    assert [each.name for each in tmp_path.glob("desk.db*before-restore*")] == []
    begun[0].close()
