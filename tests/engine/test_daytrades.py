"""Day trades are counted from our own fills: no broker's counter is read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from engine import daytrades
from engine.brokers import alpaca_wire
from engine.daytrades import day_trades
from engine.model.instruments import Instrument
from engine.model.limits import DayTradeRule, Limits
from engine.model.orders import Fill, TicketStatus
from tests import make
from tests.desk import World, make_world

D = Decimal
MONDAY = date(2026, 6, 15)


def fill(quantity: int, order: str, item: Instrument | None = None) -> Fill:
    return make.fill(item or make.call(), quantity, "2.25", execution_id=f"{order}{quantity}", client_order_id=order)


def count(*fills: Fill) -> int:
    return day_trades((MONDAY, each) for each in fills)


def test_opened_and_closed_in_one_session_is_one() -> None:
    assert count(fill(4, "A1.1.1"), fill(-4, "P1.stop.1.1")) == 1


def test_opened_alone_is_none() -> None:
    assert count(fill(4, "A1.1.1"), fill(2, "A2.1.1")) == 0


def test_partial_fills_and_ladder_steps_of_one_close_are_one() -> None:
    assert count(fill(4, "A1.1.1"), fill(-1, "P1.stop.1.1"), fill(-2, "P1.stop.1.2"), fill(-1, "P1.stop.1.3")) == 1


def test_both_legs_of_a_package_are_one() -> None:
    short, long = make.put(580), make.put(575)
    opened = (fill(-1, "A1.1.1", short), fill(1, "A1.1.1", long))

    assert count(*opened, fill(1, "P1.target.1.1", short), fill(-1, "P1.target.1.1", long)) == 1


def test_closed_in_two_decisions_is_two() -> None:
    assert count(fill(4, "A1.1.1"), fill(-2, "P1.half.1.1"), fill(-2, "P1.stop.2.1")) == 2


def test_another_session_or_another_contract_is_none() -> None:
    tuesday = MONDAY + timedelta(days=1)

    assert day_trades([(MONDAY, fill(4, "A1.1.1")), (tuesday, fill(-4, "P1.stop.1.1"))]) == 0
    assert count(fill(4, "A1.1.1"), fill(-4, "P2.stop.1.1", make.call(50))) == 0


def with_rule(rule: DayTradeRule) -> World:
    return make_world(limits=replace(Limits(), day_trade_rule=rule))


def trade_on(world: World, at: datetime, number: int) -> None:
    with world.store.begin() as work:
        work.save_position(make.position(id=f"P{number}", approval_id=None, opened_at=at))
        for quantity, order in ((1, f"A{number}.1.1"), (-1, f"P{number}.stop.1.1")):
            ticket = make.ticket(id=order.rpartition(".")[0], approval_id=None, position_id=f"P{number}")
            work.add_ticket(replace(ticket, status=TicketStatus.FILLED))
            work.add_order(make.order(client_order_id=order))
            work.add_fill(replace(fill(quantity, order), at=at), f"P{number}")


@pytest.mark.parametrize(("day", "used"), [(8, 0), (9, 1), (15, 1)])
def test_the_window_is_five_sessions_with_today(day: int, used: int) -> None:
    """Monday 15 June: the window begins on Tuesday the 9th."""
    world = with_rule(DayTradeRule.PDT)
    trade_on(world, datetime(2026, 6, day, 15, tzinfo=UTC), 1)

    with world.store.read() as work:
        assert daytrades.used(world.desk, work) == used


def test_entries_of_today_that_are_held_or_worked_could_become_one() -> None:
    world = with_rule(DayTradeRule.PDT)
    today = make.position(id="P1", approval_id=None)
    earlier = make.position(id="P2", approval_id=None, opened_at=make.NOW - timedelta(days=4))
    with world.store.begin() as work:
        work.save_position(today)
        work.save_position(earlier)
        found = daytrades.counted(world.desk, work, [make.ticket(position_id="P3"), make.ticket(position_id="P1")])

    assert (found.used, found.open_today) == (0, 2)


def test_closing_what_was_opened_today_says_which_one_it_would_be() -> None:
    world = with_rule(DayTradeRule.PDT)
    for number in (1, 2, 3):
        trade_on(world, make.NOW, number)
    earlier = make.position(opened_at=make.NOW - timedelta(days=4))

    with world.store.read() as work:
        assert daytrades.warning(world.desk, work, make.position()) == "This would be day trade 4 of 3 in 5 sessions."
        assert daytrades.warning(world.desk, work, earlier) == ""


def test_each_broker_has_its_own_rule_and_the_configuration_the_last_word() -> None:
    world = make_world()
    assert daytrades.rule_of(world.desk) is DayTradeRule.NONE
    world.broker.name = "alpaca"
    assert daytrades.rule_of(world.desk) is DayTradeRule.INTRADAY_MARGIN
    assert daytrades.rule_of(with_rule(DayTradeRule.PDT).desk) is DayTradeRule.PDT


def test_an_account_without_the_removed_fields_is_read_and_one_with_them_too() -> None:
    """Alpaca removed the counters in July 2026; reading them gives None, which is neither 0 nor 3."""
    payload = {
        "account_number": "PA1",
        "cash": "1000",
        "equity": "1500",
        "buying_power": "2000",
        "options_buying_power": "900",
        "options_trading_level": 3,
        "status": "ACTIVE",
        "maintenance_margin": "250.5",
    }
    old = payload | {"daytrade_count": 3, "pattern_day_trader": True, "daytrading_buying_power": "0"}

    assert alpaca_wire.account(payload, is_paper=True) == alpaca_wire.account(old, is_paper=True)
    assert alpaca_wire.account(payload, is_paper=True).maintenance == D("250.5")
