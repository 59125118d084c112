"""The hash chain: what was sealed cannot be changed, removed or reordered unnoticed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from engine import audit
from engine.audit import Head
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


def test_a_cut_end_is_noticed_against_a_head_written_down(sealed: Store):
    known = audit.head(sealed)
    tamper(sealed, "DELETE FROM events WHERE number > 3")
    assert audit.verify(sealed).ok
    found = audit.verify(sealed, known)
    assert (found.ok, found.bad) == (False, 4)


def test_a_chain_made_anew_is_noticed_against_a_head_written_down(sealed: Store):
    known = audit.head(sealed)
    tamper(sealed, "UPDATE events SET number = NULL, previous = NULL, hash = NULL, actor = 'bob'")
    audit.seal(sealed)
    assert audit.verify(sealed).ok
    assert not audit.verify(sealed, known).ok


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
