"""Five trades of the half year, worked out by hand: quotes, limits, fills, fees and P&L, a sum a person can follow.

Every quote is asked again of a market made for that instant. The rules used here, and nowhere imported:
  a seller of options gets mid - max(spread / 4, 0.01), a buyer pays mid + the same; shares trade at mid -/+ 0.2 %
  an order fills on the first later quote at which that price is inside its limit
  an exit starts at mid and goes to the natural price in thirds of the half-spread, every 15 seconds, in whole cents
  an entry on the ladder goes from mid to 60 % of the half-spread in the same three steps
  options cost 1.00 a contract and side, a stock order 1.00
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from engine.data.folder import RecordedFolder
from engine.data.replay import ReplayMarket
from engine.model.book import Position, Posting
from engine.model.instruments import Instrument, instrument
from engine.model.orders import Fill, Order, OrderStatus
from engine.sessions import NEW_YORK, Sessions
from tests.journeys.conftest import Replayed
from tests.journeys.program import DATA
from tests.shared import needs_shared

pytestmark = [needs_shared, pytest.mark.timeout(900)]

D = Decimal
CENT = D("0.01")


@cache
def folder() -> RecordedFolder:
    return RecordedFolder.open(DATA)


def at(text: str) -> datetime:
    """`2019-01-02 10:30:00`, New York."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def quote(symbol: str, moment: str) -> tuple[Decimal, Decimal]:
    """(bid, ask) of a market that knows no other instant."""
    what, instant = instrument(symbol), at(moment)
    found = ReplayMarket(folder(), lambda: instant, Sessions()).quotes([what])[what]
    return found.bid, found.ask


def sold(bid: Decimal, ask: Decimal) -> Decimal:
    return (bid + ask) / 2 - max((ask - bid) / 4, CENT)


def bought(bid: Decimal, ask: Decimal) -> Decimal:
    return (bid + ask) / 2 + max((ask - bid) / 4, CENT)


def cents(price: Decimal) -> Decimal:
    return price.quantize(CENT, ROUND_HALF_EVEN)


@dataclass(frozen=True)
class Trade:
    """What the replay kept of one position."""

    position: Position
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    postings: tuple[Posting, ...]

    def tries(self, stem: str) -> list[tuple[str, Decimal, OrderStatus]]:
        """(New York time, limit without its sign, how it ended) of every order of one decision, in their order."""
        mine = [order for order in self.orders if order.client_order_id.startswith(stem)]
        return [(_clock(order.created_at), abs(order.limit or D(0)), order.status) for order in mine]

    def executions(self) -> list[tuple[str, int, Decimal, Decimal]]:
        """(New York time, signed quantity, price, fee) of every fill."""
        return [(_clock(fill.at), fill.quantity, fill.price, fill.fee) for fill in self.fills]

    @property
    def cash(self) -> Decimal:
        """What the ledger says came in (negative: went out) for this position."""
        return sum((posting.cash for posting in self.postings), D(0))

    @property
    def realised(self) -> Decimal:
        """What the ledger says was realised, before fees."""
        return sum((posting.realised for posting in self.postings), D(0))


def _clock(moment: datetime) -> str:
    return moment.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M:%S")


def opened(half_year: Replayed, ticker: str, moment: str) -> Trade:
    """The position in `ticker` opened at that instant."""
    with half_year.store.read() as work:
        (position,) = [p for p in work.positions_closed(10_000) if p.ticker == ticker and _clock(p.opened_at) == moment]
        tickets = sorted(work.tickets_of(position.id), key=lambda ticket: ticket.created_at)
        orders = tuple(
            order for ticket in tickets for order in sorted(work.orders(ticket.id), key=lambda order: order.created_at)
        )
        postings = tuple(posting for posting in work.postings() if posting.position_id == position.id)
        return Trade(position, orders, work.fills(position_id=position.id), postings)


CANCELED, FILLED = OrderStatus.CANCELED, OrderStatus.FILLED


def test_a_put_is_sold_and_bought_back_at_half_its_premium(half_year: Replayed) -> None:
    """INTC: one 15 Feb 2019 42 put, sold on 2 January, bought back on 15 January."""
    put = "INTC190215P00042000"

    # The card of 10:00 is tapped at 10:00:20: 0.94 / 0.99, mid 0.965, limit 0.96. It rests.
    # There and then a seller would get 0.965 - 0.0125 = 0.9525, too little.
    # 10:30: 0.95 / 1.00, mid 0.975; 0.975 - 0.05/4 = 0.9625, which is 0.96 or more: sold.
    assert quote(put, "2019-01-02 10:00:20") == (D("0.94"), D("0.99"))
    assert cents(D("0.965")) == D("0.96")
    assert quote(put, "2019-01-02 10:30:00") == (D("0.95"), D("1.00"))
    assert sold(D("0.95"), D("1.00")) == D("0.9625")
    # 15 January, 09:30:00 to 09:30:45: 0.45 / 0.50, mid 0.475, at or below half of 0.96: buy back.
    # Limits 0.475, 0.475 + 0.025/3 = 0.4833, 0.475 + 0.05/3 = 0.4917: in cents 0.48, 0.48, 0.49.
    # A buyer pays 0.475 + 0.0125 = 0.4875: inside the third limit only.
    for seconds in ("00", "15", "30", "45"):
        assert quote(put, f"2019-01-15 09:30:{seconds}") == (D("0.45"), D("0.50"))
    assert bought(D("0.45"), D("0.50")) == D("0.4875")

    trade = opened(half_year, "INTC", "2019-01-02 10:30:00")

    assert trade.tries("A") == [("2019-01-02 10:00:20", D("0.96"), FILLED)]
    assert trade.position.exits.target == D("-0.48")
    assert trade.tries(f"{trade.position.id}.target") == [
        ("2019-01-15 09:30:00", D("0.48"), CANCELED),
        ("2019-01-15 09:30:15", D("0.48"), CANCELED),
        ("2019-01-15 09:30:30", D("0.49"), FILLED),
    ]
    assert trade.executions() == [
        ("2019-01-02 10:30:00", -1, D("0.9625"), D("1.00")),
        ("2019-01-15 09:30:45", 1, D("0.4875"), D("1.00")),
    ]
    # 100 x (0.9625 - 0.4875) = 47.50; two fees of 1.00
    assert (trade.position.realised, trade.position.fees) == (D("47.50"), D("2.00"))
    assert (trade.realised, trade.cash) == (D("47.50"), D("96.25") - 1 - D("48.75") - 1)


def test_a_put_that_is_ahead_is_closed_21_days_before_expiry(half_year: Replayed) -> None:
    """BMY: two 15 Feb 2019 44 puts, sold on 16 January, bought back on 25 January, 21 days before expiry."""
    put = "BMY190215P00044000"

    # Tapped at 10:00:20: 0.98 / 1.04, limit 1.01. 10:30: 1.00 / 1.07, mid 1.035, given up 0.07/4 = 0.0175: 1.0175.
    assert quote(put, "2019-01-16 10:00:20") == (D("0.98"), D("1.04"))
    assert quote(put, "2019-01-16 10:30:00") == (D("1.00"), D("1.07"))
    assert sold(D("1.00"), D("1.07")) == D("1.0175")
    # 25 January: 0.62 / 0.67, mid 0.645: short of the target 0.505, but ahead by 1.0175 - 0.645 less the fees.
    # Limits 0.645 -> 0.64, 0.6533 -> 0.65, 0.6617 -> 0.66; a buyer pays 0.645 + 0.0125 = 0.6575.
    assert (date(2019, 2, 15) - date(2019, 1, 25)).days == 21
    for seconds in ("00", "15", "30", "45"):
        assert quote(put, f"2019-01-25 09:30:{seconds}") == (D("0.62"), D("0.67"))
    assert bought(D("0.62"), D("0.67")) == D("0.6575")

    trade = opened(half_year, "BMY", "2019-01-16 10:30:00")

    assert trade.tries("A") == [("2019-01-16 10:00:20", D("1.01"), FILLED)]
    assert trade.tries(f"{trade.position.id}.21-DTE-winner") == [
        ("2019-01-25 09:30:00", D("0.64"), CANCELED),
        ("2019-01-25 09:30:15", D("0.65"), CANCELED),
        ("2019-01-25 09:30:30", D("0.66"), FILLED),
    ]
    assert trade.executions() == [
        ("2019-01-16 10:30:00", -2, D("1.0175"), D("2.00")),
        ("2019-01-25 09:30:45", 2, D("0.6575"), D("2.00")),
    ]
    # 200 x (1.0175 - 0.6575) = 72.00; two contracts, two sides: 4.00
    assert (trade.position.realised, trade.position.fees) == (D("72.00"), D("4.00"))
    assert (trade.realised, trade.cash) == (D("72.00"), D("68.00"))


def test_a_call_is_sold_at_its_stop_after_two_breaches(half_year: Replayed) -> None:
    """JD: three 15 Feb 2019 24 calls, bought on 10 January, stopped on 14 January."""
    call = "JD190215C00024000"

    # 1.26 / 1.30 throughout, mid 1.28, half-spread 0.02. Limits 1.28, 1.28 + 0.2 x 0.02 = 1.284 -> 1.28 and
    # 1.28 + 0.4 x 0.02 = 1.288 -> 1.29. A buyer pays 1.28 + max(0.04/4, 0.01) = 1.29: inside the third limit.
    for moment in ("10:00:20", "10:00:35", "10:00:50", "10:01:05"):
        assert quote(call, f"2019-01-10 {moment}") == (D("1.26"), D("1.30"))
    assert bought(D("1.26"), D("1.30")) == D("1.29")
    # Stop at half of 1.28 = 0.64. 14 January: 13:30 mid 0.655; 14:00:00 mid 0.63, once; 14:00:15 0.63, twice: sell.
    # Limits 0.63, then 0.63 - 0.02/3 = 0.6233 -> 0.62; a seller gets 0.63 - max(0.04/4, 0.01) = 0.62.
    assert quote(call, "2019-01-14 13:30:00") == (D("0.64"), D("0.67"))
    for seconds in ("00", "15", "30", "45"):
        assert quote(call, f"2019-01-14 14:00:{seconds}") == (D("0.61"), D("0.65"))
    assert sold(D("0.61"), D("0.65")) == D("0.62")

    trade = opened(half_year, "JD", "2019-01-10 10:01:05")

    assert trade.tries("A") == [
        ("2019-01-10 10:00:20", D("1.28"), CANCELED),
        ("2019-01-10 10:00:35", D("1.28"), CANCELED),
        ("2019-01-10 10:00:50", D("1.29"), FILLED),
    ]
    assert trade.position.exits.stop == D("0.64")
    assert trade.tries(f"{trade.position.id}.stop") == [
        ("2019-01-14 14:00:15", D("0.63"), CANCELED),
        ("2019-01-14 14:00:30", D("0.62"), FILLED),
    ]
    assert trade.executions() == [
        ("2019-01-10 10:01:05", 3, D("1.29"), D("3.00")),
        ("2019-01-14 14:00:45", -3, D("0.62"), D("3.00")),
    ]
    # 300 x (0.62 - 1.29) = -201.00; three contracts, two sides: 6.00
    assert (trade.position.realised, trade.position.fees) == (D("-201.00"), D("6.00"))
    assert (trade.realised, trade.cash) == (D("-201.00"), D("-207.00"))


def test_half_a_call_is_sold_at_delta_060_and_the_rest_at_three_times_its_premium(half_year: Replayed) -> None:
    """PDD: four 15 Feb 2019 25 calls, bought on 22 January; two sold the same day, two on 24 January."""
    call = "PDD190215C00025000"

    # 1.04 / 1.08, mid 1.06: limits 1.06, 1.064 -> 1.06, 1.068 -> 1.07; a buyer pays 1.06 + 0.01 = 1.07.
    for moment in ("10:00:20", "10:00:35", "10:00:50", "10:01:05"):
        assert quote(call, f"2019-01-22 {moment}") == (D("1.04"), D("1.08"))
    # 13:30:00: 2.18 / 2.24, and 2.19 / 2.25 from 13:30:15 on: limits 2.21, 2.22 - 0.01 = 2.21, 2.22 - 0.02 = 2.20.
    # A seller gets 2.22 - 0.06/4 = 2.205: inside the third limit.
    assert quote(call, "2019-01-22 13:30:00") == (D("2.18"), D("2.24"))
    for seconds in ("15", "30", "45"):
        assert quote(call, f"2019-01-22 13:30:{seconds}") == (D("2.19"), D("2.25"))
    assert sold(D("2.19"), D("2.25")) == D("2.205")
    # Target 3 x 1.06 = 3.18. 24 January, 12:30: mid 3.10, not yet. 13:00: 3.45 / 3.55, mid 3.50: sell.
    # Limits 3.50, 3.4833 -> 3.48, 3.4667 -> 3.47; a seller gets 3.50 - 0.10/4 = 3.475.
    assert quote(call, "2019-01-24 12:30:00") == (D("3.05"), D("3.15"))
    for seconds in ("00", "15", "30", "45"):
        assert quote(call, f"2019-01-24 13:00:{seconds}") == (D("3.45"), D("3.55"))
    assert sold(D("3.45"), D("3.55")) == D("3.475")

    trade = opened(half_year, "PDD", "2019-01-22 10:01:05")

    assert trade.position.exits.target == D("3.18")
    assert trade.tries(f"{trade.position.id}.delta") == [
        ("2019-01-22 13:30:00", D("2.21"), CANCELED),
        ("2019-01-22 13:30:15", D("2.21"), CANCELED),
        ("2019-01-22 13:30:30", D("2.20"), FILLED),
    ]
    assert trade.tries(f"{trade.position.id}.target") == [
        ("2019-01-24 13:00:00", D("3.50"), CANCELED),
        ("2019-01-24 13:00:15", D("3.48"), CANCELED),
        ("2019-01-24 13:00:30", D("3.47"), FILLED),
    ]
    assert trade.executions() == [
        ("2019-01-22 10:01:05", 4, D("1.07"), D("4.00")),
        ("2019-01-22 13:30:45", -2, D("2.205"), D("2.00")),
        ("2019-01-24 13:00:45", -2, D("3.475"), D("2.00")),
    ]
    # 200 x (2.205 - 1.07) = 227.00, 200 x (3.475 - 1.07) = 481.00; four contracts, two sides: 8.00
    assert [posting.realised for posting in trade.postings if posting.realised] == [D("227.00"), D("481.00")]
    assert (trade.position.realised, trade.position.fees) == (D("708.00"), D("8.00"))
    assert trade.cash == D("-428.00") + D("441.00") + D("695.00") - 8


def test_an_assigned_put_becomes_shares_that_are_sold_at_their_stop(half_year: Replayed) -> None:
    """AMC: seven 21 Jun 2019 13.50 puts, sold on 7 May, assigned at expiry; 700 shares sold on 25 June."""
    put = "AMC190621P00013500"

    # Tapped at 10:00:20: 0.29 / 0.31, limit 0.30. 11:00: 0.30 / 0.32, mid 0.31, given up a cent (0.02/4 is less): 0.30.
    assert quote(put, "2019-05-07 10:00:20") == (D("0.29"), D("0.31"))
    assert quote(put, "2019-05-07 11:00:00") == (D("0.30"), D("0.32"))
    assert sold(D("0.30"), D("0.32")) == D("0.30")
    # 21 June: AMC closes at 10.60 (106.00 in the shares of 2024, after 1 for 10), below 13.50: assigned.
    assert bar("AMC", date(2019, 6, 21))["close"] / 10 == pytest.approx(10.60, abs=1e-5)
    # Basis 13.50 - 0.30 = 13.20 a share; stop a quarter below: 9.90.
    # 25 June: open 10.01, high 10.03 (the nearer), low 9.42. From minute 130 to 260 it falls from high to low.
    # 12:30 is minute 180: 10.03 - 0.61 x 50/130 = 9.7954 -> 9.79 / 9.80, below 9.90 once, 12:30:15 twice: sell.
    # Shares leave 0.25 % below the bid: 9.79 x 0.9975 = 9.7655 -> 9.77. A seller gets 9.795 x 0.998 = 9.7754 -> 9.77.
    prices = bar("AMC", date(2019, 6, 25))
    assert [round(prices[name] / 10, 3) for name in ("open", "high", "low")] == [10.01, 10.03, 9.42]
    assert quote("AMC", "2019-06-25 12:00:00") == (D("9.93"), D("9.94"))
    for seconds in ("00", "15", "30"):
        assert quote("AMC", f"2019-06-25 12:30:{seconds}") == (D("9.79"), D("9.80"))
    assert cents(D("9.79") * D("0.9975")) == D("9.77")
    assert D("9.795") * D("0.998") == D("9.775410")

    puts = opened(half_year, "AMC", "2019-05-07 11:00:00")
    shares = opened(half_year, "AMC", "2019-06-21 16:00:00")

    assert puts.executions() == [("2019-05-07 11:00:00", -7, D("0.30"), D("7.00"))]
    assert (puts.position.close_reason, puts.position.realised, puts.position.fees) == ("assigned", D(0), D("7.00"))
    assert (shares.position.entry, shares.position.exits.stop_spot) == (D("13.20"), D("9.90"))
    assert shares.tries(f"{shares.position.id}.stop") == [("2019-06-25 12:30:15", D("9.77"), FILLED)]
    assert shares.executions() == [("2019-06-25 12:30:30", -700, D("9.77"), D("1.00"))]
    # 700 x (9.77 - 13.20) = -2,401.00; in cash 210 - 7 - 700 x 13.50 + 700 x 9.77 - 1 = -2,409.00
    assert (shares.position.realised, shares.position.fees) == (D("-2401.00"), D("1.00"))
    assert puts.cash == D("203.00")
    assert shares.cash == D("-9450.00") + D("6839.00") - 1
    assert puts.cash + shares.cash == D("-2409.00")
    assert puts.position.campaign == shares.position.campaign


@cache
def bar(ticker: str, day: date) -> dict[str, float]:
    """One row of daily_bars.parquet, read on its own."""
    table = pq.read_table(DATA / "daily_bars.parquet")
    rows = table.filter(pc.and_(pc.equal(table["ticker"], ticker), pc.equal(table["date"], day))).to_pylist()
    (row,) = rows
    return {name: float(row[name]) for name in ("open", "high", "low", "close")}


def test_no_quote_of_these_trades_is_a_recorded_one() -> None:
    """The folder has no chains of 2019: all five trades are on modelled quotes, and say so."""
    what: Instrument = instrument("INTC190215P00042000")
    instant = at("2019-01-02 10:30:00")

    found = ReplayMarket(folder(), lambda: instant, Sessions()).quotes([what])[what]

    assert "modelled" in str(found.source)
