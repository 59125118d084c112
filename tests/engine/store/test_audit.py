"""The hash chain: what was sealed cannot be changed, removed or reordered unnoticed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text
from structlog.testing import capture_logs

from engine import audit
from engine.audit import Head
from engine.errors import BadRequest, DataInvalid
from engine.model.events import EventKind
from engine.store import Store
from tests import make


def add(store: Store, *numbers: int) -> None:
    with store.begin() as work:
        for number in numbers:
            at = make.NOW + timedelta(seconds=number)
            work.add_event(make.event(id=f"V{number:03}", at=at, data={"average": "-1.03", "note": f"№ {number}"}))


@pytest.fixture
def sealed(store: Store) -> Store:
    """A store with five sealed events."""
    add(store, 1, 2, 3, 4, 5)
    audit.seal(store)
    return store


def tamper(store: Store, statement: str) -> None:
    with store._writer.begin() as connection:
        connection.execute(text(statement))


def test_an_untouched_chain_holds(sealed: Store):
    found = audit.verify(sealed)
    assert (found.ok, found.bad, found.unsealed, found.head.number) == (True, None, 0, 5)
    assert found.head == audit.head(sealed)


def test_an_empty_chain_holds(store: Store):
    assert audit.verify(store).ok
    assert audit.head(store) == Head(0, audit.GENESIS)
    assert audit.seal(store) == 0


def test_events_not_sealed_yet_are_reported_and_sealed_next(sealed: Store):
    add(sealed, 6, 7)
    assert audit.verify(sealed).unsealed == 2
    assert audit.seal(sealed) == 2
    found = audit.verify(sealed)
    assert (found.ok, found.unsealed, found.head.number) == (True, 0, 7)


def test_sealing_in_two_steps_makes_the_chain_of_one(store: Store):
    with Store.memory() as other:
        add(store, 1, 2, 3)
        audit.seal(store)
        add(other, 1)
        audit.seal(other)
        add(other, 2, 3)
        audit.seal(other)
        assert audit.head(other) == audit.head(store)


@pytest.mark.parametrize(
    "change",
    [
        'data = \'{"average":"-1.04","note":"№ 3"}\'',
        "actor = 'bob'",
        "severity = 'urgent'",
        "subject = 'P9'",
        "kind = 'halted'",
        "correlation = 'A9'",
        "data = 'not json'",
        "kind = 'unheard of'",
    ],
)
def test_a_changed_event_breaks_the_chain_at_its_number(sealed: Store, change: str):
    tamper(sealed, f"UPDATE events SET {change} WHERE number = 3")
    found = audit.verify(sealed)
    assert (found.ok, found.bad, found.head.number) == (False, 3, 2)
    assert "Event 3" in found.words


def test_a_changed_link_breaks_the_chain_at_its_number(sealed: Store):
    tamper(sealed, f"UPDATE events SET previous = '{audit.GENESIS}' WHERE number = 3")
    assert audit.verify(sealed).bad == 3


def test_a_changed_time_breaks_the_chain_at_its_number(sealed: Store):
    tamper(sealed, "UPDATE events SET at = (SELECT at FROM events WHERE number = 5) WHERE number = 2")
    assert audit.verify(sealed).bad == 2


def test_a_deleted_event_breaks_the_chain_at_its_number(sealed: Store):
    tamper(sealed, "DELETE FROM events WHERE number = 2")
    found = audit.verify(sealed)
    assert (found.ok, found.bad) == (False, 2)
    assert "missing" in found.words


def test_two_swapped_events_break_the_chain_at_the_first(sealed: Store):
    for number, other in ((2, 99), (4, 2), (99, 4)):
        tamper(sealed, f"UPDATE events SET number = {other} WHERE number = {number}")
    assert audit.verify(sealed).bad == 2


def test_a_changed_event_with_a_new_hash_breaks_the_next_one(sealed: Store):
    with sealed.read() as work:
        third = next(iter(work.sealed_events(after=2, limit=1)))
    forged = make.event(id="V003", at=third.event.at, data={"average": "-9.99"})
    mark = audit.link(3, third.previous or "", forged)
    tamper(sealed, f"UPDATE events SET data = '{{\"average\":\"-9.99\"}}', hash = '{mark}' WHERE number = 3")
    assert audit.verify(sealed).bad == 4


def test_an_event_put_in_between_breaks_the_chain_at_its_number(sealed: Store):
    for number in (5, 4, 3):
        tamper(sealed, f"UPDATE events SET number = {number + 1} WHERE number = {number}")
    add(sealed, 99)
    with sealed.read() as work:
        second = next(iter(work.sealed_events(after=1, limit=1)))
    mark = audit.link(3, second.hash or "", make.event(id="V099", at=make.NOW))
    tamper(sealed, f"UPDATE events SET number = 3, previous = '{second.hash}', hash = '{mark}' WHERE id = 'V099'")
    found = audit.verify(sealed)
    assert (found.ok, found.bad) == (False, 3)
    assert "V099" in found.words


@pytest.mark.parametrize("number", [0, -7])
def test_an_event_with_a_number_before_the_first_does_not_hide(sealed: Store, number: int):
    add(sealed, 99)
    tamper(sealed, f"UPDATE events SET number = {number}, hash = 'x' WHERE id = 'V099'")
    found = audit.verify(sealed)
    assert not found.ok
    assert "V099" in found.words


def test_an_event_taken_out_of_the_end_of_the_chain_is_named(sealed: Store):
    tamper(sealed, "UPDATE events SET number = NULL, actor = 'bob' WHERE number = 5")
    assert audit.seal(sealed) == 0
    found = audit.verify(sealed)
    assert (found.ok, found.bad) == (False, 5)
    assert "V005" in found.words


@pytest.mark.parametrize(
    "data", ['{"average": "-1.03","note":"№ 3"}', '{"average":"9","average":"-1.03","note":"№ 3"}']
)
def test_data_rewritten_so_that_they_read_the_same_are_noticed(sealed: Store, data: str):
    tamper(sealed, f"UPDATE events SET data = '{data.replace(':', chr(92) + ':')}' WHERE number = 3")
    found = audit.verify(sealed)
    assert (found.ok, found.bad) == (False, 3)


@pytest.mark.parametrize("data", ["null", "[]", "7", "{", "", "[" * 9000])
def test_data_that_are_no_record_are_named(sealed: Store, data: str):
    tamper(sealed, f"UPDATE events SET data = '{data}' WHERE number = 2")
    found = audit.verify(sealed)
    assert (found.ok, found.bad) == (False, 2)
    assert "Event 2" in found.words


@pytest.mark.parametrize("change", ["data = CAST(x'ff' AS TEXT)", "at = 'yesterday'", "number = 'three'"])
def test_a_row_that_the_database_cannot_give_back_is_named(tmp_path: Path, change: str):
    with Store.create(f"sqlite:///{tmp_path / 'desk.db'}") as store:
        add(store, 1, 2, 3)
        audit.seal(store)
        tamper(store, f"UPDATE events SET {change} WHERE number = 3")
        found = audit.verify(store)
    assert (found.ok, found.bad) == (False, 3)


def publish_digest(store: Store, number: int) -> Head:
    """A digest with the head of the chain, as the end of a day writes it, not sealed yet."""
    head = audit.publish(store)
    at = make.NOW + timedelta(seconds=number)
    with store.begin() as work:
        data = {"equity": "1", "audit": str(head)}
        work.add_event(
            make.event(id=f"V{number:03}", kind=EventKind.DIGEST_READY, at=at, subject="2026-06-15", data=data)
        )
    return head


def cut(store: Store, after: int) -> None:
    tamper(store, f"DELETE FROM events WHERE number > {after}")


def make_anew(store: Store) -> None:
    """What somebody with the database and this program can do: change what was, and seal it again."""
    tamper(store, "UPDATE events SET number = NULL, previous = NULL, hash = NULL")
    tamper(store, "UPDATE events SET actor = 'bob' WHERE id = 'V003'")
    audit.seal(store)


def test_a_cut_end_is_noticed_against_a_head_written_down(sealed: Store):
    known = audit.head(sealed)
    cut(sealed, 3)
    assert audit.verify(sealed).ok
    found = audit.verify(sealed, [known])
    assert (found.ok, found.bad) == (False, 4)


def test_a_cut_end_is_noticed_by_a_digest_that_is_not_sealed_yet(sealed: Store):
    publish_digest(sealed, 6)
    assert audit.verify(sealed).ok
    cut(sealed, 3)
    found = audit.verify(sealed)
    assert (found.ok, found.bad) == (False, 4)
    assert "its end was removed" in found.words


def test_a_cut_end_is_noticed_by_a_digest_sealed_in_its_place(sealed: Store):
    publish_digest(sealed, 6)
    cut(sealed, 3)
    audit.seal(sealed)
    found = audit.verify(sealed)
    assert (found.ok, found.head.number) == (False, 4)


def test_a_chain_made_anew_is_noticed_against_a_head_written_down(sealed: Store):
    known = audit.head(sealed)
    make_anew(sealed)
    assert audit.verify(sealed).ok
    found = audit.verify(sealed, [known])
    assert (found.ok, found.bad) == (False, 5)


def test_a_chain_made_anew_is_noticed_by_the_digests_in_it(sealed: Store):
    publish_digest(sealed, 6)
    audit.seal(sealed)
    add(sealed, 7)
    audit.seal(sealed)
    make_anew(sealed)
    found = audit.verify(sealed)
    assert (found.ok, found.bad, found.heads) == (False, 5, 1)
    assert "made anew" in found.words


def test_a_chain_made_anew_with_its_digests_is_noticed_by_the_log_alone(sealed: Store):
    with capture_logs() as lines:
        published = publish_digest(sealed, 6)
    audit.seal(sealed)
    tamper(sealed, "DELETE FROM events WHERE id = 'V006'")
    make_anew(sealed)
    assert audit.verify(sealed).ok
    assert [line["head"] for line in lines if line["event"] == "audit.head"] == [str(published)]
    assert not audit.verify(sealed, audit.heads_in(str(lines))).ok


def test_the_first_digits_of_a_head_are_enough_to_know_it_again(sealed: Store):
    known = audit.head_of(audit.head(sealed).short)
    assert audit.verify(sealed, [known]).ok
    make_anew(sealed)
    assert not audit.verify(sealed, [known]).ok


@pytest.mark.parametrize("text", ["5", "5:", "5:abc", "x:58b46bfd9415f399", "5:58b46bfd9415f39g", "", "5:58b46bfd 5:1"])
def test_what_is_not_a_head_is_refused(text: str):
    with pytest.raises(BadRequest, match="not a head"):
        audit.head_of(text)


def test_an_event_that_cannot_be_read_stops_the_sealer_with_its_name(sealed: Store):
    add(sealed, 6)
    tamper(sealed, "UPDATE events SET data = '{' WHERE id = 'V006'")
    with pytest.raises(DataInvalid, match="V006"):
        audit.seal(sealed)


def test_two_processes_that_seal_while_others_write_make_one_chain(durable_url: str):
    with Store.open(durable_url) as one, Store.open(durable_url) as other, ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(lambda a=a: [add(one, n) for n in range(a, a + 100)]) for a in (100, 200)]
        sealers = [pool.submit(lambda s=s: [audit.seal(s) for _ in range(60)]) for s in (one, other)]
        for job in writers + sealers:
            job.result()
        audit.seal(other)
        found = audit.verify(one)
    assert (found.ok, found.head.number, found.unsealed) == (True, 200, 0)


def test_a_sealer_that_was_overtaken_leaves_the_chain_alone(sealed: Store):
    before = audit.head(sealed)
    add(sealed, 6)
    with sealed.read() as work:
        waiting = work.unsealed_events()
    audit.seal(sealed)
    assert audit._write_seals(sealed, before, waiting) == 0
    assert audit.verify(sealed).head.number == 6


def test_a_backlog_is_sealed_in_several_short_transactions():
    with Store.memory() as store:
        add(store, *range(1, 1600))
        written = []
        event.listen(store._writer, "commit", lambda _connection: written.append(1))
        audit.seal(store)
        assert len(written) >= 3


def test_sealing_nothing_writes_nothing(sealed: Store):
    statements: list[str] = []
    event.listen(
        sealed._engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: statements.append(statement)
    )
    assert audit.seal(sealed) == 0
    assert [s for s in statements if not s.startswith("SELECT")] == []


def test_several_sealers_at_once_make_one_chain(store: Store):
    add(store, *range(1, 60))
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: audit.seal(store), range(8)))
    assert sum(counts) == 59
    assert audit.verify(store).head.number == 59


def test_a_chain_longer_than_a_batch_holds():
    with Store.memory() as store:
        add(store, *range(1, 2 * audit.BATCH + 3))
        assert audit.seal(store) == 2 * audit.BATCH + 2
        assert audit.verify(store).head.number == 2 * audit.BATCH + 2
