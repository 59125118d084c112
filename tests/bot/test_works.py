"""Long work: it says how far it has come, and whoever asked for it can stop it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import pytest

from bot.bulkheads import Bulkheads, finish
from bot.command import Reply
from bot.dispatch import answer, dispatch
from bot.message import Progress, Request
from bot.works import Works
from engine import scanning
from engine.errors import Canceled, NotAllowed, NotFound
from engine.model.events import EventKind
from tests import make
from tests.bot.rooms import Visit, visit

NAMES = tuple(f"N{number:03d}" for number in range(400))


def here(names: tuple[str, ...] = ("XYZ",)) -> Visit:
    made = visit(universe=names)
    for name in names:
        made.world.market.set_snapshot(make.snapshot(name))
    return made


def scan(room: Visit, tell: Callable[[Progress], None], who: str = "web:ann", text: str = "/scan wheel") -> Reply:
    return finish(dispatch(room.room, Request(who, text), tell))


def test_a_scan_tells_how_far_it_has_come_and_how_to_stop_it() -> None:
    heard: list[Progress] = []

    reply = scan(here(NAMES), heard.append)

    assert reply.is_ok
    assert heard[0] == Progress(0.0, "Prices of N000, 1 of 400", heard[0].stop)
    assert heard[-1].words.startswith("Rules on N3")
    assert [each.fraction for each in heard] == sorted(each.fraction for each in heard)
    assert len(heard) <= 100, "told often enough to be a flood"
    assert {each.stop.partition(":")[0] for each in heard} == {"stop_work"}


def test_the_asker_stops_it_and_is_told_that_nothing_was_changed() -> None:
    room = here(NAMES)
    told: list[str] = []

    def stop(progress: Progress) -> None:
        told.append(room.card(action=progress.stop).title)

    reply = scan(room, stop)

    assert told == ["Stopping"]
    assert (reply.error, reply.cards[0].title) == ("stopped", "Stopped")
    assert reply.cards[0].lines == ("Stopped: /scan. Nothing was changed; ask again to begin anew.",)


def test_somebody_else_cannot_stop_it_and_an_admin_can() -> None:
    room = here(NAMES)
    told: list[str] = []

    def stop(progress: Progress) -> None:
        if not told:
            told.append(room.told(action=progress.stop, who="web:vic"))
            told.append(room.card(action=progress.stop, who="web:ann").title)

    reply = scan(room, stop, who="web:tom")

    assert told == ["tom asked for this: tom or an admin can stop it.", "Stopping"]
    assert reply.error == "stopped"


def test_a_stop_after_the_end_says_so() -> None:
    room = here()
    heard: list[Progress] = []
    scan(room, heard.append)

    assert room.card(action=heard[-1].stop).title == "It had ended"
    assert room.told(action="stop_work:W99999").startswith("There is no work “W99999”")


def test_a_scan_that_is_drawn_again_can_be_stopped_too() -> None:
    room = here(NAMES)
    heard: list[Progress] = []

    finish(dispatch(room.room, Request("web:ann", action="refresh:/scan wheel"), heard.append))

    assert heard[0].stop.startswith("stop_work:W")


def test_a_stopped_scan_stores_and_proposes_nothing() -> None:
    room = here(NAMES)

    def enough(fraction: float, words: str) -> None:
        if fraction > 0.9:
            raise Canceled("enough")

    with pytest.raises(Canceled):
        scanning.run(room.world.desk, "wheel", None, enough)

    assert room.events(EventKind.SCAN_FINISHED, EventKind.APPROVAL_REQUESTED) == ()
    with room.world.store.read() as work:
        assert work.last_scan("wheel") is None


def test_it_is_stopped_from_another_thread_while_every_look_up_is_busy() -> None:
    """One thread for looks, held by the scan: the stop has to come through all the same."""
    room = here(NAMES)
    pools = Bulkheads(trading=1, looking=1, protecting=1)
    served = replace(room.room, run=pools.run)
    begun, stopped = Event(), Event()
    named: list[str] = []

    def tell(progress: Progress) -> None:
        named.append(progress.stop)
        begun.set()
        assert stopped.wait(20)

    with ThreadPoolExecutor(1) as other:
        scanning_now = other.submit(answer, served, Request("web:ann", "/scan wheel"), tell)
        assert begun.wait(20)
        assert answer(served, Request("web:ann", action=named[0])).cards[0].title == "Stopping"
        stopped.set()
        reply = scanning_now.result(20)
    pools.close()

    assert reply.error == "stopped"


def test_many_works_are_remembered_no_longer_than_needed() -> None:
    works = Works()
    for number in range(1_000):
        with works.begun(f"W{number}", "ann", "/scan", lambda progress: None):
            pass

    with pytest.raises(NotFound):
        works.stop("W0", "ann", False)
    assert works.stop("W999", "ann", False).is_over
    with pytest.raises(NotAllowed):
        works.stop("W999", "tom", False)
