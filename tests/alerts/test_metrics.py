"""What /metrics says of a desk: read from its database, the same after a restart, cheap and silent about money."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client.core import Metric

from alerts import metrics
from alerts.metrics import DeskMetrics, Vitals
from engine import exits, meters, orders, standing
from engine.model.book import PositionStatus
from engine.model.events import EventKind
from engine.model.records import Run, RunState, Trade
from engine.store import Store
from tests import make
from tests.desk import World, make_world, propose, tap

Shown = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def shown(found: Iterable[Metric]) -> Shown:
    """Every sample by its name and labels."""
    return {(each.name, tuple(sorted(each.labels.items()))): each.value for one in found for each in one.samples}


def read(world: World, vitals: Vitals | None = None, *, money: bool = True) -> Shown:
    """What a process that has just been started would show."""
    standing.refresh_account(world.desk)
    return shown(DeskMetrics(world.desk, vitals or Vitals(), money=money).read())


def opened() -> World:
    """A desk that has sold the two puts it proposed."""
    world = make_world()
    propose(world)
    tap(world)
    world.clock.advance(11)
    orders.send_due(world.desk)
    world.broker.fill("A00001.1.1")
    orders.reconcile(world.desk)
    return world


def closed() -> World:
    """The same desk after it has bought them back at 1.08."""
    world = opened()
    with world.store.read() as work:
        held = work.open_positions()[0]
    exits.close(world.desk, held.id, "ann")
    world.clock.advance(11)
    orders.send_due(world.desk)
    with world.store.read() as work:
        sent = [order for order in work.open_orders() if not order.opening]
    world.broker.fill(sent[0].client_order_id)
    orders.reconcile(world.desk)
    return world


WHEEL = (("strategy", "wheel"), ("ticker", "XYZ"))


def test_a_trade_is_counted_when_it_is_filled() -> None:
    assert (metrics.EXECUTED.name, WHEEL) not in read(make_world())
    assert read(opened())[metrics.EXECUTED.name, WHEEL] == 1


def test_what_is_open_is_shown_in_percent_of_equity_and_goes_when_it_is_closed() -> None:
    world = opened()
    with world.store.read() as work:
        risk = work.open_positions()[0].risk

    assert read(world)["position_risk_percentage", WHEEL] == pytest.approx(float(risk / 1000))
    assert ("position_risk_percentage", WHEEL) not in read(closed())


def test_a_closed_trade_is_in_the_histogram_after_fees() -> None:
    world = closed()
    with world.store.read() as work:
        trade = work.trades()[0]
    net = trade.pnl - trade.commission + trade.dividends
    found = read(world)
    label = ("strategy", "wheel")

    assert trade.commission > 0
    assert found["trade_pnl_sum", (label,)] == float(net)
    assert found["trade_pnl_count", (label,)] == found["trade_pnl_bucket", (("le", "+Inf"), label)] == 1
    assert found["trade_pnl_bucket", (("le", "-100.0"), label)] == float(net <= -100)
    assert found["trade_pnl_bucket", (("le", "0.0"), label)] == float(net <= 0)


def trade(number: int, pnl: str, strategy: str = "wheel") -> Trade:
    price = Decimal("1.03")
    return Trade(
        f"P{number:05d}", strategy, "XYZ", "short_put", 2, price, price, Decimal(pnl), Decimal(0), Decimal(0),
        make.NOW, make.NOW, None, "target",
    )  # fmt: skip


def test_losses_fall_into_buckets_below_zero() -> None:
    world = make_world()
    with world.store.begin() as work:
        for number, pnl in enumerate(("-7000", "-500", "-499.99", "0", "120")):
            work.save_trade(trade(number, pnl))
    found = read(world)

    def at_most(bound: str) -> float:
        return found["trade_pnl_bucket", (("le", bound), ("strategy", "wheel"))]

    assert [at_most(bound) for bound in ("-5000.0", "-500.0", "-200.0", "0.0", "200.0", "+Inf")] == [1, 2, 3, 4, 5, 5]
    assert found["trade_pnl_sum", (("strategy", "wheel"),)] == pytest.approx(-7879.99)


def test_an_imported_trade_was_not_executed_here() -> None:
    world = make_world()
    position = make.position(status=PositionStatus.CLOSED, closed_at=make.NOW, approval_id=None)
    with world.store.begin() as work:
        work.add_import("h", "old.csv", make.NOW, "{}")
        work.save_position(position, "h")
        work.save_trade(trade(1, "100"), "h")

    assert not [name for name, _ in read(world) if name.startswith(("trades_executed", "trade_pnl"))]


def test_two_looks_and_a_restart_count_nothing_twice() -> None:
    world = closed()
    first, again = read(world), read(world)

    assert first == again


def test_money_is_not_shown_where_it_is_not_wanted() -> None:
    world = closed()
    with_money, without = read(world), read(world, money=False)
    hidden = {name.partition("_bucket")[0] for name, _ in with_money.keys() - without.keys()}

    assert hidden == {"trade_pnl", "trade_pnl_sum", "trade_pnl_count", "wsb_equity_dollars", "wsb_day_pnl_dollars"}


def test_nothing_is_said_of_an_account_the_broker_has_not_told_of_for_a_minute() -> None:
    world = opened()
    standing.refresh_account(world.desk)
    world.clock.advance(61)
    found = shown(DeskMetrics(world.desk, Vitals(), money=True).read())

    assert found[metrics.EXECUTED.name, WHEEL] == 1
    assert not {"wsb_equity_dollars", "position_risk_percentage", "wsb_limit_used_ratio"} & {name for name, _ in found}


def test_a_process_that_stands_by_shows_nothing_of_the_desk() -> None:
    assert read(closed(), Vitals(acts=lambda: False)) == {}


def test_a_run_is_counted_once_and_its_count_stays_when_its_row_is_deleted() -> None:
    world = make_world()
    shown_by = metrics.Runs(world.clock())
    run = Run("R1", "stress", world.clock(), world.clock() + timedelta(seconds=2))
    with world.store.begin() as work:
        work.add_run(run)
        shown_by.look(work, world.clock())
        work.end_run(run, RunState.DONE, world.clock() + timedelta(seconds=5))
        shown_by.look(work, world.clock())
        shown_by.look(work, world.clock())
    with Store.memory().read() as emptied:
        shown_by.look(emptied, world.clock())
    found = shown(shown_by.metrics())

    assert found["wsb_job_runs_total", (("job", "stress"), ("state", "done"))] == 1
    assert found["wsb_job_duration_seconds", (("job", "stress"),)] == 3
    assert found["wsb_job_late_seconds", (("job", "stress"),)] == 2


def test_a_platform_is_the_label_of_what_waits_never_a_chat() -> None:
    world = make_world()
    with world.store.begin() as work:
        for number, chat in enumerate(("telegram:-100777", "telegram:42", "web:desk")):
            event = make.event(EventKind.NOTE, id=f"V0000{number}")
            work.add_event(event)
            work.enqueue(event.id, chat, 0, "event:x")
    found = read(world)

    assert found["wsb_outbox_waiting", (("destination", "telegram"),)] == 2
    assert "777" not in str(found)


def test_ten_thousand_trades_take_a_quarter_of_a_second_at_most() -> None:
    world = make_world()
    with world.store.begin() as work:
        for number in range(10_000):
            work.save_trade(trade(number, str(number % 700 - 300), f"s{number % 10}"))
    standing.refresh_account(world.desk)
    began = time.thread_time()
    found = shown(DeskMetrics(world.desk, Vitals(), money=True).read())

    assert time.thread_time() - began < 0.25
    assert sum(value for (name, _), value in found.items() if name == "trade_pnl_count") == 10_000


def test_every_metric_is_described_in_the_guide_and_nothing_else_is() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([a-z_]+)` \| (?:–|`)", guide, re.MULTILINE))
    counted = {each.name for one in meters.COUNTED for each in one.describe()}
    endings = {each.name for one in meters.COUNTED for each in one.describe() if each.type == "counter"}
    there = {each.name for each in (*metrics.OF_THE_DESK, *metrics.OF_THE_PROCESS)}

    assert told == there | (counted - endings) | {f"{name}_total" for name in endings}
