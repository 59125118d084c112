"""What was given up: it may wait again in its old place, rest, or be let go."""

from __future__ import annotations

from datetime import timedelta

from alerts import outbox
from engine.store import Store
from tests import make
from tests.alerts.test_outbox import ALIVE, DEAD, Script, add, deliver
from tests.fakes import FakeClock


def test_what_was_given_up_waits_again_in_its_old_place_or_rests() -> None:
    store, clock = Store.memory(), FakeClock()
    script = Script({id: [outbox.Undeliverable("kicked out")] for id in ("E1", "E2")})
    for id in ("E1", "E2", "E3"):
        add(store, id, ALIVE)
    add(store, "E4", DEAD)
    deliver(store, clock, script)
    clock.advance(minutes=1)
    with store.begin() as work:
        letters = work.undelivered()
        add_again = work.revive(ALIVE)

    deliver(store, clock, script)

    assert [(each.delivery.event_id, each.delivery.error, each.happened_at) for each in letters] == [
        ("E1", "kicked out", make.NOW),
        ("E2", "kicked out", make.NOW),
    ]
    assert {each.delivery.given_up_at for each in letters} == {make.NOW}
    assert add_again == 2
    assert script.arrived == ["E3", "E4", "E1", "E2"]


def test_what_is_dropped_is_no_dead_letter_any_more_and_forgotten_one_day() -> None:
    store, clock = Store.memory(), FakeClock()
    add(store, "E1", ALIVE)
    deliver(store, clock, Script({"E1": [outbox.Undeliverable("kicked out")]}))

    with store.begin() as work:
        assert (work.drop(ALIVE), work.drop(ALIVE)) == (1, 0)
        assert work.undelivered() == ()
        assert (work.forget_sent(make.NOW), work.forget_sent(make.NOW + timedelta(seconds=1))) == (0, 1)
