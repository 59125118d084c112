"""The paper exchange after a kill, and under several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from engine.errors import DataInvalid, OrderRejected
from engine.model.legs import Leg
from engine.model.orders import Order, OrderStatus
from engine.store import Store
from tests import make
from tests.engine.brokers.paper_world import FRIDAY, Exchange, call, put
from tests.fakes import MemoryJournal


def state(exchange: Exchange) -> tuple[object, ...]:
    broker = exchange.broker
    return (
        broker.account(),
        broker.holdings(),
        broker.open_orders(),
        broker.fills(exchange.start),
        broker.activities(exchange.start),
    )


def lived() -> Exchange:
    """A day with a fill, a part, a cancel, an assignment and a package."""
    exchange = Exchange()
    exchange.trade(put(), -2, "1.03")
    exchange.broker.assign(put(), 1)
    exchange.submit([Leg(call(), 1)], "2.00", 5)
    exchange.set_quote(call(), "1.50", "1.50", size=2)
    exchange.advance()
    exchange.broker.cancel(exchange.submit([Leg(put("40"), -1)], "-3.00"))
    legs = [Leg(put("50"), -1), Leg(put("45"), 1)]
    exchange.submit(legs, "-0.90")
    exchange.set_quote(put("50"), "2.00", "2.02")
    exchange.set_quote(put("45"), "1.00", "1.02")
    exchange.advance()
    return exchange


def test_a_new_process_finds_everything_as_the_old_one_left_it() -> None:
    exchange = lived()
    before = state(exchange)

    exchange.restart()

    assert state(exchange) == before


def test_the_cash_of_the_journal_wins_over_the_configured_one() -> None:
    exchange = lived()

    exchange.restart(cash="5")

    assert exchange.cash > 90_000


def test_an_order_is_durable_when_submit_returns() -> None:
    exchange = Exchange()
    order = exchange.submit([Leg(put(), -1)], "-1.00")

    exchange.restart()

    assert exchange.known(order) == order
    assert exchange.broker.submit(order) == order


def test_a_part_filled_before_the_kill_is_not_filled_again() -> None:
    exchange = Exchange()
    order = exchange.submit([Leg(put(), -1)], "-1.00", 3)
    exchange.set_quote(put(), "1.10", "1.12", size=1)
    exchange.advance()

    exchange.restart()
    exchange.set_quote(put(), "1.10", "1.12", size=9)
    exchange.advance()

    fills = exchange.broker.fills(exchange.start)
    assert [(fill.execution_id, fill.quantity) for fill in fills] == [("T001.1/1.1", -1), ("T001.1/2.1", -2)]
    assert exchange.known(order).status is OrderStatus.FILLED


def test_what_came_due_while_the_process_was_dead_happens_once() -> None:
    exchange = Exchange()
    exchange.trade(put(), -2, "1.03")
    exchange.actions.closes["XYZ", FRIDAY] = make.D(40)
    exchange.after_close(FRIDAY)

    exchange.restart()
    exchange.after_close(FRIDAY)

    assert len(exchange.broker.activities(exchange.start)) == 1
    assert exchange.held == {make.share(): 200}


class BrokenJournal(MemoryJournal):
    """A disk that is full for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False

    def write_many(self, rows: Iterable[tuple[str, str, str]]) -> None:
        if self.is_full:
            raise OSError("no space left on device")
        super().write_many(rows)


def test_what_could_not_be_written_is_written_with_the_next_change() -> None:
    exchange = Exchange()
    journal = BrokenJournal()
    exchange.journal = journal
    exchange.restart()
    journal.is_full = True
    with pytest.raises(OSError, match="no space"):
        exchange.submit([Leg(put(), -1)], "-1.00")
    journal.is_full = False

    exchange.submit([Leg(call(), 1)], "1.00")
    before = state(exchange)
    exchange.restart()

    assert len(exchange.broker.open_orders()) == 2
    assert state(exchange) == before


def test_a_row_of_an_unknown_kind_is_named() -> None:
    exchange = Exchange()
    exchange.journal.write("orders", "x", "{}")

    with pytest.raises(DataInvalid, match="orders"):
        exchange.restart()


def test_an_unreadable_row_is_an_error_and_not_an_empty_account() -> None:
    exchange = lived()
    exchange.journal.write("holding", "x", "{")

    with pytest.raises(DataInvalid, match="Holding"):
        exchange.restart()


def test_the_journal_may_be_the_store() -> None:
    store = Store.memory()
    exchange = Exchange()
    exchange.journal = store.paper_journal()
    exchange.restart()
    exchange.trade(put(), -2, "1.03")
    before = state(exchange)

    exchange.restart()

    assert state(exchange) == before


def together(count: int, act: Callable[[int], object]) -> list[object]:
    """What `count` threads got that acted at once."""
    barrier = Barrier(count)

    def run(number: int) -> object:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_one_order_sent_by_sixteen_threads_is_placed_once() -> None:
    exchange = Exchange()
    order = make.order([Leg(put(), -1)], "-1.00", 1)

    answers = together(16, lambda _: exchange.broker.submit(order))

    assert len({answer.broker_id for answer in answers if isinstance(answer, Order)}) == 1
    assert exchange.broker.open_orders() == (order.client_order_id,)


def test_sixteen_threads_cannot_close_more_than_is_held() -> None:
    exchange = Exchange()
    exchange.trade(call(), 3, "1.00")

    def close(number: int) -> bool:
        order = make.order([Leg(call(), -1)], "-2.00", 1, False, f"exit.{number}")
        try:
            exchange.broker.submit(order)
        except OrderRejected:
            return False
        return True

    assert sum(map(bool, together(16, close))) == 3


def test_time_passing_in_many_threads_fills_an_order_once() -> None:
    exchange = Exchange()
    exchange.submit([Leg(put(), -1)], "-1.00", 2)
    exchange.set_quote(put(), "1.10", "1.12")

    together(8, lambda _: exchange.broker.advance())

    assert exchange.held == {put(): -2}
    assert len(exchange.broker.fills(exchange.start)) == 1
