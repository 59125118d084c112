"""Delivery of events: every destination gets its own, in order, whatever becomes of the others."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import outbox
from alerts.routes import Route
from bot.bulkheads import finish
from engine.model.events import Event, EventKind, Severity
from engine.model.records import Delivery, DeliveryState
from engine.store import Store
from tests import make
from tests.fakes import FakeClock

T = TypeVar("T")

DEAD, ALIVE = "dead:1", "alive:1"


class Post:
    """Remembers what arrived; the dead destination takes nothing."""

    def __init__(self, dead: frozenset[str] = frozenset({DEAD})) -> None:
        self.dead = dead
        self.arrived: list[tuple[str, str]] = []

    async def __call__(self, event: Event, delivery: Delivery) -> str:
        if delivery.destination in self.dead:
            raise ConnectionError("no route")
        self.arrived.append((delivery.destination, event.id))
        return f"m{len(self.arrived)}"


def store_with(events: int) -> Store:
    store = Store.memory()
    with store.begin() as work:
        for number in range(events):
            work.add_event(Event(f"E{number:05d}", EventKind.HALTED, make.NOW, "desk", {}))
    return store


def pump(store: Store, clock: Callable[[], datetime], post: Post, *destinations: str) -> int:
    def route(event: Event) -> tuple[Route, ...]:
        return tuple(Route(name, f"event:{event.id}") for name in destinations)

    return asyncio.run(outbox.pump(store, clock, route, post))


def test_a_destination_that_is_down_does_not_hold_up_another_with_a_long_queue() -> None:
    clock, post, store = FakeClock(), Post(), store_with(outbox.BATCH + 50)
    pump(store, clock, Post(frozenset({DEAD, ALIVE})), DEAD)
    with store.begin() as work:
        work.add_event(Event("E99999", EventKind.HALTED, make.NOW, "desk", {}))

    pump(store, clock, post, ALIVE)

    assert post.arrived == [(ALIVE, "E99999")]


def test_what_could_not_be_delivered_comes_later_and_in_order() -> None:
    clock, store = FakeClock(), store_with(3)
    pump(store, clock, Post(), DEAD)
    clock.advance(minutes=10)
    post = Post(frozenset())

    assert pump(store, clock, post, DEAD) == 3
    assert [event for _, event in post.arrived] == ["E00000", "E00001", "E00002"]


def test_nothing_is_delivered_twice() -> None:
    clock, store, post = FakeClock(), store_with(3), Post()

    assert (pump(store, clock, post, ALIVE), pump(store, clock, post, ALIVE)) == (3, 0)


def add(store: Store, id: str, *routed: str, key: str = "", severity: Severity = Severity.INFO) -> None:
    """One more event, on its way to `routed` already."""
    with store.begin() as work:
        work.add_event(Event(id, EventKind.HALTED, make.NOW, "desk", {}, severity))
        for destination in routed:
            work.enqueue(id, destination, 0, key or f"event:{id}", urgent=severity is Severity.URGENT)
        work.mark_routed([id])


def nowhere(event: Event) -> tuple[Route, ...]:
    del event
    return ()


def state(store: Store, event: str) -> tuple[DeliveryState, int, str]:
    with store.read() as work:
        (delivery,) = work.deliveries(event)
    return delivery.state, delivery.attempts, delivery.error


@dataclass
class Script:
    """A platform that does with each event what it is told, then takes it; `hung` ones never answer."""

    does: dict[str, list[Exception]] = field(default_factory=dict)
    arrived: list[str] = field(default_factory=list)
    hung: frozenset[str] = frozenset()
    tries: int = 0

    async def __call__(self, event: Event, delivery: Delivery) -> str:
        self.tries += 1
        if delivery.destination in self.hung:
            await asyncio.Event().wait()
        if self.does.get(event.id):
            raise self.does[event.id].pop(0)
        self.arrived.append(event.id)
        return f"m{len(self.arrived)}"


def deliver(store: Store, clock: FakeClock, script: Script, **more: Any) -> int:
    return finish(outbox.pump(store, clock, nowhere, script, **more))


def test_a_destination_that_hangs_holds_up_no_other() -> None:
    async def story() -> list[str]:
        store, script = Store.memory(), Script(hung=frozenset({DEAD}))
        add(store, "E1", DEAD, ALIVE)
        lanes = outbox.Lanes(outbox.Outbox(store, FakeClock(), nowhere, script))
        await lanes.look()
        add(store, "E2", DEAD, ALIVE)
        while script.arrived != ["E1", "E2"]:
            await asyncio.wait_for(lanes.look(), 5)
            await asyncio.sleep(0)
        await lanes.stop(0)
        return script.arrived

    assert asyncio.run(asyncio.wait_for(story(), 5)) == ["E1", "E2"]


def test_lanes_that_are_stopped_let_the_message_on_its_way_arrive_and_begin_no_other() -> None:
    sending = asyncio.Event()

    async def slow(event: Event, delivery: Delivery) -> str:
        sending.set()
        await asyncio.sleep(0.01)
        return event.id

    async def story() -> list[DeliveryState]:
        store = Store.memory()
        add(store, "E1", ALIVE)
        add(store, "E2", ALIVE)
        lanes = outbox.Lanes(outbox.Outbox(store, FakeClock(), nowhere, slow))
        await lanes.look()
        await sending.wait()
        await lanes.stop(5)
        return [state(store, "E1")[0], state(store, "E2")[0]]

    assert asyncio.run(story()) == [DeliveryState.SENT, DeliveryState.WAITING]


def test_where_nothing_can_be_noted_the_same_message_is_not_sent_again_at_once() -> None:
    store, script, full = Store.memory(), Script(), [True]
    add(store, "E1", ALIVE)

    async def run(work: Callable[[], T]) -> T:
        if script.arrived and full:
            full.clear()
            raise OSError("no space left on device")
        return work()

    async def story() -> None:
        lanes = outbox.Lanes(outbox.Outbox(store, FakeClock(), nowhere, script, run=run))
        for _ in range(20):
            await lanes.look()
            await lanes.idle()

    asyncio.run(story())

    assert (script.arrived, state(store, "E1")[0]) == (["E1"], DeliveryState.WAITING)


def test_what_a_clock_that_was_ahead_has_put_off_is_tried_when_it_is_right_again() -> None:
    """A machine at boot: hours ahead and without a network, until a time server is heard."""
    store, clock, arrived, away = Store.memory(), FakeClock(), [], [True]
    add(store, "E1", ALIVE)

    async def post(event: Event, delivery: Delivery) -> str:
        if away:
            raise OSError("no network")
        arrived.append(event.id)
        return event.id

    async def story() -> None:
        lanes, right = outbox.Lanes(outbox.Outbox(store, clock, nowhere, post)), clock()
        clock.set(right + timedelta(hours=4))
        await lanes.look()
        await lanes.idle()
        clock.set(right)
        away.clear()
        await lanes.look()
        await lanes.idle()

    asyncio.run(story())

    assert arrived == ["E1"]


def test_what_may_come_later_waits_with_everything_behind_it_and_counts_no_failure() -> None:
    store, clock, script = Store.memory(), FakeClock(), Script({"E1": [outbox.Later(30)]})
    add(store, "E1", ALIVE)
    add(store, "E2", ALIVE)

    deliver(store, clock, script)
    clock.advance(seconds=29)
    deliver(store, clock, script)
    early = list(script.arrived)
    clock.advance(seconds=1)
    deliver(store, clock, script)

    assert (early, script.arrived, state(store, "E1")[1]) == ([], ["E1", "E2"], 0)


def test_what_is_urgent_goes_first_and_past_one_that_waits() -> None:
    store, clock, script = Store.memory(), FakeClock(), Script({"E1": [outbox.Later(30)]})
    add(store, "E1", ALIVE)
    deliver(store, clock, script)
    add(store, "E2", ALIVE)
    add(store, "E3", ALIVE, severity=Severity.URGENT)

    deliver(store, clock, script)
    clock.advance(seconds=30)
    deliver(store, clock, script)

    assert script.arrived == ["E3", "E1", "E2"]


def test_an_event_is_urgent_on_its_way_as_it_is_in_the_books() -> None:
    store = Store.memory()
    with store.begin() as work:
        work.add_event(Event("E1", EventKind.HALTED, make.NOW, "desk", {}))
        work.add_event(Event("E2", EventKind.HALTED, make.NOW, "desk", {}, Severity.URGENT))
    post = Post()

    pump(store, FakeClock(), post, ALIVE)

    assert [event for _, event in post.arrived] == ["E2", "E1"]


def test_after_ten_minutes_without_a_network_everything_comes_in_order() -> None:
    store, clock, script = Store.memory(), FakeClock(), Script()
    down = Script({f"E{number}": [ConnectionError()] * 999 for number in range(5)})
    for number in range(5):
        add(store, f"E{number}", ALIVE)

    for _ in range(600):
        deliver(store, clock, down)
        clock.advance(seconds=1)
    for _ in range(300):
        deliver(store, clock, script)
        clock.advance(seconds=1)

    assert script.arrived == [f"E{number}" for number in range(5)]
    assert down.tries < 40


def test_several_that_wait_for_one_card_are_one_message() -> None:
    store, clock, script = Store.memory(), FakeClock(), Script()
    for id, key in (("E1", "approval:A1"), ("E2", "event:E2"), ("E3", "approval:A1"), ("E4", "approval:A1")):
        add(store, id, ALIVE, key=key)

    sent = deliver(store, clock, script)

    with store.read() as work:
        refs = {id: work.deliveries(id)[0].ref for id in ("E1", "E2", "E3", "E4")}
    assert (sent, script.arrived) == (2, ["E4", "E2"])
    assert refs == {"E1": "m1", "E2": "m2", "E3": "m1", "E4": "m1"}


def test_what_happens_while_a_card_is_drawn_is_drawn_too() -> None:
    store, clock = Store.memory(), FakeClock()
    add(store, "E1", ALIVE, key="approval:A1")
    arrived = []

    async def meanwhile(event: Event, delivery: Delivery) -> str:
        if event.id == "E1":
            add(store, "E2", ALIVE, key="approval:A1")
        arrived.append(event.id)
        return "m1"

    finish(outbox.pump(store, clock, nowhere, meanwhile))

    assert arrived == ["E1", "E2"]


def test_what_will_never_be_taken_is_given_up_at_once_and_told() -> None:
    store, clock = Store.memory(), FakeClock()
    script, told = Script({"E1": [outbox.Undeliverable("the bot was blocked")]}), []
    add(store, "E1", ALIVE)
    add(store, "E2", ALIVE)

    deliver(store, clock, script, lost=lambda work, delivery, why: told.append((delivery.event_id, why)))

    assert state(store, "E1") == (DeliveryState.FAILED, 1, "the bot was blocked")
    assert (told, script.arrived) == ([("E1", "the bot was blocked")], ["E2"])


def test_a_message_that_alone_fails_holds_the_others_up_for_seconds_and_is_given_up_in_the_end() -> None:
    store, clock, script = Store.memory(), FakeClock(), Script({"E1": [ValueError("no such colour")] * 99})
    told: list[str] = []
    add(store, "E1", ALIVE)
    add(store, "E2", ALIVE)

    waited = 0
    while not script.arrived:
        deliver(store, clock, script)
        clock.advance(seconds=1)
        waited += 1
    for number in range(3, 900):
        add(store, f"F{number:05d}", ALIVE)
        deliver(store, clock, script, lost=lambda work, delivery, why: told.append(why))
        clock.advance(seconds=1)

    assert waited <= 16
    assert state(store, "E1")[0] is DeliveryState.FAILED
    assert told == ["It failed 10 times while others got through."]


def test_the_last_message_that_an_outage_hits_is_not_given_up_for_it() -> None:
    """Ten tries failed with everything else; the platform is back right after the tenth, in the middle of the lane."""
    store, clock = Store.memory(), FakeClock()
    script = Script({"E1": [OSError("down")] * outbox.GIVES_UP, "E2": [OSError("down")] * 6})
    add(store, "E1", ALIVE)
    add(store, "E2", ALIVE)

    for _ in range(2400):
        deliver(store, clock, script)
        clock.advance(seconds=1)

    assert sorted(script.arrived) == ["E1", "E2"]
    assert state(store, "E1")[0] is DeliveryState.SENT


def test_an_event_of_which_nothing_is_said_is_no_sign_that_others_get_through() -> None:
    """Half an hour of outage: what needs no message is done meanwhile, and gives up none that do."""
    store, clock = Store.memory(), FakeClock()
    back = clock() + timedelta(minutes=30)

    async def cut_off(event: Event, delivery: Delivery) -> str:
        if event.id.startswith("F"):
            return ""
        if clock() < back:
            raise OSError("down")
        return "m1"

    add(store, "E1", ALIVE)
    for number in range(240):
        add(store, f"F{number:05d}", ALIVE)
        finish(outbox.pump(store, clock, nowhere, cut_off))
        clock.advance(seconds=10)

    assert state(store, "E1")[0] is DeliveryState.SENT


def test_messages_that_alone_fail_hold_up_none_that_come_later_and_are_given_up() -> None:
    """Three of them at the head of one lane, and new ones every minute: none of those waits for their next tries."""
    store, clock = Store.memory(), FakeClock()
    script = Script({id: [ValueError("no such colour")] * 99 for id in ("E1", "E2", "E3")})
    for id in ("E1", "E2", "E3", "E4"):
        add(store, id, ALIVE)
    for _ in range(1800):
        deliver(store, clock, script)
        clock.advance(seconds=1)
    assert script.arrived == ["E4"]

    for number in range(30):
        add(store, f"F{number:05d}", ALIVE)
        deliver(store, clock, script)
        assert script.arrived[-1] == f"F{number:05d}"
        clock.advance(minutes=1)

    assert {state(store, id)[0] for id in ("E1", "E2", "E3")} == {DeliveryState.FAILED}
    assert script.arrived == ["E4", *(f"F{number:05d}" for number in range(30))]


def test_a_destination_that_takes_nothing_is_tried_with_a_few_messages_only_and_keeps_its_order() -> None:
    store, clock = Store.memory(), FakeClock()
    down = Script({f"E{number:02d}": [ConnectionError("down")] * 9999 for number in range(20)})
    for number in range(20):
        add(store, f"E{number:02d}", ALIVE)
    for _ in range(3600):
        deliver(store, clock, down)
        clock.advance(seconds=1)
    tried = [number for number in range(20) if state(store, f"E{number:02d}")[1]]
    up = Script()
    for _ in range(3600):
        deliver(store, clock, up)
        clock.advance(seconds=1)

    assert tried == list(range(outbox.MOST_SICK))
    assert down.tries < 150
    assert up.arrived == [f"E{number:02d}" for number in range(20)]


def test_a_try_that_nobody_answered_is_counted_as_one_that_may_have_arrived() -> None:
    store, clock = Store.memory(), FakeClock()
    script = Script({"E1": [outbox.Unanswered("no answer"), TimeoutError(), ConnectionError("refused")]})
    add(store, "E1", ALIVE)

    for _ in range(4):
        deliver(store, clock, script)
        clock.advance(minutes=5)

    with store.read() as work:
        (done,) = work.deliveries_since(make.NOW)
    assert (done.attempts, done.unanswered) == (3, 2)


@pytest.fixture(params=["memory", "file", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of each kind."""
    if request.param == "memory":
        yield Store.memory()
        return
    is_file = request.param == "file"
    url = f"sqlite:///{tmp_path / 'outbox.db'}" if is_file else request.getfixturevalue("postgres_url")
    with Store.create(url) as store:
        yield store


def test_two_that_deliver_at_once_send_nothing_twice(shared: Store) -> None:
    script, clock = Script(), FakeClock()
    for number in range(20):
        add(shared, f"E{number:02d}", ALIVE)

    async def threaded(work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    async def both() -> None:
        one, other = (outbox.Lanes(outbox.Outbox(shared, clock, nowhere, script, run=threaded)) for _ in range(2))
        while len(script.arrived) < 20:
            await asyncio.gather(one.look(), other.look())
        await asyncio.gather(one.idle(), other.idle())

    asyncio.run(asyncio.wait_for(both(), 30))

    assert script.arrived == [f"E{number:02d}" for number in range(20)]


class Killed(BaseException):
    """The process ends here."""


def test_a_kill_between_sending_and_noting_it_makes_one_message_more(shared: Store) -> None:
    clock, script, kills = FakeClock(), Script(), 3
    add(shared, "E1", ALIVE)
    add(shared, "E2", ALIVE)

    async def killed(event: Event, delivery: Delivery) -> str:
        await script(event, delivery)
        raise Killed

    for _ in range(kills):
        with pytest.raises(Killed):
            finish(outbox.pump(shared, clock, nowhere, killed))
    deliver(shared, clock, script)

    assert script.arrived == ["E1"] * (kills + 1) + ["E2"]


@dataclass
class Chats:
    """Platforms that fail now and then, and what stands in each chat: every version a key was ever drawn with."""

    latest: dict[str, int]
    failures: Iterator[int]
    shown: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    messages: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, event: Event, delivery: Delivery) -> str:
        fault = next(self.failures, 0)
        if fault:
            raise (outbox.Later(float(fault)) if fault > 3 else ConnectionError())
        self.shown.setdefault((delivery.destination, delivery.key), []).append(self.latest[delivery.key])
        self.messages.append((delivery.destination, event.id))
        return "m"


@settings(max_examples=60, deadline=None)
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(["approval:A1", "approval:A2", "own"]), st.booleans(), st.integers(0, 40)),
        min_size=1,
        max_size=25,
    ),
    failures=st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 7]), max_size=60),
)
def test_whatever_fails_everything_arrives_once_and_never_an_older_version_after_a_newer(
    acts: list[tuple[str, bool, int]], failures: list[int]
) -> None:
    store, clock, latest = Store.memory(), FakeClock(), dict[str, int]()
    chats = Chats(latest, iter(failures))
    for number, (name, is_urgent, seconds) in enumerate(acts):
        id = f"E{number:03d}"
        key = f"event:{id}" if name == "own" else name
        latest[key] = number
        severity = Severity.URGENT if is_urgent else Severity.INFO
        add(store, id, ALIVE, DEAD, key=key, severity=severity)
        finish(outbox.pump(store, clock, nowhere, chats))
        clock.advance(seconds=seconds)
    for _ in range(100):
        finish(outbox.pump(store, clock, nowhere, chats))
        clock.advance(minutes=5)

    with store.read() as work:
        assert work.outbox_waiting() == 0
        states = {row.state for number in range(len(acts)) for row in work.deliveries(f"E{number:03d}")}
    assert states == {DeliveryState.SENT}
    assert len(chats.messages) == len(set(chats.messages))
    for (_, key), versions in chats.shown.items():
        assert versions == sorted(set(versions))
        assert versions[-1] == latest[key]


@dataclass
class Unruly:
    """Two platforms on which anything may go wrong: `faults` is what each try meets. It keeps what was shown where."""

    latest: dict[str, int]
    faults: Iterator[str]
    shown: list[tuple[str, str, int]] = field(default_factory=list)
    doubtful: int = 0
    """Tries that arrived without anybody here knowing it."""
    unanswered: int = 0

    async def __call__(self, event: Event, delivery: Delivery) -> str:
        fault = next(self.faults, "")
        if fault == "down":
            raise ConnectionError
        if fault == "blocked":
            raise outbox.Undeliverable("blocked")
        self.shown.append((delivery.destination, delivery.key, self.latest[delivery.key]))
        if fault:
            self.doubtful += 1
        if fault == "no answer":
            self.unanswered += 1
            raise outbox.Unanswered
        if fault == "killed":
            raise Killed
        return "m"


FAULTS = ["", "", "", "down", "no answer", "killed", "blocked"]


@settings(max_examples=60, deadline=None)
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(["approval:A1", "approval:A2", "own"]), st.booleans(), st.integers(0, 400)),
        min_size=1,
        max_size=25,
    ),
    faults=st.lists(st.sampled_from(FAULTS), max_size=120),
)
def test_through_kills_and_lost_answers_all_arrives_or_is_a_dead_letter_and_no_version_goes_back(
    acts: list[tuple[str, bool, int]], faults: list[str]
) -> None:
    store, clock, latest = Store.memory(), FakeClock(), dict[str, int]()
    chats = Unruly(latest, iter(faults))

    def look() -> None:
        with suppress(Killed):  # the process that comes after it goes on with what the store has
            finish(outbox.pump(store, clock, nowhere, chats))

    for number, (name, is_urgent, seconds) in enumerate(acts):
        id = f"E{number:03d}"
        key = f"event:{id}" if name == "own" else name
        latest[key] = number
        add(store, id, ALIVE, DEAD, key=key, severity=Severity.URGENT if is_urgent else Severity.INFO)
        look()
        clock.advance(seconds=seconds)
    for _ in range(200):
        look()
        clock.advance(minutes=5)

    with store.read() as work:
        rows = [row for number in range(len(acts)) for row in work.deliveries(f"E{number:03d}")]
        dead = {letter.delivery.id for letter in work.undelivered()}
    assert {row.id for row in rows if row.state is not DeliveryState.SENT} == dead
    assert sum(row.unanswered for row in rows) == chats.unanswered
    assert len(chats.shown) - len(set(chats.shown)) <= chats.doubtful
    for place, key in {(place, key) for place, key, _ in chats.shown}:
        versions = [version for at, of, version in chats.shown if (at, of) == (place, key)]
        assert versions == sorted(versions)
