"""Signs of life in the store: silences whole, ends in order told apart, old ones forgotten."""

from __future__ import annotations

from datetime import timedelta

from engine.model.leadership import Term
from engine.model.records import Silence
from engine.store import Store
from tests import make

HERE = Term("here:1", 1)


def at(seconds: int) -> object:
    return make.NOW + timedelta(seconds=seconds)


def beats(store: Store, *moments: int, last: tuple[int, ...] = ()) -> None:
    with store.begin() as work:
        for moment in moments:
            work.beat(make.NOW + timedelta(seconds=moment), HERE, is_last=moment in last)


def test_only_what_is_longer_than_thirty_seconds_is_a_silence(store: Store):
    beats(store, 0, 30, 61, 70)

    with store.read() as work:
        found = work.silences(make.NOW, make.NOW + timedelta(seconds=80))
        assert (work.first_beat(), work.last_beat(make.NOW + timedelta(seconds=69))) == (at(0), at(61))
        assert work.last_beat() == at(70)

    assert found == (Silence(at(30), at(61)),)


def test_a_silence_is_given_whole_and_known_to_have_ended_in_order(store: Store):
    beats(store, 0, 100, 110, 500, last=(0,))

    with store.read() as work:
        found = work.silences(make.NOW + timedelta(seconds=50), make.NOW + timedelta(seconds=200))

    assert found == (Silence(at(0), at(100), is_planned=True), Silence(at(110), at(500)))


def test_the_silence_that_lasts_has_no_end(store: Store):
    beats(store, 0, 10, last=(10,))

    with store.read() as work:
        assert work.silences(make.NOW, make.NOW + timedelta(seconds=40)) == ()
        found = work.silences(make.NOW, make.NOW + timedelta(seconds=41))

    assert found == (Silence(at(10), None, is_planned=True),)


def test_old_signs_of_life_are_forgotten(store: Store):
    beats(store, 0, 10, 20)

    with store.begin() as work:
        assert work.forget_beats(make.NOW + timedelta(seconds=20)) == 2
        assert work.first_beat() == at(20)


def test_a_second_sign_of_life_at_the_same_moment_changes_nothing_but_the_end(store: Store):
    beats(store, 0, 40)
    beats(store, 40, last=(40,))

    with store.read() as work:
        found = work.silences(make.NOW, make.NOW + timedelta(seconds=100))

    assert found == (Silence(at(0), at(40)), Silence(at(40), None, is_planned=True))
