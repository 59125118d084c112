"""Execution, errors and latency as the desk measures them; every number here is counted by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import levels
from alerts.latency import Latency, latencies
from alerts.levels import Errors, Execution, Speed, percentile, speed
from engine.attempts import Act, tried
from engine.errors import BrokerUnavailable, OrderRejected
from engine.model.events import EventKind, Severity
from engine.model.orders import Order, OrderStatus, Purpose, Ticket
from engine.model.records import Delivered, Run, RunState, Tally
from engine.store import UnitOfWork
from tests import make
from tests.desk import World, make_world


def later(milliseconds: float) -> object:
    return make.NOW + timedelta(milliseconds=milliseconds)


def entry(sent: float, accepted: float | None, number: int = 1, **more: object) -> tuple[Ticket, Order]:
    """An entry whose undo window ended at `make.NOW`; milliseconds from there to the wire and to the yes."""
    id = f"A{number:05d}.1"
    ticket = make.ticket(id=id, approval_id=None, attempts=1, **{"send_after": make.NOW} | more)
    status = OrderStatus.REJECTED if accepted is None else OrderStatus.ACCEPTED
    at = None if accepted is None else later(accepted)
    return ticket, make.order(
        client_order_id=f"{id}.1", ticket_id=id, status=status, sent_at=later(sent), accepted_at=at
    )


def test_an_execution_is_our_part_up_to_the_wire_and_the_brokers_after_it() -> None:
    found = speed([entry(12, 47)])

    assert found.executions == (Execution(pytest.approx(0.012), pytest.approx(0.035)),)
    assert found.at(0.99) == pytest.approx(0.047)


def test_ninety_five_of_a_hundred_entries_have_to_be_fast() -> None:
    quick, slow = Execution(0.02, 0.03), Execution(0.02, 0.5)

    assert Speed((quick,) * 95 + (slow,) * 5).is_met
    assert not Speed((quick,) * 94 + (slow,) * 6).is_met
    assert Speed((quick,) * 94 + (slow,) * 6).share == 0.94
    assert (Speed(()).is_met, Speed(()).share) == (True, None)


def test_an_entry_that_takes_exactly_the_target_is_late() -> None:
    assert not Speed((Execution(0.0, 0.1),)).is_met


def test_a_first_order_that_was_refused_is_no_execution_and_is_counted_apart() -> None:
    found = speed([entry(12, 47), entry(12, None, 2)])

    assert (len(found.executions), found.refused) == (1, 1)


def test_the_store_gives_entries_with_their_first_orders_and_no_exits() -> None:
    world = make_world()
    pairs = [entry(1, 2, 1), entry(1, 2, 2, purpose=Purpose.EXIT), entry(1, 2, 3, created_at=later(-1000))]
    with world.store.begin() as work:
        for ticket, order in pairs:
            work.add_ticket(ticket)
            work.add_order(order)
        second = make.order(client_order_id="A00001.1.2", ticket_id="A00001.1")
        work.add_order(second)

    with world.store.read() as work:
        assert work.first_orders(make.NOW) == (pairs[0],)


@pytest.mark.parametrize(("rank", "value"), [(0.5, 5.0), (0.95, 10.0), (0.9, 9.0), (0.0, 1.0)])
def test_a_percentile_is_a_value_that_was_there(rank: float, value: float) -> None:
    assert percentile([float(n) for n in range(10, 0, -1)], rank) == value


def run(work: UnitOfWork, number: int, state: RunState) -> None:
    at = make.NOW + timedelta(minutes=number)
    work.add_run(Run(f"R{number:05d}", "scan wheel", at, at, state=state))


def tallies(world: World, since: timedelta = timedelta(0)) -> dict[str, tuple[int, int]]:
    with world.store.read() as work:
        return {each.kind: (each.done, each.failed) for each in work.tallies(make.NOW + since)}


def test_a_run_that_raised_is_an_error_and_one_that_was_missed_or_goes_on_is_none() -> None:
    world = make_world()
    with world.store.begin() as work:
        for number, state in enumerate([RunState.DONE] * 3 + [RunState.FAILED, RunState.MISSED, RunState.RUNNING]):
            run(work, number, state)

    assert tallies(world)["jobs"] == (4, 1)
    assert tallies(world, timedelta(minutes=2))["jobs"] == (2, 1)


def test_a_command_that_broke_is_an_error_and_a_refusal_is_none() -> None:
    world = make_world()
    desk = world.desk
    with world.store.begin() as work:
        work.add_events(
            [
                desk.event(EventKind.COMMAND, "halt", {"raw": "/halt"}),
                desk.event(EventKind.REFUSED, "web:ann", {"why": 'no "ref": there'}),
                desk.event(EventKind.ERROR, "7F3K", {"ref": "7F3K", "raw": "/risk"}, Severity.WARNING),
            ]
        )

    assert tallies(world)["commands"] == (2, 1)
    assert tallies(world)["loops"] == (0, 0)


def test_a_loop_that_broke_or_stalled_is_an_error_and_a_source_that_did_not_answer_is_none() -> None:
    world = make_world()
    with world.store.begin() as work:
        work.add_event(
            world.desk.event(EventKind.ERROR, "exits", {"step": "exits", "kind": "stalled"}, Severity.URGENT)
        )
        work.add_event(world.desk.event(EventKind.ERROR, "exits", {"step": "exits"}, Severity.WARNING))

    assert tallies(world)["loops"] == (1, 1)
    assert tallies(world)["commands"] == (0, 0)


def test_a_try_without_an_answer_is_an_error_and_a_refusal_of_the_broker_is_none() -> None:
    world = make_world()
    ticket, order = entry(1, 2)
    answers = (None, OrderRejected("no answer was given why", 40310000), BrokerUnavailable("no answer"))
    with world.store.begin() as work:
        work.add_ticket(ticket)
        work.add_events([tried(world.desk, work, ticket, order, Act.SUBMIT, answer) for answer in answers])

    assert tallies(world)["orders"] == (3, 1)


def test_a_message_that_was_given_up_is_an_error_and_one_that_came_late_is_none() -> None:
    world = make_world()
    event = world.desk.event(EventKind.HALTED, "desk", {})
    with world.store.begin() as work:
        work.add_event(event)
        for name in ("web:desk", "chat:1", "chat:2", "chat:3"):
            work.enqueue(event.id, name, 0, "k")
        ids = {name: work.next_card(name).ids for name in ("web:desk", "chat:1", "chat:2")}  # type: ignore[union-attr]
        work.mark_failed(ids["web:desk"][0], "down", make.NOW)
        work.mark_sent(ids["web:desk"], "m1", make.NOW)
        work.mark_sent(ids["chat:1"], "m2", make.NOW - timedelta(days=1))
        work.give_up(ids["chat:2"], "blocked", make.NOW)

    assert tallies(world)["messages"] == (2, 1)


def test_the_error_rate_is_all_errors_over_everything_done() -> None:
    found = Errors(make.NOW, (Tally("jobs", 990, 0), Tally("orders", 9, 1), Tally("loops", 1, 0)))

    assert (found.done, found.failed, found.ratio) == (1000, 1, 0.001)
    assert not found.is_met
    assert Errors(make.NOW, ()).ratio is None
    assert Errors(make.NOW, (Tally("jobs", 1001, 1),)).is_met


def test_the_levels_that_are_missed_are_named() -> None:
    world = make_world()
    with world.store.begin() as work:
        run(work, 0, RunState.FAILED)
        found = levels.measure(world.desk, work)

    assert found.missed == ("errors",)
    assert levels.as_metrics(found) == {
        "wsb_uptime_ratio": None,
        "wsb_recovery_seconds": None,
        "wsb_error_ratio": 1.0,
    }


def came(destination: str, happened: float, sent: float, attempts: int = 0, unanswered: int = 0) -> Delivered:
    at = make.NOW + timedelta(seconds=happened)
    return Delivered(destination, at, make.NOW + timedelta(seconds=sent), attempts, unanswered)


def test_what_waited_behind_a_failure_is_told_apart_from_what_came_at_once() -> None:
    found = latencies(
        [
            came("chat:1", 0, 1),
            came("chat:1", 10, 50, attempts=3, unanswered=2),
            came("chat:1", 20, 51),
            came("chat:1", 52, 54),
            came("chat:2", 20, 22),
            came("web:desk", 20, 20.25),
        ]
    )

    assert found == (
        Latency("chat", (1.0, 2.0, 2.0), (40.0, 31.0), 2),
        Latency("web", (0.25,), (), 0),
    )
    assert (found[0].at(0.5), found[0].at(0.99)) == (2.0, 2.0)
    assert Latency("x", (), (3.0,), 0).at(0.5) is None
