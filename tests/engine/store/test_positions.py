"""Positions, their lots, the book, trades and campaigns in the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from engine.model.book import PositionStatus, PostingKind
from engine.model.legs import Leg, Structure
from engine.store import Store
from tests import make

D = Decimal
END = make.NOW + timedelta(days=7)


def sold_put(**more: object):
    """Two 44 puts sold at 1.03, of no approval."""
    lots = (make.held(make.put(), -2, "1.03"),)
    defaults = {"lots": lots, "approval_id": None, "entry": D("-1.03"), "opened_units": 2, "max_loss": D("8594")}
    return make.position(**(defaults | more))


def ended(position, realised: str, fees: str = "4", **more: object):
    return replace(
        position,
        legs=(),
        status=PositionStatus.CLOSED,
        closed_at=more.pop("closed_at", END),
        realised=D(realised),
        fees=D(fees),
        **more,
    )


def columns(store: Store, statement: str) -> list[tuple]:
    """What any other program would read."""
    with store._engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def test_a_position_comes_back_as_it_was_stored(store: Store):
    position = sold_put()
    with store.begin() as work:
        work.save_position(position)
    with store.read() as work:
        assert work.position("P00001") == position
        assert work.open_positions() == (position,)
        assert work.find_position("P404") is None


def test_lots_are_rows_that_follow_the_position(store: Store):
    position = sold_put(lots=(make.held(make.put(), -2, "1.03"), make.held(make.share(), 100, 44)))
    with store.begin() as work:
        work.save_position(position)
        work.save_position(replace(position, legs=(make.held(make.put(), -1, "1.03"),)))
    assert columns(store, "SELECT symbol, quantity FROM legs") == [(make.put().symbol, -1)]


def test_a_closed_position_leaves_the_book_and_its_lots(store: Store):
    position = sold_put()
    with store.begin() as work:
        work.save_position(position)
        work.save_position(ended(position, "120"))
    with store.read() as work:
        assert work.open_positions() == ()
        assert [x.realised for x in work.positions_closed()] == [D("120")]
        assert work.positions_closed(since=END + timedelta(seconds=1)) == ()
    assert columns(store, "SELECT count(*) FROM legs") == [(0,)]


def test_the_roadmap_columns_say_what_the_value_says(store: Store):
    with store.begin() as work:
        work.save_position(sold_put())
        work.mark_positions({"P00001": (D("-206.10"), D("-0.10"))}, END)
    read = "SELECT strategy_id, ticker, quantity, status FROM positions"
    assert columns(store, read) == [("wheel", "XYZ", 2, "open")]
    money = columns(store, "SELECT avg_price, current_value, unrealized_pnl FROM positions")[0]
    unit = D("1e-6") if store._engine.dialect.name == "sqlite" else D(1)
    assert [D(value) * unit for value in money] == [D("-1.03"), D("-206.10"), D("-0.10")]


def test_open_positions_are_found_by_strategy_and_ticker(store: Store):
    with store.begin() as work:
        work.save_position(sold_put())
        work.save_position(sold_put(id="P00002", strategy="wsb_dip", ticker="ABC"))
    with store.read() as work:
        assert [x.id for x in work.open_positions(strategy="wsb_dip")] == ["P00002"]
        assert [x.id for x in work.open_positions(ticker="XYZ")] == ["P00001"]
        assert work.open_positions(strategy="wheel", ticker="ABC") == ()


def test_a_position_brings_its_strategy_along(store: Store):
    with store.begin() as work:
        work.save_position(sold_put())
    with store.read() as work:
        assert [(x.name, x.risk_level) for x in work.strategies()] == [("wheel", None)]


def test_the_book_is_open_positions_and_the_ledger_s_sums(store: Store):
    position = sold_put()
    with store.begin() as work:
        work.save_position(position)
        work.add_postings((make.deposit(), replace(make.deposit(), key="x", kind=PostingKind.TRADE, cash=D("206"))))
    with store.read() as work:
        book = work.book()
    assert book.positions == {"P00001": position}
    assert (book.totals.start, book.cash) == (D(100_000), D("100206"))


def test_a_closed_structure_is_one_trade_however_often_it_is_written(store: Store):
    position = ended(sold_put(), "103")
    with store.begin() as work:
        work.save_position(position)
        work.add_trade(position)
        work.add_trade(position)
    with store.read() as work:
        (trade,) = work.trades()
    assert (trade.id, trade.trade_type, trade.quantity) == ("P00001", "cash-secured put", 2)
    assert (trade.entry_price, trade.exit_price) == (D("-1.03"), D("-0.515"))
    assert (trade.pnl, trade.commission, trade.closed_at) == (D("103"), D("4"), END)


def test_an_assigned_put_has_no_exit_price(store: Store):
    position = ended(sold_put(), "0", close_reason="assigned")
    with store.begin() as work:
        work.save_position(position)
        work.add_trade(position)
    with store.read() as work:
        assert work.trades()[0].exit_price is None


def test_an_open_position_is_no_trade(store: Store):
    with store.begin() as work, pytest.raises(ValueError, match="P00001 is not closed"):
        work.add_trade(sold_put())


def test_trades_are_found_by_strategy_and_end(store: Store):
    with store.begin() as work:
        for number, strategy in enumerate(("wheel", "wsb_dip"), start=1):
            position = ended(sold_put(id=f"P{number}", strategy=strategy), "1", closed_at=END + timedelta(days=number))
            work.save_position(position)
            work.add_trade(position)
    with store.read() as work:
        assert [x.id for x in work.trades(strategy="wsb_dip")] == ["P2"]
        assert [x.id for x in work.trades(since=END + timedelta(days=2))] == ["P2"]


def test_a_campaign_counts_when_all_of_it_is_closed_net_of_fees(store: Store):
    put = ended(sold_put(), "0", "2", close_reason="assigned")
    shares = make.position(
        id="P00002",
        structure=Structure.SHARES,
        legs=(Leg(make.share(), 1),),
        lots=(make.held(make.share(), 200, "42.97"),),
        approval_id=None,
        entry=D("42.97"),
        opened_units=200,
    )
    with store.begin() as work:
        work.save_position(put)
        work.save_position(shares)
        assert work.campaigns("wheel") == ()
        work.save_position(ended(shares, "1006", "2", dividends=D("10"), closed_at=END + timedelta(days=30)))
    with store.read() as work:
        (campaign,) = work.campaigns("wheel")
        assert [x.id for x in work.campaign("C00001")] == ["P00001", "P00002"]
    assert (campaign.pnl, campaign.closed) == (D("1012"), END + timedelta(days=30))
    assert campaign.r == pytest.approx(1012 / 8594)


def test_a_bought_premium_is_the_stake_of_its_campaign(store: Store):
    call = make.position(
        id="P3",
        campaign="C3",
        strategy="wsb_dip",
        structure=Structure.LONG_CALL,
        legs=(Leg(make.call(), 1),),
        approval_id=None,
        entry=D("2.50"),
        opened_units=2,
    )
    with store.begin() as work:
        work.save_position(ended(call, "754"))
    with store.read() as work:
        assert [x.r for x in work.campaigns("wsb_dip")] == [1.5]
