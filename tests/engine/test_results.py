"""What each strategy has made: one reckoning for /pnl, for the pauses and for the history of every day."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from engine import results, watch
from engine.model.book import Posting, PostingKind
from engine.model.legs import Leg, Structure
from engine.model.orders import MANUAL, NET, PANIC, Order, Purpose, Ticket
from engine.model.records import PnlLine, StrategyDay, StrategyTotals
from strategies import CATALOGUE
from tests import make
from tests.desk import World, close_day, make_world

D = make.D
SHARES = make.share()
BOTH = {name: CATALOGUE[name] for name in ("wheel", "wsb_dip")}


def holding(price: str = "50") -> World:
    """300 shares of XYZ bought at 48 by wsb_dip, which paid 3 dollars; the wheel has booked 40 less 2."""
    made = make_world(strategies=BOTH)
    position = make.position(
        id="P00001",
        strategy="wsb_dip",
        approval_id=None,
        structure=Structure.SHARES,
        unit=(Leg(SHARES, 1),),
        lots=(make.held(SHARES, 300, 48),),
        opened_units=300,
    )
    booked = (
        Posting("buy", PostingKind.TRADE, make.NOW, D(-14_400), strategy="wsb_dip"),
        Posting("fee", PostingKind.FEE, make.NOW, D(-3), strategy="wsb_dip"),
        Posting("won", PostingKind.TRADE, make.NOW, D(40), D(40), strategy="wheel"),
        Posting("fee2", PostingKind.FEE, make.NOW, D(-2), strategy="wheel"),
        Posting("paid", PostingKind.DIVIDEND, make.NOW, D(7), strategy="wsb_dip"),
    )
    with made.store.begin() as work:
        work.save_position(position)
        work.add_postings(booked)
    reprice(made, price)
    return made


def reprice(made: World, price: str) -> None:
    made.market.set_quote(SHARES, D(price), D(price))


def history(made: World) -> dict[tuple[str, str], StrategyDay]:
    with made.store.read() as work:
        rows = work.strategy_history(make.TODAY - timedelta(days=30))
    return {(row.day.isoformat(), row.strategy): row for row in rows}


def test_the_end_of_a_day_keeps_what_every_strategy_has_made() -> None:
    made = holding()
    row = close_day(made.desk)
    assert row is not None
    kept = history(made)
    day = make.TODAY
    assert kept == {
        ("2026-06-15", "wheel"): StrategyDay(day, "wheel", D(40), D(0), D(0), D(2)),
        ("2026-06-15", "wsb_dip"): StrategyDay(day, "wsb_dip", D(0), D(600), D(7), D(3)),
    }
    assert sum(line.made for line in kept.values()) == row.equity - 100_000


def test_a_strategy_that_never_traded_has_its_row_of_nothing() -> None:
    made = make_world(strategies=BOTH)
    close_day(made.desk)
    assert {line.made for line in history(made).values()} == {D(0)}
    assert len(history(made)) == len(BOTH)


def test_nothing_is_kept_of_a_day_on_which_something_held_has_no_price() -> None:
    made = holding()
    made.market.drop_quote(SHARES)
    assert close_day(made.desk) is None
    assert history(made) == {}


def test_a_day_ended_again_corrects_what_was_kept() -> None:
    made = holding()
    close_day(made.desk)
    reprice(made, "49")
    close_day(made.desk)
    assert history(made)["2026-06-15", "wsb_dip"].unrealised == D(300)


def test_the_short_rate_of_the_day_is_kept_with_its_equity_and_none_where_nobody_tells_it() -> None:
    made = holding()
    unknown = close_day(made.desk)
    made.market.set_snapshot(make.snapshot(rate=0.0375))
    known = close_day(made.desk)
    assert unknown is not None
    assert known is not None
    assert (unknown.rate, known.rate) == (None, 0.0375)


def test_the_curve_that_pauses_a_strategy_is_chained_from_what_the_history_keeps() -> None:
    """Two sessions, a look and a close in each: the pause's curve and the history tell the same returns."""
    made = holding("48")
    watch.look(made.desk)
    first = close_day(made.desk)
    made.clock.advance(days=1)
    reprice(made, "45")
    watch.look(made.desk)
    close_day(made.desk)
    assert first is not None
    kept = history(made)
    lost = kept["2026-06-16", "wsb_dip"].made - kept["2026-06-15", "wsb_dip"].made
    with made.store.read() as work:
        fall = watch.falls(work)["wsb_dip"]
    assert lost == -900
    assert fall == pytest.approx(-lost / first.equity, abs=Decimal("1e-8"))


def test_pnl_history_and_pauses_share_one_reckoning() -> None:
    line = PnlLine("wheel", D(40), D("-5.5"), D(7), D(2))
    assert line.total == D("39.5")
    assert replace(line, unrealised=None).total is None
    booked = {"wheel": StrategyTotals(D(40), D(2), D(7))}
    assert results.by_strategy(booked, (), {}, ("lotto",)) == (
        PnlLine("lotto", D(0), D(0), D(0), D(0)),
        PnlLine("wheel", D(40), D(0), D(7), D(2)),
    )


def test_one_position_without_a_price_leaves_its_strategy_unknown_and_no_other() -> None:
    held = [
        make.position(id="P1", lots=(make.held(make.put(), -2, "1.03"),)),
        make.position(id="P2", lots=(make.held(make.put(40), -1, "0.50"),), strategy="lotto"),
    ]
    lines = results.by_strategy({}, held, {make.put(): D("0.80")})
    assert [(line.strategy, line.unrealised is None) for line in lines] == [("lotto", True), ("wheel", False)]


def ticket(**more: object) -> Ticket:
    return make.ticket(**more)  # type: ignore[arg-type]


def filled(of: Ticket, average: str, units: int, number: int = 1) -> Order:
    return replace(make.order(), client_order_id=f"{of.id}.{number}", ticket_id=of.id, legs=of.legs, filled=units,
                   average=D(average))  # fmt: skip


def test_slippage_is_what_fills_cost_beyond_the_mid_of_the_decision() -> None:
    sold = ticket(limit=D("-1.03"))
    orders = [filled(sold, "-1.02", 1), filled(sold, "-1.00", 1, number=2)]
    # A cent and three cents less were received, of 100 shares each.
    assert results.slippage([sold], orders) == {"wheel": D("4.00")}


def test_better_fills_are_slippage_below_zero_and_shares_are_held_against_their_spot() -> None:
    bought = ticket(id="P1.manual.1", legs=(make.leg(SHARES, -1),), limit=D("-47.80"), spot=D(48), reason=MANUAL,
                    purpose=Purpose.EXIT)  # fmt: skip
    assert results.slippage([bought], [filled(bought, "-47.95", 100)]) == {"wheel": D("5.00")}
    sold = ticket(limit=D("-1.03"))
    assert results.slippage([sold], [filled(sold, "-1.05", 2)]) == {"wheel": D("-4.00")}


@pytest.mark.parametrize("reason", [PANIC, NET])
def test_what_begins_at_a_bound_tells_no_slippage(reason: str) -> None:
    flattened = ticket(limit=D("1.50"), reason=reason, purpose=Purpose.EXIT)
    assert results.slippage([flattened], [filled(flattened, "0.90", 2)]) == {}
